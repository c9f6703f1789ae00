/* SPDX-License-Identifier: MIT */
/* Gradients of graphs whose values have several readers, dead code, the memory plan and its proof. */
#include "support/lab.h"
#include "support/tiny.h"

#include "compile/compile.h"

static const rin_step_options whole = {.batch = 2, .parts = 1, .update = true};

static rin_graph *step_graph(const char *options) {
    rin_error error = {0};
    rin_graph *graph;
    rin_config *config = tiny_config(options);
    assert_ok(rin_step_graph(config, &whole, &graph, &error), &error);
    rin_config_free(config);
    return graph;
}

/* ---- autodiff ---- */

static rin_value param(rin_graph *graph, const char *name, rin_shape shape) {
    return rin_graph_param(graph, name, shape, (rin_init){0});
}

static rin_value square_loss(rin_graph *graph, rin_value y) {
    rin_shape shape = *rin_graph_shape(graph, y);
    rin_value x = rin_graph_input(graph, "x", shape), target = rin_graph_input(graph, "target", shape);
    rin_value gamma = rin_graph_input(graph, "gamma", RIN_SHAPE(shape.dim[0]));
    return rin_graph_output(graph, "loss",
                            rin_op_loss(graph, y, x, target, gamma, (rin_loss_attr){RIN_PRED_EPS, RIN_LOSS_EPS, 1}));
}

static double loss_of(lab *l, int n_forward) {
    lab_run(l, 0, n_forward);
    return lab_get(l, lab_find(l, "loss"), 0);
}

/* Central differences of all parameters of a graph that ends with a loss. Frees graph. */
static void check_gradients(rin_graph *graph) {
    rin_error error = {0};
    int n_forward = graph->n_nodes;
    assert_ok(rin_autodiff(graph, rin_graph_find(graph, "loss"), &error), &error);
    lab *l = lab_create(graph, "ref64", 1);
    lab_fill(l, 3);
    lab_poison(l);
    lab_run_all(l);
    int n = 0;
    for (int v = 1; v < graph->n_values; v++) {
        if (graph->values[v].kind != RIN_VALUE_GRAD) continue;
        rin_value p = graph->values[v].param;
        double *got = lab_read(l, (rin_value)v), *expected = lab_read(l, (rin_value)v);
        for (int64_t i = 0; i < lab_count(l, p); i++) {
            double at = lab_get(l, p, i), difference;
            lab_set(l, p, i, at + 1e-5);
            difference = loss_of(l, n_forward);
            lab_set(l, p, i, at - 1e-5);
            difference -= loss_of(l, n_forward);
            lab_set(l, p, i, at);
            expected[i] = difference / 2e-5;
        }
        assert_close(graph->values[p].name, got, expected, lab_count(l, p), 1e-6 * largest(expected, lab_count(l, p)));
        test_free(got);
        test_free(expected);
        n++;
    }
    assert_true(n > 0);
    lab_free(l);
    rin_graph_free(graph);
}

/* y = a + f(a), z = y + g(y), and a is read once more: gradients are shared, passed on and added to. */
static void test_values_with_several_readers(void **state) {
    (void)state;
    const rin_linear_attr gelu = {.act = RIN_ACT_GELU}, none = {0};
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_value a = rin_op_expand(graph, param(graph, "a", RIN_SHAPE(3, 4)), 2, 3),
              w = param(graph, "w", RIN_SHAPE(4, 4));
    rin_value v = param(graph, "v", RIN_SHAPE(4, 4)), scale = param(graph, "s", RIN_SHAPE(4)),
              shift = param(graph, "b", RIN_SHAPE(4));
    rin_value normed = rin_op_layer_norm(graph, a, scale, shift);
    rin_value y = rin_op_linear(graph, normed, w, shift, a, none);
    rin_value z = rin_op_linear(graph, y, v, 0, y, gelu);
    rin_value q = rin_op_linear(graph, z, w, 0, 0, none);
    rin_value mixed = rin_op_attention(graph, q, q, z, (rin_attention_attr){2, 0});
    rin_value sum = rin_op_sum(graph, rin_op_sum(graph, mixed, mixed), rin_op_sum(graph, a, y));
    rin_value parts[] = {sum, rin_op_slice(graph, sum, 1, 1), a};
    (void)square_loss(graph, rin_op_concat(graph, parts, 3));
    check_gradients(graph);
}

