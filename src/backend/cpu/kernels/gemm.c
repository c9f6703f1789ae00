/* SPDX-License-Identifier: MIT */
/* The product with a row-major A, which is read where it lies: y of a linear layer, and dx. */
#include "backend/cpu/kernels/gemm_parts.h"

/*
 * Each thread works alone in its rectangle of C:
 *
 *   for up to BLOCK_FLOATS of B: pack panels [K][GEMM_COLS], unless B comes packed     in L2
 *     for each GEMM_ROWS rows of A                                                     in L1 or L2
 *       for each panel
 *         tile = rows panel, all of K                                                  in registers
 *         finish(tile)
 *
 * With few rows the packing of B would not pay: then a K-major B is used in place, and for a B stored (N, K) every
 * element of C is a dot product of two contiguous rows.
 * Share of what the multiply-adds reach without memory, on one core with AVX-512 (167 GFLOP/s, 145 in slow minutes):
 * with a packed B 95 to 100% of products of 32 to 256 rows, 90 to 95% of larger ones. Packing B takes a third of the
 * time of a product with 32 rows, a fifth with 128, 2 to 4% with 2048.
 */
enum {
    BLOCK_FLOATS = (RIN_VECTOR_BYTES == 64 ? 768 : 192) * 1024 / (int)sizeof(float),
    DOT_ROWS = GEMM_ROWS, /* up to here: dot products */
    IN_PLACE_ROWS = 4 * GEMM_ROWS
};

/* ---- dot products ---- */

/* tile[mr][2 of GEMM_COLS] = dot products of mr rows of A with two rows of B. */
RIN_INLINE void tile_dot(int mr, const float *a, int64_t lda, const float *b0, const float *b1, int64_t k,
                         float *tile) {
    vf sum[GEMM_ROWS][2];
    for (int i = 0; i < mr; i++) sum[i][0] = sum[i][1] = (vf){0};
    int64_t p = 0;
    for (; p + RIN_VF <= k; p += RIN_VF) {
        vf x0 = vf_load(b0 + p), x1 = vf_load(b1 + p);
        for (int i = 0; i < mr; i++) {
            vf y = vf_load(a + i * lda + p);
            sum[i][0] += y * x0;
            sum[i][1] += y * x1;
        }
    }
    if (p < k) {
        vf x0 = vf_load_part(b0 + p, k - p), x1 = vf_load_part(b1 + p, k - p);
        for (int i = 0; i < mr; i++) {
            vf y = vf_load_part(a + i * lda + p, k - p);
            sum[i][0] += y * x0;
            sum[i][1] += y * x1;
        }
    }
    for (int i = 0; i < mr; i++) {
        tile[i * GEMM_COLS] = vf_sum(sum[i][0]);
        tile[i * GEMM_COLS + 1] = vf_sum(sum[i][1]);
    }
}

#define DOT(mr)                                                                                                   \
    static void dot_##mr(const float *a, int64_t lda, const float *b0, const float *b1, int64_t k, float *tile) { \
        tile_dot(mr, a, lda, b0, b1, k, tile);                                                                    \
    }
RIN_TILE_HEIGHTS(DOT)

typedef void (*dot_function)(const float *a, int64_t lda, const float *b0, const float *b1, int64_t k, float *tile);
#define DOT_NAME(mr) dot_##mr,
static const dot_function dot_functions[GEMM_ROWS] = {RIN_TILE_HEIGHTS(DOT_NAME)};

static void multiply_dot(const rin_gemm *gemm, rin_extent m, rin_extent n) {
    _Alignas(64) float tile[GEMM_TILE] = {0};
    for (int64_t col = n.begin; col < n.end; col += GEMM_COLS) {
        int cols = (int)RIN_MIN(GEMM_COLS, n.end - col);
        for (int64_t row = m.begin; row < m.end; row += GEMM_ROWS) {
            int rows = (int)RIN_MIN(GEMM_ROWS, m.end - row);
            for (int j = 0; j < cols; j += 2) {
                const float *b0 = gemm->b + (col + j) * gemm->ldb, *b1 = j + 1 < cols ? b0 + gemm->ldb : b0;
                dot_functions[rows - 1](gemm->a + row * gemm->lda, gemm->lda, b0, b1, gemm->k, tile + j);
            }
            gemm->finish(gemm->context, row, col, rows, cols, tile);
        }
    }
}

