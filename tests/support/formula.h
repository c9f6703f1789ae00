/* SPDX-License-Identifier: MIT */
/* formula: files of weights that are a function of their names, whole or wrong in one place. */
#ifndef RIN_TESTS_FORMULA_H
#define RIN_TESTS_FORMULA_H

#include "checkpoint/safetensors.h"
#include "feature/feature.h"
#include "support/run.h"

typedef struct formula_tensor {
    char name[128]; /* "": left out */
    rin_stored_type type;
    int rank;
    int64_t shape[RIN_STORED_MAX_RANK];
    float *values; /* NULL when tensors are declared */
    int64_t count;
} formula_tensor;

/* How a file differs from the right one; zeros: not at all. */
typedef struct formula_changes {
    /* Called with every tensor twice: when it is declared, for its name, type and shape; then for its values. */
    void (*change)(void *user, formula_tensor *tensor);
    void *user;
    bool reversed;          /* the last tensor first */
    bool counters;          /* also num_batches_tracked of every unit */
    const char *additional; /* name of a tensor that no network has */
} formula_changes;

/* Writes the weights of a network in the names of the public PyTorch files. */
rin_status formula_write(rin_feature_network network, const char *path, const formula_changes *changes,
                         rin_error *error) RIN_CHECKED;

/* ---- for tests of scores: the first two return what a set-up returns, and print what went wrong ---- */

enum { FORMULA_PATH = 256 };

/* Creates the lab, with the weights of a network in its folder, at path. */
int formula_lab(run_lab *lab, rin_feature_network network, char path[FORMULA_PATH]);
int formula_open_model(const char *run, rin_model **model);
/* A copy of base (NULL: the defaults) with these weights, this reference (may be NULL) and two lists of "key=value". */
rin_config *formula_config(const rin_config *base, const char *weights, const char *reference, const char *options,
                           const char *more);

#endif
