/* SPDX-License-Identifier: MIT */
/* Constants and codes: zeros, fixed positions, the signal level's sinusoids, labels. */
#include "op/family.h"

typedef struct shape_attr {
    rin_shape shape;
} shape_attr;

rin_value rin_op_zeros(rin_graph *graph, rin_shape shape) {
    shape_attr attr = {shape};
    return rin_op_add(graph, RIN_OP_zeros, NULL, 0, &attr, sizeof attr);
}

void rin_infer_zeros(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    (void)graph;
    out[0] = RIN_ATTR(node, shape_attr)->shape;
}

rin_value rin_op_sin_cos(rin_graph *graph, rin_sin_cos_attr attr, int64_t dim) {
    attr.dim = dim;
    return rin_op_add(graph, RIN_OP_sin_cos, NULL, 0, &attr, sizeof attr);
}

void rin_infer_sin_cos(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    const rin_sin_cos_attr *attr = RIN_ATTR(node, rin_sin_cos_attr);
    int64_t parts = attr->rows > 1 && attr->cols > 1 ? 2 : 1;
    (void)rin_expect(graph, node, attr->dim % parts == 0 && attr->rows * attr->cols > 1,
                     "wants the same width for each axis and two positions");
    out[0] = RIN_SHAPE(attr->repeat * attr->rows * attr->cols, attr->dim);
}

rin_value rin_op_time_encode(rin_graph *graph, rin_value gamma, double scale, int64_t dim) {
    rin_sin_cos_attr attr = {.dim = dim, .scale = scale};
    return rin_op_add(graph, RIN_OP_time_encode, &gamma, 1, &attr, sizeof attr);
}

void rin_infer_time_encode(rin_graph *graph, const rin_node *node, rin_shape out[RIN_MAX_OUTPUTS]) {
    int64_t dim = RIN_ATTR(node, rin_sin_cos_attr)->dim;
    (void)rin_expect(graph, node, rin_in(graph, node, 0)->rank == 1 && dim >= 2,
                     "wants gamma (B), a width of 2 or more");
    out[0] = RIN_SHAPE(rin_in(graph, node, 0)->dim[0], 1, dim);
}

rin_value rin_op_drop_labels(rin_graph *graph, rin_value labels, float rate) {
    rin_drop_attr attr = {rate};
    return rin_op_add(graph, RIN_OP_drop_labels, &labels, 1, &attr, sizeof attr);
}
