/* SPDX-License-Identifier: MIT */
/*
 * fault: makes any chosen access to memory or files fail, in builds with RIN_FAULTS only (the test builds). Base asks
 * before each access; in other builds the question costs nothing. RIN_FAULT=KINDS:N in the environment, such as
 * "write:3" or "alloc,read:17+", makes the N-th access of these kinds fail (with + all from there on); tests call
 * rin_fault_arm.
 */
#ifndef RIN_BASE_FAULT_H
#define RIN_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rin_fault_kind {
    RIN_FAULT_ALLOC = 1, /* memory, threads, locks */
    RIN_FAULT_OPEN = 2,  /* opening, listing and creating files and folders */
    RIN_FAULT_READ = 4,
    RIN_FAULT_WRITE = 8,
    RIN_FAULT_SYNC = 16,
    RIN_FAULT_RENAME = 32, /* renaming, linking, removing */
    RIN_FAULT_ANY = 63
} rin_fault_kind;

#ifdef RIN_FAULTS
/* Whether this access shall fail; errno is set then. */
bool rin_fault(rin_fault_kind kind);
/* The n-th access from now on of these kinds (a sum) fails, with `onwards` all later ones too; n = 0: none. */
void rin_fault_arm(unsigned kinds, uint64_t n, bool onwards);
/* Accesses of the armed kinds since then, failed ones included. */
uint64_t rin_fault_count(void);
/* Blocks of memory in use; how many come and go. */
int64_t rin_fault_blocks(void);
void rin_fault_add_blocks(int n);
#else
static inline bool rin_fault(rin_fault_kind kind) {
    (void)kind;
    return false;
}
static inline void rin_fault_add_blocks(int n) {
    (void)n;
}
#endif

#endif
