/* SPDX-License-Identifier: MIT */
/* Inception Score: exp of the mean divergence of what a row says from what its split says on average. */
#include <math.h>
#include <string.h>

#include "metric/internal.h"

/* torch-fidelity's seed. */
enum { PERMUTATION_SEED = 2020 };

typedef struct scoring {
    const rin_rows *logits;
    rin_ticker ticker;
    int64_t block;
    float *rows;      /* (block, classes) */
    double *log_p;    /* (classes) */
    double *p_sum;    /* (tables, classes) sum of p over the rows of a split */
    double *neg_sum;  /* (tables) sum of p log p */
    int64_t *n_rows;  /* (tables) */
    uint32_t *labels; /* (n) the table of a row; NULL: all of them in the first */
} scoring;

int64_t rin_splits_count(rin_splits splits, int64_t n) {
    if (splits.size < 1 || n < 1) return 0;
    if (splits.kind == RIN_SPLITS_CHUNKS) return n / splits.size + (n % splits.size > 0);
    return splits.size <= n ? splits.size : 0;
}

/* Where split s of those begins; the end for s of all. */
static int64_t split_begin(rin_splits splits, int64_t n, int64_t s) {
    if (splits.kind == RIN_SPLITS_CHUNKS) return RIN_MIN(n, s * splits.size);
    return (int64_t)((uint64_t)s * (uint64_t)n / (uint64_t)splits.size);
}

static void add_row(scoring *s, const float *row, int64_t table) {
    int64_t n = s->logits->dim;
    float most = row[0];
    double sum = 0, neg = 0, *p_sum = s->p_sum + table * n;
    for (int64_t c = 1; c < n; c++) most = fmaxf(most, row[c]);
    for (int64_t c = 0; c < n; c++) {
        s->log_p[c] = (double)row[c] - (double)most;
        sum += exp(s->log_p[c]);
    }
    double log_sum = log(sum);
    for (int64_t c = 0; c < n; c++) {
        double log_p = s->log_p[c] - log_sum, p = exp(log_p);
        p_sum[c] += p;
        neg += p * log_p;
    }
    s->neg_sum[table] += neg;
    s->n_rows[table]++;
}

static rin_status add_rows(scoring *s, int64_t begin, int64_t end, rin_error *error) {
    const rin_rows *logits = s->logits;
    rin_status status = RIN_OK;
    for (int64_t first = begin, n; first < end && status == RIN_OK; first += n) {
        n = RIN_MIN(s->block, end - first);
        status = rin_rows_read(logits, first, n, s->rows, error);
        for (int64_t r = 0; r < n && status == RIN_OK; r++)
            add_row(s, s->rows + r * logits->dim, s->labels ? s->labels[first + r] : 0);
        if (status == RIN_OK) status = rin_metric_tick(s->ticker, first + n, logits->n, error);
    }
    return status;
}

/* The mean of sum p (log p - log m), m the mean of p, is the mean of sum p log p less sum m log m; and 0 log 0 is 0. */
static double score_of(scoring *s, int64_t table) {
    int64_t classes = s->logits->dim;
    double n = (double)s->n_rows[table], mixed = 0;
    for (int64_t c = 0; c < classes; c++) {
        double m = s->p_sum[table * classes + c] / n;
        if (m > 0) mixed += m * log(m);
    }
    return exp(s->neg_sum[table] / n - mixed);
}

static rin_status label(scoring *s, rin_splits splits, rin_error *error) {
    int64_t n = s->logits->n;
    uint32_t *order = rin_calloc((size_t)n, sizeof *order, error);
    s->labels = rin_calloc((size_t)n, sizeof *s->labels, error);
    rin_status status = order && s->labels ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_numpy_permutation(PERMUTATION_SEED, n, order, error);
    for (int64_t t = 0; t < splits.size && status == RIN_OK; t++) {
        int64_t end = split_begin(splits, n, t + 1);
        for (int64_t i = split_begin(splits, n, t); i < end; i++) s->labels[order[i]] = (uint32_t)t;
    }
    rin_free(order);
    return status;
}

static rin_status score_all(scoring *s, rin_splits splits, int64_t n_splits, double *scores, rin_error *error) {
    int64_t n = s->logits->n, classes = s->logits->dim;
    if (splits.kind == RIN_SPLITS_PERMUTED) {
        rin_status status = label(s, splits, error);
        if (status == RIN_OK) status = add_rows(s, 0, n, error);
        for (int64_t i = 0; i < n_splits && status == RIN_OK; i++) scores[i] = score_of(s, i);
        return status;
    }
    for (int64_t i = 0; i < n_splits; i++) {
        memset(s->p_sum, 0, (size_t)classes * sizeof *s->p_sum);
        s->neg_sum[0] = 0;
        s->n_rows[0] = 0;
        rin_status status = add_rows(s, split_begin(splits, n, i), split_begin(splits, n, i + 1), error);
        if (status != RIN_OK) return status;
        scores[i] = score_of(s, 0);
    }
    return RIN_OK;
}

rin_status rin_inception_score(const rin_rows *logits, rin_splits splits, rin_ticker ticker, double *scores,
                               rin_spread *out, rin_error *error) {
    rin_status status = rin_rows_check(logits, "the logits", error);
    if (status != RIN_OK) return status;
    int64_t n_splits = rin_splits_count(splits, logits->n);
    if (!n_splits)
        return rin_error_set(error, RIN_ERR_ARG,
                             "the Inception Score of %lld rows with splits of %lld; allowed: 1 to as many splits as "
                             "there are rows, or chunks of 1 row or more",
                             (long long)logits->n, (long long)splits.size);
    size_t classes = (size_t)logits->dim, tables = splits.kind == RIN_SPLITS_PERMUTED ? (size_t)n_splits : 1;
    scoring s = {.logits = logits, .ticker = ticker, .block = rin_metric_block(logits->n, logits->dim)};
    double *values = rin_calloc((size_t)n_splits, sizeof *values, error);
    s.rows = rin_calloc((size_t)s.block * classes, sizeof *s.rows, error);
    s.log_p = rin_calloc(classes, sizeof *s.log_p, error);
    s.p_sum = rin_calloc(tables * classes, sizeof *s.p_sum, error);
    s.neg_sum = rin_calloc(tables, sizeof *s.neg_sum, error);
    s.n_rows = rin_calloc(tables, sizeof *s.n_rows, error);
    bool made = values && s.rows && s.log_p && s.p_sum && s.neg_sum && s.n_rows;
    status = made ? score_all(&s, splits, n_splits, values, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        *out = rin_spread_of(values, n_splits);
        if (scores) memcpy(scores, values, (size_t)n_splits * sizeof *scores);
    }
    void *memory[] = {values, s.rows, s.log_p, s.p_sum, s.neg_sum, s.n_rows, s.labels};
    for (size_t i = 0; i < RIN_COUNT(memory); i++) rin_free(memory[i]);
    return status;
}
