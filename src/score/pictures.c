/* SPDX-License-Identifier: MIT */
/* Pictures of data sets, and of ADM's batches. */
#include "score/pictures.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 3 };

typedef struct place {
    size_t item;
    int64_t clip;
} place;

struct rin_pictures {
    rin_pictures_options options;
    rin_dataset *dataset;
    place *places; /* [n] of a data set */
    rin_npz *npz;
    rin_npz_stream *stream;
    int64_t next, stride;        /* of a stream: the picture that is wanted next; numbers of one */
    int64_t read, held;          /* of a stream: pictures read so far, of those that it holds */
    int height, width, channels; /* of a stream */
    uint8_t *bytes;              /* one picture of a stream */
    int64_t n;
};

void rin_frames_clear(rin_frames *frames) {
    rin_free(frames->values);
    *frames = (rin_frames){0};
}

rin_status rin_frames_resize(rin_frames *out, int64_t frames, int height, int width, rin_error *error) {
    size_t n = (size_t)frames * (size_t)height * (size_t)width * CHANNELS;
    if (n > out->capacity) {
        float *grown = rin_realloc(out->values, n, sizeof *grown, error);
        if (!grown) return RIN_ERR_MEMORY;
        out->values = grown;
        out->capacity = n;
    }
    out->frames = frames;
    out->height = height;
    out->width = width;
    return RIN_OK;
}

bool rin_pictures_is_numpy(const char *path) {
    return rin_has_suffix(path, ".npz") || rin_has_suffix(path, ".npy");
}

/* ---- which pictures of a data set ---- */

static rin_log log_of(const rin_pictures *p) {
    const rin_listener *listener = &p->options.loading->listener;
    return (rin_log){listener->on_log, listener->user};
}

static rin_status add_clips(rin_pictures *p, size_t item, int64_t n, rin_error *error) {
    place *grown = rin_realloc(p->places, (size_t)(p->n + n), sizeof *grown, error);
    if (!grown) return RIN_ERR_MEMORY;
    p->places = grown;
    for (int64_t c = 0; c < n; c++) p->places[p->n++] = (place){item, c};
    return RIN_OK;
}

/* Clips that follow each other, of all videos; those that cannot be opened are reported and left out. */
static rin_status list_clips(rin_pictures *p, rin_error *error) {
    size_t count = rin_dataset_count(p->dataset);
    for (size_t item = 0; item < count; item++) {
        int64_t n = 0;
        rin_error reason = {0};
        rin_status status = rin_dataset_count_clips(p->dataset, item, &n, &reason);
        if (status == RIN_OK) status = add_clips(p, item, n, &reason);
        else if (rin_dataset_is_broken(status))
            rin_log_write(log_of(p), RIN_LOG_WARNING, "broken video, left out: %s", reason.text);
        if (status != RIN_OK && !rin_dataset_is_broken(status)) {
            if (error) *error = reason;
            return status;
        }
        rin_loading_show(p->options.loading, item + 1, count);
        if (atomic_load(&p->options.loading->cancel))
            return rin_error_set(error, RIN_ERR_CANCELLED, "stopped while looking through videos");
    }
    if (p->n) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "none of the videos is long enough for a clip of %lld frames",
                         (long long)p->options.clip.frames);
}

static rin_status list_images(rin_pictures *p, rin_error *error) {
    size_t count = rin_dataset_count(p->dataset);
    p->places = rin_calloc(count, sizeof *p->places, error);
    if (!p->places) return RIN_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) p->places[p->n++] = (place){i, 0};
    return RIN_OK;
}

static rin_status open_dataset(rin_pictures *p, const char *path, rin_error *error) {
    const rin_dataset_options options = {.clip = p->options.clip,
                                         .cancel = &p->options.loading->cancel,
                                         .progress = rin_loading_show,
                                         .progress_user = p->options.loading};
    rin_status status = rin_dataset_open(path, &options, log_of(p), &p->dataset, error);
    if (status == RIN_OK) status = p->options.clip.frames ? list_clips(p, error) : list_images(p, error);
    if (status != RIN_OK) return status;
    int64_t limit = p->options.limit, wanted = limit ? RIN_MIN(limit, p->n) : p->n;
    for (int64_t i = 0; i < wanted; i++) p->places[i] = p->places[i * p->n / wanted];
    p->n = wanted;
    return RIN_OK;
}

/* ---- .npz ---- */

static rin_status open_npz(rin_pictures *p, const char *path, rin_error *error) {
    rin_status status = rin_npz_open(path, &p->npz, error);
    if (status != RIN_OK) return status;
    const rin_npz_array *a = rin_npz_find(p->npz, "arr_0");
    if (p->options.clip.frames)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "'%s': clips are read from videos, not from .npz files", path);
    if (!a) return rin_error_set(error, RIN_ERR_FORMAT, "'%s' has no pictures (arr_0), which this score needs", path);
    if (a->kind != 'u' || a->item_bytes != 1 || a->rank != 4 || (a->shape[3] != 3 && a->shape[3] != 1))
        return rin_error_set(error, RIN_ERR_FORMAT, "'%s': arr_0 is not uint8 [N, height, width, 3 or 1]", path);
    status = a->count ? rin_image_check_size((uint64_t)a->shape[2], (uint64_t)a->shape[1], error)
                      : rin_error_set(error, RIN_ERR_FORMAT, "'%s': arr_0 holds no pictures", path);
    if (status != RIN_OK) return status;
    p->height = (int)a->shape[1];
    p->width = (int)a->shape[2];
    p->channels = (int)a->shape[3];
    p->stride = a->count / a->shape[0];
    p->held = a->shape[0];
    p->n = p->options.limit ? RIN_MIN(p->options.limit, p->held) : p->held;
    p->bytes = rin_calloc((size_t)p->stride, 1, error);
    return p->bytes ? rin_npz_stream_open(p->npz, a, &p->stream, error) : RIN_ERR_MEMORY;
}

