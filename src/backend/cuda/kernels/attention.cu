/* SPDX-License-Identifier: MIT */
/*
 * Attention and its gradient: scores live in registers only, softmax on the way (FlashAttention-2).
 *
 * For bf16 without dropout and heads of up to 64, tensor cores do the products. A warp owns one or two strips of 16
 * rows, a block's 4 warps share tiles of 64 of the other side's rows, copied to shared memory ahead of their use.
 * Memory is read once a block, mostly from the L2 cache, so it does not matter. By count of instructions, 16 x 64
 * scores of heads of 32, of two strips, take a multiprocessor 68 cycles to issue, 68 for the exponentials, 32 to read
 * shared memory and 32 to 64 for products. The gradient makes the scores twice, once for the keys (dK, dV) and once for
 * the queries (dQ): 7 products instead of 5, but sums stay in registers, in an order that does not change, without
 * atomics. One strip makes it read shared memory twice as much: it took about 15 % longer on an H200.
 *
 * attention_any.cu does everything else.
 */
#include "backend/cuda/kernels/attention.cuh"

#define LOG2_E 1.44269504088896341

enum {
    TILE = 64,               /* rows of the other side in shared memory */
    PAD = 8,                 /* elements, so that 8 rows' chunks of 16 bytes touch all banks */
    PREPARED = 32,           /* rows of a block of prepare, a lane's each */
    CHUNKS = 64,             /* of 8 columns, at most, of each of them */
    ENOUGH_BLOCKS = 2 * 132, /* of two strips a warp, which are half as many: two for each multiprocessor of an H100 */
};

/* That a multiprocessor runs, for as many registers as the kernels want: 128, 168 or 255 a thread. */
static constexpr int blocks_at_once(int columns) {
    return columns <= 32 ? 4 : columns <= 64 ? 3 : 2;
}

template <int DP> struct rooms {
    enum {
        TILES = DP <= 48 ? 3 : 2, /* a block with few of them waits for memory once, not for each; 48 KiB have to do */
        STRIP = 16 * (DP + 8)     /* floats */
    };
    static_assert(WARPS * STRIP * sizeof(float) <= TILES * 2 * TILE * (DP + PAD) * sizeof(uint16_t),
                  "tiles make way for results");

    __device__ static int after(int tile) {
        return tile + 1 == TILES ? 0 : tile + 1;
    }
};

/* ---- pieces, in the layouts of mma.m16n8k16 ---- */

__device__ static inline const uint16_t *head_of(rin_view v, const place &p, int rows, int inner) {
    return (const uint16_t *)v.data + (int64_t)p.example * rows * inner + p.column;
}

/* Starts to copy tiles of rows of both tensors, d of DP columns; the rest become zeros. */
template <int DP>
__device__ static inline void copy_tiles(uint16_t (*to)[TILE * (DP + PAD)], const uint16_t *from, const uint16_t *also,
                                         int inner, int rows, int d) {
#pragma unroll
    for (int i = 0; i < TILE * DP / 8 / THREADS; i++) {
        unsigned chunk = i * THREADS + threadIdx.x;
        int row = (int)(chunk / (DP / 8)), column = (int)(chunk % (DP / 8)) * 8;
        bool valid = row < rows && column < d;
        int at = valid ? row * inner + column : 0;
        rin_copy_async(to[0] + row * (DP + PAD) + column, from + at, valid);
        rin_copy_async(to[1] + row * (DP + PAD) + column, also + at, valid);
    }
}

/* The same for queries' numbers. Those beyond the end become zeros: their weights are 1, but their rows are zeros. */
__device__ static inline void copy_stats(float *to, const float *from, int rows) {
    int row = threadIdx.x * 2;
    if (row < TILE) rin_copy_async(to + 2 * row, row < rows ? from + 2 * row : from, row < rows);
}

