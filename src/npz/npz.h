/* SPDX-License-Identifier: MIT */
/* npz: numpy's .npy and .npz files, read in bounded memory and written. Pickled objects are never run. */
#ifndef RIN_NPZ_H
#define RIN_NPZ_H

#include "base/base.h"

enum { RIN_NPZ_MOST_RANK = 4, RIN_NPZ_LONGEST_NAME = 64 };

/* One array: what the header of its .npy says. Dimensions in the order of the header, whichever way it lies. */
typedef struct rin_npz_array {
    char name[RIN_NPZ_LONGEST_NAME]; /* without .npy; "" in a file that is a .npy itself */
    char kind;                       /* f: float, u: unsigned, i: signed */
    int item_bytes;                  /* f: 4 or 8; u and i: 1, 2, 4 or 8 */
    bool big_endian, fortran;        /* fortran: the first dimension lies innermost */
    int rank;
    int64_t shape[RIN_NPZ_MOST_RANK];
    int64_t count; /* numbers: the product of shape, 1 for rank 0 */
} rin_npz_array;

/* A .npz or .npy file, open: the headers of all its arrays have been read and checked. */
typedef struct rin_npz rin_npz;

/*
 * Opens a file by its content, not by its name. Members of a zip whose names do not end in .npy are passed over. Arrays
 * of other kinds (objects, structured types, text, more than RIN_NPZ_MOST_RANK dimensions) are an error that names
 * them, and so is a count that does not fit its member's bytes, and a name that is there twice. The file is kept open.
 * Ownership: *out is closed by rin_npz_close, which accepts NULL. Errors: IO; FORMAT; UNSUPPORTED; MEMORY.
 */
rin_status rin_npz_open(const char *path, rin_npz **out, rin_error *error) RIN_CHECKED;
void rin_npz_close(rin_npz *npz);
size_t rin_npz_count(const rin_npz *npz);
const rin_npz_array *rin_npz_get(const rin_npz *npz, size_t index);      /* borrowed; NULL past the last */
const rin_npz_array *rin_npz_find(const rin_npz *npz, const char *name); /* NULL: there is none */

/* The whole array in C order as float64, to which integers beyond 2^53 are rounded; n must be its count. Errors: ARG;
 * IO; FORMAT, also for a wrong checksum; MEMORY. Threads: safe. */
rin_status rin_npz_read(const rin_npz *npz, const rin_npz_array *array, double *out, int64_t n,
                        rin_error *error) RIN_CHECKED;

/*
 * An array read from its beginning to its end, without ever being in memory as a whole. Only arrays in C order
 * (UNSUPPORTED), of which one with fewer than two dimensions longer than 1 is one however it says it lies. The checksum
 * is known, and a wrong one an error, when the last number is read at the latest. After an error a stream gives no more
 * numbers. Several streams of one file may be open.
 * Ownership: *out is closed by rin_npz_stream_close, which accepts NULL; npz must outlive it.
 */
typedef struct rin_npz_stream rin_npz_stream;
rin_status rin_npz_stream_open(const rin_npz *npz, const rin_npz_array *array, rin_npz_stream **out,
                               rin_error *error) RIN_CHECKED;
/* The next n numbers, of which there must be so many left, as floats, or, of an array of bytes, as bytes. Errors: ARG;
 * IO; FORMAT; MEMORY. */
rin_status rin_npz_stream_floats(rin_npz_stream *stream, float *out, int64_t n, rin_error *error) RIN_CHECKED;
rin_status rin_npz_stream_bytes(rin_npz_stream *stream, uint8_t *out, int64_t n, rin_error *error) RIN_CHECKED;
void rin_npz_stream_close(rin_npz_stream *stream);

/* ---- writing: float64 and uint8 in C order ---- */

/* An array to write: double values or bytes, whichever is not NULL; borrowed until the call returns. */
typedef struct rin_npz_item {
    const char *name;
    const double *values;
    const uint8_t *bytes;
    int rank;
    int64_t shape[RIN_NPZ_MOST_RANK];
} rin_npz_item;

/* A .npz, deflated, as numpy.load and zip programs read it. Appears under its name only when complete. The same items
 * make the same bytes. Errors: ARG; IO; MEMORY. */
rin_status rin_npz_write(const char *path, const rin_npz_item *items, int n_items, rin_error *error) RIN_CHECKED;

/* The header of a .npy of little-endian float32 rows (n, dim) in C order, padded to a fixed RIN_NPY_HEADER bytes
 * whatever n is, so that it can be written anew when rows have been appended. */
enum { RIN_NPY_HEADER = 128 };
void rin_npy_header(int64_t n, int64_t dim, uint8_t out[RIN_NPY_HEADER]);

#endif
