/* SPDX-License-Identifier: MIT */
/* feeder: pictures decoded and resized by threads, in batches as a network takes them, while it runs on the batch
 * before. Inside the score room only. */
#ifndef RIN_SCORE_FEEDER_H
#define RIN_SCORE_FEEDER_H

#include "feature/feature.h"
#include "score/pictures.h"

/* What a network takes, and how it is made of a picture. */
typedef struct rin_intake {
    rin_feature_network network;
    rin_preprocess preprocess;
    int64_t frames; /* of a clip */
    int64_t per_input;
} rin_intake;

/* frames (as many as the intake has) to numbers of the network, (per_input). Errors: MEMORY. */
rin_status rin_intake_fill(const rin_intake *intake, const rin_frames *frames, float *out,
                           rin_error *error) RIN_CHECKED;

typedef struct rin_feeder rin_feeder;

/* pictures must outlive it. Broken pictures are reported, and left out of their batches. Ownership: *out is freed by
 * rin_feeder_free, which accepts NULL. */
rin_status rin_feeder_create(rin_pictures *pictures, const rin_intake *intake, int64_t batch, rin_loading *loading,
                             rin_feeder **out, rin_error *error) RIN_CHECKED;
/* The next batch: inputs (n, per_input), borrowed until the next call. n is 0 at the end, and only there. *done:
 * pictures looked at so far. Errors: those of loading; CANCELLED. */
rin_status rin_feeder_next(rin_feeder *feeder, const float **inputs, int64_t *n, int64_t *done,
                           rin_error *error) RIN_CHECKED;
/* The sizes of pictures seen so far: "32x32", or "28x28 to 500x375", both extremes by themselves. */
enum { RIN_SIZES_TEXT = 64 };
void rin_feeder_sizes(const rin_feeder *feeder, char text[RIN_SIZES_TEXT]);
void rin_feeder_free(rin_feeder *feeder);

#endif
