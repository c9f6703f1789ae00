/* SPDX-License-Identifier: MIT */
/* Wrong arguments of training, benchmarks, plans, data sets, devices and golden cases. */
#include "arguments.h"

#include <limits.h>
#include <unistd.h>

static const rin_listener nobody = {0};

static void trainer_create(const arguments *a) {
    const char *data = a->e->data, *run = embed_path(a->e, "new-run");
    rin_trainer *trainer = ARGUMENTS_UNSET;
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_create", rin_trainer_create, a->config, data, run, nobody, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_create", rin_trainer_create, NULL, data, run, nobody, &trainer);
    assert_null(trainer);
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_create", rin_trainer_create, a->config, NULL, run, nobody, &trainer);
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_create", rin_trainer_create, a->config, data, NULL, nobody, &trainer);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        trainer = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_OK, "", rin_trainer_create, a->config, a->paths[i], run, nobody, &trainer);
        assert_null(trainer);
        EMBED_FAILS(RIN_OK, "", rin_trainer_create, a->config, data, a->paths[i], nobody, &trainer);
        assert_null(trainer);
    }
    assert_int_not_equal(access(run, F_OK), 0);
}

static void trainer_resume(const arguments *a) {
    rin_trainer *trainer = ARGUMENTS_UNSET;
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_resume", rin_trainer_resume, a->run, NULL, 0, NULL, nobody, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_resume", rin_trainer_resume, NULL, NULL, 0, NULL, nobody, &trainer);
    assert_null(trainer);
    EMBED_FAILS(RIN_ERR_ARG, "steps", rin_trainer_resume, a->run, NULL, -1, NULL, nobody, &trainer);
    EMBED_FAILS(RIN_ERR_ARG, "steps", rin_trainer_resume, a->run, NULL, INT64_MIN, NULL, nobody, &trainer);
    rin_error error = {0};
    const char *run = embed_path(a->e, "long-run");
    embed_ok(embed_train(a->e->data, run, 1, &error), &error);
    trainer = ARGUMENTS_UNSET;
    EMBED_FAILS(RIN_OK, "steps", rin_trainer_resume, run, NULL, INT64_MAX, NULL, nobody, &trainer);
    assert_null(trainer);
    rin_config *changes;
    embed_ok(rin_config_create(&changes, &error), &error);
    embed_ok(rin_config_set(changes, "train.device", "abacus", &error), &error);
    trainer = ARGUMENTS_UNSET;
    EMBED_FAILS(RIN_ERR_CONFIG, "abacus", rin_trainer_resume, run, NULL, 2, changes, nobody, &trainer);
    assert_null(trainer);
    rin_config_free(changes);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        trainer = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_OK, "", rin_trainer_resume, a->paths[i], NULL, 0, NULL, nobody, &trainer);
        assert_null(trainer);
    }
}

static void trainer_free(const arguments *a) {
    (void)a;
    rin_trainer_free(NULL);
}

static void trainer_config(const arguments *a) {
    assert_null(rin_trainer_config(NULL));
    assert_non_null(rin_trainer_config(a->trainer));
}

static void may_change(const arguments *a) {
    (void)a;
    assert_false(rin_trainer_may_change(NULL));
    assert_false(rin_trainer_may_change(""));
    assert_false(rin_trainer_may_change("train.nothing"));
    assert_false(rin_trainer_may_change("train.batch"));
    assert_true(rin_trainer_may_change("train.keep"));
}

static void steps_done(const arguments *a) {
    assert_int_equal(rin_trainer_steps_done(NULL), 0);
    assert_int_equal(rin_trainer_steps_done(a->trainer), 2);
}

static void trainer_is_done(const arguments *a) {
    assert_true(rin_trainer_is_done(NULL));
    assert_true(rin_trainer_is_done(a->trainer));
}

static void trainer_step(const arguments *a) {
    rin_progress progress;
    EMBED_FAILS(RIN_ERR_ARG, "rin_trainer_step: trainer must not be NULL", rin_trainer_step, NULL, &progress);
    EMBED_FAILS(RIN_ERR_ARG, "2 steps", rin_trainer_step, a->trainer, NULL);
}

static void trainer_save(const arguments *a) {
    (void)a;
    EMBED_NULL("trainer", rin_trainer_save, NULL);
}

static void trainer_run(const arguments *a) {
    rin_error error = {0};
    EMBED_NULL("trainer", rin_trainer_run, NULL);
    embed_ok(rin_trainer_run(a->trainer, &error), &error);
}

