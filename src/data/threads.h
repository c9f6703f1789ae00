/* SPDX-License-Identifier: MIT */
/* threads: a parallel loop over items and timed waiting. Inside the data and score rooms only. */
#ifndef RIN_DATA_THREADS_H
#define RIN_DATA_THREADS_H

#include "base/thread.h"
#include "data/data.h"

/* A condition on the monotonic clock, and waiting on it for a tenth of a second at most: long enough to cost nothing,
 * short enough to notice a request to stop. */
int rin_condition_init(pthread_cond_t *condition);
void rin_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);

typedef struct rin_parallel {
    size_t n;
    int threads;
    const atomic_bool *cancel; /* may be NULL */
    rin_loading_fn progress;   /* may be NULL */
    void *progress_user;
    rin_status (*run)(void *user, size_t index, rin_error *error);
    void *user;
} rin_parallel;

/*
 * Calls run for 0 .. n - 1 from several threads. The first failure ends it; of several, the one of the lowest index is
 * reported. Errors: those of run; MEMORY; CANCELLED.
 */
rin_status rin_parallel_run(const rin_parallel *work, rin_error *error) RIN_CHECKED;

#endif
