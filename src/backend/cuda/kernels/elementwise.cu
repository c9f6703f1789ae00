/* SPDX-License-Identifier: MIT */
/*
 * One pass over a tensor: what follows a product (activation, dropout, drop-path, residual), products with slopes,
 * sums, conversions. Bound by memory: a thread moves eight elements at a time, 16 bytes of bf16.
 */
#include "backend/cuda/kernels/device.cuh"

enum { GELU = 1, SILU = 2 };

__device__ static inline float act(int kind, float z, float *slope) {
    if (kind == GELU) {
        float half = 0.5f * (1.0f + erff(z * 0.70710678118654752440f));
        *slope = half + z * 0.39894228040143267794f * expf(-0.5f * z * z);
        return z * half;
    }
    if (kind == SILU) {
        float s = 1.0f / (1.0f + expf(-z));
        *slope = s * (1.0f + z * (1.0f - s));
        return z * s;
    }
    *slope = 1.0f;
    return z;
}

/* What the survivors of an example's path are multiplied by. */
__device__ static inline float path_factor(const rin_finish &how, uint64_t example) {
    if (how.path <= 0) return 1.0f;
    rin_random_key key = rin_key(how.step, how.stream + 2);
    return rin_uniform(key, how.step->first_example + example) >= how.path ? 1.0f / (1.0f - how.path) : 0.0f;
}

/* Factors of eight elements from i on, all of one example, or of one. */
__device__ static inline void survivors8(const rin_finish &how, int64_t i, float out[8]) {
    float path = path_factor(how, (uint64_t)(i / how.per_example));
    if (how.drop <= 0) {
#pragma unroll
        for (int k = 0; k < 8; k++) out[k] = path;
        return;
    }
    uint64_t element = how.step->first_example * (uint64_t)how.per_example + (uint64_t)i;
    rin_survivors8(rin_key(how.step, how.stream + 1), element, rin_drop_threshold(how.drop),
                   path * (float)rin_drop_scale(how.drop), out);
}

__device__ static inline float survivor(const rin_finish &how, int64_t i) {
    float path = path_factor(how, (uint64_t)(i / how.per_example));
    if (how.drop <= 0) return path;
    uint64_t element = how.step->first_example * (uint64_t)how.per_example + (uint64_t)i;
    return rin_survivor(rin_key(how.step, how.stream + 1), element, rin_drop_threshold(how.drop),
                        path * (float)rin_drop_scale(how.drop));
}

__global__ static void finish8(rin_finish how, rin_view z, rin_view residual, rin_view out, rin_view slope) {
    for (int64_t i = 8 * rin_thread(); i < how.n; i += 8 * rin_threads()) {
        float x[8], s[8], kept[8];
        rin_get8(z, i, x);
        survivors8(how, i, kept);
#pragma unroll
        for (int k = 0; k < 8; k++) {
            x[k] = act(how.act, x[k], &s[k]) * kept[k];
            s[k] *= kept[k];
        }
        if (slope.data) rin_put8(slope, i, s);
        if (residual.data) {
            rin_get8(residual, i, s);
#pragma unroll
            for (int k = 0; k < 8; k++) x[k] += s[k];
        }
        rin_put8(out, i, x);
    }
}

__global__ static void finish1(rin_finish how, rin_view z, rin_view residual, rin_view out, rin_view slope) {
    for (int64_t i = rin_thread(); i < how.n; i += rin_threads()) {
        float s, kept = survivor(how, i), x = act(how.act, rin_get(z, i), &s) * kept;
        if (residual.data) x += rin_get(residual, i);
        if (slope.data) rin_put(slope, i, s * kept);
        rin_put(out, i, x);
    }
}

__global__ static void survive(rin_finish how, rin_view dy, rin_view out) {
    for (int64_t i = rin_thread(); i < how.n; i += rin_threads()) rin_put(out, i, rin_get(dy, i) * survivor(how, i));
}

__global__ static void survive8(rin_finish how, rin_view dy, rin_view out) {
    for (int64_t i = 8 * rin_thread(); i < how.n; i += 8 * rin_threads()) {
        float x[8], kept[8];
        rin_get8(dy, i, x);
        survivors8(how, i, kept);
#pragma unroll
        for (int k = 0; k < 8; k++) x[k] *= kept[k];
        rin_put8(out, i, x);
    }
}

