/* SPDX-License-Identifier: MIT */
/* Philox4x32-10 (Salmon et al., SC 2011), a pure function of (key, counter), for C and for CUDA kernels alike. */
#ifndef RIN_BASE_PHILOX_H
#define RIN_BASE_PHILOX_H

#include <stdint.h>

#ifdef __CUDACC__
#define RIN_ANYWHERE static inline __host__ __device__
#else
#define RIN_ANYWHERE static inline
#endif

/* The counter words are (element, stream, step low, step high); the key is the seed. */
typedef struct rin_random_key {
    uint64_t seed, step;
    uint32_t stream; /* which use of random numbers: a graph node, the shuffle, the flips, ... */
} rin_random_key;

RIN_ANYWHERE void rin_philox(rin_random_key key, uint32_t block, uint32_t out[4]) {
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    uint32_t c0 = block, c1 = key.stream, c2 = (uint32_t)key.step, c3 = (uint32_t)(key.step >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Blocks beyond 2^32 are those of another key; gives the block's number there. */
RIN_ANYWHERE uint32_t rin_random_block(rin_random_key *key, uint64_t block) {
    key->seed += (block >> 32) * 0x9E3779B97F4A7C15u;
    return (uint32_t)block;
}

/* Uniform in [0, 1) with 24 bits. */
RIN_ANYWHERE float rin_uniform_from_bits(uint32_t bits) {
    return (float)(bits >> 8) * 0x1p-24f;
}

/* Dropout: an element has 16 bits, eight elements a block, and survives unless they are below the threshold. */
RIN_ANYWHERE uint32_t rin_drop_threshold(float rate) {
    uint32_t threshold = (uint32_t)(rate * 65536 + 0.5f);
    return threshold < 65535u ? threshold : 65535u;
}

/* One over the chance to survive, which is that of the threshold: within 2^-17 of 1 - rate, and 1 for a rate of 0. */
RIN_ANYWHERE double rin_drop_scale(float rate) {
    return 65536.0 / (65536 - rin_drop_threshold(rate));
}

#endif
