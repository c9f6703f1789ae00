/* SPDX-License-Identifier: MIT */
/* Noise between two noises. */
#include <math.h>

#include "diffusion/sampler.h"

void rin_slerp(const float *p, const float *q, double u, float *out, int64_t n) {
    const double straight = 0.9995;
    double pp = 0, qq = 0, pq = 0, of_p = 1 - u, of_q = u;
    for (int64_t i = 0; i < n; i++) {
        pp += (double)p[i] * (double)p[i];
        qq += (double)q[i] * (double)q[i];
        pq += (double)p[i] * (double)q[i];
    }
    double cosine = pp > 0 && qq > 0 ? pq / sqrt(pp * qq) : 1;
    if (fabs(cosine) <= straight) {
        double angle = acos(cosine);
        of_p = sin((1 - u) * angle) / sin(angle);
        of_q = sin(u * angle) / sin(angle);
    }
    for (int64_t i = 0; i < n; i++) out[i] = (float)(of_p * (double)p[i] + of_q * (double)q[i]);
}
