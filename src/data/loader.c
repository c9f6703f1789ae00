/* SPDX-License-Identifier: MIT */
/* loader: threads that decode batches ahead of their use and hand them out in order. */
#include <string.h>

#include "data/order.h"
#include "data/source.h"
#include "data/store.h"
#include "data/threads.h"

/* Room for one batch. Between being claimed and being ready it belongs to a worker, otherwise to the mutex. */
typedef struct slot {
    float *images;   /* (B, H, W, channels); of videos (B, F - given, ...) */
    float *given;    /* (B, given, ...) */
    float *whole;    /* (F, ...): a clip, before it is divided; where frames are given */
    int32_t *labels; /* (B) */
    size_t *items;   /* (B): those wanted, then those used */
    bool ready;
    rin_status status; /* of the batch */
    rin_error error;
} slot;

struct rin_loader {
    const rin_dataset *dataset;
    rin_loader_options options;
    rin_store *store;
    size_t n_elements, n_given; /* numbers of an image or the frames to be made, and of the given frames */
    slot *slots;                /* (n_slots); batch k uses slot k % n_slots */
    size_t n_slots;
    pthread_t *threads; /* (n_threads) */
    size_t n_threads;
    atomic_bool stop;
    bool locks_made;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t room, ready;
    rin_order order;
    uint64_t claimed; /* next batch to be taken by a worker */
    uint64_t oldest;  /* next batch to be handed out, or the one that is */
    bool lent;        /* batch oldest is in the caller's hands */
    double wait_seconds;
};

uint64_t rin_loader_default_cache(void) {
    return rin_memory_total() / 4;
}

/* ---- workers ---- */

static void mirror(float *image, int height, int width, int channels) {
    for (int y = 0; y < height; y++, image += (size_t)width * (size_t)channels) {
        for (int x = 0; x < width / 2; x++) {
            float *left = image + x * channels, *right = image + (width - 1 - x) * channels;
            for (int c = 0; c < channels; c++) {
                float moved = left[c];
                left[c] = right[c];
                right[c] = moved;
            }
        }
    }
}

/* Where the store puts an image or a clip that is meant for `image`. */
static float *place_of(const rin_loader *loader, const slot *s, float *image) {
    return loader->n_given ? s->whole : image;
}

static rin_status load_example(rin_loader *loader, uint64_t example, int i, slot *s) {
    const rin_loader_options *o = &loader->options;
    float *image = s->images + (size_t)i * loader->n_elements;
    uint32_t bits[2];
    rin_order_clip_bits(o->seed, example, bits);
    rin_status status = rin_store_load(loader->store, s->items[i], bits, place_of(loader, s, image), &s->items[i],
                                       &s->error);
    if (status != RIN_OK) return status;
    s->labels[i] = rin_dataset_item_label(loader->dataset, s->items[i]);
    if (loader->n_given) {
        memcpy(s->given + (size_t)i * loader->n_given, s->whole, loader->n_given * sizeof(float));
        memcpy(image, s->whole + loader->n_given, loader->n_elements * sizeof(float));
    }
    bool flips = o->flip && !rin_dataset_is_video(loader->dataset) && rin_order_flips(o->seed, example);
    if (flips) mirror(image, o->height, o->width, o->channels);
    return RIN_OK;
}

static rin_status fill(rin_loader *loader, uint64_t number, slot *s) {
    rin_status status = RIN_OK;
    for (int i = 0; i < loader->options.batch && status == RIN_OK && !atomic_load(&loader->stop); i++)
        status = load_example(loader, number * (uint64_t)loader->options.batch + (uint64_t)i, i, s);
    return status;
}

/* Batches are claimed in order, so the permutation moves from epoch to epoch once. */
static slot *claim(rin_loader *loader, uint64_t *number) {
    while (!atomic_load(&loader->stop) && loader->claimed - loader->oldest >= loader->n_slots) {
        pthread_cond_wait(&loader->room, &loader->mutex);
    }
    if (atomic_load(&loader->stop)) return NULL;
    *number = loader->claimed++;
    slot *s = &loader->slots[*number % loader->n_slots];
    uint64_t first = *number * (uint64_t)loader->options.batch;
    for (int i = 0; i < loader->options.batch; i++) s->items[i] = rin_order_item(&loader->order, first + (uint64_t)i);
    return s;
}

