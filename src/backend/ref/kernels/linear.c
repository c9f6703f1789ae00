/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

static real act(rin_act kind, real v) {
    switch (kind) {
    case RIN_ACT_GELU: return (real)0.5 * v * (1 + erf(v * (real)0.70710678118654752440));
    case RIN_ACT_SILU: return v / (1 + exp(-v));
    case RIN_ACT_NONE: break;
    }
    return v;
}

static real act_slope(rin_act kind, real v) {
    real s;
    switch (kind) {
    case RIN_ACT_GELU:
        return (real)0.5 * (1 + erf(v * (real)0.70710678118654752440)) +
               v * (real)0.39894228040143267794 * exp((real)-0.5 * v * v);
    case RIN_ACT_SILU: s = 1 / (1 + exp(-v)); return s * (1 + v * (1 - s));
    case RIN_ACT_NONE: break;
    }
    return 1;
}

/* What dropout and drop-path multiply element i of a tensor of this shape by. */
static real survival(const rin_task *task, const rin_shape *shape, int64_t i) {
    const rin_linear_attr *attr = RIN_ATTR(task->node, rin_linear_attr);
    int64_t n = per_example(shape);
    uint64_t element = rin_task_base(task, n) + (uint64_t)i;
    float stays = 1;
    if (attr->drop > 0) rin_random_survivors(rin_task_key(task, RIN_USE_DROP), element, 1, attr->drop, 1, &stays);
    return (real)stays * (real)rin_drop_scale(attr->drop) *
           keep(rin_task_key(task, RIN_USE_PATH), task->step->first_example + (uint64_t)(i / n), attr->path);
}

/* These products read weights as they are stored. */
RIN_REF(pack) {
    memcpy(task->out[0], task->in[0], (size_t)rin_shape_count(&task->in_shape[0]) * sizeof(real));
}

RIN_REF(linear) {
    const rin_linear_attr *attr = RIN_ATTR(task->node, rin_linear_attr);
    const real *x = task->in[0], *weight = task->in[1], *bias = task->in[2], *residual = task->in[3];
    real *slope = task->out[1];
    int64_t rows = rin_shape_rows(&task->in_shape[0]), n = task->in_shape[1].dim[0], k = task->in_shape[1].dim[1];
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < n; j++) {
            real sum = 0;
            for (int64_t i = 0; i < k; i++) sum += x[r * k + i] * weight[j * k + i];
            if (bias) sum += bias[j];
            real stays = survival(task, &task->out_shape[0], r * n + j), y = act(attr->act, sum) * stays;
            if (slope) slope[r * n + j] = act_slope(attr->act, sum) * stays;
            put(task, 0, r * n + j, residual ? residual[r * n + j] + y : y);
        }
    }
}

RIN_REF(linear_dz) {
    const real *dy = task->in[0], *slope = task->in[1];
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) {
        put(task, 0, i, dy[i] * (slope ? slope[i] : survival(task, &task->in_shape[0], i)));
    }
}

RIN_REF(linear_dx) {
    const real *dz = task->in[0], *weight = task->in[1], *slope = task->in[2];
    int64_t rows = rin_shape_rows(&task->in_shape[0]), n = task->in_shape[1].dim[0], k = task->in_shape[1].dim[1];
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < k; i++) {
            real sum = 0;
            for (int64_t j = 0; j < n; j++) sum += dz[r * n + j] * weight[j * k + i];
            put(task, 0, r * k + i, slope ? sum * slope[r * k + i] : sum);
        }
    }
}

RIN_REF(linear_dw) {
    const real *dz = task->in[0], *x = task->in[1];
    int64_t rows = rin_shape_rows(&task->in_shape[0]);
    int64_t n = rin_shape_last(&task->in_shape[0]), k = rin_shape_last(&task->in_shape[1]);
    for (int64_t j = 0; j < n; j++) {
        real total = 0;
        for (int64_t r = 0; r < rows; r++) total += dz[r * n + j];
        put(task, 1, j, total);
        for (int64_t i = 0; i < k && task->out[0]; i++) {
            real sum = 0;
            for (int64_t r = 0; r < rows; r++) sum += dz[r * n + j] * x[r * k + i];
            put(task, 0, j * k + i, sum);
        }
    }
}
