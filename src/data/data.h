/* SPDX-License-Identifier: MIT */
/* data: image data sets of several kinds behind one interface, and a prefetching loader that resumes exactly. */
#ifndef RIN_DATA_H
#define RIN_DATA_H

#include <stdatomic.h>

#include "base/base.h"
#include "image/image.h"

/* Tells how far a long call is; called in the thread of that call, a few times a second and at the end. total is 0
 * while a data set is being listed: how much there is is not known then. */
typedef void (*rin_loading_fn)(void *user, size_t done, size_t total);
/* What most of these do: tells the listener, with the seconds since a time of the clock, and sets *cancel when it says
 * stop. doing: as in rin_progress. */
void rin_loading_tell(const rin_listener *listener, const char *doing, size_t done, size_t total, double since,
                      atomic_bool *cancel);

/* A listener that is told of loading and may stop it: rin_loading_show is a rin_loading_fn whose user this is. */
typedef struct rin_loading {
    rin_listener listener;
    double begun;       /* clock */
    atomic_bool cancel; /* the listener has said stop */
} rin_loading;
void rin_loading_show(void *loading, size_t done, size_t total);

/* ---- the data set ---- */

/* A list of images with a class each, or none at all; or of videos. Read-only once open: safe to share between threads.
 */
typedef struct rin_dataset rin_dataset;

enum { RIN_CLIP_MOST = 1 << 20 };

/* What is cut out of videos. */
typedef struct rin_clip {
    int64_t frames; /* of a clip, 1 to RIN_CLIP_MOST; 0: wanted are images */
    int64_t step;   /* every so many-th frame, 1 to RIN_CLIP_MOST */
    double fps;     /* frames a second, of which every step-th is taken; 0: each video's own */
} rin_clip;

typedef struct rin_dataset_options {
    rin_clip clip;
    uint64_t memory_bytes; /* for the list of images, and for the files of an archive; 0: a quarter of the machine's */
    const atomic_bool *cancel; /* ends listing when true; may be NULL */
    rin_loading_fn progress;   /* of listing; may be NULL */
    void *progress_user;
} rin_dataset_options;

/*
 * Opens what lies at path:
 * - a folder of images. Its sub-folders are the classes, in the bytewise order of their names; deeper folders belong
 *   to theirs. Without sub-folders there are no classes. Beside class folders, images are left out with a warning.
 * - a .tar, .tar.gz, .tar.xz or .zip archive of such a folder. A top folder common to all its files is left out of the
 *   names. The files are kept in memory as they are, compressed.
 * - CIFAR-10 in its binary form: a folder with data_batch_*.bin or test_batch.bin, or one such .bin file.
 * Or, with options.clip, of videos, which have no classes: the first two of these, a single video file, or what
 * rin_dataset_pack wrote. The JPEG and PNG pictures in a folder, by the numbers in their names, are one video.
 * Files are told by their names; hidden and other files are left out. Items are in the bytewise order of their names.
 * options may be NULL.
 * Ownership: *out is closed by rin_dataset_close, which accepts NULL.
 * Errors: IO; ARG for a wrong clip; FORMAT for no images, another kind or a damaged archive; MEMORY for a list or an
 * archive above the bound; CANCELLED.
 */
rin_status rin_dataset_open(const char *path, const rin_dataset_options *options, rin_log log, rin_dataset **out,
                            rin_error *error) RIN_CHECKED;
void rin_dataset_close(rin_dataset *dataset);
/* A remark where its frames were packed at another size than this. */
void rin_dataset_warn_of_size(const rin_dataset *dataset, int width, int height, rin_log log);

/* What kind of source it is, such as "folder". */
const char *rin_dataset_kind(const rin_dataset *dataset);
size_t rin_dataset_count(const rin_dataset *dataset);            /* at least 1 */
size_t rin_dataset_n_classes(const rin_dataset *dataset);        /* 0: unconditional */
size_t rin_dataset_n_ignored(const rin_dataset *dataset);        /* files left out */
size_t rin_dataset_n_videos_ignored(const rin_dataset *dataset); /* videos among them */
/* Names are borrowed from the data set. Indices must be below the counts. */
const char *rin_dataset_class_name(const rin_dataset *dataset, size_t class_index);
size_t rin_dataset_class_count(const rin_dataset *dataset, size_t class_index);
const char *rin_dataset_item_name(const rin_dataset *dataset, size_t index);
int32_t rin_dataset_item_label(const rin_dataset *dataset, size_t index); /* -1: unconditional */

