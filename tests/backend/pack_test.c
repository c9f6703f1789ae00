/* SPDX-License-Identifier: MIT */
/* Products with weights that are packed ahead: the same numbers, on any number of threads, and no stale weights. */
#include "exec/exec.h"
#include "support/lab.h"

static const char *const backends[] = {LAB_FAST_BACKENDS};

/* rows, in, out */
static const int64_t sizes[][3] = {{1, 1, 1},    {1, 40, 70},  {5, 7, 33},    {12, 64, 32}, {13, 31, 65},
                                   {30, 17, 16}, {47, 3, 129}, {150, 96, 40}, {26, 700, 9}, {7, 2000, 700}};

static rin_graph *product(const int64_t *size, bool packed) {
    rin_error error = {0};
    rin_graph *graph = rin_graph_create(&error);
    assert_non_null(graph);
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(1, size[0], size[1]));
    rin_value weight = rin_graph_param(graph, "weight", RIN_SHAPE(size[2], size[1]), (rin_init){RIN_INIT_UNIFORM, 1});
    rin_value bias = rin_graph_param(graph, "bias", RIN_SHAPE(size[2]), (rin_init){RIN_INIT_UNIFORM, 1});
    const rin_linear_attr gelu = {.act = RIN_ACT_GELU};
    rin_graph_output(graph, "y", rin_op_linear(graph, x, weight, bias, 0, gelu));
    rin_graph_output(graph, "z", rin_op_linear(graph, x, weight, 0, 0, (rin_linear_attr){0})); /* the weight's second */
    if (packed) assert_ok(rin_pack(graph, &error), &error);
    assert_ok(rin_graph_status(graph, &error), &error);
    return graph;
}

static bool packs(const char *backend) {
    for (int i = 0; rin_backend_row(i); i++) {
        if (!strcmp(rin_backend_row(i)->name, backend)) return lab_available(backend) && rin_backend_row(i)->packs;
    }
    return false;
}

static lab *run(const rin_graph *graph, const char *backend, int threads) {
    lab *l = lab_create(graph, backend, threads);
    lab_fill(l, 5);
    for (int i = 0; i < 2; i++) { /* the same numbers whatever the graph has beside them */
        const char *name = i ? "weight" : "x";
        rin_value value = lab_find(l, name);
        for (int64_t k = 0; k < lab_count(l, value); k++)
            lab_set(l, value, k, (double)rin_random_normal((rin_random_key){1, (uint64_t)i, 0}, (uint64_t)k));
    }
    rin_value bias = lab_find(l, "bias");
    for (int64_t k = 0; k < lab_count(l, bias); k++) lab_set(l, bias, k, 0.125 * (double)(k % 5));
    lab_run_all(l);
    return l;
}

static void check_size(const int64_t *size, const char *backend) {
    rin_graph *graph = product(size, true), *plain = product(size, false);
    lab *oracle = run(plain, "ref64", 1), *one = run(graph, backend, 1);
    for (int i = 0; i < 2; i++) {
        rin_value v = lab_find(one, i ? "z" : "y");
        double *got = lab_read(one, v), *expected = lab_read(oracle, lab_find(oracle, i ? "z" : "y"));
        char what[96];
        snprintf(what, sizeof what, "%lld x %lld x %lld on %s", (long long)size[0], (long long)size[1],
                 (long long)size[2], backend);
        int64_t n = lab_count(one, v);
        assert_close(what, got, expected, n, 1e-5 * fmax(1, largest(expected, n)));
        for (int threads = 2; threads <= 3; threads++) {
            lab *more = run(graph, backend, threads);
            assert_memory_equal(lab_memory(one, v), lab_memory(more, v), (size_t)n * sizeof(float));
            lab_free(more);
        }
        test_free(got);
        test_free(expected);
    }
    lab_free(oracle);
    lab_free(one);
    rin_graph_free(graph);
    rin_graph_free(plain);
}

static void test_packed_products(void **state) {
    (void)state;
    for (size_t b = 0; b < RIN_COUNT(backends); b++) {
        for (size_t i = 0; packs(backends[b]) && i < RIN_COUNT(sizes); i++) check_size(sizes[i], backends[b]);
    }
}

static void test_weight_is_packed_once(void **state) {
    (void)state;
    rin_graph *graph = product(sizes[2], true);
    assert_int_equal(graph->n_nodes, 3);
    assert_int_equal(graph->nodes[0].op, RIN_OP_pack);
    assert_int_equal(graph->nodes[1].inputs[1], graph->nodes[2].inputs[1]);
    rin_graph_free(graph);
}

/* y of a program on a backend, with weights drawn from one seed and, once it has run, from another. */
static void run_twice(const char *backend, float *y, int64_t n) {
    rin_error error = {0};
    rin_backend *opened = NULL;
    rin_weights *weights = NULL;
    rin_program *program = NULL;
    rin_graph *graph = product(sizes[4], false);
    float x[13 * 31];
    for (size_t i = 0; i < RIN_COUNT(x); i++) x[i] = (float)(i % 7) - 3;
    assert_ok(rin_backend_create(backend, NULL, &opened, &error), &error);
    assert_ok(rin_weights_create(graph, opened, false, &weights, &error), &error);
    assert_ok(rin_program_create(graph, weights, NULL, &program, &error), &error);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        assert_ok(rin_weights_init(weights, seed, &error), &error);
        assert_ok(rin_program_write(program, "x", x, RIN_COUNT(x), &error), &error);
        rin_program_run(program, &(rin_step){0}, RIN_SECTION_ALL);
    }
    assert_ok(rin_program_read(program, "y", y, n, &error), &error);
    rin_program_free(program);
    rin_weights_free(weights);
    rin_backend_free(opened);
}

static void test_new_weights_are_packed_anew(void **state) {
    (void)state;
    enum { N = 13 * 65 };
    static float got[N], expected[N];
    run_twice("cpu", got, N);
    run_twice("ref", expected, N);
    for (int i = 0; i < N; i++) assert_float_equal(got[i], expected[i], 1e-4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_products),
        cmocka_unit_test(test_weight_is_packed_once),
        cmocka_unit_test(test_new_weights_are_packed_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