typedef enum pair_kind { MULTIPLY, ADD, COPY } pair_kind;

__device__ static inline float pair(pair_kind kind, float a, float b) {
    return kind == MULTIPLY ? a * b : kind == ADD ? a + b : a;
}

/* Eight elements a thread, and the rest one by one. */
template <pair_kind kind> __global__ static void pairs(rin_view a, rin_view b, rin_view out, int64_t n, bool adds) {
    int64_t whole = n / 8 * 8;
    for (int64_t i = 8 * rin_thread(); i < whole; i += 8 * rin_threads()) {
        float x[8], y[8] = {0};
        rin_get8(a, i, x);
        if (kind != COPY) rin_get8(b, i, y);
#pragma unroll
        for (int k = 0; k < 8; k++) x[k] = pair(kind, x[k], y[k]);
        if (adds) {
            rin_get8(out, i, y);
#pragma unroll
            for (int k = 0; k < 8; k++) x[k] += y[k];
        }
        rin_put8(out, i, x);
    }
    int64_t i = whole + rin_thread();
    if (i < n) {
        float x = pair(kind, rin_get(a, i), kind == COPY ? 0.0f : rin_get(b, i));
        rin_put(out, i, adds ? x + rin_get(out, i) : x);
    }
}

__global__ static void blend(rin_view to, rin_view from, float keep, int64_t n) {
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        float old = keep != 0 ? keep * rin_get(to, i) : 0.0f;
        rin_put(to, i, old + (1.0f - keep) * rin_get(from, i));
    }
}

/* Groups of eight elements are of one example, and of one block of dropout's random numbers. */
static bool in_eights(const rin_finish *how) {
    return how->per_example % 8 == 0;
}

void rin_launch_finish(cudaStream_t stream, rin_finish how, rin_view z, rin_view residual, rin_view out,
                       rin_view slope) {
    if (in_eights(&how)) RIN_LAUNCH(finish8, rin_blocks(how.n / 8), RIN_BLOCK, 0, stream, how, z, residual, out, slope);
    else RIN_LAUNCH(finish1, rin_blocks(how.n), RIN_BLOCK, 0, stream, how, z, residual, out, slope);
}

void rin_launch_survive(cudaStream_t stream, rin_finish how, rin_view dy, rin_view out) {
    if (in_eights(&how)) RIN_LAUNCH(survive8, rin_blocks(how.n / 8), RIN_BLOCK, 0, stream, how, dy, out);
    else RIN_LAUNCH(survive, rin_blocks(how.n), RIN_BLOCK, 0, stream, how, dy, out);
}

void rin_launch_multiply(cudaStream_t stream, rin_view a, rin_view b, rin_view out, int64_t n, bool adds) {
    RIN_LAUNCH(pairs<MULTIPLY>, rin_blocks(n / 8), RIN_BLOCK, 0, stream, a, b, out, n, adds);
}

void rin_launch_add(cudaStream_t stream, rin_view a, rin_view b, rin_view out, int64_t n, bool adds) {
    RIN_LAUNCH(pairs<ADD>, rin_blocks(n / 8), RIN_BLOCK, 0, stream, a, b, out, n, adds);
}

__global__ static void clear(int *differs) {
    *differs = 0;
}

__global__ static void compare(const uint16_t *a, const uint16_t *b, int64_t n, int *differs) {
    for (int64_t i = rin_thread(); i < n; i += rin_threads()) {
        if (a[i] != b[i]) *differs = 1;
    }
}

void rin_launch_compare(cudaStream_t stream, const void *a, const void *b, int64_t n, int *differs) {
    RIN_LAUNCH(clear, 1, 1, 0, stream, differs);
    RIN_LAUNCH(compare, rin_blocks(n), RIN_BLOCK, 0, stream, (const uint16_t *)a, (const uint16_t *)b, n, differs);
}

void rin_launch_blend(cudaStream_t stream, rin_view to, rin_view from, float keep, int64_t n) {
    RIN_LAUNCH(blend, rin_blocks(n), RIN_BLOCK, 0, stream, to, from, keep, n);
}

void rin_launch_convert(cudaStream_t stream, rin_view a, rin_view out, int64_t n) {
    RIN_LAUNCH(pairs<COPY>, rin_blocks(n / 8), RIN_BLOCK, 0, stream, a, a, out, n, false);
}
