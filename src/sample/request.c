/* SPDX-License-Identifier: MIT */
/* What is to be made: whether it can be, and the generator that will. */
#include <math.h>
#include <string.h>

#include "model/model.h"
#include "sample/generator.h"

enum { MOST_BATCH = 64, MOST_PICTURES = 1000000000, MOST_FILM = 96 };

static int64_t batch_of(int64_t count, const rin_config_model *m) {
    /* About as many tape tokens as keep the caches busy; small pictures go in larger batches. */
    int64_t tokens = rin_model_times(m) * rin_model_rows(m) * rin_model_cols(m);
    int64_t fits = RIN_MAX(1, (1 << 14) / tokens);
    return RIN_MIN(count, RIN_MIN(fits, (int64_t)MOST_BATCH));
}

/* ---- what cannot be ---- */

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
    int64_t made = m->seq_len - m->seq_cond, wanted = g->own.sample.frames ? g->own.sample.frames : m->seq_len;
    g->frames = m->seq_len == 1 ? 1 : wanted;
    g->passes = (g->frames - m->seq_cond + made - 1) / made;
    if (g->frames <= m->seq_cond)
        return rin_error_set(error, RIN_ERR_CONFIG, "sample.frames = %lld: %lld are given; allowed are more than that",
                             (long long)g->frames, (long long)m->seq_cond);
    if (g->frames > 1 && g->own.sample.fps > 0 && g->own.sample.fps < 0.1)
        return rin_error_set(error, RIN_ERR_CONFIG, "sample.fps = %g: allowed are 0.1 to 1000, or 0",
                             g->own.sample.fps);
    if (g->passes == 1 || m->seq_cond) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_CONFIG,
        "sample.frames = %lld: this model makes %lld frames and continues none; allowed are up to %lld",
        (long long)g->frames, (long long)made, (long long)made);
}

static rin_status check_count(int64_t count, int64_t per_picture, rin_error *error) {
    if (count < 1 || count > MOST_PICTURES) {
        return rin_error_set(error, RIN_ERR_ARG, "count = %lld; allowed: 1 to %d", (long long)count, MOST_PICTURES);
    }
    int64_t most = (int64_t)(rin_memory_total() / 2) / per_picture;
    if (count <= most) return RIN_OK;
    return rin_error_set(error, RIN_ERR_MEMORY,
                         "count = %lld: at most %lld pictures of this size fit in half of this machine's memory",
                         (long long)count, (long long)most);
}

/* Numbers of classes mean the same to both. */
static rin_status check_guide_classes(const rin_sample_request *r, rin_error *error) {
    int64_t n = r->guide ? rin_model_class_count(r->model) : 0;
    if (n != rin_model_class_count(r->guide)) return RIN_OK; /* refused with the rest of the networks */
    for (int64_t i = 0; i < n; i++) {
        const char *own = rin_model_class_name(r->model, i), *other = rin_model_class_name(r->guide, i);
        if (!*own || !*other || strcmp(own, other) == 0) continue;
        return rin_error_set(
            error, RIN_ERR_CONFIG,
            "class %lld is '%.100s' to the model and '%.100s' to the guide: allowed is a guide that was "
            "trained for the same classes",
            (long long)i, own, other);
    }
    return RIN_OK;
}

/* What only pictures can have. */
static rin_status check_request(const rin_sample_request *r, const rin_config *config, rin_error *error) {
    bool video = config->model.seq_len > 1;
    if (video && (r->picture || r->mask || r->other_seed || r->film))
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "this model makes videos: given pictures, masks, ways between seeds and films are for "
                             "models of pictures");
    if (r->mask && !r->picture)
        return rin_error_set(error, RIN_ERR_ARG, "a mask says which part of a given picture stays: give that picture");
    if (config->sample.strength < 1 && !r->picture)
        return rin_error_set(error, RIN_ERR_ARG, "sample.strength = %g: there is no picture to begin with; give one",
                             config->sample.strength);
    if (r->guide && config->sample.guidance == 0)
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sample.guidance = 0: with a guide it says how far to lead away from it, such as 0.7");
    if (config->sample.repeats > 1 && !r->mask)
        return rin_error_set(error, RIN_ERR_CONFIG, "sample.repeats = %lld: steps are made again around a mask only",
                             (long long)config->sample.repeats);
    rin_status status = check_guide_classes(r, error);
    return status == RIN_OK ? check_classes(r->model, r->count, r->classes, error) : status;
}

