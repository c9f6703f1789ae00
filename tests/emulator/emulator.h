/* SPDX-License-Identifier: MIT */
/*
 * CUDA's language on a CPU, as much of it as the kernels use: a block's threads are fibers of one thread of the host,
 * blocks run one after the other, launches wait for each other. Needs -fno-strict-aliasing, as kernels are written for
 * a compiler that does not mind, and -Wno-unknown-pragmas. What shared arrays of a block hold at first is what the last
 * block left.
 *
 * In the environment: RIN_EMULATE_ORDER=reverse starts with the last block and thread instead of the first.
 * A warp runs as far as it can before the next does, so that a missing barrier shows in one of the two orders.
 */
#ifndef RIN_EMULATOR_H
#define RIN_EMULATOR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <tuple>
#include <type_traits>

#include "cuda_runtime_api.h"

/* ---- the language ---- */

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))

#define RIN_EMULATE_VECTOR2(name, element)                       \
    struct alignas(2 * sizeof(element)) name##2 {                \
        element x, y;                                            \
    };                                                           \
    static inline name##2 make_##name##2(element x, element y) { \
        return {x, y};                                           \
    }
#define RIN_EMULATE_VECTOR4(name, element)                                             \
    struct alignas(sizeof(element) < 4 ? 4 * sizeof(element) : 16) name##4 {           \
        element x, y, z, w;                                                            \
    };                                                                                 \
    static inline name##4 make_##name##4(element x, element y, element z, element w) { \
        return {x, y, z, w};                                                           \
    }
#define RIN_EMULATE_VECTOR3(name, element)                                  \
    struct name##3 {                                                        \
        element x, y, z;                                                    \
    };                                                                      \
    static inline name##3 make_##name##3(element x, element y, element z) { \
        return {x, y, z};                                                   \
    }
#define RIN_EMULATE_VECTORS(name, element) \
    RIN_EMULATE_VECTOR2(name, element) RIN_EMULATE_VECTOR3(name, element) RIN_EMULATE_VECTOR4(name, element)

RIN_EMULATE_VECTORS(char, signed char)
RIN_EMULATE_VECTORS(uchar, unsigned char)
RIN_EMULATE_VECTORS(short, short)
RIN_EMULATE_VECTORS(ushort, unsigned short)
RIN_EMULATE_VECTORS(int, int)
RIN_EMULATE_VECTORS(uint, unsigned)
RIN_EMULATE_VECTORS(float, float)
RIN_EMULATE_VECTOR2(double, double)
RIN_EMULATE_VECTOR2(longlong, long long)
RIN_EMULATE_VECTOR2(ulonglong, unsigned long long)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {
    }
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
enum { warpSize = 32 };

/* ---- launches ---- */

namespace rin_emulate {

struct launch {
    const char *kernel;
    dim3 grid, block;
    size_t shared;
};

/* Runs work, or records it where the stream is recorded. */
cudaError_t queue(cudaStream_t stream, std::function<void()> work);
/* Queues a kernel: `thread` is its run by one thread. What is wrong shows in cudaGetLastError. */
void start(const launch &how, const void *function, cudaStream_t stream, std::function<void()> thread);
/* Sets memory while no kernel runs. */
void fill(void *memory, int byte, size_t bytes);
/* Runs a kernel now. */
void run(const launch &how, const std::function<void()> &thread);

/* What kernel<<<...>>> is. */
template <typename... P> struct launcher {
    void (*kernel)(P...);
    launch how;
    cudaStream_t stream;

    void operator()(P... arguments) const {
        auto bound = [k = kernel, values = std::tuple<std::decay_t<P>...>(arguments...)] { std::apply(k, values); };
        start(how, (const void *)kernel, stream, bound);
    }
};

template <typename... P>
launcher<P...> prepare(void (*kernel)(P...), const char *name, dim3 grid, dim3 block, size_t shared,
                       cudaStream_t stream) {
    return {kernel, {name, grid, block, shared}, stream};
}

void *dynamic_shared();

} // namespace rin_emulate

#define RIN_LAUNCH(kernel, grid, block, shared, stream, ...) \
    rin_emulate::prepare(kernel, #kernel, grid, block, shared, stream)(__VA_ARGS__)
#define RIN_DYNAMIC_SHARED(type, name) type *name = (type *)rin_emulate::dynamic_shared()

template <typename... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), enum cudaFuncAttribute attribute, int value) {
    return cudaFuncSetAttribute((const void *)kernel, attribute, value);
}

template <typename... P>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void (*kernel)(P...), int block, size_t shared) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (const void *)kernel, block, shared);
}

/* ---- barriers and warps: a warp's threads, or a block's, call these together or the program ends with a message ----
 */

