/* SPDX-License-Identifier: MIT */
/* What convolutions are besides products, and pools. Neighbouring threads have neighbouring channels. */
#include "backend/cuda/kernels/device.cuh"

/* ---- folding of batch norm ---- */

__global__ static void fold(rin_fold_of f, rin_view weight, rin_view bias) {
    int64_t k = f.c * f.cells;
    for (int64_t i = rin_thread(); i < f.n * k; i += rin_threads()) {
        int64_t o = i / k, j = i % k;
        double factor = (f.scale ? (double)f.scale[o] : 1) / (f.variance ? sqrt((double)f.variance[o] + f.eps) : 1);
        if (weight.data) rin_put(weight, i, (float)(factor * (double)f.weight[o * k + j % f.c * f.cells + j / f.c]));
        if (j > 0 || !bias.data) continue;
        double shift = f.mean ? factor * (double)f.mean[o] : 0;
        rin_put(bias, o, (float)((f.bias ? (double)f.bias[o] : 0) - shift));
    }
}

/* ---- pixels of the output, and cells of a window ---- */

typedef struct pixel {
    int64_t at[3], example; /* time, row, column */
} pixel;

/* Number i, column by column, of those along `all`. */
template <typename N> __device__ static inline pixel pixel_of(const N all[3], int64_t i) {
    pixel p;
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        p.at[axis] = i % all[axis];
        i /= all[axis];
    }
    p.example = i;
    return p;
}

/* The pixel whose number is the sum of two pixels' numbers: a thread that goes on by that needs no division. */
__device__ static inline pixel add(const rin_windows &w, const pixel &p, const pixel &q) {
    pixel sum;
    int64_t carry = 0;
#pragma unroll
    for (int axis = 2; axis >= 0; axis--) {
        sum.at[axis] = p.at[axis] + q.at[axis] + carry;
        carry = sum.at[axis] >= w.out[axis];
        if (carry) sum.at[axis] -= w.out[axis];
    }
    sum.example = p.example + q.example + carry;
    return sum;
}

/* Where the first channel of a cell of a pixel's window is in x; -1 in the padding. */
__device__ static inline int64_t place_of(const rin_windows &w, const pixel &p, const pixel &cell) {
    int64_t place = p.example;
#pragma unroll
    for (int axis = 0; axis < 3; axis++) {
        int64_t at = p.at[axis] * w.stride[axis] - w.front[axis] + cell.at[axis];
        if (at < 0 || at >= w.in[axis]) return -1;
        place = place * w.in[axis] + at;
    }
    return place * w.c;
}

/* ---- convolutions ---- */

__host__ __device__ static inline int64_t numbers_seen(const rin_windows &w) {
    return w.c * w.size[0] * w.size[1] * w.size[2];
}

/* A thread has its numbers' place in the window, and takes them from one pixel after another. */
template <int W> __global__ static void windows(rin_windows w, int64_t first, int64_t n, rin_view x, rin_view seen) {
    int64_t k = numbers_seen(w), threads = k / W; /* a pixel */
    int64_t i = rin_thread() / threads, j = rin_thread() % threads * W, at_once = rin_threads() / threads;
    if (i >= at_once) return;
    pixel cell = pixel_of(w.size, j / w.c), step = pixel_of(w.out, at_once);
    for (pixel p = pixel_of(w.out, first + i); i < n; i += at_once, p = add(w, p, step)) {
        int64_t place = place_of(w, p, cell);
        float numbers[W] = {0};
        if (place >= 0) rin_get_wide<W>(x, place + j % w.c, numbers);
        rin_put_wide<W>(seen, i * k + j, numbers);
    }
}

template <int W>
__global__ static void finish_conv(rin_channels to, bool relu, int64_t first, int64_t pixels, rin_view sums,
                                   rin_view bias, rin_view y) {
    for (int64_t i = W * rin_thread(); i < pixels * to.n; i += W * rin_threads()) {
        int64_t pixel = first + i / to.n, channel = i % to.n;
        float sum[W], add[W];
        rin_get_wide<W>(sums, i, sum);
        rin_get_wide<W>(bias, channel, add);
#pragma unroll
        for (int k = 0; k < W; k++) {
            sum[k] += add[k];
            if (relu && sum[k] < 0) sum[k] = 0;
        }
        rin_put_wide<W>(y, pixel * to.all + to.first + channel, sum);
    }
}

