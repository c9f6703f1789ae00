/* SPDX-License-Identifier: MIT */
/* reader: opens safetensors files and reads their tensors, converted to float or double. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/header.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian; a big-endian machine would have to swap bytes here"
#endif

enum { PREFIX = 8, CHUNK = 1 << 16 };

struct rin_safetensors {
    rin_input input;
    char *text; /* the header, which names and metadata point into */
    rin_header header;
    uint64_t data_start;
};

static rin_status read_header(rin_safetensors *file, rin_error *error) {
    const uint64_t file_bytes = file->input.bytes;
    unsigned char prefix[PREFIX];
    if (file_bytes < PREFIX) {
        return rin_error_set(error, RIN_ERR_FORMAT, "%llu bytes are too few for a safetensors file",
                             (unsigned long long)file_bytes);
    }
    rin_status status = rin_input_read(&file->input, 0, prefix, PREFIX, error);
    if (status != RIN_OK) return status;
    uint64_t length = 0;
    for (int i = PREFIX - 1; i >= 0; i--) length = length << 8 | prefix[i];
    if (length > RIN_STORED_MAX_HEADER || length > file_bytes - PREFIX) {
        return rin_error_set(
            error, RIN_ERR_FORMAT,
            "a header of %llu bytes in a file of %llu; allowed: up to %d and inside the file. Is this a "
            "safetensors file?",
            (unsigned long long)length, (unsigned long long)file_bytes, RIN_STORED_MAX_HEADER);
    }
    file->text = rin_calloc((size_t)length + 1, 1, error);
    if (!file->text) return RIN_ERR_MEMORY;
    status = rin_input_read(&file->input, PREFIX, file->text, (size_t)length, error);
    if (status != RIN_OK) return status;
    file->data_start = PREFIX + length;
    return rin_header_parse(file->text, (size_t)length, file_bytes - file->data_start, &file->header, error);
}

rin_status rin_safetensors_open(const char *path, rin_safetensors **out, rin_error *error) {
    *out = NULL;
    rin_safetensors *file = rin_calloc(1, sizeof *file, error);
    if (!file) return RIN_ERR_MEMORY;
    rin_status status = rin_input_open(&file->input, path, error);
    if (status == RIN_OK) {
        status = read_header(file, error);
        if (status != RIN_OK) (void)rin_error_prefix(error, status, "%s", path);
    }
    if (status == RIN_OK) *out = file;
    else rin_safetensors_close(file);
    return status;
}

void rin_safetensors_close(rin_safetensors *file) {
    if (!file) return;
    rin_input_close(&file->input);
    rin_header_clear(&file->header);
    rin_free(file->text);
    rin_free(file);
}

size_t rin_safetensors_count(const rin_safetensors *file) {
    return file->header.n_tensors;
}

const rin_stored_tensor *rin_safetensors_get(const rin_safetensors *file, size_t index) {
    return index < file->header.n_tensors ? &file->header.tensors[index] : NULL;
}

static int compare_to_tensor(const void *name, const void *element) {
    return strcmp(name, (*(const rin_stored_tensor *const *)element)->name);
}

const rin_stored_tensor *rin_safetensors_find(const rin_safetensors *file, const char *name) {
    const rin_header *h = &file->header;
    const rin_stored_tensor **found = bsearch(name, h->by_name, h->n_tensors, sizeof *h->by_name, compare_to_tensor);
    return found ? *found : NULL;
}

static int compare_to_pair(const void *key, const void *element) {
    return strcmp(key, ((const rin_metadata_pair *)element)->key);
}

const char *rin_safetensors_metadata(const rin_safetensors *file, const char *key) {
    const rin_header *h = &file->header;
    if (!h->n_metadata) return NULL;
    const rin_metadata_pair *found = bsearch(key, h->metadata, h->n_metadata, sizeof *h->metadata, compare_to_pair);
    return found ? found->value : NULL;
}

const char *rin_safetensors_metadata_key(const rin_safetensors *file, size_t index) {
    return index < file->header.n_metadata ? file->header.metadata[index].key : NULL;
}

/* ---- conversion ---- */

static double half_to_double(uint16_t bits) {
    uint64_t exponent = bits >> 10 & 31, fraction = bits & 1023, sign = bits >> 15, wide;
    double value = (double)fraction * 0x1p-24; /* subnormals and zero */
    if (exponent) {
        wide = (exponent == 31 ? 2047 : exponent + (1023 - 15)) << 52 | fraction << 42;
        memcpy(&value, &wide, sizeof value);
    }
    return sign ? -value : value;
}

