/* SPDX-License-Identifier: MIT */
/* An independent proof of a memory plan: who owns each stretch of the arena is tracked while the nodes go by. */
#include <stdlib.h>

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

/*
 * The values that are alive while the nodes go by. Places are values in the order of their offsets; a tree over the
 * places holds where in the arena the living end, so the lowest one that reaches beyond an address is found at once.
 */
typedef struct placed {
    int64_t offset;
    rin_value value;
} placed;

typedef struct living {
    const rin_graph *graph;
    const rin_plan *plan;
    int *from, *to; /* [n_values] */
    int *place;     /* [n_values] in sorted, -1 for values that have no memory */
    placed *sorted; /* [n_values] at most */
    int64_t *ends;  /* [2 * width]: leaf width + place, 0 unless alive; each inner node has the most of its two */
    int width, n;
} living;

static int by_offset(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static int64_t end_of(const living *l, rin_value v) {
    return l->plan->offsets[v] + rin_value_size(&l->graph->values[v]);
}

static void set_end(living *l, rin_value v, int64_t end) {
    int i = l->width + l->place[v];
    l->ends[i] = end;
    for (i /= 2; i >= 1; i /= 2) l->ends[i] = RIN_MAX(l->ends[2 * i], l->ends[2 * i + 1]);
}

/* The lowest living value that ends above v's offset begins below v's end, if any of them does. */
static rin_status bring_to_life(living *l, rin_value v, rin_error *error) {
    int64_t offset = l->plan->offsets[v];
    int i = 1;
    while (i < l->width) i = l->ends[2 * i] > offset ? 2 * i : 2 * i + 1;
    if (l->ends[i] > offset && l->sorted[i - l->width].offset < end_of(l, v)) {
        return rin_error_set(error, RIN_ERR_INTERNAL, "memory plan: values %u and %u overlap while both live",
                             l->sorted[i - l->width].value, v);
    }
    set_end(l, v, end_of(l, v));
    return RIN_OK;
}

/* The input that dies at node i and may leave its memory to output 0, and does; or 0. */
static rin_value heir_of(const living *l, int i) {
    const rin_node *node = &l->graph->nodes[i];
    int alias = rin_op(node->op)->alias;
    rin_value out = node->outputs[0], in = alias >= 0 && alias < node->n_inputs ? node->inputs[alias] : 0;
    if (!in || l->place[in] < 0 || l->place[out] < 0 || (node->accumulate & 1)) return 0;
    if (l->to[in] != i || l->from[out] != i) return 0;
    if (l->plan->offsets[in] != l->plan->offsets[out] || end_of(l, in) != end_of(l, out)) return 0;
    for (int j = 0; j < node->n_inputs; j++) {
        if (j != alias && node->inputs[j] == in) return 0;
    }
    return in;
}

static rin_status pass_node(living *l, int i, rin_error *error) {
    const rin_node *node = &l->graph->nodes[i];
    rin_value left = heir_of(l, i);
    rin_status status = RIN_OK;
    if (left) set_end(l, left, 0);
    for (int j = 0; j < node->n_outputs && status == RIN_OK; j++) {
        rin_value v = node->outputs[j];
        if (l->place[v] >= 0 && l->from[v] == i) status = bring_to_life(l, v, error);
    }
    for (int j = 0; j < node->n_inputs + node->n_outputs; j++) {
        rin_value v = j < node->n_inputs ? node->inputs[j] : node->outputs[j - node->n_inputs];
        if (l->place[v] >= 0 && l->to[v] == i) set_end(l, v, 0);
    }
    return status;
}

static rin_status find_places(living *l, rin_error *error) {
    const rin_graph *graph = l->graph;
    for (rin_value v = 0; v < (rin_value)graph->n_values; v++) {
        const rin_value_info *info = &graph->values[v];
        bool used = v && l->to[v] >= 0 && (info->kind == RIN_VALUE_LOCAL || info->kind == RIN_VALUE_INPUT);
        l->place[v] = -1;
        if (!v || (l->plan->offsets[v] < 0 && !used)) continue;
        if (l->plan->offsets[v] < 0 || end_of(l, v) > l->plan->arena)
            return rin_error_set(error, RIN_ERR_INTERNAL, "memory plan: value %u lies outside of the arena", v);
        l->sorted[l->n++] = (placed){l->plan->offsets[v], v};
    }
    if (l->n) qsort(l->sorted, (size_t)l->n, sizeof *l->sorted, by_offset);
    for (int i = 0; i < l->n; i++) l->place[l->sorted[i].value] = i;
    return RIN_OK;
}

rin_status rin_plan_verify(const rin_graph *graph, const rin_plan *plan, rin_error *error) {
    size_t n = (size_t)graph->n_values;
    living l = {.graph = graph, .plan = plan, .width = 1};
    while ((size_t)l.width < n) l.width *= 2;
    rin_status status = RIN_ERR_MEMORY;
    if ((l.from = rin_calloc(n, sizeof *l.from, error)) && (l.to = rin_calloc(n, sizeof *l.to, error)) &&
        (l.place = rin_calloc(n, sizeof *l.place, error)) && (l.sorted = rin_calloc(n, sizeof *l.sorted, error)) &&
        (l.ends = rin_calloc(2 * (size_t)l.width, sizeof *l.ends, error))) {
        find_alive(graph, l.from, l.to);
        status = find_places(&l, error);
    }
    for (int p = 0; p < l.n && status == RIN_OK; p++) {
        if (l.from[l.sorted[p].value] < 0) status = bring_to_life(&l, l.sorted[p].value, error);
    }
    for (int i = 0; i < graph->n_nodes && status == RIN_OK; i++) status = pass_node(&l, i, error);
    rin_free(l.from);
    rin_free(l.to);
    rin_free(l.place);
    rin_free(l.sorted);
    rin_free(l.ends);
    return status;
}
