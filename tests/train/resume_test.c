/* SPDX-License-Identifier: MIT */
/* Continuing a run: with its data and no other, further than planned, in its own folder, in the middle of a step. */
#include "support/options.h"
#include "support/run.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"
#include "train/train.h"

/* ---- runs on a folder of pictures ---- */

enum { CLASSES = 2, EACH = 4, SIDE = 8 };

static void put_picture(run_lab *lab, const char *name, int side, int value) {
    rin_error error = {0};
    uint8_t *pixels = test_malloc((size_t)(3 * side * side));
    memset(pixels, value, (size_t)(3 * side * side));
    assert_ok(rin_image_write_png(run_lab_path(lab, name), pixels, side, side, 3, NULL, 0, &error), &error);
    test_free(pixels);
}

static void make_folder(run_lab *lab, const char *name) {
    assert_int_equal(mkdir(run_lab_path(lab, name), 0777), 0);
}

static void move(run_lab *lab, const char *from, const char *to) {
    assert_int_equal(rename(run_lab_path(lab, from), run_lab_path(lab, to)), 0);
}

/* data/a and data/b with pictures 0.png to 3.png each, and a run of 6 steps on them. */
static void open_lab(run_lab *lab) {
    char name[32];
    run_lab_create(lab);
    make_folder(lab, "data");
    for (int class = 0; class < CLASSES; class ++) {
        snprintf(name, sizeof name, "data/%c", 'a' + class);
        make_folder(lab, name);
        for (int i = 0; i < EACH; i++) {
            snprintf(name, sizeof name, "data/%c/%d.png", 'a' + class, i);
            put_picture(lab, name, SIDE, 60 * i + 20 * class);
        }
    }
    snprintf(lab->data, sizeof lab->data, "%s/data", lab->folder);
    run_train(lab, lab->run, "train.lr_schedule=none");
}

static rin_trainer *resume(run_lab *lab, const char *data, int64_t steps) {
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    assert_ok(rin_trainer_resume(lab->run, data, steps, NULL, run_lab_listener(lab), &trainer, &error), &error);
    return trainer;
}

static void refused(run_lab *lab, const char *data, rin_status wanted, const char *part) {
    rin_error error = {0};
    rin_trainer *trainer = (rin_trainer *)lab;
    rin_status status = rin_trainer_resume(lab->run, data, 9, NULL, run_lab_listener(lab), &trainer, &error);
    assert_refused(status, wanted, &error, part);
    assert_null(trainer);
}

static void finish(rin_trainer *trainer) {
    rin_error error = {0};
    assert_ok(rin_trainer_run(trainer, &error), &error);
    rin_trainer_free(trainer);
}

/* ---- the data ---- */

static void test_other_data_is_refused(void **state) {
    (void)state;
    run_lab lab;
    open_lab(&lab);
    make_folder(&lab, "data/c");
    move(&lab, "data/b/3.png", "data/c/3.png"); /* as many pictures, more classes */
    refused(&lab, NULL, RIN_ERR_CONFIG, "has 3 classes");
    move(&lab, "data/c/3.png", "data/a/4.png"); /* the same classes, another label */
    rmdir(run_lab_path(&lab, "data/c"));
    refused(&lab, NULL, RIN_ERR_FORMAT, "others or in other folders");
    move(&lab, "data/a/4.png", "data/b/3.png");
    move(&lab, "data/b", "data/d"); /* another name of a class */
    refused(&lab, NULL, RIN_ERR_FORMAT, "others or in other folders");
    refused(&lab, run_lab_path(&lab, "data/a"), RIN_ERR_CONFIG, "has no classes");
    move(&lab, "data/d", "data/b");
    put_picture(&lab, "data/b/4.png", SIDE, 1);
    refused(&lab, NULL, RIN_ERR_FORMAT, "has 9 images now, it had 8");
    unlink(run_lab_path(&lab, "data/b/4.png"));
    finish(resume(&lab, NULL, 9));
    run_lab_free(&lab);
}

