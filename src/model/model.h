/* SPDX-License-Identifier: MIT */
/* model: the Recurrent Interface Network as a graph. Letters are those of docs/glossary.md; F frames, Ch channels. */
#ifndef RIN_MODEL_H
#define RIN_MODEL_H

#include "config/config.h"
#include "graph/graph.h"
#include "op/op.h"

/* What one forward is given; 0 for what is absent. Pixels are scaled data, in about [-b, b]. */
typedef struct rin_net_inputs {
    rin_value x;           /* (B, F, H, W, Ch) noisy frames, F = seq_len - seq_cond */
    rin_value gamma;       /* (B) signal level */
    rin_value labels;      /* (B, 1, classes) one-hot rows; all zero: no label */
    rin_value frames;      /* (B, seq_cond, H, W, Ch) clean frames of a video */
    rin_value latent_prev; /* (B, M, C) hiddens of the last step; 0 means zeros */
    rin_value tape_prev;   /* (B, N, D) */
} rin_net_inputs;

typedef struct rin_net_outputs {
    rin_value out;    /* (B, F, H, W, Ch) */
    rin_value latent; /* (B, M, C) */
    rin_value tape;   /* (B, N, D) before the readout */
} rin_net_outputs;

/* Adds one forward f(x, gamma, labels, latent_prev, tape_prev) to graph; a second one shares its parameters. */
rin_net_outputs rin_model_build(rin_graph *graph, const rin_config_model *model, bool training, rin_net_inputs in);

/* Shapes of the inputs for a batch. */
rin_shape rin_model_video_shape(const rin_config_model *model, int64_t batch);  /* noisy frames */
rin_shape rin_model_frames_shape(const rin_config_model *model, int64_t batch); /* given frames */
rin_shape rin_model_latent_shape(const rin_config_model *model, int64_t batch);
rin_shape rin_model_tape_shape(const rin_config_model *model, int64_t batch);

/*
 * A graph of one forward in inference mode with inputs x, gamma and, where the model has them, labels, frames,
 * latent_prev, tape_prev, and outputs out, latent, tape. frames are pixels in 0..1, scaled by b_scale in the graph;
 * x is standardised there when the configuration says so.
 */
rin_status rin_model_forward_graph(const rin_config *config, int64_t batch, rin_graph **out,
                                   rin_error *error) RIN_CHECKED;

/* ---- inside the room ---- */

typedef struct rin_net {
    rin_graph *graph;
    const rin_config_model *model;
    bool training; /* dropout and drop-path are on */
} rin_net;

/* layers.c: names are relative to the graph's scope. */
typedef struct rin_layer {
    int64_t inner, heads, mlp_ratio; /* width of queries, keys, values; no MLP when the ratio is 0 */
    float drop_units, drop_path, drop_att;
    bool normalise_source; /* of a cross-attention */
} rin_layer;

/* residual + path(drop(act(x W^T + bias))) with W uniform in +-limit; residual may be 0. */
rin_value rin_dense(rin_net *net, const char *name, rin_value x, int64_t out_width, double limit, rin_value residual,
                    rin_linear_attr attr);
double rin_glorot(int64_t in, int64_t out); /* Glorot's limit */
rin_value rin_linear(rin_net *net, const char *name, rin_value x, int64_t out_width);
rin_value rin_layer_norm(rin_net *net, const char *name, rin_value x, double initial_weight);
/* x + attention(ln(x), source), then + mlp(ln(.)); source 0: attends to its own normalised input. */
rin_value rin_transformer(rin_net *net, const char *name, const rin_layer *layer, rin_value x, rin_value source);
/* v + dense2(gelu(dense1(ln(v)))), then a layer norm that starts at zero: what the last step's hiddens become. */
rin_value rin_previous(rin_net *net, const char *name, rin_value v, int64_t mlp_ratio);

/* tokens.c */
rin_value rin_tokenise(rin_net *net, rin_value video, int64_t first_token);
rin_value rin_read_out(rin_net *net, rin_value tape);
/* Position codes of the latents, (B, slots, C); of the tape, added to tokens from first_token on. */
rin_value rin_latent_positions(rin_net *net, int64_t batch, int64_t slots);
rin_value rin_add_tape_positions(rin_net *net, rin_value tokens, int64_t first_token);
rin_value rin_time_token(rin_net *net, rin_value gamma, int64_t width);

#endif
