/* SPDX-License-Identifier: MIT */
/* The reverse process. */
#include "op/family.h"

rin_value rin_op_denoise(rin_graph *graph, rin_value x, rin_value output, rin_value numbers, rin_value unlabelled,
                         rin_value noise, rin_denoise_attr attr) {
    return rin_op_add(graph, RIN_OP_denoise, (rin_value[]){x, output, numbers, unlabelled, noise}, 5, &attr,
                      sizeof attr);
}

void rin_infer_denoise(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    enum { NUMBERS = 8 };
    const rin_shape *numbers = rin_in(graph, node, 2);
    out[0] = out[1] = *rin_in(graph, node, 0);
    (void)rin_expect_same(graph, node, 0, 1);
    (void)rin_expect(graph, node, numbers->rank == 1 && numbers->dim[0] == NUMBERS, "wants numbers (8)");
    for (int i = 3; i < node->n_inputs; i++) {
        if (node->inputs[i]) (void)rin_expect_same(graph, node, 0, i);
    }
}
