/* SPDX-License-Identifier: MIT */
/* generator: what makes pictures and videos, and what writes them. Inside the sample room only. */
#ifndef RIN_SAMPLE_GENERATOR_H
#define RIN_SAMPLE_GENERATOR_H

#include "sample/sample.h"

struct rin_generator {
    rin_model *model;
    rin_sampling *sampling;
    rin_sampling_options options;
    rin_config_sample sample;
    int64_t count, first; /* pictures; the first of the current batch */
    int64_t pass, passes; /* a video is made in parts, each going on from the one before */
    int64_t *classes;     /* [count] or -1 */
    uint64_t seed;
    int64_t number;                /* of picture 0 among all that the seed stands for */
    float *noise, *given, *labels; /* of a batch */
    uint8_t *pixels;               /* [count * per_picture] */
    float *reals;                  /* [count * per_picture] before rounding, 0 .. 1; NULL: not kept */
    uint8_t *truth;                /* alike, what really is there where it was given; NULL: not known */
    int64_t *n_truth;              /* [count] frames of it */
    int64_t frames;                /* of a picture: 1, of a video more */
    int64_t per_frame, per_picture, evaluations;
    double started; /* clock */
};

#endif
