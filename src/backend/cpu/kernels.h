/* SPDX-License-Identifier: MIT */
/* Declares the kernels of the variant that is being compiled, all ops of op.def, whichever files define them. */
#ifndef RIN_BACKEND_CPU_KERNELS_H
#define RIN_BACKEND_CPU_KERNELS_H

#include "backend/kernel.h"

#define OP(name, least, most, outputs, alias, shapes, gradient, flops)     \
    void RIN_KERNEL(name)(const rin_task *task, const rin_team *team); \
    size_t RIN_SCRATCH(name)(const rin_task *task, int threads);
#include "op/op.def"
#undef OP

#endif
