/* SPDX-License-Identifier: MIT */
/* Random numbers and the forward process. */
#include "backend/cuda/kernels/device.cuh"

/* A thread a block of the generator: four numbers. */
__global__ static void draw(const rin_cuda_step *step, uint32_t stream, bool normal, int64_t n, int64_t each,
                            rin_view out) {
    uint64_t base = step->first_example * (uint64_t)each, first = base >> 2, last = (base + (uint64_t)n + 3) >> 2;
    for (uint64_t b = first + (uint64_t)rin_thread(); b < last; b += (uint64_t)rin_threads()) {
        rin_random_key key = rin_key(step, stream);
        uint32_t bits[4], block = rin_random_block(&key, b);
        float x[4];
        rin_philox(key, block, bits);
#pragma unroll
        for (int k = 0; k < 4; k += 2) {
            if (normal) {
                float radius = sqrtf(-2.0f * logf(((float)(bits[k] >> 8) + 0.5f) * 0x1p-24f)), sine, cosine;
                sincosf(6.28318530717958648f * rin_uniform_from_bits(bits[k + 1]), &sine, &cosine);
                x[k] = radius * cosine;
                x[k + 1] = radius * sine;
            } else {
                x[k] = rin_uniform_from_bits(bits[k]);
                x[k + 1] = rin_uniform_from_bits(bits[k + 1]);
            }
        }
#pragma unroll
        for (int k = 0; k < 4; k++) {
            int64_t i = (int64_t)(4 * b + (uint64_t)k - base);
            if (i >= 0 && i < n) rin_put(out, i, x[k]);
        }
    }
}

enum { COSINE, SIMPLE_LINEAR, COSINE_RANGE, SIGMOID, LOG };

__device__ static inline float sigmoid(float v) {
    return 1.0f / (1.0f + expf(-v));
}

__device__ static inline float clip(float v, float low) {
    return v < low ? low : v > 1.0f ? 1.0f : v;
}

/* rin_gamma of diffusion/schedule.c, operation by operation. */
__device__ static float gamma_of(rin_gamma_of s, float t) {
    const float pi = 3.14159265358979323846f, least = 1e-9f;
    float start = (float)s.start, end = (float)s.end, tau = (float)s.tau, power = (float)(2 * s.tau);
    float u = __fadd_rn(__fmul_rn(t, (float)(s.end - s.start)), start), f0, f1;
    switch (s.kind) {
    case COSINE: f0 = cosf((t + 0.0002f) / 1.00025f * pi / 2); return f0 * f0;
    case SIMPLE_LINEAR: return clip(1.0f - t, least);
    case COSINE_RANGE:
        f0 = powf(cosf(start * pi / 2), power);
        f1 = powf(fmaxf(cosf(end * pi / 2), 0.0f), power);
        return clip((powf(fmaxf(cosf(u * pi / 2), 0.0f), power) - f1) / (f0 - f1), least);
    case SIGMOID:
        f0 = sigmoid(start / tau);
        f1 = sigmoid(end / tau);
        return clip((f1 - sigmoid(u / tau)) / (f1 - f0), least);
    default: /* LOG */
        f0 = s.reverse ? end : start;
        f1 = s.reverse ? start : end;
        return clip((logf(f1) - logf(__fadd_rn(__fmul_rn(t, f1 - f0), f0))) / (logf(f1) - logf(f0)), 0.0f);
    }
}

__global__ static void gamma_levels(rin_gamma_of schedule, rin_view times, rin_view out, int64_t n) {
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) rin_put(out, i, gamma_of(schedule, rin_get(times, i)));
}

__global__ static void rescale(float scale, float shift, rin_view x, rin_view out, int64_t n) {
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) rin_put(out, i, scale * rin_get(x, i) + shift);
}

__global__ static void add_noise(rin_view x0, rin_view noise, const float *gamma, rin_view out, int64_t n,
                                 int64_t each) {
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        float g = gamma[i / each];
        rin_put(out, i, sqrtf(g) * rin_get(x0, i) + sqrtf(1.0f - g) * rin_get(noise, i));
    }
}

/* A block an example. */
__global__ static void standardise(rin_view x, rin_view out, int64_t each) {
    int64_t first = blockIdx.x * each;
    double deviation = sqrt(rin_block_scatter(x, first, each) / (double)each);
    for (int64_t i = threadIdx.x; i < each; i += blockDim.x)
        rin_put(out, first + i, (float)((double)rin_get(x, first + i) / deviation));
}

/* W elements a thread, all of one example. */
template <int W>
__global__ static void mask_hidden(const rin_cuda_step *step, rin_view hidden, const float *u, double rate, int64_t all,
                                   rin_view out, int64_t n, int64_t each) {
    float threshold = 1.0f - (float)rate;
    for (int64_t i = W * rin_thread(); i < n; i += W * rin_threads()) {
        double example = (double)(step->first_example + (uint64_t)(i / each));
        bool kept = u ? u[i / each] > threshold : example < floor(rate * (double)all);
        float x[W] = {0};
        if (kept) rin_get_wide<W>(hidden, i, x);
        rin_put_wide<W>(out, i, x);
    }
}

void rin_launch_random(cudaStream_t stream, const rin_cuda_step *step, uint32_t key, bool normal, int64_t n,
                       int64_t each, rin_view out) {
    RIN_LAUNCH(draw, rin_blocks(n / 4 + 2), RIN_BLOCK, 0, stream, step, key, normal, n, each, out);
}

void rin_launch_gamma(cudaStream_t stream, rin_gamma_of schedule, rin_view times, rin_view out, int64_t n) {
    RIN_LAUNCH(gamma_levels, rin_blocks(n), RIN_BLOCK, 0, stream, schedule, times, out, n);
}

void rin_launch_rescale(cudaStream_t stream, float scale, float shift, rin_view x, rin_view out, int64_t n) {
    RIN_LAUNCH(rescale, rin_blocks(n), RIN_BLOCK, 0, stream, scale, shift, x, out, n);
}

void rin_launch_add_noise(cudaStream_t stream, rin_view x0, rin_view noise, const float *gamma, rin_view out, int64_t n,
                          int64_t each) {
    RIN_LAUNCH(add_noise, rin_blocks(n), RIN_BLOCK, 0, stream, x0, noise, gamma, out, n, each);
}

void rin_launch_standardise(cudaStream_t stream, rin_view x, rin_view out, int64_t batch, int64_t each) {
    RIN_LAUNCH(standardise, (unsigned)batch, RIN_BLOCK, 0, stream, x, out, each);
}

void rin_launch_mask_hidden(cudaStream_t stream, const rin_cuda_step *step, rin_view hidden, const float *u,
                            double rate, int64_t all, rin_view out, int64_t batch, int64_t each) {
    int64_t n = batch * each;
    if (each % 8 == 0)
        RIN_LAUNCH(mask_hidden<8>, rin_blocks(n / 8), RIN_BLOCK, 0, stream, step, hidden, u, rate, all, out, n, each);
    else RIN_LAUNCH(mask_hidden<1>, rin_blocks(n), RIN_BLOCK, 0, stream, step, hidden, u, rate, all, out, n, each);
}
