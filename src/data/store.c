/* SPDX-License-Identifier: MIT */
/* store: the items at one size, kept in memory or decoded when asked for; broken ones are replaced. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "data/clip.h"
#include "data/store.h"
#include "data/threads.h"

/* pixels is written by one thread while the cache is filled and only read after. */
typedef struct entry {
    void *pixels; /* uint8_t or float, (height, width, channels), of a video (frames, ...); NULL: not cached */
    bool is_bytes;
    int64_t frames, claimed; /* of a video: as in rin_track */
    double rate;
    atomic_bool broken, named; /* never to be decoded again; named in a warning */
} entry;

struct rin_store {
    const rin_dataset *dataset;
    rin_loader_options options;
    size_t n, n_elements;    /* items, numbers an image or frame */
    entry *entries;          /* (n) */
    const atomic_bool *stop; /* ends waiting; NULL: there is none yet */
    atomic_bool waiting;     /* ... and the user knows */
    atomic_size_t n_cached, n_broken, n_named;
    atomic_ullong cached_bytes;
};

/* Of one item. */
typedef struct request {
    const uint32_t *bits; /* [2] where its clip begins */
    float *out;
} request;

static bool is_replaced(const rin_store *store, rin_status status) {
    return !store->options.strict && (rin_dataset_is_broken(status) || status == RIN_ERR_IO);
}

static void report_replaced(rin_store *store, size_t index, rin_status status, const char *reason) {
    enum { MOST_NAMED = 200 };
    entry *e = &store->entries[index];
    bool broken = rin_dataset_is_broken(status);
    if (broken && !atomic_exchange(&e->broken, true)) atomic_fetch_add(&store->n_broken, 1);
    if (atomic_exchange(&e->named, true)) return;
    size_t n = atomic_fetch_add(&store->n_named, 1);
    if (n < MOST_NAMED) {
        rin_log_write(store->options.log, RIN_LOG_WARNING, "%s %s, replaced by the next one: %s",
                      broken ? "broken" : "unreadable", store->dataset->clip.frames ? "video" : "image", reason);
    } else if (n == MOST_NAMED) {
        rin_log_write(store->options.log, RIN_LOG_WARNING, "more files are replaced; they are not named any more");
    }
}

/* Decodes and fits; *exact: every number is a whole multiple of 1/255. */
static rin_status decode(const rin_store *store, size_t index, float *out, bool *exact, rin_error *error) {
    const rin_loader_options *o = &store->options;
    rin_image image;
    rin_status status = rin_dataset_decode(store->dataset, index, &image, error);
    if (status == RIN_OK) status = rin_image_fit(&image, o->height, o->width, o->channels, out, error);
    if (status == RIN_OK) *exact = rin_image_fits_exactly(&image, o->height, o->width, o->channels);
    rin_image_clear(&image);
    return status;
}

/* ---- the cache ---- */

/* Keeps an item unless that would exceed the bound. */
static rin_status keep(rin_store *store, size_t index, const float *pixels, bool exact, rin_error *error) {
    entry *e = &store->entries[index];
    size_t size = exact ? 1 : sizeof(float), bytes = store->n_elements * size;
    if (atomic_fetch_add(&store->cached_bytes, bytes) + bytes > store->options.cache_bytes) return RIN_OK;
    e->pixels = rin_calloc(store->n_elements, size, error);
    if (!e->pixels) return RIN_ERR_MEMORY;
    e->is_bytes = exact;
    if (exact) {
        uint8_t *to = e->pixels;
        for (size_t i = 0; i < store->n_elements; i++) to[i] = (uint8_t)lrintf(pixels[i] * 255.0f);
    } else {
        memcpy(e->pixels, pixels, bytes);
    }
    atomic_fetch_add(&store->n_cached, 1);
    return RIN_OK;
}

