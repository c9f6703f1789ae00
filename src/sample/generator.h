/* SPDX-License-Identifier: MIT */
/* generator: what makes pictures and videos, and what writes them. Inside the sample room only. */
#ifndef RIN_SAMPLE_GENERATOR_H
#define RIN_SAMPLE_GENERATOR_H

#include "sample/sample.h"

typedef enum rin_name { RIN_NAME_MODEL, RIN_NAME_GUIDE, RIN_NAME_PICTURE, RIN_NAME_MASK, RIN_N_NAMES } rin_name;

struct rin_generator {
    rin_model *model, *guide;
    rin_sampling *sampling;
    rin_config own;       /* the model's, with the options sample.* that were asked for */
    int64_t count, first; /* pictures; the first of the current batch */
    int64_t pass, passes; /* a video is made in parts, each going on from the one before */
    int64_t *classes;     /* [count] or -1 */
    uint64_t seed, other_seed;
    bool between;                  /* pictures lie between the noises of both seeds */
    float *noise, *given, *labels; /* of a batch */
    float *picture, *mask;         /* the same for all of a batch, as rin_sampling_start; or NULL */
    uint8_t *pixels;               /* [count * per_picture] */
    uint8_t *film;                 /* [count * n_film * per_picture] estimates on the way; NULL: not kept */
    int64_t n_film, film_steps, film_step;
    float *reals;     /* [count * per_picture] before rounding, 0 .. 1; NULL: not kept */
    uint8_t *truth;   /* alike, what really is there where it was given; NULL: not known */
    int64_t *n_truth; /* [count] frames of it */
    int64_t frames;   /* of a picture: 1, of a video more */
    int64_t per_frame, per_picture;
    int64_t n_forwards;       /* of batches and parts before this one */
    char *names[RIN_N_NAMES]; /* of what was given, as files that are written say them; NULL: unknown */
    /* [RIN_N_NAMES] of the weights of models, "" until a file asks for them, and of pixels; "" where there are none */
    char (*hashes)[RIN_HASH_TEXT];
    bool begun;     /* the current one is under way */
    double started; /* clock */
};

#endif
