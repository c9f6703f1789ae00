/* SPDX-License-Identifier: MIT */
/* op: what each op of op.def means: its builder, shapes, gradient and cost. Letters are those of docs/glossary.md. */
#ifndef RIN_OP_H
#define RIN_OP_H

#include <math.h>

#include "config/config.h"
#include "graph/graph.h"

enum {
#define OP(name, least, most, outputs, alias, shapes, gradient, flops) RIN_OP_##name,
#include "op/op.def"
#undef OP
    RIN_N_OPS
};

/* ---- attributes, one struct a family, kept in rin_node.attr ---- */

typedef enum rin_act { RIN_ACT_NONE, RIN_ACT_GELU, RIN_ACT_SILU } rin_act;

typedef struct rin_linear_attr {
    rin_act act;      /* gelu is exact: v Phi(v) with erf */
    float drop, path; /* probabilities of dropout and drop-path; 0 outside training */
} rin_linear_attr;

typedef struct rin_attention_attr {
    int heads;
    float drop; /* dropout on the attention weights; 0 outside training */
} rin_attention_attr;

typedef struct rin_rows_attr {
    int64_t start; /* first row along dimension 1 */
    int64_t count; /* rows */
} rin_rows_attr;

/* A video of F frames of H x W x Ch <-> tokens of s x p x p x Ch numbers; an image is a video of one frame. */
typedef struct rin_patch_attr {
    int64_t frames, height, width, channels, stride, size;
    int64_t front; /* zero frames before the first, when F is padded to a multiple of s */
} rin_patch_attr;

typedef struct rin_sin_cos_attr {
    int64_t rows, cols, repeat, dim;
    double scale;
} rin_sin_cos_attr;

typedef enum rin_random_kind { RIN_RANDOM_UNIFORM, RIN_RANDOM_NORMAL } rin_random_kind;

typedef struct rin_random_attr {
    rin_random_kind kind;
} rin_random_attr;

typedef struct rin_gamma_attr {
    rin_schedule schedule;
} rin_gamma_attr;

typedef struct rin_rescale_attr {
    double scale, shift; /* y = scale x + shift */
} rin_rescale_attr;

typedef struct rin_mask_attr {
    double rate;   /* with u: example i is kept iff u_i > 1 - rate; without: the first floor(rate * batch) are kept */
    int64_t batch; /* examples of the whole step, all accumulation parts together */
} rin_mask_attr;

typedef struct rin_drop_attr {
    float rate;
} rin_drop_attr;

typedef struct rin_estimate_attr {
    int pred; /* RIN_PRED_... */
    double b_scale;
    double percentile; /* clip by this quantile of each example and scale to b_scale; 0: clip to b_scale */
} rin_estimate_attr;

enum { RIN_N_LEVEL = 4, RIN_N_MIXED = 6, RIN_N_FACTORS = RIN_N_MIXED + 2 };

typedef struct rin_mix_attr {
    int64_t first; /* of its factors among those that there are */
} rin_mix_attr;

typedef struct rin_loss_attr {
    int pred, loss; /* RIN_PRED_..., RIN_LOSS_... */
    double b_scale;
} rin_loss_attr;

/* Windows over (time, row, column) of a video (T, H, W); pictures are videos of one frame. */
typedef struct rin_window {
    int32_t size[3], stride[3];
    int32_t front[3], back[3]; /* cells of padding before the first and after the last, less than the size */
} rin_window;

/* Where an op's channels stand in an output that several ops fill, each adding its own to `into`. */
typedef struct rin_join {
    int64_t channels, first; /* of the whole output, 0: this op's alone; the first that is this op's */
} rin_join;

typedef struct rin_fold_attr {
    double eps;
} rin_fold_attr;

typedef struct rin_conv_attr {
    rin_window window;
    rin_join join;
    bool relu;
} rin_conv_attr;

typedef enum rin_pool_kind { RIN_POOL_MAX, RIN_POOL_MEAN } rin_pool_kind;

typedef struct rin_pool_attr {
    rin_window window;
    rin_join join;
    rin_pool_kind kind;
} rin_pool_attr;

typedef struct rin_update_attr {
    int optimizer; /* RIN_OPTIMIZER_... */
    double beta1, beta2, eps, weight_decay, grad_clip;
} rin_update_attr;

/* Largest norm of clipped gradients that an update is applied with: its square, which bounds the second moments, is a
 * float. */
#define RIN_MOST_UPDATE_NORM 1e19

/* Whether an update with gradients of this norm is applied; one that is not changes nothing. */
static inline bool rin_update_applies(double norm, double grad_clip) {
    double clipped = grad_clip > 0 && norm > grad_clip ? grad_clip : norm;
    return isfinite(norm) && clipped <= RIN_MOST_UPDATE_NORM;
}

#define RIN_ATTR(node, type) ((const type *)(const void *)(node)->attr)

/* ---- the table ---- */

struct rin_backward;

