/* SPDX-License-Identifier: MIT */
/* writer: safetensors files, streamed; they appear under their name only when complete. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/header.h"

enum { ALIGNMENT = 8 };

struct rin_safetensors_writer {
    rin_text metadata, tensors; /* entries of the header, each followed by a comma */
    char **names, **keys;       /* owned, to find what is declared twice */
    size_t n_names, n_keys;
    uint64_t declared, written; /* bytes of data */
    rin_atomic_file file;
    bool begun;
};

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A JSON string: quoted, control characters and what JSON itself uses escaped. */
static void add_string(rin_text *text, const char *string) {
    rin_text_add(text, "\"");
    while (*string) {
        size_t plain = 0;
        while ((unsigned char)string[plain] >= 0x20 && string[plain] != '"' && string[plain] != '\\') plain++;
        /* The length of a precision is an int: long texts go in pieces. */
        plain = RIN_MIN(plain, 1 << 20);
        if (plain) {
            rin_text_add(text, "%.*s", (int)plain, string);
            string += plain;
        } else if (*string) {
            rin_text_add(text, "\\u%04x", (unsigned)(unsigned char)*string++);
        }
    }
    rin_text_add(text, "\"");
}

rin_status rin_safetensors_writer_create(rin_safetensors_writer **out, rin_error *error) {
    *out = rin_calloc(1, sizeof **out, error);
    return *out ? RIN_OK : RIN_ERR_MEMORY;
}

void rin_safetensors_writer_free(rin_safetensors_writer *writer) {
    if (!writer) return;
    rin_atomic_abort(&writer->file);
    for (size_t i = 0; i < writer->n_names; i++) rin_free(writer->names[i]);
    for (size_t i = 0; i < writer->n_keys; i++) rin_free(writer->keys[i]);
    rin_free(writer->names);
    rin_free(writer->keys);
    rin_text_clear(&writer->metadata);
    rin_text_clear(&writer->tensors);
    rin_free(writer);
}

/* Appends a copy of text to a list. The list doubles whenever its length is a power of two. */
static rin_status remember(char ***list, size_t *n, const char *text, rin_error *error) {
    if (!(*n & (*n - 1))) {
        char **grown = rin_realloc(*list, RIN_MAX(2 * *n, 1), sizeof *grown, error);
        if (!grown) return RIN_ERR_MEMORY;
        *list = grown;
    }
    char *copy = rin_strdup(text, error);
    if (!copy) return RIN_ERR_MEMORY;
    (*list)[(*n)++] = copy;
    return RIN_OK;
}

static rin_status check_open(const rin_safetensors_writer *writer, rin_error *error) {
    if (!writer->begun) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG,
                         "safetensors writer: the header is written, nothing can be declared any more");
}

rin_status rin_safetensors_writer_add(rin_safetensors_writer *writer, const char *name, rin_stored_type type, int rank,
                                      const int64_t *shape, rin_error *error) {
    uint64_t n_elements = 0, n_bytes = 0;
    rin_status status = check_open(writer, error);
    if (status != RIN_OK) return status;
    if (!*name || !strcmp(name, "__metadata__") || !rin_text_is_utf8(name)) {
        return rin_error_set(error, RIN_ERR_ARG, "safetensors writer: '%.80s' cannot be a tensor's name", name);
    }
    if (!rin_stored_type_bytes(type) || rank < 0 || rank > RIN_STORED_MAX_RANK ||
        !rin_stored_size(type, rank, shape, &n_elements, &n_bytes) || n_bytes > INT64_MAX - writer->declared) {
        return rin_error_set(error, RIN_ERR_ARG,
                             "safetensors writer: tensor '%.80s' has type %d, rank %d; allowed: a known "
                             "type, rank 0 to %d, no negative dimension, less than 2^63 bytes in all",
                             name, (int)type, rank, RIN_STORED_MAX_RANK);
    }
    status = remember(&writer->names, &writer->n_names, name, error);
    if (status != RIN_OK) return status;
    rin_text *text = &writer->tensors;
    add_string(text, name);
    rin_text_add(text, ":{\"dtype\":\"%s\",\"shape\":[", rin_stored_type_name(type));
    for (int i = 0; i < rank; i++) rin_text_add(text, "%s%lld", i ? "," : "", (long long)shape[i]);
    rin_text_add(text, "],\"data_offsets\":[%llu,%llu]},", (unsigned long long)writer->declared,
                 (unsigned long long)(writer->declared + n_bytes));
    writer->declared += n_bytes;
    return RIN_OK;
}

