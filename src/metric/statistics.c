/* SPDX-License-Identifier: MIT */
/* statistics: mean and covariance in .npz files. Other arrays beside them, such as ADM's pictures, are left alone. */
#include <math.h>
#include <string.h>

#include "metric/statistics.h"

enum { MOST_DIM = 1 << 16, MOST_PROTOCOL = 1 << 16 };

/* The shape as numpy writes it. */
typedef struct shape_text {
    char text[RIN_NPZ_MOST_RANK * 24 + 4];
} shape_text;

static shape_text shape_of(const rin_npz_array *array) {
    shape_text out = {"("};
    size_t n = 1;
    for (int i = 0; i < array->rank; i++)
        n += (size_t)snprintf(out.text + n, sizeof out.text - n, "%s%lld%s", i ? " " : "", (long long)array->shape[i],
                              i + 1 < array->rank || array->rank == 1 ? "," : "");
    snprintf(out.text + n, sizeof out.text - n, ")");
    return out;
}

/* ---- reading ---- */

static const rin_npz_array *find_sigma(const rin_npz *npz) {
    const rin_npz_array *sigma = rin_npz_find(npz, "sigma");
    return sigma ? sigma : rin_npz_find(npz, "cov");
}

bool rin_statistics_are_in(const rin_npz *npz) {
    return rin_npz_find(npz, "mu") || find_sigma(npz);
}

static rin_status missing(const rin_npz *npz, const char *path, const char *what, rin_error *error) {
    rin_text names = {0};
    for (size_t i = 0; i < RIN_MIN(rin_npz_count(npz), 8); i++)
        rin_text_add(&names, "%s'%s'", i ? ", " : "", rin_npz_get(npz, i)->name);
    (void)rin_error_set(error, RIN_ERR_FORMAT,
                        "%.300s: it has no array '%s', but %s; statistics are 'mu' and 'sigma', as pytorch-fid saves "
                        "them",
                        path, what, names.chars && !names.failed ? names.chars : "none at all");
    rin_text_clear(&names);
    return RIN_ERR_FORMAT;
}

/* Shapes before there is memory for what they say. */
static rin_status check_shapes(const rin_npz_array *mu, const rin_npz_array *sigma, const char *path,
                               rin_error *error) {
    const int64_t dim = mu->shape[0];
    if (mu->rank != 1 || dim < 1 || dim > MOST_DIM)
        return rin_error_set(error, RIN_ERR_FORMAT, "%.300s: array 'mu' has shape %s; allowed: (D,), D from 1 to %d",
                             path, shape_of(mu).text, MOST_DIM);
    if (sigma->rank != 2 || sigma->shape[0] != dim || sigma->shape[1] != dim)
        return rin_error_set(error, RIN_ERR_FORMAT, "%.300s: array '%s' has shape %s; (%lld, %lld) goes with 'mu'",
                             path, sigma->name, shape_of(sigma).text, (long long)dim, (long long)dim);
    return rin_memory_expect((uint64_t)sigma->count * sizeof(double), rin_memory_total(), "a covariance", error);
}

/* Rounding in whatever wrote the file; what is left is symmetric to the last bit. */
static void symmetrise(rin_gaussian *g) {
    for (int64_t i = 0; i < g->dim; i++) {
        for (int64_t k = 0; k < i; k++) {
            double *below = &g->sigma[i * g->dim + k], *above = &g->sigma[k * g->dim + i];
            if (*below != *above) *below = *above = 0.5 * *below + 0.5 * *above;
        }
    }
}

static rin_status read_gaussian(const rin_npz *npz, const char *path, rin_gaussian *out, rin_error *error) {
    const rin_npz_array *mu = rin_npz_find(npz, "mu"), *sigma = find_sigma(npz);
    if (!mu || !sigma) return missing(npz, path, mu ? "sigma" : "mu", error);
    rin_status status = check_shapes(mu, sigma, path, error);
    if (status != RIN_OK) return status;
    out->dim = mu->count;
    out->mu = rin_calloc((size_t)mu->count, sizeof *out->mu, error);
    if (out->mu) out->sigma = rin_calloc((size_t)sigma->count, sizeof *out->sigma, error);
    if (!out->sigma) return RIN_ERR_MEMORY;
    status = rin_npz_read(npz, mu, out->mu, mu->count, error);
    if (status == RIN_OK) status = rin_npz_read(npz, sigma, out->sigma, sigma->count, error);
    if (status != RIN_OK) return status;
    status = rin_gaussian_check(out, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "%.300s", path);
    symmetrise(out);
    return RIN_OK;
}

