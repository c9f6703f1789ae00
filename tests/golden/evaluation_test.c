/* SPDX-License-Identifier: MIT */
/* Cases of what scores are made of: small ones whose numbers are known by hand pass, and fail with any number changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"

#include "checkpoint/safetensors.h"
#include "feature/feature.h"
#include "npz/npz.h"

/* ---- a folder with a case ---- */

typedef struct number_tensor {
    const char *name;
    rin_stored_type type; /* U8, I32, F32 or F64 */
    int rank;
    int64_t shape[4];
    const void *values;
} number_tensor;

typedef struct tally {
    int passed, failed;
    char first[1700]; /* the first failure */
} tally;

static char folder[] = "/tmp/rin-evaluation-XXXXXX";

static void count(void *user, const rin_check_result *result) {
    tally *t = user;
    if (result->passed) {
        t->passed++;
    } else if (t->failed++ == 0) {
        snprintf(t->first, sizeof t->first, "%s: error %.3g of %.3g in %s[%lld] %s", result->name, result->error,
                 result->tolerance, result->tensor, (long long)result->index, result->message);
    }
}

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    rin_error error = {0};
    assert_ok(rin_file_write(path_of(name), text, strlen(text), &error), &error);
}

static void write_numbers(const number_tensor *tensors, size_t n) {
    rin_error error = {0};
    rin_safetensors_writer *writer;
    assert_ok(rin_safetensors_writer_create(&writer, &error), &error);
    for (size_t i = 0; i < n; i++) {
        const number_tensor *t = &tensors[i];
        assert_ok(rin_safetensors_writer_add(writer, t->name, t->type, t->rank, t->shape, &error), &error);
    }
    assert_ok(rin_safetensors_writer_begin(writer, path_of("io.safetensors"), &error), &error);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = rin_stored_type_bytes(tensors[i].type);
        for (int d = 0; d < tensors[i].rank; d++) bytes *= (size_t)tensors[i].shape[d];
        assert_ok(rin_safetensors_writer_write(writer, tensors[i].values, bytes, &error), &error);
    }
    assert_ok(rin_safetensors_writer_commit(writer, &error), &error);
    rin_safetensors_writer_free(writer);
}

static tally run_text(const char *text) {
    rin_error error = {0};
    tally t = {0};
    int n_failed = -1;
    write_text("case.json", text);
    assert_ok(rin_check_case(folder, "cpu", 2, count, &t, &n_failed, &error), &error);
    assert_int_equal(n_failed, t.failed);
    return t;
}

/* The case with the first `from` in its text made `to`: fails at least one check, and says `part` at the first. */
static void expect_fault(const char *text, const char *from, const char *to, const char *part) {
    char changed[8192];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    tally t = run_text(changed);
    if (!t.failed) fail_msg("with %s for %s it passes", to, from);
    if (!strstr(t.first, part)) fail_msg("with %s for %s: '%s', expected '%s' in it", to, from, t.first, part);
}

static void expect_pass(const char *text, int checks) {
    tally t = run_text(text);
    if (t.failed) fail_msg("%s", t.first);
    assert_int_equal(t.passed, checks);
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"case.json", "io.safetensors", "params.json",
                                        "good.npz",  "bad.npz",        "text.npz"};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(names); i++) unlink(path_of(names[i]));
    return rmdir(folder);
}

/* ---- resizes ---- */

/* A picture of one colour stays one: (v - 128) / 128, and 2 v / 255 - 1. 299 squared times 0.5, -1 and 0.5. */
static const char resize_case[] =
    "{\"rows\": [{\"picture\": \"p\", \"height\": 3, \"width\": 2, \"kind\": \"tf\", "
    "\"stored\": \"[:, ::100, 1::149]\", "
    "\"name\": \"p/tf\", \"size\": 268203, \"sum\": 0, \"sum_sq\": 134101.5, \"max\": 0.5},"
    "{\"picture\": \"q\", \"height\": 7, \"width\": 5, \"kind\": \"half_pixel\", \"stored\": \"[:, 290:, :2:]\", "
    "\"name\": \"q/half_pixel\", \"max\": 1}]}";

