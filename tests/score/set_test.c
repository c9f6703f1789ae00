/* SPDX-License-Identifier: MIT */
/* Sets from files of numpy, and which protocols may be compared. */
#include <stdlib.h>

#include "npz/maker.h"
#include "support/formula.h"
#include "support/options.h"
#include "support/run.h"

#include "score/score.h"

enum { DIM = 3, N = 4 };

static const double rows[N * DIM] = {1, 2, 3, 2, 4, 7, -1, 0.5, 2, 0, 0, 1};

static run_lab lab;
static char weights[FORMULA_PATH];

static int set_up(void **state) {
    (void)state;
    return formula_lab(&lab, RIN_NETWORK_INCEPTION, weights);
}

static int tear_down(void **state) {
    (void)state;
    run_lab_free(&lab);
    return 0;
}

static rin_config *config_of(const char *options) {
    return formula_config(NULL, weights, NULL, "eval.batch=2", options);
}

/* ---- .npy of features ---- */

static void put_npy(const char *name, const char *dictionary, const void *data, size_t n) {
    rin_error error = {0};
    made *npy = calloc(1, sizeof *npy);
    make_npy(npy, 1, dictionary, data, n);
    assert_ok(rin_file_write(run_lab_path(&lab, name), npy->at, npy->n, &error), &error);
    free(npy);
}

static rin_status load(rin_set *set, unsigned needs, const char *name, rin_error *error) {
    static rin_loading loading;
    rin_config *config = config_of("");
    rin_gauge gauge;
    rin_error ignored = {0};
    assert_ok(rin_gauge_init(&gauge, config, false, NULL, 1, &loading, &ignored), &ignored);
    rin_set_init(set, needs);
    rin_status status = rin_set_load(set, &gauge, run_lab_path(&lab, name), error);
    rin_gauge_clear(&gauge);
    rin_config_free(config);
    return status;
}

static void refuse(unsigned needs, const char *name, rin_status status, const char *part) {
    rin_set set;
    rin_error error = {0};
    assert_refused(load(&set, needs, name, &error), status, &error, part);
    rin_set_clear(&set);
}

static void test_features_of_all_kinds(void **state) {
    (void)state;
    static const double mu[DIM] = {0.5, 1.625, 3.25};
    /* numpy.cov of the rows */
    static const double sigma[DIM * DIM] = {5.0 / 3, 25.0 / 12, 17.0 / 6, 25.0 / 12, 155.0 / 48,
                                            4.625,   17.0 / 6,  4.625,    83.0 / 12};
    float narrow[N * DIM];
    double turned[DIM * N];
    for (int i = 0; i < N * DIM; i++) {
        narrow[i] = (float)rows[i];
        turned[i % DIM * N + i / DIM] = rows[i];
    }
    put_npy("wide.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }", rows, sizeof rows);
    put_npy("narrow.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }", narrow, sizeof narrow);
    put_npy("turned.npy", "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 3), }", turned, sizeof turned);
    static const char *const names[] = {"wide.npy", "narrow.npy", "turned.npy"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        rin_set set;
        rin_error error = {0};
        float got[N * DIM];
        assert_ok(load(&set, RIN_NEED_GAUSSIAN | RIN_NEED_ROWS, names[i], &error), &error);
        assert_true(set.n == N && set.dim == DIM && !set.measured && !set.protocol && set.has_gaussian);
        assert_int_equal(set.gaussian.n, N);
        assert_close("mu", set.gaussian.mu, mu, DIM, 1e-15);
        assert_close("sigma", set.gaussian.sigma, sigma, DIM * DIM, 1e-14);
        assert_ok(rin_row_file_read(&set.features, 0, N, got, &error), &error);
        assert_memory_equal(got, narrow, sizeof got);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(set.source, "kind")), "features");
        rin_set_clear(&set);
    }
}

