/* SPDX-License-Identifier: MIT */
/* Many pictures or videos in batches: noise by picture number, so that neither the batch nor the count changes one. */
#include "sample/generator.h"

#include <math.h>
#include <string.h>

#include "model/model.h"

/* Streams of a picture's random numbers: its first noise is step 0, that of sampling step i is step i + 1, and the next
 * part of a video goes on from there. */
enum { STREAM_NOISE = 0x4E4F4953, MOST_BATCH = 64, MOST_PICTURES = 1000000000 };

static int64_t batch_of(int64_t count, const rin_config_model *m) {
    /* About as many tape tokens as keep the caches busy; small pictures go in larger batches. */
    int64_t tokens = rin_model_times(m) * rin_model_rows(m) * rin_model_cols(m);
    int64_t fits = RIN_MAX(1, (1 << 14) / tokens);
    return RIN_MIN(count, RIN_MIN(fits, (int64_t)MOST_BATCH));
}

static rin_status check_classes(const rin_model *model, int64_t count, const int64_t *classes, rin_error *error) {
    int64_t n = rin_model_class_count(model);
    for (int64_t i = 0; classes && i < count; i++) {
        if (classes[i] >= -1 && classes[i] < n) continue;
        return rin_error_set(error, RIN_ERR_ARG, "class %lld: this model has %lld classes, numbered from 0",
                             (long long)classes[i], (long long)n);
    }
    return RIN_OK;
}

/* Frames of a video, and the parts it is made in. */
static rin_status plan_frames(rin_generator *g, const rin_config_model *m, rin_error *error) {
    int64_t made = m->seq_len - m->seq_cond, wanted = g->sample.frames ? g->sample.frames : m->seq_len;
    g->frames = m->seq_len == 1 ? 1 : wanted;
    g->passes = (g->frames - m->seq_cond + made - 1) / made;
    if (g->frames <= m->seq_cond)
        return rin_error_set(error, RIN_ERR_CONFIG, "sample.frames = %lld: %lld are given; allowed are more than that",
                             (long long)g->frames, (long long)m->seq_cond);
    if (g->frames > 1 && g->sample.fps > 0 && g->sample.fps < 0.1)
        return rin_error_set(error, RIN_ERR_CONFIG, "sample.fps = %g: allowed are 0.1 to 1000, or 0", g->sample.fps);
    if (g->passes == 1 || m->seq_cond) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_CONFIG,
        "sample.frames = %lld: this model makes %lld frames and continues none; allowed are up to %lld",
        (long long)g->frames, (long long)made, (long long)made);
}

static rin_status check_count(int64_t count, int64_t per_picture, rin_error *error) {
    if (count < 1 || count > MOST_PICTURES) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_create: count = %lld; allowed: 1 to %d",
                             (long long)count, MOST_PICTURES);
    }
    int64_t most = (int64_t)(rin_memory_total() / 2) / per_picture;
    if (count <= most) return RIN_OK;
    return rin_error_set(error, RIN_ERR_MEMORY,
                         "count = %lld: at most %lld pictures of this size fit in half of this machine's memory",
                         (long long)count, (long long)most);
}

static rin_status allocate(rin_generator *g, const rin_config_model *m, int64_t batch, rin_error *error) {
    int64_t made = (m->seq_len - m->seq_cond) * g->per_frame;
    g->classes = rin_calloc((size_t)g->count, sizeof *g->classes, error);
    g->noise = rin_calloc((size_t)(batch * made), sizeof *g->noise, error);
    g->given = rin_calloc((size_t)(batch * m->seq_cond * g->per_frame), sizeof *g->given, error);
    g->labels = rin_calloc((size_t)(batch * m->num_classes), sizeof *g->labels, error);
    g->pixels = rin_calloc((size_t)g->count, (size_t)g->per_picture, error);
    g->n_truth = rin_calloc((size_t)g->count, sizeof *g->n_truth, error);
    return g->classes && g->noise && g->given && g->labels && g->pixels && g->n_truth ? RIN_OK : RIN_ERR_MEMORY;
}

rin_status rin_generator_create(rin_model *model, const rin_config *config, int64_t count, const int64_t *classes,
                                uint64_t seed, rin_generator **out, rin_error *error) {
    return rin_generator_create_from(model, config, 0, count, classes, seed, out, error);
}

