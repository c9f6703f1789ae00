/* SPDX-License-Identifier: MIT */
/* cpu: the kernels that are fast, one table a variant of the instruction set. */
#ifndef RIN_BACKEND_CPU_H
#define RIN_BACKEND_CPU_H

#include "backend/backend.h"

extern const rin_backend_table rin_backend_cpu_plain, rin_backend_cpu_avx2, rin_backend_cpu_avx512;

#endif
