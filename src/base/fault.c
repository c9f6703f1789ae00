/* SPDX-License-Identifier: MIT */
/* Counting accesses and choosing the ones that fail. The only global state; test builds alone have it. */
#include "base/fault.h"

#ifdef RIN_FAULTS
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint armed_kinds;
static atomic_ullong seen, first_failing;
static atomic_bool all_from_there;
static atomic_llong blocks;
static pthread_once_t environment_read = PTHREAD_ONCE_INIT;

static const struct {
    const char *name;
    rin_fault_kind kind;
    int error;
} rows[] = {{"alloc", RIN_FAULT_ALLOC, ENOMEM}, {"open", RIN_FAULT_OPEN, EMFILE}, {"read", RIN_FAULT_READ, EIO},
            {"write", RIN_FAULT_WRITE, ENOSPC}, {"sync", RIN_FAULT_SYNC, EIO},    {"rename", RIN_FAULT_RENAME, EIO}};
enum { N_ROWS = sizeof rows / sizeof *rows };

void rin_fault_arm(unsigned kinds, uint64_t n, bool onwards) {
    atomic_store(&armed_kinds, 0);
    atomic_store(&seen, 0);
    atomic_store(&first_failing, n);
    atomic_store(&all_from_there, onwards);
    atomic_store(&armed_kinds, kinds);
}

static void read_environment(void) {
    const char *text = getenv("RIN_FAULT");
    const char *number = text ? strchr(text, ':') : NULL;
    unsigned kinds = 0;
    if (!number) return;
    for (int i = 0; i < N_ROWS; i++) {
        const char *found = strstr(text, rows[i].name);
        if (found && found < number) kinds |= rows[i].kind;
    }
    rin_fault_arm(kinds, strtoull(number + 1, NULL, 10), strchr(number, '+') != NULL);
}

bool rin_fault(rin_fault_kind kind) {
    pthread_once(&environment_read, read_environment);
    if (!(atomic_load(&armed_kinds) & kind)) return false;
    unsigned long long n = atomic_fetch_add(&seen, 1) + 1, first = atomic_load(&first_failing);
    if (!first || n < first || (n > first && !atomic_load(&all_from_there))) return false;
    for (int i = 0; i < N_ROWS; i++) {
        if (rows[i].kind == kind) errno = rows[i].error;
    }
    return true;
}

uint64_t rin_fault_count(void) {
    return atomic_load(&seen);
}

void rin_fault_add_blocks(int n) {
    atomic_fetch_add(&blocks, n);
}

int64_t rin_fault_blocks(void) {
    return atomic_load(&blocks);
}
#else
typedef int rin_fault_is_off; /* a file of C must not be empty */
#endif
