/* SPDX-License-Identifier: MIT */
/*
 * Convolutions and pools on a GPU. A convolution is a product of what each output pixel sees and the weights, whose
 * sums a kernel finishes; both are in scratch, for a chunk of pixels at a time. Windows of one cell see a pixel of
 * x, as it lies there. Everything is exact float32 on every GPU backend, or features could not be compared.
 */
#include "backend/cuda/task.h"

enum {
    CHUNK_BYTES = 64 << 20, /* of scratch: much of it is still in the GPU's cache when it is read */
    CHUNK_PIXELS = 128      /* rows that a block of a product makes; any number of them keeps operands aligned */
};

static rin_windows windows_of(const rin_task *t, const rin_window *window) {
    const rin_shape *x = &t->in_shape[0], *y = &t->out_shape[0];
    rin_windows w = {.c = x->dim[4]};
    for (int i = 0; i < 3; i++) {
        w.in[i] = x->dim[1 + i];
        w.out[i] = y->dim[1 + i];
        w.size[i] = window->size[i];
        w.stride[i] = window->stride[i];
        w.front[i] = window->front[i];
    }
    return w;
}

static rin_channels channels_of(const rin_task *t, const rin_join *join, int64_t n) {
    return (rin_channels){n, join->first, t->out_shape[0].dim[4]};
}

/* All of `into`, where it is not in the output's memory already; this op's channels are written over. */
static void copy_into(rin_cuda *c, const rin_task *t, int into) {
    if (!t->in[into] || t->in[into] == t->out[0]) return;
    (void)rin_cuda_check(c,
                         cudaMemcpyAsync(t->out[0], t->in[into], (size_t)out_count(t, 0) * sizeof(float),
                                         cudaMemcpyDeviceToDevice, c->stream),
                         "copying");
}

void rin_cuda_fold(rin_cuda *c, const rin_task *t) {
    const rin_shape *weight = &t->in_shape[0];
    rin_fold_of f = {.n = weight->dim[0],
                     .c = weight->dim[1],
                     .cells = t->out_shape[0].dim[1] / weight->dim[1],
                     .eps = RIN_ATTR(t->node, rin_fold_attr)->eps,
                     .weight = t->in[0],
                     .bias = t->in[1],
                     .scale = t->in[2],
                     .mean = t->in[3],
                     .variance = t->in[4]};
    rin_launch_fold(c->stream, f, out(t, 0), out(t, 1));
}

/* ---- convolutions ---- */

typedef struct conv_sizes {
    int64_t pixels, n, k; /* of the output; outputs; numbers a pixel sees */
    bool lies_in_x;       /* what a pixel sees is a pixel of x */
    int64_t chunk;        /* pixels */
} conv_sizes;

static conv_sizes sizes_of(const rin_task *t) {
    const rin_window *w = &RIN_ATTR(t->node, rin_conv_attr)->window;
    conv_sizes s = {.pixels = rin_shape_rows(&t->out_shape[0])};
    s.n = t->in_shape[1].dim[0];
    s.k = t->in_shape[1].dim[1];
    s.lies_in_x = s.k == t->in_shape[0].dim[4] && w->stride[0] == 1 && w->stride[1] == 1 && w->stride[2] == 1;
    int64_t each = (s.n + (s.lies_in_x ? 0 : s.k)) * (int64_t)sizeof(float);
    s.chunk = RIN_MIN(s.pixels, RIN_MAX(CHUNK_BYTES / each / CHUNK_PIXELS, 1) * CHUNK_PIXELS);
    return s;
}

size_t rin_cuda_conv_scratch(const rin_task *t) {
    conv_sizes s = sizes_of(t);
    return RIN_PRODUCTS_WORKSPACE + padded(s.chunk * s.n) + (s.lies_in_x ? 0 : padded(s.chunk * s.k));
}

void rin_cuda_conv(rin_cuda *c, const rin_task *t) {
    const rin_conv_attr *attr = RIN_ATTR(t->node, rin_conv_attr);
    conv_sizes s = sizes_of(t);
    rin_windows w = windows_of(t, &attr->window);
    rin_channels channels = channels_of(t, &attr->join, s.n);
    rin_view sums = {.data = temporary(t, 0)}, seen = {.data = temporary(t, padded(s.chunk * s.n))};
    copy_into(c, t, 3);
    for (int64_t first = 0; first < s.pixels; first += s.chunk) {
        int64_t pixels = RIN_MIN(s.chunk, s.pixels - first);
        if (s.lies_in_x) seen.data = (float *)in(t, 0).data + first * s.k;
        else rin_launch_windows(c->stream, w, first, pixels, in(t, 0), seen);
        rin_product p = {.m = pixels,
                         .n = s.n,
                         .k = s.k,
                         .b_transposed = true,
                         .exact = true,
                         .a = seen,
                         .b = in(t, 1),
                         .out = sums};
        multiply(c, t, &p);
        rin_launch_finish_conv(c->stream, channels, attr->relu, first, pixels, sums, in(t, 2), out(t, 0));
    }
}

/* ---- pools ---- */

void rin_cuda_pool(rin_cuda *c, const rin_task *t) {
    const rin_pool_attr *attr = RIN_ATTR(t->node, rin_pool_attr);
    rin_windows w = windows_of(t, &attr->window);
    copy_into(c, t, 1);
    rin_launch_pool(c->stream, w, channels_of(t, &attr->join, w.c), attr->kind == RIN_POOL_MEAN,
                    rin_shape_rows(&t->out_shape[0]), in(t, 0), out(t, 0));
}