static rin_status read_n(const rin_npz *npz, const char *path, int64_t *out, rin_error *error) {
    static const double most = 0x1p53;
    const rin_npz_array *array = rin_npz_find(npz, "n");
    double n = 0;
    if (!array) return RIN_OK;
    if (array->count != 1)
        return rin_error_set(error, RIN_ERR_FORMAT, "%.300s: array 'n' has shape %s; allowed: one number", path,
                             shape_of(array).text);
    rin_status status = rin_npz_read(npz, array, &n, 1, error);
    if (status != RIN_OK) return status;
    if (!(n >= 0 && n <= most && floor(n) == n))
        return rin_error_set(error, RIN_ERR_FORMAT, "%.300s: array 'n' is %g; allowed: whole numbers from 0 on", path,
                             n);
    *out = (int64_t)n;
    return RIN_OK;
}

static rin_status read_protocol(const rin_npz *npz, const char *path, char **out, rin_error *error) {
    const rin_npz_array *array = rin_npz_find(npz, "protocol");
    rin_npz_stream *stream;
    if (!array) return RIN_OK;
    if (array->kind != 'u' || array->item_bytes != 1 || array->rank > 1 || array->count > MOST_PROTOCOL)
        return rin_error_set(error, RIN_ERR_FORMAT,
                             "%.300s: array 'protocol' has type %c%d and shape %s; allowed: u1 and up to %d bytes of "
                             "text",
                             path, array->kind, array->item_bytes, shape_of(array).text, MOST_PROTOCOL);
    char *text = rin_calloc((size_t)array->count + 1, 1, error);
    if (!text) return RIN_ERR_MEMORY;
    rin_status status = rin_npz_stream_open(npz, array, &stream, error);
    if (status == RIN_OK) status = rin_npz_stream_bytes(stream, (uint8_t *)text, array->count, error);
    rin_npz_stream_close(stream);
    for (int64_t i = 0; i < array->count; i++) {
        if (!text[i]) text[i] = '?'; /* no end of the text */
    }
    rin_text_make_utf8(text);
    if (status == RIN_OK && array->count) *out = text;
    else rin_free(text);
    return status;
}

rin_status rin_statistics_read(const rin_npz *npz, const char *path, rin_statistics *out, rin_error *error) {
    *out = (rin_statistics){0};
    rin_status status = read_gaussian(npz, path, &out->gaussian, error);
    if (status == RIN_OK) status = read_n(npz, path, &out->gaussian.n, error);
    if (status == RIN_OK) status = read_protocol(npz, path, &out->protocol, error);
    if (status != RIN_OK) rin_statistics_clear(out);
    return status;
}

void rin_statistics_clear(rin_statistics *statistics) {
    if (!statistics) return;
    rin_gaussian_clear(&statistics->gaussian);
    rin_free(statistics->protocol);
    *statistics = (rin_statistics){0};
}

/* ---- writing ---- */

rin_status rin_statistics_write(const char *path, const rin_gaussian *gaussian, const char *protocol,
                                rin_error *error) {
    const double n = (double)gaussian->n;
    const size_t length = protocol ? strlen(protocol) : 0;
    rin_npz_item items[4] = {
        {.name = "mu", .values = gaussian->mu, .rank = 1, .shape = {gaussian->dim}},
        {.name = "sigma", .values = gaussian->sigma, .rank = 2, .shape = {gaussian->dim, gaussian->dim}},
    };
    int n_items = 2;
    if (length > MOST_PROTOCOL)
        return rin_error_set(error, RIN_ERR_ARG, "a protocol of %zu bytes; allowed: up to %d", length, MOST_PROTOCOL);
    rin_status status = rin_gaussian_check(gaussian, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "statistics for '%.300s'", path);
    if (gaussian->n > 0) items[n_items++] = (rin_npz_item){.name = "n", .values = &n};
    if (length)
        items[n_items++] = (rin_npz_item){
            .name = "protocol", .bytes = (const uint8_t *)protocol, .rank = 1, .shape = {(int64_t)length}};
    return rin_npz_write(path, items, n_items, error);
}
