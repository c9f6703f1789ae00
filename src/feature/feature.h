/* SPDX-License-Identifier: MIT */
/* feature: the networks by whose answers pictures and videos are compared, what they are fed, and their weights. */
#ifndef RIN_FEATURE_H
#define RIN_FEATURE_H

#include "config/config.h"
#include "exec/exec.h"

enum {
    RIN_INCEPTION_SIDE = 299,
    RIN_INCEPTION_FEATURES = 2048,
    RIN_INCEPTION_CLASSES = 1008,
    RIN_I3D_SIDE = 224,
    RIN_I3D_FEATURES = 400,
    RIN_I3D_LEAST_FRAMES = 9
};

typedef enum rin_feature_network { RIN_NETWORK_INCEPTION, RIN_NETWORK_I3D } rin_feature_network;

int64_t rin_feature_count(rin_feature_network network);            /* numbers of a picture or clip that are compared */
const char *rin_feature_network_name(rin_feature_network network); /* inception, i3d */

/* ---- graphs: input "input", and as outputs those stages of the network that are named ---- */

/*
 * input (B, 1, 299, 299, 3). Stages: Conv2d_1a_3x3 .. Mixed_7c, maxpool1, maxpool2; pool3 (2048), logits and
 * logits_unbiased (1008: with and without fc.bias); features64, features192, features768: means over the maps of
 * maxpool1, maxpool2, Mixed_6e.
 */
void rin_inception_build(rin_graph *graph, int64_t batch, const char *const *outputs, int n_outputs);
/* input (B, F, 224, 224, 3), F at least 9. Stages: Conv3d_1a_7x7 .. Mixed_5c, MaxPool3d_..; means over time of pool
 * (1024) and logits (400). */
void rin_i3d_build(rin_graph *graph, int64_t batch, int64_t frames, const char *const *outputs, int n_outputs);

/* ---- what the networks are fed ---- */

/* tf: TensorFlow 1's bilinear, Inception and I3D; half_pixel: bilinear at half-pixel centres, clean: Pillow's bicubic,
 * Inception; crop: half-pixel bilinear, short side to 224, centre crop, I3D. */
bool rin_preprocess_is_for(rin_preprocess kind, rin_feature_network network);
#define RIN_N_PREPROCESS ((rin_preprocess)(RIN_PREPROCESS_CROP + 1)) /* how many there are; none of them */
const char *rin_preprocess_name(rin_preprocess kind);

/*
 * A picture (height, width, 3) of 0 .. 255 as Inception takes it: out (299, 299, 3), about -1 .. 1.
 * Errors: ARG; MEMORY. Source: the evaluation document, section 1.
 */
rin_status rin_inception_input(rin_preprocess kind, const float *pixels, int height, int width, float *out,
                               rin_error *error) RIN_CHECKED;
/* A frame (height, width, 3) of 0 .. 255 as I3D takes it: out (224, 224, 3). Source: section 8. */
rin_status rin_i3d_input(rin_preprocess kind, const float *pixels, int height, int width, float *out,
                         rin_error *error) RIN_CHECKED;

/* ---- weights ---- */

/* Where weights come from: fills values, tensor->count of them. */
typedef struct rin_weights_source {
    rin_status (*fill)(void *user, const rin_tensor *tensor, float *values, rin_error *error);
    void *user;
} rin_weights_source;

/* Weights that are a function of their names alone (section 12): tests need no download. */
rin_weights_source rin_formula_weights(void);
/* sum of values[i] u(i), u being uniform in (-1, 1) and a function of the name: what golden cases check whole tensors
 * by.
 */
double rin_formula_projection(const char *name, const double *values, int64_t n);

/* ---- networks that are ready to run ---- */

typedef struct rin_extractor rin_extractor;

typedef struct rin_extractor_options {
    rin_feature_network network;
    int64_t batch, frames; /* frames: of I3D */
    const char *const *outputs;
    int n_outputs;
    const char *device; /* NULL: cpu; any GPU computes in float32 */
    int threads;        /* 0: all */
} rin_extractor_options;

/* Ownership: *out is freed by rin_extractor_free, which accepts NULL. Errors: UNSUPPORTED, DEVICE; MEMORY; those of the
 * source. */
rin_status rin_extractor_create(const rin_extractor_options *options, rin_weights_source source, rin_extractor **out,
                                rin_error *error) RIN_CHECKED;
/*
 * The same with the weights of a .safetensors file, under the public PyTorch file's names, or for I3D those of two
 * public ones. Errors: IO, FORMAT; a tensor that is missing, extra or of another shape is named. path NULL or a file
 * that is not there: the message says where weights are to be had and the one line that converts them.
 */
rin_status rin_extractor_open(const rin_extractor_options *options, const char *path, rin_extractor **out,
                              rin_error *error) RIN_CHECKED;
/* Bytes that one takes on a backend, of which it is none: nothing is allocated. */
rin_status rin_extractor_measure(const rin_extractor_options *options, rin_backend *backend, uint64_t *bytes,
                                 rin_error *error) RIN_CHECKED;
void rin_extractor_free(rin_extractor *extractor);
/* As rin_weights_hash has it. */
const char *rin_extractor_weights_hash(const rin_extractor *extractor);
int64_t rin_extractor_input_count(const rin_extractor *extractor); /* numbers of one picture or clip */

/* Runs the first n of a batch: inputs (n, input_count). Features are then read by their names. */
rin_status rin_extractor_run(rin_extractor *extractor, const float *inputs, int64_t n, rin_error *error) RIN_CHECKED;
/* A whole batch of an output, of which the first n are those of the inputs. */
rin_status rin_extractor_read(const rin_extractor *extractor, const char *output, float *out,
                              rin_error *error) RIN_CHECKED;
rin_program *rin_extractor_program(rin_extractor *extractor); /* borrowed: for other stages than features */

#endif
