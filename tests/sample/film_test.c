/* SPDX-License-Identifier: MIT */
/* Films of the steps and ways between seeds: frames, lengths, lines of steps, and what cannot be. */
#include "sample/pictures.h"

#include "sample/canvas.h"

enum { GAP = 2, SIDE = PICTURE_SIDE };

static run_lab lab;
static rin_model *model;

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    model = pictures_train(&lab, "run", "");
    return 0;
}

static int destroy(void **state) {
    (void)state;
    rin_model_free(model);
    run_lab_free(&lab);
    return 0;
}

static rin_generator *film(int64_t count, const char *options) {
    return pictures_make((rin_sample_request){.model = model, .count = count, .seed = 3, .film = true}, options);
}

static const uint8_t *estimate(const rin_generator *g, int64_t i, int64_t k) {
    return g->film + (i * g->n_film + k) * g->per_picture;
}

/* ---- what is kept ---- */

static void test_estimates(void **state) {
    static const struct {
        const char *options;
        int64_t n;
    } rows[] = {{"", 25},
                {"sample.steps=3", 3},
                {"sample.sampler=heun sample.steps=5", 5},
                {"sample.sampler=ddpm sample.steps=96", 96},
                {"sample.sampler=ddim sample.steps=97", 96},
                {"sample.sampler=ddim sample.steps=250", 96}};
    (void)state;
    for (size_t r = 0; r < RIN_COUNT(rows); r++) {
        rin_generator *one = film(1, rows[r].options), *many = film(66, rows[r].options);
        assert_int_equal(one->n_film, rows[r].n);
        for (int64_t k = 0; k < one->n_film; k++)
            assert_memory_equal(estimate(one, 0, k), estimate(many, 0, k), PICTURE_BYTES);
        for (int64_t i = 0; i < many->count; i++) {
            assert_memory_equal(estimate(many, i, many->n_film - 1), rin_generator_pixels(many, i), PICTURE_BYTES);
            assert_memory_not_equal(estimate(many, i, 0), rin_generator_pixels(many, i), PICTURE_BYTES);
        }
        rin_generator_free(one);
        rin_generator_free(many);
    }
}

/* ---- as animations ---- */

typedef struct shown {
    int64_t n; /* frames */
    double rate;
    int width, height;
} shown;

/* Draws frame k into pixels (height, width, 3). */
typedef void (*draw_fn)(const rin_generator *g, int64_t k, const shown *s, uint8_t *pixels);

/* Colours of .webp are exact; of the others sizes and times. */
static void check_animation(const rin_generator *g, const char *path, shown s, draw_fn draw) {
    rin_input input;
    rin_video *video;
    rin_error error = {0};
    const rin_image *frame;
    size_t size = (size_t)(s.width * s.height * 3);
    uint8_t *expected = test_malloc(size);
    assert_ok(rin_input_open(&input, path, &error), &error);
    assert_ok(rin_video_open(&input, &video, &error), &error);
    double middle = s.n > 1 ? 0.5 : 0; /* one frame alone is a picture, which lasts no time */
    for (int64_t k = 0; k < s.n; k++) {
        assert_ok(rin_video_show(video, ((double)k + middle) / s.rate, &frame, NULL, &error), &error);
        if (!frame) fail_msg("%s: ends before frame %lld of %lld", path, (long long)k, (long long)s.n);
        assert_true(frame->width == s.width && frame->height == s.height && frame->channels == 3 && frame->depth == 1);
        if (!rin_has_suffix(path, ".webp")) continue;
        draw(g, k, &s, expected);
        if (memcmp(frame->samples, expected, size) != 0) fail_msg("%s: frame %lld is another", path, (long long)k);
    }
    assert_ok(rin_video_show(video, ((double)s.n + 0.5) / s.rate, &frame, NULL, &error), &error);
    if (frame && s.n > 1) fail_msg("%s: more than %lld frames", path, (long long)s.n);
    rin_video_close(video);
    rin_input_close(&input);
    test_free(expected);
}

