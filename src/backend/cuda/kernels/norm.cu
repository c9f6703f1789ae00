/* SPDX-License-Identifier: MIT */
/*
 * Layer norm, its gradient, and sums of columns: bound by memory.
 * Rows of a multiple of 8 elements that are not too long are a warp's, in registers: vector k of lane l has the columns
 * from 8 (32 k + l) on. A lane has the same columns in every row, so the gradient adds up the columns as it goes. Sums
 * of columns are made in two steps: a fixed number of blocks, then the sum over these, so they do not depend on the
 * GPU.
 */
#include "backend/cuda/kernels/device.cuh"

enum {
    WARPS = RIN_BLOCK / 32,
    TILE = 8 * 32,        /* columns a warp has with one vector a lane */
    ROW_VECTORS = 8,      /* most vectors a lane has of a row, */
    GRAD_VECTORS = 4,     /* and with sums of columns */
    GRAD_BLOCKS = 2 * 132 /* at most; two for each multiprocessor of an H100 */
};

#define RIN_LAYER_NORM_EPS 1e-6f /* op/op.h */

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
    return x < low ? low : x > high ? high : x;
}

namespace {
/* Eight elements as memory has them: bf16 ones take half the registers of floats. */
template <bool bf16> struct eight {
    float4 low, high;

    __device__ void load(rin_view v, int64_t i) {
        const float4 *from = (const float4 *)((const float *)v.data + i);
        low = from[0];
        high = from[1];
    }

    __device__ void get(float x[8]) const {
        x[0] = low.x, x[1] = low.y, x[2] = low.z, x[3] = low.w;
        x[4] = high.x, x[5] = high.y, x[6] = high.z, x[7] = high.w;
    }
};

template <> struct eight<true> {
    uint4 bits;

    __device__ void load(rin_view v, int64_t i) {
        bits = *(const uint4 *)((const uint16_t *)v.data + i);
    }

    __device__ void get(float x[8]) const {
        uint32_t word[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int k = 0; k < 8; k++)
            x[k] = k % 2 ? __uint_as_float(word[k / 2] & 0xffff0000u) : rin_from_bf16(word[k / 2]);
    }
};
} // namespace

__device__ static inline void get_floats8(const float *from, int64_t i, float x[8]) {
    rin_view v = {(void *)from, false};
    rin_get8(v, i, x);
}

/* What a lane without a column reads instead: without branches all of a row's reads are under way at once. */
__device__ static inline int within(int column, int d) {
    return column < d ? column : 0;
}

/* ---- forward ---- */

struct forward {
    rin_view x, out;
    const float *weight, *bias;
    float *stats;
    int64_t rows, d;
};

__device__ static inline void put_stats(const forward &n, int64_t row, float mean, float rstd) {
    if (!n.stats || threadIdx.x % 32) return;
    n.stats[2 * row] = mean;
    n.stats[2 * row + 1] = rstd;
}

template <int vectors, bool bf16> static __global__ void __launch_bounds__(RIN_BLOCK) norm_rows(forward n) {
    int lane = threadIdx.x % 32, d = (int)n.d;
    int64_t row = rin_thread() / 32;
    if (row >= n.rows) return;
    eight<bf16> raw[vectors];
    float sum = 0, squares = 0;
#pragma unroll
    for (int k = 0; k < vectors; k++) {
        raw[k].load(n.x, row * d + within(8 * (32 * k + lane), d));
    }
#pragma unroll
    for (int k = 0; k < vectors; k++) {
        float x[8];
        raw[k].get(x);
        if (8 * (32 * k + lane) >= d) continue;
#pragma unroll
        for (int j = 0; j < 8; j++) sum += x[j];
    }
    float mean = rin_warp_sum(sum) / (float)d;
#pragma unroll
    for (int k = 0; k < vectors; k++) {
        float x[8];
        raw[k].get(x);
        if (8 * (32 * k + lane) >= d) continue;
#pragma unroll
        for (int j = 0; j < 8; j++) squares += (x[j] - mean) * (x[j] - mean);
    }
    float rstd = 1 / sqrtf(rin_warp_sum(squares) / (float)d + RIN_LAYER_NORM_EPS);
#pragma unroll
    for (int k = 0; k < vectors; k++) {
        int column = 8 * (32 * k + lane);
        if (column >= d) continue;
        float x[8], weight[8], bias[8];
        raw[k].get(x);
        get_floats8(n.weight, column, weight);
        get_floats8(n.bias, column, bias);
#pragma unroll
        for (int j = 0; j < 8; j++) x[j] = (x[j] - mean) * rstd * weight[j] + bias[j];
        rin_put8(n.out, row * d + column, x);
    }
    put_stats(n, row, mean, rstd);
}

