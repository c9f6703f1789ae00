/* SPDX-License-Identifier: MIT */
/* The kernels as functions: what C calls and CUDA C++ defines. All of them queue work on a stream and return. */
#ifndef RIN_CUDA_LAUNCH_H
#define RIN_CUDA_LAUNCH_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/philox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor on the device, of floats or of bf16 numbers. data is NULL where there is none. */
typedef struct rin_view {
    void *data;
    bool bf16;
} rin_view;

/* The numbers of a step, in the device's memory so that a recorded run can be repeated with others. */
typedef struct rin_cuda_step {
    uint64_t seed, step, first_example;
    double gradient_scale, learning_rate, ema_decay;
} rin_cuda_step;

/* ---- elementwise.cu: n elements; `adds`: out is added to ---- */

/* act: 0 none, 1 GELU, 2 SiLU, as rin_act of op/op.h. drop, path: rates; per_example: elements an example has. */
typedef struct rin_finish {
    const rin_cuda_step *step;
    int act;
    float drop, path;
    uint32_t stream; /* 4 times the node's */
    int64_t n, per_example;
} rin_finish;

/* out = residual + survivors(act(z)), slope = survivors(act'(z)). residual and slope may be absent; any of the outputs
 * may be z's memory, out also residual's, where they have z's or residual's type. */
void rin_launch_finish(cudaStream_t stream, rin_finish how, rin_view z, rin_view residual, rin_view out,
                       rin_view slope);
/* out = dy survivors(1). */
void rin_launch_survive(cudaStream_t stream, rin_finish how, rin_view dy, rin_view out);
/* out = a b, a + b, a. */
void rin_launch_multiply(cudaStream_t stream, rin_view a, rin_view b, rin_view out, int64_t n, bool adds);
void rin_launch_add(cudaStream_t stream, rin_view a, rin_view b, rin_view out, int64_t n, bool adds);
void rin_launch_convert(cudaStream_t stream, rin_view a, rin_view out, int64_t n);

/* *differs = whether n 16-bit words are not all the same; both begin at multiples of 16 bytes. */
void rin_launch_compare(cudaStream_t stream, const void *a, const void *b, int64_t n, int *differs);
/* to = keep to + (1 - keep) from; with keep 0, to is not read. */
void rin_launch_blend(cudaStream_t stream, rin_view to, rin_view from, float keep, int64_t n);

/* ---- norm.cu ---- */

/* x (rows, d), weight and bias (d) floats, stats (rows, 2) floats or NULL. */
void rin_launch_layer_norm(cudaStream_t stream, rin_view x, const float *weight, const float *bias, rin_view out,
                           float *stats, int64_t rows, int64_t d);

typedef struct rin_norm_gradient {
    rin_view dy, x;
    const float *weight, *stats;
    rin_view dx; /* absent: not wanted, as dweight and dbias may be (NULL) */
    float *dweight, *dbias;
    bool dx_adds, dweight_adds, dbias_adds;
    int64_t rows, d;
    float *scratch; /* rin_norm_scratch(d) floats */
} rin_norm_gradient;

int64_t rin_norm_scratch(int64_t d);
void rin_launch_layer_norm_grad(cudaStream_t stream, const rin_norm_gradient *g);

/* out (d) = sums of the columns of x (rows, d). scratch as above. */
void rin_launch_column_sums(cudaStream_t stream, rin_view x, float *out, bool adds, int64_t rows, int64_t d,
                            float *scratch);

/* ---- attention.cu ---- */

/* q, dq, out, dout (batch, m, inner), k, v, dk, dv (batch, n, inner): heads side by side, each inner / heads wide; lse
 * (batch, heads, m) floats. */
typedef struct rin_attention {
    const rin_cuda_step *step;
    uint32_t stream; /* of dropout's random numbers */
    float drop;
    int64_t batch, heads, m, n, inner;
    rin_view q, k, v, out, dout;
    float *lse;          /* NULL: not wanted (forward) */
    rin_view dq, dk, dv; /* each may be absent */
    bool dq_adds, dk_adds, dv_adds;
    float *delta; /* backward's scratch: rin_attention_scratch() floats */
} rin_attention;

