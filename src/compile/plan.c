/* SPDX-License-Identifier: MIT */
/* The memory plan: lifetimes by one scan of the nodes, then buffers placed largest first into the lowest free gap. */
#include <stdlib.h>
#include <string.h>

#include "compile/compile.h"
#include "op/op.h"

typedef struct buffer {
    int64_t size, offset; /* elements; offset -1 before it is placed */
    int first, last;
} buffer;

typedef struct planner {
    const rin_graph *graph;
    rin_plan *plan;
    int *buffer_of;   /* [n_values] -1 where a value needs none */
    buffer *buffers;  /* [n_buffers] */
    buffer **by_size; /* the same, largest first; then those placed so far, lowest first */
    int n_buffers;
} planner;

static bool in_arena(const rin_value_info *info) {
    return info->kind == RIN_VALUE_LOCAL || info->kind == RIN_VALUE_INPUT;
}

static void find_lifetimes(const rin_graph *graph, rin_plan *plan) {
    for (int v = 0; v < graph->n_values; v++) {
        bool input = v && graph->values[v].kind == RIN_VALUE_INPUT;
        plan->first[v] = input ? -1 : graph->n_nodes;
        plan->last[v] = input ? graph->n_nodes : -1;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        for (int j = 0; j < node->n_outputs + node->n_inputs; j++) {
            rin_value v = j < node->n_outputs ? node->outputs[j] : node->inputs[j - node->n_outputs];
            plan->first[v] = RIN_MIN(plan->first[v], i);
            plan->last[v] = RIN_MAX(plan->last[v], i);
        }
    }
    for (int v = 1; v < graph->n_values; v++) {
        if (graph->values[v].is_output) plan->last[v] = graph->n_nodes;
    }
}

/* The input that output 0 of node may overwrite here, or 0. */
static rin_value reusable_input(const planner *p, int i) {
    const rin_node *node = &p->graph->nodes[i];
    int alias = rin_op(node->op)->alias;
    rin_value out = node->outputs[0], in = alias >= 0 && alias < node->n_inputs ? node->inputs[alias] : 0;
    if (!out || !in || p->graph->values[in].kind != RIN_VALUE_LOCAL || p->graph->values[out].kind != RIN_VALUE_LOCAL)
        return 0;
    if (p->plan->last[in] != i || p->plan->first[out] != i || (node->accumulate & 1)) return 0;
    if (p->graph->values[in].type != p->graph->values[out].type) return 0;
    if (rin_shape_count(rin_graph_shape(p->graph, in)) != rin_shape_count(rin_graph_shape(p->graph, out))) return 0;
    for (int j = 0; j < node->n_inputs; j++) {
        if (j != alias && node->inputs[j] == in) return 0;
    }
    return in;
}

static rin_status make_buffers(planner *p, bool no_reuse, rin_error *error) {
    const rin_graph *graph = p->graph;
    for (int v = 0; v < graph->n_values; v++) p->buffer_of[v] = -1;
    for (int i = -1; i < graph->n_nodes; i++) { /* -1: the inputs */
        rin_value reused = i >= 0 && !no_reuse ? reusable_input(p, i) : 0;
        int n = i < 0 ? graph->n_values : graph->nodes[i].n_outputs;
        for (int j = 0; j < n; j++) {
            rin_value v = i < 0 ? (rin_value)j : graph->nodes[i].outputs[j];
            if (!v || !in_arena(&graph->values[v]) || p->buffer_of[v] >= 0) continue;
            if (i < 0 && graph->values[v].kind != RIN_VALUE_INPUT) continue;
            if (j == 0 && reused) {
                p->buffer_of[v] = p->buffer_of[reused];
                p->buffers[p->buffer_of[v]].last = p->plan->last[v];
                continue;
            }
            int64_t size = rin_padded_count(rin_value_size(&graph->values[v]));
            if (size > RIN_MAX_ELEMENTS - p->plan->values_sum) {
                return rin_error_set(error, RIN_ERR_MEMORY,
                                     "a run's values have over %lld elements in all, more than can be addressed",
                                     (long long)RIN_MAX_ELEMENTS);
            }
            p->buffer_of[v] = p->n_buffers;
            p->buffers[p->n_buffers++] = (buffer){size, -1, no_reuse ? -1 : p->plan->first[v],
                                                  no_reuse ? graph->n_nodes : p->plan->last[v]};
            p->plan->values_sum += size;
        }
    }
    return RIN_OK;
}

static int larger_first(const void *a, const void *b) {
    const buffer *x = *(buffer *const *)a, *y = *(buffer *const *)b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return (x > y) - (x < y);
}

/* placed[0..n) is sorted by offset; b goes into the lowest gap among those that live when it does. */
static void place(buffer **placed, int n, buffer *b) {
    int64_t offset = 0;
    for (int i = 0; i < n; i++) {
        const buffer *other = placed[i];
        if (other->last < b->first || other->first > b->last) continue;
        if (other->offset - offset >= b->size) break;
        offset = RIN_MAX(offset, other->offset + other->size);
    }
    b->offset = offset;
    int at = n;
    while (at > 0 && placed[at - 1]->offset > offset) {
        placed[at] = placed[at - 1];
        at--;
    }
    placed[at] = b;
}

static void place_all(planner *p) {
    for (int i = 0; i < p->n_buffers; i++) p->by_size[i] = &p->buffers[i];
    if (p->n_buffers) qsort(p->by_size, (size_t)p->n_buffers, sizeof *p->by_size, larger_first);
    for (int i = 0; i < p->n_buffers; i++) {
        buffer *b = p->by_size[i];
        place(p->by_size, i, b);
        p->plan->arena = RIN_MAX(p->plan->arena, b->offset + b->size);
    }
    for (int v = 0; v < p->graph->n_values; v++) {
        p->plan->offsets[v] = p->buffer_of[v] >= 0 ? p->buffers[p->buffer_of[v]].offset : -1;
    }
}

rin_status rin_plan_create(const rin_graph *graph, bool no_reuse, rin_plan **out, rin_error *error) {
    *out = NULL;
    size_t n = (size_t)graph->n_values;
    planner p = {.graph = graph};
    rin_status status = RIN_ERR_MEMORY;
    rin_plan *plan = p.plan = rin_calloc(1, sizeof *plan, error);
    if (!plan) goto done;
    plan->n_values = graph->n_values;
    if (!(plan->offsets = rin_calloc(n, sizeof *plan->offsets, error)) ||
        !(plan->first = rin_calloc(n, sizeof *plan->first, error)) ||
        !(plan->last = rin_calloc(n, sizeof *plan->last, error)) ||
        !(p.buffer_of = rin_calloc(n, sizeof *p.buffer_of, error)) ||
        !(p.buffers = rin_calloc(n, sizeof *p.buffers, error)) ||
        !(p.by_size = rin_calloc(n, sizeof(buffer *), error))) {
        goto done;
    }
    find_lifetimes(graph, plan);
    status = make_buffers(&p, no_reuse, error);
    if (status != RIN_OK) goto done;
    place_all(&p);
    status = rin_plan_verify(graph, plan, error);
done:
    rin_free(p.buffer_of);
    rin_free(p.buffers);
    rin_free(p.by_size);
    if (status == RIN_OK) *out = plan;
    else rin_plan_free(plan);
    return status;
}

void rin_plan_free(rin_plan *plan) {
    if (!plan) return;
    rin_free(plan->offsets);
    rin_free(plan->first);
    rin_free(plan->last);
    rin_free(plan);
}
