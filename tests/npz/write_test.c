/* SPDX-License-Identifier: MIT */
/* npz_write: what is written reads back, is the same bytes whenever and wherever, and wrong items are refused. */
#include "npz/maker.h"

#include <time.h>

static const double values[6] = {1, -2, 0.1, 1e-308, 1e308, 0};
static const uint8_t bytes[5] = {0, 1, 127, 128, 255};

static void read_back(const rin_npz *npz, const char *name, double *out, int64_t n) {
    rin_error error = {0};
    const rin_npz_array *array = rin_npz_find(npz, name);
    assert_non_null(array);
    assert_ok(rin_npz_read(npz, array, out, n, &error), &error);
}

static void test_round_trip(void **state) {
    const place *p = *state;
    rin_error error = {0};
    rin_npz *npz;
    double back[6];
    const rin_npz_item items[] = {
        {.name = "mu", .values = values, .rank = 1, .shape = {6}},
        {.name = "sigma", .values = values, .rank = 2, .shape = {2, 3}},
        {.name = "n", .values = values, .rank = 0},
        {.name = "protocol", .bytes = bytes, .rank = 1, .shape = {5}},
        {.name = "none", .bytes = bytes, .rank = 4, .shape = {3, 0, 2, 1}},
    };
    assert_ok(rin_npz_write(p->path, items, RIN_COUNT(items), &error), &error);
    assert_ok(rin_npz_open(p->path, &npz, &error), &error);
    assert_int_equal(rin_npz_count(npz), RIN_COUNT(items));
    for (size_t i = 0; i < RIN_COUNT(items); i++) {
        const rin_npz_array *array = rin_npz_get(npz, i);
        assert_string_equal(array->name, items[i].name);
        assert_true(array->rank == items[i].rank && !array->fortran && !array->big_endian);
        assert_true(items[i].values ? array->kind == 'f' && array->item_bytes == 8
                                    : array->kind == 'u' && array->item_bytes == 1);
        for (int k = 0; k < array->rank; k++) assert_true(array->shape[k] == items[i].shape[k]);
    }
    read_back(npz, "mu", back, 6);
    assert_memory_equal(back, values, sizeof values);
    read_back(npz, "sigma", back, 6);
    assert_memory_equal(back, values, sizeof values);
    read_back(npz, "n", back, 1);
    assert_true(back[0] == 1);
    read_back(npz, "protocol", back, 5);
    for (int i = 0; i < 5; i++) assert_true(back[i] == bytes[i]);
    read_back(npz, "none", back, 0);
    rin_npz_close(npz);
}

/* Longer than any buffer on the way, and of bits that do not pack. */
static void test_large(void **state) {
    enum { SIDE = 700 };
    const place *p = *state;
    const size_t n = SIDE * SIDE;
    rin_error error = {0};
    rin_npz *npz;
    rin_npz_stream *stream;
    double *large = calloc(n, sizeof *large), *back = calloc(n, sizeof *back);
    float *floats = calloc(n, sizeof *floats);
    uint64_t random = 1;
    for (size_t i = 0; i < n; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth */
        large[i] = (double)(random >> 11) * 0x1p-53;
    }
    const rin_npz_item items[] = {{.name = "first", .values = large, .rank = 2, .shape = {SIDE, SIDE}},
                                  {.name = "second", .values = large + 1, .rank = 1, .shape = {n - 1}}};
    assert_ok(rin_npz_write(p->path, items, 2, &error), &error);
    assert_ok(rin_npz_open(p->path, &npz, &error), &error);
    read_back(npz, "first", back, SIDE * SIDE);
    assert_memory_equal(back, large, n * sizeof *large);
    read_back(npz, "second", back, SIDE * SIDE - 1);
    assert_memory_equal(back, large + 1, (n - 1) * sizeof *large);
    assert_ok(rin_npz_stream_open(npz, rin_npz_get(npz, 0), &stream, &error), &error);
    assert_ok(rin_npz_stream_floats(stream, floats, 1, &error), &error);
    assert_ok(rin_npz_stream_floats(stream, floats + 1, SIDE * SIDE - 1, &error), &error);
    for (size_t i = 0; i < n; i++) assert_true(floats[i] == (float)large[i]);
    rin_npz_stream_close(stream);
    rin_npz_close(npz);
    free(large);
    free(back);
    free(floats);
}

