/* SPDX-License-Identifier: MIT */
#include <sys/mman.h>

#include "metric/metric.h"

/* OpenBLAS takes 128 MiB of address space with its first product, and tries for ever where it does not get them. */
rin_status rin_blas_expect_memory(rin_error *error) {
    const size_t wanted = (size_t)136 << 20;
    void *room = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room != MAP_FAILED) (void)munmap(room, wanted);
    if (room != MAP_FAILED) return RIN_OK;
    return rin_error_set(error, RIN_ERR_MEMORY,
                         "scores need %zu MiB of memory for OpenBLAS, which this process does not get", wanted >> 20);
}
