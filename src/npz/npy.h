/* SPDX-License-Identifier: MIT */
/* npy: the header in front of an array's numbers, and numbers as they lie behind it. Inner header of the room. */
#ifndef RIN_NPZ_NPY_H
#define RIN_NPZ_NPY_H

#include "npz/npz.h"

enum {
    RIN_NPY_MAGIC = 6,             /* bytes that any .npy begins with */
    RIN_NPY_START = 12,            /* at most: magic, version, length of the dictionary */
    RIN_NPY_MOST_TEXT = 1 << 16,   /* bytes of a dictionary that is read; numpy itself writes up to a few hundred */
    RIN_NPY_MOST_WRITTEN = 4 * 64, /* bytes of a header that is written */
};

bool rin_npy_has_magic(const uint8_t bytes[RIN_NPY_MAGIC]);
/* Bytes of the start, by the version in its first 8 of them. Errors: FORMAT. */
rin_status rin_npy_start_bytes(const uint8_t start[RIN_NPY_MAGIC + 2], size_t *n, rin_error *error) RIN_CHECKED;
/* Bytes of the dictionary, by the whole start of n bytes. Errors: FORMAT for more than RIN_NPY_MOST_TEXT. */
rin_status rin_npy_text_bytes(const uint8_t *start, size_t n, size_t *text_bytes, rin_error *error) RIN_CHECKED;
/* Everything of out but the name. count times item_bytes fits an int64_t. Errors: FORMAT; UNSUPPORTED. */
rin_status rin_npy_parse(const char *text, size_t n, rin_npz_array *out, rin_error *error) RIN_CHECKED;
/* The header of an array in C order, padded to at least so many bytes and to a multiple of 64. Returns its bytes. */
size_t rin_npy_format(const char *descr, const int64_t *shape, int rank, size_t least,
                      uint8_t out[RIN_NPY_MOST_WRITTEN]);

/* n numbers as they lie in the file. */
void rin_npy_to_doubles(const rin_npz_array *array, const uint8_t *items, int64_t n, double *out);
void rin_npy_to_floats(const rin_npz_array *array, const uint8_t *items, int64_t n, float *out);

#endif
