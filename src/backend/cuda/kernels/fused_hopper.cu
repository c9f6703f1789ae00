/* SPDX-License-Identifier: MIT */
/*
 * Fused products on Hopper (sm_90a). A block keeps to one strip of 128 columns and to every so many tiles of 128 rows.
 *
 * One thread has the copy engine (TMA) fill boxes of 128 x 64 numbers in shared memory. Two pairs of warpgroups take
 * turns: while one has the tensor cores multiply a tile, 64 rows each, the other finishes its last one. (Two single
 * warpgroups are too few to hide what finishing waits for.) The weights' first 512 of k stay in shared memory; the
 * rows, and what remains of the weights, pass through a ring of boxes, in the order in which they are used.
 *
 * The forward weights' rows come in the order of fused.cuh, by a tensor map of five dimensions.
 */
#include "backend/cuda/kernels/fused.cuh"

#ifndef RIN_EMULATE
#include <cuda.h>

enum {
    TILE = RIN_PRODUCT_TILE,
    STRIP = 64,             /* of k: 128 bytes, the width that the copy engine swizzles */
    BOX = TILE * STRIP * 2, /* bytes */
    HALF = BOX / 2,         /* 64 rows of a, 64 columns of backward weights */
    BOXES = 14,             /* in shared memory */
    RESIDENT = 8,           /* of these, at most, hold weights for good */
    GROUP = 128,            /* threads of a warpgroup */
    PAIR = 2 * GROUP,
    THREADS = GROUP + 2 * PAIR, /* the copying one is the first */
    SHARED = BOXES * BOX + 1024 /* boxes begin at multiples of 1024 */
};

#ifndef RIN_PRODUCT_POLLS
#define RIN_PRODUCT_POLLS (1u << 26) /* a wait that is never over ends the kernel with an error */
#endif

typedef struct plan {
    int strips, resident, ring;  /* boxes of k in all, of weights that stay, in the ring */
    int columns, sharers, tiles; /* strips of columns, blocks a strip, tiles of rows */
} plan;

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/* ---- what PTX has: barriers, copies, products ---- */

__device__ static inline void barrier_init(uint32_t barrier, uint32_t arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ static inline void barrier_arrive(uint32_t barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ static inline void barrier_expect(uint32_t barrier, uint32_t bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

/* Until the phase of this parity is complete. */
__device__ static inline void barrier_wait(uint32_t barrier, uint32_t parity) {
    for (uint32_t polls = 0, done = 0; !done; polls++) {
        if (polls == RIN_PRODUCT_POLLS) __trap();
        asm volatile("{\n.reg .pred p;\n"
                     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(barrier), "r"(parity)
                     : "memory");
    }
}

__device__ static inline void copy_box(uint32_t to, const CUtensorMap *map, uint32_t barrier, int x, int y) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4}], [%2];" ::"r"(to),
                 "l"(map), "r"(barrier), "r"(x), "r"(y)
                 : "memory");
}

__device__ static inline void copy_box_5d(uint32_t to, const CUtensorMap *map, uint32_t barrier, int x, int z) {
    asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %4, %4, %5}], [%2];" ::"r"(to),
                 "l"(map), "r"(barrier), "r"(x), "r"(0), "r"(z)
                 : "memory");
}

/* To the L2 cache. */
__device__ static inline void prefetch_box(const CUtensorMap *map, int x, int y) {
    asm volatile("cp.async.bulk.prefetch.tensor.2d.L2.global [%0, {%1, %2}];" ::"l"(map), "r"(x), "r"(y) : "memory");
}

/*
 * A matrix in shared memory, swizzled by 128 bytes. Where k is contiguous, 8 rows take 1024 bytes, and so do 8 of k
 * where the columns are; there, 64 columns take a half of a box.
 */
template <bool k_contiguous> __device__ static inline uint64_t describe(uint32_t address) {
    uint64_t leading = k_contiguous ? 1 : HALF / 16, stride = 1024 / 16;
    return (uint64_t)1 << 62 | stride << 32 | leading << 16 | (address & 0x3ffffu) >> 4;
}

/* d (64, 128) = a (64, 16) b (16, 128), plus d where `adds`, over a warpgroup, in the background. */
template <bool k_contiguous> __device__ static inline void multiply(float d[64], uint64_t a, uint64_t b, bool adds) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
                 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
                 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
                 "%64, %65, p, 1, 1, 0, %67;\n}"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                   "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                   "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]),
                   "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]),
                   "+f"(d[30]), "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]),
                   "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),
                   "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]),
                   "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]),
                   "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
                 : "l"(a), "l"(b), "r"((int)adds), "n"(k_contiguous ? 0 : 1));
}

template <int left> __device__ static inline void multiply_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
}

