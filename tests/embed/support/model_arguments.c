/* SPDX-License-Identifier: MIT */
/* Wrong arguments of trained models, sampling and measuring. */
#include "arguments.h"

#include <limits.h>
#include <math.h>
#include <unistd.h>

static void model_open(const arguments *a) {
    rin_model *model = ARGUMENTS_UNSET;
    const int threads[] = {-1, INT_MIN, INT_MAX};
    EMBED_NULL("out", rin_model_open, a->run, NULL, 1, NULL);
    EMBED_NULL("path", rin_model_open, NULL, NULL, 1, &model);
    assert_null(model);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        model = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_ARG, "threads = ", rin_model_open, a->run, NULL, threads[i], &model);
        assert_null(model);
    }
    EMBED_FAILS(RIN_ERR_ARG, "device ''", rin_model_open, a->run, "", 1, &model);
    EMBED_FAILS(RIN_ERR_ARG, "device", rin_model_open, a->run, a->text, 1, &model);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        model = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_IO, "", rin_model_open, a->paths[i], NULL, 1, &model);
        assert_null(model);
    }
}

static void model_free(const arguments *a) {
    (void)a;
    rin_model_free(NULL);
}

static void model_config(const arguments *a) {
    assert_null(rin_model_config(NULL));
    assert_non_null(rin_model_config(a->model));
}

static void model_steps(const arguments *a) {
    assert_int_equal(rin_model_steps(NULL), 0);
    assert_int_equal(rin_model_steps(a->model), 2);
}

static void class_count(const arguments *a) {
    assert_int_equal(rin_model_class_count(NULL), 0);
    assert_int_equal(rin_model_class_count(a->model), 10);
}

static void class_name(const arguments *a) {
    const int64_t wrong[] = {-1, 10, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_null(rin_model_class_name(a->model, wrong[i]));
    assert_null(rin_model_class_name(NULL, 0));
    assert_string_equal(rin_model_class_name(a->model, 0), "airplane");
}

static void find_class(const arguments *a) {
    const char *const wrong[] = {"", " ", "-1", "10", "99999999999999999999", a->text};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(rin_model_find_class(a->model, wrong[i]), -1);
    assert_int_equal(rin_model_find_class(a->model, NULL), -1);
    assert_int_equal(rin_model_find_class(NULL, "airplane"), -1);
    assert_int_equal(rin_model_find_class(a->model, "airplane"), 0);
}

static void model_describe(const arguments *a) {
    char *text = ARGUMENTS_UNSET;
    EMBED_NULL("text", rin_model_describe, a->run, false, NULL);
    EMBED_NULL("path", rin_model_describe, NULL, true, &text);
    assert_null(text);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        text = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_IO, "", rin_model_describe, a->paths[i], i % 2 == 0, &text);
        assert_null(text);
    }
}

static void generator_create(const arguments *a) {
    rin_generator *generator = ARGUMENTS_UNSET;
    const int64_t counts[] = {0, -1, INT64_MIN, INT64_MAX, 1000000001}, classes[] = {-2, 10, INT64_MIN, INT64_MAX};
    EMBED_NULL("out", rin_generator_create, a->model, a->config, 1, NULL, 0, NULL);
    EMBED_NULL("model", rin_generator_create, NULL, a->config, 1, NULL, 0, &generator);
    assert_null(generator);
    EMBED_NULL("config", rin_generator_create, a->model, NULL, 1, NULL, 0, &generator);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        generator = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_ARG, "count = ", rin_generator_create, a->model, a->config, counts[i], NULL, 0, &generator);
        assert_null(generator);
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        generator = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_ARG, "class", rin_generator_create, a->model, a->config, 1, &classes[i], 0, &generator);
        assert_null(generator);
    }
    rin_error error = {0};
    embed_ok(rin_generator_create(a->model, a->config, 1, NULL, UINT64_MAX, &generator, &error), &error);
    rin_generator_free(generator);
}

static void refuse_request(rin_sample_request request, rin_status status, const char *part) {
    rin_generator *generator = ARGUMENTS_UNSET;
    EMBED_FAILS(status, part, rin_generator_create_as, &request, &generator);
    assert_null(generator);
}

