/* SPDX-License-Identifier: MIT */
/* Lossless animated WebP by libwebpmux. */
#include <limits.h>
#include <math.h>

#include <webp/encode.h>
#include <webp/mux.h>

#include "video/write.h"

enum { EFFORT = 6 /* of 0 to 9: libwebp's usual */ };

/* All it is given is right, so that it fails for want of memory, whether it says so or not. */
static rin_status failed(WebPEncodingError code, rin_error *error) {
    return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for encoding (error %d of libwebp)", (int)code);
}

/* When frame i begins. */
static int64_t milliseconds(const rin_movie *movie, int64_t i) {
    return llround(1000 * (double)i / movie->rate);
}

static rin_status add_frames(WebPAnimEncoder *encoder, const rin_movie *movie, uint8_t *rgb, rin_error *error) {
    WebPConfig config;
    WebPPicture picture;
    if (!WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, EFFORT) || !WebPPictureInit(&picture))
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "libwebp is of another version than the one built for");
    picture.use_argb = 1;
    picture.width = movie->width;
    picture.height = movie->height;
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < movie->n && status == RIN_OK; i++) {
        rin_movie_copy_frame(movie, i, rgb, 3 * (size_t)movie->width);
        if (!WebPPictureImportRGB(&picture, rgb, 3 * movie->width) ||
            !WebPAnimEncoderAdd(encoder, &picture, (int)milliseconds(movie, i), &config))
            status = failed(picture.error_code, error);
    }
    WebPPictureFree(&picture);
    return status;
}

static rin_status assemble(WebPAnimEncoder *encoder, const rin_movie *movie, rin_encoded *out, rin_error *error) {
    WebPData data;
    WebPDataInit(&data);
    if (!WebPAnimEncoderAdd(encoder, NULL, (int)milliseconds(movie, movie->n), NULL) ||
        !WebPAnimEncoderAssemble(encoder, &data))
        return failed(VP8_ENC_ERROR_OUT_OF_MEMORY, error);
    *out = (rin_encoded){(void *)(uintptr_t)data.bytes, data.size, WebPFree};
    return RIN_OK;
}

rin_status rin_encode_webp(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error) {
    (void)remark;
    WebPAnimEncoderOptions options; /* as they are: repeat for ever */
    if (milliseconds(movie, movie->n) > INT_MAX)
        return rin_error_set(error, RIN_ERR_ARG, "%lld frames at %g a second are too long for WebP: write .mp4",
                             (long long)movie->n, movie->rate);
    if (!WebPAnimEncoderOptionsInit(&options))
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "libwebpmux is of another version than the one built for");
    uint8_t *rgb = rin_calloc((size_t)movie->width * (size_t)movie->height, 3, error);
    if (!rgb) return RIN_ERR_MEMORY;
    WebPAnimEncoder *encoder = WebPAnimEncoderNew(movie->width, movie->height, &options);
    rin_status status = encoder ? add_frames(encoder, movie, rgb, error) : failed(VP8_ENC_ERROR_OUT_OF_MEMORY, error);
    if (status == RIN_OK) status = assemble(encoder, movie, out, error);
    WebPAnimEncoderDelete(encoder);
    rin_free(rgb);
    return status;
}