/* The compiler may not carry the sums' registers across this. */
__device__ static inline void pin(float sums[64]) {
#pragma unroll
    for (int k = 0; k < 64; k++) asm volatile("" : "+f"(sums[k])::"memory");
}

/* ---- the block ---- */

typedef struct block {
    uint32_t boxes;                /* addresses in shared memory: the resident boxes, then the ring's */
    uint32_t full, empty, weights; /* barriers: of the ring's boxes, of the resident ones */
    int column, first, position;   /* the strip of columns, the first tile; the ring's box that is next, */
    uint32_t phase;                /* and how many times all of them have been, modulo 2 */
} block;

__device__ static inline void go_on(block *b, const plan *plan) {
    if (++b->position == plan->ring) b->position = 0, b->phase ^= 1;
}

template <bool forward>
__device__ static inline void copy_weights(const block *b, uint32_t to, const CUtensorMap *map, uint32_t barrier,
                                           int strip) {
    if (forward) {
        copy_box_5d(to, map, barrier, strip * STRIP, b->column * (TILE / 32));
    } else {
        copy_box(to, map, barrier, b->column * TILE, strip * STRIP);
        copy_box(to + HALF, map, barrier, b->column * TILE + HALF / 128, strip * STRIP);
    }
}

/* By one thread. */
template <bool forward>
__device__ static inline void copy_all(block b, const plan *plan, const CUtensorMap *rows, const CUtensorMap *weights,
                                       const CUtensorMap *times) {
    uint32_t ring = b.boxes + plan->resident * BOX;
    for (int tile = b.first; tile < plan->tiles; tile += plan->sharers) {
        if (!forward) {
            prefetch_box(times, b.column * TILE, tile * TILE);
            prefetch_box(times, b.column * TILE + STRIP, tile * TILE);
        }
        for (int s = 0; s < plan->strips; s++) {
            bool stays = s < plan->resident;
            if (stays && tile == b.first) {
                barrier_expect(b.weights + s * 8, BOX);
                copy_weights<forward>(&b, b.boxes + s * BOX, weights, b.weights + s * 8, s);
            }
            for (int which = 0; which < (stays ? 1 : 2); which++) {
                uint32_t to = ring + b.position * BOX, barrier = b.full + b.position * 8;
                barrier_wait(b.empty + b.position * 8, b.phase ^ 1);
                barrier_expect(barrier, BOX);
                if (which == 0) copy_box(to, rows, barrier, s * STRIP, tile * TILE);
                else copy_weights<forward>(&b, to, weights, barrier, s);
                go_on(&b, plan);
            }
        }
    }
}

/* Gives the boxes of a step back, from b's next on. */
__device__ static inline void release(block *b, const plan *plan, int strip) {
    for (int which = 0; which < (strip < plan->resident ? 1 : 2); which++) {
        if (threadIdx.x % 32 == 0) barrier_arrive(b->empty + b->position * 8);
        go_on(b, plan);
    }
}

/* Queues the products of a half (0 or 1) of a tile; `used` lags behind by the last strip's, which is still being
 * multiplied. */
template <bool forward>
__device__ static inline void multiply_tile(block b, block *used, const plan *plan, bool fresh, int half,
                                            float sums[64]) {
    uint32_t ring = b.boxes + plan->resident * BOX;
    for (int s = 0; s < plan->strips; s++) {
        barrier_wait(b.full + b.position * 8, b.phase);
        uint32_t rows = ring + b.position * BOX, columns = b.boxes + s * BOX;
        go_on(&b, plan);
        if (s >= plan->resident) {
            barrier_wait(b.full + b.position * 8, b.phase);
            columns = ring + b.position * BOX;
            go_on(&b, plan);
        } else if (fresh) {
            barrier_wait(b.weights + s * 8, 0);
        }
        uint64_t left = describe<true>(rows + half * HALF), right = describe<forward>(columns);
        pin(sums);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
        for (int k = 0; k < STRIP / 16; k++) {
            multiply<forward>(sums, left + k * 2, right + k * (forward ? 32 : 16 * 128) / 16, s > 0 || k > 0);
        }
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        pin(sums);
        if (s > 0) {
            multiply_wait<1>();
            release(used, plan, s - 1);
        }
    }
}

__device__ static inline void take(const float sums[64], int group, float z[2][8]) {
#pragma unroll
    for (int k = 0; k < 16; k++) z[k / 8][k % 8] = sums[(group * 4 + k % 8 / 2) * 4 + k / 8 * 2 + k % 2];
}

/* What the block keeps for all its tiles. */
typedef struct common {
    float bias[TILE];
    rin_product_draw draw;
} common;

