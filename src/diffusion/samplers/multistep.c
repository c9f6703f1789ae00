/* SPDX-License-Identifier: MIT */
/*
 * ddim and dpmpp2m: one step of order 1 or 2, deterministic at eta 0. DPM-Solver++(2M), arXiv 2211.01095, in its
 * midpoint form; its stochastic form for eta > 0.
 */
#include <math.h>

#include "diffusion/samplers/samplers.h"

double rin_multistep(const rin_transition *t, int order, double eta, rin_mixture *x) {
    double signal = sqrt(t->next), noise = sqrt(1 - t->next);
    if (noise == 0) {
        x->of[RIN_SOURCE_ESTIMATE] += 1;
        return 0;
    }
    double lambda = rin_lambda_of_gamma(t->gamma), h = rin_lambda_of_gamma(t->next) - lambda;
    double of_estimate = signal * -expm1(-(1 + eta) * h), slope = 0;
    if (order == 2 && t->n_before > 0 && !t->last) slope = h / (2 * (lambda - rin_lambda_of_gamma(t->before[0])));
    x->of[RIN_SOURCE_ESTIMATE] += of_estimate * (1 + slope);
    x->of[RIN_SOURCE_BEFORE] -= of_estimate * slope;
    x->of[RIN_SOURCE_NOISE] += noise * sqrt(-expm1(-2 * eta * h));
    return noise / sqrt(1 - t->gamma) * exp(-eta * h);
}

void rin_mix_ddim(const rin_transition *t, rin_mixture *x, rin_mixture *base) {
    (void)base;
    x->of[RIN_SOURCE_X] = rin_multistep(t, 1, t->eta, x);
}

void rin_mix_dpmpp2m(const rin_transition *t, rin_mixture *x, rin_mixture *base) {
    (void)base;
    x->of[RIN_SOURCE_X] = rin_multistep(t, 2, t->eta, x);
}
