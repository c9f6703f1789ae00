/* SPDX-License-Identifier: MIT */
/* Wrong arguments of videos: given frames, their files, prediction, packing. */
#include "arguments.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH = 4, GIVEN = 2, FIXTURE = 20 /* frames of the file */ };

static const rin_listener nobody = {0};

/* ---- a model of videos ---- */

static bool copy_file(const char *from, const char *to) {
    char bytes[4096];
    FILE *source = fopen(from, "rb"), *target = fopen(to, "wb");
    bool good = source && target;
    for (size_t n; good && (n = fread(bytes, 1, sizeof bytes, source)) > 0;) good = fwrite(bytes, 1, n, target) == n;
    if (source) good = !ferror(source) && good;
    if (source) (void)fclose(source);
    return target && fclose(target) == 0 && good;
}

rin_status arguments_open_video(arguments *a, rin_error *error) {
    static const char options[] = "[model]\nseq_len = 4\nseq_cond = 2\nseq_stride = 1\n";
    static char folder[EMBED_PATH], file[EMBED_PATH];
    snprintf(folder, sizeof folder, "%s", embed_path(a->e, "videos"));
    bool all = strstr(rin_video_suffixes(), ".mp4"); /* does this build read */
    snprintf(file, sizeof file, "%s", embed_path(a->e, all ? "videos/plain.mp4" : "videos/plain.webp"));
    if (mkdir(folder, 0777) != 0 ||
        !copy_file(all ? "tests/fixtures/video/plain.mp4" : "tests/fixtures/video/plain.webp", file))
        return RIN_ERR_IO;
    a->videos = folder;
    a->video = file;
    const char *run = embed_path(a->e, "video-run");
    rin_trainer *trainer = NULL;
    rin_status status = embed_config(1, &a->video_config, error);
    if (status == RIN_OK) status = rin_config_load_text(a->video_config, options, "video", error);
    if (status == RIN_OK) status = rin_trainer_create(a->video_config, folder, run, nobody, &trainer, error);
    if (status == RIN_OK) status = rin_trainer_run(trainer, error);
    rin_trainer_free(trainer);
    return status == RIN_OK ? rin_model_open(run, NULL, 1, &a->video_model, error) : status;
}

static rin_generator *new_generator(const arguments *a) {
    rin_error error = {0};
    rin_generator *generator = NULL;
    embed_ok(rin_generator_create(a->video_model, a->video_config, 2, NULL, 0, &generator, &error), &error);
    return generator;
}

/* ---- frames ---- */

static void frames_read(const arguments *a) {
    const rin_config *c = a->video_config;
    const int64_t wrong[] = {0, -1, 1048577, INT64_MIN, INT64_MAX};
    const double starts[] = {NAN, INFINITY, -INFINITY};
    rin_video_frames frames = {ARGUMENTS_UNSET, 7, 7};
    EMBED_NULL("out", rin_video_frames_read, c, a->video, 0, 1, nobody, NULL);
    EMBED_NULL("config", rin_video_frames_read, NULL, a->video, 0, 1, nobody, &frames);
    assert_true(!frames.pixels && !frames.n && frames.rate == 0);
    EMBED_NULL("path", rin_video_frames_read, c, NULL, 0, 1, nobody, &frames);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "frames from", rin_video_frames_read, c, a->video, 0, wrong[i], nobody, &frames);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        EMBED_FAILS(RIN_ERR_ARG, "1 frames from", rin_video_frames_read, c, a->video, starts[i], 1, nobody, &frames);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        frames = (rin_video_frames){ARGUMENTS_UNSET, 7, 7};
        EMBED_FAILS(RIN_OK, "", rin_video_frames_read, c, a->paths[i], 0, 1, nobody, &frames);
        assert_true(!frames.pixels && !frames.n && frames.rate == 0);
    }
    const struct {
        double start;
        int64_t most, n;
    } far[] = {{0, 100000, FIXTURE}, {-1e300, 100000, FIXTURE}, {-1e-300, 3, 3}, {1e300, 5, 0}, {1.9, 5, 1}};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        rin_error error = {0};
        embed_ok(rin_video_frames_read(c, a->video, far[i].start, far[i].most, nobody, &frames, &error), &error);
        assert_int_equal(frames.n, far[i].n);
        rin_video_frames_clear(&frames);
    }
}