/* What does not go together, of pictures and of videos. */
static void refuse_requests(const arguments *a, const rin_config *guided, const rin_config *repeated) {
    static const uint8_t pixels[EMBED_SIDE * EMBED_SIDE * 3];
    const uint64_t seed = 1;
    const rin_sample_request image = {.model = a->model, .config = a->config, .count = 1},
                             video = {.model = a->video_model, .config = a->video_config, .count = 1};
    rin_sample_request wrong = image;
    wrong.mask = pixels;
    refuse_request(wrong, RIN_ERR_ARG, "give that picture");
    wrong = image;
    wrong.guide = a->model;
    refuse_request(wrong, RIN_ERR_CONFIG, "sample.guidance");
    wrong.config = guided;
    wrong.guide = a->video_model;
    refuse_request(wrong, RIN_ERR_CONFIG, "for the guide");
    wrong.guide = NULL;
    wrong.config = repeated;
    refuse_request(wrong, RIN_ERR_CONFIG, "sample.repeats");
    for (int i = 0; i < 4; i++) {
        wrong = video;
        if (i == 0) wrong.picture = pixels;
        else if (i == 1) wrong.mask = pixels;
        else if (i == 2) wrong.other_seed = &seed;
        else wrong.film = true;
        refuse_request(wrong, RIN_ERR_UNSUPPORTED, "videos");
    }
}

static void generator_create_as(const arguments *a) {
    static const uint8_t pixels[EMBED_SIDE * EMBED_SIDE * 3];
    const int64_t counts[] = {0, -1, INT64_MIN, INT64_MAX, 1000000001}, classes[] = {-2, 10, INT64_MIN, INT64_MAX};
    const uint64_t seed = UINT64_MAX;
    rin_sample_request request = {.config = a->config, .count = 1};
    rin_generator *generator = ARGUMENTS_UNSET;
    EMBED_NULL("out", rin_generator_create_as, &request, NULL);
    EMBED_NULL("request", rin_generator_create_as, NULL, &generator);
    assert_null(generator);
    refuse_request(request, RIN_ERR_ARG, "model must not be NULL");
    request.model = a->model;
    request.config = NULL;
    refuse_request(request, RIN_ERR_ARG, "config must not be NULL");
    request.config = a->config;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        request.count = counts[i];
        refuse_request(request, RIN_ERR_ARG, "count = ");
    }
    request.count = 1;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        request.classes = &classes[i];
        refuse_request(request, RIN_ERR_ARG, "class");
    }
    rin_error error = {0};
    rin_config *guided = NULL, *repeated = NULL;
    embed_ok(rin_config_copy(a->config, &guided, &error), &error);
    embed_ok(rin_config_copy(a->config, &repeated, &error), &error);
    embed_ok(rin_config_set(guided, "sample.guidance", "1", &error), &error);
    embed_ok(rin_config_set(repeated, "sample.repeats", "2", &error), &error);
    refuse_requests(a, guided, repeated);
    request = (rin_sample_request){.model = a->model,
                                   .config = guided,
                                   .count = 2,
                                   .seed = UINT64_MAX,
                                   .guide = a->model,
                                   .picture = pixels,
                                   .mask = pixels,
                                   .other_seed = &seed,
                                   .film = true};
    embed_ok(rin_generator_create_as(&request, &generator, &error), &error);
    embed_ok(rin_generator_run(generator, (rin_listener){0}, &error), &error);
    rin_generator_free(generator);
    rin_config_free(guided);
    rin_config_free(repeated);
}

static void sampler_get(const arguments *a) {
    const size_t wrong[] = {1000, SIZE_MAX, SIZE_MAX / 2 + 1};
    rin_sampler_about about = {.name = a->text};
    assert_false(rin_sampler_get(0, NULL));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(rin_sampler_get(wrong[i], &about));
    assert_ptr_equal(about.name, a->text);
    assert_true(rin_sampler_get(0, &about));
    assert_true(about.name && about.about && about.spacing && about.steps > 0 && about.evaluations > 0);
}

