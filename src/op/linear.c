/* SPDX-License-Identifier: MIT */
/* Linear layers with their activation, dropout, drop-path and residual; the three parts of their gradient. */
#include "op/family.h"

rin_value rin_op_linear(rin_graph *graph, rin_value x, rin_value weight, rin_value bias, rin_value residual,
                        rin_linear_attr attr) {
    return rin_op_add(graph, RIN_OP_linear, (rin_value[]){x, weight, bias, residual}, 4, &attr, sizeof attr);
}

rin_value rin_op_pack(rin_graph *graph, rin_value weight) {
    rin_value packed = rin_op_add(graph, RIN_OP_pack, &weight, 1, NULL, 0);
    if (packed) graph->values[packed].type = RIN_TYPE_PANELS;
    return packed;
}

void rin_infer_linear(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_linear_attr *attr = RIN_ATTR(node, rin_linear_attr);
    const rin_shape *x = rin_in(graph, node, 0), *weight = rin_in(graph, node, 1), *bias = rin_in(graph, node, 2);
    if (!rin_expect(graph, node, x->rank >= 1 && weight->rank == 2 && rin_shape_last(x) == weight->dim[1],
                    "wants x (..., in) and weight (out, in)")) {
        return;
    }
    (void)rin_expect(graph, node, !bias->rank || (bias->rank == 1 && bias->dim[0] == weight->dim[0]),
                     "wants bias (out)");
    out[0] = *x;
    out[0].dim[x->rank - 1] = weight->dim[0];
    if (attr->act != RIN_ACT_NONE || attr->drop > 0) out[1] = out[0];
    const rin_shape *residual = rin_in(graph, node, 3);
    (void)rin_expect(graph, node, !residual->rank || rin_shape_equal(residual, &out[0]), "wants residual (..., out)");
}

void rin_gradient_linear(rin_backward *backward, const rin_node *node) {
    const rin_linear_attr *attr = RIN_ATTR(node, rin_linear_attr);
    rin_value x = node->inputs[0], weight = node->inputs[1], bias = node->inputs[2], residual = node->inputs[3];
    rin_value dy = backward->gradient_of(backward, node->outputs[0]), dz = dy;
    if (attr->act != RIN_ACT_NONE || attr->drop > 0 || attr->path > 0) {
        rin_node scale = rin_op_gradient_node(RIN_OP_linear_dz, node, (rin_value[]){dy, node->outputs[1]}, 2);
        scale.outputs[0] = dz = rin_graph_value(backward->graph, RIN_VALUE_LOCAL,
                                                *rin_graph_shape(backward->graph, dy));
        rin_graph_append(backward->graph, &scale);
    }
    rin_node dw = rin_op_gradient_node(RIN_OP_linear_dw, node, (rin_value[]){dz, x}, 2);
    backward->emit(backward, &dw, (rin_value[]){weight, bias, 0});
    if (backward->wants(backward, x)) {
        rin_node dx = rin_op_gradient_node(RIN_OP_linear_dx, node, (rin_value[]){dz, weight}, 2);
        backward->emit(backward, &dx, (rin_value[]){x, 0, 0});
    }
    if (residual) backward->pass(backward, residual, dy);
}

double rin_flops_linear(const rin_graph *graph, const rin_node *node) {
    const rin_shape *weight = rin_in(graph, node, 1);
    return 2.0 * (double)rin_shape_rows(rin_in(graph, node, 0)) * (double)weight->dim[0] * (double)weight->dim[1];
}

double rin_flops_linear_dx(const rin_graph *graph, const rin_node *node) {
    return rin_flops_linear(graph, node);
}

double rin_flops_linear_dw(const rin_graph *graph, const rin_node *node) {
    const rin_shape *dz = rin_in(graph, node, 0), *x = rin_in(graph, node, 1);
    return 2.0 * (double)rin_shape_rows(x) * (double)rin_shape_last(x) * (double)rin_shape_last(dz);
}
