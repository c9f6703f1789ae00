/* SPDX-License-Identifier: MIT */
/* moments: mean and scatter of rows that come in batches, by Chan's merges; digits survive however far the mean is. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "metric/internal.h"

/* Rows that wait for an update: one of few rows would spend its time on fetching and storing the matrix. */
enum { WAITING = 256 };

static rin_status check_dim(int64_t dim, const char *function, rin_error *error) {
    if (dim >= 1 && dim <= RIN_METRIC_MOST_DIM) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "%s: features of %lld numbers; allowed: 1 to %d", function, (long long)dim,
                         RIN_METRIC_MOST_DIM);
}

rin_status rin_moments_init(rin_moments *moments, int64_t dim, rin_error *error) {
    *moments = (rin_moments){0};
    rin_status status = check_dim(dim, __func__, error);
    if (status != RIN_OK) return status;
    size_t n = (size_t)dim;
    moments->dim = dim;
    moments->mean = rin_calloc(n, sizeof *moments->mean, error);
    moments->scatter = rin_calloc(n * n, sizeof *moments->scatter, error);
    moments->waiting = rin_calloc(WAITING * n, sizeof *moments->waiting, error);
    moments->work = rin_calloc((WAITING + 1) * n, sizeof *moments->work, error);
    if (moments->mean && moments->scatter && moments->waiting && moments->work) return RIN_OK;
    rin_moments_clear(moments);
    return RIN_ERR_MEMORY;
}

void rin_moments_clear(rin_moments *moments) {
    if (!moments) return;
    rin_free(moments->mean);
    rin_free(moments->scatter);
    rin_free(moments->waiting);
    rin_free(moments->work);
    *moments = (rin_moments){0};
}

/*
 * A batch of k rows joins n others: scatter += c^T c + (n k / (n + k)) d d^T, mean += d k / (n + k), where c are the
 * batch's rows less their mean m, and d = m - mean. work (k + 1, dim): c, and d as one more row.
 */
static void update(double *mean, double *scatter, int64_t n, const float *rows, int64_t k, int64_t dim, double *work) {
    double *d = work + k * dim, share = (double)k / (double)(n + k), weight = sqrt((double)n * share);
    memset(d, 0, (size_t)dim * sizeof *d);
    /* Differences to the first row are exact or small, whatever the mean is. */
    for (int64_t r = 0; r < k; r++) {
        for (int64_t i = 0; i < dim; i++) {
            work[r * dim + i] = (double)rows[r * dim + i] - (double)rows[i];
            d[i] += work[r * dim + i];
        }
    }
    for (int64_t i = 0; i < dim; i++) d[i] /= (double)k;
    for (int64_t r = 0; r < k; r++) {
        for (int64_t i = 0; i < dim; i++) work[r * dim + i] -= d[i];
    }
    for (int64_t i = 0; i < dim; i++) {
        d[i] += (double)rows[i] - mean[i];
        mean[i] += d[i] * share;
        d[i] *= weight;
    }
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)dim, (int)k + 1, 1, work, (int)dim, 1, scatter, (int)dim);
}

static void take_waiting(rin_moments *m) {
    if (m->waits) update(m->mean, m->scatter, m->n - m->waits, m->waiting, m->waits, m->dim, m->work);
    m->waits = 0;
}

rin_status rin_moments_add(rin_moments *moments, const float *rows, int64_t count, rin_error *error) {
    if (count < 0)
        return rin_error_set(error, RIN_ERR_ARG, "rin_moments_add: %lld rows; allowed: 0 or more", (long long)count);
    rin_status status = rin_rows_check_finite(rows, count, moments->dim, moments->n, error);
    if (status != RIN_OK) return status;
    for (int64_t done = 0, some; done < count; done += some) {
        some = RIN_MIN(count - done, WAITING - moments->waits);
        memcpy(moments->waiting + moments->waits * moments->dim, rows + done * moments->dim,
               (size_t)(some * moments->dim) * sizeof *rows);
        moments->waits += some;
        moments->n += some;
        if (moments->waits == WAITING) take_waiting(moments);
    }
    return RIN_OK;
}

