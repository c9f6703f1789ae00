/* SPDX-License-Identifier: MIT */
/* Sums, tables added to every example, parts of token streams, patches. */
#include "op/family.h"

/* ---- sums ---- */

rin_value rin_op_sum(rin_graph *graph, rin_value a, rin_value b) {
    return rin_op_add(graph, RIN_OP_add, (rin_value[]){a, b}, 2, NULL, 0);
}

void rin_gradient_add(rin_backward *backward, const rin_node *node) {
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    backward->pass(backward, node->inputs[0], dy);
    backward->pass(backward, node->inputs[1], dy);
}

/* ---- tables: input 0 is the table, input 1 x or nothing; attributes hold the start and, without x, the rows ---- */

rin_value rin_op_add_table(rin_graph *graph, rin_value x, rin_value table, int64_t start) {
    rin_rows_attr attr = {start, 0};
    return rin_op_add(graph, RIN_OP_add_table, (rin_value[]){table, x}, 2, &attr, sizeof attr);
}

rin_value rin_op_expand(rin_graph *graph, rin_value table, int64_t batch, int64_t n) {
    /* The batch of the result stands in `start`: without x every table starts at its first row. */
    rin_rows_attr attr = {batch, n};
    return rin_op_add(graph, RIN_OP_add_table, (rin_value[]){table}, 1, &attr, sizeof attr);
}

void rin_infer_add_table(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_rows_attr *attr = RIN_ATTR(node, rin_rows_attr);
    const rin_shape *table = rin_in(graph, node, 0), *x = rin_in(graph, node, 1);
    if (!rin_expect(graph, node, table->rank == 2, "wants table (R, D)")) return;
    if (x->rank) {
        (void)rin_expect(graph, node, x->rank == 3 && x->dim[2] == table->dim[1], "wants x (B, n, D)");
        (void)rin_expect(graph, node, table->dim[0] == 1 || attr->start + x->dim[1] <= table->dim[0],
                         "table too short");
        out[0] = *x;
    } else {
        (void)rin_expect(graph, node, table->dim[0] == 1 || attr->count <= table->dim[0], "table too short");
        out[0] = RIN_SHAPE(attr->start, attr->count, table->dim[1]);
    }
}

void rin_gradient_add_table(rin_backward *backward, const rin_node *node) {
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    if (backward->wants(backward, node->inputs[0])) {
        rin_node grad = rin_op_gradient_node(RIN_OP_add_table_grad, node, (rin_value[]){dy}, 1);
        if (!node->inputs[1]) ((rin_rows_attr *)(void *)grad.attr)->start = 0;
        backward->emit(backward, &grad, node->inputs);
    }
    if (node->inputs[1]) backward->pass(backward, node->inputs[1], dy);
}

/* ---- parts of token streams ---- */

rin_value rin_op_concat(rin_graph *graph, const rin_value *parts, int n_parts) {
    rin_value present[RIN_MAX_INPUTS];
    int n = 0;
    for (int i = 0; i < n_parts && n < RIN_MAX_INPUTS; i++) {
        if (parts[i]) present[n++] = parts[i];
    }
    if (n == 1) return present[0];
    return rin_op_add(graph, RIN_OP_concat, present, n, NULL, 0);
}

void rin_infer_concat(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    out[0] = *rin_in(graph, node, 0);
    if (!rin_expect(graph, node, out[0].rank == 3, "wants (B, n, D)")) return;
    for (int i = 1; i < node->n_inputs; i++) {
        const rin_shape *part = rin_in(graph, node, i);
        if (!rin_expect(graph, node, part->rank == 3 && part->dim[0] == out[0].dim[0] && part->dim[2] == out[0].dim[2],
                        "parts must agree in batch and width")) {
            return;
        }
        out[0].dim[1] += part->dim[1];
    }
}

