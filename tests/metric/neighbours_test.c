/* SPDX-License-Identifier: MIT */
/* Precision and recall: against plain loops, with points on a grid, where nearly every decision is a tie, and far away.
 */
#include <stdlib.h>

#include "metric/rows.h"

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double squared(const float *x, const float *y, int64_t dim) {
    double sum = 0;
    for (int64_t i = 0; i < dim; i++) sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sum;
}

/* Squares of the distances to the k-th nearest other point. */
static double *plain_reach(const float *x, int64_t n, int64_t dim, int64_t k) {
    double *reach = rin_calloc((size_t)n, sizeof *reach, NULL), *row = rin_calloc((size_t)n, sizeof *row, NULL);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) row[j] = i == j ? -1 : squared(x + i * dim, x + j * dim, dim);
        qsort(row, (size_t)n, sizeof *row, by_size);
        reach[i] = row[k];
    }
    rin_free(row);
    return reach;
}

static double plain_share(const float *x, int64_t n, const float *of, const double *reach, int64_t m, int64_t dim) {
    int64_t inside = 0;
    for (int64_t i = 0; i < n; i++) {
        bool found = false;
        for (int64_t j = 0; j < m && !found; j++) found = squared(x + i * dim, of + j * dim, dim) <= reach[j];
        inside += found;
    }
    return (double)inside / (double)n;
}

typedef struct sets {
    float *real, *fake;
    int64_t n_real, n_fake, dim;
} sets;

static void sets_clear(sets *s) {
    rin_free(s->real);
    rin_free(s->fake);
}

/* Everything as plain loops have it; shares exactly, radii to tolerance. */
static rin_precision_recall assert_plain(const sets *s, int64_t k, double tolerance) {
    stored files[] = {{.values = s->real, .n = s->n_real, .dim = s->dim, .broken = -1},
                      {.values = s->fake, .n = s->n_fake, .dim = s->dim, .broken = -1}};
    const rin_rows real = rows_of_stored(&files[0]), fake = rows_of_stored(&files[1]);
    double *reach[] = {plain_reach(s->real, s->n_real, s->dim, k), plain_reach(s->fake, s->n_fake, s->dim, k)};
    double *radii[] = {rin_calloc((size_t)s->n_real, sizeof(double), NULL),
                       rin_calloc((size_t)s->n_fake, sizeof(double), NULL)};
    const double expected[] = {plain_share(s->fake, s->n_fake, s->real, reach[0], s->n_real, s->dim),
                               plain_share(s->real, s->n_real, s->fake, reach[1], s->n_fake, s->dim)};
    rin_error error = {0};
    rin_precision_recall out, quiet;
    ticks t = {0};
    assert_ok(rin_precision_recall_of(&real, &fake, k, ticker_of(&t), radii[0], radii[1], &out, &error), &error);
    assert_true(t.n > 0 && t.done == t.total);
    assert_ok(rin_precision_recall_of(&real, &fake, k, (rin_ticker){0}, NULL, NULL, &quiet, &error), &error);
    assert_true(quiet.precision == out.precision && quiet.recall == out.recall);
    const double got[] = {out.precision, out.recall};
    assert_close("precision and recall", got, expected, 2, 0);
    for (int set = 0; set < 2; set++) {
        int64_t n = set ? s->n_fake : s->n_real;
        for (int64_t i = 0; i < n; i++) reach[set][i] = sqrt(reach[set][i]);
        assert_close("radii", radii[set], reach[set], n, tolerance * largest(reach[set], n));
        for (int64_t i = 0; i < n; i++) assert_true((radii[set][i] == 0) == (reach[set][i] == 0));
        rin_free(reach[set]);
        rin_free(radii[set]);
    }
    return out;
}

static void test_by_hand(void **state) {
    (void)state;
    /* On a line, the nearest other point: radii 1, 1, 2 and 3, 3, 7. 4 lies within 2 of 3; 1 and 3 within 3 of 4. */
    const float real[] = {0, 1, 3}, fake[] = {4, 7, 14};
    double radii[2][3];
    const rin_rows rows[] = {rin_rows_of_memory(real, 3, 1), rin_rows_of_memory(fake, 3, 1)};
    rin_error error = {0};
    rin_precision_recall out;
    assert_ok(rin_precision_recall_of(&rows[0], &rows[1], 1, (rin_ticker){0}, radii[0], radii[1], &out, &error),
              &error);
    assert_close("radii", radii[0], (const double[]){1, 1, 2, 3, 3, 7}, 6, 1e-14);
    assert_true(out.precision == 1.0 / 3 && out.recall == 2.0 / 3);
    assert_ok(rin_precision_recall_of(&rows[1], &rows[0], 1, (rin_ticker){0}, NULL, NULL, &out, &error), &error);
    assert_true(out.precision == 2.0 / 3 && out.recall == 1.0 / 3);
}

/* Of one block and of several, near zero and far from it. */
static void test_random(void **state) {
    (void)state;
    const struct {
        int64_t n_real, n_fake, dim, k;
        double mean;
    } rows[] = {{60, 45, 5, 3, 0},    {60, 45, 5, 1, 0},     {60, 45, 5, 44, 0},    {2, 2, 3, 1, 0},
                {90, 70, 8, 3, 4096}, {1100, 2051, 3, 3, 0}, {80, 75, 29999, 2, 1}, {300, 1025, 6, 5, -50}};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        sets s = {.n_real = rows[i].n_real, .n_fake = rows[i].n_fake, .dim = rows[i].dim};
        s.real = random_rows(i, s.n_real, s.dim, rows[i].mean, rows[i].mean > 1000 ? 0.01 : 1);
        s.fake = random_rows(i + 20, s.n_fake, s.dim, rows[i].mean, rows[i].mean > 1000 ? 0.012 : 1.2);
        rin_precision_recall out = assert_plain(&s, rows[i].k, 1e-10);
        if (s.dim == 5 && rows[i].k == 3) assert_true(out.precision < out.recall && out.precision > 0.2);
        sets_clear(&s);
    }
}

