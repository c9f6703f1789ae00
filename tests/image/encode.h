/* SPDX-License-Identifier: MIT */
/* encode: makes picture files in memory for tests. Include after cmocka.h. */
#ifndef RIN_TEST_ENCODE_H
#define RIN_TEST_ENCODE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

/* Freed by free(bytes). */
typedef struct encoded {
    uint8_t *bytes;
    size_t n;
} encoded;

static inline void encoded_add(encoded *to, const void *bytes, size_t n) {
    to->bytes = realloc(to->bytes, to->n + n + 1);
    assert_non_null(to->bytes);
    memcpy(to->bytes + to->n, bytes, n);
    to->n += n;
}

static inline void encoded_add_u32(encoded *to, uint32_t value) { /* little-endian */
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    encoded_add(to, bytes, 4);
}

/* ---- EXIF ---- */

enum { EXIF_BYTES = 32 };

/* A little-endian TIFF block with one tag, the orientation, after the "Exif" header. */
static inline void make_exif(int orientation, uint8_t out[EXIF_BYTES]) {
    static const uint8_t block[EXIF_BYTES] = {'E',  'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0,
                                              0x12, 1,   3,   0,   1, 0, 0,   0,   0,  0, 0, 0, 0, 0, 0, 0};
    memcpy(out, block, EXIF_BYTES);
    out[24] = (uint8_t)orientation;
}

/* ---- JPEG ---- */

typedef struct jpeg_options {
    J_COLOR_SPACE from, stored; /* components given, components stored */
    int n_components;
    bool progressive, no_adobe;
    int orientation; /* 0: no EXIF */
} jpeg_options;

static inline encoded encode_jpeg(const uint8_t *pixels, int width, int height, jpeg_options o) {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr manager;
    info.err = jpeg_std_error(&manager);
    jpeg_create_compress(&info);
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    jpeg_mem_dest(&info, &bytes, &n);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = o.n_components;
    info.in_color_space = o.from;
    jpeg_set_defaults(&info);
    jpeg_set_colorspace(&info, o.stored);
    jpeg_set_quality(&info, 100, TRUE);
    for (int c = 0; c < info.num_components; c++) info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
    if (o.progressive) jpeg_simple_progression(&info);
    if (o.no_adobe) info.write_Adobe_marker = FALSE;
    jpeg_start_compress(&info, TRUE);
    if (o.orientation) {
        uint8_t exif[EXIF_BYTES];
        make_exif(o.orientation, exif);
        jpeg_write_marker(&info, JPEG_APP0 + 1, exif, EXIF_BYTES);
    }
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + info.next_scanline * (size_t)(width * o.n_components));
        (void)jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return (encoded){bytes, n};
}

static inline encoded encode_rgb_jpeg(const uint8_t *rgb, int width, int height) {
    return encode_jpeg(rgb, width, height, (jpeg_options){.from = JCS_RGB, .stored = JCS_YCbCr, .n_components = 3});
}

/* ---- PNG ---- */

typedef struct png_options {
    int type, depth;
    bool interlaced;
    const png_color *palette;
    int n_palette;
    const uint8_t *palette_alpha;    /* (n_palette) or NULL */
    const png_color_16 *transparent; /* or NULL */
    int orientation;                 /* 0: no EXIF */
} png_options;

static inline void png_to_memory(png_structp png, png_bytep bytes, size_t n) {
    encoded_add(png_get_io_ptr(png), bytes, n);
}

/* rows: packed as PNG stores them, stride bytes a row. */
static inline encoded encode_png(const uint8_t *rows, size_t stride, int width, int height, png_options o) {
    encoded out = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, png_to_memory, NULL);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, o.depth, o.type,
                 o.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (o.palette) png_set_PLTE(png, info, o.palette, o.n_palette);
    if (o.palette_alpha) png_set_tRNS(png, info, o.palette_alpha, o.n_palette, NULL);
    if (o.transparent) png_set_tRNS(png, info, NULL, 0, o.transparent);
    uint8_t exif[EXIF_BYTES];
    make_exif(o.orientation, exif);
    if (o.orientation) png_set_eXIf_1(png, info, EXIF_BYTES - 6, exif + 6);
    png_bytep *lines = calloc((size_t)height, sizeof *lines);
    for (int y = 0; y < height; y++) lines[y] = (png_bytep)(uintptr_t)(rows + (size_t)y * stride);
    png_set_rows(png, info, lines);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    free(lines);
    return out;
}

static inline encoded encode_rgb_png(const uint8_t *rgb, int width, int height) {
    png_options o = {.type = PNG_COLOR_TYPE_RGB, .depth = 8};
    return encode_png(rgb, 3 * (size_t)width, width, height, o);
}

/* ---- WebP ---- */

static inline encoded encode_webp(const uint8_t *rgba, int width, int height) {
    uint8_t *bytes = NULL;
    size_t n = WebPEncodeLosslessRGBA(rgba, width, height, 4 * width, &bytes);
    encoded out = {0};
    encoded_add(&out, bytes, n);
    WebPFree(bytes);
    return out;
}

static inline void add_chunk(encoded *to, const char *name, const encoded *body) {
    encoded_add(to, name, 4);
    encoded_add_u32(to, (uint32_t)body->n);
    encoded_add(to, body->bytes, body->n);
    if (body->n % 2) encoded_add(to, "", 1);
}

static inline void add_u24(encoded *to, int value) {
    const uint8_t bytes[3] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16)};
    encoded_add(to, bytes, 3);
}

/* An extended WebP file around a still one: an animation when n_frames > 0, on a canvas with an even margin on the left
 * and above, with an EXIF orientation when > 0. */
static inline encoded extend_webp(const encoded *still, int width, int height, int n_frames, int margin,
                                  int orientation) {
    const encoded image = {still->bytes + 12, still->n - 12};
    encoded head = {0}, body = {0}, out = {0}, frame = {0}, anim = {0}, exif = {0};
    encoded_add_u32(&head, 0x10u | (n_frames ? 0x02u : 0) | (orientation ? 0x08u : 0));
    add_u24(&head, margin + width - 1);
    add_u24(&head, margin + height - 1);
    encoded_add(&body, "WEBP", 4);
    add_chunk(&body, "VP8X", &head);
    if (n_frames) {
        encoded_add(&anim, "\0\0\0\0\0\0", 6);
        add_chunk(&body, "ANIM", &anim);
        add_u24(&frame, margin / 2);
        add_u24(&frame, margin / 2);
        add_u24(&frame, width - 1);
        add_u24(&frame, height - 1);
        add_u24(&frame, 100);
        encoded_add(&frame, "", 1);
        encoded_add(&frame, image.bytes, image.n);
        for (int i = 0; i < n_frames; i++) add_chunk(&body, "ANMF", &frame);
    } else {
        encoded_add(&body, image.bytes, image.n);
    }
    if (orientation) {
        uint8_t block[EXIF_BYTES];
        make_exif(orientation, block);
        encoded_add(&exif, block + 6, EXIF_BYTES - 6);
        add_chunk(&body, "EXIF", &exif);
    }
    add_chunk(&out, "RIFF", &body);
    free(head.bytes);
    free(body.bytes);
    free(frame.bytes);
    free(anim.bytes);
    free(exif.bytes);
    return out;
}

#endif
