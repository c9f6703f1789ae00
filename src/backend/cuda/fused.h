/* SPDX-License-Identifier: MIT */
/*
 * Products of bf16 matrices with what follows them: an MLP's first layer with its GELU, and the way back through it.
 * cuBLASLt knows only an approximate GELU, and what it leaves to other kernels costs a pass over the widest tensors.
 */
#ifndef RIN_CUDA_FUSED_H
#define RIN_CUDA_FUSED_H

#include "backend/cuda/launch.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Forward: z = a (m, k) b + bias, b stored as (n, k) (b_transposed), out = survivors(GELU(z)), slope =
 * survivors(GELU'(z)). Backward: out = a (m, k) b * times (m, n), b stored as (k, n). Neither bias, slope nor
 * survivors. All matrices are bf16, their rows one after the other. bias and slope may be NULL.
 */
typedef struct rin_fused_product {
    int64_t m, n, k;
    const uint16_t *a, *b;
    bool b_transposed;
    const uint16_t *bias;
    rin_finish how; /* forward: act is GELU, path 0; n and adds do not count */
    uint16_t *out, *slope;
    const uint16_t *times; /* NULL: forward */
} rin_fused_product;

/* Is there a kernel for this? The widths are multiples of 128 (n) and 32 (k), all memory is aligned to 16 bytes. */
bool rin_fused_product_fits(const rin_fused_product *p, int compute_capability_major);
/* Queues the product; false, with nothing queued, where it does not fit. */
bool rin_launch_fused_product(cudaStream_t stream, const rin_fused_product *p, int compute_capability_major);

#ifdef __cplusplus
}
#endif
#endif
