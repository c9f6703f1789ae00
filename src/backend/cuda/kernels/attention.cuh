/* SPDX-License-Identifier: MIT */
/* What both families of attention kernels share. */
#ifndef RIN_CUDA_ATTENTION_CUH
#define RIN_CUDA_ATTENTION_CUH

#include <math.h>

#include "backend/cuda/kernels/device.cuh"

enum { WARPS = 4, THREADS = 32 * WARPS };

typedef struct head_scale {
    int width;         /* of a head, d */
    float scale, unit; /* of scores: 1 / sqrt(d), and times log2(e) */
} head_scale;

/* What a block works on: part of one head of one example. */
typedef struct place {
    unsigned pair, example; /* the pair's number is example * heads + head */
    int column;             /* the head's first */
    int first;              /* the block's first own row */
} place;

__device__ static inline place place_of(const rin_attention &a, int d, int rows, int rows_a_block) {
    unsigned blocks = (unsigned)((rows + rows_a_block - 1) / rows_a_block), heads = (unsigned)a.heads;
    unsigned pair = blockIdx.x / blocks, example = pair / heads;
    place p;
    p.pair = pair, p.example = example;
    p.column = (int)(pair - example * heads) * d;
    p.first = (int)(blockIdx.x - pair * blocks) * rows_a_block;
    return p;
}

/* Blocks for all pairs of an example and a head, of which each has so many rows. */
static inline unsigned blocks_for(const rin_attention *a, int64_t rows, int64_t rows_a_block) {
    return (unsigned)(a->batch * a->heads * ((rows + rows_a_block - 1) / rows_a_block));
}

/* In a->delta: for each head of each example, and each query, its lse in base 2 and its delta, 16-byte aligned. */
__host__ __device__ static inline int64_t stats_stride(int64_t m) {
    return 2 * (m + m % 2);
}

__device__ static inline float *stats_of(const rin_attention &a, int64_t pair) {
    return a.delta + pair * stats_stride(a.m);
}

/* attention_any.cu; the gradient wants a->delta. */
void rin_launch_attention_any(cudaStream_t stream, const rin_attention *a, head_scale by);
void rin_launch_attention_any_grad(cudaStream_t stream, const rin_attention *a, head_scale by);

#endif
