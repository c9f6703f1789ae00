/* SPDX-License-Identifier: MIT */
/* Scores of a model: what is kept of its samples, that they are gone on from, and when they are not. */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

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
    /* So many tokens that two pictures are sampled at a time. */
    run_train(&lab, run,
              "model.image_height=72 model.image_width=80 model.patch_size=1 train.steps=1 train.warmup_steps=0 "
              "train.batch=1");
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

static bool stop_at_some(void *user, const rin_progress *progress) {
    int *stop = user;
    return strcmp(progress->doing, "sample") != 0 || progress->done < *stop;
}

static rin_scores score_model_as(const char *folder, const char *options, int stop, rin_status expected,
                                 const char *part) {
    rin_error error = {0};
    rin_scores scores;
    rin_config *config = config_of(options);
    /* The others need a reference, which takes as long again, or a decomposition, which takes far longer. */
    const rin_score_request request = {.scores = RIN_SCORE_IS, .model = model, .folder = folder, .threads = 1};
    const rin_listener listener = {.on_progress = stop_at_some, .user = &stop};
    rin_status status = rin_eval_score(&request, config, listener, &scores, &error);
    if (expected == RIN_OK) assert_ok(status, &error);
    else assert_refused(status, expected, &error, part);
    rin_config_free(config);
    return scores;
}

static rin_scores score_model(const char *folder, const char *options, int stop, rin_status expected) {
    return score_model_as(folder, options, stop, expected, "stopped");
}

/* The only file in a folder whose name ends so. */
static const char *file_in(const char *folder, const char *suffix) {
    static char path[600];
    int n = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        size_t length = strlen(entry->d_name), m = strlen(suffix);
        if (length < m || strcmp(entry->d_name + length - m, suffix) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        n++;
    }
    closedir(stream);
    assert_int_equal(n, 1);
    return path;
}

static void assert_same_file(const char *folder, const char *other, const char *suffix) {
    size_t n, m;
    char *a = run_read(file_in(folder, suffix), &n), *b = run_read(file_in(other, suffix), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    test_free(a);
    test_free(b);
}

static int64_t rows_kept(const char *folder) {
    cJSON *record = json_read(file_in(folder, ".json"));
    int64_t rows = (int64_t)json_number(record, "rows");
    cJSON_Delete(record);
    return rows;
}

static void assert_same_scores(const rin_scores *a, const rin_scores *b) {
    assert_memory_equal(&a->inception, &b->inception, sizeof a->inception);
    assert_string_equal(a->protocol, b->protocol);
}

static void test_stopped_model_is_gone_on_with(void **state) {
    (void)state;
    char whole[256], parts[256];
    snprintf(whole, sizeof whole, "%s/whole", lab.folder);
    snprintf(parts, sizeof parts, "%s/parts", lab.folder);
    rin_scores wanted = score_model(whole, "", 1000, RIN_OK);
    assert_true(wanted.n == COUNT && !wanted.n_reference);
    rin_scores none = score_model(parts, "", 3, RIN_ERR_CANCELLED);
    assert_null(none.protocol);
    assert_int_equal(rows_kept(parts), 2);
    /* Another number of pictures at a time makes the same ones. */
    rin_scores got = score_model(parts, "eval.batch=16", 1000, RIN_OK);
    assert_same_scores(&got, &wanted);
    assert_same_file(parts, whole, "-features.npy");
    assert_same_file(parts, whole, "-logits.npy");
    assert_same_file(parts, whole, ".json");
    rin_scores_clear(&got);
    /* Nothing is sampled any more. */
    got = score_model(parts, "", 0, RIN_OK);
    assert_same_scores(&got, &wanted);
    rin_scores_clear(&got);
    /* Fewer of them, then more: those that are there stay. */
    got = score_model(parts, "eval.count=3 eval.split_size=1", 0, RIN_OK);
    assert_int_equal(got.n, 3);
    rin_scores_clear(&got);
    rin_scores more = score_model(NULL, "eval.count=7", 1000, RIN_OK);
    none = score_model(parts, "eval.count=7", COUNT, RIN_ERR_CANCELLED);
    assert_int_equal(rows_kept(parts), COUNT);
    got = score_model(parts, "eval.count=7", 1000, RIN_OK);
    assert_same_scores(&got, &more);
    assert_int_equal(rows_kept(parts), 7);
    rin_scores_clear(&got);
    /* One call at a time. */
    rin_lock mine;
    rin_error error = {0};
    char left_by[RIN_LOCK_OWNER];
    assert_ok(rin_lock_take(&mine, file_in(parts, ".lock"), left_by, &error), &error);
    (void)score_model_as(parts, "", 1000, RIN_ERR_BUSY, ".lock");
    rin_lock_release(&mine);
    rin_scores_clear(&more);
    rin_scores_clear(&wanted);
}

static int files_in(const char *folder) {
    int n = 0;
    DIR *stream = opendir(folder);
    for (const struct dirent *entry; stream && (entry = readdir(stream));) n += strstr(entry->d_name, ".json") != NULL;
    if (stream) closedir(stream);
    return n;
}

/* What features depend on is told apart; what is no matter of them is not. */
static void test_other_options_start_anew(void **state) {
    (void)state;
    static const struct {
        const char *options;
        bool anew;
    } rows[] = {{"eval.seed=1", true},           {"sample.steps=1", true}, {"eval.quantise=floor", true},
                {"eval.preprocess=clean", true}, {"sample.zoom=3", false}, {"eval.quantise=none", true}};
    char folder[256];
    int files = 1;
    snprintf(folder, sizeof folder, "%s/anew", lab.folder);
    rin_scores before = score_model(folder, "eval.count=2 eval.split_size=1", 1000, RIN_OK);
    assert_int_equal(files_in(folder), files);
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        char options[128];
        snprintf(options, sizeof options, "eval.count=2 eval.split_size=1 %s", rows[i].options);
        rin_scores s = score_model(folder, options, rows[i].anew ? 1000 : 0, RIN_OK);
        files += rows[i].anew;
        if (files_in(folder) != files) fail_msg("%s: %d records", rows[i].options, files_in(folder));
        if (rows[i].anew) assert_true(s.inception.mean != before.inception.mean);
        else assert_true(s.inception.mean == before.inception.mean);
        rin_scores_clear(&s);
    }
    rin_scores_clear(&before);
}

