/* SPDX-License-Identifier: MIT */
/* Cases from pictures to scores: two sets, "real" and "fake", their features, and what comes out of comparing them. */
#include <string.h>

#include "check/evaluation.h"
#include "metric/metric.h"

/* Features, of max|b|, from pictures: the cases of Inception. */
static const double features_double = 1e-6, features_float = 1e-5;
/* "relative: float64 network 1e-5, float32 network 1e-4 (kid 1e-3); precision and recall exact" (its case.json). */
static const double score_double = 1e-5, score_float = 1e-4, kid_double = 1e-5, kid_float = 1e-3;

static const char *const features[] = {"pool3", "logits_unbiased", "logits"};
static const char *const scores[] = {"fid",    "trace_sqrt", "mean_term", "trace1",
                                     "trace2", "kid",        "precision", "recall"};

bool rin_check_is_end_to_end(const cJSON *json) {
    for (size_t i = 0; i < RIN_COUNT(scores); i++) {
        if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(json, scores[i]))) return true;
    }
    return false;
}

/* A set of pictures and what the network makes of them. */
typedef struct set {
    const char *name;
    int64_t n;
    double *features[RIN_COUNT(features)]; /* (n, dim) */
    float *pool3;                          /* (n, 2048) */
} set;

static const int64_t dims[RIN_COUNT(features)] = {RIN_INCEPTION_FEATURES, RIN_INCEPTION_CLASSES, RIN_INCEPTION_CLASSES};

static void clear_set(set *s) {
    for (size_t i = 0; i < RIN_COUNT(features); i++) rin_free(s->features[i]);
    rin_free(s->pool3);
}

static rin_preprocess kind_of(const rin_case *c) {
    const char *word = rin_row_word(c->json, "kind", "tf");
    return rin_preprocess_find(word, strlen(word));
}

static rin_status run_set(rin_case *c, set *s, rin_extractor *network, const rin_stored_tensor *images,
                          rin_error *error) {
    float *pixels = NULL;
    int64_t per_picture = images->rank == 4 ? images->shape[1] * images->shape[2] * 3 : 0;
    float *input = rin_calloc((size_t)rin_extractor_input_count(network), sizeof *input, error);
    rin_status status = input ? rin_case_read_pixels(c, images, 4, &pixels, error) : RIN_ERR_MEMORY;
    for (size_t k = 0; k < RIN_COUNT(features) && status == RIN_OK; k++) {
        s->features[k] = rin_calloc((size_t)(images->shape[0] * dims[k]), sizeof(double), error);
        if (!s->features[k]) status = RIN_ERR_MEMORY;
    }
    for (s->n = 0; status == RIN_OK && s->n < images->shape[0]; s->n++) {
        status = rin_inception_input(kind_of(c), pixels + s->n * per_picture, (int)images->shape[1],
                                     (int)images->shape[2], input, error);
        if (status == RIN_OK) status = rin_extractor_run(network, input, 1, error);
        for (size_t k = 0; k < RIN_COUNT(features) && status == RIN_OK; k++)
            status = rin_program_read_double(rin_extractor_program(network), features[k],
                                             s->features[k] + s->n * dims[k], dims[k], error);
    }
    rin_free(pixels);
    rin_free(input);
    if (status == RIN_OK) s->pool3 = rin_calloc((size_t)(s->n * dims[0]), sizeof *s->pool3, error);
    if (status == RIN_OK && !s->pool3) status = RIN_ERR_MEMORY;
    for (int64_t i = 0; status == RIN_OK && i < s->n * dims[0]; i++) s->pool3[i] = (float)s->features[0][i];
    return status;
}

static void check_features(rin_case *c, const set *s) {
    double tolerance = rin_case_is_double(c) && kind_of(c) == RIN_PREPROCESS_TF ? features_double : features_float;
    for (size_t k = 0; k < RIN_COUNT(features); k++) {
        const rin_stored_tensor *tensor = rin_case_find(c, "%s/%s", s->name, features[k]);
        if (!tensor) continue;
        rin_error failure = {0};
        rin_check check = rin_check_begin(c, NULL, tensor->name);
        rin_status status = rin_check_tensor(&check, tensor, s->features[k], s->n * dims[k], tolerance, 0, &failure);
        rin_check_end(&check, status, &failure);
    }
}

/* ---- scores ---- */

static rin_status gaussian_of(const set *s, rin_gaussian *out, rin_error *error) {
    rin_moments moments = {0};
    rin_status status = rin_moments_init(&moments, dims[0], error);
    if (status == RIN_OK) status = rin_moments_add(&moments, s->pool3, s->n, error);
    if (status == RIN_OK) status = rin_gaussian_of_moments(&moments, out, error);
    rin_moments_clear(&moments);
    return status;
}

