/* SPDX-License-Identifier: MIT */
/* The packed matrix product: cache blocks, packing, register tiles, and the product of few rows without packing. */
#include "backend/cpu/kernels/gemm.h"

/*
 * The team is laid over C as a grid; each thread works alone in its rectangle:
 *
 *   for up to BLOCK_COLS columns, for up to BLOCK_ROWS rows          (their sums, as tiles: in L3)
 *     for up to BLOCK_K of K               pack B into panels [k][GEMM_COLS]           in L2
 *       for up to SLICE_ROWS rows          pack A into strips of GEMM_ROWS rows        in L2
 *         for each panel                                                               in L1
 *           for each strip                 tile += strip panel, all of the tile        in registers
 *       the last block of K hands each tile to finish()
 *
 * Strips of a row-major A keep its order (row after row, with a stride that spreads over the cache's sets); of a
 * K-major A they are [k][GEMM_ROWS].
 * With few rows the packing of B would not pay: then a K-major B is used in place, and for a B stored (N, K) every
 * element of C is a dot product of two contiguous rows.
 * Share of a register tile's speed on data in the first cache, on one core with AVX2, packing and storing included:
 * 90% of products with 128 and more rows, columns and K; 80% with K = 64; 70% with 16 rows; 45% with K = 12. On one
 * core with AVX-512, of 167 GFLOP/s that its multiply-adds reach without memory: 87 to 91% of products with 1000 rows
 * and 256 and more columns and K, of which packing A takes 3 to 6%, packing B 1 to 2.5%, and storing 3 to 4%.
 */
enum {
    BLOCK_ROWS = RIN_VECTOR_BYTES == 64 ? 1152 : 576, /* a multiple of SLICE_ROWS, as that is of GEMM_ROWS */
    SLICE_ROWS = 96,
    BLOCK_COLS = 512, /* a multiple of GEMM_COLS */
    BLOCK_K = 256,
    STRIP_STRIDE = BLOCK_K + 16, /* of the rows of a strip */
    STRIP = GEMM_ROWS * STRIP_STRIDE,
    AHEAD = 4,            /* rows between prefetch and use */
    DOT_ROWS = GEMM_ROWS, /* up to here: dot products */
    IN_PLACE_ROWS = 4 * GEMM_ROWS
};

typedef struct extent {
    int64_t begin, end;
} extent;

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* ---- register tiles ---- */

/* tile[mr][GEMM_COLS] = A B, or += when more. (i, p) of A is a[i * row + p * step], row p of B is at b + p * ldb. */
RIN_INLINE void tile_sum(int mr, const float *a, int64_t row, int64_t step, const float *b, int64_t ldb, int64_t k,
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

typedef void (*sum_function)(const float *a, const float *b, int64_t ldb, int64_t k, float *tile, bool more);
typedef void (*dot_function)(const float *a, int64_t lda, const float *b0, const float *b1, int64_t k, float *tile);

/* One function a height, so that the sums stay in registers. */
#define HEIGHT(mr)                                                                                                \
    static void sum_rows_##mr(const float *a, const float *b, int64_t ldb, int64_t k, float *tile, bool more) {   \
        if (more) tile_sum(mr, a, STRIP_STRIDE, 1, b, ldb, k, tile, true);                                        \
        else tile_sum(mr, a, STRIP_STRIDE, 1, b, ldb, k, tile, false);                                            \
    }                                                                                                             \
    static void sum_by_k_##mr(const float *a, const float *b, int64_t ldb, int64_t k, float *tile, bool more) {   \
        if (more) tile_sum(mr, a, 1, GEMM_ROWS, b, ldb, k, tile, true);                                           \
        else tile_sum(mr, a, 1, GEMM_ROWS, b, ldb, k, tile, false);                                               \
    }                                                                                                             \
    static void dot_##mr(const float *a, int64_t lda, const float *b0, const float *b1, int64_t k, float *tile) { \
        tile_dot(mr, a, lda, b0, b1, k, tile);                                                                    \
    }
