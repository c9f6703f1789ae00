/* SPDX-License-Identifier: MIT */
/* A step's numbers, the gradients' norm, and LAMB and AdamW with the moving average: few passes over the arenas. */
#include <math.h>

#include "backend/cuda/kernels/device.cuh"

#define MOST_UPDATE_NORM 1e19 /* RIN_MOST_UPDATE_NORM of op/op.h */

static __global__ void store_step(rin_cuda_step *to, rin_cuda_step step) {
    *to = step;
}

void rin_launch_set_step(cudaStream_t stream, rin_cuda_step *to, rin_cuda_step step) {
    RIN_LAUNCH(store_step, 1, 1, 0, stream, to, step);
}

/* ---- four neighbours, `left` of which are there ---- */

__device__ static inline void get4(const float *from, int left, float x[4]) {
    if (left >= 4) {
        float4 all = *(const float4 *)from;
        x[0] = all.x, x[1] = all.y, x[2] = all.z, x[3] = all.w;
        return;
    }
#pragma unroll
    for (int k = 0; k < 4; k++) x[k] = k < left ? from[k] : 0;
}

__device__ static inline void put4(float *to, int left, const float x[4]) {
    if (left >= 4) {
        float4 all;
        all.x = x[0], all.y = x[1], all.z = x[2], all.w = x[3];
        *(float4 *)to = all;
        return;
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
        if (k < left) to[k] = x[k];
    }
}

__device__ static inline void put4_narrow(uint16_t *to, int left, const float x[4]) {
    if (left >= 4) {
        uint2 all;
        all.x = rin_pack(x[0], x[1]);
        all.y = rin_pack(x[2], x[3]);
        *(uint2 *)to = all;
        return;
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
        if (k < left) to[k] = (uint16_t)rin_pack(x[k], x[k]);
    }
}

/* ---- norm ---- */

static __global__ void __launch_bounds__(RIN_BLOCK) sum_squares(const float *gradients, int64_t n, double *sums) {
    int64_t first = rin_thread(), step = rin_threads(), quads = n / 4;
    int count = first < quads ? (int)((quads - first + step - 1) / step) : 0; /* counted: several reads at once */
    double sum = first < n % 4 ? (double)gradients[4 * quads + first] * (double)gradients[4 * quads + first] : 0;
#pragma unroll 4
    for (int i = 0; i < count; i++) {
        float x[4];
        get4(gradients + 4 * (first + i * step), 4, x);
#pragma unroll
        for (int k = 0; k < 4; k++) sum += (double)x[k] * (double)x[k];
    }
    sum = rin_block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(RIN_BLOCK) root_of_sum(const double *sums, int n, float *out) {
    double sum = 0;
    for (int i = threadIdx.x; i < n; i += RIN_BLOCK) sum += sums[i];
    sum = rin_block_sum(sum);
    if (threadIdx.x == 0) *out = (float)sqrt(sum);
}

void rin_launch_grad_norm(cudaStream_t stream, const float *gradients, int64_t n, float *out, double *scratch) {
    int64_t blocks = rin_blocks((n + 3) / 4), most = rin_sum_scratch() / (int64_t)sizeof(double);
    if (blocks > most) blocks = most;
    RIN_LAUNCH(sum_squares, (unsigned)blocks, RIN_BLOCK, 0, stream, gradients, n, scratch);
    RIN_LAUNCH(root_of_sum, 1, RIN_BLOCK, 0, stream, scratch, (int)blocks, out);
}

/* ---- what a block needs to know ---- */

/* The constants of one update. */
struct rates {
    double lr, m, v; /* m, v: bias corrections; the step counts from 1 */
    float clip;      /* multiplies the gradient */
    float beta1, rest1, beta2, rest2, eps, average;
};

/* A chunk: elements [begin, end) of the arenas. */
struct chunk {
    rates r;
    rin_update_tensor tensor;
    int64_t begin, end;
};

/* rin_update_applies of op/op.h, and the loss. */
__device__ static inline bool applies(const rin_update_of &u) {
    double norm = *u.norm, clipped = u.grad_clip > 0 && norm > u.grad_clip ? u.grad_clip : norm;
    return isfinite(norm) && clipped <= MOST_UPDATE_NORM && (!u.loss || isfinite(*u.loss));
}

__device__ static rates rates_of(const rin_update_of &u) {
    double t = (double)u.step->step + 1;
    rates r;
    r.lr = u.step->learning_rate;
    r.m = 1 / (1 - pow(u.beta1, t));
    r.v = 1 / (1 - pow(u.beta2, t));
    r.clip = u.grad_clip > 0 ? (float)(u.grad_clip / fmax((double)*u.norm, u.grad_clip)) : 1;
    r.beta1 = (float)u.beta1;
    r.rest1 = (float)(1 - u.beta1);
    r.beta2 = (float)u.beta2;
    r.rest2 = (float)(1 - u.beta2);
    r.eps = (float)u.eps;
    r.average = (float)(1 - u.step->ema_decay);
    return r;
}

/* The last tensor that begins at this chunk or before. */
__device__ static rin_update_tensor tensor_of(const rin_update_of &u, int64_t index) {
    int low = 0, high = u.n_tensors - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (u.tensors[middle].first_chunk <= index) low = middle;
        else high = middle - 1;
    }
    return u.tensors[low];
}

/* Two threads' work, side by side; a block calls this once. */
__device__ static const chunk &chunk_of(const rin_update_of &u) {
    __shared__ chunk c;
    if (threadIdx.x == 0) c.r = rates_of(u);
    if (threadIdx.x == 32) {
        rin_update_tensor t = tensor_of(u, blockIdx.x);
        int64_t end = t.offset + t.count;
        c.tensor = t;
        c.begin = t.offset + (blockIdx.x - t.first_chunk) * RIN_UPDATE_CHUNK;
        c.end = end < c.begin + RIN_UPDATE_CHUNK ? end : c.begin + RIN_UPDATE_CHUNK;
    }
    __syncthreads();
    return c;
}

