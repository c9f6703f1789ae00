/* SPDX-License-Identifier: MIT */
/*
 * numpy's old random numbers, which some published scores shuffled rows by. Source: Matsumoto and Nishimura, Mersenne
 * Twister (1998), seeded by init_genrand of 2002; numpy/random/mtrand.pyx, RandomState.permutation.
 */
#include "metric/internal.h"

enum { WORDS = 624, SHIFT = 397 };

typedef struct twister {
    uint32_t word[WORDS];
    int next;
} twister;

static void seed_twister(twister *t, uint32_t seed) {
    t->word[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++) {
        uint32_t last = t->word[i - 1];
        t->word[i] = 1812433253u * (last ^ last >> 30) + i;
    }
    t->next = WORDS;
}

static void twist(twister *t) {
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = (t->word[i] & 0x80000000u) | (t->word[(i + 1) % WORDS] & 0x7FFFFFFFu);
        t->word[i] = t->word[(i + SHIFT) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
    }
    t->next = 0;
}

static uint32_t draw(twister *t) {
    if (t->next == WORDS) twist(t);
    uint32_t y = t->word[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

/* Uniform in 0 .. most: draws are cut to most's bits, and drawn again while they are above it. */
static uint32_t draw_up_to(twister *t, uint32_t most) {
    uint32_t mask = most, value;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    do {
        value = draw(t) & mask;
    } while (value > most);
    return value;
}

rin_status rin_numpy_permutation(uint32_t seed, int64_t n, uint32_t *out, rin_error *error) {
    if (n < 0 || n > UINT32_MAX)
        return rin_error_set(error, RIN_ERR_ARG, "rin_numpy_permutation: n = %lld; allowed: 0 to %lld", (long long)n,
                             (long long)UINT32_MAX);
    twister t;
    seed_twister(&t, seed);
    for (int64_t i = 0; i < n; i++) out[i] = (uint32_t)i;
    for (int64_t i = n; i-- > 1;) {
        uint32_t j = draw_up_to(&t, (uint32_t)i), moved = out[i];
        out[i] = out[j];
        out[j] = moved;
    }
    return RIN_OK;
}
