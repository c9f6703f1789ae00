/* SPDX-License-Identifier: MIT */
/* The Frechet distance where it is known in closed form, of singular covariances too, and what is refused. */
#include "metric/rows.h"

enum { MOST = 40 };

typedef struct gauss {
    double mu[MOST], sigma[MOST * MOST];
    rin_gaussian g;
} gauss;

static void gauss_init(gauss *a, int64_t dim) {
    memset(a, 0, sizeof *a);
    a->g = (rin_gaussian){.dim = dim, .mu = a->mu, .sigma = a->sigma};
}

static rin_frechet distance(const gauss *a, const gauss *b) {
    rin_error error = {0};
    rin_frechet f;
    assert_ok(rin_frechet_distance(&a->g, &b->g, &f, &error), &error);
    assert_true(f.distance == fmax(0, f.raw));
    assert_true(f.raw == f.mean_term + f.trace1 + f.trace2 - 2 * f.trace_sqrt);
    return f;
}

/* The distance is expected, to 1e-13 of what it is made of, both ways. */
static void assert_distance(const gauss *a, const gauss *b, double expected) {
    rin_frechet f = distance(a, b), back = distance(b, a);
    double allowed = 1e-13 * (f.trace1 + f.trace2 + f.mean_term);
    assert_close("distance", &f.raw, &expected, 1, allowed);
    assert_close("distance the other way", &back.raw, &expected, 1, allowed);
}

static double uniform(uint64_t seed, int64_t i) {
    return (double)rin_random_uniform((rin_random_key){.seed = seed}, (uint64_t)i);
}

/* Mirrors the space at a plane through 0: mu and sigma of the same points there. */
static void mirror(gauss *a, uint64_t seed) {
    int64_t n = a->g.dim;
    double v[MOST], squares = 0;
    for (int64_t i = 0; i < n; i++) v[i] = uniform(seed, i) - 0.5;
    for (int64_t i = 0; i < n; i++) squares += v[i] * v[i];
    for (int64_t row = -1; row < 2 * n; row++) {
        double *x = row < 0 ? a->mu : row < n ? a->sigma + row * n : a->sigma + row - n, dot = 0;
        int64_t step = row < n ? 1 : n;
        for (int64_t i = 0; i < n; i++) dot += v[i] * x[i * step];
        for (int64_t i = 0; i < n; i++) x[i * step] -= 2 * dot / squares * v[i];
    }
}

/* Diagonal ones: |mu1 - mu2|^2 + sum of (root a - root b)^2; and so in any other coordinates. */
static void test_diagonal(void **state) {
    (void)state;
    static gauss a, b;
    gauss_init(&a, MOST);
    gauss_init(&b, MOST);
    double expected = 0;
    for (int64_t i = 0; i < MOST; i++) {
        double s = 0.1 + uniform(1, i), t = 0.1 + 2 * uniform(2, i);
        a.mu[i] = uniform(3, i);
        b.mu[i] = 4 * uniform(4, i);
        a.sigma[i * MOST + i] = s * s;
        b.sigma[i * MOST + i] = t * t;
        expected += (a.mu[i] - b.mu[i]) * (a.mu[i] - b.mu[i]) + (s - t) * (s - t);
    }
    assert_distance(&a, &b, expected);
    for (uint64_t seed = 5; seed < 8; seed++) {
        mirror(&a, seed);
        mirror(&b, seed);
        assert_distance(&a, &b, expected);
    }
}

static void test_small(void **state) {
    (void)state;
    static gauss a, b;
    gauss_init(&a, 1);
    gauss_init(&b, 1);
    a.mu[0] = 1;
    b.mu[0] = -2;
    a.sigma[0] = 9;
    b.sigma[0] = 16;
    rin_frechet f = distance(&a, &b);
    assert_true(f.mean_term == 9 && f.trace1 == 9 && f.trace2 == 16);
    assert_close("root", &f.trace_sqrt, (const double[]){12}, 1, 1e-13);
    /* Of two rows and columns, tr (A B)^(1/2) = root of tr (A B) + 2 root of det (A B). */
    gauss_init(&a, 2);
    gauss_init(&b, 2);
    const double s[] = {2, 1, 1, 3}, t[] = {5, -2, -2, 1};
    memcpy(a.sigma, s, sizeof s);
    memcpy(b.sigma, t, sizeof t);
    assert_distance(&a, &b, 5 + 6 - 2 * sqrt(9 + 2 * sqrt(5)));
}

