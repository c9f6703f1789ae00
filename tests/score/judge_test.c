/* SPDX-License-Identifier: MIT */
/* Scores while a model is trained: lines of the metrics, that they come again, and what is refused. */
#include <stdlib.h>
#include <unistd.h>

#include "support/check.h"

#include "data/corpus.h"
#include "support/formula.h"
#include "support/json.h"
#include "support/options.h"
#include "support/run.h"

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
    rin_config *base = run_config("");
    rin_config *config = formula_config(base, weights, lab.data,
                                        "train.eval_every=2 train.eval_count=3 train.steps=3 eval.kid_subsets=3 "
                                        "eval.kid_size=2 eval.batch=2 sample.steps=1",
                                        options);
    rin_config_free(base);
    return config;
}

static void train(const char *run, const char *options, rin_status expected, const char *part) {
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    rin_config *config = config_of(options);
    rin_status status = rin_trainer_create(config, lab.data, run, run_lab_listener(&lab), &trainer, &error);
    if (status == RIN_OK) status = rin_trainer_run(trainer, &error);
    if (expected == RIN_OK) assert_ok(status, &error);
    else assert_refused(status, expected, &error, part);
    rin_trainer_free(trainer);
    rin_config_free(config);
}

/* The lines of the metrics that have this member; the last of them goes to *line, freed by cJSON_Delete. */
static int lines_with(const char *run, const char *member, cJSON **line) {
    char *text = run_read_metrics(run), *rest = text, *next;
    int n = 0;
    *line = NULL;
    while ((next = strtok_r(rest, "\n", &rest)) != NULL) {
        size_t length = strlen(next);
        char whole[4096];
        snprintf(whole, sizeof whole, "%s%s", next, next[length - 1] == '}' ? "" : "}");
        cJSON *json = cJSON_Parse(whole);
        assert_non_null(json);
        bool has = cJSON_GetObjectItemCaseSensitive(json, member) != NULL;
        if (has) cJSON_Delete(*line);
        if (has) *line = json;
        else cJSON_Delete(json);
        n += has;
    }
    test_free(text);
    return n;
}

static void test_lines_of_the_metrics(void **state) {
    (void)state;
    cJSON *line, *again;
    const char *first = run_lab_path(&lab, "first");
    train(first, "", RIN_OK, NULL);
    assert_int_equal(lines_with(first, "kid", &line), 2); /* after step 2, and at the end */
    assert_true(json_number(line, "step") == 3 && json_number(line, "samples") == 3);
    assert_true(json_number(line, "kid_deviation") > 0 && json_number(line, "kid") > 0);
    const cJSON *protocol = json_member(line, "protocol");
    assert_string_equal(json_text(json_member(protocol, "reference"), "fitted"), "cropped, shrunk");
    assert_string_equal(json_text(json_member(protocol, "reference"), "size"), "8x8");
    assert_string_equal(json_text(json_member(protocol, "reference"), "path"), lab.data);
    assert_true(json_number(json_member(protocol, "reference"), "n") == 3); /* as many as the samples */
    assert_non_null(strstr(lab.log, "step 2: kid "));
    /* Scores change nothing of training, and a run again makes the same ones. */
    const char *second = run_lab_path(&lab, "second");
    train(second, "", RIN_OK, NULL);
    assert_int_equal(lines_with(second, "kid", &again), 2);
    assert_true(cJSON_Compare(line, again, true));
    run_assert_same(run_lab_path(&lab, "first"), run_lab_path(&lab, "second"));
    cJSON_Delete(line);
    cJSON_Delete(again);
    train(run_lab_path(&lab, "third"), "train.eval_every=0", RIN_OK, NULL);
    assert_int_equal(lines_with(run_lab_path(&lab, "third"), "kid", &line), 0);
    size_t n, m;
    char *a = run_read(run_lab_path(&lab, "first/model.safetensors"), &n), *ema = a;
    char *b = run_read(run_lab_path(&lab, "third/model.safetensors"), &m);
    /* Files differ in their options alone, which come first. */
    enum { WEIGHTS = 4096 };
    assert_true(n > WEIGHTS && m > WEIGHTS);
    assert_memory_equal(ema + n - WEIGHTS, b + m - WEIGHTS, WEIGHTS);
    test_free(a);
    test_free(b);
}

