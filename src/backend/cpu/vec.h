/* SPDX-License-Identifier: MIT */
/* Vectors of floats in the widest register of the variant, written with the compilers' vector extensions. */
#ifndef RIN_BACKEND_CPU_VEC_H
#define RIN_BACKEND_CPU_VEC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define RIN_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define RIN_VECTOR_BYTES 32
#else
#define RIN_VECTOR_BYTES 16
#endif

enum { RIN_VF = RIN_VECTOR_BYTES / 4 }; /* lanes */

typedef float vf __attribute__((vector_size(RIN_VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(RIN_VECTOR_BYTES)));
typedef uint32_t vu __attribute__((vector_size(RIN_VECTOR_BYTES)));
typedef uint64_t vl __attribute__((vector_size(RIN_VECTOR_BYTES)));
typedef double vd __attribute__((vector_size(RIN_VECTOR_BYTES)));
typedef float vf_half __attribute__((vector_size(RIN_VECTOR_BYTES / 2)));
typedef float vf_quarter __attribute__((vector_size(16)));

/* The same in memory, wherever it lies. */
typedef float vf_memory __attribute__((vector_size(RIN_VECTOR_BYTES), aligned(4), may_alias));

/* For functions whose arguments must become constants, or that must not pass vectors through memory. */
#define RIN_INLINE static inline __attribute__((always_inline, unused))

/* Before a loop of n rounds, n a literal: unroll it fully, so that arrays of vectors it indexes become registers. */
#define RIN_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define RIN_UNROLL(n) RIN_PRAGMA(clang loop unroll(full))
#else
#define RIN_UNROLL(n) RIN_PRAGMA(GCC unroll n)
#endif

/* ---- memory ---- */

RIN_INLINE vf vf_load(const float *from) {
    return *(const vf_memory *)from;
}

RIN_INLINE void vf_store(float *to, vf v) {
    *(vf_memory *)to = v;
}

#if RIN_VECTOR_BYTES == 64
/* Bits 0 .. n - 1, n from 0 to 16. */
RIN_INLINE __mmask16 rin_lanes(int64_t n) {
    return (__mmask16)((1u << n) - 1);
}
#endif

/* Lanes 0 .. n - 1, n < RIN_VF; the others are 0. Touches nothing beyond. */
RIN_INLINE vf vf_load_part(const float *from, int64_t n) {
#if RIN_VECTOR_BYTES == 64
    return (vf)_mm512_maskz_loadu_ps(rin_lanes(n), from);
#else
    float lanes[RIN_VF] = {0};
    for (int64_t i = 0; i < n; i++) lanes[i] = from[i];
    return vf_load(lanes);
#endif
}

RIN_INLINE void vf_store_part(float *to, vf v, int64_t n) {
#if RIN_VECTOR_BYTES == 64
    _mm512_mask_storeu_ps(to, rin_lanes(n), (__m512)v);
#else
    float lanes[RIN_VF];
    vf_store(lanes, v);
    for (int64_t i = 0; i < n; i++) to[i] = lanes[i];
#endif
}

/* A whole vector, or the last n numbers of an array: for loops over any length. */
RIN_INLINE vf vf_load_most(const float *from, int64_t n) {
    return n >= RIN_VF ? vf_load(from) : vf_load_part(from, n);
}

RIN_INLINE void vf_store_most(float *to, vf v, int64_t n) {
    if (n >= RIN_VF) vf_store(to, v);
    else vf_store_part(to, v, n);
}

/* ---- lanes ---- */

RIN_INLINE vf vf_splat(float x) {
    return x - (vf){0}; /* not x + 0, which would lose the sign of -0 */
}

RIN_INLINE vi vi_splat(int32_t x) {
    return x + (vi){0};
}

RIN_INLINE vu vu_splat(uint32_t x) {
    return x + (vu){0};
}

/* Comparisons (a < b) give the masks: all bits of a lane, or none. */
RIN_INLINE vf vf_select(vi mask, vf yes, vf no) {
#if RIN_VECTOR_BYTES == 64
    return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)no, (__m512)yes);
#elif RIN_VECTOR_BYTES == 32
    return (vf)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
#else
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
#endif
}

/* Lanes 0 .. n - 1; the others become 0. */
RIN_INLINE vf vf_first(vf v, int64_t n) {
#if RIN_VECTOR_BYTES == 64
    return (vf)_mm512_maskz_mov_ps(rin_lanes(n), (__m512)v);
#else
    for (int i = 0; i < RIN_VF; i++) v[i] = i < n ? v[i] : 0;
    return v;
#endif
}