/* 16 rows as a left factor. */
template <int DP>
__device__ static inline void load_strip(uint32_t to[DP / 16][4], const uint16_t *from, int inner, int rows, int d) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < DP / 16; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int row = lane / 4 + i % 2 * 8, column = k * 16 + i / 2 * 8;
            bool valid = row < rows && column < d;
            to[k][i] = valid ? *(const uint32_t *)(from + row * inner + column + lane % 4 * 2) : 0;
        }
    }
}

/* s (16 R x 8 COUNT) = strips * rows^T, over the head's width. */
template <int DP, int R, int COUNT>
__device__ static inline void times_rows(float s[R][COUNT][4], const uint32_t strips[R][DP / 16][4],
                                         const uint16_t *rows) {
    int lane = threadIdx.x % 32;
    rows += (lane / 16 * 8 + lane % 8) * (DP + PAD) + lane / 8 % 2 * 8;
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
        for (int j = 0; j < COUNT; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[r][j][e] = 0;
#pragma unroll
    for (int k = 0; k < DP / 16; k++) {
#pragma unroll
        for (int j = 0; j < COUNT; j += 2) {
            uint32_t b[4];
            rin_ldmatrix(b, rows + j * 8 * (DP + PAD) + k * 16);
#pragma unroll
            for (int r = 0; r < R; r++) {
                rin_mma(s[r][j], strips[r][k], b);
                rin_mma(s[r][j + 1], strips[r][k], b + 2);
            }
        }
    }
}

/* sums (16 R x DP) += p (16 R x 16) * 16 rows. */
template <int DP, int R>
__device__ static inline void add_rows(float sums[R][DP / 8][4], const uint32_t p[R][4], const uint16_t *rows) {
    int lane = threadIdx.x % 32;
    rows += lane % 16 * (DP + PAD) + lane / 16 * 8;
#pragma unroll
    for (int j = 0; j < DP / 8; j += 2) {
        uint32_t b[4];
        rin_ldmatrix_trans(b, rows + j * 8);
#pragma unroll
        for (int r = 0; r < R; r++) {
            rin_mma(sums[r][j], p[r], b);
            rin_mma(sums[r][j + 1], p[r], b + 2);
        }
    }
}

/* Scores from column `left` on get no weight. */
template <int R, int COUNT> __device__ static inline void hide_columns(float s[R][COUNT][4], int left) {
#pragma unroll
    for (int j = 0; j < COUNT; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
            if (j * 8 + (int)threadIdx.x % 4 * 2 + e < left) continue;
#pragma unroll
            for (int r = 0; r < R; r++) s[r][j][e] = s[r][j][e + 2] = -INFINITY;
        }
}

/* Two neighbouring 16 x 8 results as a 16 x 16 left factor. */
__device__ static inline void pack_strip(uint32_t to[4], const float left[4], const float right[4]) {
    to[0] = rin_pack(left[0], left[1]);
    to[1] = rin_pack(left[2], left[3]);
    to[2] = rin_pack(right[0], right[1]);
    to[3] = rin_pack(right[2], right[3]);
}

/* Writes 16 rows by way of this warp's room in shared memory, so that memory sees whole chunks of 8 columns. */
template <int DP>
__device__ static inline void store_strip(float *room, const float sums[DP / 8][4], float upper, float lower,
                                          rin_view to, int64_t at, int inner, int rows, int d, bool adds) {
    enum { WIDE = DP + 8 };
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < DP / 8; j++) {
        float *corner = room + lane / 4 * WIDE + j * 8 + lane % 4 * 2;
        *(float2 *)corner = make_float2(sums[j][0] * upper, sums[j][1] * upper);
        *(float2 *)(corner + 8 * WIDE) = make_float2(sums[j][2] * lower, sums[j][3] * lower);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < DP / 16; i++) {
        int chunk = i * 32 + lane, row = chunk / (DP / 8), column = chunk % (DP / 8) * 8;
        if (row >= rows || column >= d) continue;
        float x[8], old[8];
        rin_get8({room + row * WIDE + column, false}, 0, x);
        int64_t to_at = at + (int64_t)row * inner + column;
        if (adds) {
            rin_get8(to, to_at, old);
#pragma unroll
            for (int k = 0; k < 8; k++) x[k] += old[k];
        }
        rin_put8(to, to_at, x);
    }
    __syncwarp();
}

