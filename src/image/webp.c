/* SPDX-License-Identifier: MIT */
/* webp: decoding with libwebp; of an animation the first frame. */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image/decode.h"

static int orientation_of(const uint8_t *bytes, size_t n) {
    int orientation = RIN_ORIENTATION_UPRIGHT;
    WebPData data = {.bytes = bytes, .size = n};
    WebPDemuxer *demuxer = WebPDemux(&data);
    WebPChunkIterator chunk;
    if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        orientation = rin_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
    return orientation;
}

static rin_status other_version(rin_error *error) {
    return rin_error_set(error, RIN_ERR_UNSUPPORTED, "libwebp is of another version than the one built for");
}

static rin_status damaged(VP8StatusCode code, rin_error *error) {
    if (code == VP8_STATUS_OUT_OF_MEMORY) return rin_error_set(error, RIN_ERR_MEMORY, "out of memory while decoding");
    return rin_error_set(error, RIN_ERR_FORMAT, "damaged or cut (status %d of libwebp)", (int)code);
}

/* Decodes a still picture of width x height pixels: RGBA when has_alpha, else RGB. */
static rin_status decode_pixels(const uint8_t *bytes, size_t n, int width, int height, bool has_alpha, uint8_t *pixels,
                                rin_error *error) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return other_version(error);
    int channels = has_alpha ? 4 : 3;
    config.output.colorspace = has_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = width * channels;
    config.output.u.RGBA.size = (size_t)width * (size_t)height * (size_t)channels;
    VP8StatusCode code = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? RIN_OK : damaged(code, error);
}

static rin_status decode_still(const uint8_t *bytes, size_t n, bool over_white, rin_image *out, rin_error *error) {
    if (!over_white) return decode_pixels(bytes, n, out->width, out->height, false, out->samples, error);
    size_t n_pixels = (size_t)out->width * (size_t)out->height;
    uint8_t *pixels = rin_calloc(n_pixels, 4, error);
    if (!pixels) return RIN_ERR_MEMORY;
    rin_status status = decode_pixels(bytes, n, out->width, out->height, true, pixels, error);
    if (status == RIN_OK) rin_over_white(pixels, n_pixels, 3, out->samples);
    rin_free(pixels);
    return status;
}

/* The first frame on a white canvas, of which it may be a part. libwebp's own decoder of animations would take memory
 * for two more canvases. */
static rin_status place_frame(const WebPIterator *frame, rin_image *out, rin_error *error) {
    bool inside = frame->complete && frame->x_offset >= 0 && frame->y_offset >= 0 && frame->width >= 1 &&
                  frame->height >= 1 && frame->width <= out->width - frame->x_offset &&
                  frame->height <= out->height - frame->y_offset;
    if (!inside) return rin_error_set(error, RIN_ERR_FORMAT, "damaged or cut: the animation's first frame");
    size_t width = (size_t)frame->width, height = (size_t)frame->height, row = 3 * (size_t)out->width;
    uint8_t *pixels = rin_calloc(width * height, 4, error);
    if (!pixels) return RIN_ERR_MEMORY;
    rin_status status = decode_pixels(frame->fragment.bytes, frame->fragment.size, frame->width, frame->height, true,
                                      pixels, error);
    memset(out->samples, 255, row * (size_t)out->height);
    uint8_t *to = (uint8_t *)out->samples + (size_t)frame->y_offset * row + 3 * (size_t)frame->x_offset;
    for (size_t y = 0; status == RIN_OK && y < height; y++)
        rin_over_white(pixels + y * width * 4, width, 3, to + y * row);
    rin_free(pixels);
    return status;
}

static rin_status decode_first_frame(const uint8_t *bytes, size_t n, rin_image *out, rin_error *error) {
    WebPDemuxer *demuxer = WebPDemux(&(WebPData){.bytes = bytes, .size = n});
    WebPIterator frame;
    rin_status status;
    if (demuxer && WebPDemuxGetFrame(demuxer, 1, &frame)) {
        status = place_frame(&frame, out, error);
        WebPDemuxReleaseIterator(&frame);
    } else {
        status = rin_error_set(error, RIN_ERR_FORMAT, "damaged or cut: the animation has no first frame");
    }
    WebPDemuxDelete(demuxer);
    return status;
}

rin_status rin_webp_decode(const uint8_t *bytes, size_t n, rin_alpha alpha, rin_image *out, int *orientation,
                           rin_error *error) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(bytes, n, &features);
    if (code != VP8_STATUS_OK) return damaged(code, error);
    rin_status status = rin_image_check_size((uint64_t)features.width, (uint64_t)features.height, error);
    if (status == RIN_OK) status = rin_image_create(out, features.width, features.height, 3, 1, error);
    if (status != RIN_OK) return status;
    *orientation = orientation_of(bytes, n);
    status = features.has_animation
                 ? decode_first_frame(bytes, n, out, error)
                 : decode_still(bytes, n, features.has_alpha && alpha == RIN_ALPHA_OVER_WHITE, out, error);
    if (status != RIN_OK) rin_image_clear(out);
    return status;
}
