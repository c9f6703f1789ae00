/* SPDX-License-Identifier: MIT */
/* Opening a GPU, its memory, what goes to and from it, and runs, which are recorded as CUDA graphs. */
#include <string.h>

#include "backend/cuda/cuda.h"

struct rin_recording {
    cudaGraphExec_t graph; /* NULL after the first run, which makes what later ones use */
};

bool rin_cuda_check(rin_cuda *cuda, cudaError_t code, const char *doing) {
    if (code == cudaSuccess) return true;
    if (cuda->failure.code == RIN_OK)
        (void)rin_error_set(&cuda->failure, code == cudaErrorMemoryAllocation ? RIN_ERR_MEMORY : RIN_ERR_DEVICE,
                            "GPU %d, %s: %s", cuda->device, doing, cudaGetErrorString(code));
    return false;
}

static rin_status failure(const rin_backend *backend, rin_error *error) {
    const rin_cuda *cuda = backend->state;
    if (cuda->failure.code != RIN_OK && error) *error = cuda->failure;
    return cuda->failure.code;
}

/* A process may have several, and any thread may call. */
static rin_cuda *use(rin_backend *backend) {
    rin_cuda *cuda = backend->state;
    (void)rin_cuda_check(cuda, cudaSetDevice(cuda->device), "choosing it");
    return cuda;
}

/* ---- opening ---- */

static bool available(void) {
    int n = 0;
    bool found = cudaGetDeviceCount(&n) == cudaSuccess && n > 0;
    (void)cudaGetLastError(); /* without a GPU the runtime would go on reporting it */
    return found;
}

static bool make_uploads(rin_cuda *cuda) {
    bool ok = true;
    for (int i = 0; i < RIN_UPLOADS && ok; i++) {
        rin_upload *u = &cuda->uploads[i];
        ok = rin_cuda_check(cuda, cudaMallocHost(&u->pinned, RIN_UPLOAD_BYTES), "reserving pinned memory") &&
             rin_cuda_check(cuda, cudaMalloc(&u->staged, RIN_UPLOAD_BYTES), "reserving memory") &&
             rin_cuda_check(cuda, cudaEventCreateWithFlags(&u->copied, cudaEventDisableTiming), "making an event") &&
             rin_cuda_check(cuda, cudaEventCreateWithFlags(&u->used, cudaEventDisableTiming), "making an event");
    }
    return ok;
}

static void close_device(rin_backend *backend) {
    rin_cuda *cuda = use(backend);
    (void)cudaDeviceSynchronize();
    for (int i = 0; i < RIN_UPLOADS; i++) {
        rin_upload *u = &cuda->uploads[i];
        if (u->copied) (void)cudaEventDestroy(u->copied);
        if (u->used) (void)cudaEventDestroy(u->used);
        (void)cudaFree(u->staged);
        (void)cudaFreeHost(u->pinned);
    }
    rin_products_free(cuda->products);
    (void)cudaFree(cuda->step);
    (void)cudaFree(cuda->tensors);
    if (cuda->copies) (void)cudaStreamDestroy(cuda->copies);
    if (cuda->stream) (void)cudaStreamDestroy(cuda->stream);
    (void)cudaGetLastError();
    rin_free(cuda->segments);
    rin_free(cuda);
}

