/* SPDX-License-Identifier: MIT */
/* The forward process: random numbers, signal levels, noising, and which examples keep their hidden state. */
#include "op/family.h"

typedef struct random_attr {
    rin_random_attr random; /* first: what kernels read */
    rin_shape shape;
} random_attr;

rin_value rin_op_random(rin_graph *graph, rin_random_kind kind, rin_shape shape) {
    random_attr attr = {{kind}, shape};
    return rin_op_add(graph, RIN_OP_random, NULL, 0, &attr, sizeof attr);
}

void rin_infer_random(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    (void)graph;
    out[0] = RIN_ATTR(node, random_attr)->shape;
}

rin_value rin_op_gamma(rin_graph *graph, rin_value times, const rin_schedule *schedule) {
    rin_gamma_attr attr = {*schedule};
    return rin_op_add(graph, RIN_OP_gamma, &times, 1, &attr, sizeof attr);
}

rin_value rin_op_rescale(rin_graph *graph, rin_value x, double scale, double shift) {
    rin_rescale_attr attr = {scale, shift};
    return rin_op_add(graph, RIN_OP_rescale, &x, 1, &attr, sizeof attr);
}

rin_value rin_op_add_noise(rin_graph *graph, rin_value x0, rin_value noise, rin_value gamma) {
    return rin_op_add(graph, RIN_OP_add_noise, (rin_value[]){x0, noise, gamma}, 3, NULL, 0);
}

void rin_infer_add_noise(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_shape *gamma = rin_in(graph, node, 2);
    out[0] = *rin_in(graph, node, 0);
    (void)rin_expect_same(graph, node, 0, 1);
    (void)rin_expect(graph, node, gamma->rank == 1 && gamma->dim[0] == out[0].dim[0], "wants gamma (B)");
}

rin_value rin_op_standardise(rin_graph *graph, rin_value x) {
    return rin_op_add(graph, RIN_OP_standardise, &x, 1, NULL, 0);
}

rin_value rin_op_mask_hidden(rin_graph *graph, rin_value hidden, rin_value u, rin_mask_attr attr) {
    return rin_op_add(graph, RIN_OP_mask_hidden, (rin_value[]){hidden, u}, 2, &attr, sizeof attr);
}