static void *run_worker(void *user) {
    rin_loader *loader = user;
    uint64_t number;
    pthread_mutex_lock(&loader->mutex);
    for (slot *s; (s = claim(loader, &number));) {
        pthread_mutex_unlock(&loader->mutex);
        rin_status status = fill(loader, number, s);
        pthread_mutex_lock(&loader->mutex);
        s->status = status;
        s->ready = true;
        pthread_cond_signal(&loader->ready);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- making and freeing ---- */

static rin_status check(const rin_dataset *dataset, const rin_loader_options *o, rin_error *error) {
    bool size_fits = o->height >= 1 && o->width >= 1 && o->height <= RIN_IMAGE_MAX_SIDE &&
                     o->width <= RIN_IMAGE_MAX_SIDE && (uint64_t)o->height * (uint64_t)o->width <= RIN_IMAGE_MAX_PIXELS;
    if (!size_fits || (o->channels != 1 && o->channels != 3)) {
        return rin_error_set(error, RIN_ERR_ARG,
                             "images of %d x %d pixels and %d channels; allowed are sides of 1 to %d and 1 or 3 "
                             "channels",
                             o->width, o->height, o->channels, RIN_IMAGE_MAX_SIDE);
    }
    if (o->batch < 1 || o->batch > RIN_LOADER_MAX_BATCH) {
        return rin_error_set(error, RIN_ERR_ARG, "batches of %d images; allowed are 1 to %d", o->batch,
                             RIN_LOADER_MAX_BATCH);
    }
    if (o->workers < 0 || o->workers > RIN_LOADER_MAX_WORKERS) {
        return rin_error_set(error, RIN_ERR_ARG, "%d workers; allowed are 0 to %d", o->workers, RIN_LOADER_MAX_WORKERS);
    }
    int64_t frames = rin_dataset_is_video(dataset) ? dataset->clip.frames : 1;
    if (o->given < 0 || o->given >= frames)
        return rin_error_set(error, RIN_ERR_ARG, "%d given frames; allowed are 0 to %lld", o->given,
                             (long long)frames - 1);
    uint64_t last = UINT64_MAX / 2 / (uint64_t)o->batch;
    if (o->start_batch <= last) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "start at batch %llu; the last one possible is %llu",
                         (unsigned long long)o->start_batch, (unsigned long long)last);
}

static rin_status make_slots(rin_loader *loader, rin_error *error) {
    size_t n = (size_t)loader->options.batch;
    loader->n_slots = (size_t)loader->options.workers + 2; /* one lent, one waiting, one in the hands of each worker */
    loader->slots = rin_calloc(loader->n_slots, sizeof *loader->slots, error);
    if (!loader->slots) {
        loader->n_slots = 0;
        return RIN_ERR_MEMORY;
    }
    for (size_t i = 0; i < loader->n_slots; i++) {
        slot *s = &loader->slots[i];
        s->images = rin_calloc(n, loader->n_elements * sizeof *s->images, error);
        s->given = rin_calloc(n, loader->n_given * sizeof *s->given, error);
        s->whole = rin_calloc(loader->n_given ? loader->n_given + loader->n_elements : 0, sizeof *s->whole, error);
        s->labels = rin_calloc(n, sizeof *s->labels, error);
        s->items = rin_calloc(n, sizeof *s->items, error);
        if (!s->images || !s->given || !s->whole || !s->labels || !s->items) return RIN_ERR_MEMORY;
    }
    return RIN_OK;
}

static rin_status make_locks(rin_loader *loader, rin_error *error) {
    int n_made = 0;
    if (pthread_mutex_init(&loader->mutex, NULL) == 0) n_made++;
    if (n_made == 1 && rin_condition_init(&loader->room) == 0) n_made++;
    if (n_made == 2 && rin_condition_init(&loader->ready) == 0) n_made++;
    loader->locks_made = n_made == 3;
    if (loader->locks_made) return RIN_OK;
    if (n_made == 2) pthread_cond_destroy(&loader->room);
    if (n_made >= 1) pthread_mutex_destroy(&loader->mutex);
    return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for a lock");
}

static rin_status start_workers(rin_loader *loader, rin_error *error) {
    size_t n = (size_t)loader->options.workers;
    loader->threads = rin_calloc(n, sizeof *loader->threads, error);
    if (!loader->threads) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    while (loader->n_threads < n && status == RIN_OK) {
        status = rin_thread_start(&loader->threads[loader->n_threads], run_worker, loader, error);
        if (status == RIN_OK) loader->n_threads++;
    }
    return loader->n_threads ? RIN_OK : status; /* fewer will do */
}

rin_status rin_loader_create(const rin_dataset *dataset, const rin_loader_options *options, rin_loader **out,
                             rin_error *error) {
    *out = NULL;
    rin_status status = check(dataset, options, error);
    if (status != RIN_OK) return status;
    rin_loader *loader = rin_calloc(1, sizeof *loader, error);
    if (!loader) return RIN_ERR_MEMORY;
    loader->dataset = dataset;
    loader->options = *options;
    if (options->workers == 0) loader->options.workers = RIN_MAX(rin_processor_count(RIN_LOADER_MAX_WORKERS) - 1, 1);
    size_t frame = (size_t)options->height * (size_t)options->width * (size_t)options->channels;
    size_t frames = rin_dataset_is_video(dataset) ? (size_t)dataset->clip.frames : 1;
    loader->n_elements = (frames - (size_t)options->given) * frame;
    loader->n_given = (size_t)options->given * frame;
    loader->claimed = loader->oldest = options->start_batch;
    size_t first_good;
    const uint32_t anywhere[2] = {0};
    status = make_locks(loader, error);
    if (status == RIN_OK) status = rin_order_init(&loader->order, options->seed, rin_dataset_count(dataset), error);
    if (status == RIN_OK) status = make_slots(loader, error);
    if (status == RIN_OK) status = rin_store_create(dataset, &loader->options, &loader->store, error);
    /* Whether there is anything to hand out is known before the caller builds on it. */
    if (status == RIN_OK)
        status = rin_store_load(loader->store, 0, anywhere, place_of(loader, loader->slots, loader->slots->images),
                                &first_good, error);
    if (status == RIN_OK) rin_store_allow_waiting(loader->store, &loader->stop);
    if (status == RIN_OK) status = start_workers(loader, error);
    if (status == RIN_OK) *out = loader;
    else rin_loader_free(loader);
    return status;
}

void rin_loader_free(rin_loader *loader) {
    if (!loader) return;
    if (loader->locks_made) {
        pthread_mutex_lock(&loader->mutex);
        atomic_store(&loader->stop, true);
        pthread_cond_broadcast(&loader->room);
        pthread_mutex_unlock(&loader->mutex);
        for (size_t i = 0; i < loader->n_threads; i++) pthread_join(loader->threads[i], NULL);
        pthread_cond_destroy(&loader->ready);
        pthread_cond_destroy(&loader->room);
        pthread_mutex_destroy(&loader->mutex);
    }
    for (size_t i = 0; i < loader->n_slots; i++) {
        rin_free(loader->slots[i].images);
        rin_free(loader->slots[i].given);
        rin_free(loader->slots[i].whole);
        rin_free(loader->slots[i].labels);
        rin_free(loader->slots[i].items);
    }
    rin_free(loader->slots);
    rin_free(loader->threads);
    rin_order_clear(&loader->order);
    rin_store_free(loader->store);
    rin_free(loader);
}

/* ---- handing out ---- */

static bool is_cancelled(const rin_loader *loader) {
    return loader->options.cancel && atomic_load(loader->options.cancel);
}

rin_status rin_loader_next(rin_loader *loader, rin_batch *out, rin_error *error) {
    *out = (rin_batch){0};
    rin_status status = RIN_OK;
    pthread_mutex_lock(&loader->mutex);
    if (loader->lent) {
        loader->slots[loader->oldest % loader->n_slots].ready = false;
        loader->oldest++;
        loader->lent = false;
        pthread_cond_signal(&loader->room);
    }
    const slot *s = &loader->slots[loader->oldest % loader->n_slots];
    double start = s->ready ? 0 : rin_clock_seconds();
    bool waited = !s->ready;
    while (!s->ready && !is_cancelled(loader)) {
        rin_condition_wait(&loader->ready, &loader->mutex);
        if (s->ready || !loader->options.progress) continue;
        pthread_mutex_unlock(&loader->mutex);
        loader->options.progress(loader->options.progress_user, 0, 0);
        pthread_mutex_lock(&loader->mutex);
    }
    if (waited) loader->wait_seconds += rin_clock_seconds() - start;
    if (is_cancelled(loader)) {
        status = rin_error_set(error, RIN_ERR_CANCELLED, "stopped while waiting for batch %llu",
                               (unsigned long long)loader->oldest);
    } else if (s->status != RIN_OK) {
        status = s->status;
        if (error) *error = s->error;
    } else {
        *out = (rin_batch){
            .number = loader->oldest, .images = s->images, .given = s->given, .labels = s->labels, .items = s->items};
        loader->lent = true;
    }
    pthread_mutex_unlock(&loader->mutex);
    return status;
}

double rin_loader_wait_seconds(const rin_loader *loader) {
    return loader->wait_seconds;
}

size_t rin_loader_n_cached(const rin_loader *loader) {
    return rin_store_n_cached(loader->store);
}

size_t rin_loader_n_broken(const rin_loader *loader) {
    return rin_store_n_broken(loader->store);
}