/* ---- forward ---- */

template <int DP, int R>
static __global__ void __launch_bounds__(THREADS, blocks_at_once(DP *R)) forward(rin_attention a, head_scale by) {
    enum { TILES = rooms<DP>::TILES };
    __shared__ __align__(16) uint16_t tiles[TILES][2][TILE * (DP + PAD)]; /* of keys and of values */
    int m = (int)a.m, n = (int)a.n, inner = (int)a.inner, d = by.width;
    int warp = rin_warp(), lane = threadIdx.x % 32;
    place p = place_of(a, d, m, WARPS * 16 * R);
    int first = p.first + warp * 16 * R;
    const uint16_t *q = head_of(a.q, p, m, inner) + (int64_t)first * inner;
    const uint16_t *k = head_of(a.k, p, n, inner), *v = head_of(a.v, p, n, inner);
    int copied = 0; /* rows copied, or being copied */
#pragma unroll
    for (int i = 0; i < TILES - 1; i++, copied += TILE, k += TILE * inner, v += TILE * inner) {
        if (copied < n) copy_tiles<DP>(tiles[i], k, v, inner, n - copied, d);
        rin_copy_commit();
    }

    /* most, total: of the row lane / 4 and the one 8 below; the total is this lane's part of it. */
    uint32_t queries[R][DP / 16][4];
    float sums[R][DP / 8][4], most[R][2], total[R][2];
#pragma unroll
    for (int r = 0; r < R; r++) {
        load_strip<DP>(queries[r], q + r * 16 * inner, inner, m - first - r * 16, d);
        most[r][0] = most[r][1] = -INFINITY;
        total[r][0] = total[r][1] = 0;
#pragma unroll
        for (int j = 0; j < DP / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) sums[r][j][e] = 0;
    }

    for (int start = 0, at = 0, to = TILES - 1; start < n; start += TILE, at = rooms<DP>::after(at)) {
        rin_copy_wait<TILES - 2>();
        __syncthreads(); /* the tile is here for all, and all are done with the one before */
        if (copied < n) copy_tiles<DP>(tiles[to], k, v, inner, n - copied, d);
        rin_copy_commit();
        copied += TILE, k += TILE * inner, v += TILE * inner, to = rooms<DP>::after(to);
        if (first >= m) continue;

        int left = n - start;
        float s[R][TILE / 8][4];
        times_rows<DP, R, TILE / 8>(s, queries, tiles[at][0]);
        if (left < TILE) hide_columns<R, TILE / 8>(s, left);
#pragma unroll
        for (int r = 0; r < R; r++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float top = most[r][half], sum = 0;
#pragma unroll
                for (int j = 0; j < TILE / 8; j++) top = fmaxf(top, fmaxf(s[r][j][2 * half], s[r][j][2 * half + 1]));
                top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
                top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
                float shift = top * by.unit, fix = rin_exp2(fmaf(most[r][half], by.unit, -shift));
                most[r][half] = top;
#pragma unroll
                for (int j = 0; j < TILE / 8; j++) {
#pragma unroll
                    for (int e = 2 * half; e < 2 * half + 2; e++) {
                        s[r][j][e] = rin_exp2(fmaf(s[r][j][e], by.unit, -shift));
                        sum += s[r][j][e];
                    }
                }
                total[r][half] = fmaf(total[r][half], fix, sum);
#pragma unroll
                for (int j = 0; j < DP / 8; j++) sums[r][j][2 * half] *= fix, sums[r][j][2 * half + 1] *= fix;
            }
        }
#pragma unroll
        for (int i = 0; i < TILE / 16; i++) {
            uint32_t packed[R][4];
#pragma unroll
            for (int r = 0; r < R; r++) pack_strip(packed[r], s[r][2 * i], s[r][2 * i + 1]);
            add_rows<DP, R>(sums, packed, tiles[at][1] + i * 16 * (DP + PAD));
        }
    }

    __syncthreads();
    float *room = (float *)tiles + warp * rooms<DP>::STRIP;
    int64_t to = q - (const uint16_t *)a.q.data;
