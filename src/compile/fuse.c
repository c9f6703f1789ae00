/* SPDX-License-Identifier: MIT */
/* Fusion: a product that makes the gradient of an activation's output multiplies it by the activation's slope itself.
 */
#include "compile/compile.h"
#include "op/op.h"

/* The nodes that a value is an input or an output of. */
typedef struct uses {
    int reads, writes;
    int writer; /* the last of those that write it */
} uses;

static void count_uses(const rin_graph *graph, uses *of) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        for (int j = 0; j < node->n_inputs; j++) of[node->inputs[j]].reads++;
        for (int j = 0; j < node->n_outputs; j++) {
            of[node->outputs[j]].writes++;
            of[node->outputs[j]].writer = i;
        }
    }
}

/* The linear_dx whose result only this linear_dz reads, once it has been written whole; -1 for none. */
static int product_before(const rin_graph *graph, const uses *of, const rin_node *scale) {
    rin_value dy = scale->inputs[0];
    if (scale->op != RIN_OP_linear_dz || !scale->inputs[1] || scale->accumulate) return -1;
    if (of[dy].reads != 1 || of[dy].writes != 1 || graph->values[dy].is_output) return -1;
    const rin_node *product = &graph->nodes[of[dy].writer];
    if (of[scale->inputs[1]].writer > of[dy].writer) return -1;
    return product->op == RIN_OP_linear_dx && product->n_inputs == 2 && !product->accumulate ? of[dy].writer : -1;
}

rin_status rin_fuse(rin_graph *graph, rin_error *error) {
    uses *of = rin_calloc((size_t)graph->n_values, sizeof *of, error);
    bool *fused = rin_calloc((size_t)graph->n_nodes, sizeof *fused, error);
    if (!of || !fused) goto done;
    count_uses(graph, of);
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *scale = &graph->nodes[i];
        int before = product_before(graph, of, scale);
        if (before < 0) continue;
        rin_node *product = &graph->nodes[before];
        product->inputs[product->n_inputs++] = scale->inputs[1];
        product->outputs[0] = scale->outputs[0];
        fused[i] = true;
    }
    int kept = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (!fused[i]) graph->nodes[kept++] = graph->nodes[i];
    }
    graph->n_nodes = kept;
done:;
    rin_status status = of && fused ? RIN_OK : RIN_ERR_MEMORY;
    rin_free(of);
    rin_free(fused);
    return status;
}