/* Whether a mask has a lane set. */
RIN_INLINE bool vi_any(vi mask) {
#if RIN_VECTOR_BYTES == 64
    return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif RIN_VECTOR_BYTES == 32
    return _mm256_movemask_ps((__m256)mask) != 0;
#elif RIN_VECTOR_BYTES == 16 && defined(__SSE2__)
    return _mm_movemask_ps((__m128)mask) != 0;
#else
    int32_t any = 0;
    for (int i = 0; i < RIN_VF; i++) any |= mask[i];
    return any != 0;
#endif
}

/* a > b ? a : b in every lane, so b where either is not a number. */
RIN_INLINE vf vf_max(vf a, vf b) {
#if RIN_VECTOR_BYTES == 64
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif RIN_VECTOR_BYTES == 32
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vf_select(a > b, a, b);
#endif
}

/* a < b ? a : b in every lane, so b where either is not a number. */
RIN_INLINE vf vf_min(vf a, vf b) {
#if RIN_VECTOR_BYTES == 64
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif RIN_VECTOR_BYTES == 32
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vf_select(a < b, a, b);
#endif
}

RIN_INLINE vf vf_sqrt(vf v) {
#if RIN_VECTOR_BYTES == 64
    return (vf)_mm512_sqrt_ps((__m512)v);
#elif RIN_VECTOR_BYTES == 32
    return (vf)_mm256_sqrt_ps((__m256)v);
#elif defined(__SSE2__)
    return (vf)_mm_sqrt_ps((__m128)v);
#else
    for (int i = 0; i < RIN_VF; i++) v[i] = sqrtf(v[i]);
    return v;
#endif
}

RIN_INLINE vf vf_abs(vf v) {
    return (vf)((vi)v & 0x7fffffff);
}

RIN_INLINE vf vf_from_vi(vi v) {
    return __builtin_convertvector(v, vf);
}

