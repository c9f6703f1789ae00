/* SPDX-License-Identifier: MIT */
/* webp: decoding with libwebp; of an animation the first frame. */
#include <webp/decode.h>
#include <webp/demux.h>

#include "image/decode.h"

static int orientation_of(const uint8_t *bytes, size_t n) {
    int orientation = ORIENTATION_UPRIGHT;
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

static rin_status decode_first_frame(const uint8_t *bytes, size_t n, rin_image *out, rin_error *error) {
    WebPAnimDecoderOptions options;
    WebPData data = {.bytes = bytes, .size = n};
    if (!WebPAnimDecoderOptionsInit(&options)) return other_version(error);
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    uint8_t *frame = NULL; /* RGBA, the decoder's */
    int time;
    rin_status status = RIN_OK;
    if (!decoder || !WebPAnimDecoderGetNext(decoder, &frame, &time)) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "damaged or cut: the animation's first frame cannot be decoded");
    } else {
        rin_over_white(frame, (size_t)out->width * (size_t)out->height, 3, out->samples);
    }
    WebPAnimDecoderDelete(decoder);
    return status;
}

static rin_status decode_still(const uint8_t *bytes, size_t n, bool has_alpha, rin_image *out, rin_error *error) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return other_version(error);
    size_t n_pixels = (size_t)out->width * (size_t)out->height;
    int channels = has_alpha ? 4 : 3;
    uint8_t *pixels = has_alpha ? rin_calloc(n_pixels, 4, error) : out->samples;
    if (!pixels) return RIN_ERR_MEMORY;
    config.output.colorspace = has_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = out->width * channels;
    config.output.u.RGBA.size = n_pixels * (size_t)channels;
    VP8StatusCode code = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    rin_status status = RIN_OK;
    if (code != VP8_STATUS_OK) status = damaged(code, error);
    else if (has_alpha) rin_over_white(pixels, n_pixels, 3, out->samples);
    if (has_alpha) rin_free(pixels);
    return status;
}

rin_status rin_webp_decode(const uint8_t *bytes, size_t n, rin_image *out, int *orientation, rin_error *error) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(bytes, n, &features);
    if (code != VP8_STATUS_OK) return damaged(code, error);
    rin_status status = rin_image_check_size((uint64_t)features.width, (uint64_t)features.height, error);
    if (status == RIN_OK) status = rin_image_create(out, features.width, features.height, 3, 1, error);
    if (status != RIN_OK) return status;
    *orientation = orientation_of(bytes, n);
    status = features.has_animation ? decode_first_frame(bytes, n, out, error)
                                    : decode_still(bytes, n, features.has_alpha, out, error);
    if (status != RIN_OK) rin_image_clear(out);
    return status;
}
