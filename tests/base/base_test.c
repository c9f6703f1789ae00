/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

/* Known answers of Philox4x32-10, from the authors' Random123 distribution (kat_vectors). */
static void test_philox_known_answers(void **state) {
    (void)state;
    uint32_t out[4];
    rin_philox((rin_random_key){0}, 0, out);
    assert_int_equal(out[0], 0x6627e8d5);
    assert_int_equal(out[1], 0xe169c58d);
    assert_int_equal(out[2], 0xbc57ac4c);
    assert_int_equal(out[3], 0x9b00dbd8);
    rin_philox((rin_random_key){UINT64_MAX, UINT64_MAX, UINT32_MAX}, UINT32_MAX, out);
    assert_int_equal(out[0], 0x408f276d);
    assert_int_equal(out[1], 0x41c83b0e);
    assert_int_equal(out[2], 0xa20bc7c6);
    assert_int_equal(out[3], 0x6d5451fd);
}

static void test_normal_moments(void **state) {
    (void)state;
    double sum = 0, square = 0, fourth = 0;
    const int n = 200000;
    for (int i = 0; i < n; i++) {
        double v = rin_random_normal((rin_random_key){1, 2, 3}, (uint64_t)i);
        sum += v;
        square += v * v;
        fourth += v * v * v * v;
    }
    assert_true(fabs(sum / n) < 5 / sqrt(n));
    assert_true(fabs(square / n - 1) < 5 * sqrt(2.0 / n));
    assert_true(fabs(fourth / n - 3) < 5 * sqrt(96.0 / n));
}

static void test_error_prefix(void **state) {
    (void)state;
    rin_error error = {0};
    (void)rin_error_set(&error, RIN_ERR_IO, "cannot open");
    assert_int_equal(rin_error_prefix(&error, RIN_ERR_IO, "model '%s'", "m"), RIN_ERR_IO);
    assert_string_equal(error.text, "model 'm': cannot open");
}

static void test_calloc_overflow(void **state) {
    (void)state;
    rin_error error = {0};
    assert_null(rin_calloc(SIZE_MAX / 2, 3, &error));
    assert_int_equal(error.code, RIN_ERR_MEMORY);
}

static void test_text_grows(void **state) {
    (void)state;
    rin_text text = {0};
    for (int i = 0; i < 1000; i++) rin_text_add(&text, "%d,", i);
    char *chars;
    assert_int_equal(rin_text_take(&text, &chars, NULL), RIN_OK);
    assert_int_equal(strlen(chars), 3890);
    rin_free(chars);
}

static void test_left_overs_by_their_names(void **state) {
    (void)state;
    static const char *const ours[] = {"a.tmp-1-0", "state.safetensors.tmp-4711-12", "a.tmp-x.tmp-1-2"};
    static const char *const others[] = {"",         "a",        ".tmp-1-2",   "a.tmp-",     "a.tmp-1",
                                         "a.tmp-1-", "a.tmp--1", "a.tmp-1-2x", "a.tmp-x1-2", "a.tmp-1-2-3",
                                         "a.tmp1-2", "1-2",      "a.tmp-1 -2", "-",          "12"};
    for (size_t i = 0; i < RIN_COUNT(ours); i++) assert_true(rin_atomic_is_left_over(ours[i]));
    for (size_t i = 0; i < RIN_COUNT(others); i++) {
        if (rin_atomic_is_left_over(others[i])) fail_msg("'%s' is taken for ours", others[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers), cmocka_unit_test(test_normal_moments),
        cmocka_unit_test(test_error_prefix),         cmocka_unit_test(test_calloc_overflow),
        cmocka_unit_test(test_text_grows),           cmocka_unit_test(test_left_overs_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
