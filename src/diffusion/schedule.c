/* SPDX-License-Identifier: MIT */
/* Noise schedules, learning rates and the moving average's decay. */
#include <math.h>

#include "diffusion/diffusion.h"

#define PI 3.14159265358979323846

static double sigmoid(double v) {
    return 1 / (1 + exp(-v));
}

static double clip(double v, double low, double high) {
    return v < low ? low : v > high ? high : v;
}

double rin_gamma(const rin_schedule *s, double t) {
    const double least = 1e-9;
    double u = s->start + t * (s->end - s->start), f0, f1, fu;
    switch (s->kind) {
    case RIN_SCHEDULE_COSINE:
        f0 = cos((t + 0.0002) / 1.00025 * PI / 2);
        return f0 * f0;
    case RIN_SCHEDULE_SIMPLE_LINEAR:
        return clip(1 - t, least, 1);
    case RIN_SCHEDULE_COSINE_RANGE:
        f0 = pow(cos(s->start * PI / 2), 2 * s->tau);
        f1 = pow(fmax(cos(s->end * PI / 2), 0), 2 * s->tau);
        fu = pow(fmax(cos(u * PI / 2), 0), 2 * s->tau);
        return clip((fu - f1) / (f0 - f1), least, 1);
    case RIN_SCHEDULE_SIGMOID:
        f0 = sigmoid(s->start / s->tau);
        f1 = sigmoid(s->end / s->tau);
        return clip((f1 - sigmoid(u / s->tau)) / (f1 - f0), least, 1);
    case RIN_SCHEDULE_LOG:
        f0 = s->reverse ? s->end : s->start;
        f1 = s->reverse ? s->start : s->end;
        return clip((log(f1) - log(t * (f1 - f0) + f0)) / (log(f1) - log(f0)), 0, 1);
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
    case RIN_LR_SCHEDULE_LINEAR:
        return base * ((1 - end) * (1 - fmin(at, 1)) + end);
    case RIN_LR_SCHEDULE_EXP:
        return base * pow(schedule->rate, at);
    case RIN_LR_SCHEDULE_NONE:
        break;
    }
    return base;
}

double rin_ema_decay(const rin_config_train *train, int64_t step) {
    double warm = (1 + (double)step) / (10 + (double)step);
    return train->ema_warmup ? fmin(train->ema_decay, warm) : train->ema_decay;
}
