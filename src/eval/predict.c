/* SPDX-License-Identifier: MIT */
/* How well a video model predicts the frames that follow the given ones. */
#include <math.h>
#include <string.h>

#include "eval/examples.h"
#include "model/model.h"

enum { STREAM_NOISE = 0x50524544, MOST_BATCH = 64, MOST_SAMPLES = 10000 };

/* Sample s of clip c is number c * samples + s; a batch takes those that come next. */
typedef struct prediction {
    rin_config config;
    rin_examples examples;
    rin_sampling *sampling;
    int64_t samples, batch, frames; /* frames: that are predicted */
    int64_t per_frame, per_clip, per_given;
    int64_t loaded;              /* the clip that truth and given are of; -1: none */
    float *truth, *given;        /* (per_clip), (per_given) of it */
    float *truths, *givens;      /* (batch, ...) */
    float *noise, *sum;          /* (batch, per_clip); of the samples of a clip (per_clip) */
    rin_prediction_error *total; /* (frames) sums over clips */
    uint64_t seed;
    int64_t first; /* sample of the batch */
    int64_t evaluations;
} prediction;

static rin_status prepare(prediction *p, rin_model *model, const char *data, int64_t limit, rin_listener listener,
                          rin_error *error) {
    const rin_config_model *m = &p->config.model;
    rin_sampling_options options;
    rin_status status = rin_examples_open(&p->config, data, limit, listener, &p->examples, error);
    if (status == RIN_OK) status = rin_sampling_options_from(&p->config, &options, error);
    if (status != RIN_OK) return status;
    p->frames = m->seq_len - m->seq_cond;
    p->per_frame = m->image_height * m->image_width * m->image_channels;
    p->per_clip = p->frames * p->per_frame;
    p->per_given = m->seq_cond * p->per_frame;
    p->loaded = -1;
    int64_t tokens = rin_model_times(m) * rin_model_rows(m) * rin_model_cols(m);
    int64_t all = p->examples.n * p->samples, fits = RIN_MAX(1, (1 << 14) / tokens);
    p->batch = RIN_MAX(RIN_MIN(all, RIN_MIN(fits, (int64_t)MOST_BATCH)), 1);
    size_t batch = (size_t)p->batch, clip = (size_t)p->per_clip, given = (size_t)p->per_given;
    const struct {
        float **memory;
        size_t n, size;
    } parts[] = {{&p->truth, 1, clip},       {&p->given, 1, given},    {&p->truths, batch, clip},
                 {&p->givens, batch, given}, {&p->noise, batch, clip}, {&p->sum, 1, clip}};
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        *parts[i].memory = rin_calloc(parts[i].n, parts[i].size * sizeof(float), error);
        if (!*parts[i].memory) return RIN_ERR_MEMORY;
    }
    rin_network network = {&p->config, model->weights, RIN_ARENA_EMA};
    return rin_sampling_create(&network, NULL, p->batch, &options, &p->sampling, error);
}

/* Each number of a sample depends on its clip, itself and the seed alone. */
static void draw_noise(prediction *p, int64_t step, float *noise) {
    for (int64_t b = 0; b < p->batch; b++) {
        rin_random_key key = {p->seed + (uint64_t)(p->first + b) * 0x9E3779B97F4A7C15u, (uint64_t)step, STREAM_NOISE};
        float *to = noise + b * p->per_clip;
        for (int64_t i = 0; i < p->per_clip; i++) to[i] = rin_random_normal(key, (uint64_t)i);
    }
}

static void draw_step(void *user, int64_t number, float *noise) {
    draw_noise(user, number + 1, noise);
}

/* Clips of the batch's samples; *n: how many there are, fewer when clips turn out to be broken. */
static rin_status load_batch(prediction *p, int64_t first, int64_t *n, rin_error *error) {
    bool there = true;
    for (*n = 0; *n < p->batch && there; *n += there) {
        int64_t clip = (first + *n) / p->samples;
        if (clip != p->loaded) {
            rin_status status = rin_examples_load(&p->examples, clip, p->given, p->truth, &there, error);
            if (status != RIN_OK) return status;
            p->loaded = there ? clip : -1;
        }
        memcpy(p->givens + *n * p->per_given, p->given, (size_t)p->per_given * sizeof(float));
        memcpy(p->truths + *n * p->per_clip, p->truth, (size_t)p->per_clip * sizeof(float));
    }
    return RIN_OK;
}

static rin_status tell(prediction *p, rin_error *error) {
    const rin_listener *listener = &p->examples.loading.listener;
    int64_t all = p->examples.n * p->samples, batches = (all + p->batch - 1) / p->batch;
    int64_t total = batches * p->sampling->n_total;
    double seconds = rin_clock_seconds() - p->examples.loading.begun;
    rin_progress progress = {.doing = "predict",
                             .done = RIN_MIN(p->evaluations, total),
                             .total = total,
                             .seconds = seconds,
                             .eta = seconds / (double)p->evaluations * (double)RIN_MAX(total - p->evaluations, 0)};
    if (!listener->on_progress || listener->on_progress(listener->user, &progress)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld evaluations", (long long)p->evaluations,
                         (long long)total);
}

