/* SPDX-License-Identifier: MIT */
/* pictures: what is scored, or scored against, one by one: images or clips of a data set, or of an .npz file. Inside
 * the score room only. */
#ifndef RIN_SCORE_PICTURES_H
#define RIN_SCORE_PICTURES_H

#include "data/data.h"
#include "npz/npz.h"

/* Frames (frames, height, width, 3) of 0 .. 255, colour in any case. */
typedef struct rin_frames {
    float *values;
    int64_t frames;
    int height, width;
    size_t capacity; /* numbers that values has room for; grows as needed */
} rin_frames;

/* Sets the sizes, with room for as many numbers, which are not set. Errors: MEMORY. */
rin_status rin_frames_resize(rin_frames *out, int64_t frames, int height, int width, rin_error *error) RIN_CHECKED;
void rin_frames_clear(rin_frames *frames);

typedef struct rin_pictures_options {
    rin_clip clip;        /* frames 0: images */
    int height, width;    /* everything is fitted to that first and rounded; 0: as it is */
    bool grey;            /* fitted as a model of one channel would see it */
    int64_t limit;        /* at most, evenly spread; 0: all */
    rin_loading *loading; /* borrowed */
} rin_pictures_options;

typedef struct rin_pictures rin_pictures;

/* Whether a file is one of numpy's by its name, which pictures, statistics or features may be in. */
bool rin_pictures_is_numpy(const char *path);

/* Ownership: *out is closed by rin_pictures_close, which accepts NULL. Errors: those of rin_dataset_open and
 * rin_npz_open; FORMAT for an arr_0 that holds no pictures. */
rin_status rin_pictures_open(const char *path, const rin_pictures_options *options, rin_pictures **out,
                             rin_error *error) RIN_CHECKED;
void rin_pictures_close(rin_pictures *pictures);
int64_t rin_pictures_count(const rin_pictures *pictures); /* those that are broken included */
const char *rin_pictures_kind(const rin_pictures *pictures);
/* Whether pictures can only be taken in their order: then one thread at a time may load. */
bool rin_pictures_are_in_order(const rin_pictures *pictures);

/* Picture i. Errors: those for which rin_dataset_is_broken says so concern it alone. Threads: safe, unless in order. */
rin_status rin_pictures_load(rin_pictures *pictures, int64_t i, rin_frames *out, rin_error *error) RIN_CHECKED;

#endif