#pragma unroll
    for (int r = 0; r < R; r++, to += 16 * inner) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float x = total[r][half];
            x += __shfl_xor_sync(0xffffffffu, x, 1);
            x += __shfl_xor_sync(0xffffffffu, x, 2);
            int i = first + r * 16 + lane / 4 + half * 8;
            if (a.lse && lane % 4 == 0 && i < m)
                a.lse[(int64_t)p.pair * m + i] = fmaf(most[r][half], by.scale, logf(x));
            total[r][half] = 1 / x;
        }
        store_strip<DP>(room, sums[r], total[r][0], total[r][1], a.out, to, inner, m - first - r * 16, d, false);
    }
}

/* ---- gradient ---- */

/*
 * KEYS: own rows are keys and values, the others queries and dO: P = exp(scale K Q^T - lse), dS = P (V dO^T - delta),
 * dV = P dO, dK = scale dS Q. Without: own rows are queries and dO, the others keys and values, and dQ = scale dS K.
 */
template <int DP, int R, bool KEYS>
static __global__ void __launch_bounds__(THREADS, blocks_at_once(DP *R)) backward(rin_attention a, head_scale by) {
    enum { TILES = rooms<DP>::TILES, STEP = DP < 64 && R == 1 ? 32 : 16 /* others at a time */ };
    __shared__ __align__(16) uint16_t tiles[TILES][2][TILE * (DP + PAD)];
    __shared__ __align__(16) float stats[TILES][2 * TILE]; /* KEYS: the others' */
    int own_rows = (int)(KEYS ? a.n : a.m), other_rows = (int)(KEYS ? a.m : a.n);
    int inner = (int)a.inner, d = by.width, warp = rin_warp(), lane = threadIdx.x % 32;
    place p = place_of(a, d, own_rows, WARPS * 16 * R);
    int first = p.first + warp * 16 * R;
    const uint16_t *own_s = head_of(KEYS ? a.k : a.q, p, own_rows, inner) + (int64_t)first * inner;
    const uint16_t *own_p = head_of(KEYS ? a.v : a.dout, p, own_rows, inner) + (int64_t)first * inner;
    const uint16_t *other_s = head_of(KEYS ? a.q : a.k, p, other_rows, inner);
    const uint16_t *other_p = head_of(KEYS ? a.dout : a.v, p, other_rows, inner);
    const float *stat = stats_of(a, p.pair);
    int copied = 0;
#pragma unroll
    for (int i = 0; i < TILES - 1; i++) {
        if (copied < other_rows) copy_tiles<DP>(tiles[i], other_s, other_p, inner, other_rows - copied, d);
        if (KEYS && copied < other_rows) copy_stats(stats[i], stat + 2 * copied, other_rows - copied);
        rin_copy_commit();
        copied += TILE, other_s += TILE * inner, other_p += TILE * inner;
    }

    uint32_t strips_s[R][DP / 16][4], strips_p[R][DP / 16][4];
    float sums_s[R][DP / 8][4], sums_p[R][DP / 8][4], own_lse[R][2], own_delta[R][2];
#pragma unroll
    for (int r = 0; r < R; r++) {
        int row = first + r * 16;
        load_strip<DP>(strips_s[r], own_s + r * 16 * inner, inner, own_rows - row, d);
        load_strip<DP>(strips_p[r], own_p + r * 16 * inner, inner, own_rows - row, d);
#pragma unroll
        for (int half = 0; !KEYS && half < 2; half++) {
            int i = row + lane / 4 + half * 8;
            own_lse[r][half] = i < own_rows ? stat[2 * i] : INFINITY;
            own_delta[r][half] = i < own_rows ? stat[2 * i + 1] : 0;
        }
#pragma unroll
        for (int j = 0; j < DP / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) sums_s[r][j][e] = sums_p[r][j][e] = 0;
    }

    for (int start = 0, at = 0, to = TILES - 1; start < other_rows; start += TILE, at = rooms<DP>::after(at)) {
        rin_copy_wait<TILES - 2>();
        __syncthreads();
        if (copied < other_rows) copy_tiles<DP>(tiles[to], other_s, other_p, inner, other_rows - copied, d);
        if (KEYS && copied < other_rows) copy_stats(stats[to], stat + 2 * copied, other_rows - copied);
        rin_copy_commit();
        copied += TILE, other_s += TILE * inner, other_p += TILE * inner, to = rooms<DP>::after(to);
        int left = other_rows - start;

#pragma unroll 1
        for (int step = 0; step < TILE && step < left && first < own_rows; step += STEP) {
            const uint16_t *rows_s = tiles[at][0] + step * (DP + PAD), *rows_p = tiles[at][1] + step * (DP + PAD);
            float s[R][STEP / 8][4], dp[R][STEP / 8][4];
            times_rows<DP, R, STEP / 8>(s, strips_s, rows_s);
            times_rows<DP, R, STEP / 8>(dp, strips_p, rows_p);
            if (!KEYS && left - step < STEP) hide_columns<R, STEP / 8>(s, left - step);
#pragma unroll
            for (int j = 0; j < STEP / 8; j++) {
                float4 col = {};
                if (KEYS) col = *(const float4 *)&stats[at][2 * (step + j * 8 + lane % 4 * 2)];
#pragma unroll
                for (int r = 0; r < R; r++) {
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        float lse = KEYS ? (e % 2 ? col.z : col.x) : own_lse[r][e / 2];
                        float delta = KEYS ? (e % 2 ? col.w : col.y) : own_delta[r][e / 2];
                        s[r][j][e] = rin_exp2(fmaf(s[r][j][e], by.unit, -lse));
                        dp[r][j][e] = s[r][j][e] * (dp[r][j][e] - delta);
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < STEP / 16; i++) {
                uint32_t packed[R][4];
                if (KEYS) {
#pragma unroll
                    for (int r = 0; r < R; r++) pack_strip(packed[r], s[r][2 * i], s[r][2 * i + 1]);
                    add_rows<DP, R>(sums_p, packed, rows_p + i * 16 * (DP + PAD));
                }
#pragma unroll
                for (int r = 0; r < R; r++) pack_strip(packed[r], dp[r][2 * i], dp[r][2 * i + 1]);
                add_rows<DP, R>(sums_s, packed, rows_s + i * 16 * (DP + PAD));
            }
        }
    }

    __syncthreads();
    float *room = (float *)tiles + warp * rooms<DP>::STRIP;
    rin_view to_s = KEYS ? a.dk : a.dq;
    bool adds = KEYS ? a.dk_adds : a.dq_adds;
    int64_t to = own_s - (const uint16_t *)(KEYS ? a.k : a.q).data;
#pragma unroll
    for (int r = 0; r < R; r++, to += 16 * inner) {
        int row = first + r * 16;
        if (to_s.data) store_strip<DP>(room, sums_s[r], by.scale, by.scale, to_s, to, inner, own_rows - row, d, adds);
        if (KEYS && a.dv.data) store_strip<DP>(room, sums_p[r], 1, 1, a.dv, to, inner, own_rows - row, d, a.dv_adds);
    }
}

/* ---- launches ---- */

__device__ static inline void put_stats(const rin_attention &a, int64_t pair, int64_t query, float delta) {
    float2 *to = (float2 *)stats_of(a, pair) + query;
    *to = make_float2(a.lse[pair * a.m + query] * (float)LOG2_E, delta);
    if (query + 1 == a.m && a.m % 2) to[1] = make_float2(0, 0); /* is read, too */
}

/* For each query and head: lse in base 2, and delta = dO * O. */
static __global__ void __launch_bounds__(RIN_BLOCK) prepare_any(rin_attention a, int width) {
    int64_t n = a.batch * a.m * a.heads;
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        int64_t row = i / a.heads, head = i - row * a.heads, example = row / a.m, query = row - example * a.m;
        int64_t at = row * a.inner + head * width;
        float delta = 0;
        for (int c = 0; c < width; c++) delta = fmaf(rin_get(a.dout, at + c), rin_get(a.out, at + c), delta);
        put_stats(a, example * a.heads + head, query, delta);
    }
}

