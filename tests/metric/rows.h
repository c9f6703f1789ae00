/* SPDX-License-Identifier: MIT */
/* Rows for tests: random ones, ones that are read as from a file, and tickers that count and stop. */
#ifndef RIN_TESTS_METRIC_ROWS_H
#define RIN_TESTS_METRIC_ROWS_H

#include "support/check.h"

#include "metric/internal.h"

/* Standard normal numbers times deviation, plus mean; cleared by rin_free. */
static inline float *random_rows(uint64_t seed, int64_t n, int64_t dim, double mean, double deviation) {
    float *rows = rin_calloc((size_t)(n * dim), sizeof *rows, NULL);
    assert_non_null(rows);
    const rin_random_key key = {.seed = seed};
    for (int64_t i = 0; i < n * dim; i++)
        rows[i] = (float)(mean + deviation * (double)rin_random_normal(key, (uint64_t)i));
    return rows;
}

/* A set behind a read function, which refuses to be read past its end, or at a row that is broken. */
typedef struct stored {
    const float *values;
    int64_t n, dim, broken; /* broken: -1 for none */
    int64_t most;           /* rows of the largest read */
} stored;

static inline rin_status read_stored(void *user, int64_t first, int64_t count, float *out, rin_error *error) {
    stored *s = user;
    assert_true(first >= 0 && count >= 1 && first + count <= s->n);
    s->most = RIN_MAX(s->most, count);
    if (s->broken >= first && s->broken < first + count)
        return rin_error_set(error, RIN_ERR_IO, "the disk has no row %lld", (long long)s->broken);
    memcpy(out, s->values + first * s->dim, (size_t)(count * s->dim) * sizeof *out);
    return RIN_OK;
}

static inline rin_rows rows_of_stored(stored *s) {
    return (rin_rows){.n = s->n, .dim = s->dim, .read = read_stored, .user = s};
}

/* Counts ticks, which must go up to a total that stays, and stops at one of them. */
typedef struct ticks {
    int64_t n, done, total, stop; /* stop: 0 for never */
} ticks;

static inline bool count_tick(void *user, int64_t done, int64_t total) {
    ticks *t = user;
    assert_true(done > t->done && done <= total && (t->total == 0 || t->total == total));
    t->done = done;
    t->total = total;
    return ++t->n != t->stop;
}

static inline rin_ticker ticker_of(ticks *t) {
    return (rin_ticker){.tick = count_tick, .user = t};
}

#endif
