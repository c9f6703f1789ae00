/* SPDX-License-Identifier: MIT */
/* Steps whose numbers are not finite: not applied, counted, reported, and in the end a reason to stop. */
#include "support/run.h"

#include "train/train.h"

typedef struct bench {
    run_lab lab;
    rin_trainer *trainer;
} bench;

static void start(bench *b, const char *options) {
    rin_error error = {0};
    rin_config *config = run_config(options);
    run_lab_create(&b->lab);
    assert_ok(rin_trainer_create(config, b->lab.data, b->lab.run, run_lab_listener(&b->lab), &b->trainer, &error),
              &error);
    rin_config_free(config);
}

static void end(bench *b) {
    rin_trainer_free(b->trainer);
    run_lab_free(&b->lab);
}

static float *download(const rin_trainer *trainer, rin_arena arena) {
    float *values = test_malloc((size_t)trainer->weights->count * sizeof *values);
    rin_backend_download(trainer->backend, values, trainer->weights->arenas[arena], RIN_TYPE_REAL,
                         trainer->weights->count);
    return values;
}

static void upload(rin_trainer *trainer, rin_arena arena, const float *values) {
    rin_backend_upload(trainer->backend, trainer->weights->arenas[arena], RIN_TYPE_REAL, values,
                       trainer->weights->count);
}

/* Makes the next loss infinite or not a number, by a weight so large that the sums overflow. */
static void spoil(rin_trainer *trainer, float value) {
    const rin_tensor *tensor = &trainer->weights->tensors[trainer->weights->n_tensors - 1];
    float *values = test_malloc((size_t)tensor->count * sizeof *values);
    for (int64_t i = 0; i < tensor->count; i++) values[i] = value;
    rin_weights_upload(trainer->weights, RIN_ARENA_WEIGHTS, tensor, values);
    test_free(values);
}

static void test_a_bad_step_changes_nothing(void **state) {
    (void)state;
    static const float values[] = {1e30f, INFINITY, NAN};
    static const rin_arena arenas[] = {RIN_ARENA_WEIGHTS, RIN_ARENA_EMA, RIN_ARENA_M, RIN_ARENA_V};
    static const char *const options[] = {"", "train.accumulate=2", "train.optimizer=adamw train.grad_clip=1"};
    for (size_t o = 0; o < RIN_COUNT(options); o++) {
        bench b;
        rin_error error = {0};
        start(&b, options[o]);
        assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
        float *good = download(b.trainer, RIN_ARENA_WEIGHTS);
        for (size_t i = 0; i < RIN_COUNT(values); i++) {
            rin_progress progress;
            float *before[RIN_COUNT(arenas)];
            spoil(b.trainer, values[i]);
            for (size_t a = 0; a < RIN_COUNT(arenas); a++) before[a] = download(b.trainer, arenas[a]);
            assert_ok(rin_trainer_step(b.trainer, &progress, &error), &error);
            assert_int_equal(progress.bad_steps, (int64_t)i + 1);
            assert_int_equal(b.trainer->bad_in_row, (int64_t)i + 1);
            for (size_t a = 0; a < RIN_COUNT(arenas); a++) {
                float *after = download(b.trainer, arenas[a]);
                assert_memory_equal(before[a], after, (size_t)b.trainer->weights->count * sizeof *after);
                test_free(after);
                test_free(before[a]);
            }
        }
        assert_non_null(strstr(b.lab.log, "warning: step 2 is not applied"));
        assert_non_null(strstr(b.lab.log, "3 in a row, the run stops at 10"));
        assert_non_null(strstr(b.lab.log, "images.bin#0000"));
        upload(b.trainer, RIN_ARENA_WEIGHTS, good);
        test_free(good);
        assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
        assert_int_equal(b.trainer->bad_in_row, 0);
        assert_int_equal(b.trainer->bad_steps, 3);
        end(&b);
    }
}

