/* SPDX-License-Identifier: MIT */
/* Dead code: the first forward of a training step needs neither its last write nor its readout. */
#include <string.h>

#include "compile/compile.h"
#include "op/op.h"

static bool is_root(const rin_graph *graph, const rin_node *node) {
    if (node->op == RIN_OP_update) return true;
    for (int i = 0; i < node->n_outputs; i++) {
        const rin_value_info *info = &graph->values[node->outputs[i]];
        if (node->outputs[i] && (info->is_output || info->kind == RIN_VALUE_GRAD)) return true;
    }
    return false;
}

rin_status rin_remove_dead(rin_graph *graph, rin_error *error) {
    bool *read = rin_calloc((size_t)graph->n_values, sizeof *read, error);
    if (!read) return RIN_ERR_MEMORY;
    int kept = graph->n_nodes;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        rin_node node = graph->nodes[i];
        bool live = is_root(graph, &node);
        for (int j = 0; j < node.n_outputs; j++) {
            const rin_value_info *info = &graph->values[node.outputs[j]];
            if (read[node.outputs[j]]) live = true;
            else if (!info->is_output && info->kind != RIN_VALUE_GRAD) node.outputs[j] = 0;
        }
        if (!live) continue;
        for (int j = 0; j < node.n_inputs; j++) read[node.inputs[j]] = node.inputs[j] != 0;
        graph->nodes[--kept] = node;
    }
    graph->n_nodes -= kept;
    memmove(graph->nodes, graph->nodes + kept, (size_t)graph->n_nodes * sizeof *graph->nodes);
    rin_free(read);
    return RIN_OK;
}

double rin_graph_flops(const rin_graph *graph) {
    double sum = 0;
    for (int i = 0; i < graph->n_nodes; i++) sum += rin_op(graph->nodes[i].op)->flops(graph, &graph->nodes[i]);
    return sum;
}
