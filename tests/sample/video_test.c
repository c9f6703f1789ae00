/* SPDX-License-Identifier: MIT */
/* Videos: what one depends on, lengths, given frames, files; and how well a model predicts them. */
#include "support/options.h"
#include "support/run.h"

#include "data/corpus.h"
#include "sample/generator.h"
#include "video/video.h"

#define FIXTURES "tests/fixtures/video/"

enum { SIDE = 8, FRAME = SIDE * SIDE * 3, MOST = 64 /* frames */, TIMES = 2 };

/* A model of 4 frames, 2 of them given, and frames to give: those, and others. */
static run_lab lab;
static rin_model *model;
static uint8_t frames[MOST * FRAME], others[MOST * FRAME];

/* Sampling is from the weights after the last step, so that the network matters after so few. */
static rin_model *train(const char *name, const char *data, const char *options) {
    char all[512];
    rin_error error = {0};
    rin_model *made;
    const char *run = run_lab_path(&lab, name);
    snprintf(lab.data, sizeof lab.data, FIXTURES "%s", data);
    snprintf(all, sizeof all, "train.steps=2 train.warmup_steps=0 train.learning_rate=0.05 train.ema_decay=0 %s",
             options);
    run_train(&lab, run, all);
    assert_ok(rin_model_open(run, NULL, 1, &made, &error), &error);
    return made;
}

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    for (unsigned i = 0; i < sizeof frames; i++) {
        frames[i] = (uint8_t)(i * i % 251 + i / FRAME);
        others[i] = (uint8_t)(255 - frames[i]);
    }
    model = train("run", "plain.mp4", "model.seq_len=4 model.seq_cond=2 model.seq_stride=2");
    return 0;
}

static int destroy(void **state) {
    (void)state;
    rin_model_free(model);
    run_lab_free(&lab);
    return 0;
}

/* ---- making videos ---- */

static rin_config *sampling_config(const rin_model *m, const char *options) {
    rin_config *config;
    rin_error error = {0};
    assert_ok(rin_config_copy(rin_model_config(m), &config, &error), &error);
    options_set(config, "sample.steps=2 sample.sampler=ddpm");
    options_set(config, options);
    return config;
}

static rin_generator *prepare(rin_model *m, const char *options, int64_t count, uint64_t seed) {
    rin_generator *g;
    rin_error error = {0};
    rin_config *config = sampling_config(m, options);
    assert_ok(rin_generator_create(m, config, count, NULL, seed, &g, &error), &error);
    rin_config_free(config);
    return g;
}

static void give(rin_generator *g, int64_t i, const uint8_t *pixels, int64_t n) {
    rin_error error = {0};
    assert_ok(rin_generator_give(g, i, pixels, n, &error), &error);
}

static rin_generator *run_all(rin_generator *g) {
    rin_error error = {0};
    assert_ok(rin_generator_run(g, (rin_listener){0}, &error), &error);
    return g;
}

/* n frames are given to all. */
static rin_generator *make(rin_model *m, const char *options, int64_t count, uint64_t seed, int64_t n) {
    rin_generator *g = prepare(m, options, count, seed);
    if (n) give(g, -1, frames, n);
    return run_all(g);
}

static bool same(const rin_generator *a, int64_t i, const rin_generator *b, int64_t k, int64_t n_frames) {
    return memcmp(rin_generator_pixels(a, i), rin_generator_pixels(b, k), (size_t)(n_frames * FRAME)) == 0;
}

static void test_seed(void **state) {
    (void)state;
    rin_generator *a = make(model, "", 2, 7, 2), *b = make(model, "", 2, 7, 2), *c = make(model, "", 2, 8, 2);
    assert_int_equal(rin_generator_frame_count(a), 4);
    for (int64_t i = 0; i < 2; i++) {
        assert_true(same(a, i, b, i, 4));
        assert_false(same(a, i, c, i, 4));
        assert_memory_equal(rin_generator_pixels(a, i), frames, 2 * FRAME);
    }
    assert_false(same(a, 0, a, 1, 4));
    rin_generator_free(a);
    rin_generator_free(b);
    rin_generator_free(c);
}