rin_status rin_safetensors_writer_add_metadata(rin_safetensors_writer *writer, const char *key, const char *value,
                                               rin_error *error) {
    rin_status status = check_open(writer, error);
    if (status != RIN_OK) return status;
    if (!rin_text_is_utf8(key) || !rin_text_is_utf8(value)) {
        return rin_error_set(error, RIN_ERR_ARG, "safetensors writer: metadata '%.80s' is not UTF-8", key);
    }
    status = remember(&writer->keys, &writer->n_keys, key, error);
    if (status != RIN_OK) return status;
    add_string(&writer->metadata, key);
    rin_text_add(&writer->metadata, ":");
    add_string(&writer->metadata, value);
    rin_text_add(&writer->metadata, ",");
    return RIN_OK;
}

/* Sorts the list; a text that is there twice is an error. */
static rin_status check_unique(char **list, size_t n, rin_error *error) {
    if (n) qsort(list, n, sizeof *list, compare_texts);
    for (size_t i = 1; i < n; i++) {
        if (!strcmp(list[i - 1], list[i])) {
            return rin_error_set(error, RIN_ERR_ARG, "safetensors writer: '%.80s' is declared twice", list[i]);
        }
    }
    return RIN_OK;
}

/* The characters before the trailing comma. */
static int without_comma(const rin_text *text) {
    return text->length ? (int)(text->length - 1) : 0;
}

/* The whole header, padded with spaces so that the data begins at a multiple of 8 bytes. */
static rin_status format_header(const rin_safetensors_writer *writer, char **out, size_t *length, rin_error *error) {
    *out = NULL;
    const rin_text *metadata = &writer->metadata, *tensors = &writer->tensors;
    if (metadata->failed || tensors->failed) {
        return rin_error_set(error, RIN_ERR_MEMORY, "safetensors writer: out of memory for the header");
    }
    if (metadata->length > RIN_STORED_MAX_HEADER / 2 || tensors->length > RIN_STORED_MAX_HEADER / 2 - 64) {
        return rin_error_set(error, RIN_ERR_ARG, "safetensors writer: a header of more than %d bytes",
                             RIN_STORED_MAX_HEADER);
    }
    rin_text text = {0};
    rin_text_add(&text, "{");
    if (metadata->length) rin_text_add(&text, "\"__metadata__\":{%.*s}", without_comma(metadata), metadata->chars);
    if (metadata->length && tensors->length) rin_text_add(&text, ",");
    if (tensors->length) rin_text_add(&text, "%.*s", without_comma(tensors), tensors->chars);
    rin_text_add(&text, "}");
    while (text.length % ALIGNMENT && !text.failed) rin_text_add(&text, " ");
    *length = text.length;
    return rin_text_take(&text, out, error);
}

rin_status rin_safetensors_writer_begin(rin_safetensors_writer *writer, const char *path, rin_error *error) {
    char *header = NULL;
    size_t length = 0;
    unsigned char prefix[8];
    rin_status status = check_open(writer, error);
    if (status == RIN_OK) status = check_unique(writer->names, writer->n_names, error);
    if (status == RIN_OK) status = check_unique(writer->keys, writer->n_keys, error);
    if (status == RIN_OK) status = format_header(writer, &header, &length, error);
    if (status == RIN_OK) status = rin_atomic_open(&writer->file, path, error);
    if (status == RIN_OK) {
        for (size_t i = 0; i < sizeof prefix; i++) prefix[i] = (unsigned char)((uint64_t)length >> (8 * i));
        writer->begun = true;
        status = rin_atomic_write(&writer->file, prefix, sizeof prefix, error);
        if (status == RIN_OK) status = rin_atomic_write(&writer->file, header, length, error);
    }
    rin_free(header);
    return status;
}

rin_status rin_safetensors_writer_write(rin_safetensors_writer *writer, const void *data, size_t n_bytes,
                                        rin_error *error) {
    if (!writer->file.stream || n_bytes > writer->declared - writer->written) {
        return rin_error_set(error, RIN_ERR_ARG, "safetensors writer: %zu bytes of data where %llu are due", n_bytes,
                             (unsigned long long)(writer->file.stream ? writer->declared - writer->written : 0));
    }
    rin_status status = rin_atomic_write(&writer->file, data, n_bytes, error);
    if (status == RIN_OK) writer->written += n_bytes;
    return status;
}

rin_status rin_safetensors_writer_commit(rin_safetensors_writer *writer, rin_error *error) {
    if (!writer->file.stream || writer->written != writer->declared) {
        return rin_error_set(error, RIN_ERR_ARG, "safetensors writer: %llu of %llu bytes of data written, or not begun",
                             (unsigned long long)writer->written, (unsigned long long)writer->declared);
    }
    return rin_atomic_commit(&writer->file, error);
}
