/* SPDX-License-Identifier: MIT */
/* KID: the discrepancy against plain loops, fair and repeatable subsets, and what is refused. */
#include "metric/rows.h"

static double kernel(const float *x, const float *y, int64_t dim) {
    double dot = 0;
    for (int64_t i = 0; i < dim; i++) dot += (double)x[i] * (double)y[i];
    dot = dot / (double)dim + 1;
    return dot * dot * dot;
}

/* Rows picked of x and y; NULL: all, in their order. */
static double plainly(const float *x, const int64_t *xs, int64_t m, const float *y, const int64_t *ys, int64_t n,
                      int64_t dim) {
    double xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < m; i++) {
        const float *row = x + (xs ? xs[i] : i) * dim;
        for (int64_t j = 0; j < m; j++) xx += i == j ? 0 : kernel(row, x + (xs ? xs[j] : j) * dim, dim);
        for (int64_t j = 0; j < n; j++) xy += kernel(row, y + (ys ? ys[j] : j) * dim, dim);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++)
            yy += i == j ? 0 : kernel(y + (ys ? ys[i] : i) * dim, y + (ys ? ys[j] : j) * dim, dim);
    }
    return xx / (double)(m * (m - 1)) + yy / (double)(n * (n - 1)) - 2 * xy / (double)(m * n);
}

static double mmd2(const float *x, int64_t m, const float *y, int64_t n, int64_t dim) {
    rin_error error = {0};
    double out;
    assert_ok(rin_mmd2(x, m, y, n, dim, &out, &error), &error);
    return out;
}

static void test_by_hand(void **state) {
    (void)state;
    /* Kernels of (1), (2) and (0), (3): 3^3; 1; 1, 4^3 and 1, 7^3 of which the mean is 409 / 4. */
    const float x[] = {1, 2}, y[] = {0, 3};
    const double got = mmd2(x, 2, y, 2, 1), expected = 27 + 1 - 2 * 409.0 / 4;
    assert_close("mmd2", &got, &expected, 1, 1e-13);
}

/* Of several blocks too: of many rows, and of long ones, which make blocks of fewer rows. */
static void test_discrepancy(void **state) {
    (void)state;
    const struct { int64_t m, n, dim; } rows[] = {{2, 2, 1}, {2, 9, 3}, {40, 31, 64}, {1030, 1500, 2}, {71, 73, 30000}};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        int64_t m = rows[i].m, n = rows[i].n, dim = rows[i].dim;
        float *x = random_rows(i, m, dim, 0.1, 1), *y = random_rows(i + 10, n, dim, 0.3, 0.8);
        const double got[] = {mmd2(x, m, y, n, dim), mmd2(y, n, x, m, dim), mmd2(x, m, x, m, dim)};
        const double expected[] = {plainly(x, NULL, m, y, NULL, n, dim), got[0], plainly(x, NULL, m, x, NULL, m, dim)};
        assert_close("mmd2", got, expected, RIN_COUNT(got), 1e-11);
        rin_free(x);
        rin_free(y);
    }
}

/* Every pair of 6, and every row of 5 of 7, is drawn as often as chance has it, in either set. */
static void test_draws_are_fair(void **state) {
    (void)state;
    enum { DRAWS = 30000 };
    for (int set = 0; set < 2; set++) {
        int64_t pairs[6][6] = {{0}}, singles[7] = {0}, out[5];
        uint8_t chosen[7] = {0};
        for (int64_t s = 0; s < DRAWS; s++) {
            rin_kid_draw(1, s, set, 6, 2, chosen, out);
            assert_true(out[0] >= 0 && out[0] < out[1] && out[1] < 6);
            pairs[out[0]][out[1]]++;
            rin_kid_draw(2, s, set, 7, 5, chosen, out);
            for (int i = 0; i < 5; i++) {
                assert_true(out[i] >= 0 && out[i] < 7 && (i == 0 || out[i] > out[i - 1]));
                singles[out[i]]++;
            }
        }
        /* Five deviations: the root of n p (1 - p) is 43.2 and 78.2. */
        for (int i = 0; i < 6; i++) {
            for (int j = i + 1; j < 6; j++) assert_in_range(pairs[i][j], DRAWS / 15 - 216, DRAWS / 15 + 216);
        }
        for (int i = 0; i < 7; i++) assert_in_range(singles[i], DRAWS * 5 / 7 - 391, DRAWS * 5 / 7 + 391);
    }
}

static void test_draws_repeat(void **state) {
    (void)state;
    enum { N = 500, SIZE = 60 };
    static uint8_t chosen[N];
    int64_t first[SIZE], other[SIZE], all[N];
    rin_kid_draw(7, 3, 0, N, SIZE, chosen, first);
    rin_kid_draw(7, 3, 0, N, SIZE, chosen, other);
    assert_memory_equal(first, other, sizeof first);
    const struct {
        uint64_t seed;
        int64_t subset, set;
    } others[] = {{8, 3, 0}, {7, 4, 0}, {7, 3, 1}};
    for (size_t i = 0; i < RIN_COUNT(others); i++) {
        rin_kid_draw(others[i].seed, others[i].subset, (int)others[i].set, N, SIZE, chosen, other);
        assert_memory_not_equal(first, other, sizeof first);
    }
    rin_kid_draw(7, 3, 0, N, N, chosen, all);
    for (int64_t i = 0; i < N; i++) assert_true(all[i] == i && !chosen[i]);
}