/* 67 and 70 are more than a batch holds. */
static void test_company(void **state) {
    static const char *const options[] = {"", "sample.frames=9"};
    (void)state;
    for (size_t o = 0; o < RIN_COUNT(options); o++) {
        rin_generator *one = make(model, options[o], 1, 7, 2), *five = prepare(model, options[o], 5, 7),
                      *many = make(model, options[o], 70, 7, 2), *fewer = make(model, options[o], 67, 7, 2);
        int64_t n = rin_generator_frame_count(one);
        assert_true(many->sampling->main.batch < 67);
        give(five, -1, frames, 2);
        give(five, 2, others, 2);
        run_all(five);
        assert_true(same(one, 0, five, 0, n) && same(one, 0, many, 0, n));
        assert_true(same(five, 4, many, 4, n) && same(many, 66, fewer, 66, n));
        assert_false(same(many, 66, many, 2, n)); /* which have the same place in their batches */
        assert_memory_equal(rin_generator_pixels(five, 2), others, 2 * FRAME);
        for (int64_t k = 2; k < n; k++)
            assert_memory_not_equal(rin_generator_pixels(five, 2) + k * FRAME,
                                    rin_generator_pixels(many, 2) + k * FRAME, FRAME);
        rin_generator_free(one);
        rin_generator_free(five);
        rin_generator_free(many);
        rin_generator_free(fewer);
    }
}

/* ---- lengths ---- */

/* Any length is a beginning of a longer one, however many frames are given beyond those that are continued. */
static void check_lengths(rin_model *m, int64_t length, int64_t given, int64_t longest) {
    char options[64];
    snprintf(options, sizeof options, "sample.frames=%lld", (long long)longest);
    rin_generator *whole = make(m, options, 2, 3, given);
    assert_int_equal(rin_generator_frame_count(whole), longest);
    for (int64_t n = given + 1; n < longest; n++) {
        snprintf(options, sizeof options, "sample.frames=%lld", n == length ? 0 : (long long)n);
        rin_generator *g = make(m, options, 2, 3, n);
        assert_int_equal(rin_generator_frame_count(g), n);
        assert_memory_equal(rin_generator_pixels(g, 1), frames, (size_t)(given * FRAME));
        if (!same(g, 0, whole, 0, n) || !same(g, 1, whole, 1, n))
            fail_msg("%lld frames are not the first of %lld", (long long)n, (long long)longest);
        rin_generator_free(g);
    }
    rin_generator_free(whole);
}

static void test_lengths(void **state) {
    static const struct {
        const char *options;
        int64_t length, given;
    } rows[] = {{"model.seq_len=5 model.seq_cond=2 model.seq_stride=1", 5, 2},
                {"model.seq_len=7 model.seq_cond=3 model.seq_stride=2", 7, 3},
                {"model.seq_len=6 model.seq_cond=5 model.seq_stride=1", 6, 5}};
    (void)state;
    check_lengths(model, 4, 2, 9);
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        char name[16];
        snprintf(name, sizeof name, "run-%zu", i);
        rin_model *m = train(name, "plain.mp4", rows[i].options);
        check_lengths(m, rows[i].length, rows[i].given, 2 * rows[i].length);
        rin_model_free(m);
    }
}

/* The second part goes on from the last frames of the first, from noise of its own. */
static void test_what_is_continued(void **state) {
    (void)state;
    rin_error error = {0};
    rin_generator *g = prepare(model, "sample.frames=9 sample.sampler=ddim", 2, 3);
    give(g, -1, frames, 9);
    assert_ok(rin_generator_step(g, NULL, &error), &error);
    float noise = g->noise[0];
    for (int step = 1; step < 3; step++) assert_ok(rin_generator_step(g, NULL, &error), &error);
    assert_true(g->noise[0] != noise);
    for (int64_t v = 0; v < 2; v++) {
        const uint8_t *from = g->pixels + v * g->per_picture + 2 * FRAME;
        assert_memory_not_equal(from, frames + 2 * FRAME, 2 * FRAME);
        for (int64_t i = 0; i < 2 * FRAME; i++)
            assert_float_equal(g->given[v * 2 * FRAME + i], (float)from[i] / 255.0f, 0);
    }
    rin_generator_free(g);
}

