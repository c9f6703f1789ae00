/* SPDX-License-Identifier: MIT */
/* tiny: configurations of every kind at sizes a test can afford, and whole training steps of them. */
#ifndef RIN_TESTS_TINY_H
#define RIN_TESTS_TINY_H

#include "support/check.h"

#include "exec/exec.h"
#include "train/step.h"

typedef struct tiny_model {
    const char *name;
    const char *options; /* "key=value ..." on top of what all share: 8 x 8 pixels, patches of 4, two blocks */
} tiny_model;

extern const tiny_model tiny_models[];
extern const int n_tiny_models;

/* The configuration of one, or of shared options and more; freed by rin_config_free. */
rin_config *tiny_config(const char *options);

/* A training step bound to weights of its own. */
typedef struct tiny_step {
    rin_backend *backend;
    rin_weights *weights;
    rin_program *program;
} tiny_step;

/*
 * Weights are normal, 0.2 wide (0.5 to 1.5 around 1 for layer norms), so that nothing starts at zero; gradients are
 * NaN, so that the step must set them; images, labels and frames are random and depend on their example alone.
 */
tiny_step tiny_step_create(const rin_config *config, const char *backend, int threads, const rin_step_options *options,
                           const rin_program_options *bound);
void tiny_step_free(tiny_step *s);
/* Inputs of examples first, first + 1, ... */
void tiny_step_write(tiny_step *s, int64_t first);
float tiny_step_read(const tiny_step *s, const char *name);

/* The same loss, weights, moments, averages and gradients, to the bit. */
void tiny_step_assert_same(const tiny_step *a, const tiny_step *b, const char *what);
/* A tensor's numbers in an arena, wherever that is, freed by test_free. */
double *tiny_tensor(const rin_weights *weights, rin_arena arena, const rin_tensor *tensor);

#endif