typedef struct rin_op_info {
    const char *name;
    int least_inputs, most_inputs, n_outputs;
    int alias; /* input that output 0 may overwrite, -1 for none */
    /* Checks input shapes and attributes; fills the shapes of the outputs. */
    void (*infer)(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]);
    /* Emits the nodes that carry the gradient from outputs to inputs. */
    void (*gradient)(struct rin_backward *backward, const rin_node *node);
    /* 2 x multiply-adds of products; 0 for everything else. */
    double (*flops)(const rin_graph *graph, const rin_node *node);
} rin_op_info;

const rin_op_info *rin_op(int op);
bool rin_op_has_gradient(int op);

/* Adds a node whose outputs are new local values; returns the first output. attr may be NULL. */
rin_value rin_op_add(rin_graph *graph, int op, const rin_value *inputs, int n_inputs, const void *attr,
                     size_t attr_bytes);

/* ---- the gradient engine's offer to gradient rules (implemented in compile/autodiff.c) ---- */

typedef struct rin_backward {
    rin_graph *graph;
    void *state;
    rin_value (*gradient_of)(struct rin_backward *, rin_value value);         /* 0: nothing arrives there */
    bool (*wants)(struct rin_backward *, rin_value value);                    /* is a gradient of value needed? */
    void (*pass)(struct rin_backward *, rin_value value, rin_value gradient); /* gradient is value's gradient */
    /* Adds a node whose output i is (part of) the gradient of targets[i] (0: not wanted). */
    void (*emit)(struct rin_backward *, const rin_node *node, const rin_value *targets);
} rin_backward;

/* A gradient node of `forward`: its random stream, n inputs, its attributes when attr is NULL. */
rin_node rin_op_gradient_node(int op, const rin_node *forward, const rin_value *inputs, int n_inputs);

/* ---- builders; every one returns its first output and is sticky about errors ---- */

/* y = residual + path(drop(act(x W^T + bias))). x (..., in), weight (out, in), bias (out) or 0, residual (..., out) or
 * 0. Output 1, (..., out), is the slope of path(drop(act(.))) at x W^T + bias, made when act is not NONE or drop not 0.
 * Drop-path is per example (dimension 0). */
rin_value rin_op_linear(rin_graph *graph, rin_value x, rin_value weight, rin_value bias, rin_value residual,
                        rin_linear_attr attr);

/* A linear layer's weight (out, in) as RIN_TYPE_PANELS, which rin_op_linear reads faster; for the pass rin_pack. */
rin_value rin_op_pack(rin_graph *graph, rin_value weight);

/* softmax(q k^T / sqrt(I/H)) v with H heads side by side. q (B, M, I), k and v (B, N, I) -> (B, M, I).
 * Output 1 (B, H, M): log of the sum of exponentials of each row. */
rin_value rin_op_attention(rin_graph *graph, rin_value q, rin_value k, rin_value v, rin_attention_attr attr);

/* Over the last dimension, eps 1e-6 inside the root. x (..., D), weight (D), bias (D). Output 1 (rows, 2): mean, 1/std.
 */
rin_value rin_op_layer_norm(rin_graph *graph, rin_value x, rin_value weight, rin_value bias);
#define RIN_LAYER_NORM_EPS 1e-6

/* Same shapes. */
rin_value rin_op_sum(rin_graph *graph, rin_value a, rin_value b);

/* y[b, i] = x[b, i] + table[(start + i) mod R]. table (R, D), x (B, n, D) -> (B, n, D). */
rin_value rin_op_add_table(rin_graph *graph, rin_value x, rin_value table, int64_t start);
/* The same without x: (batch, n, D). */
rin_value rin_op_expand(rin_graph *graph, rin_value table, int64_t batch, int64_t n);

/* (B, n1, D), (B, n2, D), ... -> (B, n1 + n2 + ..., D); 0 parts are left out. */
rin_value rin_op_concat(rin_graph *graph, const rin_value *parts, int n_parts);
/* Rows start .. start + count of dimension 1. (B, n, D) -> (B, count, D). Returns x when that is all of it. */
rin_value rin_op_slice(rin_graph *graph, rin_value x, int64_t start, int64_t count);

/* (B, F, H, W, Ch) -> (B, ceil(F/s) H/p W/p, s p p Ch): tokens in (time, row, column) order, numbers in (t, h, w,
 * channel). */
rin_value rin_op_patch(rin_graph *graph, rin_value video, rin_patch_attr attr);
/* Back again, dropping padded frames; the padding is `front` frames before and the rest after. */
rin_value rin_op_unpatch(rin_graph *graph, rin_value tokens, rin_patch_attr attr);

/* Constants, computed when a program is bound. */
rin_value rin_op_zeros(rin_graph *graph, rin_shape shape);
/* Fixed positions (repeat * rows * cols, dim): section 2, "Positions". */
rin_value rin_op_sin_cos(rin_graph *graph, rin_sin_cos_attr attr, int64_t dim);

