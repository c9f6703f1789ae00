/* SPDX-License-Identifier: MIT */
/* Shapes, names and scopes, and the first error of a build. */
#include "support/check.h"

#include "graph/graph.h"
#include "op/op.h"

static rin_graph *new_graph(void) {
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    return graph;
}

static void test_shapes(void **state) {
    (void)state;
    const rin_shape a = RIN_SHAPE(2, 3, 5), b = RIN_SHAPE(2, 3, 5), c = RIN_SHAPE(2, 15), scalar = {0};
    char text[96];
    assert_int_equal(rin_shape_count(&a), 30);
    assert_int_equal(rin_shape_last(&a), 5);
    assert_int_equal(rin_shape_rows(&a), 6);
    assert_int_equal(rin_shape_count(&scalar), 1);
    assert_int_equal(rin_shape_last(&scalar), 1);
    assert_true(rin_shape_equal(&a, &b));
    assert_false(rin_shape_equal(&a, &c));
    assert_string_equal(rin_shape_text(&a, text), "(2, 3, 5)");
    assert_string_equal(rin_shape_text(&scalar, text), "()");
    const int64_t huge = INT64_MAX;
    const rin_shape long_one = RIN_SHAPE(huge, huge, huge, huge, huge, huge);
    assert_true(strlen(rin_shape_text(&long_one, text)) < sizeof text);
}

static void test_names_have_scopes(void **state) {
    (void)state;
    rin_graph *graph = new_graph();
    const rin_init zero = {0};
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(3));
    rin_graph_enter(graph, "blocks.%d", 1);
    rin_graph_enter(graph, "read");
    rin_value w = rin_graph_param(graph, "weight", RIN_SHAPE(2, 3), zero);
    rin_graph_leave(graph);
    rin_value b = rin_graph_param(graph, "bias", RIN_SHAPE(2), zero);
    rin_graph_leave(graph);
    rin_graph_leave(graph); /* one too many is nothing */
    rin_value top = rin_graph_param(graph, "bias", RIN_SHAPE(4), zero);
    assert_int_equal(rin_graph_find(graph, "x"), x);
    assert_int_equal(rin_graph_find(graph, "blocks.1.read.weight"), w);
    assert_int_equal(rin_graph_find(graph, "blocks.1.bias"), b);
    assert_int_equal(rin_graph_find(graph, "bias"), top);
    assert_int_equal(rin_graph_find(graph, "weight"), 0);
    rin_graph_enter(graph, "blocks.1");
    assert_int_equal(rin_graph_param(graph, "bias", RIN_SHAPE(2), zero), b); /* the same, not another */
    rin_graph_leave(graph);
    rin_value gradient = rin_graph_param_gradient(graph, w);
    assert_int_equal(rin_graph_param_gradient(graph, w), gradient);
    assert_int_equal(graph->values[gradient].param, w);
    assert_int_equal(rin_graph_status(graph, NULL), RIN_OK);
    rin_graph_free(graph);
}

static void test_first_error_stays(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = new_graph();
    rin_graph_enter(graph, "here");
    assert_int_equal(rin_graph_input(graph, "empty", RIN_SHAPE(2, 0)), 0);
    assert_int_equal(rin_graph_input(graph, "fine", RIN_SHAPE(2)), 0);
    (void)rin_graph_fail(graph, RIN_ERR_CONFIG, "later");
    int nodes = graph->n_nodes;
    rin_graph_append(graph, &(rin_node){0});
    assert_int_equal(graph->n_nodes, nodes);
    assert_refused(rin_graph_status(graph, &error), RIN_ERR_SHAPE, &error, "here: a tensor of shape (2, 0) is empty");
    rin_graph_free(graph);
}

static void test_outputs_have_one_name(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = new_graph();
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(2, 3)), y = rin_op_rescale(graph, x, 2, 0);
    assert_int_equal(rin_graph_output(graph, "y", y), y);
    assert_int_equal(rin_graph_output(graph, "z", y), 0);
    assert_refused(rin_graph_status(graph, &error), RIN_ERR_INTERNAL, &error, "'z'");
    rin_graph_free(graph);
}

static void test_deep_and_long_scopes(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = new_graph();
    for (int i = 0; i < 40; i++) rin_graph_enter(graph, "s");
    assert_refused(rin_graph_status(graph, &error), RIN_ERR_INTERNAL, &error, "nested too deep");
    rin_graph_free(graph);
    graph = new_graph();
    for (int i = 0; i < 8; i++) rin_graph_enter(graph, "%0100d", i);
    assert_int_equal(rin_graph_status(graph, &error), RIN_ERR_INTERNAL);
    rin_graph_free(graph);
    rin_graph_free(NULL);
}

