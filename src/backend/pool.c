/* SPDX-License-Identifier: MIT */
/* A team of threads with a barrier. Own code instead of OpenMP: see the header, and thread checkers understand it. */
#include "backend/pool.h"

#include <stdatomic.h>

#include "base/thread.h"

/* Pauses before sleeping, 100 to 400 microseconds: longer than most waits between balanced kernels. */
enum { SPINS = 10000 };

struct rin_pool {
    int count, started; /* threads of the team, the caller included; those created */
    int spins;          /* pauses before sleeping; none where others want the processor */
    pthread_t *threads; /* [count - 1] */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_uint job_number, phase; /* words that waiting threads watch */
    atomic_int arrived, sleepers;
    rin_pool_job job;
    void *context;
    bool stop;
};

typedef struct member {
    rin_pool *pool;
    int index;
} member;

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void wait_for_change(rin_pool *pool, atomic_uint *word, unsigned old) {
    for (int i = 0; i < pool->spins; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(word) == old) pthread_cond_wait(&pool->changed, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

/* A thread that goes to sleep counts itself before it looks at the word a last time, so one of the two sees the other.
 */
static void change(rin_pool *pool, atomic_uint *word) {
    atomic_fetch_add(word, 1);
    if (!atomic_load(&pool->sleepers)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

void rin_pool_barrier(rin_pool *pool) {
    if (pool->count == 1) return;
    unsigned phase = atomic_load_explicit(&pool->phase, memory_order_acquire);
    if (atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) + 1 == pool->count) {
        atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
        change(pool, &pool->phase);
    } else {
        wait_for_change(pool, &pool->phase, phase);
    }
}

static void *work(void *argument) {
    member me = *(member *)argument;
    rin_free(argument);
    for (unsigned seen = 0;; seen++) {
        wait_for_change(me.pool, &me.pool->job_number, seen);
        if (me.pool->stop) return NULL;
        me.pool->job(me.pool->context, me.index, me.pool->count);
        rin_pool_barrier(me.pool);
    }
}

void rin_pool_run(rin_pool *pool, rin_pool_job job, void *context) {
    pool->job = job;
    pool->context = context;
    if (pool->count > 1) change(pool, &pool->job_number);
    job(context, 0, pool->count);
    rin_pool_barrier(pool);
}

static rin_status start_threads(rin_pool *pool, rin_error *error) {
    for (int i = 1; i < pool->count; i++) {
        member *me = rin_calloc(1, sizeof *me, error);
        if (!me) return RIN_ERR_MEMORY;
        *me = (member){pool, i};
        rin_status status = rin_thread_start(&pool->threads[i - 1], work, me, error);
        if (status != RIN_OK) {
            rin_free(me);
            return rin_error_prefix(error, status, "thread %d of %d", i + 1, pool->count);
        }
        pool->started++;
    }
    return RIN_OK;
}

rin_status rin_pool_create(int threads, rin_pool **out, rin_error *error) {
    *out = NULL;
    rin_pool *pool = rin_calloc(1, sizeof *pool, error);
    if (!pool) return RIN_ERR_MEMORY;
    pool->count = threads;
    pool->spins = threads <= rin_processor_count(threads) ? SPINS : 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pool->threads = rin_calloc((size_t)threads, sizeof *pool->threads, error);
    rin_status status = pool->threads ? start_threads(pool, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) *out = pool;
    else rin_pool_free(pool);
    return status;
}

void rin_pool_free(rin_pool *pool) {
    if (!pool) return;
    pool->stop = true;
    change(pool, &pool->job_number);
    for (int i = 0; i < pool->started; i++) pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    rin_free(pool->threads);
    rin_free(pool);
}