rin_status rin_generator_create_from(rin_model *model, const rin_config *config, int64_t number, int64_t count,
                                     const int64_t *classes, uint64_t seed, rin_generator **out, rin_error *error) {
    if (!out) return rin_error_null(error, "rin_generator_create", "out");
    *out = NULL;
    if (!model) return rin_error_null(error, "rin_generator_create", "model");
    if (!config) return rin_error_null(error, "rin_generator_create", "config");
    rin_config own = *rin_model_config(model);
    own.sample = config->sample;
    rin_generator *g = rin_calloc(1, sizeof *g, error);
    if (!g) return RIN_ERR_MEMORY;
    *g = (rin_generator){.model = model, .sample = own.sample, .count = count, .seed = seed, .number = number};
    g->started = rin_clock_seconds();
    g->per_frame = own.model.image_height * own.model.image_width * own.model.image_channels;
    rin_status status = plan_frames(g, &own.model, error);
    g->per_picture = g->frames * g->per_frame;
    if (status == RIN_OK) status = check_count(count, g->per_picture, error);
    if (status == RIN_OK) status = check_classes(model, count, classes, error);
    int64_t batch = batch_of(count, &own.model);
    if (status == RIN_OK) status = allocate(g, &own.model, batch, error);
    for (int64_t i = 0; i < count && status == RIN_OK; i++) g->classes[i] = classes ? classes[i] : -1;
    if (status == RIN_OK) status = rin_sampling_options_from(&own, &g->options, error);
    if (status == RIN_OK) {
        status = rin_sampling_create(&own, model->weights, RIN_ARENA_EMA, batch, &g->options, &g->sampling, error);
    }
    if (status == RIN_OK) *out = g;
    else rin_generator_free(g);
    return status;
}

void rin_generator_free(rin_generator *g) {
    if (!g) return;
    rin_sampling_free(g->sampling);
    rin_free(g->classes);
    rin_free(g->noise);
    rin_free(g->given);
    rin_free(g->labels);
    rin_free(g->pixels);
    rin_free(g->reals);
    rin_free(g->truth);
    rin_free(g->n_truth);
    rin_free(g);
}

rin_status rin_generator_keep_reals(rin_generator *g, rin_error *error) {
    g->reals = rin_calloc((size_t)(g->count * g->per_picture), sizeof *g->reals, error);
    return g->reals ? RIN_OK : RIN_ERR_MEMORY;
}

static rin_status check_given(const rin_generator *g, int64_t i, int64_t n, rin_error *error) {
    int64_t needed = g->sampling->config.model.seq_cond;
    if (i < -1 || i >= g->count)
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_give: i = %lld; allowed: -1 for all, up to %lld",
                             (long long)i, (long long)g->count - 1);
    if (!needed)
        return rin_error_set(error, RIN_ERR_ARG, "this model makes its frames from nothing: it continues no others");
    if (n < needed)
        return rin_error_set(error, RIN_ERR_ARG, "%lld frames are given, this model goes on from %lld", (long long)n,
                             (long long)needed);
    if (!g->first && !g->pass && !g->sampling->step) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "rin_generator_give: it is too late, there were steps");
}

rin_status rin_generator_give(rin_generator *g, int64_t i, const uint8_t *pixels, int64_t n, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!pixels) return rin_error_null(error, __func__, "pixels");
    rin_status status = check_given(g, i, n, error);
    if (status != RIN_OK) return status;
    if (!g->truth) g->truth = rin_calloc((size_t)g->count, (size_t)g->per_picture, error);
    if (!g->truth) return RIN_ERR_MEMORY;
    size_t given = (size_t)(g->sampling->config.model.seq_cond * g->per_frame);
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
    const rin_config_model *m = &g->sampling->config.model;
    return (m->seq_len - m->seq_cond) * g->per_frame;
}

/* Fills the batch's noise; step 0 is where it starts. Pictures beyond the count repeat the last one. */
static void draw_noise(rin_generator *g, int64_t step) {
    int64_t made = made_in_a_pass(g);
    for (int64_t b = 0; b < g->sampling->batch; b++) {
        uint64_t picture = (uint64_t)RIN_MIN(g->first + b, g->count - 1);
        uint64_t at = (uint64_t)(g->pass * (g->options.steps + 1) + step);
        rin_random_key key = {g->seed + (picture + (uint64_t)g->number) * 0x9E3779B97F4A7C15u, at, STREAM_NOISE};
        for (int64_t i = 0; i < made; i++) g->noise[b * made + i] = rin_random_normal(key, (uint64_t)i);
    }
}

