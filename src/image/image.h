/* SPDX-License-Identifier: MIT */
/* image: decoding of JPEG, PNG and WebP, centre crop with bicubic resize, writing of PNG. */
#ifndef RIN_IMAGE_H
#define RIN_IMAGE_H

#include "base/base.h"

/* What is decoded at most, less where there is little memory: checked before anything of that size is allocated. */
#define RIN_IMAGE_MAX_SIDE 65535
#define RIN_IMAGE_MAX_PIXELS ((uint64_t)256 << 20)

/* A decoded picture, upright and opaque. Clear with {0}; owns its samples. */
typedef struct rin_image {
    int width, height;
    int channels;  /* 1: grey; 3: red, green, blue */
    int depth;     /* bytes a sample: 1 (0..255) or 2 (uint16_t, 0..65535) */
    void *samples; /* (height, width, channels) */
} rin_image;

/*
 * Gives image zeroed samples of the size.
 * Errors: FORMAT when a side or the number of pixels is 0 or above the limits; MEMORY.
 */
rin_status rin_image_create(rin_image *image, int width, int height, int channels, int depth,
                            rin_error *error) RIN_CHECKED;

/* Frees the samples and zeroes the fields. */
void rin_image_clear(rin_image *image);

/* Refuses sides of 0, sizes above these limits, and more than a quarter of the memory can decode: FORMAT. */
rin_status rin_image_check_size(uint64_t width, uint64_t height, rin_error *error) RIN_CHECKED;

/* An EXIF orientation: 1 (upright) to 8. */
enum { RIN_ORIENTATION_UPRIGHT = 1, RIN_ORIENTATION_LAST = 8 };

/* Replaces a picture by the one that its orientation asks for; others than these are taken for upright. */
rin_status rin_image_turn(rin_image *image, int orientation, rin_error *error) RIN_CHECKED;

/*
 * Lays n pixels of 8-bit grey-and-alpha (colours 1) or RGBA (colours 3) over white.
 * Shapes: from (n, colours + 1), to (n, colours); they may be the same memory.
 */
void rin_over_white(const uint8_t *from, size_t n, int colours, uint8_t *to);

/* What becomes of transparency: seen before white, or left out of the file's colours, as Pillow's RGB is. */
typedef enum rin_alpha { RIN_ALPHA_OVER_WHITE, RIN_ALPHA_DROPPED } rin_alpha;

/*
 * Decodes a file held in memory; its format is told by its first bytes, never by a name. Transparent pixels are laid
 * over white, an EXIF orientation is applied, an animation gives its first frame, colour profiles are ignored.
 * Ownership: on success the caller clears out; on failure out is empty.
 * Errors: FORMAT for damaged or cut data, for another format and for sizes above the limits; UNSUPPORTED; MEMORY.
 * Threads: safe.
 */
rin_status rin_image_decode(const void *bytes, size_t n_bytes, rin_image *out, rin_error *error) RIN_CHECKED;
/* The same with another treatment of transparency; of animations it is always the first. */
rin_status rin_image_decode_as(const void *bytes, size_t n_bytes, rin_alpha alpha, rin_image *out,
                               rin_error *error) RIN_CHECKED;

/*
 * Fits a picture to a size: its largest centred crop with the target's aspect ratio (offsets rounded down), then
 * bicubic resampling. Colour becomes grey by Rec. 601 luma, grey becomes colour by repetition.
 * The kernel is Keys' (IEEE ASSP 1981) with a = -0.5 at half-pixel centres, widened by the scale when shrinking, its
 * weights normalised at the borders, in float; a crop that has the target's size is passed on unchanged.
 * Shapes: out (height, width, channels), channels 1 or 3. Range: 0..1, clipped.
 * Errors: ARG for a target outside 1..RIN_IMAGE_MAX_SIDE; MEMORY.
 */
rin_status rin_image_fit(const rin_image *image, int height, int width, int channels, float *out,
                         rin_error *error) RIN_CHECKED;

/* The same crop, every pixel of the result the mean of the area that it covers: what is customary for video. */
rin_status rin_image_fit_area(const rin_image *image, int height, int width, int channels, float *out,
                              rin_error *error) RIN_CHECKED;

/* Whether rin_image_fit gives only whole numbers of 1/255: nothing is resampled, mixed or deeper than 8 bits. */
bool rin_image_fits_exactly(const rin_image *image, int height, int width, int channels);

/* A remark stored in a PNG file. */
typedef struct rin_png_text {
    const char *key;   /* 1 to 79 characters, printable ASCII */
    const char *value; /* UTF-8 */
} rin_png_text;

/*
 * Writes an 8-bit PNG file, which appears under its name only when complete; remarks become tEXt chunks (iTXt where
 * a value is not ASCII).
 * Shapes: pixels (height, width, channels), channels 1 or 3; texts (n_texts), may be NULL when n_texts is 0.
 * Errors: ARG for a wrong size or key; IO; MEMORY.
 */
rin_status rin_image_write_png(const char *path, const uint8_t *pixels, int width, int height, int channels,
                               const rin_png_text *texts, size_t n_texts, rin_error *error) RIN_CHECKED;

enum { RIN_PNG_MOST_TEXT = 1 << 20 };

/*
 * The first remark with this key before the pixels of a PNG file that is held in memory, of any kind of chunk; *text is
 * NULL where there is none. It may hold any byte. The pixels are not looked at.
 * Ownership: *text is freed by rin_free; NULL on failure.
 * Errors: FORMAT for what is no PNG file, is damaged or cut up to there, and for more than RIN_PNG_MOST_TEXT bytes;
 * MEMORY. Threads: safe.
 */
rin_status rin_image_png_text(const void *bytes, size_t n, const char *key, char **text, rin_error *error) RIN_CHECKED;

#endif