/* ---- pools ---- */

/* Kahan's sum: a window may be a whole map, and what each addition rounds off goes into the next. */
__device__ static inline float add_exactly(float sum, float x, float *lost) {
    float wanted = x - *lost, next = sum + wanted;
    *lost = (next - sum) - wanted;
    return next;
}

template <int W>
__global__ static void pool(rin_windows w, rin_channels to, bool mean, int64_t pixels, rin_view x, rin_view y) {
    for (int64_t i = W * rin_thread(); i < pixels * w.c; i += W * rin_threads()) {
        pixel p = pixel_of(w.out, i / w.c);
        int64_t channel = i % w.c, begin[3], end[3], inside = 1;
#pragma unroll
        for (int axis = 0; axis < 3; axis++) { /* the cells that are not in the padding */
            int64_t at = p.at[axis] * w.stride[axis] - w.front[axis];
            begin[axis] = max(at, (int64_t)0);
            end[axis] = min(at + w.size[axis], w.in[axis]);
            inside *= end[axis] - begin[axis];
        }
        float all[W], one[W], lost[W] = {0};
#pragma unroll
        for (int k = 0; k < W; k++) all[k] = mean ? 0.0f : -INFINITY;
        for (int64_t t = begin[0]; t < end[0]; t++) {
            for (int64_t h = begin[1]; h < end[1]; h++) {
                int64_t row = ((p.example * w.in[0] + t) * w.in[1] + h) * w.in[2];
                for (int64_t v = begin[2]; v < end[2]; v++) {
                    rin_get_wide<W>(x, (row + v) * w.c + channel, one);
#pragma unroll
                    for (int k = 0; k < W; k++) {
                        if (mean) all[k] = add_exactly(all[k], one[k], &lost[k]);
                        else all[k] = one[k] > all[k] ? one[k] : all[k];
                    }
                }
            }
        }
#pragma unroll
        for (int k = 0; k < W && mean; k++) all[k] /= (float)inside;
        rin_put_wide<W>(y, i / w.c * to.all + to.first + channel, all);
    }
}

/* ---- launches ---- */

void rin_launch_fold(cudaStream_t stream, rin_fold_of f, rin_view weight, rin_view bias) {
    RIN_LAUNCH(fold, rin_blocks(f.n * f.c * f.cells), RIN_BLOCK, 0, stream, f, weight, bias);
}

void rin_launch_windows(cudaStream_t stream, rin_windows w, int64_t first, int64_t n, rin_view x, rin_view seen) {
    bool wide = w.c % 8 == 0;
    int64_t threads = numbers_seen(w) / (wide ? 8 : 1); /* a pixel, which all have to be there */
    unsigned blocks = rin_blocks(n * threads), least = (unsigned)((threads + RIN_BLOCK - 1) / RIN_BLOCK);
    if (blocks < least) blocks = least;
    if (wide) RIN_LAUNCH(windows<8>, blocks, RIN_BLOCK, 0, stream, w, first, n, x, seen);
    else RIN_LAUNCH(windows<1>, blocks, RIN_BLOCK, 0, stream, w, first, n, x, seen);
}

/* A multiple of eight where this op's channels, the first of them and all of a pixel are: only then they move in
 * eights. */
static int64_t evenness(rin_channels channels) {
    return channels.n | channels.first | channels.all;
}

void rin_launch_finish_conv(cudaStream_t stream, rin_channels channels, bool relu, int64_t first, int64_t pixels,
                            rin_view sums, rin_view bias, rin_view y) {
    RIN_IN_EIGHTS(finish_conv, evenness(channels), pixels * channels.n, channels, relu, first, pixels, sums, bias, y);
}

void rin_launch_pool(cudaStream_t stream, rin_windows w, rin_channels channels, bool mean, int64_t pixels, rin_view x,
                     rin_view y) {
    RIN_IN_EIGHTS(pool, evenness(channels), pixels * w.c, w, channels, mean, pixels, x, y);
}
