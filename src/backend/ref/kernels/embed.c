/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

RIN_REF(zeros) {
    memset(task->out[0], 0, (size_t)rin_shape_count(&task->out_shape[0]) * sizeof(real));
}

/*
 * Codes are computed in float whatever the precision, step by step as the authors' code does: their angles, up to a
 * thousand, carry float rounding that a more exact angle would not reproduce.
 */
static float angle_of(float v, int64_t i, int64_t d) {
    return v / powf(10000.0f, (float)(2 * (i / 2)) / (float)d);
}

/* All sines, then all cosines; number c of d. */
static float code(float v, int64_t c, int64_t d) {
    int64_t half = (d + 1) / 2;
    return c < half ? sinf(angle_of(v, 2 * c, d)) : cosf(angle_of(v, 2 * (c - half) + 1, d));
}

static float place(int64_t i, int64_t n, double scale) {
    return (float)i / (float)(n - 1) * (float)scale;
}

RIN_REF(sin_cos) {
    const rin_sin_cos_attr *attr = RIN_ATTR(task->node, rin_sin_cos_attr);
    int64_t n = attr->rows * attr->cols, d = attr->dim;
    bool flat = attr->rows == 1 || attr->cols == 1;
    for (int64_t i = 0; i < attr->repeat * n * d; i++) {
        int64_t c = i % d, position = i / d % n;
        float value;
        if (flat) value = code(place(position, n, attr->scale), c, d);
        else if (c < d / 2) value = code(place(position / attr->cols, attr->rows, attr->scale), c, d / 2);
        else value = code(place(position % attr->cols, attr->cols, attr->scale), c - d / 2, d / 2);
        put(task, 0, i, value);
    }
}

RIN_REF(time_encode) {
    const rin_sin_cos_attr *attr = RIN_ATTR(task->node, rin_sin_cos_attr);
    const real *gamma = task->in[0];
    int64_t d = attr->dim;
    for (int64_t b = 0; b < task->in_shape[0].dim[0]; b++) {
        float v = (float)gamma[b] * (float)attr->scale;
        double mean = 0, var = 0;
        for (int64_t c = 0; c < d; c++) mean += code(v, c, d) / (double)d;
        for (int64_t c = 0; c < d; c++) var += (code(v, c, d) - mean) * (code(v, c, d) - mean) / (double)d;
        for (int64_t c = 0; c < d; c++) put(task, 0, b * d + c, (real)((code(v, c, d) - mean) / sqrt(var)));
    }
}

RIN_REF(drop_labels) {
    float rate = RIN_ATTR(task->node, rin_drop_attr)->rate;
    const real *labels = task->in[0];
    int64_t n = per_example(&task->in_shape[0]);
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) {
        uint64_t example = task->step->first_example + (uint64_t)(i / n);
        bool kept = rin_random_uniform(rin_task_key(task, RIN_USE_DROP), example) >= rate;
        put(task, 0, i, kept ? labels[i] : 0);
    }
}
