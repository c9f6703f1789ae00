/* SPDX-License-Identifier: MIT */
/* examples: which images or clips of a data set are measured on, and their pixels. Inside the eval room only. */
#ifndef RIN_EVAL_EXAMPLES_H
#define RIN_EVAL_EXAMPLES_H

#include "data/data.h"
#include "sample/sample.h"

typedef struct rin_example {
    size_t item;
    int64_t clip; /* of a video: as rin_dataset_load_clip numbers them */
} rin_example;

typedef struct rin_examples {
    rin_dataset *dataset;
    rin_config_model model;
    rin_loading loading;
    rin_example *list; /* (n) */
    int64_t n;
    float *clip; /* (seq_len, height, width, channels), before it is divided */
} rin_examples;

/*
 * Opens the data for a model and chooses at most limit examples (0: all): of images the first of each class, as many of
 * one as of another; of videos clips that do not overlap, evenly over the videos and their lengths. Videos that cannot
 * be used are reported. Cleared by rin_examples_close, also after a failure.
 */
rin_status rin_examples_open(const rin_config *config, const char *data, int64_t limit, rin_listener listener,
                             rin_examples *out, rin_error *error) RIN_CHECKED;
void rin_examples_close(rin_examples *examples);

/*
 * Pixels of example i: made (seq_len - seq_cond, height, width, channels), which an image fills, and given (seq_cond,
 * ...), 0..1. A broken one leaves the list, reported, and the next one takes its number; *there is false when there is
 * none. Errors: IO; MEMORY; CANCELLED.
 */
rin_status rin_examples_load(rin_examples *examples, int64_t i, float *given, float *made, bool *there,
                             rin_error *error) RIN_CHECKED;

#endif