HEIGHT(1)
HEIGHT(2) HEIGHT(3) HEIGHT(4) HEIGHT(5) HEIGHT(6)
#if RIN_VECTOR_BYTES == 64
    HEIGHT(7) HEIGHT(8) HEIGHT(9) HEIGHT(10) HEIGHT(11) HEIGHT(12)
#define HEIGHTS(f) f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12)
#else
#define HEIGHTS(f) f(1), f(2), f(3), f(4), f(5), f(6)
#endif

#define SUM_ROWS(mr) sum_rows_##mr
#define SUM_BY_K(mr) sum_by_k_##mr
#define DOT(mr) dot_##mr
        static const sum_function sum_functions[2][GEMM_ROWS] = {{HEIGHTS(SUM_ROWS)}, {HEIGHTS(SUM_BY_K)}};
static const dot_function dot_functions[GEMM_ROWS] = {HEIGHTS(DOT)};

/* ---- packing ---- */

/* Asks for n floats that are read soon: rows lie too far apart for the hardware to guess the next one. */
RIN_INLINE void prefetch(const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(from + i);
}

RIN_INLINE void copy(float *to, const float *from, int64_t n) {
    int64_t i = 0;
    for (; i + RIN_VF <= n; i += RIN_VF) vf_store(to + i, vf_load(from + i));
    for (; i < n; i++) to[i] = from[i];
}

/* Rows [m0, m1) and [k0, k1) of K of A into strips, STRIP floats apart. */
static void pack_a(const rin_gemm *gemm, int64_t m0, int64_t m1, int64_t k0, int64_t k1, float *to) {
    if (!gemm->a_by_k) {
        for (int64_t i = m0; i < m1; i++) {
            if (i + AHEAD < m1) prefetch(gemm->a + (i + AHEAD) * gemm->lda + k0, k1 - k0);
            copy(to + (i - m0) * STRIP_STRIDE, gemm->a + i * gemm->lda + k0, k1 - k0);
        }
        return;
    }
    for (int64_t p = k0; p < k1; p++) {
        const float *from = gemm->a + p * gemm->lda + m0;
        if (p + AHEAD < k1) prefetch(from + AHEAD * gemm->lda, m1 - m0);
        float *strip = to + (p - k0) * GEMM_ROWS;
        int64_t left = m1 - m0;
        for (; left >= GEMM_ROWS; left -= GEMM_ROWS, from += GEMM_ROWS, strip += STRIP) {
            memcpy(strip, from, GEMM_ROWS * sizeof(float));
        }
        if (left) memcpy(strip, from, (size_t)left * sizeof(float));
    }
}

/* cols columns from n0 of a B stored (N, K) into one panel [k1 - k0][GEMM_COLS]; missing columns are 0. */
static void pack_panel_transposed(const rin_gemm *gemm, int64_t n0, int64_t cols, int64_t k0, int64_t k1, float *to) {
    for (int64_t j = 0; j < GEMM_COLS; j += RIN_VF) {
        const float *from = gemm->b + (n0 + j) * gemm->ldb;
        bool ahead = n0 + j + 2 * RIN_VF <= gemm->n;
        for (int64_t p = k0; p < k1; p += RIN_VF) {
            /* A line of the next vector of columns for each that is read now. */
            for (int i = 0; ahead && i < RIN_VF; i++) __builtin_prefetch(from + (RIN_VF + i) * gemm->ldb + p);
            vf_transpose_block(from + p, gemm->ldb, cols - j, k1 - p, to + (p - k0) * GEMM_COLS + j, GEMM_COLS);
        }
    }
}

