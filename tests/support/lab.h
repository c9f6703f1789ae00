/* SPDX-License-Identifier: MIT */
/*
 * lab: runs a graph, or some of its nodes, on a backend without the compiler: every value has guarded memory of its
 * own, read and written in double. Tests change tasks at will: aliases, accumulation, outputs that nobody wants.
 */
#ifndef RIN_TESTS_LAB_H
#define RIN_TESTS_LAB_H

#include "support/check.h"

#include "backend/backend.h"
#include "op/op.h"

typedef struct lab {
    const rin_graph *graph; /* borrowed */
    rin_backend *backend;
    rin_task *tasks; /* [n_nodes of graph] */
    rin_step step;
    void **blocks; /* [n_values] with guards */
    void *scratch;
    void **device_blocks, *device_scratch; /* the same in a device's memory; NULL for hosts */
    const char *name;                      /* of the backend */
    int threads;
} lab;

/* All that are compared with the references, for the lists of tests. */
#define LAB_FAST_BACKENDS "cpu-plain", "cpu-avx2", "cpu-avx512", "cuda-fp32"

/* Is there such a backend, and can this machine run it? Where the environment has RIN_LAB_ONLY, only backends with that
 * in their names are there. */
bool lab_available(const char *backend);

/* Binds all nodes of graph, which must be without error. Step: seed 7, step 3, gradient scale 1. */
lab *lab_create(const rin_graph *graph, const char *backend, int threads);
void lab_free(lab *l);

void *lab_memory(const lab *l, rin_value value);
int64_t lab_count(const lab *l, rin_value value);
double lab_get(const lab *l, rin_value value, int64_t i);
void lab_set(lab *l, rin_value value, int64_t i, double number);
/* A copy of a value's numbers, freed by test_free. */
double *lab_read(const lab *l, rin_value value);
void lab_write(lab *l, rin_value value, const double *numbers);

/*
 * Numbers for all values that depend on seed alone, exact in float: inputs called gamma, t, u or mask are uniform in
 * (0.05, 0.95), inputs called labels one-hot rows, everything else normal; exact in bf16 where the graph is narrowed,
 * for any backend. Or NaN for all that nodes write.
 */
void lab_fill(lab *l, uint64_t seed);
void lab_poison(lab *l);

/* Runs nodes from .. to - 1; fails when memory outside of any value was written. */
void lab_run(lab *l, int from, int to);
void lab_run_all(lab *l);

/* The one with this name in graph; fails when there is none. */
rin_value lab_find(const lab *l, const char *name);

#endif
