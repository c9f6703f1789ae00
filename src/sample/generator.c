/* SPDX-License-Identifier: MIT */
/* Many pictures in batches: noise by picture number, so that neither the batch nor the count changes a picture. */
#include <math.h>
#include <string.h>

#include "image/image.h"
#include "model/model.h"
#include "sample/sample.h"

/* Streams of a picture's random numbers: its first noise is step 0, that of sampling step i is step i + 1. */
enum { STREAM_NOISE = 0x4E4F4953, MOST_BATCH = 64, MOST_PICTURES = 1000000000 };

struct rin_generator {
    rin_model *model;
    rin_sampling *sampling;
    rin_sampling_options options;
    int64_t count, first; /* pictures; the first of the current batch */
    int64_t *classes;     /* [count] or -1 */
    uint64_t seed;
    float *noise, *labels;
    uint8_t *pixels; /* [count * per_picture] */
    int64_t per_picture, evaluations;
    double started;
};

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

rin_status rin_generator_create(rin_model *model, const rin_config *config, int64_t count, const int64_t *classes,
                                uint64_t seed, rin_generator **out, rin_error *error) {
    if (!out) return rin_error_null(error, __func__, "out");
    *out = NULL;
    if (!model) return rin_error_null(error, __func__, "model");
    if (!config) return rin_error_null(error, __func__, "config");
    if (count < 1 || count > MOST_PICTURES) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_create: count = %lld; allowed: 1 to %d",
                             (long long)count, MOST_PICTURES);
    }
    rin_config own = *rin_model_config(model);
    own.sample = config->sample;
    rin_status status = check_classes(model, count, classes, error);
    if (status == RIN_OK && own.model.seq_len > 1) {
        status = rin_error_set(error, RIN_ERR_UNSUPPORTED, "this model makes video, not pictures");
    }
    rin_shape shape = rin_model_video_shape(&own.model, 1);
    int64_t batch = batch_of(count, &own.model), most = (int64_t)(rin_memory_total() / 2) / rin_shape_count(&shape);
    if (status == RIN_OK && count > most) {
        status = rin_error_set(error, RIN_ERR_MEMORY,
                               "count = %lld: at most %lld pictures of this size fit in half of this machine's memory",
                               (long long)count, (long long)most);
    }
    if (status != RIN_OK) return status;
    rin_generator *g = rin_calloc(1, sizeof *g, error);
    if (!g) return RIN_ERR_MEMORY;
    g->model = model;
    g->count = count;
    g->seed = seed;
    g->per_picture = rin_shape_count(&shape);
    g->started = rin_clock_seconds();
    g->classes = rin_calloc((size_t)count, sizeof *g->classes, error);
    g->noise = rin_calloc((size_t)(batch * g->per_picture), sizeof *g->noise, error);
    g->labels = rin_calloc((size_t)(batch * own.model.num_classes), sizeof *g->labels, error);
    g->pixels = rin_calloc((size_t)count, (size_t)g->per_picture, error);
    if (!g->classes || !g->noise || !g->labels || !g->pixels) status = RIN_ERR_MEMORY;
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
    rin_free(g->labels);
    rin_free(g->pixels);
    rin_free(g);
}

/* Fills the batch's noise; step 0 is where it starts. Pictures beyond the count repeat the last one. */
static void draw_noise(rin_generator *g, uint64_t step) {
    for (int64_t b = 0; b < g->sampling->batch; b++) {
        uint64_t picture = (uint64_t)RIN_MIN(g->first + b, g->count - 1);
        rin_random_key key = {g->seed + picture * 0x9E3779B97F4A7C15u, step, STREAM_NOISE};
        for (int64_t i = 0; i < g->per_picture; i++)
            g->noise[b * g->per_picture + i] = rin_random_normal(key, (uint64_t)i);
    }
}

static rin_status start_batch(rin_generator *g, rin_error *error) {
    int64_t n_classes = rin_model_class_count(g->model);
    memset(g->labels, 0, (size_t)(g->sampling->batch * n_classes) * sizeof *g->labels);
    for (int64_t b = 0; b < g->sampling->batch; b++) {
        int64_t class = g->classes[RIN_MIN(g->first + b, g->count - 1)];
        if (class >= 0) g->labels[b * n_classes + class] = 1;
    }
    draw_noise(g, 0);
    return rin_sampling_start(g->sampling, g->noise, n_classes ? g->labels : NULL, NULL, error);
}

static rin_status finish_batch(rin_generator *g, rin_error *error) {
    float *values = g->noise;
    rin_status status = rin_sampling_pixels(g->sampling, values, error);
    if (status != RIN_OK) return status;
    int64_t n = RIN_MIN(g->sampling->batch, g->count - g->first) * g->per_picture;
    for (int64_t i = 0; i < n; i++) {
        float v = fminf(fmaxf(values[i], 0), 1);
        g->pixels[g->first * g->per_picture + i] = (uint8_t)(v * 255 + 0.5f);
    }
    g->first += g->sampling->batch;
    g->sampling->step = 0;
    return RIN_OK;
}

static int64_t total_evaluations(const rin_generator *g) {
    int64_t batches = (g->count + g->sampling->batch - 1) / g->sampling->batch;
    return batches * g->options.steps * (g->options.guidance != 0 ? 2 : 1);
}

