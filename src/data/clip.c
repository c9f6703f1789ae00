/* SPDX-License-Identifier: MIT */
/* clip: opens the videos of a data set, fits their frames and cuts clips out of them. */
#include "data/clip.h"

#include <math.h>
#include <string.h>

#include "data/order.h"

/* ---- opening ---- */

typedef struct rin_pictures {
    const rin_dataset *dataset;
    const rin_item *items; /* (n) */
} rin_pictures;

static rin_status read_picture(void *user, int64_t i, rin_image *out, rin_error *error) {
    const rin_pictures *p = user;
    rin_status status = rin_dataset_decode_file(p->dataset, &p->items[i], RIN_ALPHA_OVER_WHITE, out, error);
    return status == RIN_OK ? status : rin_error_prefix(error, status, "'%.200s'", p->items[i].name);
}

static rin_status open_video(const rin_dataset *dataset, const rin_item *item, rin_track *t, rin_error *error) {
    const rin_source_kind *kind = dataset->kind;
    if (kind->video) return kind->video(dataset->source, item, &t->video, error);
    if (item->n_pictures) {
        t->pictures = rin_calloc(1, sizeof *t->pictures, error);
        if (!t->pictures) return RIN_ERR_MEMORY;
        *t->pictures = (rin_pictures){dataset, dataset->items.pictures + item->first};
        return rin_video_open_pictures((int64_t)item->n_pictures, 0, read_picture, t->pictures, &t->video, error);
    }
    rin_status status = kind->file(dataset->source, item, &t->file, error);
    return status == RIN_OK ? rin_video_open(&t->file, &t->video, error) : status;
}

rin_status rin_track_open(const rin_dataset *dataset, size_t index, int height, int width, int channels,
                          rin_track *track, rin_error *error) {
    const double most_frames = 2e9; /* what can be drawn from */
    *track = (rin_track){.height = height, .width = width, .channels = channels, .known = -1, .file = {.fd = -1}};
    track->n_bytes = (size_t)height * (size_t)width * (size_t)channels;
    track->pixels = rin_calloc(track->n_bytes, sizeof *track->pixels, error);
    if (!track->pixels) return RIN_ERR_MEMORY;
    rin_status status = open_video(dataset, &dataset->items.items[index], track, error);
    if (status != RIN_OK) return status;
    const rin_video_info *info = rin_video_get_info(track->video);
    track->rate = info->rate > 0 && dataset->clip.fps > 0 ? dataset->clip.fps : info->rate > 0 ? info->rate : 1;
    track->claimed = (int64_t)round(fmin(info->seconds * track->rate, most_frames));
    return RIN_OK;
}

void rin_track_close(rin_track *track) {
    rin_video_close(track->video);
    rin_input_close(&track->file);
    rin_free(track->pictures);
    rin_free(track->pixels);
    *track = (rin_track){.file = {.fd = -1}};
}

rin_status rin_track_first(const rin_dataset *dataset, size_t index, rin_image *out, rin_error *error) {
    rin_track track;
    const rin_image *frame = NULL;
    *out = (rin_image){0};
    rin_status status = rin_track_open(dataset, index, 1, 1, 1, &track, error);
    if (status == RIN_OK) status = rin_video_show(track.video, 0, &frame, NULL, error);
    if (status == RIN_OK && !frame) status = rin_error_set(error, RIN_ERR_FORMAT, "there are no frames in it");
    if (status == RIN_OK)
        status = rin_image_create(out, frame->width, frame->height, frame->channels, frame->depth, error);
    if (status == RIN_OK)
        memcpy(out->samples, frame->samples,
               (size_t)frame->width * (size_t)frame->height * (size_t)frame->channels * (size_t)frame->depth);
    rin_track_close(&track);
    return status;
}

/* ---- frames ---- */

/* Frame g is what is shown well within its time, so that rounded time stamps do not matter; not in the middle, where
 * with half of a video's rate another frame begins. */
static const double within = 0.45;

static double time_of(const rin_track *t, int64_t g) {
    return ((double)g + within) / t->rate;
}

rin_status rin_track_read(rin_track *t, int64_t g, uint8_t *out, bool *there, rin_error *error) {
    *there = t->known < 0 || g < t->known;
    if (!*there) return RIN_OK;
    if (t->frames) {
        memcpy(out, t->frames + (size_t)g * t->n_bytes, t->n_bytes);
        return RIN_OK;
    }
    const rin_image *frame;
    double end = 0;
    rin_status status = rin_video_show(t->video, time_of(t, g), &frame, &end, error);
    if (status != RIN_OK) return status;
    if (!frame) {
        *there = false;
        t->known = (int64_t)fmin(fmax(ceil(end * t->rate - within), 0), (double)g);
        while (t->known > 0 && time_of(t, t->known - 1) >= end) t->known--; /* as the video would say, not rounding */
        return RIN_OK;
    }
    status = rin_image_fit_area(frame, t->height, t->width, t->channels, t->pixels, error);
    for (size_t i = 0; i < t->n_bytes && status == RIN_OK; i++) out[i] = (uint8_t)lrintf(t->pixels[i] * 255.0f);
    return status;
}

/* Frames from the first of a clip to its last. */
static int64_t span_of(const rin_clip *clip) {
    return (clip->frames - 1) * clip->step + 1;
}

static rin_status too_short(const rin_track *t, int64_t there_are, const rin_clip *clip, rin_error *error) {
    return rin_error_set(
        error, RIN_ERR_FORMAT, "too short: %lld frames at %g a second; a clip of %lld, every %lld. frame, needs %lld",
        (long long)there_are, t->rate, (long long)clip->frames, (long long)clip->step, (long long)span_of(clip));
}

