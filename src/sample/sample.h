/* SPDX-License-Identifier: MIT */
/* sample: open models, and the sampling loop over a forward program, hiddens carried from step to step. */
#ifndef RIN_SAMPLE_H
#define RIN_SAMPLE_H

#include "checkpoint/model_file.h"
#include "data/data.h"
#include "diffusion/sampler.h"
#include "sample/stream.h"

/* A trained model, open: the public handle. Parameters are those of both arenas. */
struct rin_model {
    rin_description description;
    rin_backend *backend;
    rin_weights *weights;
    char *path; /* of its file; NULL for a model in training */
};

/* Zeroed weights for the network of config, once the file is seen to hold exactly its tensors. */
rin_status rin_model_create_weights(const rin_config *config, const rin_safetensors *file, rin_backend *backend,
                                    bool training, rin_weights **out, rin_error *error) RIN_CHECKED;

/* The clips that a video model is trained on and continues; of an image model none. */
rin_clip rin_model_clip(const rin_config *config);

/* ---- one batch on its way from noise to data ---- */

typedef struct rin_sampling_options {
    rin_route_options route;
    const double *nodes;    /* [route.steps + 1] signal levels instead of the route's own grid; may be NULL */
    double guidance;        /* w of (1 + w) labelled - w reference */
    double low, high;       /* guided where low < sigma / b_scale <= high */
    bool own_hiddens;       /* of the forwards without labels */
    double rescale;         /* phi: the share of guided outputs that is brought back to the spread of labelled ones */
    double percentile;      /* of the clipping; 0: none */
    bool masked;            /* parts of the pictures are known */
    bool warm;              /* one forward for the hiddens alone comes first */
    double self_cond_decay; /* m of h = m h + (1 - m) h_new */
} rin_sampling_options;

/* A sampler as it is by itself, from noise and without guidance, in so many steps, 0 for its own. */
void rin_sample_plainly(rin_config_sample *sample, rin_sampler sampler, int64_t steps);
/* From sample.* of a configuration; sample.schedule defaults to diffusion.infer_schedule. */
rin_status rin_sampling_options_from(const rin_config *config, rin_sampling_options *out, rin_error *error) RIN_CHECKED;

/* What the batch is made of. All borrowed, those of `draw` until the batch is done. */
typedef struct rin_sampling_start {
    const float *noise;   /* (B, F, H, W, Ch), of the frames that are made */
    const float *labels;  /* (B, classes), or NULL */
    const float *frames;  /* (B, seq_cond, H, W, Ch) in 0..1, or NULL */
    const float *picture; /* (B, F, H, W, Ch) in 0..1: what is known, or begun with below strength 1; or NULL */
    const float *mask;    /* (B, F, H, W, 1): 1 where the picture stays; or NULL */
    /* Fresh normal noise number `number`, for routes that have any. */
    void (*draw)(void *user, int64_t number, float *noise);
    void *user;
} rin_sampling_start;

typedef struct rin_sampling {
    rin_sampling_options options;
    rin_route *route;
    rin_cursor cursor;
    rin_move move;              /* the last one */
    rin_stream main, reference; /* the second where guidance needs one of its own */
    bool guide;                 /* it is another model's */
    bool step_guided;           /* the first evaluation of this step is */
    int64_t n_forwards;         /* of the batch so far: guided evaluations take two */
    int64_t n_total;            /* that it takes in all */
    float *labels;
    float *noise; /* [n_pixels] where there is any; and a state that is made noisier */
    float *state;
    float *between; /* what goes to and from `reference` */
    rin_sampling_start from;
} rin_sampling;

/* guide: the network whose output is led away from, NULL: the same without labels. */
rin_status rin_sampling_create(const rin_network *network, const rin_network *guide, int64_t batch,
                               const rin_sampling_options *options, rin_sampling **out, rin_error *error) RIN_CHECKED;
void rin_sampling_free(rin_sampling *sampling);
rin_status rin_sampling_begin(rin_sampling *sampling, const rin_sampling_start *start, rin_error *error) RIN_CHECKED;
/* One evaluation, and the moves without one before it. */
rin_status rin_sampling_step(rin_sampling *sampling, rin_error *error) RIN_CHECKED;
bool rin_sampling_is_done(const rin_sampling *sampling);
/* The last estimate as pixel values, not clipped to 0..1. Errors: NUMERIC when the network's output was not finite. */
rin_status rin_sampling_pixels(const rin_sampling *sampling, float *pixels, rin_error *error) RIN_CHECKED;

/* Of files of pictures that are read whole. */
#define RIN_MOST_PICTURE_BYTES ((size_t)1 << 30)

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
