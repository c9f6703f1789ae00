/* SPDX-License-Identifier: MIT */
/* Multi-head attention of one token stream to another. */
#include "op/family.h"

rin_value rin_op_attention(rin_graph *graph, rin_value q, rin_value k, rin_value v, rin_attention_attr attr) {
    return rin_op_add(graph, RIN_OP_attention, (rin_value[]){q, k, v}, 3, &attr, sizeof attr);
}

void rin_infer_attention(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_shape *q = rin_in(graph, node, 0), *k = rin_in(graph, node, 1);
    int64_t heads = RIN_ATTR(node, rin_attention_attr)->heads;
    if (!rin_expect(graph, node, q->rank == 3 && k->rank == 3 && q->dim[0] == k->dim[0] && q->dim[2] == k->dim[2],
                    "wants q (B, M, I) and k, v (B, N, I)") ||
        !rin_expect_same(graph, node, 1, 2) ||
        !rin_expect(graph, node, heads >= 1 && q->dim[2] % heads == 0, "heads must divide the inner width")) {
        return;
    }
    out[0] = *q;
    out[1] = RIN_SHAPE(q->dim[0], heads, q->dim[1]);
}

void rin_gradient_attention(rin_backward *backward, const rin_node *node) {
    rin_value q = node->inputs[0], k = node->inputs[1], v = node->inputs[2];
    rin_value dy = backward->gradient_of(backward, node->outputs[0]);
    rin_node grad = rin_op_gradient_node(RIN_OP_attention_grad, node,
                                         (rin_value[]){q, k, v, node->outputs[0], node->outputs[1], dy}, 6);
    backward->emit(backward, &grad, (rin_value[]){q, k, v});
}

double rin_flops_attention(const rin_graph *graph, const rin_node *node) {
    const rin_shape *q = rin_in(graph, node, 0), *k = rin_in(graph, node, 1);
    return 4.0 * (double)q->dim[0] * (double)q->dim[1] * (double)k->dim[1] * (double)q->dim[2];
}

/* Scores again, then dV, dP, dQ, dK: five products of the size of one. */
double rin_flops_attention_grad(const rin_graph *graph, const rin_node *node) {
    return 2.5 * rin_flops_attention(graph, node);
}
