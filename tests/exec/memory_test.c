/* SPDX-License-Identifier: MIT */
/* Weights and programs are measured before they are allocated, and refused when there is not so much memory. */
#include "support/tiny.h"

#include "compile/compile.h"
#include "op/op.h"

/* More than any machine has, and far less than what cannot be addressed. */
static const int64_t many = (int64_t)1 << 44;

static rin_backend *open_backend(const char *name) {
    rin_error error = {0};
    rin_backend *backend;
    rin_backend_options options = {.threads = 1};
    assert_ok(rin_backend_create(name, &options, &backend, &error), &error);
    return backend;
}

static rin_graph *graph_with_weights(int64_t n) {
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    (void)rin_graph_param(graph, "small", RIN_SHAPE(3), (rin_init){0});
    (void)rin_graph_param(graph, "large", RIN_SHAPE(n), (rin_init){0});
    return graph;
}

static void test_weights_are_refused(void **state) {
    (void)state;
    for (int training = 0; training < 2; training++) {
        rin_error error = {0};
        rin_weights *weights;
        rin_graph *graph = graph_with_weights(many);
        rin_backend *backend = open_backend(training ? "cpu" : "ref64");
        assert_refused(rin_weights_create(graph, backend, training, &weights, &error), RIN_ERR_MEMORY, &error,
                       training ? "5 numbers for each" : "2 numbers for each");
        char bytes[64]; /* the last tensor is whole lines already, the first is padded to one */
        snprintf(bytes, sizeof bytes, " %lld bytes",
                 (long long)((many + 16) * (training ? 5 * (int64_t)sizeof(float) : 2 * (int64_t)sizeof(double))));
        assert_non_null(strstr(error.text, bytes));
        assert_null(weights);
        rin_backend_free(backend);
        rin_graph_free(graph);
    }
}

static void test_weights_beyond_all_addresses(void **state) {
    (void)state;
    rin_error error = {0};
    rin_weights *weights;
    rin_graph *graph = graph_with_weights(RIN_MAX_ELEMENTS);
    rin_backend *backend = open_backend("cpu");
    assert_refused(rin_weights_create(graph, backend, false, &weights, &error), RIN_ERR_MEMORY, &error,
                   "can be addressed");
    assert_null(weights);
    rin_backend_free(backend);
    rin_graph_free(graph);
}

static void test_weights_are_found_by_name(void **state) {
    (void)state;
    rin_error error = {0};
    rin_config *config = tiny_config("");
    tiny_step s = tiny_step_create(config, "cpu", 1, &(rin_step_options){.batch = 4, .parts = 1, .update = true}, NULL);
    for (int i = 0; i < s.weights->n_tensors; i++) {
        const rin_tensor *tensor = &s.weights->tensors[i];
        assert_ptr_equal(rin_weights_find(s.weights, tensor->name), tensor);
    }
    assert_null(rin_weights_find(s.weights, "none"));
    assert_null(rin_weights_find(s.weights, ""));
    tiny_step_free(&s);
    rin_config_free(config);
    rin_graph *graph = rin_graph_create(NULL);
    rin_backend *backend = open_backend("cpu");
    rin_weights *none;
    assert_ok(rin_weights_create(graph, backend, false, &none, &error), &error);
    assert_null(rin_weights_find(none, "small"));
    rin_weights_free(none);
    rin_backend_free(backend);
    rin_graph_free(graph);
}

/* y = 2 x of so many numbers, and a constant of so many; what is too many is refused, and owns the graph all the same.
 */
static rin_status bind(int64_t values, int64_t constants, rin_error *error) {
    rin_program *program;
    rin_weights *weights;
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(values));
    (void)rin_graph_output(graph, "y", rin_op_rescale(graph, x, 2, 0));
    (void)rin_op_zeros(graph, RIN_SHAPE(constants));
    rin_backend *backend = open_backend("cpu");
    assert_ok(rin_weights_create(graph, backend, false, &weights, error), error);
    rin_status status = rin_program_create(graph, weights, NULL, &program, error);
    assert_int_equal(status == RIN_OK, program != NULL);
    rin_program_free(program);
    rin_weights_free(weights);
    rin_backend_free(backend);
    return status;
}

static void test_programs_are_refused(void **state) {
    (void)state;
    rin_error error = {0};
    assert_ok(bind(100, 100, &error), &error);
    assert_refused(bind(many, 100, &error), RIN_ERR_MEMORY, &error, "are needed");
    char bytes[64];
    snprintf(bytes, sizeof bytes, " %lld", (long long)(2 * many * (int64_t)sizeof(float)));
    bytes[8] = '\0'; /* constants come on top */
    assert_non_null(strstr(error.text, bytes));
    assert_refused(bind(100, many, &error), RIN_ERR_MEMORY, &error, "are needed");
    assert_refused(bind(100, RIN_MAX_ELEMENTS, &error), RIN_ERR_MEMORY, &error, "addressed");
}

/* What is measured from shapes is what binding then takes. */
static void test_measures_are_what_is_taken(void **state) {
    (void)state;
    static const char *const backends[] = {"cpu-plain", "ref64"};
    const rin_step_options options = {.batch = 4, .parts = 1, .update = true};
    for (int m = 0; m < n_tiny_models; m++) {
        rin_error error = {0};
        rin_config *config = tiny_config(tiny_models[m].options);
        tiny_step s = tiny_step_create(config, backends[m % 2], 2, &options, NULL);
        rin_weights *layout;
        rin_program_bytes bytes;
        const rin_graph *graph = rin_program_graph(s.program);
        const rin_plan *plan = rin_program_plan(s.program);
        assert_ok(rin_weights_lay_out(graph, s.backend, &layout, &error), &error);
        assert_ok(rin_program_measure(graph, plan, layout, &bytes, &error), &error);
        size_t size = s.backend->table->element_size;
        assert_int_equal(rin_weights_bytes(layout), 0);
        assert_int_equal(layout->count, s.weights->count);
        assert_int_equal(layout->parameters, s.weights->parameters);
        assert_int_equal(rin_weights_bytes(s.weights), RIN_N_ARENAS * s.weights->count * (int64_t)size);
        assert_int_equal(bytes.arena, (uint64_t)plan->arena * size);
        assert_int_equal(bytes.scratch, rin_program_scratch_bytes(s.program));
        rin_weights_free(layout);
        tiny_step_free(&s);
        rin_config_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_refused),        cmocka_unit_test(test_weights_beyond_all_addresses),
        cmocka_unit_test(test_weights_are_found_by_name),  cmocka_unit_test(test_programs_are_refused),
        cmocka_unit_test(test_measures_are_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