static void fill_progress(const rin_generator *g, rin_progress *progress) {
    double seconds = rin_clock_seconds() - g->started, total = (double)total_evaluations(g);
    double made = (double)RIN_MAX(g->evaluations, 1);
    *progress = (rin_progress){.doing = "sample",
                               .done = g->evaluations,
                               .total = (int64_t)total,
                               .seconds = seconds,
                               .eta = seconds / made * (total - made),
                               .images_per_second = (double)g->count * made / total / RIN_MAX(seconds, 1e-9)};
}

rin_status rin_generator_step(rin_generator *g, rin_progress *progress, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (rin_generator_is_done(g)) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_step: all %lld pictures are made", (long long)g->count);
    }
    rin_status status = RIN_OK;
    if (g->sampling->step == 0) status = start_batch(g, error);
    if (rin_sampler_find(g->options.sampler)->needs_noise) draw_noise(g, (uint64_t)g->sampling->step + 1);
    if (status == RIN_OK) status = rin_sampling_step(g->sampling, g->noise, error);
    if (status != RIN_OK) return status;
    g->evaluations += g->options.guidance != 0 ? 2 : 1;
    if (g->sampling->step == g->options.steps) status = finish_batch(g, error);
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

const uint8_t *rin_generator_pixels(const rin_generator *g, int64_t i) {
    return g && i >= 0 && i < RIN_MIN(g->first, g->count) ? g->pixels + i * g->per_picture : NULL;
}

static rin_status write_png(const rin_generator *g, const char *path, const uint8_t *pixels, int width, int height,
                            rin_error *error) {
    int w, h, channels;
    char seed[32], steps[32], guidance[RIN_NUMBER_TEXT];
    rin_generator_size(g, &w, &h, &channels);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    snprintf(steps, sizeof steps, "%lld", (long long)g->options.steps);
    rin_number_format(g->options.guidance, 0, guidance);
    const rin_png_text texts[] = {{"seed", seed},
                                  {"sampler", rin_sampler_find(g->options.sampler)->name},
                                  {"steps", steps},
                                  {"guidance", guidance}};
    return rin_image_write_png(path, pixels, width, height, channels, texts, RIN_COUNT(texts), error);
}

rin_status rin_generator_write(const rin_generator *g, int64_t i, const char *path, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!path) return rin_error_null(error, __func__, "path");
    const uint8_t *pixels = rin_generator_pixels(g, i);
    if (!pixels) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_write: i = %lld; %lld of %lld pictures are made",
                             (long long)i, (long long)RIN_MIN(g->first, g->count), (long long)g->count);
    }
    int width, height, channels;
    rin_generator_size(g, &width, &height, &channels);
    return write_png(g, path, pixels, width, height, error);
}

enum { GAP = 2, MOST_SIDE = 65500 }; /* pixels around pictures of a grid, and of its sides */

/* Pixels of a row or column of n pictures. */
static int64_t side_of(int64_t n, int size) {
    return n * (size + GAP) + GAP;
}

/* Pictures a row and a column; whether they fit into a file. columns: 0 for nearly square. */
static bool lay_out(const rin_generator *g, int columns, int64_t *across, int64_t *down) {
    int width, height, channels;
    rin_generator_size(g, &width, &height, &channels);
    *across = RIN_MIN(columns > 0 ? columns : (int64_t)ceil(sqrt((double)g->count)), g->count);
    *down = (g->count + *across - 1) / *across;
    return (channels == 1 || channels == 3) && side_of(*across, width) <= MOST_SIDE &&
           side_of(*down, height) <= MOST_SIDE;
}

bool rin_generator_has_grid(const rin_generator *g) {
    int64_t across, down;
    return g && lay_out(g, 0, &across, &down);
}

rin_status rin_generator_write_grid(const rin_generator *g, int columns, const char *path, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!path) return rin_error_null(error, __func__, "path");
    if (columns < 0)
        return rin_error_set(error, RIN_ERR_ARG, "%s: columns = %d; allowed: 0 or more", __func__, columns);
    if (!rin_generator_is_done(g)) {
        return rin_error_set(error, RIN_ERR_ARG, "%s: %lld of %lld pictures are made: run the generator to its end",
                             __func__, (long long)g->first, (long long)g->count);
    }
    int width, height, channels;
    int64_t across, down;
    rin_generator_size(g, &width, &height, &channels);
    if (!lay_out(g, columns, &across, &down) && !lay_out(g, 0, &across, &down)) {
        return rin_error_set(error, RIN_ERR_ARG,
                             "%lld pictures of %d x %d pixels and %d channels cannot be in one file: save each picture "
                             "instead; a file has 1 or 3 channels and sides of up to %d pixels",
                             (long long)g->count, width, height, channels, MOST_SIDE);
    }
    int64_t w = side_of(across, width), h = side_of(down, height);
    uint8_t *sheet = rin_calloc((size_t)(w * h), (size_t)channels, error);
    if (!sheet) return RIN_ERR_MEMORY;
    memset(sheet, 255, (size_t)(w * h * channels));
    for (int64_t i = 0; i < g->count; i++) {
        int64_t x = i % across * (width + GAP) + GAP, y = i / across * (height + GAP) + GAP;
        for (int64_t row = 0; row < height; row++) {
            memcpy(sheet + ((y + row) * w + x) * channels, rin_generator_pixels(g, i) + row * width * channels,
                   (size_t)width * (size_t)channels);
        }
    }
    rin_status status = write_png(g, path, sheet, (int)w, (int)h, error);
    rin_free(sheet);
    return status;
}
