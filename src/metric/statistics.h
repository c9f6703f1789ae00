/* SPDX-License-Identifier: MIT */
/* statistics: files of mean and covariance, as pytorch-fid, EDM, torch-fidelity and ADM exchange them. */
#ifndef RIN_METRIC_STATISTICS_H
#define RIN_METRIC_STATISTICS_H

#include "metric/metric.h"
#include "npz/npz.h"

/* What a file of statistics says. Cleared by rin_statistics_clear. */
typedef struct rin_statistics {
    rin_gaussian gaussian;
    char *protocol; /* the text it names, NULL when it names none */
} rin_statistics;

/* Whether a file holds mu, sigma or cov at all. */
bool rin_statistics_are_in(const rin_npz *npz);
/*
 * "mu" and "sigma" (or "cov", the authors' name), and "n" and "protocol" where there are any.
 * Errors: FORMAT for one that is missing or of another shape, or not symmetric; NUMERIC; IO; MEMORY. path is for
 * messages.
 */
rin_status rin_statistics_read(const rin_npz *npz, const char *path, rin_statistics *out, rin_error *error) RIN_CHECKED;
/* pytorch-fid's form with protocol (may be NULL) and n, where it is known, beside it. Errors: those of
 * rin_gaussian_check; ARG for a protocol of more than 64 KiB; IO; MEMORY. */
rin_status rin_statistics_write(const char *path, const rin_gaussian *gaussian, const char *protocol,
                                rin_error *error) RIN_CHECKED;
void rin_statistics_clear(rin_statistics *statistics);

#endif