/* Rows of any length, read three times. */
static __global__ void __launch_bounds__(RIN_BLOCK) norm_any(forward n) {
    int lane = threadIdx.x % 32;
    int64_t row = rin_thread() / 32, d = n.d;
    if (row >= n.rows) return;
    float sum = 0, squares = 0;
    for (int64_t i = lane; i < d; i += 32) sum += rin_get(n.x, row * d + i);
    float mean = rin_warp_sum(sum) / (float)d;
    for (int64_t i = lane; i < d; i += 32) {
        float x = rin_get(n.x, row * d + i) - mean;
        squares += x * x;
    }
    float rstd = 1 / sqrtf(rin_warp_sum(squares) / (float)d + RIN_LAYER_NORM_EPS);
    for (int64_t i = lane; i < d; i += 32) {
        float x = (rin_get(n.x, row * d + i) - mean) * rstd;
        rin_put(n.out, row * d + i, x * n.weight[i] + n.bias[i]);
    }
    put_stats(n, row, mean, rstd);
}

template <int vectors> static void launch_norm_rows(cudaStream_t stream, const forward &n, unsigned blocks) {
    auto kernel = n.x.bf16 ? norm_rows<vectors, true> : norm_rows<vectors, false>;
    RIN_LAUNCH(kernel, blocks, RIN_BLOCK, 0, stream, n);
}

void rin_launch_layer_norm(cudaStream_t stream, rin_view x, const float *weight, const float *bias, rin_view out,
                           float *stats, int64_t rows, int64_t d) {
    forward n = {x, out, weight, bias, stats, rows, d};
    unsigned blocks = (unsigned)ceil_div(rows, WARPS);
    int64_t vectors = d % 8 ? ROW_VECTORS + 1 : ceil_div(d, TILE);
    if (vectors == 1) launch_norm_rows<1>(stream, n, blocks);
    else if (vectors == 2) launch_norm_rows<2>(stream, n, blocks);
    else if (vectors == 3) launch_norm_rows<3>(stream, n, blocks);
    else if (vectors == 4) launch_norm_rows<4>(stream, n, blocks);
    else if (vectors <= ROW_VECTORS) launch_norm_rows<ROW_VECTORS>(stream, n, blocks);
    else RIN_LAUNCH(norm_any, blocks, RIN_BLOCK, 0, stream, n);
}

/* ---- sums of columns ---- */

/*
 * The block's sums of 8 `lanes` columns, at least `columns` of which are there: of each team of `lanes` threads, added
 * in order. Thread l of a team has columns 8 l + j, or j lanes + l.
 */
template <bool vectors>
__device__ static inline void put_partials(const float mine[8], int lanes, float *to, int64_t columns) {
    __shared__ float part[8 * RIN_BLOCK];
    int team = threadIdx.x / lanes, lane = threadIdx.x % lanes, width = 8 * lanes;
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 8; j++) part[team * width + (vectors ? 8 * lane + j : j * lanes + lane)] = mine[j];
    __syncthreads();
    for (int i = threadIdx.x; i < width && i < columns; i += RIN_BLOCK) {
        float sum = 0;
        for (int t = 0; t < RIN_BLOCK / lanes; t++) sum += part[t * width + i];
        to[i] = sum;
    }
}

/* partials (blocks, gridDim.y, d) -> out[blockIdx.y] (d). */
struct fold {
    const float *partials;
    float *out[2];
    bool adds[2];
    int64_t blocks, d;
};

