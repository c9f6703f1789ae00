/* SPDX-License-Identifier: MIT */
/* The list of backends and the calls through it. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"

/* Best first: "cpu" is the first of its kind that this machine can run. */
static const rin_backend_table *const rows[] = {
#ifdef RIN_HAVE_X86
    &rin_backend_cpu_avx512, &rin_backend_cpu_avx2,
#endif
    &rin_backend_cpu_plain,  &rin_backend_ref32,    &rin_backend_ref64,
};

const rin_backend_table *rin_backend_row(int i) {
    return i >= 0 && i < (int)RIN_COUNT(rows) ? rows[i] : NULL;
}

static bool is_called(const rin_backend_table *row, const char *name) {
    size_t n = strlen(name);
    return strncmp(row->name, name, n) == 0 && (row->name[n] == '\0' || row->name[n] == '-');
}

rin_status rin_backend_create(const char *name, const rin_backend_options *options, rin_backend **out,
                              rin_error *error) {
    *out = NULL;
    bool known = false;
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        if (!is_called(rows[i], name)) continue;
        known = true;
        if (!rows[i]->available()) continue;
        rin_backend *backend = rin_calloc(1, sizeof *backend, error);
        if (!backend) return RIN_ERR_MEMORY;
        backend->table = rows[i];
        rin_status status = rows[i]->open(backend, options, error);
        if (status == RIN_OK) *out = backend;
        else rin_free(backend);
        return status;
    }
    if (known) return rin_error_set(error, RIN_ERR_UNSUPPORTED, "device '%s': this machine cannot run it", name);
    return rin_error_set(error, RIN_ERR_ARG,
                         "unknown device '%s': it is cpu, cpu-avx512, cpu-avx2, cpu-plain, ref or ref64", name);
}

void rin_backend_free(rin_backend *backend) {
    if (!backend) return;
    backend->table->close(backend);
    rin_free(backend);
}

rin_status rin_backend_alloc(rin_backend *backend, int64_t elements, void **out, rin_error *error) {
    size_t size = backend->table->element_size;
    *out = NULL;
    if (elements < 0 || (uint64_t)elements > SIZE_MAX / size) {
        return rin_error_set(error, RIN_ERR_MEMORY, "cannot allocate %lld elements", (long long)elements);
    }
    *out = backend->table->alloc(backend, (size_t)elements * size, error);
    return *out ? RIN_OK : RIN_ERR_MEMORY;
}

void rin_backend_release(rin_backend *backend, void *memory) {
    if (memory) backend->table->release(backend, memory);
}

void rin_backend_upload(rin_backend *backend, void *to, const float *from, int64_t n) {
    backend->table->upload(backend, to, from, n);
}

void rin_backend_download(rin_backend *backend, float *to, const void *from, int64_t n) {
    backend->table->download(backend, to, from, n);
}

rin_status rin_backend_prepare(rin_backend *backend, const rin_task *tasks, int n, size_t *scratch, rin_error *error) {
    return backend->table->prepare(backend, tasks, n, scratch, error);
}

void rin_backend_run(rin_backend *backend, const rin_task *tasks, int n) {
    backend->table->run(backend, tasks, n);
}