static void bench(const arguments *a) {
    const rin_bench_options good = {.batch = 1, .steps = 1};
    const int64_t batches[] = {0, -1, INT64_MIN};
    const int steps[] = {0, -1, INT_MIN, INT_MAX};
    rin_bench_result result = {.profile = ARGUMENTS_UNSET};
    EMBED_NULL("result", rin_bench, a->config, &good, NULL);
    EMBED_NULL("config", rin_bench, NULL, &good, &result);
    assert_null(result.profile);
    EMBED_NULL("options", rin_bench, a->config, NULL, &result);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        rin_bench_options options = {.batch = batches[i], .steps = 1};
        EMBED_FAILS(RIN_ERR_ARG, "batch = ", rin_bench, a->config, &options, &result);
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        rin_bench_options options = {.batch = 1, .steps = steps[i]};
        EMBED_FAILS(RIN_ERR_ARG, "steps = ", rin_bench, a->config, &options, &result);
    }
    result.profile = ARGUMENTS_UNSET;
    rin_bench_options huge = {.batch = INT64_MAX, .steps = 1}, lost = {.batch = 1, .steps = 1, .device = ""};
    EMBED_FAILS(RIN_ERR_CONFIG, "tensor", rin_bench, a->config, &huge, &result);
    assert_null(result.profile);
    EMBED_FAILS(RIN_ERR_ARG, "device ''", rin_bench, a->config, &lost, &result);
}

static void plan_describe(const arguments *a) {
    char *text = ARGUMENTS_UNSET;
    EMBED_NULL("text", rin_plan_describe, a->config, false, false, 0, NULL);
    EMBED_NULL("config", rin_plan_describe, NULL, true, true, 0, &text);
    assert_null(text);
    rin_error error = {0};
    assert_int_equal(rin_plan_describe(a->config, true, false, 1, &text, &error), RIN_ERR_MEMORY);
    assert_non_null(text);
    rin_string_free(text);
    embed_ok(rin_plan_describe(a->config, false, true, UINT64_MAX, &text, &error), &error);
    rin_string_free(text);
}

static void data_describe(const arguments *a) {
    char *text = ARGUMENTS_UNSET;
    EMBED_NULL("text", rin_data_describe, a->e->data, false, false, nobody, NULL);
    EMBED_NULL("path", rin_data_describe, NULL, false, true, nobody, &text);
    assert_null(text);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        text = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_OK, "Accepted", rin_data_describe, a->paths[i], i == 1, i % 2 == 0, nobody, &text);
        assert_null(text);
    }
}

static void version(const arguments *a) {
    (void)a;
    assert_true(strlen(rin_version()) > 0);
}

static void build_flags(const arguments *a) {
    (void)a;
    assert_true(strlen(rin_build_flags()) > 0);
}

static void device_get(const arguments *a) {
    (void)a;
    const int wrong[] = {-1, INT_MIN, INT_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *name = ARGUMENTS_UNSET, *about = ARGUMENTS_UNSET;
        bool available = true;
        assert_false(rin_device_get(wrong[i], &name, &about, &available));
        assert_true(!name && !about && !available);
    }
    assert_false(rin_device_get(-1, NULL, NULL, NULL));
    assert_true(rin_device_get(0, NULL, NULL, NULL));
}

static void check_case(const arguments *a) {
    int n_failed = 7;
    EMBED_NULL("folder", rin_check_case, NULL, NULL, 1, NULL, NULL, &n_failed);
    assert_int_equal(n_failed, 0);
    for (int i = 0; i < ARGUMENTS_PATHS; i++)
        EMBED_FAILS(RIN_ERR_IO, "", rin_check_case, a->paths[i], NULL, 1, NULL, NULL, &n_failed);
    const char *folder = "tests/golden/image_latent_cond";
    EMBED_FAILS(RIN_ERR_ARG, "threads = -1", rin_check_case, folder, NULL, -1, NULL, NULL, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "threads = ", rin_check_case, folder, NULL, INT_MAX, NULL, NULL, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "device", rin_check_case, folder, a->text, 1, NULL, NULL, NULL);
}

const arguments_row arguments_of_run[] = {
    {"rin_trainer_create", trainer_create},
    {"rin_trainer_resume", trainer_resume},
    {"rin_trainer_free", trainer_free},
    {"rin_trainer_config", trainer_config},
    {"rin_trainer_may_change", may_change},
    {"rin_trainer_steps_done", steps_done},
    {"rin_trainer_is_done", trainer_is_done},
    {"rin_trainer_step", trainer_step},
    {"rin_trainer_save", trainer_save},
    {"rin_trainer_run", trainer_run},
    {"rin_bench", bench},
    {"rin_plan_describe", plan_describe},
    {"rin_data_describe", data_describe},
    {"rin_version", version},
    {"rin_build_flags", build_flags},
    {"rin_device_get", device_get},
    {"rin_check_case", check_case},
};
const size_t n_arguments_of_run = sizeof arguments_of_run / sizeof *arguments_of_run;