static void test_subsets(void **state) {
    (void)state;
    enum { M = 90, N = 50, DIM = 12, SUBSETS = 6 };
    float *x = random_rows(1, M, DIM, 0, 1), *y = random_rows(2, N, DIM, 0.5, 1);
    stored files[] = {{.values = x, .n = M, .dim = DIM, .broken = -1}, {.values = y, .n = N, .dim = DIM, .broken = -1}};
    const rin_rows first = rows_of_stored(&files[0]), second = rows_of_stored(&files[1]),
                   memory[] = {rin_rows_of_memory(x, M, DIM), rin_rows_of_memory(y, N, DIM)};
    const int64_t sizes[] = {2, 20, 50, 1000};
    for (size_t s = 0; s < RIN_COUNT(sizes); s++) {
        rin_kid_options options = {.subsets = SUBSETS, .subset_size = sizes[s], .seed = 5};
        rin_error error = {0};
        rin_spread out, fewer;
        double values[SUBSETS], again[SUBSETS], expected[SUBSETS], mean = 0, squares = 0;
        int64_t used, size = RIN_MIN(sizes[s], N), xs[N], ys[N];
        uint8_t chosen[M] = {0};
        ticks t = {0};
        assert_ok(rin_kid(&first, &second, &options, ticker_of(&t), values, &used, &out, &error), &error);
        assert_int_equal(used, size);
        assert_true(t.done == SUBSETS && out.n == SUBSETS);
        if (size == N) assert_int_equal(files[1].most, N); /* neighbours are read together */
        for (int64_t i = 0; i < SUBSETS; i++) {
            rin_kid_draw(5, i, 0, M, size, chosen, xs);
            rin_kid_draw(5, i, 1, N, size, chosen, ys);
            expected[i] = plainly(x, xs, size, y, ys, size, DIM);
            mean += expected[i] / SUBSETS;
        }
        for (int64_t i = 0; i < SUBSETS; i++) squares += (expected[i] - mean) * (expected[i] - mean) / SUBSETS;
        assert_close("values", values, expected, SUBSETS, 1e-12);
        const double spread[] = {out.mean, out.deviation}, wanted[] = {mean, sqrt(squares)};
        assert_close("spread", spread, wanted, 2, 1e-12);
        /* Fewer subsets are the first ones. */
        options.subsets = 2;
        assert_ok(rin_kid(&memory[0], &memory[1], &options, (rin_ticker){0}, again, NULL, &fewer, &error), &error);
        assert_memory_equal(values, again, 2 * sizeof *values);
    }
    rin_free(x);
    rin_free(y);
}

static void test_refusals(void **state) {
    (void)state;
    enum { N = 30, DIM = 2 };
    float *x = random_rows(1, N, DIM, 0, 1), *y = random_rows(2, N, DIM, 0, 1);
    stored file = {.values = y, .n = N, .dim = DIM, .broken = 29};
    const rin_rows a = rin_rows_of_memory(x, N, DIM), b = rin_rows_of_memory(y, N, DIM),
                   wide = rin_rows_of_memory(y, N / 2, 2 * DIM), one = rin_rows_of_memory(x, 1, DIM),
                   none = rin_rows_of_memory(NULL, N, DIM), broken = rows_of_stored(&file);
    const rin_kid_options good = {.subsets = 3, .subset_size = N}, wrong[] = {{0, 10, 0}, {-1, 10, 0}, {3, 1, 0}};
    const rin_ticker quiet = {0};
    rin_error error = {0};
    rin_spread out;
    double value;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        assert_refused(rin_kid(&a, &b, &wrong[i], quiet, NULL, NULL, &out, &error), RIN_ERR_ARG, &error, "subsets of");
    }
    assert_refused(rin_kid(&a, &wide, &good, quiet, NULL, NULL, &out, &error), RIN_ERR_SHAPE, &error, "of 2 and of 4");
    assert_refused(rin_kid(&a, &one, &good, quiet, NULL, NULL, &out, &error), RIN_ERR_ARG, &error, "30 and 1 rows");
    assert_refused(rin_kid(&none, &b, &good, quiet, NULL, NULL, &out, &error), RIN_ERR_ARG, &error, "first features");
    assert_refused(rin_kid(&a, &broken, &good, quiet, NULL, NULL, &out, &error), RIN_ERR_IO, &error,
                   "the second features: the disk has no row 29");
    ticks t = {.stop = 2};
    assert_refused(rin_kid(&a, &b, &good, ticker_of(&t), NULL, NULL, &out, &error), RIN_ERR_CANCELLED, &error,
                   "stopped after 2 of 3");
    x[20 * DIM] = -INFINITY;
    assert_refused(rin_kid(&a, &b, &good, quiet, NULL, NULL, &out, &error), RIN_ERR_NUMERIC, &error,
                   "the first features: row 20: number 0 is -inf");
    assert_refused(rin_mmd2(x, N, y, N, DIM, &value, &error), RIN_ERR_NUMERIC, &error, "the first features: row 20");
    assert_refused(rin_mmd2(y, N, x, N, DIM, &value, &error), RIN_ERR_NUMERIC, &error, "the second features: row 20");
    assert_refused(rin_mmd2(x, 1, y, N, DIM, &value, &error), RIN_ERR_ARG, &error, "1 and 30 rows");
    rin_free(x);
    rin_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),      cmocka_unit_test(test_discrepancy), cmocka_unit_test(test_draws_are_fair),
        cmocka_unit_test(test_draws_repeat), cmocka_unit_test(test_subsets),     cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