static void frames_clear(const arguments *a) {
    rin_video_frames frames = {0};
    rin_error error = {0};
    rin_video_frames_clear(NULL);
    rin_video_frames_clear(&frames);
    embed_ok(rin_video_frames_read(a->video_config, a->video, 0, 1, nobody, &frames, &error), &error);
    rin_video_frames_clear(&frames);
    assert_true(!frames.pixels && !frames.n && frames.rate == 0);
    rin_video_frames_clear(&frames);
}

static void generator_give(const arguments *a) {
    const int64_t wrong[] = {-2, 2, INT64_MIN, INT64_MAX}, few[] = {1, 0, -1, INT64_MIN};
    const uint8_t pixels[LENGTH * EMBED_SIDE * EMBED_SIDE * 3] = {0};
    rin_generator *generator = new_generator(a);
    rin_error error = {0};
    EMBED_NULL("generator", rin_generator_give, NULL, 0, pixels, GIVEN);
    EMBED_NULL("pixels", rin_generator_give, generator, 0, NULL, GIVEN);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "i = ", rin_generator_give, generator, wrong[i], pixels, GIVEN);
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        EMBED_FAILS(RIN_ERR_ARG, "frames are given", rin_generator_give, generator, 0, pixels, few[i]);
    EMBED_FAILS(RIN_ERR_ARG, "continues no others", rin_generator_give, a->generator, 0, pixels, GIVEN);
    EMBED_FAILS(RIN_ERR_ARG, "2 given frames", rin_generator_step, generator, NULL);
    /* Of more frames than it makes, no more than it makes are looked at. */
    embed_ok(rin_generator_give(generator, -1, pixels, INT64_MAX, &error), &error);
    embed_ok(rin_generator_step(generator, NULL, &error), &error);
    EMBED_FAILS(RIN_ERR_ARG, "too late", rin_generator_give, generator, -1, pixels, GIVEN);
    embed_ok(rin_generator_run(generator, nobody, &error), &error);
    EMBED_FAILS(RIN_ERR_ARG, "too late", rin_generator_give, generator, -1, pixels, GIVEN);
    rin_generator_free(generator);
}

static void frame_count(const arguments *a) {
    rin_generator *generator = new_generator(a);
    assert_int_equal(rin_generator_frame_count(NULL), 0);
    assert_int_equal(rin_generator_frame_count(a->generator), 1);
    assert_int_equal(rin_generator_frame_count(generator), LENGTH);
    rin_generator_free(generator);
}

/* ---- files ---- */

static void can_write(const arguments *a) {
    const char *const never[] = {"", ".", "png", ".png", "a.avi", "a.png.avi", "a.png/b", a->text};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        assert_false(rin_model_can_write(a->model, never[i]));
        assert_false(rin_model_can_write(a->video_model, never[i]));
    }
    assert_false(rin_model_can_write(NULL, "a.png"));
    assert_false(rin_model_can_write(a->model, NULL));
    assert_false(rin_model_can_write(NULL, NULL));
    assert_true(rin_model_can_write(a->model, "a.png"));
    assert_false(rin_model_can_write(a->model, "a.webp"));
    assert_true(rin_model_can_write(a->video_model, "a.PNG"));
    assert_true(rin_model_can_write(a->video_model, "a.webp"));
}

static void suffixes(const arguments *a) {
    (void)a;
    assert_non_null(strstr(rin_video_suffixes(), ".webp"));
}

/* ---- data ---- */

