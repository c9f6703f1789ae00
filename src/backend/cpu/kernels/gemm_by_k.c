/* SPDX-License-Identifier: MIT */
/* The product with a K-major A and B, which sums over a whole batch: dW of a linear layer. */
#include "backend/cpu/kernels/gemm_parts.h"

/*
 * Each thread works alone in its rectangle of C:
 *
 *   for up to BLOCK_COLS columns, for up to BLOCK_ROWS rows          (their sums, as tiles: in L3)
 *     for up to BLOCK_K of K               pack B into panels [k][GEMM_COLS]              in L2
 *       for up to SLICE_ROWS rows          pack A into strips [k][GEMM_ROWS]              in L2
 *         for each panel                                                                  in L1
 *           for each strip                 tile += strip panel, all of the block of K     in registers
 *       the last block of K hands each tile to finish()
 *
 * Share of what the multiply-adds reach without memory, on one core with AVX-512: 87 to 91% of products with 1000 rows
 * and 256 and more columns and K, of which packing A takes 3 to 6%, packing B 1 to 2.5%, and storing 3 to 4%.
 */
enum {
    BLOCK_ROWS = RIN_VECTOR_BYTES == 64 ? 1152 : 576, /* a multiple of SLICE_ROWS, as that is of GEMM_ROWS */
    SLICE_ROWS = 96,
    BLOCK_COLS = 512, /* a multiple of GEMM_COLS */
    BLOCK_K = 256,
    STRIP = GEMM_ROWS * BLOCK_K,
    /* Floats of a thread's scratch: strips of A, panels of B; tiles come behind them. */
    A_FLOATS = SLICE_ROWS * BLOCK_K,
    B_FLOATS = BLOCK_K * BLOCK_COLS
};

#define SUM(mr)                                                                               \
    static void sum_##mr(const float *a, const float *b, int64_t k, float *tile, bool more) { \
        if (more) rin_tile_sum(mr, a, 1, GEMM_ROWS, b, GEMM_COLS, k, tile, true);             \
        else rin_tile_sum(mr, a, 1, GEMM_ROWS, b, GEMM_COLS, k, tile, false);                 \
    }
RIN_TILE_HEIGHTS(SUM)

typedef void (*sum_function)(const float *a, const float *b, int64_t k, float *tile, bool more);
#define SUM_NAME(mr) sum_##mr,
static const sum_function sum_functions[GEMM_ROWS] = {RIN_TILE_HEIGHTS(SUM_NAME)};

/* Rows m and part k of K of A into strips, STRIP floats apart. */
static void pack_a(const rin_gemm *gemm, rin_extent m, rin_extent k, float *to) {
    for (int64_t p = k.begin; p < k.end; p++) {
        const float *from = gemm->a + p * gemm->lda + m.begin;
        if (p + GEMM_AHEAD < k.end) rin_prefetch(from + GEMM_AHEAD * gemm->lda, m.end - m.begin);
        float *strip = to + (p - k.begin) * GEMM_ROWS;
        int64_t left = m.end - m.begin;
        for (; left >= GEMM_ROWS; left -= GEMM_ROWS, from += GEMM_ROWS, strip += STRIP) {
            memcpy(strip, from, GEMM_ROWS * sizeof(float));
        }
        if (left) memcpy(strip, from, (size_t)left * sizeof(float));
    }
}

/* A thread's pointers into the scratch. */
typedef struct workspace {
    float *strips, *panels, *tiles;
} workspace;

static size_t thread_floats(const rin_gemm *gemm) {
    int64_t rows = RIN_MIN(BLOCK_ROWS, rin_ceil_div(gemm->m, GEMM_ROWS) * GEMM_ROWS);
    return A_FLOATS + B_FLOATS + (size_t)rows * BLOCK_COLS;
}

size_t RIN_KERNEL(gemm_by_k_scratch)(const rin_gemm *gemm, int threads) {
    return thread_floats(gemm) * sizeof(float) * (size_t)threads;
}

/* Adds a block of K to the tiles of a slice of rows. */
static void multiply_slice(const rin_gemm *gemm, rin_extent m, rin_extent n, rin_extent k, const workspace *work,
                           float *tiles) {
    int64_t n_strips = rin_ceil_div(m.end - m.begin, GEMM_ROWS), length = k.end - k.begin;
    bool first = k.begin == 0, last = k.end == gemm->k;
    pack_a(gemm, m, k, work->strips);
    const float *panel = work->panels;
    for (int64_t col = n.begin; col < n.end; col += GEMM_COLS, panel += length * GEMM_COLS) {
        int cols = (int)RIN_MIN(GEMM_COLS, n.end - col);
        for (int64_t i = 0; i < n_strips; i++) {
            int64_t row = m.begin + i * GEMM_ROWS;
            int rows = (int)RIN_MIN(GEMM_ROWS, m.end - row);
            sum_functions[rows - 1](work->strips + i * STRIP, panel, length, tiles, !first);
            if (last) gemm->finish(gemm->context, row, col, rows, cols, tiles);
            if (!first || !last) tiles += GEMM_TILE;
        }
    }
}

/* A block of C, at most BLOCK_ROWS x BLOCK_COLS. */
static void multiply_block(const rin_gemm *gemm, rin_extent m, rin_extent n, const workspace *work) {
    int64_t width = rin_ceil_div(n.end - n.begin, GEMM_COLS) * GEMM_COLS;
    int64_t step = rin_ceil_div(gemm->k, rin_ceil_div(gemm->k, BLOCK_K)); /* blocks of K are of about equal length */
    for (int64_t at = 0; at < gemm->k; at += step) {
        rin_extent k = rin_block_at((rin_extent){0, gemm->k}, at, step);
        RIN_KERNEL(gemm_panels)(gemm, n, k, (k.end - k.begin) * GEMM_COLS, work->panels);
        for (int64_t row = m.begin; row < m.end; row += SLICE_ROWS) {
            float *tiles = work->tiles + (row - m.begin) * width;
            multiply_slice(gemm, rin_block_at(m, row, SLICE_ROWS), n, k, work, tiles);
        }
    }
}

void RIN_KERNEL(gemm_by_k)(const rin_gemm *gemm, rin_extent m, rin_extent n, int thread) {
    float *scratch = gemm->scratch + (size_t)thread * thread_floats(gemm);
    workspace work = {scratch, scratch + A_FLOATS, scratch + A_FLOATS + B_FLOATS};
    /* Blocks of rows are of about equal height: B is packed anew for each. */
    int64_t blocks = RIN_MAX(1, rin_ceil_div(m.end - m.begin, BLOCK_ROWS));
    int64_t high = rin_ceil_div(rin_ceil_div(m.end - m.begin, blocks), GEMM_ROWS) * GEMM_ROWS;
    for (int64_t col = n.begin; col < n.end; col += BLOCK_COLS) {
        for (int64_t row = m.begin; row < m.end; row += high) {
            multiply_block(gemm, rin_block_at(m, row, high), rin_block_at(n, col, BLOCK_COLS), &work);
        }
    }
}
