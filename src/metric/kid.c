/* SPDX-License-Identifier: MIT */
/* KID: the squared maximum mean discrepancy of a cubic kernel, unbiased, over subsets of two sets. */
#include <cblas.h>
#include <string.h>

#include "metric/internal.h"

/* Which use of random numbers a draw is; one more for the second set. */
enum { STREAM_SUBSET = 0x4B494458 };

/* Memory for the kernels of two blocks of rows. */
typedef struct kernels {
    int64_t block, dim;
    double *a, *b; /* (block, dim) */
    double *gram;  /* (block, block) */
} kernels;

static rin_status kernels_init(kernels *k, int64_t n, int64_t dim, rin_error *error) {
    *k = (kernels){.block = rin_metric_block(n, dim), .dim = dim};
    size_t block = (size_t)k->block;
    k->a = rin_calloc(block * (size_t)dim, sizeof *k->a, error);
    k->b = rin_calloc(block * (size_t)dim, sizeof *k->b, error);
    k->gram = rin_calloc(block * block, sizeof *k->gram, error);
    return k->a && k->b && k->gram ? RIN_OK : RIN_ERR_MEMORY;
}

static void kernels_clear(kernels *k) {
    rin_free(k->a);
    rin_free(k->b);
    rin_free(k->gram);
}

static void widen(const float *values, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = values[i];
}

/* Sum of (g / dim + 1)^3 over a row of products. */
static double sum_of_cubes(const double *gram, int64_t n, double scale) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double base = gram[i] * scale + 1;
        sum += base * base * base;
    }
    return sum;
}

/* Sum of the kernel over pairs of a row of x and one of y, or, without y, over pairs of different rows of x. */
static double sum_of_pairs(kernels *k, const float *x, int64_t m, const float *y, int64_t n) {
    const int dim = (int)k->dim;
    double total = 0, scale = 1 / (double)dim;
    for (int64_t i = 0; i < m; i += k->block) {
        const int rows = (int)RIN_MIN(k->block, m - i);
        widen(x + i * dim, (int64_t)rows * dim, k->a);
        for (int64_t j = 0; j < (y ? n : i); j += k->block) {
            const int columns = (int)RIN_MIN(k->block, (y ? n : i) - j);
            widen((y ? y : x) + j * dim, (int64_t)columns * dim, k->b);
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, columns, dim, 1, k->a, dim, k->b, dim, 0,
                        k->gram, columns);
            for (int r = 0; r < rows; r++)
                total += (y ? 1 : 2) * sum_of_cubes(k->gram + (int64_t)r * columns, columns, scale);
        }
        if (y) continue;
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, rows, dim, 1, k->a, dim, 0, k->gram, rows);
        for (int r = 0; r < rows; r++) total += 2 * sum_of_cubes(k->gram + (int64_t)r * rows, r, scale);
    }
    return total;
}

static double mmd2(kernels *k, const float *x, int64_t m, const float *y, int64_t n) {
    double rows = (double)m, others = (double)n;
    return sum_of_pairs(k, x, m, NULL, 0) / (rows * (rows - 1)) +
           sum_of_pairs(k, y, n, NULL, 0) / (others * (others - 1)) - 2 * sum_of_pairs(k, x, m, y, n) / (rows * others);
}

static rin_status check(const rin_rows *x, const rin_rows *y, rin_error *error) {
    rin_status status = rin_rows_check(x, "the first features", error);
    if (status == RIN_OK) status = rin_rows_check(y, "the second features", error);
    if (status != RIN_OK) return status;
    if (x->dim != y->dim)
        return rin_error_set(error, RIN_ERR_SHAPE,
                             "features of %lld and of %lld numbers; allowed: as many in both, of the same network",
                             (long long)x->dim, (long long)y->dim);
    if (x->n >= 2 && y->n >= 2) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "KID of %lld and %lld rows; allowed: 2 or more of each", (long long)x->n,
                         (long long)y->n);
}

rin_status rin_mmd2(const float *x, int64_t m, const float *y, int64_t n, int64_t dim, double *out, rin_error *error) {
    const rin_rows first = rin_rows_of_memory(x, m, dim), second = rin_rows_of_memory(y, n, dim);
    rin_status status = check(&first, &second, error);
    if (status != RIN_OK) return status;
    status = rin_rows_check_finite(x, m, dim, 0, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "the first features");
    status = rin_rows_check_finite(y, n, dim, 0, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "the second features");
    kernels k;
    status = kernels_init(&k, RIN_MAX(m, n), dim, error);
    if (status == RIN_OK) *out = mmd2(&k, x, m, y, n);
    kernels_clear(&k);
    return status;
}

