/* SPDX-License-Identifier: MIT */
/* order: which item and which flip example number x is. */
#include "data/order.h"

uint32_t rin_order_pick(const uint32_t bits[2], uint64_t m) {
    return (uint32_t)((bits[1] * m + (bits[0] * m >> 32)) >> 32);
}

/* Fisher-Yates from the end; element i is drawn from block i of the epoch's numbers. */
static void shuffle(rin_order *order, uint64_t epoch) {
    const rin_random_key key = {.seed = order->seed, .step = epoch, .stream = RIN_STREAM_SHUFFLE};
    for (size_t i = 0; i < order->n; i++) order->permutation[i] = (uint32_t)i;
    for (size_t i = order->n; i-- > 1;) {
        uint32_t bits[4];
        rin_philox(key, (uint32_t)i, bits);
        uint32_t j = rin_order_pick(bits, i + 1), moved = order->permutation[i];
        order->permutation[i] = order->permutation[j];
        order->permutation[j] = moved;
    }
    order->epoch = epoch;
}

rin_status rin_order_init(rin_order *order, uint64_t seed, size_t n, rin_error *error) {
    *order = (rin_order){.seed = seed, .n = n, .permutation = rin_calloc(n, sizeof *order->permutation, error)};
    if (!order->permutation) return RIN_ERR_MEMORY;
    shuffle(order, 0);
    return RIN_OK;
}

void rin_order_clear(rin_order *order) {
    rin_free(order->permutation);
    *order = (rin_order){0};
}

size_t rin_order_item(rin_order *order, uint64_t example) {
    uint64_t epoch = example / order->n;
    if (epoch != order->epoch) shuffle(order, epoch);
    return order->permutation[example % order->n];
}

bool rin_order_flips(uint64_t seed, uint64_t example) {
    const rin_random_key key = {.seed = seed, .step = 0, .stream = RIN_STREAM_FLIP};
    return rin_random_u32(key, example) >> 31;
}

void rin_order_clip_bits(uint64_t seed, uint64_t example, uint32_t bits[2]) {
    const rin_random_key key = {.seed = seed, .step = 0, .stream = RIN_STREAM_CLIP};
    for (uint64_t i = 0; i < 2; i++) bits[i] = rin_random_u32(key, 2 * example + i);
}
