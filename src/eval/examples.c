/* SPDX-License-Identifier: MIT */
/* examples: chooses them evenly and loads them. */
#include "eval/examples.h"

#include <string.h>

static rin_log log_of(const rin_examples *e) {
    return (rin_log){e->loading.listener.on_log, e->loading.listener.user};
}

static rin_status go_on(rin_examples *e, int64_t done, int64_t total, rin_error *error) {
    rin_loading_show(&e->loading, (size_t)done, (size_t)total);
    return atomic_load(&e->loading.cancel) ? rin_error_set(error, RIN_ERR_CANCELLED, "stopped while loading data")
                                           : RIN_OK;
}

/* ---- images ---- */

/* The most items that a class gives, so that all give as many as wanted together, or the most they can. */
static size_t choose_quota(const rin_dataset *dataset, size_t wanted) {
    size_t classes = rin_dataset_n_classes(dataset), low = 1, high = wanted;
    while (classes && low < high) {
        size_t middle = low + (high - low) / 2, sum = 0;
        for (size_t c = 0; c < classes && sum < wanted; c++)
            sum += RIN_MIN(rin_dataset_class_count(dataset, c), middle);
        if (sum >= wanted) high = middle;
        else low = middle + 1;
    }
    return classes ? low : wanted;
}

/* The first k items of each class, so that every class has as many as can be. */
static rin_status choose_images(rin_examples *e, int64_t limit, rin_error *error) {
    size_t count = rin_dataset_count(e->dataset), classes = RIN_MAX(rin_dataset_n_classes(e->dataset), 1);
    size_t wanted = limit > 0 ? RIN_MIN((size_t)limit, count) : count;
    size_t *taken = rin_calloc(classes, sizeof *taken, error);
    e->list = rin_calloc(wanted, sizeof *e->list, error);
    if (!taken || !e->list) {
        rin_free(taken);
        return RIN_ERR_MEMORY;
    }
    size_t quota = choose_quota(e->dataset, wanted); /* classes with fewer leave their share to the others */
    for (size_t i = 0; i < count && (size_t)e->n < wanted; i++) {
        int32_t label = rin_dataset_item_label(e->dataset, i);
        size_t c = label < 0 ? 0 : (size_t)label;
        if (taken[c] < quota) {
            taken[c]++;
            e->list[e->n++] = (rin_example){.item = i};
        }
    }
    rin_free(taken);
    return RIN_OK;
}

/* ---- videos ---- */

static rin_status add_clips(rin_examples *e, size_t item, int64_t n, size_t *capacity, rin_error *error) {
    size_t needed = (size_t)(e->n + n);
    if (needed > *capacity) {
        size_t grown = RIN_MAX(2 * *capacity, needed);
        rin_example *list = rin_realloc(e->list, grown, sizeof *list, error);
        if (!list) return RIN_ERR_MEMORY;
        e->list = list;
        *capacity = grown;
    }
    for (int64_t c = 0; c < n; c++) e->list[e->n++] = (rin_example){item, c};
    return RIN_OK;
}

static rin_status choose_clips(rin_examples *e, int64_t limit, rin_error *error) {
    int64_t count = (int64_t)rin_dataset_count(e->dataset), videos = limit > 0 ? RIN_MIN(limit, count) : count;
    size_t capacity = 0;
    for (int64_t v = 0; v < videos; v++) {
        size_t item = (size_t)(v * count / videos);
        int64_t n;
        rin_error reason = {0};
        rin_status status = rin_dataset_count_clips(e->dataset, item, &n, &reason);
        if (status == RIN_OK) status = add_clips(e, item, n, &capacity, &reason);
        else if (rin_dataset_is_broken(status))
            rin_log_write(log_of(e), RIN_LOG_WARNING, "broken video, left out: %s", reason.text);
        if (status != RIN_OK && !rin_dataset_is_broken(status)) {
            if (error) *error = reason;
            return status;
        }
        status = go_on(e, v + 1, videos, error);
        if (status != RIN_OK) return status;
    }
    int64_t wanted = limit > 0 ? RIN_MIN(limit, e->n) : e->n;
    for (int64_t i = 0; i < wanted; i++) e->list[i] = e->list[i * e->n / wanted];
    e->n = wanted;
    return RIN_OK;
}

/* ---- both ---- */

rin_status rin_examples_open(const rin_config *config, const char *data, int64_t limit, rin_listener listener,
                             rin_examples *e, rin_error *error) {
    *e = (rin_examples){.model = config->model, .loading = {.listener = listener, .begun = rin_clock_seconds()}};
    const rin_dataset_options options = {.clip = rin_model_clip(config),
                                         .cancel = &e->loading.cancel,
                                         .progress = rin_loading_show,
                                         .progress_user = &e->loading};
    const rin_config_model *m = &e->model;
    rin_status status = rin_dataset_open(data, &options, log_of(e), &e->dataset, error);
    if (status != RIN_OK) return status;
    size_t numbers = (size_t)(m->seq_len * m->image_height * m->image_width * m->image_channels);
    if (m->seq_cond && !(e->clip = rin_calloc(numbers, sizeof *e->clip, error))) return RIN_ERR_MEMORY;
    return rin_dataset_is_video(e->dataset) ? choose_clips(e, limit, error) : choose_images(e, limit, error);
}

void rin_examples_close(rin_examples *e) {
    rin_dataset_close(e->dataset);
    rin_free(e->list);
    rin_free(e->clip);
    e->dataset = NULL;
    e->list = NULL;
    e->clip = NULL;
}

static rin_status load(const rin_examples *e, const rin_example *x, float *given, float *made, rin_error *error) {
    const rin_config_model *m = &e->model;
    int height = (int)m->image_height, width = (int)m->image_width, channels = (int)m->image_channels;
    if (!rin_dataset_is_video(e->dataset))
        return rin_dataset_load(e->dataset, x->item, height, width, channels, made, error);
    float *clip = m->seq_cond ? e->clip : made;
    size_t frame = (size_t)height * (size_t)width * (size_t)channels, n_given = (size_t)m->seq_cond * frame;
    rin_status status = rin_dataset_load_clip(e->dataset, x->item, x->clip, height, width, channels, clip, error);
    if (status != RIN_OK || clip == made) return status;
    memcpy(given, clip, n_given * sizeof *given);
    memcpy(made, clip + n_given, ((size_t)m->seq_len * frame - n_given) * sizeof *made);
    return RIN_OK;
}

rin_status rin_examples_load(rin_examples *e, int64_t i, float *given, float *made, bool *there, rin_error *error) {
    for (*there = false; i < e->n;) {
        rin_error reason = {0};
        rin_example *x = &e->list[i];
        rin_status status = load(e, x, given, made, &reason);
        *there = status == RIN_OK;
        if (*there) return RIN_OK;
        if (!rin_dataset_is_broken(status)) {
            if (error) *error = reason;
            return status;
        }
        bool video = rin_dataset_is_video(e->dataset);
        int64_t gone = 1; /* of a video also what follows: where one clip ends, later ones do */
        while (video && i + gone < e->n && x[gone].item == x->item) gone++;
        rin_log_write(log_of(e), RIN_LOG_WARNING, "broken %s, left out: %s", video ? "video" : "image", reason.text);
        e->n -= gone;
        memmove(x, x + gone, (size_t)(e->n - i) * sizeof *x);
        status = go_on(e, i, e->n, error);
        if (status != RIN_OK) return status;
    }
    return RIN_OK;
}
