/* SPDX-License-Identifier: MIT */
/* The emulator's own test: a program that says what is wrong and returns 1, or returns 0. */
#include "backend/cuda/kernels/device.cuh"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

extern "C" {
#include "backend/cuda/products.h"
}

static int failures;

#define EXPECT(condition)                                                           \
    do {                                                                            \
        if (!(condition)) {                                                         \
            failures++;                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                           \
    } while (0)
#define OK(call) EXPECT((call) == cudaSuccess)

/* Small numbers that bf16 holds. */
static float number(int i) {
    return (float)((i * 37 + 11) % 64 - 32) / 8;
}

static uint16_t narrow(float x) {
    return (uint16_t)rin_pack(x, x);
}

#ifdef RIN_EMULATE_RACES
static const bool SEES_RACES = true;
#else
static const bool SEES_RACES = false;
#endif

/* ---- matrices ---- */

/* a (16, 16) and b (16, 8) row by row, by ldmatrix; c (16, 8) is added to. */
__global__ void multiply(const uint16_t *a, const uint16_t *b, float *c, uint32_t *raw) {
    RIN_DYNAMIC_SHARED(uint16_t, tile);
    uint16_t *b_tile = tile + 256;
    unsigned lane = threadIdx.x;
    rin_copy_async(tile + 8 * lane, a + 8 * lane, true);
    rin_copy_commit();
    if (lane < 16) rin_copy_async(b_tile + 8 * lane, b + 8 * lane, true);
    rin_copy_commit();
    rin_copy_wait<1>();
    raw[4 * lane] = tile[8 * lane];
    if (lane < 16) raw[4 * lane + 1] = b_tile[8 * lane]; /* not there yet */
    rin_copy_wait<0>();
    __syncthreads();
    uint32_t fa[4], fb[4];
    rin_ldmatrix(fa, tile + lane % 16 * 16 + lane / 16 * 8);
    rin_ldmatrix_trans(fb, b_tile + lane % 16 * 8);
    unsigned g = lane / 4, t = lane % 4;
    float *top = c + g * 8 + 2 * t, *bottom = top + 64;
    float fc[4] = {top[0], top[1], bottom[0], bottom[1]};
    rin_mma(fc, fa, fb);
    top[0] = fc[0], top[1] = fc[1], bottom[0] = fc[2], bottom[1] = fc[3];
}

static void test_matrices() {
    alignas(16) uint16_t a[256], b[128];
    float c[128], want[128];
    uint32_t raw[128];
    for (int i = 0; i < 256; i++) a[i] = narrow(number(i));
    for (int i = 0; i < 128; i++) b[i] = narrow(number(3 * i + 1)), c[i] = want[i] = number(i + 5);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++)
            for (int k = 0; k < 16; k++) want[8 * i + j] += number(16 * i + k) * number(3 * (8 * k + j) + 1);
    RIN_LAUNCH(multiply, 1, 32, 2 * (256 + 128), nullptr, a, b, c, raw);
    OK(cudaGetLastError());
    for (int i = 0; i < 128; i++) EXPECT(c[i] == want[i]);
    for (int l = 0; l < 32; l++) EXPECT(raw[4 * l] == a[8 * l] && (l >= 16 || raw[4 * l + 1] == 0xffffu));
}

/* Matrix m, row r, column c holds 64 m + 8 r + c. */
__global__ void load(uint32_t *plain, uint32_t *transposed) {
    __shared__ __align__(16) uint16_t rows[256];
    for (unsigned i = 0; i < 8; i++) rows[8 * threadIdx.x + i] = (uint16_t)(8 * threadIdx.x + i);
    __syncwarp();
    rin_ldmatrix(plain + 4 * threadIdx.x, rows + 8 * threadIdx.x);
    rin_ldmatrix_trans(transposed + 4 * threadIdx.x, rows + 8 * threadIdx.x);
}

static void test_load() {
    uint32_t plain[128], transposed[128];
    RIN_LAUNCH(load, 1, 32, 0, nullptr, plain, transposed);
    for (uint32_t l = 0; l < 32; l++) {
        for (uint32_t m = 0; m < 4; m++) {
            uint32_t r = l / 4, c = 2 * (l % 4);
            EXPECT(plain[4 * l + m] == ((64 * m + 8 * r + c + 1) << 16 | (64 * m + 8 * r + c)));
            EXPECT(transposed[4 * l + m] == ((64 * m + 8 * (c + 1) + r) << 16 | (64 * m + 8 * c + r)));
        }
    }
}

