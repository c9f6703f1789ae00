/* SPDX-License-Identifier: MIT */
/* Cases of statistics and scores: features in, mean and covariance, FID, KID, Inception Score, precision and recall. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/evaluation.h"
#include "metric/metric.h"

/* As case.json and section 12 of the evaluation document have them: of max|b|. */
static const double tolerance_mu = 1e-13, tolerance_sigma = 1e-12;
/* Sets far from zero ("far1 and far2 1e-9"): where mu^2 is beyond this many times sigma, batches round more. */
static const double tolerance_far = 1e-9, far_from_zero = 1e8;
/* Of trace1 + trace2 + mean_term. */
static const double tolerance_fid = 1e-10;
/* Absolute; relative for values above 1. */
static const double tolerance_kid = 1e-11;
/* Relative. */
static const double tolerance_is = 1e-12;
/* Distances that decide are further from a radius than 1e-5 of it, or tie with it: precision and recall are exact. */
static const double tolerance_radius = 1e-10;

bool rin_check_is_scores(const cJSON *json) {
    static const char *const objects[] = {"statistics", "fid", "kid"};
    static const char *const either[] = {"inception_score", "precision_recall"};
    for (size_t i = 0; i < RIN_COUNT(objects); i++) {
        if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(json, objects[i]))) return true;
    }
    for (size_t i = 0; i < RIN_COUNT(either); i++) {
        if (cJSON_HasObjectItem(json, either[i])) return true;
    }
    return false;
}

/* ---- features ---- */

/* Rows of floats, (n, dim). */
typedef struct table {
    float *values;
    int64_t n, dim;
} table;

static rin_status read_table(rin_case *c, const char *name, table *out, rin_error *error) {
    const rin_stored_tensor *tensor = rin_case_find(c, "%s", name);
    rin_status status = rin_case_expect(tensor, error, "%s", name);
    if (status == RIN_OK && (tensor->rank != 2 || tensor->n_elements < 1))
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s' is no table of rows", tensor->name);
    if (status != RIN_OK) return status;
    out->n = tensor->shape[0];
    out->dim = tensor->shape[1];
    return rin_case_read_floats(c, tensor, &out->values, error);
}

static rin_status read_set(rin_case *c, const char *set, table *out, rin_error *error) {
    char name[RIN_CASE_NAME];
    snprintf(name, sizeof name, "features/%.200s", set);
    return read_table(c, name, out, error);
}

/* ---- mean and covariance ---- */

/* In batches of so many rows; then also in two halves that are merged. */
static rin_status gaussian_of(const table *t, int64_t batch, bool merge, rin_gaussian *out, rin_error *error) {
    rin_moments moments = {0}, second = {0};
    rin_status status = rin_moments_init(&moments, t->dim, error);
    if (status == RIN_OK) status = rin_moments_init(&second, t->dim, error);
    for (int64_t i = 0; i < t->n && status == RIN_OK; i += batch) {
        rin_moments *into = merge && i >= t->n / 2 ? &second : &moments;
        status = rin_moments_add(into, t->values + i * t->dim, RIN_MIN(batch, t->n - i), error);
    }
    if (status == RIN_OK && merge) status = rin_moments_merge(&moments, &second, error);
    if (status == RIN_OK) status = rin_gaussian_of_moments(&moments, out, error);
    rin_moments_clear(&moments);
    rin_moments_clear(&second);
    return status;
}

static double largest(const double *values, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(values[i]));
    return most;
}

static rin_status compare_moments(rin_check *check, const char *set, const rin_gaussian *g, rin_error *error) {
    const rin_stored_tensor *mu = rin_case_find(check->of, "mu/%s", set);
    const rin_stored_tensor *sigma = rin_case_find(check->of, "sigma/%s", set);
    double mean = largest(g->mu, g->dim), variance = largest(g->sigma, g->dim * g->dim);
    bool is_far = mean * mean > far_from_zero * variance && variance > 0;
    rin_status status = RIN_OK;
    if (mu) status = rin_check_tensor(check, mu, g->mu, g->dim, tolerance_mu, 0, error);
    if (sigma && status == RIN_OK)
        status = rin_check_tensor(check, sigma, g->sigma, g->dim * g->dim, is_far ? tolerance_far : tolerance_sigma, 0,
                                  error);
    return status;
}

