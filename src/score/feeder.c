/* SPDX-License-Identifier: MIT */
/* A ring of batches: threads fill places in their order, the network empties whole batches. */
#include "score/feeder.h"

#include <pthread.h>
#include <string.h>

#include "data/threads.h"

enum { RING = 3, MOST_WORKERS = 16 };

typedef struct slot {
    float *inputs; /* (batch, per_input) */
    bool *there;   /* [batch] */
    int64_t ready; /* places that are done */
} slot;

struct rin_feeder {
    rin_pictures *pictures;
    rin_intake intake;
    rin_loading *loading;
    int64_t batch, n;
    slot slots[RING];
    int least[2], most[2]; /* width and height of pictures */
    int64_t n_broken;
    int64_t claimed;  /* pictures given to threads */
    int64_t consumed; /* batches that the network is done with */
    bool holds;       /* the network works on batch `consumed` */
    bool stop;
    rin_status status; /* the first failure */
    rin_error error;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool has_mutex, has_condition;
    pthread_t threads[MOST_WORKERS];
    int n_threads;
};

rin_status rin_intake_fill(const rin_intake *intake, const rin_frames *frames, float *out, rin_error *error) {
    size_t in = (size_t)frames->height * (size_t)frames->width * 3;
    int64_t per_frame = intake->per_input / RIN_MAX(intake->frames, 1);
    rin_status status = RIN_OK;
    for (int64_t f = 0; f < frames->frames && status == RIN_OK; f++) {
        const float *from = frames->values + (size_t)f * in;
        bool i3d = intake->network == RIN_NETWORK_I3D;
        status = (i3d ? rin_i3d_input : rin_inception_input)(intake->preprocess, from, frames->height, frames->width,
                                                             out + f * per_frame, error);
    }
    return status;
}

/* ---- the threads ---- */

/* The next picture that there is room for; -1 at the end. With the mutex held. */
static int64_t claim(rin_feeder *f) {
    while (!f->stop && f->claimed < f->n && f->claimed >= (f->consumed + RING) * f->batch)
        pthread_cond_wait(&f->changed, &f->mutex);
    return f->stop || f->claimed >= f->n ? -1 : f->claimed++;
}

static void fail(rin_feeder *f, rin_status status, const rin_error *error) {
    if (f->status == RIN_OK) {
        f->status = status;
        f->error = *error;
    }
    f->stop = true;
}

static rin_status load(rin_feeder *f, int64_t i, rin_frames *frames, rin_error *error) {
    slot *s = &f->slots[i / f->batch % RING];
    rin_status status = rin_pictures_load(f->pictures, i, frames, error);
    if (rin_pictures_are_in_order(f->pictures)) pthread_mutex_unlock(&f->mutex);
    if (status == RIN_OK)
        status = rin_intake_fill(&f->intake, frames, s->inputs + i % f->batch * f->intake.per_input, error);
    return status;
}

static void note_broken(rin_feeder *f, const rin_error *error) {
    enum { MOST_NAMED = 200 };
    const rin_listener *listener = &f->loading->listener;
    rin_log log = {listener->on_log, listener->user};
    f->n_broken++;
    if (f->n_broken <= MOST_NAMED) rin_log_write(log, RIN_LOG_WARNING, "broken, left out: %s", error->text);
    if (f->n_broken == MOST_NAMED) rin_log_write(log, RIN_LOG_WARNING, "further broken ones are left out silently");
}

/* Picture i has been loaded, or not. With the mutex held. */
static void finish(rin_feeder *f, int64_t i, rin_status status, const rin_frames *frames, const rin_error *error) {
    slot *s = &f->slots[i / f->batch % RING];
    const int size[] = {frames->width, frames->height};
    s->there[i % f->batch] = status == RIN_OK;
    s->ready++;
    for (int k = 0; k < 2 && status == RIN_OK; k++) {
        f->least[k] = f->least[k] ? RIN_MIN(f->least[k], size[k]) : size[k];
        f->most[k] = RIN_MAX(f->most[k], size[k]);
    }
    if (rin_dataset_is_broken(status)) note_broken(f, error);
    else if (status != RIN_OK) fail(f, status, error);
    pthread_cond_broadcast(&f->changed);
}

static void *work(void *user) {
    rin_feeder *f = user;
    rin_frames frames = {0};
    pthread_mutex_lock(&f->mutex);
    for (int64_t i; (i = claim(f)) >= 0;) {
        rin_error error = {0};
        /* Pictures in order are read before anybody else claims the next one. */
        if (!rin_pictures_are_in_order(f->pictures)) pthread_mutex_unlock(&f->mutex);
        rin_status status = load(f, i, &frames, &error);
        pthread_mutex_lock(&f->mutex);
        finish(f, i, status, &frames, &error);
    }
    pthread_mutex_unlock(&f->mutex);
    rin_frames_clear(&frames);
    return NULL;
}