bool rin_dataset_is_video(const rin_dataset *dataset);
/* Whether a failure to decode is the item's own and stays; what cannot be read (IO) may be readable later. */
bool rin_dataset_is_broken(rin_status status);

/*
 * Decodes one item as stored, of a video the first frame. Ownership: the caller clears out. Threads: safe.
 * Errors: ARG for a wrong index; IO, FORMAT or UNSUPPORTED for a broken item, which the message names; MEMORY.
 */
rin_status rin_dataset_decode(const rin_dataset *dataset, size_t index, rin_image *out, rin_error *error) RIN_CHECKED;
/* The same with another treatment of transparency. */
rin_status rin_dataset_decode_as(const rin_dataset *dataset, size_t index, rin_alpha alpha, rin_image *out,
                                 rin_error *error) RIN_CHECKED;

/* Decodes one item and fits it (rin_image_fit). Shapes: out (height, width, channels), 0..1. Otherwise as above. */
rin_status rin_dataset_load(const rin_dataset *dataset, size_t index, int height, int width, int channels, float *out,
                            rin_error *error) RIN_CHECKED;

/* Clips that follow each other in video index without a gap or an overlap, as the file claims. Errors: ARG; FORMAT for
 * a video that is too short for one; those of decoding. */
rin_status rin_dataset_count_clips(const rin_dataset *dataset, size_t index, int64_t *n, rin_error *error) RIN_CHECKED;
/* Clip i of these: frames fitted by rin_image_fit_area and rounded to 8 bits. Shapes: out (frames, height, width,
 * channels), 0..1. */
rin_status rin_dataset_load_clip(const rin_dataset *dataset, size_t index, int64_t i, int height, int width,
                                 int channels, float *out, rin_error *error) RIN_CHECKED;
/* How long a video is, as the file claims, and its frames a second, 0 for pictures without a rate. */
rin_status rin_dataset_measure(const rin_dataset *dataset, size_t index, double *seconds, double *rate,
                               rin_error *error) RIN_CHECKED;
/* Up to `most` frames, clip.step apart, from `start` seconds on; below 0: the last ones. *n: how many there are; *rate:
 * how many of them make a second, 0 for pictures without a rate. Shapes: out (most, height, width, channels). */
rin_status rin_dataset_read_frames(const rin_dataset *dataset, size_t index, double start, int64_t most, int height,
                                   int width, int channels, uint8_t *out, int64_t *n, double *rate,
                                   rin_error *error) RIN_CHECKED;

/* ---- packing ---- */

typedef struct rin_pack_options {
    int height, width, channels;
    const atomic_bool *cancel; /* may be NULL */
    rin_log log;               /* videos that are left out are named here */
    rin_loading_fn progress;   /* of frames; first of videos, with a total of 0; may be NULL */
    void *progress_user;
} rin_pack_options;

/*
 * Decodes all videos of a data set into one file that is a data set of its own: every frame at clip.fps, fitted and
 * rounded as rin_dataset_load_clip does, so that training on either is the same, bit for bit, at that size and rate,
 * where files hold as many frames as they claim.
 * The file appears under its name, which ends in .safetensors, only when complete.
 * Errors: ARG for another name; FORMAT when no video can be opened; IO; MEMORY; CANCELLED.
 */
rin_status rin_dataset_pack(const rin_dataset *dataset, const char *path, const rin_pack_options *options,
                            size_t *n_videos, int64_t *n_frames, rin_error *error) RIN_CHECKED;

/* ---- a look at everything in it ---- */

typedef struct rin_scan_options {
    int threads;               /* 0: as many as processors */
    const atomic_bool *cancel; /* ends the scan when true; may be NULL */
    rin_loading_fn progress;   /* may be NULL */
    void *progress_user;
} rin_scan_options;

enum { RIN_SCAN_SIZES = 8, RIN_SCAN_BROKEN = 100 };

typedef struct rin_scan_report {
    size_t n_good, n_broken, n_grey, n_colour;
    double min_seconds, max_seconds, seconds; /* of videos; the last in all */
    double min_rate, max_rate;
    /* frames a second, as rin_dataset_measure has it */ /* frames a second; 0 for pictures without a rate */
    int min_width, min_height, max_width, max_height;    /* 0 when nothing is good */
    size_t n_sizes;                                      /* how many different sizes there are */
    struct {
        int width, height;
        size_t count;
    } sizes[RIN_SCAN_SIZES]; /* the most frequent ones, min(n_sizes, RIN_SCAN_SIZES) of them */
    struct {
        size_t item;
        char *reason;
    } broken[RIN_SCAN_BROKEN]; /* the first ones, min(n_broken, RIN_SCAN_BROKEN) of them */
} rin_scan_report;

