/* SPDX-License-Identifier: MIT */
/* What a training run survives: other programs, damaged checkpoints, left-overs, full folders, failing data, bad
 * numbers. */
#include "support/run.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"
#include "train/train.h"

/* ---- opening and finishing runs ---- */

static rin_trainer *create(run_lab *lab, const char *run, const char *options) {
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    rin_config *config = run_config(options);
    assert_ok(rin_trainer_create(config, lab->data, run, run_lab_listener(lab), &trainer, &error), &error);
    rin_config_free(config);
    return trainer;
}

static rin_trainer *resume(run_lab *lab, const char *run, int64_t steps) {
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    assert_ok(rin_trainer_resume(run, NULL, steps, NULL, run_lab_listener(lab), &trainer, &error), &error);
    return trainer;
}

static void finish(rin_trainer *trainer) {
    rin_error error = {0};
    assert_ok(rin_trainer_run(trainer, &error), &error);
    rin_trainer_free(trainer);
}

static void assert_logged(const run_lab *lab, const char *part) {
    if (!strstr(lab->log, part)) fail_msg("expected '%s' among the remarks:\n%s", part, lab->log);
}

static bool exists(run_lab *lab, const char *name) {
    return rin_path_exists(run_lab_path(lab, name));
}

static void put(const char *path, const char *text) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
}

/* ---- the lock ---- */

static void test_a_second_trainer_is_refused(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *second = NULL;
    run_lab_create(&lab);
    rin_trainer *first = create(&lab, lab.run, "");
    assert_refused(rin_trainer_resume(lab.run, NULL, 0, NULL, (rin_listener){0}, &second, &error), RIN_ERR_BUSY, &error,
                   "in use");
    assert_null(second);
    char process[64];
    snprintf(process, sizeof process, "process %ld", (long)getpid());
    assert_non_null(strstr(error.text, process));
    finish(first);
    assert_int_equal(lab.n_log, 0);
    finish(resume(&lab, lab.run, 7));
    assert_int_equal(lab.n_log, 0); /* an orderly end leaves nothing to take over */
    run_lab_free(&lab);
}

