/* SPDX-License-Identifier: MIT */
/* Noise schedules, learning rates and the moving average's decay. */
#include <math.h>

#include "diffusion/diffusion.h"

#define PI 3.14159265358979323846

static float sigmoid(float v) {
    return 1 / (1 + expf(-v));
}

static float clip(float v, float low) {
    return v < low ? low : v > 1 ? 1 : v;
}

/*
 * In float, operation by operation like the authors' code: near the noise, where gamma is 1e-9 to 1e-8, their numbers
 * carry its rounding, and what a network was trained with is what it should be sampled with.
 */
float rin_gamma(const rin_schedule *s, double time) {
    const float least = 1e-9f;
    float t = (float)time, start = (float)s->start, end = (float)s->end, tau = (float)s->tau,
          power = (float)(2 * s->tau);
    float u = t * (float)(s->end - s->start) + start, f0, f1;
    switch (s->kind) {
    case RIN_SCHEDULE_COSINE: f0 = cosf((t + 0.0002f) / 1.00025f * (float)PI / 2); return f0 * f0;
    case RIN_SCHEDULE_SIMPLE_LINEAR: return clip(1 - t, least);
    case RIN_SCHEDULE_COSINE_RANGE:
        f0 = powf(cosf(start * (float)PI / 2), power);
        f1 = powf(fmaxf(cosf(end * (float)PI / 2), 0), power);
        return clip((powf(fmaxf(cosf(u * (float)PI / 2), 0), power) - f1) / (f0 - f1), least);
    case RIN_SCHEDULE_SIGMOID:
        f0 = sigmoid(start / tau);
        f1 = sigmoid(end / tau);
        return clip((f1 - sigmoid(u / tau)) / (f1 - f0), least);
    case RIN_SCHEDULE_LOG:
        f0 = s->reverse ? end : start;
        f1 = s->reverse ? start : end;
        return clip((logf(f1) - logf(t * (f1 - f0) + f0)) / (logf(f1) - logf(f0)), 0);
    }
    return NAN;
}

double rin_learning_rate(const rin_config_train *train, const rin_lr_schedule *schedule, int64_t step) {
    double base = train->learning_rate, end = train->end_lr_factor;
    if (train->lr_scaling == RIN_LR_SCALING_LINEAR) base *= (double)train->batch / 256;
    if (train->lr_scaling == RIN_LR_SCALING_SQRT) base *= sqrt((double)train->batch);
    if (step < train->warmup_steps) return base * (double)step / (double)train->warmup_steps;
    double steps = (double)(train->steps - train->warmup_steps - train->tail_steps);
    double at = (double)(step - train->warmup_steps) / fmax(steps, 1);
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
