/* SPDX-License-Identifier: MIT */
/* Frechet distance of two Gaussians by symmetric eigenproblems, which singular covariances do not disturb. */
#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "metric/internal.h"

/* LAPACK's symmetric eigenproblem by divide and conquer; OpenBLAS has it, but not everywhere a header for it. The last
 * two are the lengths of the first two, which Fortran passes. */
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length);

typedef struct distance {
    int64_t dim;
    const rin_gaussian *a, *b;
    double *root;    /* (dim, dim) the sigma of a, then its eigenvectors, then these times roots of eigenvalues */
    double *product; /* (dim, dim) */
    double *middle;  /* (dim, dim) */
    double *values;  /* (dim) eigenvalues, ascending */
} distance;

/* Eigenvalues of a symmetric matrix (n, n), ascending, and its eigenvectors in place of it, one a row, if wanted. */
static rin_status eigen(double *matrix, int64_t n, bool vectors, double *values, rin_error *error) {
    const char *job = vectors ? "V" : "N";
    const int size = (int)n, ask = -1;
    int info = 0, n_integers = 0;
    double n_work = 0;
    dsyevd_(job, "L", &size, matrix, &size, values, &n_work, &ask, &n_integers, &ask, &info, 1, 1);
    int lwork = (int)n_work, liwork = n_integers;
    double *work = rin_calloc((size_t)RIN_MAX(lwork, 1), sizeof *work, error);
    int *integers = rin_calloc((size_t)RIN_MAX(liwork, 1), sizeof *integers, error);
    rin_status status = work && integers ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        dsyevd_(job, "L", &size, matrix, &size, values, work, &lwork, integers, &liwork, &info, 1, 1);
        if (info)
            status = rin_error_set(error, RIN_ERR_NUMERIC,
                                   "the eigenvalues of a matrix of %d x %d were not found (LAPACK's dsyevd says %d)",
                                   size, size, info);
    }
    rin_free(work);
    rin_free(integers);
    return status;
}

static void symmetrise(double *matrix, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++) {
            double mean = matrix[i * n + j] / 2 + matrix[j * n + i] / 2;
            matrix[i * n + j] = matrix[j * n + i] = mean;
        }
    }
}

static rin_status spectrum(const rin_gaussian *g, bool vectors, double *matrix, double *values, const char *which,
                           rin_error *error) {
    int64_t n = g->dim;
    memcpy(matrix, g->sigma, (size_t)(n * n) * sizeof *matrix);
    symmetrise(matrix, n);
    rin_status status = eigen(matrix, n, vectors, values, error);
    if (status != RIN_OK || values[0] >= -1e-6 * values[n - 1]) return status;
    return rin_error_set(error, RIN_ERR_NUMERIC,
                         "the %s sigma is no covariance: its least eigenvalue is %g; allowed: 0 or more, to 1e-6 of "
                         "the largest, %g",
                         which, values[0], values[n - 1]);
}

/* tr (A B)^(1/2) = sum of the roots of the eigenvalues of R^T B R, where A = R R^T. */
static rin_status trace_of_root(distance *d, double *trace, rin_error *error) {
    const int dim = (int)d->dim;
    rin_status status = spectrum(d->b, false, d->middle, d->values, "second", error);
    if (status != RIN_OK) return status;
    double most_b = d->values[dim - 1];
    status = spectrum(d->a, true, d->root, d->values, "first", error);
    if (status != RIN_OK) return status;
    /* Smaller ones are rounding, of which a root would make more than of what is left. */
    double most_a = d->values[dim - 1], relative = dim * DBL_EPSILON;
    int cut = 0;
    while (cut < dim && d->values[cut] <= relative * most_a) cut++;
    const int rank = dim - cut;
    *trace = 0;
    if (!rank) return RIN_OK;
    double *r = d->root + (int64_t)cut * dim; /* (rank, dim): R^T */
    for (int i = 0; i < rank; i++) cblas_dscal(dim, sqrt(d->values[cut + i]), r + (int64_t)i * dim, 1);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rank, dim, dim, 1, r, dim, d->b->sigma, dim, 0, d->product,
                dim);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rank, rank, dim, 1, d->product, dim, r, dim, 0, d->middle,
                rank);
    symmetrise(d->middle, rank);
    for (int64_t i = 0; i < (int64_t)rank * rank; i++) {
        if (!isfinite(d->middle[i]))
            return rin_error_set(error, RIN_ERR_NUMERIC,
                                 "the product of the covariances is above the largest number; their largest "
                                 "eigenvalues are %g and %g",
                                 most_a, most_b);
    }
    status = eigen(d->middle, rank, false, d->values, error);
    for (int i = 0; i < rank && status == RIN_OK; i++) {
        if (d->values[i] > relative * d->values[rank - 1]) *trace += sqrt(d->values[i]);
    }
    return status;
}

static rin_status check(const rin_gaussian *a, const rin_gaussian *b, rin_error *error) {
    if (a->dim != b->dim)
        return rin_error_set(error, RIN_ERR_SHAPE,
                             "features of %lld and of %lld numbers; allowed: as many in both, of the same network",
                             (long long)a->dim, (long long)b->dim);
    rin_status status = rin_gaussian_check(a, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "the first statistics");
    status = rin_gaussian_check(b, error);
    return status == RIN_OK ? RIN_OK : rin_error_prefix(error, status, "the second statistics");
}

static void add_moments(const rin_gaussian *a, const rin_gaussian *b, rin_frechet *out) {
    for (int64_t i = 0; i < a->dim; i++) {
        double d = a->mu[i] - b->mu[i];
        out->mean_term += d * d;
        out->trace1 += a->sigma[i * a->dim + i];
        out->trace2 += b->sigma[i * a->dim + i];
    }
}

static rin_status finish(rin_frechet *f, rin_error *error) {
    f->raw = f->mean_term + f->trace1 + f->trace2 - 2 * f->trace_sqrt;
    f->distance = fmax(0, f->raw);
    if (f->raw >= -1e-6 * (f->trace1 + f->trace2)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_NUMERIC,
                         "the Frechet distance is %g, of traces %g and %g and a mean term of %g; allowed: 0 or more, "
                         "to 1e-6 of the traces",
                         f->raw, f->trace1, f->trace2, f->mean_term);
}

rin_status rin_frechet_distance(const rin_gaussian *a, const rin_gaussian *b, rin_frechet *out, rin_error *error) {
    *out = (rin_frechet){0};
    rin_status status = check(a, b, error);
    if (status != RIN_OK) return status;
    size_t n = (size_t)a->dim;
    distance d = {.dim = a->dim, .a = a, .b = b};
    d.root = rin_calloc(n * n, sizeof *d.root, error);
    d.product = rin_calloc(n * n, sizeof *d.product, error);
    d.middle = rin_calloc(n * n, sizeof *d.middle, error);
    d.values = rin_calloc(n, sizeof *d.values, error);
    rin_frechet f = {0};
    add_moments(a, b, &f);
    bool made = d.root && d.product && d.middle && d.values;
    status = made ? trace_of_root(&d, &f.trace_sqrt, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = finish(&f, error);
    if (status == RIN_OK) *out = f;
    double *memory[] = {d.root, d.product, d.middle, d.values};
    for (size_t i = 0; i < RIN_COUNT(memory); i++) rin_free(memory[i]);
    return status;
}
