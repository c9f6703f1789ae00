/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

RIN_REF(layer_norm) {
    const real *x = task->in[0], *weight = task->in[1], *bias = task->in[2];
    real *stats = task->out[1];
    int64_t rows = rin_shape_rows(&task->in_shape[0]), d = rin_shape_last(&task->in_shape[0]);
    for (int64_t r = 0; r < rows; r++) {
        real mean = 0, var = 0;
        for (int64_t i = 0; i < d; i++) mean += x[r * d + i];
        mean /= (real)d;
        for (int64_t i = 0; i < d; i++) var += (x[r * d + i] - mean) * (x[r * d + i] - mean);
        real rstd = 1 / sqrt(var / (real)d + (real)RIN_LAYER_NORM_EPS);
        for (int64_t i = 0; i < d; i++) put(task, 0, r * d + i, (x[r * d + i] - mean) * rstd * weight[i] + bias[i]);
        if (stats) {
            stats[2 * r] = mean;
            stats[2 * r + 1] = rstd;
        }
    }
}

/* With n = (x - mean) rstd and g = dy weight: dx = rstd (g - mean(g) - n mean(g n)). */
RIN_REF(layer_norm_grad) {
    const real *dy = task->in[0], *x = task->in[1], *weight = task->in[2], *stats = task->in[3];
    int64_t rows = rin_shape_rows(&task->in_shape[1]), d = rin_shape_last(&task->in_shape[1]);
    for (int64_t r = 0; r < rows && task->out[0]; r++) {
        real mean = stats[2 * r], rstd = stats[2 * r + 1], sum = 0, along = 0;
        for (int64_t i = 0; i < d; i++) {
            real g = dy[r * d + i] * weight[i];
            sum += g;
            along += g * (x[r * d + i] - mean) * rstd;
        }
        for (int64_t i = 0; i < d; i++) {
            real n = (x[r * d + i] - mean) * rstd;
            put(task, 0, r * d + i, rstd * (dy[r * d + i] * weight[i] - sum / (real)d - n * along / (real)d));
        }
    }
    for (int64_t i = 0; i < d; i++) {
        real dweight = 0, dbias = 0;
        for (int64_t r = 0; r < rows; r++) {
            dweight += dy[r * d + i] * (x[r * d + i] - stats[2 * r]) * stats[2 * r + 1];
            dbias += dy[r * d + i];
        }
        put(task, 1, i, dweight);
        put(task, 2, i, dbias);
    }
}
