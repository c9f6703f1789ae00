/* SPDX-License-Identifier: MIT */
/*
 * check: golden cases, run from the files of their folder alone. A kind of case is one row in the table of case.c; of
 * models' cases, a kind of check is one function and one row in the table of model.c.
 */
#ifndef RIN_CHECK_H
#define RIN_CHECK_H

#include <cjson/cJSON.h>

#include "checkpoint/model_file.h"

enum { RIN_CASE_STEPS = 100000 }; /* of a sampler: more are a mistake, and would never end */

/* A case folder, open. */
typedef struct rin_case {
    const char *folder, *device;
    const char *file; /* of JSON, in the folder */
    char *own_folder;
    int threads;
    cJSON *json;
    rin_backend *backend;
    rin_safetensors *io; /* NULL where the kind of case has no numbers beside its JSON */
    bool *used;          /* [tensors of io] compared or read by some check */
    /* Of models alone. */
    rin_config config;
    rin_safetensors *weights_file;
    /* Who is told, and what came out so far. */
    rin_check_fn on_result;
    void *user;
    int n_failed;
    bool incomplete; /* a check could not be run: tensors that nobody reads are its fault */
} rin_case;

typedef struct rin_case_kind {
    const char *name;
    bool (*is)(const cJSON *json);
    rin_status (*run)(rin_case *c, rin_error *error); /* an error: no check of it can be run */
} rin_case_kind;

/* One check while it runs: what it compares goes into worst. */
typedef struct rin_check {
    rin_case *of;
    const cJSON *options; /* its entry in the list of checks */
    const char *name;
    rin_weights *weights; /* fresh ones, as in the file; of models */
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

/* ---- the folder ---- */

rin_status rin_case_open_file(const rin_case *c, const char *name, rin_safetensors **file,
                              rin_error *error) RIN_CHECKED;
/* io.safetensors, into the case. */
rin_status rin_case_open_numbers(rin_case *c, rin_error *error) RIN_CHECKED;
/* A small file of JSON; freed by cJSON_Delete. */
rin_status rin_case_read_json(const rin_case *c, const char *name, cJSON **out, rin_error *error) RIN_CHECKED;
/* The tensor of that name, which then counts as read; NULL when there is none. */
const rin_stored_tensor *rin_case_find(rin_case *c, const char *format, ...) RIN_PRINTF(2, 3);

/* The configuration of a model's case.json, without the random parts of training. */
rin_status rin_case_load_config(const cJSON *json, rin_config *out, rin_error *error) RIN_CHECKED;

/* A member of an object of JSON, or what is to be taken where it has none of this kind. */
double rin_row_number(const cJSON *row, const char *key, double otherwise);
const char *rin_row_word(const cJSON *row, const char *key, const char *otherwise);

/* ---- one check: begin, note, end ---- */

rin_check rin_check_begin(rin_case *c, const cJSON *options, const char *name); /* both borrowed */
/* An error at a number of a tensor. What is kept is the worst one, measured by its tolerance. */
void rin_check_note(rin_check *check, const char *tensor, int64_t index, double error, double tolerance);
/* Reports it: failed when status is not OK, when its worst error is beyond the tolerance, when nothing was noted. */
void rin_check_end(const rin_check *check, rin_status status, const rin_error *failure);

/* ---- models: tensors "<check>/<name>" of io.safetensors; NULL and no error when an optional one is absent ---- */

rin_status rin_check_read(rin_check *check, const char *name, bool optional, float **values, int64_t *n,
                          rin_error *error) RIN_CHECKED;
/* "labels" as one-hot rows (B, classes); NULL when the model has no classes. */
rin_status rin_check_read_labels(rin_check *check, int64_t classes, float **one_hot, rin_error *error) RIN_CHECKED;
double rin_check_number(const rin_check *check, const char *key, double otherwise);
const char *rin_check_word(const rin_check *check, const char *key, const char *otherwise);

/* Marks a tensor as known although this model does not use it. */
void rin_check_ignore(rin_check *check, const char *name);

/* Compares n values with tensor "<check>/<name>": |a - b| <= tolerance * scale, scale 0 meaning max|b|. Backends that
 * round products more than floats are allowed that. */
rin_status rin_check_compare(rin_check *check, const char *name, const float *values, int64_t n, double tolerance,
                             double scale, rin_error *error) RIN_CHECKED;

rin_status rin_check_model(rin_case *c, rin_error *error);
rin_status rin_check_forward(rin_check *check, rin_error *error);
rin_status rin_check_loss(rin_check *check, rin_error *error);
rin_status rin_check_sample(rin_check *check, rin_error *error);
rin_status rin_check_train(rin_check *check, rin_error *error);

#endif