static rin_status open_device(rin_backend *backend, const rin_backend_options *options, rin_error *error) {
    enum { LEAST_MAJOR = 8 };
    int n = 0;
    if (cudaGetDeviceCount(&n) != cudaSuccess || options->device >= n) {
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "device cuda:%d: this machine has %d GPU%s, cuda:0 is the first", options->device, n,
                             n == 1 ? "" : "s");
    }
    struct cudaDeviceProp properties;
    rin_cuda *cuda = backend->state = rin_calloc(1, sizeof *cuda, error);
    if (!cuda) return RIN_ERR_MEMORY;
    cuda->device = options->device;
    backend->threads = 1;
    bool ok = rin_cuda_check(cuda, cudaSetDevice(cuda->device), "choosing it") &&
              rin_cuda_check(cuda, cudaGetDeviceProperties(&properties, cuda->device), "asking what it is");
    if (ok && properties.major < LEAST_MAJOR) {
        (void)rin_error_set(&cuda->failure, RIN_ERR_UNSUPPORTED,
                            "device cuda:%d: %s has compute capability %d.%d; needed is %d.0 (Ampere) or later",
                            cuda->device, properties.name, properties.major, properties.minor, LEAST_MAJOR);
        ok = false;
    }
    ok = ok &&
         rin_cuda_check(cuda, cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking), "making a stream") &&
         rin_cuda_check(cuda, cudaStreamCreateWithFlags(&cuda->copies, cudaStreamNonBlocking), "making a stream") &&
         rin_cuda_check(cuda, cudaMalloc((void **)&cuda->step, sizeof *cuda->step), "reserving memory") &&
         make_uploads(cuda);
    if (ok) {
        cuda->major = properties.major;
        backend->memory = properties.totalGlobalMem;
        bool tf32 = strstr(backend->table->name, "fp32") == NULL;
        ok = rin_products_create(tf32, &cuda->products, &cuda->failure) == RIN_OK;
    }
    if (ok) return RIN_OK;
    rin_error reason = cuda->failure;
    close_device(backend);
    if (error) *error = reason;
    return reason.code;
}

/* ---- memory ---- */

static void *allocate(rin_backend *backend, size_t bytes, rin_error *error) {
    rin_cuda *cuda = use(backend);
    void *memory = NULL;
    cudaError_t code = cudaMalloc(&memory, bytes ? bytes : 1);
    if (code == cudaSuccess) code = cudaMemsetAsync(memory, 0, bytes ? bytes : 1, cuda->stream);
    if (code == cudaSuccess) return memory;
    size_t left = 0, total = 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&left, &total);
    (void)cudaFree(memory);
    (void)rin_error_set(error, RIN_ERR_MEMORY, "GPU %d: %zu bytes (%.3f GiB) are needed, %.3f of %.3f GiB are free: %s",
                        cuda->device, bytes, (double)bytes * 0x1p-30, (double)left * 0x1p-30, (double)total * 0x1p-30,
                        cudaGetErrorString(code));
    return NULL;
}

static void release(rin_backend *backend, void *memory) {
    (void)use(backend);
    (void)cudaFree(memory); /* waits for what is using it */
}

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void upload_part(rin_cuda *cuda, void *to, rin_type type, const float *from, int64_t n) {
    rin_upload *u = &cuda->uploads[cuda->next_upload];
    size_t bytes = (size_t)n * (type == RIN_TYPE_BF16 ? sizeof(uint16_t) : sizeof(float));
    cuda->next_upload = (cuda->next_upload + 1) % RIN_UPLOADS;
    bool ok = rin_cuda_check(cuda, cudaEventSynchronize(u->copied), "waiting for an upload");
    if (type == RIN_TYPE_REAL) {
        memcpy(u->pinned, from, bytes);
    } else {
        for (int64_t i = 0; i < n; i++) ((uint16_t *)u->pinned)[i] = to_bf16(from[i]);
    }
    (void)(ok && rin_cuda_check(cuda, cudaStreamWaitEvent(cuda->copies, u->used, 0), "ordering an upload") &&
           rin_cuda_check(cuda, cudaMemcpyAsync(u->staged, u->pinned, bytes, cudaMemcpyHostToDevice, cuda->copies),
                          "uploading") &&
           rin_cuda_check(cuda, cudaEventRecord(u->copied, cuda->copies), "ordering an upload") &&
           rin_cuda_check(cuda, cudaStreamWaitEvent(cuda->stream, u->copied, 0), "ordering an upload") &&
           rin_cuda_check(cuda, cudaMemcpyAsync(to, u->staged, bytes, cudaMemcpyDeviceToDevice, cuda->stream),
                          "uploading") &&
           rin_cuda_check(cuda, cudaEventRecord(u->used, cuda->stream), "ordering an upload"));
}