void rin_gradient_concat(rin_backward *backward, const rin_node *node) {
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    rin_rows_attr attr = {0, 0};
    for (int i = 0; i < node->n_inputs; i++) {
        attr.start += attr.count;
        attr.count = rin_in(backward->graph, node, i)->dim[1];
        if (!backward->wants(backward, node->inputs[i])) continue;
        backward->pass(backward, node->inputs[i], rin_op_slice(backward->graph, dy, attr.start, attr.count));
    }
}

rin_value rin_op_slice(rin_graph *graph, rin_value x, int64_t start, int64_t count) {
    const rin_shape *shape = rin_graph_shape(graph, x);
    if (shape->rank == 3 && start == 0 && count == shape->dim[1]) return x;
    rin_rows_attr attr = {start, count};
    return rin_op_add(graph, RIN_OP_slice, &x, 1, &attr, sizeof attr);
}

void rin_infer_slice(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_rows_attr *attr = RIN_ATTR(node, rin_rows_attr);
    out[0] = *rin_in(graph, node, 0);
    if (rin_expect(graph, node, out[0].rank == 3 && attr->start >= 0 && attr->start + attr->count <= out[0].dim[1],
                   "rows outside of the input")) {
        out[0].dim[1] = attr->count;
    }
}

void rin_gradient_slice(rin_backward *backward, const rin_node *node) {
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    rin_node grad = rin_op_gradient_node(RIN_OP_slice_grad, node, (rin_value[]){dy}, 1);
    backward->emit(backward, &grad, node->inputs);
}

/* ---- patches ---- */

static int64_t n_times(const rin_patch_attr *attr) {
    return (attr->frames + attr->stride - 1) / attr->stride;
}

static rin_shape tokens_shape(const rin_patch_attr *attr, int64_t batch) {
    int64_t rows = attr->height / attr->size, cols = attr->width / attr->size;
    return RIN_SHAPE(batch, n_times(attr) * rows * cols, attr->stride * attr->size * attr->size * attr->channels);
}

static rin_shape video_shape(const rin_patch_attr *attr, int64_t batch) {
    return RIN_SHAPE(batch, attr->frames, attr->height, attr->width, attr->channels);
}

rin_value rin_op_patch(rin_graph *graph, rin_value video, rin_patch_attr attr) {
    return rin_op_add(graph, RIN_OP_patch, &video, 1, &attr, sizeof attr);
}

rin_value rin_op_unpatch(rin_graph *graph, rin_value tokens, rin_patch_attr attr) {
    return rin_op_add(graph, RIN_OP_unpatch, &tokens, 1, &attr, sizeof attr);
}

void rin_infer_patch(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_patch_attr *attr = RIN_ATTR(node, rin_patch_attr);
    rin_shape wanted = video_shape(attr, rin_in(graph, node, 0)->dim[0]);
    (void)rin_expect(graph, node, rin_shape_equal(rin_in(graph, node, 0), &wanted), "wants video (B, F, H, W, Ch)");
    out[0] = tokens_shape(attr, wanted.dim[0]);
}

void rin_infer_unpatch(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_patch_attr *attr = RIN_ATTR(node, rin_patch_attr);
    const rin_shape *tokens = rin_in(graph, node, 0);
    rin_shape wanted = tokens_shape(attr, tokens->dim[0]);
    /* More time steps than the frames need are allowed: the rest is cropped (given frames of a video). */
    (void)rin_expect(graph, node,
                     tokens->rank == 3 && tokens->dim[2] == wanted.dim[2] && tokens->dim[1] >= wanted.dim[1] &&
                         tokens->dim[1] % (wanted.dim[1] / n_times(attr)) == 0,
                     "wants tokens (B, N, s p p Ch)");
    out[0] = video_shape(attr, tokens->dim[0]);
}

/* The gradient of unpatch is patch; cropped time steps get zeros. */
void rin_gradient_unpatch(rin_backward *backward, const rin_node *node) {
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    rin_node grad = rin_op_gradient_node(RIN_OP_patch, node, (rin_value[]){dy}, 1);
    backward->emit(backward, &grad, node->inputs);
}
