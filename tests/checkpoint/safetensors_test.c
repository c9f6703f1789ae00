/* SPDX-License-Identifier: MIT */
/* safetensors: what is written reads back, every type converts, hostile files are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint/checkpoint.h"

typedef struct fixture {
    char folder[64], path[96];
} fixture;

static int make_folder(void **state) {
    fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/rin-safetensors-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    snprintf(f->path, sizeof f->path, "%s/file.safetensors", f->folder);
    *state = f;
    return 0;
}

static int remove_folder(void **state) {
    fixture *f = *state;
    unlink(f->path);
    int left = rmdir(f->folder); /* fails when a temporary file was left behind */
    free(f);
    return left;
}

/* Header length, header, data. */
static void put_file(const char *path, uint64_t length, const char *header, size_t header_bytes, const void *data,
                     size_t n) {
    char file[8192];
    for (int i = 0; i < 8; i++) file[i] = (char)(length >> (8 * i));
    memcpy(file + 8, header, header_bytes);
    if (n) memcpy(file + 8 + header_bytes, data, n);
    assert_int_equal(rin_file_write(path, file, 8 + header_bytes + n, NULL), RIN_OK);
}

static void test_round_trip(void **state) {
    fixture *f = *state;
    rin_safetensors_writer *writer = NULL;
    rin_error error = {0};
    const float weights[6] = {1, -2, 3.5f, 0, 1e-30f, INFINITY};
    const int64_t step = -123456789012345, matrix[] = {2, 3}, empty[] = {0, 4};
    const char odd[] = "na\"me\\ \xC3\xA9\n\x01\xF0\x9F\x98\x80/";
    assert_int_equal(rin_safetensors_writer_create(&writer, &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add(writer, "step", RIN_STORED_I64, 0, NULL, &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add(writer, odd, RIN_STORED_F32, 2, matrix, &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add(writer, "empty", RIN_STORED_F32, 2, empty, &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add_metadata(writer, "config", "{\"a\": \"b\\n\"}\n", &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add_metadata(writer, "a", "", &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_begin(writer, f->path, &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_write(writer, &step, sizeof step, &error), RIN_OK);
    assert_int_equal(rin_safetensors_writer_write(writer, weights, 5, &error), RIN_OK);
    assert_false(rin_path_exists(f->path));
    assert_int_equal(rin_safetensors_writer_write(writer, (const char *)weights + 5, sizeof weights - 5, &error),
                     RIN_OK);
    assert_int_equal(rin_safetensors_writer_commit(writer, &error), RIN_OK);
    rin_safetensors_writer_free(writer);

    rin_safetensors *file = NULL;
    if (rin_safetensors_open(f->path, &file, &error) != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(rin_safetensors_count(file), 3);
    assert_string_equal(rin_safetensors_get(file, 0)->name, "step");
    assert_null(rin_safetensors_get(file, 3));
    assert_null(rin_safetensors_find(file, "none"));
    assert_string_equal(rin_safetensors_metadata(file, "config"), "{\"a\": \"b\\n\"}\n");
    assert_string_equal(rin_safetensors_metadata(file, "a"), "");
    assert_null(rin_safetensors_metadata(file, "b"));
    assert_string_equal(rin_safetensors_metadata_key(file, 1), "config");
    assert_null(rin_safetensors_metadata_key(file, 2));
    const rin_stored_tensor *tensor = rin_safetensors_find(file, odd);
    assert_non_null(tensor);
    assert_true(tensor->rank == 2 && tensor->shape[0] == 2 && tensor->shape[1] == 3 && tensor->n_elements == 6);
    float back[6];
    double wide[6];
    int64_t step_back = 0;
    assert_int_equal(rin_safetensors_read(file, tensor, back, 6, &error), RIN_OK);
    assert_memory_equal(back, weights, sizeof weights);
    assert_int_equal(rin_safetensors_read_double(file, tensor, wide, 6, &error), RIN_OK);
    for (int i = 0; i < 6; i++) assert_true(wide[i] == (double)weights[i]);
    assert_int_equal(rin_safetensors_read(file, tensor, back, 5, &error), RIN_ERR_SHAPE);
    tensor = rin_safetensors_find(file, "step");
    assert_int_equal(rin_safetensors_read_bytes(file, tensor, &step_back, sizeof step_back, &error), RIN_OK);
    assert_true(step_back == step);
    assert_int_equal(rin_safetensors_read_bytes(file, tensor, &step_back, 4, &error), RIN_ERR_SHAPE);
    assert_int_equal(rin_safetensors_read(file, rin_safetensors_find(file, "empty"), back, 0, &error), RIN_OK);
    rin_safetensors_close(file);
    rin_safetensors_close(NULL);
}

static void test_conversion(void **state) {
    fixture *f = *state;
    static const struct {
        const char *type;
        unsigned char bytes[16];
        int n;
        double values[4];
        int count;
    } cases[] = {
        {"F64",
         {0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F, 0, 0, 0, 0, 0, 0, 0xF0, 0xFF},
         16,
         {0.1, -INFINITY},
         2},
        {"F32", {0, 0, 0x80, 0xBF}, 4, {-1}, 1},
        {"F16", {0x00, 0x3C, 0x01, 0x80, 0xFF, 0x7B, 0x00, 0xFC}, 8, {1, -0x1p-24, 65504, -INFINITY}, 4},
        {"BF16", {0x80, 0x3F, 0x49, 0xC0}, 4, {1, -3.140625}, 2},
        {"I64", {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, 8, {-1}, 1},
        {"I32", {0, 0, 0, 0x80}, 4, {-2147483648.0}, 1},
        {"I16", {0xFE, 0xFF, 1, 1}, 4, {-2, 257}, 2},
        {"I8", {0x80, 0x7F}, 2, {-128, 127}, 2},
        {"U8", {0x80, 0xFF}, 2, {128, 255}, 2},
        {"BOOL", {0, 1, 2}, 3, {0, 1, 1}, 3},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        char header[200];
        snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%d]}}",
                 cases[i].type, cases[i].count, cases[i].n);
        put_file(f->path, strlen(header), header, strlen(header), cases[i].bytes, (size_t)cases[i].n);
        rin_safetensors *file = NULL;
        rin_error error = {0};
        if (rin_safetensors_open(f->path, &file, &error) != RIN_OK) fail_msg("%s", error.text);
        const rin_stored_tensor *tensor = rin_safetensors_get(file, 0);
        assert_string_equal(rin_stored_type_name(tensor->type), cases[i].type);
        float narrow[4];
        double wide[4];
        assert_int_equal(rin_safetensors_read(file, tensor, narrow, (size_t)cases[i].count, &error), RIN_OK);
        assert_int_equal(rin_safetensors_read_double(file, tensor, wide, (size_t)cases[i].count, &error), RIN_OK);
        for (int j = 0; j < cases[i].count; j++) {
            assert_true(wide[j] == cases[i].values[j]);
            assert_true(narrow[j] == (float)cases[i].values[j]);
        }
        rin_safetensors_close(file);
    }
}

/* Longer than one chunk of the conversion. */
static void test_long_conversion(void **state) {
    fixture *f = *state;
    enum { N = 100003 };
    const int64_t shape[] = {N};
    int32_t *values = malloc(N * sizeof *values);
    float *back = malloc(N * sizeof *back);
    for (int i = 0; i < N; i++) values[i] = 3 * i - 7;
    rin_safetensors_writer *writer = NULL;
    rin_safetensors *file = NULL;
    assert_int_equal(rin_safetensors_writer_create(&writer, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add(writer, "x", RIN_STORED_I32, 1, shape, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_begin(writer, f->path, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_write(writer, values, N * sizeof *values, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_commit(writer, NULL), RIN_OK);
    rin_safetensors_writer_free(writer);
    assert_int_equal(rin_safetensors_open(f->path, &file, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_read(file, rin_safetensors_get(file, 0), back, N, NULL), RIN_OK);
    for (int i = 0; i < N; i++) assert_true(back[i] == (float)(3 * i - 7));
    /* A file cut after it was opened is an error, not a crash. */
    assert_int_equal(truncate(f->path, 5000), 0);
    assert_int_equal(rin_safetensors_read(file, rin_safetensors_get(file, 0), back, N, NULL), RIN_ERR_IO);
    rin_safetensors_close(file);
    free(values);
    free(back);
}

static void test_writer_refuses(void **state) {
    fixture *f = *state;
    rin_safetensors_writer *w = NULL;
    const int64_t two[] = {2}, negative[] = {-1}, huge[] = {INT64_MAX / 2, 3}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(rin_safetensors_writer_create(&w, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_add(w, "", RIN_STORED_F32, 1, two, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "__metadata__", RIN_STORED_F32, 1, two, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "\xC0\x80", RIN_STORED_F32, 1, two, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "\xED\xA0\x80", RIN_STORED_F32, 1, two, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "a", RIN_STORED_F32, 1, negative, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "a", RIN_STORED_F32, 2, huge, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "a", RIN_STORED_F32, 9, nine, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "a", (rin_stored_type)77, 1, two, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add_metadata(w, "k", "\xFF", NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_write(w, two, 1, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_commit(w, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "a", RIN_STORED_F32, 1, two, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_begin(w, f->path, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_begin(w, f->path, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add(w, "b", RIN_STORED_F32, 1, two, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_add_metadata(w, "k", "v", NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_write(w, two, 9, NULL), RIN_ERR_ARG);
    assert_int_equal(rin_safetensors_writer_write(w, two, 7, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_commit(w, NULL), RIN_ERR_ARG);
    rin_safetensors_writer_free(w);
    assert_false(rin_path_exists(f->path));
    assert_int_equal(rin_safetensors_writer_create(&w, NULL), RIN_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rin_safetensors_writer_add(w, "a", RIN_STORED_F32, 1, two, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_begin(w, f->path, NULL), RIN_ERR_ARG);
    rin_safetensors_writer_free(w);
    rin_safetensors_writer_free(NULL);
}

#define TENSOR(name, type, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void test_headers(void **state) {
    fixture *f = *state;
    static const struct {
        const char *header;
        int data; /* bytes */
        rin_status status;
    } cases[] = {
        {"{}", 0, RIN_OK},
        {" { } \n", 0, RIN_OK},
        {"{\"__metadata__\":{}}", 0, RIN_OK},
        {"{" TENSOR("a", "F32", "2", "0,8") "}   ", 8, RIN_OK},
        {"{" TENSOR("a", "F32", "", "0,4") "}", 4, RIN_OK},
        {"{" TENSOR("b", "U8", "3", "4,7") "," TENSOR("e", "U8", "0", "4,4") "," TENSOR("a", "F32", "1", "0,4") "}", 7,
         RIN_OK},
        {"{\"\\u0061\\ud83d\\ude00\\/\":{ \"shape\" : [ 1 , 1 ] , \"data_offsets\":[0,4], \"dtype\":\"F32\"}}", 4,
         RIN_OK},
        {"{\"__metadata__\":{\"a\":\"b\",\"c\":\"d\"}," TENSOR("a", "F32", "1", "0,4") "}", 4, RIN_OK},
        {"", 0, RIN_ERR_FORMAT},
        {"{", 0, RIN_ERR_FORMAT},
        {"[]", 0, RIN_ERR_FORMAT},
        {"{}x", 0, RIN_ERR_FORMAT},
        {"{}{}", 0, RIN_ERR_FORMAT},
        {"{,}", 0, RIN_ERR_FORMAT},
        {"{}", 1, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "1", "0,4") ",}", 4, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "0,8") "}", 7, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "0,8") "}", 9, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "8,0") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "4,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "4,12") "}", 12, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "0,8,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "-2", "0,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2.0", "0,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2e0", "0,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "02", "0,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2,", "0,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "99999999999999999999", "0,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "4294967296,4294967296", "0,0") "}", 0, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "4611686018427387905", "0,4") "}", 4, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F8_E4M3", "4", "0,4") "}", 4, RIN_ERR_UNSUPPORTED},
        {"{" TENSOR("a", "f32", "1", "0,4") "}", 4, RIN_ERR_UNSUPPORTED},
        {"{" TENSOR("a", "F32", "1", "0,4") "," TENSOR("a", "F32", "1", "4,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "1", "0,4") "," TENSOR("b", "F32", "1", "0,4") "}", 4, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "2", "0,8") "," TENSOR("b", "F32", "1", "4,8") "}", 8, RIN_ERR_FORMAT},
        {"{" TENSOR("a", "F32", "1", "0,4") "," TENSOR("b", "F32", "1", "8,12") "}", 12, RIN_ERR_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, RIN_ERR_FORMAT},
        {"{\"a\":{}}", 0, RIN_ERR_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, RIN_ERR_FORMAT},
        {"{\"a\":{\"dtype\":\"F32\",\"size\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, RIN_ERR_FORMAT},
        {"{\"a\":[[[[[[[[[[[[[[[[", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":1}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\ud83d\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\ude00\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\ud83d\\u0041\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\x\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\u12\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\n\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\xC3\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\xE0\x80\x80\"}}", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"b", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\", 0, RIN_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"\\ud83d\\", 0, RIN_ERR_FORMAT},
    };
    static const char data[64];
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_safetensors *file = NULL;
        rin_error error = {0};
        size_t length = strlen(cases[i].header);
        put_file(f->path, length, cases[i].header, length, data, (size_t)cases[i].data);
        rin_status status = rin_safetensors_open(f->path, &file, &error);
        if (status != cases[i].status) fail_msg("'%s': %s", cases[i].header, error.text);
        assert_int_equal(file != NULL, status == RIN_OK);
        if (file && strstr(cases[i].header, "ude00")) assert_non_null(rin_safetensors_find(file, "a\xF0\x9F\x98\x80/"));
        rin_safetensors_close(file);
    }
}

static void test_faults_name_their_tensor(void **state) {
    static const char *const faulty[] = {TENSOR("bad one", "F32", "2", "0,12"),
                                         TENSOR("bad one", "F32", "9", "0,4"),
                                         TENSOR("bad one", "F32", "4611686018427387905", "0,4"),
                                         TENSOR("bad one", "Q4", "1", "0,4"),
                                         TENSOR("bad one", "F32", "1", "2,6"),
                                         TENSOR("bad one", "F32", "-1", "0,4")};
    fixture *f = *state;
    for (size_t i = 0; i < RIN_COUNT(faulty); i++) {
        char header[512];
        rin_safetensors *file = NULL;
        rin_error error = {0};
        snprintf(header, sizeof header, "{" TENSOR("good", "F32", "1", "0,4") ",%s}", faulty[i]);
        put_file(f->path, strlen(header), header, strlen(header), "12345678", 8);
        assert_int_not_equal(rin_safetensors_open(f->path, &file, &error), RIN_OK);
        if (!strstr(error.text, "tensor 'bad one'")) fail_msg("'%s': %s", faulty[i], error.text);
    }
}

static void test_broken_files(void **state) {
    fixture *f = *state;
    rin_safetensors *file = NULL;
    static const uint64_t lengths[] = {3, 1000, RIN_STORED_MAX_HEADER + 1, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < RIN_COUNT(lengths); i++) {
        put_file(f->path, lengths[i], "{}", 2, NULL, 0);
        assert_int_equal(rin_safetensors_open(f->path, &file, NULL), RIN_ERR_FORMAT);
        assert_null(file);
    }
    /* A zero byte ends no header early. */
    put_file(f->path, 6, "{}\0\0  ", 6, NULL, 0);
    assert_int_equal(rin_safetensors_open(f->path, &file, NULL), RIN_ERR_FORMAT);
    for (size_t n = 0; n < 8; n++) {
        assert_int_equal(rin_file_write(f->path, "\2\0\0\0\0\0\0\0", n, NULL), RIN_OK);
        assert_int_equal(rin_safetensors_open(f->path, &file, NULL), RIN_ERR_FORMAT);
    }
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(rin_safetensors_open(f->path, &file, NULL), RIN_ERR_IO);
    assert_int_equal(rin_safetensors_open(f->folder, &file, NULL), RIN_ERR_IO);
}

/* Every cut and many single-byte changes of a good file either open with consistent sizes or are refused. */
static void test_damaged_headers(void **state) {
    fixture *f = *state;
    static const char good[] = "{\"__metadata__\":{\"k\":\"\\u00e9\\\"\"}," TENSOR("a", "F32", "2,1", "0,8") "," TENSOR(
        "b", "U8", "3", "8,11") "}";
    static const char data[11], replacements[] = "\"\\{}[],:0912-e.\x01\x80u";
    const size_t n = sizeof good - 1;
    char header[sizeof good];
    int opened = 0;
    for (size_t at = 0; at < n; at++) {
        for (size_t r = 0; r < sizeof replacements; r++) {
            rin_safetensors *file = NULL;
            memcpy(header, good, n);
            header[at] = replacements[r]; /* the last of them is the NUL */
            put_file(f->path, n, header, n, data, sizeof data);
            rin_status status = rin_safetensors_open(f->path, &file, NULL);
            if (status == RIN_OK) {
                uint64_t end = 0;
                for (size_t i = 0; i < rin_safetensors_count(file); i++) {
                    const rin_stored_tensor *t = rin_safetensors_get(file, i);
                    assert_true(t->begin == end && t->end - t->begin == t->n_elements * rin_stored_type_bytes(t->type));
                    end = t->end;
                }
                assert_true(end == sizeof data);
                opened++;
            } else {
                assert_true(status == RIN_ERR_FORMAT || status == RIN_ERR_UNSUPPORTED);
            }
            rin_safetensors_close(file);
        }
        rin_safetensors *cut = NULL;
        put_file(f->path, at, good, at, data, sizeof data);
        assert_int_equal(rin_safetensors_open(f->path, &cut, NULL), RIN_ERR_FORMAT);
    }
    assert_true(opened > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_conversion, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_long_conversion, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_writer_refuses, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_headers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_faults_name_their_tensor, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_broken_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damaged_headers, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
