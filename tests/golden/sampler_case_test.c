/* SPDX-License-Identifier: MIT */
/* The reference cases of samplers on every backend, and that one with anything wrong in it fails. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/json.h"
#include "support/lab.h"
#include "support/route.h"

#include "check/sampler_case.h"
#include "checkpoint/safetensors.h"

static const char *const cases[] = {"tests/golden_samplers/analytic.json", "tests/golden_samplers/network.json"};

typedef struct tally {
    int passed, failed;
    char first[1700]; /* the first failure */
} tally;

static void count(void *user, const rin_check_result *result) {
    tally *t = user;
    if (result->passed) t->passed++;
    else if (t->failed++ == 0)
        snprintf(t->first, sizeof t->first, "%s: error %.3g of %.3g in %s[%lld] %s", result->name, result->error,
                 result->tolerance, result->tensor, (long long)result->index, result->message);
}

/* Backends that round products more than floats do miss what sampling amplifies. */
static void test_cases_pass(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        for (int b = 0; rin_backend_row(b); b++) {
            rin_error error = {0};
            tally t = {0};
            if (!rin_backend_row(b)->available() || rin_backend_row(b)->rounding > 0) continue;
            assert_ok(rin_check_case(cases[i], rin_backend_row(b)->name, 1, count, &t, NULL, &error), &error);
            if (t.failed) fail_msg("%s on %s: %s", cases[i], rin_backend_row(b)->name, t.first);
            assert_true(t.passed >= 27);
        }
    }
}

/* ---- cases with a fault ---- */

static char folder[] = "/tmp/rin-samplers-XXXXXX";

static char *path_to(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static char *read_all(const char *path, size_t *n) {
    char *bytes;
    rin_error error = {0};
    assert_ok(rin_file_read(path, 1 << 24, &bytes, n, &error), &error);
    return bytes;
}

static void write_all(const char *name, const char *bytes, size_t n) {
    rin_error error = {0};
    assert_ok(rin_file_write(path_to(name), bytes, n, &error), &error);
}

/* A case beside which ../golden is that of the sources. */
static void make_folder(void) {
    char golden[512], here[256];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir(path_to("case"), 0777), 0);
    snprintf(golden, sizeof golden, "%s/tests/golden", here);
    assert_int_equal(symlink(golden, path_to("golden")), 0);
}

/* How many checks fail of a case whose tensor, or whose JSON, has another number; -1: it is refused. */
static int run_changed(int which, const char *tensor, void (*change)(cJSON *json), tally *t) {
    static const char *const tensors[] = {"tests/golden_samplers/analytic.safetensors",
                                          "tests/golden_samplers/network.safetensors"};
    size_t n;
    rin_error error = {0};
    rin_safetensors *file;
    char *bytes = read_all(tensors[which], &n);
    if (tensor) {
        float number;
        assert_ok(rin_safetensors_open(tensors[which], &file, &error), &error);
        const rin_stored_tensor *stored = rin_safetensors_find(file, tensor);
        assert_non_null(stored);
        char *at = bytes + n - rin_safetensors_get(file, rin_safetensors_count(file) - 1)->end + stored->begin;
        memcpy(&number, at, sizeof number);
        number += 0.05f;
        memcpy(at, &number, sizeof number);
        rin_safetensors_close(file);
    }
    write_all("case/a.safetensors", bytes, n);
    rin_free(bytes);
    cJSON *json = json_read(cases[which]);
    if (change) change(json);
    char *text = cJSON_PrintUnformatted(json);
    write_all("case/a.json", text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    *t = (tally){0};
    rin_status status = rin_check_case(path_to("case/a.json"), "cpu", 1, count, t, NULL, &error);
    return status == RIN_OK ? t->failed : -1;
}

/* ---- changes of the JSON ---- */

static cJSON *row_of(cJSON *json, const char *list, const char *name) {
    cJSON *row, *rows = cJSON_GetObjectItemCaseSensitive(json, list);
    cJSON_ArrayForEach(row, rows) {
        const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "name"));
        if (!name || (own && strcmp(own, name) == 0)) return row;
    }
    fail_msg("no row %s of %s", name ? name : "at all", list);
    return NULL;
}

static void replace(cJSON *row, const char *key, double number) {
    assert_true(cJSON_ReplaceItemInObjectCaseSensitive(row, key, cJSON_CreateNumber(number)));
}

