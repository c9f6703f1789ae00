/* SPDX-License-Identifier: MIT */
/*
 * safetensors: named tensors in one file. 8 bytes: length L of the header, little-endian; L bytes: a JSON object
 * {"__metadata__": {key: value}, name: {"dtype", "shape", "data_offsets"}}; then the data, without gaps.
 * Source: the format description of the safetensors project.
 */
#ifndef RIN_SAFETENSORS_H
#define RIN_SAFETENSORS_H

#include "base/base.h"

enum {
    RIN_STORED_MAX_RANK = 8,
    RIN_STORED_MAX_HEADER = 100000000 /* bytes: the format's own limit */
};

typedef enum rin_stored_type {
    RIN_STORED_F64,
    RIN_STORED_F32,
    RIN_STORED_F16,
    RIN_STORED_BF16,
    RIN_STORED_I64,
    RIN_STORED_I32,
    RIN_STORED_I16,
    RIN_STORED_I8,
    RIN_STORED_U8,
    RIN_STORED_BOOL
} rin_stored_type;

/* Name in the file, such as "F32", and bytes of an element. */
const char *rin_stored_type_name(rin_stored_type type);
size_t rin_stored_type_bytes(rin_stored_type type);

typedef struct rin_stored_tensor {
    const char *name; /* UTF-8; owned by the file */
    rin_stored_type type;
    int rank;
    int64_t shape[RIN_STORED_MAX_RANK]; /* outermost first; dimensions of 0 are legal */
    uint64_t n_elements, begin, end;    /* bytes begin to end of the data */
} rin_stored_tensor;

/* ---- reading ---- */

typedef struct rin_safetensors rin_safetensors;

/*
 * Opens a file and checks all of its header: known types, rank, sizes without overflow, offsets that cover the data
 * exactly once, no name twice. Tensor data is read on demand. Memory: a small multiple of the header's size.
 * Ownership: *out is freed by rin_safetensors_close, which accepts NULL.
 * Errors: IO; FORMAT, with the byte of the header at fault; UNSUPPORTED for a type not listed above.
 */
rin_status rin_safetensors_open(const char *path, rin_safetensors **out, rin_error *error) RIN_CHECKED;
void rin_safetensors_close(rin_safetensors *file);

/* The tensors in the order of their data; get returns NULL from index count on, find when there is no such name. */
size_t rin_safetensors_count(const rin_safetensors *file);
const rin_stored_tensor *rin_safetensors_get(const rin_safetensors *file, size_t index);
const rin_stored_tensor *rin_safetensors_find(const rin_safetensors *file, const char *name);

/* Value of a metadata key, or NULL. The keys in alphabetical order; NULL from the last on. Owned by the file. */
const char *rin_safetensors_metadata(const rin_safetensors *file, const char *key);
const char *rin_safetensors_metadata_key(const rin_safetensors *file, size_t index);

/*
 * Reads a tensor of the file, converting any type to float or double; values that do not fit are rounded.
 * n must be the tensor's n_elements (SHAPE otherwise). Threads: calls on one file may run at the same time.
 */
rin_status rin_safetensors_read(const rin_safetensors *file, const rin_stored_tensor *tensor, float *out, size_t n,
                                rin_error *error) RIN_CHECKED;
rin_status rin_safetensors_read_double(const rin_safetensors *file, const rin_stored_tensor *tensor, double *out,
                                       size_t n, rin_error *error) RIN_CHECKED;
/* The tensor's bytes as they are (little-endian); n_bytes must be end - begin. */
rin_status rin_safetensors_read_bytes(const rin_safetensors *file, const rin_stored_tensor *tensor, void *out,
                                      size_t n_bytes, rin_error *error) RIN_CHECKED;

/* n_bytes of the tensor's, from so many after its first on. Errors: SHAPE beyond its end. */
rin_status rin_safetensors_read_part(const rin_safetensors *file, const rin_stored_tensor *tensor, uint64_t offset,
                                     void *out, size_t n_bytes, rin_error *error) RIN_CHECKED;

/* ---- writing: declare everything, begin, stream the data in order, commit ---- */

typedef struct rin_safetensors_writer rin_safetensors_writer;

/* Ownership: freed by rin_safetensors_writer_free, which accepts NULL; without a commit no file appears. */
rin_status rin_safetensors_writer_create(rin_safetensors_writer **out, rin_error *error) RIN_CHECKED;
void rin_safetensors_writer_free(rin_safetensors_writer *writer);

/* Declares the next tensor. Names and texts are copied; they must be UTF-8. Errors: ARG. */
rin_status rin_safetensors_writer_add(rin_safetensors_writer *writer, const char *name, rin_stored_type type, int rank,
                                      const int64_t *shape, rin_error *error) RIN_CHECKED;
rin_status rin_safetensors_writer_add_metadata(rin_safetensors_writer *writer, const char *key, const char *value,
                                               rin_error *error) RIN_CHECKED;

/* Writes the header to a temporary file beside path. Nothing can be declared any more. Errors: ARG for a name twice. */
rin_status rin_safetensors_writer_begin(rin_safetensors_writer *writer, const char *path, rin_error *error) RIN_CHECKED;
/* Appends data (little-endian) of the declared tensors, in their order, in pieces of any size. */
rin_status rin_safetensors_writer_write(rin_safetensors_writer *writer, const void *data, size_t n_bytes,
                                        rin_error *error) RIN_CHECKED;
/* Syncs the file and gives it its name. Errors: ARG when data of a declared tensor is missing. */
rin_status rin_safetensors_writer_commit(rin_safetensors_writer *writer, rin_error *error) RIN_CHECKED;

#endif