/* The bytes cross while the device still works on what was asked of it before. */
static void upload(rin_backend *backend, void *to, rin_type type, const float *from, int64_t n) {
    enum { PART = RIN_UPLOAD_BYTES / sizeof(float) };
    rin_cuda *cuda = use(backend);
    size_t size = type == RIN_TYPE_BF16 ? sizeof(uint16_t) : sizeof(float);
    for (int64_t i = 0; i < n; i += PART)
        upload_part(cuda, (char *)to + (size_t)i * size, type, from + i, RIN_MIN(n - i, (int64_t)PART));
}

static void download(rin_backend *backend, float *to, const void *from, rin_type type, int64_t n) {
    rin_cuda *cuda = use(backend);
    size_t size = type == RIN_TYPE_BF16 ? sizeof(uint16_t) : sizeof(float);
    /* Narrow numbers arrive in the second half of their place, and widen from the front. */
    char *place = (char *)to + (size_t)n * (sizeof(float) - size);
    bool ok = rin_cuda_check(cuda, cudaMemcpyAsync(place, from, (size_t)n * size, cudaMemcpyDeviceToHost, cuda->stream),
                             "downloading") &&
              rin_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "computing");
    for (int64_t i = 0; i < n && type == RIN_TYPE_BF16 && ok; i++) {
        uint16_t half;
        memcpy(&half, place + (size_t)i * size, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(&to[i], &bits, sizeof bits);
    }
}

static void narrow(rin_backend *backend, void *to, const void *from, int64_t n) {
    rin_cuda *cuda = use(backend);
    rin_launch_convert(cuda->stream, (rin_view){(void *)(uintptr_t)from, false}, (rin_view){to, true}, n);
}

static void blend(rin_backend *backend, void *to, rin_type to_type, const void *from, rin_type from_type, float keep,
                  int64_t n) {
    rin_cuda *cuda = use(backend);
    rin_launch_blend(cuda->stream, (rin_view){to, to_type == RIN_TYPE_BF16},
                     (rin_view){(void *)(uintptr_t)from, from_type == RIN_TYPE_BF16}, keep, n);
}

static void wait(rin_backend *backend) {
    rin_cuda *cuda = use(backend);
    (void)rin_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "computing");
}

/* ---- what the update works on ---- */

static int64_t chunks_of(int64_t count) {
    return (count + RIN_UPDATE_CHUNK - 1) / RIN_UPDATE_CHUNK;
}

int64_t rin_cuda_chunks(const rin_arenas *arenas) {
    int64_t n = 0;
    for (int i = 0; i < arenas->n_segments; i++) n += chunks_of(arenas->segments[i].count);
    return n;
}

static bool same_segments(const rin_cuda *cuda, const rin_arenas *arenas) {
    if (!cuda->tensors || cuda->n_segments != arenas->n_segments) return false;
    for (int i = 0; i < cuda->n_segments; i++) {
        const rin_segment *a = &cuda->segments[i], *b = &arenas->segments[i];
        if (a->offset != b->offset || a->count != b->count || a->decay != b->decay) return false;
    }
    return true;
}

const rin_update_tensor *rin_cuda_tensors(rin_cuda *cuda, const rin_arenas *arenas) {
    if (same_segments(cuda, arenas)) return cuda->tensors;
    size_t n = (size_t)arenas->n_segments;
    rin_update_tensor *made = rin_calloc(n, sizeof *made, &cuda->failure);
    rin_segment *kept = rin_calloc(n, sizeof *kept, &cuda->failure);
    int64_t chunk = 0;
    for (size_t i = 0; made && kept && i < n; i++) {
        const rin_segment *s = &arenas->segments[i];
        made[i] = (rin_update_tensor){s->offset, s->count, chunk, s->decay};
        chunk += chunks_of(s->count);
        kept[i] = *s;
    }
    (void)cudaFree(cuda->tensors);
    rin_free(cuda->segments);
    cuda->tensors = NULL;
    cuda->segments = kept;
    cuda->n_segments = kept ? arenas->n_segments : 0;
    (void)(made && kept &&
           rin_cuda_check(cuda, cudaMalloc((void **)&cuda->tensors, RIN_MAX(n, 1) * sizeof *made),
                          "reserving memory") &&
           rin_cuda_check(cuda, cudaMemcpy(cuda->tensors, made, n * sizeof *made, cudaMemcpyHostToDevice),
                          "uploading"));
    rin_free(made);
    return cuda->tensors;
}

