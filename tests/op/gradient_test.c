/* SPDX-License-Identifier: MIT */
/*
 * Gradients of every op against central differences, in double, on the reference.
 *
 * The loss of a case is the mean square of (output - target); target is random, so the gradient that arrives at the
 * op's output is a random tensor, and no error can hide behind a symmetry of the loss.
 */
#include "support/cases.h"
#include "support/lab.h"

#include "op/family.h"

#define PATCH(f, h, w, ch, s, p, first) \
    .patch = {.frames = f, .height = h, .width = w, .channels = ch, .stride = s, .size = p, .front = first}

static const op_case cases[] = {
    {"linear of one number", RIN_OP_linear, .n = {1, 1, 1, 1}, .attr.linear = {0}},
    {"linear", RIN_OP_linear, .n = {2, 3, 5, 7}, .attr.linear = {0}},
    {"linear without bias", RIN_OP_linear, .n = {1, 3, 5, 2}, .attr.linear = {0}, .no_bias = true},
    {"linear, residual", RIN_OP_linear, .n = {2, 2, 3, 5}, .attr.linear = {0}, .residual = true},
    {"linear, gelu", RIN_OP_linear, .n = {2, 3, 4, 5}, .attr.linear = {.act = RIN_ACT_GELU}},
    {"linear, silu", RIN_OP_linear, .n = {3, 1, 4, 5}, .attr.linear = {.act = RIN_ACT_SILU}},
    {"linear, dropout", RIN_OP_linear, .n = {3, 4, 3, 5}, .attr.linear = {.drop = 0.4f}},
    {"linear, drop-path", RIN_OP_linear, .n = {8, 2, 3, 4}, .attr.linear = {.path = 0.5f}, .residual = true},
    {"linear, everything", RIN_OP_linear, .n = {7, 3, 5, 4}, .attr.linear = {RIN_ACT_GELU, 0.3f, 0.2f},
     .residual = true},
    {"linear, twice", RIN_OP_linear, .n = {2, 3, 5, 4}, .attr.linear = {RIN_ACT_SILU, 0.3f, 0.2f}, .residual = true,
     .twice = true},
    {"attention of one query, two keys", RIN_OP_attention, .n = {1, 1, 2, 1}, .attr.attention = {1, 0}},
    {"attention", RIN_OP_attention, .n = {2, 3, 5, 6}, .attr.attention = {2, 0}},
    {"attention, many heads", RIN_OP_attention, .n = {1, 7, 4, 15}, .attr.attention = {5, 0}},
    {"attention, one head", RIN_OP_attention, .n = {2, 2, 3, 7}, .attr.attention = {1, 0}},
    {"attention, dropout", RIN_OP_attention, .n = {2, 3, 5, 6}, .attr.attention = {3, 0.4f}},
    {"attention, twice", RIN_OP_attention, .n = {2, 3, 4, 6}, .attr.attention = {2, 0.3f}, .twice = true},
    {"layer norm", RIN_OP_layer_norm, .n = {2, 3, 5}},
    {"layer norm of three", RIN_OP_layer_norm, .n = {1, 1, 3}},
    {"layer norm, prime", RIN_OP_layer_norm, .n = {3, 2, 17}},
    {"layer norm, twice", RIN_OP_layer_norm, .n = {2, 2, 7}, .twice = true},
    {"add", RIN_OP_add, .n = {2, 3, 5}},
    {"add, twice", RIN_OP_add, .n = {1, 2, 3}, .twice = true},
    {"add table", RIN_OP_add_table, .n = {3, 2, 5, 2}},
    {"add table from a row on", RIN_OP_add_table, .n = {2, 3, 4, 7}, .attr.rows.start = 2},
    {"add table up to its end", RIN_OP_add_table, .n = {2, 3, 4, 5}, .attr.rows.start = 2},
    {"add one row to all", RIN_OP_add_table, .n = {3, 5, 4, 1}},
    {"add table, twice", RIN_OP_add_table, .n = {2, 3, 4, 4}, .attr.rows.start = 1, .twice = true},
    {"table alone", RIN_OP_add_table, .n = {3, 2, 4, -2}},
    {"table alone, longer than used", RIN_OP_add_table, .n = {3, 2, 4, -5}},
    {"table alone, one row", RIN_OP_add_table, .n = {2, 3, 4, -1}},
    {"concat of two", RIN_OP_concat, .n = {2, 5, 1, 3}},
    {"concat of four", RIN_OP_concat, .n = {3, 2, 2, 1, 4, 3}},
    {"concat, twice", RIN_OP_concat, .n = {2, 3, 2, 0, 1}, .twice = true},
    {"slice at the start", RIN_OP_slice, .n = {2, 5, 3}, .attr.rows = {0, 2}},
    {"slice in the middle", RIN_OP_slice, .n = {3, 7, 2}, .attr.rows = {2, 3}},
    {"slice at the end, twice", RIN_OP_slice, .n = {2, 5, 3}, .attr.rows = {4, 1}, .twice = true},
    {"unpatch an image", RIN_OP_unpatch, .n = {2, 0}, .attr = {PATCH(1, 4, 6, 3, 1, 2, 0)}},
    {"unpatch a video", RIN_OP_unpatch, .n = {1, 0}, .attr = {PATCH(4, 2, 6, 2, 2, 2, 0)}},
    {"unpatch with padding behind", RIN_OP_unpatch, .n = {2, 0}, .attr = {PATCH(5, 2, 4, 1, 3, 2, 0)}},
    {"unpatch with padding before", RIN_OP_unpatch, .n = {2, 0}, .attr = {PATCH(4, 4, 2, 2, 3, 2, 1)}},
    {"unpatch, cropped", RIN_OP_unpatch, .n = {2, 2}, .attr = {PATCH(3, 2, 4, 1, 2, 2, 0)}},
    {"unpatch, twice", RIN_OP_unpatch, .n = {1, 1}, .attr = {PATCH(3, 3, 6, 1, 2, 3, 1)}, .twice = true},
    {"loss eps of eps", RIN_OP_loss, .n = {3, 2, 5}, .attr.loss = {RIN_PRED_EPS, RIN_LOSS_EPS, 1}},
    {"loss eps of x", RIN_OP_loss, .n = {3, 2, 5}, .attr.loss = {RIN_PRED_X, RIN_LOSS_EPS, 1}},
    {"loss eps of v", RIN_OP_loss, .n = {3, 2, 5}, .attr.loss = {RIN_PRED_V, RIN_LOSS_EPS, 0.7}},
    {"loss x of eps", RIN_OP_loss, .n = {3, 4, 5}, .attr.loss = {RIN_PRED_EPS, RIN_LOSS_X, 0.8}},
    {"loss x of x", RIN_OP_loss, .n = {3, 2, 5}, .attr.loss = {RIN_PRED_X, RIN_LOSS_X, 0.6}},
    {"loss x of v", RIN_OP_loss, .n = {2, 5, 3}, .attr.loss = {RIN_PRED_V, RIN_LOSS_X, 0.5}},
    {"loss x of v, wide", RIN_OP_loss, .n = {2, 5, 3}, .attr.loss = {RIN_PRED_V, RIN_LOSS_X, 3}},
    {"loss of one number", RIN_OP_loss, .n = {1, 1, 1}, .attr.loss = {RIN_PRED_V, RIN_LOSS_X, 2}},
};

