/* SPDX-License-Identifier: MIT */
/* diffusion: pure functions of the forward process and of learning rates; sampler.h has those of sampling. Nothing here
 * knows the network. */
#ifndef RIN_DIFFUSION_H
#define RIN_DIFFUSION_H

#include "config/config.h"

/* Signal level of time t in [0, 1], in [0, 1]; section 4 of the specification. */
float rin_gamma(const rin_schedule *schedule, double t);
/* The same computed in double and at least 1e-9: what sampling goes by. */
double rin_gamma_exact(const rin_schedule *schedule, double t);

/* Learning rate of a step counted from 0; section 5. lr_scaling and `batch` scale the base rate. */
double rin_learning_rate(const rin_config_train *train, const rin_lr_schedule *schedule, int64_t step);

/* Decay of the moving average at a step: with ema_warmup at most (1 + step) / (10 + step). */
double rin_ema_decay(const rin_config_train *train, int64_t step);

#endif
