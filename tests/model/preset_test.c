/* SPDX-License-Identifier: MIT */
/* Sizes of the presets' networks, and the distribution of initial values. */
#include "support/json.h"

#include "compile/compile.h"
#include "exec/exec.h"
#include "model/model.h"

static int64_t count_parameters(const rin_graph *graph) {
    int64_t n = 0;
    for (int i = 1; i < graph->n_values; i++) {
        if (graph->values[i].kind == RIN_VALUE_PARAM) n += rin_shape_count(&graph->values[i].shape);
    }
    return n;
}

static void check_size(const char *name, const rin_config *config, const cJSON *expected) {
    rin_error error = {0};
    rin_graph *graph;
    assert_ok(rin_model_forward_graph(config, 1, &graph, &error), &error);
    assert_ok(rin_remove_dead(graph, &error), &error);
    double parameters = (double)count_parameters(graph), flops = rin_graph_flops(graph) / 1e9;
    if (parameters != json_number(expected, "params")) fail_msg("%s: %.0f parameters", name, parameters);
    /* The fixture has two decimals. */
    if (fabs(flops - json_number(expected, "gflops_forward")) > 0.01 * flops + 0.005)
        fail_msg("%s: %g GFLOPs", name, flops);
    rin_shape tape = rin_model_tape_shape(&config->model, 1);
    assert_float_equal((double)tape.dim[1], json_number(expected, "tokens"), 0);
    rin_graph_free(graph);
}

/* The model of the fixture, and the preset of the same name. */
static void test_sizes(void **state) {
    (void)state;
    cJSON *json = json_read("tests/fixtures/presets.json");
    const cJSON *row;
    int n = 0;
    cJSON_ArrayForEach(row, json) {
        rin_error error = {0};
        rin_config *config;
        char *model = cJSON_PrintUnformatted(json_member(row, "model"));
        assert_ok(rin_config_create(&config, &error), &error);
        assert_ok(rin_config_load_json(config, "model", model, &error), &error);
        check_size(row->string, config, row);
        rin_config_free(config);
        assert_ok(rin_config_create(&config, &error), &error);
        assert_ok(rin_config_load_preset(config, row->string, &error), &error);
        check_size(row->string, config, row);
        rin_config_free(config);
        cJSON_free(model);
        n++;
    }
    assert_true(n >= 9);
    cJSON_Delete(json);
}

/* ---- initial values ---- */

/* Position tables of the fixture are called by their names alone. */
static void check_declared(const rin_value_info *info, const cJSON *row) {
    const char *dist = json_text(row, "dist");
    if (strcmp(dist, "constant") == 0) {
        assert_int_equal(info->init.kind, RIN_INIT_CONSTANT);
        assert_float_equal(info->init.scale, json_number(row, "value"), 0);
    } else if (strcmp(dist, "uniform") == 0) {
        assert_int_equal(info->init.kind, RIN_INIT_UNIFORM);
        double limit = json_number(row, "limit");
        if (!(fabs(info->init.scale - limit) <= 1e-9 * limit)) {
            fail_msg("%s: limit %.12g, expected %.12g", info->name, info->init.scale, limit);
        }
    } else {
        assert_string_equal(dist, "truncated_normal");
        assert_int_equal(info->init.kind, RIN_INIT_TRUNCATED_NORMAL);
        assert_float_equal(info->init.scale, json_number(row, "stddev"), 1e-12);
        assert_float_equal(2 * info->init.scale, json_number(row, "bound"), 1e-12);
    }
}

static void check_drawn(const char *name, const rin_init *init, const float *values, int64_t n) {
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double v = (double)values[i];
        sum += v;
        squares += v * v;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    double mean = sum / (double)n, sd = sqrt(squares / (double)n - mean * mean), s = init->scale;
    bool fine = true;
    if (init->kind == RIN_INIT_CONSTANT) fine = low == s && high == s;
    /* Five standard errors of mean and spread; the limits are met within 2%. */
    double width = init->kind == RIN_INIT_UNIFORM ? s / sqrt(3) : 0.8796 * s, slack = 5 / sqrt((double)n);
    double bound = init->kind == RIN_INIT_UNIFORM ? s : 2 * s;
    if (init->kind != RIN_INIT_CONSTANT) {
        fine = low >= -bound * (1 + 1e-7) && high <= bound * (1 + 1e-7) && low < -0.98 * bound && high > 0.98 * bound &&
               fabs(mean) <= slack * width && fabs(sd / width - 1) <= slack;
    }
    if (!fine)
        fail_msg("%s: %lld values of %g to %g, mean %g, sd %g, scale %g", name, (long long)n, low, high, mean, sd, s);
}

/* The preset cifar10 with one block of one layer: all blocks and layers are alike. */
static void test_initial_values(void **state) {
    (void)state;
    rin_error error = {0};
    rin_config *config;
    rin_graph *graph;
    rin_backend *backend;
    rin_weights *weights, *again;
    cJSON *json = json_read("tests/golden/init.json");
    const cJSON *row;
    assert_ok(rin_config_create(&config, &error), &error);
    assert_ok(rin_config_load_preset(config, json_text(json, "preset"), &error), &error);
    assert_ok(rin_config_set(config, "model.num_layers", "1", &error), &error);
    assert_ok(rin_model_forward_graph(config, 1, &graph, &error), &error);
    assert_ok(rin_backend_create("ref", NULL, &backend, &error), &error);
    assert_ok(rin_weights_create(graph, backend, false, &weights, &error), &error);
    assert_ok(rin_weights_create(graph, backend, false, &again, &error), &error);
    assert_ok(rin_weights_init(weights, 12, &error), &error);
    assert_ok(rin_weights_init(again, 13, &error), &error);
    int n = 0;
    cJSON_ArrayForEach(row, json_member(json, "params")) {
        rin_value v = rin_graph_find(graph, row->string);
        if (!v) fail_msg("the model has no %s", row->string);
        check_declared(&graph->values[v], row);
        const rin_tensor *tensor = rin_weights_find(weights, row->string);
        float *values = test_malloc((size_t)tensor->count * sizeof *values),
              *others = test_malloc((size_t)tensor->count * sizeof *others);
        rin_weights_download(weights, RIN_ARENA_WEIGHTS, tensor, values);
        check_drawn(row->string, &tensor->init, values, tensor->count);
        rin_weights_download(weights, RIN_ARENA_EMA, tensor, others);
        assert_memory_equal(values, others, (size_t)tensor->count * sizeof *values);
        rin_weights_download(again, RIN_ARENA_WEIGHTS, tensor, others);
        bool same = memcmp(values, others, (size_t)tensor->count * sizeof *values) == 0;
        assert_true(same == (tensor->init.kind == RIN_INIT_CONSTANT)); /* the seed decides */
        test_free(values);
        test_free(others);
        n++;
    }
    assert_int_equal(n, weights->n_tensors);
    rin_weights_free(weights);
    rin_weights_free(again);
    rin_backend_free(backend);
    rin_graph_free(graph);
    rin_config_free(config);
    cJSON_Delete(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_initial_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
