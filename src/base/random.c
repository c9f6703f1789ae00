/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/base.h"

/* Four 32-bit numbers a block, 2^32 blocks a counter: elements beyond 2^34 move on to another key. */
static uint32_t block_of(rin_random_key *key, uint64_t element) {
    return rin_random_block(key, element >> 2);
}

uint32_t rin_random_u32(rin_random_key key, uint64_t element) {
    uint32_t bits[4];
    uint32_t block = block_of(&key, element);
    rin_philox(key, block, bits);
    return bits[element & 3];
}

void rin_random_survivors(rin_random_key key, uint64_t start, int64_t n, float rate, float kept, float *out) {
    uint32_t bits[4], threshold = rin_drop_threshold(rate);
    for (uint64_t i = start; i < start + (uint64_t)n; i++) {
        if (i == start || i % 8 == 0) {
            rin_random_key own = key;
            uint32_t block = rin_random_block(&own, i >> 3);
            rin_philox(own, block, bits);
        }
        out[i - start] = (bits[i % 8 / 2] >> i % 2 * 16 & 0xffff) >= threshold ? kept : 0;
    }
}

float rin_random_uniform(rin_random_key key, uint64_t element) {
    return rin_uniform_from_bits(rin_random_u32(key, element));
}

float rin_random_normal(rin_random_key key, uint64_t element) {
    uint32_t bits[4];
    uint32_t block = block_of(&key, element);
    rin_philox(key, block, bits);
    const uint32_t *pair = bits + (element & 2);
    float radius = sqrtf(-2.0f * logf(((float)(pair[0] >> 8) + 0.5f) * 0x1p-24f));
    float angle = 6.28318530717958648f * rin_uniform_from_bits(pair[1]);
    return radius * (element & 1 ? sinf(angle) : cosf(angle));
}
