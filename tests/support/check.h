/* SPDX-License-Identifier: MIT */
/* What every test includes: cmocka with the headers it wants, statuses with their messages, comparisons of numbers. */
#ifndef RIN_TESTS_CHECK_H
#define RIN_TESTS_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

/* assert_ok(rin_something(..., &error), &error) fails with the message. */
static inline void assert_ok(rin_status status, const rin_error *error) {
    if (status != RIN_OK) fail_msg("%s: %s", rin_status_name(status), error ? error->text : "");
}

/* A refusal: this status, and part in its message. */
static inline void assert_refused(rin_status status, rin_status expected, const rin_error *error, const char *part) {
    if (status != expected || !strstr(error->text, part)) {
        fail_msg("status %s, expected %s; message '%s', expected '%s' in it", rin_status_name(status),
                 rin_status_name(expected), error->text, part);
    }
}

static inline double largest(const double *values, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, isnan(values[i]) ? INFINITY : fabs(values[i]));
    return most;
}

/* |a - b| <= tolerance for all n numbers; NaN never passes. `what` names the numbers. */
static inline void assert_close(const char *what, const double *a, const double *b, int64_t n, double tolerance) {
    int64_t at = -1;
    double worst = tolerance;
    for (int64_t i = 0; i < n; i++) {
        double distance = isnan(a[i]) || isnan(b[i]) ? INFINITY : fabs(a[i] - b[i]);
        if (distance <= worst) continue;
        worst = distance;
        at = i;
    }
    if (at >= 0) {
        fail_msg("%s: element %lld of %lld is %.9g, expected %.9g, off by %.3g, allowed %.3g", what, (long long)at,
                 (long long)n, a[at], b[at], worst, tolerance);
    }
}

#endif
