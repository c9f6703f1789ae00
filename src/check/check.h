/* SPDX-License-Identifier: MIT */
/* check: golden cases, run from their case.json alone. A kind of check is one function and one row in kinds[]. */
#ifndef RIN_CHECK_H
#define RIN_CHECK_H

#include <cjson/cJSON.h>

#include "checkpoint/model_file.h"

/* A case folder, open. */
typedef struct rin_case {
    const char *folder;
    cJSON *json;
    rin_config config;
    rin_backend *backend;
    rin_safetensors *weights_file, *io;
    bool *used; /* [tensors of io] compared or read by some check */
} rin_case;

/* One check while it runs: what it compares goes into worst. */
typedef struct rin_check {
    rin_case *of;
    const cJSON *options; /* its entry in the list of checks */
    const char *name;
    rin_weights *weights; /* fresh ones, as in the file */
    int64_t batch;
    struct {
        double error, tolerance;
        char tensor[512];
        int64_t index;
    } worst;
} rin_check;

typedef struct rin_check_kind {
    const char *kind;
    bool training; /* needs gradients and moments */
    rin_status (*run)(rin_check *check, rin_error *error);
} rin_check_kind;

/* ---- reading: tensors "<check>/<name>" of io.safetensors; NULL and no error when an optional one is absent ---- */

rin_status rin_check_read(rin_check *check, const char *name, bool optional, float **values, int64_t *n,
                          rin_error *error) RIN_CHECKED;
/* "labels" as one-hot rows (B, classes); NULL when the model has no classes. */
rin_status rin_check_read_labels(rin_check *check, float **one_hot, rin_error *error) RIN_CHECKED;
double rin_check_number(const rin_check *check, const char *key, double otherwise);
const char *rin_check_word(const rin_check *check, const char *key, const char *otherwise);

/* Marks a tensor as known although this model does not use it. */
void rin_check_ignore(rin_check *check, const char *name);

/* Compares n values with tensor "<check>/<name>": |a - b| <= tolerance * scale, scale 0 meaning max|b|. Backends that
 * round products more than floats are allowed that. */
rin_status rin_check_compare(rin_check *check, const char *name, const float *values, int64_t n, double tolerance,
                             double scale, rin_error *error) RIN_CHECKED;

/* ---- the kinds ---- */

rin_status rin_check_forward(rin_check *check, rin_error *error);
rin_status rin_check_loss(rin_check *check, rin_error *error);
rin_status rin_check_sample(rin_check *check, rin_error *error);
rin_status rin_check_train(rin_check *check, rin_error *error);

#endif
