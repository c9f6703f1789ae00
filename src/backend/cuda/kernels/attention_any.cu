/* SPDX-License-Identifier: MIT */
/*
 * Attention and its gradient in floats, for any head width, any types and dropout: a warp owns 8 rows, its lanes take
 * one row each of 32 of the other side for scores, and two columns each for results. Per 8 multiplications a lane reads
 * 3 times from shared memory, which takes more cycles than they do. A block makes up to 64 columns of results; for
 * wider heads there are more blocks, each of which makes all scores.
 */
#include "backend/cuda/kernels/attention.cuh"

#define LN_2 0.693147180559945309f

enum {
    ROWS = 8,                  /* a warp owns */
    BLOCK_ROWS = WARPS * ROWS, /* and a block */
    OTHERS = 32,               /* of the other side at a time, one a lane */
    COLUMNS = 64,              /* of a head at a time, two a lane */
    OWN_WIDE = BLOCK_ROWS + 4, /* of own rows in shared memory, which lie with columns down */
    OTHER_WIDE = COLUMNS + 1,
    WEIGHT_WIDE = ROWS + 4
};

typedef struct floats {
    rin_view view;
    int64_t first; /* element: the head's first, of the example's first row */
    int64_t inner;
    int rows, width; /* of the head */
} floats;

__device__ static inline floats floats_of(rin_view v, const rin_attention &a, const place &p, int rows, int width) {
    floats f = {v, (int64_t)p.example * rows * a.inner + p.column, a.inner, rows, width};
    return f;
}

/* 32 rows from `row` on of a chunk of columns, as floats to to[row * down + column * across]; zeros beyond the end. */
__device__ static inline void load_floats(float *to, int down, int across, const floats &f, int row, int chunk) {
    static_assert(OTHERS == BLOCK_ROWS, "own rows and others are loaded alike");
    for (int i = threadIdx.x; i < OTHERS * COLUMNS; i += THREADS) {
        int r = i / COLUMNS, c = i % COLUMNS;
        bool valid = row + r < f.rows && chunk * COLUMNS + c < f.width;
        int64_t at = f.first + (row + r) * f.inner + chunk * COLUMNS + c;
        to[r * down + c * across] = valid ? rin_get(f.view, at) : 0;
    }
}

/* s[k] += own row k * this lane's other row, over some columns. */
__device__ static inline void add_dots(float s[ROWS], const float *own, const float *others, int columns) {
    const float *other = others + threadIdx.x % 32 * OTHER_WIDE;
    own += threadIdx.x / 32 * ROWS;
    for (int c = 0; c < columns; c++, own += OWN_WIDE) {
        float4 a = *(const float4 *)own, b = *(const float4 *)(own + 4);
        float x = other[c];
        s[0] = fmaf(a.x, x, s[0]), s[1] = fmaf(a.y, x, s[1]), s[2] = fmaf(a.z, x, s[2]), s[3] = fmaf(a.w, x, s[3]);
        s[4] = fmaf(b.x, x, s[4]), s[5] = fmaf(b.y, x, s[5]), s[6] = fmaf(b.z, x, s[6]), s[7] = fmaf(b.w, x, s[7]);
    }
}

/* sums (own rows x this lane's two columns) += weights (ROWS, a lane's for its other row) * others. */
__device__ static inline void add_weighted(float sums[2][ROWS], float *room, const float weights[ROWS],
                                           const float *others, int columns) {
    int lane = threadIdx.x % 32;
    float *mine = room + lane * WEIGHT_WIDE;
    __syncwarp(); /* the room may be in use */
    *(float4 *)mine = make_float4(weights[0], weights[1], weights[2], weights[3]);
    *(float4 *)(mine + 4) = make_float4(weights[4], weights[5], weights[6], weights[7]);
    __syncwarp();
    others += lane;
#pragma unroll 4
    for (int j = 0; j < OTHERS; j++, room += WEIGHT_WIDE, others += OTHER_WIDE) {
        float4 a = *(const float4 *)room, b = *(const float4 *)(room + 4);
        float w[ROWS] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}, x = others[0];
#pragma unroll
        for (int k = 0; k < ROWS; k++) sums[0][k] = fmaf(w[k], x, sums[0][k]);
        if (columns <= 32) continue;
        x = others[32];
#pragma unroll
        for (int k = 0; k < ROWS; k++) sums[1][k] = fmaf(w[k], x, sums[1][k]);
    }
}

