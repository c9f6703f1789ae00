/* SPDX-License-Identifier: MIT */
/* The op table, and how a node is added to a graph. */
#include <string.h>

#include "op/family.h"

static const rin_op_info table[RIN_N_OPS] = {
#define OP(name, least, most, outputs, alias, shapes, gradient, flops) \
    {#name, least, most, outputs, alias, rin_infer_##shapes, rin_gradient_##gradient, rin_flops_##flops},
#include "op/op.def"
#undef OP
};

const rin_op_info *rin_op(int op) {
    return op >= 0 && op < RIN_N_OPS ? &table[op] : NULL;
}

rin_value rin_op_add(rin_graph *graph, int op, const rin_value *inputs, int n_inputs, const void *attr,
                     size_t attr_bytes) {
    if (graph->error.code != RIN_OK) return 0;
    const rin_op_info *info = rin_op(op);
    rin_node node = {.op = op, .n_inputs = n_inputs, .n_outputs = info->n_outputs};
    if (n_inputs < info->least_inputs || n_inputs > info->most_inputs || attr_bytes > sizeof node.attr) {
        return rin_graph_fail(graph, RIN_ERR_INTERNAL, "%s: %d inputs, %zu attribute bytes", info->name, n_inputs,
                              attr_bytes);
    }
    for (int i = 0; i < n_inputs; i++) {
        if (i < info->least_inputs && !inputs[i])
            return rin_graph_fail(graph, RIN_ERR_INTERNAL, "%s: no input %d", info->name, i);
        node.inputs[i] = inputs[i];
    }
    if (attr_bytes) memcpy(node.attr, attr, attr_bytes);
    rin_shape shapes[RIN_MAX_OUTPUTS] = {{0}};
    info->infer(graph, &node, shapes);
    if (graph->error.code != RIN_OK) return 0;
    bool once = op == RIN_OP_zeros || op == RIN_OP_sin_cos || op == RIN_OP_pack || op == RIN_OP_fold;
    for (int i = 0; i < info->n_outputs; i++) {
        if (shapes[i].rank)
            node.outputs[i] = rin_graph_value(graph, once ? RIN_VALUE_CONST : RIN_VALUE_LOCAL, shapes[i]);
    }
    rin_graph_append(graph, &node);
    return node.outputs[0];
}

rin_node rin_op_gradient_node(int op, const rin_node *forward, const rin_value *inputs, int n_inputs) {
    rin_node node = {.op = op, .n_inputs = n_inputs, .n_outputs = rin_op(op)->n_outputs, .stream = forward->stream};
    for (int i = 0; i < n_inputs; i++) node.inputs[i] = inputs[i];
    memcpy(node.attr, forward->attr, sizeof node.attr);
    node.scope = forward->scope;
    return node;
}

const rin_shape *rin_in(const rin_graph *graph, const rin_node *node, int i) {
    return rin_graph_shape(graph, node->inputs[i]);
}

void rin_infer_same(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    out[0] = *rin_in(graph, node, 0);
}

void rin_infer_scalar(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    (void)graph;
    (void)node;
    out[0] = RIN_SHAPE(1);
}

void rin_infer_target(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    (void)graph;
    (void)node;
    (void)out;
}

void rin_infer_same_pair(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    (void)rin_expect_same(graph, node, 0, 1);
    out[0] = *rin_in(graph, node, 0);
}

bool rin_expect_same(rin_graph *graph, const rin_node *node, int i, int j) {
    const rin_shape *a = rin_in(graph, node, i), *b = rin_in(graph, node, j);
    if (rin_shape_equal(a, b)) return true;
    char ta[96], tb[96];
    (void)rin_graph_fail(graph, RIN_ERR_SHAPE, "%s: inputs %d %s and %d %s differ in shape", rin_op(node->op)->name, i,
                         rin_shape_text(a, ta), j, rin_shape_text(b, tb));
    return false;
}

bool rin_expect(rin_graph *graph, const rin_node *node, bool holds, const char *what) {
    if (holds) return true;
    char text[RIN_MAX_INPUTS * 100] = "";
    for (int i = 0; i < node->n_inputs; i++) {
        char shape[96];
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, " %s", rin_shape_text(rin_in(graph, node, i), shape));
    }
    (void)rin_graph_fail(graph, RIN_ERR_SHAPE, "%s: %s, inputs are%s", rin_op(node->op)->name, what, text);
    return false;
}

void rin_gradient_none(rin_backward *backward, const rin_node *node) {
    (void)backward;
    (void)node;
}

bool rin_op_has_gradient(int op) {
    return rin_op(op)->gradient != rin_gradient_none;
}

double rin_flops_none(const rin_graph *graph, const rin_node *node) {
    (void)graph;
    (void)node;
    return 0;
}