static void test_the_run_stops_and_keeps_the_last_good_checkpoint(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    size_t n, again;
    start(&b, "train.steps=50 train.checkpoint_every=1 train.max_bad_steps=4");
    for (int i = 0; i < 3; i++) assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    char *saved = run_read(run_lab_path(&b.lab, "run/state.safetensors"), &n);
    spoil(b.trainer, NAN);
    assert_refused(rin_trainer_run(b.trainer, &error), RIN_ERR_NUMERIC, &error, "checkpoint of step 3 stays");
    assert_int_equal(rin_trainer_steps_done(b.trainer), 7);
    rin_trainer_free(b.trainer);
    char *now = run_read(run_lab_path(&b.lab, "run/state.safetensors"), &again);
    assert_int_equal(n, again);
    assert_memory_equal(saved, now, n);
    test_free(saved);
    test_free(now);

    /* From there it goes on: the weights are good. */
    assert_ok(rin_trainer_resume(b.lab.run, NULL, 0, NULL, (rin_listener){0}, &b.trainer, &error), &error);
    assert_int_equal(rin_trainer_steps_done(b.trainer), 3);
    assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    end(&b);
}

static bool stop_training(void *user, const rin_progress *progress) {
    (void)user;
    return strcmp(progress->doing, "train") != 0;
}

/* Weights that may be beyond repair do not take the place of the last good ones when the run is stopped. */
static void test_a_stop_keeps_the_last_good_checkpoint(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    start(&b, "train.keep=1 train.steps=50 train.lr_schedule=none");
    for (int i = 0; i < 3; i++) assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    spoil(b.trainer, 1e30f);
    b.trainer->listener.on_progress = stop_training;
    rin_status status = rin_trainer_run(b.trainer, &error);
    assert_refused(status, RIN_ERR_CANCELLED, &error,
                   "not saved: 1 steps in a row were not applied, and the checkpoint "
                   "of step 2 stays");
    rin_trainer_free(b.trainer);
    assert_ok(rin_trainer_resume(b.lab.run, NULL, 6, NULL, (rin_listener){0}, &b.trainer, &error), &error);
    assert_int_equal(rin_trainer_steps_done(b.trainer), 2);
    assert_ok(rin_trainer_run(b.trainer, &error), &error);
    run_train(&b.lab, run_lab_path(&b.lab, "whole"), "train.lr_schedule=none");
    run_assert_same(run_lab_path(&b.lab, "whole"), b.lab.run);
    end(&b);
}

/* A checkpoint that falls on a step that is not applied is written after the next one that is. */
static void test_a_checkpoint_is_not_skipped(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    start(&b, "train.steps=50 train.checkpoint_every=3");
    for (int i = 0; i < 2; i++) assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    float *good = download(b.trainer, RIN_ARENA_WEIGHTS);
    spoil(b.trainer, NAN);
    for (int i = 0; i < 2; i++) assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    assert_int_equal(b.trainer->saved_step, -1);
    upload(b.trainer, RIN_ARENA_WEIGHTS, good);
    test_free(good);
    rin_progress progress;
    assert_ok(rin_trainer_step(b.trainer, &progress, &error), &error);
    assert_true(progress.saved);
    assert_int_equal(b.trainer->saved_step, 5);
    assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    assert_int_equal(b.trainer->saved_step, 6);
    end(&b);
}

/* A gradient whose square is no float would make moments that no checkpoint can hold. */
static void test_a_gradient_too_large_is_not_applied(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    start(&b, "train.steps=50");
    float value = 1e10f;
    while (b.trainer->bad_in_row == 0 && value < 1e25f) {
        spoil(b.trainer, value *= 3);
        assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    }
    assert_int_equal(b.trainer->bad_in_row, 1);
    assert_true(isfinite(b.trainer->loss) && isfinite(b.trainer->grad_norm) && b.trainer->grad_norm > 1e19);
    static const rin_arena arenas[] = {RIN_ARENA_M, RIN_ARENA_V};
    for (size_t a = 0; a < RIN_COUNT(arenas); a++) {
        float *moments = download(b.trainer, arenas[a]);
        for (int64_t i = 0; i < b.trainer->weights->count; i++) assert_true(isfinite(moments[i]));
        test_free(moments);
    }
    end(&b);
}