/* Streamed, in batches of any size. */
static rin_status check_statistics(rin_check *check, rin_error *error) {
    const char *set = rin_row_word(check->options, "set", check->name);
    table t = {0};
    rin_status status = read_set(check->of, set, &t, error);
    const int64_t batches[] = {1, 7, 64, RIN_MAX(t.n, 1)};
    double n = rin_row_number(check->options, "n", (double)t.n);
    if (status == RIN_OK && n != (double)t.n)
        status = rin_error_set(error, RIN_ERR_SHAPE, "n = %g in case.json, features/%.200s has %lld rows", n, set,
                               (long long)t.n);
    for (size_t i = 0; i < 2 * RIN_COUNT(batches) && status == RIN_OK; i++) {
        rin_gaussian g = {0};
        status = gaussian_of(&t, batches[i / 2], i % 2, &g, error);
        if (status == RIN_OK) status = compare_moments(check, set, &g, error);
        rin_gaussian_clear(&g);
    }
    rin_free(t.values);
    return status;
}

/* ---- FID ---- */

static rin_status gaussian_of_set(rin_case *c, const char *set, rin_gaussian *out, rin_error *error) {
    enum { BATCH = 64 };
    table t = {0};
    rin_status status = read_set(c, set, &t, error);
    if (status == RIN_OK) status = gaussian_of(&t, BATCH, false, out, error);
    rin_free(t.values);
    return status;
}

static rin_status check_fid(rin_check *check, rin_error *error) {
    const cJSON *row = check->options;
    rin_gaussian a = {0}, b = {0};
    rin_frechet f = {0};
    rin_status status = gaussian_of_set(check->of, rin_row_word(row, "first", ""), &a, error);
    if (status == RIN_OK) status = gaussian_of_set(check->of, rin_row_word(row, "second", ""), &b, error);
    if (status == RIN_OK) status = rin_frechet_distance(&a, &b, &f, error);
    if (status == RIN_OK) {
        double scale = rin_row_number(row, "trace1", f.trace1) + rin_row_number(row, "trace2", f.trace2) +
                       rin_row_number(row, "mean_term", f.mean_term);
        rin_check_number_of(check, row, "fid", f.raw, tolerance_fid, scale);
        rin_check_number_of(check, row, "mean_term", f.mean_term, tolerance_fid, scale);
        rin_check_number_of(check, row, "trace1", f.trace1, tolerance_fid, scale);
        rin_check_number_of(check, row, "trace2", f.trace2, tolerance_fid, scale);
        rin_check_number_of(check, row, "trace_sqrt", f.trace_sqrt, tolerance_fid, scale);
    }
    rin_gaussian_clear(&a);
    rin_gaussian_clear(&b);
    return status;
}

/* ---- KID ---- */

static void note_kid(rin_check *check, const char *what, double value, double expected) {
    rin_check_close(check, what, &value, &expected, 1, tolerance_kid, fmax(1, fabs(expected)));
}

/* Rows number subset[0 .. size - 1] of a table. */
static rin_status take_rows(const table *t, const double *subset, int64_t size, float *out, rin_error *error) {
    for (int64_t i = 0; i < size; i++) {
        if (!(subset[i] >= 0 && subset[i] < (double)t->n))
            return rin_error_set(error, RIN_ERR_FORMAT, "row %g of a subset; there are %lld", subset[i],
                                 (long long)t->n);
        memcpy(out + i * t->dim, t->values + (int64_t)subset[i] * t->dim, (size_t)t->dim * sizeof *out);
    }
    return RIN_OK;
}

/* Numbers of the rows of each subset, (subsets, size); under the name of the set, or of its place in the case. */
static rin_status read_subsets(rin_case *c, const char *set, const char *place, double **out, int64_t *subsets,
                               int64_t *size, rin_error *error) {
    const rin_stored_tensor *tensor = rin_case_find(c, "kid/subset_%s", set);
    if (!tensor) tensor = rin_case_find(c, "kid/subset_%s", place);
    rin_status status = rin_case_expect(tensor, error, "kid/subset_%s", set);
    if (status == RIN_OK && (tensor->rank != 2 || tensor->n_elements < 1))
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s' is no table of rows", tensor->name);
    if (status != RIN_OK) return status;
    *subsets = tensor->shape[0];
    *size = tensor->shape[1];
    return rin_case_read(c, tensor, out, error);
}

typedef struct subsets {
    double *a, *b, *values; /* (n, a_size), (n, b_size), (n) */
    int64_t n, n_b, a_size, b_size;
} subsets;

