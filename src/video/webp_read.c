/* SPDX-License-Identifier: MIT */
/* Animated WebP by libwebpdemux. FFmpeg's libraries skip its frames. */
#include <string.h>

#include <webp/demux.h>

#include "video/reader.h"

enum { MOST_BYTES = 256 << 20 };

typedef struct animation {
    void *bytes; /* the whole file */
    WebPAnimDecoder *decoder;
    WebPAnimInfo info;
    double begin, end; /* seconds: of the frame that is shown */
    rin_image image;
} animation;

static bool webp_fits(const uint8_t *start, size_t n) {
    enum { ANIMATED = 2, FLAGS = 20 };
    return n > FLAGS && memcmp(start, "RIFF", 4) == 0 && memcmp(start + 8, "WEBPVP8X", 8) == 0 &&
           start[FLAGS] & ANIMATED;
}

static void webp_close(void *state) {
    animation *a = state;
    if (!a) return;
    if (a->decoder) WebPAnimDecoderDelete(a->decoder);
    rin_image_clear(&a->image);
    rin_free(a->bytes);
    rin_free(a);
}

/* The length is in the headers of all frames; the usual rate is that of the shortest of them. */
static rin_status measure(const animation *a, rin_video_info *info, rin_error *error) {
    const WebPDemuxer *demuxer = WebPAnimDecoderGetDemuxer(a->decoder);
    WebPIterator frame;
    int64_t milliseconds = 0, shortest = INT64_MAX;
    int more = WebPDemuxGetFrame(demuxer, 1, &frame);
    for (; more; more = WebPDemuxNextFrame(&frame)) {
        milliseconds += RIN_MAX(frame.duration, 0);
        if (frame.duration > 0) shortest = RIN_MIN(shortest, (int64_t)frame.duration);
    }
    WebPDemuxReleaseIterator(&frame);
    if (milliseconds <= 0) return rin_error_set(error, RIN_ERR_FORMAT, "its frames are shown for no time");
    info->seconds = (double)milliseconds / 1000;
    info->rate = 1000.0 / (double)shortest;
    return RIN_OK;
}

static rin_status webp_start(animation *a, const rin_input *file, rin_video_info *info, rin_error *error) {
    if (file->bytes > MOST_BYTES)
        return rin_error_set(error, RIN_ERR_FORMAT, "it has %llu bytes, more than the %d allowed",
                             (unsigned long long)file->bytes, MOST_BYTES);
    WebPAnimDecoderOptions options;
    WebPBitstreamFeatures features;
    size_t n = (size_t)file->bytes;
    a->bytes = rin_calloc(n, 1, error);
    if (!a->bytes) return RIN_ERR_MEMORY;
    rin_status status = rin_input_read(file, 0, a->bytes, n, error);
    if (status != RIN_OK) return status;
    if (!WebPAnimDecoderOptionsInit(&options))
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "libwebp is of another version than the one built for");
    if (WebPGetFeatures(a->bytes, n, &features) != VP8_STATUS_OK)
        return rin_error_set(error, RIN_ERR_FORMAT, "damaged or cut");
    /* The decoder takes memory for the whole canvas. */
    status = rin_image_check_size((uint64_t)features.width, (uint64_t)features.height, error);
    if (status == RIN_OK) status = rin_image_create(&a->image, features.width, features.height, 3, 1, error);
    if (status != RIN_OK) return status;
    options.color_mode = MODE_RGBA;
    a->decoder = WebPAnimDecoderNew(&(WebPData){a->bytes, n}, &options);
    if (!a->decoder || !WebPAnimDecoderGetInfo(a->decoder, &a->info))
        return rin_error_set(error, RIN_ERR_FORMAT, "damaged or cut");
    info->width = a->image.width;
    info->height = a->image.height;
    return measure(a, info, error);
}

static rin_status webp_open(const rin_input *file, void **state, rin_video_info *info, rin_error *error) {
    animation *a = rin_calloc(1, sizeof *a, error);
    *state = NULL;
    if (!a) return RIN_ERR_MEMORY;
    info->format = rin_video_webp.name;
    rin_status status = webp_start(a, file, info, error);
    if (status == RIN_OK) *state = a;
    else webp_close(a);
    return status == RIN_OK ? status : rin_error_prefix(error, status, "%s", info->format);
}

/* A damaged frame ends the animation. */
static rin_status webp_show(void *state, double seconds, const rin_image **frame, double *end, rin_error *error) {
    animation *a = state;
    *frame = NULL;
    if (seconds < a->begin) {
        WebPAnimDecoderReset(a->decoder);
        a->begin = a->end = 0;
    }
    while ((a->end == 0 || seconds >= a->end) && WebPAnimDecoderHasMoreFrames(a->decoder)) {
        uint8_t *pixels;
        int milliseconds;
        if (!WebPAnimDecoderGetNext(a->decoder, &pixels, &milliseconds)) break;
        a->begin = a->end;
        a->end = (double)milliseconds / 1000;
        rin_over_white(pixels, (size_t)a->image.width * (size_t)a->image.height, 3, a->image.samples);
    }
    if (a->end == 0) return rin_error_set(error, RIN_ERR_FORMAT, "%s: damaged or cut", rin_video_webp.name);
    *end = a->end;
    if (seconds < a->end) *frame = &a->image;
    return RIN_OK;
}

const rin_video_reader rin_video_webp = {
    .name = "animated WebP", .fits = webp_fits, .open = webp_open, .show = webp_show, .close = webp_close};
