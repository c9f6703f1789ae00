/* SPDX-License-Identifier: MIT */
/* Tests of reading by position: from a file and from memory; also when the file shrinks. */
#include "support/check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 3 * 4096 + 123 };

static uint8_t content[BYTES];

static void make_content(void) {
    for (size_t i = 0; i < BYTES; i++) content[i] = (uint8_t)rin_random_u32((rin_random_key){1, 2, 3}, i);
}

static void make_file(char path[64]) {
    rin_error error = {0};
    make_content();
    snprintf(path, 64, "/tmp/rin-input-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_ok(rin_file_write(path, content, BYTES, &error), &error);
}

static void expect_right(const rin_input *input) {
    /* Around and across the borders of pages, one byte, nothing, everything. */
    static const size_t parts[][2] = {{0, 1},         {0, 4096},       {4095, 2},  {4096, 4096},
                                      {1, BYTES - 1}, {0, BYTES},      {5000, 0},  {BYTES - 1, 1},
                                      {BYTES, 0},     {3 * 4096, 123}, {777, 8000}};
    static uint8_t out[BYTES + 2];
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        rin_error error = {0};
        memset(out, 0xA5, sizeof out);
        assert_ok(rin_input_read(input, parts[i][0], out + 1, parts[i][1], &error), &error);
        assert_memory_equal(out + 1, content + parts[i][0], parts[i][1]);
        assert_int_equal(out[0], 0xA5);
        assert_int_equal(out[1 + parts[i][1]], 0xA5);
    }
}

static void expect_refused_beyond(const rin_input *input, rin_status status) {
    static const uint64_t parts[][2] = {{BYTES, 1}, {BYTES - 1, 2}, {0, BYTES + 1}, {BYTES + 10000, 1}, {INT64_MAX, 1}};
    static uint8_t out[BYTES + 2];
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        rin_error error = {0};
        assert_int_equal(rin_input_read(input, parts[i][0], out, (size_t)parts[i][1], &error), status);
        assert_int_equal(error.code, status);
        assert_true(error.text[0]);
    }
}

static void test_memory(void **state) {
    (void)state;
    make_content();
    rin_input input = rin_input_of_memory(content, BYTES);
    assert_int_equal(input.bytes, BYTES);
    expect_right(&input);
    expect_refused_beyond(&input, RIN_ERR_INTERNAL);
    uint8_t byte;
    rin_error error = {0};
    assert_int_equal(rin_input_read(&input, UINT64_MAX, &byte, 1, &error), RIN_ERR_INTERNAL);
    assert_int_equal(rin_input_read(&input, 1, &byte, SIZE_MAX, &error), RIN_ERR_INTERNAL);
    expect_right(&input);
    rin_input_close(&input);
    rin_input_close(&input);
    assert_int_equal(content[BYTES - 1], (uint8_t)rin_random_u32((rin_random_key){1, 2, 3}, BYTES - 1));
    input = rin_input_of_memory("", 0);
    assert_ok(rin_input_read(&input, 0, &byte, 0, &error), &error);
    assert_int_equal(rin_input_read(&input, 0, &byte, 1, &error), RIN_ERR_INTERNAL);
    rin_input_close(&input);
}

static void test_file(void **state) {
    char path[64];
    (void)state;
    make_file(path);
    rin_input input;
    rin_error error = {0};
    assert_ok(rin_input_open(&input, path, &error), &error);
    assert_int_equal(input.bytes, BYTES);
    expect_right(&input);
    expect_refused_beyond(&input, RIN_ERR_IO);
    rin_input_close(&input);
    rin_input_close(&input);
    assert_int_equal(unlink(path), 0);
}

static void test_empty_file(void **state) {
    char path[64];
    rin_input input;
    rin_error error = {0};
    uint8_t byte;
    (void)state;
    make_file(path);
    assert_int_equal(truncate(path, 0), 0);
    assert_ok(rin_input_open(&input, path, &error), &error);
    assert_ok(rin_input_read(&input, 0, &byte, 0, &error), &error);
    assert_refused(rin_input_read(&input, 0, &byte, 1, &error), RIN_ERR_IO, &error, path);
    rin_input_close(&input);
    assert_int_equal(unlink(path), 0);
}

static void test_file_that_shrinks(void **state) {
    static const off_t lengths[] = {2 * 4096 + 10, 4096, 1, 0};
    static uint8_t out[BYTES];
    (void)state;
    char path[64];
    rin_input input;
    rin_error error = {0};
    make_file(path);
    assert_ok(rin_input_open(&input, path, &error), &error);
    for (size_t i = 0; i < RIN_COUNT(lengths); i++) {
        assert_int_equal(truncate(path, lengths[i]), 0);
        assert_refused(rin_input_read(&input, 3 * 4096, out, 100, &error), RIN_ERR_IO, &error, "shrank");
        assert_refused(rin_input_read(&input, 0, out, BYTES, &error), RIN_ERR_IO, &error, path);
        if (lengths[i] < 4096) continue;
        assert_ok(rin_input_read(&input, 0, out, 4096, &error), &error);
        assert_memory_equal(out, content, 4096);
    }
    rin_input_close(&input);
    assert_int_equal(unlink(path), 0);
}

/* What is missing of a page, of which the beginning is still there, is not read as zeros. */
static void test_file_that_shrinks_within_a_page(void **state) {
    static uint8_t out[BYTES];
    (void)state;
    char path[64];
    rin_input input;
    rin_error error = {0};
    make_file(path);
    assert_ok(rin_input_open(&input, path, &error), &error);
    assert_int_equal(truncate(path, 4096 + 10), 0);
    assert_refused(rin_input_read(&input, 4096 + 5, out, 10, &error), RIN_ERR_IO, &error, "shrank");
    assert_refused(rin_input_read(&input, 5000, out, 1, &error), RIN_ERR_IO, &error, "shrank");
    assert_ok(rin_input_read(&input, 4096, out, 10, &error), &error);
    assert_memory_equal(out, content + 4096, 10);
    rin_input_close(&input);
    assert_int_equal(unlink(path), 0);
}

/* What was written to the file since it was opened is read. */
static void test_file_that_changes(void **state) {
    (void)state;
    char path[64];
    rin_input input;
    rin_error error = {0};
    uint8_t byte = 0;
    make_file(path);
    assert_ok(rin_input_open(&input, path, &error), &error);
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 5000, SEEK_SET), 0);
    assert_int_equal(fputc((uint8_t)~content[5000], stream), (uint8_t)~content[5000]);
    assert_int_equal(fclose(stream), 0);
    assert_ok(rin_input_read(&input, 5000, &byte, 1, &error), &error);
    assert_int_equal(byte, (uint8_t)~content[5000]);
    rin_input_close(&input);
    assert_int_equal(unlink(path), 0);
}

static void test_refusals(void **state) {
    char path[64];
    rin_input input;
    rin_error error = {0};
    (void)state;
    assert_refused(rin_input_open(&input, "/tmp", &error), RIN_ERR_IO, &error, "not a regular file");
    rin_input_close(&input);
    assert_refused(rin_input_open(&input, "/tmp/rin-no-such-file", &error), RIN_ERR_IO, &error, "No such file");
    rin_input_close(&input);
    make_file(path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(rin_input_open(&input, path, &error), RIN_ERR_IO, &error, "not a regular file");
    rin_input_close(&input);
    assert_int_equal(unlink(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_file_that_shrinks),
        cmocka_unit_test(test_file_that_shrinks_within_a_page),
        cmocka_unit_test(test_file_that_changes),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