/* ---- runs ---- */

static rin_status prepare(rin_backend *backend, rin_task *tasks, int n, size_t *scratch, rin_error *error) {
    *scratch = 0;
    for (int i = 0; i < n; i++) {
        const rin_cuda_row *row = &rin_cuda_kernels[tasks[i].node->op];
        if (!row->run) {
            return rin_error_set(error, RIN_ERR_UNSUPPORTED, "%s: backend %s has no kernel for %s",
                                 tasks[i].node->scope, backend->table->name, rin_op(tasks[i].node->op)->name);
        }
        size_t bytes = row->scratch ? row->scratch(&tasks[i]) : 0;
        *scratch = RIN_MAX(*scratch, bytes);
    }
    return RIN_OK;
}

static void queue_all(rin_cuda *cuda, const rin_task *tasks, int n) {
    for (int i = 0; i < n && cuda->failure.code == RIN_OK; i++) {
        rin_cuda_kernels[tasks[i].node->op].run(cuda, &tasks[i]);
        (void)rin_cuda_check(cuda, cudaGetLastError(), rin_op(tasks[i].node->op)->name);
    }
}

static void record(rin_cuda *cuda, const rin_task *tasks, int n, rin_recording *recording) {
    cudaGraph_t graph = NULL;
    if (!rin_cuda_check(cuda, cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeRelaxed), "recording")) return;
    queue_all(cuda, tasks, n);
    if (rin_cuda_check(cuda, cudaStreamEndCapture(cuda->stream, &graph), "recording"))
        (void)rin_cuda_check(cuda, cudaGraphInstantiate(&recording->graph, graph, 0), "recording");
    if (graph) (void)cudaGraphDestroy(graph);
}

static void run(rin_backend *backend, const rin_task *tasks, int n, rin_recording **recording) {
    rin_cuda *cuda = use(backend);
    if (n == 0 || cuda->failure.code != RIN_OK) return;
    const rin_step *s = tasks[0].step;
    rin_launch_set_step(cuda->stream, cuda->step,
                        (rin_cuda_step){.seed = s->seed,
                                        .step = s->step,
                                        .first_example = s->first_example,
                                        .gradient_scale = s->gradient_scale,
                                        .learning_rate = s->learning_rate,
                                        .ema_decay = s->ema_decay});
    if (!recording || !*recording) {
        queue_all(cuda, tasks, n);
        if (recording) *recording = rin_calloc(1, sizeof **recording, NULL); /* without memory nothing is recorded */
        return;
    }
    if (!(*recording)->graph) record(cuda, tasks, n, *recording);
    if ((*recording)->graph) (void)rin_cuda_check(cuda, cudaGraphLaunch((*recording)->graph, cuda->stream), "running");
}

static void forget(rin_backend *backend, rin_recording *recording) {
    rin_cuda *cuda = use(backend);
    (void)cudaStreamSynchronize(cuda->stream);
    if (recording->graph) (void)cudaGraphExecDestroy(recording->graph);
    rin_free(recording);
}

#define DEVICE_FUNCTIONS                                                                                           \
    .element_size = sizeof(float), .available = available, .open = open_device, .close = close_device,             \
    .alloc = allocate, .release = release, .upload = upload, .download = download, .prepare = prepare, .run = run, \
    .forget = forget, .narrow = narrow, .blend = blend, .wait = wait, .failure = failure

const rin_backend_table rin_backend_cuda_bf16 = {
    .name = "cuda-bf16", .about = "NVIDIA GPU, products of bf16", .narrows = true, .rounding = 2e-2, DEVICE_FUNCTIONS};
const rin_backend_table rin_backend_cuda_tf32 = {
    .name = "cuda-tf32", .about = "NVIDIA GPU, float32, products of TF32", .rounding = 5e-3, DEVICE_FUNCTIONS};
const rin_backend_table rin_backend_cuda_fp32 = {.name = "cuda-fp32", .about = "NVIDIA GPU, float32", DEVICE_FUNCTIONS};