static void generator_free(const arguments *a) {
    (void)a;
    rin_generator_free(NULL);
}

static void generator_step(const arguments *a) {
    rin_progress progress;
    EMBED_NULL("generator", rin_generator_step, NULL, &progress);
    EMBED_FAILS(RIN_ERR_ARG, "rin_generator_step", rin_generator_step, a->generator, NULL);
}

static void generator_is_done(const arguments *a) {
    assert_true(rin_generator_is_done(NULL));
    assert_true(rin_generator_is_done(a->generator));
}

static void generator_run(const arguments *a) {
    rin_error error = {0};
    EMBED_NULL("generator", rin_generator_run, NULL, (rin_listener){0});
    embed_ok(rin_generator_run(a->generator, (rin_listener){0}, &error), &error);
}

static void generator_size(const arguments *a) {
    int width = -1, height = -1, channels = -1;
    rin_generator_size(a->generator, NULL, NULL, NULL);
    rin_generator_size(NULL, NULL, NULL, NULL);
    rin_generator_size(NULL, &width, &height, &channels);
    assert_true(width == 0 && height == 0 && channels == 0);
    rin_generator_size(a->generator, &width, NULL, NULL);
    assert_int_equal(width, EMBED_SIDE);
}

static rin_generator *unfinished(const arguments *a) {
    rin_error error = {0};
    rin_generator *generator = NULL;
    embed_ok(rin_generator_create(a->model, a->config, 2, NULL, 0, &generator, &error), &error);
    embed_ok(rin_generator_step(generator, NULL, &error), &error);
    return generator;
}