static void test_same_bytes(void **state) {
    const place *p = *state;
    static const char *const zones[] = {"UTC0", "XYZ-13", "XYZ11"};
    const rin_npz_item item = {.name = "mu", .values = values, .rank = 1, .shape = {6}};
    rin_error error = {0};
    char *first = NULL, *file;
    size_t n = 0, n_file;
    for (size_t i = 0; i < RIN_COUNT(zones); i++) {
        assert_int_equal(setenv("TZ", zones[i], 1), 0);
        tzset();
        assert_ok(rin_npz_write(p->path, &item, 1, &error), &error);
        assert_ok(rin_file_read(p->path, 1 << 16, &file, &n_file, &error), &error);
        if (!first) {
            first = file;
            n = n_file;
            continue;
        }
        assert_int_equal(n_file, n);
        assert_memory_equal(file, first, n);
        rin_free(file);
    }
    rin_free(first);
}

static void test_refusals(void **state) {
    const place *p = *state;
    static const char long_name[] = "a123456789b123456789c123456789d123456789e123456789f123456789g123";
    const struct {
        rin_npz_item items[2];
        const char *part;
    } cases[] = {
        {{{.name = "a", .values = values}, {.name = "a", .values = values}}, "two arrays are called 'a'"},
        {{{.name = "a", .values = values}, {.name = NULL, .values = values}}, "an array's name"},
        {{{.name = "a", .values = values}, {.name = "", .values = values}}, "an array's name"},
        {{{.name = "a", .values = values}, {.name = "x/y", .values = values}}, "an array's name"},
        {{{.name = "a", .values = values}, {.name = "x\n", .values = values}}, "an array's name"},
        {{{.name = "a", .values = values}, {.name = long_name, .values = values}}, "an array's name"},
        {{{.name = "a", .values = values}, {.name = "b"}}, "array 'b' must have either"},
        {{{.name = "a", .values = values}, {.name = "b", .values = values, .bytes = bytes}}, "array 'b' must have"},
        {{{.name = "a", .values = values}, {.name = "b", .values = values, .rank = 5}}, "array 'b' has 5 dimensions"},
        {{{.name = "a", .values = values}, {.name = "b", .values = values, .rank = -1}}, "array 'b' has -1"},
        {{{.name = "a", .values = values}, {.name = "b", .values = values, .rank = 1, .shape = {-1}}},
         "array 'b': dimension 0 is -1"},
        {{{.name = "a", .values = values}, {.name = "b", .values = values, .rank = 1, .shape = {(int64_t)1 << 29}}},
         "array 'b' takes more than"},
        {{{.name = "a", .values = values},
          {.name = "b", .values = values, .rank = 3, .shape = {1 << 22, 1 << 22, 1 << 22}}},
         "array 'b' takes more than"},
        {{{.name = "a", .bytes = bytes, .rank = 1, .shape = {3000000000}},
          {.name = "b", .bytes = bytes, .rank = 1, .shape = {3000000000}}},
         "the arrays take more than"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_error error = {0};
        assert_refused(rin_npz_write(p->path, cases[i].items, 2, &error), RIN_ERR_ARG, &error, cases[i].part);
        assert_false(rin_path_exists(p->path));
    }
    rin_error error = {0};
    assert_refused(rin_npz_write("/tmp/rin-not-there/file.npz", cases[0].items, 1, &error), RIN_ERR_IO, &error,
                   "/tmp/rin-not-there");
}

static void test_header(void **state) {
    static const int64_t sizes[][2] = {{0, 2048}, {1, 1}, {50000, 2048}, {INT64_MAX / 4, 1}, {1, INT64_MAX / 4}};
    const place *p = *state;
    for (size_t i = 0; i < RIN_COUNT(sizes); i++) {
        uint8_t header[RIN_NPY_HEADER];
        rin_error error = {0};
        rin_npz *npz;
        const int64_t n = sizes[i][0], dim = sizes[i][1];
        rin_npy_header(n, dim, header);
        assert_true(header[8] == RIN_NPY_HEADER - 10 && header[9] == 0 && header[RIN_NPY_HEADER - 1] == '\n');
        made npy = {.n = 0};
        make_bytes(&npy, header, sizeof header);
        if (n * dim < 1000) make_bytes(&npy, (const float[]){2.5f}, (size_t)(n * dim) * sizeof(float));
        place_put(p, &npy);
        rin_status status = rin_npz_open(p->path, &npz, &error);
        if (n * dim >= 1000) {
            char part[64];
            snprintf(part, sizeof part, "takes %lld bytes", (long long)(n * dim * 4));
            assert_refused(status, RIN_ERR_FORMAT, &error, part);
            continue;
        }
        assert_ok(status, &error);
        const rin_npz_array *array = rin_npz_get(npz, 0);
        assert_true(array->rank == 2 && array->shape[0] == n && array->shape[1] == dim && array->item_bytes == 4);
        rin_npz_close(npz);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_make, place_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip), TEST(test_large), TEST(test_same_bytes), TEST(test_refusals), TEST(test_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
