/* SPDX-License-Identifier: MIT */
/*
 * What all CUDA kernels share: tensors of either element type, tensor core products, random numbers, sums over a block.
 * Everything that is not plain CUDA C++ is here, so that the kernels also run on a CPU (tests/emulator/emulator.h).
 */
#ifndef RIN_CUDA_DEVICE_CUH
#define RIN_CUDA_DEVICE_CUH

#include "backend/cuda/launch.h"

#ifdef RIN_EMULATE
#include <emulator.h>
#else
/* The emulator defines the same names. */
#define RIN_LAUNCH(kernel, grid, block, shared, stream, ...) kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#define RIN_DYNAMIC_SHARED(type, name)                                 \
    extern __shared__ __align__(128) unsigned char rin_shared_bytes[]; \
    type *name = (type *)rin_shared_bytes

/* Two floats as bf16, low in the lower half, rounded to nearest even. */
__device__ static inline uint32_t rin_pack(float low, float high) {
    uint32_t packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

/* 2^x to 22 bits; below 2^-126 it is 0. */
__device__ static inline float rin_exp2(float x) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
}

/* c (16, 8) += a (16, 16) b (16, 8), bf16 products, float sums, over a warp: PTX mma.m16n8k16. */
__device__ static inline void rin_mma(float c[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Four 8 x 8 matrices of bf16 from shared memory; lane 8 m + r gives the address of row r of matrix m (16 bytes). */
__device__ static inline void rin_ldmatrix(uint32_t r[4], const void *row) {
    uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* The same, each matrix transposed. */
__device__ static inline void rin_ldmatrix_trans(uint32_t r[4], const void *row) {
    uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

/* 16 bytes from global to shared memory, in the background; zeros where not valid. Both 16-byte aligned. */
__device__ static inline void rin_copy_async(void *shared, const void *global, bool valid) {
    uint32_t address = (uint32_t)__cvta_generic_to_shared(shared);
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
}

__device__ static inline void rin_copy_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until at most `left` of this thread's groups of copies are under way. */
template <int left> __device__ static inline void rin_copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}
#endif

/* ---- elements ---- */

__device__ static inline float rin_from_bf16(uint32_t bits) { /* the lower 16 */
    return __uint_as_float(bits << 16);
}

__device__ static inline float rin_get(rin_view v, int64_t i) {
    return v.bf16 ? rin_from_bf16(((const uint16_t *)v.data)[i]) : ((const float *)v.data)[i];
}

__device__ static inline void rin_put(rin_view v, int64_t i, float x) {
    if (v.bf16) ((uint16_t *)v.data)[i] = (uint16_t)rin_pack(x, x);
    else ((float *)v.data)[i] = x;
}

/* Eight elements from i on, a multiple of 8. */
__device__ static inline void rin_get8(rin_view v, int64_t i, float x[8]) {
    if (v.bf16) {
        uint4 bits = *(const uint4 *)((const uint16_t *)v.data + i);
        uint32_t word[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            x[2 * k] = rin_from_bf16(word[k]);
            x[2 * k + 1] = __uint_as_float(word[k] & 0xffff0000u);
        }
    } else {
        float4 a = *(const float4 *)((const float *)v.data + i), b = *(const float4 *)((const float *)v.data + i + 4);
        x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
        x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
    }
}

__device__ static inline void rin_put8(rin_view v, int64_t i, const float x[8]) {
    if (v.bf16) {
        uint4 bits;
        bits.x = rin_pack(x[0], x[1]);
        bits.y = rin_pack(x[2], x[3]);
        bits.z = rin_pack(x[4], x[5]);
        bits.w = rin_pack(x[6], x[7]);
        *(uint4 *)((uint16_t *)v.data + i) = bits;
    } else {
        float4 a, b;
        a.x = x[0], a.y = x[1], a.z = x[2], a.w = x[3];
        b.x = x[4], b.y = x[5], b.z = x[6], b.w = x[7];
        *(float4 *)((float *)v.data + i) = a;
        *(float4 *)((float *)v.data + i + 4) = b;
    }
}

/* W elements from i on: 8 or 1. */
template <int W> __device__ static inline void rin_get_wide(rin_view v, int64_t i, float *x) {
    if (W == 8) rin_get8(v, i, x);
    else x[0] = rin_get(v, i);
}

template <int W> __device__ static inline void rin_put_wide(rin_view v, int64_t i, const float *x) {
    if (W == 8) rin_put8(v, i, x);
    else rin_put(v, i, x[0]);
}

/* ---- indices ---- */

__device__ static inline int64_t rin_thread() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ static inline int64_t rin_threads() {
    return (int64_t)gridDim.x * blockDim.x;
}

enum { RIN_BLOCK = 256 };

/* Blocks for n pieces of work, a thread each, in loops of rin_threads() when there are more than a GPU holds. */
static inline unsigned rin_blocks(int64_t n) {
    int64_t blocks = (n + RIN_BLOCK - 1) / RIN_BLOCK;
    return (unsigned)(blocks < 1 ? 1 : blocks < 4096 ? blocks : 4096);
}

/* Launches a kernel whose threads move eight elements of rows of d at once, or one where they do not come out even. */
#define RIN_IN_EIGHTS(kernel, d, n, ...)                                                             \
    if ((d) % 8 == 0) RIN_LAUNCH(kernel<8>, rin_blocks((n) / 8), RIN_BLOCK, 0, stream, __VA_ARGS__); \
    else RIN_LAUNCH(kernel<1>, rin_blocks(n), RIN_BLOCK, 0, stream, __VA_ARGS__)

/* The warp's number in its block. Taken from one lane, so that the compiler knows that all of them agree. */
__device__ static inline int rin_warp() {
    return __shfl_sync(0xffffffffu, (int)threadIdx.x / 32, 0);
}

/* ---- sums, in an order that does not change ---- */

__device__ static inline float rin_warp_sum(float x) {
#pragma unroll
    for (int k = 16; k; k /= 2) x += __shfl_xor_sync(0xffffffffu, x, k);
    return x;
}

/* The sum over a block of RIN_BLOCK threads, in all of them. */
__device__ static inline double rin_block_sum(double x) {
    __shared__ double part[RIN_BLOCK / 32];
    __syncthreads();
#pragma unroll
    for (int k = 16; k; k /= 2) x += __shfl_xor_sync(0xffffffffu, x, k);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    double sum = 0;
    for (int i = 0; i < RIN_BLOCK / 32; i++) sum += part[i];
    return sum;
}

/* Sum of squares around the mean of an example of `each` elements, over a block. */
__device__ static inline double rin_block_scatter(rin_view x, int64_t first, int64_t each) {
    double sum = 0, squares = 0;
    for (int64_t i = threadIdx.x; i < each; i += blockDim.x) sum += (double)rin_get(x, first + i);
    double mean = rin_block_sum(sum) / (double)each;
    for (int64_t i = threadIdx.x; i < each; i += blockDim.x) {
        double v = (double)rin_get(x, first + i) - mean;
        squares += v * v;
    }
    return rin_block_sum(squares);
}

/* ---- random numbers: those of base/random.c, bit by bit but for the normals' last ones ---- */

__device__ static inline rin_random_key rin_key(const rin_cuda_step *step, uint32_t stream) {
    rin_random_key key = {step->seed, step->step, stream};
    return key;
}

__device__ static inline float rin_uniform(rin_random_key key, uint64_t element) {
    uint32_t bits[4], block = rin_random_block(&key, element >> 2);
    rin_philox(key, block, bits);
    return rin_uniform_from_bits(bits[element & 3]);
}

/* Eight elements from `element` on, a multiple of 8: kept or 0. */
__device__ static inline void rin_survivors8(rin_random_key key, uint64_t element, uint32_t threshold, float kept,
                                             float out[8]) {
    uint32_t bits[4], block = rin_random_block(&key, element >> 3);
    rin_philox(key, block, bits);
#pragma unroll
    for (int k = 0; k < 8; k++) out[k] = (bits[k / 2] >> (k % 2 * 16) & 0xffffu) >= threshold ? kept : 0.0f;
}

__device__ static inline float rin_survivor(rin_random_key key, uint64_t element, uint32_t threshold, float kept) {
    uint32_t bits[4], block = rin_random_block(&key, element >> 3);
    rin_philox(key, block, bits);
    return (bits[element % 8 / 2] >> (element % 2 * 16) & 0xffffu) >= threshold ? kept : 0.0f;
}

#endif
