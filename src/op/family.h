/* SPDX-License-Identifier: MIT */
/* What the family files of this room share: declarations of the table's functions and checks of shapes. */
#ifndef RIN_OP_FAMILY_H
#define RIN_OP_FAMILY_H

#include "op/op.h"

const rin_shape *rin_in(const rin_graph *graph, const rin_node *node, int i);
bool rin_expect_same(rin_graph *graph, const rin_node *node, int i, int j);
bool rin_expect(rin_graph *graph, const rin_node *node, bool holds, const char *what);

#define OP(name, least, most, outputs, alias, shapes, gradient, flops)                               \
    void rin_infer_##shapes(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]); \
    void rin_gradient_##gradient(rin_backward *backward, const rin_node *node);                      \
    double rin_flops_##flops(const rin_graph *graph, const rin_node *node);
#include "op/op.def"
#undef OP
#endif