namespace rin_emulate {

struct place {
    const char *operation, *file;
    int line;
};

/* perform gets the arguments of all lanes of the calling warp, NULL for those that returned or never were. */
typedef void (*perform)(void *const lanes[32]);
void together(perform action, void *arguments, unsigned mask, place where);
/* The number of threads for which the predicate holds. */
int synchronise(bool predicate, place where);
void synchronise_warp(unsigned mask, place where);
unsigned lane();

struct vote {
    bool predicate;
    unsigned ballot, present;
};
void take_vote(void *const lanes[32]);

struct exchange {
    uint64_t in, out;
    unsigned from;
};
void take_exchange(void *const lanes[32]);

template <typename T> T shuffle(T value, unsigned from, unsigned mask, place where) {
    static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8), "not a type that is shuffled");
    exchange e = {0, 0, from};
    memcpy(&e.in, &value, sizeof(T));
    together(take_exchange, &e, mask, where);
    memcpy(&value, &e.out, sizeof(T));
    return value;
}

static inline vote poll(bool predicate, unsigned mask, place where) {
    vote v = {predicate, 0, 0};
    together(take_vote, &v, mask, where);
    return v;
}

} // namespace rin_emulate

/* Parameters that tell where a call stands. */
#define RIN_EMULATE_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(RIN_EMULATE_HERE) {
    rin_emulate::synchronise(false, {"__syncthreads", file, line});
}

static inline int __syncthreads_count(int predicate, RIN_EMULATE_HERE) {
    return rin_emulate::synchronise(predicate, {"__syncthreads_count", file, line});
}

static inline int __syncthreads_or(int predicate, RIN_EMULATE_HERE) {
    return rin_emulate::synchronise(predicate, {"__syncthreads_or", file, line}) != 0;
}

static inline int __syncthreads_and(int predicate, RIN_EMULATE_HERE) {
    return rin_emulate::synchronise(!predicate, {"__syncthreads_and", file, line}) == 0;
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, RIN_EMULATE_HERE) {
    rin_emulate::synchronise_warp(mask, {"__syncwarp", file, line});
}

static inline unsigned __ballot_sync(unsigned mask, int predicate, RIN_EMULATE_HERE) {
    return rin_emulate::poll(predicate, mask, {"__ballot_sync", file, line}).ballot;
}

static inline int __any_sync(unsigned mask, int predicate, RIN_EMULATE_HERE) {
    return rin_emulate::poll(predicate, mask, {"__any_sync", file, line}).ballot != 0;
}

static inline int __all_sync(unsigned mask, int predicate, RIN_EMULATE_HERE) {
    rin_emulate::vote v = rin_emulate::poll(predicate, mask, {"__all_sync", file, line});
    return v.ballot == v.present;
}

template <typename T> T __shfl_sync(unsigned mask, T value, int source, int width = 32, RIN_EMULATE_HERE) {
    unsigned l = rin_emulate::lane(), w = (unsigned)width, from = (l & ~(w - 1)) | ((unsigned)source & (w - 1));
    return rin_emulate::shuffle(value, from, mask, {"__shfl_sync", file, line});
}

template <typename T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, RIN_EMULATE_HERE) {
    unsigned l = rin_emulate::lane(), w = (unsigned)width, from = l ^ (unsigned)bits;
    if (from > (l | (w - 1))) from = l;
    return rin_emulate::shuffle(value, from, mask, {"__shfl_xor_sync", file, line});
}

template <typename T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, RIN_EMULATE_HERE) {
    unsigned l = rin_emulate::lane(), w = (unsigned)width, from = (l & (w - 1)) < delta ? l : l - delta;
    return rin_emulate::shuffle(value, from, mask, {"__shfl_up_sync", file, line});
}

template <typename T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, RIN_EMULATE_HERE) {
    unsigned l = rin_emulate::lane(), w = (unsigned)width, from = (l & (w - 1)) + delta >= w ? l : l + delta;
    return rin_emulate::shuffle(value, from, mask, {"__shfl_down_sync", file, line});
}

static inline void __threadfence() {
}

static inline void __threadfence_block() {
}

static inline void __trap() {
    abort();
}

/* ---- what device.cuh has of the hardware's instructions ---- */

/* Rounded to nearest even; NaN becomes the one that the hardware makes. */
static inline uint32_t rin_emulate_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

static inline uint32_t rin_pack(float low, float high) {
    return rin_emulate_bf16(high) << 16 | rin_emulate_bf16(low);
}

static inline float rin_exp2(float x) {
    return exp2f(x);
}

/* All 32 threads of a warp must take part in these. */
void rin_mma(float c[4], const uint32_t a[4], const uint32_t b[2], RIN_EMULATE_HERE);
void rin_ldmatrix(uint32_t r[4], const void *row, RIN_EMULATE_HERE);
void rin_ldmatrix_trans(uint32_t r[4], const void *row, RIN_EMULATE_HERE);

