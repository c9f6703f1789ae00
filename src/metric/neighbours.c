/* SPDX-License-Identifier: MIT */
/*
 * Improved precision and recall (Kynkaanniemi et al. 2019): which points lie within the distance of a point of the
 * other set to its k-th nearest neighbour. Products of blocks tell roughly how far apart points are; every distance
 * that decides anything is then computed by differences, so that equal points are at 0 and ties are ties.
 */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "metric/internal.h"

/* What the square of a distance made of products may be off by, in squares of the points' norms. */
static const double doubt = 1e-9;

/* Some rows of a set, less the mean of the real ones. */
typedef struct block {
    int64_t first, n;
    double *rows;    /* (most, dim) */
    double *squares; /* (most) of the rows' norms */
} block;

typedef struct search {
    const rin_rows *sets[2]; /* real, fake */
    double *nearest[2];      /* (n, k) squares of the least distances, ascending; then the last of a row is its reach */
    bool *inside[2];         /* (n) whether a point lies in the reach of one of the other set */
    int64_t dim, k, most;
    float *read;      /* (most, dim) */
    double *centre;   /* (dim) */
    block a, b;       /* a stays while b runs through its set */
    double *products; /* (most, most) */
    double *bounds;   /* (2 most, k) */
    rin_ticker ticker;
    int64_t done, total;
} search;

static int64_t blocks(const search *s, int set) {
    return (s->sets[set]->n + s->most - 1) / s->most;
}

static rin_status read_block(search *s, int set, int64_t number, block *out, rin_error *error) {
    const rin_rows *rows = s->sets[set];
    out->first = number * s->most;
    out->n = RIN_MIN(s->most, rows->n - out->first);
    rin_status status = rin_rows_read(rows, out->first, out->n, s->read, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "the %s features", set == 0 ? "real" : "generated");
    for (int64_t r = 0; r < out->n; r++) {
        const float *from = s->read + r * s->dim;
        double *row = out->rows + r * s->dim, sum = 0;
        for (int64_t i = 0; i < s->dim; i++) {
            row[i] = (double)from[i] - s->centre[i];
            sum += row[i] * row[i];
        }
        out->squares[r] = sum;
    }
    return RIN_OK;
}

static rin_status find_centre(search *s, rin_error *error) {
    const rin_rows *real = s->sets[0];
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < blocks(s, 0) && status == RIN_OK; i++) {
        int64_t first = i * s->most, n = RIN_MIN(s->most, real->n - first);
        status = rin_rows_read(real, first, n, s->read, error);
        if (status != RIN_OK) return rin_error_prefix(error, status, "the real features");
        for (int64_t r = 0; r < n; r++) {
            for (int64_t c = 0; c < s->dim; c++) s->centre[c] += s->read[r * s->dim + c];
        }
    }
    for (int64_t c = 0; c < s->dim; c++) s->centre[c] /= (double)real->n;
    return status;
}

/* Eight sums side by side, in an order that does not depend on which of the points is the first. */
static double by_differences(const double *u, const double *v, int64_t n) {
    double sums[8] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int l = 0; l < 8; l++) sums[l] += (u[i + l] - v[i + l]) * (u[i + l] - v[i + l]);
    }
    for (; i < n; i++) rest += (u[i] - v[i]) * (u[i] - v[i]);
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest;
}

static void insert(double *ascending, int64_t k, double value) {
    int64_t i = k - 1;
    if (value >= ascending[i]) return;
    for (; i > 0 && ascending[i - 1] > value; i--) ascending[i] = ascending[i - 1];
    ascending[i] = value;
}

/*
 * Above what no distance of the pairs of a and b can be among the k least ones of a point: the k-th least of those
 * known and of those of products, doubt added.
 */
static void find_bounds(const search *s, const double *near_a, const double *near_b, bool same, double *bounds_a,
                        double *bounds_b) {
    const block *a = &s->a, *b = same ? a : &s->b;
    int64_t k = s->k;
    memcpy(bounds_a, near_a, (size_t)(a->n * k) * sizeof *bounds_a);
    if (!same) memcpy(bounds_b, near_b, (size_t)(b->n * k) * sizeof *bounds_b);
    for (int64_t r = 0; r < a->n; r++) {
        for (int64_t c = 0; c < (same ? r : b->n); c++) {
            double squares = a->squares[r] + b->squares[c];
            double most = squares * (1 + doubt) - 2 * s->products[r * b->n + c];
            if (most < bounds_a[r * k + k - 1]) insert(bounds_a + r * k, k, most);
            if (most < bounds_b[c * k + k - 1]) insert(bounds_b + c * k, k, most);
        }
    }
}