/* A part that the loss does not depend on gets no gradient, and neither does what is only a constant's. */
static void test_what_gets_no_gradient(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_value used = param(graph, "used", RIN_SHAPE(3, 4)), unused = param(graph, "unused", RIN_SHAPE(3, 4));
    (void)rin_op_expand(graph, unused, 2, 3);
    rin_value constant = rin_op_expand(graph, rin_op_zeros(graph, RIN_SHAPE(3, 4)), 2, 3);
    rin_value masked = rin_op_mask_hidden(graph, rin_op_expand(graph, unused, 2, 3), 0, (rin_mask_attr){1, 2});
    rin_value y = rin_op_sum(graph, rin_op_sum(graph, rin_op_expand(graph, used, 2, 3), constant), masked);
    assert_ok(rin_autodiff(graph, square_loss(graph, y), &error), &error);
    for (int v = 1; v < graph->n_values; v++) {
        if (graph->values[v].kind == RIN_VALUE_GRAD) assert_int_equal(graph->values[v].param, used);
    }
    rin_graph_free(graph);
}

static void test_errors_name_their_scope(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_graph_enter(graph, "blocks.%d", 3);
    rin_graph_enter(graph, "read");
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(2, 3, 4));
    rin_value y = rin_op_linear(graph, x, param(graph, "weight", RIN_SHAPE(6, 5)), 0, 0, (rin_linear_attr){0});
    assert_int_equal(y, 0);
    rin_graph_leave(graph);
    rin_graph_leave(graph);
    /* The first error stays; everything after it passes 0 on. */
    y = rin_op_layer_norm(graph, y, x, x);
    assert_int_equal(rin_op_sum(graph, y, x), 0);
    assert_refused(rin_autodiff(graph, y, &error), RIN_ERR_SHAPE, &error, "blocks.3.read: linear");
    assert_non_null(strstr(error.text, "(2, 3, 4)"));
    assert_non_null(strstr(error.text, "(6, 5)"));
    rin_graph_free(graph);
}

/* ---- dead code ---- */

static int count_nodes(const rin_graph *graph, int op, const char *scope) {
    int n = 0;
    for (int i = 0; i < graph->n_nodes; i++) n += graph->nodes[i].op == op && strcmp(graph->nodes[i].scope, scope) == 0;
    return n;
}

/* The first forward of a self-conditioned step: only what the carried hiddens need is left of it. */
static void test_estimate_is_cut_short(void **state) {
    (void)state;
    rin_graph *graph = step_graph("model.self_cond=latent");
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "output_linear"), 1);
    assert_int_equal(count_nodes(graph, RIN_OP_layer_norm, "output_ln"), 1);
    assert_int_equal(count_nodes(graph, RIN_OP_unpatch, ""), 1);
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "blocks.1.write.attn.query"), 1); /* nobody reads that tape */
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "blocks.0.write.attn.query"), 2);
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "blocks.1.latent.0.attn.out"), 2);
    rin_graph_free(graph);
    graph = step_graph("model.self_cond=latent+tape");
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "output_linear"), 1);
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "blocks.1.write.attn.query"), 2);
    rin_graph_free(graph);
    graph = step_graph("model.self_cond=none");
    assert_int_equal(count_nodes(graph, RIN_OP_linear, "stem"), 1);
    rin_graph_free(graph);
}

/* Everything that is left is read by a later node, or is what the step is run for. */
static void test_nothing_dead_is_left(void **state) {
    (void)state;
    for (int m = 0; m < n_tiny_models; m++) {
        rin_graph *graph = step_graph(tiny_models[m].options);
        for (int i = 0; i < graph->n_nodes; i++) {
            const rin_node *node = &graph->nodes[i];
            bool live = node->op == RIN_OP_update;
            for (int j = 0; j < node->n_outputs; j++) {
                rin_value v = node->outputs[j];
                bool read = v && (graph->values[v].is_output || graph->values[v].kind == RIN_VALUE_GRAD);
                for (int k = i + 1; v && k < graph->n_nodes; k++) {
                    for (int n = 0; n < graph->nodes[k].n_inputs; n++) read = read || graph->nodes[k].inputs[n] == v;
                }
                /* A gradient op that nobody wants one gradient of writes the others. */
                if (v && !read && !(node->accumulate >> j & 1)) {
                    fail_msg("%s: output %d of node %d, %s in %s, is not read", tiny_models[m].name, j, i,
                             rin_op(node->op)->name, node->scope);
                }
                live = live || read;
            }
            if (!live) fail_msg("%s: node %d, %s, is dead", tiny_models[m].name, i, rin_op(node->op)->name);
        }
        rin_graph_free(graph);
    }
}

