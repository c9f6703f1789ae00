/* SPDX-License-Identifier: MIT */
/* An independent proof of a memory plan: who owns each stretch of the arena is tracked while the nodes go by. */
#include "compile/compile.h"
#include "op/op.h"

/* A value is alive at node i from its first write to its last use; found here anew, without the planner's arrays. */
static void find_alive(const rin_graph *graph, int *from, int *to) {
    for (int v = 0; v < graph->n_values; v++) {
        bool input = graph->values[v].kind == RIN_VALUE_INPUT;
        from[v] = input ? -1 : graph->n_nodes + 1;
        to[v] = input || graph->values[v].is_output ? graph->n_nodes : -1;
    }
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const rin_node *node = &graph->nodes[i];
        for (int j = 0; j < node->n_inputs; j++) to[node->inputs[j]] = RIN_MAX(to[node->inputs[j]], i);
        for (int j = 0; j < node->n_outputs; j++) {
            to[node->outputs[j]] = RIN_MAX(to[node->outputs[j]], i);
            if (from[node->outputs[j]] >= 0) from[node->outputs[j]] = i;
        }
    }
}

/* May b, born at node i, lie on a, which dies there? */
static bool declared_alias(const rin_graph *graph, int i, rin_value a, rin_value b) {
    const rin_node *node = &graph->nodes[i];
    int alias = rin_op(node->op)->alias;
    for (int j = 0; j < node->n_inputs; j++) {
        if (j != alias && node->inputs[j] == a) return false;
    }
    bool is_alias = alias >= 0 && alias < node->n_inputs && node->inputs[alias] == a;
    return is_alias && node->outputs[0] == b && !(node->accumulate & 1);
}

static rin_status check_pair(const rin_graph *graph, const rin_plan *plan, const int *from, const int *to, rin_value a,
                             rin_value b, rin_error *error) {
    int64_t a0 = plan->offsets[a], a1 = a0 + rin_shape_count(&graph->values[a].shape);
    int64_t b0 = plan->offsets[b], b1 = b0 + rin_shape_count(&graph->values[b].shape);
    if (a1 <= b0 || b1 <= a0 || to[a] < from[b] || to[b] < from[a]) return RIN_OK;
    if (a0 == b0 && a1 == b1 && to[a] == from[b] && from[b] < graph->n_nodes && declared_alias(graph, from[b], a, b))
        return RIN_OK;
    if (a0 == b0 && a1 == b1 && to[b] == from[a] && from[a] < graph->n_nodes && declared_alias(graph, from[a], b, a))
        return RIN_OK;
    return rin_error_set(error, RIN_ERR_INTERNAL, "memory plan: values %u and %u overlap while both live", a, b);
}

rin_status rin_plan_verify(const rin_graph *graph, const rin_plan *plan, rin_error *error) {
    size_t n = (size_t)graph->n_values;
    int *from = rin_calloc(n, sizeof *from, error), *to = rin_calloc(n, sizeof *to, error);
    rin_status status = from && to ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK) find_alive(graph, from, to);
    for (rin_value a = 1; status == RIN_OK && a < n; a++) {
        const rin_value_info *info = &graph->values[a];
        bool used = to[a] >= 0 && (info->kind == RIN_VALUE_LOCAL || info->kind == RIN_VALUE_INPUT);
        if (plan->offsets[a] < 0 && !used) continue;
        if (plan->offsets[a] < 0 || plan->offsets[a] + rin_shape_count(&info->shape) > plan->arena) {
            status = rin_error_set(error, RIN_ERR_INTERNAL, "memory plan: value %u lies outside of the arena", a);
        }
        for (rin_value b = 1; status == RIN_OK && b < a; b++) {
            if (plan->offsets[b] >= 0) status = check_pair(graph, plan, from, to, a, b, error);
        }
    }
    rin_free(from);
    rin_free(to);
    return status;
}
