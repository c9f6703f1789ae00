/* SPDX-License-Identifier: MIT */
/* Patches: their order by hand, and there and back again, on every backend. */
#include "support/lab.h"

static const char *const backends[] = {"ref", "ref64", LAB_FAST_BACKENDS};

static void check_there_and_back(const char *backend, int64_t batch, rin_patch_attr attr) {
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(batch, attr.frames, attr.height, attr.width, attr.channels));
    rin_value y = rin_graph_output(graph, "y", rin_op_unpatch(graph, rin_op_patch(graph, x, attr), attr));
    lab *l = lab_create(graph, backend, 2);
    lab_fill(l, 1);
    lab_poison(l);
    lab_run_all(l);
    for (int64_t i = 0; i < lab_count(l, x); i++) {
        if (lab_get(l, x, i) != lab_get(l, y, i)) {
            fail_msg("%s: %lld frames of %lld x %lld, stride %lld: pixel %lld is %g, not %g", backend,
                     (long long)attr.frames, (long long)attr.height, (long long)attr.width, (long long)attr.stride,
                     (long long)i, lab_get(l, y, i), lab_get(l, x, i));
        }
    }
    lab_free(l);
    rin_graph_free(graph);
}

static void test_there_and_back(void **state) {
    (void)state;
    static const rin_patch_attr attrs[] = {
        {1, 4, 4, 3, 1, 2, 0},  {1, 6, 2, 1, 1, 2, 0}, {1, 3, 9, 2, 1, 3, 0}, {4, 2, 6, 3, 2, 2, 0},
        {5, 4, 2, 1, 2, 2, 0},  {5, 4, 6, 2, 3, 2, 0}, {4, 4, 6, 2, 3, 2, 1}, {7, 2, 4, 1, 4, 1, 0},
        {3, 8, 16, 3, 2, 8, 0}, {1, 5, 7, 4, 1, 1, 0},
    };
    for (size_t i = 0; i < RIN_COUNT(attrs); i++) {
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (lab_available(backends[b])) check_there_and_back(backends[b], 1 + (int64_t)i % 3, attrs[i]);
        }
    }
}

/* Tokens in (time, row, column) order, their numbers in (t, h, w, channel) order; padding is zero, one frame before. */
static void test_order(void **state) {
    (void)state;
    const rin_patch_attr attr = {
        .frames = 2, .height = 2, .width = 4, .channels = 2, .stride = 3, .size = 2, .front = 0};
    rin_patch_attr padded = attr;
    padded.front = 1;
    for (int front = 0; front < 2; front++) {
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (!lab_available(backends[b])) continue;
            rin_graph *graph = rin_graph_create(NULL);
            assert_non_null(graph);
            rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(1, 2, 2, 4, 2));
            rin_value y = rin_graph_output(graph, "y", rin_op_patch(graph, x, front ? padded : attr));
            lab *l = lab_create(graph, backends[b], 1);
            for (int64_t i = 0; i < 32; i++)
                lab_set(l, x, i, (double)(i + 1)); /* frame 16, row 8, column 2, channel 1 */
            lab_run_all(l);
            assert_int_equal(lab_count(l, y), 48);
            for (int64_t i = 0; i < 48; i++) {
                int64_t token = i / 24, t = i % 24 / 8 - front, h = i % 8 / 4, w = i % 4 / 2, c = i % 2;
                double expected = t < 0 || t > 1 ? 0 : (double)(1 + 16 * t + 8 * h + 2 * (2 * token + w) + c);
                assert_float_equal(lab_get(l, y, i), expected, 0);
            }
            lab_free(l);
            rin_graph_free(graph);
        }
    }
}

/* Only what is used of it moves: a single part is itself, all of the rows are the value. */
static void test_nothing_to_do(void **state) {
    (void)state;
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(2, 3, 4));
    assert_int_equal(rin_op_slice(graph, x, 0, 3), x);
    assert_int_equal(rin_op_concat(graph, (rin_value[]){0, x, 0}, 3), x);
    assert_int_equal(graph->n_nodes, 0);
    rin_graph_free(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
