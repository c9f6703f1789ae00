/* SPDX-License-Identifier: MIT */
/* Tables added to every example, parts of token streams, patches. Rows of a multiple of eight elements move in eights.
 */
#include "backend/cuda/kernels/device.cuh"

template <int W> __device__ static inline void put(rin_view v, int64_t i, float *x, bool adds) {
    float old[W];
    if (adds) {
        rin_get_wide<W>(v, i, old);
#pragma unroll
        for (int k = 0; k < W; k++) x[k] += old[k];
    }
    rin_put_wide<W>(v, i, x);
}

/* ---- tables ---- */

template <int W> __global__ static void add_table(rin_table t, rin_view table, rin_view x, rin_view out) {
    int64_t n = t.batch * t.n * t.d;
    for (int64_t i = W * rin_thread(); i < n; i += W * rin_threads()) {
        int64_t row = (t.start + i / t.d % t.n) % t.rows;
        float a[W], b[W];
        rin_get_wide<W>(table, row * t.d + i % t.d, a);
        if (x.data) {
            rin_get_wide<W>(x, i, b);
#pragma unroll
            for (int k = 0; k < W; k++) a[k] += b[k];
        }
        put<W>(out, i, a, t.adds);
    }
}

/* A thread a place of the table, which adds up its rows of all examples. */
template <int W> __global__ static void add_table_grad(rin_table t, rin_view dy, rin_view out) {
    int64_t n = t.rows * t.d;
    for (int64_t i = W * rin_thread(); i < n; i += W * rin_threads()) {
        int64_t row = i / t.d, c = i % t.d, first = (row - t.start % t.rows + t.rows) % t.rows;
        float sum[W] = {0};
        for (int64_t k = first; k < t.n; k += t.rows) {
#pragma unroll 4
            for (int64_t b = 0; b < t.batch; b++) {
                float x[W];
                rin_get_wide<W>(dy, (b * t.n + k) * t.d + c, x);
#pragma unroll
                for (int j = 0; j < W; j++) sum[j] += x[j];
            }
        }
        put<W>(out, i, sum, t.adds);
    }
}

/* ---- rows ---- */

template <int W> __global__ static void copy_rows(rin_rows r, rin_view from, rin_view to) {
    int64_t rows = r.whole ? r.to_rows : r.n, first = r.whole ? 0 : r.to_first, n = r.batch * rows * r.d;
    for (int64_t i = W * rin_thread(); i < n; i += W * rin_threads()) {
        int64_t c = i % r.d, row = first + i / r.d % rows, b = i / (rows * r.d), source = row - r.to_first;
        float x[W] = {0};
        if (source >= 0 && source < r.n) rin_get_wide<W>(from, (b * r.from_rows + r.from_first + source) * r.d + c, x);
        put<W>(to, (b * r.to_rows + row) * r.d + c, x, r.adds);
    }
}

/* ---- patches ---- */

/* Place in the video of number i of a token stream; -1 in the padding. */
__device__ static inline int64_t pixel_of(const rin_patches &p, int64_t i) {
    int64_t rows = p.height / p.size, cols = p.width / p.size;
    int64_t ch = i % p.channels, w = i / p.channels % p.size, h = i / p.channels / p.size % p.size;
    int64_t t = i / (p.channels * p.size * p.size) % p.stride;
    int64_t token = i / (p.channels * p.size * p.size * p.stride);
    int64_t col = token % cols, row = token / cols % rows, time = token / cols / rows % p.times,
            b = token / cols / rows / p.times;
    int64_t frame = time * p.stride + t - p.front;
    if (frame < 0 || frame >= p.frames) return -1;
    return (((b * p.frames + frame) * p.height + row * p.size + h) * p.width + col * p.size + w) * p.channels + ch;
}

__device__ static inline int64_t token_numbers(const rin_patches &p) {
    return p.batch * p.times * (p.height / p.size) * (p.width / p.size) * p.stride * p.size * p.size * p.channels;
}

__global__ static void patch(rin_patches p, rin_view video, rin_view tokens) {
    int64_t n = token_numbers(p);
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        int64_t pixel = pixel_of(p, i);
        float x = pixel < 0 ? 0.0f : rin_get(video, pixel);
        put<1>(tokens, i, &x, p.adds);
    }
}

__global__ static void unpatch(rin_patches p, rin_view tokens, rin_view video) {
    int64_t n = token_numbers(p);
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        int64_t pixel = pixel_of(p, i);
        float x = rin_get(tokens, i);
        if (pixel >= 0) put<1>(video, pixel, &x, p.adds);
    }
}

/* ---- launches ---- */

void rin_launch_add_table(cudaStream_t stream, rin_table t, rin_view table, rin_view x, rin_view out) {
    RIN_IN_EIGHTS(add_table, t.d, t.batch * t.n * t.d, t, table, x, out);
}

void rin_launch_add_table_grad(cudaStream_t stream, rin_table t, rin_view dy, rin_view out) {
    /* One element a thread, or too few threads would wait for memory. */
    RIN_LAUNCH(add_table_grad<1>, rin_blocks(t.rows * t.d), RIN_BLOCK, 0, stream, t, dy, out);
}

void rin_launch_copy_rows(cudaStream_t stream, rin_rows r, rin_view from, rin_view to) {
    int64_t rows = r.whole ? r.to_rows : r.n;
    RIN_IN_EIGHTS(copy_rows, r.d, r.batch * rows * r.d, r, from, to);
}

static int64_t numbers_of(const rin_patches *p) {
    return p->batch * p->times * p->stride * p->height * p->width * p->channels;
}

void rin_launch_patch(cudaStream_t stream, rin_patches p, rin_view video, rin_view tokens) {
    RIN_LAUNCH(patch, rin_blocks(numbers_of(&p)), RIN_BLOCK, 0, stream, p, video, tokens);
}

void rin_launch_unpatch(cudaStream_t stream, rin_patches p, rin_view tokens, rin_view video) {
    RIN_LAUNCH(unpatch, rin_blocks(numbers_of(&p)), RIN_BLOCK, 0, stream, p, tokens, video);
}