/* Copies are made when they are waited for; until then their destination holds NaN. */
void rin_copy_async(void *shared, const void *global, bool valid);
void rin_copy_commit();
void rin_emulate_copy_wait(unsigned left);
template <int left> static inline void rin_copy_wait() {
    rin_emulate_copy_wait(left);
}

/* ---- functions of CUDA's library ---- */

template <typename To, typename From> static inline To rin_emulate_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits of another type of the same size");
    To to;
    memcpy(&to, &from, sizeof(to));
    return to;
}

static inline float __uint_as_float(unsigned x) {
    return rin_emulate_bits<float>(x);
}

static inline unsigned __float_as_uint(float x) {
    return rin_emulate_bits<unsigned>(x);
}

static inline float __int_as_float(int x) {
    return rin_emulate_bits<float>(x);
}

static inline int __float_as_int(float x) {
    return rin_emulate_bits<int>(x);
}

static inline double __longlong_as_double(long long x) {
    return rin_emulate_bits<double>(x);
}

static inline long long __double_as_longlong(double x) {
    return rin_emulate_bits<long long>(x);
}

/* Macros, as the C library has declared some of these names. */
#define rsqrtf(x) (1.0f / sqrtf(x))
#define rsqrt(x) (1.0 / sqrt(x))
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __sincosf(x, s, c) sincosf(x, s, c)
#define __fdividef(x, y) ((float)(x) / (float)(y))
#define __frcp_rn(x) (1.0f / (float)(x))
#define __fsqrt_rn(x) sqrtf(x)
#define __frsqrt_rn(x) (1.0f / sqrtf(x))
#define __fmaf_rn(x, y, z) fmaf(x, y, z)
#define __fma_rn(x, y, z) fma(x, y, z)
#define __saturatef(x) fminf(fmaxf(x, 0.0f), 1.0f)
#define __float2int_rn(x) ((int)rintf(x))
#define __float2int_rz(x) ((int)(float)(x))
#define __float2int_rd(x) ((int)floorf(x))
#define __float2int_ru(x) ((int)ceilf(x))
#define __float2uint_rn(x) ((unsigned)rintf(x))
#define __int2float_rn(x) ((float)(int)(x))
#define __uint2float_rn(x) ((float)(unsigned)(x))
#define __popc(x) __builtin_popcount(x)
#define __popcll(x) __builtin_popcountll(x)
#define __ffs(x) __builtin_ffs(x)

static inline int __clz(int x) {
    return x ? __builtin_clz((unsigned)x) : 32;
}

static inline unsigned __umulhi(unsigned x, unsigned y) {
    return (unsigned)((uint64_t)x * y >> 32);
}

/* Rounded as they stand, not made one operation with what is around them. */
static inline float __fmul_rn(float x, float y) {
    volatile float product = x * y;
    return product;
}

static inline float __fadd_rn(float x, float y) {
    volatile float sum = x + y;
    return sum;
}

template <typename A, typename B> static inline std::common_type_t<A, B> min(A a, B b) {
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point<T>::value) return fmin((T)a, (T)b);
    else return (T)a < (T)b ? (T)a : (T)b;
}

template <typename A, typename B> static inline std::common_type_t<A, B> max(A a, B b) {
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point<T>::value) return fmax((T)a, (T)b);
    else return (T)a > (T)b ? (T)a : (T)b;
}

template <typename T> static inline T __ldg(const T *p) {
    return *p;
}

template <typename T> static inline T __ldcs(const T *p) {
    return *p;
}

template <typename T> static inline T __ldcg(const T *p) {
    return *p;
}

template <typename T> static inline void __stcs(T *p, std::common_type_t<T> value) {
    *p = value;
}

template <typename T> static inline void __stcg(T *p, std::common_type_t<T> value) {
    *p = value;
}

template <typename T> static inline T atomicAdd(T *to, std::common_type_t<T> value) {
    T old = *to;
    *to = old + value;
    return old;
}

template <typename T> static inline T atomicMax(T *to, std::common_type_t<T> value) {
    T old = *to;
    *to = old < value ? value : old;
    return old;
}

template <typename T> static inline T atomicMin(T *to, std::common_type_t<T> value) {
    T old = *to;
    *to = value < old ? value : old;
    return old;
}

template <typename T> static inline T atomicExch(T *to, std::common_type_t<T> value) {
    T old = *to;
    *to = value;
    return old;
}

template <typename T> static inline T atomicCAS(T *to, std::common_type_t<T> expected, std::common_type_t<T> value) {
    T old = *to;
    if (old == expected) *to = value;
    return old;
}

#endif