static void generator_pixels(const arguments *a) {
    const int64_t wrong[] = {-1, EMBED_PICTURES, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_null(rin_generator_pixels(a->generator, wrong[i]));
    assert_null(rin_generator_pixels(NULL, 0));
    assert_non_null(rin_generator_pixels(a->generator, EMBED_PICTURES - 1));
    rin_generator *generator = unfinished(a);
    assert_null(rin_generator_pixels(generator, 0));
    rin_generator_free(generator);
}

static void generator_write(const arguments *a) {
    const int64_t wrong[] = {-1, EMBED_PICTURES, INT64_MIN, INT64_MAX};
    const char *path = embed_path(a->e, "picture.png");
    EMBED_NULL("generator", rin_generator_write, NULL, 0, path);
    EMBED_NULL("path", rin_generator_write, a->generator, 0, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "i = ", rin_generator_write, a->generator, wrong[i], path);
    rin_generator *generator = unfinished(a);
    EMBED_FAILS(RIN_ERR_ARG, "i = 0", rin_generator_write, generator, 0, path);
    rin_generator_free(generator);
    assert_int_not_equal(access(path, F_OK), 0);
    EMBED_FAILS(RIN_ERR_ARG, ".png", rin_generator_write, a->generator, 0, "");
    EMBED_FAILS(RIN_ERR_ARG, ".png", rin_generator_write, a->generator, 0, a->text);
    EMBED_FAILS(RIN_ERR_ARG, ".png", rin_generator_write, a->generator, 0, a->folder);
    EMBED_FAILS(RIN_ERR_ARG, ".png", rin_generator_write, a->generator, 0, a->pipe);
}

static void has_grid(const arguments *a) {
    assert_false(rin_generator_has_grid(NULL, "a.png"));
    assert_true(rin_generator_has_grid(a->generator, "a.png") && rin_generator_has_grid(a->generator, NULL));
}

static void write_grid(const arguments *a) {
    const char *path = embed_path(a->e, "grid.png");
    rin_error error = {0};
    EMBED_NULL("generator", rin_generator_write_grid, NULL, 0, path);
    EMBED_NULL("path", rin_generator_write_grid, a->generator, 0, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "columns = -1", rin_generator_write_grid, a->generator, -1, path);
    EMBED_FAILS(RIN_ERR_ARG, "columns = ", rin_generator_write_grid, a->generator, INT_MIN, path);
    rin_generator *generator = unfinished(a);
    EMBED_FAILS(RIN_ERR_ARG, "0 of 2", rin_generator_write_grid, generator, 0, path);
    rin_generator_free(generator);
    assert_int_not_equal(access(path, F_OK), 0);
    EMBED_FAILS(RIN_ERR_ARG, ".png", rin_generator_write_grid, a->generator, 0, "");
    EMBED_FAILS(RIN_ERR_ARG, ".png", rin_generator_write_grid, a->generator, 0, a->folder);
    embed_ok(rin_generator_write_grid(a->generator, INT_MAX, path, &error), &error);
}

static rin_generator *filmed(const arguments *a) {
    rin_error error = {0};
    rin_generator *generator = NULL;
    const rin_sample_request request = {.model = a->model, .config = a->config, .count = 2, .film = true};
    embed_ok(rin_generator_create_as(&request, &generator, &error), &error);
    embed_ok(rin_generator_run(generator, (rin_listener){0}, &error), &error);
    return generator;
}

static void write_film(const arguments *a) {
    const char *path = embed_path(a->e, "film.png");
    rin_error error = {0};
    EMBED_NULL("generator", rin_generator_write_film, NULL, 0, path);
    EMBED_NULL("path", rin_generator_write_film, a->generator, 0, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "no film was kept", rin_generator_write_film, a->generator, 0, path);
    rin_generator *generator = filmed(a);
    EMBED_FAILS(RIN_ERR_ARG, "columns = -1", rin_generator_write_film, generator, -1, path);
    EMBED_FAILS(RIN_ERR_ARG, "columns = ", rin_generator_write_film, generator, INT_MIN, path);
    EMBED_FAILS(RIN_ERR_ARG, "allowed for films", rin_generator_write_film, generator, 0, "");
    EMBED_FAILS(RIN_ERR_ARG, "allowed for films", rin_generator_write_film, generator, 0, a->text);
    EMBED_FAILS(RIN_ERR_ARG, a->folder, rin_generator_write_film, generator, 0, a->folder);
    assert_int_not_equal(access(path, F_OK), 0);
    embed_ok(rin_generator_write_film(generator, INT_MAX, path, &error), &error);
    rin_generator_free(generator);
}

static void write_way(const arguments *a) {
    const char *path = embed_path(a->e, "way.webp");
    rin_error error = {0};
    EMBED_NULL("generator", rin_generator_write_way, NULL, path);
    EMBED_NULL("path", rin_generator_write_way, a->generator, NULL);
    EMBED_FAILS(RIN_ERR_ARG, "allowed for a way", rin_generator_write_way, a->generator, "");
    EMBED_FAILS(RIN_ERR_ARG, "allowed for a way", rin_generator_write_way, a->generator, a->text);
    EMBED_FAILS(RIN_ERR_ARG, a->pipe, rin_generator_write_way, a->generator, a->pipe);
    rin_generator *generator = unfinished(a);
    EMBED_FAILS(RIN_ERR_ARG, "0 of 2", rin_generator_write_way, generator, path);
    rin_generator_free(generator);
    assert_int_not_equal(access(path, F_OK), 0);
    embed_ok(rin_generator_write_way(a->generator, path, &error), &error);
}

static void recipe(const arguments *a) {
    const int64_t wrong[] = {-2, EMBED_PICTURES, INT64_MIN, INT64_MAX};
    char *json = ARGUMENTS_UNSET;
    rin_error error = {0};
    EMBED_NULL("json", rin_generator_recipe, a->generator, 0, NULL);
    EMBED_NULL("generator", rin_generator_recipe, NULL, 0, &json);
    assert_null(json);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_ARG, "i = ", rin_generator_recipe, a->generator, wrong[i], &json);
        assert_null(json);
    }
    embed_ok(rin_generator_recipe(a->generator, -1, &json, &error), &error);
    rin_string_free(json);
}

static void recipe_read(const arguments *a) {
    char *json = ARGUMENTS_UNSET;
    EMBED_NULL("json", rin_recipe_read, a->paths[0], NULL);
    EMBED_NULL("path", rin_recipe_read, NULL, &json);
    assert_null(json);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        json = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_IO, "", rin_recipe_read, a->paths[i], &json);
        assert_null(json);
    }
}

