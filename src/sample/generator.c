/* SPDX-License-Identifier: MIT */
/* Many pictures or videos in batches: noise by picture number, so that neither the batch nor the count changes one. */
#include "sample/generator.h"

#include <math.h>
#include <string.h>

#include "model/model.h"

/* Streams of a picture's random numbers: its first noise is step 0, fresh noise number i is step i + 1, and the next
 * part of a video goes on from there. */
enum { STREAM_NOISE = 0x4E4F4953 };

rin_status rin_generator_keep_reals(rin_generator *g, rin_error *error) {
    g->reals = rin_calloc((size_t)(g->count * g->per_picture), sizeof *g->reals, error);
    return g->reals ? RIN_OK : RIN_ERR_MEMORY;
}

static rin_status check_given(const rin_generator *g, int64_t i, int64_t n, rin_error *error) {
    int64_t needed = g->sampling->main.config.model.seq_cond;
    if (i < -1 || i >= g->count)
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_give: i = %lld; allowed: -1 for all, up to %lld",
                             (long long)i, (long long)g->count - 1);
    if (!needed)
        return rin_error_set(error, RIN_ERR_ARG, "this model makes its frames from nothing: it continues no others");
    if (n < needed)
        return rin_error_set(error, RIN_ERR_ARG, "%lld frames are given, this model goes on from %lld", (long long)n,
                             (long long)needed);
    if (!g->first && !g->pass && !g->begun) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "rin_generator_give: it is too late, there were steps");
}

rin_status rin_generator_give(rin_generator *g, int64_t i, const uint8_t *pixels, int64_t n, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!pixels) return rin_error_null(error, __func__, "pixels");
    rin_status status = check_given(g, i, n, error);
    if (status != RIN_OK) return status;
    if (!g->truth) g->truth = rin_calloc((size_t)g->count, (size_t)g->per_picture, error);
    if (!g->truth) return RIN_ERR_MEMORY;
    size_t given = (size_t)(g->sampling->main.config.model.seq_cond * g->per_frame);
    n = RIN_MIN(n, g->frames);
    for (int64_t k = i < 0 ? 0 : i; k < (i < 0 ? g->count : i + 1); k++) {
        memcpy(g->truth + k * g->per_picture, pixels, (size_t)(n * g->per_frame));
        memcpy(g->pixels + k * g->per_picture, pixels, given);
        for (size_t j = 0; g->reals && j < given; j++)
            g->reals[(size_t)(k * g->per_picture) + j] = (float)pixels[j] / 255.0f;
        g->n_truth[k] = n;
    }
    return RIN_OK;
}

/* Numbers of a picture that one part of it makes. */
static int64_t made_in_a_pass(const rin_generator *g) {
    const rin_config_model *m = &g->sampling->main.config.model;
    return (m->seq_len - m->seq_cond) * g->per_frame;
}

/* The number of the batch's picture b; those beyond the count repeat the last one. */
static int64_t picture_of(const rin_generator *g, int64_t b) {
    return RIN_MIN(g->first + b, g->count - 1);
}

/* How far a picture is from one end of those between two seeds to the other. */
static double fraction_of(const rin_generator *g, int64_t picture) {
    return g->between ? (double)picture / (double)RIN_MAX(g->count - 1, 1) : 0;
}

static void draw_one(const rin_generator *g, uint64_t seed, uint64_t picture, int64_t step, float *noise) {
    uint64_t at = (uint64_t)(g->pass * (g->sampling->route->n_noises + 1) + step);
    rin_random_key key = {seed + picture * 0x9E3779B97F4A7C15u, at, STREAM_NOISE};
    for (int64_t i = 0; i < made_in_a_pass(g); i++) noise[i] = rin_random_normal(key, (uint64_t)i);
}

/* The batch's noise; step 0 is where it starts. */
static void draw_noise(const rin_generator *g, int64_t step, float *noise) {
    int64_t made = made_in_a_pass(g);
    for (int64_t b = 0; b < g->sampling->main.batch; b++) {
        int64_t picture = g->between ? 0 : picture_of(g, b);
        draw_one(g, g->seed, (uint64_t)(picture + g->own.sample.first), step, noise + b * made);
    }
}