static void test_data_may_move(void **state) {
    (void)state;
    run_lab lab;
    open_lab(&lab);
    run_train(&lab, run_lab_path(&lab, "whole"), "train.lr_schedule=none train.steps=12");
    move(&lab, "data", "elsewhere");
    refused(&lab, NULL, RIN_ERR_IO, "say --data");
    finish(resume(&lab, run_lab_path(&lab, "elsewhere"), 9));
    finish(resume(&lab, NULL, 12)); /* it knows by now */
    run_assert_same(run_lab_path(&lab, "whole"), lab.run);
    run_lab_free(&lab);
}

/* run.json may have been written by somebody else. */
static void test_run_json_is_checked(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"{\"data\": \"%s\", \"items\": 8, \"classes\": [\"a\", \"b\", \"c\", \"d\"]}", "4 class names for 2 classes"},
        {"{\"data\": \"%s\", \"items\": 1e300, \"classes\": [\"a\", \"b\"]}", "lacks"},
        {"{\"data\": \"%s\", \"items\": -8, \"classes\": [\"a\", \"b\"]}", "lacks"},
        {"{\"data\": \"%s\", \"items\": 8, \"classes\": [1, 2]}", "is not a text"},
        {"{\"data\": \"%s\", \"items\": 8}", "lacks"},
        {"{\"data\": \"%s\"", "lacks"}};
    run_lab lab;
    open_lab(&lab);
    for (size_t i = 0; i < RIN_COUNT(texts); i++) {
        FILE *stream = fopen(run_lab_path(&lab, "run/run.json"), "wb");
        assert_non_null(stream);
        fprintf(stream, texts[i][0], lab.data);
        fclose(stream);
        refused(&lab, NULL, RIN_ERR_FORMAT, texts[i][1]);
    }
    run_lab_free(&lab);
}

/* ---- the steps ---- */

static void test_further_than_planned_is_kept(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    open_lab(&lab);
    run_train(&lab, run_lab_path(&lab, "whole"), "train.lr_schedule=none train.steps=12");
    lab.stop_at = 8;
    rin_trainer *trainer = resume(&lab, NULL, 12);
    assert_int_equal(rin_trainer_run(trainer, &error), RIN_ERR_CANCELLED);
    rin_trainer_free(trainer);
    lab.stop_at = 0;
    trainer = resume(&lab, NULL, 0);
    assert_false(rin_trainer_is_done(trainer));
    finish(trainer);
    run_assert_same(run_lab_path(&lab, "whole"), lab.run);
    run_lab_free(&lab);
}

/* ---- the device ---- */

static rin_status resume_on(run_lab *lab, const char *options, int64_t steps, rin_trainer **trainer, rin_error *error) {
    rin_config *changes;
    assert_ok(rin_config_create(&changes, error), error);
    options_set(changes, options);
    rin_status status = rin_trainer_resume(lab->run, NULL, steps, changes, run_lab_listener(lab), trainer, error);
    rin_config_free(changes);
    return status;
}

static void assert_run_has(run_lab *lab, const char *line, bool expected) {
    size_t n;
    char *text = run_read(run_lab_path(lab, "run/config.ini"), &n);
    if ((strstr(text, line) != NULL) != expected) fail_msg("'%s' in config.ini: %d", line, !expected);
    test_free(text);
}

/* A run goes on where it is told to, and stays there; other options are not taken from changes. */
static void test_another_device(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    open_lab(&lab);
    assert_ok(resume_on(&lab, "train.device=ref train.threads=2 train.seed=9", 9, &trainer, &error), &error);
    assert_string_equal(trainer->backend->table->name, "ref");
    assert_int_equal(trainer->backend->threads, 2);
    assert_int_equal(rin_trainer_steps_done(trainer), 6);
    finish(trainer);
    assert_run_has(&lab, "device = ref\n", true);
    assert_run_has(&lab, "threads = 2\n", true);
    assert_run_has(&lab, "seed = 9\n", false);
    trainer = resume(&lab, NULL, 12);
    assert_string_equal(trainer->backend->table->name, "ref");
    rin_trainer_free(trainer);
    assert_ok(resume_on(&lab, "train.device=cpu train.precision=fp32", 12, &trainer, &error), &error);
    assert_int_equal(strncmp(trainer->backend->table->name, "cpu", 3), 0);
    finish(trainer);
    assert_run_has(&lab, "device = cpu\n", true);
    assert_run_has(&lab, "precision = fp32\n", true);
    run_lab_free(&lab);
}