/* Uniform in 0 .. below - 1 from 64 bits a draw; those that would favour some numbers are drawn again. */
static uint64_t draw_below(rin_random_key key, uint64_t *element, uint64_t below) {
    uint64_t unfair = (UINT64_MAX - below + 1) % below, bits;
    do {
        bits = (uint64_t)rin_random_u32(key, *element) << 32 | rin_random_u32(key, *element + 1);
        *element += 2;
    } while (bits < unfair);
    return bits % below;
}

/* Robert Floyd's way (Bentley, Programming Pearls, CACM 1987): as many draws as there are rows to choose. */
void rin_kid_draw(uint64_t seed, int64_t subset, int set, int64_t n, int64_t size, uint8_t *chosen, int64_t *out) {
    const rin_random_key key = {.seed = seed, .step = (uint64_t)subset, .stream = STREAM_SUBSET + (uint32_t)set};
    uint64_t element = 0;
    for (int64_t i = n - size; i < n; i++) {
        uint64_t pick = draw_below(key, &element, (uint64_t)i + 1);
        chosen[chosen[pick] ? (uint64_t)i : pick] = 1;
    }
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (chosen[i]) out[found++] = i;
        chosen[i] = 0;
    }
}

typedef struct drawing {
    const rin_rows *rows[2];
    rin_kid_options options;
    int64_t size;
    uint8_t *chosen;  /* (most n) */
    int64_t *picks;   /* (size) */
    float *subset[2]; /* (size, dim) */
} drawing;

static rin_status gather(drawing *d, int64_t number, int set, rin_error *error) {
    const rin_rows *rows = d->rows[set];
    rin_kid_draw(d->options.seed, number, set, rows->n, d->size, d->chosen, d->picks);
    rin_status status = RIN_OK;
    for (int64_t i = 0, run; i < d->size && status == RIN_OK; i += run) {
        for (run = 1; i + run < d->size && d->picks[i + run] == d->picks[i] + run;) run++;
        status = rin_rows_read(rows, d->picks[i], run, d->subset[set] + i * rows->dim, error);
    }
    return status == RIN_OK ? RIN_OK
                            : rin_error_prefix(error, status, "the %s features", set == 0 ? "first" : "second");
}

static rin_status all_subsets(drawing *d, rin_ticker ticker, double *values, rin_error *error) {
    int64_t subsets = d->options.subsets;
    kernels k;
    rin_status status = kernels_init(&k, d->size, d->rows[0]->dim, error);
    for (int64_t i = 0; i < subsets && status == RIN_OK; i++) {
        for (int set = 0; set < 2 && status == RIN_OK; set++) status = gather(d, i, set, error);
        if (status == RIN_OK) values[i] = mmd2(&k, d->subset[0], d->size, d->subset[1], d->size);
        if (status == RIN_OK) status = rin_metric_tick(ticker, i + 1, subsets, error);
    }
    kernels_clear(&k);
    return status;
}

rin_status rin_kid(const rin_rows *x, const rin_rows *y, const rin_kid_options *options, rin_ticker ticker,
                   double *values, int64_t *subset_size, rin_spread *out, rin_error *error) {
    rin_status status = check(x, y, error);
    if (status != RIN_OK) return status;
    if (options->subsets < 1 || options->subset_size < 2)
        return rin_error_set(error, RIN_ERR_ARG, "KID of %lld subsets of %lld rows; allowed: 1 or more of 2 or more",
                             (long long)options->subsets, (long long)options->subset_size);
    drawing d = {.rows = {x, y}, .options = *options};
    d.size = RIN_MIN(options->subset_size, RIN_MIN(x->n, y->n));
    size_t size = (size_t)d.size, dim = (size_t)x->dim;
    double *all = rin_calloc((size_t)options->subsets, sizeof *all, error);
    d.chosen = rin_calloc((size_t)RIN_MAX(x->n, y->n), sizeof *d.chosen, error);
    d.picks = rin_calloc(size, sizeof *d.picks, error);
    for (int set = 0; set < 2; set++) d.subset[set] = rin_calloc(size * dim, sizeof *d.subset[set], error);
    bool made = all && d.chosen && d.picks && d.subset[0] && d.subset[1];
    status = made ? all_subsets(&d, ticker, all, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        *out = rin_spread_of(all, options->subsets);
        if (values) memcpy(values, all, (size_t)options->subsets * sizeof *values);
        if (subset_size) *subset_size = d.size;
    }
    void *memory[] = {all, d.chosen, d.picks, d.subset[0], d.subset[1]};
    for (size_t i = 0; i < RIN_COUNT(memory); i++) rin_free(memory[i]);
    return status;
}