static void put(const uint8_t *from, int64_t zoom, int64_t x, int64_t y, int64_t width, uint8_t *to) {
    for (int64_t i = 0; i < SIDE * zoom * SIDE * zoom; i++) {
        int64_t dx = i % (SIDE * zoom), dy = i / (SIDE * zoom);
        memcpy(to + 3 * ((y + dy) * width + x + dx), from + 3 * (dy / zoom * SIDE + dx / zoom), 3);
    }
}

/* Two pictures a row. */
static void draw_grid(const rin_generator *g, int64_t k, const shown *s, uint8_t *pixels) {
    int64_t zoom = g->own.sample.zoom, step = SIDE * zoom + GAP;
    memset(pixels, 255, (size_t)(s->width * s->height * 3));
    for (int64_t i = 0; i < g->count; i++)
        put(estimate(g, i, RIN_MIN(k, g->n_film - 1)), zoom, GAP + i % 2 * step, GAP + i / 2 * step, s->width, pixels);
}

static void draw_way(const rin_generator *g, int64_t k, const shown *s, uint8_t *pixels) {
    int64_t i = k < g->count ? k : 2 * (g->count - 1) - k;
    put(rin_generator_pixels(g, i), g->own.sample.zoom, 0, 0, s->width, pixels);
}

#ifdef RIN_HAVE_FFMPEG
static const char *const names[] = {"a.webp", "a.gif", "a.mp4"};
#else
static const char *const names[] = {"a.webp"};
#endif

static void test_films(void **state) {
    static const struct {
        const char *options;
        int64_t n;
        double rate;
        int64_t again;
    } rows[] = {{"sample.steps=3", 3, 4, 6},
                {"sample.steps=20 sample.zoom=3", 20, 5, 8},
                {"sample.steps=80 sample.sampler=ddim", 80, 20, 30},
                {"sample.steps=120 sample.sampler=ddim", 96, 24, 36}};
    (void)state;
    rin_error error = {0};
    for (size_t r = 0; r < RIN_COUNT(rows); r++) {
        rin_generator *g = film(3, rows[r].options);
        int side = (int)(2 * (SIDE * g->own.sample.zoom + GAP) + GAP);
        for (size_t i = 0; i < RIN_COUNT(names); i++) {
            /* Times of a GIF are hundredths of a second. */
            if (rin_has_suffix(names[i], ".gif") && rows[r].n == 96) continue;
            const char *path = run_lab_path(&lab, names[i]);
            assert_ok(rin_generator_write_film(g, rin_has_suffix(path, ".gif") ? 2 : 0, path, &error), &error);
            check_animation(g, path, (shown){rows[r].n + rows[r].again, rows[r].rate, side, side}, draw_grid);
        }
        rin_generator_free(g);
    }
}

static void test_ways(void **state) {
    static const struct {
        const char *options;
        int64_t count, n;
        double rate;
    } rows[] = {{"", 5, 8, 4},
                {"sample.fps=10 sample.zoom=2", 3, 4, 10},
                {"sample.fps=5", 2, 2, 5},
                {"", 1, 1, 4},
                {"", 40, 78, 10},
                {"sample.zoom=2", 120, 238, 25}};
    const uint64_t other = 11;
    (void)state;
    rin_error error = {0};
    for (size_t r = 0; r < RIN_COUNT(rows); r++) {
        rin_sample_request request = {.model = model, .count = rows[r].count, .seed = 3, .other_seed = &other};
        char options[128];
        snprintf(options, sizeof options, "sample.steps=2 %s", rows[r].options);
        rin_generator *g = pictures_make(request, options);
        int side = (int)(SIDE * g->own.sample.zoom);
        for (size_t i = 0; i < RIN_COUNT(names); i++) {
            const char *path = run_lab_path(&lab, names[i]);
            assert_ok(rin_generator_write_way(g, path, &error), &error);
            check_animation(g, path, (shown){rows[r].n, rows[r].rate, side, side}, draw_way);
        }
        rin_generator_free(g);
    }
}

