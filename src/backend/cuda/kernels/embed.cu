/* SPDX-License-Identifier: MIT */
/* Fixed positions, the time token's code, labels. */
#include "backend/cuda/kernels/device.cuh"

/*
 * Angles go up to a thousand and carry float rounding, which has to be the reference's: the power is made in double and
 * rounded once, as a good powf does.
 */
__device__ static inline float angle_of(float v, int64_t i, int64_t d) {
    return v / (float)pow(10000.0, (double)((float)(2 * (i / 2)) / (float)d));
}

/* All sines, then all cosines; number c of d. */
__device__ static inline float code(float v, int64_t c, int64_t d) {
    int64_t half = (d + 1) / 2;
    return c < half ? sinf(angle_of(v, 2 * c, d)) : cosf(angle_of(v, 2 * (c - half) + 1, d));
}

__device__ static inline float place(int64_t i, int64_t n, float scale) {
    return (float)i / (float)(n - 1) * scale;
}

__global__ static void sin_cos(int64_t rows, int64_t cols, int64_t repeat, int64_t d, float scale, rin_view out) {
    int64_t n = rows * cols;
    bool flat = rows == 1 || cols == 1;
    for (int64_t i = rin_thread(); i < repeat * n * d; i += rin_threads()) {
        int64_t c = i % d, position = i / d % n;
        float value;
        if (flat) value = code(place(position, n, scale), c, d);
        else if (c < d / 2) value = code(place(position / cols, rows, scale), c, d / 2);
        else value = code(place(position % cols, cols, scale), c - d / 2, d / 2);
        rin_put(out, i, value);
    }
}

/* A block an example; the mean and the deviation of all d numbers. */
__global__ static void time_encode(const float *gamma, int64_t d, float scale, rin_view out) {
    float v = gamma[blockIdx.x] * scale;
    double sum = 0, squares = 0;
    for (int64_t c = threadIdx.x; c < d; c += blockDim.x) sum += (double)code(v, c, d);
    double mean = rin_block_sum(sum) / (double)d;
    for (int64_t c = threadIdx.x; c < d; c += blockDim.x) {
        double x = (double)code(v, c, d) - mean;
        squares += x * x;
    }
    double deviation = sqrt(rin_block_sum(squares) / (double)d);
    for (int64_t c = threadIdx.x; c < d; c += blockDim.x)
        rin_put(out, blockIdx.x * d + c, (float)(((double)code(v, c, d) - mean) / deviation));
}

__global__ static void drop_labels(const rin_cuda_step *step, uint32_t key, float rate, int64_t n, int64_t classes,
                                   rin_view labels, rin_view out) {
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        bool kept = rin_uniform(rin_key(step, key), step->first_example + (uint64_t)(i / classes)) >= rate;
        rin_put(out, i, kept ? rin_get(labels, i) : 0.0f);
    }
}

void rin_launch_sin_cos(cudaStream_t stream, int64_t rows, int64_t cols, int64_t repeat, int64_t dim, float scale,
                        rin_view out) {
    RIN_LAUNCH(sin_cos, rin_blocks(rows * cols * repeat * dim), RIN_BLOCK, 0, stream, rows, cols, repeat, dim, scale,
               out);
}

void rin_launch_time_encode(cudaStream_t stream, const float *gamma, int64_t batch, int64_t dim, float scale,
                            rin_view out) {
    RIN_LAUNCH(time_encode, (unsigned)batch, RIN_BLOCK, 0, stream, gamma, dim, scale, out);
}

void rin_launch_drop_labels(cudaStream_t stream, const rin_cuda_step *step, uint32_t key, float rate, int64_t batch,
                            int64_t classes, rin_view labels, rin_view out) {
    int64_t n = batch * classes;
    RIN_LAUNCH(drop_labels, rin_blocks(n), RIN_BLOCK, 0, stream, step, key, rate, n, classes, labels, out);
}
