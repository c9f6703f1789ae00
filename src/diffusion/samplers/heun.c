/* SPDX-License-Identifier: MIT */
/* heun: algorithm 2 of EDM (arXiv 2206.00364) without its cancellations; churn is the route's. */
#include <math.h>

#include "diffusion/samplers/samplers.h"

bool rin_heun_has_second(const rin_transition *t) {
    /* Nearer to noise the correction would be multiplied by hundreds. */
    const double least = 1e-6;
    return !t->last && t->gamma >= least && t->next < 1;
}

void rin_mix_heun(const rin_transition *t, rin_mixture *x, rin_mixture *base) {
    (void)base;
    if (!t->second) {
        x->of[RIN_SOURCE_X] = rin_multistep(t, 1, 0, x);
        return;
    }
    double factor = sqrt(t->next) / 2 * (rin_sigma_of_gamma(t->gamma) / rin_sigma_of_gamma(t->next) - 1);
    x->of[RIN_SOURCE_X] = 1;
    x->of[RIN_SOURCE_ESTIMATE] = factor;
    x->of[RIN_SOURCE_BEFORE] = -factor;
}