static rin_status run_subsets(const subsets *s, const table *x, const table *y, rin_error *error) {
    float *a = rin_calloc((size_t)s->a_size, (size_t)x->dim * sizeof *a, error);
    float *b = rin_calloc((size_t)s->b_size, (size_t)y->dim * sizeof *b, error);
    rin_status status = a && b ? RIN_OK : RIN_ERR_MEMORY;
    for (int64_t i = 0; i < s->n && status == RIN_OK; i++) {
        status = take_rows(x, s->a + i * s->a_size, s->a_size, a, error);
        if (status == RIN_OK) status = take_rows(y, s->b + i * s->b_size, s->b_size, b, error);
        if (status == RIN_OK) status = rin_mmd2(a, s->a_size, b, s->b_size, x->dim, &s->values[i], error);
    }
    rin_free(a);
    rin_free(b);
    return status;
}

static rin_status compare_subsets(rin_check *check, const subsets *s, rin_error *error) {
    const rin_stored_tensor *stored = rin_case_find(check->of, "kid/mmd2");
    double mean = 0, square = 0;
    for (int64_t i = 0; i < s->n; i++) mean += s->values[i] / (double)s->n;
    for (int64_t i = 0; i < s->n; i++) square += (s->values[i] - mean) * (s->values[i] - mean) / (double)s->n;
    note_kid(check, "mean", mean, rin_row_number(check->options, "mean", mean));
    note_kid(check, "std", sqrt(square), rin_row_number(check->options, "std", sqrt(square)));
    double scale = fmax(1, largest(s->values, s->n));
    return stored ? rin_check_tensor(check, stored, s->values, s->n, tolerance_kid, scale, error) : RIN_OK;
}

static rin_status check_subsets(rin_check *check, const table *x, const table *y, rin_error *error) {
    const cJSON *kid = check->options;
    subsets s = {0};
    rin_status status = read_subsets(check->of, rin_row_word(kid, "first", "a"), "a", &s.a, &s.n, &s.a_size, error);
    if (status == RIN_OK)
        status = read_subsets(check->of, rin_row_word(kid, "second", "b"), "b", &s.b, &s.n_b, &s.b_size, error);
    if (status == RIN_OK && (s.n != s.n_b || rin_row_number(kid, "subsets", (double)s.n) != (double)s.n ||
                             rin_row_number(kid, "subset_size", (double)s.a_size) != (double)s.a_size))
        status = rin_error_set(error, RIN_ERR_SHAPE, "kid/subset_..: not as many subsets, or rows, as case.json has");
    if (status == RIN_OK) {
        s.values = rin_calloc((size_t)s.n, sizeof *s.values, error);
        status = s.values ? run_subsets(&s, x, y, error) : RIN_ERR_MEMORY;
    }
    if (status == RIN_OK) status = compare_subsets(check, &s, error);
    rin_free(s.a);
    rin_free(s.b);
    rin_free(s.values);
    return status;
}

static rin_status check_whole(rin_check *check, const char *key, const table *x, const table *y, rin_error *error) {
    double value = 0;
    if (!cJSON_HasObjectItem(check->options, key)) return RIN_OK;
    rin_status status = rin_mmd2(x->values, x->n, y->values, y->n, x->dim, &value, error);
    if (status == RIN_OK) note_kid(check, key, value, rin_row_number(check->options, key, NAN));
    return status;
}

static rin_status check_kid(rin_check *check, rin_error *error) {
    static const char *const of_subsets[] = {"subsets", "subset_size", "mean", "std"};
    table x = {0}, y = {0};
    bool in_subsets = false;
    rin_status status = read_set(check->of, rin_row_word(check->options, "first", "a"), &x, error);
    if (status == RIN_OK) status = read_set(check->of, rin_row_word(check->options, "second", "b"), &y, error);
    if (status == RIN_OK && x.dim != y.dim)
        status = rin_error_set(error, RIN_ERR_SHAPE, "the two sets of kid are not of one width");
    for (size_t i = 0; i < RIN_COUNT(of_subsets); i++)
        in_subsets = in_subsets || cJSON_HasObjectItem(check->options, of_subsets[i]);
    if (status == RIN_OK && in_subsets) status = check_subsets(check, &x, &y, error);
    if (status == RIN_OK) status = check_whole(check, "full", &x, &y, error);
    if (status == RIN_OK) status = check_whole(check, "full_identical", &x, &x, error);
    rin_free(x.values);
    rin_free(y.values);
    return status;
}

/* ---- Inception Score ---- */