/* The ends of a way are the pictures of both seeds. */
static void test_ends(void **state) {
    const uint64_t other = 11;
    const int64_t classes[] = {0, -1, 1};
    (void)state;
    rin_sample_request request = {.model = model, .count = 3, .classes = classes, .seed = 3, .other_seed = &other};
    rin_generator *way = pictures_make(request, "sample.steps=4 sample.first=2");
    rin_generator *from = pictures_make((rin_sample_request){.model = model, .count = 1, .classes = classes, .seed = 3},
                                        "sample.steps=4 sample.first=2");
    rin_generator *to = pictures_make(
        (rin_sample_request){.model = model, .count = 1, .classes = classes + 2, .seed = 11},
        "sample.steps=4 sample.first=2");
    pictures_assert_same("from", way, 0, from, 0);
    pictures_assert_same("to", way, 2, to, 0);
    assert_memory_not_equal(rin_generator_pixels(way, 1), rin_generator_pixels(way, 0), PICTURE_BYTES);
    assert_memory_not_equal(rin_generator_pixels(way, 1), rin_generator_pixels(way, 2), PICTURE_BYTES);
    rin_generator_free(way);
    rin_generator_free(from);
    rin_generator_free(to);
}

/* ---- on paper ---- */

static void check_lines(const char *options, int64_t count, const int64_t *steps, int64_t n_steps) {
    rin_image image;
    rin_error error = {0};
    size_t n;
    char *json;
    rin_generator *g = film(count, options);
    int64_t zoom = g->own.sample.zoom, step = SIDE * zoom + GAP, width = n_steps * step + GAP,
            height = count * step + GAP;
    uint8_t *expected = test_malloc((size_t)(width * height * 3));
    memset(expected, 255, (size_t)(width * height * 3));
    for (int64_t i = 0; i < count * n_steps; i++)
        put(estimate(g, i / n_steps, steps[i % n_steps]), zoom, GAP + i % n_steps * step, GAP + i / n_steps * step,
            width, expected);
    assert_ok(rin_generator_write_film(g, 0, lab.picture, &error), &error);
    char *bytes = run_read(lab.picture, &n);
    assert_ok(rin_image_decode(bytes, n, &image, &error), &error);
    assert_true(image.width == width && image.height == height && image.channels == 3);
    assert_memory_equal(image.samples, expected, (size_t)(width * height * 3));
    assert_ok(rin_recipe_read(lab.picture, &json, &error), &error);
    rin_string_free(json);
    rin_image_clear(&image);
    rin_generator_free(g);
    test_free(bytes);
    test_free(expected);
}

static void test_lines(void **state) {
    const int64_t few[] = {0, 1, 2}, all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                  some[] = {0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 23},
                  most[] = {5, 11, 17, 23, 29, 35, 41, 47, 53, 59, 65, 71, 77, 83, 89, 95};
    (void)state;
    check_lines("sample.steps=3 sample.zoom=2", 3, few, 3);
    check_lines("sample.steps=16", 1, all, 16);
    check_lines("sample.steps=24", 5, some, 16);
    check_lines("sample.steps=200 sample.sampler=ddim", 2, most, 16);
}

static void test_grey(void **state) {
    (void)state;
    rin_error error = {0};
    rin_model *m = pictures_train(&lab, "grey", "model.image_channels=1");
    rin_generator *g = pictures_make((rin_sample_request){.model = m, .count = 2, .film = true},
                                     "sample.steps=2 sample.fps=5");
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        assert_ok(rin_generator_write_film(g, 0, run_lab_path(&lab, names[i]), &error), &error);
        assert_ok(rin_generator_write_way(g, run_lab_path(&lab, names[i]), &error), &error);
    }
    assert_ok(rin_generator_write_film(g, 0, lab.picture, &error), &error);
    rin_generator_free(g);
    rin_model_free(m);
}

