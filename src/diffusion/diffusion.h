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

/* The clipped estimate of the data: x0[i] from the network's output o[i] at x[i] and signal level g. n elements. */
void rin_estimate(rin_pred_type pred, double b_scale, float g, const float *x, const float *output, float *x0,
                  int64_t n);

/* One step of a sampler from signal level g to g_next, in place. noise is NULL when the sampler needs none. */
typedef struct rin_sampler_row {
    const char *name;
    bool needs_noise;
    void (*step)(float g, float g_next, float *x, const float *x0, const float *noise, int64_t n);
} rin_sampler_row;

/* The sampler of that word. Never NULL for a word of the list. */
const rin_sampler_row *rin_sampler_find(rin_sampler sampler);

/* Times of step i of n: *t, and *t_next moved by the time difference td. */
void rin_sampling_times(int64_t i, int64_t n, double td, double *t, double *t_next);

#endif
