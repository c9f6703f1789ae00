/* SPDX-License-Identifier: MIT */
/* The graph of a whole training step: noise, estimate, forward, loss, backward, optimiser, moving average. */
#ifndef RIN_TRAIN_STEP_H
#define RIN_TRAIN_STEP_H

#include "config/config.h"
#include "graph/graph.h"

typedef struct rin_step_options {
    int64_t batch;    /* examples of one run */
    int64_t parts;    /* runs an update is made of (gradient accumulation) */
    bool given;       /* t, noise and self_cond_uniform are inputs instead of drawn */
    bool times_given; /* t is an input, noise is drawn */
    bool inference;   /* no dropout, no gradients, every example keeps its hiddens: the loss of `rin eval loss` */
    bool eps_error;   /* measure the error of the noise, whatever the configuration trains */
    bool update;      /* ends with the optimiser and the moving average */
} rin_step_options;

/*
 * Inputs: images (B, F, H, W, Ch) in 0..1; labels (B, 1, classes) one-hot if the model has classes; frames (B,
 * seq_cond, H, W, Ch) in 0..1 for video; t (B), noise (like images), self_cond_uniform (B) where given. Outputs: loss
 * (1); grad_norm (1) with update; x_noised (like images) when given. Without inference the gradients of all parameters
 * are computed.
 */
rin_status rin_step_graph(const rin_config *config, const rin_step_options *options, rin_graph **out,
                          rin_error *error) RIN_CHECKED;

#endif