/* ---- what cannot be ---- */

static void test_refusals(void **state) {
    static const char *const wrong[] = {"a.avi", "a", ".gif", "", "a.jpg", "a.png.txt"};
    (void)state;
    rin_error error = {0};
    rin_generator *g = pictures_prepare((rin_sample_request){.model = model, .count = 2, .film = true},
                                        "sample.steps=2");
    assert_refused(rin_generator_write_film(g, 0, "x.webp", &error), RIN_ERR_ARG, &error, "'x.webp': 0 of 2");
    assert_refused(rin_generator_write_way(g, "x.webp", &error), RIN_ERR_ARG, &error, "'x.webp': 0 of 2");
    pictures_run(g);
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        char named[32];
        snprintf(named, sizeof named, "'%s'", wrong[i]);
        assert_refused(rin_generator_write_film(g, 0, wrong[i], &error), RIN_ERR_ARG, &error, named);
        assert_true(strstr(error.text, rin_video_suffixes()) && strstr(error.text, ".png"));
        assert_refused(rin_generator_write_way(g, wrong[i], &error), RIN_ERR_ARG, &error, named);
        assert_non_null(strstr(error.text, rin_video_suffixes()));
    }
    assert_refused(rin_generator_write_way(g, "a.png", &error), RIN_ERR_ARG, &error, "'a.png'");
    assert_refused(rin_generator_write_film(g, -1, "x.webp", &error), RIN_ERR_ARG, &error, "columns = -1");
    assert_refused(rin_generator_write_film(g, 0, "no/such/x.webp", &error), RIN_ERR_IO, &error, "no/such/x.webp");
    assert_refused(rin_generator_write_film(g, 0, "no/such/x.png", &error), RIN_ERR_IO, &error, "no/such/x.png");
    assert_refused(rin_generator_write_way(g, "no/such/x.webp", &error), RIN_ERR_IO, &error, "no/such/x.webp");
    rin_generator_free(g);
    g = pictures_make((rin_sample_request){.model = model, .count = 2}, "sample.steps=2 sample.fps=0.05");
    assert_refused(rin_generator_write_film(g, 0, "x.webp", &error), RIN_ERR_ARG, &error, "'x.webp': no film was kept");
    assert_refused(rin_generator_write_way(g, "x.webp", &error), RIN_ERR_ARG, &error, "allowed are 0.1 to 1000");
    rin_generator_free(g);
}

static void test_too_large(void **state) {
    (void)state;
    rin_error error = {0};
    int64_t across, down;
    rin_generator *g = film(1000, "sample.steps=1 sample.zoom=64");
    assert_refused(rin_generator_write_film(g, 0, "x.webp", &error), RIN_ERR_ARG, &error, "'x.webp': 1000 pictures");
    assert_non_null(strstr(error.text, "16383"));
    assert_refused(rin_generator_write_film(g, 0, "x.png", &error), RIN_ERR_ARG, &error, "'x.png' would have");
    rin_generator_free(g);
    /* As many a row as are asked for, unless a video cannot be so wide. */
    g = film(40, "sample.steps=1 sample.zoom=64");
    assert_ok(rin_grid_lay_out(g, 31, RIN_MOVIE_MOST_SIDE, &across, &down, &error), &error);
    assert_true(across == 31 && down == 2);
    assert_ok(rin_grid_lay_out(g, 32, RIN_MOVIE_MOST_SIDE, &across, &down, &error), &error);
    assert_true(across == 7 && down == 6);
    rin_generator_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimates), cmocka_unit_test(test_films),     cmocka_unit_test(test_ways),
        cmocka_unit_test(test_ends),      cmocka_unit_test(test_lines),     cmocka_unit_test(test_grey),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
