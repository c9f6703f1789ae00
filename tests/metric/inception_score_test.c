/* SPDX-License-Identifier: MIT */
/* Inception Score: known scores, splits of every kind against plain sums, numpy's order of rows, and what is refused.
 */
#include "metric/rows.h"

/* Of rows picked[0 .. n): through softmax, by the definition. */
static double plainly(const float *logits, int64_t classes, const uint32_t *picked, int64_t n) {
    double *p = rin_calloc((size_t)(n * classes), sizeof *p, NULL),
           *mean = rin_calloc((size_t)classes, sizeof *p, NULL);
    double divergence = 0;
    for (int64_t r = 0; r < n; r++) {
        double sum = 0;
        for (int64_t c = 0; c < classes; c++) sum += p[r * classes + c] = exp((double)logits[picked[r] * classes + c]);
        for (int64_t c = 0; c < classes; c++) mean[c] += (p[r * classes + c] /= sum) / (double)n;
    }
    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c < classes; c++)
            divergence += p[r * classes + c] * log(p[r * classes + c] / mean[c]) / (double)n;
    }
    rin_free(p);
    rin_free(mean);
    return exp(divergence);
}

static double score_of(const float *logits, int64_t n, int64_t classes) {
    const rin_rows rows = rin_rows_of_memory(logits, n, classes);
    rin_error error = {0};
    rin_spread out;
    const rin_splits whole = {RIN_SPLITS_EVEN, 1};
    assert_ok(rin_inception_score(&rows, whole, (rin_ticker){0}, NULL, &out, &error), &error);
    assert_true(out.deviation == 0 && out.n == 1);
    return out.mean;
}

static void test_known(void **state) {
    (void)state;
    enum { CLASSES = 7, N = 3 * CLASSES };
    float sure[N * CLASSES], alike[N * CLASSES], extreme[N * CLASSES], halves[2 * 3] = {5, 5, -2000, -2000, 5, 5};
    const float unseen[2 * 3] = {7, -2000, -2000, -2000, -2000, 7};
    for (int64_t i = 0; i < N * CLASSES; i++) {
        bool own = i / CLASSES % CLASSES == i % CLASSES;
        sure[i] = own ? 60 : 0;
        alike[i] = (float)(i % CLASSES);
        extreme[i] = own ? 3e38f : i % 2 ? -2000 : -3e38f;
    }
    const double got[] = {score_of(sure, N, CLASSES), score_of(alike, N, CLASSES), score_of(extreme, N, CLASSES),
                          score_of(halves, 2, 3),     score_of(unseen, 2, 3),      score_of(sure, N, 1)};
    /* Rows half of the classes (0, 1) and (1, 2): log 2 times a half of each. */
    assert_close("scores", got, (const double[]){CLASSES, 1, CLASSES, sqrt(2), 2, 1}, RIN_COUNT(got), 1e-12);
}

static void test_splits(void **state) {
    (void)state;
    enum { N = 1103, CLASSES = 11, MOST = N };
    const rin_splits kinds[] = {{RIN_SPLITS_EVEN, 1},     {RIN_SPLITS_EVEN, 10},    {RIN_SPLITS_EVEN, N},
                                {RIN_SPLITS_CHUNKS, 250}, {RIN_SPLITS_CHUNKS, N},   {RIN_SPLITS_CHUNKS, INT64_MAX},
                                {RIN_SPLITS_PERMUTED, 1}, {RIN_SPLITS_PERMUTED, 10}};
    const int64_t counts[] = {1, 10, N, 5, 1, 1, 1, 10};
    float *logits = random_rows(1, N, CLASSES, 0, 2);
    stored file = {.values = logits, .n = N, .dim = CLASSES, .broken = -1};
    const rin_rows memory = rin_rows_of_memory(logits, N, CLASSES), disk = rows_of_stored(&file);
    uint32_t order[N];
    rin_error error = {0};
    for (size_t k = 0; k < RIN_COUNT(kinds); k++) {
        double scores[MOST], again[MOST], expected[MOST], mean = 0, squares = 0;
        rin_spread out, read;
        ticks t = {0};
        int64_t n = counts[k];
        bool chunks = kinds[k].kind == RIN_SPLITS_CHUNKS;
        assert_int_equal(rin_splits_count(kinds[k], N), n);
        assert_ok(rin_numpy_permutation(2020, N, order, &error), &error);
        for (uint32_t i = 0; i < N && kinds[k].kind != RIN_SPLITS_PERMUTED; i++) order[i] = i;
        for (int64_t s = 0; s < n; s++) {
            int64_t begin = chunks ? s * kinds[k].size : s * N / n,
                    end = chunks ? RIN_MIN(N, begin + kinds[k].size) : (s + 1) * N / n;
            expected[s] = plainly(logits, CLASSES, order + begin, end - begin);
            mean += expected[s] / (double)n;
        }
        for (int64_t s = 0; s < n; s++) squares += (expected[s] - mean) * (expected[s] - mean) / (double)n;
        assert_ok(rin_inception_score(&memory, kinds[k], ticker_of(&t), scores, &out, &error), &error);
        assert_ok(rin_inception_score(&disk, kinds[k], (rin_ticker){0}, again, &read, &error), &error);
        assert_close("scores", scores, expected, n, 1e-12);
        assert_memory_equal(scores, again, (size_t)n * sizeof *scores);
        const double spread[] = {out.mean, out.deviation}, wanted[] = {mean, sqrt(squares)};
        assert_close("spread", spread, wanted, 2, 1e-12);
        assert_true(out.n == n && t.done == N && t.total == N && read.mean == out.mean);
    }
    rin_free(logits);
}