/* What cannot be had leaves the run as it is, and says what to do. */
static void test_a_device_that_is_not_there(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    open_lab(&lab);
    assert_refused(resume_on(&lab, "train.device=abacus", 9, &trainer, &error), RIN_ERR_CONFIG, &error,
                   "train.device = abacus: unknown device 'abacus'");
    assert_null(trainer);
    assert_run_has(&lab, "device = cpu\n", true);
    /* The last of all GPUs that a machine may have. */
    rin_status status = resume_on(&lab, "train.device=cuda:63", 9, &trainer, &error);
    if (status != RIN_OK) {
        assert_true(status == RIN_ERR_UNSUPPORTED || status == RIN_ERR_DEVICE);
        assert_non_null(strstr(error.text, "cuda"));
        assert_non_null(strstr(error.text, "say --device, such as --device cpu"));
    }
    rin_trainer_free(trainer);
    run_lab_free(&lab);
}

/* ---- parts of a step ---- */

/* Says stop as soon as there is waiting for data. */
static bool stop_waiting(void *user, const rin_progress *progress) {
    (void)user;
    return strcmp(progress->doing, "wait for data") != 0;
}

/* A step of two parts that is stopped between them goes on with the second part's own images. */
static void test_a_step_goes_on_between_its_parts(void **state) {
    (void)state;
    enum { LARGE = 96, PICTURES = 40, STEPS = 12 };
    static const char options[] = "model.image_height=64 model.image_width=64 model.patch_size=16 data.cache_mb=1 "
                                  "data.workers=2 data.patience=100 train.accumulate=2 train.steps=12";
    run_lab lab;
    rin_error error = {0};
    run_lab_create(&lab);
    make_folder(&lab, "many"); /* more than one MiB holds, so that they are read while the run goes on */
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%02d.png", i);
        put_picture(&lab, name, LARGE, 6 * i);
    }
    snprintf(lab.data, sizeof lab.data, "%s/many", lab.folder);
    run_train(&lab, run_lab_path(&lab, "whole"), options);
    rin_config *config = run_config(options);
    rin_trainer *trainer = NULL;
    rin_listener listener = {.on_progress = stop_waiting};
    assert_ok(rin_trainer_create(config, lab.data, lab.run, listener, &trainer, &error), &error);
    int between = 0;
    const struct timespec a_while = {.tv_nsec = 300000000};
    for (int step = 0; step < STEPS; step++) {
        if (!between) (void)nanosleep(&a_while, NULL); /* until as much is prefetched as can be */
        if (step >= 2 && !between && rin_path_exists(lab.data)) move(&lab, "many", "away");
        rin_status status = rin_trainer_step(trainer, NULL, &error);
        for (int tries = 0; status == RIN_ERR_CANCELLED && tries < 1000; tries++) {
            if (trainer->parts_done) between++;
            if (tries == 0) (void)nanosleep(&a_while, NULL); /* a stop that lasts does not end the waiting either */
            if (!rin_path_exists(lab.data)) move(&lab, "away", "many");
            status = rin_trainer_step(trainer, NULL, &error);
        }
        assert_ok(status, &error);
    }
    rin_trainer_free(trainer);
    rin_config_free(config);
    assert_true(between > 0);
    run_assert_same(run_lab_path(&lab, "whole"), lab.run);
    run_lab_free(&lab);
}

/* ---- the folder ---- */