static bool is_dot(const rin_gemm *gemm) {
    return gemm->m <= DOT_ROWS && !gemm->b_by_k && !gemm->b_packed;
}

static bool is_in_place(const rin_gemm *gemm) {
    return gemm->b_by_k && gemm->m <= IN_PLACE_ROWS;
}

/* ---- panels ---- */

#define SUM(mr)                                                                                              \
    static void sum_##mr(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t k, float *tile) { \
        if (ldb == GEMM_COLS) rin_tile_sum(mr, a, lda, 1, b, GEMM_COLS, k, tile, false);                     \
        else rin_tile_sum(mr, a, lda, 1, b, ldb, k, tile, false);                                            \
    }
RIN_TILE_HEIGHTS(SUM)

typedef void (*sum_function)(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t k, float *tile);
#define SUM_NAME(mr) sum_##mr,
static const sum_function sum_functions[GEMM_ROWS] = {RIN_TILE_HEIGHTS(SUM_NAME)};

/* The block of columns n: those before `stored` are used where they lie, panels from the first of n on are at b. Strips
 * of A stay in the first cache, or in the second, for all of it. */
static void multiply_block(const rin_gemm *gemm, rin_extent m, rin_extent n, int64_t stored, const float *b) {
    _Alignas(64) float tile[GEMM_TILE];
    for (int64_t row = m.begin; row < m.end; row += GEMM_ROWS) {
        int rows = (int)RIN_MIN(GEMM_ROWS, m.end - row);
        const float *a = gemm->a + row * gemm->lda;
        for (int64_t col = n.begin; col < n.end; col += GEMM_COLS) {
            int cols = (int)RIN_MIN(GEMM_COLS, n.end - col);
            const float *from = col < stored ? gemm->b + col : b + (col - n.begin) * gemm->k;
            int64_t ldb = col < stored ? gemm->ldb : GEMM_COLS;
            sum_functions[rows - 1](a, gemm->lda, from, ldb, gemm->k, tile);
            gemm->finish(gemm->context, row, col, rows, cols, tile);
        }
    }
}

/* ---- the whole product ---- */

/* Columns of B that are packed at a time. */
static int64_t block_cols(const rin_gemm *gemm) {
    int64_t panels = RIN_MIN(BLOCK_FLOATS / gemm->k / GEMM_COLS, rin_ceil_div(gemm->n, GEMM_COLS));
    return RIN_MAX(1, panels) * GEMM_COLS;
}

size_t RIN_KERNEL(gemm_scratch)(const rin_gemm *gemm, int threads) {
    if (gemm->a_by_k) return RIN_KERNEL(gemm_by_k_scratch)(gemm, threads);
    if (is_dot(gemm) || gemm->b_packed) return 0;
    return (size_t)(block_cols(gemm) * gemm->k * threads) * sizeof(float);
}

void RIN_KERNEL(gemm)(const rin_gemm *gemm, const rin_team *team) {
    rin_extent m = {0, gemm->m}, n = {0, gemm->n};
    RIN_KERNEL(gemm_share)(gemm, team, &m, &n);
    if (gemm->a_by_k) {
        RIN_KERNEL(gemm_by_k)(gemm, m, n, team->index);
        return;
    }
    if (is_dot(gemm)) {
        multiply_dot(gemm, m, n);
        return;
    }
    int64_t step = block_cols(gemm);
    float *packed = gemm->b_packed ? NULL : gemm->scratch + (int64_t)team->index * step * gemm->k;
    for (int64_t col = n.begin; col < n.end; col += step) {
        rin_extent block = rin_block_at(n, col, step), packing = block;
        if (gemm->b_packed) {
            multiply_block(gemm, m, block, 0, gemm->b + col * gemm->k);
            continue;
        }
        if (is_in_place(gemm)) packing.begin += (block.end - col) / GEMM_COLS * GEMM_COLS; /* whole panels need none */
        float *panels = packed + (packing.begin - col) * gemm->k;
        RIN_KERNEL(gemm_panels)(gemm, packing, (rin_extent){0, gemm->k}, gemm->k * GEMM_COLS, panels);
        multiply_block(gemm, m, block, packing.begin, packed);
    }
}
