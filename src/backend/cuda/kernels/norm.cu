/* SPDX-License-Identifier: MIT */
/*
 * Layer norm, its gradient, and sums of columns: bound by memory.
 * Rows of a multiple of 8 elements that are not too long are a warp's, in registers: vector k of lane l has the columns
 * from 8 (32 k + l) on. A warp reads its next rows before it works on those it has, so reads are under way all the
 * time. A lane has the same columns in every row, so the gradient adds up the columns as it goes. Sums of columns are
 * made in two steps: a fixed number of blocks, then the sum over these, so they do not depend on the GPU.
 */
#include "backend/cuda/kernels/device.cuh"

enum {
    WARPS = RIN_BLOCK / 32,
    TILE = 8 * 32,               /* columns a warp has with one vector a lane */
    ROW_VECTORS = 8,             /* most vectors a lane has of a row, */
    GRAD_VECTORS = 4,            /* and with sums of columns */
    PROCESSORS = 132,            /* of an H100: full with this many blocks, times those it runs at once */
    SUM_BLOCKS = 4 * PROCESSORS, /* at most, for sums of columns */
    MOST_PARTIALS = 6 * PROCESSORS
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

/* A lane's first column in vector k. */
__device__ static inline int column_of(int k) {
    return 8 * (32 * k + (int)threadIdx.x % 32);
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

/* Of a warp. */
template <int vectors> static constexpr int rows_at_once = vectors == 1 ? 2 : 1;

/* That a multiprocessor has registers for. */
static constexpr int norm_blocks(int vectors, bool bf16) {
    if (vectors > 4) return 1;
    if (vectors == 4) return 2;
    return (vectors == 3 ? 2 : 3) + (bf16 && vectors > 1);
}

namespace {
/* Rows from `row` on, a lane's share of them; zeros where it has no columns. Those beyond the last are like it. */
template <int vectors, int count, bool bf16> struct norm_group {
    eight<bf16> raw[count][vectors];

    __device__ void load(const forward &n, int64_t row) {
        int d = (int)n.d;
#pragma unroll
        for (int r = 0; r < count; r++) {
            int64_t at = (row + r < n.rows ? row + r : n.rows - 1) * d;
#pragma unroll
            for (int k = 0; k < vectors; k++)
                if (column_of(k) < d) raw[r][k].load(n.x, at + column_of(k));
        }
    }
};
} // namespace

template <int vectors, bool bf16>
static __global__ void __launch_bounds__(RIN_BLOCK, norm_blocks(vectors, bf16)) norm_rows(forward n) {
    constexpr int count = rows_at_once<vectors>;
    int d = (int)n.d;
    int64_t row = ((int64_t)blockIdx.x * WARPS + rin_warp()) * count, step = (int64_t)gridDim.x * WARPS * count;
    if (row >= n.rows) return;
    float there[vectors], part = 1 / (float)d; /* there: 1, or 0 where the lane has no columns */
    norm_group<vectors, count, bf16> now, next = {};
    next.load(n, row);
#pragma unroll
    for (int k = 0; k < vectors; k++) there[k] = column_of(k) < d ? 1.0f : 0.0f;
    for (; row < n.rows; row += step) {
        now = next;
        if (row + step < n.rows) next.load(n, row + step);
        float mean[count], rstd[count];
#pragma unroll
        for (int r = 0; r < count; r++) {
            float sum = 0;
#pragma unroll
            for (int k = 0; k < vectors; k++) {
                float x[8];
                now.raw[r][k].get(x);
                sum += ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
            }
            mean[r] = sum;
        }
#pragma unroll
        for (int r = 0; r < count; r++) mean[r] = rin_warp_sum(mean[r]) * part;
#pragma unroll
        for (int r = 0; r < count; r++) {
            float squares = 0;
#pragma unroll
            for (int k = 0; k < vectors; k++) {
                float x[8], sum = 0;
                now.raw[r][k].get(x);
#pragma unroll
                for (int j = 0; j < 8; j++) sum += (x[j] - mean[r]) * (x[j] - mean[r]);
                squares = fmaf(there[k], sum, squares);
            }
            rstd[r] = squares;
        }
#pragma unroll
        for (int r = 0; r < count; r++) rstd[r] = rsqrtf(rin_warp_sum(rstd[r]) * part + RIN_LAYER_NORM_EPS);
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            int column = column_of(k);
            if (column >= d) continue;
            float weight[8], bias[8];
            get_floats8(n.weight, column, weight);
            get_floats8(n.bias, column, bias);
#pragma unroll
            for (int r = 0; r < count; r++) {
                float x[8];
                now.raw[r][k].get(x);
#pragma unroll
                for (int j = 0; j < 8; j++) x[j] = (x[j] - mean[r]) * rstd[r] * weight[j] + bias[j];
                if (row + r < n.rows) rin_put8(n.out, (row + r) * d + column, x);
            }
        }
#pragma unroll
        for (int r = 0; r < count; r++)
            if (row + r < n.rows) put_stats(n, row + r, mean[r], rstd[r]);
    }
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

template <int vectors, bool bf16> static void launch_norm_rows(cudaStream_t stream, const forward &n) {
    constexpr int count = rows_at_once<vectors>, most = PROCESSORS * norm_blocks(vectors, bf16);
    int64_t blocks = clamp(ceil_div(n.rows, WARPS * count), 1, most);
    RIN_LAUNCH((norm_rows<vectors, bf16>), (unsigned)blocks, RIN_BLOCK, 0, stream, n);
}

template <int vectors> static void launch_norm(cudaStream_t stream, const forward &n) {
    if (n.x.bf16) launch_norm_rows<vectors, true>(stream, n);
    else launch_norm_rows<vectors, false>(stream, n);
}

void rin_launch_layer_norm(cudaStream_t stream, rin_view x, const float *weight, const float *bias, rin_view out,
                           float *stats, int64_t rows, int64_t d) {
    forward n = {x, out, weight, bias, stats, rows, d};
    int64_t vectors = d % 8 ? ROW_VECTORS + 1 : ceil_div(d, TILE);
    if (vectors == 1) launch_norm<1>(stream, n);
    else if (vectors == 2) launch_norm<2>(stream, n);
    else if (vectors == 3) launch_norm<3>(stream, n);
    else if (vectors == 4) launch_norm<4>(stream, n);
    else if (vectors <= ROW_VECTORS) launch_norm<ROW_VECTORS>(stream, n);
    else RIN_LAUNCH(norm_any, (unsigned)ceil_div(rows, WARPS), RIN_BLOCK, 0, stream, n);
}

/* ---- sums of columns ---- */

/*
 * The block's sums of 8 `lanes` columns, at least `columns` of which are there: of each team of `lanes` threads, added
 * in order. Thread l of a team has columns 8 l + j, or j lanes + l.
 */
template <bool vectors>
__device__ static inline void put_partials(const float mine[8], int lanes, float *to, int64_t columns) {
    __shared__ __align__(16) float part[8 * RIN_BLOCK]; /* with vectors: a team's first halves, then its second ones */
    int team = threadIdx.x / lanes, lane = threadIdx.x % lanes, width = 8 * lanes;
    __syncthreads();
    if (vectors) {
        float4 *halves = (float4 *)(part + team * width) + lane;
        halves[0] = make_float4(mine[0], mine[1], mine[2], mine[3]);
        halves[lanes] = make_float4(mine[4], mine[5], mine[6], mine[7]);
    } else {
#pragma unroll
        for (int j = 0; j < 8; j++) part[team * width + j * lanes + lane] = mine[j];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < width && i < columns; i += RIN_BLOCK) {
        int at = vectors ? i / 4 % 2 * 4 * lanes + i / 8 * 4 + i % 4 : i;
        float sum = 0;
        for (int t = 0; t < RIN_BLOCK / lanes; t++) sum += part[t * width + at];
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

enum { FOLD_COLUMNS = 8, FOLD_GROUPS = RIN_BLOCK / FOLD_COLUMNS, FOLD_AT_ONCE = 17 };

/* A warp has 4 groups of 8 columns; a thread reads all of its numbers, or many, at once. */
static __global__ void __launch_bounds__(RIN_BLOCK) fold_partials(fold f) {
    __shared__ float part[WARPS][FOLD_COLUMNS];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = threadIdx.x / FOLD_COLUMNS, which = blockIdx.y;
    int64_t column = (int64_t)blockIdx.x * FOLD_COLUMNS + threadIdx.x % FOLD_COLUMNS;
    float sum = 0, *out = which ? f.out[1] : f.out[0];
    if (!out) return;
    for (int64_t first = group; first < f.blocks; first += FOLD_GROUPS * FOLD_AT_ONCE) {
        float x[FOLD_AT_ONCE];
#pragma unroll
        for (int k = 0; k < FOLD_AT_ONCE; k++) {
            int64_t b = first + k * FOLD_GROUPS;
            x[k] = b < f.blocks && column < f.d ? f.partials[(b * gridDim.y + which) * f.d + column] : 0;
        }
#pragma unroll
        for (int k = 0; k < FOLD_AT_ONCE; k++) sum += x[k];
    }
    sum += __shfl_xor_sync(0xffffffffu, sum, FOLD_COLUMNS);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2 * FOLD_COLUMNS);
    if (lane < FOLD_COLUMNS) part[warp][lane] = sum;
    __syncthreads();
    if (threadIdx.x >= FOLD_COLUMNS || column >= f.d) return;
    sum = (which ? f.adds[1] : f.adds[0]) ? out[column] : 0;
    for (int k = 0; k < WARPS; k++) sum += part[k][lane];
    out[column] = sum;
}

static void launch_fold(cudaStream_t stream, const fold &f, unsigned outputs) {
    dim3 grid((unsigned)ceil_div(f.d, FOLD_COLUMNS), outputs);
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
    int64_t most = SUM_BLOCKS / (norms ? 2 : 1) / tiles;
    int64_t strips = clamp(ceil_div(c.rows, 8 * rows_at_once), 1, most < 1 ? 1 : most);
    auto kernel = !vectors ? sum_columns<false, norms, EITHER> : sum_columns<true, norms, EITHER>;
    if (!norms && vectors) kernel = c.dy.bf16 ? sum_columns<true, false, BF16> : sum_columns<true, false, FLOATS>;
    RIN_LAUNCH(kernel, dim3((unsigned)tiles, (unsigned)strips), RIN_BLOCK, 0, stream, c);
    return strips;
}

int64_t rin_norm_scratch(int64_t d) {
    return (int64_t)MOST_PARTIALS * d;
}

void rin_launch_column_sums(cudaStream_t stream, rin_view x, float *out, bool adds, int64_t rows, int64_t d,
                            float *scratch) {
    columns c = {x, {NULL, false}, NULL, rows, d, 0, scratch};
    fold f = {scratch, {out, NULL}, {adds, false}, launch_sum_columns<false>(stream, c), d};
    launch_fold(stream, f, 1);
}

/* ---- gradient: with n = (x - mean) rstd and g = dy weight, dx = rstd (g - mean(g) - n mean(g n)) ---- */

namespace {
/* What a lane without a column reads instead: without branches all of a row's reads are under way at once. */
__device__ static inline int within(int column, int d) {
    return column < d ? column : 0;
}

/* A row's numbers, a lane's share of them; `old`: what dx had, or zeros. */
template <int vectors, bool dy_bf16, bool x_bf16> struct grad_row {
    eight<dy_bf16> dy[vectors], old[vectors];
    eight<x_bf16> x[vectors];
    float mean, rstd;

    __device__ void load(const rin_norm_gradient &g, int64_t row, bool with_old) {
        int d = (int)g.d;
        float2 stats = ((const float2 *)g.stats)[row];
        mean = stats.x;
        rstd = stats.y;
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            int64_t at = row * d + within(column_of(k), d);
            dy[k].load(g.dy, at);
            x[k].load(g.x, at);
            /* A lane without the column must not look at what another one writes. */
            if (with_old && column_of(k) < d) old[k].load(g.dx, at);
        }
    }
};

/* Weights of a lane's columns, in registers or read each time; zeros where it has no columns. */
template <int vectors, bool stay> struct grad_weights {
    float w[stay ? vectors : 1][8];
    const float *from;
    int d;

    __device__ void read(int k, float to[8]) const {
        get_floats8(from, within(column_of(k), d), to);
#pragma unroll
        for (int j = 0; j < 8; j++) to[j] = column_of(k) < d ? to[j] : 0;
    }

    __device__ void load(const rin_norm_gradient &g) {
        from = g.weight, d = (int)g.d;
        if constexpr (stay) {
#pragma unroll
            for (int k = 0; k < vectors; k++) read(k, w[k]);
        }
    }

    __device__ void get(int k, float to[8]) const {
        if constexpr (stay) {
#pragma unroll
            for (int j = 0; j < 8; j++) to[j] = w[k][j];
        } else {
            read(k, to);
        }
    }
};
} // namespace

template <int vectors, bool dy_bf16, bool x_bf16> struct grad_plan {
    enum {
        SIZE = vectors * (dy_bf16 && x_bf16 ? 1 : 2),
        BLOCKS = SIZE > 2 ? 1 : 4 - SIZE, /* a multiprocessor has registers for */
        AHEAD = SIZE <= 4,                /* next rows have room */
        STAY = AHEAD && SIZE != 2         /* and so have weights */
    };
};

template <int vectors, bool dy_bf16, bool x_bf16>
static __global__ void __launch_bounds__(RIN_BLOCK, (grad_plan<vectors, dy_bf16, x_bf16>::BLOCKS))
    norm_grad_rows(rin_norm_gradient g) {
    constexpr bool ahead = grad_plan<vectors, dy_bf16, x_bf16>::AHEAD;
    constexpr bool stay = grad_plan<vectors, dy_bf16, x_bf16>::STAY;
    int d = (int)g.d;
    bool adds = g.dx.data && g.dx_adds, early = adds && g.dx.bf16 == dy_bf16; /* dx is read along with dy */
    int64_t row = (int64_t)blockIdx.x * WARPS + rin_warp(), step = (int64_t)gridDim.x * WARPS;
    float dweight[vectors][8] = {{0}}, dbias[vectors][8] = {{0}}, part = 1 / (float)d;
    grad_row<vectors, dy_bf16, x_bf16> r, next = {};
    grad_weights<vectors, stay> weights;
    if (ahead && row < g.rows) next.load(g, row, early);
    weights.load(g);
    for (; row < g.rows; row += step) {
        if (!ahead) next.load(g, row, early);
        r = next;
        if (ahead && row + step < g.rows) next.load(g, row + step, early);
        float sum = 0, along = 0; /* means of g and of g n */
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            float dy[8], x[8], weight[8];
            r.dy[k].get(dy);
            r.x[k].get(x);
            weights.get(k, weight);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                float n = (x[j] - r.mean) * r.rstd, gj = dy[j] * weight[j];
                sum += gj;
                along += gj * n;
                dweight[k][j] += dy[j] * n;
                dbias[k][j] += dy[j];
            }
        }
        if (!g.dx.data) continue;
        sum = rin_warp_sum(sum) * part * r.rstd;
        along = rin_warp_sum(along) * part * r.rstd;
#pragma unroll
        for (int k = 0; k < vectors; k++) {
            int column = column_of(k);
            if (column >= d) continue;
            float dy[8], x[8], weight[8], dx[8];
            r.dy[k].get(dy);
            r.x[k].get(x);
            weights.get(k, weight);
            r.old[k].get(dx);
            if (adds && !early) rin_get8(g.dx, row * d + column, dx);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                float n = (x[j] - r.mean) * r.rstd;
                dx[j] += r.rstd * (dy[j] * weight[j]) - sum - n * along;
            }
            rin_put8(g.dx, row * d + column, dx);
        }
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

/* These return the number of partial sums. */
template <int vectors, bool dy_bf16, bool x_bf16>
static int64_t launch_grad(cudaStream_t stream, const rin_norm_gradient &g) {
    constexpr int most = PROCESSORS * grad_plan<vectors, dy_bf16, x_bf16>::BLOCKS;
    static_assert(2 * most <= MOST_PARTIALS, "they have room");
    int64_t blocks = clamp(ceil_div(g.rows, 2 * WARPS), 1, most);
    RIN_LAUNCH((norm_grad_rows<vectors, dy_bf16, x_bf16>), (unsigned)blocks, RIN_BLOCK, 0, stream, g);
    return blocks;
}

template <int vectors> static int64_t launch_grad_rows(cudaStream_t stream, const rin_norm_gradient &g) {
    if (g.dy.bf16) {
        if (g.x.bf16) return launch_grad<vectors, true, true>(stream, g);
        return launch_grad<vectors, true, false>(stream, g);
    }
    if (g.x.bf16) return launch_grad<vectors, false, true>(stream, g);
    return launch_grad<vectors, false, false>(stream, g);
}

static int64_t launch_grad_long(cudaStream_t stream, const rin_norm_gradient &g) {
    if (g.dx.data) RIN_LAUNCH(norm_grad_any, (unsigned)ceil_div(g.rows, WARPS), RIN_BLOCK, 0, stream, g);
    if (!g.dweight && !g.dbias) return 0;
    columns c = {g.dy, g.x, g.stats, g.rows, g.d, 0, g.scratch};
    return launch_sum_columns<true>(stream, c);
}

void rin_launch_layer_norm_grad(cudaStream_t stream, const rin_norm_gradient *gradient) {
    const rin_norm_gradient &g = *gradient;
    int64_t vectors = g.d % 8 ? GRAD_VECTORS + 1 : ceil_div(g.d, TILE), blocks;
    if (vectors == 1) blocks = launch_grad_rows<1>(stream, g);
    else if (vectors == 2) blocks = launch_grad_rows<2>(stream, g);
    else if (vectors == 3) blocks = launch_grad_rows<3>(stream, g);
    else if (vectors == GRAD_VECTORS) blocks = launch_grad_rows<GRAD_VECTORS>(stream, g);
    else blocks = launch_grad_long(stream, g);
    fold f = {g.scratch, {g.dweight, g.dbias}, {g.dweight_adds, g.dbias_adds}, blocks, g.d};
    if (g.dweight || g.dbias) launch_fold(stream, f, 2);
}
