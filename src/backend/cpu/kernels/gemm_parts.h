/* SPDX-License-Identifier: MIT */
/* What the two products behind gemm.h share: register tiles, panels of B, and the split over threads. */
#ifndef RIN_BACKEND_CPU_GEMM_PARTS_H
#define RIN_BACKEND_CPU_GEMM_PARTS_H

#include "backend/cpu/kernels/gemm.h"

/* Rows, columns or part of K: [begin, end). */
typedef struct rin_extent {
    int64_t begin, end;
} rin_extent;

/* The part of [at, all.end) that a block of so many holds. */
RIN_INLINE rin_extent rin_block_at(rin_extent all, int64_t at, int64_t size) {
    return (rin_extent){at, RIN_MIN(all.end, at + size)};
}

RIN_INLINE int64_t rin_ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* tile[mr][GEMM_COLS] = A B, or += when more. (i, p) of A is a[i * row + p * step], row p of B is at b + p * ldb. */
RIN_INLINE void rin_tile_sum(int mr, const float *a, int64_t row, int64_t step, const float *b, int64_t ldb, int64_t k,
                             float *tile, bool more) {
    vf sum[GEMM_ROWS][2];
    for (int i = 0; i < mr; i++) {
        sum[i][0] = more ? vf_load(tile + i * GEMM_COLS) : (vf){0};
        sum[i][1] = more ? vf_load(tile + i * GEMM_COLS + RIN_VF) : (vf){0};
    }
#pragma GCC unroll 4
    for (int64_t p = 0; p < k; p++) {
        vf b0 = vf_load(b), b1 = vf_load(b + RIN_VF);
        for (int i = 0; i < mr; i++) {
            vf x = vf_splat(a[i * row]);
            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
        a += step;
        b += ldb;
    }
    for (int i = 0; i < mr; i++) {
        vf_store(tile + i * GEMM_COLS, sum[i][0]);
        vf_store(tile + i * GEMM_COLS + RIN_VF, sum[i][1]);
    }
}

/* EACH(1) EACH(2) ... for every height of a tile: one function a height keeps the sums in registers. */
#if RIN_VECTOR_BYTES == 64
#define RIN_TILE_HEIGHTS(EACH) \
    EACH(1) EACH(2) EACH(3) EACH(4) EACH(5) EACH(6) EACH(7) EACH(8) EACH(9) EACH(10) EACH(11) EACH(12)
#else
#define RIN_TILE_HEIGHTS(EACH) EACH(1) EACH(2) EACH(3) EACH(4) EACH(5) EACH(6)
#endif

enum { GEMM_AHEAD = 4 }; /* rows of a K-major factor between prefetch and use */

/* Asks for n floats that are read soon: rows lie too far apart for the hardware to guess the next one. */
RIN_INLINE void rin_prefetch(const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(from + i);
}

/* Columns n and rows k of B in panels [k][GEMM_COLS], `distance` floats from one to the next; missing columns are 0. */
void RIN_KERNEL(gemm_panels)(const rin_gemm *gemm, rin_extent n, rin_extent k, int64_t distance, float *panels);

/* The rectangle of rows m and columns n that is this thread's: the team lies over C as the grid that finishes first. */
void RIN_KERNEL(gemm_share)(const rin_gemm *gemm, const rin_team *team, rin_extent *m, rin_extent *n);

/* ---- the product with a K-major A (gemm_by_k.c) ---- */

size_t RIN_KERNEL(gemm_by_k_scratch)(const rin_gemm *gemm, int threads);
/* The rectangle m x n of C. */
void RIN_KERNEL(gemm_by_k)(const rin_gemm *gemm, rin_extent m, rin_extent n, int thread);

#endif
