/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"
#include "base/fault.h"

/* Above this size a block is worth huge pages: fewer TLB misses in the optimiser's sweep over all weights. */
enum { HUGE_PAGE = 2 << 20 };

static void *out_of_memory(size_t n, size_t size, rin_error *error) {
    (void)rin_error_set(error, RIN_ERR_MEMORY, "out of memory: %zu x %zu bytes", n, size);
    return NULL;
}

void *rin_calloc(size_t n, size_t size, rin_error *error) {
    if (size && n > SIZE_MAX / size) return out_of_memory(n, size, error);
    void *memory = rin_fault(RIN_FAULT_ALLOC) ? NULL : calloc(RIN_MAX(n * size, 1), 1);
    rin_fault_add_blocks(memory != NULL);
    return memory ? memory : out_of_memory(n, size, error);
}

void *rin_realloc(void *old, size_t n, size_t size, rin_error *error) {
    if (size && n > SIZE_MAX / size) return out_of_memory(n, size, error);
    void *memory = rin_fault(RIN_FAULT_ALLOC) ? NULL : realloc(old, RIN_MAX(n * size, 1));
    rin_fault_add_blocks(memory && !old);
    return memory ? memory : out_of_memory(n, size, error);
}

char *rin_strdup(const char *text, rin_error *error) {
    size_t n = strlen(text) + 1;
    char *copy = rin_calloc(n, 1, error);
    return copy ? memcpy(copy, text, n) : NULL;
}

void rin_free(void *memory) {
    rin_fault_add_blocks(-(memory != NULL));
    free(memory);
}

void *rin_alloc_aligned(size_t bytes, rin_error *error) {
    size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : RIN_ALIGNMENT;
    if (bytes > SIZE_MAX - alignment) return out_of_memory(1, bytes, error);
    size_t rounded = (RIN_MAX(bytes, 1) + alignment - 1) / alignment * alignment;
    void *memory = rin_fault(RIN_FAULT_ALLOC) ? NULL : aligned_alloc(alignment, rounded);
    rin_fault_add_blocks(memory != NULL);
    if (!memory) return out_of_memory(1, bytes, error);
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE) (void)madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    return memset(memory, 0, rounded);
}

void rin_free_aligned(void *memory) {
    rin_fault_add_blocks(-(memory != NULL));
    free(memory);
}