static __global__ void __launch_bounds__(RIN_BLOCK) fold_partials(fold f) {
    __shared__ float part[WARPS][32];
    int lane = threadIdx.x % 32, group = threadIdx.x / 32, which = blockIdx.y;
    int64_t column = (int64_t)blockIdx.x * 32 + lane;
    float sum = 0, *out = which ? f.out[1] : f.out[0];
    if (!out) return;
    if (column < f.d) {
#pragma unroll 8
        for (int64_t b = group; b < f.blocks; b += WARPS) sum += f.partials[(b * gridDim.y + which) * f.d + column];
    }
    part[group][lane] = sum;
    __syncthreads();
    if (group || column >= f.d) return;
    for (int k = 1; k < WARPS; k++) sum += part[k][lane];
    out[column] = (which ? f.adds[1] : f.adds[0]) ? out[column] + sum : sum;
}

static void launch_fold(cudaStream_t stream, const fold &f, unsigned outputs) {
    dim3 grid((unsigned)ceil_div(f.d, 32), outputs);
    RIN_LAUNCH(fold_partials, grid, RIN_BLOCK, 0, stream, f);
}

/* Teams of `lanes` threads take rows in turn, 8 columns a thread: those of tile blockIdx.x, rows of strip blockIdx.y.
 */
struct columns {
    rin_view dy, x; /* x, stats: for sums of dy n as well */
    const float *stats;
    int64_t rows, d;
    int lanes;
    float *partials;
};

enum { FLOATS, BF16, EITHER }; /* what dy has, known to the compiler or not */

template <bool vectors>
__device__ static inline void get_columns(const columns &c, rin_view v, int64_t row, int64_t first, float x[8]) {
    if constexpr (vectors) {
        rin_get8(v, row * c.d + first, x);
    } else {
#pragma unroll
        for (int j = 0; j < 8; j++) {
            int64_t column = first + j * c.lanes;
            x[j] = column < c.d ? rin_get(v, row * c.d + column) : 0;
        }
    }
}

template <bool vectors, bool norms, int kind>
static __global__ void __launch_bounds__(RIN_BLOCK) sum_columns(columns c) {
    int team = threadIdx.x / c.lanes, lane = threadIdx.x % c.lanes, teams = RIN_BLOCK / c.lanes;
    int64_t tile = (int64_t)blockIdx.x * 8 * c.lanes, first = tile + (vectors ? 8 * lane : lane);
    int64_t step = (int64_t)gridDim.y * teams, row = (int64_t)blockIdx.y * teams + team;
    int n = row < c.rows && first < c.d ? (int)((c.rows - row + step - 1) / step)
                                        : 0; /* counted: several reads at once */
    float sum[8] = {0}, along[8] = {0};
    if (kind != EITHER) c.dy.bf16 = kind == BF16;
#pragma unroll 4
    for (int i = 0; i < n; i++, row += step) {
        float dy[8];
        get_columns<vectors>(c, c.dy, row, first, dy);
#pragma unroll
        for (int j = 0; j < 8; j++) sum[j] += dy[j];
        if constexpr (norms) {
            float x[8], mean = c.stats[2 * row], rstd = c.stats[2 * row + 1];
            get_columns<vectors>(c, c.x, row, first, x);
#pragma unroll
            for (int j = 0; j < 8; j++) along[j] += dy[j] * ((x[j] - mean) * rstd);
        }
    }
    float *to = c.partials + (int64_t)blockIdx.y * (norms ? 2 : 1) * c.d + tile;
    if (norms) put_partials<vectors>(along, c.lanes, to, c.d - tile);
    put_partials<vectors>(sum, c.lanes, norms ? to + c.d : to, c.d - tile);
}

/* Returns the number of strips. */
template <bool norms> static int64_t launch_sum_columns(cudaStream_t stream, columns c) {
    bool vectors = c.d % 8 == 0;
    for (c.lanes = 1; c.lanes < 32 && 8 * c.lanes < c.d;) c.lanes *= 2;
    int64_t tiles = ceil_div(c.d, 8 * c.lanes), rows_at_once = RIN_BLOCK / c.lanes;
    int64_t most = (norms ? 1 : 2) * GRAD_BLOCKS / tiles;
    int64_t strips = clamp(ceil_div(c.rows, 8 * rows_at_once), 1, most < 1 ? 1 : most);
    auto kernel = !vectors ? sum_columns<false, norms, EITHER> : sum_columns<true, norms, EITHER>;
    if (!norms && vectors) kernel = c.dy.bf16 ? sum_columns<true, false, BF16> : sum_columns<true, false, FLOATS>;
    RIN_LAUNCH(kernel, dim3((unsigned)tiles, (unsigned)strips), RIN_BLOCK, 0, stream, c);
    return strips;
}

