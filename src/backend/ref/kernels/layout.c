/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"

RIN_REF(add) {
    const real *a = task->in[0], *b = task->in[1];
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) put(task, 0, i, a[i] + b[i]);
}

RIN_REF(add_table) {
    const real *table = task->in[0], *x = task->in[1];
    const rin_shape *y = &task->out_shape[0];
    int64_t n = y->dim[1], d = y->dim[2], rows = task->in_shape[0].dim[0];
    int64_t start = x ? RIN_ATTR(task->node, rin_rows_attr)->start : 0;
    for (int64_t i = 0; i < rin_shape_count(y); i++) {
        int64_t row = (start + i / d % n) % rows;
        put(task, 0, i, table[row * d + i % d] + (x ? x[i] : 0));
    }
}

RIN_REF(add_table_grad) {
    const real *dy = task->in[0];
    const rin_shape *shape = &task->in_shape[0];
    int64_t batch = shape->dim[0], n = shape->dim[1], d = shape->dim[2], rows = task->out_shape[0].dim[0];
    int64_t start = RIN_ATTR(task->node, rin_rows_attr)->start;
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t c = 0; c < d; c++) {
            real sum = 0;
            for (int64_t i = 0; i < n; i++) {
                if ((start + i) % rows != row) continue;
                for (int64_t b = 0; b < batch; b++) sum += dy[(b * n + i) * d + c];
            }
            put(task, 0, row * d + c, sum);
        }
    }
}

RIN_REF(concat) {
    const rin_shape *y = &task->out_shape[0];
    int64_t batch = y->dim[0], d = y->dim[2], at = 0;
    for (int p = 0; p < task->node->n_inputs; p++) {
        const real *part = task->in[p];
        int64_t n = task->in_shape[p].dim[1];
        for (int64_t i = 0; i < batch * n * d; i++) {
            int64_t b = i / (n * d);
            put(task, 0, (b * y->dim[1] + at) * d + i % (n * d), part[i]);
        }
        at += n;
    }
}

RIN_REF(slice) {
    const rin_rows_attr *attr = RIN_ATTR(task->node, rin_rows_attr);
    const real *x = task->in[0];
    int64_t n = task->in_shape[0].dim[1], d = task->in_shape[0].dim[2], part = attr->count * d;
    for (int64_t i = 0; i < rin_shape_count(&task->out_shape[0]); i++) {
        put(task, 0, i, x[(i / part * n + attr->start) * d + i % part]);
    }
}

RIN_REF(slice_grad) {
    const rin_rows_attr *attr = RIN_ATTR(task->node, rin_rows_attr);
    const real *dy = task->in[0];
    int64_t n = task->out_shape[0].dim[1], d = task->out_shape[0].dim[2];
    for (int64_t i = 0; i < rin_shape_count(&task->out_shape[0]); i++) {
        int64_t row = i / d % n - attr->start, b = i / d / n;
        bool inside = row >= 0 && row < attr->count;
        put(task, 0, i, inside ? dy[(b * attr->count + row) * d + i % d] : 0);
    }
}

/* Place, in the video, of number i of a token stream; -1 in the padding. times: time steps of the stream. */
static int64_t pixel_of(const rin_patch_attr *a, int64_t times, int64_t i) {
    int64_t rows = a->height / a->size, cols = a->width / a->size;
    int64_t ch = i % a->channels, w = i / a->channels % a->size, h = i / a->channels / a->size % a->size;
    int64_t t = i / (a->channels * a->size * a->size) % a->stride;
    int64_t token = i / (a->channels * a->size * a->size * a->stride);
    int64_t col = token % cols, row = token / cols % rows, time = token / cols / rows % times,
            b = token / cols / rows / times;
    int64_t frame = time * a->stride + t - a->front;
    if (frame < 0 || frame >= a->frames) return -1;
    return (((b * a->frames + frame) * a->height + row * a->size + h) * a->width + col * a->size + w) * a->channels +
           ch;
}

static int64_t times_of(const rin_patch_attr *a, const rin_shape *tokens) {
    return tokens->dim[1] / (a->height / a->size * (a->width / a->size));
}

RIN_REF(patch) {
    const rin_patch_attr *attr = RIN_ATTR(task->node, rin_patch_attr);
    const real *video = task->in[0];
    int64_t times = times_of(attr, &task->out_shape[0]);
    for (int64_t i = 0; i < rin_shape_count(&task->out_shape[0]); i++) {
        int64_t pixel = pixel_of(attr, times, i);
        put(task, 0, i, pixel < 0 ? 0 : video[pixel]);
    }
}

RIN_REF(unpatch) {
    const rin_patch_attr *attr = RIN_ATTR(task->node, rin_patch_attr);
    const real *tokens = task->in[0];
    int64_t times = times_of(attr, &task->in_shape[0]);
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) {
        int64_t pixel = pixel_of(attr, times, i);
        if (pixel >= 0) put(task, 0, pixel, tokens[i]);
    }
}
