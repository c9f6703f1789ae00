/* SPDX-License-Identifier: MIT */
/* Panels of B, and the split of a product over threads. */
#include "backend/cpu/kernels/gemm_parts.h"

/* cols columns from n0 of a B stored (N, K) into one panel; missing columns are 0. */
static void pack_transposed(const rin_gemm *gemm, int64_t n0, int64_t cols, rin_extent k, float *to) {
    for (int64_t j = 0; j < GEMM_COLS; j += RIN_VF) {
        const float *from = gemm->b + (n0 + j) * gemm->ldb;
        bool ahead = n0 + j + 2 * RIN_VF <= gemm->n;
        for (int64_t p = k.begin; p < k.end; p += RIN_VF) {
            /* A line of the next vector of columns for each that is read now. */
            for (int i = 0; ahead && i < RIN_VF; i++) __builtin_prefetch(from + (RIN_VF + i) * gemm->ldb + p);
            vf_transpose_block(from + p, gemm->ldb, cols - j, k.end - p, to + (p - k.begin) * GEMM_COLS + j, GEMM_COLS);
        }
    }
}

static void pack_by_k(const rin_gemm *gemm, rin_extent n, rin_extent k, int64_t distance, float *to) {
    for (int64_t p = k.begin; p < k.end; p++) {
        const float *from = gemm->b + p * gemm->ldb;
        if (p + GEMM_AHEAD < k.end) rin_prefetch(from + GEMM_AHEAD * gemm->ldb + n.begin, n.end - n.begin);
        float *row = to + (p - k.begin) * GEMM_COLS;
        int64_t j = n.begin;
        for (; j + GEMM_COLS <= n.end; j += GEMM_COLS, row += distance) {
            vf_store(row, vf_load(from + j));
            vf_store(row + RIN_VF, vf_load(from + j + RIN_VF));
        }
        if (j < n.end) {
            memset(row, 0, GEMM_COLS * sizeof(float));
            memcpy(row, from + j, (size_t)(n.end - j) * sizeof(float));
        }
    }
}

void RIN_KERNEL(gemm_panels)(const rin_gemm *gemm, rin_extent n, rin_extent k, int64_t distance, float *panels) {
    if (gemm->b_by_k) {
        pack_by_k(gemm, n, k, distance, panels);
        return;
    }
    for (int64_t j = n.begin; j < n.end; j += GEMM_COLS, panels += distance) {
        pack_transposed(gemm, j, RIN_MIN(GEMM_COLS, n.end - j), k, panels);
    }
}

void RIN_KERNEL(gemm_pack)(const rin_gemm *gemm, float *panels, const rin_team *team) {
    rin_extent n;
    rin_team_share(team, gemm->n, GEMM_COLS, &n.begin, &n.end);
    RIN_KERNEL(gemm_panels)(gemm, n, (rin_extent){0, gemm->k}, gemm->k * GEMM_COLS, panels + n.begin * gemm->k);
}

/* Threads along the rows of the grid over C that finishes first; the others lie along the columns. */
static int grid_rows(const rin_gemm *gemm, int threads) {
    int64_t strips = rin_ceil_div(gemm->m, GEMM_ROWS), panels = rin_ceil_div(gemm->n, GEMM_COLS);
    /* Vector operations per element of K: those of the product, of packing B, of bringing A near. */
    double per_packed = gemm->b_by_k ? 0.4 : 0.8, per_col = gemm->b_packed ? 0.1 : per_packed;
    double per_row = gemm->a_by_k ? 0.3 : 0.1, best = INFINITY;
    int best_rows = 1;
    for (int rows = 1; rows <= threads; rows++) {
        if (threads % rows) continue;
        double high = (double)rin_ceil_div(strips, rows) * GEMM_ROWS;
        double wide = (double)rin_ceil_div(panels, threads / rows) * GEMM_COLS;
        double cost = high * wide / RIN_VF + wide * per_col + high * per_row;
        if (cost < best) {
            best = cost;
            best_rows = rows;
        }
    }
    return best_rows;
}

static rin_extent share_of(int index, int count, int64_t n, int64_t grain) {
    rin_extent share;
    rin_team_share(&(rin_team){.index = index, .count = count}, n, grain, &share.begin, &share.end);
    return share;
}

void RIN_KERNEL(gemm_share)(const rin_gemm *gemm, const rin_team *team, rin_extent *m, rin_extent *n) {
    int rows = grid_rows(gemm, team->count);
    *m = share_of(team->index % rows, rows, gemm->m, GEMM_ROWS);
    *n = share_of(team->index / rows, team->count / rows, gemm->n, GEMM_COLS);
}