/* Columns [n0, n1) and [k0, k1) of K of a B stored (K, N) into panels, one after another. */
static void pack_b_by_k(const rin_gemm *gemm, int64_t n0, int64_t n1, int64_t k0, int64_t k1, float *to) {
    int64_t panel = (k1 - k0) * GEMM_COLS;
    for (int64_t p = k0; p < k1; p++) {
        const float *from = gemm->b + p * gemm->ldb;
        if (p + AHEAD < k1) prefetch(from + AHEAD * gemm->ldb + n0, n1 - n0);
        float *row = to + (p - k0) * GEMM_COLS;
        int64_t j = n0;
        for (; j + GEMM_COLS <= n1; j += GEMM_COLS, row += panel) {
            vf_store(row, vf_load(from + j));
            vf_store(row + RIN_VF, vf_load(from + j + RIN_VF));
        }
        if (j < n1) {
            memset(row, 0, GEMM_COLS * sizeof(float));
            memcpy(row, from + j, (size_t)(n1 - j) * sizeof(float));
        }
    }
}

/* ---- the split over threads, and what each needs ---- */

static extent share_of(int index, int count, int64_t n, int64_t grain) {
    extent share;
    rin_team_share(&(rin_team){.index = index, .count = count}, n, grain, &share.begin, &share.end);
    return share;
}

/* Threads along the rows of the grid that finishes first; the others lie along the columns. */
static int grid_rows(const rin_gemm *gemm, int threads) {
    int64_t strips = ceil_div(gemm->m, GEMM_ROWS), panels = ceil_div(gemm->n, GEMM_COLS);
    double best = INFINITY;
    int best_rows = 1;
    for (int rows = 1; rows <= threads; rows++) {
        if (threads % rows) continue;
        double high = (double)ceil_div(strips, rows) * GEMM_ROWS;
        double wide = (double)ceil_div(panels, threads / rows) * GEMM_COLS;
        /* Vector operations per element of K: the product; packing of B and of A. */
        double cost = high * wide / RIN_VF + wide * (gemm->b_by_k ? 0.4 : 0.8) + high * 0.3;
        if (cost < best) {
            best = cost;
            best_rows = rows;
        }
    }
    return best_rows;
}

static bool is_dot(const rin_gemm *gemm) {
    return gemm->m <= DOT_ROWS && !gemm->a_by_k && !gemm->b_by_k;
}

/* Floats of a thread's scratch: strips of A, panels of B, tiles. */
enum { A_FLOATS = SLICE_ROWS * STRIP_STRIDE, B_FLOATS = BLOCK_K * BLOCK_COLS };

static size_t thread_floats(const rin_gemm *gemm) {
    int64_t rows = RIN_MIN(BLOCK_ROWS, ceil_div(gemm->m, GEMM_ROWS) * GEMM_ROWS);
    return A_FLOATS + B_FLOATS + (size_t)rows * BLOCK_COLS;
}

size_t RIN_KERNEL(gemm_scratch)(const rin_gemm *gemm, int threads) {
    return is_dot(gemm) ? 0 : thread_floats(gemm) * sizeof(float) * (size_t)threads;
}

/* ---- the loops ---- */

/* The part of [at, all.end) that a block of so many holds. */
static extent block_at(extent all, int64_t at, int64_t size) {
    return (extent){at, RIN_MIN(all.end, at + size)};
}

/* A thread's pointers into the scratch. */
typedef struct workspace {
    float *strips, *panels, *tiles;
} workspace;

static bool is_in_place(const rin_gemm *gemm) {
    return gemm->b_by_k && gemm->m <= IN_PLACE_ROWS;
}

/* Panels of columns n; whole ones are left out where B is used in place. */
static void pack_b(const rin_gemm *gemm, extent n, extent k, float *panels) {
    int64_t panel = (k.end - k.begin) * GEMM_COLS;
    if (gemm->b_by_k) {
        int64_t whole = is_in_place(gemm) ? (n.end - n.begin) / GEMM_COLS : 0;
        pack_b_by_k(gemm, n.begin + whole * GEMM_COLS, n.end, k.begin, k.end, panels + whole * panel);
        return;
    }
    for (int64_t j = n.begin; j < n.end; j += GEMM_COLS, panels += panel) {
        pack_panel_transposed(gemm, j, RIN_MIN(GEMM_COLS, n.end - j), k.begin, k.end, panels);
    }
}