/* The product of the lower halves of each 64-bit lane; the upper halves are ignored. */
RIN_INLINE vl vl_mul_low(vl a, vl b) {
#if RIN_VECTOR_BYTES == 64
    return (vl)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif RIN_VECTOR_BYTES == 32
    return (vl)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (vl)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

/* a0 b0 a1 b1 ...: *low is the first half of it, *high the second. */
RIN_INLINE void vf_interleave(vf a, vf b, vf *low, vf *high) {
#if RIN_VECTOR_BYTES == 64
    *low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif RIN_VECTOR_BYTES == 32
    *low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    *high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
    *low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    *high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

/* r[i][j] becomes r[j][i]. */
RIN_INLINE void vf_transpose(vf r[RIN_VF]) {
    vf t[RIN_VF];
#if RIN_VECTOR_BYTES == 64
    RIN_UNROLL(8)
    for (int i = 0; i < 16; i += 2) {
        t[i] = (vf)_mm512_unpacklo_ps((__m512)r[i], (__m512)r[i + 1]);
        t[i + 1] = (vf)_mm512_unpackhi_ps((__m512)r[i], (__m512)r[i + 1]);
    }
    RIN_UNROLL(8)
    for (int i = 0; i < 16; i += i % 4 ? 3 : 1) { /* 0, 1, 4, 5, ...: of four rows, the first two */
        r[i / 4 * 4 + i % 4 * 2] = (vf)_mm512_unpacklo_pd((__m512d)t[i], (__m512d)t[i + 2]);
        r[i / 4 * 4 + i % 4 * 2 + 1] = (vf)_mm512_unpackhi_pd((__m512d)t[i], (__m512d)t[i + 2]);
    }
    /* Quarter q of r[4 i + j] is now rows 4 i .. 4 i + 3 of column 4 q + j. */
    RIN_UNROLL(4)
    for (int j = 0; j < 4; j++) {
        __m512 a = (__m512)r[j], b = (__m512)r[4 + j], c = (__m512)r[8 + j], d = (__m512)r[12 + j];
        __m512 ab_even = _mm512_shuffle_f32x4(a, b, 0x88), ab_odd = _mm512_shuffle_f32x4(a, b, 0xdd);
        __m512 cd_even = _mm512_shuffle_f32x4(c, d, 0x88), cd_odd = _mm512_shuffle_f32x4(c, d, 0xdd);
        t[j] = (vf)_mm512_shuffle_f32x4(ab_even, cd_even, 0x88);
        t[4 + j] = (vf)_mm512_shuffle_f32x4(ab_odd, cd_odd, 0x88);
        t[8 + j] = (vf)_mm512_shuffle_f32x4(ab_even, cd_even, 0xdd);
        t[12 + j] = (vf)_mm512_shuffle_f32x4(ab_odd, cd_odd, 0xdd);
    }
#elif RIN_VECTOR_BYTES == 32
    vf u[8];
    RIN_UNROLL(4)
    for (int i = 0; i < 8; i += 2) {
        t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    RIN_UNROLL(2)
    for (int i = 0; i < 8; i += 4) {
        u[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        u[i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        u[i + 2] = __builtin_shufflevector(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        u[i + 3] = __builtin_shufflevector(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    RIN_UNROLL(4)
    for (int j = 0; j < 4; j++) {
        t[j] = __builtin_shufflevector(u[j], u[4 + j], 0, 1, 2, 3, 8, 9, 10, 11);
        t[4 + j] = __builtin_shufflevector(u[j], u[4 + j], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#else
    vf low_01 = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
       high_01 = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    vf low_23 = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5),
       high_23 = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    t[0] = __builtin_shufflevector(low_01, low_23, 0, 1, 4, 5);
    t[1] = __builtin_shufflevector(low_01, low_23, 2, 3, 6, 7);
    t[2] = __builtin_shufflevector(high_01, high_23, 0, 1, 4, 5);
    t[3] = __builtin_shufflevector(high_01, high_23, 2, 3, 6, 7);
#endif
    RIN_UNROLL(16)
    for (int i = 0; i < RIN_VF; i++) r[i] = t[i];
}

/* to[j][i] = from[i][j] for i < rows <= RIN_VF and j < cols <= RIN_VF; rows beyond are zeros, and written as such. */
RIN_INLINE void vf_transpose_block(const float *from, int64_t stride, int64_t rows, int64_t cols, float *to,
                                   int64_t to_stride) {
    vf r[RIN_VF];
    if (rows >= RIN_VF && cols >= RIN_VF) {
        RIN_UNROLL(16)
        for (int i = 0; i < RIN_VF; i++) r[i] = vf_load(from + i * stride);
        vf_transpose(r);
        RIN_UNROLL(16)
        for (int i = 0; i < RIN_VF; i++) vf_store(to + i * to_stride, r[i]);
        return;
    }
    for (int i = 0; i < RIN_VF; i++) r[i] = i < rows ? vf_load_most(from + i * stride, cols) : (vf){0};
    vf_transpose(r);
    for (int i = 0; i < RIN_VF && i < cols; i++) vf_store(to + i * to_stride, r[i]);
}

/* ---- across lanes, always in the same order: the upper half onto the lower, until one is left ---- */

RIN_INLINE float vf_sum(vf v) {
#if RIN_VECTOR_BYTES == 64
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    vf_quarter q = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#elif RIN_VECTOR_BYTES == 32
    vf_quarter q = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
    vf_quarter q = v;
#endif
    q += __builtin_shufflevector(q, q, 2, 3, 0, 1);
    return q[0] + q[1];
}

/* The sum of the squares of all numbers so far, in double, lane by lane. */
typedef struct vd_squares {
    vd low, high;
} vd_squares;

RIN_INLINE void vd_squares_add(vd_squares *sum, vf v) {
#if RIN_VECTOR_BYTES == 64
    vf_half a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
    vf_half b = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif RIN_VECTOR_BYTES == 32
    vf_half a = __builtin_shufflevector(v, v, 0, 1, 2, 3), b = __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
    vf_half a = __builtin_shufflevector(v, v, 0, 1), b = __builtin_shufflevector(v, v, 2, 3);
#endif
    vd low = __builtin_convertvector(a, vd), high = __builtin_convertvector(b, vd);
    sum->low += low * low;
    sum->high += high * high;
}

RIN_INLINE double vd_squares_sum(const vd_squares *sum) {
    vd lanes = sum->low + sum->high;
    double total = lanes[0];
    for (int i = 1; i < RIN_VF / 2; i++) total += lanes[i];
    return total;
}

RIN_INLINE float vf_highest(vf v) {
#if RIN_VECTOR_BYTES == 64
    return _mm512_reduce_max_ps((__m512)v);
#else
    float highest = v[0];
    for (int i = 1; i < RIN_VF; i++) highest = v[i] > highest ? v[i] : highest;
    return highest;
#endif
}

#endif