static rin_status check_frechet(rin_check *check, const set *real, const set *fake, rin_error *error) {
    double tolerance = rin_case_is_double(check->of) ? score_double : score_float;
    rin_gaussian a = {0}, b = {0};
    rin_frechet frechet = {0};
    rin_status status = gaussian_of(real, &a, error);
    if (status == RIN_OK) status = gaussian_of(fake, &b, error);
    if (status == RIN_OK) status = rin_frechet_distance(&a, &b, &frechet, error);
    if (status == RIN_OK) {
        rin_check_number_of(check, check->options, "fid", frechet.raw, tolerance, 0);
        rin_check_number_of(check, check->options, "trace_sqrt", frechet.trace_sqrt, tolerance, 0);
        rin_check_number_of(check, check->options, "mean_term", frechet.mean_term, tolerance, 0);
        rin_check_number_of(check, check->options, "trace1", frechet.trace1, tolerance, 0);
        rin_check_number_of(check, check->options, "trace2", frechet.trace2, tolerance, 0);
    }
    rin_gaussian_clear(&a);
    rin_gaussian_clear(&b);
    return status;
}

static rin_status check_kid(rin_check *check, const set *real, const set *fake, rin_error *error) {
    double kid = 0;
    rin_status status = rin_mmd2(real->pool3, real->n, fake->pool3, fake->n, dims[0], &kid, error);
    if (status == RIN_OK)
        rin_check_number_of(check, check->options, "kid", kid, rin_case_is_double(check->of) ? kid_double : kid_float,
                            0);
    return status;
}

static rin_status check_neighbours(rin_check *check, const set *real, const set *fake, rin_error *error) {
    int64_t k;
    rin_precision_recall found = {0};
    rin_rows a = rin_rows_of_memory(real->pool3, real->n, dims[0]);
    rin_rows b = rin_rows_of_memory(fake->pool3, fake->n, dims[0]);
    rin_status status = rin_row_whole(check->options, "k", 1, 1 << 20, &k, error);
    if (status == RIN_OK)
        status = rin_precision_recall_of(&a, &b, k, (rin_ticker){NULL, NULL}, NULL, NULL, &found, error);
    if (status != RIN_OK) return status;
    rin_check_number_of(check, check->options, "precision", found.precision, 0, 1);
    rin_check_number_of(check, check->options, "recall", found.recall, 0, 1);
    return RIN_OK;
}

static void check_scores(rin_case *c, const set *real, const set *fake) {
    static const struct {
        const char *name, *keys[5];
        rin_status (*run)(rin_check *check, const set *real, const set *fake, rin_error *error);
    } rows[] = {
        {"fid", {"fid", "trace_sqrt", "mean_term", "trace1", "trace2"}, check_frechet},
        {"kid", {"kid"}, check_kid},
        {"precision and recall", {"precision", "recall"}, check_neighbours},
    };
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        bool wanted = false;
        for (size_t k = 0; k < RIN_COUNT(rows[i].keys); k++)
            wanted = wanted || (rows[i].keys[k] && cJSON_HasObjectItem(c->json, rows[i].keys[k]));
        if (!wanted) continue;
        rin_error failure = {0};
        rin_check check = rin_check_begin(c, c->json, rows[i].name);
        rin_check_end(&check, rows[i].run(&check, real, fake, &failure), &failure);
    }
}

/* ---- the case ---- */

static rin_status create_network(const rin_case *c, rin_extractor **out, rin_error *error) {
    rin_extractor_options options = {.network = RIN_NETWORK_INCEPTION,
                                     .batch = 1,
                                     .frames = 1,
                                     .outputs = features,
                                     .n_outputs = (int)RIN_COUNT(features),
                                     .device = c->device,
                                     .threads = c->threads};
    return rin_extractor_create(&options, rin_formula_weights(), out, error);
}

rin_status rin_check_end_to_end(rin_case *c, rin_error *error) {
    set sets[] = {{.name = "real"}, {.name = "fake"}};
    const rin_stored_tensor *images[RIN_COUNT(sets)];
    rin_extractor *network = NULL;
    rin_status status = rin_case_open_numbers(c, error);
    for (size_t i = 0; i < RIN_COUNT(sets) && status == RIN_OK; i++) {
        images[i] = rin_case_find(c, "%s/images", sets[i].name);
        status = rin_case_expect(images[i], error, "%s/images", sets[i].name);
    }
    if (status == RIN_OK) status = create_network(c, &network, error);
    for (size_t i = 0; i < RIN_COUNT(sets) && status == RIN_OK; i++) {
        status = run_set(c, &sets[i], network, images[i], error);
        if (status == RIN_OK) check_features(c, &sets[i]);
    }
    if (status == RIN_OK) check_scores(c, &sets[0], &sets[1]);
    for (size_t i = 0; i < RIN_COUNT(sets); i++) clear_set(&sets[i]);
    rin_extractor_free(network);
    return status;
}