rin_status rin_moments_merge(rin_moments *into, const rin_moments *from, rin_error *error) {
    if (into->dim != from->dim)
        return rin_error_set(error, RIN_ERR_SHAPE, "rin_moments_merge: features of %lld and of %lld numbers",
                             (long long)into->dim, (long long)from->dim);
    if (into == from) return rin_error_set(error, RIN_ERR_ARG, "rin_moments_merge: moments with themselves");
    take_waiting(into);
    int64_t dim = into->dim, k = from->n - from->waits;
    if (k) {
        double *d = into->work, share = (double)k / (double)(into->n + k), weight = (double)into->n * share;
        for (int64_t i = 0; i < dim; i++) {
            d[i] = from->mean[i] - into->mean[i];
            into->mean[i] += d[i] * share;
        }
        for (int64_t i = 0; i < dim; i++) {
            double *row = into->scatter + i * dim;
            for (int64_t j = 0; j <= i; j++) row[j] += from->scatter[i * dim + j] + weight * d[i] * d[j];
        }
        into->n += k;
    }
    return rin_moments_add(into, from->waiting, from->waits, error);
}

rin_status rin_gaussian_of_moments(const rin_moments *moments, rin_gaussian *out, rin_error *error) {
    *out = (rin_gaussian){0};
    if (moments->n < 2)
        return rin_error_set(error, RIN_ERR_ARG, "a covariance of %lld rows; allowed: 2 or more",
                             (long long)moments->n);
    int64_t dim = moments->dim, waits = moments->waits;
    size_t n = (size_t)dim;
    rin_gaussian g = {.dim = dim, .n = moments->n};
    double *work = rin_calloc((size_t)(waits + 1) * n, sizeof *work, error);
    g.mu = rin_calloc(n, sizeof *g.mu, error);
    g.sigma = rin_calloc(n * n, sizeof *g.sigma, error);
    bool made = work && g.mu && g.sigma;
    if (made) {
        memcpy(g.mu, moments->mean, n * sizeof *g.mu);
        memcpy(g.sigma, moments->scatter, n * n * sizeof *g.sigma);
        if (waits) update(g.mu, g.sigma, moments->n - waits, moments->waiting, waits, dim, work);
        for (int64_t i = 0; i < dim; i++) {
            for (int64_t j = 0; j <= i; j++) {
                g.sigma[i * dim + j] /= (double)(moments->n - 1);
                g.sigma[j * dim + i] = g.sigma[i * dim + j];
            }
        }
        *out = g;
    } else {
        rin_gaussian_clear(&g);
    }
    rin_free(work);
    return made ? RIN_OK : RIN_ERR_MEMORY;
}

rin_status rin_gaussian_check(const rin_gaussian *gaussian, rin_error *error) {
    int64_t dim = gaussian->dim;
    double most = 0;
    rin_status status = check_dim(dim, __func__, error);
    if (status != RIN_OK) return status;
    for (int64_t i = 0; i < dim; i++) {
        if (!isfinite(gaussian->mu[i]))
            return rin_error_set(error, RIN_ERR_NUMERIC, "mu: number %lld is %g; allowed: finite numbers", (long long)i,
                                 gaussian->mu[i]);
    }
    for (int64_t i = 0; i < dim * dim; i++) {
        double value = fabs(gaussian->sigma[i]);
        if (!isfinite(value))
            return rin_error_set(error, RIN_ERR_NUMERIC, "sigma: number (%lld, %lld) is %g; allowed: finite numbers",
                                 (long long)(i / dim), (long long)(i % dim), gaussian->sigma[i]);
        most = fmax(most, value);
    }
    for (int64_t i = 0; i < dim; i++) {
        for (int64_t j = 0; j < i; j++) {
            double a = gaussian->sigma[i * dim + j], b = gaussian->sigma[j * dim + i];
            if (fabs(a - b) <= 1e-6 * most) continue;
            return rin_error_set(error, RIN_ERR_FORMAT,
                                 "sigma is no covariance: it is %g at (%lld, %lld) and %g across the diagonal; allowed "
                                 "difference: 1e-6 of its largest number, %g",
                                 a, (long long)i, (long long)j, b, most);
        }
    }
    return RIN_OK;
}

void rin_gaussian_clear(rin_gaussian *gaussian) {
    if (!gaussian) return;
    rin_free(gaussian->mu);
    rin_free(gaussian->sigma);
    *gaussian = (rin_gaussian){0};
}