static rin_status cache_image(rin_store *store, size_t index, rin_error *error) {
    bool exact = false;
    float *pixels = rin_calloc(store->n_elements, sizeof *pixels, error);
    if (!pixels) return RIN_ERR_MEMORY;
    rin_status status = decode(store, index, pixels, &exact, error);
    if (status == RIN_OK) status = keep(store, index, pixels, exact, error);
    rin_free(pixels);
    return status;
}

static rin_status open_track(const rin_store *store, size_t index, rin_track *track, rin_error *error) {
    const rin_loader_options *o = &store->options;
    return rin_track_open(store->dataset, index, o->height, o->width, o->channels, track, error);
}

/* One video may take minutes. */
static bool is_cancelled(const rin_store *store) {
    return store->options.cancel && atomic_load(store->options.cancel);
}

static rin_status keep_frames(rin_store *store, rin_track *track, entry *e, rin_error *error) {
    uint64_t bytes = (uint64_t)track->claimed * track->n_bytes;
    if (atomic_fetch_add(&store->cached_bytes, bytes) + bytes > store->options.cache_bytes) return RIN_OK;
    uint8_t *frames = rin_calloc((size_t)track->claimed, track->n_bytes, error);
    bool there = frames;
    int64_t n = 0;
    rin_status status = frames ? RIN_OK : RIN_ERR_MEMORY;
    for (; n < track->claimed && there && status == RIN_OK; n += there) {
        status = rin_track_read(track, n, frames + (size_t)n * track->n_bytes, &there, error);
        if (is_cancelled(store)) status = rin_error_set(error, RIN_ERR_CANCELLED, "stopped while decoding a video");
    }
    if (status != RIN_OK) {
        rin_free(frames);
        return status;
    }
    *e = (entry){.pixels = frames, .is_bytes = true, .frames = n, .claimed = track->claimed, .rate = track->rate};
    atomic_fetch_add(&store->n_cached, 1);
    return RIN_OK;
}

/* All of its frames, so that every clip can be cut out of them. */
static rin_status cache_video(rin_store *store, size_t index, rin_error *error) {
    rin_track track;
    rin_status status = open_track(store, index, &track, error);
    if (status == RIN_OK) status = keep_frames(store, &track, &store->entries[index], error);
    rin_track_close(&track);
    if (status == RIN_OK) return status;
    return rin_error_prefix(error, status, "'%.300s'", rin_dataset_item_name(store->dataset, index));
}

static rin_status cache_item(void *user, size_t index, rin_error *error) {
    rin_store *store = user;
    rin_status status = rin_dataset_is_video(store->dataset) ? cache_video(store, index, error)
                                                             : cache_image(store, index, error);
    if (status == RIN_OK || !is_replaced(store, status)) return status;
    /* What cannot be read is not kept, and read when its turn comes. */
    if (status != RIN_ERR_IO) report_replaced(store, index, status, error->text);
    return RIN_OK;
}

/* Judges by some of the videos how many frames there are in all. */
static rin_status videos_expect_to_fit(const rin_store *store, bool *fits, rin_error *error) {
    enum { LOOKED_AT = 32 };
    double frames = 0;
    size_t n = RIN_MIN(store->n, LOOKED_AT);
    for (size_t i = 0; i < n; i++) {
        rin_track track;
        rin_status status = open_track(store, i * store->n / n, &track, error);
        if (status == RIN_OK) frames += (double)track.claimed;
        rin_track_close(&track);
        if (status == RIN_ERR_MEMORY) return status;
    }
    *fits = frames / (double)n * (double)store->n * (double)store->n_elements <= (double)store->options.cache_bytes;
    return RIN_OK;
}

/* Judges by the first item whether all of them will be small. */
static rin_status expects_to_fit(const rin_store *store, bool *fits, rin_error *error) {
    if (rin_dataset_is_video(store->dataset)) return videos_expect_to_fit(store, fits, error);
    bool exact = false;
    float *pixels = rin_calloc(store->n_elements, sizeof *pixels, error);
    if (!pixels) return RIN_ERR_MEMORY;
    (void)decode(store, 0, pixels, &exact, NULL); /* a broken item is met again */
    rin_free(pixels);
    uint64_t bytes = store->n_elements * (exact ? 1 : sizeof(float));
    *fits = store->options.cache_bytes / bytes >= store->n;
    return RIN_OK;
}

