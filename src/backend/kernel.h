/* SPDX-License-Identifier: MIT */
/* What every host kernel file includes: its variant's name suffix, its tasks' shapes, the random numbers of a task. */
#ifndef RIN_BACKEND_KERNEL_H
#define RIN_BACKEND_KERNEL_H

#include "backend/backend.h"
#include "op/op.h"

/* A kernel file is compiled once a variant with RIN_VARIANT set (ref32, ref64, plain, avx2, avx512): RIN_KERNEL(linear)
 * is then rin_avx2_linear and so on. */
#define RIN_PASTE_(a, b, c) a##b##_##c
#define RIN_PASTE(a, b, c) RIN_PASTE_(a, b, c)
#define RIN_KERNEL(name) RIN_PASTE(rin_, RIN_VARIANT, name)
#define RIN_SCRATCH(name) RIN_PASTE(rin_, RIN_VARIANT, name##_scratch)

#ifdef RIN_VARIANT
#define OP(name, least, most, outputs, alias, shapes, gradient, flops) \
    void RIN_KERNEL(name)(const rin_task *task, const rin_team *team); \
    size_t RIN_SCRATCH(name)(const rin_task *task, int threads);
#include "op/op.def"
#undef OP
#endif

/* Random numbers of a task: those of its node's stream in this step. Draws of one node that are for different uses
 * (dropout and drop-path of a linear layer) have streams of their own. */
static inline rin_random_key rin_task_key(const rin_task *task, uint32_t use) {
    return (rin_random_key){task->step->seed, task->step->step, task->node->stream * 4 + use};
}

/* Number of this run's first element in the step's whole batch, for tensors with n elements an example. */
static inline uint64_t rin_task_base(const rin_task *task, int64_t n) {
    return task->step->first_example * (uint64_t)n;
}

/*
 * Element-wise work with one set of factors an example is shared in pieces that begin at the same places for any number
 * of threads: whole vectors and the rest of a piece are different code, which the compiler may round differently.
 */
enum { RIN_PIECE = 1024 };

typedef struct rin_piece {
    int64_t example, begin, end; /* elements of the whole tensor */
} rin_piece;

static inline int64_t rin_piece_count(int64_t batch, int64_t per_example) {
    return batch * ((per_example + RIN_PIECE - 1) / RIN_PIECE);
}

static inline rin_piece rin_piece_get(int64_t index, int64_t per_example) {
    int64_t each = (per_example + RIN_PIECE - 1) / RIN_PIECE, example = index / each, from = index % each * RIN_PIECE;
    return (rin_piece){example, example * per_example + from,
                       example * per_example + RIN_MIN(per_example, from + RIN_PIECE)};
}

static inline bool rin_task_adds(const rin_task *task, int output) {
    return task->accumulate >> output & 1;
}

/* Uses of random numbers within a node. */
enum { RIN_USE_VALUES, RIN_USE_DROP, RIN_USE_PATH };

#endif