/* ---- the generator ---- */

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

/* The given picture and mask, once for each of the batch. */
static rin_status take_picture(rin_generator *g, const rin_sample_request *r, int64_t batch, rin_error *error) {
    int64_t n = g->per_picture, points = r->mask ? n / g->own.model.image_channels : 0;
    if (!r->picture) return RIN_OK;
    g->picture = rin_calloc((size_t)(batch * n), sizeof *g->picture, error);
    g->mask = rin_calloc((size_t)(batch * points), sizeof *g->mask, error);
    if (!g->picture || !g->mask) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < batch * n; i++) g->picture[i] = (float)r->picture[i % n] / 255.0f;
    for (int64_t i = 0; i < batch * points; i++) g->mask[i] = 1 - (float)r->mask[i % points] / 255.0f;
    return RIN_OK;
}

static rin_status hash_pixels(const uint8_t *pixels, int64_t n, char out[RIN_HASH_TEXT], rin_error *error) {
    rin_hash hash;
    if (!pixels) return RIN_OK;
    rin_hash_begin(&hash);
    rin_hash_add(&hash, pixels, (size_t)n);
    return rin_hash_end(&hash, out, error);
}

/* Of what is there. */
static rin_status take_names(rin_generator *g, const rin_sample_request *r, rin_error *error) {
    const char *guide = r->guide_name || !r->guide ? r->guide_name : r->guide->path;
    const char *const names[RIN_N_NAMES] = {[RIN_NAME_MODEL] = r->model_name ? r->model_name : r->model->path,
                                            [RIN_NAME_GUIDE] = r->guide ? guide : NULL,
                                            [RIN_NAME_PICTURE] = r->picture ? r->picture_name : NULL,
                                            [RIN_NAME_MASK] = r->mask ? r->mask_name : NULL};
    for (int i = 0; i < RIN_N_NAMES; i++) {
        if (names[i] && !(g->names[i] = rin_strdup(names[i], error))) return RIN_ERR_MEMORY;
    }
    g->hashes = rin_calloc(RIN_N_NAMES, sizeof *g->hashes, error);
    if (!g->hashes) return RIN_ERR_MEMORY;
    rin_status status = hash_pixels(r->picture, g->per_picture, g->hashes[RIN_NAME_PICTURE], error);
    if (status != RIN_OK) return status;
    return hash_pixels(r->mask, g->per_picture / g->own.model.image_channels, g->hashes[RIN_NAME_MASK], error);
}

/* Room for what the steps make. */
static rin_status prepare_film(rin_generator *g, rin_error *error) {
    rin_cursor cursor = {0};
    rin_move move;
    while (rin_route_next(g->sampling->route, &cursor, &move)) g->film_steps += move.kind == RIN_MOVE_STEP;
    g->n_film = RIN_MIN(g->film_steps, (int64_t)MOST_FILM);
    uint64_t each = (uint64_t)(g->n_film * g->per_picture);
    rin_status status = rin_memory_expect((uint64_t)g->count * each, rin_memory_total() / 2, "the film", error);
    if (status != RIN_OK) return status;
    g->film = rin_calloc((size_t)g->count, (size_t)each, error);
    return g->film ? RIN_OK : RIN_ERR_MEMORY;
}

static rin_status create_sampling(rin_generator *g, const rin_sample_request *r, int64_t batch, rin_error *error) {
    rin_network network = {&g->own, r->model->weights, RIN_ARENA_EMA}, guide = {0};
    rin_sampling_options options;
    if (r->guide) guide = (rin_network){&r->guide->description.config, r->guide->weights, RIN_ARENA_EMA};
    rin_status status = rin_sampling_options_from(&g->own, &options, error);
    options.masked = r->mask != NULL;
    if (status == RIN_OK)
        status = rin_sampling_create(&network, r->guide ? &guide : NULL, batch, &options, &g->sampling, error);
    if (status == RIN_OK && r->other_seed && g->sampling->route->n_noises)
        status = rin_error_set(error, RIN_ERR_CONFIG,
                               "sample.sampler = %s: between two seeds only what adds no fresh noise makes a smooth "
                               "way, such as ddim with sample.eta = 0",
                               g->sampling->route->sampler->name);
    return status;
}