static void test_singular(void **state) {
    (void)state;
    static gauss a, b;
    /* No deviation at all, of one or both. */
    gauss_init(&a, 3);
    gauss_init(&b, 3);
    a.mu[2] = 3;
    assert_distance(&a, &b, 9);
    b.sigma[4] = 2;
    assert_distance(&a, &b, 11);
    /* Along one direction each: the root is the product of deviations times the cosine between them. */
    gauss_init(&a, MOST);
    gauss_init(&b, MOST);
    double dot = 0, u = 0, v = 0;
    for (int64_t i = 0; i < MOST; i++) {
        for (int64_t j = 0; j < MOST; j++) {
            a.sigma[i * MOST + j] = uniform(1, i) * uniform(1, j);
            b.sigma[i * MOST + j] = uniform(2, i) * uniform(2, j);
        }
        dot += uniform(1, i) * uniform(2, i);
        u += uniform(1, i) * uniform(1, i);
        v += uniform(2, i) * uniform(2, i);
    }
    assert_distance(&a, &b, u + v - 2 * dot);
    /* Along directions that have nothing in common. */
    gauss_init(&a, 4);
    gauss_init(&b, 4);
    a.sigma[0] = a.sigma[5] = 2;
    b.sigma[10] = b.sigma[15] = 3;
    assert_distance(&a, &b, 10);
}

/* Three numbers that vary, among 37 that do not, seen in other coordinates: what rounding leaves there is no deviation.
 */
static void test_embedded(void **state) {
    (void)state;
    static gauss small[2], large[2];
    const double s[2][9] = {{2, 1, 0, 1, 3, 1, 0, 1, 5}, {4, -1, 1, -1, 2, 0, 1, 0, 1}};
    for (int k = 0; k < 2; k++) {
        gauss_init(&small[k], 3);
        gauss_init(&large[k], MOST);
        memcpy(small[k].sigma, s[k], sizeof s[k]);
        for (int64_t i = 0; i < 9; i++) large[k].sigma[i / 3 * MOST + i % 3] = s[k][i];
        small[k].mu[1] = large[k].mu[1] = k;
        mirror(&large[k], 8);
        mirror(&large[k], 9);
    }
    double expected = distance(&small[0], &small[1]).raw;
    assert_distance(&large[0], &large[1], expected);
    /* The other numbers vary in one of the two. */
    gauss_init(&large[0], MOST);
    for (int64_t i = 0; i < 9; i++) large[0].sigma[i / 3 * MOST + i % 3] = s[0][i];
    for (int64_t i = 3; i < MOST; i++) large[0].sigma[i * MOST + i] = 0.5;
    mirror(&large[0], 8);
    mirror(&large[0], 9);
    assert_distance(&large[0], &large[1], expected + 37 * 0.5);
}

/* Deviations of a thousandth count; what is below rounding does not; and neither does which half of sigma is read. */
static void test_cut(void **state) {
    (void)state;
    static gauss a, b, c;
    gauss_init(&a, 2);
    gauss_init(&b, 2);
    a.sigma[0] = b.sigma[0] = 1;
    a.sigma[3] = 1e-6;
    b.sigma[3] = 4e-6;
    assert_distance(&a, &b, 1e-6);
    a.sigma[3] = 1e-17;
    b.sigma[0] = 0;
    b.sigma[3] = 1;
    double got = distance(&a, &b).raw, expected = 2;
    assert_close("distance", &got, &expected, 1, 1e-13);
    gauss_init(&a, 2);
    gauss_init(&b, 2);
    gauss_init(&c, 2);
    const double s[] = {2, 1, 1, 3}, t[] = {5, -2 + 1e-6, -2 - 1e-6, 1}, u[] = {5, -2, -2, 1};
    memcpy(a.sigma, s, sizeof s);
    memcpy(b.sigma, t, sizeof t);
    memcpy(c.sigma, u, sizeof u);
    assert_distance(&a, &b, distance(&a, &c).raw);
}