static rin_status try_create(rin_model *m, const char *options, rin_error *error) {
    rin_generator *g = (rin_generator *)&lab; /* not NULL */
    rin_config *config = sampling_config(m, options);
    rin_status status = rin_generator_create(m, config, 1, NULL, 0, &g, error);
    if (status != RIN_OK) assert_null(g);
    rin_generator_free(g);
    rin_config_free(config);
    return status;
}

static void test_from_nothing(void **state) {
    (void)state;
    rin_error error = {0};
    rin_model *m = train("nothing", "plain.mp4", "model.seq_len=4 model.seq_stride=2");
    rin_generator *a = make(m, "", 2, 3, 0), *b = make(m, "sample.frames=3", 1, 3, 0);
    assert_int_equal(rin_generator_frame_count(a), 4);
    assert_int_equal(rin_generator_frame_count(b), 3);
    assert_true(same(a, 0, b, 0, 3));
    assert_refused(rin_generator_give(a, 0, frames, 2, &error), RIN_ERR_ARG, &error, "continues no others");
    assert_refused(try_create(m, "sample.frames=5", &error), RIN_ERR_CONFIG, &error, "sample.frames = 5");
    rin_generator_free(a);
    rin_generator_free(b);
    rin_model_free(m);
}

static void test_refusals(void **state) {
    (void)state;
    rin_error error = {0};
    assert_refused(try_create(model, "sample.frames=2", &error), RIN_ERR_CONFIG, &error, "sample.frames = 2");
    assert_refused(try_create(model, "sample.guidance=1", &error), RIN_ERR_CONFIG, &error, "sample.guidance = 1");
    rin_generator *g = prepare(model, "", 2, 0);
    assert_refused(rin_generator_run(g, (rin_listener){0}, &error), RIN_ERR_ARG, &error, "--cond");
    give(g, 0, frames, 2);
    assert_refused(rin_generator_step(g, NULL, &error), RIN_ERR_ARG, &error, "--cond");
    assert_refused(rin_generator_give(g, 1, frames, 1, &error), RIN_ERR_ARG, &error, "goes on from 2");
    give(g, 1, frames, 2);
    assert_ok(rin_generator_step(g, NULL, &error), &error);
    assert_refused(rin_generator_give(g, 1, frames, 2, &error), RIN_ERR_ARG, &error, "too late");
    assert_refused(rin_generator_write(run_all(g), 0, "a.avi", &error), RIN_ERR_ARG, &error, ".mp4, .gif");
    assert_refused(rin_generator_write_grid(g, 0, "a.avi", &error), RIN_ERR_ARG, &error, ".mp4, .gif");
    rin_generator_free(g);
}

/* ---- contact sheets ---- */

enum { EDGE = 2, GAP = 2, ACROSS = 24 };

static const uint8_t blue[3] = {40, 110, 230}, orange[3] = {240, 140, 0}, grey[3] = {150, 150, 150};

typedef struct sheet {
    uint8_t *pixels;
    int64_t width, height, channels, zoom;
} sheet;

static void put(const sheet *s, int64_t x, int64_t y, const uint8_t *colour) {
    const double luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
    uint8_t *to = s->pixels + (y * s->width + x) * s->channels;
    if (s->channels == 3) memcpy(to, colour, 3);
    else *to = (uint8_t)lrint(luma);
}

static void put_frame(const sheet *s, int64_t x, int64_t y, const uint8_t *frame, const uint8_t *edge) {
    int64_t inner = SIDE * s->zoom, outer = inner + 2 * EDGE;
    for (int64_t i = 0; i < outer * outer; i++) {
        int64_t dx = i % outer - EDGE, dy = i / outer - EDGE;
        bool inside = dx >= 0 && dy >= 0 && dx < inner && dy < inner;
        uint8_t *to = s->pixels + ((y + dy + EDGE) * s->width + x + dx + EDGE) * s->channels;
        if (inside) memcpy(to, frame + (dy / s->zoom * SIDE + dx / s->zoom) * s->channels, (size_t)s->channels);
        else put(s, x + dx + EDGE, y + dy + EDGE, edge);
    }
}