static void test_nothing_is_written_into_another_run(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    open_lab(&lab);
    rin_trainer *old = resume(&lab, NULL, 9);
    move(&lab, "run", "moved");
    run_train(&lab, lab.run, "train.seed=4");
    run_train(&lab, run_lab_path(&lab, "alone"), "train.seed=4");
    assert_refused(rin_trainer_save(old, &error), RIN_ERR_IO, &error, "moved, removed or replaced");
    assert_refused(rin_trainer_run(old, &error), RIN_ERR_IO, &error, "moved, removed or replaced");
    run_assert_same(run_lab_path(&lab, "alone"), lab.run);
    /* Where it is moved back it goes on. */
    move(&lab, "run", "other");
    move(&lab, "moved", "run");
    assert_ok(rin_trainer_save(old, &error), &error);
    rin_trainer_free(old);
    run_lab_free(&lab);
}

/* A number in the middle of a file, which is a weight or a moment, becomes none. */
static void spoil(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, (long)(info.st_size / 8 * 4), SEEK_SET), 0);
    assert_int_equal(fwrite("\x00\x00\xc0\x7f", 1, 4, stream), 4);
    assert_int_equal(fclose(stream), 0);
}

static void test_a_damaged_checkpoint_is_not_kept(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    open_lab(&lab);
    finish(resume(&lab, NULL, 7)); /* states of step 6 and, the newest, 7 */
    spoil(run_lab_path(&lab, "run/state.safetensors"));
    rin_trainer *trainer = resume(&lab, NULL, 9);
    assert_int_equal(rin_trainer_steps_done(trainer), 6);
    for (int i = 0; i < 2; i++) assert_ok(rin_trainer_step(trainer, NULL, &error), &error);
    assert_true(rin_path_exists(run_lab_path(&lab, "run/state-000000006.safetensors")));
    assert_false(rin_path_exists(run_lab_path(&lab, "run/state-000000007.safetensors")));
    rin_trainer_free(trainer);
    spoil(run_lab_path(&lab, "run/state.safetensors"));
    trainer = resume(&lab, NULL, 9);
    assert_int_equal(rin_trainer_steps_done(trainer), 6);
    finish(trainer);
    run_lab_free(&lab);
}

/* The first `text` in the header of the run's newest state, changed at one place. */
static void change_header(run_lab *lab, const char *text, size_t at, char to) {
    size_t n;
    char *bytes = run_read(run_lab_path(lab, "run/state.safetensors"), &n);
    char *found = strstr(bytes + 8, text); /* behind the header's length */
    assert_non_null(found);
    found[at] = to;
    FILE *stream = fopen(run_lab_path(lab, "run/state.safetensors"), "wb");
    assert_int_equal(fwrite(bytes, 1, n, stream), n);
    fclose(stream);
    test_free(bytes);
}

/* Numbers of a state that no run can have: the checkpoint before is used. */
static void test_counts_of_a_state_are_checked(void **state) {
    (void)state;
    run_lab lab;
    open_lab(&lab);
    change_header(&lab, "\"bad_steps\":\"0\"", 13, '-');
    rin_trainer *trainer = resume(&lab, NULL, 8);
    assert_int_equal(rin_trainer_steps_done(trainer), 4);
    assert_non_null(strstr(lab.log, "bad_steps = '-' is no number"));
    rin_trainer_free(trainer);
    run_lab_free(&lab);
}

/* ... whatever of it is damaged. */
static void test_an_unknown_element_type_falls_back(void **state) {
    (void)state;
    run_lab lab;
    open_lab(&lab);
    change_header(&lab, "\"F32\"", 2, '9');
    rin_trainer *trainer = resume(&lab, NULL, 9);
    assert_int_equal(rin_trainer_steps_done(trainer), 4);
    assert_non_null(strstr(lab.log, "going back to the checkpoint before"));
    finish(trainer);
    run_lab_free(&lab);
}

/* A checkpoint that cannot be looked at is not one that is not there: the run would start over, onto the model. */
static void test_a_checkpoint_out_of_sight_is_no_new_start(void **state) {
    (void)state;
    run_lab lab;
    open_lab(&lab);
    unlink(run_lab_path(&lab, "run/state-000000004.safetensors"));
    unlink(run_lab_path(&lab, "run/state.safetensors"));
    assert_int_equal(symlink("state.safetensors", run_lab_path(&lab, "run/state.safetensors")), 0);
    refused(&lab, NULL, RIN_ERR_IO, "state.safetensors");
    run_lab_free(&lab);
}

