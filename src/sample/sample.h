/* SPDX-License-Identifier: MIT */
/* sample: open models, and the sampling loop over a forward program, hiddens carried from step to step. */
#ifndef RIN_SAMPLE_H
#define RIN_SAMPLE_H

#include "checkpoint/model_file.h"
#include "data/data.h"
#include "diffusion/diffusion.h"

/* A trained model, open: the public handle. Parameters are those of both arenas. */
struct rin_model {
    rin_description description;
    rin_backend *backend;
    rin_weights *weights;
};

/* Zeroed weights for the network of config, once the file is seen to hold exactly its tensors. */
rin_status rin_model_create_weights(const rin_config *config, const rin_safetensors *file, rin_backend *backend,
                                    bool training, rin_weights **out, rin_error *error) RIN_CHECKED;

/* The clips that a video model is trained on and continues; of an image model none. */
rin_clip rin_model_clip(const rin_config *config);

typedef struct rin_sampling_options {
    int64_t steps;
    rin_sampler sampler;
    rin_schedule schedule;
    double guidance;        /* w of (1+w) pred_label - w pred_none */
    double td;              /* time difference, in steps */
    double self_cond_decay; /* m of h = m h + (1-m) h_new */
} rin_sampling_options;

/* From sample.* of a configuration; sample.schedule defaults to diffusion.infer_schedule. */
rin_status rin_sampling_options_from(const rin_config *config, rin_sampling_options *out, rin_error *error) RIN_CHECKED;

/* One batch on its way from noise to data. */
typedef struct rin_sampling {
    rin_sampling_options options;
    rin_config config;
    rin_program *program;
    int64_t batch, step;
    int64_t n_pixels, n_latent, n_tape, n_labels; /* elements of the whole batch */
    float *labels, *gammas;
    float *zeros; /* what carried hiddens, which stay in the program's memory, start from, and no labels */
} rin_sampling;

rin_status rin_sampling_create(const rin_config *config, rin_weights *weights, rin_arena parameters, int64_t batch,
                               const rin_sampling_options *options, rin_sampling **out, rin_error *error) RIN_CHECKED;
void rin_sampling_free(rin_sampling *sampling);
/* Starts a batch. noise (B, F, H, W, Ch), labels (B, classes) or NULL, frames (B, seq_cond, H, W, Ch) in 0..1 or NULL.
 */
rin_status rin_sampling_start(rin_sampling *sampling, const float *noise, const float *labels, const float *frames,
                              rin_error *error) RIN_CHECKED;
/* One step; noise (B, F, H, W, Ch) is read by samplers that need it. */
rin_status rin_sampling_step(rin_sampling *sampling, const float *noise, rin_error *error) RIN_CHECKED;
/* The last estimate as pixel values, not clipped to 0..1. Errors: NUMERIC when the network's output was not finite. */
rin_status rin_sampling_pixels(const rin_sampling *sampling, float *pixels, rin_error *error) RIN_CHECKED;

/* ---- parts of a large number of pictures ---- */

/* rin_generator_create for pictures number .. number + count - 1 of what it would make: the same bytes. */
rin_status rin_generator_create_from(rin_model *model, const rin_config *config, int64_t number, int64_t count,
                                     const int64_t *classes, uint64_t seed, rin_generator **out,
                                     rin_error *error) RIN_CHECKED;
/* Keeps pictures as they are before they are rounded, too; called before the first step. */
rin_status rin_generator_keep_reals(rin_generator *generator, rin_error *error) RIN_CHECKED;
/* Picture i in 0 .. 1, as rin_generator_pixels; NULL where it is not made or not kept. */
const float *rin_generator_reals(const rin_generator *generator, int64_t i);

#endif
