/* SPDX-License-Identifier: MIT */
/* Runs of random numbers in vectors: the uniforms of base/base.h bit by bit, its normals within rounding. */
#ifndef RIN_BACKEND_CPU_VRANDOM_H
#define RIN_BACKEND_CPU_VRANDOM_H

#include "backend/cpu/vmath.h"
#include "base/base.h"

/* A group of numbers made at once: RIN_VF blocks of the generator, four numbers each, in two halves that overlap in
 * time: a round is a chain of slow instructions. */
enum { RIN_RANDOM_GROUP = 4 * RIN_VF };

/* 0, 1, 2, ... in 64-bit lanes. */
RIN_INLINE vl rin_vlanes(void) {
    vl lane = {0};
    for (int i = 0; i < RIN_VF / 2; i++) lane[i] = (uint64_t)i;
    return lane;
}

/* Philox of two vectors of blocks, c[.][0], one in each 64-bit lane; the results stand in the lanes' lower halves. */
RIN_INLINE void rin_vphilox(rin_random_key key, vl c[2][4]) {
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    RIN_UNROLL(2)
    for (int half = 0; half < 2; half++) {
        c[half][1] = (vl){0} + key.stream;
        c[half][2] = (vl){0} + (uint32_t)key.step;
        c[half][3] = (vl){0} + (key.step >> 32);
    }
    for (int round = 0; round < 10; round++) {
        RIN_UNROLL(2)
        for (int half = 0; half < 2; half++) {
            vl p0 = vl_mul_low(c[half][0], (vl){0} + 0xD2511F53u), p1 = vl_mul_low(c[half][2], (vl){0} + 0xCD9E8D57u);
            c[half][0] = (p1 >> 32) ^ c[half][1] ^ k0;
            c[half][2] = (p0 >> 32) ^ c[half][3] ^ k1;
            c[half][1] = p1;
            c[half][3] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* 32-bit lanes a0 b0 a1 b1 ... of the lower halves, as their upper 24 bits in a float. */
RIN_INLINE vf rin_vrandom_join(vl a, vl b) {
    vu bits = (vu)((a & 0xffffffffu) | b << 32);
    return vf_from_vi((vi)(bits >> 8));
}

/* Elements element .. element + RIN_RANDOM_GROUP - 1; element is a multiple of RIN_RANDOM_GROUP. */
RIN_INLINE void rin_vrandom_group(rin_random_key key, uint64_t element, bool normal, float *out) {
    vl c[2][4];
    c[0][0] = rin_vlanes() + rin_random_block(&key, element >> 2);
    c[1][0] = c[0][0] + RIN_VF / 2;
    rin_vphilox(key, c);
    RIN_UNROLL(2)
    for (int half = 0; half < 2; half++, out += 2 * RIN_VF) {
        vf even = rin_vrandom_join(c[half][0], c[half][2]), odd = rin_vrandom_join(c[half][1], c[half][3]);
        if (normal) {
            vf sine, cosine, radius = vf_sqrt(-2.0f * rin_vlog((even + 0.5f) * 0x1p-24f));
            rin_vsincos_small(6.28318530717958648f * (odd * 0x1p-24f), &sine, &cosine);
            even = radius * cosine;
            odd = radius * sine;
        } else {
            even *= 0x1p-24f;
            odd *= 0x1p-24f;
        }
        vf low, high;
        vf_interleave(even, odd, &low, &high);
        vf_store(out, low);
        vf_store(out + RIN_VF, high);
    }
}

RIN_INLINE void rin_vrandom_fill(rin_random_key key, uint64_t start, int64_t n, bool normal, float *out) {
    uint64_t end = start + (uint64_t)n;
    for (uint64_t at = start - start % RIN_RANDOM_GROUP; at < end; at += RIN_RANDOM_GROUP) {
        if (at >= start && at + RIN_RANDOM_GROUP <= end) {
            rin_vrandom_group(key, at, normal, out + (at - start));
            continue;
        }
        float group[RIN_RANDOM_GROUP];
        rin_vrandom_group(key, at, normal, group);
        uint64_t stop = RIN_MIN(at + RIN_RANDOM_GROUP, end);
        for (uint64_t i = RIN_MAX(at, start); i < stop; i++) out[i - start] = group[i - at];
    }
}

/* out[i] = rin_random_uniform(key, start + i) for i < n, the same bits. */
static inline void rin_vrandom_uniforms(rin_random_key key, uint64_t start, int64_t n, float *out) {
    rin_vrandom_fill(key, start, n, false, out);
}

/* out[i] = rin_random_normal(key, start + i) for i < n, within 2e-6. */
static inline void rin_vrandom_normals(rin_random_key key, uint64_t start, int64_t n, float *out) {
    rin_vrandom_fill(key, start, n, true, out);
}

/* ---- dropout ---- */

/* Four rows of 2 RIN_VF elements each, a register tile's width, which begin at first[i], multiples of 8: out[i][j] =
 * kept[i] where the element survives, else 0. All are below the same multiple of 2^35. */
RIN_INLINE void rin_vsurvivors(rin_random_key key, const uint64_t first[4], uint32_t threshold, const float kept[4],
                               float *out) {
    typedef uint16_t words __attribute__((vector_size(RIN_VECTOR_BYTES)));
    typedef uint16_t half_words __attribute__((vector_size(RIN_VECTOR_BYTES / 2)));
    typedef int16_t half_mask __attribute__((vector_size(RIN_VECTOR_BYTES / 2)));
    enum { RUN = RIN_VF / 4 }; /* blocks of a row; a vector has those of two rows */
    const vl lane = rin_vlanes(), second = (vl)(lane >= RUN);
    (void)rin_random_block(&key, first[0] >> 3);
    vl c[2][4];
    RIN_UNROLL(2)
    for (int half = 0; half < 2; half++) {
        uint64_t a = first[2 * half] >> 3, b = (first[2 * half + 1] >> 3) - RUN;
        c[half][0] = lane + ((~second & ((vl){0} + a)) | (second & ((vl){0} + b)));
    }
    rin_vphilox(key, c);
    RIN_UNROLL(2)
    for (int half = 0; half < 2; half++) {
        vl low = (c[half][0] & 0xffffffffu) | c[half][1] << 32, high = (c[half][2] & 0xffffffffu) | c[half][3] << 32;
        words row[2];
#if RIN_VECTOR_BYTES == 64
        row[0] = (words)__builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
        row[1] = (words)__builtin_shufflevector(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
#elif RIN_VECTOR_BYTES == 32
        row[0] = (words)__builtin_shufflevector(low, high, 0, 4, 1, 5);
        row[1] = (words)__builtin_shufflevector(low, high, 2, 6, 3, 7);
#else
        row[0] = (words)__builtin_shufflevector(low, high, 0, 2);
        row[1] = (words)__builtin_shufflevector(low, high, 1, 3);
#endif
        RIN_UNROLL(2)
        for (int i = 0; i < 2; i++, out += 2 * RIN_VF) {
            half_words part[2];
            memcpy(part, &row[i], sizeof part);
            RIN_UNROLL(2)
            for (int v = 0; v < 2; v++) {
                half_mask survives = part[v] >= (half_words){0} + (uint16_t)threshold;
                vi mask = __builtin_convertvector(survives, vi);
                vf_store(out + v * RIN_VF, (vf)(mask & (vi)vf_splat(kept[2 * half + i])));
            }
        }
    }
}

#endif
