/* SPDX-License-Identifier: MIT */
/* What the scores share. Inside the metric room only. */
#ifndef RIN_METRIC_INTERNAL_H
#define RIN_METRIC_INTERNAL_H

#include "metric/metric.h"

/* A matrix of (dim, dim) and the work of its eigenproblem are counted by LAPACK in 32 bits. */
enum { RIN_METRIC_MOST_DIM = 32000 };

/* ARG when rows are not there or have no numbers; what names them in messages. */
rin_status rin_rows_check(const rin_rows *rows, const char *what, rin_error *error) RIN_CHECKED;
/* NUMERIC, naming a row of the n counted from first, when one has a number that is not finite. */
rin_status rin_rows_check_finite(const float *values, int64_t n, int64_t dim, int64_t first,
                                 rin_error *error) RIN_CHECKED;
/* CANCELLED when the ticker says to stop. */
rin_status rin_metric_tick(rin_ticker ticker, int64_t done, int64_t total, rin_error *error) RIN_CHECKED;
/* Mean and population deviation of n values, n at least 1. */
rin_spread rin_spread_of(const double *values, int64_t n);
/* Rows of a block: few enough for some 16 MiB of doubles, enough that their products take most of the time. */
int64_t rin_metric_block(int64_t n, int64_t dim);

/*
 * Rows of a set, size out of n, that make subset number `subset` of set 0 or 1 of a KID; ascending. Every subset is as
 * likely as every other. chosen (n): zeros before, the same after. out (size).
 */
void rin_kid_draw(uint64_t seed, int64_t subset, int set, int64_t n, int64_t size, uint8_t *chosen, int64_t *out);

#endif