/* ---- the network's side ---- */

rin_status rin_feeder_create(rin_pictures *pictures, const rin_intake *intake, int64_t batch, rin_loading *loading,
                             rin_feeder **out, rin_error *error) {
    *out = NULL;
    rin_feeder *f = rin_calloc(1, sizeof *f, error);
    if (!f) return RIN_ERR_MEMORY;
    *f = (rin_feeder){.pictures = pictures, .intake = *intake, .batch = batch, .loading = loading};
    f->n = rin_pictures_count(pictures);
    rin_status status = RIN_OK;
    for (int i = 0; i < RING && status == RIN_OK; i++) {
        f->slots[i].inputs = rin_calloc((size_t)batch, (size_t)intake->per_input * sizeof(float), error);
        f->slots[i].there = rin_calloc((size_t)batch, sizeof(bool), error);
        if (!f->slots[i].inputs || !f->slots[i].there) status = RIN_ERR_MEMORY;
    }
    f->has_mutex = status == RIN_OK && pthread_mutex_init(&f->mutex, NULL) == 0;
    f->has_condition = f->has_mutex && rin_condition_init(&f->changed) == 0;
    if (status == RIN_OK && !f->has_condition) status = rin_error_set(error, RIN_ERR_MEMORY, "no memory for threads");
    int wanted = (int)RIN_MIN(rin_processor_count(MOST_WORKERS), f->n);
    for (int i = 0; i < wanted && status == RIN_OK; i++) {
        status = rin_thread_start(&f->threads[i], work, f, error);
        f->n_threads += status == RIN_OK;
    }
    if (status == RIN_OK) *out = f;
    else rin_feeder_free(f);
    return status;
}

/* Waits until the batch that comes next is complete. With the mutex held. */
static rin_status wait_for_batch(rin_feeder *f, int64_t wanted, rin_error *error) {
    slot *s = &f->slots[f->consumed % RING];
    while (f->status == RIN_OK && s->ready < wanted) {
        rin_condition_wait(&f->changed, &f->mutex);
        if (atomic_load(&f->loading->cancel)) return rin_error_set(error, RIN_ERR_CANCELLED, "stopped while loading");
    }
    if (f->status != RIN_OK && error) *error = f->error;
    return f->status;
}

/* Moves the inputs that are there to the front. */
static int64_t compact(const rin_feeder *f, slot *s, int64_t wanted) {
    int64_t n = 0, per_input = f->intake.per_input;
    for (int64_t i = 0; i < wanted; i++) {
        if (!s->there[i]) continue;
        if (n != i) memcpy(s->inputs + n * per_input, s->inputs + i * per_input, (size_t)per_input * sizeof(float));
        n++;
    }
    return n;
}

rin_status rin_feeder_next(rin_feeder *f, const float **inputs, int64_t *n, int64_t *done, rin_error *error) {
    rin_status status = RIN_OK;
    *n = 0;
    pthread_mutex_lock(&f->mutex);
    do {
        if (f->holds) {
            f->slots[f->consumed % RING].ready = 0;
            f->consumed++;
            f->holds = false;
            pthread_cond_broadcast(&f->changed);
        }
        int64_t wanted = RIN_MIN(f->batch, f->n - f->consumed * f->batch);
        if (wanted <= 0) break;
        status = wait_for_batch(f, wanted, error);
        slot *s = &f->slots[f->consumed % RING];
        if (status == RIN_OK) *n = compact(f, s, wanted);
        *inputs = s->inputs;
        f->holds = true;
    } while (status == RIN_OK && !*n); /* a batch of broken pictures alone is none */
    *done = RIN_MIN(f->n, (f->consumed + f->holds) * f->batch);
    pthread_mutex_unlock(&f->mutex);
    return status;
}

void rin_feeder_sizes(const rin_feeder *f, char text[RIN_SIZES_TEXT]) {
    bool same = f->least[0] == f->most[0] && f->least[1] == f->most[1];
    if (same) snprintf(text, RIN_SIZES_TEXT, "%dx%d", f->most[0], f->most[1]);
    else snprintf(text, RIN_SIZES_TEXT, "%dx%d to %dx%d", f->least[0], f->least[1], f->most[0], f->most[1]);
}

void rin_feeder_free(rin_feeder *f) {
    if (!f) return;
    if (f->has_condition) {
        pthread_mutex_lock(&f->mutex);
        f->stop = true;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->mutex);
    }
    for (int i = 0; i < f->n_threads; i++) pthread_join(f->threads[i], NULL);
    if (f->has_condition) pthread_cond_destroy(&f->changed);
    if (f->has_mutex) pthread_mutex_destroy(&f->mutex);
    for (int i = 0; i < RING; i++) {
        rin_free(f->slots[i].inputs);
        rin_free(f->slots[i].there);
    }
    rin_free(f);
}