/*
 * The same where memory is read in chunks of 8 columns. A block has some rows of some neighbouring heads: a lane makes
 * chunks' products, a thread then adds up those of a head, with neighbouring queries side by side.
 */
template <bool bf16>
static __global__ void __launch_bounds__(RIN_BLOCK) prepare(rin_attention a, int width, int heads_a_block) {
    enum { WIDE = CHUNKS + 1 };
    __shared__ float part[PREPARED * WIDE];
    int lane = threadIdx.x % 32, warp = rin_warp(), first_head = blockIdx.y * heads_a_block;
    int heads = min(heads_a_block, (int)a.heads - first_head), head_chunks = width / 8, chunks = heads * head_chunks;
    int64_t first = (int64_t)blockIdx.x * PREPARED, example = first / a.m, from = first * a.inner + first_head * width;
    int rows = (int)min((int64_t)PREPARED, a.batch * a.m - first), inner = (int)a.inner;
    if (bf16) a.out.bf16 = a.dout.bf16 = true;
    for (int chunk = lane; chunk < chunks; chunk += 32) {
#pragma unroll
        for (int i = 0; i < PREPARED * 32 / RIN_BLOCK; i++) {
            int row = i * (RIN_BLOCK / 32) + warp;
            float x[8], y[8], sum = 0;
            int64_t at = from + (row < rows ? row * inner : 0) + chunk * 8;
            rin_get8(a.dout, at, x);
            rin_get8(a.out, at, y);
#pragma unroll
            for (int k = 0; k < 8; k++) sum = fmaf(x[k], y[k], sum);
            part[row * WIDE + chunk] = sum;
        }
    }
    __syncthreads();
    unsigned m = (unsigned)a.m, query = (unsigned)(first - example * a.m) + lane;
    if (lane >= rows) return;
    for (int head = warp; head < heads; head += RIN_BLOCK / 32) {
        const float *of = part + lane * WIDE + head * head_chunks;
        float delta = 0;
        for (int c = 0; c < head_chunks; c++) delta += of[c];
        put_stats(a, (example + query / m) * a.heads + first_head + head, query % m, delta);
    }
}

