/* SPDX-License-Identifier: MIT */
/* Reverse-mode differentiation: one walk over the node list, one rule an op. */
#include "compile/compile.h"
#include "op/op.h"

/*
 * A gradient value may stand for several forward values at once (a residual's gradient is that of the sum), so each
 * has a count of owners: it may be added to in place only while it has one.
 */
typedef struct state {
    rin_value *gradient; /* [n_forward] of a forward value, 0 while nothing has arrived */
    bool *wanted;        /* [n_forward] depends on a parameter through ops that pass gradients */
    int *owners;         /* [n_owners] of a gradient value */
    int n_forward, n_owners;
} state;

static void add_owner(rin_backward *backward, rin_value gradient, int change) {
    state *s = backward->state;
    if ((int)gradient >= s->n_owners) {
        int n = RIN_MAX((int)gradient + 1, 2 * s->n_owners);
        int *owners = rin_realloc(s->owners, (size_t)n, sizeof *owners, &backward->graph->error);
        if (!owners) return;
        for (int i = s->n_owners; i < n; i++) owners[i] = 0;
        s->owners = owners;
        s->n_owners = n;
    }
    s->owners[gradient] += change;
}

static rin_value gradient_of(rin_backward *backward, rin_value value) {
    state *s = backward->state;
    return (int)value < s->n_forward ? s->gradient[value] : 0;
}

static bool wants(rin_backward *backward, rin_value value) {
    state *s = backward->state;
    return value && (int)value < s->n_forward && s->wanted[value];
}

/* value's gradient becomes `gradient`, instead of what it was. */
static void assign(rin_backward *backward, rin_value value, rin_value gradient) {
    state *s = backward->state;
    if (!gradient) return;
    if (s->gradient[value]) add_owner(backward, s->gradient[value], -1);
    s->gradient[value] = gradient;
    add_owner(backward, gradient, 1);
}

static void pass(rin_backward *backward, rin_value value, rin_value gradient) {
    if (!wants(backward, value)) return;
    if (backward->graph->values[value].kind == RIN_VALUE_PARAM) {
        (void)rin_graph_fail(backward->graph, RIN_ERR_INTERNAL,
                             "a parameter's gradient must be emitted, not passed on");
        return;
    }
    rin_value old = gradient_of(backward, value);
    assign(backward, value, old ? rin_op_sum(backward->graph, gradient, old) : gradient);
}

/* Where output i of an emitted node goes: into the gradient that is there already, or into a new value. */
static rin_value place(rin_backward *backward, rin_node *node, int i, rin_value target) {
    rin_graph *graph = backward->graph;
    state *s = backward->state;
    rin_value old = s->gradient[target];
    if (graph->values[target].kind == RIN_VALUE_PARAM) {
        rin_value gradient = rin_graph_param_gradient(graph, target);
        if (old) node->accumulate |= 1u << i;
        else assign(backward, target, gradient);
        return gradient;
    }
    if (old && s->owners[old] == 1) {
        node->accumulate |= 1u << i;
        return old;
    }
    return rin_graph_value(graph, RIN_VALUE_LOCAL, *rin_graph_shape(graph, target));
}

static void emit(rin_backward *backward, const rin_node *node, const rin_value *targets) {
    rin_graph *graph = backward->graph;
    rin_node copy = *node;
    bool any = false;
    for (int i = 0; i < copy.n_outputs; i++) {
        copy.outputs[i] = wants(backward, targets[i]) ? place(backward, &copy, i, targets[i]) : 0;
        any = any || copy.outputs[i];
    }
    if (!any) return;
    rin_graph_append(graph, &copy);
    for (int i = 0; i < copy.n_outputs; i++) {
        if (!copy.outputs[i] || graph->values[copy.outputs[i]].kind != RIN_VALUE_LOCAL) continue;
        if (!(copy.accumulate >> i & 1)) pass(backward, targets[i], copy.outputs[i]);
    }
}

static void find_wanted(const rin_graph *graph, state *s) {
    for (int i = 1; i < s->n_forward; i++) s->wanted[i] = graph->values[i].kind == RIN_VALUE_PARAM;
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        if (!rin_op_has_gradient(node->op)) continue;
        bool any = false;
        for (int j = 0; j < node->n_inputs; j++) any = any || s->wanted[node->inputs[j]];
        for (int j = 0; j < node->n_outputs; j++) s->wanted[node->outputs[j]] = any && node->outputs[j];
    }
}

static void walk(rin_backward *backward, rin_value loss) {
    rin_graph *graph = backward->graph;
    for (int i = graph->n_nodes - 1; i >= 0 && graph->error.code == RIN_OK; i--) {
        rin_node node = graph->nodes[i]; /* a copy: rules append to the array */
        rin_value gradient = gradient_of(backward, node.outputs[0]);
        if (!rin_op_has_gradient(node.op) || (!gradient && node.outputs[0] != loss)) continue;
        rin_op(node.op)->gradient(backward, &node);
        if (gradient) add_owner(backward, gradient, -1);
    }
}

rin_status rin_autodiff(rin_graph *graph, rin_value loss, rin_error *error) {
    size_t n = (size_t)graph->n_values;
    state s = {.n_forward = graph->n_values};
    rin_backward backward = {graph, &s, gradient_of, wants, pass, emit};
    s.gradient = rin_calloc(n, sizeof *s.gradient, &graph->error);
    s.wanted = rin_calloc(n, sizeof *s.wanted, &graph->error);
    if (s.gradient && s.wanted) {
        find_wanted(graph, &s);
        walk(&backward, loss);
    }
    rin_free(s.gradient);
    rin_free(s.wanted);
    rin_free(s.owners);
    return rin_graph_status(graph, error);
}
