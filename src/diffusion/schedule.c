/* SPDX-License-Identifier: MIT */
/* Noise schedules, learning rates and the moving average's decay. */
#include <tgmath.h>

#include "diffusion/diffusion.h"

#define PI 3.14159265358979323846

#define REAL float
#define LEVEL level_float
#include "diffusion/level.h"
#undef REAL
#undef LEVEL
#define REAL double
#define LEVEL level_double
#include "diffusion/level.h"

/* In float: near the noise, where gamma is 1e-9 to 1e-8, the reference numbers of training carry its rounding. */
float rin_gamma(const rin_schedule *schedule, double time) {
    return level_float(schedule, (float)time);
}

double rin_gamma_exact(const rin_schedule *schedule, double time) {
    return fmin(fmax(level_double(schedule, time), 1e-9), 1);
}

double rin_learning_rate(const rin_config_train *train, const rin_lr_schedule *schedule, int64_t step) {
    double base = train->learning_rate, end = train->end_lr_factor;
    if (train->lr_scaling == RIN_LR_SCALING_LINEAR) base *= (double)train->batch / 256;
    if (train->lr_scaling == RIN_LR_SCALING_SQRT) base *= sqrt((double)train->batch);
    if (step < train->warmup_steps) return base * (double)step / (double)train->warmup_steps;
    double steps = (double)(train->steps - train->warmup_steps - train->tail_steps);
    double at = steps > 0 ? (double)(step - train->warmup_steps) / steps : 1;
    switch (schedule->kind) {
    case RIN_LR_SCHEDULE_COSINE:
        at = fmin(at * schedule->rate, 1);
        return base * ((1 - end) * 0.5 * (1 + cos(PI * at)) + end);
    case RIN_LR_SCHEDULE_LINEAR: return base * ((1 - end) * (1 - fmin(at, 1)) + end);
    case RIN_LR_SCHEDULE_EXP: return base * pow(schedule->rate, at);
    case RIN_LR_SCHEDULE_NONE: break;
    }
    return base;
}

double rin_ema_decay(const rin_config_train *train, int64_t step) {
    double warm = (1 + (double)step) / (10 + (double)step);
    return train->ema_warmup ? fmin(train->ema_decay, warm) : train->ema_decay;
}