/* Every parameter has a gradient, and is set by its first writer in the order of the nodes. */
static void test_all_gradients_are_set_first(void **state) {
    (void)state;
    for (int m = 0; m < n_tiny_models; m++) {
        rin_graph *graph = step_graph(tiny_models[m].options);
        for (int v = 1; v < graph->n_values; v++) {
            if (graph->values[v].kind != RIN_VALUE_PARAM) continue;
            int writers = 0;
            for (int i = 0; i < graph->n_nodes; i++) {
                for (int j = 0; j < graph->nodes[i].n_outputs; j++) {
                    const rin_value_info *out = &graph->values[graph->nodes[i].outputs[j]];
                    if (!graph->nodes[i].outputs[j] || out->kind != RIN_VALUE_GRAD || out->param != (rin_value)v)
                        continue;
                    bool adds = graph->nodes[i].accumulate >> j & 1;
                    if (adds != (writers > 0))
                        fail_msg("%s: writer %d of %s", tiny_models[m].name, writers, graph->values[v].name);
                    writers++;
                }
            }
            if (!writers) fail_msg("%s: %s has no gradient", tiny_models[m].name, graph->values[v].name);
        }
        rin_graph_free(graph);
    }
}

/* ---- the memory plan ---- */

typedef struct lifetime {
    int from, to;
} lifetime;

/* When a value holds numbers that somebody reads; -1 is before the run. */
static lifetime lifetime_of(const rin_graph *graph, rin_value v) {
    const rin_value_info *info = &graph->values[v];
    lifetime t = {info->kind == RIN_VALUE_INPUT ? -1 : graph->n_nodes, -2};
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        for (int j = 0; j < node->n_outputs; j++) {
            if (node->outputs[j] != v) continue;
            t.from = RIN_MIN(t.from, i);
            t.to = RIN_MAX(t.to, i);
        }
        for (int j = 0; j < node->n_inputs; j++) {
            if (node->inputs[j] == v) t.to = i;
        }
    }
    if (info->is_output || info->kind == RIN_VALUE_INPUT) t.to = graph->n_nodes;
    return t;
}

static rin_value random_value(const rin_graph *graph, const rin_plan *plan, uint64_t i) {
    for (uint64_t k = 0;; k++) {
        rin_value v = 1 + rin_random_u32((rin_random_key){17, i, 0}, k) % (uint32_t)(graph->n_values - 1);
        if (plan->offsets[v] >= 0) return v;
    }
}

/* Moves one value onto another that lives longer than a moment at the same time: the proof must fail. */
static void test_proof_finds_overlaps(void **state) {
    (void)state;
    for (int m = 0; m < n_tiny_models; m += 3) {
        rin_error error = {0};
        rin_graph *graph = step_graph(tiny_models[m].options);
        rin_plan *plan;
        assert_ok(rin_plan_create(graph, false, &plan, &error), &error);
        assert_ok(rin_plan_verify(graph, plan, &error), &error);
        int tried = 0;
        for (uint64_t i = 0; i < 3000 && tried < 200; i++) {
            rin_value a = random_value(graph, plan, 2 * i), b = random_value(graph, plan, 2 * i + 1);
            lifetime s = lifetime_of(graph, a), t = lifetime_of(graph, b);
            if (a == b || s.to <= t.from || t.to <= s.from || s.to < 0 || t.to < 0) continue;
            int64_t before = plan->offsets[a];
            plan->offsets[a] = plan->offsets[b];
            if (rin_plan_verify(graph, plan, &error) == RIN_OK && before != plan->offsets[b]) {
                fail_msg("%s: value %u [%d, %d] on value %u [%d, %d] is not found", tiny_models[m].name, a, s.from,
                         s.to, b, t.from, t.to);
            }
            plan->offsets[a] = before;
            tried++;
        }
        assert_true(tried == 200);
        rin_plan_free(plan);
        rin_graph_free(graph);
    }
}

/* What the proof must find, pair by pair: values that live at one time and share memory. Heirs of a place are left out:
 * this is for places without them. */
