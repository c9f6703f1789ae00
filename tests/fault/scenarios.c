/* SPDX-License-Identifier: MIT */
/* The scenarios that read, and those that make pictures. */
#include "fault/scenarios.h"

#include <errno.h>
#include <stdio.h>

/* ---- what they work on ---- */

static const char run_options[] = "model.tape_dim=8 model.latent_slots=3 model.rw_num_heads=1 model.latent_num_heads=1 "
                                  "train.steps=4 train.batch=2 train.sample_every=3 sample.steps=1";

/* Runs from beginning to end, to compare with. */
static void train_undisturbed(fault_lab *l) {
    rin_error error = {0};
    const char *const data[] = {l->lab.data, l->pictures}, *const runs[] = {l->whole, l->whole_pictures};
    for (size_t i = 0; i < RIN_COUNT(runs); i++) {
        rin_trainer *trainer;
        assert_ok(rin_trainer_create(l->config, data[i], runs[i], run_lab_listener(&l->lab), &trainer, &error), &error);
        assert_ok(rin_trainer_run(trainer, &error), &error);
        rin_trainer_free(trainer);
    }
}

static void stop_half_way(fault_lab *l) {
    rin_error error = {0};
    rin_trainer *trainer;
    l->lab.stop_at = 3;
    assert_ok(rin_trainer_create(l->config, l->lab.data, l->half, run_lab_listener(&l->lab), &trainer, &error), &error);
    assert_int_equal(rin_trainer_run(trainer, &error), RIN_ERR_CANCELLED);
    rin_trainer_free(trainer);
    l->lab.stop_at = 0;
}

static void write_options(const fault_lab *l) {
    rin_error error = {0};
    char *ini;
    assert_ok(rin_config_format(l->config, &ini, &error), &error);
    corpus_add(&l->files, "options.ini", ini, strlen(ini));
    rin_string_free(ini);
}