static void launch_prepare(cudaStream_t stream, const rin_attention *a, int width, bool in_chunks) {
    if (!in_chunks || width > 8 * CHUNKS || a->inner >= 1 << 20) {
        RIN_LAUNCH(prepare_any, rin_blocks(a->batch * a->m * a->heads), RIN_BLOCK, 0, stream, *a, width);
        return;
    }
    int64_t most = CHUNKS / (width / 8), groups = (a->heads + most - 1) / most;
    dim3 grid((unsigned)((a->batch * a->m + PREPARED - 1) / PREPARED), (unsigned)groups);
    auto *kernel = a->out.bf16 && a->dout.bf16 ? prepare<true> : prepare<false>;
    RIN_LAUNCH(kernel, grid, RIN_BLOCK, 0, stream, *a, width, (int)((a->heads + groups - 1) / groups));
}

static head_scale head_scale_of(const rin_attention *a) {
    head_scale by;
    by.width = (int)(a->inner / a->heads);
    by.scale = (float)(1 / sqrt((double)by.width));
    by.unit = (float)(LOG2_E / sqrt((double)by.width));
    return by;
}

static bool is_aligned(rin_view v) { /* or absent */
    return (uintptr_t)v.data % 16 == 0;
}

static bool on_tensor_cores(const rin_attention *a, int width) {
    return width % 8 == 0 && width <= 64 && !(a->drop > 0) && a->inner < 1 << 20 && a->q.bf16 && a->k.bf16 &&
           a->v.bf16 && is_aligned(a->q) && is_aligned(a->k) && is_aligned(a->v);
}