static void test_the_lock_of_a_killed_process_is_taken_over(void **state) {
    (void)state;
    run_lab lab;
    run_lab_create(&lab);
    run_train(&lab, lab.run, "");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rin_trainer *trainer = NULL;
        if (rin_trainer_resume(lab.run, NULL, 9, NULL, (rin_listener){0}, &trainer, NULL) == RIN_OK) raise(SIGKILL);
        _exit(1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    finish(resume(&lab, lab.run, 9));
    char process[64];
    snprintf(process, sizeof process, "left by process %ld", (long)child);
    assert_logged(&lab, process);
    run_lab_free(&lab);
}

/* ---- folders ---- */

static void test_left_overs_of_a_start_that_failed(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    run_lab_create(&lab);
    assert_int_equal(mkdir(lab.run, 0777), 0);
    put(run_lab_path(&lab, "run/run.json"), "{");
    put(run_lab_path(&lab, "run/config.ini.tmp-12-0"), "[mod");
    put(run_lab_path(&lab, "run/lock"), "process 12 on elsewhere\n");
    run_train(&lab, lab.run, "");
    assert_false(exists(&lab, "run/config.ini.tmp-12-0"));
    assert_logged(&lab, "left by process 12 on elsewhere");

    /* What a user put there is not touched. */
    put(run_lab_path(&lab, "run/notes.txt"), "mine");
    rin_config *config = run_config("");
    assert_refused(rin_trainer_create(config, lab.data, lab.run, (rin_listener){0}, &trainer, &error), RIN_ERR_ARG,
                   &error, "not empty");
    rin_config_free(config);
    put(run_lab_path(&lab, "run/state.safetensors.tmp-99-3"), "half");
    finish(resume(&lab, lab.run, 8));
    assert_false(exists(&lab, "run/state.safetensors.tmp-99-3"));
    assert_true(exists(&lab, "run/notes.txt"));
    run_lab_free(&lab);
}

/* A folder's name may hold any byte; a checkpoint, which is written much later, only UTF-8. */
static void test_class_folders_of_any_name(void **state) {
    (void)state;
    static const char *const folders[] = {"caf\xc3\xa9", "\xff\xfe", "a\"b\\c\n"};
    static const char *const names[] = {"??", "a\"b\\c\n", "caf\xc3\xa9"}; /* in the order of their bytes */
    static const int order[] = {2, 0, 1};
    run_lab lab;
    rin_error error = {0};
    rin_model *model;
    uint8_t pixels[8 * 8 * 3] = {0};
    run_lab_create(&lab);
    assert_int_equal(mkdir(run_lab_path(&lab, "data"), 0777), 0);
    for (size_t i = 0; i < RIN_COUNT(folders); i++) {
        char name[64];
        snprintf(name, sizeof name, "data/%s", folders[i]);
        assert_int_equal(mkdir(run_lab_path(&lab, name), 0777), 0);
        snprintf(name, sizeof name, "data/%s/1.png", folders[i]);
        assert_ok(rin_image_write_png(run_lab_path(&lab, name), pixels, 8, 8, 3, NULL, 0, &error), &error);
    }
    snprintf(lab.data, sizeof lab.data, "%s/data", lab.folder);
    run_train(&lab, lab.run, "");
    finish(resume(&lab, lab.run, 8));
    assert_ok(rin_model_open(lab.run, NULL, 1, &model, &error), &error);
    for (size_t i = 0; i < RIN_COUNT(names); i++) assert_int_equal(rin_model_find_class(model, names[i]), order[i]);
    rin_model_free(model);
    run_lab_free(&lab);
}

/* ---- checkpoints ---- */

static void test_the_newest_checkpoints_are_kept(void **state) {
    (void)state;
    run_lab lab;
    char name[64];
    run_lab_create(&lab);
    run_train(&lab, lab.run, "train.checkpoint_every=1 train.keep=3");
    assert_true(exists(&lab, "run/state.safetensors"));
    for (int step = 1; step <= 6; step++) {
        snprintf(name, sizeof name, "run/state-%09d.safetensors", step);
        assert_int_equal(exists(&lab, name), step == 4 || step == 5);
    }
    run_lab_free(&lab);
}

/* Damages a checkpoint: cut to `size` bytes, or, if 0, the exponent of its last weight's last byte made that of NaN. */
static void damage(const char *path, int64_t size) {
    if (size) {
        assert_int_equal(truncate(path, size), 0);
        return;
    }
    rin_error error = {0};
    rin_safetensors *file;
    assert_ok(rin_safetensors_open(path, &file, &error), &error);
    const rin_stored_tensor *tensor = rin_safetensors_find(file, "v/read_out.bias");
    size_t i = 0;
    while (!tensor && rin_safetensors_get(file, i) && strncmp(rin_safetensors_get(file, i)->name, "v/", 2) != 0) i++;
    if (!tensor) tensor = rin_safetensors_get(file, i);
    size_t n;
    char *bytes = run_read(path, &n);
    size_t data = n - (size_t)rin_safetensors_get(file, rin_safetensors_count(file) - 1)->end;
    memcpy(bytes + data + tensor->begin, "\x00\x00\xc0\x7f", 4);
    FILE *stream = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, n, stream), n);
    fclose(stream);
    test_free(bytes);
    rin_safetensors_close(file);
}

static void test_a_damaged_checkpoint_falls_back(void **state) {
    (void)state;
    static const int64_t sizes[] = {0, 3, 100, 5000};
    run_lab lab;
    run_lab_create(&lab);
    run_train(&lab, run_lab_path(&lab, "whole"), "train.steps=9 train.lr_schedule=none");
    for (size_t i = 0; i < RIN_COUNT(sizes); i++) {
        char run[128], path[160];
        snprintf(run, sizeof run, "%s-%zu", lab.run, i);
        snprintf(path, sizeof path, "%s/state.safetensors", run);
        lab.n_log = 0;
        run_train(&lab, run, "train.steps=6 train.lr_schedule=none");
        damage(path, sizes[i]);
        rin_trainer *trainer = resume(&lab, run, 9);
        assert_int_equal(rin_trainer_steps_done(trainer), 4);
        assert_logged(&lab, "warning: going back to the checkpoint before");
        assert_logged(&lab, "state.safetensors");
        finish(trainer);
        run_assert_same(run_lab_path(&lab, "whole"), run);
    }
    run_lab_free(&lab);
}