static void test_features_that_are_refused(void **state) {
    (void)state;
    static const float wrong[N * DIM] = {0, 0, 0, 0, 0, 0, 0, NAN};
    put_npy("flat.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (12,), }", rows, sizeof rows);
    put_npy("none.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", rows, 0);
    put_npy("thin.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0), }", rows, 0);
    put_npy("one.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }", rows, DIM * sizeof *rows);
    put_npy("nan.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }", wrong, sizeof wrong);
    put_npy("short.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }", wrong, sizeof wrong - 1);
    refuse(RIN_NEED_GAUSSIAN, "flat.npy", RIN_ERR_FORMAT, "is not features [N, D]");
    refuse(RIN_NEED_GAUSSIAN, "none.npy", RIN_ERR_FORMAT, "is not features [N, D]");
    refuse(RIN_NEED_GAUSSIAN, "thin.npy", RIN_ERR_FORMAT, "is not features [N, D]");
    refuse(RIN_NEED_GAUSSIAN, "one.npy", RIN_ERR_ARG, "2");
    refuse(RIN_NEED_GAUSSIAN, "nan.npy", RIN_ERR_NUMERIC, "nan.npy: row 2: number 1 is nan");
    refuse(RIN_NEED_LOGITS, "wide.npy", RIN_ERR_FORMAT, "rows of 3 numbers; the Inception Score is made of the 1008");
    refuse(RIN_NEED_GAUSSIAN, "short.npy", RIN_ERR_FORMAT, "short.npy");
    refuse(RIN_NEED_GAUSSIAN, "nothing.npy", RIN_ERR_IO, "nothing.npy");
    static const float many[70000];
    uint8_t header[RIN_NPY_HEADER];
    rin_npy_header(1, 70000, header);
    FILE *stream = fopen(run_lab_path(&lab, "broad.npy"), "wb");
    assert_true(stream && fwrite(header, sizeof header, 1, stream) == 1 && fwrite(many, sizeof many, 1, stream) == 1);
    fclose(stream);
    refuse(RIN_NEED_GAUSSIAN, "broad.npy", RIN_ERR_FORMAT, "D up to 65536");
}

/* ---- .npz ---- */

static const double mu_of_file[DIM] = {1, 2, 3}, sigma_of_file[DIM * DIM] = {2, 1, 0, 1, 3, 0, 0, 0, 1};

/* Statistics, with pictures too where bytes are given. */
static void put_npz(const char *name, double n, const uint8_t *bytes, const char *protocol) {
    rin_error error = {0};
    rin_npz_item items[5] = {{.name = "mu", .values = mu_of_file, .rank = 1, .shape = {DIM}},
                             {.name = "sigma", .values = sigma_of_file, .rank = 2, .shape = {DIM, DIM}}};
    int count = 2;
    if (n > 0) items[count++] = (rin_npz_item){.name = "n", .values = &n};
    if (bytes) items[count++] = (rin_npz_item){.name = "arr_0", .bytes = bytes, .rank = 4, .shape = {3, 2, 2, 3}};
    if (protocol)
        items[count++] = (rin_npz_item){
            .name = "protocol", .bytes = (const uint8_t *)protocol, .rank = 1, .shape = {(int64_t)strlen(protocol)}};
    assert_ok(rin_npz_write(run_lab_path(&lab, name), items, count, &error), &error);
}

static void test_statistics(void **state) {
    (void)state;
    rin_set set;
    rin_error error = {0};
    put_npz("statistics.npz", 7, NULL, "{\"network\":\"inception\"}");
    assert_ok(load(&set, RIN_NEED_GAUSSIAN, "statistics.npz", &error), &error);
    assert_true(set.n == 7 && set.dim == DIM && !set.measured && set.has_gaussian);
    assert_string_equal(set.protocol, "{\"network\":\"inception\"}");
    assert_memory_equal(set.gaussian.mu, mu_of_file, sizeof mu_of_file);
    assert_memory_equal(set.gaussian.sigma, sigma_of_file, sizeof sigma_of_file);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(set.source, "kind")), "statistics");
    rin_set_clear(&set);
    refuse(RIN_NEED_GAUSSIAN | RIN_NEED_ROWS, "statistics.npz", RIN_ERR_FORMAT, "no pictures (arr_0)");
    refuse(RIN_NEED_LOGITS, "statistics.npz", RIN_ERR_FORMAT, "no pictures (arr_0)");
}