static void test_fewer_steps_than_the_warm_up(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    run_lab_create(&lab);
    run_train(&lab, lab.run, "train.warmup_steps=3 train.steps=6");
    rin_status status = rin_trainer_resume(lab.run, NULL, 2, NULL, (rin_listener){0}, &trainer, &error);
    assert_refused(status, RIN_ERR_CONFIG, &error, "allowed are 3 and more");
    run_lab_free(&lab);
}

/* Wherever the program goes, the run stays where it is. */
static void test_another_working_directory(void **state) {
    (void)state;
    run_lab lab;
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    char before[4096];
    run_lab_create(&lab);
    run_train(&lab, run_lab_path(&lab, "whole"), "");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(lab.folder), 0);
    rin_config *config = run_config("");
    assert_ok(rin_trainer_create(config, lab.data, "run", run_lab_listener(&lab), &trainer, &error), &error);
    rin_config_free(config);
    assert_int_equal(chdir("/"), 0);
    for (int i = 0; i < 3; i++) assert_ok(rin_trainer_step(trainer, NULL, &error), &error);
    rin_trainer_free(trainer);
    assert_int_equal(chdir(lab.run), 0);
    assert_ok(rin_trainer_resume("../run", NULL, 0, NULL, run_lab_listener(&lab), &trainer, &error), &error);
    assert_int_equal(chdir(before), 0);
    finish(trainer);
    run_assert_same(run_lab_path(&lab, "whole"), lab.run);
    run_lab_free(&lab);
}

/* A run's folder may come from somebody else: what is written there goes nowhere else. */
static void test_links_are_not_followed(void **state) {
    (void)state;
    run_lab lab;
    size_t n;
    rin_error error = {0};
    open_lab(&lab);
    static const char *const names[] = {"run/lock", "run/metrics.jsonl"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        FILE *stream = fopen(run_lab_path(&lab, "victim"), "wb");
        fputs("mine\n", stream);
        fclose(stream);
        unlink(run_lab_path(&lab, names[i]));
        assert_int_equal(symlink("../victim", run_lab_path(&lab, names[i])), 0);
        rin_trainer *trainer = NULL;
        rin_status status = rin_trainer_resume(lab.run, NULL, 9, NULL, run_lab_listener(&lab), &trainer, &error);
        assert_int_equal(status, i == 0 ? RIN_ERR_IO : RIN_OK);
        if (trainer) assert_ok(rin_trainer_step(trainer, NULL, &error), &error); /* with a warning */
        rin_trainer_free(trainer);
        char *text = run_read(run_lab_path(&lab, "victim"), &n);
        assert_string_equal(text, "mine\n");
        test_free(text);
        unlink(run_lab_path(&lab, names[i]));
    }
    assert_non_null(strstr(lab.log, "metrics.jsonl"));
    run_lab_free(&lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_data_is_refused),
        cmocka_unit_test(test_data_may_move),
        cmocka_unit_test(test_run_json_is_checked),
        cmocka_unit_test(test_further_than_planned_is_kept),
        cmocka_unit_test(test_another_device),
        cmocka_unit_test(test_a_device_that_is_not_there),
        cmocka_unit_test(test_a_step_goes_on_between_its_parts),
        cmocka_unit_test(test_nothing_is_written_into_another_run),
        cmocka_unit_test(test_a_damaged_checkpoint_is_not_kept),
        cmocka_unit_test(test_counts_of_a_state_are_checked),
        cmocka_unit_test(test_an_unknown_element_type_falls_back),
        cmocka_unit_test(test_a_checkpoint_out_of_sight_is_no_new_start),
        cmocka_unit_test(test_fewer_steps_than_the_warm_up),
        cmocka_unit_test(test_another_working_directory),
        cmocka_unit_test(test_links_are_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
