/* SPDX-License-Identifier: MIT */
/*
 * pool: the threads of a host backend. Waiting spins for some tens of microseconds and then sleeps: on a machine that
 * others use too, a thread that waits gives its core to the one it waits for.
 */
#ifndef RIN_BACKEND_POOL_H
#define RIN_BACKEND_POOL_H

#include "base/base.h"

typedef struct rin_pool rin_pool;

typedef void (*rin_pool_job)(void *context, int index, int count);

/* Starts threads - 1 threads; the caller is the first of the team. Errors: MEMORY, or UNSUPPORTED when none can start.
 */
rin_status rin_pool_create(int threads, rin_pool **out, rin_error *error) RIN_CHECKED;
void rin_pool_free(rin_pool *pool);
/* Calls job on every thread of the team at once and returns when all are back. */
void rin_pool_run(rin_pool *pool, rin_pool_job job, void *context);
/* Waits, within a job, until every thread of the team has come here. */
void rin_pool_barrier(rin_pool *pool);

#endif