static rin_status fill(rin_store *store, rin_error *error) {
    const rin_loader_options *o = &store->options;
    bool fits = false;
    rin_status status = expects_to_fit(store, &fits, error);
    if (status != RIN_OK || !fits) return status;
    const rin_parallel work = {
        .n = store->n,
        .threads = o->workers,
        .cancel = o->cancel,
        .progress = o->progress,
        .progress_user = o->progress_user,
        .run = cache_item,
        .user = store,
    };
    return rin_parallel_run(&work, error);
}

rin_status rin_store_create(const rin_dataset *dataset, const rin_loader_options *options, rin_store **out,
                            rin_error *error) {
    *out = NULL;
    rin_store *store = rin_calloc(1, sizeof *store, error);
    if (!store) return RIN_ERR_MEMORY;
    store->dataset = dataset;
    store->options = *options;
    store->n = rin_dataset_count(dataset);
    store->n_elements = (size_t)options->height * (size_t)options->width * (size_t)options->channels;
    store->entries = rin_calloc(store->n, sizeof *store->entries, error);
    rin_status status = store->entries ? fill(store, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) *out = store;
    else rin_store_free(store);
    return status;
}

void rin_store_free(rin_store *store) {
    if (!store) return;
    for (size_t i = 0; store->entries && i < store->n; i++) rin_free(store->entries[i].pixels);
    rin_free(store->entries);
    rin_free(store);
}

/* ---- loading ---- */

static rin_status cut_clip(const rin_store *store, size_t index, const request *r, rin_error *error) {
    const entry *e = &store->entries[index];
    const rin_clip *clip = &store->dataset->clip;
    const rin_cut cut = {.drawn = true, .bits = {r->bits[0], r->bits[1]}};
    size_t n = (size_t)clip->frames * store->n_elements;
    rin_track track = {
        .frames = e->pixels, .n_bytes = store->n_elements, .claimed = e->claimed, .known = e->frames, .rate = e->rate};
    uint8_t *bytes = rin_calloc(n, 1, error);
    rin_status status = bytes ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK && !e->pixels) status = open_track(store, index, &track, error);
    if (status == RIN_OK) status = rin_track_cut(&track, clip, &cut, bytes, error);
    if (status == RIN_OK) rin_bytes_to_pixels(bytes, n, r->out);
    if (!e->pixels) rin_track_close(&track);
    rin_free(bytes);
    if (status == RIN_OK) return status;
    return rin_error_prefix(error, status, "'%.300s'", rin_dataset_item_name(store->dataset, index));
}

static rin_status load_one(const rin_store *store, size_t index, const request *r, rin_error *error) {
    const entry *e = &store->entries[index];
    bool exact;
    if (rin_dataset_is_video(store->dataset)) return cut_clip(store, index, r, error);
    if (!e->pixels) return decode(store, index, r->out, &exact, error);
    if (e->is_bytes) rin_bytes_to_pixels(e->pixels, store->n_elements, r->out);
    else memcpy(r->out, e->pixels, store->n_elements * sizeof *r->out);
    return RIN_OK;
}

/* A caller that gives up waiting may come again: once there are workers, only their own end ends their tries. */
static bool is_stopped(const rin_store *store) {
    const atomic_bool *stop = store->stop ? store->stop : store->options.cancel;
    return stop && atomic_load(stop);
}

static void pause_briefly(void) {
    enum { NANOSECONDS = 100000000 };
    (void)nanosleep(&(struct timespec){.tv_nsec = NANOSECONDS}, NULL);
}

static rin_status load_in_three_tries(const rin_store *store, size_t index, const request *r, rin_error *error) {
    enum { MORE_TRIES = 2 };
    rin_status status = load_one(store, index, r, error);
    for (int i = 0; i < MORE_TRIES && status == RIN_ERR_IO && !is_stopped(store); i++) {
        pause_briefly();
        status = load_one(store, index, r, error);
    }
    return status;
}