static void put_record(const char *folder, const char *text) {
    rin_error error = {0};
    assert_ok(rin_file_write(file_in(folder, ".json"), text, strlen(text), &error), &error);
}

/* A record that promises more than there is, or is none, is nothing to go on from. */
static void test_damaged_records(void **state) {
    (void)state;
    char folder[256];
    rin_error error = {0};
    snprintf(folder, sizeof folder, "%s/damaged", lab.folder);
    rin_scores wanted = score_model(folder, "eval.count=2", 1000, RIN_OK);
    assert_int_equal(truncate(file_in(folder, "-logits.npy"), 5000), 0);
    rin_scores got = score_model(folder, "eval.count=2", 1000, RIN_OK);
    assert_same_scores(&got, &wanted);
    rin_scores_clear(&got);
    put_record(folder, "{\"identity\": 3, \"rows\": 1e99}");
    got = score_model(folder, "eval.count=2", 1000, RIN_OK);
    assert_same_scores(&got, &wanted);
    assert_int_equal(rows_kept(folder), 2);
    rin_scores_clear(&got);
    /* Of other samples, whose identity has the same beginning of a hash. */
    put_record(folder, "{\"identity\": \"x\", \"rows\": 2}");
    got = score_model(folder, "eval.count=2", 0, RIN_ERR_CANCELLED);
    rin_scores_clear(&wanted);
    rin_config *config = config_of("");
    const rin_score_request request = {.scores = RIN_SCORE_IS, .model = model, .folder = weights, .threads = 1};
    assert_refused(rin_eval_score(&request, config, run_lab_listener(&lab), &got, &error), RIN_ERR_IO, &error, weights);
    rin_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_model_is_gone_on_with),
        cmocka_unit_test(test_other_options_start_anew),
        cmocka_unit_test(test_damaged_records),
    };
    return cmocka_run_group_tests_name("score/model_score", tests, set_up, tear_down);
}