/* The distances between points of a and b, or among those of a, join the least ones of both. */
static void join(search *s, int set, bool same) {
    const block *a = &s->a, *b = same ? a : &s->b;
    int64_t k = s->k;
    double *near_a = s->nearest[set] + a->first * k, *near_b = s->nearest[set] + b->first * k;
    double *bounds_a = s->bounds, *bounds_b = same ? s->bounds : s->bounds + s->most * k;
    find_bounds(s, near_a, near_b, same, bounds_a, bounds_b);
    for (int64_t r = 0; r < a->n; r++) {
        for (int64_t c = 0; c < (same ? r : b->n); c++) {
            double squares = a->squares[r] + b->squares[c];
            double least = fmax(0, squares * (1 - doubt) - 2 * s->products[r * b->n + c]);
            int64_t last_a = r * k + k - 1, last_b = c * k + k - 1;
            bool joins_a = least <= bounds_a[last_a] && least < near_a[last_a];
            bool joins_b = least <= bounds_b[last_b] && least < near_b[last_b];
            if (!joins_a && !joins_b) continue;
            double exact = by_differences(a->rows + r * s->dim, b->rows + c * s->dim, s->dim);
            insert(near_a + r * k, k, exact);
            insert(near_b + c * k, k, exact);
        }
    }
}

static rin_status tick(search *s, rin_error *error) {
    return rin_metric_tick(s->ticker, ++s->done, s->total, error);
}

static rin_status find_nearest(search *s, int set, rin_error *error) {
    const int dim = (int)s->dim;
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < s->sets[set]->n * s->k; i++) s->nearest[set][i] = INFINITY;
    for (int64_t i = 0; i < blocks(s, set) && status == RIN_OK; i++) {
        status = read_block(s, set, i, &s->a, error);
        for (int64_t j = 0; j <= i && status == RIN_OK; j++) {
            const int n = (int)s->a.n;
            if (j < i) {
                status = read_block(s, set, j, &s->b, error);
                if (status != RIN_OK) break;
                cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, (int)s->b.n, dim, 1, s->a.rows, dim, s->b.rows,
                            dim, 0, s->products, (int)s->b.n);
            } else {
                cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, n, dim, 1, s->a.rows, dim, 0, s->products, n);
            }
            join(s, set, j == i);
            status = tick(s, error);
        }
    }
    return status;
}

/* Marks the points of a, fake ones, and of b, real ones, that lie within reach of one of the others. */
static void mark(search *s) {
    const block *a = &s->a, *b = &s->b;
    int64_t k = s->k;
    const double *reach_a = s->nearest[1] + a->first * k + k - 1, *reach_b = s->nearest[0] + b->first * k + k - 1;
    bool *inside_a = s->inside[1] + a->first, *inside_b = s->inside[0] + b->first;
    for (int64_t r = 0; r < a->n; r++) {
        for (int64_t c = 0; c < b->n; c++) {
            double squares = a->squares[r] + b->squares[c];
            double least = fmax(0, squares * (1 - doubt) - 2 * s->products[r * b->n + c]);
            bool asks_a = !inside_a[r] && least <= reach_b[c * k], asks_b = !inside_b[c] && least <= reach_a[r * k];
            if (!asks_a && !asks_b) continue;
            double exact = by_differences(a->rows + r * s->dim, b->rows + c * s->dim, s->dim);
            if (exact <= reach_b[c * k]) inside_a[r] = true;
            if (exact <= reach_a[r * k]) inside_b[c] = true;
        }
    }
}

static rin_status find_inside(search *s, rin_error *error) {
    const int dim = (int)s->dim;
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < blocks(s, 1) && status == RIN_OK; i++) {
        status = read_block(s, 1, i, &s->a, error);
        for (int64_t j = 0; j < blocks(s, 0) && status == RIN_OK; j++) {
            status = read_block(s, 0, j, &s->b, error);
            if (status != RIN_OK) break;
            const int n = (int)s->b.n;
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)s->a.n, n, dim, 1, s->a.rows, dim, s->b.rows, dim,
                        0, s->products, n);
            mark(s);
            status = tick(s, error);
        }
    }
    return status;
}