template <bool drops, bool slopes>
__device__ static inline void finish_forward(const rin_product_end *end, const common *common, int64_t row,
                                             int64_t column, const float sums[64]) {
    rin_product_draw draw = {};
    if (drops) draw = common->draw;
#pragma unroll
    for (int group = 0; group < TILE / 32; group++) {
        float z[2][8];
        const float4 *bias = (const float4 *)(common->bias + group * 32 + threadIdx.x % 4 * 8);
        float4 low = bias[0], high = bias[1];
        float all[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
        take(sums, group, z);
        rin_product_forward<drops, slopes>(end, &draw, row, column + group * 32, all, z);
    }
}

/* times holds one line's factors, fetched while the products ran. */
__device__ static inline void finish_backward(const rin_product_end *end, int64_t row, int64_t column, uint4 times[4],
                                              const float sums[64]) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int64_t at = row + i / 4 * 8, across = column + i % 4 * 32;
        float z[2][8];
        take(sums, i % 4, z);
        rin_product_gather8(z[i / 4]);
        rin_product_backward8(end, at, across, times[i % 4], z[i / 4]);
        if (i < 4) times[i] = rin_product_times8(end, at + 8, across);
    }
}

/* By one of the four warpgroups, 0 to 3: a half of every other tile of the block's. */
template <bool forward, bool drops, bool slopes>
__device__ static inline void multiply_all(block b, const plan *plan, const rin_product_end *end, const common *common,
                                           int group) {
    int boxes = 2 * plan->strips - plan->resident, pair = group / 2, half = group % 2;
    for (int turn = pair, tile = b.first + pair * plan->sharers; tile < plan->tiles;
         turn += 2, tile += 2 * plan->sharers) {
        float sums[64];
        b.position = turn * boxes % plan->ring;
        b.phase = turn * boxes / plan->ring & 1;
        block used = b;
        /* The other pair's products come first. Only then are all earlier phases of the ring's barriers over, too:
         * of two phases a wait cannot tell the older. */
        if (turn > 0) asm volatile("bar.sync %0, %1;" ::"r"(1 + pair), "n"(2 * PAIR) : "memory");
        multiply_tile<forward>(b, &used, plan, turn < 2, half, sums);
        if (tile + plan->sharers < plan->tiles) {
            asm volatile("bar.arrive %0, %1;" ::"r"(2 - pair), "n"(2 * PAIR) : "memory");
        }
        int thread;
        asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread)); /* here, not in registers that the products want */
        int64_t row = tile * (int64_t)TILE + half * 64 + thread % GROUP / 32 * 16 + thread % 32 / 4;
        int64_t column = b.column * (int64_t)TILE + thread % 4 * 8;
        uint4 times[4];
        if (!forward) {
#pragma unroll
            for (int i = 0; i < 4; i++) times[i] = rin_product_times8(end, row, column + i * 32);
        }
        multiply_wait<0>();
        pin(sums);
        release(&used, plan, plan->strips - 1);
        if (forward) finish_forward<drops, slopes>(end, common, row, column, sums);
        else finish_backward(end, row, column, times, sums);
    }
}

#endif

template <bool forward, bool drops, bool slopes>
static __global__ void __launch_bounds__(THREADS, 1)
    product(const __grid_constant__ CUtensorMap rows, const __grid_constant__ CUtensorMap weights,
            const __grid_constant__ CUtensorMap times, const __grid_constant__ plan plan,
            const __grid_constant__ rin_product_end end) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    RIN_DYNAMIC_SHARED(unsigned char, shared);
    __shared__ uint64_t barriers[2 * BOXES + RESIDENT];
    __shared__ __align__(16) common common;
    uint32_t barrier = (uint32_t)__cvta_generic_to_shared(barriers);
    block b = {};
    b.boxes = ((uint32_t)__cvta_generic_to_shared(shared) + 1023u) & ~1023u;
    b.full = barrier, b.empty = barrier + BOXES * 8, b.weights = barrier + 2 * BOXES * 8;
    b.column = (int)(blockIdx.x % (unsigned)plan.columns), b.first = (int)(blockIdx.x / (unsigned)plan.columns);
    if (threadIdx.x == 0) {
        for (int i = 0; i < BOXES; i++) {
            barrier_init(b.full + i * 8, 1);
            barrier_init(b.empty + i * 8, PAIR / 32);
        }
        for (int i = 0; i < RESIDENT; i++) barrier_init(b.weights + i * 8, 1);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        if (drops) common.draw = rin_product_draw_of(&end);
    }
    if (forward && threadIdx.x < TILE) {
        common.bias[threadIdx.x] = end.bias ? rin_from_bf16(end.bias[b.column * TILE + threadIdx.x]) : 0.0f;
    }
    __syncthreads();
    int group = __shfl_sync(0xffffffffu, (int)threadIdx.x / GROUP, 0); /* the compiler sees that a warp agrees */
    if (group == 0) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
        if (threadIdx.x == 0) copy_all<forward>(b, &plan, &rows, &weights, &times);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 112;"); /* all 640 begin with 96 */
        multiply_all<forward, drops, slopes>(b, &plan, &end, &common, group - 1);
    }