/* Whole numbers, whose distances are sums of squares: most points have others at the very distance that decides. The
 * mean of the real ones is a multiple of 1/256, so that nothing is rounded. */
static void test_ties(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        sets s = {.n_real = 256, .n_fake = 211, .dim = 9};
        s.real = random_rows(seed, s.n_real, s.dim, 1000, 1);
        s.fake = random_rows(seed + 30, s.n_fake, s.dim, 1001, 1);
        for (int64_t i = 0; i < s.n_real * s.dim; i++) s.real[i] = roundf(s.real[i]);
        for (int64_t i = 0; i < s.n_fake * s.dim; i++) s.fake[i] = roundf(s.fake[i]);
        assert_plain(&s, 1 + (int64_t)seed, 0x1p-52);
        sets_clear(&s);
    }
}

/* Numbers of all digits, but every generated row is a real one, and most are some three times: radii of exactly 0, and
 * rows of both sets at exactly the k-th distance of a third. */
static void test_duplicates(void **state) {
    (void)state;
    for (int64_t k = 1; k < 5; k++) {
        sets s = {.n_real = 120, .n_fake = 90, .dim = 523};
        s.real = random_rows(1, s.n_real, s.dim, 3, 1);
        s.fake = random_rows(2, s.n_fake, s.dim, 3, 1);
        for (int64_t i = 0; i < 60; i++)
            memcpy(s.real + (60 + i) * s.dim, s.real + i / 2 * s.dim, (size_t)s.dim * sizeof *s.real);
        for (int64_t i = 0; i < 90; i++) {
            memcpy(s.fake + i * s.dim, s.real + i * s.dim, (size_t)s.dim * sizeof *s.real);
        }
        rin_precision_recall out = assert_plain(&s, k, 1e-14);
        assert_true(out.precision == 1);
        sets_clear(&s);
    }
    /* All the same: everything is within 0 of everything. */
    sets s = {.n_real = 1500, .n_fake = 40, .dim = 3};
    s.real = random_rows(1, s.n_real, s.dim, 0.7, 0);
    s.fake = random_rows(2, s.n_fake, s.dim, 0.7, 0);
    rin_precision_recall out = assert_plain(&s, 3, 0);
    assert_true(out.precision == 1 && out.recall == 1);
    sets_clear(&s);
}

/* Points that come ever nearer: each block replaces all that was nearest before. */
static void test_drift(void **state) {
    (void)state;
    sets s = {.n_real = 2100, .n_fake = 1030, .dim = 2};
    s.real = random_rows(1, s.n_real, s.dim, 0, 0.01);
    s.fake = random_rows(2, s.n_fake, s.dim, 0, 0.01);
    for (int64_t i = 0; i < s.n_real; i++) s.real[i * s.dim] += (float)(s.n_real - i) * 0.1f;
    for (int64_t i = 0; i < s.n_fake; i++) s.fake[i * s.dim] += (float)i * 0.2f;
    assert_plain(&s, 3, 1e-10);
    sets_clear(&s);
}

static void refuse(const rin_rows *real, const rin_rows *fake, int64_t k, rin_status expected, const char *part) {
    rin_error error = {0};
    rin_precision_recall out;
    assert_refused(rin_precision_recall_of(real, fake, k, (rin_ticker){0}, NULL, NULL, &out, &error), expected, &error,
                   part);
}

static void test_refusals(void **state) {
    (void)state;
    enum { N = 1200, FEW = 4, DIM = 2 };
    float *x = random_rows(1, N, DIM, 0, 1), *y = random_rows(2, FEW, DIM, 0, 1);
    stored file = {.values = x, .n = N, .dim = DIM, .broken = 1100};
    const rin_rows real = rin_rows_of_memory(x, N, DIM), fake = rin_rows_of_memory(y, FEW, DIM),
                   wide = rin_rows_of_memory(y, FEW / 2, 2 * DIM), broken = rows_of_stored(&file);
    refuse(&real, &fake, 0, RIN_ERR_ARG, "k = 0");
    refuse(&real, &fake, FEW, RIN_ERR_ARG, "k = 4");
    refuse(&fake, &real, FEW, RIN_ERR_ARG, "k = 4");
    refuse(&real, &wide, 1, RIN_ERR_SHAPE, "of 2 and of 4");
    refuse(&real, NULL, 1, RIN_ERR_ARG, "generated features");
    refuse(&broken, &fake, 1, RIN_ERR_IO, "the real features: the disk has no row 1100");
    refuse(&fake, &broken, 1, RIN_ERR_IO, "the generated features: the disk has no row 1100");
    assert_true(file.most < N);
    for (int64_t stop = 1; stop <= 6; stop++) {
        rin_error error = {0};
        rin_precision_recall out;
        ticks t = {.stop = stop};
        assert_refused(rin_precision_recall_of(&real, &fake, 3, ticker_of(&t), NULL, NULL, &out, &error),
                       RIN_ERR_CANCELLED, &error, "of 6 steps");
        assert_int_equal(t.n, stop);
    }
    x[1150 * DIM] = NAN;
    refuse(&real, &fake, 1, RIN_ERR_NUMERIC, "the real features: row 1150: number 0");
    refuse(&fake, &real, 1, RIN_ERR_NUMERIC, "the generated features: row 1150: number 0");
    rin_free(x);
    rin_free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),    cmocka_unit_test(test_random), cmocka_unit_test(test_ties),
        cmocka_unit_test(test_duplicates), cmocka_unit_test(test_drift),  cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
