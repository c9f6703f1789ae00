/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"
#include "diffusion/sampler.h"
#include "op/op.h"

enum { SIGNAL, NOISE, GUIDANCE, PHI }; /* of a level */

/* Sum of squares around the mean. */
static double scatter(const real *v, int64_t n) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)v[i];
    for (int64_t i = 0; i < n; i++) squares += ((double)v[i] - sum / (double)n) * ((double)v[i] - sum / (double)n);
    return squares;
}

RIN_REF(guide) {
    const real *labelled = task->in[0], *reference = task->in[1], *level = task->in[2];
    real *out = task->out[0], w = level[GUIDANCE], phi = level[PHI];
    int64_t each = per_example(&task->in_shape[0]), n = rin_shape_count(&task->in_shape[0]);
    for (int64_t first = 0; first < n; first += each) {
        double spread = phi != 0 ? scatter(labelled + first, each) : 0;
        for (int64_t i = first; i < first + each; i++)
            out[i] = w != 0 ? (1 + w) * labelled[i] - w * reference[i] : labelled[i];
        double guided = phi != 0 ? scatter(out + first, each) : 0;
        if (!(guided > 0)) continue;
        real factor = (real)((double)phi * sqrt(spread / guided)) + 1 - phi;
        for (int64_t i = first; i < first + each; i++) out[i] *= factor;
    }
}

/* The number of that rank among |v|, from 0. Floats without their sign are in the order of their bits. */
static double order_statistic(const real *v, int64_t n, int64_t rank) {
    uint32_t low = 0, high = 0x7F800000u;
    float limit;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int64_t count = 0;
        memcpy(&limit, &middle, sizeof limit);
        for (int64_t i = 0; i < n; i++) count += fabsf((float)v[i]) <= limit;
        if (count > rank) high = middle;
        else low = middle + 1;
    }
    memcpy(&limit, &low, sizeof limit);
    return (double)limit;
}

/* Linear between order statistics. */
static real quantile(const real *v, int64_t n, double p) {
    double place = p * (double)(n - 1), rank = floor(place), at = order_statistic(v, n, (int64_t)rank), after = at;
    if ((int64_t)rank + 1 < n) after = order_statistic(v, n, (int64_t)rank + 1);
    return (real)(at + (place - rank) * (after - at));
}

static real estimate(int pred, const real *level, real x, real o) {
    real v = o;
    if (pred == RIN_PRED_EPS) v = (x - level[NOISE] * o) / level[SIGNAL];
    else if (pred == RIN_PRED_V) v = level[SIGNAL] * x - level[NOISE] * o;
    return isfinite(o) ? v : (real)NAN; /* what clipping would hide */
}

static void clip(const rin_estimate_attr *attr, real *v, int64_t n) {
    real most = (real)attr->b_scale, limit = most;
    if (attr->percentile > 0) limit = fmax(most, quantile(v, n, attr->percentile));
    for (int64_t i = 0; i < n; i++) {
        if (!isnan(v[i])) v[i] = fmin(fmax(v[i], -limit), limit) * (most / limit);
    }
}

RIN_REF(estimate) {
    const rin_estimate_attr *attr = RIN_ATTR(task->node, rin_estimate_attr);
    const real *x = task->in[0], *output = task->in[1], *level = task->in[2], *known = task->in[3], *mask = task->in[4];
    int64_t each = per_example(&task->in_shape[0]), n = rin_shape_count(&task->in_shape[0]),
            channels = rin_shape_last(&task->in_shape[0]);
    real *out = task->out[0];
    for (int64_t i = 0; i < n; i++) out[i] = estimate(attr->pred, level, x[i], output[i]);
    for (int64_t first = 0; first < n; first += each) clip(attr, out + first, each);
    for (int64_t i = 0; known && mask && i < n; i++) {
        real m = mask[i / channels];
        out[i] = m * known[i] + (1 - m) * out[i];
    }
}

/* In float whatever the precision: its rounding is part of the reference numbers. */
static void published(const real *factors, const real *level, const real *x, const real *x0, real *out, int64_t n) {
    rin_mixture m = {.of = {(double)factors[RIN_SOURCE_X], 0, (double)factors[RIN_SOURCE_ESTIMATE]},
                     .of_eps = (double)factors[RIN_N_SOURCES],
                     .divisor = (double)factors[RIN_N_SOURCES + 1]};
    for (int64_t i = 0; i < n; i++)
        out[i] = rin_mix_published(&m, (float)level[SIGNAL], (float)level[NOISE], (float)x[i], (float)x0[i]);
}

RIN_REF(mix) {
    const real *factors = (const real *)task->in[1] + RIN_ATTR(task->node, rin_mix_attr)->first;
    const real *sources[RIN_N_MIXED] = {task->in[0]};
    int64_t n = rin_shape_count(&task->in_shape[0]);
    real *out = task->out[0];
    bool as_published = factors[RIN_N_SOURCES] != 0;
    for (int k = 1; k < RIN_N_MIXED; k++) sources[k] = task->in[k + 2];
    memset(out, 0, (size_t)n * sizeof *out);
    if (as_published) published(factors, task->in[2], sources[RIN_SOURCE_X], sources[RIN_SOURCE_ESTIMATE], out, n);
    for (int k = as_published ? RIN_SOURCE_NOISE : 0; k < RIN_N_MIXED; k++) {
        for (int64_t i = 0; factors[k] != 0 && sources[k] && i < n; i++) out[i] += factors[k] * sources[k][i];
    }
}
