/* SPDX-License-Identifier: MIT */
/* Mean and covariance: against two passes in long double, streamed, merged, far from zero, and what is refused. */
#include "metric/rows.h"

/* In two passes, in long double. */
static void plainly(const float *rows, int64_t n, int64_t dim, double *mu, double *sigma) {
    for (int64_t i = 0; i < dim; i++) {
        long double sum = 0;
        for (int64_t r = 0; r < n; r++) sum += (long double)rows[r * dim + i];
        mu[i] = (double)(sum / n);
    }
    for (int64_t i = 0; i < dim; i++) {
        for (int64_t j = 0; j < dim; j++) {
            long double sum = 0, a = 0, b = 0;
            for (int64_t r = 0; r < n; r++) {
                long double x = (long double)rows[r * dim + i] - mu[i], y = (long double)rows[r * dim + j] - mu[j];
                sum += x * y;
                a += x;
                b += y;
            }
            sigma[i * dim + j] = (double)((sum - a * b / n) / (n - 1));
        }
    }
}

static rin_gaussian stream(const float *rows, int64_t n, int64_t dim, int64_t batch) {
    rin_error error = {0};
    rin_moments moments;
    rin_gaussian out;
    assert_ok(rin_moments_init(&moments, dim, &error), &error);
    for (int64_t first = 0; first < n; first += batch)
        assert_ok(rin_moments_add(&moments, rows + first * dim, RIN_MIN(batch, n - first), &error), &error);
    assert_int_equal(moments.n, n);
    assert_ok(rin_gaussian_of_moments(&moments, &out, &error), &error);
    rin_moments_clear(&moments);
    return out;
}

static void assert_same(const rin_gaussian *g, const double *mu, const double *sigma, double tolerance) {
    int64_t d = g->dim;
    assert_close("mu", g->mu, mu, d, tolerance * largest(mu, d));
    assert_close("sigma", g->sigma, sigma, d * d, tolerance * largest(sigma, d * d));
}

static void test_by_hand(void **state) {
    (void)state;
    const float rows[] = {1, 10, 2, 14, 6, 12};
    const double mu[] = {3, 12}, sigma[] = {7, 1, 1, 4};
    rin_gaussian g = stream(rows, 3, 2, 2);
    assert_int_equal(g.n, 3);
    assert_int_equal(g.dim, 2);
    assert_same(&g, mu, sigma, 1e-15);
    rin_gaussian_clear(&g);
    assert_null(g.mu);
}

/* Batches of any size make the very same bits, and the numbers of two passes. */
static void test_batches(void **state) {
    (void)state;
    enum { DIM = 13, N = 777 };
    const int64_t batches[] = {N, 1, 7, 64, 255, 256, 257};
    double mu[DIM], sigma[DIM * DIM];
    for (int far = 0; far < 2; far++) {
        float *rows = random_rows(1, N, DIM, far ? 4096 : 0.5, far ? 0.01 : 1);
        plainly(rows, N, DIM, mu, sigma);
        rin_gaussian first = stream(rows, N, DIM, N);
        assert_same(&first, mu, sigma, far ? 1e-9 : 1e-14);
        for (size_t i = 0; i < RIN_COUNT(batches); i++) {
            rin_gaussian g = stream(rows, N, DIM, batches[i]);
            assert_memory_equal(g.mu, first.mu, sizeof mu);
            assert_memory_equal(g.sigma, first.sigma, sizeof sigma);
            rin_gaussian_clear(&g);
        }
        rin_gaussian_clear(&first);
        rin_free(rows);
    }
}

static void test_merges(void **state) {
    (void)state;
    enum { DIM = 9, N = 900 };
    const int64_t cuts[][2] = {{0, 0}, {N, N}, {1, 2}, {256, 512}, {300, 700}, {300, 301}, {10, 890}};
    double mu[DIM], sigma[DIM * DIM];
    float *rows = random_rows(2, N, DIM, 3, 1);
    for (int64_t i = 0; i < 300 * DIM; i++) rows[i] += 5; /* parts of other means */
    plainly(rows, N, DIM, mu, sigma);
    for (size_t c = 0; c < RIN_COUNT(cuts); c++) {
        const int64_t ends[] = {0, cuts[c][0], cuts[c][1], N};
        rin_error error = {0};
        rin_moments all, part;
        rin_gaussian g;
        assert_ok(rin_moments_init(&all, DIM, &error), &error);
        for (int p = 0; p < 3; p++) {
            assert_ok(rin_moments_init(&part, DIM, &error), &error);
            assert_ok(rin_moments_add(&part, rows + ends[p] * DIM, ends[p + 1] - ends[p], &error), &error);
            assert_ok(rin_moments_merge(&all, &part, &error), &error);
            assert_int_equal(part.n, ends[p + 1] - ends[p]);
            rin_moments_clear(&part);
        }
        assert_int_equal(all.n, N);
        assert_ok(rin_gaussian_of_moments(&all, &g, &error), &error);
        assert_same(&g, mu, sigma, 1e-14);
        rin_gaussian_clear(&g);
        rin_moments_clear(&all);
    }
    rin_free(rows);
}