/* Sinusoids of scale * gamma, standardised over the features. (B) -> (B, 1, dim): a token. */
rin_value rin_op_time_encode(rin_graph *graph, rin_value gamma, double scale, int64_t dim);
/* Examples of one-hot labels become zero with probability rate. (B, 1, classes). */
rin_value rin_op_drop_labels(rin_graph *graph, rin_value labels, float rate);

/* Numbers that depend on (seed, step, stream, example, element) only. Dimension 0 is the example. */
rin_value rin_op_random(rin_graph *graph, rin_random_kind kind, rin_shape shape);
/* Signal level of times in [0, 1]. (B) -> (B). */
rin_value rin_op_gamma(rin_graph *graph, rin_value times, const rin_schedule *schedule);
rin_value rin_op_rescale(rin_graph *graph, rin_value x, double scale, double shift);
/* sqrt(gamma) x0 + sqrt(1 - gamma) noise. x0, noise (B, ...), gamma (B). */
rin_value rin_op_add_noise(rin_graph *graph, rin_value x0, rin_value noise, rin_value gamma);
/* Each example divided by its population standard deviation. (B, ...) */
rin_value rin_op_standardise(rin_graph *graph, rin_value x);
/* Hidden rows of examples that are not kept become zero; no gradient passes. hidden (B, ...), u (B) or 0. */
rin_value rin_op_mask_hidden(rin_graph *graph, rin_value hidden, rin_value u, rin_mask_attr attr);

/*
 * Sampling. level (4) is sqrt(gamma), sqrt(1 - gamma), the guidance w, and phi of its rescaling.
 * guide: (1 + w) labelled - w reference, and of that phi parts in the spread of labelled, an example at a time. At w 0
 * the reference is not looked at.
 */
rin_value rin_op_guide(rin_graph *graph, rin_value labelled, rin_value reference, rin_value level);
/* The clipped estimate of the data from the network's output at x (B, ...); not finite where the output is not. With
 * known, like x, and mask (B, ..., 1), 0 for both to leave them out: mask known + (1 - mask) estimate. */
rin_value rin_op_estimate(rin_graph *graph, rin_value x, rin_value output, rin_value level, rin_value known,
                          rin_value mask, rin_estimate_attr attr);
/* A rin_mixture of diffusion/sampler.h, whose numbers are factors[attr.first ...], of sources of one shape. The first
 * is always there; what has the factor 0 is not looked at. */
rin_value rin_op_mix(rin_graph *graph, rin_value factors, rin_value level, const rin_value sources[RIN_N_MIXED],
                     rin_mix_attr attr);

/*
 * Batch norm in the weights of the convolution before it: with f = scale / sqrt(variance + eps), weight' = f weight and
 * bias' = bias - f mean. weight (out, in, ...), the others (out); absent ones are 0, 1, 0, and f = scale. Returns (out,
 * ... in): the channel innermost, as rin_op_conv reads it; a constant, as is *folded_bias (out).
 */
rin_value rin_op_fold(rin_graph *graph, rin_value weight, rin_value bias, rin_value scale, rin_value mean,
                      rin_value variance, double eps, rin_value *folded_bias);

/* Cells without padding; as TensorFlow's SAME pads n (T, H, W), which makes ceil(n / stride) of them. */
rin_window rin_window_of(const int32_t size[3], const int32_t stride[3]);
rin_window rin_window_same(const int32_t size[3], const int32_t stride[3], const int64_t n[3]);
/* Windows along an axis of n. */
int64_t rin_window_count(const rin_window *window, int axis, int64_t n);

/* y = relu(sum over the window of weight x + bias), zeros around. x (B, T, H, W, C), weight (out, t h w C), bias (out)
 * -> (B, T', H', W', out), or the channels of attr.join in a copy of `into`; where that is 0 the others are not set. */
rin_value rin_op_conv(rin_graph *graph, rin_value x, rin_value weight, rin_value bias, rin_value into,
                      rin_conv_attr attr);
/* The largest, or the mean, of the cells of each window that lie inside of x: padding does not count. Otherwise alike.
 */
rin_value rin_op_pool(rin_graph *graph, rin_value x, rin_value into, rin_pool_attr attr);

/* Mean squared error of section 4. output, x_t, target (B, ...): target is the noise for loss eps, x0 for loss x;
 * gamma (B). Returns (1). */
rin_value rin_op_loss(rin_graph *graph, rin_value output, rin_value x_t, rin_value target, rin_value gamma,
                      rin_loss_attr attr);

/* Global 2-norm of all parameter gradients -> (1); then the optimiser's step and the EMA, skipped when it or the loss
 * (or 0) is not finite. The step may use the gradients' memory up. */
rin_value rin_op_grad_norm(rin_graph *graph);
void rin_op_update(rin_graph *graph, rin_value grad_norm, rin_value loss, rin_update_attr attr);

#endif