__device__ static inline void store_floats(const floats &to, int row, int chunk, const float sums[2][ROWS],
                                           const float factor[ROWS], bool adds) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        int column = chunk * COLUMNS + i * 32 + (int)threadIdx.x % 32;
#pragma unroll
        for (int k = 0; k < ROWS; k++) {
            if (row + k >= to.rows || column >= to.width) continue;
            int64_t at = to.first + (row + k) * to.inner + column;
            float x = sums[i][k] * factor[k];
            rin_put(to.view, at, adds ? rin_get(to.view, at) + x : x);
        }
    }
}

/* Dropout of the weights. */
typedef struct survival {
    rin_random_key key;
    uint64_t first; /* element of the pair's first weight */
    float rate, kept;
} survival;

__device__ static inline survival survival_of(const rin_attention &a, const place &p) {
    survival s = {};
    s.rate = a.drop;
    if (s.rate <= 0) return s;
    s.key = rin_key(a.step, a.stream);
    s.first = (a.step->first_example * a.heads + p.pair) * (uint64_t)(a.m * a.n);
    s.kept = 1 / (1 - s.rate);
    return s;
}

__device__ static inline float kept(const survival &s, int64_t query, int64_t key, int64_t n) {
    if (s.rate <= 0) return 1;
    return rin_uniform(s.key, s.first + (uint64_t)(query * n + key)) >= s.rate ? s.kept : 0;
}

/* Blocks in y: chunks of result columns, each of which needs all scores. */
static __global__ void __launch_bounds__(THREADS) forward(rin_attention a, head_scale by) {
    __shared__ __align__(16) float own[COLUMNS * OWN_WIDE], keys[OTHERS * OTHER_WIDE], values[OTHERS * OTHER_WIDE];
    __shared__ __align__(16) float rooms[WARPS][OTHERS * WEIGHT_WIDE];
    int m = (int)a.m, n = (int)a.n, d = by.width, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int chunks = (d + COLUMNS - 1) / COLUMNS, chunk = blockIdx.y, columns = min((int)COLUMNS, d - chunk * COLUMNS);
    place p = place_of(a, d, m, BLOCK_ROWS);
    int first = p.first + warp * ROWS;
    floats q = floats_of(a.q, a, p, m, d), k = floats_of(a.k, a, p, n, d), v = floats_of(a.v, a, p, n, d);
    survival drop = survival_of(a, p);
    float sums[2][ROWS] = {}, most[ROWS], total[ROWS] = {};
#pragma unroll
    for (int r = 0; r < ROWS; r++) most[r] = -INFINITY;

    for (int start = 0; start < n; start += OTHERS) {
        float s[ROWS] = {};
        for (int i = 0; i < chunks; i++) {
            __syncthreads();
            if (start == 0 || chunks > 1) load_floats(own, 1, OWN_WIDE, q, p.first, i);
            load_floats(keys, OTHER_WIDE, 1, k, start, i);
            if (i == 0) load_floats(values, OTHER_WIDE, 1, v, start, chunk);
            __syncthreads();
            add_dots(s, own, keys, min((int)COLUMNS, d - i * COLUMNS));
        }
        int key = start + lane;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float x = key < n ? s[r] * by.unit : -INFINITY, top = x;
#pragma unroll
            for (int i = 16; i; i /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, i));
            top = fmaxf(top, most[r]);
            float fix = exp2f(most[r] - top), weight = exp2f(x - top);
            most[r] = top;
            total[r] = fmaf(total[r], fix, weight);
            sums[0][r] *= fix, sums[1][r] *= fix;
            s[r] = key < n ? weight * kept(drop, first + r, key, n) : 0;
        }
        add_weighted(sums, rooms[warp], s, values, columns);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        total[r] = rin_warp_sum(total[r]);
        if (a.lse && chunk == 0 && lane == 0 && first + r < m)
            a.lse[(int64_t)p.pair * m + first + r] = fmaf(most[r], LN_2, logf(total[r]));
        total[r] = 1 / total[r];
    }
    store_floats(floats_of(a.out, a, p, m, d), first, chunk, sums, total, false);
}

