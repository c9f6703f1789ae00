/* SPDX-License-Identifier: MIT */
/* What the reference kernels share: real is float or double. They run on the first thread of a team only. */
#ifndef RIN_REF_REAL_H
#define RIN_REF_REAL_H

#include <math.h>
#include <string.h>
#include <tgmath.h>

#include "backend/kernel.h"

typedef RIN_ELEMENT real;

/* A reference kernel: RIN_REF(add) { body that sees `task` }. */
#define RIN_REF(name)                                                   \
    static void body_##name(const rin_task *task);                      \
    void RIN_KERNEL(name)(const rin_task *task, const rin_team *team) { \
        if (team->index == 0) body_##name(task);                        \
    }                                                                   \
    static void body_##name(const rin_task *task)

static inline void put(const rin_task *task, int output, int64_t i, real value) {
    real *out = task->out[output];
    if (!out) return;
    out[i] = rin_task_adds(task, output) ? out[i] + value : value;
}

/* Elements an example (dimension 0) has. */
static inline int64_t per_example(const rin_shape *shape) {
    return rin_shape_count(shape) / shape->dim[0];
}

/* 0 with probability rate, else 1 / (1 - rate). */
static inline real keep(rin_random_key key, uint64_t element, float rate) {
    if (rate <= 0) return 1;
    return rin_random_uniform(key, element) >= rate ? (real)1 / ((real)1 - (real)rate) : 0;
}

#endif