static rin_status sample_batch(prediction *p, int64_t first, rin_error *error) {
    rin_sampling *s = p->sampling;
    int64_t before = p->evaluations;
    p->first = first;
    draw_noise(p, 0, p->noise);
    rin_sampling_start start = {.noise = p->noise, .frames = p->givens, .draw = draw_step, .user = p};
    rin_status status = rin_sampling_begin(s, &start, error);
    while (status == RIN_OK && !rin_sampling_is_done(s)) {
        status = rin_sampling_step(s, error);
        p->evaluations = before + s->n_forwards;
        if (status == RIN_OK) status = tell(p, error);
    }
    if (status == RIN_OK) status = rin_sampling_pixels(s, p->noise, error);
    for (int64_t i = 0; i < p->batch * p->per_clip && status == RIN_OK; i++)
        p->noise[i] = fminf(fmaxf(p->noise[i], 0), 1);
    return status;
}

static double squared_error(const float *a, const float *b, int64_t n, double factor) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = factor * (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum / (double)n;
}

/* Sample s of a clip: its error, and with the last of them that of their mean and that of standing still. */
static void add_sample(prediction *p, int64_t s, const float *sample, const float *truth, const float *given) {
    const float *last = given + p->per_given - p->per_frame;
    if (s == 0) memset(p->sum, 0, (size_t)p->per_clip * sizeof *p->sum);
    for (int64_t i = 0; i < p->per_clip; i++) p->sum[i] += sample[i];
    for (int64_t f = 0; f < p->frames; f++) {
        int64_t at = f * p->per_frame, n = p->per_frame;
        rin_prediction_error *e = &p->total[f];
        e->sample += squared_error(sample + at, truth + at, n, 1) / (double)p->samples;
        if (s + 1 < p->samples) continue;
        e->mean += squared_error(p->sum + at, truth + at, n, 1 / (double)p->samples);
        e->repeat += squared_error(last, truth + at, n, 1);
    }
}

static rin_status run(prediction *p, rin_error *error) {
    rin_status status = RIN_OK;
    for (int64_t first = 0, n; first < p->examples.n * p->samples && status == RIN_OK; first += p->batch) {
        status = load_batch(p, first, &n, error);
        if (status == RIN_OK && n) status = sample_batch(p, first, error);
        for (int64_t b = 0; b < n && status == RIN_OK; b++) {
            add_sample(p, (first + b) % p->samples, p->noise + b * p->per_clip, p->truths + b * p->per_clip,
                       p->givens + b * p->per_given);
        }
    }
    if (status == RIN_OK && !p->examples.n)
        return rin_error_set(error, RIN_ERR_FORMAT, "none of the videos is long enough for a clip and can be decoded");
    for (int64_t f = 0; f < p->frames; f++) {
        double clips = (double)RIN_MAX(p->examples.n, 1);
        p->total[f].sample /= clips;
        p->total[f].mean /= clips;
        p->total[f].repeat /= clips;
    }
    return status;
}

static rin_status check(const rin_config *config, int64_t samples, int64_t limit, rin_error *error) {
    if (samples < 1 || samples > MOST_SAMPLES)
        return rin_error_set(error, RIN_ERR_ARG, "rin_eval_predict: samples = %lld; allowed: 1 to %d",
                             (long long)samples, MOST_SAMPLES);
    if (limit < 0)
        return rin_error_set(error, RIN_ERR_ARG, "rin_eval_predict: limit = %lld; allowed: 0 (all clips) or more",
                             (long long)limit);
    if (config->model.seq_cond) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "this model continues no given frames: there is nothing to predict from");
}

rin_status rin_eval_predict(rin_model *model, const rin_config *config, const char *data, int64_t samples,
                            int64_t limit, uint64_t seed, rin_listener listener, rin_prediction_error *errors,
                            int64_t *n_clips, rin_error *error) {
    if (n_clips) *n_clips = 0;
    if (!model) return rin_error_null(error, __func__, "model");
    if (!config) return rin_error_null(error, __func__, "config");
    if (!data) return rin_error_null(error, __func__, "data");
    if (!errors) return rin_error_null(error, __func__, "errors");
    prediction p = {.config = *rin_model_config(model), .samples = samples, .total = errors, .seed = seed};
    p.config.sample = config->sample;
    rin_status status = check(&p.config, samples, limit, error);
    if (status != RIN_OK) return status;
    int64_t frames = p.config.model.seq_len - p.config.model.seq_cond;
    memset(errors, 0, (size_t)frames * sizeof *errors);
    status = prepare(&p, model, data, limit, listener, error);
    if (status == RIN_OK) status = run(&p, error);
    if (n_clips && status == RIN_OK) *n_clips = p.examples.n;
    rin_sampling_free(p.sampling);
    rin_examples_close(&p.examples);
    float *memory[] = {p.truth, p.given, p.truths, p.givens, p.noise, p.sum};
    for (size_t i = 0; i < RIN_COUNT(memory); i++) rin_free(memory[i]);
    return status;
}
