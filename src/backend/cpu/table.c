/* SPDX-License-Identifier: MIT */
/* The kernel tables of cpu: a row an op; ops whose cost is nothing beside the rest use the reference's float kernel. */
#include "backend/cpu/cpu.h"
#include "op/op.h"

/* FAST(op): a kernel of each variant. SIZED(op): one that needs scratch. SAME(op): the reference's. */
#define ROWS(FAST, SIZED, SAME)                                                                   \
    SIZED(linear) FAST(pack) FAST(linear_dz) SIZED(linear_dx) SIZED(linear_dw)                    \
    SIZED(attention) SIZED(attention_grad) FAST(layer_norm) SIZED(layer_norm_grad)                \
    FAST(add) FAST(add_table) FAST(add_table_grad) FAST(concat) FAST(slice) FAST(slice_grad)      \
    FAST(patch) FAST(unpatch) FAST(random) FAST(add_noise) SIZED(loss) FAST(loss_grad)            \
    SIZED(grad_norm) SIZED(update) FAST(fold) SIZED(conv) FAST(pool)                              \
    SAME(zeros) SAME(sin_cos) SAME(time_encode) SAME(drop_labels) SAME(gamma) SAME(rescale)       \
    SAME(standardise) SAME(mask_hidden) SAME(guide) SAME(estimate) SAME(mix)

#define DECLARE_VARIANT(variant, op) void rin_##variant##_##op(const rin_task *task, const rin_team *team);
#define DECLARE_VARIANT_SCRATCH(variant, op) size_t rin_##variant##_##op##_scratch(const rin_task *task, int threads);
#define DECLARE_KERNELS(op) DECLARE_VARIANT(plain, op) DECLARE_VARIANT(avx2, op) DECLARE_VARIANT(avx512, op)
#define DECLARE_SCRATCH(op)                                                                               \
    DECLARE_KERNELS(op) DECLARE_VARIANT_SCRATCH(plain, op) DECLARE_VARIANT_SCRATCH(avx2, op)              \
    DECLARE_VARIANT_SCRATCH(avx512, op)
#define DECLARE_SAME(op) DECLARE_VARIANT(ref32, op)
ROWS(DECLARE_KERNELS, DECLARE_SCRATCH, DECLARE_SAME)

#define SAME_ROW(op) [RIN_OP_##op] = {rin_ref32_##op, NULL},
#define ROW(variant, op) [RIN_OP_##op] = {rin_##variant##_##op, NULL},
#define SIZED_ROW(variant, op) [RIN_OP_##op] = {rin_##variant##_##op, rin_##variant##_##op##_scratch},

#define PLAIN_ROW(op) ROW(plain, op)
#define PLAIN_SIZED_ROW(op) SIZED_ROW(plain, op)
static const rin_kernel_row plain_kernels[RIN_N_OPS] = {ROWS(PLAIN_ROW, PLAIN_SIZED_ROW, SAME_ROW)};

static bool always(void) {
    return true;
}

const rin_backend_table rin_backend_cpu_plain = {
    .name = "cpu-plain", .about = "threads, the compiler's baseline instructions", .element_size = sizeof(float),
    .packs = true, .available = always, .kernels = plain_kernels, RIN_HOST_FUNCTIONS};

#ifdef RIN_HAVE_X86
#define AVX2_ROW(op) ROW(avx2, op)
#define AVX2_SIZED_ROW(op) SIZED_ROW(avx2, op)
static const rin_kernel_row avx2_kernels[RIN_N_OPS] = {ROWS(AVX2_ROW, AVX2_SIZED_ROW, SAME_ROW)};

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const rin_backend_table rin_backend_cpu_avx2 = {
    .name = "cpu-avx2", .about = "threads, AVX2 and FMA", .element_size = sizeof(float),
    .packs = true, .available = has_avx2, .kernels = avx2_kernels, RIN_HOST_FUNCTIONS};

#define AVX512_ROW(op) ROW(avx512, op)
#define AVX512_SIZED_ROW(op) SIZED_ROW(avx512, op)
static const rin_kernel_row avx512_kernels[RIN_N_OPS] = {ROWS(AVX512_ROW, AVX512_SIZED_ROW, SAME_ROW)};

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

const rin_backend_table rin_backend_cpu_avx512 = {
    .name = "cpu-avx512", .about = "threads, AVX-512", .element_size = sizeof(float),
    .packs = true, .available = has_avx512, .kernels = avx512_kernels, RIN_HOST_FUNCTIONS};
#endif
