/* SPDX-License-Identifier: MIT */
/* The CUDA backend's parts: an open device (device.c), and the kernel of each op (ops.c, conv.c). */
#ifndef RIN_CUDA_CUDA_H
#define RIN_CUDA_CUDA_H

#include "backend/backend.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/fused.h"
#include "backend/cuda/products.h"
#include "op/op.h"

extern const rin_backend_table rin_backend_cuda_bf16, rin_backend_cuda_tf32, rin_backend_cuda_fp32;

/* Numbers on their way to the device: a pinned buffer, and one on the device that waits until the last run is done. */
typedef struct rin_upload {
    void *pinned, *staged;
    cudaEvent_t copied, used;
} rin_upload;

enum { RIN_UPLOADS = 4, RIN_UPLOAD_BYTES = 8 << 20 };

typedef struct rin_cuda {
    int device, major; /* number, and compute capability */
    cudaStream_t stream, copies;
    rin_cuda_step *step; /* on the device, as are the tensors */
    rin_products *products;
    rin_upload uploads[RIN_UPLOADS];
    int next_upload;
    rin_update_tensor *tensors;
    rin_segment *segments; /* [n_segments] what the tensors were made of */
    int n_segments;
    rin_error failure; /* the first; code RIN_OK for none */
} rin_cuda;

/* Records the first failure. Returns whether there was none. */
bool rin_cuda_check(rin_cuda *cuda, cudaError_t code, const char *doing);
/* The trained tensors as the update's kernels want them, on the device. */
const rin_update_tensor *rin_cuda_tensors(rin_cuda *cuda, const rin_arenas *arenas);
int64_t rin_cuda_chunks(const rin_arenas *arenas);

/* Queues a task. */
typedef void (*rin_cuda_kernel)(rin_cuda *cuda, const rin_task *task);
typedef size_t (*rin_cuda_scratch)(const rin_task *task);

typedef struct rin_cuda_row {
    rin_cuda_kernel run;
    rin_cuda_scratch scratch; /* NULL: none */
} rin_cuda_row;

extern const rin_cuda_row rin_cuda_kernels[RIN_N_OPS];

/* Those of conv.c. */
void rin_cuda_fold(rin_cuda *cuda, const rin_task *task);
void rin_cuda_conv(rin_cuda *cuda, const rin_task *task);
size_t rin_cuda_conv_scratch(const rin_task *task);
void rin_cuda_pool(rin_cuda *cuda, const rin_task *task);

#endif
