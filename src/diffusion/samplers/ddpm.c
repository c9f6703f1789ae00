/* SPDX-License-Identifier: MIT */
/* ddpm and ddpm@small: the paper's ancestral steps, with the larger and the smaller of the two variances. */
#include <math.h>

#include "diffusion/samplers/samplers.h"

/* In float and in the authors' order: from a signal level of 1e-9 the mean rounds by 1e-3, and the reference numbers
 * carry that. */
static void published(const rin_transition *t, bool small, rin_mixture *x) {
    float g = (float)t->gamma, next = (float)t->next;
    float kept = fminf(expf(logf(g) - logf(next)), 1), variance = 1 - kept;
    if (small) variance *= expf(log1pf(-next) - log1pf(-g));
    x->of[RIN_SOURCE_X] = 1;
    x->of[RIN_SOURCE_NOISE] = sqrtf(variance);
    x->of_eps = -(1 - kept) / sqrtf(1 - g);
    x->divisor = sqrtf(kept);
}

/* The mean of the posterior, without differences that cancel. */
static void exact(const rin_transition *t, bool small, rin_mixture *x) {
    double kept = t->gamma / t->next, rest = (1 - t->next) / (1 - t->gamma);
    x->of[RIN_SOURCE_X] = sqrt(kept) * rest;
    x->of[RIN_SOURCE_ESTIMATE] = sqrt(t->next) * (1 - kept) / (1 - t->gamma);
    x->of[RIN_SOURCE_NOISE] = sqrt((1 - kept) * (small ? rest : 1));
}

void rin_mix_ddpm(const rin_transition *t, rin_mixture *x, rin_mixture *base) {
    (void)base;
    if (t->published) published(t, false, x);
    else exact(t, false, x);
}

void rin_mix_ddpm_small(const rin_transition *t, rin_mixture *x, rin_mixture *base) {
    (void)base;
    if (t->published) published(t, true, x);
    else exact(t, true, x);
}
