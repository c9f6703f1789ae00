/* SPDX-License-Identifier: MIT */
/* Convolutions and pools over (time, row, column) of pictures and videos, channels innermost; forward only. */
#include "op/family.h"

/* Values that one op joins with others stand in channels first .. first + n of all `channels`; 0: they are all. */
static int64_t joined_channels(const rin_join *join, int64_t n) {
    return join->channels ? join->channels : n;
}

static bool expect_join(rin_graph *graph, const rin_node *node, const rin_join *join, int64_t n, int into) {
    return rin_expect(graph, node, join->first >= 0 && join->first + n <= joined_channels(join, n),
                      "channels beyond those of the joined output") &&
           rin_expect(graph, node, !rin_in(graph, node, into)->rank || join->channels, "joins nothing");
}

/* ---- windows ---- */

int64_t rin_window_count(const rin_window *window, int axis, int64_t n) {
    int64_t room = n + window->front[axis] + window->back[axis] - window->size[axis];
    return room < 0 ? 0 : room / window->stride[axis] + 1;
}

rin_window rin_window_of(const int32_t size[3], const int32_t stride[3]) {
    rin_window window = {{0}, {0}, {0}, {0}};
    for (int i = 0; i < 3; i++) {
        window.size[i] = size[i];
        window.stride[i] = stride[i];
    }
    return window;
}

rin_window rin_window_same(const int32_t size[3], const int32_t stride[3], const int64_t n[3]) {
    rin_window window = rin_window_of(size, stride);
    for (int i = 0; i < 3; i++) {
        int32_t beyond = (int32_t)(n[i] % stride[i] ? n[i] % stride[i] : stride[i]);
        int32_t total = RIN_MAX(size[i] - beyond, 0);
        window.front[i] = total / 2;
        window.back[i] = total - total / 2;
    }
    return window;
}

/* x (B, T, H, W, C) to (B, T', H', W', channels). */
static bool infer_window(rin_graph *graph, const rin_node *node, const rin_window *window, rin_shape *out) {
    const rin_shape *x = rin_in(graph, node, 0);
    if (!rin_expect(graph, node, x->rank == 5, "wants x (B, T, H, W, C)")) return false;
    *out = *x;
    for (int i = 0; i < 3; i++) {
        bool sound = window->size[i] >= 1 && window->stride[i] >= 1 && window->front[i] >= 0 && window->back[i] >= 0 &&
                     window->front[i] < window->size[i] && window->back[i] < window->size[i];
        if (!rin_expect(graph, node, sound, "a window of no size or with more padding than that")) return false;
        out->dim[1 + i] = rin_window_count(window, i, x->dim[1 + i]);
        if (!rin_expect(graph, node, out->dim[1 + i] >= 1, "smaller than the window")) return false;
    }
    return true;
}

static void expect_into(rin_graph *graph, const rin_node *node, int into, const rin_shape *out) {
    const rin_shape *shape = rin_in(graph, node, into);
    (void)rin_expect(graph, node, !shape->rank || rin_shape_equal(shape, out), "wants `into` like the output");
}

/* ---- folding of batch norm ---- */

rin_value rin_op_fold(rin_graph *graph, rin_value weight, rin_value bias, rin_value scale, rin_value mean,
                      rin_value variance, double eps, rin_value *folded_bias) {
    rin_fold_attr attr = {eps};
    rin_value folded = rin_op_add(graph, RIN_OP_fold, (rin_value[]){weight, bias, scale, mean, variance}, 5, &attr,
                                  sizeof attr);
    *folded_bias = folded ? graph->nodes[graph->n_nodes - 1].outputs[1] : 0;
    return folded;
}

void rin_infer_fold(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_shape *weight = rin_in(graph, node, 0);
    if (!rin_expect(graph, node, weight->rank >= 2, "wants weight (out, in, ...)")) return;
    int64_t n = weight->dim[0];
    for (int i = 1; i < node->n_inputs; i++) {
        const rin_shape *part = rin_in(graph, node, i);
        if (!rin_expect(graph, node, !part->rank || (part->rank == 1 && part->dim[0] == n), "wants numbers (out)"))
            return;
    }
    out[0] = RIN_SHAPE(n, rin_shape_count(weight) / n);
    out[1] = RIN_SHAPE(n);
}

/* ---- convolutions ---- */

rin_value rin_op_conv(rin_graph *graph, rin_value x, rin_value weight, rin_value bias, rin_value into,
                      rin_conv_attr attr) {
    return rin_op_add(graph, RIN_OP_conv, (rin_value[]){x, weight, bias, into}, 4, &attr, sizeof attr);
}

void rin_infer_conv(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_conv_attr *attr = RIN_ATTR(node, rin_conv_attr);
    const rin_window *w = &attr->window;
    const rin_shape *weight = rin_in(graph, node, 1), *bias = rin_in(graph, node, 2);
    if (!infer_window(graph, node, w, &out[0])) return;
    int64_t k = (int64_t)w->size[0] * w->size[1] * w->size[2] * out[0].dim[4];
    if (!rin_expect(graph, node, weight->rank == 2 && weight->dim[1] == k, "wants weight (out, cells of a window x C)"))
        return;
    int64_t n = weight->dim[0];
    (void)rin_expect(graph, node, bias->rank == 1 && bias->dim[0] == n, "wants bias (out)");
    (void)expect_join(graph, node, &attr->join, n, 3);
    out[0].dim[4] = joined_channels(&attr->join, n);
    expect_into(graph, node, 3, &out[0]);
}

double rin_flops_conv(const rin_graph *graph, const rin_node *node) {
    const rin_shape *y = rin_graph_shape(graph, node->outputs[0]), *weight = rin_in(graph, node, 1);
    return 2.0 * (double)rin_shape_rows(y) * (double)weight->dim[0] * (double)weight->dim[1];
}

/* ---- pools ---- */

rin_value rin_op_pool(rin_graph *graph, rin_value x, rin_value into, rin_pool_attr attr) {
    return rin_op_add(graph, RIN_OP_pool, (rin_value[]){x, into}, 2, &attr, sizeof attr);
}

void rin_infer_pool(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_pool_attr *attr = RIN_ATTR(node, rin_pool_attr);
    if (!infer_window(graph, node, &attr->window, &out[0])) return;
    int64_t n = out[0].dim[4];
    (void)expect_join(graph, node, &attr->join, n, 1);
    out[0].dim[4] = joined_channels(&attr->join, n);
    expect_into(graph, node, 1, &out[0]);
}