static void test_fid(void **state) {
    (void)state;
    cJSON *line;
    const char *run = run_lab_path(&lab, "fid");
    train(run, "train.eval_metric=fid train.eval_count=2 train.steps=1 train.warmup_steps=0 eval.limit=4", RIN_OK,
          NULL);
    assert_int_equal(lines_with(run, "fid", &line), 1);
    assert_true(json_number(line, "fid") > 0);
    assert_true(json_number(json_member(json_member(line, "protocol"), "reference"), "n") == 4);
    assert_null(cJSON_GetObjectItem(line, "kid_deviation"));
    cJSON_Delete(line);
}

/* The images as a grey model of 8 x 8 pixels sees them. */
static void write_grey_images(const corpus *c) {
    rin_error error = {0};
    rin_dataset *dataset;
    assert_ok(rin_dataset_open(lab.data, NULL, (rin_log){0}, &dataset, &error), &error);
    for (size_t i = 0; i < rin_dataset_count(dataset); i++) {
        float values[64];
        uint8_t rows[64];
        char name[32];
        assert_ok(rin_dataset_load(dataset, i, 8, 8, 1, values, &error), &error);
        for (int k = 0; k < 64; k++) rows[k] = (uint8_t)(values[k] * 255 + 0.5f);
        snprintf(name, sizeof name, "%02zu.png", i);
        encoded file = encode_png(rows, 8, 8, 8, (png_options){.type = PNG_COLOR_TYPE_GRAY, .depth = 8});
        corpus_add(c, name, file.bytes, file.n);
        free(file.bytes);
    }
    rin_dataset_close(dataset);
}

/* A grey model is compared with grey pictures, though they are coloured. */
static void test_reference_is_seen_in_grey(void **state) {
    (void)state;
    char grey_reference[128];
    cJSON *lines[2];
    corpus c = corpus_make();
    write_grey_images(&c);
    snprintf(grey_reference, sizeof grey_reference,
             "model.image_channels=1 train.eval_count=2 train.steps=1 train.warmup_steps=0 eval.reference=%s", c.root);
    for (int i = 0; i < 2; i++) {
        const char *run = run_lab_path(&lab, i ? "grey1" : "grey0");
        train(run, i ? grey_reference : "model.image_channels=1 train.eval_count=2 train.steps=1 train.warmup_steps=0",
              RIN_OK, NULL);
        assert_int_equal(lines_with(run, "kid", &lines[i]), 1);
    }
    assert_true(json_number(lines[0], "kid") == json_number(lines[1], "kid"));
    cJSON_Delete(lines[0]);
    cJSON_Delete(lines[1]);
    corpus_remove(&c);
}

static void test_what_is_refused(void **state) {
    (void)state;
    const char *run = run_lab_path(&lab, "refused");
    train(run, "eval.weights=", RIN_ERR_CONFIG, "needs eval.weights");
    train(run, "eval.reference=", RIN_ERR_CONFIG, "needs eval.reference");
    train(run, "eval.preprocess=crop", RIN_ERR_CONFIG, "crop");
    train(run, "model.image_channels=2", RIN_ERR_CONFIG, "1 or 3 channels");
    train(run, "eval.weights=/nothing.safetensors", RIN_ERR_IO, "convert it by");
    train(run, "eval.reference=/nothing", RIN_ERR_IO, "/nothing");
    assert_int_not_equal(access(run, F_OK), 0); /* before anything was made */
}

static bool stop_scoring(void *user, const rin_progress *progress) {
    (void)user;
    return strcmp(progress->doing, "sample") != 0;
}

/* Stopped while samples are scored: the run is saved, and goes on. */
static void test_stopped_while_scoring(void **state) {
    (void)state;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    rin_config *config = config_of("train.checkpoint_every=100 train.eval_count=2");
    const char *run = run_lab_path(&lab, "stopped");
    const rin_listener listener = {.on_progress = stop_scoring};
    assert_ok(rin_trainer_create(config, lab.data, run, listener, &trainer, &error), &error);
    assert_refused(rin_trainer_run(trainer, &error), RIN_ERR_CANCELLED, &error, "step 2");
    rin_trainer_free(trainer);
    rin_config_free(config);
    assert_ok(rin_trainer_resume(run, NULL, 0, NULL, run_lab_listener(&lab), &trainer, &error), &error);
    assert_ok(rin_trainer_run(trainer, &error), &error);
    rin_trainer_free(trainer);
    cJSON *line;
    assert_true(lines_with(run, "kid", &line) >= 1);
    assert_true(json_number(line, "step") == 3);
    cJSON_Delete(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_the_metrics),      cmocka_unit_test(test_fid),
        cmocka_unit_test(test_reference_is_seen_in_grey), cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_stopped_while_scoring),
    };
    return cmocka_run_group_tests_name("score/judge", tests, set_up, tear_down);
}