static void draw_step(void *user, int64_t number, float *noise) {
    draw_noise(user, number + 1, noise);
}

/* Of pictures between two seeds, along the great circle from the one's noise to the other's. */
static rin_status draw_start(rin_generator *g, rin_error *error) {
    int64_t made = made_in_a_pass(g);
    draw_noise(g, 0, g->noise);
    if (!g->between) return RIN_OK;
    float *other = rin_calloc((size_t)made, sizeof *other, error);
    if (!other) return RIN_ERR_MEMORY;
    draw_one(g, g->other_seed, (uint64_t)g->own.sample.first, 0, other);
    for (int64_t b = 0; b < g->sampling->main.batch; b++) {
        float *own = g->noise + b * made;
        rin_slerp(own, other, fraction_of(g, picture_of(g, b)), own, made);
    }
    rin_free(other);
    return RIN_OK;
}

/* The last frames before those that this pass makes. */
static rin_status take_given(rin_generator *g, rin_error *error) {
    int64_t given = g->sampling->main.config.model.seq_cond * g->per_frame;
    for (int64_t b = 0; b < g->sampling->main.batch && given; b++) {
        int64_t picture = RIN_MIN(g->first + b, g->count - 1);
        const uint8_t *from = g->pixels + picture * g->per_picture + g->pass * made_in_a_pass(g);
        if (!g->n_truth[picture])
            return rin_error_set(error, RIN_ERR_ARG,
                                 "this model continues %lld given frames: give them (rin sample --cond, "
                                 "rin_generator_give)",
                                 (long long)g->sampling->main.config.model.seq_cond);
        for (int64_t i = 0; i < given; i++) g->given[b * given + i] = (float)from[i] / 255.0f;
    }
    return RIN_OK;
}

/* One label, or of pictures between two seeds a share of each end's. */
static void fill_labels(rin_generator *g) {
    int64_t n = rin_model_class_count(g->model);
    memset(g->labels, 0, (size_t)(g->sampling->main.batch * n) * sizeof *g->labels);
    for (int64_t b = 0; b < g->sampling->main.batch; b++) {
        int64_t picture = picture_of(g, b), from = g->classes[g->between ? 0 : picture], to = g->classes[g->count - 1];
        float u = (float)fraction_of(g, picture);
        if (from >= 0) g->labels[b * n + from] += 1 - u;
        if (g->between && to >= 0) g->labels[b * n + to] += u;
    }
}

static rin_status start_pass(rin_generator *g, rin_error *error) {
    fill_labels(g);
    rin_status status = take_given(g, error);
    if (status == RIN_OK) status = draw_start(g, error);
    if (status != RIN_OK) return status;
    rin_sampling_start start = {.noise = g->noise,
                                .labels = rin_model_class_count(g->model) ? g->labels : NULL,
                                .frames = g->given,
                                .picture = g->picture,
                                .mask = g->mask,
                                .draw = draw_step,
                                .user = g};
    g->begun = true;
    return rin_sampling_begin(g->sampling, &start, error);
}

/* Pixels of the current batch's last estimate, as bytes. */
static void round_pixels(const float *from, int64_t n, uint8_t *to) {
    for (int64_t i = 0; i < n; i++) to[i] = (uint8_t)(fminf(fmaxf(from[i], 0), 1) * 255 + 0.5f);
}

/* The estimates after a step of the batch, of those steps that the film has. */
static rin_status keep_film(rin_generator *g, rin_error *error) {
    int64_t step = g->film_step++, frame = step * g->n_film / g->film_steps, each = g->per_picture;
    if (frame == (step + 1) * g->n_film / g->film_steps) return RIN_OK;
    rin_status status = rin_sampling_pixels(g->sampling, g->noise, error);
    for (int64_t b = 0; b < RIN_MIN(g->sampling->main.batch, g->count - g->first) && status == RIN_OK; b++)
        round_pixels(g->noise + b * each, each, g->film + ((g->first + b) * g->n_film + frame) * each);
    return status;
}

