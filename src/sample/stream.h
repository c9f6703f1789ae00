/* SPDX-License-Identifier: MIT */
/* stream: a network that is run again and again, with what it carries from step to step. */
#ifndef RIN_STREAM_H
#define RIN_STREAM_H

#include "exec/exec.h"

/* A network: its configuration, and parameters in an arena. Borrowed. */
typedef struct rin_network {
    const rin_config *config;
    rin_weights *weights;
    rin_arena arena;
} rin_network;

/* A forward program with hiddens that are carried. */
typedef struct rin_stream {
    rin_config config;
    rin_program *program;
    int64_t batch, n_pixels, n_latent, n_tape, n_labels; /* elements of the whole batch */
    float *levels;                                       /* [batch] */
    const float *labelled_by;                            /* the labels that are in the program since the batch began */
    float *zeros; /* what carried hiddens, which stay in the program's memory, start from, and no labels */
} rin_stream;

/* Inputs in which hiddens wait for the second evaluation of a step; before rin_stream_init. */
void rin_stream_add_kept(rin_graph *graph);
/* The forward graph of the network's config, with whatever was added to it; takes ownership. stream is {0} or cleared,
 * and is cleared by rin_stream_clear also after an error. */
rin_status rin_stream_init(rin_stream *stream, const rin_network *network, rin_graph *graph, int64_t batch,
                           rin_error *error) RIN_CHECKED;
void rin_stream_clear(rin_stream *stream);
/* Hiddens at zero, and the frames that are given: (B, seq_cond, H, W, Ch) in 0..1, NULL where the model has none. */
rin_status rin_stream_begin(rin_stream *stream, const float *frames, rin_error *error) RIN_CHECKED;
rin_status rin_stream_forget(rin_stream *stream, rin_error *error) RIN_CHECKED;
/* A forward at a signal level; labels (B, classes), NULL for none: the same numbers
 * wherever the same pointer comes again within a batch. */
rin_status rin_stream_run(rin_stream *stream, double gamma, const float *labels, rin_error *error) RIN_CHECKED;

typedef enum rin_carry {
    RIN_CARRY_NOW,   /* the hiddens of the last forward are what the next step starts from */
    RIN_CARRY_LATER, /* they wait */
    RIN_CARRY_KEPT   /* those that waited are */
} rin_carry;

/* decay: the share of the old ones that stays. */
rin_status rin_stream_carry(rin_stream *stream, rin_carry how, float decay, rin_error *error) RIN_CHECKED;
/* Takes over what another stream of the same network carries. Both go through `between`, memory for what is copied: the
 * two streams may be on different devices. */
rin_status rin_stream_follow(rin_stream *stream, const rin_stream *other, float *between, rin_error *error) RIN_CHECKED;
/* Tensor `name` of one becomes input `as` of another. */
rin_status rin_stream_copy(const rin_stream *from, const char *name, rin_stream *to, const char *as, int64_t n,
                           float *between, rin_error *error) RIN_CHECKED;

#endif
