/* SPDX-License-Identifier: MIT */
/* The memory a training run needs, computed from its graph before any of it is allocated. */
#ifndef RIN_TRAIN_NEEDS_H
#define RIN_TRAIN_NEEDS_H

#include "compile/compile.h"
#include "config/config.h"

typedef enum rin_need {
    RIN_NEED_WEIGHTS,
    RIN_NEED_GRADIENTS,
    RIN_NEED_OPTIMISER,
    RIN_NEED_AVERAGE,
    RIN_NEED_ACTIVATIONS, /* the arena of one part of a batch */
    RIN_NEED_CONSTANTS,
    RIN_NEED_SCRATCH, /* of the kernels, on this machine's best device */
    RIN_NEED_BATCHES, /* images and labels on their way from the data set */
    RIN_N_NEEDS
} rin_need;

typedef struct rin_needs {
    int64_t parameters;          /* a count */
    uint64_t bytes[RIN_N_NEEDS]; /* UINT64_MAX for what is beyond it */
} rin_needs;

const char *rin_need_key(rin_need need);  /* in JSON */
const char *rin_need_name(rin_need need); /* for people */
uint64_t rin_needs_total(const rin_needs *needs);

/* Needs of a valid configuration. Errors: MEMORY for sizes that cannot be addressed; those of building the graph. */
rin_status rin_needs_measure(const rin_config *config, rin_needs *needs, rin_error *error) RIN_CHECKED;
/* The same, of a step's graph and plan that the caller has. */
rin_status rin_needs_measure_graph(const rin_config *config, const rin_graph *graph, const rin_plan *plan,
                                   rin_needs *needs, rin_error *error) RIN_CHECKED;

/* Bytes of disk for so many states and models. */
uint64_t rin_needs_disk(int64_t parameters, int64_t states, int64_t models);
/* ... for all that a run has at once: the states that are kept and the next one; the model, and its next version beside
 * it while that is written. */
uint64_t rin_needs_disk_of_run(const rin_config *config, int64_t parameters);

/* MEMORY when the sum exceeds so many bytes: both numbers, the largest parts, and what would help. */
rin_status rin_needs_check(const rin_config *config, const rin_needs *needs, uint64_t memory,
                           rin_error *error) RIN_CHECKED;

#endif
