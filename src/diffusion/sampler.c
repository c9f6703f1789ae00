/* SPDX-License-Identifier: MIT */
/*
 * Samplers. Coefficients are computed in double: 1 - g near the data and sqrt(g) near the noise lose digits in float.
 * A sampler is a step function and a row in the table, in the order of the sampler words.
 */
#include <math.h>

#include "diffusion/diffusion.h"

void rin_estimate(rin_pred_type pred, double b_scale, double g, const float *x, const float *output, float *x0, int64_t n) {
    float of_x = 0, of_output = 1, b = (float)b_scale;
    if (pred == RIN_PRED_EPS) {
        of_x = (float)(1 / sqrt(g));
        of_output = (float)(-sqrt(1 - g) / sqrt(g));
    } else if (pred == RIN_PRED_V) {
        of_x = (float)sqrt(g);
        of_output = (float)-sqrt(1 - g);
    }
    for (int64_t i = 0; i < n; i++) x0[i] = fminf(fmaxf(of_x * x[i] + of_output * output[i], -b), b);
}

void rin_sampling_times(int64_t i, int64_t n, double td, double *t, double *t_next) {
    *t = 1 - (double)i / (double)n;
    *t_next = fmax(0, 1 - ((double)i + 1 + td) / (double)n);
}

/* x = of_x x + of_x0 x0 + of_noise noise */
static void combine(double of_x, double of_x0, double of_noise, float *x, const float *x0, const float *noise, int64_t n) {
    float a = (float)of_x, b = (float)of_x0, c = (float)of_noise;
    for (int64_t i = 0; i < n; i++) x[i] = a * x[i] + b * x0[i] + (noise ? c * noise[i] : 0);
}

/* sqrt(g') x0 + sqrt(1 - g') eps with eps = (x - sqrt(g) x0) / sqrt(1 - g). */
static void ddim(double g, double g_next, float *x, const float *x0, const float *noise, int64_t n) {
    (void)noise;
    double ratio = sqrt(1 - g_next) / sqrt(1 - g);
    combine(ratio, sqrt(g_next) - ratio * sqrt(g), 0, x, x0, NULL, n);
}

/*
 * The posterior mean (x - (1-a)/sqrt(1-g) eps)/sqrt(a), a = g/g', written in x and x0: the same number without the
 * cancellation that costs float 2e-3 in a step from g = 1e-9.
 */
static void ancestral(double g, double g_next, bool small, float *x, const float *x0, const float *noise, int64_t n) {
    double a = fmin(g / g_next, 1), variance = 1 - a;
    if (small) variance *= (1 - g_next) / (1 - g);
    combine(sqrt(a) * (1 - g_next) / (1 - g), sqrt(g_next) * (1 - a) / (1 - g), sqrt(variance), x, x0, noise, n);
}

static void ddpm(double g, double g_next, float *x, const float *x0, const float *noise, int64_t n) {
    ancestral(g, g_next, false, x, x0, noise, n);
}

static void ddpm_small(double g, double g_next, float *x, const float *x0, const float *noise, int64_t n) {
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