/* As in attention.cu. */
template <bool KEYS> static __global__ void __launch_bounds__(THREADS) backward(rin_attention a, head_scale by) {
    __shared__ __align__(16) float own_s[COLUMNS * OWN_WIDE], own_p[COLUMNS * OWN_WIDE];
    __shared__ __align__(16) float other_s[OTHERS * OTHER_WIDE], other_p[OTHERS * OTHER_WIDE];
    __shared__ __align__(16) float rooms[WARPS][OTHERS * WEIGHT_WIDE];
    int m = (int)a.m, n = (int)a.n, d = by.width, own_rows = KEYS ? n : m, other_rows = KEYS ? m : n;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, chunks = (d + COLUMNS - 1) / COLUMNS, chunk = blockIdx.y;
    int columns = min((int)COLUMNS, d - chunk * COLUMNS);
    place p = place_of(a, d, own_rows, BLOCK_ROWS);
    int first = p.first + warp * ROWS;
    floats q = floats_of(a.q, a, p, m, d), k = floats_of(a.k, a, p, n, d), v = floats_of(a.v, a, p, n, d);
    floats dout = floats_of(a.dout, a, p, m, d);
    const float *stats = stats_of(a, p.pair);
    survival drop = survival_of(a, p);
    float sums_s[2][ROWS] = {}, sums_p[2][ROWS] = {};

    for (int start = 0; start < other_rows; start += OTHERS) {
        float s[ROWS] = {}, dp[ROWS] = {};
        for (int i = 1; i <= chunks; i++) {
            int at = (chunk + i) % chunks; /* the last one stays for the results */
            __syncthreads();
            if (start == 0 || chunks > 1) {
                load_floats(own_s, 1, OWN_WIDE, KEYS ? k : q, p.first, at);
                load_floats(own_p, 1, OWN_WIDE, KEYS ? v : dout, p.first, at);
            }
            load_floats(other_s, OTHER_WIDE, 1, KEYS ? q : k, start, at);
            load_floats(other_p, OTHER_WIDE, 1, KEYS ? dout : v, start, at);
            __syncthreads();
            add_dots(s, own_s, other_s, min((int)COLUMNS, d - at * COLUMNS));
            add_dots(dp, own_p, other_p, min((int)COLUMNS, d - at * COLUMNS));
        }
        int other = start + lane;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            int query = KEYS ? other : first + r, key = KEYS ? first + r : other;
            bool valid = query < m && key < n;
            float lse = valid ? stats[2 * query] : 0, delta = valid ? stats[2 * query + 1] : 0;
            float weight = valid ? exp2f(fmaf(s[r], by.unit, -lse)) : 0, survives = kept(drop, query, key, n);
            s[r] = weight * survives;
            dp[r] = weight * fmaf(dp[r], survives, -delta);
        }
        if (KEYS) add_weighted(sums_p, rooms[warp], s, other_p, columns);
        add_weighted(sums_s, rooms[warp], dp, other_s, columns);
    }
    float scales[ROWS], ones[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) scales[r] = by.scale, ones[r] = 1;
    rin_view to_s = KEYS ? a.dk : a.dq;
    bool adds = KEYS ? a.dk_adds : a.dq_adds;
    if (to_s.data) store_floats(floats_of(to_s, a, p, own_rows, d), first, chunk, sums_s, scales, adds);
    if (KEYS && a.dv.data) store_floats(floats_of(a.dv, a, p, n, d), first, chunk, sums_p, ones, a.dv_adds);
}

static dim3 grid_for(const rin_attention *a, int64_t rows, head_scale by) {
    return dim3(blocks_for(a, rows, BLOCK_ROWS), (unsigned)((by.width + COLUMNS - 1) / COLUMNS));
}

void rin_launch_attention_any(cudaStream_t stream, const rin_attention *a, head_scale by) {
    RIN_LAUNCH(forward, grid_for(a, a->m, by), THREADS, 0, stream, *a, by);
}

void rin_launch_attention_any_grad(cudaStream_t stream, const rin_attention *a, head_scale by) {
    if (a->dk.data || a->dv.data) RIN_LAUNCH(backward<true>, grid_for(a, a->n, by), THREADS, 0, stream, *a, by);
    if (a->dq.data) RIN_LAUNCH(backward<false>, grid_for(a, a->m, by), THREADS, 0, stream, *a, by);
}