static bool has_overlap(const rin_graph *graph, const rin_plan *plan, const lifetime *lives) {
    for (int a = 1; a < graph->n_values; a++) {
        for (int b = 1; b < a; b++) {
            int64_t i = plan->offsets[a], j = plan->offsets[b];
            if (i < 0 || j < 0 || lives[a].to < lives[b].from || lives[b].to < lives[a].from) continue;
            if (i < j + rin_shape_count(&graph->values[b].shape) && j < i + rin_shape_count(&graph->values[a].shape))
                return true;
        }
    }
    return false;
}

/* Values pushed by a little, so that they touch, overlap in part or move apart: the proof agrees with all pairs. */
static void test_proof_agrees_with_all_pairs(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = step_graph("");
    rin_plan *plan;
    assert_ok(rin_plan_create(graph, true, &plan, &error), &error);
    lifetime *lives = test_calloc((size_t)graph->n_values, sizeof *lives);
    for (int v = 1; v < graph->n_values; v++) lives[v] = lifetime_of(graph, (rin_value)v);
    int refused = 0, accepted = 0;
    for (uint64_t i = 0; i < 400; i++) {
        rin_value v = random_value(graph, plan, 7000 + i);
        int64_t before = plan->offsets[v], other = plan->offsets[random_value(graph, plan, 9000 + i)];
        int64_t push = (int64_t)(rin_random_u32((rin_random_key){23, i, 0}, 0) % 129) - 64;
        int64_t last = plan->arena - rin_shape_count(&graph->values[v].shape);
        plan->offsets[v] = RIN_MIN(RIN_MAX(other + push, 0), last);
        bool overlap = has_overlap(graph, plan, lives);
        if ((rin_plan_verify(graph, plan, &error) != RIN_OK) != overlap) {
            fail_msg("value %u from %lld to %lld: %s", v, (long long)before, (long long)plan->offsets[v],
                     overlap ? "an overlap is not found" : error.text);
        }
        refused += overlap;
        accepted += !overlap;
        plan->offsets[v] = before;
    }
    assert_true(refused > 50 && accepted > 50);
    test_free(lives);
    rin_plan_free(plan);
    rin_graph_free(graph);
}

static void test_plan_of_more_than_can_be_addressed(void **state) {
    (void)state;
    rin_error error = {0};
    rin_plan *plan;
    rin_graph *graph = rin_graph_create(NULL);
    assert_non_null(graph);
    rin_value x = rin_graph_input(graph, "x", RIN_SHAPE(RIN_MAX_ELEMENTS / 2));
    for (int i = 0; i < 3; i++)
        (void)rin_graph_output(graph, (const char *[]){"a", "b", "c"}[i], rin_op_rescale(graph, x, 2, i));
    assert_ok(rin_graph_status(graph, &error), &error);
    assert_refused(rin_plan_create(graph, false, &plan, &error), RIN_ERR_MEMORY, &error, "can be addressed");
    assert_null(plan);
    rin_graph_free(graph);
}

static void test_proof_finds_values_out_of_place(void **state) {
    (void)state;
    rin_error error = {0};
    rin_graph *graph = step_graph("");
    rin_plan *plan;
    assert_ok(rin_plan_create(graph, false, &plan, &error), &error);
    for (uint64_t i = 0; i < 20; i++) {
        rin_value v = random_value(graph, plan, i);
        if (lifetime_of(graph, v).to < 0) continue; /* nobody writes or reads it any more */
        int64_t before = plan->offsets[v];
        plan->offsets[v] = plan->arena;
        assert_refused(rin_plan_verify(graph, plan, &error), RIN_ERR_INTERNAL, &error, "memory plan");
        plan->offsets[v] = -1; /* a value in use that has no memory at all */
        assert_refused(rin_plan_verify(graph, plan, &error), RIN_ERR_INTERNAL, &error, "memory plan");
        plan->offsets[v] = before;
    }
    assert_ok(rin_plan_verify(graph, plan, &error), &error);
    rin_plan_free(plan);
    rin_graph_free(graph);
}

