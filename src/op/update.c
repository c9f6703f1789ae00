/* SPDX-License-Identifier: MIT */
/* The end of a training step: norm of all gradients, optimiser, moving average. They work on the weights' arenas. */
#include "op/family.h"

rin_value rin_op_grad_norm(rin_graph *graph) {
    return rin_op_add(graph, RIN_OP_grad_norm, NULL, 0, NULL, 0);
}

void rin_op_update(rin_graph *graph, rin_value grad_norm, rin_value loss, rin_update_attr attr) {
    (void)rin_op_add(graph, RIN_OP_update, (rin_value[]){grad_norm, loss}, 2, &attr, sizeof attr);
}