/* A covariance is asked for in the middle, and then more rows come. */
static void test_goes_on(void **state) {
    (void)state;
    enum { DIM = 4, N = 400 };
    float *rows = random_rows(3, N, DIM, 0, 1);
    rin_error error = {0};
    rin_moments moments;
    rin_gaussian middle, end, whole = stream(rows, N, DIM, 50);
    assert_ok(rin_moments_init(&moments, DIM, &error), &error);
    assert_ok(rin_moments_add(&moments, rows, 100, &error), &error);
    assert_ok(rin_gaussian_of_moments(&moments, &middle, &error), &error);
    assert_ok(rin_moments_add(&moments, rows + 100 * DIM, N - 100, &error), &error);
    assert_ok(rin_gaussian_of_moments(&moments, &end, &error), &error);
    assert_memory_equal(end.sigma, whole.sigma, DIM * DIM * sizeof *end.sigma);
    assert_int_equal(middle.n, 100);
    rin_gaussian_clear(&middle);
    rin_gaussian_clear(&end);
    rin_gaussian_clear(&whole);
    rin_moments_clear(&moments);
    rin_free(rows);
}

static void test_refusals(void **state) {
    (void)state;
    enum { DIM = 3 };
    rin_error error = {0};
    rin_moments moments, other;
    rin_gaussian g;
    float rows[5 * DIM] = {1, 2, 3, 4, 5, 6, 7, 8, 10};
    assert_refused(rin_moments_init(&moments, 0, &error), RIN_ERR_ARG, &error, "allowed: 1 to 32000");
    assert_refused(rin_moments_init(&moments, 32001, &error), RIN_ERR_ARG, &error, "32001");
    rin_moments_clear(&moments);
    rin_moments_clear(NULL);
    rin_gaussian_clear(NULL);
    assert_ok(rin_moments_init(&moments, DIM, &error), &error);
    assert_ok(rin_moments_init(&other, DIM + 1, &error), &error);
    assert_refused(rin_moments_add(&moments, rows, -1, &error), RIN_ERR_ARG, &error, "-1 rows");
    assert_ok(rin_moments_add(&moments, rows, 0, &error), &error);
    assert_ok(rin_moments_add(&moments, rows, 1, &error), &error);
    assert_refused(rin_gaussian_of_moments(&moments, &g, &error), RIN_ERR_ARG, &error, "of 1 rows");
    assert_ok(rin_moments_add(&moments, rows + DIM, 2, &error), &error);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < RIN_COUNT(bad); i++) {
        rows[4 * DIM + 1] = bad[i];
        assert_refused(rin_moments_add(&moments, rows, 5, &error), RIN_ERR_NUMERIC, &error, "row 7: number 1 is");
        assert_int_equal(moments.n, 3);
    }
    assert_refused(rin_moments_merge(&moments, &other, &error), RIN_ERR_SHAPE, &error, "of 3 and of 4");
    assert_refused(rin_moments_merge(&moments, &moments, &error), RIN_ERR_ARG, &error, "themselves");
    assert_ok(rin_gaussian_of_moments(&moments, &g, &error), &error);
    assert_close("mu", g.mu, (const double[]){4, 5, 19.0 / 3}, DIM, 1e-14);
    rin_gaussian_clear(&g);
    rin_moments_clear(&moments);
    rin_moments_clear(&other);
}

static void test_rows(void **state) {
    (void)state;
    const float values[] = {1, 2, 3, 4, 5, 6};
    const int64_t wrong[][2] = {{-1, 1}, {0, 4}, {3, 1}, {2, -1}, {INT64_MAX, 1}};
    const rin_rows rows = rin_rows_of_memory(values, 3, 2);
    rin_error error = {0};
    float out[6] = {0};
    assert_ok(rin_rows_read(&rows, 1, 2, out, &error), &error);
    assert_memory_equal(out, values + 2, 4 * sizeof *out);
    assert_ok(rin_rows_read(&rows, 3, 0, out, &error), &error);
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        assert_refused(rin_rows_read(&rows, wrong[i][0], wrong[i][1], out, &error), RIN_ERR_ARG, &error, "there are 3");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_by_hand), cmocka_unit_test(test_batches),
        cmocka_unit_test(test_merges), cmocka_unit_test(test_goes_on), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
