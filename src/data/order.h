/* SPDX-License-Identifier: MIT */
/* order: which item and which flip example number x is. Inside the data room only. */
#ifndef RIN_DATA_ORDER_H
#define RIN_DATA_ORDER_H

#include "data/data.h"

/* The permutation of one epoch at a time; asking for another epoch makes that one. */
typedef struct rin_order {
    uint64_t seed, epoch;
    uint32_t *permutation; /* (n) */
    size_t n;
} rin_order;

/* Uniform in 0 .. m - 1 from 64 random bits: the upper half of bits * m. m below 2^32; the bias is below m / 2^64. */
uint32_t rin_order_pick(const uint32_t bits[2], uint64_t m);

/* n below 2^32. Cleared by rin_order_clear. */
rin_status rin_order_init(rin_order *order, uint64_t seed, size_t n, rin_error *error) RIN_CHECKED;
void rin_order_clear(rin_order *order);

/* The item of example x. Cost: n random numbers whenever the epoch x / n changes. */
size_t rin_order_item(rin_order *order, uint64_t example);

/* Whether example x is mirrored: true for half of them. */
bool rin_order_flips(uint64_t seed, uint64_t example);

/* Random bits that say where in a video the clip of example x begins. */
void rin_order_clip_bits(uint64_t seed, uint64_t example, uint32_t bits[2]);

#endif