/* Sets of features: identical, fewer rows than numbers, in another order of numbers. */
static void test_sets(void **state) {
    (void)state;
    enum { N = 25 };
    rin_gaussian g[3];
    float *rows[3] = {random_rows(1, N, MOST, 0, 1), random_rows(2, N, MOST, 0.3, 2), random_rows(1, N, MOST, 0, 1)};
    for (int s = 0; s < 3; s++) {
        rin_error error = {0};
        rin_moments moments;
        assert_ok(rin_moments_init(&moments, MOST, &error), &error);
        assert_ok(rin_moments_add(&moments, rows[s], N, &error), &error);
        assert_ok(rin_gaussian_of_moments(&moments, &g[s], &error), &error);
        rin_moments_clear(&moments);
        rin_free(rows[s]);
    }
    rin_error error = {0};
    rin_frechet same, f, back;
    assert_ok(rin_frechet_distance(&g[0], &g[2], &same, &error), &error);
    assert_true(fabs(same.raw) <= 1e-13 * same.trace1 && same.distance >= 0);
    assert_ok(rin_frechet_distance(&g[0], &g[1], &f, &error), &error);
    assert_ok(rin_frechet_distance(&g[1], &g[0], &back, &error), &error);
    assert_true(f.raw > 1 && fabs(f.raw - back.raw) <= 1e-12 * f.raw);
    for (int s = 0; s < 3; s++) rin_gaussian_clear(&g[s]);
}

static void refuse(const gauss *a, const gauss *b, rin_status expected, const char *part) {
    rin_error error = {0};
    rin_frechet f;
    assert_refused(rin_frechet_distance(&a->g, &b->g, &f, &error), expected, &error, part);
}

static void test_refusals(void **state) {
    (void)state;
    static gauss good, bad;
    gauss_init(&good, 3);
    gauss_init(&bad, 2);
    good.sigma[0] = good.sigma[4] = 1;
    refuse(&good, &bad, RIN_ERR_SHAPE, "of 3 and of 2 numbers");
    bad = good;
    bad.g.mu = bad.mu;
    bad.g.sigma = bad.sigma;
    bad.mu[1] = NAN;
    refuse(&good, &bad, RIN_ERR_NUMERIC, "the second statistics: mu: number 1 is");
    bad.mu[1] = 0;
    bad.sigma[5] = INFINITY;
    refuse(&bad, &good, RIN_ERR_NUMERIC, "the first statistics: sigma: number (1, 2) is inf");
    bad.sigma[5] = 2e-6;
    refuse(&bad, &good, RIN_ERR_FORMAT, "2e-06");
    bad.sigma[5] = 5e-7;
    assert_true(distance(&bad, &good).distance < 1e-6);
    /* Deviations below nothing, also where the other set has none. */
    bad.sigma[5] = 0;
    bad.sigma[8] = -2e-6;
    refuse(&bad, &good, RIN_ERR_NUMERIC, "the first sigma is no covariance");
    refuse(&good, &bad, RIN_ERR_NUMERIC, "the second sigma is no covariance");
    bad.sigma[8] = -5e-7;
    assert_true(distance(&bad, &good).distance < 1e-6 && distance(&good, &bad).distance < 1e-6);
    memset(bad.sigma, 0, sizeof bad.sigma);
    bad.sigma[0] = -1;
    refuse(&bad, &good, RIN_ERR_NUMERIC, "its least eigenvalue is -1");
    gauss_init(&bad, 3);
    gauss_init(&good, 3);
    bad.sigma[0] = good.sigma[0] = 1e300;
    refuse(&bad, &good, RIN_ERR_NUMERIC, "above the largest number");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diagonal), cmocka_unit_test(test_small), cmocka_unit_test(test_singular),
        cmocka_unit_test(test_embedded), cmocka_unit_test(test_cut),   cmocka_unit_test(test_sets),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