static double bfloat_to_double(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* case TYPE: reads a value of the C type at from and evaluates `value` over it. */
#define CASE(stored, c_type, expression) \
    case stored: {                       \
        c_type v;                        \
        memcpy(&v, from, sizeof v);      \
        return (expression);             \
    }

static double element_to_double(rin_stored_type type, const void *from) {
    switch (type) {
        CASE(RIN_STORED_F64, double, v)
        CASE(RIN_STORED_F32, float, (double)v)
        CASE(RIN_STORED_F16, uint16_t, half_to_double(v))
        CASE(RIN_STORED_BF16, uint16_t, bfloat_to_double(v))
        CASE(RIN_STORED_I64, int64_t, (double)v)
        CASE(RIN_STORED_I32, int32_t, (double)v)
        CASE(RIN_STORED_I16, int16_t, (double)v)
        CASE(RIN_STORED_I8, int8_t, (double)v)
        CASE(RIN_STORED_U8, uint8_t, (double)v)
        CASE(RIN_STORED_BOOL, uint8_t, v ? 1.0 : 0.0)
    }
    return 0;
}

static rin_status check_count(const rin_safetensors *file, const rin_stored_tensor *tensor, uint64_t has, size_t asked,
                              const char *unit, rin_error *error) {
    if (has == asked) return RIN_OK;
    return rin_error_set(error, RIN_ERR_SHAPE, "%s: tensor '%.80s' has %llu %s, %zu were asked for", file->input.path,
                         tensor->name, (unsigned long long)has, unit, asked);
}

rin_status rin_safetensors_read_bytes(const rin_safetensors *file, const rin_stored_tensor *tensor, void *out,
                                      size_t n_bytes, rin_error *error) {
    rin_status status = check_count(file, tensor, tensor->end - tensor->begin, n_bytes, "bytes", error);
    return status == RIN_OK ? rin_input_read(&file->input, file->data_start + tensor->begin, out, n_bytes, error)
                            : status;
}

rin_status rin_safetensors_read_part(const rin_safetensors *file, const rin_stored_tensor *tensor, uint64_t offset,
                                     void *out, size_t n_bytes, rin_error *error) {
    uint64_t has = tensor->end - tensor->begin;
    if (offset > has || n_bytes > has - offset)
        return rin_error_set(error, RIN_ERR_SHAPE,
                             "%s: tensor '%.80s' has %llu bytes, %zu from byte %llu on are wanted", file->input.path,
                             tensor->name, (unsigned long long)has, n_bytes, (unsigned long long)offset);
    return rin_input_read(&file->input, file->data_start + tensor->begin + offset, out, n_bytes, error);
}

/* Reads in chunks and converts; one of floats and doubles is the destination, the other NULL. */
static rin_status read_converted(const rin_safetensors *file, const rin_stored_tensor *tensor, float *floats,
                                 double *doubles, rin_error *error) {
    size_t size = rin_stored_type_bytes(tensor->type);
    char *chunk = rin_calloc(CHUNK, 1, error);
    rin_status status = chunk ? RIN_OK : RIN_ERR_MEMORY;
    uint64_t offset = file->data_start + tensor->begin;
    for (uint64_t done = 0; status == RIN_OK && done < tensor->n_elements;) {
        size_t n = (size_t)RIN_MIN(tensor->n_elements - done, CHUNK / size);
        status = rin_input_read(&file->input, offset + done * size, chunk, n * size, error);
        for (size_t i = 0; status == RIN_OK && i < n; i++) {
            double value = element_to_double(tensor->type, chunk + i * size);
            if (floats) floats[done + i] = (float)value;
            else doubles[done + i] = value;
        }
        done += n;
    }
    rin_free(chunk);
    return status;
}

rin_status rin_safetensors_read(const rin_safetensors *file, const rin_stored_tensor *tensor, float *out, size_t n,
                                rin_error *error) {
    rin_status status = check_count(file, tensor, tensor->n_elements, n, "elements", error);
    if (status != RIN_OK) return status;
    if (tensor->type == RIN_STORED_F32) return rin_safetensors_read_bytes(file, tensor, out, n * sizeof *out, error);
    return read_converted(file, tensor, out, NULL, error);
}

rin_status rin_safetensors_read_double(const rin_safetensors *file, const rin_stored_tensor *tensor, double *out,
                                       size_t n, rin_error *error) {
    rin_status status = check_count(file, tensor, tensor->n_elements, n, "elements", error);
    if (status != RIN_OK) return status;
    if (tensor->type == RIN_STORED_F64) return rin_safetensors_read_bytes(file, tensor, out, n * sizeof *out, error);
    return read_converted(file, tensor, NULL, out, error);
}