/* The last frames before those that this pass makes. */
static rin_status take_given(rin_generator *g, rin_error *error) {
    int64_t given = g->sampling->config.model.seq_cond * g->per_frame;
    for (int64_t b = 0; b < g->sampling->batch && given; b++) {
        int64_t picture = RIN_MIN(g->first + b, g->count - 1);
        const uint8_t *from = g->pixels + picture * g->per_picture + g->pass * made_in_a_pass(g);
        if (!g->n_truth[picture])
            return rin_error_set(error, RIN_ERR_ARG,
                                 "this model continues %lld given frames: give them (rin sample --cond, "
                                 "rin_generator_give)",
                                 (long long)g->sampling->config.model.seq_cond);
        for (int64_t i = 0; i < given; i++) g->given[b * given + i] = (float)from[i] / 255.0f;
    }
    return RIN_OK;
}

static rin_status start_pass(rin_generator *g, rin_error *error) {
    int64_t n_classes = rin_model_class_count(g->model);
    memset(g->labels, 0, (size_t)(g->sampling->batch * n_classes) * sizeof *g->labels);
    for (int64_t b = 0; b < g->sampling->batch; b++) {
        int64_t class = g->classes[RIN_MIN(g->first + b, g->count - 1)];
        if (class >= 0) g->labels[b * n_classes + class] = 1;
    }
    rin_status status = take_given(g, error);
    if (status != RIN_OK) return status;
    draw_noise(g, 0);
    return rin_sampling_start(g->sampling, g->noise, n_classes ? g->labels : NULL, g->given, error);
}

static rin_status finish_pass(rin_generator *g, rin_error *error) {
    const rin_config_model *m = &g->sampling->config.model;
    int64_t made = made_in_a_pass(g), at = m->seq_cond * g->per_frame + g->pass * made;
    int64_t n = RIN_MIN(made, g->per_picture - at);
    rin_status status = rin_sampling_pixels(g->sampling, g->noise, error);
    if (status != RIN_OK) return status;
    for (int64_t b = 0; b < RIN_MIN(g->sampling->batch, g->count - g->first); b++) {
        uint8_t *to = g->pixels + (g->first + b) * g->per_picture + at;
        for (int64_t i = 0; i < n; i++) {
            float v = fminf(fmaxf(g->noise[b * made + i], 0), 1);
            to[i] = (uint8_t)(v * 255 + 0.5f);
            if (g->reals) g->reals[(g->first + b) * g->per_picture + at + i] = v;
        }
    }
    g->sampling->step = 0;
    g->pass = (g->pass + 1) % g->passes;
    if (!g->pass) g->first += g->sampling->batch;
    return RIN_OK;
}

static int64_t total_evaluations(const rin_generator *g) {
    int64_t batches = (g->count + g->sampling->batch - 1) / g->sampling->batch;
    return batches * g->passes * g->options.steps * (g->options.guidance != 0 ? 2 : 1);
}

static void fill_progress(const rin_generator *g, rin_progress *progress) {
    double seconds = rin_clock_seconds() - g->started, total = (double)total_evaluations(g);
    double made = (double)RIN_MAX(g->evaluations, 1);
    *progress = (rin_progress){.doing = "sample",
                               .done = g->evaluations,
                               .total = (int64_t)total,
                               .seconds = seconds,
                               .eta = seconds / made * (total - made),
                               .images_per_second = (double)g->count * made / total / RIN_MAX(seconds, 1e-9),
                               .unit = g->frames > 1 ? "videos" : "images"};
}

rin_status rin_generator_step(rin_generator *g, rin_progress *progress, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (rin_generator_is_done(g)) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_step: all %lld pictures are made", (long long)g->count);
    }
    rin_status status = RIN_OK;
    if (g->sampling->step == 0) status = start_pass(g, error);
    if (rin_sampler_find(g->options.sampler)->needs_noise) draw_noise(g, g->sampling->step + 1);
    if (status == RIN_OK) status = rin_sampling_step(g->sampling, g->noise, error);
    if (status != RIN_OK) return status;
    g->evaluations += g->options.guidance != 0 ? 2 : 1;
    if (g->sampling->step == g->options.steps) status = finish_pass(g, error);
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
    const rin_config_model *m = g ? &g->sampling->config.model : NULL;
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
