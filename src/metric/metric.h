/* SPDX-License-Identifier: MIT */
/* metric: statistics of features in float64, and the scores made of them. Knows nothing of networks and pictures. */
#ifndef RIN_METRIC_H
#define RIN_METRIC_H

#include "config/config.h"

/* ---- what the scores are made of ---- */

/* Rows of float32 features, (n, dim), wherever they lie: in memory, or in a file that is larger than it. */
typedef struct rin_rows {
    int64_t n, dim;
    /* Rows first .. first + count into out (count, dim). Called from one thread at a time, in any order of rows. */
    rin_status (*read)(void *user, int64_t first, int64_t count, float *out, rin_error *error);
    void *user;
    const float *values; /* (n, dim), borrowed: they are in memory, and there is no read; else NULL */
} rin_rows;

/* Rows that are in memory; values (n, dim) is borrowed. */
rin_rows rin_rows_of_memory(const float *values, int64_t n, int64_t dim);
/* Rows first .. first + count, which there must be, from wherever they lie. Errors: those of read; ARG; NUMERIC for a
 * number that is not finite, whose row the message names. */
rin_status rin_rows_read(const rin_rows *rows, int64_t first, int64_t count, float *out, rin_error *error) RIN_CHECKED;

/* Told how far a long computation is, a few times a second; false: stop, and the call ends with CANCELLED. */
typedef struct rin_ticker {
    bool (*tick)(void *user, int64_t done, int64_t total); /* may be NULL */
    void *user;
} rin_ticker;

/* MEMORY where OpenBLAS would not get what its first product takes; asked before it. */
rin_status rin_blas_expect_memory(rin_error *error) RIN_CHECKED;

/* ---- moments: section 3 of the evaluation document ---- */

/*
 * Mean and scatter of rows seen so far: streamed in batches of any size, parts merged in the order of the calls. Rows
 * wait until there are enough for a fast update, so that only rin_gaussian_of_moments knows of all of them, and so that
 * batches of another size make the same bits.
 */
typedef struct rin_moments {
    int64_t n, dim;  /* n: rows seen, waiting ones among them */
    double *mean;    /* (dim) of the rows that wait no more */
    double *scatter; /* (dim, dim) sum of the outer products of these rows, centred: the lower triangle of it */
    float *waiting;  /* (waits, dim) */
    int64_t waits;
    double *work; /* of an update */
} rin_moments;

/* dim: 1 to 32000. */
rin_status rin_moments_init(rin_moments *moments, int64_t dim, rin_error *error) RIN_CHECKED;
void rin_moments_clear(rin_moments *moments);
/* rows (count, dim). Errors: NUMERIC for a number that is not finite, whose row (counted from the first ever added) the
 * message names; nothing is added then. */
rin_status rin_moments_add(rin_moments *moments, const float *rows, int64_t count, rin_error *error) RIN_CHECKED;
/* Adds what `from` has seen. Errors: SHAPE for another dim. */
rin_status rin_moments_merge(rin_moments *into, const rin_moments *from, rin_error *error) RIN_CHECKED;

/* Mean and covariance (divisor n - 1): all that the Frechet distance knows of a set. */
typedef struct rin_gaussian {
    int64_t dim;
    int64_t n;     /* rows it was made of; 0: not known */
    double *mu;    /* (dim) */
    double *sigma; /* (dim, dim) symmetric */
} rin_gaussian;

/* Errors: ARG when fewer than 2 rows were seen. Cleared by rin_gaussian_clear. */
rin_status rin_gaussian_of_moments(const rin_moments *moments, rin_gaussian *out, rin_error *error) RIN_CHECKED;
/* NUMERIC for numbers that are not finite; FORMAT for a sigma that is not symmetric to 1e-6 of its largest number. */
rin_status rin_gaussian_check(const rin_gaussian *gaussian, rin_error *error) RIN_CHECKED;
void rin_gaussian_clear(rin_gaussian *gaussian);

/* ---- Frechet distance: section 4 ---- */

typedef struct rin_frechet {
    double distance;  /* max(0, raw) */
    double raw;       /* mean_term + trace1 + trace2 - 2 trace_sqrt */
    double mean_term; /* |mu1 - mu2|^2 */
    double trace1, trace2, trace_sqrt;
} rin_frechet;

/* Errors: SHAPE; those of rin_gaussian_check; NUMERIC for a sigma that is no covariance, for a raw distance below
 * -1e-6 (trace1 + trace2); MEMORY. Cost: memory of 5 matrices (dim, dim). */
rin_status rin_frechet_distance(const rin_gaussian *a, const rin_gaussian *b, rin_frechet *out,
                                rin_error *error) RIN_CHECKED;

/* ---- Inception Score: section 5 ---- */

/*
 * even: split s of k has rows s n/k .. (s + 1) n/k, whole divisions; chunks: of `size` rows, the last one shorter;
 * permuted: even ones of the rows in the order of numpy's RandomState(2020).permutation(n).
 */
typedef struct rin_splits {
    rin_splits_kind kind;
    int64_t size; /* EVEN and PERMUTED: splits; CHUNKS: rows of one */
} rin_splits;

/* Mean and population deviation of several values; values themselves where a call has room for them. */
typedef struct rin_spread {
    double mean, deviation;
    int64_t n;
} rin_spread;

/* How many splits n rows make; 0 for splits that are not allowed. */
int64_t rin_splits_count(rin_splits splits, int64_t n);
/* logits (n, classes). scores: NULL, or room for as many as there are splits. Errors: ARG for more splits than rows or
 * none; NUMERIC; MEMORY; CANCELLED. */
rin_status rin_inception_score(const rin_rows *logits, rin_splits splits, rin_ticker ticker, double *scores,
                               rin_spread *out, rin_error *error) RIN_CHECKED;
/* numpy's RandomState(seed).permutation(n), n below 2^32. */
rin_status rin_numpy_permutation(uint32_t seed, int64_t n, uint32_t *out, rin_error *error) RIN_CHECKED;

/* ---- KID: section 6 ---- */

/* Unbiased squared maximum mean discrepancy of rows x (m, dim) and y (n, dim), both at least 2. */
rin_status rin_mmd2(const float *x, int64_t m, const float *y, int64_t n, int64_t dim, double *out,
                    rin_error *error) RIN_CHECKED;

typedef struct rin_kid_options {
    int64_t subsets, subset_size; /* size: min(that, n of either set) is what is used */
    uint64_t seed;
} rin_kid_options;

/* Subsets drawn without replacement, by this library's own random numbers, from each set. values: NULL, or room for all
 * subsets. *subset_size: what was used. */
rin_status rin_kid(const rin_rows *x, const rin_rows *y, const rin_kid_options *options, rin_ticker ticker,
                   double *values, int64_t *subset_size, rin_spread *out, rin_error *error) RIN_CHECKED;

/* ---- improved precision and recall: section 7 ---- */

typedef struct rin_precision_recall {
    double precision, recall;
} rin_precision_recall;

/* radii_real [real->n] and radii_fake [fake->n]: NULL, or filled with distances to the k-th nearest other point.
 * Errors: ARG for k below 1 or not below both n; NUMERIC; MEMORY; CANCELLED. Memory: a few blocks of rows. */
rin_status rin_precision_recall_of(const rin_rows *real, const rin_rows *fake, int64_t k, rin_ticker ticker,
                                   double *radii_real, double *radii_fake, rin_precision_recall *out,
                                   rin_error *error) RIN_CHECKED;

#endif
