/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a tile of sums, for both fused products (product.cu, product_hopper.cu).
 *
 * Tensor cores leave a quad of lanes with 8 columns of a row, 2 each, for every 8 columns. Memory and random numbers
 * want 8 consecutive columns a lane. So each 32 columns are shared out such that lane q of a quad ends up with columns
 * 8 q to 8 q + 7: the forward product reads its weights' rows in the order that makes it so (column 8 i + 2 q + e of
 * the tensor cores' is column 8 q + 2 i + e), the backward one, whose weights lie the other way, trades sums among the
 * quad.
 */
#ifndef RIN_CUDA_PRODUCT_CUH
#define RIN_CUDA_PRODUCT_CUH

#include "device.cuh"
#include "backend/cuda/product.h"

enum { RIN_PRODUCT_TILE = 128 }; /* rows and columns */

typedef struct rin_product_end {
    int64_t m, n, per_example;
    const uint16_t *bias, *times;
    uint16_t *out, *slope;
    const rin_cuda_step *step;
    uint32_t stream, threshold;
    float kept;
} rin_product_end;

static inline rin_product_end rin_product_end_of(const rin_fused_product *p) {
    rin_product_end end = {};
    end.m = p->m, end.n = p->n, end.per_example = p->how.per_example;
    end.bias = p->bias, end.times = p->times, end.out = p->out, end.slope = p->slope;
    end.step = p->how.step, end.stream = p->how.stream + 1; /* RIN_USE_DROP of kernel.h */
    end.threshold = p->how.drop > 0 ? rin_drop_threshold(p->how.drop) : 0;
    end.kept = end.threshold ? (float)rin_drop_scale(p->how.drop) : 1.0f;
    return end;
}

#ifndef RIN_EMULATE
/* product_hopper.cu; false, with nothing queued, where this build or this device cannot. */
bool rin_launch_product_hopper(cudaStream_t stream, const rin_fused_product *p);
#endif

/* The step's part of dropout. */
typedef struct rin_product_draw {
    rin_random_key key;
    uint64_t first; /* element */
} rin_product_draw;

__device__ static inline rin_product_draw rin_product_draw_of(const rin_product_end *end) {
    rin_product_draw draw = {};
    if (end->threshold == 0) return draw;
    draw.key = rin_key(end->step, end->stream);
    draw.first = end->step->first_example * (uint64_t)end->per_example;
    return draw;
}

/* 2^x and 1 / x within 2 units in the last place, and subnormal results 0. */
__device__ static inline float rin_product_exp2(float x) {
#ifdef RIN_EMULATE
    return exp2f(x);
#else
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

__device__ static inline float rin_product_reciprocal(float x) {
#ifdef RIN_EMULATE
    return 1.0f / x;
#else
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

/*
 * GELU and its slope, exact (with erf) but for a relative error of 5e-6 in the normal distribution's tail
 * Phi(-|z|) = exp(-z^2 / 2) p(t), t = 1 / (1 + 0.31 |z|), where bf16 keeps 2e-3. Both need the exponential anyway.
 */
__device__ static inline float rin_product_gelu(float z, float *slope) {
    float size = fabsf(z), t = rin_product_reciprocal(fmaf(0.31f, size, 1.0f));
    float scaled = z * 0.84932180028801904f; /* sqrt(log2(e) / 2) */
    float e = rin_product_exp2(-scaled * scaled);
    float p = fmaf(t, -0.0739293911f, 0.1804510893f);
    p = fmaf(t, p, 0.0157438849f);
    p = fmaf(t, p, 0.1334302096f);
    p = fmaf(t, p, 0.1204411757f);
    p = fmaf(t, p, 0.1238607109f);
    float tail = p * t * e;
    *slope = fmaf(scaled * e, 0.46971863934982566f /* sqrt(1 / (pi log2(e))) */, 0.5f + copysignf(0.5f - tail, z));
    return fmaf(-size, tail, fmaxf(z, 0.0f));
}

/* Makes of z, 8 sums of a row from a column that is a multiple of 8 on, what the forward product stores there. */
__device__ static inline void rin_product_forward8(const rin_product_end *end, const rin_product_draw *draw,
                                                   int64_t row, int64_t column, const float bias[8], float z[8]) {
    if (row >= end->m) return;
    int64_t at = row * end->n + column;
    float slope[8], kept[8];
    if (end->threshold) rin_survivors8(draw->key, draw->first + (uint64_t)at, end->threshold, end->kept, kept);
#pragma unroll
    for (int k = 0; k < 8; k++) z[k] = rin_product_gelu(z[k] + bias[k], &slope[k]);
    if (end->threshold) {
#pragma unroll
        for (int k = 0; k < 8; k++) z[k] *= kept[k], slope[k] *= kept[k];
    }
    rin_view out = {end->out, true}, slopes = {end->slope, true};
    rin_put8(out, at, z);
    if (end->slope) rin_put8(slopes, at, slope);
}

__device__ static inline void rin_product_bias8(const rin_product_end *end, int64_t column, float bias[8]) {
    rin_view from = {(void *)end->bias, true};
    if (end->bias) rin_get8(from, column, bias);
    else
#pragma unroll
        for (int k = 0; k < 8; k++) bias[k] = 0;
}

/* One step of a 4 x 4 transposition over a quad: a goes to the lanes with the bit clear, b to those with it set. */
__device__ static inline void rin_product_trade(float *a, float *b, int bit) {
    bool high = threadIdx.x & bit;
    float other = __shfl_xor_sync(0xffffffffu, high ? *a : *b, bit);
    if (high) *a = other;
    else *b = other;
}

/* z: pairs of columns of 4 groups of 8, this lane's. Becomes the whole group of this lane's place in its quad. */
__device__ static inline void rin_product_gather8(float z[8]) {
#pragma unroll
    for (int e = 0; e < 2; e++) {
        rin_product_trade(&z[e], &z[2 + e], 1);
        rin_product_trade(&z[4 + e], &z[6 + e], 1);
        rin_product_trade(&z[e], &z[4 + e], 2);
        rin_product_trade(&z[2 + e], &z[6 + e], 2);
    }
}

/* The factors of 8 sums, or zeros below the matrix. */
__device__ static inline uint4 rin_product_times8(const rin_product_end *end, int64_t row, int64_t column) {
    if (row >= end->m) return make_uint4(0, 0, 0, 0);
    return *(const uint4 *)(end->times + row * end->n + column);
}

__device__ static inline void rin_product_backward8(const rin_product_end *end, int64_t row, int64_t column,
                                                    uint4 times, float z[8]) {
    if (row >= end->m) return;
    uint32_t word[4] = {times.x, times.y, times.z, times.w};
#pragma unroll
    for (int k = 0; k < 4; k++) {
        z[2 * k] *= rin_from_bf16(word[k]);
        z[2 * k + 1] *= __uint_as_float(word[k] & 0xffff0000u);
    }
    rin_view out = {end->out, true};
    rin_put8(out, row * end->n + column, z);
}

#endif
