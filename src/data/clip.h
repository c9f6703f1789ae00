/* SPDX-License-Identifier: MIT */
/* clip: the frames of a video at the wanted size and rate, and clips cut out of them. Inside the data room only. */
#ifndef RIN_DATA_CLIP_H
#define RIN_DATA_CLIP_H

#include "data/source.h"

/* A video, opened; or its frames in memory. */
typedef struct rin_track {
    int height, width, channels;
    size_t n_bytes;        /* of a frame */
    int64_t claimed;       /* frames, by what the file says */
    int64_t known;         /* frames there are, once the end was seen; else -1 */
    double rate;           /* frames a second, before rin_clip.step */
    const uint8_t *frames; /* (known, height, width, channels), borrowed; NULL: decoded from what follows */
    rin_input file;
    struct rin_pictures *pictures;
    rin_video *video;
    float *pixels; /* (height, width, channels) */
} rin_track;

/* Opens item index of a data set of videos. Cleared by rin_track_close, also after a failure. */
rin_status rin_track_open(const rin_dataset *dataset, size_t index, int height, int width, int channels,
                          rin_track *track, rin_error *error) RIN_CHECKED;
void rin_track_close(rin_track *track);

/* The first frame as it is shown; the caller clears out. */
rin_status rin_track_first(const rin_dataset *dataset, size_t index, rin_image *out, rin_error *error) RIN_CHECKED;

/* Frame g, fitted by rin_image_fit_area and rounded to 8 bits; *there is false past the end. */
rin_status rin_track_read(rin_track *track, int64_t g, uint8_t *out, bool *there, rin_error *error) RIN_CHECKED;

/* The next clip.frames frames from one on: given, or drawn from random bits, all that are possible by what the file
 * claims being as likely; where the file ends too early for one that is drawn, the last ones. Shapes: out (frames,
 * height, width, channels). Errors: FORMAT for a video that is too short, or ends before a given clip does. */
typedef struct rin_cut {
    bool drawn;
    int64_t first;    /* frame, unless drawn */
    uint32_t bits[2]; /* where drawn */
} rin_cut;
rin_status rin_track_cut(rin_track *track, const rin_clip *clip, const rin_cut *cut, uint8_t *out,
                         rin_error *error) RIN_CHECKED;

/* n bytes as numbers from 0 to 1. */
void rin_bytes_to_pixels(const uint8_t *bytes, size_t n, float *pixels);

#endif