/* An output may lie on the input that its op overwrites, unless the op reads that input in another place too. */
static void test_proof_knows_aliases(void **state) {
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        rin_error error = {0};
        rin_plan *plan;
        rin_graph *graph = rin_graph_create(NULL);
        assert_non_null(graph);
        rin_value w = param(graph, "w", RIN_SHAPE(4, 4)),
                  x = rin_op_rescale(graph, rin_graph_input(graph, "x", RIN_SHAPE(2, 3, 4)), 2, 0);
        rin_value z = rin_op_rescale(graph, x, 3, 0);
        rin_value y = rin_op_linear(graph, z, w, 0, twice ? z : x, (rin_linear_attr){0});
        (void)rin_graph_output(graph, "y", y);
        assert_ok(rin_plan_create(graph, false, &plan, &error), &error);
        rin_value residual = twice ? z : x;
        assert_int_equal(plan->offsets[y] == plan->offsets[residual], !twice);
        plan->offsets[y] = plan->offsets[residual];
        assert_int_equal(rin_plan_verify(graph, plan, &error), twice ? RIN_ERR_INTERNAL : RIN_OK);
        rin_plan_free(plan);
        rin_graph_free(graph);
    }
}

static void test_plan_saves_memory(void **state) {
    (void)state;
    for (int m = 0; m < n_tiny_models; m++) {
        rin_error error = {0};
        rin_graph *graph = step_graph(tiny_models[m].options);
        rin_plan *plan, *apart;
        assert_ok(rin_plan_create(graph, false, &plan, &error), &error);
        assert_ok(rin_plan_create(graph, true, &apart, &error), &error);
        assert_int_equal(apart->arena, apart->values_sum);
        assert_true(plan->arena < plan->values_sum);
        for (int v = 1; v < graph->n_values; v++) assert_true(plan->offsets[v] < 0 || plan->offsets[v] % 16 == 0);
        rin_plan_free(plan);
        rin_plan_free(apart);
        rin_graph_free(graph);
    }
}

static void test_listing(void **state) {
    (void)state;
    rin_error error = {0};
    rin_text text = {0};
    rin_graph *graph = step_graph("");
    rin_plan *plan;
    assert_ok(rin_plan_create(graph, false, &plan, &error), &error);
    rin_graph_print(graph, plan, &text);
    rin_graph_print(graph, NULL, &text);
    int lines = 0;
    for (const char *p = text.chars; (p = strchr(p, '\n')) != NULL; p++) lines++;
    assert_int_equal(lines, 2 * graph->n_nodes);
    assert_non_null(strstr(text.chars, "blocks.0.read.attn.query.weight(8, 16)"));
    rin_text_clear(&text);
    rin_plan_free(plan);
    rin_graph_free(graph);
}

/* ---- fusion ---- */

/* Nodes of an op that have this input. */
static int count_having(const rin_graph *graph, int op, int input) {
    int n = 0;
    for (int i = 0; i < graph->n_nodes; i++) n += graph->nodes[i].op == op && graph->nodes[i].inputs[input];
    return n;
}

/* Every activation's slope is multiplied by the product before it; only drop-path's factors are left to linear_dz. */
static void test_slopes_are_fused(void **state) {
    (void)state;
    enum { DY = 0, DZ_SLOPE = 1, DX_SLOPE = 2 };
    rin_graph *graph = step_graph("model.drop_units=0.3");
    assert_int_equal(count_having(graph, RIN_OP_linear_dz, DY), 0);
    assert_true(count_having(graph, RIN_OP_linear_dx, DX_SLOPE) > 0);
    rin_graph_free(graph);
    graph = step_graph("model.drop_path=0.3");
    assert_true(count_having(graph, RIN_OP_linear_dz, DY) > 0);
    assert_int_equal(count_having(graph, RIN_OP_linear_dz, DZ_SLOPE), 0);
    rin_graph_free(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slopes_are_fused),
        cmocka_unit_test(test_values_with_several_readers),
        cmocka_unit_test(test_what_gets_no_gradient),
        cmocka_unit_test(test_errors_name_their_scope),
        cmocka_unit_test(test_estimate_is_cut_short),
        cmocka_unit_test(test_nothing_dead_is_left),
        cmocka_unit_test(test_all_gradients_are_set_first),
        cmocka_unit_test(test_proof_finds_overlaps),
        cmocka_unit_test(test_proof_agrees_with_all_pairs),
        cmocka_unit_test(test_plan_of_more_than_can_be_addressed),
        cmocka_unit_test(test_proof_finds_values_out_of_place),
        cmocka_unit_test(test_proof_knows_aliases),
        cmocka_unit_test(test_plan_saves_memory),
        cmocka_unit_test(test_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