/* Whether two strips a warp are worth it. */
static bool pays(const rin_attention *a, int64_t rows) {
    int64_t blocks = (rows + WARPS * 32 - 1) / (WARPS * 32) * a->batch * a->heads;
    return rows > WARPS * 16 && blocks >= ENOUGH_BLOCKS;
}

template <int DP, int R> static void launch_forward(cudaStream_t stream, const rin_attention *a, head_scale by) {
    int strips = R > 1 && pays(a, a->m) ? R : 1;
    auto *kernel = strips > 1 ? forward<DP, R> : forward<DP, 1>;
    RIN_LAUNCH(kernel, blocks_for(a, a->m, WARPS * 16 * strips), THREADS, 0, stream, *a, by);
}

template <int DP, int R, bool KEYS>
static void launch_backward(cudaStream_t stream, const rin_attention *a, head_scale by) {
    int64_t rows = KEYS ? a->n : a->m;
    int strips = R > 1 && pays(a, rows) ? R : 1;
    auto *kernel = strips > 1 ? backward<DP, R, KEYS> : backward<DP, 1, KEYS>;
    RIN_LAUNCH(kernel, blocks_for(a, rows, WARPS * 16 * strips), THREADS, 0, stream, *a, by);
}

template <bool KEYS> static void launch_side(cudaStream_t stream, const rin_attention *a, head_scale by) {
    if (by.width <= 16) {
        launch_backward<16, 1, KEYS>(stream, a, by);
    } else if (by.width <= 32) {
        launch_backward<32, 2, KEYS>(stream, a, by);
    } else if (by.width <= 48) {
        launch_backward<48, 2, KEYS>(stream, a, by);
    } else {
        launch_backward<64, 2, KEYS>(stream, a, by);
    }
}

int64_t rin_attention_scratch(const rin_attention *a) {
    return a->batch * a->heads * stats_stride(a->m);
}

void rin_launch_attention(cudaStream_t stream, const rin_attention *a) {
    head_scale by = head_scale_of(a);
    if (!on_tensor_cores(a, by.width) || !is_aligned(a->out)) {
        rin_launch_attention_any(stream, a, by);
    } else if (by.width <= 16) {
        launch_forward<16, 1>(stream, a, by);
    } else if (by.width <= 32) {
        launch_forward<32, 2>(stream, a, by);
    } else if (by.width <= 48) {
        launch_forward<48, 2>(stream, a, by);
    } else {
        launch_forward<64, 2>(stream, a, by);
    }
}

void rin_launch_attention_grad(cudaStream_t stream, const rin_attention *a) {
    head_scale by = head_scale_of(a);
    bool tensor = on_tensor_cores(a, by.width) && a->dout.bf16 && is_aligned(a->dout) && is_aligned(a->dq) &&
                  is_aligned(a->dk) && is_aligned(a->dv);
    bool in_chunks = by.width % 8 == 0 && is_aligned(a->dout) && is_aligned(a->out);
    launch_prepare(stream, a, by.width, in_chunks);
    if (!tensor) {
        rin_launch_attention_any_grad(stream, a, by);
        return;
    }
    if (a->dk.data || a->dv.data) launch_side<true>(stream, a, by);
    if (a->dq.data) launch_side<false>(stream, a, by);
}
