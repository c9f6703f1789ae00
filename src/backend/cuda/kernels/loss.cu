/* SPDX-License-Identifier: MIT */
/* The denoising loss and its gradient: a pass each, the sum in double. */
#include "backend/cuda/kernels/device.cuh"

enum { PRED_EPS, PRED_X, PRED_V }; /* the order of RIN_PRED_... and */
enum { LOSS_EPS, LOSS_X };         /* RIN_LOSS_... in config/words.def */

enum { SUM_BLOCKS = 1024 };

/*
 * What the network's output o says of the target, and how that changes with o, as in backend/ref/kernels/loss.c; a, s:
 * roots of the signal level and of its complement. x0 is clipped to [-b, b].
 */
__device__ static inline float predict(const rin_loss_of &l, float o, float x, float a, float s, float *slope) {
    float b = l.b_scale, value = o, scale = 1;
    if (l.loss == LOSS_EPS && l.pred != PRED_X) {
        *slope = l.pred == PRED_V ? a : 1;
        return l.pred == PRED_V ? s * x + a * o : o;
    }
    if (l.pred == PRED_EPS) {
        value = (x - s * o) / a;
        scale = -s / a;
    } else if (l.pred == PRED_V) {
        value = a * x - s * o;
        scale = -s;
    }
    if (value < -b || value > b) scale = 0;
    value = fminf(fmaxf(value, -b), b);
    *slope = scale;
    if (l.loss == LOSS_EPS) {
        *slope = -a / s * scale;
        value = (x - a * value) / s;
    }
    return value;
}

__device__ static inline float unit(const rin_loss_of &l) {
    return l.loss == LOSS_X ? 1 / l.b_scale : 1;
}

/* Elements i .. i + width - 1 of one example, what is wrong with them and the slopes; width is 8 or 1. */
template <int width>
__device__ static inline void errors(const rin_loss_of &l, int64_t i, float error[width], float slope[width]) {
    float gamma = l.gamma[i / l.each], a = sqrtf(gamma), s = sqrtf(1 - gamma), o[8], x[8], target[8];
    if (width == 8) {
        rin_get8(l.output, i, o);
        rin_get8(l.x_t, i, x);
        rin_get8(l.target, i, target);
    } else {
        o[0] = rin_get(l.output, i);
        x[0] = rin_get(l.x_t, i);
        target[0] = rin_get(l.target, i);
    }
#pragma unroll
    for (int k = 0; k < width; k++) error[k] = target[k] - predict(l, o[k], x[k], a, s, &slope[k]);
}

template <int width> static __global__ void __launch_bounds__(RIN_BLOCK) sum_errors(rin_loss_of l, double *sums) {
    double sum = 0;
    for (int64_t i = width * rin_thread(); i < l.n; i += width * rin_threads()) {
        float error[width], slope[width];
        errors<width>(l, i, error, slope);
#pragma unroll
        for (int k = 0; k < width; k++) {
            double e = error[k] * unit(l);
            sum += e * e;
        }
    }
    sum = rin_block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(RIN_BLOCK)
    mean_of_sums(const double *sums, int blocks, int64_t n, float *out, bool adds) {
    double sum = 0;
    for (int i = threadIdx.x; i < blocks; i += RIN_BLOCK) sum += sums[i];
    float mean = (float)(rin_block_sum(sum) / (double)n);
    if (threadIdx.x == 0) *out = adds ? *out + mean : mean;
}

template <int width>
static __global__ void __launch_bounds__(RIN_BLOCK) loss_slopes(rin_loss_of l, rin_view out, bool adds) {
    float scale = (float)(-2 * l.step->gradient_scale / (double)l.n) * unit(l) * unit(l);
    for (int64_t i = width * rin_thread(); i < l.n; i += width * rin_threads()) {
        float error[8], slope[8], had[8] = {0};
        errors<width>(l, i, error, slope);
        if (adds && width == 8) rin_get8(out, i, had);
        else if (adds) had[0] = rin_get(out, i);
#pragma unroll
        for (int k = 0; k < width; k++) error[k] = had[k] + scale * error[k] * slope[k];
        if (width == 8) rin_put8(out, i, error);
        else rin_put(out, i, error[0]);
    }
}

int64_t rin_sum_scratch(void) {
    return SUM_BLOCKS * (int64_t)sizeof(double);
}

void rin_launch_loss(cudaStream_t stream, rin_loss_of l, float *out, bool adds, double *scratch) {
    bool eights = l.each % 8 == 0;
    unsigned blocks = rin_blocks(eights ? l.n / 8 : l.n);
    if (blocks > SUM_BLOCKS) blocks = SUM_BLOCKS;
    auto kernel = eights ? sum_errors<8> : sum_errors<1>;
    RIN_LAUNCH(kernel, blocks, RIN_BLOCK, 0, stream, l, scratch);
    RIN_LAUNCH(mean_of_sums, 1, RIN_BLOCK, 0, stream, scratch, (int)blocks, l.n, out, adds);
}

void rin_launch_loss_grad(cudaStream_t stream, rin_loss_of l, rin_view out, bool adds) {
    bool eights = l.each % 8 == 0;
    auto kernel = eights ? loss_slopes<8> : loss_slopes<1>;
    RIN_LAUNCH(kernel, rin_blocks(eights ? l.n / 8 : l.n), RIN_BLOCK, 0, stream, l, out, adds);
}