/* The number behind a word in a text; 0 when there is none. */
static int64_t number_after(const char *text, const char *word) {
    enum { MOST = 1 << 30 };
    const char *at = strstr(text, word);
    long number = at ? strtol(at + strlen(word), NULL, 10) : 0;
    return number > 0 && number <= MOST ? number : 0;
}

/*
 * How the rows are split, which case.json says in words: "chunks of 50" in a name; permuted ones in the order of seed
 * 2020; else as many even splits as there are scores, or as "i*N/10 to (i+1)*N/10" says.
 */
static rin_splits splits_of(const cJSON *row, int n_scores) {
    const char *name = rin_row_word(row, "name", ""), *text = rin_row_word(row, "splits", "");
    int64_t chunk = number_after(name, "chunks of "), even = number_after(text, "N/");
    if (chunk) return (rin_splits){RIN_SPLITS_CHUNKS, chunk};
    if (n_scores) even = n_scores;
    if (!even) even = strstr(name, "ten") ? 10 : 1;
    bool permuted = strstr(name, "permut") || strstr(text, "permut") || strstr(text, "seed");
    return (rin_splits){permuted ? RIN_SPLITS_PERMUTED : RIN_SPLITS_EVEN, even};
}

static int64_t count_splits(rin_splits splits, int64_t n) {
    return splits.kind == RIN_SPLITS_CHUNKS ? (n + splits.size - 1) / splits.size : splits.size;
}

static rin_status compare_scores(rin_check *check, const double *scores, int64_t n, const rin_spread *found,
                                 rin_error *error) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(check->options, "scores"), *item;
    int64_t i = 0;
    rin_check_number_of(check, check->options, "mean", found->mean, tolerance_is, 0);
    rin_check_number_of(check, check->options, "std", found->deviation, tolerance_is, found->mean);
    if (!list) return RIN_OK;
    if (cJSON_GetArraySize(list) != n)
        return rin_error_set(error, RIN_ERR_SHAPE, "case.json has %d scores; computed are %lld",
                             cJSON_GetArraySize(list), (long long)n);
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsNumber(item)) return rin_error_set(error, RIN_ERR_FORMAT, "a score that is no number");
        rin_check_note(check, "scores", i, fabs(scores[i] - item->valuedouble) / fabs(item->valuedouble), tolerance_is);
        i++;
    }
    return RIN_OK;
}

static rin_status check_inception_score(rin_check *check, rin_error *error) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(check->options, "scores");
    rin_splits splits = splits_of(check->options, cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0);
    table t = {0};
    rin_spread found = {0};
    double *scores = NULL;
    rin_status status = read_table(check->of, rin_row_word(check->options, "logits", "is/logits"), &t, error);
    if (status == RIN_OK && splits.kind != RIN_SPLITS_CHUNKS && splits.size > t.n)
        status = rin_error_set(error, RIN_ERR_FORMAT, "more splits than the %lld rows", (long long)t.n);
    if (status == RIN_OK) {
        scores = rin_calloc((size_t)count_splits(splits, t.n), sizeof *scores, error);
        if (!scores) status = RIN_ERR_MEMORY;
    }
    rin_rows rows = rin_rows_of_memory(t.values, t.n, t.dim);
    if (status == RIN_OK) status = rin_inception_score(&rows, splits, (rin_ticker){NULL, NULL}, scores, &found, error);
    if (status == RIN_OK) status = compare_scores(check, scores, count_splits(splits, t.n), &found, error);
    rin_free(scores);
    rin_free(t.values);
    return status;
}

/* numpy's order of rows, which the library makes itself. */
static rin_status check_permutation(rin_check *check, rin_error *error) {
    enum { SEED = 2020 };
    const rin_stored_tensor *tensor = rin_case_find(check->of, "%s", check->name);
    int64_t n = tensor ? (int64_t)tensor->n_elements : 0;
    uint32_t *order = rin_calloc((size_t)n, sizeof *order, error);
    double *values = rin_calloc((size_t)n, sizeof *values, error);
    rin_status status = order && values ? rin_numpy_permutation(SEED, n, order, error) : RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n && status == RIN_OK; i++) values[i] = order[i];
    if (status == RIN_OK && tensor) status = rin_check_tensor(check, tensor, values, n, 0, 1, error);
    rin_free(order);
    rin_free(values);
    return status;
}

/* ---- precision and recall ---- */