static void test_resizes(void **state) {
    (void)state;
    uint8_t flat[6][3], corners[4][3] = {{255, 0, 255}, {255, 0, 255}, {255, 0, 255}, {255, 0, 255}};
    float stored[3][3][2], sides[3][9][2];
    const float colour[] = {0.5f, -1, 0.5f}, lit[] = {1, -1, 1};
    for (int i = 0; i < 18; i++) flat[i / 3][i % 3] = i % 3 == 1 ? 0 : 192;
    for (int i = 0; i < 18; i++) (&stored[0][0][0])[i] = colour[i / 6];
    for (int i = 0; i < 54; i++) (&sides[0][0][0])[i] = lit[i / 18];
    const number_tensor tensors[] = {{"p/image", RIN_STORED_U8, 3, {3, 2, 3}, flat},
                                     {"p/tf", RIN_STORED_F32, 3, {3, 3, 2}, stored},
                                     {"q/image_2x2", RIN_STORED_U8, 3, {2, 2, 3}, corners},
                                     {"q/half_pixel", RIN_STORED_F32, 3, {3, 9, 2}, sides}};
    write_numbers(tensors, RIN_COUNT(tensors));
    expect_pass(resize_case, 2);
    expect_fault(resize_case, "\"sum\": 0", "\"sum\": 0.5", "sum[0]");
    expect_fault(resize_case, "134101.5", "134102.5", "sum_sq[0]");
    expect_fault(resize_case, "\"max\": 0.5", "\"max\": 0.51", "max[0]");
    expect_fault(resize_case, "\"size\": 268203", "\"size\": 268204", "size");
    expect_fault(resize_case, "\"kind\": \"tf\"", "\"kind\": \"half_pixel\"", "p/tf: error");
    expect_fault(resize_case, "\"kind\": \"tf\"", "\"kind\": \"cubist\"", "cubist");
    expect_fault(resize_case, "\"height\": 3", "\"height\": 4", "height");
    expect_fault(resize_case, "\"height\": 7", "\"height\": 1e9", "height");
    expect_fault(resize_case, "\"picture\": \"q\"", "\"picture\": \"r\"", "r/image");
    expect_fault(resize_case, "::100", "::99", "shape");
    expect_fault(resize_case, "::100", "::0", "slices");
    expect_fault(resize_case, "::100", "::99999999999999999999", "slices");
    expect_fault(resize_case, "1::149", "300::149", "slices");
    expect_fault(resize_case, "\"p/tf\"", "\"p/other\"", "no check reads this tensor");
}

/* ---- scores ---- */

/* The corners of a square, and the same three to the right: covariance 4/3 in both directions. */
static const float square[4][2] = {{0, 0}, {2, 0}, {0, 2}, {2, 2}}, moved[4][2] = {{3, 0}, {5, 0}, {3, 2}, {5, 2}};

static double kernel(const float *x, const float *y) {
    double z = (double)(x[0] * y[0] + x[1] * y[1]) / 2 + 1;
    return z * z * z;
}

static double mmd2(const float (*x)[2], const float (*y)[2]) {
    double own = 0, cross = 0;
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++) {
            if (i != k) own += (kernel(x[i], x[k]) + kernel(y[i], y[k])) / 12;
            cross += kernel(x[i], y[k]) / 16;
        }
    }
    return own - 2 * cross;
}

static const char score_case[] =
    "{\"statistics\": {\"rows\": [{\"set\": \"a\", \"n\": 4}]},"
    "\"fid\": {\"rows\": [{\"name\": \"moved\", \"first\": \"a\", \"second\": \"b\", \"fid\": 9, \"mean_term\": 9, "
    "\"trace1\": 2.6666666666666665, \"trace2\": 2.6666666666666665, \"trace_sqrt\": 2.6666666666666665}]},"
    "\"kid\": {\"first\": \"a\", \"second\": \"b\", \"subsets\": 1, \"subset_size\": 4, \"mean\": %.17g, \"std\": 0, "
    "\"full\": %.17g, \"full_identical\": %.17g},"
    "\"inception_score\": {\"rows\": [{\"name\": \"chunks of 3\", \"logits\": \"is/logits\", \"mean\": %.17g, "
    "\"std\": %.17g, \"scores\": [%.17g, 1]}, {\"name\": \"all\", \"logits\": \"is/logits\", \"splits\": \"i*N/2 to\", "
    "\"mean\": 2}]},"
    "\"precision_recall\": {\"rows\": [{\"name\": \"k1\", \"real\": \"features/a\", \"fake\": \"features/b\", "
    "\"k\": 1, \"precision\": 0.5, \"recall\": 0.5}]}}";

