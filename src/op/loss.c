/* SPDX-License-Identifier: MIT */
/* The denoising loss: what the network's output says of the noise or of the data, against the truth. */
#include "op/family.h"

rin_value rin_op_loss(rin_graph *graph, rin_value output, rin_value x_t, rin_value target, rin_value gamma,
                      rin_loss_attr attr) {
    return rin_op_add(graph, RIN_OP_loss, (rin_value[]){output, x_t, target, gamma}, 4, &attr, sizeof attr);
}

void rin_infer_loss(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_shape *gamma = rin_in(graph, node, 3);
    (void)rin_expect_same(graph, node, 0, 1);
    (void)rin_expect_same(graph, node, 0, 2);
    (void)rin_expect(graph, node, gamma->rank == 1 && gamma->dim[0] == rin_in(graph, node, 0)->dim[0],
                     "wants gamma (B)");
    out[0] = RIN_SHAPE(1);
}

/* The loss is where the gradient starts, so nothing multiplies it but the accumulation's scale, at run time. */
void rin_gradient_loss(rin_backward *backward, const rin_node *node) {
    rin_node grad = rin_op_gradient_node(RIN_OP_loss_grad, node, node->inputs, 4);
    backward->emit(backward, &grad, (rin_value[]){node->inputs[0], 0, 0});
}
