/* SPDX-License-Identifier: MIT */
/* The kernel tables of ref: every op has its kernel, in both precisions. */
#include "backend/ref/ref.h"
#include "op/op.h"

#define OP(name, least, most, outputs, alias, shapes, gradient, flops)         \
    void rin_ref32_##name(const rin_task *task, const rin_team *team); \
    void rin_ref64_##name(const rin_task *task, const rin_team *team);
#include "op/op.def"
#undef OP

#define OP(name, least, most, outputs, alias, shapes, gradient, flops) [RIN_OP_##name] = {rin_ref32_##name, NULL},
static const rin_kernel_row kernels32[RIN_N_OPS] = {
#include "op/op.def"
};
#undef OP

#define OP(name, least, most, outputs, alias, shapes, gradient, flops) [RIN_OP_##name] = {rin_ref64_##name, NULL},
static const rin_kernel_row kernels64[RIN_N_OPS] = {
#include "op/op.def"
};
#undef OP

static bool always(void) {
    return true;
}

const rin_backend_table rin_backend_ref32 = {
    .name = "ref", .about = "plain loops, one thread, float32", .element_size = sizeof(float),
    .available = always, .kernels = kernels32, RIN_HOST_FUNCTIONS};

const rin_backend_table rin_backend_ref64 = {
    .name = "ref64", .about = "plain loops, one thread, float64", .element_size = sizeof(double),
    .available = always, .kernels = kernels64, RIN_HOST_FUNCTIONS};
