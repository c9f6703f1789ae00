/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a tile of sums, for both fused products (fused.cu, fused_hopper.cu).
 *
 * Tensor cores leave a quad of lanes with 8 columns of a row, 2 each, for every 8 columns. Memory and random numbers
 * want 8 consecutive columns a lane. So each 32 columns are shared out such that lane q of a quad ends up with columns
 * 8 q to 8 q + 7: the forward product reads its weights' rows in the order that makes it so (column 8 i + 2 q + e of
 * the tensor cores' is column 8 q + 2 i + e), the backward one, whose weights lie the other way, trades sums among the
 * quad.
 */
#ifndef RIN_CUDA_FUSED_CUH
#define RIN_CUDA_FUSED_CUH

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/fused.h"

enum { RIN_PRODUCT_TILE = 128 }; /* rows and columns */

typedef struct rin_product_end {
    int64_t m, n, per_example;
    const uint16_t *bias, *times;
    uint16_t *out, *slope;
    const rin_cuda_step *step;
    uint32_t stream, threshold;
    float kept, half, log_half; /* the survivors' factor, a half of it, and the binary logarithm of that */
} rin_product_end;

static inline rin_product_end rin_product_end_of(const rin_fused_product *p) {
    rin_product_end end = {};
    end.m = p->m, end.n = p->n, end.per_example = p->how.per_example;
    end.bias = p->bias, end.times = p->times, end.out = p->out, end.slope = p->slope;
    end.step = p->how.step, end.stream = p->how.stream + 1; /* RIN_USE_DROP of kernel.h */
    end.threshold = p->how.drop > 0 ? rin_drop_threshold(p->how.drop) : 0;
    end.kept = end.threshold ? (float)rin_drop_scale(p->how.drop) : 1.0f;
    end.half = 0.5f * end.kept, end.log_half = log2f(end.half);
    return end;
}

#ifndef RIN_EMULATE
/* fused_hopper.cu; false, with nothing queued, where this build or this device cannot. */
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

/* 2^x within 2 units in the last place, and subnormal results 0. */
__device__ static inline float rin_product_exp2(float x) {
#ifdef RIN_EMULATE
    return exp2f(x);
#else
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

/* The smaller one; not a number where x is not. */
__device__ static inline float rin_product_at_most(float x, float most) {
#ifdef RIN_EMULATE
    return x > most ? most : x;
#else
    float y;
    asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x), "f"(most));
    return y;
#endif
}

/* Stores 16 bytes where `valid`, without a branch, which would keep the compiler from mixing what is around it. */
__device__ static inline void rin_product_store(uint16_t *to, const uint32_t word[4], bool valid) {
#ifdef RIN_EMULATE
    if (valid) *(uint4 *)to = make_uint4(word[0], word[1], word[2], word[3]);
#else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %5, 0;\n@p st.global.v4.b32 [%0], {%1, %2, %3, %4};\n}" ::"l"(to),
                 "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]), "r"((int)valid)
                 : "memory");
#endif
}

/* Which of the two numbers of 16 bits are below the threshold: ones in their places. */
__device__ static inline uint32_t rin_product_below(uint32_t bits, uint32_t threshold) {
    int32_t low = (int32_t)(bits & 0xffffu) - (int32_t)threshold, high = (int32_t)(bits >> 16) - (int32_t)threshold;
#ifdef RIN_EMULATE
    return (low < 0 ? 0xffffu : 0) | (high < 0 ? 0xffff0000u : 0);
#else
    uint32_t mask;
    asm("prmt.b32 %0, %1, %2, 0xffbb;" : "=r"(mask) : "r"(low), "r"(high)); /* copies of the signs */
    return mask;
#endif
}

/*
 * GELU and its slope, times the survivors' factor. With a = |z|, Phi(-a) = 2^p(a) and Phi(-a) - a Phi'(a) =
 * Phi(-a) q(a), polynomials that are right up to a = 6, beyond which both are as good as 0. GELU's relative error is
 * 3e-4 where z > -4 (bf16's is 2e-3), its slope's absolute one 1.5e-4. Infinite z give what they should.
 */
