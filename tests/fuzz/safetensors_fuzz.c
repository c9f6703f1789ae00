/* SPDX-License-Identifier: MIT */
/* The bytes as a safetensors file: what was accepted must be consistent, and every tensor readable in every way. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "checkpoint/safetensors.h"

enum { MOST_READ = 1 << 16, PREFIX = 8 };

static void read_all(const rin_safetensors *file, const rin_stored_tensor *tensor) {
    size_t n = (size_t)tensor->n_elements, n_bytes = (size_t)(tensor->end - tensor->begin);
    rin_error error = {0};
    float *floats = rin_calloc(n, sizeof *floats, NULL);
    double *doubles = rin_calloc(n, sizeof *doubles, NULL);
    char *bytes = rin_calloc(n_bytes, 1, NULL);
    FUZZ_CHECK(floats && doubles && bytes);
    FUZZ_CHECK(rin_safetensors_read(file, tensor, floats, n, &error) == RIN_OK);
    FUZZ_CHECK(rin_safetensors_read_double(file, tensor, doubles, n, &error) == RIN_OK);
    FUZZ_CHECK(rin_safetensors_read_bytes(file, tensor, bytes, n_bytes, &error) == RIN_OK);
    FUZZ_CHECK(rin_safetensors_read(file, tensor, floats, n + 1, &error) == RIN_ERR_SHAPE);
    FUZZ_CHECK(rin_safetensors_read_bytes(file, tensor, bytes, n_bytes + 1, &error) == RIN_ERR_SHAPE);
    for (size_t i = 0; i < n; i++) {
        float narrowed = (float)doubles[i];
        FUZZ_CHECK(memcmp(&floats[i], &narrowed, sizeof narrowed) == 0 ||
                   (floats[i] != floats[i] && narrowed != narrowed));
    }
    fuzz_touch(bytes, n_bytes);
    rin_free(floats);
    rin_free(doubles);
    rin_free(bytes);
}

static void walk_tensors(const rin_safetensors *file, uint64_t file_bytes) {
    uint64_t end = 0;
    for (size_t i = 0; i < rin_safetensors_count(file); i++) {
        const rin_stored_tensor *tensor = rin_safetensors_get(file, i);
        FUZZ_CHECK(tensor && rin_safetensors_find(file, tensor->name) == tensor);
        FUZZ_CHECK(tensor->rank >= 0 && tensor->rank <= RIN_STORED_MAX_RANK);
        FUZZ_CHECK(tensor->begin == end && tensor->begin <= tensor->end && tensor->end <= file_bytes - PREFIX);
        uint64_t n = 1;
        for (int k = 0; k < tensor->rank; k++) n *= (uint64_t)tensor->shape[k];
        FUZZ_CHECK(n == tensor->n_elements && n * rin_stored_type_bytes(tensor->type) == tensor->end - tensor->begin);
        end = tensor->end;
        if (tensor->n_elements <= MOST_READ) read_all(file, tensor);
    }
    FUZZ_CHECK(!rin_safetensors_get(file, rin_safetensors_count(file)));
}

static void walk_metadata(const rin_safetensors *file) {
    const char *key, *before = NULL;
    for (size_t i = 0; (key = rin_safetensors_metadata_key(file, i)); i++) {
        const char *value = rin_safetensors_metadata(file, key);
        FUZZ_CHECK(value && (!before || strcmp(before, key) < 0));
        fuzz_touch(value, strlen(value));
        before = key;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char path[FUZZ_PATH];
    rin_safetensors *file;
    rin_error error = {0};
    fuzz_file("file.safetensors", data, n);
    if (rin_safetensors_open(fuzz_path("file.safetensors", path), &file, &error) != RIN_OK) {
        FUZZ_CHECK(!file && error.code != RIN_OK && error.text[0]);
        return 0;
    }
    walk_tensors(file, n);
    walk_metadata(file);
    rin_safetensors_close(file);
    return 0;
}