/* ADM's references: the distance is of mu and sigma, which are those of a larger set; all else is of the pictures. */
static void test_reference_with_both(void **state) {
    (void)state;
    uint8_t bytes[3 * 2 * 2 * 3];
    rin_set set;
    rin_error error = {0};
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * i);
    put_npz("adm.npz", 1000, bytes, NULL);
    assert_ok(load(&set, RIN_NEED_GAUSSIAN, "adm.npz", &error), &error); /* no picture is looked at */
    assert_true(set.n == 1000 && set.dim == DIM && !set.measured);
    rin_set_clear(&set);
    assert_ok(load(&set, RIN_NEED_ROWS, "adm.npz", &error), &error);
    assert_true(set.n == 3 && set.features.n == 3 && set.dim == RIN_INCEPTION_FEATURES && set.measured);
    assert_false(set.has_gaussian || rin_set_is_unnamed(&set));
    rin_set_clear(&set);
    assert_ok(load(&set, RIN_NEED_GAUSSIAN | RIN_NEED_ROWS, "adm.npz", &error), &error);
    assert_true(set.has_gaussian && set.gaussian.n == 1000 && rin_set_is_unnamed(&set));
    assert_memory_equal(set.gaussian.mu, mu_of_file, sizeof mu_of_file);
    assert_int_equal(set.features.n, 3);
    assert_int_equal(set.n, 3);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(set.source, "kind")), "npz");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(set.source, "size")), "2x2");
    assert_true(cJSON_GetObjectItem(set.source, "statistics_of")->valuedouble == 1000);
    rin_set_clear(&set);
}

/* ---- protocols ---- */

static double distance_of(const char *data, const char *reference, bool mix, rin_status expected, const char *part) {
    rin_error error = {0};
    rin_scores scores;
    rin_config *config = config_of("");
    rin_score_request request = {
        .scores = RIN_SCORE_FID, .data = data, .reference = reference, .threads = 1, .mix = mix};
    lab.n_log = 0;
    lab.log[0] = '\0';
    rin_status status = rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error);
    double distance = scores.frechet;
    if (expected == RIN_OK) {
        assert_ok(status, &error);
        if (part && !strstr(lab.log, part)) fail_msg("'%s' lacks '%s'", lab.log, part);
        if (!part) assert_string_equal(lab.log, "");
    } else {
        assert_refused(status, expected, &error, part);
        assert_null(scores.protocol);
    }
    rin_scores_clear(&scores);
    rin_config_free(config);
    return distance;
}

static double distance_to(const char *protocol, const char *other, bool mix, rin_status expected, const char *part) {
    char data[256], reference[256];
    put_npz("data.npz", 5000, NULL, other);
    put_npz("reference.npz", 5000, NULL, protocol);
    snprintf(data, sizeof data, "%s/data.npz", lab.folder);
    snprintf(reference, sizeof reference, "%s/reference.npz", lab.folder);
    return distance_of(data, reference, mix, expected, part);
}

#define PROTOCOL(weights, resize, path)                                                                 \
    "{\"network\":\"inception\",\"weights\":\"" weights "\",\"preprocess\":\"" resize "\",\"source\":{" \
    "\"path\":\"" path "\"}}"

/* Two files: what they were made of may differ, what they were made by may not. */
static void test_protocols_of_two_files(void **state) {
    (void)state;
    const char *tf = PROTOCOL("aa", "tf", "one"), *again = PROTOCOL("aa", "tf", "two");
    const char *clean = PROTOCOL("aa", "clean", "one"), *others = PROTOCOL("bb", "tf", "one");
    assert_true(distance_to(tf, again, false, RIN_OK, NULL) < 1e-9);
    distance_to(tf, clean, false, RIN_ERR_ARG, "preprocess");
    distance_to(tf, others, false, RIN_ERR_ARG, "weights");
    assert_true(distance_to(tf, clean, true, RIN_OK, "two protocols are mixed") < 1e-9);
    distance_to(NULL, tf, false, RIN_OK, "names no protocol");
    distance_to(NULL, NULL, false, RIN_OK, "names no protocol");
    distance_to("no JSON", tf, false, RIN_ERR_FORMAT, "none of this program's");
    distance_to("no JSON", tf, true, RIN_OK, "two protocols are mixed");
    distance_to("[1]", "{}", false, RIN_ERR_FORMAT, "none of this program's");
}

static void test_sizes_that_differ(void **state) {
    (void)state;
    char wide[256], other[256];
    put_npz("other.npz", 0, NULL, NULL);
    put_npy("four.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }", rows, sizeof rows);
    snprintf(wide, sizeof wide, "%s/four.npy", lab.folder);
    snprintf(other, sizeof other, "%s/other.npz", lab.folder);
    distance_of(wide, other, false, RIN_ERR_SHAPE, "features of 4 and of 3 numbers");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_of_all_kinds),
        cmocka_unit_test(test_features_that_are_refused),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_reference_with_both),
        cmocka_unit_test(test_protocols_of_two_files),
        cmocka_unit_test(test_sizes_that_differ),
    };
    return cmocka_run_group_tests_name("score/set", tests, set_up, tear_down);
}