static void other_node(cJSON *json) {
    cJSON *nodes = cJSON_GetObjectItemCaseSensitive(row_of(json, "cases", "heun_karras"), "nodes");
    cJSON_ReplaceItemInArray(nodes, 3, cJSON_CreateNumber(cJSON_GetArrayItem(nodes, 3)->valuedouble * 1.001));
}

static void other_network_node(cJSON *json) {
    cJSON *nodes = cJSON_GetObjectItemCaseSensitive(row_of(json, "cases", "img2img"), "nodes");
    cJSON_ReplaceItemInArray(nodes, 2, cJSON_CreateNumber(cJSON_GetArrayItem(nodes, 2)->valuedouble * 1.0001));
}

static void fewer_guided(cJSON *json) {
    cJSON_DeleteItemFromArray(cJSON_GetObjectItemCaseSensitive(row_of(json, "cases", "dpmpp2m_interval"), "guided"), 7);
}

static void asymmetric(cJSON *json) {
    cJSON_AddNumberToObject(row_of(json, "cases", "ddim_uniform"), "td", 1);
}

/* Which is the same sampler. */
static void by_another_name(cJSON *json) {
    cJSON *row = row_of(json, "cases", "ddim_eta1");
    cJSON_ReplaceItemInObjectCaseSensitive(row, "kind", cJSON_CreateString("ddpm@small"));
    cJSON_DeleteItemFromObjectCaseSensitive(row, "eta");
}

static void other_count(cJSON *json) {
    replace(row_of(json, "cases", "heun_karras"), "evaluations", 16);
}

static void other_exact(cJSON *json) {
    replace(row_of(json, "cases", "unipc_karras"), "error_to_exact", 0.172);
}

static void other_error(cJSON *json) {
    cJSON_ReplaceItemInArray(cJSON_GetObjectItemCaseSensitive(row_of(json, "convergence", NULL), "error"), 1,
                             cJSON_CreateNumber(0.07));
}

static void other_mean(cJSON *json) {
    replace(row_of(json, "moments", NULL), "mean", 0.21);
}

static void other_sigma(cJSON *json) {
    replace(row_of(json, "grids", NULL), "sigma_max", 81);
}

static void other_walk(cJSON *json) {
    cJSON_DeleteItemFromArray(cJSON_GetObjectItemCaseSensitive(row_of(json, "walks", NULL), "walk"), 4);
}

static void unknown_sampler(cJSON *json) {
    cJSON_ReplaceItemInObjectCaseSensitive(row_of(json, "cases", "unipc_karras"), "kind", cJSON_CreateString("plms"));
}

static void outside(cJSON *json) {
    cJSON_ReplaceItemInObjectCaseSensitive(row_of(json, "cases", "heun"), "weights", cJSON_CreateString("../golden"));
}

static void other_guided(cJSON *json) {
    cJSON *guided = cJSON_GetObjectItemCaseSensitive(row_of(json, "cases", "dpmpp2m_interval"), "guided");
    cJSON_ReplaceItemInArray(guided, 0, cJSON_CreateNumber(1));
}

static void no_guidance(cJSON *json) {
    replace(row_of(json, "cases", "heun_guided_interval"), "guidance", 0);
}

static void other_hiddens(cJSON *json) {
    cJSON_ReplaceItemInObjectCaseSensitive(row_of(json, "cases", "dpmpp2m_interval_own_hiddens"), "hiddens",
                                           cJSON_CreateString("shared"));
}

static void other_guide(cJSON *json) {
    cJSON_ReplaceItemInObjectCaseSensitive(row_of(json, "cases", "dpmpp2m_autoguided"), "guide",
                                           cJSON_CreateString("image_latent_cond"));
}

static void cold(cJSON *json) {
    cJSON_DeleteItemFromObjectCaseSensitive(row_of(json, "cases", "img2img_warm"), "warm");
}

static void no_walk(cJSON *json) {
    replace(row_of(json, "cases", "inpaint_repeats"), "repeats", 1);
}

static void other_phi(cJSON *json) {
    replace(row_of(json, "cases", "dpmpp2m_rescaled"), "phi", 0.5);
}

static void other_percentile(cJSON *json) {
    replace(row_of(json, "cases", "dpmpp2m_percentile"), "percentile", 0);
}