/*
 * Decodes every item, of videos the first frame, and reports what there is. Ownership: report is cleared by
 * rin_scan_clear.
 * Errors: ARG; MEMORY; CANCELLED. Broken items are no error.
 */
rin_status rin_dataset_scan(const rin_dataset *dataset, const rin_scan_options *options, rin_scan_report *report,
                            rin_error *error) RIN_CHECKED;
void rin_scan_clear(rin_scan_report *report);

/* ---- the loader ---- */

/* Streams of random numbers: under the run's seed, apart from those of graph nodes. */
enum { RIN_STREAM_SHUFFLE = 0x53485546, RIN_STREAM_FLIP = 0x464C4950, RIN_STREAM_CLIP = 0x434C4950 };

enum { RIN_LOADER_MAX_BATCH = 1 << 20, RIN_LOADER_MAX_WORKERS = 256 };

typedef struct rin_loader_options {
    int height, width, channels; /* of the images handed out; channels 1 or 3 */
    int given;                   /* of videos: the first frames of a clip, handed out apart from the others */
    int batch;                   /* B: images a batch, 1 to RIN_LOADER_MAX_BATCH; may exceed the data set's count */
    uint64_t seed;
    bool flip;                 /* mirror each image left to right with probability 1/2; never videos */
    int workers;               /* threads that decode; 0: one less than processors, at least 1 */
    uint64_t start_batch;      /* the first batch handed out: to resume, the number of batches used before */
    bool strict;               /* a broken image is an error instead of being replaced */
    double patience;           /* seconds to wait for a data set that cannot be read; named in the log */
    uint64_t cache_bytes;      /* the fitted images are kept in memory when they fit in this; 0: no cache */
    const atomic_bool *cancel; /* ends waiting when true; may be NULL */
    rin_log log; /* broken images are named here once, the first 200; called from the workers' threads too */
    rin_loading_fn progress; /* of filling the cache, and 0 of 0 while rin_loader_next waits; may be NULL */
    void *progress_user;
} rin_loader_options;

/* The usual cache_bytes: a quarter of the machine's memory. */
uint64_t rin_loader_default_cache(void);

/*
 * Endless batches of images. Example number x = k * B + i, image i of batch k, is item permutation[x % n] of epoch
 * x / n. The permutation (Fisher-Yates) is a function of seed and epoch, the flip one of seed and x, and so is where in
 * a video the clip begins; so a batch is a function of the data set, the seed and k alone, whatever the workers, the
 * cache or the batch started from.
 * A broken image is replaced by the next good item after it, in the data set's order, cyclically. So is one that
 * cannot be read, after two more tries; ten of those in a row mean that the whole set is away: that is waited for, and
 * only then an error.
 */
typedef struct rin_loader rin_loader;

typedef struct rin_batch {
    uint64_t number;       /* k */
    const float *images;   /* (B, H, W, channels), 0..1; of videos (B, F - given, H, W, channels) */
    const float *given;    /* of videos: (B, given, H, W, channels), the frames before these */
    const int32_t *labels; /* (B); -1: unconditional */
    const size_t *items;   /* (B), the data set's indices */
} rin_batch;

/*
 * Starts the workers, after filling the cache. The data set must outlive the loader.
 * Ownership: *out is freed by rin_loader_free, which accepts NULL.
 * Errors: ARG for an option out of range; FORMAT when no image can be decoded, IO when none can be read; with strict,
 * those of a broken image; MEMORY; CANCELLED.
 */
rin_status rin_loader_create(const rin_dataset *dataset, const rin_loader_options *options, rin_loader **out,
                             rin_error *error) RIN_CHECKED;

/*
 * The next batch. Ownership: out borrows from the loader until the next call. Errors: CANCELLED; as of a worker, and
 * then again at every further call: FORMAT, IO, MEMORY. Threads: one at a time.
 */
rin_status rin_loader_next(rin_loader *loader, rin_batch *out, rin_error *error) RIN_CHECKED;

/* Stops the workers; they finish the image they are at. */
void rin_loader_free(rin_loader *loader);

double rin_loader_wait_seconds(const rin_loader *loader); /* what rin_loader_next has spent waiting, in total */
size_t rin_loader_n_cached(const rin_loader *loader);     /* items kept in memory */
size_t rin_loader_n_broken(const rin_loader *loader);     /* broken items met so far */

/* Files of which a folder that has both is that of a training run: no part of a data set that it lies in. */
#define RIN_RUN_CONFIG "config.ini"
#define RIN_RUN_DATA "run.json"

#endif