static void test_pack() {
    EXPECT(rin_pack(1.0f, -2.0f) == 0xc0003f80u);
    EXPECT(narrow(__uint_as_float(0x3f808000u)) == 0x3f80 && narrow(__uint_as_float(0x3f818000u)) == 0x3f82);
    EXPECT(narrow(__uint_as_float(0x3f808001u)) == 0x3f81 && narrow(INFINITY) == 0x7f80);
    EXPECT(narrow(__uint_as_float(0x7f800001u)) == 0x7fff && narrow(3.4e38f) == 0x7f80);
}

/* ---- warps and blocks ---- */

template <typename T, int width> __global__ void shuffle(T *out) {
    unsigned t = threadIdx.x;
    T x = (T)(t + 1);
    out[4 * t] = __shfl_xor_sync(0xffffffffu, x, 5, width);
    out[4 * t + 1] = __shfl_sync(0xffffffffu, x, 3, width);
    out[4 * t + 2] = __shfl_up_sync(0xffffffffu, x, 2, width);
    out[4 * t + 3] = __shfl_down_sync(0xffffffffu, x, 2, width);
}

template <typename T, int width> static void check_shuffle() {
    std::vector<T> out(4 * 64);
    RIN_LAUNCH((shuffle<T, width>), 1, 64, 0, nullptr, out.data());
    for (int t = 0; t < 64; t++) {
        int in = t % width;
        EXPECT(out[(size_t)(4 * t)] == (T)((t ^ 5) + 1));
        EXPECT(out[(size_t)(4 * t + 1)] == (T)(t - in + 3 + 1));
        EXPECT(out[(size_t)(4 * t + 2)] == (T)(in < 2 ? t + 1 : t - 1));
        EXPECT(out[(size_t)(4 * t + 3)] == (T)(in + 2 >= width ? t + 1 : t + 3));
    }
}

__global__ void votes(unsigned *out) {
    unsigned t = threadIdx.x;
    unsigned ballot = __ballot_sync(0xffffffffu, t % 3 == 0);
    int any = __any_sync(0xffffffffu, t == 7), all = __all_sync(0xffffffffu, t < 32);
    out[t] = ballot == (t < 32 ? 0x49249249u : 0x92u) && any == (t < 32) && all == (t < 32);
    out[t] += (unsigned)(__syncthreads_count(t % 2) == 20) + (unsigned)__syncthreads_or(t == 39);
}

static void test_votes() {
    unsigned out[40];
    RIN_LAUNCH(votes, 1, 40, 0, nullptr, out);
    for (unsigned x : out) EXPECT(x == 3);
}

/* Turns each block's numbers around through shared memory; some threads return early. */
__global__ void turn(const float *in, float *out, int live, double *sums) {
    __shared__ float row[RIN_BLOCK];
    RIN_DYNAMIC_SHARED(float, other);
    int t = (int)threadIdx.x, base = (int)(blockIdx.x * blockDim.x);
    double sum = rin_block_sum(in[base + t]);
    if (t == 0) sums[blockIdx.x] = sum;
    if (t >= live) return;
    for (int round = 0; round < 3; round++) {
        row[t] = in[base + t];
        __syncthreads();
        other[t] = row[live - 1 - t];
        __syncthreads();
    }
    out[base + t] = other[t];
}

static void test_barriers() {
    enum { BLOCKS = 3, LIVE = 200 };
    std::vector<float> in(BLOCKS * RIN_BLOCK), out(BLOCKS * RIN_BLOCK, -1.0f);
    double sums[BLOCKS], want[BLOCKS] = {0};
    for (size_t i = 0; i < in.size(); i++) in[i] = number((int)i), want[i / RIN_BLOCK] += in[i];
    RIN_LAUNCH(turn, BLOCKS, RIN_BLOCK, LIVE * sizeof(float), nullptr, in.data(), out.data(), LIVE, sums);
    OK(cudaGetLastError());
    for (size_t b = 0; b < BLOCKS; b++) {
        EXPECT(sums[b] == want[b]);
        for (size_t t = 0; t < RIN_BLOCK; t++)
            EXPECT(out[b * RIN_BLOCK + t] == (t < LIVE ? in[b * RIN_BLOCK + LIVE - 1 - t] : -1.0f));
    }
}

