/* SPDX-License-Identifier: MIT */
/* image: the decoded picture, which decoder reads it, turning it upright. */
#include <string.h>

#include "image/decode.h"

rin_status rin_image_check_size(uint64_t width, uint64_t height, rin_error *error) {
    enum { LARGE = 16 << 20, BYTES_A_PIXEL = 14 }; /* while it is decoded and turned, at most */
    bool sides_fit = width >= 1 && height >= 1 && width <= RIN_IMAGE_MAX_SIDE && height <= RIN_IMAGE_MAX_SIDE;
    if (sides_fit && width * height <= LARGE) return RIN_OK;
    if (sides_fit && width * height <= RIN_IMAGE_MAX_PIXELS) {
        if (width * height * BYTES_A_PIXEL <= rin_memory_total() / 4) return RIN_OK;
        return rin_error_set(
            error, RIN_ERR_FORMAT,
            "the picture has %llu x %llu pixels; decoding it may take more than a quarter of the memory "
            "there is",
            (unsigned long long)width, (unsigned long long)height);
    }
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "the picture has %llu x %llu pixels; allowed are sides of 1 to %d and at most %llu pixels",
                         (unsigned long long)width, (unsigned long long)height, RIN_IMAGE_MAX_SIDE,
                         (unsigned long long)RIN_IMAGE_MAX_PIXELS);
}

rin_status rin_image_create(rin_image *image, int width, int height, int channels, int depth, rin_error *error) {
    *image = (rin_image){0};
    rin_status status = rin_image_check_size((uint64_t)RIN_MAX(width, 0), (uint64_t)RIN_MAX(height, 0), error);
    if (status != RIN_OK) return status;
    void *samples = rin_calloc((size_t)width * (size_t)height, (size_t)channels * (size_t)depth, error);
    if (!samples) return RIN_ERR_MEMORY;
    *image = (rin_image){.width = width, .height = height, .channels = channels, .depth = depth, .samples = samples};
    return RIN_OK;
}

void rin_image_clear(rin_image *image) {
    rin_free(image->samples);
    *image = (rin_image){0};
}

void rin_over_white(const uint8_t *from, size_t n, int colours, uint8_t *to) {
    for (size_t i = 0; i < n; i++, from += colours + 1, to += colours) {
        unsigned alpha = from[colours];
        for (int c = 0; c < colours; c++) to[c] = (uint8_t)((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* ---- turning ---- */

/* Where the pixel that is shown at (x, y) is stored: first transposed, then mirrored. */
typedef struct turn {
    bool transposed, mirrored_x, mirrored_y;
} turn;

static turn turn_of(int orientation) {
    static const turn turns[RIN_ORIENTATION_LAST + 1] = {
        [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true}, [5] = {true, false, false},
        [6] = {true, false, true},  [7] = {true, true, true},  [8] = {true, true, false},
    };
    return turns[orientation];
}

rin_status rin_image_turn(rin_image *image, int orientation, rin_error *error) {
    if (orientation <= RIN_ORIENTATION_UPRIGHT || orientation > RIN_ORIENTATION_LAST) return RIN_OK;
    turn how = turn_of(orientation);
    int width = how.transposed ? image->height : image->width;
    int height = how.transposed ? image->width : image->height;
    rin_image shown;
    rin_status status = rin_image_create(&shown, width, height, image->channels, image->depth, error);
    if (status != RIN_OK) return status;
    size_t pixel = (size_t)image->channels * (size_t)image->depth;
    const uint8_t *from = image->samples;
    uint8_t *to = shown.samples;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, to += pixel) {
            int column = how.transposed ? y : x, row = how.transposed ? x : y;
            if (how.mirrored_x) column = image->width - 1 - column;
            if (how.mirrored_y) row = image->height - 1 - row;
            memcpy(to, from + ((size_t)row * (size_t)image->width + (size_t)column) * pixel, pixel);
        }
    }
    rin_image_clear(image);
    *image = shown;
    return RIN_OK;
}

/* ---- formats ---- */

typedef struct image_format {
    const char *name;
    size_t offset; /* of the magic bytes */
    const char *magic;
    size_t n_magic;
    rin_decode_fn *decode; /* NULL: refused */
} image_format;

static const image_format formats[] = {
    {"JPEG", 0, "\xff\xd8\xff", 3, rin_jpeg_decode},
    {"PNG", 0, "\x89PNG\r\n\x1a\n", 8, rin_png_decode},
    {"WebP", 8, "WEBP", 4, rin_webp_decode},
    {"GIF", 0, "GIF8", 4, NULL},
    {"TIFF", 0, "II*\0", 4, NULL},
    {"TIFF", 0, "MM\0*", 4, NULL},
    {"HEIF, AVIF or MP4", 4, "ftyp", 4, NULL},
    {"BMP", 0, "BM", 2, NULL},
};

static rin_status refuse(const uint8_t *bytes, size_t n, const char *format, rin_error *error) {
    static const char accepted[] = "accepted are JPEG, PNG and WebP";
    if (n == 0) return rin_error_set(error, RIN_ERR_FORMAT, "the file is empty; %s", accepted);
    if (format) return rin_error_set(error, RIN_ERR_FORMAT, "the file looks like %s; %s", format, accepted);
    char first[3 * 8 + 1] = "";
    for (size_t i = 0; i < RIN_MIN(n, 8); i++) snprintf(first + 3 * i, 4, " %02x", bytes[i]);
    return rin_error_set(error, RIN_ERR_FORMAT, "not a picture: the first bytes are%s; %s", first, accepted);
}

rin_status rin_image_decode(const void *bytes, size_t n_bytes, rin_image *out, rin_error *error) {
    return rin_image_decode_as(bytes, n_bytes, RIN_ALPHA_OVER_WHITE, out, error);
}

rin_status rin_image_decode_as(const void *bytes, size_t n_bytes, rin_alpha alpha, rin_image *out, rin_error *error) {
    *out = (rin_image){0};
    const image_format *format = NULL;
    for (size_t i = 0; i < RIN_COUNT(formats) && !format; i++) {
        const image_format *f = &formats[i];
        bool long_enough = n_bytes >= f->offset + f->n_magic;
        if (long_enough && memcmp((const uint8_t *)bytes + f->offset, f->magic, f->n_magic) == 0) format = f;
    }
    if (!format || !format->decode) return refuse(bytes, n_bytes, format ? format->name : NULL, error);
    int orientation = RIN_ORIENTATION_UPRIGHT;
    rin_status status = format->decode(bytes, n_bytes, alpha, out, &orientation, error);
    if (status == RIN_OK) status = rin_image_turn(out, orientation, error);
    if (status != RIN_OK) {
        rin_image_clear(out);
        status = rin_error_prefix(error, status, "%s", format->name);
    }
    return status;
}