/* Adds a block of K to the tiles of a slice of rows. */
static void multiply_slice(const rin_gemm *gemm, extent m, extent n, extent k, const workspace *work, float *tiles) {
    int64_t n_strips = ceil_div(m.end - m.begin, GEMM_ROWS), length = k.end - k.begin;
    bool first = k.begin == 0, last = k.end == gemm->k, in_place = is_in_place(gemm);
    pack_a(gemm, m.begin, m.end, k.begin, k.end, work->strips);
    const float *panel = work->panels;
    for (int64_t col = n.begin; col < n.end; col += GEMM_COLS, panel += length * GEMM_COLS) {
        int cols = (int)RIN_MIN(GEMM_COLS, n.end - col);
        bool direct = in_place && cols == GEMM_COLS;
        const float *b = direct ? gemm->b + k.begin * gemm->ldb + col : panel;
        int64_t ldb = direct ? gemm->ldb : GEMM_COLS;
        for (int64_t i = 0; i < n_strips; i++) {
            int64_t row = m.begin + i * GEMM_ROWS;
            int rows = (int)RIN_MIN(GEMM_ROWS, m.end - row);
            sum_functions[gemm->a_by_k][rows - 1](work->strips + i * STRIP, b, ldb, length, tiles, !first);
            if (last) gemm->finish(gemm->context, row, col, rows, cols, tiles);
            if (!first || !last) tiles += GEMM_TILE;
        }
    }
}

/* A block of C, at most BLOCK_ROWS x BLOCK_COLS. */
static void multiply_block(const rin_gemm *gemm, extent m, extent n, const workspace *work) {
    int64_t width = ceil_div(n.end - n.begin, GEMM_COLS) * GEMM_COLS;
    int64_t step = ceil_div(gemm->k, ceil_div(gemm->k, BLOCK_K)); /* blocks of K are of about equal length */
    for (int64_t at = 0; at < gemm->k; at += step) {
        extent k = {at, RIN_MIN(gemm->k, at + step)};
        pack_b(gemm, n, k, work->panels);
        for (int64_t row = m.begin; row < m.end; row += SLICE_ROWS) {
            float *tiles = work->tiles + (row - m.begin) * width;
            multiply_slice(gemm, block_at(m, row, SLICE_ROWS), n, k, work, tiles);
        }
    }
}

static void multiply_dot(const rin_gemm *gemm, extent m, extent n) {
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

void RIN_KERNEL(gemm)(const rin_gemm *gemm, const rin_team *team) {
    int rows = grid_rows(gemm, team->count);
    extent m = share_of(team->index % rows, rows, gemm->m, GEMM_ROWS);
    extent n = share_of(team->index / rows, team->count / rows, gemm->n, GEMM_COLS);
    if (is_dot(gemm)) {
        multiply_dot(gemm, m, n);
        return;
    }
    float *scratch = gemm->scratch + (size_t)team->index * thread_floats(gemm);
    workspace work = {scratch, scratch + A_FLOATS, scratch + A_FLOATS + B_FLOATS};
    /* Blocks of rows are of about equal height: B is packed anew for each. */
    int64_t blocks = RIN_MAX(1, ceil_div(m.end - m.begin, BLOCK_ROWS));
    int64_t high = ceil_div(ceil_div(m.end - m.begin, blocks), GEMM_ROWS) * GEMM_ROWS;
    for (int64_t col = n.begin; col < n.end; col += BLOCK_COLS) {
        for (int64_t row = m.begin; row < m.end; row += high) {
            multiply_block(gemm, block_at(m, row, high), block_at(n, col, BLOCK_COLS), &work);
        }
    }
}
