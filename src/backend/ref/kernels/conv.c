/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

RIN_REF(fold) {
    const real *weight = task->in[0], *bias = task->in[1], *scale = task->in[2], *mean = task->in[3];
    const real *variance = task->in[4];
    double eps = RIN_ATTR(task->node, rin_fold_attr)->eps;
    int64_t n = task->in_shape[0].dim[0], c = task->in_shape[0].dim[1];
    int64_t k = task->out_shape[0].dim[1], cells = k / c;
    for (int64_t o = 0; o < n; o++) {
        double factor = (scale ? (double)scale[o] : 1) / (variance ? sqrt((double)variance[o] + eps) : 1);
        for (int64_t i = 0; i < k; i++) {
            put(task, 0, o * k + i, (real)(factor * (double)weight[o * k + i % c * cells + i / c]));
        }
        double shift = mean ? factor * (double)mean[o] : 0;
        put(task, 1, o, (real)((bias ? (double)bias[o] : 0) - shift));
    }
}

/* ---- windows ---- */

/* Index of an axis' cell of the window at `to` in x, -1 in the padding. */
static int64_t cell_at(const rin_window *w, int axis, int64_t to, int64_t cell, int64_t n) {
    int64_t at = to * w->stride[axis] - w->front[axis] + cell;
    return at >= 0 && at < n ? at : -1;
}

/* First channel of the window's cell that is number i in (t, h, w) order at output pixel `pixel`; -1 in the padding. */
static int64_t place(const rin_window *w, const rin_shape *x, const rin_shape *y, int64_t pixel, int64_t i) {
    int64_t col = pixel % y->dim[3], row = pixel / y->dim[3] % y->dim[2];
    int64_t time = pixel / y->dim[3] / y->dim[2] % y->dim[1], b = pixel / y->dim[3] / y->dim[2] / y->dim[1];
    int64_t t = cell_at(w, 0, time, i / w->size[2] / w->size[1], x->dim[1]);
    int64_t h = cell_at(w, 1, row, i / w->size[2] % w->size[1], x->dim[2]);
    int64_t v = cell_at(w, 2, col, i % w->size[2], x->dim[3]);
    if (t < 0 || h < 0 || v < 0) return -1;
    return (((b * x->dim[1] + t) * x->dim[2] + h) * x->dim[3] + v) * x->dim[4];
}

/* Everything of `into` that this op does not write, where it is not in the output's memory already. */
static void copy_into(const rin_task *task, const real *into) {
    if (!into || into == task->out[0]) return;
    for (int64_t i = 0; i < rin_shape_count(&task->out_shape[0]); i++) put(task, 0, i, into[i]);
}

RIN_REF(conv) {
    const rin_conv_attr *attr = RIN_ATTR(task->node, rin_conv_attr);
    const rin_window *w = &attr->window;
    const rin_shape *x_shape = &task->in_shape[0], *y = &task->out_shape[0];
    const real *x = task->in[0], *weight = task->in[1], *bias = task->in[2];
    int64_t n = task->in_shape[1].dim[0], k = task->in_shape[1].dim[1], c = x_shape->dim[4], cells = k / c;
    copy_into(task, task->in[3]);
    for (int64_t pixel = 0; pixel < rin_shape_rows(y); pixel++) {
        for (int64_t o = 0; o < n; o++) {
            real sum = bias[o];
            for (int64_t i = 0; i < cells; i++) {
                int64_t at = place(w, x_shape, y, pixel, i);
                for (int64_t j = 0; at >= 0 && j < c; j++) sum += weight[o * k + i * c + j] * x[at + j];
            }
            put(task, 0, pixel * y->dim[4] + attr->join.first + o, attr->relu && sum < 0 ? 0 : sum);
        }
    }
}

RIN_REF(pool) {
    const rin_pool_attr *attr = RIN_ATTR(task->node, rin_pool_attr);
    const rin_window *w = &attr->window;
    const rin_shape *x_shape = &task->in_shape[0], *y = &task->out_shape[0];
    const real *x = task->in[0];
    int64_t c = x_shape->dim[4], cells = (int64_t)w->size[0] * w->size[1] * w->size[2];
    copy_into(task, task->in[1]);
    for (int64_t pixel = 0; pixel < rin_shape_rows(y); pixel++) {
        for (int64_t o = 0; o < c; o++) {
            double sum = 0; /* of a whole map, too */
            real most = -INFINITY;
            int64_t inside = 0;
            for (int64_t i = 0; i < cells; i++) {
                int64_t at = place(w, x_shape, y, pixel, i);
                if (at < 0) continue;
                sum += x[at + o];
                most = x[at + o] > most ? x[at + o] : most;
                inside++;
            }
            put(task, 0, pixel * y->dim[4] + attr->join.first + o,
                attr->kind == RIN_POOL_MAX ? most : (real)(sum / (double)inside));
        }
    }
}
