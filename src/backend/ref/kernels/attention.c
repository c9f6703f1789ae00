/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

typedef struct sizes {
    int64_t batch, heads, m, n, inner, d;
    real scale;
} sizes;

static sizes sizes_of(const rin_task *task) {
    const rin_shape *q = &task->in_shape[0];
    int64_t heads = RIN_ATTR(task->node, rin_attention_attr)->heads, d = q->dim[2] / heads;
    return (sizes){q->dim[0], heads, q->dim[1], task->in_shape[1].dim[1], q->dim[2], d, 1 / sqrt((real)d)};
}

/* Element of q or of k, v: example b, row i, head h, column 0. */
static int64_t at(const sizes *s, int64_t rows, int64_t b, int64_t i, int64_t h) {
    return (b * rows + i) * s->inner + h * s->d;
}

static real dot(const real *a, const real *b, int64_t n) {
    real sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static real survival(const rin_task *task, const sizes *s, int64_t row, int64_t j) {
    uint64_t element = rin_task_base(task, s->heads * s->m * s->n) + (uint64_t)(row * s->n + j);
    return keep(rin_task_key(task, RIN_USE_DROP), element, RIN_ATTR(task->node, rin_attention_attr)->drop);
}

RIN_REF(attention) {
    sizes s = sizes_of(task);
    const real *q = task->in[0], *k = task->in[1], *v = task->in[2];
    real *out = task->out[0], *lse = task->out[1];
    for (int64_t row = 0; row < s.batch * s.heads * s.m; row++) {
        int64_t i = row % s.m, h = row / s.m % s.heads, b = row / s.m / s.heads;
        const real *qi = q + at(&s, s.m, b, i, h);
        real *o = out + at(&s, s.m, b, i, h);
        real most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < s.n; j++) most = fmax(most, s.scale * dot(qi, k + at(&s, s.n, b, j, h), s.d));
        for (int64_t j = 0; j < s.n; j++) sum += exp(s.scale * dot(qi, k + at(&s, s.n, b, j, h), s.d) - most);
        real log_sum = most + log(sum);
        memset(o, 0, (size_t)s.d * sizeof *o);
        for (int64_t j = 0; j < s.n; j++) {
            real p = exp(s.scale * dot(qi, k + at(&s, s.n, b, j, h), s.d) - log_sum) * survival(task, &s, row, j);
            for (int64_t c = 0; c < s.d; c++) o[c] += p * v[at(&s, s.n, b, j, h) + c];
        }
        if (lse) lse[row] = log_sum;
    }
}

static void clear(const rin_task *task, int output, int64_t n) {
    if (task->out[output] && !rin_task_adds(task, output)) memset(task->out[output], 0, (size_t)n * sizeof(real));
}

RIN_REF(attention_grad) {
    sizes s = sizes_of(task);
    const real *q = task->in[0], *k = task->in[1], *v = task->in[2], *o = task->in[3], *lse = task->in[4],
               *dy = task->in[5];
    real *dq = task->out[0], *dk = task->out[1], *dv = task->out[2];
    clear(task, 0, s.batch * s.m * s.inner);
    clear(task, 1, s.batch * s.n * s.inner);
    clear(task, 2, s.batch * s.n * s.inner);
    for (int64_t row = 0; row < s.batch * s.heads * s.m; row++) {
        int64_t i = row % s.m, h = row / s.m % s.heads, b = row / s.m / s.heads, at_q = at(&s, s.m, b, i, h);
        real delta = dot(dy + at_q, o + at_q, s.d);
        for (int64_t j = 0; j < s.n; j++) {
            int64_t at_k = at(&s, s.n, b, j, h);
            real p = exp(s.scale * dot(q + at_q, k + at_k, s.d) - lse[row]), kept = survival(task, &s, row, j);
            real ds = s.scale * p * (dot(dy + at_q, v + at_k, s.d) * kept - delta);
            for (int64_t c = 0; c < s.d; c++) {
                if (dq) dq[at_q + c] += ds * k[at_k + c];
                if (dk) dk[at_k + c] += ds * q[at_q + c];
                if (dv) dv[at_k + c] += p * kept * dy[at_q + c];
            }
        }
    }
}
