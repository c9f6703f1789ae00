/* SPDX-License-Identifier: MIT */
/* Layer normalisation. */
#include "op/family.h"

rin_value rin_op_layer_norm(rin_graph *graph, rin_value x, rin_value weight, rin_value bias) {
    return rin_op_add(graph, RIN_OP_layer_norm, (rin_value[]){x, weight, bias}, 3, NULL, 0);
}

void rin_infer_layer_norm(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_shape *x = rin_in(graph, node, 0), *weight = rin_in(graph, node, 1);
    (void)rin_expect(graph, node, weight->rank == 1 && rin_shape_last(x) == weight->dim[0], "wants weight (D)");
    (void)rin_expect_same(graph, node, 1, 2);
    out[0] = *x;
    out[1] = RIN_SHAPE(rin_shape_rows(x), 2);
}

void rin_gradient_layer_norm(rin_backward *backward, const rin_node *node) {
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    rin_node grad = rin_op_gradient_node(RIN_OP_layer_norm_grad, node,
                                         (rin_value[]){dy, node->inputs[0], node->inputs[1], node->outputs[1]}, 4);
    backward->emit(backward, &grad, node->inputs);
}