static rin_status create(rin_generator *g, const rin_sample_request *r, rin_error *error) {
    rin_status status = check_request(r, &g->own, error);
    if (status == RIN_OK) status = plan_frames(g, &g->own.model, error);
    g->per_picture = g->frames * g->per_frame;
    if (status == RIN_OK) status = check_count(g->count, g->per_picture, error);
    int64_t batch = batch_of(g->count, &g->own.model);
    if (status == RIN_OK) status = allocate(g, &g->own.model, batch, error);
    for (int64_t i = 0; i < g->count && status == RIN_OK; i++) g->classes[i] = r->classes ? r->classes[i] : -1;
    if (status == RIN_OK) status = take_picture(g, r, batch, error);
    if (status == RIN_OK) status = take_names(g, r, error);
    if (status == RIN_OK) status = create_sampling(g, r, batch, error);
    return status == RIN_OK && r->film ? prepare_film(g, error) : status;
}

/* function: the public one, for its messages. */
static rin_status create_for(const char *function, const rin_sample_request *r, rin_generator **out, rin_error *error) {
    if (!out) return rin_error_null(error, function, "out");
    *out = NULL;
    if (!r) return rin_error_null(error, function, "request");
    if (!r->model) return rin_error_null(error, function, "model");
    if (!r->config) return rin_error_null(error, function, "config");
    rin_generator *g = rin_calloc(1, sizeof *g, error);
    if (!g) return RIN_ERR_MEMORY;
    *g = (rin_generator){.model = r->model, .count = r->count, .seed = r->seed};
    g->own = *rin_model_config(r->model);
    g->own.sample = r->config->sample;
    g->between = r->other_seed != NULL;
    g->other_seed = r->other_seed ? *r->other_seed : 0;
    g->guide = r->guide;
    g->per_frame = g->own.model.image_height * g->own.model.image_width * g->own.model.image_channels;
    rin_status status = create(g, r, error);
    if (status == RIN_OK) *out = g;
    else rin_generator_free(g);
    return status;
}

rin_status rin_generator_create_as(const rin_sample_request *r, rin_generator **out, rin_error *error) {
    return create_for(__func__, r, out, error);
}

rin_status rin_generator_create(rin_model *model, const rin_config *config, int64_t count, const int64_t *classes,
                                uint64_t seed, rin_generator **out, rin_error *error) {
    if (!out) return rin_error_null(error, __func__, "out");
    *out = NULL;
    if (!model) return rin_error_null(error, __func__, "model");
    if (!config) return rin_error_null(error, __func__, "config");
    const rin_sample_request request = {
        .model = model, .config = config, .count = count, .classes = classes, .seed = seed};
    return create_for(__func__, &request, out, error);
}

rin_status rin_generator_create_from(rin_model *model, const rin_config *config, int64_t number, int64_t count,
                                     const int64_t *classes, uint64_t seed, rin_generator **out, rin_error *error) {
    rin_config own = *config;
    own.sample.first = number;
    return rin_generator_create(model, &own, count, classes, seed, out, error);
}

void rin_generator_free(rin_generator *g) {
    if (!g) return;
    rin_sampling_free(g->sampling);
    rin_free(g->classes);
    rin_free(g->noise);
    rin_free(g->given);
    rin_free(g->picture);
    rin_free(g->mask);
    rin_free(g->labels);
    rin_free(g->pixels);
    rin_free(g->film);
    rin_free(g->reals);
    rin_free(g->truth);
    rin_free(g->n_truth);
    for (int i = 0; i < RIN_N_NAMES; i++) rin_free(g->names[i]);
    rin_free(g->hashes);
    rin_free(g);
}