/* Of metrics.jsonl only what lies beyond the checkpoint is dropped, whatever else somebody wrote into it. */
static void test_lines_of_others_stay_in_the_metrics(void **state) {
    (void)state;
    run_lab lab;
    size_t n;
    run_lab_create(&lab);
    run_train(&lab, lab.run, "");
    char *before = run_read(run_lab_path(&lab, "run/metrics.jsonl"), &n);
    char *lines = test_malloc(n + 256);
    snprintf(lines, n + 256, "\nlooks good so far\n%s{\"step\": 7, \"loss\": 1}\n{\"step\": 2", before);
    put(run_lab_path(&lab, "run/metrics.jsonl"), lines);
    rin_trainer_free(resume(&lab, lab.run, 8));
    char *after = run_read(run_lab_path(&lab, "run/metrics.jsonl"), &n);
    snprintf(lines, n + 256, "\nlooks good so far\n%s", before);
    assert_string_equal(after, lines);
    test_free(before);
    test_free(lines);
    test_free(after);
    run_lab_free(&lab);
}

/* Of a run that waited before its first step. */
static void test_time_counts_from_the_first_step(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_progress progress = {0};
    run_lab_create(&lab);
    double from = rin_clock_seconds();
    rin_trainer *trainer = create(&lab, lab.run, "");
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    double begun = rin_clock_seconds();
    assert_true(begun - from > 0.25);
    for (int i = 0; i < 2; i++) assert_ok(rin_trainer_step(trainer, &progress, &error), &error);
    double spent = rin_clock_seconds() - begun;
    assert_true(progress.seconds > 0 && progress.seconds <= spent);
    assert_true(progress.eta > 0 && progress.eta < 1000 * spent);
    assert_true(progress.images_per_second > 0.5 / spent);
    rin_trainer_free(trainer);
    run_lab_free(&lab);
}

static void test_no_checkpoint_can_be_read(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    run_lab_create(&lab);
    run_train(&lab, lab.run, "");
    damage(run_lab_path(&lab, "run/state.safetensors"), 50);
    damage(run_lab_path(&lab, "run/state-000000004.safetensors"), 50);
    rin_status status = rin_trainer_resume(lab.run, NULL, 9, NULL, run_lab_listener(&lab), &trainer, &error);
    assert_refused(status, RIN_ERR_FORMAT, &error, "state");
    assert_null(trainer);
    run_lab_free(&lab);
}

static void test_saving_is_tried_again(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    run_lab_create(&lab);
    run_train(&lab, run_lab_path(&lab, "whole"), "");
    rin_trainer *trainer = create(&lab, lab.run, "");
    /* A folder in the place of a file cannot be replaced by a file. */
    assert_int_equal(mkdir(run_lab_path(&lab, "run/state.safetensors"), 0777), 0);
    assert_int_equal(mkdir(run_lab_path(&lab, "run/metrics.jsonl"), 0777), 0);
    for (int i = 0; i < 5; i++) assert_ok(rin_trainer_step(trainer, NULL, &error), &error);
    assert_logged(&lab, "warning: step 2 is not saved");
    assert_logged(&lab, "metrics.jsonl");
    rmdir(run_lab_path(&lab, "run/state.safetensors"));
    rmdir(run_lab_path(&lab, "run/metrics.jsonl"));
    finish(trainer);
    run_assert_same(run_lab_path(&lab, "whole"), lab.run);

    /* At the end there is no later: an error, and no half-written file. */
    trainer = resume(&lab, lab.run, 8);
    unlink(run_lab_path(&lab, "run/state.safetensors"));
    assert_int_equal(mkdir(run_lab_path(&lab, "run/state.safetensors"), 0777), 0);
    assert_refused(rin_trainer_run(trainer, &error), RIN_ERR_IO, &error, "step 8 is not saved");
    rin_trainer_free(trainer);
    rin_dir *folder;
    const char *name;
    assert_ok(rin_dir_open(lab.run, &folder, &error), &error);
    while (rin_dir_next(folder, &name, &error) == RIN_OK && name) assert_null(strstr(name, RIN_TEMPORARY));
    rin_dir_close(folder);
    run_lab_free(&lab);
}

/* A call that comes again saves what the one before could not. */
static void test_the_last_step_is_saved_by_a_later_call(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    run_lab_create(&lab);
    run_train(&lab, run_lab_path(&lab, "whole"), "");
    rin_trainer *trainer = create(&lab, lab.run, "train.checkpoint_every=100");
    assert_int_equal(mkdir(run_lab_path(&lab, "run/state.safetensors"), 0777), 0); /* in the way */
    assert_int_equal(rin_trainer_run(trainer, &error), RIN_ERR_IO);
    assert_true(rin_trainer_is_done(trainer));
    assert_int_equal(rmdir(run_lab_path(&lab, "run/state.safetensors")), 0);
    finish(trainer);
    run_assert_same(run_lab_path(&lab, "whole"), lab.run);
    run_lab_free(&lab);
}