/* Without the barrier that it should have: wrong in one of the two orders. */
__global__ void race(int *out, bool barrier) {
    __shared__ int row[64];
    row[threadIdx.x] = 0;
    __syncthreads();
    row[threadIdx.x] = 1;
    if (barrier) __syncthreads();
    out[threadIdx.x] = row[63 - threadIdx.x];
}

/* Within a warp; a shuffle is no barrier for memory. */
__global__ void race_of_warp(int *out, bool barrier) {
    __shared__ int row[32];
    row[threadIdx.x] = (int)threadIdx.x;
    if (barrier) __syncwarp();
    else (void)__shfl_sync(0xffffffffu, 0, 0);
    out[threadIdx.x] = row[31 - threadIdx.x];
}

/* Reads what a copy of another thread brings. */
__global__ void race_of_copy(const int *in, int *out, bool barrier) {
    __shared__ __align__(16) int row[32 * 4];
    rin_copy_async(row + 4 * threadIdx.x, in + 4 * threadIdx.x, true);
    rin_copy_commit();
    if (!barrier) __syncthreads(); /* too early */
    rin_copy_wait<0>();
    if (barrier) __syncthreads();
    out[threadIdx.x] = row[4 * (31 - threadIdx.x)];
}

static void run_race(int kind, bool barrier) {
    static int out[64];
    alignas(16) static int in[128];
    if (kind == 0) RIN_LAUNCH(race, 1, 64, 0, nullptr, out, barrier);
    else if (kind == 1) RIN_LAUNCH(race_of_warp, 1, 32, 0, nullptr, out, barrier);
    else RIN_LAUNCH(race_of_copy, 1, 32, 0, nullptr, in, out, barrier);
}

/* This program again, which runs one kernel and ends; its status. */
static int again(const char *kernel, int first, int second) {
    int status = -1;
    char a[16], b[16];
    snprintf(a, sizeof(a), "%d", first);
    snprintf(b, sizeof(b), "%d", second);
    fflush(stderr);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(2);
        execl("/proc/self/exe", "emulator_selftest", kernel, a, b, (char *)nullptr);
        _exit(2);
    }
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

/* The thread sanitizer ends a program that had races with this code. */
static void test_races() {
    enum { HAD_RACES = 66 };
    for (int kind = 0; kind < 3; kind++) {
        for (int barrier = 0; barrier < 2; barrier++) {
            int status = again("race", kind, barrier);
            EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == (barrier ? 0 : HAD_RACES));
        }
    }
}

__global__ void count(int *order, int *n) {
    if (threadIdx.x == 0) order[blockIdx.x] = atomicAdd(n, 1);
}

static void test_order(bool reverse) {
    int out[64], n = 0, order[3];
    if (!SEES_RACES) {
        RIN_LAUNCH(race, 1, 64, 0, nullptr, out, false);
        EXPECT(out[0] == (reverse ? 1 : 0) && out[63] == (reverse ? 0 : 1));
    }
    RIN_LAUNCH(count, 3, 2, 0, nullptr, order, &n);
    EXPECT(n == 3 && order[0] == (reverse ? 2 : 0) && order[2] == (reverse ? 0 : 2));
}

__global__ void stuck(int *at, int how) {
    if (how == 0 && threadIdx.x < 5) __syncthreads();
    if (how == 1 && threadIdx.x == 40) __syncthreads();
    else if (how == 1) __syncwarp();
    if (how == 2 && threadIdx.x < 5) return;
    uint32_t r[4];
    alignas(16) uint16_t row[8] = {0};
    if (how == 2) rin_ldmatrix(r, row);
    if (how == 3 && threadIdx.x % 2) __syncthreads();
    else if (how == 3) __syncthreads();
    at[threadIdx.x] = (int)__shfl_sync(0xffffffffu, r[0] = 1, 0);
}

/* A kernel that cannot go on ends the program. */
static void test_stuck() {
    for (int how = 0; how < 4; how++) {
        int status = again("stuck", how, 0);
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static int run_one(const char *kernel, int first, int second) {
    static int at[64];
    alarm(60);
    if (strcmp(kernel, "race") == 0) run_race(first, second != 0);
    else RIN_LAUNCH(stuck, 1, 64, 0, nullptr, at, first);
    return 0;
}

static void test_threads() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) threads.emplace_back(test_barriers);
    for (auto &t : threads) t.join();
}

