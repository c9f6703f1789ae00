/* SPDX-License-Identifier: MIT */
/* What a training run needs: a device, and memory there, computed from its graph before any of it is allocated. */
#ifndef RIN_TRAIN_NEEDS_H
#define RIN_TRAIN_NEEDS_H

#include "backend/backend.h"
#include "compile/compile.h"
#include "config/config.h"

typedef enum rin_need {
    RIN_NEED_WEIGHTS,
    RIN_NEED_GRADIENTS,
    RIN_NEED_OPTIMISER,
    RIN_NEED_AVERAGE,
    RIN_NEED_ACTIVATIONS, /* the arena of one part of a batch */
    RIN_NEED_CONSTANTS,
    RIN_NEED_SCRATCH, /* of the kernels */
    RIN_NEED_BATCHES, /* images and labels on their way from the data set */
    RIN_NEED_JUDGE,   /* the network that samples are scored by */
    RIN_N_NEEDS
} rin_need;

typedef struct rin_needs {
    int64_t parameters;          /* a count */
    uint64_t bytes[RIN_N_NEEDS]; /* UINT64_MAX for what is beyond it */
    bool apart;                  /* the device has memory of its own, and batches of data are not in it */
} rin_needs;

/* The backend of train.device. Errors: CONFIG for a name that there is not; UNSUPPORTED, DEVICE where it cannot be had
 * here. */
rin_status rin_needs_open(const rin_config *config, int threads, rin_backend **out, rin_error *error) RIN_CHECKED;

const char *rin_need_key(rin_need need);  /* in JSON */
const char *rin_need_name(rin_need need); /* for people */
/* Of one, and of all of them, in the device's memory; and in the machine's. */
uint64_t rin_needs_there(const rin_needs *needs, rin_need need);
uint64_t rin_needs_total(const rin_needs *needs);
uint64_t rin_needs_of_host(const rin_needs *needs);

/* A step's graph as a program on this backend would have it, and its plan; the caller's to free, also after an error.
 */
rin_status rin_needs_plan(const rin_config *config, const rin_backend *backend, rin_graph **graph, rin_plan **plan,
                          rin_error *error) RIN_CHECKED;
/* Needs of a valid configuration. Errors: MEMORY for sizes that cannot be addressed; those of building the graph. */
rin_status rin_needs_measure(const rin_config *config, const rin_backend *backend, rin_needs *needs,
                             rin_error *error) RIN_CHECKED;
/* The same, of a graph and plan that the caller has. */
rin_status rin_needs_measure_graph(const rin_config *config, const rin_backend *backend, const rin_graph *graph,
                                   const rin_plan *plan, rin_needs *needs, rin_error *error) RIN_CHECKED;

/* Bytes of disk for so many states and models. */
uint64_t rin_needs_disk(int64_t parameters, int64_t states, int64_t models);
/* ... for all that a run has at once: the states that are kept and the next one; the model, and its next version beside
 * it while that is written. */
uint64_t rin_needs_disk_of_run(const rin_config *config, int64_t parameters);

/* MEMORY when the sum exceeds so many bytes: both numbers, the largest parts, and what would help. */
rin_status rin_needs_check(const rin_config *config, const rin_backend *backend, const rin_needs *needs,
                           uint64_t memory, rin_error *error) RIN_CHECKED;

#endif