/* Draws all of it, each video with so many frames that are known, and compares with what was written. */
static void check_sheet(rin_generator *g, const int64_t *known) {
    rin_image image;
    rin_error error = {0};
    int64_t n = g->frames, across = RIN_MIN(n, ACROSS), lines = 0, y = GAP;
    sheet s = {.channels = g->per_frame / (SIDE * SIDE), .zoom = g->own.sample.zoom};
    int64_t cell = SIDE * s.zoom + 2 * EDGE + GAP, rows = (n + across - 1) / across;
    for (int64_t v = 0; v < g->count; v++) lines += known[v] > 2 ? 2 * rows : rows;
    s.width = across * cell + GAP;
    s.height = lines * cell + GAP + 3 * GAP * (g->count - 1);
    s.pixels = test_malloc((size_t)(s.width * s.height * s.channels));
    memset(s.pixels, 255, (size_t)(s.width * s.height * s.channels));
    for (int64_t v = 0; v < g->count; v++, y += 3 * GAP) {
        for (int64_t r = 0; r < rows; r++) {
            for (int truth = known[v] > 2; truth >= 0; truth--, y += cell) {
                for (int64_t k = r * across; k < RIN_MIN((r + 1) * across, truth ? known[v] : n); k++) {
                    const uint8_t *from = truth ? frames : rin_generator_pixels(g, v);
                    put_frame(&s, GAP + k % across * cell, y, from + k * g->per_frame,
                              k < 2   ? blue
                              : truth ? grey
                                      : orange);
                }
            }
        }
    }
    assert_ok(g->count == 1 ? rin_generator_write(g, 0, lab.picture, &error)
                            : rin_generator_write_grid(g, 0, lab.picture, &error),
              &error);
    size_t size;
    char *bytes = run_read(lab.picture, &size);
    assert_ok(rin_image_decode(bytes, size, &image, &error), &error);
    assert_true(image.width == s.width && image.height == s.height && image.channels == s.channels);
    assert_memory_equal(image.samples, s.pixels, (size_t)(s.width * s.height * s.channels));
    rin_image_clear(&image);
    test_free(bytes);
    test_free(s.pixels);
    rin_generator_free(g);
}

static void test_contact_sheets(void **state) {
    (void)state;
    check_sheet(make(model, "", 1, 3, 2), (int64_t[]){2});
    check_sheet(make(model, "sample.zoom=3", 1, 3, 4), (int64_t[]){4});
    check_sheet(make(model, "sample.frames=7", 3, 3, 3), (int64_t[]){3, 3, 3});
    check_sheet(make(model, "sample.frames=53", 1, 3, 30), (int64_t[]){30});
    rin_generator *g = prepare(model, "sample.frames=26 sample.zoom=2", 2, 3);
    give(g, 0, frames, MOST);
    give(g, 1, frames, 2);
    check_sheet(run_all(g), (int64_t[]){26, 2});
    rin_model *m = train("grey", "grey.mkv", "model.seq_len=4 model.seq_cond=2");
    check_sheet(make(m, "", 2, 3, 4), (int64_t[]){4, 4});
    rin_model_free(m);
}

/* ---- files of videos ---- */

typedef struct shown {
    int width, height;
    int64_t n;
    double rate;
    const rin_generator *exact; /* NULL: not to the bit */
} shown;

/* The frames of all videos lie in a grid of `across`, or those of one without a border. */
static void check_frame(const rin_image *frame, const shown *s, int64_t k) {
    assert_true(frame->width == s->width && frame->height == s->height && frame->channels == 3 && frame->depth == 1);
    for (int64_t v = 0; s->exact && v < s->exact->count; v++) {
        int64_t zoom = s->exact->own.sample.zoom, step = SIDE * zoom + GAP, gap = s->exact->count > 1 ? GAP : 0;
        int64_t x = gap + v % 2 * step, y = gap + v / 2 * step;
        const uint8_t *from = rin_generator_pixels(s->exact, v) + k * FRAME, *to = frame->samples;
        for (int64_t i = 0; i < SIDE * zoom * SIDE * zoom; i++) {
            int64_t dx = i % (SIDE * zoom), dy = i / (SIDE * zoom);
            assert_memory_equal(to + 3 * ((y + dy) * s->width + x + dx), from + 3 * (dy / zoom * SIDE + dx / zoom), 3);
        }
    }
}