static void picture_read(const arguments *a) {
    const int wrong[] = {-1, 2, INT_MIN, INT_MAX};
    uint8_t *pixels = ARGUMENTS_UNSET;
    EMBED_NULL("pixels", rin_picture_read, a->config, a->paths[0], 0, NULL);
    EMBED_NULL("config", rin_picture_read, NULL, a->paths[0], 0, &pixels);
    assert_null(pixels);
    EMBED_NULL("path", rin_picture_read, a->config, NULL, 0, &pixels);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "channels = ", rin_picture_read, a->config, a->paths[0], wrong[i], &pixels);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        pixels = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_IO, "", rin_picture_read, a->config, a->paths[i], i % 2, &pixels);
        assert_null(pixels);
    }
}

static void pixels_free(const arguments *a) {
    (void)a;
    rin_pixels_free(NULL);
}

static void eval_loss(const arguments *a) {
    const char *data = a->e->data;
    const rin_listener none = {0};
    const double half = 0.5, wrong[] = {0, -0.0, -1, 2, NAN, INFINITY, -INFINITY};
    const int n_wrong[] = {0, -1, INT_MIN, INT_MAX};
    double losses[1] = {0};
    int64_t n = 7;
    EMBED_NULL("model", rin_eval_loss, NULL, data, &half, 1, 1, 0, none, losses, &n);
    assert_int_equal(n, 0);
    EMBED_NULL("data", rin_eval_loss, a->model, NULL, &half, 1, 1, 0, none, losses, &n);
    EMBED_NULL("times", rin_eval_loss, a->model, data, NULL, 1, 1, 0, none, losses, &n);
    EMBED_NULL("losses", rin_eval_loss, a->model, data, &half, 1, 1, 0, none, NULL, &n);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "times[0] = ", rin_eval_loss, a->model, data, &wrong[i], 1, 1, 0, none, losses, &n);
    for (size_t i = 0; i < sizeof n_wrong / sizeof *n_wrong; i++)
        EMBED_FAILS(RIN_ERR_ARG, "n_times = ", rin_eval_loss, a->model, data, &half, n_wrong[i], 1, 0, none, losses,
                    &n);
    EMBED_FAILS(RIN_ERR_ARG, "limit = -1", rin_eval_loss, a->model, data, &half, 1, -1, 0, none, losses, &n);
    EMBED_FAILS(RIN_ERR_ARG, "limit = ", rin_eval_loss, a->model, data, &half, 1, INT64_MIN, 0, none, losses, &n);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        EMBED_FAILS(RIN_OK, "Accepted", rin_eval_loss, a->model, a->paths[i], &half, 1, 1, 0, none, losses, &n);
        assert_int_equal(n, 0);
    }
    rin_error error = {0};
    embed_ok(rin_eval_loss(a->model, data, &half, 1, INT64_MAX, UINT64_MAX, none, losses, NULL, &error), &error);
    assert_true(isfinite(losses[0]));
}

/* No weights are given: whatever comes so far that it looks for them is refused for that. */
static void eval_score(const arguments *a) {
    const rin_listener none = {0};
    const unsigned wrong[] = {0, 32, 1u << 31, RIN_SCORE_FVD | RIN_SCORE_IS, ~0u};
    rin_scores scores = {.n = 7, .protocol = (char *)(uintptr_t)1};
    rin_score_request request = {.scores = RIN_SCORE_IS, .data = a->e->data, .threads = 1};
    EMBED_NULL("out", rin_eval_score, &request, a->config, none, NULL);
    EMBED_NULL("request", rin_eval_score, NULL, a->config, none, &scores);
    assert_true(!scores.n && !scores.protocol);
    EMBED_NULL("config", rin_eval_score, &request, NULL, none, &scores);
    EMBED_FAILS(RIN_ERR_ARG, "no weights of inception are given", rin_eval_score, &request, a->config, none, &scores);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        request.scores = wrong[i];
        EMBED_FAILS(RIN_ERR_ARG, wrong[i] & ~31u || !wrong[i] ? "scores = " : "ask for it alone", rin_eval_score,
                    &request, a->config, none, &scores);
    }
    request.scores = RIN_SCORE_FID;
    EMBED_FAILS(RIN_ERR_ARG, "nothing to compare with", rin_eval_score, &request, a->config, none, &scores);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) {
        rin_score_request of_path = {.scores = RIN_SCORE_IS, .data = a->paths[i], .threads = 1};
        scores.protocol = (char *)(uintptr_t)1;
        EMBED_FAILS(RIN_OK, "Accepted", rin_eval_score, &of_path, a->config, none, &scores);
        assert_null(scores.protocol);
    }
    request.model = a->model;
    EMBED_FAILS(RIN_ERR_ARG, "give one of them", rin_eval_score, &request, a->config, none, &scores);
    request.data = NULL;
    request.model = NULL;
    EMBED_FAILS(RIN_ERR_ARG, "give one of them", rin_eval_score, &request, a->config, none, &scores);
}