/* Nodes up to the loss; what follows is the gradient. */
static int forward_nodes(const rin_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].op == RIN_OP_loss) return i + 1;
    }
    fail_msg("the graph has no loss");
    return 0;
}

static double loss_at(lab *l, rin_value parameter, int64_t i, double number) {
    double before = lab_get(l, parameter, i);
    lab_set(l, parameter, i, number);
    lab_run(l, 0, forward_nodes(l->graph));
    lab_set(l, parameter, i, before);
    return lab_get(l, lab_find(l, "loss"), 0);
}

/* All elements of a parameter; the differences are exact to about 1e-9 of the loss's curvature. */
static void check_parameter(lab *l, const char *name, rin_value parameter, rin_value gradient, double scale) {
    const double step = 1e-5;
    int64_t n = lab_count(l, parameter);
    double *got = lab_read(l, gradient), *expected = lab_read(l, gradient);
    for (int64_t i = 0; i < n; i++) {
        double at = lab_get(l, parameter, i);
        expected[i] = scale * (loss_at(l, parameter, i, at + step) - loss_at(l, parameter, i, at - step)) / (2 * step);
    }
    double most = largest(expected, n);
    char what[128];
    snprintf(what, sizeof what, "%s: gradient of %s", name, l->graph->values[parameter].name);
    if (!(most > 1e-6)) fail_msg("%s is zero: the case tests nothing", what);
    assert_close(what, got, expected, n, 1e-6 * most);
    test_free(got);
    test_free(expected);
}

static void check_case(const op_case *c, uint64_t seed) {
    rin_graph *graph = op_case_graph(c, true);
    lab *l = lab_create(graph, "ref64", 1);
    l->step.gradient_scale = 0.5;
    l->step.first_example = 5;
    lab_fill(l, seed);
    lab_poison(l);
    lab_run_all(l);
    int n_checked = 0;
    for (int v = 1; v < graph->n_values; v++) {
        if (graph->values[v].kind != RIN_VALUE_GRAD) continue;
        check_parameter(l, c->name, graph->values[v].param, (rin_value)v, 0.5);
        n_checked++;
    }
    for (int v = 1; v < graph->n_values; v++) n_checked -= graph->values[v].kind == RIN_VALUE_PARAM;
    if (n_checked) fail_msg("%s: %d parameters have no gradient", c->name, -n_checked);
    lab_free(l);
    rin_graph_free(graph);
}

