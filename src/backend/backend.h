/* SPDX-License-Identifier: MIT */
/* backend: who executes a planned list. A short table of functions; memory and kernels belong to the backend. */
#ifndef RIN_BACKEND_H
#define RIN_BACKEND_H

#include <pthread.h>

#include "graph/graph.h"

/* ---- what a run is given ---- */

/* Everything of a step that is not a tensor. */
typedef struct rin_step {
    uint64_t seed, step;    /* keys of the step's random numbers; step counts from 0 */
    uint64_t first_example; /* number, in the step's whole batch, of this run's first example */
    uint32_t part;          /* accumulation part: from the second on, parameter gradients are added up */
    double gradient_scale;  /* multiplies the loss gradient: 1 / parts */
    double learning_rate, ema_decay;
} rin_step;

/* The trained tensors: arenas of equal layout, one tensor after another. */
typedef struct rin_segment {
    int64_t offset, count; /* elements */
    bool decay;            /* weight decay and trust ratio apply: not a 1-D tensor */
} rin_segment;

typedef struct rin_arenas {
    const rin_segment *segments;
    int n_segments;
    int64_t count;                           /* elements of each arena */
    void *weights, *gradients, *m, *v, *ema; /* NULL where not needed */
    void *narrow;                            /* the weights in bf16, where the backend narrows; NULL where not needed */
} rin_arenas;

/* One node, bound: pointers instead of values. */
typedef struct rin_task {
    const rin_node *node;
    const void *in[RIN_MAX_INPUTS]; /* NULL for absent ones */
    void *out[RIN_MAX_OUTPUTS];
    rin_shape in_shape[RIN_MAX_INPUTS], out_shape[RIN_MAX_OUTPUTS];
    rin_type in_type[RIN_MAX_INPUTS], out_type[RIN_MAX_OUTPUTS];
    uint32_t accumulate;       /* bit i: out[i] is added to; for this run, parts included */
    uint32_t gradient_outputs; /* bit i: out[i] is a parameter's gradient */
    const rin_arenas *arenas;
    const rin_step *step;
    void *scratch;        /* at least the bytes the kernel asked for, shared by the team */
    size_t scratch_bytes; /* those of a host backend's kernel, set when it is prepared */
    bool beside;          /* need not wait for the task before it, on a host backend */
} rin_task;

/* ---- host backends: kernels are C functions, called by every thread of a team at once ---- */

struct rin_pool;

typedef struct rin_team {
    int index, count;
    struct rin_pool *pool; /* for the barrier */
} rin_team;

/* Waits for all threads of the team. */
void rin_team_barrier(const rin_team *team);

/* This thread's share of n items in whole grains: [*begin, *end). */
static inline void rin_team_share(const rin_team *team, int64_t n, int64_t grain, int64_t *begin, int64_t *end) {
    int64_t grains = (n + grain - 1) / grain;
    *begin = RIN_MIN(n, grains * team->index / team->count * grain);
    *end = RIN_MIN(n, grains * (team->index + 1) / team->count * grain);
}

typedef void (*rin_kernel)(const rin_task *task, const rin_team *team);
/* Bytes of scratch a kernel needs for a task whose shapes are set. */
typedef size_t (*rin_scratch)(const rin_task *task, int threads);

typedef struct rin_kernel_row {
    rin_kernel run;
    rin_scratch scratch; /* NULL: none */
} rin_kernel_row;

/* ---- the interface ---- */

typedef struct rin_backend_options {
    int threads; /* of a host backend; 0: all cores */
    int device;  /* number of a GPU; set from the name */
} rin_backend_options;

/* A run that a device has recorded: what follows from the tasks alone is then done once. */
typedef struct rin_recording rin_recording;

typedef struct rin_backend rin_backend;

/* A backend: one of these, and a row in backend.c. Functions marked "may be NULL" are those of devices. */
typedef struct rin_backend_table {
    const char *name;
    const char *about;
    size_t element_size;           /* bytes of an element of every tensor that is not narrow */
    bool narrows;                  /* wants graphs narrowed: streams of tokens, and weights in products, are bf16 */
    bool packs;                    /* has a kernel for pack: weights that do not change are packed ahead */
    double rounding;               /* of products that are rounded more than floats: what golden cases may differ by */
    bool (*available)(void);       /* on this machine */
    const rin_kernel_row *kernels; /* [RIN_N_OPS], host backends */
    rin_status (*open)(rin_backend *backend, const rin_backend_options *options, rin_error *error);
    void (*close)(rin_backend *backend);
    void *(*alloc)(rin_backend *backend, size_t bytes, rin_error *error); /* zeroed */
    void (*release)(rin_backend *backend, void *memory);
    void (*upload)(rin_backend *backend, void *to, rin_type type, const float *from, int64_t n);
    void (*download)(rin_backend *backend, float *to, const void *from, rin_type type, int64_t n);
    rin_status (*prepare)(rin_backend *backend, rin_task *tasks, int n, size_t *scratch, rin_error *error);
    void (*run)(rin_backend *backend, const rin_task *tasks, int n, rin_recording **recording);
    void (*forget)(rin_backend *backend, rin_recording *recording);              /* may be NULL */
    void (*narrow)(rin_backend *backend, void *to, const void *from, int64_t n); /* may be NULL */
    void (*blend)(rin_backend *backend, void *to, rin_type to_type, const void *from, rin_type from_type, float keep,
                  int64_t n);
    void (*wait)(rin_backend *backend);                                  /* may be NULL */
    rin_status (*failure)(const rin_backend *backend, rin_error *error); /* may be NULL */
} rin_backend_table;

