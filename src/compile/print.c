/* SPDX-License-Identifier: MIT */
/* Listings of a planned graph, for `rin plan --print` and for reading while debugging. */
#include "compile/compile.h"
#include "op/op.h"

static void print_value(const rin_graph *graph, const rin_plan *plan, rin_value value, rin_text *text) {
    const rin_value_info *info = &graph->values[value];
    char shape[96];
    if (!value) {
        rin_text_add(text, " -");
        return;
    }
    static const char *const kinds[] = {"in", "param", "grad", "const", "v"};
    rin_text_add(text, " %s%u", kinds[info->kind], value);
    if (info->name) rin_text_add(text, ":%s", info->name);
    else if (info->kind == RIN_VALUE_GRAD) rin_text_add(text, ":%s", graph->values[info->param].name);
    rin_text_add(text, "%s", rin_shape_text(&info->shape, shape));
    if (plan && plan->offsets[value] >= 0) rin_text_add(text, "@%lld", (long long)plan->offsets[value]);
}

void rin_graph_print(const rin_graph *graph, const rin_plan *plan, rin_text *text) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        rin_text_add(text, "%5d %-16s %-28s", i, rin_op(node->op)->name, node->scope);
        for (int j = 0; j < node->n_inputs; j++) print_value(graph, plan, node->inputs[j], text);
        rin_text_add(text, " ->");
        for (int j = 0; j < node->n_outputs; j++) {
            print_value(graph, plan, node->outputs[j], text);
            if (node->accumulate >> j & 1) rin_text_add(text, "+=");
        }
        rin_text_add(text, "\n");
    }
}