static void test_scores(void **state) {
    (void)state;
    char text[2048];
    static const double mean[] = {1, 1}, other[] = {4, 1}, sigma[] = {4. / 3, 0, 0, 4. / 3}, radii[] = {2, 2, 2, 2};
    static const int32_t subset[] = {3, 1, 0, 2};
    /* Certain classes: halves have a score of 2, the last row alone one of 1. */
    static const float logits[4][2] = {{0, -2000}, {-2000, 0}, {0, -2000}, {-2000, 0}};
    const double full = mmd2(square, moved);
    const number_tensor tensors[] = {{"features/a", RIN_STORED_F32, 2, {4, 2}, square},
                                     {"features/b", RIN_STORED_F32, 2, {4, 2}, moved},
                                     {"is/logits", RIN_STORED_F32, 2, {4, 2}, logits},
                                     {"mu/a", RIN_STORED_F64, 1, {2}, mean},
                                     {"mu/b", RIN_STORED_F64, 1, {2}, other},
                                     {"sigma/a", RIN_STORED_F64, 2, {2, 2}, sigma},
                                     {"pr/k1/radius_real", RIN_STORED_F64, 1, {4}, radii},
                                     {"kid/mmd2", RIN_STORED_F64, 1, {1}, &full},
                                     {"kid/subset_a", RIN_STORED_I32, 2, {1, 4}, subset},
                                     {"kid/subset_b", RIN_STORED_I32, 2, {1, 4}, subset}};
    write_numbers(tensors, RIN_COUNT(tensors));
    /* Three rows, two of one class and one of the other: exp of the entropy of (1/3, 2/3). */
    double score = exp(log(3) - 2 * log(2) / 3);
    snprintf(text, sizeof text, score_case, full, full, mmd2(square, square), (score + 1) / 2, (score - 1) / 2, score);
    /* a and, for its tensor alone, b; then FID, KID, two scores, precision and recall. */
    expect_pass(text, 7);
    expect_fault(text, "\"n\": 4", "\"n\": 5", "n = 5");
    expect_fault(text, "\"set\": \"a\"", "\"set\": \"c\"", "features/c");
    expect_fault(text, "\"fid\": 9", "\"fid\": 9.00000001", "fid[0]");
    expect_fault(text, "\"trace2\": 2.6666", "\"trace2\": 2.6667", "trace2[0]");
    expect_fault(text, "\"subsets\": 1", "\"subsets\": 2", "subsets");
    expect_fault(text, "\"std\": 0,", "\"std\": 1e-9,", "std[0]");
    expect_fault(text, "\"full\": ", "\"full\": 1", "full[0]");
    expect_fault(text, "chunks of 3", "chunks of 2", "scores");
    expect_fault(text, "i*N/2", "i*N/4", "mean[0]");
    expect_fault(text, "i*N/2", "i*N/5", "splits");
    expect_fault(text, "\"k\": 1", "\"k\": 0", "k = 0");
    expect_fault(text, "\"k\": 1", "\"k\": 4", "k");
    expect_fault(text, "\"precision\": 0.5", "\"precision\": 0.25", "precision[0]");
    expect_fault(text, "\"recall\": 0.5", "\"recall\": 0.75", "recall[0]");
}

/* ---- numpy's files ---- */

static const char file_case[] =
    "{\"rows\": [{\"file\": \"good.npz\", \"ok\": true, \"arrays\": {\"mu\": {\"shape\": [2], \"dtype\": \"<f8\", "
    "\"sum\": 3, \"first\": 1, \"last\": 2}, \"sigma\": {\"shape\": [2, 2], \"sum\": 4}}},"
    "{\"file\": \"bad.npz\", \"ok\": false}, {\"file\": \"text.npz\", \"ok\": false}]}";