struct rin_backend {
    const rin_backend_table *table;
    int threads;
    uint64_t memory;       /* bytes of the memory that tensors live in, used or not */
    void *state;           /* of the backend; the thread pool of a host backend */
    pthread_mutex_t turns; /* held by a thread during its call */
};

/* "cpu" (the best variant of this machine), "cpu-avx512", "cpu-avx2", "cpu-plain", "ref", "ref64"; "cuda" (as
 * "cuda-bf16"), "cuda-tf32", "cuda-fp32", with ":1" for the second GPU and so on. */
rin_status rin_backend_create(const char *name, const rin_backend_options *options, rin_backend **out,
                              rin_error *error) RIN_CHECKED;
void rin_backend_free(rin_backend *backend);
/* Threads that share a backend take turns, call by call; between these two a thread has several calls in a row. */
void rin_backend_begin(rin_backend *backend);
void rin_backend_end(rin_backend *backend);
/* Row i of the list of backends, NULL after the last. */
const rin_backend_table *rin_backend_row(int i);

/* Zeroed elements of the backend's memory, RIN_ALIGNMENT aligned. */
rin_status rin_backend_alloc(rin_backend *backend, int64_t elements, void **out, rin_error *error) RIN_CHECKED;
void rin_backend_release(rin_backend *backend, void *memory);
/* n floats into and out of the backend's memory, converted to and from the type there. */
void rin_backend_upload(rin_backend *backend, void *to, rin_type type, const float *from, int64_t n);
void rin_backend_download(rin_backend *backend, float *to, const void *from, rin_type type, int64_t n);
/* Checks that every task has a kernel (UNSUPPORTED names the first that has none); gives the scratch bytes they need.
 */
rin_status rin_backend_prepare(rin_backend *backend, rin_task *tasks, int n, size_t *scratch,
                               rin_error *error) RIN_CHECKED;
/* Runs tasks in order; what they write is there for all later calls. recording: NULL, or NULL at first and the same for
 * the same tasks from then on, until rin_backend_forget. */
void rin_backend_run(rin_backend *backend, const rin_task *tasks, int n, rin_recording **recording);
void rin_backend_forget(rin_backend *backend, rin_recording *recording);
/* The weights' narrow copy, of a backend that narrows. */
void rin_backend_narrow(rin_backend *backend, void *to, const void *from, int64_t n);
/* to = keep to + (1 - keep) from, n elements. */
void rin_backend_blend(rin_backend *backend, void *to, rin_type to_type, const void *from, rin_type from_type,
                       float keep, int64_t n);
/* Until everything that was asked for is done. */
void rin_backend_wait(rin_backend *backend);
/* What went wrong on a device since it was opened, if anything did. Results after a failure are worth nothing. */
rin_status rin_backend_failure(rin_backend *backend, rin_error *error) RIN_CHECKED;

/* ---- host backends (host.c): all rows of their tables but name, kernels and available ---- */

#define RIN_HOST_FUNCTIONS                                                                                      \
    .open = rin_host_open, .close = rin_host_close, .alloc = rin_host_alloc, .release = rin_host_release,       \
    .upload = rin_host_upload, .download = rin_host_download, .prepare = rin_host_prepare, .run = rin_host_run, \
    .blend = rin_host_blend

rin_status rin_host_open(rin_backend *backend, const rin_backend_options *options, rin_error *error);
void rin_host_close(rin_backend *backend);
void *rin_host_alloc(rin_backend *backend, size_t bytes, rin_error *error);
void rin_host_release(rin_backend *backend, void *memory);
void rin_host_upload(rin_backend *backend, void *to, rin_type type, const float *from, int64_t n);
void rin_host_download(rin_backend *backend, float *to, const void *from, rin_type type, int64_t n);
void rin_host_blend(rin_backend *backend, void *to, rin_type to_type, const void *from, rin_type from_type, float keep,
                    int64_t n);
rin_status rin_host_prepare(rin_backend *backend, rin_task *tasks, int n, size_t *scratch, rin_error *error);
void rin_host_run(rin_backend *backend, const rin_task *tasks, int n, rin_recording **recording);

#endif
