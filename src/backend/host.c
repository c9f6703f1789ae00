/* SPDX-License-Identifier: MIT */
/* Host backends: memory of the process, and runs in which every thread of a team calls every kernel. */
#include <string.h>

#include "backend/backend.h"
#include "backend/pool.h"
#include "op/op.h"

rin_status rin_host_open(rin_backend *backend, const rin_backend_options *options, rin_error *error) {
    enum { MOST_THREADS = 1024 };
    int threads = options ? options->threads : 0;
    if (threads < 0 || threads > MOST_THREADS) {
        return rin_error_set(error, RIN_ERR_ARG, "threads = %d: 0 (all cores) to %d", threads, MOST_THREADS);
    }
    backend->memory = rin_memory_total();
    backend->threads = threads ? threads : rin_processor_count(MOST_THREADS);
    rin_pool *pool;
    rin_status status = rin_pool_create(backend->threads, &pool, error);
    backend->state = pool;
    return status;
}

void rin_host_close(rin_backend *backend) {
    rin_pool_free(backend->state);
}

void *rin_host_alloc(rin_backend *backend, size_t bytes, rin_error *error) {
    (void)backend;
    return rin_alloc_aligned(bytes, error);
}

void rin_host_release(rin_backend *backend, void *memory) {
    (void)backend;
    rin_free_aligned(memory);
}

void rin_host_upload(rin_backend *backend, void *to, rin_type type, const float *from, int64_t n) {
    (void)type; /* graphs are not narrowed for hosts */
    if (backend->table->element_size == sizeof(float)) {
        memcpy(to, from, (size_t)n * sizeof(float));
    } else {
        for (int64_t i = 0; i < n; i++) ((double *)to)[i] = from[i];
    }
}

void rin_host_download(rin_backend *backend, float *to, const void *from, rin_type type, int64_t n) {
    (void)type;
    if (backend->table->element_size == sizeof(float)) {
        memcpy(to, from, (size_t)n * sizeof(float));
    } else {
        for (int64_t i = 0; i < n; i++) to[i] = (float)((const double *)from)[i];
    }
}

void rin_host_blend(rin_backend *backend, void *to, rin_type to_type, const void *from, rin_type from_type, float keep,
                    int64_t n) {
    (void)to_type;
    (void)from_type;
    if (backend->table->element_size == sizeof(float)) {
        float *a = to;
        for (int64_t i = 0; i < n; i++) a[i] = keep * a[i] + (1 - keep) * ((const float *)from)[i];
    } else {
        double *a = to, own = keep;
        for (int64_t i = 0; i < n; i++) a[i] = own * a[i] + (1 - own) * ((const double *)from)[i];
    }
}

rin_status rin_host_prepare(rin_backend *backend, rin_task *tasks, int n, size_t *scratch, rin_error *error) {
    *scratch = 0;
    for (int i = 0; i < n; i++) {
        const rin_kernel_row *row = &backend->table->kernels[tasks[i].node->op];
        if (!row->run) {
            return rin_error_set(error, RIN_ERR_UNSUPPORTED, "%s: backend %s has no kernel for %s",
                                 tasks[i].node->scope, backend->table->name, rin_op(tasks[i].node->op)->name);
        }
        tasks[i].scratch_bytes = row->scratch ? row->scratch(&tasks[i], backend->threads) : 0;
        *scratch = RIN_MAX(*scratch, tasks[i].scratch_bytes);
    }
    return RIN_OK;
}

void rin_team_barrier(const rin_team *team) {
    if (team->count > 1) rin_pool_barrier(team->pool);
}

typedef struct run {
    rin_backend *backend;
    const rin_task *tasks;
    int n;
} run;

/* Attention that saturates has gradients below 1e-38, and processors compute with such numbers a hundred times slower:
 * within a run they count as 0. It rounds to nearest and traps nothing, whatever the program around it does. Returns
 * what to restore: the caller's thread is one of the team. */
static unsigned long set_arithmetic(void) {
    unsigned long before = 0;
#if defined(__SSE2__)
    enum { MASK_TRAPS = 0x1F80, FLUSH_RESULTS = 0x8000, FLUSH_OPERANDS = 0x40 };
    before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(MASK_TRAPS | FLUSH_RESULTS | FLUSH_OPERANDS);
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(1ul << 24));
#endif
    return before;
}

static void restore_arithmetic(unsigned long before) {
#if defined(__SSE2__)
    __builtin_ia32_ldmxcsr((unsigned)before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}

static void run_all(void *context, int index, int count) {
    const run *r = context;
    const rin_kernel_row *kernels = r->backend->table->kernels;
    rin_team team = {index, count, r->backend->state};
    unsigned long before = set_arithmetic();
    for (int i = 0; i < r->n; i++) {
        if (i && !r->tasks[i].beside) rin_team_barrier(&team);
        kernels[r->tasks[i].node->op].run(&r->tasks[i], &team);
    }
    restore_arithmetic(before);
}

void rin_host_run(rin_backend *backend, const rin_task *tasks, int n, rin_recording **recording) {
    (void)recording;
    run r = {backend, tasks, n};
    rin_pool_run(backend->state, run_all, &r);
}