int64_t rin_attention_scratch(const rin_attention *a);
void rin_launch_attention(cudaStream_t stream, const rin_attention *a);
void rin_launch_attention_grad(cudaStream_t stream, const rin_attention *a);

/* ---- layout.cu ---- */

/* out[b, i] = x[b, i] + table[(start + i) mod rows]; x may be absent. (batch, n, d). */
typedef struct rin_table {
    int64_t batch, n, d, rows, start;
    bool adds;
} rin_table;

void rin_launch_add_table(cudaStream_t stream, rin_table t, rin_view table, rin_view x, rin_view out);
/* out[r] = sum over b and all i with (start + i) mod rows = r of dy[b, i]. */
void rin_launch_add_table_grad(cudaStream_t stream, rin_table t, rin_view dy, rin_view out);

/* For each of `batch` examples, n rows of d elements: to[to_first + i] = from[from_first + i], of from_rows and to_rows
 * rows an example. Where `whole`, rows of `to` outside of them become zero (or stay, with adds). */
typedef struct rin_rows {
    int64_t batch, n, d, from_first, from_rows, to_first, to_rows;
    bool adds, whole;
} rin_rows;

void rin_launch_copy_rows(cudaStream_t stream, rin_rows r, rin_view from, rin_view to);

/* As rin_patch_attr; times: time steps of the tokens. */
typedef struct rin_patches {
    int64_t frames, height, width, channels, stride, size, front, times, batch;
    bool adds;
} rin_patches;

void rin_launch_patch(cudaStream_t stream, rin_patches p, rin_view video, rin_view tokens);
void rin_launch_unpatch(cudaStream_t stream, rin_patches p, rin_view tokens, rin_view video);

/* ---- conv.cu: x (batch, times, rows, columns, c), channels innermost; floats ---- */

typedef struct rin_windows {
    int64_t in[3], out[3]; /* times, rows and columns of x; windows along them: an output pixel each */
    int64_t c;
    int32_t size[3], stride[3], front[3]; /* as rin_window */
} rin_windows;

/* An op's n channels of each output pixel: from the first on, of all. */
typedef struct rin_channels {
    int64_t n, first, all;
} rin_channels;

/* As the op fold; weight (n, c, cells). */
typedef struct rin_fold_of {
    int64_t n, c, cells;
    double eps;
    const float *weight, *bias, *scale, *mean, *variance;
} rin_fold_of;

void rin_launch_fold(cudaStream_t stream, rin_fold_of f, rin_view weight, rin_view bias);
/* seen (n, cells of a window x c): x as output pixels first .. first + n see it, zeros around. */
void rin_launch_windows(cudaStream_t stream, rin_windows w, int64_t first, int64_t n, rin_view x, rin_view seen);
/* y = relu(sums + bias): sums (pixels, channels.n) into output pixels first .. first + pixels. */
void rin_launch_finish_conv(cudaStream_t stream, rin_channels channels, bool relu, int64_t first, int64_t pixels,
                            rin_view sums, rin_view bias, rin_view y);
void rin_launch_pool(cudaStream_t stream, rin_windows w, rin_channels channels, bool mean, int64_t pixels, rin_view x,
                     rin_view y);

/* ---- embed.cu ---- */

void rin_launch_sin_cos(cudaStream_t stream, int64_t rows, int64_t cols, int64_t repeat, int64_t dim, float scale,
                        rin_view out);
/* gamma (batch) -> (batch, dim) */
void rin_launch_time_encode(cudaStream_t stream, const float *gamma, int64_t batch, int64_t dim, float scale,
                            rin_view out);
/* Labels (batch, classes) of examples whose uniform number is below rate become zero. */
void rin_launch_drop_labels(cudaStream_t stream, const rin_cuda_step *step, uint32_t key, float rate, int64_t batch,
                            int64_t classes, rin_view labels, rin_view out);

/* ---- noise.cu: an example has `each` elements ---- */

void rin_launch_random(cudaStream_t stream, const rin_cuda_step *step, uint32_t key, bool normal, int64_t n,
                       int64_t each, rin_view out);