/* What reading refuses is not written. */
static void test_weights_that_are_not_finite_are_not_saved(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    start(&b, "train.steps=50 train.keep=1");
    for (int i = 0; i < 2; i++) assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    spoil(b.trainer, INFINITY);
    assert_refused(rin_trainer_save(b.trainer, &error), RIN_ERR_NUMERIC, &error, "has inf");
    rin_trainer_free(b.trainer);
    assert_ok(rin_trainer_resume(b.lab.run, NULL, 0, NULL, (rin_listener){0}, &b.trainer, &error), &error);
    assert_int_equal(rin_trainer_steps_done(b.trainer), 2);
    end(&b);
}

static void test_metrics_tell_of_it(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    start(&b, "train.steps=4");
    assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    float *good = download(b.trainer, RIN_ARENA_WEIGHTS);
    spoil(b.trainer, NAN);
    assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    upload(b.trainer, RIN_ARENA_WEIGHTS, good);
    test_free(good);
    assert_ok(rin_trainer_run(b.trainer, &error), &error);
    char *text = run_read_metrics(b.lab.run);
    const char *bad = strstr(text, "{\"step\": 2, \"not_applied\": true, \"loss\": \"nan\"");
    assert_non_null(bad);
    assert_non_null(strstr(bad, "\"files\": [\"images.bin#"));
    assert_non_null(strstr(bad, "{\"step\": 2, \"loss\": null, \"grad_norm\": null"));
    assert_null(strstr(strstr(bad, "{\"step\": 4"), "null"));
    assert_non_null(strstr(bad, "\"bad_steps\": 1"));
    test_free(text);
    end(&b);
}

/* The data goes on at its place, also when a step was given up in its first part. */
static void test_a_resumed_run_remembers_bad_steps(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    char *metrics[2];
    for (int resumed = 0; resumed < 2; resumed++) {
        start(&b, "train.steps=8 train.accumulate=2 train.checkpoint_every=100 train.lr_schedule=none");
        assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
        float *good = download(b.trainer, RIN_ARENA_WEIGHTS);
        spoil(b.trainer, NAN);
        for (int i = 0; i < 3; i++) assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
        upload(b.trainer, RIN_ARENA_WEIGHTS, good);
        test_free(good);
        if (resumed) {
            assert_ok(rin_trainer_save(b.trainer, &error), &error);
            rin_trainer_free(b.trainer);
            assert_ok(rin_trainer_resume(b.lab.run, NULL, 0, NULL, (rin_listener){0}, &b.trainer, &error), &error);
            assert_int_equal(b.trainer->bad_steps, 3);
            assert_int_equal(b.trainer->bad_in_row, 3);
        }
        assert_ok(rin_trainer_run(b.trainer, &error), &error);
        metrics[resumed] = run_read_metrics(b.lab.run);
        end(&b);
    }
    assert_string_equal(metrics[0], metrics[1]);
    test_free(metrics[0]);
    test_free(metrics[1]);
}

static void test_percentiles_of_the_gradient_norm(void **state) {
    (void)state;
    bench b;
    rin_error error = {0};
    start(&b, "");
    assert_ok(rin_trainer_step(b.trainer, NULL, &error), &error);
    for (int i = 0; i < 1500; i++) rin_run_add_norm(b.trainer, (float)(1500 - i)); /* the window has 1000 .. 1 */
    assert_int_equal(b.trainer->n_norms, RIN_NORMS);
    assert_ok(rin_run_add_metrics(b.trainer, &error), &error);
    char *text = run_read_metrics(b.lab.run);
    assert_non_null(strstr(text, "\"grad_norm_p50\": 500, \"grad_norm_p90\": 900, \"grad_norm_p99\": 990,"));
    test_free(text);
    end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bad_step_changes_nothing),
        cmocka_unit_test(test_the_run_stops_and_keeps_the_last_good_checkpoint),
        cmocka_unit_test(test_a_stop_keeps_the_last_good_checkpoint),
        cmocka_unit_test(test_a_checkpoint_is_not_skipped),
        cmocka_unit_test(test_a_gradient_too_large_is_not_applied),
        cmocka_unit_test(test_weights_that_are_not_finite_are_not_saved),
        cmocka_unit_test(test_metrics_tell_of_it),
        cmocka_unit_test(test_a_resumed_run_remembers_bad_steps),
        cmocka_unit_test(test_percentiles_of_the_gradient_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
