/* SPDX-License-Identifier: MIT */
/*
 * Fused products for every GPU with bf16 tensor cores: a block of 8 warps makes 128 x 128 sums, a warp 64 x 32 of them,
 * from strips of 32 of k that come to shared memory three at a time. fused_hopper.cu is faster where it runs.
 */
#include "backend/cuda/kernels/fused.cuh"

enum {
    TILE = RIN_PRODUCT_TILE,
    STRIP = 32, /* of k */
    STAGES = 3, /* 48 KiB: what a block may have without asking */
    THREADS = 256,
    OPERAND = TILE * STRIP, /* elements of a strip of either matrix */
    STAGE = 2 * OPERAND
};

/*
 * Where 16-byte chunks lie in shared memory. Reading 8 rows' chunks at once must touch all banks: 8 consecutive rows,
 * and for the forward weights rows 0, 1, 8, 9, 16, 17, 24, 25 too.
 */
__device__ static inline int narrow(int row, int chunk) { /* 4 chunks a row */
    return row * STRIP + (chunk ^ ((row >> 1 ^ row >> 3) & 3)) * 8;
}

__device__ static inline int wide(int row, int chunk) { /* 16 chunks a row */
    return row * TILE + (chunk ^ (row & 7)) * 8;
}

typedef struct operands {
    const uint16_t *a, *b;
    int64_t n, k, row, column; /* the tile's first */
    int64_t rows;              /* from there on */
} operands;

template <bool forward> __device__ static void copy_strip(const operands *from, int64_t k, uint16_t *stage) {
    uint16_t *a = stage, *b = stage + OPERAND;
#pragma unroll
    for (int i = (int)threadIdx.x; i < OPERAND / 8; i += THREADS) {
        int row = i / 4, chunk = i % 4;
        bool valid = row < from->rows;
        rin_copy_async(a + narrow(row, chunk), from->a + (from->row + (valid ? row : 0)) * from->k + k + chunk * 8,
                       valid);
        if (forward) {
            rin_copy_async(b + narrow(row, chunk), from->b + (from->column + row) * from->k + k + chunk * 8, true);
        } else {
            row = i / 16, chunk = i % 16;
            rin_copy_async(b + wide(row, chunk), from->b + (k + row) * from->n + from->column + chunk * 8, true);
        }
    }
}