/* ---- both ---- */

rin_status rin_pictures_open(const char *path, const rin_pictures_options *options, rin_pictures **out,
                             rin_error *error) {
    *out = NULL;
    rin_pictures *p = rin_calloc(1, sizeof *p, error);
    if (!p) return RIN_ERR_MEMORY;
    p->options = *options;
    rin_status status = rin_pictures_is_numpy(path) ? open_npz(p, path, error) : open_dataset(p, path, error);
    if (status == RIN_OK) *out = p;
    else rin_pictures_close(p);
    return status;
}

void rin_pictures_close(rin_pictures *p) {
    if (!p) return;
    rin_dataset_close(p->dataset);
    rin_npz_stream_close(p->stream);
    rin_npz_close(p->npz);
    rin_free(p->places);
    rin_free(p->bytes);
    rin_free(p);
}

int64_t rin_pictures_count(const rin_pictures *p) {
    return p->n;
}

const char *rin_pictures_kind(const rin_pictures *p) {
    return p->dataset ? rin_dataset_kind(p->dataset) : "npz";
}

bool rin_pictures_are_in_order(const rin_pictures *p) {
    return p->stream != NULL;
}

/* Samples of one or three channels and one or two bytes as colour of 0 .. 255. */
static void widen(const void *samples, int channels, int depth, size_t pixels, float *out) {
    for (size_t i = 0; i < pixels * CHANNELS; i++) {
        size_t from = channels == CHANNELS ? i : i / CHANNELS;
        if (depth == 1) out[i] = ((const uint8_t *)samples)[from];
        else out[i] = roundf((float)((const uint16_t *)samples)[from] / 257.0f);
    }
}

/* What was fitted: 0 .. 1 to whole numbers of 0 .. 255, one channel to three; from the end, as both share memory. */
static void round_pixels(float *values, int channels, size_t pixels) {
    for (size_t i = pixels * CHANNELS; i-- > 0;) {
        float v = values[channels == CHANNELS ? i : i / CHANNELS];
        values[i] = floorf(v * 255.0f + 0.5f);
    }
}

static rin_status load_item(const rin_pictures *p, int64_t i, rin_frames *out, rin_error *error) {
    const rin_pictures_options *o = &p->options;
    const place *at = &p->places[i];
    rin_image image = {0};
    int channels = o->grey && o->height ? 1 : CHANNELS, height = o->height, width = o->width;
    rin_status status = RIN_OK;
    if (!height) {
        status = rin_dataset_decode_as(p->dataset, at->item, RIN_ALPHA_DROPPED, &image, error);
        height = image.height;
        width = image.width;
    }
    int64_t frames = RIN_MAX(o->clip.frames, 1);
    if (status == RIN_OK) status = rin_frames_resize(out, frames, height, width, error);
    if (status == RIN_OK && o->clip.frames) {
        status = rin_dataset_load_clip(p->dataset, at->item, at->clip, height, width, channels, out->values, error);
    } else if (status == RIN_OK && o->height) {
        status = rin_dataset_load(p->dataset, at->item, height, width, channels, out->values, error);
    }
    size_t pixels = (size_t)frames * (size_t)height * (size_t)width;
    if (status == RIN_OK && (o->clip.frames || o->height)) round_pixels(out->values, channels, pixels);
    else if (status == RIN_OK) widen(image.samples, image.channels, image.depth, pixels, out->values);
    rin_image_clear(&image);
    return status;
}

rin_status rin_pictures_load(rin_pictures *p, int64_t i, rin_frames *out, rin_error *error) {
    if (p->dataset) return load_item(p, i, out, error);
    if (i != p->next) return rin_error_set(error, RIN_ERR_INTERNAL, "pictures of a .npz are read in their order");
    rin_status status = RIN_OK;
    /* i held / n, whose product may be beyond an int64_t; those in between are passed over. */
    int64_t wanted = i * (p->held / p->n) + i * (p->held % p->n) / p->n;
    for (; p->read <= wanted && status == RIN_OK; p->read++)
        status = rin_npz_stream_bytes(p->stream, p->bytes, p->stride, error);
    if (status == RIN_OK) status = rin_frames_resize(out, 1, p->height, p->width, error);
    if (status != RIN_OK) return rin_dataset_is_broken(status) ? rin_error_prefix(error, RIN_ERR_IO, "arr_0") : status;
    p->next++;
    widen(p->bytes, p->channels, 1, (size_t)p->height * (size_t)p->width, out->values);
    return RIN_OK;
}
