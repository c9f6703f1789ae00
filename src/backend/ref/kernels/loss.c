/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

/*
 * What the network's output o says of the target, and how that changes with o. Section 4: x0 is clipped to [-b, b];
 * the noise is recomputed from a clipped x0 only when the network predicts x0.
 */
static real predict(const rin_loss_attr *attr, real o, real x, real g, real *slope) {
    real a = sqrt(g), s = sqrt(1 - g), b = (real)attr->b_scale, value, scale = 1;
    if (attr->loss == RIN_LOSS_EPS && attr->pred != RIN_PRED_X) {
        *slope = attr->pred == RIN_PRED_V ? a : 1;
        return attr->pred == RIN_PRED_V ? s * x + a * o : o;
    }
    switch (attr->pred) {
    case RIN_PRED_EPS:
        value = (x - s * o) / a;
        scale = -s / a;
        break;
    case RIN_PRED_V:
        value = a * x - s * o;
        scale = -s;
        break;
    default: value = o; break;
    }
    if (value < -b || value > b) scale = 0;
    value = fmin(fmax(value, -b), b);
    *slope = scale;
    if (attr->loss == RIN_LOSS_EPS) {
        *slope = -a / s * scale;
        value = (x - a * value) / s;
    }
    return value;
}

static real unit(const rin_loss_attr *attr) {
    return attr->loss == RIN_LOSS_X ? 1 / (real)attr->b_scale : 1;
}

RIN_REF(loss) {
    const rin_loss_attr *attr = RIN_ATTR(task->node, rin_loss_attr);
    const real *o = task->in[0], *x = task->in[1], *target = task->in[2], *gamma = task->in[3];
    int64_t n = rin_shape_count(&task->in_shape[0]), each = per_example(&task->in_shape[0]);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        real slope, error = (target[i] - predict(attr, o[i], x[i], gamma[i / each], &slope)) * unit(attr);
        sum += (double)error * (double)error;
    }
    put(task, 0, 0, (real)(sum / (double)n));
}

RIN_REF(loss_grad) {
    const rin_loss_attr *attr = RIN_ATTR(task->node, rin_loss_attr);
    const real *o = task->in[0], *x = task->in[1], *target = task->in[2], *gamma = task->in[3];
    int64_t n = rin_shape_count(&task->in_shape[0]), each = per_example(&task->in_shape[0]);
    real scale = (real)(-2 * task->step->gradient_scale / (double)n) * unit(attr) * unit(attr);
    for (int64_t i = 0; i < n; i++) {
        real slope, error = target[i] - predict(attr, o[i], x[i], gamma[i / each], &slope);
        put(task, 0, i, scale * error * slope);
    }
}
