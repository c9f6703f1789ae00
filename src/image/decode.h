/* SPDX-License-Identifier: MIT */
/* decode: what the decoders of single formats share; used inside the image room only. */
#ifndef RIN_IMAGE_DECODE_H
#define RIN_IMAGE_DECODE_H

#include "image/image.h"

/* Decodes one format. The picture is as stored; *orientation says how to turn it; on failure out is empty. */
typedef rin_status rin_decode_fn(const uint8_t *bytes, size_t n, rin_alpha alpha, rin_image *out, int *orientation,
                                 rin_error *error);

rin_decode_fn rin_jpeg_decode;
rin_decode_fn rin_png_decode;
rin_decode_fn rin_webp_decode;

/* Orientation in EXIF data, with or without its "Exif" header; upright when there is none to be found. */
int rin_exif_orientation(const uint8_t *bytes, size_t n);

#endif
