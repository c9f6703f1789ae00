/* SPDX-License-Identifier: MIT */
/* Gradients of whole training steps against central differences, in double: some elements of every parameter. */
#include "support/lab.h"
#include "support/tiny.h"

enum { ELEMENTS = 3 }; /* checked of each parameter */

static int find_last(const rin_graph *graph, int op) {
    int last = -1;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i].op == op) last = i;
    }
    return last;
}

/* Weights as they might be in training: layer norms around 1, everything else 0.3 wide. */
static void fill_parameters(lab *l) {
    for (int v = 1; v < l->graph->n_values; v++) {
        const rin_value_info *info = &l->graph->values[v];
        if (info->kind != RIN_VALUE_PARAM) continue;
        bool is_scale = info->shape.rank == 1 && strstr(info->name, "ln.weight");
        for (int64_t i = 0; i < lab_count(l, (rin_value)v); i++) {
            double number = 0.3 * lab_get(l, (rin_value)v, i);
            lab_set(l, (rin_value)v, i, is_scale ? 1 + number : number);
        }
    }
}

/* No gradient passes through the hiddens of the first forward: differences start behind where they are masked. */
static double loss_at(lab *l, int from, int to, rin_value parameter, int64_t i, double number) {
    double before = lab_get(l, parameter, i);
    lab_set(l, parameter, i, number);
    lab_run(l, from, to);
    lab_set(l, parameter, i, before);
    return lab_get(l, lab_find(l, "loss"), 0);
}

static void check_model(const tiny_model *model, uint64_t seed) {
    const rin_step_options options = {.batch = 3, .parts = 1, .given = true};
    rin_error error = {0};
    rin_graph *graph;
    rin_config *config = tiny_config(model->options);
    assert_ok(rin_step_graph(config, &options, &graph, &error), &error);
    lab *l = lab_create(graph, "ref64", 1);
    lab_fill(l, seed);
    fill_parameters(l);
    lab_poison(l);
    lab_run_all(l);
    int from = find_last(graph, RIN_OP_mask_hidden) + 1, to = find_last(graph, RIN_OP_loss) + 1, n = 0;
    double most = 0;
    for (int v = 1; v < graph->n_values; v++) {
        for (int64_t i = 0; graph->values[v].kind == RIN_VALUE_GRAD && i < lab_count(l, (rin_value)v); i++) {
            most = fmax(most, fabs(lab_get(l, (rin_value)v, i)));
        }
    }
    for (int v = 1; v < graph->n_values; v++) {
        if (graph->values[v].kind != RIN_VALUE_GRAD) continue;
        rin_value p = graph->values[v].param;
        for (uint32_t k = 0; k < ELEMENTS; k++) {
            int64_t i =
                (int64_t)(rin_random_u32((rin_random_key){seed, 1, (uint32_t)v}, k) % (uint64_t)lab_count(l, p));
            double at = lab_get(l, p, i), got = lab_get(l, (rin_value)v, i);
            double expected = (loss_at(l, from, to, p, i, at + 1e-5) - loss_at(l, from, to, p, i, at - 1e-5)) / 2e-5;
            if (!(fabs(got - expected) <= 1e-7 * most + 1e-6 * fabs(expected))) {
                fail_msg("%s: gradient of %s[%lld] is %.9g, expected %.9g", model->name, graph->values[p].name,
                         (long long)i, got, expected);
            }
            n++;
        }
    }
    for (int v = 1; v < graph->n_values; v++) n -= ELEMENTS * (graph->values[v].kind == RIN_VALUE_PARAM);
    assert_int_equal(n, 0);
    lab_free(l);
    rin_graph_free(graph);
    rin_config_free(config);
}

static void test_models(void **state) {
    (void)state;
    for (int i = 0; i < n_tiny_models; i++) check_model(&tiny_models[i], 40 + (uint64_t)i);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
