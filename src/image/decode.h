/* SPDX-License-Identifier: MIT */
/* decode: what the decoders of single formats share; used inside the image room only. */
#ifndef RIN_IMAGE_DECODE_H
#define RIN_IMAGE_DECODE_H

#include "image/image.h"

/* An EXIF orientation: 1 (upright) to 8. */
enum { ORIENTATION_UPRIGHT = 1, ORIENTATION_LAST = 8 };

/* Decodes one format. The picture is as stored; *orientation says how to turn it; on failure out is empty. */
typedef rin_status rin_decode_fn(const uint8_t *bytes, size_t n, rin_image *out, int *orientation, rin_error *error);

rin_decode_fn rin_jpeg_decode;
rin_decode_fn rin_png_decode;
rin_decode_fn rin_webp_decode;

/* Refuses sides of 0, sizes above the limits of image.h, and more than a quarter of the memory can decode: FORMAT. */
rin_status rin_image_check_size(uint64_t width, uint64_t height, rin_error *error) RIN_CHECKED;

/*
 * Lays n pixels of 8-bit grey-and-alpha (colours 1) or RGBA (colours 3) over white.
 * Shapes: from (n, colours + 1), to (n, colours); they may be the same memory.
 */
void rin_over_white(const uint8_t *from, size_t n, int colours, uint8_t *to);

/* Orientation in EXIF data, with or without its "Exif" header; upright when there is none to be found. */
int rin_exif_orientation(const uint8_t *bytes, size_t n);

#endif
