/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

RIN_REF(grad_norm) {
    const real *gradients = task->arenas->gradients;
    double sum = 0;
    for (int64_t i = 0; i < task->arenas->count; i++) sum += (double)gradients[i] * (double)gradients[i];
    put(task, 0, 0, (real)sqrt(sum));
}

/* The constants of one update: bias corrections count the step from 1. */
typedef struct rates {
    double m, v, lr, clip;
} rates;

static rates rates_of(const rin_task *task, const rin_update_attr *attr, double norm) {
    double t = (double)task->step->step + 1;
    rates r = {1 / (1 - pow(attr->beta1, t)), 1 / (1 - pow(attr->beta2, t)), task->step->learning_rate, 1};
    if (attr->grad_clip > 0) r.clip = attr->grad_clip / fmax(norm, attr->grad_clip);
    return r;
}

static void update_moments(const rin_arenas *a, const rin_update_attr *attr, double clip, int64_t i) {
    real *m = (real *)a->m + i, *v = (real *)a->v + i, g = (real)(((const real *)a->gradients)[i] * clip);
    *m = (real)attr->beta1 * *m + (real)(1 - attr->beta1) * g;
    *v = (real)attr->beta2 * *v + (real)(1 - attr->beta2) * g * g;
}

static real lamb_direction(const rin_arenas *a, const rin_update_attr *attr, const rates *r, real decay, int64_t i) {
    real m = ((real *)a->m)[i] * (real)r->m, v = ((real *)a->v)[i] * (real)r->v;
    return m / (sqrt(v) + (real)attr->eps) + decay * ((real *)a->weights)[i];
}

static void lamb(const rin_arenas *a, const rin_update_attr *attr, const rates *r, const rin_segment *s) {
    real *w = a->weights, decay = s->decay ? (real)attr->weight_decay : 0;
    double w2 = 0, u2 = 0, ratio = 1;
    for (int64_t i = s->offset; i < s->offset + s->count; i++) {
        real u = lamb_direction(a, attr, r, decay, i);
        w2 += (double)w[i] * (double)w[i];
        u2 += (double)u * (double)u;
    }
    if (s->decay && w2 > 0 && u2 > 0) ratio = sqrt(w2) / sqrt(u2);
    for (int64_t i = s->offset; i < s->offset + s->count; i++)
        w[i] -= (real)(r->lr * ratio) * lamb_direction(a, attr, r, decay, i);
}

static void adamw(const rin_arenas *a, const rin_update_attr *attr, const rates *r, const rin_segment *s) {
    real *w = a->weights, *m = a->m, *v = a->v;
    double lr = r->lr * r->m / sqrt(r->v);
    for (int64_t i = s->offset; i < s->offset + s->count; i++) {
        if (s->decay) w[i] -= (real)(r->lr * attr->weight_decay) * w[i];
        w[i] -= (real)lr * m[i] / (sqrt(v[i]) + (real)attr->eps);
    }
}

RIN_REF(update) {
    const rin_update_attr *attr = RIN_ATTR(task->node, rin_update_attr);
    const rin_arenas *a = task->arenas;
    const real *loss = task->in[1];
    double norm = (double)*(const real *)task->in[0];
    if (!rin_update_applies(norm, attr->grad_clip) || (loss && !isfinite(*loss))) return;
    rates r = rates_of(task, attr, norm);
    for (int k = 0; k < a->n_segments; k++) {
        const rin_segment *s = &a->segments[k];
        for (int64_t i = s->offset; i < s->offset + s->count; i++) update_moments(a, attr, r.clip, i);
        if (attr->optimizer == RIN_OPTIMIZER_LAMB) lamb(a, attr, &r, s);
        else adamw(a, attr, &r, s);
        real *w = a->weights, *ema = a->ema;
        for (int64_t i = s->offset; ema && i < s->offset + s->count; i++) {
            ema[i] += (real)(1 - task->step->ema_decay) * (w[i] - ema[i]);
        }
    }
}