static void check_video(const char *path, shown s) {
    rin_input input;
    rin_video *video;
    rin_error error = {0};
    assert_ok(rin_input_open(&input, path, &error), &error);
    assert_ok(rin_video_open(&input, &video, &error), &error);
    const rin_video_info *info = rin_video_get_info(video);
    if (fabs(info->rate - s.rate) > 1e-3) fail_msg("%s: %g frames a second", path, info->rate);
    for (int64_t k = 0; k <= s.n; k++) {
        const rin_image *frame;
        assert_ok(rin_video_show(video, ((double)k + 0.5) / s.rate, &frame, NULL, &error), &error);
        if ((k < s.n) != (frame != NULL)) fail_msg("%s: not %lld frames", path, (long long)s.n);
        if (frame) check_frame(frame, &s, k);
    }
    rin_video_close(video);
    rin_input_close(&input);
}

static void test_files(void **state) {
    static const char *const names[] = {"a.mp4", "a.gif", "a.webp"};
    (void)state;
    rin_error error = {0};
    rin_generator *one = make(model, "sample.fps=5 sample.frames=6", 1, 3, 2),
                  *three = make(model, "sample.fps=10 sample.zoom=2", 3, 3, 4);
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        const char *path = run_lab_path(&lab, names[i]);
        bool exact = i == 2;
        assert_ok(rin_generator_write_grid(one, 0, path, &error), &error);
        check_video(path, (shown){SIDE, SIDE, 6, 5, exact ? one : NULL});
        assert_ok(rin_generator_write_grid(three, 2, path, &error), &error);
        int side = 2 * (2 * SIDE + GAP) + GAP;
        check_video(path, (shown){side, side, 4, 10, exact ? three : NULL});
        assert_ok(rin_generator_write(three, 1, path, &error), &error);
        check_video(path, (shown){2 * SIDE, 2 * SIDE, 4, 10, NULL});
    }
    rin_generator_free(one);
    rin_generator_free(three);
}

/* Without sample.fps that of the training clips. */
static void test_rate(void **state) {
    (void)state;
    rin_error error = {0};
    rin_model *m = train("rate", "plain.mp4", "model.seq_len=4 model.seq_cond=2 data.fps=10 data.frame_step=2");
    rin_generator *g = make(m, "", 1, 3, 2);
    const char *path = run_lab_path(&lab, "rate.webp");
    assert_ok(rin_generator_write(g, 0, path, &error), &error);
    check_video(path, (shown){SIDE, SIDE, 4, 5, g});
    rin_generator_free(g);
    rin_model_free(m);
}

/* ---- prediction ---- */

static corpus videos_of(const char *const *names, size_t n) {
    corpus c = corpus_make();
    for (size_t i = 0; i < n; i++) {
        char path[128];
        size_t size;
        snprintf(path, sizeof path, FIXTURES "%s", names[i]);
        char *bytes = run_read(path, &size);
        corpus_add(&c, names[i], bytes, size);
        test_free(bytes);
    }
    return c;
}

static rin_status try_predict(const corpus *c, int64_t samples, int64_t limit, uint64_t seed,
                              rin_prediction_error errors[2], int64_t *n, rin_error *error) {
    rin_config *config = sampling_config(model, "");
    lab.n_log = 0;
    lab.log[0] = '\0';
    rin_status status = rin_eval_predict(model, config, c->root, samples, limit, seed, run_lab_listener(&lab), errors,
                                         n, error);
    rin_config_free(config);
    return status;
}