static void test_ops_check_their_inputs(void **state) {
    (void)state;
    const rin_shape a = RIN_SHAPE(2, 3, 4), b = RIN_SHAPE(2, 3, 5), flat = RIN_SHAPE(4);
    const rin_patch_attr patch = {.frames = 1, .height = 4, .width = 4, .channels = 1, .stride = 1, .size = 2};
    for (int k = 0; k < 13; k++) {
        rin_error error = {0};
        rin_graph *graph = new_graph();
        rin_value x = rin_graph_input(graph, "a", a), y = rin_graph_input(graph, "b", b),
                  v = rin_graph_input(graph, "v", flat), got = 0;
        switch (k) {
        case 0: got = rin_op_sum(graph, x, y); break;
        case 1: got = rin_op_linear(graph, x, y, 0, 0, (rin_linear_attr){0}); break;
        case 2: got = rin_op_attention(graph, x, x, y, (rin_attention_attr){1, 0}); break;
        case 3: got = rin_op_attention(graph, x, x, x, (rin_attention_attr){3, 0}); break;
        case 4: got = rin_op_attention(graph, x, x, x, (rin_attention_attr){0, 0}); break;
        case 5: got = rin_op_layer_norm(graph, y, v, v); break;
        case 6: got = rin_op_slice(graph, x, 2, 2); break;
        case 7: got = rin_op_slice(graph, x, -1, 2); break;
        case 8: got = rin_op_concat(graph, (rin_value[]){x, y}, 2); break;
        case 9: got = rin_op_patch(graph, x, patch); break;
        case 10: got = rin_op_unpatch(graph, x, patch); break;
        case 11: got = rin_op_add_noise(graph, x, x, v); break;
        default: got = rin_op_loss(graph, x, x, y, v, (rin_loss_attr){RIN_PRED_EPS, RIN_LOSS_EPS, 1}); break;
        }
        if (got || rin_graph_status(graph, &error) != RIN_ERR_SHAPE)
            fail_msg("wrong input %d is accepted: %s", k, error.text);
        rin_graph_free(graph);
    }
}

/* Names by the thousand are found, and are still the first of their name. */
static void test_names_are_found(void **state) {
    (void)state;
    enum { N = 3000 };
    rin_error error = {0};
    rin_graph *graph = new_graph();
    char name[32];
    assert_int_equal(rin_graph_find(graph, "x"), 0);
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(2)), values[N];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "p%d", i);
        values[i] = rin_graph_param(graph, name, RIN_SHAPE(2), (rin_init){0});
        if (i % 2) (void)rin_graph_value(graph, RIN_VALUE_LOCAL, RIN_SHAPE(1)); /* without a name */
    }
    assert_ok(rin_graph_status(graph, &error), &error);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(rin_graph_find(graph, name), values[i]);
        assert_int_equal(rin_graph_param(graph, name, RIN_SHAPE(2), (rin_init){0}), values[i]);
        rin_value gradient = rin_graph_param_gradient(graph, values[i]);
        assert_true(gradient && gradient == rin_graph_param_gradient(graph, values[i]));
        assert_int_equal(graph->values[gradient].param, values[i]);
    }
    assert_int_equal(rin_graph_find(graph, "x"), x);
    assert_int_equal(rin_graph_find(graph, "p"), 0);
    assert_int_equal(rin_graph_find(graph, ""), 0);
    rin_graph_free(graph);
}

/* Sizes whose product is no int64 are refused rather than wrapped around. */
static void test_tensors_too_large_to_address(void **state) {
    (void)state;
    const int64_t most = RIN_MAX_ELEMENTS;
    const rin_shape bad[] = {RIN_SHAPE(most + 1), RIN_SHAPE(most, 2), RIN_SHAPE(INT64_MAX, INT64_MAX, INT64_MAX),
                             RIN_SHAPE(65536, 65536, 65536, 1048576), RIN_SHAPE(3, most / 2, 1, 1, 1, 1)};
    for (size_t i = 0; i < RIN_COUNT(bad); i++) {
        rin_error error = {0};
        rin_graph *graph = new_graph();
        assert_int_equal(rin_graph_input(graph, "x", bad[i]), 0);
        assert_refused(rin_graph_status(graph, &error), RIN_ERR_MEMORY, &error, "cannot be addressed");
        rin_graph_free(graph);
    }
    rin_graph *graph = new_graph();
    assert_true(rin_graph_input(graph, "x", RIN_SHAPE(most)) != 0);
    assert_true(rin_graph_input(graph, "y", RIN_SHAPE(1, most / 2, 2)) != 0);
    rin_graph_free(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_names_have_scopes),
        cmocka_unit_test(test_first_error_stays),
        cmocka_unit_test(test_outputs_have_one_name),
        cmocka_unit_test(test_deep_and_long_scopes),
        cmocka_unit_test(test_ops_check_their_inputs),
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_tensors_too_large_to_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