static double share_inside(const search *s, int set) {
    int64_t n = s->sets[set]->n, inside = 0;
    for (int64_t i = 0; i < n; i++) inside += s->inside[set][i];
    return (double)inside / (double)n;
}

static rin_status run(search *s, rin_error *error) {
    rin_status status = find_centre(s, error);
    for (int set = 0; set < 2 && status == RIN_OK; set++) status = find_nearest(s, set, error);
    if (status == RIN_OK) status = find_inside(s, error);
    return status;
}

static rin_status prepare(search *s, rin_error *error) {
    size_t most = (size_t)s->most, dim = (size_t)s->dim, k = (size_t)s->k;
    int64_t real = blocks(s, 0), fake = blocks(s, 1);
    s->total = real * (real + 1) / 2 + fake * (fake + 1) / 2 + real * fake;
    bool made = true;
    for (int set = 0; set < 2; set++) {
        size_t n = (size_t)s->sets[set]->n;
        s->nearest[set] = rin_calloc(n * k, sizeof *s->nearest[set], error);
        s->inside[set] = rin_calloc(n, sizeof *s->inside[set], error);
        made = made && s->nearest[set] && s->inside[set];
    }
    block *of[] = {&s->a, &s->b};
    for (size_t i = 0; i < RIN_COUNT(of); i++) {
        of[i]->rows = rin_calloc(most * dim, sizeof *of[i]->rows, error);
        of[i]->squares = rin_calloc(most, sizeof *of[i]->squares, error);
        made = made && of[i]->rows && of[i]->squares;
    }
    s->read = rin_calloc(most * dim, sizeof *s->read, error);
    s->centre = rin_calloc(dim, sizeof *s->centre, error);
    s->products = rin_calloc(most * most, sizeof *s->products, error);
    s->bounds = rin_calloc(2 * most * k, sizeof *s->bounds, error);
    return made && s->read && s->centre && s->products && s->bounds ? RIN_OK : RIN_ERR_MEMORY;
}

static void release(search *s) {
    void *memory[] = {s->nearest[0], s->nearest[1], s->inside[0], s->inside[1], s->a.rows,   s->a.squares,
                      s->b.rows,     s->b.squares,  s->read,      s->centre,    s->products, s->bounds};
    for (size_t i = 0; i < RIN_COUNT(memory); i++) rin_free(memory[i]);
}

static rin_status check(const rin_rows *real, const rin_rows *fake, int64_t k, rin_error *error) {
    rin_status status = rin_rows_check(real, "the real features", error);
    if (status == RIN_OK) status = rin_rows_check(fake, "the generated features", error);
    if (status != RIN_OK) return status;
    if (real->dim != fake->dim)
        return rin_error_set(error, RIN_ERR_SHAPE,
                             "features of %lld and of %lld numbers; allowed: as many in both, of the same network",
                             (long long)real->dim, (long long)fake->dim);
    if (k >= 1 && k < real->n && k < fake->n) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG,
                         "precision and recall of %lld real and %lld generated rows with k = %lld; allowed: 1 to one "
                         "less than there are rows of either",
                         (long long)real->n, (long long)fake->n, (long long)k);
}

rin_status rin_precision_recall_of(const rin_rows *real, const rin_rows *fake, int64_t k, rin_ticker ticker,
                                   double *radii_real, double *radii_fake, rin_precision_recall *out,
                                   rin_error *error) {
    rin_status status = check(real, fake, k, error);
    if (status != RIN_OK) return status;
    search s = {.sets = {real, fake}, .dim = real->dim, .k = k, .ticker = ticker};
    s.most = rin_metric_block(RIN_MAX(real->n, fake->n), s.dim);
    status = prepare(&s, error);
    if (status == RIN_OK) status = run(&s, error);
    if (status == RIN_OK) *out = (rin_precision_recall){share_inside(&s, 1), share_inside(&s, 0)};
    double *radii[] = {radii_real, radii_fake};
    for (int set = 0; set < 2 && status == RIN_OK; set++) {
        for (int64_t i = 0; i < s.sets[set]->n && radii[set]; i++) radii[set][i] = sqrt(s.nearest[set][i * k + k - 1]);
    }
    release(&s);
    return status;
}
