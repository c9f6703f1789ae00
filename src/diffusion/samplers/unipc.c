/* SPDX-License-Identifier: MIT */
/*
 * unipc: UniPC of order 2, variant B2, for predicted data (arXiv 2302.04867). The predictor is dpmpp2m; once the
 * estimate at the predicted x is there, x is made again from it, without another evaluation, before predicting on.
 */
#include <math.h>

#include "diffusion/samplers/samplers.h"

/* x at this node as the estimate at it corrects it, from the corrected one of the node before. */
static void correct(const rin_transition *t, rin_mixture *base) {
    double lambda = rin_lambda_of_gamma(t->before[0]), h = rin_lambda_of_gamma(t->gamma) - lambda;
    double b = expm1(-h), ratio = 1, r1 = 0, r2 = 0.5;
    if (t->n_before > 1) {
        double p = -b / h - 1, b1 = p / b, b2 = 2 * (-p / h - 0.5) / b;
        ratio = (lambda - rin_lambda_of_gamma(t->before[1])) / h;
        r1 = (b1 - b2) / (1 + ratio);
        r2 = b1 - r1;
    }
    double step = -sqrt(t->gamma) * b;
    base->of[RIN_SOURCE_BASE] = sqrt((1 - t->gamma) / (1 - t->before[0]));
    base->of[RIN_SOURCE_ESTIMATE] = step * r2;
    base->of[RIN_SOURCE_BEFORE] = step * (1 + r1 / ratio - r2);
    base->of[RIN_SOURCE_BEFORE_2] = -step * r1 / ratio;
}

void rin_mix_unipc(const rin_transition *t, rin_mixture *x, rin_mixture *base) {
    if (t->n_before > 0) correct(t, base);
    else base->of[RIN_SOURCE_X] = 1;
    double of_base = rin_multistep(t, 2, 0, x);
    for (int i = 0; i < RIN_N_SOURCES; i++) x->of[i] += of_base * base->of[i];
}
