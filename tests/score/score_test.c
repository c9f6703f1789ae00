/* SPDX-License-Identifier: MIT */
/* Scores through the public functions: of a set against itself, of statistics; and what does not go together. */
#include <stdlib.h>

#include "support/formula.h"
#include "support/json.h"
#include "support/options.h"
#include "support/run.h"

enum { COUNT = 5 };

static run_lab lab;
static char weights[FORMULA_PATH], run[256];
static rin_model *model;

static int set_up(void **state) {
    (void)state;
    if (formula_lab(&lab, RIN_NETWORK_INCEPTION, weights) != 0) return -1;
    snprintf(run, sizeof run, "%s/run", lab.folder);
    run_train(&lab, run, "train.steps=2");
    return formula_open_model(run, &model);
}

static int tear_down(void **state) {
    (void)state;
    rin_model_free(model);
    run_lab_free(&lab);
    return 0;
}

/* Of the model, then "key=value ...". */
static rin_config *config_of(const char *options) {
    return formula_config(rin_model_config(model), weights, lab.data,
                          "eval.batch=2 eval.count=5 eval.limit=5 eval.kid_subsets=3 eval.kid_size=3 eval.split_size=2 "
                          "sample.steps=2",
                          options);
}

/* ---- data ---- */

static rin_scores score_data(unsigned wanted, const char *reference, const char *options) {
    rin_error error = {0};
    rin_scores scores;
    rin_config *config = config_of(options);
    const rin_score_request request = {.scores = wanted, .data = lab.data, .reference = reference, .threads = 1};
    assert_ok(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), &error);
    rin_config_free(config);
    return scores;
}

static void test_set_against_itself(void **state) {
    (void)state;
    lab.n_log = 0;
    rin_scores s = score_data(RIN_SCORE_FID | RIN_SCORE_KID | RIN_SCORE_PR | RIN_SCORE_IS, NULL, "");
    assert_true(s.n == COUNT && s.n_reference == COUNT && s.kid_size == 3);
    assert_true(s.scores == (RIN_SCORE_FID | RIN_SCORE_KID | RIN_SCORE_PR | RIN_SCORE_IS));
    assert_true(s.frechet >= 0 && s.frechet < 1e-6 && fabs(s.frechet_raw) < 1e-6);
    assert_true(s.precision == 1 && s.recall == 1);
    assert_true(s.inception.mean > 1 && s.inception.deviation > 0);
    assert_non_null(strstr(lab.log, "n = 5 <= 2048: biased"));
    cJSON *protocol = cJSON_Parse(s.protocol);
    assert_string_equal(json_text(protocol, "network"), "inception");
    assert_string_equal(json_text(protocol, "preprocess"), "tf");
    assert_int_equal(strlen(json_text(protocol, "weights")), 64);
    assert_true(json_number(json_member(protocol, "scored"), "n") == COUNT);
    assert_string_equal(json_text(json_member(protocol, "reference"), "size"), "32x32");
    assert_true(json_number(protocol, "kid_size") == 3 && json_number(protocol, "split_size") == 2);
    cJSON_Delete(protocol);
    rin_scores_clear(&s);
    assert_true(!s.protocol && !s.scores);
}

/* What a file of statistics says of how it was made is held against what is done now. */
static void test_statistics_name_their_protocol(void **state) {
    (void)state;
    char file[256];
    int64_t n;
    rin_error error = {0};
    rin_scores s = {.n = 9};
    snprintf(file, sizeof file, "%s/statistics.npz", lab.folder);
    rin_config *config = config_of("eval.limit=3");
    assert_ok(rin_eval_statistics(lab.data, false, config, NULL, 2, file, run_lab_listener(&lab), &n, &error), &error);
    assert_int_equal(n, 3);
    options_set(config, "eval.preprocess=half_pixel eval.limit=2");
    rin_score_request request = {.scores = RIN_SCORE_FID, .data = lab.data, .reference = file, .threads = 1};
    assert_refused(rin_eval_score(&request, config, run_lab_listener(&lab), &s, &error), RIN_ERR_ARG, &error,
                   "preprocess \"tf\", the other set with \"half_pixel\"");
    assert_true(!s.n && !s.protocol);
    rin_config_free(config);
}

static void expect_no_scores(rin_score_request request, const char *options, rin_status status, const char *part) {
    rin_error error = {0};
    rin_scores scores = {.n = 3};
    rin_config *config = config_of(options);
    assert_refused(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), status, &error, part);
    assert_true(!scores.n && !scores.protocol);
    rin_config_free(config);
}

static void test_what_does_not_go_together(void **state) {
    (void)state;
    const char *data = lab.data;
    int64_t n;
    rin_error error = {0};
    expect_no_scores((rin_score_request){.data = data}, "", RIN_ERR_ARG, "scores = 0");
    expect_no_scores((rin_score_request){.scores = 64, .data = data}, "", RIN_ERR_ARG, "scores = 0x40");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FVD | RIN_SCORE_FID, .data = data}, "", RIN_ERR_ARG,
                     "ask for it alone");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FID}, "", RIN_ERR_ARG, "give one of them");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FID, .data = data, .model = model}, "", RIN_ERR_ARG,
                     "give one of them");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FID, .data = data}, "eval.reference=", RIN_ERR_ARG,
                     "nothing to compare with");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FID, .data = data}, "eval.weights=", RIN_ERR_ARG,
                     "convert it by: python -c");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FID, .data = data}, "eval.preprocess=crop", RIN_ERR_CONFIG,
                     "allowed: tf, half_pixel, clean");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FVD, .data = data}, "eval.preprocess=clean",
                     RIN_ERR_CONFIG, "allowed: tf, crop");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FVD, .model = model}, "", RIN_ERR_ARG,
                     "this model makes pictures");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_IS, .data = data}, "eval.limit=1", RIN_ERR_ARG, "2");
    expect_no_scores((rin_score_request){.scores = RIN_SCORE_FID, .data = data}, "eval.limit=1", RIN_ERR_ARG, "2");
    rin_config *config = config_of("");
    assert_refused(rin_eval_statistics(data, false, config, NULL, 1, "a.txt", run_lab_listener(&lab), &n, &error),
                   RIN_ERR_ARG, &error, ".npz");
    rin_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_against_itself),
        cmocka_unit_test(test_statistics_name_their_protocol),
        cmocka_unit_test(test_what_does_not_go_together),
    };
    return cmocka_run_group_tests_name("score/score", tests, set_up, tear_down);
}
