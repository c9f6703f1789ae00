/* SPDX-License-Identifier: MIT */
/* Sampling: guidance, estimates of the data, mixtures of states. */
#include "backend/cuda/kernels/device.cuh"

enum { EPS, X, V };                    /* rin_pred_type */
enum { SIGNAL, NOISE, GUIDANCE, PHI }; /* of a level */

/* ---- guide ---- */

__global__ static void guide(rin_guide_of g, rin_view out) {
    float w = g.level[GUIDANCE];
    for (int64_t i = rin_thread(); i < g.n; i += rin_threads()) {
        float labelled = rin_get(g.labelled, i);
        rin_put(out, i, w != 0 ? (1 + w) * labelled - w * rin_get(g.reference, i) : labelled);
    }
}

/* A block an example. */
__global__ static void rescale_guided(rin_guide_of g, rin_view out) {
    float phi = g.level[PHI];
    if (phi == 0) return;
    int64_t first = blockIdx.x * g.each;
    double labelled = rin_block_scatter(g.labelled, first, g.each), guided = rin_block_scatter(out, first, g.each);
    if (!(guided > 0)) return;
    float factor = (float)((double)phi * sqrt(labelled / guided)) + 1 - phi;
    for (int64_t i = threadIdx.x; i < g.each; i += blockDim.x)
        rin_put(out, first + i, rin_get(out, first + i) * factor);
}

void rin_launch_guide(cudaStream_t stream, rin_guide_of g, rin_view out) {
    RIN_LAUNCH(guide, rin_blocks(g.n), RIN_BLOCK, 0, stream, g, out);
    RIN_LAUNCH(rescale_guided, (unsigned)(g.n / g.each), RIN_BLOCK, 0, stream, g, out);
}

/* ---- estimate ---- */

__device__ static inline float blend(const rin_estimate_of &e, int64_t i, float v) {
    if (!e.known.data) return v;
    float m = rin_get(e.mask, i / e.channels);
    return m * rin_get(e.known, i) + (1 - m) * v;
}

__global__ static void estimate(rin_estimate_of e, rin_view out) {
    float signal = e.level[SIGNAL], noise = e.level[NOISE];
    for (int64_t i = rin_thread(); i < e.n; i += rin_threads()) {
        float x = rin_get(e.x, i), o = rin_get(e.output, i), v = o;
        if (e.pred == EPS) v = (x - noise * o) / signal;
        else if (e.pred == V) v = signal * x - noise * o;
        if (!isfinite(o)) v = o - o; /* what clipping would hide */
        else if (e.percentile == 0) v = fminf(fmaxf(v, -e.b_scale), e.b_scale);
        rin_put(out, i, e.percentile == 0 ? blend(e, i, v) : v);
    }
}

/* The number of that rank among |v|, from 0, over a block: floats without their sign are in the order of their bits. */
__device__ static float order_statistic(rin_view v, int64_t first, int64_t each, int64_t rank) {
    uint32_t low = 0, high = 0x7F800000u;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        float limit = __uint_as_float(middle);
        double count = 0;
        for (int64_t i = threadIdx.x; i < each; i += blockDim.x) count += fabsf(rin_get(v, first + i)) <= limit;
        if (rin_block_sum(count) > (double)rank) high = middle;
        else low = middle + 1;
    }
    return __uint_as_float(low);
}

/* A block an example. */
__global__ static void clip_by_quantile(rin_estimate_of e, rin_view out) {
    int64_t first = blockIdx.x * e.each;
    double place = e.percentile * (double)(e.each - 1), rank = floor(place);
    double at = order_statistic(out, first, e.each, (int64_t)rank), after = at;
    if ((int64_t)rank + 1 < e.each) after = order_statistic(out, first, e.each, (int64_t)rank + 1);
    float limit = fmaxf(e.b_scale, (float)(at + (place - rank) * (after - at)));
    __syncthreads();
    for (int64_t i = threadIdx.x; i < e.each; i += blockDim.x) {
        float v = rin_get(out, first + i);
        if (!isnan(v)) v = fminf(fmaxf(v, -limit), limit) * (e.b_scale / limit);
        rin_put(out, first + i, blend(e, first + i, v));
    }
}

void rin_launch_estimate(cudaStream_t stream, rin_estimate_of e, rin_view out) {
    RIN_LAUNCH(estimate, rin_blocks(e.n), RIN_BLOCK, 0, stream, e, out);
    if (e.percentile > 0) RIN_LAUNCH(clip_by_quantile, (unsigned)(e.n / e.each), RIN_BLOCK, 0, stream, e, out);
}

/* ---- mix ---- */

enum { OF_X, OF_ESTIMATE = 2, OF_NOISE = 5, OF_EPS, DIVISOR }; /* of a mixture */

/* Rounded operation by operation like diffusion/follow.c: near the noise the reference numbers carry it. */
__device__ static inline float published(const float *f, float signal, float noise, float x, float x0) {
    float e = __fadd_rn(x, -__fmul_rn(signal, x0)) / noise;
    return __fadd_rn(__fadd_rn(__fmul_rn(f[OF_X], x), __fmul_rn(f[OF_ESTIMATE], x0)), __fmul_rn(f[OF_EPS], e)) /
           f[DIVISOR];
}

__global__ static void mix(rin_mix_of m, rin_view out) {
    const float *f = m.factors;
    bool as_published = f[OF_EPS] != 0;
    for (int64_t i = rin_thread(); i < m.n; i += rin_threads()) {
        float sum = as_published ? published(f, m.level[SIGNAL], m.level[NOISE], rin_get(m.sources[OF_X], i),
                                             rin_get(m.sources[OF_ESTIMATE], i))
                                 : 0;
        for (int k = as_published ? OF_NOISE : 0; k < RIN_MOST_MIXED; k++) {
            if (f[k] != 0 && m.sources[k].data) sum += f[k] * rin_get(m.sources[k], i);
        }
        rin_put(out, i, sum);
    }
}

void rin_launch_mix(cudaStream_t stream, rin_mix_of m, rin_view out) {
    RIN_LAUNCH(mix, rin_blocks(m.n), RIN_BLOCK, 0, stream, m, out);
}