#endif
}

/* ---- the host's side ---- */

typedef CUresult (*encode_function)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *,
                                    const cuuint64_t *, const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave,
                                    CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/* The driver's library is not linked. NULL where it is too old. */
static encode_function find_encode() {
    static void *found;
    void *function = __atomic_load_n(&found, __ATOMIC_ACQUIRE);
    if (function) return (encode_function)function;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault,
                                                         &result);
#else
    cudaError_t error = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &result);
#endif
    if (error != cudaSuccess) cudaGetLastError(); /* or the next one who asks takes it for his own */
    if (error != cudaSuccess || result != cudaDriverEntryPointSuccess) return NULL;
    __atomic_store_n(&found, function, __ATOMIC_RELEASE);
    return (encode_function)function;
}

/* strides: elements from one to the next in each dimension but the first. */
static bool encode(CUtensorMap *map, const uint16_t *data, int rank, const int64_t *size, const int64_t *stride,
                   const int *box) {
    encode_function function = find_encode();
    cuuint64_t sizes[5], strides[4];
    cuuint32_t boxes[5], ones[5] = {1, 1, 1, 1, 1};
    for (int i = 0; i < rank; i++) sizes[i] = (cuuint64_t)size[i], boxes[i] = (cuuint32_t)box[i];
    for (int i = 0; i < rank - 1; i++) strides[i] = (cuuint64_t)stride[i] * sizeof(uint16_t);
    return function && function(map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, (cuuint32_t)rank, (void *)data, sizes, strides,
                                boxes, ones, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

static bool encode_weights(CUtensorMap *map, const rin_fused_product *p) {
    if (!p->b_transposed) {
        int64_t size[] = {p->n, p->k};
        int box[] = {HALF / 128, STRIP};
        return encode(map, p->b, 2, size, &p->n, box);
    }
    /* Row 32 j + 8 q + 2 i + e comes as 32 j + 8 i + 2 q + e. */
    int64_t size[] = {p->k, 2, 4, 4, p->n / 32}, stride[] = {p->k, 8 * p->k, 2 * p->k, 32 * p->k};
    int box[] = {STRIP, 2, 4, 4, TILE / 32};
    return encode(map, p->b, 5, size, stride, box);
}

typedef void (*product_kernel)(CUtensorMap, CUtensorMap, CUtensorMap, plan, rin_product_end);

static bool prepare(product_kernel kernel) {
    cudaFuncAttributes attributes;
    /* Built for another architecture than sm_90a the kernel is empty, and has no barriers. */
    if (cudaFuncGetAttributes(&attributes, (const void *)kernel) == cudaSuccess && attributes.sharedSizeBytes > 0 &&
        cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED) ==
            cudaSuccess) {
        return true;
    }
    cudaGetLastError();
    return false;
}

bool rin_launch_product_hopper(cudaStream_t stream, const rin_fused_product *p) {
    int device = 0, processors = 0;
    if (cudaGetDevice(&device) != cudaSuccess) return false;
    if (cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) return false;
    if (p->k % STRIP || p->n / TILE > processors || p->m > INT32_MAX - TILE) return false;
    plan plan = {};
    plan.strips = (int)(p->k / STRIP);
    plan.resident = plan.strips < RESIDENT ? plan.strips : RESIDENT;
    plan.ring = BOXES - plan.resident;
    plan.columns = (int)(p->n / TILE);
    plan.tiles = (int)((p->m + TILE - 1) / TILE);
    plan.sharers = processors / plan.columns < plan.tiles ? processors / plan.columns : plan.tiles;
    if ((int64_t)plan.strips * 2 * plan.tiles > INT32_MAX) return false;
    CUtensorMap rows, weights, times;
    int64_t size[] = {p->k, p->m}, across[] = {p->n, p->m};
    int box[] = {STRIP, TILE};
    if (!encode(&rows, p->a, 2, size, &p->k, box) || !encode_weights(&weights, p)) return false;
    if (p->b_transposed) times = rows; /* not used */
    else if (!encode(&times, p->times, 2, across, &p->n, box)) return false;
    rin_product_end end = rin_product_end_of(p);
    product_kernel kernel = product<false, false, false>;
    if (p->b_transposed) {
        kernel = end.threshold ? p->slope ? product<true, true, true> : product<true, true, false>
                 : p->slope ? product<true, false, true>
                               : product<true, false, false>;
    }
    if (!prepare(kernel)) return false;
    unsigned blocks = (unsigned)(plan.columns * plan.sharers);
    RIN_LAUNCH(kernel, blocks, THREADS, SHARED, stream, rows, weights, times, plan, end);
    return true;
}

#endif