void fault_lab_create(fault_lab *l) {
    static const char names[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";
    run_lab_create(&l->lab);
    l->files = corpus_make();
    l->config = run_config(run_options);
    snprintf(l->whole, sizeof l->whole, "%s/whole", l->lab.folder);
    snprintf(l->whole_pictures, sizeof l->whole_pictures, "%s/whole-pictures", l->lab.folder);
    snprintf(l->half, sizeof l->half, "%s/half", l->lab.folder);
    snprintf(l->pictures, sizeof l->pictures, "%s/pictures", l->files.root);
    corpus_add_png(&l->files, "pictures/a/1.png", 5, 40);
    corpus_add_png(&l->files, "pictures/b/2.png", 7, 200);
    corpus_add(&l->files, "pictures/notes.txt", "none", 4);
    size_t n;
    char *records = run_read(l->lab.data, &n);
    corpus_add(&l->files, "cifar/data_batch_1.bin", records, n);
    corpus_add(&l->files, "cifar/test_batch.bin", records, n);
    test_free(records);
    corpus_add(&l->files, "cifar/batches.meta.txt", names, sizeof names - 1);
    packer archive = packer_open(&l->files, "pictures.tar", "tar");
    packer_add_png(&archive, "top/a/1.png", 5, 40);
    packer_add_png(&archive, "top/b/2.png", 7, 200);
    packer_close(&archive);
    write_options(l);
    train_undisturbed(l);
    stop_half_way(l);
}

void fault_lab_free(fault_lab *l) {
    rin_config_free(l->config);
    corpus_remove(&l->files);
    run_lab_free(&l->lab);
}

/* Adds a text of the library to what the scenario made, and frees it. */
static rin_status take_text(fault_lab *l, rin_status status, char *text) {
    if (status != RIN_OK) assert_null(text);
    else strncat(l->text, text, sizeof l->text - strlen(l->text) - 1);
    rin_string_free(text);
    return status;
}

static char *const not_null = "";

/* ---- scenarios ---- */

static rin_status run_config_file(fault_lab *l, rin_error *error) {
    char path[64], *text = not_null;
    rin_config *config = l->config, *copy = l->config;
    snprintf(path, sizeof path, "%s/options.ini", l->files.root);
    rin_status status = rin_config_create(&config, error);
    if (status != RIN_OK) assert_null(config);
    if (status == RIN_OK) status = rin_config_load_preset(config, "demo", error);
    if (status == RIN_OK) status = rin_config_load_file(config, path, error);
    if (status == RIN_OK) status = rin_config_validate(config, error);
    if (status == RIN_OK && (status = rin_config_copy(config, &copy, error)) != RIN_OK) assert_null(copy);
    if (status == RIN_OK) {
        status = rin_config_format(copy, &text, error);
        status = take_text(l, status, text);
        rin_config_free(copy);
    }
    rin_config_free(config);
    return status;
}

static rin_status run_config_describe(fault_lab *l, rin_error *error) {
    char *text = not_null;
    rin_status status = rin_config_describe(&text, error);
    return take_text(l, status, text);
}

static rin_status run_plan(fault_lab *l, rin_error *error) {
    char *text = not_null;
    rin_status status = rin_plan_describe(l->config, false, true, (uint64_t)1 << 40, &text, error);
    return take_text(l, status, text);
}

static rin_status run_plan_json(fault_lab *l, rin_error *error) {
    char *text = not_null;
    rin_status status = rin_plan_describe(l->config, true, false, (uint64_t)1 << 40, &text, error);
    return take_text(l, status, text);
}

static rin_status run_info(fault_lab *l, rin_error *error) {
    char *text = not_null;
    rin_status status = rin_model_describe(l->whole, false, &text, error);
    return take_text(l, status, text);
}

static rin_status run_info_json(fault_lab *l, rin_error *error) {
    char *text = not_null;
    rin_status status = rin_model_describe(l->whole, true, &text, error);
    return take_text(l, status, text);
}

static rin_status describe_data(fault_lab *l, const char *path, bool json, rin_error *error) {
    char *text = not_null;
    rin_status status = rin_data_describe(path, false, json, run_lab_listener(&l->lab), &text, error);
    return take_text(l, status, text);
}

static rin_status run_data_folder(fault_lab *l, rin_error *error) {
    return describe_data(l, l->pictures, true, error);
}

/* A picture that could not be read is listed as broken, with the reason. */
static void verify_data_folder(fault_lab *l, rin_status status) {
    if (status == RIN_OK && strstr(l->text, "\"broken\":0")) assert_string_equal(l->text, l->expected);
    else if (status == RIN_OK) assert_non_null(strstr(l->text, "cannot "));
}

static rin_status run_data_archive(fault_lab *l, rin_error *error) {
    char path[64];
    snprintf(path, sizeof path, "%s/pictures.tar", l->files.root);
    return describe_data(l, path, false, error);
}

static rin_status run_data_cifar(fault_lab *l, rin_error *error) {
    char path[64];
    snprintf(path, sizeof path, "%s/cifar", l->files.root);
    return describe_data(l, path, false, error);
}

static rin_status run_eval(fault_lab *l, rin_error *error) {
    rin_model *model = (rin_model *)l;
    const double times[2] = {0.25, 0.75};
    double losses[2];
    int64_t n = -1;
    rin_status status = rin_model_open(l->whole, NULL, 2, &model, error);
    if (status != RIN_OK) {
        assert_null(model);
        return status;
    }
    status = rin_eval_loss(model, l->lab.data, times, 2, 6, 1, run_lab_listener(&l->lab), losses, &n, error);
    if (status == RIN_OK) snprintf(l->text, sizeof l->text, "%.9g %.9g of %lld", losses[0], losses[1], (long long)n);
    rin_model_free(model);
    return status;
}

static void prepare_sample(fault_lab *l) {
    (void)remove(l->lab.picture);
}

static rin_status run_sample(fault_lab *l, rin_error *error) {
    rin_model *model = (rin_model *)l;
    rin_generator *generator = (rin_generator *)l;
    const int64_t classes[3] = {0, -1, 1};
    rin_status status = rin_model_open(l->whole, "cpu", 1, &model, error);
    if (status != RIN_OK) {
        assert_null(model);
        return status;
    }
    status = rin_generator_create(model, l->config, 3, classes, 7, &generator, error);
    if (status != RIN_OK) assert_null(generator);
    if (status == RIN_OK) status = rin_generator_run(generator, run_lab_listener(&l->lab), error);
    if (status == RIN_OK) status = rin_generator_write_grid(generator, 2, l->lab.picture, error);
    rin_generator_free(generator);
    rin_model_free(model);
    return status;
}

/* The picture is there as a whole or not at all. */
static void verify_sample(fault_lab *l, rin_status status) {
    size_t n;
    fault_assert_no_temporaries(l->lab.folder);
    if (status != RIN_OK && !rin_path_exists(l->lab.picture)) return;
    char *bytes = run_read(l->lab.picture, &n);
    assert_true(n > 60 && memcmp(bytes + 1, "PNG", 3) == 0 && memcmp(bytes + n - 8, "IEND", 4) == 0);
    test_free(bytes);
}

typedef struct tally {
    fault_lab *l;
    rin_error *error;
    rin_status status; /* of the first check that could not be run, by its message */
} tally;

static void add_result(void *user, const rin_check_result *result) {
    tally *t = user;
    size_t n = strlen(t->l->text);
    snprintf(t->l->text + n, sizeof t->l->text - n, "%s %d; ", result->name, result->passed);
    if (!*result->message || t->status != RIN_OK) return;
    bool exhausted = strstr(result->message, "out of memory") || strstr(result->message, strerror(EMFILE));
    t->status = exhausted ? RIN_ERR_MEMORY : RIN_ERR_IO;
    (void)rin_error_set(t->error, t->status, "%s", result->message);
}

static rin_status run_check(fault_lab *l, rin_error *error) {
    int n_failed = -1;
    tally t = {.l = l, .error = error};
    rin_status status = rin_check_case("tests/golden/image_x_unconditional", NULL, 1, add_result, &t, &n_failed, error);
    if (status == RIN_OK && t.status == RIN_OK) assert_int_equal(n_failed, 0);
    return status == RIN_OK ? t.status : status;
}

const scenario scenarios[N_SCENARIOS] = {
    {.name = "config", .run = run_config_file, .runs_a_second = 300},
    {.name = "config describe", .run = run_config_describe, .runs_a_second = 300},
    {.name = "plan", .run = run_plan, .runs_a_second = 300},
    {.name = "plan --json", .run = run_plan_json, .runs_a_second = 300},
    {.name = "info", .run = run_info, .runs_a_second = 300},
    {.name = "info --json", .run = run_info_json, .runs_a_second = 300},
    {.name = "data folder", .run = run_data_folder, .verify = verify_data_folder, .runs_a_second = 100},
    {.name = "data archive", .run = run_data_archive, .runs_a_second = 100},
    {.name = "data CIFAR-10", .run = run_data_cifar, .runs_a_second = 100},
    {.name = "eval loss", .run = run_eval, .runs_a_second = 50},
    {.name = "sample",
     .prepare = prepare_sample,
     .run = run_sample,
     .verify = verify_sample,
     .writes = true,
     .runs_a_second = 50},
    {.name = "check", .run = run_check, .runs_a_second = 6},
    {.name = "train",
     .prepare = fault_prepare_train,
     .run = fault_run_train,
     .verify = fault_verify_run,
     .writes = true,
     .runs_a_second = 30},
    {.name = "train pictures",
     .prepare = fault_prepare_train_pictures,
     .run = fault_run_train,
     .verify = fault_verify_run,
     .writes = true,
     .runs_a_second = 30},
    {.name = "resume",
     .prepare = fault_prepare_resume,
     .run = fault_run_resume,
     .verify = fault_verify_run,
     .writes = true,
     .runs_a_second = 30},
};