static void scores_clear(const arguments *a) {
    (void)a;
    rin_scores scores = {.scores = RIN_SCORE_FID, .n = 3};
    rin_scores_clear(NULL);
    rin_scores_clear(&scores);
    assert_true(!scores.scores && !scores.n);
}

static void eval_statistics(const arguments *a) {
    const rin_listener none = {0};
    const char *data = a->e->data, *out = embed_path(a->e, "statistics.npz");
    int64_t n = 7;
    EMBED_NULL("data", rin_eval_statistics, NULL, false, a->config, NULL, 1, out, none, &n);
    assert_int_equal(n, 0);
    EMBED_NULL("config", rin_eval_statistics, data, false, NULL, NULL, 1, out, none, &n);
    EMBED_NULL("out", rin_eval_statistics, data, false, a->config, NULL, 1, NULL, none, &n);
    EMBED_FAILS(RIN_ERR_ARG, ".npz", rin_eval_statistics, data, false, a->config, NULL, 1, "", none, &n);
    EMBED_FAILS(RIN_ERR_ARG, ".npz", rin_eval_statistics, data, true, a->config, NULL, 1, a->text, none, &n);
    EMBED_FAILS(RIN_ERR_ARG, "no weights of inception are given", rin_eval_statistics, data, false, a->config, NULL, 1,
                out, none, NULL);
    for (int i = 0; i < ARGUMENTS_PATHS; i++)
        EMBED_FAILS(RIN_OK, "Accepted", rin_eval_statistics, a->paths[i], i % 2 == 0, a->config, NULL, 1, out, none,
                    &n);
    assert_int_not_equal(access(out, F_OK), 0);
}

const arguments_row arguments_of_model[] = {
    {"rin_model_open", model_open},
    {"rin_model_free", model_free},
    {"rin_model_config", model_config},
    {"rin_model_steps", model_steps},
    {"rin_model_class_count", class_count},
    {"rin_model_class_name", class_name},
    {"rin_model_find_class", find_class},
    {"rin_model_describe", model_describe},
    {"rin_generator_create", generator_create},
    {"rin_generator_create_as", generator_create_as},
    {"rin_sampler_get", sampler_get},
    {"rin_generator_free", generator_free},
    {"rin_generator_step", generator_step},
    {"rin_generator_is_done", generator_is_done},
    {"rin_generator_run", generator_run},
    {"rin_generator_size", generator_size},
    {"rin_generator_pixels", generator_pixels},
    {"rin_generator_write", generator_write},
    {"rin_generator_has_grid", has_grid},
    {"rin_generator_write_grid", write_grid},
    {"rin_generator_write_film", write_film},
    {"rin_generator_write_way", write_way},
    {"rin_generator_recipe", recipe},
    {"rin_recipe_read", recipe_read},
    {"rin_picture_read", picture_read},
    {"rin_pixels_free", pixels_free},
    {"rin_eval_loss", eval_loss},
    {"rin_eval_score", eval_score},
    {"rin_scores_clear", scores_clear},
    {"rin_eval_statistics", eval_statistics},
};
const size_t n_arguments_of_model = sizeof arguments_of_model / sizeof *arguments_of_model;
