/* SPDX-License-Identifier: MIT */
/* The scenarios that read, and those that make pictures. */
#include "fault/scenarios.h"
#include "support/options.h"

#include <errno.h>
#include <stdio.h>

/* ---- what they work on ---- */

static const char run_options[] = "model.tape_dim=8 model.latent_slots=3 model.rw_num_heads=1 model.latent_num_heads=1 "
                                  "train.steps=4 train.batch=2 train.sample_every=3 sample.steps=1";

#ifdef RIN_HAVE_FFMPEG
static const char video_name[] = "plain.mp4";
#else
static const char video_name[] = "plain.webp";
#endif
static const char video_options[] = "train.sample_every=0 model.num_classes=0 model.seq_len=4 model.seq_cond=2";

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

static void train_videos(fault_lab *l) {
    rin_error error = {0};
    rin_trainer *trainer;
    assert_ok(rin_trainer_create(l->of_videos, l->videos, l->whole_videos, run_lab_listener(&l->lab), &trainer, &error),
              &error);
    assert_ok(rin_trainer_run(trainer, &error), &error);
    rin_trainer_free(trainer);
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

static void add_video(const fault_lab *l, const char *name) {
    char from[64], to[64];
    size_t n;
    snprintf(from, sizeof from, "tests/fixtures/video/%s", name);
    snprintf(to, sizeof to, "videos/%s", name);
    char *bytes = run_read(from, &n);
    corpus_add(&l->files, to, bytes, n);
    test_free(bytes);
}

void fault_lab_create(fault_lab *l) {
    static const char names[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";
    run_lab_create(&l->lab);
    l->files = corpus_make();
    l->config = run_config(run_options);
    l->of_videos = run_config(run_options);
    options_set(l->of_videos, video_options);
    snprintf(l->whole, sizeof l->whole, "%s/whole", l->lab.folder);
    snprintf(l->whole_pictures, sizeof l->whole_pictures, "%s/whole-pictures", l->lab.folder);
    snprintf(l->half, sizeof l->half, "%s/half", l->lab.folder);
    snprintf(l->pictures, sizeof l->pictures, "%s/pictures", l->files.root);
    snprintf(l->videos, sizeof l->videos, "%s/videos", l->files.root);
    snprintf(l->whole_videos, sizeof l->whole_videos, "%s/whole-videos", l->lab.folder);
    snprintf(l->movie, sizeof l->movie, "%s/movie.webp", l->lab.folder);
    snprintf(l->pack, sizeof l->pack, "%s/pack.safetensors", l->lab.folder);
    add_video(l, video_name);
    add_video(l, "partial.webp");
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
    train_videos(l);
    stop_half_way(l);
}

void fault_lab_free(fault_lab *l) {
    rin_config_free(l->config);
    rin_config_free(l->of_videos);
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

/* ---- videos ---- */

static void prepare_movie(fault_lab *l) {
    (void)remove(l->movie);
}

/* From given frames to a file of two videos. */
static rin_status run_sample_video(fault_lab *l, rin_error *error) {
    rin_model *model = (rin_model *)l;
    rin_generator *generator = NULL;
    rin_video_frames frames = {0};
    char path[96];
    snprintf(path, sizeof path, "%s/%s", l->videos, video_name);
    rin_status status = rin_model_open(l->whole_videos, "cpu", 1, &model, error);
    if (status != RIN_OK) {
        assert_null(model);
        return status;
    }
    status = rin_video_frames_read(l->of_videos, path, 0.5, 4, run_lab_listener(&l->lab), &frames, error);
    if (status != RIN_OK) assert_null(frames.pixels);
    if (status == RIN_OK) status = rin_generator_create(model, l->of_videos, 2, NULL, 7, &generator, error);
    if (status == RIN_OK) status = rin_generator_give(generator, -1, frames.pixels, frames.n, error);
    if (status == RIN_OK) status = rin_generator_run(generator, run_lab_listener(&l->lab), error);
    if (status == RIN_OK) status = rin_generator_write_grid(generator, 2, l->movie, error);
    rin_video_frames_clear(&frames);
    rin_generator_free(generator);
    rin_model_free(model);
    return status;
}

/* The file is there as a whole or not at all: its header says how long it is. */
static void verify_movie(fault_lab *l, rin_status status) {
    size_t n;
    fault_assert_no_temporaries(l->lab.folder);
    if (status != RIN_OK && !rin_path_exists(l->movie)) return;
    char *bytes = run_read(l->movie, &n);
    const uint8_t *size = (const uint8_t *)bytes + 4;
    assert_true(n > 60 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0);
    assert_int_equal(size[0] + (size[1] << 8) + (size[2] << 16), n - 8);
    test_free(bytes);
}

static void prepare_pack(fault_lab *l) {
    (void)remove(l->pack);
}

static rin_status run_pack(fault_lab *l, rin_error *error) {
    int64_t videos = -1, frames = -1;
    rin_status status = rin_data_pack(l->videos, l->of_videos, l->pack, run_lab_listener(&l->lab), &videos, &frames,
                                      error);
    snprintf(l->text, sizeof l->text, "%lld videos, %lld frames", (long long)videos, (long long)frames);
    return status;
}

/* Nothing is left out because of a failure, nor is there a part of a pack. */
static void verify_pack(fault_lab *l, rin_status status) {
    const rin_dataset_options options = {.clip = {1, 1, 0}};
    rin_dataset *dataset;
    rin_error error = {0};
    fault_assert_no_temporaries(l->lab.folder);
    if (status == RIN_OK) assert_string_equal(l->text, "2 videos, 28 frames");
    else assert_string_equal(l->text, "0 videos, 0 frames");
    if (status != RIN_OK && !rin_path_exists(l->pack)) return;
    assert_ok(rin_dataset_open(l->pack, &options, (rin_log){0}, &dataset, &error), &error);
    assert_int_equal(rin_dataset_count(dataset), 2);
    rin_dataset_close(dataset);
}

static rin_status run_predict(fault_lab *l, rin_error *error) {
    rin_model *model = (rin_model *)l;
    rin_prediction_error errors[2];
    int64_t n = -1;
    rin_status status = rin_model_open(l->whole_videos, NULL, 2, &model, error);
    if (status != RIN_OK) {
        assert_null(model);
        return status;
    }
    status = rin_eval_predict(model, l->of_videos, l->videos, 2, 3, 1, run_lab_listener(&l->lab), errors, &n, error);
    if (status == RIN_OK)
        snprintf(l->text, sizeof l->text, "%.9g %.9g of %lld", errors[0].sample, errors[1].mean, (long long)n);
    rin_model_free(model);
    return status;
}

/* ---- golden cases ---- */

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
    {.name = "sample video",
     .prepare = prepare_movie,
     .run = run_sample_video,
     .verify = verify_movie,
     .writes = true,
     .runs_a_second = 150},
    {.name = "data pack",
     .prepare = prepare_pack,
     .run = run_pack,
     .verify = verify_pack,
     .writes = true,
     .runs_a_second = 150},
    {.name = "eval predict", .run = run_predict, .runs_a_second = 150},
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