/* ---- the runtime ---- */

__global__ void add(float *x, float y) {
    x[threadIdx.x] += y;
}

static void test_memory() {
    size_t before, total, now;
    OK(cudaMemGetInfo(&before, &total));
    float *device, host[4] = {1, 2, 3, 4}, back[4];
    OK(cudaMalloc((void **)&device, sizeof(host)));
    OK(cudaMemGetInfo(&now, &total));
    EXPECT(now == before - sizeof(host) && (uintptr_t)device % 256 == 0 && isnan(device[3]));
    OK(cudaMemcpy(device, host, sizeof(host), cudaMemcpyHostToDevice));
    RIN_LAUNCH(add, 1, 4, 0, nullptr, device, 1.5f);
    OK(cudaMemcpyAsync(back, device, sizeof(host), cudaMemcpyDeviceToHost, nullptr));
    EXPECT(back[0] == 2.5f && back[3] == 5.5f);
    EXPECT(cudaMemcpy(back, device, sizeof(host), cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(device + 1, host, sizeof(host), cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    OK(cudaMemset(device, 0, sizeof(host)));
    EXPECT(device[2] == 0 && cudaFree(device + 1) == cudaErrorInvalidValue);
    OK(cudaFree(device));
    void *large;
    EXPECT(cudaMalloc(&large, total + 1) == cudaErrorMemoryAllocation && !large);
    (void)cudaGetLastError();
    RIN_LAUNCH(add, 1, 2000, 0, nullptr, host, 1.0f);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration && cudaGetLastError() == cudaSuccess);
    RIN_LAUNCH(add, 1, 1, 49153, nullptr, host, 1.0f);
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue && host[0] == 1);
    OK(cudaFuncSetAttribute(add, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536));
    RIN_LAUNCH(add, 1, 1, 49153, nullptr, host, 1.0f);
    EXPECT(cudaGetLastError() == cudaSuccess && host[0] == 2);
    OK(cudaFuncSetAttribute(add, cudaFuncAttributeMaxDynamicSharedMemorySize, 0));
}

static void test_recording(rin_products *products) {
    cudaStream_t stream, second;
    cudaEvent_t event;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaStreamCaptureStatus status;
    float *x;
    void *workspace;
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaMalloc((void **)&x, 2 * sizeof(float)));
    OK(cudaMalloc(&workspace, RIN_PRODUCTS_WORKSPACE));
    OK(cudaMemset(x, 0, 2 * sizeof(float)));

    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    RIN_LAUNCH(add, 1, 2, 0, stream, x, 2.0f);
    OK(cudaEventRecord(event, stream));
    OK(cudaStreamWaitEvent(second, event, 0));
    RIN_LAUNCH(add, 1, 1, 0, second, x, 1.0f);
    rin_product product = {};
    product.m = product.n = product.k = 1;
    product.a = product.b = product.out = {x, false};
    rin_error error = {};
    EXPECT(rin_products_run(products, second, &product, workspace, &error));
    OK(cudaGetLastError());
    OK(cudaStreamIsCapturing(second, &status));
    EXPECT(status == cudaStreamCaptureStatusActive && x[0] == 0);
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphDestroy(graph));
    EXPECT(x[0] == 0 && x[1] == 0);
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(x[0] == 9 && x[1] == 2);
    OK(cudaGraphLaunch(exec, stream));
    EXPECT(x[0] == 144 && x[1] == 4);
    OK(cudaGraphExecDestroy(exec));

    for (int how = 0; how < 4; how++) {
        void *memory = x;
        OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
        if (how == 0) EXPECT(cudaMalloc(&memory, 4) == cudaErrorNotSupported);
        if (how == 1) EXPECT(cudaFree(x) == cudaErrorNotSupported);
        if (how == 2) EXPECT(cudaStreamSynchronize(stream) == cudaErrorNotSupported);
        if (how == 3) EXPECT(cudaDeviceSynchronize() == cudaErrorNotSupported);
        EXPECT(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated && !graph);
        OK(cudaStreamIsCapturing(stream, &status));
        EXPECT(status == cudaStreamCaptureStatusNone);
    }
    (void)cudaGetLastError();
    OK(cudaFree(x));
    OK(cudaFree(workspace));
    OK(cudaEventDestroy(event));
    OK(cudaStreamDestroy(second));
    OK(cudaStreamDestroy(stream));
}

