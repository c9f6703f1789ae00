/* SPDX-License-Identifier: MIT */
/* The vector functions against the C library in double, and vector random numbers against the scalar ones. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/vrandom.h"

enum { STRIDE = 4999 }; /* prime: passes through all bit patterns, mantissas and exponents alike */

typedef vf (*vector_function)(vf);
typedef double (*scalar_function)(double);

static vf run_exp(vf x) { return rin_vexp(x); }
static vf run_exp2(vf x) { return rin_vexp2_weight(x); }
static vf run_erf(vf x) { return rin_verf(x); }
static vf run_log(vf x) { return rin_vlog(x); }
static vf run_sin(vf x) {
    vf sine, cosine;
    rin_vsincos(x, &sine, &cosine);
    return sine;
}
static vf run_cos(vf x) {
    vf sine, cosine;
    rin_vsincos(x, &sine, &cosine);
    return cosine;
}

/* Distance in units of want's last place in float, or in units of `absolute` where that is larger. */
static double distance(float got, double want, double absolute) {
    if (isnan(want)) return isnan(got) ? 0 : INFINITY;
    float rounded = (float)want;
    if (isinf(rounded) || isinf(got)) return rounded == got ? 0 : INFINITY;
    double ulp = ldexp(1, ilogb(fmax(fabs(want), FLT_MIN)) - 23);
    return fabs((double)got - want) / fmax(ulp, absolute);
}

static double worst_distance(vector_function vector, scalar_function scalar, float low, float high, double absolute) {
    double worst = 0;
    float lanes[RIN_VF], out[RIN_VF];
    int filled = 0;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += STRIDE) {
        uint32_t word = (uint32_t)bits;
        memcpy(&lanes[filled], &word, sizeof word);
        if (lanes[filled] < low || lanes[filled] > high) continue; /* NaN stays in */
        if (++filled < RIN_VF) continue;
        filled = 0;
        vf_store(out, vector(vf_load(lanes)));
        for (int i = 0; i < RIN_VF; i++) worst = fmax(worst, distance(out[i], scalar((double)lanes[i]), absolute));
    }
    return worst;
}

static void check(vector_function vector, scalar_function scalar, float low, float high, double absolute,
                  double bound) {
    double worst = worst_distance(vector, scalar, low, high, absolute);
    if (worst > bound) fail_msg("worst distance %g, at most %g allowed", worst, bound);
}

static void test_exp(void **state) {
    (void)state;
    check(run_exp, exp, -INFINITY, INFINITY, 0, 2);
    assert_true(rin_vexp(vf_splat(0.0f))[0] == 1.0f);
    assert_true(rin_vexp(vf_splat(-200.0f))[0] == 0.0f);
}

static void test_exp2_weight(void **state) {
    (void)state;
    check(run_exp2, exp2, -125.0f, 126.0f, 0, 3);
    assert_true(rin_vexp2_weight(vf_splat(0.0f))[0] == 1.0f);
    assert_true(rin_vexp2_weight(vf_splat(-INFINITY))[0] == 0x1p-125f);
}

static void test_erf(void **state) {
    (void)state;
    check(run_erf, erf, -INFINITY, INFINITY, 0, 7);
    check(run_erf, erf, -INFINITY, INFINITY, 1e-7, 4);
}

static void test_log(void **state) {
    (void)state;
    check(run_log, log, -INFINITY, INFINITY, 0, 2);
    assert_true(rin_vlog(vf_splat(1.0f))[0] == 0.0f);
    assert_true(rin_vlog(vf_splat(0.0f))[0] == -INFINITY);
    assert_true(isnan(rin_vlog(vf_splat(-1.0f))[0]));
}

static void test_sine_and_cosine(void **state) {
    (void)state;
    check(run_sin, sin, -INFINITY, INFINITY, 1e-7, 1);
    check(run_cos, cos, -INFINITY, INFINITY, 1e-7, 1);
}

static void test_every_lane_is_its_own(void **state) {
    (void)state;
    float x[RIN_VF], sine[RIN_VF], cosine[RIN_VF];
    for (int i = 0; i < RIN_VF; i++) x[i] = i % 2 ? (float)i : 1e6f * (float)(i + 1);
    vf s, c;
    rin_vsincos(vf_load(x), &s, &c);
    vf_store(sine, s);
    vf_store(cosine, c);
    for (int i = 0; i < RIN_VF; i++) {
        assert_float_equal(sine[i], sin((double)x[i]), 1e-7);
        assert_float_equal(cosine[i], cos((double)x[i]), 1e-7);
    }
}

