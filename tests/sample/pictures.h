/* SPDX-License-Identifier: MIT */
/* pictures: tiny models of pictures for tests, and generators of them. */
#ifndef RIN_TESTS_PICTURES_H
#define RIN_TESTS_PICTURES_H

#include "support/options.h"
#include "support/run.h"

#include "sample/generator.h"

enum { PICTURE_SIDE = 8, PICTURE_BYTES = PICTURE_SIDE * PICTURE_SIDE * 3 };

/* Sampling is from the weights after the last step, so that the network matters after so few. */
static inline rin_model *pictures_train(run_lab *lab, const char *name, const char *options) {
    char all[512];
    rin_error error = {0};
    rin_model *made;
    const char *run = run_lab_path(lab, name);
    snprintf(all, sizeof all, "train.steps=3 train.warmup_steps=0 train.learning_rate=0.05 train.ema_decay=0 %s",
             options);
    run_train(lab, run, all);
    assert_ok(rin_model_open(run, NULL, 1, &made, &error), &error);
    return made;
}

static inline rin_config *pictures_config(const rin_model *model, const char *options) {
    rin_config *config;
    rin_error error = {0};
    assert_ok(rin_config_copy(rin_model_config(model), &config, &error), &error);
    options_set(config, options);
    return config;
}

/* What request asks for, with these options; not run. */
static inline rin_generator *pictures_prepare(rin_sample_request request, const char *options) {
    rin_generator *g;
    rin_error error = {0};
    rin_config *config = pictures_config(request.model, options);
    request.config = config;
    assert_ok(rin_generator_create_as(&request, &g, &error), &error);
    rin_config_free(config);
    return g;
}

static inline rin_generator *pictures_run(rin_generator *g) {
    rin_error error = {0};
    assert_ok(rin_generator_run(g, (rin_listener){0}, &error), &error);
    return g;
}

static inline rin_generator *pictures_make(rin_sample_request request, const char *options) {
    return pictures_run(pictures_prepare(request, options));
}

static inline void pictures_assert_same(const char *what, const rin_generator *a, int64_t i, const rin_generator *b,
                                        int64_t k) {
    const uint8_t *x = rin_generator_pixels(a, i), *y = rin_generator_pixels(b, k);
    assert_true(x && y && a->per_picture == b->per_picture);
    if (memcmp(x, y, (size_t)a->per_picture) != 0)
        fail_msg("%s: pictures %lld and %lld differ", what, (long long)i, (long long)k);
}

/* A picture of squares or, of one channel, a mask of lines. */
static inline void pictures_write(const char *path, int side, int channels) {
    uint8_t pixels[16 * 16 * 3];
    rin_error error = {0};
    for (int i = 0; i < side * side * channels; i++) pixels[i] = (uint8_t)(channels == 1 ? i / side % 2 * 255 : i * 5);
    assert_ok(rin_image_write_png(path, pixels, side, side, channels, NULL, 0, &error), &error);
}

/* Freed by rin_string_free. */
static inline char *pictures_read_recipe(const char *path) {
    char *json;
    rin_error error = {0};
    assert_ok(rin_recipe_read(path, &json, &error), &error);
    return json;
}

#endif