/* Having found a good one, *used, to replace what could not be read: perhaps it can be read again. */
static rin_status return_to_first(rin_store *store, size_t first, const request *r, size_t *used, bool *away,
                                  rin_error *error) {
    rin_status status = load_one(store, first, r, error);
    if (status == RIN_OK) {
        *used = first;
        return RIN_OK;
    }
    if (!is_replaced(store, status)) return status;
    report_replaced(store, first, status, error->text);
    status = load_one(store, *used, r, error);
    *away = status == RIN_ERR_IO;
    return status;
}

/* Between images: whether to go on. Until there are workers somebody waits in front of the screen. */
static bool goes_on(const rin_store *store, size_t tried) {
    const rin_loader_options *o = &store->options;
    if (tried && !store->stop && o->progress) o->progress(o->progress_user, tried, store->n);
    return !is_stopped(store);
}

/* The item, or the next good one. *away: as many as tell that none can be read. */
static rin_status load_or_replace(rin_store *store, size_t index, const request *r, size_t *used, bool *away,
                                  rin_error *error) {
    enum { MOST_UNREADABLE = 10 };
    int n_unreadable = 0;
    size_t first = index;
    *away = false;
    for (size_t tried = 0; tried < store->n && n_unreadable < MOST_UNREADABLE; tried++) {
        *used = (index + tried) % store->n;
        if (!goes_on(store, tried)) return rin_error_set(error, RIN_ERR_CANCELLED, "stopped while loading data");
        if (atomic_load(&store->entries[*used].broken)) continue;
        rin_status status = load_in_three_tries(store, *used, r, error);
        if (status == RIN_OK && n_unreadable) return return_to_first(store, first, r, used, away, error);
        if (status == RIN_OK) return RIN_OK;
        if (!is_replaced(store, status)) {
            *away = status == RIN_ERR_IO;
            return status;
        }
        if (status != RIN_ERR_IO) report_replaced(store, *used, status, error->text);
        else if (n_unreadable++ == 0) first = *used;
    }
    if (!n_unreadable)
        return rin_error_set(error, RIN_ERR_FORMAT, "none of the data set's %zu %s can be %s", store->n,
                             rin_items_noun(&store->dataset->items), store->dataset->clip.frames ? "used" : "decoded");
    *away = true;
    return rin_error_prefix(error, RIN_ERR_IO, "%d %s in a row cannot be read; the last", n_unreadable,
                            rin_items_noun(&store->dataset->items));
}

/* A disk or network that is away for a while shall neither end a run nor change what it is trained on. */
rin_status rin_store_load(rin_store *store, size_t index, const uint32_t bits[2], float *out, size_t *used,
                          rin_error *error) {
    const request wanted = {bits, out}, *r = &wanted;
    rin_error reason = {0};
    double begun = rin_clock_seconds(), patience = store->options.patience;
    bool away, waited = false;
    rin_status status;
    while ((status = load_or_replace(store, index, r, used, &away, &reason)) != RIN_OK && away) {
        if (!store->stop || is_stopped(store) || rin_clock_seconds() - begun >= patience) break;
        if (!atomic_exchange(&store->waiting, true)) {
            rin_log_write(store->options.log, RIN_LOG_WARNING, "%s. Waiting for the data, %.0f seconds at most",
                          reason.text, patience);
        }
        waited = true;
        pause_briefly();
    }
    if (waited && status == RIN_OK && atomic_exchange(&store->waiting, false))
        rin_log_write(store->options.log, RIN_LOG_INFO, "the data can be read again");
    if (status != RIN_OK && error) *error = reason;
    return status;
}

void rin_store_allow_waiting(rin_store *store, const atomic_bool *stop) {
    store->stop = stop;
}

size_t rin_store_n_cached(const rin_store *store) {
    return atomic_load(&store->n_cached);
}

size_t rin_store_n_broken(const rin_store *store) {
    return atomic_load(&store->n_broken);
}
