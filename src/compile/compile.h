/* SPDX-License-Identifier: MIT */
/* compile: from a forward graph to a list that can be run: gradients, dead code, memory plan, and a proof of the plan.
 */
#ifndef RIN_COMPILE_H
#define RIN_COMPILE_H

#include "graph/graph.h"

/*
 * Appends the nodes that compute the gradient of a loss with respect to every parameter it depends on: the node list
 * walked backwards through the gradient rules. The first writer of a gradient sets it, the others add to it.
 */
rin_status rin_autodiff(rin_graph *graph, rin_value loss, rin_error *error) RIN_CHECKED;

/* Removes nodes and outputs that reach neither a named output, nor a parameter's gradient, nor an update. */
rin_status rin_remove_dead(rin_graph *graph, rin_error *error) RIN_CHECKED;

/*
 * Makes values of the forward nodes, the first n_forward, again where backward reads them, instead of keeping them: all
 * that layers have inside and hand on to nobody, or only what costs next to nothing for the memory that it saves.
 */
rin_status rin_recompute(rin_graph *graph, int n_forward, bool all, rin_error *error) RIN_CHECKED;

/* Joins nodes of which one needs nothing but the result of the other, where there is a kernel for both. */
rin_status rin_fuse(rin_graph *graph, rin_error *error) RIN_CHECKED;

/*
 * Makes streams of tokens bf16, and weights and biases where products read them. Everything else stays real: pixels,
 * noise and the network's answer, statistics, the loss, gradients of weights.
 */
void rin_narrow(rin_graph *graph);

/*
 * Packs the weights of linear layers where nothing trains them: once for as long as they do not change, instead of in
 * every product. For hosts, at the price of a second copy of these weights.
 */
rin_status rin_pack(rin_graph *graph, rin_error *error) RIN_CHECKED;

/* Where every local value lives in one arena. */
typedef struct rin_plan {
    int64_t *offsets;  /* [n_values] in elements; -1 where a value is not in the arena */
    int *first, *last; /* [n_values] nodes that write it first and use it last: -1 and n_nodes for inputs and outputs */
    int64_t arena;     /* elements */
    int64_t values_sum; /* elements if nothing were reused */
    int n_values;
} rin_plan;

/* Values whose lifetimes do not overlap share memory, unless no_reuse. Inputs live through the whole run. */
rin_status rin_plan_create(const rin_graph *graph, bool no_reuse, rin_plan **out, rin_error *error) RIN_CHECKED;
void rin_plan_free(rin_plan *plan);

/* Proves from the node list alone that no two values that live at the same time overlap, but for declared aliases. */
rin_status rin_plan_verify(const rin_graph *graph, const rin_plan *plan, rin_error *error) RIN_CHECKED;

/* Sum of the costs of all nodes: 2 x multiply-adds of linear layers and attention. */
double rin_graph_flops(const rin_graph *graph);

/* A line a node: number, op, scope, shapes, offsets (plan may be NULL). */
void rin_graph_print(const rin_graph *graph, const rin_plan *plan, rin_text *text);

#endif
