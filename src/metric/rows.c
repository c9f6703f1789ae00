/* SPDX-License-Identifier: MIT */
/* rows: features wherever they lie, and what all scores do with them. */
#include <math.h>
#include <string.h>

#include "metric/internal.h"

rin_rows rin_rows_of_memory(const float *values, int64_t n, int64_t dim) {
    return (rin_rows){.n = n, .dim = dim, .values = values};
}

rin_status rin_rows_check(const rin_rows *rows, const char *what, rin_error *error) {
    const int64_t most_rows = UINT32_MAX, most_dim = INT32_MAX / 64;
    if (!rows || (!rows->read && !rows->values))
        return rin_error_set(error, RIN_ERR_ARG, "%s: there are no rows (NULL)", what);
    if (rows->n < 1 || rows->n > most_rows || rows->dim < 1 || rows->dim > most_dim)
        return rin_error_set(error, RIN_ERR_ARG, "%s: %lld rows of %lld numbers; allowed: 1 to %lld rows of 1 to %lld",
                             what, (long long)rows->n, (long long)rows->dim, (long long)most_rows, (long long)most_dim);
    return RIN_OK;
}

rin_status rin_rows_check_finite(const float *values, int64_t n, int64_t dim, int64_t first, rin_error *error) {
    for (int64_t r = 0; r < n; r++) {
        const float *row = values + r * dim;
        int bad = 0; /* without a branch a number */
        for (int64_t i = 0; i < dim; i++) bad |= !isfinite(row[i]);
        for (int64_t i = 0; i < dim && bad; i++) {
            if (isfinite(row[i])) continue;
            return rin_error_set(error, RIN_ERR_NUMERIC,
                                 "row %lld: number %lld is %g; allowed: finite numbers. The network that made these "
                                 "features, or what it was given, is broken",
                                 (long long)(first + r), (long long)i, (double)row[i]);
        }
    }
    return RIN_OK;
}

rin_status rin_rows_read(const rin_rows *rows, int64_t first, int64_t count, float *out, rin_error *error) {
    if (first < 0 || count < 0 || first > rows->n - count)
        return rin_error_set(error, RIN_ERR_ARG, "rin_rows_read: %lld rows from row %lld on; there are %lld",
                             (long long)count, (long long)first, (long long)rows->n);
    rin_status status = RIN_OK;
    if (rows->values) memcpy(out, rows->values + first * rows->dim, (size_t)(count * rows->dim) * sizeof *out);
    else status = rows->read(rows->user, first, count, out, error);
    if (status != RIN_OK) return status;
    return rin_rows_check_finite(out, count, rows->dim, first, error);
}

rin_status rin_metric_tick(rin_ticker ticker, int64_t done, int64_t total, rin_error *error) {
    if (!ticker.tick || ticker.tick(ticker.user, done, total)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld steps", (long long)done,
                         (long long)total);
}

rin_spread rin_spread_of(const double *values, int64_t n) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += values[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += (values[i] - mean) * (values[i] - mean);
    return (rin_spread){.mean = mean, .deviation = sqrt(squares / (double)n), .n = n};
}

int64_t rin_metric_block(int64_t n, int64_t dim) {
    const int64_t numbers = (int64_t)1 << 21, fewest = 16, most = 1024;
    return RIN_MIN(n, RIN_MAX(RIN_MIN(numbers / dim, most), fewest));
}
