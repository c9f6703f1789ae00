/* SPDX-License-Identifier: MIT */
/*
 * Samplers. The arithmetic is float in the authors' order: in a step from a gamma of 1e-9 it rounds by 1e-3, and the
 * reference numbers carry that rounding. A sampler is a step function and a row in the table, in the order of the
 * words.
 */
#include <math.h>

#include "diffusion/diffusion.h"

float rin_estimate(rin_pred_type pred, float b_scale, float gamma, float x, float o) {
    float a = sqrtf(gamma), s = sqrtf(1 - gamma), v = o;
    if (pred == RIN_PRED_EPS) v = (x - s * o) / a;
    else if (pred == RIN_PRED_V) v = a * x - s * o;
    return isfinite(o) ? fminf(fmaxf(v, -b_scale), b_scale) : NAN;
}

float rin_denoise(const rin_denoising *d, float x, float x0, float z) {
    float e = (x - sqrtf(d->gamma) * x0) / sqrtf(1 - d->gamma);
    return (d->of_x * x + d->of_x0 * x0 + d->of_e * e) / d->divisor + d->spread * z;
}

void rin_sampling_times(int64_t i, int64_t n, double td, double *t, double *t_next) {
    *t = 1 - (double)i / (double)n;
    *t_next = fmax(0, 1 - ((double)i + 1 + td) / (double)n);
}

static void ddim(float g, float g_next, rin_denoising *d) {
    (void)g;
    d->of_x0 = sqrtf(g_next);
    d->of_e = sqrtf(1 - g_next);
    d->divisor = 1;
}

static void ancestral(float g, float g_next, bool small, rin_denoising *d) {
    float a = fminf(expf(logf(g) - logf(g_next)), 1), variance = 1 - a;
    if (small) variance *= expf(log1pf(-g_next) - log1pf(-g));
    d->of_x = 1;
    d->of_e = -(1 - a) / sqrtf(1 - g);
    d->divisor = sqrtf(a);
    d->spread = sqrtf(variance);
}

static void ddpm(float g, float g_next, rin_denoising *d) {
    ancestral(g, g_next, false, d);
}

static void ddpm_small(float g, float g_next, rin_denoising *d) {
    ancestral(g, g_next, true, d);
}

static const rin_sampler_row rows[] = {
    [RIN_SAMPLER_DDIM] = {"ddim", false, ddim},
    [RIN_SAMPLER_DDPM] = {"ddpm", true, ddpm},
    [RIN_SAMPLER_DDPM_SMALL] = {"ddpm@small", true, ddpm_small},
};

const rin_sampler_row *rin_sampler_find(rin_sampler sampler) {
    return &rows[(size_t)sampler < RIN_COUNT(rows) ? (size_t)sampler : 0];
}