static void test_files(void **state) {
    (void)state;
    rin_error error = {0};
    static const double mu[] = {1, 2}, sigma[] = {2, 0, 0, 2}, askew[] = {2, 1, 0, 2};
    rin_npz_item items[] = {{.name = "mu", .values = mu, .rank = 1, .shape = {2}},
                            {.name = "sigma", .values = sigma, .rank = 2, .shape = {2, 2}}};
    assert_ok(rin_npz_write(path_of("good.npz"), items, 2, &error), &error);
    items[1].values = askew;
    assert_ok(rin_npz_write(path_of("bad.npz"), items, 2, &error), &error);
    write_text("text.npz", "no archive");
    expect_pass(file_case, 3);
    expect_fault(file_case, "\"sum\": 3", "\"sum\": 3.0000001", "sum[0]");
    expect_fault(file_case, "\"first\": 1", "\"first\": 2", "first[0]");
    expect_fault(file_case, "\"last\": 2", "\"last\": 1", "last[0]");
    expect_fault(file_case, "[2, 2]", "[2, 1]", "shape");
    expect_fault(file_case, "[2]", "[2, 1]", "shape");
    expect_fault(file_case, "<f8", ">f8", ">f8");
    expect_fault(file_case, "\"sigma\"", "\"cov\"", "'cov'");
    expect_fault(file_case, "true", "false", "without an error");
    expect_fault(file_case, "false", "true", "sigma");
    expect_fault(file_case, "text.npz", "none.npz", "none.npz");
    expect_fault(file_case, "text.npz", "../text.npz", "in its folder");
}

/* ---- networks ---- */

/* What a stage of a network is fed and answers, (rows, columns, channels), and the same channels first. */
static void channels_first(const double *from, int64_t points, int64_t channels, float *to) {
    for (int64_t i = 0; i < points * channels; i++) to[i % channels * points + i / channels] = (float)from[i];
}

static void test_inception(void **state) {
    (void)state;
    enum { SIDE = RIN_INCEPTION_SIDE, MAP = 149, CHANNELS = 32 };
    static const char *const stages[] = {"Conv2d_1a_3x3"};
    static float input[SIDE * SIDE * 3], stored[3 * SIDE * SIDE];
    static double map[MAP * MAP * CHANNELS], wide[SIDE * SIDE * 3], flat[CHANNELS * MAP * MAP];
    static float maps[CHANNELS * MAP * MAP];
    uint8_t picture[4][3] = {{0, 50, 255}, {90, 20, 3}, {200, 0, 40}, {77, 180, 128}};
    float colours[4 * 3];
    double points[4][CHANNELS], sum = 0, sum_sq = 0, most = 0;
    for (int i = 0; i < 4 * 3; i++) colours[i] = picture[i / 3][i % 3];
    rin_error error = {0};
    rin_extractor *network;
    const rin_extractor_options options = {RIN_NETWORK_INCEPTION, 1, 1, stages, 1, "cpu", 2};
    assert_ok(rin_extractor_create(&options, rin_formula_weights(), &network, &error), &error);
    assert_ok(rin_inception_input(RIN_PREPROCESS_TF, colours, 2, 2, input, &error), &error);
    assert_ok(rin_extractor_run(network, input, 1, &error), &error);
    rin_program *program = rin_extractor_program(network);
    assert_ok(rin_program_read_double(program, stages[0], map, MAP * MAP * CHANNELS, &error), &error);
    rin_extractor_free(network);
    for (int i = 0; i < SIDE * SIDE * 3; i++) wide[i] = (double)input[i];
    channels_first(wide, SIDE * SIDE, 3, stored);
    channels_first(map, MAP * MAP, CHANNELS, maps);
    for (int c = 0; c < CHANNELS; c++) {
        points[0][c] = map[c];
        points[1][c] = map[(MAP - 1) * CHANNELS + c];
        points[2][c] = map[(74 * MAP + 49) * CHANNELS + c];
        points[3][c] = map[(MAP * MAP - 1) * CHANNELS + c];
    }
    for (int i = 0; i < MAP * MAP * CHANNELS; i++) {
        flat[i] = (double)maps[i];
        sum += flat[i];
        sum_sq += flat[i] * flat[i];
        most = fmax(most, flat[i]);
    }
    double projection = rin_formula_projection("x/tf/Conv2d_1a_3x3", flat, MAP * MAP * CHANNELS);
    const number_tensor tensors[] = {
        {"x/image", RIN_STORED_U8, 3, {2, 2, 3}, picture},
        {"x/tf/input", RIN_STORED_F32, 3, {3, SIDE, SIDE}, stored},
        {"x/tf/Conv2d_1a_3x3/points", RIN_STORED_F64, 2, {4, CHANNELS}, points},
        {"x/tf/Conv2d_1a_3x3/channel", RIN_STORED_F32, 2, {MAP, MAP}, maps + CHANNELS / 2 * MAP * MAP}};
    char text[1024];
    write_numbers(tensors, RIN_COUNT(tensors));
    write_text("params.json", "[{\"name\": \"Conv2d_1a_3x3.bn.weight\", \"shape\": [32], \"crc32\": 693381675, "
                              "\"first\": 1.1451867818832397, \"last\": 1.4418865442276}]");
    snprintf(text, sizeof text,
             "{\"rows\": [{\"picture\": \"x\", \"shape\": [32, 149, 149], \"name\": \"x/tf/Conv2d_1a_3x3\", "
             "\"size\": 710432, \"sum\": %.17g, \"sum_sq\": %.17g, \"max\": %.17g, \"projection\": %.17g}]}",
             sum, sum_sq, most, projection);
    expect_pass(text, 3);
    expect_fault(text, "[32, 149, 149]", "[32, 149, 148]", "shape");
    expect_fault(text, "[32, 149, 149]", "[32, 1, 149, 149]", "shape");
    expect_fault(text, "\"projection\": ", "\"projection\": 1", "projection[0]");
    expect_fault(text, "\"name\": \"x/tf/Conv2d_1a", "\"name\": \"x/tf/Conv2d_0", "no such stage");
    points[2][9] += 0.001;
    write_numbers(tensors, RIN_COUNT(tensors));
    expect_fault(text, "}", "}", "Conv2d_1a_3x3/points[73]");
    points[2][9] -= 0.001;
    stored[SIDE + 1] += 0.001f;
    write_numbers(tensors, RIN_COUNT(tensors));
    expect_fault(text, "}", "}", "x/tf/input[300]");
    stored[SIDE + 1] -= 0.001f;
    write_text("params.json", "[{\"name\": \"Conv2d_1a_3x3.bn.weight\", \"shape\": [32], \"crc32\": 693381674}]");
    write_numbers(tensors, RIN_COUNT(tensors));
    expect_fault(text, "}", "}", "CRC-32");
    write_text("params.json", "[{\"name\": \"Conv2d_1a_3x3.bn.wait\"}]");
    expect_fault(text, "}", "}", "no parameter");
}