/* ---- four elements ---- */

__device__ static inline void update_moments(const rin_update_of &u, const rates &r, int64_t i, int left, float m[4],
                                             float v[4]) {
    float g[4];
    get4(u.gradients + i, left, g);
    get4(u.m + i, left, m);
    get4(u.v + i, left, v);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        float clipped = g[k] * r.clip;
        m[k] = r.beta1 * m[k] + r.rest1 * clipped;
        v[k] = r.beta2 * v[k] + r.rest2 * clipped * clipped;
    }
    put4(u.m + i, left, m);
    put4(u.v + i, left, v);
}

__device__ static inline void put_weights(const rin_update_of &u, const rates &r, int64_t i, int left,
                                          const float w[4]) {
    put4(u.weights + i, left, w);
    if (u.narrow) put4_narrow(u.narrow + i, left, w);
    if (!u.ema) return;
    float average[4];
    get4(u.ema + i, left, average);
#pragma unroll
    for (int k = 0; k < 4; k++) average[k] += r.average * (w[k] - average[k]);
    put4(u.ema + i, left, average);
}

/* ---- LAMB: moments, directions in the gradients' place and squares; then weights. AdamW: all at once. ---- */

/* A pass over a chunk: pass(i, left) for this thread's fours, with a `left` of 4 that the compiler knows for whole
 * ones. */
template <typename P> __device__ static inline void each_four(const chunk &c, P pass) {
    for (int64_t i = c.begin + 4 * threadIdx.x; i < c.end; i += 4 * RIN_BLOCK) {
        if (c.end - i >= 4) pass(i, 4);
        else pass(i, (int)(c.end - i));
    }
}

static __global__ void __launch_bounds__(RIN_BLOCK) lamb_first(rin_update_of u) {
    if (!applies(u)) return;
    const chunk &c = chunk_of(u);
    rates r = c.r;
    float m_scale = (float)r.m, v_scale = (float)r.v, decay = c.tensor.decay ? (float)u.weight_decay : 0;
    double w2 = 0, u2 = 0;
    each_four(c, [&](int64_t i, int left) {
        float w[4], m[4], v[4], to[4];
        get4(u.weights + i, left, w);
        update_moments(u, r, i, left, m, v);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            to[k] = m[k] * m_scale / (sqrtf(v[k] * v_scale) + r.eps) + decay * w[k];
            if (k >= left) to[k] = 0; /* 0 / eps is no number when eps is 0 */
            w2 += (double)w[k] * (double)w[k];
            u2 += (double)to[k] * (double)to[k];
        }
        put4(u.gradients + i, left, to);
    });
    if (!c.tensor.decay) return;
    w2 = rin_block_sum(w2);
    u2 = rin_block_sum(u2);
    if (threadIdx.x) return;
    u.scratch[2 * blockIdx.x] = w2;
    u.scratch[2 * blockIdx.x + 1] = u2;
}

/* |weight| / |direction| of a tensor, 1 when either is 0 or it does not decay. */
__device__ static double trust_ratio(const rin_update_of &u, const rin_update_tensor &t) {
    if (!t.decay) return 1;
    int64_t chunks = (t.count + RIN_UPDATE_CHUNK - 1) / RIN_UPDATE_CHUNK;
    double w2 = 0, u2 = 0;
    for (int64_t i = threadIdx.x; i < chunks; i += RIN_BLOCK) {
        w2 += u.scratch[2 * (t.first_chunk + i)];
        u2 += u.scratch[2 * (t.first_chunk + i) + 1];
    }
    w2 = rin_block_sum(w2);
    u2 = rin_block_sum(u2);
    return w2 > 0 && u2 > 0 ? sqrt(w2) / sqrt(u2) : 1;
}

static __global__ void __launch_bounds__(RIN_BLOCK) lamb_second(rin_update_of u) {
    if (!applies(u)) return;
    const chunk &c = chunk_of(u);
    rates r = c.r;
    float lr = (float)(r.lr * trust_ratio(u, c.tensor));
    each_four(c, [&](int64_t i, int left) {
        float w[4], to[4];
        get4(u.weights + i, left, w);
        get4(u.gradients + i, left, to);
#pragma unroll
        for (int k = 0; k < 4; k++) w[k] -= lr * to[k];
        put_weights(u, r, i, left, w);
    });
}

static __global__ void __launch_bounds__(RIN_BLOCK) adamw(rin_update_of u) {
    if (!applies(u)) return;
    const chunk &c = chunk_of(u);
    rates r = c.r;
    float lr = (float)(r.lr * r.m / sqrt(r.v)), decay = c.tensor.decay ? (float)(r.lr * u.weight_decay) : 0;
    each_four(c, [&](int64_t i, int left) {
        float w[4], m[4], v[4];
        get4(u.weights + i, left, w);
        update_moments(u, r, i, left, m, v);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            w[k] -= decay * w[k];
            w[k] -= lr * m[k] / (sqrtf(v[k]) + r.eps);
        }
        put_weights(u, r, i, left, w);
    });
}

void rin_launch_update(cudaStream_t stream, rin_update_of u) {
    unsigned chunks = (unsigned)u.n_chunks;
    if (!chunks) return;
    if (u.lamb) {
        RIN_LAUNCH(lamb_first, chunks, RIN_BLOCK, 0, stream, u);
        RIN_LAUNCH(lamb_second, chunks, RIN_BLOCK, 0, stream, u);
    } else {
        RIN_LAUNCH(adamw, chunks, RIN_BLOCK, 0, stream, u);
    }
}
