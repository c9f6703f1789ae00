/* SPDX-License-Identifier: MIT */
/* The packed matrix product behind the linear kernels: every thread of a team makes one rectangle of the result. */
#ifndef RIN_BACKEND_CPU_GEMM_H
#define RIN_BACKEND_CPU_GEMM_H

#include "backend/cpu/vec.h"
#include "backend/kernel.h"

/* The register tile, GEMM_ROWS x GEMM_COLS: as many sums as the registers hold beside two vectors of B and one of A. */
enum { GEMM_ROWS = RIN_VECTOR_BYTES == 64 ? 12 : 6, GEMM_COLS = 2 * RIN_VF, GEMM_TILE = GEMM_ROWS * GEMM_COLS };

/* Takes a finished tile, [rows][GEMM_COLS] of which cols columns are part of the result, at (row, col) of C. Called
 * once for every element of C, by the thread that summed it. */
typedef void (*rin_gemm_finish)(const void *context, int64_t row, int64_t col, int rows, int cols, const float *tile);

/* C (M, N) = A (M, K) B (K, N); the sum over K runs in the same order for any number of threads. */
typedef struct rin_gemm {
    int64_t m, n, k;
    const float *a, *b;
    bool a_by_k;   /* a is stored (K, M), else (M, K); lda is the distance between its stored rows */
    bool b_by_k;   /* b is stored (K, N), else (N, K); ldb likewise */
    bool b_packed; /* b is what rin_gemm_pack made of one stored (N, K); a is not by K */
    int64_t lda, ldb;
    rin_gemm_finish finish;
    const void *context;
    float *scratch; /* aligned, of rin_gemm_scratch bytes */
} rin_gemm;

/* Only m, n, k, a_by_k, b_by_k and b_packed need be set. */
size_t RIN_KERNEL(gemm_scratch)(const rin_gemm *gemm, int threads);
/* Called by every thread of the team, which may wait for each other. */
void RIN_KERNEL(gemm)(const rin_gemm *gemm, const rin_team *team);

/* b of gemm, not by K, in panels [ceil(N / GEMM_COLS)][K][GEMM_COLS]; missing columns are 0. Called by every thread. */
void RIN_KERNEL(gemm_pack)(const rin_gemm *gemm, float *panels, const rin_team *team);

#endif