static void eval_predict(const arguments *a) {
    const int64_t wrong[] = {0, -1, 10001, INT64_MIN, INT64_MAX}, limits[] = {-1, INT64_MIN};
    const rin_config *c = a->video_config;
    rin_model *model = a->video_model;
    rin_prediction_error errors[LENGTH - GIVEN];
    int64_t n = 7;
    EMBED_NULL("model", rin_eval_predict, NULL, c, a->videos, 1, 1, 0, nobody, errors, &n);
    assert_int_equal(n, 0);
    EMBED_NULL("config", rin_eval_predict, model, NULL, a->videos, 1, 1, 0, nobody, errors, &n);
    EMBED_NULL("data", rin_eval_predict, model, c, NULL, 1, 1, 0, nobody, errors, &n);
    EMBED_NULL("errors", rin_eval_predict, model, c, a->videos, 1, 1, 0, nobody, NULL, &n);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "samples = ", rin_eval_predict, model, c, a->videos, wrong[i], 1, 0, nobody, errors,
                    &n);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        EMBED_FAILS(RIN_ERR_ARG, "limit = ", rin_eval_predict, model, c, a->videos, 1, limits[i], 0, nobody, errors,
                    &n);
    EMBED_FAILS(RIN_ERR_ARG, "continues no given frames", rin_eval_predict, a->model, a->config, a->videos, 1, 1, 0,
                nobody, errors, &n);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        n = 7;
        EMBED_FAILS(RIN_OK, "Accepted", rin_eval_predict, model, c, a->paths[i], 1, 1, 0, nobody, errors, &n);
        assert_int_equal(n, 0);
    }
    rin_error error = {0};
    embed_ok(rin_eval_predict(model, c, a->videos, 1, INT64_MAX, UINT64_MAX, (rin_listener){0}, errors, NULL, &error),
             &error);
    assert_true(isfinite(errors[0].sample) && isfinite(errors[0].mean) && isfinite(errors[0].repeat));
}

static void data_pack(const arguments *a) {
    const rin_config *c = a->video_config;
    const char *out = embed_path(a->e, "videos.safetensors");
    char nowhere[EMBED_PATH], inside[EMBED_PATH];
    snprintf(nowhere, sizeof nowhere, "%.200s/nowhere/a.safetensors", a->e->root);
    snprintf(inside, sizeof inside, "%.200s/a.safetensors", a->pipe);
    int64_t videos = 7, frames = 7;
    EMBED_NULL("path", rin_data_pack, NULL, c, out, nobody, &videos, &frames);
    assert_true(!videos && !frames);
    EMBED_NULL("config", rin_data_pack, a->videos, NULL, out, nobody, &videos, &frames);
    EMBED_NULL("out", rin_data_pack, a->videos, c, NULL, nobody, &videos, &frames);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        EMBED_FAILS(RIN_ERR_ARG, ".safetensors", rin_data_pack, a->videos, c, a->paths[i], nobody, &videos, &frames);
        EMBED_FAILS(RIN_OK, "Accepted", rin_data_pack, a->paths[i], c, out, nobody, &videos, &frames);
        assert_true(!videos && !frames);
    }
    EMBED_FAILS(RIN_ERR_IO, nowhere, rin_data_pack, a->videos, c, nowhere, nobody, &videos, &frames);
    EMBED_FAILS(RIN_ERR_IO, a->pipe, rin_data_pack, a->videos, c, inside, nobody, &videos, &frames);
    assert_int_not_equal(access(out, F_OK), 0);
    rin_error error = {0};
    embed_ok(rin_data_pack(a->videos, c, out, nobody, NULL, NULL, &error), &error);
    embed_ok(rin_data_pack(out, c, out, nobody, &videos, &frames, &error), &error);
    assert_int_equal(videos, 1);
    assert_int_equal(frames, FIXTURE);
}

const arguments_row arguments_of_video[] = {
    {"rin_video_frames_read", frames_read}, {"rin_video_frames_clear", frames_clear},
    {"rin_generator_give", generator_give}, {"rin_generator_frame_count", frame_count},
    {"rin_model_can_write", can_write},     {"rin_video_suffixes", suffixes},
    {"rin_eval_predict", eval_predict},     {"rin_data_pack", data_pack},
};
const size_t n_arguments_of_video = sizeof arguments_of_video / sizeof *arguments_of_video;