/* As rin_schedule. */
typedef struct rin_gamma_of {
    int kind, reverse;
    double start, end, tau;
} rin_gamma_of;

void rin_launch_gamma(cudaStream_t stream, rin_gamma_of schedule, rin_view times, rin_view out, int64_t n);
void rin_launch_rescale(cudaStream_t stream, float scale, float shift, rin_view x, rin_view out, int64_t n);
void rin_launch_add_noise(cudaStream_t stream, rin_view x0, rin_view noise, const float *gamma, rin_view out, int64_t n,
                          int64_t each);
void rin_launch_standardise(cudaStream_t stream, rin_view x, rin_view out, int64_t batch, int64_t each);
/* Kept where u > 1 - rate, or without u where the example's number in the step is below floor(rate all). */
void rin_launch_mask_hidden(cudaStream_t stream, const rin_cuda_step *step, rin_view hidden, const float *u,
                            double rate, int64_t all, rin_view out, int64_t batch, int64_t each);

/* ---- denoise.cu ---- */

/* As the ops guide, estimate and mix; level and factors are in the device's memory. */
typedef struct rin_guide_of {
    int64_t n, each;
    rin_view labelled, reference;
    const float *level;
} rin_guide_of;

typedef struct rin_estimate_of {
    int pred; /* RIN_PRED_... */
    float b_scale;
    double percentile;
    int64_t n, each, channels;
    rin_view x, output, known, mask;
    const float *level;
} rin_estimate_of;

enum { RIN_MOST_MIXED = 6 };

typedef struct rin_mix_of {
    int64_t n;
    rin_view sources[RIN_MOST_MIXED];
    const float *factors, *level;
} rin_mix_of;

void rin_launch_guide(cudaStream_t stream, rin_guide_of g, rin_view out);
void rin_launch_estimate(cudaStream_t stream, rin_estimate_of e, rin_view out);
void rin_launch_mix(cudaStream_t stream, rin_mix_of m, rin_view out);

/* ---- loss.cu ---- */

typedef struct rin_loss_of {
    const rin_cuda_step *step;
    int pred, loss; /* RIN_PRED_..., RIN_LOSS_... */
    float b_scale;
    int64_t n, each;
    rin_view output, x_t, target;
    const float *gamma;
} rin_loss_of;

int64_t rin_sum_scratch(void); /* bytes for the partial sums of a whole tensor */
void rin_launch_loss(cudaStream_t stream, rin_loss_of l, float *out, bool adds, double *scratch);
void rin_launch_loss_grad(cudaStream_t stream, rin_loss_of l, rin_view out, bool adds);

/* ---- update.cu ---- */

void rin_launch_set_step(cudaStream_t stream, rin_cuda_step *to, rin_cuda_step step);
void rin_launch_grad_norm(cudaStream_t stream, const float *gradients, int64_t n, float *out, double *scratch);

/* Tensors of the arenas, cut into chunks of RIN_UPDATE_CHUNK elements; a chunk belongs to one tensor. */
enum { RIN_UPDATE_CHUNK = 8192 };

typedef struct rin_update_tensor {
    int64_t offset, count;
    int64_t first_chunk;
    int64_t decay; /* 0 or 1: weight decay and trust ratio apply */
} rin_update_tensor;

typedef struct rin_update_of {
    const rin_cuda_step *step;
    const rin_update_tensor *tensors; /* [n_tensors] on the device */
    int n_tensors;
    int64_t n_chunks;
    float *weights, *gradients, *m, *v, *ema; /* ema may be NULL */
    uint16_t *narrow;                         /* the weights in bf16, or NULL */
    const float *norm, *loss;                 /* the gradients' norm, and the loss or NULL: not finite, no update */
    int lamb;                                 /* or AdamW */
    double beta1, beta2, eps, weight_decay, grad_clip;
    double *scratch; /* 2 a chunk */
} rin_update_of;

void rin_launch_update(cudaStream_t stream, rin_update_of u);

#ifdef __cplusplus
}
#endif
#endif