static void test_products(rin_products *products) {
    enum { M = 5, N = 7, K = 130 };
    std::vector<unsigned char> workspace(RIN_PRODUCTS_WORKSPACE);
    for (int how = 0; how < 16; how++) {
        bool bf16 = how & 1, out_bf16 = (how & 2) && bf16, ta = how & 4, tb = how & 8;
        std::vector<float> a(M * K), b(K * N), out(M * N), sums(M);
        std::vector<uint16_t> a16(M * K), b16(K * N), out16(M * N), add16(M * N), bias16(N);
        std::vector<float> add(M * N), bias(N);
        auto at = [](std::vector<float> &x, std::vector<uint16_t> &x16, int i, float y) {
            x[(size_t)i] = y, x16[(size_t)i] = narrow(y);
        };
        for (int i = 0; i < M * K; i++) at(a, a16, ta ? i % K * M + i / K : i, number(i));
        for (int i = 0; i < K * N; i++) at(b, b16, tb ? i % N * K + i / N : i, number(5 * i + 2));
        for (int i = 0; i < M * N; i++) at(add, add16, i, number(i + 9));
        for (int i = 0; i < N; i++) at(bias, bias16, i, number(i + 3));
        auto view = [](bool narrow, std::vector<float> &x, std::vector<uint16_t> &x16) {
            return rin_view{narrow ? (void *)x16.data() : (void *)x.data(), narrow};
        };
        rin_product p = {M,
                         N,
                         K,
                         ta,
                         tb,
                         view(bf16, a, a16),
                         view(bf16, b, b16),
                         view(out_bf16, out, out16),
                         view(out_bf16, add, add16),
                         view(out_bf16, bias, bias16),
                         nullptr,
                         false};
        if (rin_products_makes_row_sums(&p)) p.row_sums = sums.data();
        rin_error error = {};
        EXPECT(rin_products_run(products, nullptr, &p, workspace.data(), &error));
        for (int i = 0; i < M; i++) {
            float total = 0;
            for (int k = 0; k < K; k++) total += number(i * K + k);
            if (p.row_sums) EXPECT(sums[(size_t)i] == total);
            for (int j = 0; j < N; j++) {
                float want = number(i * N + j + 9) + number(j + 3);
                for (int k = 0; k < K; k++) want += number(i * K + k) * number(5 * (k * N + j) + 2);
                size_t e = (size_t)(i * N + j);
                EXPECT(out_bf16 ? out16[e] == narrow(want) : out[e] == want);
            }
        }
        p.a.bf16 = !p.a.bf16;
        EXPECT(!rin_products_run(products, nullptr, &p, workspace.data(), &error));
    }
}

/* The products are of TF32 where exact ones are not asked for. */
static void test_exact_products(rin_products *products) {
    std::vector<unsigned char> workspace(RIN_PRODUCTS_WORKSPACE);
    float a = 1 + 0x1p-20f, b = 1, out = 0;
    rin_product p = {};
    p.m = p.n = p.k = 1;
    p.a.data = &a, p.b.data = &b, p.out.data = &out;
    for (int exact = 0; exact < 2; exact++) {
        rin_error error = {};
        p.exact = exact;
        EXPECT(rin_products_run(products, nullptr, &p, workspace.data(), &error));
        EXPECT(out == (exact ? a : 1));
    }
}

int main(int argc, char **argv) {
    rin_products *products;
    rin_error error = {};
    if (argc == 4) return run_one(argv[1], atoi(argv[2]), atoi(argv[3]));
    if (rin_products_create(true, &products, &error) != RIN_OK) return 1;
    for (int reverse = 0; reverse < 2; reverse++) {
        setenv("RIN_EMULATE_ORDER", reverse ? "reverse" : "forward", 1);
        test_matrices();
        test_load();
        test_pack();
        check_shuffle<float, 32>();
        check_shuffle<double, 8>();
        check_shuffle<int, 16>();
        check_shuffle<uint32_t, 32>();
        check_shuffle<int64_t, 8>();
        test_votes();
        test_barriers();
        test_order(reverse);
        if (SEES_RACES) test_races();
        test_stuck();
        test_threads();
        test_memory();
        test_recording(products);
    }
    test_products(products);
    test_exact_products(products);
    rin_products_free(products);
    if (failures) fprintf(stderr, "%d failures\n", failures);
    return failures != 0;
}
