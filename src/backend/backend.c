/* SPDX-License-Identifier: MIT */
/* The list of backends and the calls through it. */
#include <string.h>

#include "backend/cpu/cpu.h"
#ifdef RIN_HAVE_CUDA
#include "backend/cuda/cuda.h"
#endif
#include "backend/ref/ref.h"

/* Best first: "cpu" is the first of its kind that this machine can run. */
static const rin_backend_table *const rows[] = {
#ifdef RIN_HAVE_X86
    &rin_backend_cpu_avx512, &rin_backend_cpu_avx2,
#endif
    &rin_backend_cpu_plain,  &rin_backend_ref32,     &rin_backend_ref64,
#ifdef RIN_HAVE_CUDA
    &rin_backend_cuda_bf16,  &rin_backend_cuda_tf32, &rin_backend_cuda_fp32,
#endif
};

const rin_backend_table *rin_backend_row(int i) {
    return i >= 0 && i < (int)RIN_COUNT(rows) ? rows[i] : NULL;
}

/* A name of n characters: the row's, or the beginning of it before a '-'. */
static bool is_called(const rin_backend_table *row, const char *name, size_t n) {
    return strncmp(row->name, name, n) == 0 && (row->name[n] == '\0' || row->name[n] == '-');
}

/* "cuda:1" is "cuda" on device 1. */
static rin_status split_name(const char *name, size_t *length, int *device, rin_error *error) {
    enum { MOST_DEVICES = 64 };
    const char *colon = strchr(name, ':');
    int64_t number = 0;
    *length = colon ? (size_t)(colon - name) : strlen(name);
    bool sound = !colon || (strncmp(name, "cuda", 4) == 0 && rin_number_parse_int(colon + 1, &number) && number >= 0 &&
                            number < MOST_DEVICES);
    *device = (int)number;
    if (sound) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "device '%.100s': only GPUs are numbered, cuda:0 to cuda:%d", name,
                         MOST_DEVICES - 1);
}

/* A thread that has its turn may begin again. */
static bool make_turns(pthread_mutex_t *turns) {
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes)) return false;
    bool ok = !pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE) &&
              !pthread_mutex_init(turns, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return ok;
}

static rin_status open_row(const rin_backend_table *row, const rin_backend_options *options, rin_backend **out,
                           rin_error *error) {
    rin_backend *backend = rin_calloc(1, sizeof *backend, error);
    if (!backend) return RIN_ERR_MEMORY;
    backend->table = row;
    if (!make_turns(&backend->turns)) {
        rin_free(backend);
        return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for a lock");
    }
    rin_status status = row->open(backend, options, error);
    if (status == RIN_OK) {
        *out = backend;
    } else {
        pthread_mutex_destroy(&backend->turns);
        rin_free(backend);
    }
    return status;
}

rin_status rin_backend_create(const char *name, const rin_backend_options *options, rin_backend **out,
                              rin_error *error) {
    rin_backend_options own = options ? *options : (rin_backend_options){0};
    size_t length;
    bool known = false;
    *out = NULL;
    rin_status status = split_name(name, &length, &own.device, error);
    if (status != RIN_OK) return status;
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        if (!is_called(rows[i], name, length)) continue;
        known = true;
        if (rows[i]->available()) return open_row(rows[i], &own, out, error);
    }
    bool cuda = strncmp(name, "cuda", 4) == 0 &&
                (length == 4 || strncmp(name, "cuda-bf16", length) == 0 || strncmp(name, "cuda-tf32", length) == 0 ||
                 strncmp(name, "cuda-fp32", length) == 0);
    if (cuda) {
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "device '%.100s': %s; --device cpu works everywhere", name,
                             known ? "no NVIDIA GPU with its driver and cuBLASLt (libcublasLt.so) was found"
                                   : "this build has no CUDA (cmake -DRIN_CUDA=ON makes one that does)");
    }
    if (known) return rin_error_set(error, RIN_ERR_UNSUPPORTED, "device '%s': this machine cannot run it", name);
    return rin_error_set(error, RIN_ERR_ARG,
                         "unknown device '%.100s': it is cpu, cpu-avx512, cpu-avx2, cpu-plain, ref, ref64, cuda, "
                         "cuda-tf32 or cuda-fp32",
                         name);
}

void rin_backend_free(rin_backend *backend) {
    if (!backend) return;
    backend->table->close(backend);
    pthread_mutex_destroy(&backend->turns);
    rin_free(backend);
}

/* ---- calls, in turn ---- */

void rin_backend_begin(rin_backend *backend) {
    pthread_mutex_lock(&backend->turns);
}

void rin_backend_end(rin_backend *backend) {
    pthread_mutex_unlock(&backend->turns);
}

rin_status rin_backend_alloc(rin_backend *backend, int64_t elements, void **out, rin_error *error) {
    size_t size = backend->table->element_size;
    *out = NULL;
    if (elements < 0 || (uint64_t)elements > SIZE_MAX / size) {
        return rin_error_set(error, RIN_ERR_MEMORY, "cannot allocate %lld elements", (long long)elements);
    }
    rin_backend_begin(backend);
    *out = backend->table->alloc(backend, (size_t)elements * size, error);
    rin_backend_end(backend);
    return *out ? RIN_OK : RIN_ERR_MEMORY;
}

void rin_backend_release(rin_backend *backend, void *memory) {
    if (!memory) return;
    rin_backend_begin(backend);
    backend->table->release(backend, memory);
    rin_backend_end(backend);
}

void rin_backend_upload(rin_backend *backend, void *to, rin_type type, const float *from, int64_t n) {
    rin_backend_begin(backend);
    backend->table->upload(backend, to, type, from, n);
    rin_backend_end(backend);
}

void rin_backend_download(rin_backend *backend, float *to, const void *from, rin_type type, int64_t n) {
    rin_backend_begin(backend);
    backend->table->download(backend, to, from, type, n);
    rin_backend_end(backend);
}

rin_status rin_backend_prepare(rin_backend *backend, rin_task *tasks, int n, size_t *scratch, rin_error *error) {
    rin_backend_begin(backend);
    rin_status status = backend->table->prepare(backend, tasks, n, scratch, error);
    rin_backend_end(backend);
    return status;
}

void rin_backend_run(rin_backend *backend, const rin_task *tasks, int n, rin_recording **recording) {
    rin_backend_begin(backend);
    backend->table->run(backend, tasks, n, recording);
    rin_backend_end(backend);
}

void rin_backend_forget(rin_backend *backend, rin_recording *recording) {
    if (!recording) return;
    rin_backend_begin(backend);
    backend->table->forget(backend, recording);
    rin_backend_end(backend);
}

void rin_backend_narrow(rin_backend *backend, void *to, const void *from, int64_t n) {
    rin_backend_begin(backend);
    backend->table->narrow(backend, to, from, n);
    rin_backend_end(backend);
}

void rin_backend_blend(rin_backend *backend, void *to, rin_type to_type, const void *from, rin_type from_type,
                       float keep, int64_t n) {
    rin_backend_begin(backend);
    backend->table->blend(backend, to, to_type, from, from_type, keep, n);
    rin_backend_end(backend);
}

void rin_backend_wait(rin_backend *backend) {
    if (!backend->table->wait) return;
    rin_backend_begin(backend);
    backend->table->wait(backend);
    rin_backend_end(backend);
}

rin_status rin_backend_failure(rin_backend *backend, rin_error *error) {
    if (!backend->table->failure) return RIN_OK;
    rin_backend_begin(backend);
    rin_status status = backend->table->failure(backend, error);
    rin_backend_end(backend);
    return status;
}