static void test_gradients(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(cases); i++) check_case(&cases[i], 100 + i);
}

/* The clip of the loss passes nothing outside of [-b, b]; the cases above must meet both sides. */
static void test_loss_cases_clip(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const op_case *c = &cases[i];
        bool clips = c->op == RIN_OP_loss && (c->attr.loss.loss == RIN_LOSS_X || c->attr.loss.pred == RIN_PRED_X);
        if (!clips || c->attr.loss.b_scale >= 2) continue;
        rin_graph *graph = op_case_graph(c, true);
        lab *l = lab_create(graph, "ref64", 1);
        lab_fill(l, 100 + i);
        lab_run_all(l);
        int zeros = 0, others = 0;
        for (int v = 1; v < graph->n_values; v++) {
            if (graph->values[v].kind != RIN_VALUE_GRAD) continue;
            int64_t rows = c->n[1] + 2, d = c->n[2];
            for (int64_t k = 0; k < lab_count(l, (rin_value)v); k++) {
                if (k / d % rows == 0 || k / d % rows == rows - 1) continue; /* cut off: always zero */
                if (lab_get(l, (rin_value)v, k) == 0) zeros++;
                else others++;
            }
        }
        if (!zeros || !others) fail_msg("%s: %d clipped, %d not", c->name, zeros, others);
        lab_free(l);
        rin_graph_free(graph);
    }
}

/* Every op whose gradient passes has a case, every op a kernel in every host table. */
static void test_no_op_is_forgotten(void **state) {
    (void)state;
    for (int op = 0; op < RIN_N_OPS; op++) {
        bool found = !rin_op_has_gradient(op);
        for (size_t i = 0; i < RIN_COUNT(cases); i++) found = found || cases[i].op == op;
        if (!found) fail_msg("%s has a gradient and no case in this file", rin_op(op)->name);
        for (int b = 0; rin_backend_row(b); b++) {
            const rin_backend_table *row = rin_backend_row(b);
            if (row->kernels && !row->kernels[op].run)
                fail_msg("backend %s has no kernel for %s", row->name, rin_op(op)->name);
        }
    }
}

/* ---- operation counts ---- */

static double count_of(const rin_graph *graph, int op) {
    double sum = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].op == op) sum += rin_op(op)->flops(graph, &graph->nodes[i]);
    }
    return sum;
}

static void test_operation_counts(void **state) {
    (void)state;
    const op_case linear = {"linear", RIN_OP_linear, .n = {2, 3, 5, 7}, .attr.linear = {RIN_ACT_GELU, 0, 0}};
    const op_case attention = {"attention", RIN_OP_attention, .n = {2, 3, 5, 6}, .attr.attention = {2, 0}};
    const op_case conv = {"conv", RIN_OP_conv, .n = {2, 3, 5, 7, 4, 6},
                          .attr.conv = {.window = {{1, 3, 3}, {1, 2, 2}, {0}, {0}}}};
    rin_graph *graph = op_case_graph(&linear, true);
    double product = 2.0 * (2 * 3) * 5 * 7;
    assert_float_equal(count_of(graph, RIN_OP_linear), product, 0);
    assert_float_equal(count_of(graph, RIN_OP_linear_dx), product, 0);
    assert_float_equal(count_of(graph, RIN_OP_linear_dw), product, 0);
    assert_float_equal(count_of(graph, RIN_OP_linear_dz), 0, 0);
    rin_graph_free(graph);
    graph = op_case_graph(&attention, true);
    product = 2.0 * 2 * 3 * 5 * 6;
    assert_float_equal(count_of(graph, RIN_OP_attention), 2 * product, 0);
    assert_float_equal(count_of(graph, RIN_OP_attention_grad), 5 * product, 0);
    rin_graph_free(graph);
    graph = op_case_graph(&conv, false);
    assert_float_equal(count_of(graph, RIN_OP_conv), 2.0 * (2 * 3 * 2 * 3) * (3 * 3 * 4) * 6, 0);
    rin_graph_free(graph);
    static const int with_products[] = {RIN_OP_linear,    RIN_OP_linear_dx,      RIN_OP_linear_dw,
                                        RIN_OP_attention, RIN_OP_attention_grad, RIN_OP_conv};
    for (int op = 0; op < RIN_N_OPS; op++) {
        bool expected = false;
        for (size_t i = 0; i < RIN_COUNT(with_products); i++) expected = expected || with_products[i] == op;
        if (expected != (rin_op(op)->flops != rin_flops_none)) fail_msg("%s: count of operations", rin_op(op)->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_loss_cases_clip),
        cmocka_unit_test(test_no_op_is_forgotten),
        cmocka_unit_test(test_operation_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