/* As numpy printed them. */
static void test_permutations(void **state) {
    (void)state;
    enum { MANY = 5000 };
    const struct {
        uint32_t seed, order[10];
    } rows[] = {{0, {2, 8, 4, 9, 1, 6, 7, 3, 0, 5}},
                {2020, {2, 4, 9, 1, 5, 7, 6, 3, 8, 0}},
                {UINT32_MAX, {6, 9, 5, 1, 8, 0, 7, 4, 2, 3}}};
    const uint32_t first[] = {2398, 2360, 3232, 27, 1246, 2217}, last[] = {3655, 1661, 2139, 3779, 4488, 864};
    static uint32_t out[MANY];
    rin_error error = {0};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        assert_ok(rin_numpy_permutation(rows[i].seed, 10, out, &error), &error);
        assert_memory_equal(out, rows[i].order, sizeof rows[i].order);
    }
    assert_ok(rin_numpy_permutation(2020, MANY, out, &error), &error);
    assert_memory_equal(out, first, sizeof first);
    assert_memory_equal(out + MANY - RIN_COUNT(last), last, sizeof last);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < MANY; i++) sum += i * out[i];
    assert_true(sum == 31127380746u);
    assert_ok(rin_numpy_permutation(1, 0, out, &error), &error);
    assert_refused(rin_numpy_permutation(1, -1, out, &error), RIN_ERR_ARG, &error, "n = -1");
    assert_refused(rin_numpy_permutation(1, (int64_t)1 << 32, out, &error), RIN_ERR_ARG, &error, "4294967296");
}

static void test_refusals(void **state) {
    (void)state;
    enum { N = 3000, CLASSES = 2 };
    float *logits = random_rows(1, N, CLASSES, 0, 1);
    stored file = {.values = logits, .n = N, .dim = CLASSES, .broken = 2000};
    const rin_rows rows = rin_rows_of_memory(logits, N, CLASSES), broken = rows_of_stored(&file), none = {.n = 1};
    const rin_splits wrong[] = {{RIN_SPLITS_EVEN, 0},
                                {RIN_SPLITS_EVEN, N + 1},
                                {RIN_SPLITS_EVEN, -1},
                                {RIN_SPLITS_PERMUTED, 3001},
                                {RIN_SPLITS_CHUNKS, 0}};
    const rin_splits one = {RIN_SPLITS_EVEN, 1};
    const rin_ticker quiet = {0};
    rin_error error = {0};
    rin_spread out;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++)
        assert_refused(rin_inception_score(&rows, wrong[i], quiet, NULL, &out, &error), RIN_ERR_ARG, &error, "splits");
    assert_refused(rin_inception_score(&none, one, quiet, NULL, &out, &error), RIN_ERR_ARG, &error, "NULL");
    assert_refused(rin_inception_score(&broken, one, quiet, NULL, &out, &error), RIN_ERR_IO, &error, "no row 2000");
    assert_true(file.most < N);
    ticks t = {.stop = 2};
    assert_refused(rin_inception_score(&rows, one, ticker_of(&t), NULL, &out, &error), RIN_ERR_CANCELLED, &error,
                   "of 3000");
    assert_int_equal(t.n, 2);
    logits[2500 * CLASSES + 1] = NAN;
    for (int kind = 0; kind < 2; kind++) {
        const rin_splits splits = {kind ? RIN_SPLITS_PERMUTED : RIN_SPLITS_EVEN, 10};
        assert_refused(rin_inception_score(&rows, splits, quiet, NULL, &out, &error), RIN_ERR_NUMERIC, &error,
                       "row 2500: number 1 is");
    }
    rin_free(logits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_permutations),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