template <bool drops>
__device__ static inline float rin_product_gelu(const rin_product_end *end, float z, float *slope) {
    float half = drops ? end->half : 0.5f, a = rin_product_at_most(fabsf(z), 6.0f);
    float p = fmaf(a, -0.00027783898f, 0.00544146638f);
    p = fmaf(a, p, -0.0470957864f);
    p = fmaf(a, p, -0.465298362f);
    p = fmaf(a, p, -1.14901175f);
    p = fmaf(a, p, drops ? end->log_half : -1.0f);
    float tail = rin_product_exp2(p);
    float q = fmaf(a, 0.01043988558f, -0.0907547555f);
    q = fmaf(a, q, -0.649738999f);
    q = fmaf(a, q, -0.794930014f);
    q = fmaf(a, q, 1.0f);
    *slope = half + copysignf(fmaf(-tail, q, half), z);
    float rectified = fmaxf(z, 0.0f);
    return fmaf(-a, tail, drops ? rectified * end->kept : rectified);
}

/* rin_philox, whose products the compiler gives a needless addition each. */
__device__ static inline void rin_product_philox(rin_random_key key, uint32_t block, uint32_t out[4]) {
#ifdef RIN_EMULATE
    rin_philox(key, block, out);
#else
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    uint32_t c0 = block, c1 = key.stream, c2 = (uint32_t)key.step, c3 = (uint32_t)(key.step >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint32_t low0, high0, low1, high1;
        asm("{\n.reg .u64 p;\nmul.wide.u32 p, %2, 0xD2511F53;\nmov.b64 {%0, %1}, p;\n}"
            : "=r"(low0), "=r"(high0)
            : "r"(c0));
        asm("{\n.reg .u64 p;\nmul.wide.u32 p, %2, 0xCD9E8D57;\nmov.b64 {%0, %1}, p;\n}"
            : "=r"(low1), "=r"(high1)
            : "r"(c2));
        c0 = high1 ^ c1 ^ k0, c2 = high0 ^ c3 ^ k1;
        c1 = low1, c3 = low0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
#endif
}

/* What dropout takes of 8 elements from `at` on, and of those 8 rows below: ones in their places. */
__device__ static inline void rin_product_dropped(const rin_product_end *end, const rin_product_draw *draw, uint64_t at,
                                                  uint32_t dropped[2][4]) {
    uint64_t block = (draw->first + at) >> 3, other = block + (uint64_t)end->n;
    rin_random_key key = draw->key;
    uint32_t first = rin_random_block(&key, block);
    rin_product_philox(key, first, dropped[0]);
    rin_product_philox(key, first + (uint32_t)end->n, dropped[1]); /* sharing the first one's keys */
    if (other >> 32 != block >> 32) {
        key = draw->key;
        first = rin_random_block(&key, other);
        rin_product_philox(key, first, dropped[1]);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) dropped[i / 4][i % 4] = rin_product_below(dropped[i / 4][i % 4], end->threshold);
}

/* Stores what becomes of z: 8 sums from a column that is a multiple of 8 on, of a row and of the one 8 below it. */
template <bool drops, bool slopes>
__device__ static inline void rin_product_forward(const rin_product_end *end, const rin_product_draw *draw, int64_t row,
                                                  int64_t column, const float bias[8], const float z[2][8]) {
    int64_t at = row * end->n + column;
    uint32_t dropped[2][4];
    if (drops) rin_product_dropped(end, draw, (uint64_t)at, dropped);
#pragma unroll
    for (int line = 0; line < 2; line++) {
        uint32_t out[4], slope[4];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            float s[2], low = rin_product_gelu<drops>(end, z[line][2 * k] + bias[2 * k], &s[0]);
            float high = rin_product_gelu<drops>(end, z[line][2 * k + 1] + bias[2 * k + 1], &s[1]);
            out[k] = rin_pack(low, high), slope[k] = rin_pack(s[0], s[1]);
            if (drops) out[k] &= ~dropped[line][k], slope[k] &= ~dropped[line][k];
        }
        int64_t to = at + line * 8 * end->n;
        bool valid = row + line * 8 < end->m;
        rin_product_store(end->out + to, out, valid);
        if (slopes) rin_product_store(end->slope + to, slope, valid);
    }
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
                                                    uint4 times, const float z[8]) {
    uint32_t word[4] = {times.x, times.y, times.z, times.w};
#pragma unroll
    for (int k = 0; k < 4; k++) {
        word[k] = rin_pack(z[2 * k] * rin_from_bf16(word[k]), z[2 * k + 1] * __uint_as_float(word[k] & 0xffff0000u));
    }
    rin_product_store(end->out + row * end->n + column, word, row < end->m);
}

#endif
