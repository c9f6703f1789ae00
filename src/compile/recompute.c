/* SPDX-License-Identifier: MIT */
/* Recomputation: values that are cheaper to make again than to keep until backward reads them. */
#include "compile/compile.h"
#include "op/op.h"

/*
 * A value that is not kept is made again just before the first node of backward that reads it, by copies of the nodes
 * that made it; they have the same random numbers, so the same bits. What a layer hands on is always kept.
 */
typedef struct recompute {
    rin_graph *graph;
    const rin_node *nodes; /* as they were: the first n_forward are forward */
    int n_nodes, n_forward, n_values;
    int *maker;      /* [n_values] forward node that makes a value, -1 for none */
    bool *read;      /* [n_values] by backward */
    bool *again;     /* [n_values] not kept */
    rin_value *copy; /* [n_values] what stands for a value in backward, 0 while there is nothing */
} recompute;

static void find_makers(recompute *r) {
    for (int v = 0; v < r->n_values; v++) r->maker[v] = -1;
    for (int i = 0; i < r->n_nodes; i++) {
        const rin_node *node = &r->nodes[i];
        for (int j = 0; j < node->n_outputs && i < r->n_forward; j++) r->maker[node->outputs[j]] = i;
        for (int j = 0; j < node->n_inputs && i >= r->n_forward; j++) r->read[node->inputs[j]] = true;
    }
    r->maker[0] = -1;
    r->read[0] = false;
}

static bool is_local(const recompute *r, rin_value v) {
    return r->graph->values[v].kind == RIN_VALUE_LOCAL && !r->graph->values[v].is_output;
}

/* All inner values of layers: those that no other layer reads. */
static void choose_all(recompute *r) {
    for (int v = 1; v < r->n_values; v++) {
        r->again[v] = r->maker[v] >= 0 && is_local(r, (rin_value)v) && r->nodes[r->maker[v]].layer;
    }
    for (int i = 0; i < r->n_forward; i++) {
        for (int j = 0; j < r->nodes[i].n_inputs; j++) {
            rin_value v = r->nodes[i].inputs[j];
            if (v && r->again[v] && r->nodes[r->maker[v]].layer != r->nodes[i].layer) r->again[v] = false;
        }
    }
}

/* Elements of a node's results that backward reads. */
static int64_t kept_elements(const recompute *r, const rin_node *node) {
    int64_t n = 0;
    for (int j = 0; j < node->n_outputs; j++) {
        rin_value v = node->outputs[j];
        if (r->read[v] && is_local(r, v)) n += rin_shape_count(rin_graph_shape(r->graph, v));
    }
    return n;
}

/* Whether backward has all that a node reads without it. */
static bool has_inputs(const recompute *r, const rin_node *node) {
    for (int j = 0; j < node->n_inputs; j++) {
        rin_value v = node->inputs[j];
        if (v && is_local(r, v) && !r->read[v]) return false;
    }
    return true;
}

/* What is cheap: for each hundredth of the memory that it saves, a node may cost a thousandth of the products. */
static void choose_cheap(recompute *r) {
    const double rate = 0.1, flops = rin_graph_flops(r->graph);
    double kept = 0;
    for (int i = 0; i < r->n_forward; i++) kept += (double)kept_elements(r, &r->nodes[i]);
    for (int i = 0; i < r->n_forward; i++) {
        const rin_node *node = &r->nodes[i];
        double saved = (double)kept_elements(r, node), cost = rin_op(node->op)->flops(r->graph, node);
        if (!node->layer || !has_inputs(r, node) || cost * kept > rate * saved * flops) continue;
        for (int j = 0; j < node->n_outputs; j++) r->again[node->outputs[j]] = is_local(r, node->outputs[j]);
    }
    r->again[0] = false;
}

/* What a node of backward, or a copy, reads in place of v. */
static rin_value made_again(recompute *r, rin_value v) {
    if ((int)v >= r->n_values || !r->again[v]) return v;
    if (r->copy[v]) return r->copy[v];
    rin_node node = r->nodes[r->maker[v]];
    for (int j = 0; j < node.n_inputs; j++) node.inputs[j] = made_again(r, node.inputs[j]);
    for (int j = 0; j < node.n_outputs; j++) {
        rin_value old = node.outputs[j];
        if (!old) continue;
        node.outputs[j] = r->copy[old] = rin_graph_value(r->graph, RIN_VALUE_LOCAL, *rin_graph_shape(r->graph, old));
    }
    rin_graph_append(r->graph, &node);
    return r->copy[v];
}

/* The list anew, with copies where backward needs them. */
static void rebuild(recompute *r) {
    r->graph->nodes = NULL;
    r->graph->n_nodes = r->graph->node_capacity = 0;
    for (int i = 0; i < r->n_nodes; i++) {
        rin_node node = r->nodes[i];
        for (int j = 0; j < node.n_inputs && i >= r->n_forward; j++) node.inputs[j] = made_again(r, node.inputs[j]);
        rin_graph_append(r->graph, &node);
    }
}

rin_status rin_recompute(rin_graph *graph, int n_forward, bool all, rin_error *error) {
    size_t n = (size_t)graph->n_values;
    rin_node *nodes = graph->nodes;
    recompute r = {
        .graph = graph, .nodes = nodes, .n_nodes = graph->n_nodes, .n_forward = n_forward, .n_values = graph->n_values};
    r.maker = rin_calloc(n, sizeof *r.maker, &graph->error);
    r.read = rin_calloc(n, sizeof *r.read, &graph->error);
    r.again = rin_calloc(n, sizeof *r.again, &graph->error);
    r.copy = rin_calloc(n, sizeof *r.copy, &graph->error);
    if (r.maker && r.read && r.again && r.copy) {
        find_makers(&r);
        if (all) choose_all(&r);
        else choose_cheap(&r);
        rebuild(&r);
        rin_free(nodes);
    }
    rin_free(r.maker);
    rin_free(r.read);
    rin_free(r.again);
    rin_free(r.copy);
    return rin_graph_status(graph, error);
}
