/* SPDX-License-Identifier: MIT */
/* diffusion: pure functions of the forward process, of sampling and of learning rates. Nothing here knows the network.
 */
#ifndef RIN_DIFFUSION_H
#define RIN_DIFFUSION_H

#include "config/config.h"

/* Signal level of time t in [0, 1], in [0, 1]; section 4 of the specification. */
float rin_gamma(const rin_schedule *schedule, double t);

/* Learning rate of a step counted from 0; section 5. lr_scaling and `batch` scale the base rate. */
double rin_learning_rate(const rin_config_train *train, const rin_lr_schedule *schedule, int64_t step);

/* Decay of the moving average at a step: with ema_warmup at most (1 + step) / (10 + step). */
double rin_ema_decay(const rin_config_train *train, int64_t step);

/*
 * One step from signal level gamma on, for every element: with x0 the clipped estimate of the data, and e the noise
 * that x and x0 imply, x becomes (of_x x + of_x0 x0 + of_e e) / divisor + spread z, z fresh normal noise. guidance: w
 * of the output (1 + w) o - w o_none. Eight floats: what the op denoise reads.
 */
typedef struct rin_denoising {
    float gamma, guidance, of_x, of_x0, of_e, divisor, spread, unused;
} rin_denoising;

/* The clipped estimate of the data from the network's output o at x. Not finite where o is not. */
float rin_estimate(rin_pred_type pred, float b_scale, float gamma, float x, float o);
/* x after the step. */
float rin_denoise(const rin_denoising *d, float x, float x0, float z);

/* A sampler: what its step from signal level g to g_next is made of, beyond gamma and guidance. */
typedef struct rin_sampler_row {
    const char *name;
    bool needs_noise;
    void (*step)(float g, float g_next, rin_denoising *d);
} rin_sampler_row;

/* The sampler of that word. Never NULL for a word of the list. */
const rin_sampler_row *rin_sampler_find(rin_sampler sampler);

/* Times of step i of n: *t, and *t_next moved by the time difference td. */
void rin_sampling_times(int64_t i, int64_t n, double td, double *t, double *t_next);

#endif
