/* SPDX-License-Identifier: MIT */
/* What all ops on a GPU share: the tensors of a task, its scratch, its products. */
#ifndef RIN_CUDA_TASK_H
#define RIN_CUDA_TASK_H

#include "backend/cuda/cuda.h"
#include "backend/kernel.h"

/* ---- tensors of a task ---- */

static inline rin_view in(const rin_task *t, int i) {
    return (rin_view){(void *)(uintptr_t)t->in[i], t->in_type[i] == RIN_TYPE_BF16};
}

static inline rin_view out(const rin_task *t, int i) {
    return (rin_view){t->out[i], t->out_type[i] == RIN_TYPE_BF16};
}

static inline int64_t in_count(const rin_task *t, int i) {
    return rin_shape_count(&t->in_shape[i]);
}

static inline int64_t out_count(const rin_task *t, int i) {
    return rin_shape_count(&t->out_shape[i]);
}

static inline int64_t per_example(const rin_shape *shape) {
    return rin_shape_count(shape) / shape->dim[0];
}

static inline uint32_t stream_of(const rin_task *t, uint32_t use) {
    return t->node->stream * 4 + use;
}

/* ---- scratch: the products' workspace, and behind it two tensors on their way ---- */

enum { PART_BYTES = 256 };

static inline size_t padded(int64_t count) {
    return ((size_t)count * sizeof(float) + PART_BYTES - 1) / PART_BYTES * PART_BYTES;
}

static inline void *temporary(const rin_task *t, size_t before) {
    return (char *)t->scratch + RIN_PRODUCTS_WORKSPACE + before;
}

static inline void multiply(rin_cuda *c, const rin_task *t, const rin_product *product) {
    rin_error *error = &c->failure;
    if (!rin_products_run(c->products, c->stream, product, t->scratch, error) && error->code == RIN_OK)
        (void)rin_error_set(error, RIN_ERR_INTERNAL, "GPU %d: a product failed", c->device);
}

#endif