static int64_t predict(const corpus *c, int64_t samples, int64_t limit, uint64_t seed, rin_prediction_error errors[2]) {
    rin_error error = {0};
    int64_t n = -1;
    assert_ok(try_predict(c, samples, limit, seed, errors, &n, &error), &error);
    return n;
}

/* The error of the second frame of each clip in place of the third and fourth. */
static int64_t repeat_by_hand(const corpus *c, double errors[2]) {
    const rin_dataset_options options = {.clip = {4, 1, 0}};
    rin_dataset *dataset;
    rin_error error = {0};
    float clip[4 * FRAME];
    int64_t all = 0, n;
    errors[0] = errors[1] = 0;
    assert_ok(rin_dataset_open(c->root, &options, (rin_log){0}, &dataset, &error), &error);
    for (size_t v = 0; v < rin_dataset_count(dataset); v++) {
        assert_ok(rin_dataset_count_clips(dataset, v, &n, &error), &error);
        for (int64_t i = 0; i < n; i++, all++) {
            assert_ok(rin_dataset_load_clip(dataset, v, i, SIDE, SIDE, 3, clip, &error), &error);
            for (int k = 0; k < 2 * FRAME; k++) {
                double d = (double)clip[2 * FRAME + k] - (double)clip[FRAME + k % FRAME];
                errors[k / FRAME] += d * d / FRAME;
            }
        }
    }
    for (int f = 0; f < 2; f++) errors[f] /= (double)all;
    rin_dataset_close(dataset);
    return all;
}

static void test_predictions(void **state) {
    static const char *const names[] = {"long.mp4", "plain.mp4"};
    (void)state;
    rin_prediction_error one[2], again[2], other[2], three[2];
    double repeat[2];
    corpus c = videos_of(names, 2);
    assert_int_equal(repeat_by_hand(&c, repeat), 12);
    assert_int_equal(predict(&c, 1, 0, 5, one), 12);
    assert_int_equal(predict(&c, 1, 100, 5, again), 12);
    assert_memory_equal(one, again, sizeof one);
    assert_int_equal(predict(&c, 1, 0, 6, other), 12);
    assert_int_equal(predict(&c, 3, 0, 5, three), 12);
    for (int f = 0; f < 2; f++) {
        assert_true(one[f].sample == one[f].mean && one[f].sample > 0 && one[f].sample != other[f].sample);
        assert_true(three[f].mean < three[f].sample && three[f].mean > 0);
        assert_true(fabs(one[f].repeat - repeat[f]) <= 1e-12 * repeat[f] && repeat[f] > 0);
        assert_true(other[f].repeat == one[f].repeat && three[f].repeat == one[f].repeat);
    }
    assert_int_equal(predict(&c, 1, 5, 5, again), 5);
    corpus_remove(&c);
}

/* Clips and samples of them are numbered through: as many noises for two equal clips as for one with twice the samples,
 * whatever a batch holds. */
static void test_predictions_alone(void **state) {
    static const int64_t samples[] = {1, 3, 35};
    (void)state;
    size_t size;
    char *bytes = run_read(FIXTURES "partial.webp", &size); /* two clips, of which the first is taken */
    corpus one = corpus_make(), two = corpus_make();
    corpus_add(&one, "a.webp", bytes, size);
    corpus_add(&two, "a.webp", bytes, size);
    corpus_add(&two, "b.webp", bytes, size);
    test_free(bytes);
    for (size_t i = 0; i < RIN_COUNT(samples); i++) {
        rin_prediction_error a[2], b[2], first[2];
        assert_int_equal(predict(&one, 2 * samples[i], 1, 9, a), 1);
        assert_int_equal(predict(&two, samples[i], 2, 9, b), 2);
        for (int f = 0; f < 2; f++) assert_float_equal(a[f].sample, b[f].sample, 1e-9);
        assert_int_equal(predict(&two, 2 * samples[i], 1, 9, first), 1);
        assert_memory_equal(a, first, sizeof a);
    }
    rin_prediction_error a[2], b[2]; /* one batch, and another with noise of its own */
    assert_int_equal(predict(&one, 64, 1, 9, a), 1);
    assert_int_equal(predict(&one, 128, 1, 9, b), 1);
    assert_true(fabs(a[0].sample - b[0].sample) > 1e-6 && fabs(a[0].mean - b[0].mean) > 1e-6);
    corpus_remove(&one);
    corpus_remove(&two);
}

