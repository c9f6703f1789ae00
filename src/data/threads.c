/* SPDX-License-Identifier: MIT */
/* threads: a parallel loop over items and timed waiting. */
#include <time.h>

#include "data/threads.h"

int rin_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    if (code) return code;
    code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!code) code = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return code;
}

void rin_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    enum { NANOSECONDS = 100000000, SECOND = 1000000000 };
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += NANOSECONDS;
    if (until.tv_nsec >= SECOND) {
        until.tv_nsec -= SECOND;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(condition, mutex, &until);
}

/* ---- the parallel loop ---- */

typedef struct crew {
    const rin_parallel *work;
    atomic_size_t next, done;
    atomic_bool stop;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t left;
    int n_running;
    rin_status status; /* of the failure with the lowest index */
    rin_error error;
    size_t failed;
} crew;

/* Indices are taken in order, so when one fails all lower ones are done or being done: the lowest failure is found. */
static void *run_member(void *user) {
    crew *c = user;
    const atomic_bool *cancel = c->work->cancel;
    while (!atomic_load(&c->stop) && !(cancel && atomic_load(cancel))) {
        size_t index = atomic_fetch_add(&c->next, 1);
        if (index >= c->work->n) break;
        rin_error error = {0};
        rin_status status = c->work->run(c->work->user, index, &error);
        atomic_fetch_add(&c->done, 1);
        if (status == RIN_OK) continue;
        atomic_store(&c->stop, true);
        pthread_mutex_lock(&c->mutex);
        if (c->status == RIN_OK || index < c->failed) {
            c->status = status;
            c->error = error;
            c->failed = index;
        }
        pthread_mutex_unlock(&c->mutex);
    }
    pthread_mutex_lock(&c->mutex);
    c->n_running--;
    pthread_cond_signal(&c->left);
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* Waits until every member has left, reporting progress. */
static void watch(crew *c) {
    const rin_parallel *work = c->work;
    pthread_mutex_lock(&c->mutex);
    while (c->n_running > 0) {
        rin_condition_wait(&c->left, &c->mutex);
        pthread_mutex_unlock(&c->mutex);
        if (work->progress) work->progress(work->progress_user, atomic_load(&c->done), work->n);
        pthread_mutex_lock(&c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
    if (work->progress) work->progress(work->progress_user, atomic_load(&c->done), work->n);
}

rin_status rin_parallel_run(const rin_parallel *work, rin_error *error) {
    crew c = {.work = work};
    pthread_t members[RIN_LOADER_MAX_WORKERS];
    size_t n_threads = (size_t)RIN_MIN(RIN_MAX(work->threads, 1), RIN_LOADER_MAX_WORKERS);
    size_t n_wanted = RIN_MIN(n_threads, work->n), n_started = 0;
    if (pthread_mutex_init(&c.mutex, NULL) || rin_condition_init(&c.left)) {
        return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for a lock");
    }
    rin_status status = RIN_OK;
    rin_error reason = {0};
    while (n_started < n_wanted && status == RIN_OK) {
        pthread_mutex_lock(&c.mutex);
        c.n_running++;
        pthread_mutex_unlock(&c.mutex);
        status = rin_thread_start(&members[n_started], run_member, &c, &reason);
        if (status == RIN_OK) n_started++;
    }
    if (status != RIN_OK) {
        pthread_mutex_lock(&c.mutex);
        c.n_running--;
        pthread_mutex_unlock(&c.mutex);
        if (n_started) status = RIN_OK; /* fewer will do */
        else if (error) *error = reason;
    }
    watch(&c);
    for (size_t i = 0; i < n_started; i++) pthread_join(members[i], NULL);
    if (c.status != RIN_OK) {
        status = c.status;
        if (error) *error = c.error;
    } else if (status == RIN_OK && (atomic_load(&c.done) < work->n || (work->cancel && atomic_load(work->cancel)))) {
        status = rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %zu of %zu images", atomic_load(&c.done),
                               work->n);
    }
    pthread_cond_destroy(&c.left);
    pthread_mutex_destroy(&c.mutex);
    return status;
}