/* A picture neither goes to where the run's folder was, nor is the folder made again there. */
static void test_no_picture_where_the_folder_was(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    run_lab_create(&lab);
    rin_trainer *trainer = create(&lab, lab.run, "train.sample_every=1 train.checkpoint_every=100");
    assert_ok(rin_trainer_step(trainer, NULL, &error), &error);
    assert_true(exists(&lab, "run/samples/step-000000001.png"));
    assert_int_equal(rename(run_lab_path(&lab, "run"), run_lab_path(&lab, "moved")), 0);
    assert_ok(rin_trainer_step(trainer, NULL, &error), &error);
    assert_logged(&lab, "no samples of step 2");
    assert_false(exists(&lab, "run"));
    rin_trainer_free(trainer);
    run_lab_free(&lab);
}

static void test_a_picture_that_is_missing_is_drawn_later(void **state) {
    (void)state;
    run_lab lab;
    run_lab_create(&lab);
    run_train(&lab, lab.run, "train.sample_every=3");
    size_t n, again;
    char *first = run_read(run_lab_path(&lab, "run/samples/step-000000006.png"), &n);
    unlink(run_lab_path(&lab, "run/samples/step-000000006.png"));
    finish(resume(&lab, lab.run, 0));
    char *second = run_read(run_lab_path(&lab, "run/samples/step-000000006.png"), &again);
    assert_int_equal(n, again);
    assert_memory_equal(first, second, n);
    test_free(first);
    test_free(second);
    run_lab_free(&lab);
}

/* ---- data that fails under way ---- */

static void test_a_failing_loader_ends_the_run_in_order(void **state) {
    (void)state;
    enum { SIDE = 96, IMAGES = 40 };
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    run_lab_create(&lab);
    /* More pictures than one MiB holds, so that they are read while the run goes on. */
    assert_int_equal(mkdir(run_lab_path(&lab, "images"), 0777), 0);
    uint8_t *pixels = test_calloc(3 * SIDE * SIDE, 1);
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "images/%02d.png", i);
        memset(pixels, i, 3 * SIDE * SIDE);
        assert_ok(rin_image_write_png(run_lab_path(&lab, name), pixels, SIDE, SIDE, 3, NULL, 0, &error), &error);
    }
    test_free(pixels);
    rin_config *config = run_config("model.image_height=64 model.image_width=64 model.patch_size=16 data.cache_mb=1 "
                                    "data.strict=true train.steps=500 train.checkpoint_every=400");
    assert_ok(
        rin_trainer_create(config, run_lab_path(&lab, "images"), lab.run, run_lab_listener(&lab), &trainer, &error),
        &error);
    for (int i = 0; i < 3; i++) assert_ok(rin_trainer_step(trainer, NULL, &error), &error);
    unlink(run_lab_path(&lab, "images/07.png"));
    assert_refused(rin_trainer_run(trainer, &error), RIN_ERR_IO, &error, "07.png");
    assert_non_null(strstr(error.text, "stopped and saved after step"));
    int64_t done = rin_trainer_steps_done(trainer);
    rin_trainer_free(trainer);
    trainer = NULL;
    assert_refused(rin_trainer_resume(lab.run, NULL, 0, NULL, (rin_listener){0}, &trainer, &error), RIN_ERR_FORMAT,
                   &error, "had 40 when");
    put(run_lab_path(&lab, "images/07.png"), "not a picture");
    trainer = resume(&lab, lab.run, 0);
    assert_int_equal(rin_trainer_steps_done(trainer), done);
    rin_trainer_free(trainer);
    rin_config_free(config);
    run_lab_free(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_trainer_is_refused),
        cmocka_unit_test(test_time_counts_from_the_first_step),
        cmocka_unit_test(test_the_lock_of_a_killed_process_is_taken_over),
        cmocka_unit_test(test_left_overs_of_a_start_that_failed),
        cmocka_unit_test(test_class_folders_of_any_name),
        cmocka_unit_test(test_the_newest_checkpoints_are_kept),
        cmocka_unit_test(test_a_damaged_checkpoint_falls_back),
        cmocka_unit_test(test_lines_of_others_stay_in_the_metrics),
        cmocka_unit_test(test_no_checkpoint_can_be_read),
        cmocka_unit_test(test_saving_is_tried_again),
        cmocka_unit_test(test_the_last_step_is_saved_by_a_later_call),
        cmocka_unit_test(test_no_picture_where_the_folder_was),
        cmocka_unit_test(test_a_picture_that_is_missing_is_drawn_later),
        cmocka_unit_test(test_a_failing_loader_ends_the_run_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
