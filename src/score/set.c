/* SPDX-License-Identifier: MIT */
/* Sets of features: from pictures, through the network; from files that hold features or their statistics. */
#include "score/score.h"

#include <string.h>

rin_status rin_score_tell(rin_loading *loading, const char *doing, const char *unit, int64_t done, int64_t total,
                          rin_error *error) {
    double seconds = rin_clock_seconds() - loading->begun;
    rin_progress progress = {.doing = doing, .done = done, .total = total, .seconds = seconds, .unit = unit};
    if (done > 0) progress.eta = seconds / (double)done * (double)(total - done);
    if (unit && seconds > 0) progress.images_per_second = (double)done / seconds;
    const rin_listener *listener = &loading->listener;
    if (listener->on_progress && !listener->on_progress(listener->user, &progress))
        atomic_store(&loading->cancel, true);
    if (!atomic_load(&loading->cancel)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld", (long long)done, (long long)total);
}

bool rin_score_tick(void *loading, int64_t done, int64_t total) {
    return rin_score_tell(loading, "compare", NULL, done, total, NULL) == RIN_OK;
}

void rin_set_init(rin_set *set, unsigned needs) {
    *set = (rin_set){.needs = needs, .features.fd = -1, .logits.fd = -1};
}

bool rin_set_is_unnamed(const rin_set *set) {
    return !set->protocol && (set->stated || !set->measured);
}

void rin_set_close_rows(rin_set *set) {
    rin_moments_clear(&set->moments);
    rin_row_file_close(&set->features);
    rin_row_file_close(&set->logits);
}

void rin_set_clear(rin_set *set) {
    rin_gaussian_clear(&set->gaussian);
    rin_set_close_rows(set);
    cJSON_Delete(set->source);
    rin_free(set->protocol);
    rin_set_init(set, 0);
}

rin_status rin_set_open_rows(rin_set *set, int64_t dim, const char *features, const char *logits, int64_t kept,
                             rin_error *error) {
    set->dim = dim;
    rin_status status = RIN_OK;
    if (set->needs & RIN_NEED_GAUSSIAN) status = rin_moments_init(&set->moments, dim, error);
    if (status == RIN_OK && (set->needs & RIN_NEED_ROWS || features))
        status = rin_row_file_open(&set->features, features, dim, kept, error);
    if (status == RIN_OK && (set->needs & RIN_NEED_LOGITS || logits))
        status = rin_row_file_open(&set->logits, logits, RIN_INCEPTION_CLASSES, kept, error);
    return status;
}

rin_status rin_set_add(rin_set *set, const float *features, const float *logits, int64_t n, rin_error *error) {
    rin_status status = RIN_OK;
    if (set->needs & RIN_NEED_GAUSSIAN) status = rin_moments_add(&set->moments, features, n, error);
    if (status == RIN_OK && set->features.fd >= 0) status = rin_row_file_append(&set->features, features, n, error);
    if (status == RIN_OK && set->logits.fd >= 0) status = rin_row_file_append(&set->logits, logits, n, error);
    if (status == RIN_OK) set->n += n;
    return status;
}

rin_status rin_set_finish(rin_set *set, rin_error *error) {
    if (!(set->needs & RIN_NEED_GAUSSIAN) || set->has_gaussian) return RIN_OK;
    rin_status status = rin_gaussian_of_moments(&set->moments, &set->gaussian, error);
    set->has_gaussian = status == RIN_OK;
    rin_moments_clear(&set->moments);
    return status;
}

/* ---- the network ---- */

static const char *const picture_outputs[] = {"pool3", "logits_unbiased"}, *const clip_outputs[] = {"logits"};

rin_status rin_gauge_init(rin_gauge *gauge, const rin_config *config, bool video, const char *device, int threads,
                          rin_loading *loading, rin_error *error) {
    enum { CLIPS = 16 /* a clip is about as much work as so many pictures */ };
    *gauge = (rin_gauge){.options = config->eval,
                         .network = video ? RIN_NETWORK_I3D : RIN_NETWORK_INCEPTION,
                         .device = device,
                         .threads = threads,
                         .clip = {video ? config->eval.frames : 0, config->data.frame_step, config->data.fps},
                         .batch = video ? RIN_MAX(1, config->eval.batch / CLIPS) : config->eval.batch,
                         .height = (int)config->eval.size,
                         .width = (int)config->eval.size,
                         .loading = loading};
    if (rin_preprocess_is_for(config->eval.preprocess, gauge->network)) return rin_blas_expect_memory(error);
    return rin_error_set(error, RIN_ERR_CONFIG, "eval.preprocess = %s is not for %s; allowed: %s",
                         rin_preprocess_name(config->eval.preprocess), rin_feature_network_name(gauge->network),
                         video ? "tf, crop" : "tf, half_pixel, clean");
}

void rin_gauge_clear(rin_gauge *gauge) {
    rin_extractor_free(gauge->extractor);
    rin_free(gauge->features);
    rin_free(gauge->logits);
    *gauge = (rin_gauge){0};
}

rin_status rin_gauge_open(rin_gauge *gauge, rin_error *error) {
    if (gauge->extractor) return RIN_OK;
    bool video = gauge->network == RIN_NETWORK_I3D;
    const rin_extractor_options options = {.network = gauge->network,
                                           .batch = gauge->batch,
                                           .frames = gauge->clip.frames,
                                           .outputs = video ? clip_outputs : picture_outputs,
                                           .n_outputs = video ? 1 : 2,
                                           .device = gauge->device,
                                           .threads = gauge->threads};
    gauge->features = rin_calloc((size_t)(gauge->batch * rin_feature_count(gauge->network)), sizeof *gauge->features,
                                 error);
    gauge->logits = rin_calloc((size_t)gauge->batch * RIN_INCEPTION_CLASSES, sizeof *gauge->logits, error);
    if (!gauge->features || !gauge->logits) return RIN_ERR_MEMORY;
    return rin_extractor_open(&options, gauge->options.weights, &gauge->extractor, error);
}

rin_intake rin_gauge_intake(const rin_gauge *gauge) {
    return (rin_intake){gauge->network, gauge->options.preprocess, gauge->clip.frames,
                        rin_extractor_input_count(gauge->extractor)};
}

rin_status rin_gauge_take(rin_gauge *gauge, rin_set *set, const float *inputs, int64_t n, rin_error *error) {
    bool video = gauge->network == RIN_NETWORK_I3D;
    const char *const *outputs = video ? clip_outputs : picture_outputs;
    rin_status status = rin_extractor_run(gauge->extractor, inputs, n, error);
    if (status == RIN_OK) status = rin_extractor_read(gauge->extractor, outputs[0], gauge->features, error);
    if (status == RIN_OK && set->logits.fd >= 0)
        status = rin_extractor_read(gauge->extractor, outputs[1], gauge->logits, error);
    return status == RIN_OK ? rin_set_add(set, gauge->features, gauge->logits, n, error) : status;
}

/* ---- pictures ---- */

static rin_status measure(rin_set *set, rin_gauge *gauge, rin_pictures *pictures, rin_error *error) {
    rin_intake intake = rin_gauge_intake(gauge);
    rin_feeder *feeder = NULL;
    const float *inputs;
    int64_t n = 1, done;
    gauge->loading->begun = rin_clock_seconds();
    rin_status status = rin_feeder_create(pictures, &intake, gauge->batch, gauge->loading, &feeder, error);
    while (status == RIN_OK && n) {
        status = rin_feeder_next(feeder, &inputs, &n, &done, error);
        if (status == RIN_OK && n) status = rin_gauge_take(gauge, set, inputs, n, error);
        if (status == RIN_OK)
            status = rin_score_tell(gauge->loading, "measure", gauge->clip.frames ? "clips" : "images", done,
                                    rin_pictures_count(pictures), error);
    }
    char sizes[RIN_SIZES_TEXT];
    if (status == RIN_OK) {
        rin_feeder_sizes(feeder, sizes);
        if (!cJSON_AddStringToObject(set->source, "size", sizes))
            status = rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    }
    rin_feeder_free(feeder);
    return status;
}

static rin_status load_pictures(rin_set *set, rin_gauge *gauge, const char *path, rin_error *error) {
    const rin_pictures_options options = {.clip = gauge->clip,
                                          .height = gauge->height,
                                          .width = gauge->width,
                                          .grey = gauge->grey,
                                          .limit = gauge->options.limit,
                                          .loading = gauge->loading};
    rin_pictures *pictures = NULL;
    rin_status status = rin_pictures_open(path, &options, &pictures, error);
    if (status == RIN_OK) status = rin_gauge_open(gauge, error);
    if (status == RIN_OK) status = rin_set_open_rows(set, rin_feature_count(gauge->network), NULL, NULL, 0, error);
    if (status == RIN_OK) status = measure(set, gauge, pictures, error);
    set->measured = true;
    bool named = status == RIN_OK && cJSON_AddStringToObject(set->source, "kind", rin_pictures_kind(pictures));
    if (named && gauge->height && !rin_pictures_are_in_order(pictures))
        named = cJSON_AddStringToObject(set->source, "fitted",
                                        gauge->grey ? "cropped, shrunk, grey" : "cropped, shrunk");
    if (status == RIN_OK && !named) status = rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    rin_pictures_close(pictures);
    return status;
}

/* ---- files of numpy ---- */

/* Features whose columns lie together: there is no other way than to have all of them in memory. */
static rin_status copy_columns(rin_set *set, const rin_npz *npz, const rin_npz_array *array, rin_error *error) {
    int64_t n = array->shape[0], dim = array->shape[1];
    rin_status status = rin_memory_expect((uint64_t)array->count * sizeof(double), rin_memory_total(),
                                          "features in Fortran's order", error);
    if (status != RIN_OK) return status;
    double *all = rin_calloc((size_t)array->count, sizeof *all, error);
    float *row = rin_calloc((size_t)dim, sizeof *row, error);
    status = all && row ? rin_npz_read(npz, array, all, array->count, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_set_open_rows(set, dim, NULL, NULL, 0, error);
    for (int64_t i = 0; i < n && status == RIN_OK; i++) {
        for (int64_t k = 0; k < dim; k++) row[k] = (float)all[i * dim + k];
        status = rin_set_add(set, row, row, 1, error);
    }
    rin_free(all);
    rin_free(row);
    return status;
}

/* Features (N, D) as they are: copied where rows can be read in any order. */
static rin_status copy_rows(rin_set *set, const rin_gauge *gauge, const rin_npz *npz, const rin_npz_array *array,
                            rin_error *error) {
    enum { ROWS = 256 };
    int64_t n = array->shape[0], dim = array->shape[1];
    rin_npz_stream *stream = NULL;
    float *rows = rin_calloc((size_t)(ROWS * dim), sizeof *rows, error);
    rin_status status = rows ? rin_npz_stream_open(npz, array, &stream, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_set_open_rows(set, dim, NULL, NULL, 0, error);
    for (int64_t i = 0; i < n && status == RIN_OK; i += ROWS) {
        int64_t some = RIN_MIN(ROWS, n - i);
        status = rin_npz_stream_floats(stream, rows, some * dim, error);
        if (status == RIN_OK) status = rin_set_add(set, rows, rows, some, error);
        if (status == RIN_OK) status = rin_score_tell(gauge->loading, "read", NULL, i + some, n, error);
    }
    rin_npz_stream_close(stream);
    rin_free(rows);
    return status;
}

static rin_status load_features(rin_set *set, const rin_gauge *gauge, const rin_npz *npz, const char *path,
                                rin_error *error) {
    enum { MOST_WIDE = 65536 };
    const rin_npz_array *array = rin_npz_get(npz, 0);
    if (array->rank != 2 || array->shape[0] < 1 || array->shape[1] < 1 || array->shape[1] > MOST_WIDE)
        return rin_error_set(error, RIN_ERR_FORMAT, "'%s' is not features [N, D], D up to %d", path, MOST_WIDE);
    if (set->needs & RIN_NEED_LOGITS && array->shape[1] != RIN_INCEPTION_CLASSES)
        return rin_error_set(error, RIN_ERR_FORMAT,
                             "'%s' has rows of %lld numbers; the Inception Score is made of the %d logits", path,
                             (long long)array->shape[1], RIN_INCEPTION_CLASSES);
    if (!cJSON_AddStringToObject(set->source, "kind", "features"))
        return rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    rin_status status = array->fortran ? copy_columns(set, npz, array, error)
                                       : copy_rows(set, gauge, npz, array, error);
    bool theirs = status == RIN_ERR_NUMERIC || status == RIN_ERR_ARG; /* of the numbers, which the message tells */
    return theirs ? rin_error_prefix(error, status, "%.300s", path) : status;
}

/* Statistics that a file holds serve the distance between sets, of the whole set that its pictures may be a part of. */
static rin_status load_statistics(rin_set *set, const rin_npz *npz, const char *path, rin_error *error) {
    rin_statistics statistics;
    rin_status status = rin_statistics_read(npz, path, &statistics, error);
    if (status != RIN_OK) return status;
    set->gaussian = statistics.gaussian;
    set->protocol = statistics.protocol;
    set->has_gaussian = set->stated = true;
    set->dim = set->gaussian.dim;
    set->n = set->gaussian.n;
    if (cJSON_AddStringToObject(set->source, "kind", "statistics")) return RIN_OK;
    return rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
}

static rin_status load_numpy(rin_set *set, rin_gauge *gauge, const char *path, rin_error *error) {
    rin_npz *npz = NULL;
    rin_status status = rin_npz_open(path, &npz, error);
    if (status != RIN_OK) return status;
    bool bare = rin_npz_count(npz) == 1 && !*rin_npz_get(npz, 0)->name;
    unsigned needs = set->needs;
    if (bare) {
        status = load_features(set, gauge, npz, path, error);
    } else {
        if (needs & RIN_NEED_GAUSSIAN && rin_statistics_are_in(npz)) {
            status = load_statistics(set, npz, path, error);
            set->needs &= ~(unsigned)RIN_NEED_GAUSSIAN;
        }
        int64_t n = set->n;
        if (status == RIN_OK && set->needs) {
            cJSON_DeleteItemFromObject(set->source, "kind");
            set->n = 0; /* the pictures are fewer than those of the statistics */
            status = load_pictures(set, gauge, path, error);
            if (status == RIN_OK && set->has_gaussian &&
                !cJSON_AddNumberToObject(set->source, "statistics_of", (double)n))
                status = rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
        }
        set->needs = needs;
    }
    rin_npz_close(npz);
    return status;
}

rin_status rin_set_load(rin_set *set, rin_gauge *gauge, const char *path, rin_error *error) {
    set->source = cJSON_CreateObject();
    if (!set->source || !rin_protocol_add_path(set->source, "path", path))
        return rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    rin_status status = rin_pictures_is_numpy(path) ? load_numpy(set, gauge, path, error)
                                                    : load_pictures(set, gauge, path, error);
    return status == RIN_OK ? rin_set_finish(set, error) : status;
}