static void test_sums_across_lanes(void **state) {
    (void)state;
    float x[RIN_VF + 1];
    for (int i = 0; i <= RIN_VF; i++) x[i] = (float)(i * i - 7 * i);
    float sum = 0, highest = -INFINITY;
    for (int i = 1; i <= RIN_VF; i++) {
        sum += x[i];
        highest = fmaxf(highest, x[i]);
    }
    assert_true(vf_sum(vf_load(x + 1)) == sum);
    assert_true(vf_highest(vf_load(x + 1)) == highest);
    assert_true(vf_sum(vf_load_part(x + 1, 2)) == x[1] + x[2]);
    float out[RIN_VF] = {0};
    vf_store_part(out, vf_splat(3.0f), 1);
    assert_true(out[0] == 3.0f && out[1] == 0.0f);
}

/* Starts within, before and across the 2^34 elements after which the key changes; lengths that end anywhere. */
static void test_random_numbers(void **state) {
    (void)state;
    static const uint64_t starts[] = {0, 1, 2, 3, 7, 31, 1000003, (1ull << 34) - 37, (1ull << 34) + 5, 5ull << 34};
    rin_random_key key = {0x123456789abcdefu, 0xfedcba987654321u, 77};
    float out[100];
    for (size_t s = 0; s < RIN_COUNT(starts); s++) {
        for (int64_t n = 0; n <= 70; n++) {
            out[n] = 9;
            rin_vrandom_uniforms(key, starts[s], n, out);
            for (int64_t i = 0; i < n; i++) assert_true(out[i] == rin_random_uniform(key, starts[s] + (uint64_t)i));
            assert_true(out[n] == 9);
            rin_vrandom_normals(key, starts[s], n, out);
            for (int64_t i = 0; i < n; i++) {
                assert_float_equal(out[i], rin_random_normal(key, starts[s] + (uint64_t)i), 2e-6);
            }
            assert_true(out[n] == 9);
        }
    }
}

/* Four rows of a register tile at once are the numbers of the definition, wherever they begin. */
static void test_dropout(void **state) {
    (void)state;
    enum { WIDTH = 2 * RIN_VF };
    const uint64_t starts[] = {0, 8, 4096, (uint64_t)7 << 33, ((uint64_t)1 << 35) + 16};
    const float rates[] = {0.1f, 0.5f, 0.99f};
    rin_random_key key = {11, 5, 3};
    int survivors[3] = {0};
    for (size_t s = 0; s < RIN_COUNT(starts); s++) {
        for (size_t r = 0; r < RIN_COUNT(rates); r++) {
            const uint64_t first[4] = {starts[s], starts[s] + 520, starts[s] + 1040, starts[s] + 8};
            const float kept[4] = {1, 2, 3, 0.5f};
            float got[4 * WIDTH], want[WIDTH];
            rin_vsurvivors(key, first, rin_drop_threshold(rates[r]), kept, got);
            for (int row = 0; row < 4; row++) {
                rin_random_survivors(key, first[row], WIDTH, rates[r], kept[row], want);
                assert_memory_equal(got + row * WIDTH, want, sizeof want);
                rin_random_survivors(key, first[row] + 3, 5, rates[r], kept[row], want);
                assert_memory_equal(got + row * WIDTH + 3, want, 5 * sizeof *want);
            }
        }
    }
    static float many[1 << 16];
    for (size_t r = 0; r < RIN_COUNT(rates); r++) {
        rin_random_survivors(key, 0, RIN_COUNT(many), rates[r], 1, many);
        for (size_t i = 0; i < RIN_COUNT(many); i++) survivors[r] += many[i] == 1;
        assert_float_equal((double)survivors[r] / (double)RIN_COUNT(many), 1 - (double)rates[r], 0.006);
        assert_float_equal(rin_drop_scale(rates[r]) * (1 - (double)rates[r]), 1, 0.001);
    }
}

static void test_many_normals(void **state) {
    (void)state;
    rin_random_key key = {1, 2, 3};
    static float out[1 << 16];
    rin_vrandom_normals(key, 0, RIN_COUNT(out), out);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < RIN_COUNT(out); i++) {
        assert_float_equal(out[i], rin_random_normal(key, i), 2e-6);
        sum += (double)out[i];
        squares += (double)out[i] * (double)out[i];
    }
    assert_float_equal(sum / (double)RIN_COUNT(out), 0, 0.02);
    assert_float_equal(squares / (double)RIN_COUNT(out), 1, 0.02);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_exp2_weight),
        cmocka_unit_test(test_erf),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_sine_and_cosine),
        cmocka_unit_test(test_every_lane_is_its_own),
        cmocka_unit_test(test_sums_across_lanes),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_many_normals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
