/* SPDX-License-Identifier: MIT */
/* A picture from a file, as a model's pictures are. */
#include "sample/sample.h"

static rin_status decode(const char *path, rin_image *image, rin_error *error) {
    char *bytes;
    size_t n;
    rin_status status = rin_file_read(path, RIN_MOST_PICTURE_BYTES, &bytes, &n, error);
    if (status != RIN_OK) return status;
    status = rin_image_decode(bytes, n, image, error);
    rin_free(bytes);
    return status == RIN_OK ? status : rin_error_prefix(error, status, "'%.300s'", path);
}

static rin_status fit(const rin_image *image, int height, int width, int channels, uint8_t **pixels, rin_error *error) {
    size_t n = (size_t)height * (size_t)width * (size_t)channels;
    float *fitted = rin_calloc(n, sizeof *fitted, error);
    uint8_t *bytes = fitted ? rin_calloc(n, 1, error) : NULL;
    rin_status status = bytes ? rin_image_fit(image, height, width, channels, fitted, error) : RIN_ERR_MEMORY;
    for (size_t i = 0; i < n && status == RIN_OK; i++) bytes[i] = (uint8_t)(fitted[i] * 255 + 0.5f);
    rin_free(fitted);
    if (status == RIN_OK) *pixels = bytes;
    else rin_free(bytes);
    return status;
}

rin_status rin_picture_read(const rin_config *config, const char *path, int channels, uint8_t **pixels,
                            rin_error *error) {
    if (!pixels) return rin_error_null(error, __func__, "pixels");
    *pixels = NULL;
    if (!config) return rin_error_null(error, __func__, "config");
    if (!path) return rin_error_null(error, __func__, "path");
    if (channels < 0 || channels > 1)
        return rin_error_set(error, RIN_ERR_ARG, "%s: channels = %d; allowed: 0 for the model's, 1 for a mask",
                             __func__, channels);
    const rin_config_model *m = &config->model;
    int wanted = channels ? channels : (int)m->image_channels;
    if (wanted != 1 && wanted != 3)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "'%.300s': the model's pictures have %d channels; those of files can have 1 or 3", path,
                             wanted);
    rin_image image;
    rin_status status = decode(path, &image, error);
    if (status != RIN_OK) return status;
    status = fit(&image, (int)m->image_height, (int)m->image_width, wanted, pixels, error);
    rin_image_clear(&image);
    return status;
}

void rin_pixels_free(uint8_t *pixels) {
    rin_free(pixels);
}