int64_t rin_norm_scratch(int64_t d) {
    return (int64_t)GRAD_BLOCKS * 2 * d;
}

void rin_launch_column_sums(cudaStream_t stream, rin_view x, float *out, bool adds, int64_t rows, int64_t d,
                            float *scratch) {
    columns c = {x, {NULL, false}, NULL, rows, d, 0, scratch};
    fold f = {scratch, {out, NULL}, {adds, false}, launch_sum_columns<false>(stream, c), d};
    launch_fold(stream, f, 1);
}

/* ---- gradient: with n = (x - mean) rstd and g = dy weight, dx = rstd (g - mean(g) - n mean(g n)) ---- */

namespace {
/* A row's numbers, a lane's share of them; `old`: what dx had, or zeros. */
template <int vectors, bool dy_bf16, bool x_bf16> struct grad_row {
    eight<dy_bf16> dy[vectors], old[vectors];
    eight<x_bf16> x[vectors];
    float mean, rstd, sum, along; /* sum, along: means of g and of g n */

    __device__ void load(const rin_norm_gradient &g, int64_t row, bool with_old) {
        int lane = threadIdx.x % 32, d = (int)g.d;
        mean = g.stats[2 * row];
        rstd = g.stats[2 * row + 1];
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            int64_t at = row * d + within(8 * (32 * k + lane), d);
            dy[k].load(g.dy, at);
            x[k].load(g.x, at);
            if (with_old) old[k].load(g.dx, at);
        }
    }

    __device__ void add_up(const rin_norm_gradient &g, float dweight[vectors][8], float dbias[vectors][8]) {
        int lane = threadIdx.x % 32, d = (int)g.d;
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            int column = 8 * (32 * k + lane);
            if (column >= d) continue;
            float dyk[8], xk[8], weight[8];
            dy[k].get(dyk);
            x[k].get(xk);
            get_floats8(g.weight, column, weight);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                float n = (xk[j] - mean) * rstd, gj = dyk[j] * weight[j];
                sum += gj;
                along += gj * n;
                dweight[k][j] += dyk[j] * n;
                dbias[k][j] += dyk[j];
            }
        }
        sum = rin_warp_sum(sum) / (float)d;
        along = rin_warp_sum(along) / (float)d;
    }

    __device__ void put_dx(const rin_norm_gradient &g, int64_t row, bool add) {
        int lane = threadIdx.x % 32, d = (int)g.d;
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            int column = 8 * (32 * k + lane);
            if (column >= d) continue;
            float dyk[8], xk[8], weight[8], had[8];
            dy[k].get(dyk);
            x[k].get(xk);
            get_floats8(g.weight, column, weight);
            old[k].get(had);
            if (add) rin_get8(g.dx, row * d + column, had);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                had[j] += rstd * (dyk[j] * weight[j] - sum - (xk[j] - mean) * rstd * along);
            }
            rin_put8(g.dx, row * d + column, had);
        }
    }
};
} // namespace

/* Blocks a multiprocessor has room for: two, or 16 rows under way, as long as the registers allow it. */
static constexpr int grad_blocks(int vectors, bool dy_bf16, bool x_bf16) {
    return vectors * (dy_bf16 && x_bf16 ? 1 : 2) <= 3 ? 2 : 1;
}

