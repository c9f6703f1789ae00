/* SPDX-License-Identifier: MIT */
/* The bytes as a .npz or .npy: what was accepted must be consistent, readable in every way alike, and as statistics. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "metric/statistics.h"

enum { MOST_READ = 1 << 16 };

static void check_array(const rin_npz *file, const rin_npz_array *array, size_t n_bytes) {
    int64_t n = 1;
    FUZZ_CHECK(array && rin_npz_find(file, array->name) == array);
    FUZZ_CHECK(array->rank >= 0 && array->rank <= RIN_NPZ_MOST_RANK);
    FUZZ_CHECK(strchr(array->kind == 'f' ? "48" : "1248", '0' + array->item_bytes));
    for (int k = 0; k < array->rank; k++) n *= array->shape[k];
    FUZZ_CHECK(n == array->count && n >= 0);
    FUZZ_CHECK((uint64_t)n * (uint64_t)array->item_bytes <= ((uint64_t)n_bytes + 1) * 1032);
}

/* Like the whole array, in order, in parts of a length that divides nothing. */
static void check_stream(const rin_npz *file, const rin_npz_array *array, const double *whole, bool readable) {
    enum { PART = 37 };
    rin_error error = {0};
    rin_npz_stream *stream;
    rin_status status = rin_npz_stream_open(file, array, &stream, &error);
    FUZZ_CHECK((status == RIN_OK) == (stream != NULL) && (!readable || array->fortran || stream));
    float part[PART];
    for (int64_t done = 0; status == RIN_OK && done < array->count;) {
        int64_t n = RIN_MIN(array->count - done, PART);
        status = rin_npz_stream_floats(stream, part, n, &error);
        for (int64_t i = 0; status == RIN_OK && readable && i < n; i++) {
            float narrowed = (float)whole[done + i];
            FUZZ_CHECK(part[i] == narrowed || (part[i] != part[i] && narrowed != narrowed));
        }
        done += n;
    }
    FUZZ_CHECK(!readable || status == RIN_OK || !stream);
    if (stream) FUZZ_CHECK(rin_npz_stream_floats(stream, part, 1, &error) != RIN_OK);
    rin_npz_stream_close(stream);
}

static void read_array(const rin_npz *file, const rin_npz_array *array) {
    rin_error error = {0};
    double *whole = rin_calloc((size_t)array->count, sizeof *whole, NULL);
    FUZZ_CHECK(whole);
    bool readable = rin_npz_read(file, array, whole, array->count, &error) == RIN_OK;
    FUZZ_CHECK(readable || (error.code != RIN_OK && error.text[0]));
    FUZZ_CHECK(rin_npz_read(file, array, whole, array->count + 1, NULL) != RIN_OK);
    check_stream(file, array, whole, readable);
    fuzz_touch(whole, (size_t)array->count * sizeof *whole);
    rin_free(whole);
}

static void read_statistics(const rin_npz *file) {
    rin_error error = {0};
    rin_statistics statistics;
    bool there = rin_statistics_are_in(file);
    bool read = rin_statistics_read(file, "file", &statistics, &error) == RIN_OK;
    FUZZ_CHECK(read ? there : error.code != RIN_OK && error.text[0]);
    if (read) {
        const rin_gaussian *g = &statistics.gaussian;
        FUZZ_CHECK(g->dim > 0 && g->n >= 0);
        for (int64_t i = 0; i < g->dim * g->dim; i++)
            FUZZ_CHECK(g->sigma[i] == g->sigma[i % g->dim * g->dim + i / g->dim]);
        FUZZ_CHECK(!statistics.protocol || rin_text_is_utf8(statistics.protocol));
    }
    rin_statistics_clear(&statistics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char path[FUZZ_PATH];
    rin_npz *file;
    rin_error error = {0};
    bool small = true;
    fuzz_file("file.npz", data, n);
    if (rin_npz_open(fuzz_path("file.npz", path), &file, &error) != RIN_OK) {
        FUZZ_CHECK(!file && error.code != RIN_OK && error.text[0]);
        return 0;
    }
    for (size_t i = 0; i < rin_npz_count(file); i++) {
        const rin_npz_array *array = rin_npz_get(file, i);
        check_array(file, array, n);
        small = small && array->count <= MOST_READ;
        if (array->count <= MOST_READ) read_array(file, array);
    }
    FUZZ_CHECK(!rin_npz_get(file, rin_npz_count(file)));
    if (small) read_statistics(file);
    rin_npz_close(file);
    return 0;
}
