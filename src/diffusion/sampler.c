/* SPDX-License-Identifier: MIT */
/*
 * Samplers. The arithmetic is float in the authors' order: in a step from a gamma of 1e-9 it rounds by 1e-3, and the
 * reference numbers carry that rounding. A sampler is a step function and a row in the table, in the order of the
 * words.
 */
#include <math.h>

#include "diffusion/diffusion.h"

void rin_estimate(rin_pred_type pred, double b_scale, float g, const float *x, const float *output, float *x0,
                  int64_t n) {
    const float b = (float)b_scale, a = sqrtf(g), s = sqrtf(1 - g);
    for (int64_t i = 0; i < n; i++) {
        float v = output[i];
        if (pred == RIN_PRED_EPS) v = (x[i] - s * v) / a;
        else if (pred == RIN_PRED_V) v = a * x[i] - s * v;
        x0[i] = fminf(fmaxf(v, -b), b);
    }
}

void rin_sampling_times(int64_t i, int64_t n, double td, double *t, double *t_next) {
    *t = 1 - (double)i / (double)n;
    *t_next = fmax(0, 1 - ((double)i + 1 + td) / (double)n);
}

/* The noise that x and the clipped estimate imply. */
static float noise_of(float g, float x, float x0) {
    return (x - sqrtf(g) * x0) / sqrtf(1 - g);
}

static void ddim(float g, float g_next, float *x, const float *x0, const float *noise, int64_t n) {
    (void)noise;
    for (int64_t i = 0; i < n; i++) x[i] = x0[i] * sqrtf(g_next) + noise_of(g, x[i], x0[i]) * sqrtf(1 - g_next);
}

static void ancestral(float g, float g_next, bool small, float *x, const float *x0, const float *noise, int64_t n) {
    float a = fminf(expf(logf(g) - logf(g_next)), 1), variance = 1 - a;
    if (small) variance *= expf(log1pf(-g_next) - log1pf(-g));
    float of_noise = (1 - a) / sqrtf(1 - g), spread = sqrtf(variance);
    for (int64_t i = 0; i < n; i++) x[i] = (x[i] - of_noise * noise_of(g, x[i], x0[i])) / sqrtf(a) + spread * noise[i];
}

static void ddpm(float g, float g_next, float *x, const float *x0, const float *noise, int64_t n) {
    ancestral(g, g_next, false, x, x0, noise, n);
}

static void ddpm_small(float g, float g_next, float *x, const float *x0, const float *noise, int64_t n) {
    ancestral(g, g_next, true, x, x0, noise, n);
}

static const rin_sampler_row rows[] = {
    [RIN_SAMPLER_DDIM] = {"ddim", false, ddim},
    [RIN_SAMPLER_DDPM] = {"ddpm", true, ddpm},
    [RIN_SAMPLER_DDPM_SMALL] = {"ddpm@small", true, ddpm_small},
};

const rin_sampler_row *rin_sampler_find(rin_sampler sampler) {
    return &rows[(size_t)sampler < RIN_COUNT(rows) ? (size_t)sampler : 0];
}
