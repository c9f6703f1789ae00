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

/* n below 2^32. Cleared by rin_order_clear. */
rin_status rin_order_init(rin_order *order, uint64_t seed, size_t n, rin_error *error) RIN_CHECKED;
void rin_order_clear(rin_order *order);

/* The item of example x. Cost: n random numbers whenever the epoch x / n changes. */
size_t rin_order_item(rin_order *order, uint64_t example);

/* Whether example x is mirrored: true for half of them. */
bool rin_order_flips(uint64_t seed, uint64_t example);

#endif