static rin_status finish_pass(rin_generator *g, rin_error *error) {
    const rin_config_model *m = &g->sampling->main.config.model;
    int64_t made = made_in_a_pass(g), at = m->seq_cond * g->per_frame + g->pass * made;
    int64_t n = RIN_MIN(made, g->per_picture - at);
    rin_status status = rin_sampling_pixels(g->sampling, g->noise, error);
    if (status != RIN_OK) return status;
    for (int64_t b = 0; b < RIN_MIN(g->sampling->main.batch, g->count - g->first); b++) {
        int64_t first = (g->first + b) * g->per_picture + at;
        round_pixels(g->noise + b * made, n, g->pixels + first);
        for (int64_t i = 0; g->reals && i < n; i++) g->reals[first + i] = fminf(fmaxf(g->noise[b * made + i], 0), 1);
    }
    g->begun = false;
    g->film_step = 0;
    g->n_forwards += g->sampling->n_forwards;
    g->pass = (g->pass + 1) % g->passes;
    if (!g->pass) g->first += g->sampling->main.batch;
    return RIN_OK;
}

static int64_t total_forwards(const rin_generator *g) {
    int64_t batches = (g->count + g->sampling->main.batch - 1) / g->sampling->main.batch;
    return batches * g->passes * g->sampling->n_total;
}

static void fill_progress(const rin_generator *g, rin_progress *progress) {
    int64_t made = g->n_forwards + (g->begun ? g->sampling->n_forwards : 0), total = total_forwards(g);
    double seconds = rin_clock_seconds() - g->started, share = (double)RIN_MAX(made, 1) / (double)total;
    *progress = (rin_progress){.doing = "evaluation",
                               .done = made,
                               .total = total,
                               .seconds = seconds,
                               .eta = seconds / share * (1 - share),
                               .images_per_second = (double)g->count * share / RIN_MAX(seconds, 1e-9),
                               .unit = g->frames > 1 ? "videos" : "images"};
}

rin_status rin_generator_step(rin_generator *g, rin_progress *progress, rin_error *error) {
    if (!g) return rin_error_null(error, "rin_generator_step", "generator");
    if (rin_generator_is_done(g)) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_step: all %lld pictures are made", (long long)g->count);
    }
    if (g->started == 0) g->started = rin_clock_seconds();
    rin_status status = g->begun ? RIN_OK : start_pass(g, error);
    if (status == RIN_OK) status = rin_sampling_step(g->sampling, error);
    if (status == RIN_OK && g->film && g->sampling->move.kind == RIN_MOVE_STEP) status = keep_film(g, error);
    if (status == RIN_OK && rin_sampling_is_done(g->sampling)) status = finish_pass(g, error);
    if (status != RIN_OK) return status;
    if (progress) fill_progress(g, progress);
    return RIN_OK;
}

bool rin_generator_is_done(const rin_generator *g) {
    return !g || g->first >= g->count;
}

rin_status rin_generator_run(rin_generator *g, rin_listener listener, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    while (!rin_generator_is_done(g)) {
        rin_progress progress;
        rin_status status = rin_generator_step(g, &progress, error);
        if (status != RIN_OK) return status;
        if (listener.on_progress && !listener.on_progress(listener.user, &progress)) {
            return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld evaluations",
                                 (long long)progress.done, (long long)progress.total);
        }
    }
    return RIN_OK;
}

void rin_generator_size(const rin_generator *g, int *width, int *height, int *channels) {
    const rin_config_model *m = g ? &g->sampling->main.config.model : NULL;
    if (width) *width = m ? (int)m->image_width : 0;
    if (height) *height = m ? (int)m->image_height : 0;
    if (channels) *channels = m ? (int)m->image_channels : 0;
}

int64_t rin_generator_frame_count(const rin_generator *g) {
    return g ? g->frames : 0;
}

const uint8_t *rin_generator_pixels(const rin_generator *g, int64_t i) {
    return g && i >= 0 && i < RIN_MIN(g->first, g->count) ? g->pixels + i * g->per_picture : NULL;
}

const float *rin_generator_reals(const rin_generator *g, int64_t i) {
    return g->reals && i >= 0 && i < RIN_MIN(g->first, g->count) ? g->reals + i * g->per_picture : NULL;
}