/* ---- cases of the outside ---- */

static void pass_case(const char *path) {
    rin_error error = {0};
    tally t = {0};
    int n_failed = -1;
    assert_ok(rin_check_case(path, "cpu", 2, count, &t, &n_failed, &error), &error);
    if (t.failed) fail_msg("%s: %s", path, t.first);
    assert_true(t.passed >= 7);
}

/* Parts of cases that were made by the networks' own code. */
static void test_networks(void **state) {
    (void)state;
    pass_case("tests/golden/inception");
    pass_case("tests/golden/i3d");
}

/* Whole ones that lie beside the checkout, where they do. */
static void test_cases_beside(void **state) {
    static const char *const names[] = {"resize", "inception", "end_to_end", "i3d", "stats", "npz"};
    int n_met = 0;
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "../shared/golden_eval/%s", names[i]);
        if (!rin_path_is_dir(path)) continue;
        n_met++;
        pass_case(path);
    }
    if (!n_met) skip();
}

/* What no kind of case is known by, and cases without their files. */
static void test_folders_that_are_no_case(void **state) {
    (void)state;
    rin_error error = {0};
    int n_failed = 0;
    write_text("case.json", "{\"rows\": [{\"kind\": \"tf\"}]}");
    assert_int_equal(rin_check_case(folder, "cpu", 1, NULL, NULL, &n_failed, &error), RIN_ERR_IO);
    write_text("case.json", "{\"rows\": []}");
    assert_int_equal(rin_check_case(folder, "cpu", 1, NULL, NULL, &n_failed, &error), RIN_ERR_FORMAT);
    write_text("case.json", "{\"rows\": [{\"file\": \"x\"}]}");
    assert_int_equal(rin_check_case(folder, "abacus", 1, NULL, NULL, &n_failed, &error), RIN_ERR_ARG);
    assert_ok(rin_check_case(folder, "cpu", 1, NULL, NULL, &n_failed, &error), &error);
    assert_int_equal(n_failed, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resizes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_scores, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_inception, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_folders_that_are_no_case, make_folder, remove_folder),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_cases_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
