/* SPDX-License-Identifier: MIT */
/*
 * A step of sampling. Rounded operation by operation like diffusion/sampler.c: near the noise, where the signal level
 * is 1e-9, the estimate divides what rounding leaves by 3e-5.
 */
#include "backend/cuda/kernels/device.cuh"

enum { EPS, X, V }; /* rin_pred_type */

__device__ static inline float estimate(int pred, float b, float gamma, float x, float o) {
    float a = sqrtf(gamma), s = sqrtf(1.0f - gamma), v = o;
    if (pred == EPS) v = __fadd_rn(x, -__fmul_rn(s, o)) / a;
    else if (pred == V) v = __fadd_rn(__fmul_rn(a, x), -__fmul_rn(s, o));
    return isfinite(o) ? fminf(fmaxf(v, -b), b) : o - o;
}

__global__ static void denoise(rin_denoise_of d, rin_view x_next, rin_view x0) {
    float gamma = d.numbers[0], of_x = d.numbers[2], of_x0 = d.numbers[3], of_e = d.numbers[4], divisor = d.numbers[5],
          spread = d.numbers[6];
    double w = d.numbers[1];
    for (int64_t i = rin_thread(); i < d.n; i += rin_threads()) {
        float x = rin_get(d.x, i), o = rin_get(d.output, i);
        if (d.unlabelled.data) o = (float)((1 + w) * o - w * rin_get(d.unlabelled, i));
        float v = estimate(d.pred, d.b_scale, gamma, x, o);
        float e = __fadd_rn(x, -__fmul_rn(sqrtf(gamma), v)) / sqrtf(1.0f - gamma);
        float sum = __fadd_rn(__fadd_rn(__fmul_rn(of_x, x), __fmul_rn(of_x0, v)), __fmul_rn(of_e, e)) / divisor;
        if (d.noise.data) sum = __fadd_rn(sum, __fmul_rn(spread, rin_get(d.noise, i)));
        rin_put(x_next, i, sum);
        if (x0.data) rin_put(x0, i, v);
    }
}

void rin_launch_denoise(cudaStream_t stream, rin_denoise_of d, rin_view x_next, rin_view x0) {
    RIN_LAUNCH(denoise, rin_blocks(d.n), RIN_BLOCK, 0, stream, d, x_next, x0);
}