template <int vectors, bool dy_bf16, bool x_bf16>
static __global__ void __launch_bounds__(RIN_BLOCK, grad_blocks(vectors, dy_bf16, x_bf16))
    norm_grad_rows(rin_norm_gradient g) {
    int d = (int)g.d;
    bool adds = g.dx.data && g.dx_adds, early = adds && g.dx.bf16 == dy_bf16; /* dx is read along with dy */
    float dweight[vectors][8] = {{0}}, dbias[vectors][8] = {{0}};
    for (int64_t row = rin_thread() / 32; row < g.rows; row += rin_threads() / 32) {
        grad_row<vectors, dy_bf16, x_bf16> r = {};
        r.load(g, row, early);
        r.add_up(g, dweight, dbias);
        if (g.dx.data) r.put_dx(g, row, adds && !early);
    }
    if (!g.dweight && !g.dbias) return;
#pragma unroll
    for (int k = 0; k < vectors; k++) {
        float *to = g.scratch + (int64_t)blockIdx.x * 2 * d + TILE * k;
        put_partials<true>(dweight[k], 32, to, d - TILE * k);
        put_partials<true>(dbias[k], 32, to + d, d - TILE * k);
    }
}

/* dx alone, of rows of any length. */
static __global__ void __launch_bounds__(RIN_BLOCK) norm_grad_any(rin_norm_gradient g) {
    int lane = threadIdx.x % 32;
    int64_t row = rin_thread() / 32, d = g.d;
    if (row >= g.rows) return;
    float mean = g.stats[2 * row], rstd = g.stats[2 * row + 1], sum = 0, along = 0;
    for (int64_t i = lane; i < d; i += 32) {
        float gi = rin_get(g.dy, row * d + i) * g.weight[i];
        sum += gi;
        along += gi * ((rin_get(g.x, row * d + i) - mean) * rstd);
    }
    sum = rin_warp_sum(sum) / (float)d;
    along = rin_warp_sum(along) / (float)d;
    for (int64_t i = lane; i < d; i += 32) {
        float gi = rin_get(g.dy, row * d + i) * g.weight[i], n = (rin_get(g.x, row * d + i) - mean) * rstd;
        float dx = rstd * (gi - sum - n * along);
        rin_put(g.dx, row * d + i, g.dx_adds ? rin_get(g.dx, row * d + i) + dx : dx);
    }
}

template <int vectors>
static void launch_norm_grad_rows(cudaStream_t stream, const rin_norm_gradient &g, unsigned blocks) {
    auto kernel = g.x.bf16 ? norm_grad_rows<vectors, true, true> : norm_grad_rows<vectors, true, false>;
    if (!g.dy.bf16) kernel = g.x.bf16 ? norm_grad_rows<vectors, false, true> : norm_grad_rows<vectors, false, false>;
    RIN_LAUNCH(kernel, blocks, RIN_BLOCK, 0, stream, g);
}

/* Returns the number of partial sums. */
static int64_t launch_grad_long(cudaStream_t stream, const rin_norm_gradient &g) {
    if (g.dx.data) RIN_LAUNCH(norm_grad_any, (unsigned)ceil_div(g.rows, WARPS), RIN_BLOCK, 0, stream, g);
    if (!g.dweight && !g.dbias) return 0;
    columns c = {g.dy, g.x, g.stats, g.rows, g.d, 0, g.scratch};
    return launch_sum_columns<true>(stream, c);
}

void rin_launch_layer_norm_grad(cudaStream_t stream, const rin_norm_gradient *gradient) {
    const rin_norm_gradient &g = *gradient;
    int64_t vectors = g.d % 8 ? GRAD_VECTORS + 1 : ceil_div(g.d, TILE),
            blocks = clamp(ceil_div(g.rows, WARPS), 1, GRAD_BLOCKS);
    if (vectors == 1) launch_norm_grad_rows<1>(stream, g, (unsigned)blocks);
    else if (vectors == 2) launch_norm_grad_rows<2>(stream, g, (unsigned)blocks);
    else if (vectors == 3) launch_norm_grad_rows<3>(stream, g, (unsigned)blocks);
    else if (vectors == GRAD_VECTORS) launch_norm_grad_rows<GRAD_VECTORS>(stream, g, (unsigned)blocks);
    else blocks = launch_grad_long(stream, g);
    fold f = {g.scratch, {g.dweight, g.dbias}, {g.dweight_adds, g.dbias_adds}, blocks, g.d};
    if (g.dweight || g.dbias) launch_fold(stream, f, 2);
}