static void test_faulty_cases_fail(void **state) {
    (void)state;
    static const struct {
        int which;
        const char *tensor;
        void (*change)(cJSON *json);
        const char *part; /* of the first failure */
    } faults[] = {
        {0, "dpmpp2m_uniform/states", NULL, "dpmpp2m_uniform"},
        {0, "heun_churn/estimates", NULL, "heun_churn"},
        {0, "heun_churn/noise0", NULL, "heun_churn"},
        {0, "ddim_eta1/step_noise", NULL, "ddim_eta1"},
        {0, NULL, other_exact, "unipc_karras"},
        {0, "threshold/out_half", NULL, "threshold"},
        {0, "rescale/guided", NULL, "rescale"},
        {0, "slerp/0.25", NULL, "slerp"},
        {0, NULL, other_node, "heun_karras"},
        {0, NULL, other_count, "heun_karras"},
        {0, NULL, asymmetric, "ddim_uniform"},
        {0, NULL, other_error, "convergence 0"},
        {0, NULL, other_mean, "moments 0"},
        {0, NULL, other_sigma, "grids 0"},
        {0, NULL, other_walk, "walks 0"},
        {0, NULL, unknown_sampler, "no sampler 'plms'"},
        {1, "heun/samples", NULL, "heun"},
        {1, "inpaint/mask", NULL, "inpaint"},
        {1, "sde_v_scaled/step_noise", NULL, "sde_v_scaled"},
        {1, NULL, outside, "not the name of a case"},
        {1, NULL, other_network_node, "img2img"},
        {1, NULL, other_guided, "guided"},
        {1, NULL, fewer_guided, "guided"},
        {1, NULL, no_guidance, "heun_guided_interval"},
        {1, NULL, other_hiddens, "dpmpp2m_interval_own_hiddens"},
        {1, NULL, other_guide, "dpmpp2m_autoguided"},
        {1, NULL, cold, "img2img_warm"},
        {1, NULL, no_walk, "inpaint_repeats"},
        {1, NULL, other_phi, "dpmpp2m_rescaled"},
        {1, NULL, other_percentile, "dpmpp2m_percentile"},
    };
    tally t;
    make_folder();
    for (int which = 0; which < 2; which++) assert_int_equal(run_changed(which, NULL, NULL, &t), 0);
    assert_int_equal(run_changed(0, NULL, by_another_name, &t), 0);
    for (size_t i = 0; i < RIN_COUNT(faults); i++) {
        int failed = run_changed(faults[i].which, faults[i].tensor, faults[i].change, &t);
        if (failed != 1) fail_msg("fault %zu fails %d checks, first %s", i, failed, t.first);
        if (!strstr(t.first, faults[i].part)) fail_msg("fault %zu: '%s' is not about %s", i, t.first, faults[i].part);
    }
    assert_int_equal(unlink(path_to("case/a.json")), 0);
    assert_int_equal(unlink(path_to("case/a.safetensors")), 0);
    assert_int_equal(rmdir(path_to("case")), 0);
    assert_int_equal(unlink(path_to("golden")), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Noise is stored by step, or in the order of its use without that of a last step, which ends without. */
static void test_noise_is_stored_either_way(void **state) {
    (void)state;
    enum { STEPS = 4, WALK = 8 };
    static const struct {
        int64_t stored, jump, drawn[WALK]; /* which part each use takes */
    } rows[] = {{4, STEPS, {0, 1, 2}}, {3, STEPS, {0, 1, 2}}, {7, 2, {0, 1, 2, 4, 5}}, {5, 2, {0, 1, 2, 3, 4}}};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        rin_route_options options = route_options(RIN_SAMPLER_DPMPP2M, RIN_SPACING_LOGSNR, STEPS);
        options.eta = 1;
        options.jump = rows[i].jump;
        options.repeats = rows[i].jump < STEPS ? 2 : 1;
        float values[WALK] = {0, 1, 2, 3, 4, 5, 6, 7};
        rin_parts parts = {.values = values, .n_parts = rows[i].stored, .each = 1};
        rin_route *route = route_create(&options);
        rin_cursor cursor = {0};
        rin_move move;
        rin_error error = {0};
        int uses = 0;
        assert_ok(rin_parts_fit(&parts, route, &error), &error);
        while (rin_route_next(route, &cursor, &move)) {
            float noise;
            if (move.noise < 0) continue;
            rin_parts_draw(&parts, move.noise, &noise);
            assert_int_equal((int64_t)noise, rows[i].drawn[uses++]);
        }
        parts.n_parts = uses - 1;
        assert_int_equal(rin_parts_fit(&parts, route, &error), RIN_ERR_SHAPE);
        rin_route_free(route);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_pass),
        cmocka_unit_test(test_faulty_cases_fail),
        cmocka_unit_test(test_noise_is_stored_either_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
