/* SPDX-License-Identifier: MIT */
/* Runs of random numbers in vectors: the uniforms of base/base.h bit by bit, its normals within rounding. */
#ifndef RIN_BACKEND_CPU_VRANDOM_H
#define RIN_BACKEND_CPU_VRANDOM_H

#include "backend/cpu/vmath.h"
#include "base/base.h"

/* A group of numbers made at once: RIN_VF blocks of the generator, four numbers each, in two halves that overlap in
 * time: a round is a chain of slow instructions. */
enum { RIN_RANDOM_GROUP = 4 * RIN_VF };

/* Philox of consecutive blocks, one in each 64-bit lane; the results stand in the lanes' lower halves. */
RIN_INLINE void rin_vphilox(rin_random_key key, uint32_t block, vl c[2][4]) {
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    vl lane = {0};
    for (int i = 0; i < RIN_VF / 2; i++) lane[i] = (uint64_t)i;
    RIN_UNROLL(2)
    for (int half = 0; half < 2; half++) {
        c[half][0] = lane + block + (uint64_t)(half * RIN_VF / 2);
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
    key.seed += (element >> 34) * 0x9E3779B97F4A7C15u;
    rin_vphilox(key, (uint32_t)(element >> 2), c);
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

#endif