/* Those that cannot be opened, are too short, or turn out to be damaged. */
static void test_broken_videos_are_left_out(void **state) {
    static const char *const names[] = {"long.mp4", "plain.mp4"}, *const broken[] = {"headless.mp4", "short.mp4",
                                                                                     "text.mp4"};
    (void)state;
    rin_prediction_error wanted[2], errors[2];
    rin_error error = {0};
    int64_t n = 7;
    size_t size;
    corpus good = videos_of(names, 2), mixed = videos_of(names, 2), bad = videos_of(broken, 3);
    char *bytes = run_read(FIXTURES "plain.mp4", &size);
    memset(bytes + 48, 0x55, 600); /* what is in its mdat */
    corpus_add(&mixed, "damaged.mp4", bytes, size);
    corpus_add(&bad, "damaged.mp4", bytes, size);
    test_free(bytes);
    for (size_t i = 0; i < RIN_COUNT(broken); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", bad.root, broken[i]);
        bytes = run_read(path, &size);
        corpus_add(&mixed, broken[i], bytes, size);
        test_free(bytes);
    }
    assert_int_equal(predict(&good, 2, 0, 1, wanted), 12);
    assert_int_equal(predict(&mixed, 2, 0, 1, errors), 12);
    assert_memory_equal(errors, wanted, sizeof wanted);
    assert_non_null(strstr(lab.log, "broken video, left out: 'damaged.mp4'"));
    for (size_t i = 0; i < RIN_COUNT(broken); i++) assert_non_null(strstr(lab.log, broken[i]));
    assert_refused(try_predict(&bad, 1, 0, 1, errors, &n, &error), RIN_ERR_FORMAT, &error, "none of the videos");
    assert_int_equal(n, 0);
    corpus_remove(&good);
    corpus_remove(&mixed);
    corpus_remove(&bad);
}

/* What a file claims beyond its end is no clip: there are 12 of 20 frames, and 20 of 70. */
static void test_clips_end_with_the_video(void **state) {
    static const struct {
        const char *name;
        int64_t n;
    } rows[] = {{"plain.mp4", 5}, {"fast.mp4", 7}, {"cut.mp4", 3}, {"late.mkv", 5}};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        rin_prediction_error errors[2];
        corpus c = videos_of(&rows[i].name, 1);
        int64_t n = predict(&c, 1, 0, 1, errors);
        if (n != rows[i].n)
            fail_msg("%s: %lld clips that do not overlap, there are %lld", rows[i].name, (long long)n,
                     (long long)rows[i].n);
        corpus_remove(&c);
    }
}

static void test_loss(void **state) {
    static const char *const names[] = {"long.mp4", "plain.mp4"};
    const double times[TIMES] = {0.2, 0.9};
    (void)state;
    double losses[3][TIMES];
    rin_error error = {0};
    int64_t n = -1;
    corpus c = videos_of(names, 2);
    for (int i = 0; i < 3; i++) {
        assert_ok(
            rin_eval_loss(model, c.root, times, TIMES, 0, i < 2 ? 4 : 5, run_lab_listener(&lab), losses[i], &n, &error),
            &error);
        assert_int_equal(n, 12);
    }
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    assert_memory_not_equal(losses[0], losses[2], sizeof losses[0]);
    assert_ok(rin_eval_loss(model, c.root, times, TIMES, 5, 4, run_lab_listener(&lab), losses[0], &n, &error), &error);
    assert_int_equal(n, 5);
    corpus_remove(&c);
}

int main(void) {
#ifndef RIN_HAVE_FFMPEG
    print_message("this build has no FFmpeg\n");
    return 0;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_is_continued),
        cmocka_unit_test(test_from_nothing),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_contact_sheets),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_predictions_alone),
        cmocka_unit_test(test_broken_videos_are_left_out),
        cmocka_unit_test(test_clips_end_with_the_video),
        cmocka_unit_test(test_loss),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
