/* SPDX-License-Identifier: MIT */
/* Which weights are packed ahead of the products that read them. */
#include <string.h>

#include "compile/compile.h"
#include "op/op.h"

/* Training changes weights with every step, which has few products with each. */
static bool is_trained(const rin_graph *graph) {
    for (int v = 1; v < graph->n_values; v++) {
        if (graph->values[v].kind == RIN_VALUE_GRAD) return true;
    }
    return false;
}

/* The nodes that were appended last come first. */
static rin_status move_to_front(rin_graph *graph, int n, rin_error *error) {
    size_t size = sizeof *graph->nodes;
    rin_node *moved = rin_calloc((size_t)n, size, error);
    if (!moved) return RIN_ERR_MEMORY;
    int kept = graph->n_nodes - n;
    memcpy(moved, graph->nodes + kept, (size_t)n * size);
    memmove(graph->nodes + n, graph->nodes, (size_t)kept * size);
    memcpy(graph->nodes, moved, (size_t)n * size);
    rin_free(moved);
    return RIN_OK;
}

/* Weights of convolutions are folded before they are read, so they can be packed on the way. */
static void pack_convolutions(rin_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].op == RIN_OP_fold) graph->values[graph->nodes[i].outputs[0]].type = RIN_TYPE_PANELS;
    }
}

rin_status rin_pack(rin_graph *graph, rin_error *error) {
    if (is_trained(graph)) return RIN_OK;
    int n_nodes = graph->n_nodes, n_values = graph->n_values;
    rin_value *packed = rin_calloc((size_t)n_values, sizeof *packed, error);
    if (!packed) return RIN_ERR_MEMORY;
    for (int i = 0; i < n_nodes; i++) {
        rin_value weight = graph->nodes[i].inputs[1];
        if (graph->nodes[i].op != RIN_OP_linear || graph->values[weight].kind != RIN_VALUE_PARAM) continue;
        if (!packed[weight]) packed[weight] = rin_op_pack(graph, weight);
        graph->nodes[i].inputs[1] = packed[weight];
    }
    rin_free(packed);
    pack_convolutions(graph);
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK && graph->n_nodes > n_nodes) status = move_to_front(graph, graph->n_nodes - n_nodes, error);
    return status;
}