/* sums[i][j]: 16 rows, 8 columns, as rin_mma has them. */
template <bool forward> __device__ static void multiply_strip(const uint16_t *stage, float sums[4][4][4]) {
    const uint16_t *a = stage, *b = stage + OPERAND;
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, top = warp / 4 * 64, left = warp % 4 * 32;
    int matrix = lane / 8, line = lane % 8;
#pragma unroll
    for (int step = 0; step < STRIP / 16; step++) {
        uint32_t rows[4][4], columns[4][2];
#pragma unroll
        for (int i = 0; i < 4; i++) rin_ldmatrix(rows[i], a + narrow(top + i * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
        for (int j = 0; j < 4; j += 2) {
            uint32_t pair[4];
            int which = j + matrix / 2;
            if (forward) {
                int row = left + line / 2 * 8 + which * 2 + line % 2; /* the order of fused.cuh */
                rin_ldmatrix(pair, b + narrow(row, step * 2 + matrix % 2));
            } else {
                rin_ldmatrix_trans(pair, b + wide(step * 16 + matrix % 2 * 8 + line, left / 8 + which));
            }
            columns[j][0] = pair[0], columns[j][1] = pair[1];
            columns[j + 1][0] = pair[2], columns[j + 1][1] = pair[3];
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
            for (int j = 0; j < 4; j++) rin_mma(sums[i][j], rows[i], columns[j]);
        }
    }
}

template <bool forward, bool drops, bool slopes>
__device__ static void store_tile(const rin_product_end *end, int64_t row, int64_t column, float sums[4][4][4]) {
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    row += warp / 4 * 64 + lane / 4;
    column += warp % 4 * 32 + lane % 4 * 8;
    float bias[8];
    rin_product_draw draw = {};
    if (forward) {
        if (drops) draw = rin_product_draw_of(end);
        rin_product_bias8(end, column, bias);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int64_t at = row + i * 16;
        float z[2][8];
#pragma unroll
        for (int k = 0; k < 16; k++) z[k / 8][k % 8] = sums[i][k % 8 / 2][k / 8 * 2 + k % 2];
        if (forward) {
            rin_product_forward<drops, slopes>(end, &draw, at, column, bias, z);
        } else {
#pragma unroll
            for (int line = 0; line < 2; line++) {
                uint4 times = rin_product_times8(end, at + line * 8, column);
                rin_product_gather8(z[line]);
                rin_product_backward8(end, at + line * 8, column, times, z[line]);
            }
        }
    }
}

template <bool forward, bool drops, bool slopes>
static __global__ void __launch_bounds__(THREADS, 2)
    product(const uint16_t *a, const uint16_t *b, int64_t k, rin_product_end end) {
    RIN_DYNAMIC_SHARED(uint16_t, shared);
    int64_t across = end.n / TILE, column = blockIdx.x % across * TILE, row = blockIdx.x / across * TILE;
    operands from = {a, b, end.n, k, row, column, end.m - row};
    int strips = (int)(k / STRIP);
    float sums[4][4][4] = {};
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < strips) copy_strip<forward>(&from, s * STRIP, shared + s * STAGE);
        rin_copy_commit();
    }
    for (int s = 0; s < strips; s++) {
        rin_copy_wait<STAGES - 2>();
        __syncthreads(); /* this strip is there, and nobody reads the one before, whose place the next one takes */
        int next = s + STAGES - 1;
        if (next < strips) copy_strip<forward>(&from, (int64_t)next * STRIP, shared + next % STAGES * STAGE);
        rin_copy_commit();
        multiply_strip<forward>(shared + s % STAGES * STAGE, sums);
    }
    store_tile<forward, drops, slopes>(&end, row, column, sums);
}

static bool aligned(const void *memory) {
    return (uintptr_t)memory % 16 == 0;
}

bool rin_fused_product_fits(const rin_fused_product *p, int compute_capability_major) {
    bool forward = p->times == NULL;
    if (compute_capability_major < 8 || forward != p->b_transposed) return false;
    if (p->m < 1 || p->n < TILE || p->n % TILE || p->k < STRIP || p->k % STRIP) return false;
    if ((p->m + TILE - 1) / TILE > INT32_MAX / (p->n / TILE) || p->k > INT32_MAX) return false;
    if (!aligned(p->a) || !aligned(p->b) || !aligned(p->out) || !aligned(p->times)) return false;
    if (!forward) return !p->bias && !p->slope && p->how.act == 0 && p->how.drop <= 0 && p->how.path <= 0;
    if (p->how.act != 1 || p->how.path > 0 || (p->how.drop > 0 && p->how.per_example % 8)) return false;
    return aligned(p->bias) && aligned(p->slope);
}

bool rin_launch_fused_product(cudaStream_t stream, const rin_fused_product *p, int compute_capability_major) {
    if (!rin_fused_product_fits(p, compute_capability_major)) return false;
#ifndef RIN_EMULATE
    if (compute_capability_major == 9 && rin_launch_product_hopper(stream, p)) return true;
#endif
    rin_product_end end = rin_product_end_of(p);
    unsigned blocks = (unsigned)((p->m + TILE - 1) / TILE * (p->n / TILE));
    size_t shared = sizeof(uint16_t) * STAGE * STAGES;
    void (*kernel)(const uint16_t *, const uint16_t *, int64_t, rin_product_end) = product<false, false, false>;
    if (p->b_transposed) {
        kernel = end.threshold ? p->slope ? product<true, true, true> : product<true, true, false>
                 : p->slope ? product<true, false, true>
                               : product<true, false, false>;
    }
    RIN_LAUNCH(kernel, blocks, THREADS, shared, stream, p->a, p->b, p->k, end);
    return true;
}
