/* SPDX-License-Identifier: MIT */
/* Which values are stored in half the memory, for devices whose products want them so. */
#include "compile/compile.h"
#include "op/op.h"

/* Streams have rank 3, but for the one row that stands for all of a stream of zeros. Statistics are none. */
static bool is_tokens(const rin_graph *graph, const rin_node *node, int output) {
    const rin_value_info *info = &graph->values[node->outputs[output]];
    bool log_sums = node->op == RIN_OP_attention && output == 1;
    bool row = info->shape.rank == 2 && (node->op == RIN_OP_linear || (node->op == RIN_OP_layer_norm && output == 0));
    return info->kind == RIN_VALUE_LOCAL && (info->shape.rank == 3 || row) && !log_sums;
}

static void make_narrow(rin_graph *graph, rin_value value) {
    rin_value_info *info = &graph->values[value];
    if (value && info->kind == RIN_VALUE_PARAM) info->type = RIN_TYPE_BF16;
}

void rin_narrow(rin_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        for (int j = 0; j < node->n_outputs; j++) {
            if (is_tokens(graph, node, j)) graph->values[node->outputs[j]].type = RIN_TYPE_BF16;
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        if (node->op == RIN_OP_unpatch) graph->values[node->inputs[0]].type = RIN_TYPE_REAL;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        if (node->op == RIN_OP_linear || node->op == RIN_OP_linear_dx) make_narrow(graph, node->inputs[1]);
        /* A bias is added in the type of the sums. */
        if (node->op == RIN_OP_linear && graph->values[node->outputs[0]].type == RIN_TYPE_BF16)
            make_narrow(graph, node->inputs[2]);
    }
}