rin_status rin_track_cut(rin_track *t, const rin_clip *clip, const rin_cut *cut, uint8_t *out, rin_error *error) {
    int64_t span = span_of(clip), first = cut->first;
    if (t->claimed < span) return too_short(t, t->claimed, clip, error);
    if (cut->drawn) first = (int64_t)rin_order_pick(cut->bits, (uint64_t)(t->claimed - span + 1));
    for (int tries = 0; tries < 2; tries++) {
        bool there = true;
        int64_t k = 0;
        for (; k < clip->frames && there; k++) {
            rin_status status = rin_track_read(t, first + k * clip->step, out + (size_t)k * t->n_bytes, &there, error);
            if (status != RIN_OK) return status;
        }
        if (there) return RIN_OK;
        first = t->known - span;
        if (first < 0) break;
        if (!cut->drawn) /* the last ones would overlap those before them */
            return rin_error_set(error, RIN_ERR_FORMAT, "it ends after %lld frames, within or before this clip",
                                 (long long)t->known);
    }
    return too_short(t, t->known, clip, error);
}

void rin_bytes_to_pixels(const uint8_t *bytes, size_t n, float *pixels) {
    for (size_t i = 0; i < n; i++) pixels[i] = (float)bytes[i] / 255.0f;
}

/* ---- what other rooms ask for ---- */

static rin_status open_named(const rin_dataset *dataset, size_t index, int height, int width, int channels,
                             rin_track *track, rin_error *error) {
    *track = (rin_track){.file = {.fd = -1}};
    if (!dataset->clip.frames || index >= dataset->items.n)
        return rin_error_set(error, RIN_ERR_ARG, "there is no video %zu in this data set", index);
    return rin_track_open(dataset, index, height, width, channels, track, error);
}

/* Ends with the item's name before what went wrong. */
static rin_status finish(const rin_dataset *dataset, size_t index, rin_track *track, rin_status status,
                         rin_error *error) {
    rin_track_close(track);
    if (status == RIN_OK || index >= dataset->items.n) return status;
    return rin_error_prefix(error, status, "'%.300s'", dataset->items.items[index].name);
}

rin_status rin_dataset_count_clips(const rin_dataset *dataset, size_t index, int64_t *n, rin_error *error) {
    rin_track track;
    *n = 0;
    rin_status status = open_named(dataset, index, 1, 1, 1, &track, error);
    if (status == RIN_OK) *n = track.claimed / span_of(&dataset->clip);
    if (status == RIN_OK && *n < 1) status = too_short(&track, track.claimed, &dataset->clip, error);
    return finish(dataset, index, &track, status, error);
}

rin_status rin_dataset_measure(const rin_dataset *dataset, size_t index, double *seconds, double *rate,
                               rin_error *error) {
    rin_track track;
    rin_status status = open_named(dataset, index, 1, 1, 1, &track, error);
    if (status == RIN_OK) {
        *seconds = rin_video_get_info(track.video)->seconds;
        *rate = rin_video_get_info(track.video)->rate;
    }
    return finish(dataset, index, &track, status, error);
}

rin_status rin_dataset_load_clip(const rin_dataset *dataset, size_t index, int64_t i, int height, int width,
                                 int channels, float *out, rin_error *error) {
    rin_track track;
    uint8_t *bytes = NULL;
    rin_status status = open_named(dataset, index, height, width, channels, &track, error);
    size_t n = status == RIN_OK ? (size_t)dataset->clip.frames * track.n_bytes : 0;
    if (status == RIN_OK && !(bytes = rin_calloc(n, 1, error))) status = RIN_ERR_MEMORY;
    const rin_cut cut = {.first = i * span_of(&dataset->clip)};
    if (status == RIN_OK) status = rin_track_cut(&track, &dataset->clip, &cut, bytes, error);
    if (status == RIN_OK) rin_bytes_to_pixels(bytes, n, out);
    rin_free(bytes);
    return finish(dataset, index, &track, status, error);
}

/* Of a track without an end that is known: its frames from the beginning, to find it. */
static rin_status find_end(rin_track *track, uint8_t *frame, rin_error *error) {
    bool there = true;
    for (int64_t g = RIN_MAX(track->claimed - 1, 0); there; g++) {
        rin_status status = rin_track_read(track, g, frame, &there, error);
        if (status != RIN_OK) return status;
    }
    return RIN_OK;
}

rin_status rin_dataset_read_frames(const rin_dataset *dataset, size_t index, double start, int64_t most, int height,
                                   int width, int channels, uint8_t *out, int64_t *n, double *rate, rin_error *error) {
    const rin_clip *clip = &dataset->clip;
    rin_track track;
    bool there = true;
    *n = 0;
    rin_status status = open_named(dataset, index, height, width, channels, &track, error);
    int64_t first = status == RIN_OK ? (int64_t)round(fmin(fmax(start, 0) * track.rate, 1e12)) : 0;
    if (status == RIN_OK && start < 0) {
        status = find_end(&track, out, error);
        first = RIN_MAX(track.known - ((most - 1) * clip->step + 1), 0);
    }
    while (*n < most && there && status == RIN_OK) {
        status = rin_track_read(&track, first + *n * clip->step, out + (size_t)*n * track.n_bytes, &there, error);
        if (status == RIN_OK && there) ++*n;
    }
    bool clocked = status == RIN_OK && rin_video_get_info(track.video)->rate > 0;
    *rate = clocked ? track.rate / (double)clip->step : 0;
    return finish(dataset, index, &track, status, error);
}