static rin_status compare_radii(rin_check *check, const char *of, const double *radii, int64_t n, rin_error *error) {
    const rin_stored_tensor *tensor = rin_case_find(check->of, "pr/%s/radius_%s", check->name, of);
    return tensor ? rin_check_tensor(check, tensor, radii, n, tolerance_radius, 0, error) : RIN_OK;
}

static rin_status check_precision_recall(rin_check *check, rin_error *error) {
    const cJSON *row = check->options;
    table real = {0}, fake = {0};
    double *radii_real = NULL, *radii_fake = NULL;
    int64_t k = 0;
    rin_precision_recall found = {0};
    rin_status status = rin_row_whole(row, "k", 1, 1 << 20, &k, error);
    if (status == RIN_OK) status = read_table(check->of, rin_row_word(row, "real", "pr/real"), &real, error);
    if (status == RIN_OK) status = read_table(check->of, rin_row_word(row, "fake", "pr/fake"), &fake, error);
    if (status == RIN_OK) {
        radii_real = rin_calloc((size_t)real.n, sizeof *radii_real, error);
        radii_fake = rin_calloc((size_t)fake.n, sizeof *radii_fake, error);
        if (!radii_real || !radii_fake) status = RIN_ERR_MEMORY;
    }
    rin_rows a = rin_rows_of_memory(real.values, real.n, real.dim),
             b = rin_rows_of_memory(fake.values, fake.n, fake.dim);
    if (status == RIN_OK)
        status = rin_precision_recall_of(&a, &b, k, (rin_ticker){NULL, NULL}, radii_real, radii_fake, &found, error);
    if (status == RIN_OK) {
        rin_check_number_of(check, row, "precision", found.precision, 0, 1);
        rin_check_number_of(check, row, "recall", found.recall, 0, 1);
        status = compare_radii(check, "real", radii_real, real.n, error);
    }
    if (status == RIN_OK) status = compare_radii(check, "fake", radii_fake, fake.n, error);
    rin_free(real.values);
    rin_free(fake.values);
    rin_free(radii_real);
    rin_free(radii_fake);
    return status;
}

/* ---- the case ---- */

typedef rin_status check_fn(rin_check *check, rin_error *error);

static void check_one(rin_case *c, const cJSON *row, const char *name, check_fn *run) {
    rin_error failure = {0};
    rin_check check = rin_check_begin(c, row, name);
    rin_check_end(&check, run(&check, &failure), &failure);
}

/* The rows of a list, or of an object that holds them beside its tolerance. */
static rin_status check_rows(rin_case *c, const char *key, const char *name, check_fn *run, rin_error *error) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(c->json, key), *rows = NULL, *row;
    rin_status status = cJSON_IsArray(member) ? rin_rows_of_json(c->json, key, &rows, error)
                                              : rin_rows_of_json(member, "rows", &rows, error);
    if (status != RIN_OK) return status;
    cJSON_ArrayForEach(row, rows) check_one(c, row, rin_row_word(row, name, key), run);
    return RIN_OK;
}

/* Sets that have a mean or a covariance, but no row of their own. */
static void check_other_statistics(rin_case *c) {
    static const char *const prefixes[] = {"mu/", "sigma/"};
    for (size_t i = 0; i < rin_safetensors_count(c->io); i++) {
        const char *name = rin_safetensors_get(c->io, i)->name;
        for (size_t k = 0; k < RIN_COUNT(prefixes); k++) {
            if (!c->used[i] && strncmp(name, prefixes[k], strlen(prefixes[k])) == 0)
                check_one(c, NULL, name + strlen(prefixes[k]), check_statistics);
        }
    }
}

rin_status rin_check_scores(rin_case *c, rin_error *error) {
    static const char permutation[] = "is/permutation";
    rin_status status = rin_case_open_numbers(c, error);
    if (status == RIN_OK) status = check_rows(c, "statistics", "set", check_statistics, error);
    if (status != RIN_OK) return status;
    check_other_statistics(c);
    status = check_rows(c, "fid", "name", check_fid, error);
    if (status != RIN_OK) return status;
    const cJSON *kid = cJSON_GetObjectItemCaseSensitive(c->json, "kid");
    if (cJSON_IsObject(kid)) check_one(c, kid, "kid", check_kid);
    if (rin_case_find(c, permutation)) check_one(c, NULL, permutation, check_permutation);
    status = check_rows(c, "inception_score", "name", check_inception_score, error);
    if (status == RIN_OK) status = check_rows(c, "precision_recall", "name", check_precision_recall, error);
    return status;
}
