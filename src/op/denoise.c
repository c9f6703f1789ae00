/* SPDX-License-Identifier: MIT */
/* The reverse process: guidance, the estimate of the data, and the states that a step mixes. */
#include "op/family.h"

rin_value rin_op_guide(rin_graph *graph, rin_value labelled, rin_value reference, rin_value level) {
    return rin_op_add(graph, RIN_OP_guide, (rin_value[]){labelled, reference, level}, 3, NULL, 0);
}

static void expect_level(rin_graph *graph, const rin_node *node) {
    const rin_shape *level = rin_in(graph, node, 2);
    (void)rin_expect(graph, node, level->rank == 1 && level->dim[0] == RIN_N_LEVEL, "wants level (4)");
}

void rin_infer_guide(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    out[0] = *rin_in(graph, node, 0);
    (void)rin_expect_same(graph, node, 0, 1);
    expect_level(graph, node);
}

rin_value rin_op_estimate(rin_graph *graph, rin_value x, rin_value output, rin_value level, rin_value known,
                          rin_value mask, rin_estimate_attr attr) {
    return rin_op_add(graph, RIN_OP_estimate, (rin_value[]){x, output, level, known, mask}, 5, &attr, sizeof attr);
}

void rin_infer_estimate(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    out[0] = *rin_in(graph, node, 0);
    (void)rin_expect_same(graph, node, 0, 1);
    expect_level(graph, node);
    bool known = node->n_inputs > 3 && node->inputs[3], mask = node->n_inputs > 4 && node->inputs[4];
    (void)rin_expect(graph, node, known == mask, "wants known numbers and their mask, or neither");
    if (!known || !mask) return;
    (void)rin_expect_same(graph, node, 0, 3);
    const rin_shape *shape = rin_in(graph, node, 4);
    (void)rin_expect(graph, node,
                     rin_shape_last(shape) == 1 &&
                         rin_shape_count(shape) * rin_shape_last(&out[0]) == rin_shape_count(&out[0]),
                     "wants a mask of one channel");
}

rin_value rin_op_mix(rin_graph *graph, rin_value factors, rin_value level, const rin_value sources[RIN_N_MIXED],
                     rin_mix_attr attr) {
    rin_value inputs[RIN_N_MIXED + 2] = {sources[0], factors, level};
    for (int i = 1; i < RIN_N_MIXED; i++) inputs[i + 2] = sources[i];
    return rin_op_add(graph, RIN_OP_mix, inputs, RIN_N_MIXED + 2, &attr, sizeof attr);
}

void rin_infer_mix(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_shape *factors = rin_in(graph, node, 1);
    int64_t first = RIN_ATTR(node, rin_mix_attr)->first;
    out[0] = *rin_in(graph, node, 0);
    (void)rin_expect(graph, node, factors->rank == 1 && first >= 0 && first + RIN_N_FACTORS <= factors->dim[0],
                     "wants eight factors from the first on");
    expect_level(graph, node);
    for (int i = 3; i < node->n_inputs; i++) {
        if (node->inputs[i]) (void)rin_expect_same(graph, node, 0, i);
    }
}
