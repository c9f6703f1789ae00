/* SPDX-License-Identifier: MIT */
/*
 * Kernels of every backend against the reference in double: each op of op.def, its gradient ops through the graph that
 * the gradient rules make, at sizes around the vector width, primes, and sizes beyond the kernels' cache blocks.
 *
 * Tolerance: 1e-5 of a tensor's largest number, or of 1 where that is larger: inputs and cotangents are about 1, sums
 * have up to 600 terms, and float rounding of such a sum in any order stays near 1e-6.
 */
#include "compile/compile.h"
#include "support/cases.h"

static const double tolerance = 1e-5, narrow_tolerance = 2e-2;

#define LINEAR(rows, in, out, ...)                                                       \
    {                                                                                    \
        "linear", RIN_OP_linear, .n = {1, rows, in, out}, .attr.linear = { __VA_ARGS__ } \
    }
#define ATTENTION(b, m, n_keys, width, ...)                                                          \
    {                                                                                                \
        "attention", RIN_OP_attention, .n = {b, m, n_keys, width}, .attr.attention = { __VA_ARGS__ } \
    }
#define PATCH(f, h, w, ch, s, p, first) \
    .patch = {.frames = f, .height = h, .width = w, .channels = ch, .stride = s, .size = p, .front = first}

/* Sizes, strides, padding in front and behind, of time, row and column. */
#define WINDOW(t, r, c, st, sr, sc, ft, fr, fc, bt, br, bc) \
    .window = {{t, r, c}, {st, sr, sc}, {ft, fr, fc}, {bt, br, bc}}
/* Of signal level 0.36, with a guidance and the part of it that is rescaled. */
#define LEVEL(w, phi) .level = {0.6, 0.8, w, phi}
#define CELL WINDOW(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0)

static const op_case cases[] = {
    LINEAR(1, 1, 1, .act = RIN_ACT_NONE),
    LINEAR(1, 7, 8, .act = RIN_ACT_GELU),
    LINEAR(8, 9, 7, .act = RIN_ACT_SILU),
    LINEAR(9, 16, 15, .act = RIN_ACT_NONE),
    LINEAR(17, 15, 16, .act = RIN_ACT_GELU),
    LINEAR(7, 17, 9, .act = RIN_ACT_NONE),
    LINEAR(2, 31, 33, .act = RIN_ACT_SILU),
    LINEAR(13, 64, 1, .act = RIN_ACT_NONE),
    LINEAR(1, 128, 64, .act = RIN_ACT_SILU),
    LINEAR(5, 48, 24, .act = RIN_ACT_NONE),
    LINEAR(130, 67, 33, .act = RIN_ACT_GELU),
    LINEAR(64, 128, 512, .act = RIN_ACT_GELU),
    LINEAR(600, 24, 40, .act = RIN_ACT_NONE),
    LINEAR(12, 530, 40, .act = RIN_ACT_GELU),
    LINEAR(20, 24, 1050, .act = RIN_ACT_NONE),
    LINEAR(4, 3, 17, .act = RIN_ACT_GELU, .drop = 0.3f),
    LINEAR(40, 20, 36, .act = RIN_ACT_NONE, .drop = 0.5f),
    LINEAR(37, 20, 72, .act = RIN_ACT_GELU, .drop = 0.3f),
    LINEAR(70, 40, 136, .act = RIN_ACT_SILU, .drop = 0.1f),
    {"linear, dropped rows", RIN_OP_linear, .n = {5, 7, 19, 64}, .attr.linear = {RIN_ACT_NONE, 0.3f, 0.4f},
     .residual = true},
    {"linear, everything", RIN_OP_linear, .n = {5, 7, 19, 23}, .attr.linear = {RIN_ACT_GELU, 0.3f, 0.4f},
     .residual = true},
    {"linear, drop-path", RIN_OP_linear, .n = {9, 3, 8, 16}, .attr.linear = {0, 0, 0.4f}, .residual = true},
    {"linear, no bias", RIN_OP_linear, .n = {2, 9, 16, 17}, .attr.linear = {0}, .no_bias = true, .residual = true},
    {"linear, twice", RIN_OP_linear, .n = {2, 9, 16, 17}, .attr.linear = {RIN_ACT_SILU, 0, 0}, .twice = true},
    ATTENTION(1, 1, 1, 1, 1, 0),
    ATTENTION(1, 1, 7, 3, 1, 0),
    ATTENTION(2, 8, 9, 8, 1, 0),
    ATTENTION(1, 15, 17, 30, 2, 0),
    ATTENTION(2, 7, 16, 48, 3, 0),
    ATTENTION(1, 9, 131, 32, 2, 0),
    ATTENTION(1, 260, 5, 16, 2, 0),
    ATTENTION(3, 50, 99, 64, 1, 0),
    ATTENTION(1, 3, 300, 128, 1, 0),
    ATTENTION(2, 5, 6, 14, 7, 0),
    ATTENTION(2, 49, 97, 20, 4, 0.3f),
    ATTENTION(1, 13, 150, 6, 1, 0.5f),
    {"attention, twice", RIN_OP_attention, .n = {2, 9, 10, 12}, .attr.attention = {2, 0.1f}, .twice = true},
    {"layer norm", RIN_OP_layer_norm, .n = {1, 1, 1}},
    {"layer norm", RIN_OP_layer_norm, .n = {2, 3, 7}},
    {"layer norm", RIN_OP_layer_norm, .n = {1, 9, 8}},
    {"layer norm", RIN_OP_layer_norm, .n = {3, 1, 17}},
    {"layer norm", RIN_OP_layer_norm, .n = {2, 150, 33}},
    {"layer norm", RIN_OP_layer_norm, .n = {1, 5, 1030}},
    {"layer norm, twice", RIN_OP_layer_norm, .n = {2, 8, 15}, .twice = true},
    {"add", RIN_OP_add, .n = {1, 1, 1}},
    {"add", RIN_OP_add, .n = {3, 5, 17}},
    {"add", RIN_OP_add, .n = {2, 64, 33}, .twice = true},
    {"add table", RIN_OP_add_table, .n = {3, 2, 17, 2}},
    {"add table", RIN_OP_add_table, .n = {5, 7, 8, 9}, .attr.rows.start = 2},
    {"add table", RIN_OP_add_table, .n = {4, 9, 15, 1}},
    {"add table", RIN_OP_add_table, .n = {1, 1, 1, 3}, .attr.rows.start = 2},
    {"expand", RIN_OP_add_table, .n = {5, 3, 7, -3}},
    {"expand", RIN_OP_add_table, .n = {2, 16, 33, -1}},
    {"expand", RIN_OP_add_table, .n = {3, 2, 16, -5}},
    {"table, twice", RIN_OP_add_table, .n = {3, 4, 9, 4}, .twice = true},
    {"concat", RIN_OP_concat, .n = {1, 1, 1, 1}},
    {"concat", RIN_OP_concat, .n = {3, 17, 2, 1, 5, 3}},
    {"concat", RIN_OP_concat, .n = {2, 8, 7, 0, 9}},
    {"slice", RIN_OP_slice, .n = {1, 2, 1}, .attr.rows = {1, 1}},
    {"slice", RIN_OP_slice, .n = {5, 9, 17}, .attr.rows = {3, 4}},
    {"slice", RIN_OP_slice, .n = {3, 33, 8}, .attr.rows = {0, 32}, .twice = true},
    {"unpatch", RIN_OP_unpatch, .n = {2, 0}, .attr = {PATCH(1, 4, 6, 3, 1, 2, 0)}},
    {"unpatch", RIN_OP_unpatch, .n = {1, 0}, .attr = {PATCH(1, 3, 5, 1, 1, 1, 0)}},
    {"unpatch", RIN_OP_unpatch, .n = {3, 2}, .attr = {PATCH(5, 4, 8, 3, 2, 4, 0)}},
    {"unpatch", RIN_OP_unpatch, .n = {2, 0}, .attr = {PATCH(4, 16, 8, 3, 3, 8, 1)}},
    {"patch", RIN_OP_patch, .n = {1}, .attr = {PATCH(1, 1, 1, 1, 1, 1, 0)}},
    {"patch", RIN_OP_patch, .n = {3}, .attr = {PATCH(1, 8, 12, 3, 1, 4, 0)}},
    {"patch", RIN_OP_patch, .n = {2}, .attr = {PATCH(5, 4, 6, 2, 2, 2, 0)}},
    {"patch", RIN_OP_patch, .n = {2}, .attr = {PATCH(4, 16, 8, 3, 3, 8, 1)}},
    {"loss", RIN_OP_loss, .n = {1, 1, 1}, .attr.loss = {RIN_PRED_EPS, RIN_LOSS_EPS, 1}},
    {"loss", RIN_OP_loss, .n = {3, 7, 17}, .attr.loss = {RIN_PRED_EPS, RIN_LOSS_EPS, 1}},
    {"loss", RIN_OP_loss, .n = {3, 7, 17}, .attr.loss = {RIN_PRED_X, RIN_LOSS_EPS, 0.6}},
    {"loss", RIN_OP_loss, .n = {3, 7, 17}, .attr.loss = {RIN_PRED_V, RIN_LOSS_EPS, 0.6}},
    {"loss", RIN_OP_loss, .n = {2, 5, 9}, .attr.loss = {RIN_PRED_EPS, RIN_LOSS_X, 0.6}},
    {"loss", RIN_OP_loss, .n = {2, 5, 9}, .attr.loss = {RIN_PRED_X, RIN_LOSS_X, 0.7}},
    {"loss", RIN_OP_loss, .n = {5, 150, 33}, .attr.loss = {RIN_PRED_V, RIN_LOSS_X, 0.7}},
    {"guide, w 0", RIN_OP_guide, .n = {2, 5, 9}, LEVEL(0, 0)},
    {"guide", RIN_OP_guide, .n = {1, 1, 1}, LEVEL(0.7, 0)},
    {"guide", RIN_OP_guide, .n = {3, 7, 17}, LEVEL(2.5, 0)},
    {"guide, w 0, rescaled", RIN_OP_guide, .n = {2, 5, 9}, LEVEL(0, 0.7)},
    {"guide, rescaled", RIN_OP_guide, .n = {1, 1, 1}, LEVEL(3, 0.7)},
    {"guide, rescaled", RIN_OP_guide, .n = {3, 7, 17}, LEVEL(3, 0.7)},
    {"guide, rescaled", RIN_OP_guide, .n = {2, 150, 33}, LEVEL(2, 1)},
    {"estimate", RIN_OP_estimate, .n = {2, 5, 9}, .attr.estimate = {RIN_PRED_EPS, 1, 0}, LEVEL(0, 0)},
    {"estimate", RIN_OP_estimate, .n = {3, 7, 17}, .attr.estimate = {RIN_PRED_X, 0.6, 0}, LEVEL(0, 0)},
    {"estimate", RIN_OP_estimate, .n = {1, 33, 8}, .attr.estimate = {RIN_PRED_V, 0.7, 0}, LEVEL(0, 0)},
    {"estimate, known", RIN_OP_estimate, .n = {2, 5, 3, 1}, .attr.estimate = {RIN_PRED_EPS, 1, 0}, LEVEL(0, 0)},
    {"estimate, known", RIN_OP_estimate, .n = {3, 64, 17, 1}, .attr.estimate = {RIN_PRED_V, 0.7, 0}, LEVEL(0, 0)},
    {"estimate, quantile", RIN_OP_estimate, .n = {1, 1, 1}, .attr.estimate = {RIN_PRED_X, 0.1, 0.995}, LEVEL(0, 0)},
    {"estimate, quantile", RIN_OP_estimate, .n = {2, 5, 9}, .attr.estimate = {RIN_PRED_EPS, 1, 0.9}, LEVEL(0, 0)},
    {"estimate, quantile", RIN_OP_estimate, .n = {2, 150, 33}, .attr.estimate = {RIN_PRED_V, 0.6, 0.995}, LEVEL(0, 0)},
    {"estimate, quantile within", RIN_OP_estimate, .n = {2, 5, 9}, .attr.estimate = {RIN_PRED_X, 9, 0.9}, LEVEL(0, 0)},
    {"estimate, largest", RIN_OP_estimate, .n = {2, 5, 9}, .attr.estimate = {RIN_PRED_X, 0.5, 1}, LEVEL(0, 0)},
    {"estimate, everything", RIN_OP_estimate, .n = {3, 7, 17, 1}, .attr.estimate = {RIN_PRED_V, 0.7, 0.8}, LEVEL(0, 0)},
    {"mix, x alone", RIN_OP_mix, .n = {1, 1, 1, 0}, LEVEL(0, 0), .factors = {0.5}},
    {"mix, everything", RIN_OP_mix, .n = {3, 7, 17, 62}, LEVEL(0, 0), .factors = {0.9, 0.4, -1.5, 0.3, 0.2, 0.7}},
    {"mix, factors 0", RIN_OP_mix, .n = {2, 150, 33, 62}, LEVEL(0, 0), .factors = {0.9, 0, -1.5, 0, 0, 0.7}},
    {"mix, nothing", RIN_OP_mix, .n = {2, 5, 9, 62}, LEVEL(0, 0)},
    {"mix, absent sources", RIN_OP_mix, .n = {2, 5, 9, 12}, LEVEL(0, 0), .factors = {0.9, 1, -1.5, 0.3, 1, 1}},
    {"mix, second", RIN_OP_mix, .n = {2, 5, 9, 62}, .attr.mix = {8}, LEVEL(0, 0),
     .factors = {9, 9, 9, 9, 9, 9, 9, 9, 0.9, 0.4, -1.5, 0.3, 0.2, 0.7}},
    {"mix, published", RIN_OP_mix, .n = {3, 7, 17, 62}, LEVEL(0, 0),
     .factors = {1, 0.4, 0.1, 0.3, 0.2, 0.7, -0.6, 0.8}},
    {"mix, published, no noise", RIN_OP_mix, .n = {2, 5, 9, 4}, .attr.mix = {8}, LEVEL(0, 0),
     .factors = {9, 9, 9, 9, 9, 9, 9, 9, 1, 0, 0, 0, 0, 0, -0.6, 0.8}},
    {"fold", RIN_OP_fold, .n = {1, 1, 0, 1, 1}, .attr.fold = {1e-3}},
    {"fold", RIN_OP_fold, .n = {33, 7, 0, 3, 2}, .attr.fold = {1e-3}},
    {"fold", RIN_OP_fold, .n = {17, 5, 2, 3, 4}, .attr.fold = {1e-3}},
    {"fold, nothing to fold", RIN_OP_fold, .n = {5, 16, 2, 1, 3}, .no_bias = true},
    {"conv", RIN_OP_conv, .n = {1, 1, 1, 1, 1, 1}, .attr.conv = {CELL}},
    {"conv", RIN_OP_conv, .n = {2, 1, 5, 7, 9, 33}, .attr.conv = {CELL, .relu = true}},
    {"conv", RIN_OP_conv, .n = {2, 3, 5, 8, 16, 40}, .attr.conv = {CELL, .relu = true, .join = {77, 30}}},
    {"conv", RIN_OP_conv, .n = {2, 1, 9, 13, 3, 5}, .attr.conv = {WINDOW(1, 3, 3, 1, 2, 2, 0, 0, 0, 0, 0, 0)}},
    {"conv", RIN_OP_conv, .n = {3, 1, 8, 8, 17, 31}, .attr.conv = {WINDOW(1, 3, 3, 1, 1, 1, 0, 1, 1, 0, 1, 1)}},
    {"conv", RIN_OP_conv, .n = {2, 1, 6, 26, 8, 70},
     .attr.conv = {WINDOW(1, 1, 7, 1, 1, 1, 0, 0, 3, 0, 0, 3), .relu = true}},
    {"conv", RIN_OP_conv, .n = {2, 1, 6, 25, 8, 16},
     .attr.conv = {WINDOW(1, 7, 1, 1, 1, 1, 0, 3, 0, 0, 3, 0), .relu = true, .join = {48, 16}}},
    {"conv", RIN_OP_conv, .n = {2, 5, 7, 10, 3, 12},
     .attr.conv = {WINDOW(7, 7, 7, 2, 2, 2, 2, 3, 2, 3, 2, 3), .relu = true}},
    {"conv", RIN_OP_conv, .n = {1, 4, 6, 5, 20, 37},
     .attr.conv = {WINDOW(3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1), .relu = true, .join = {40, 3}}},
    {"conv, strided cells", RIN_OP_conv, .n = {2, 3, 5, 7, 6, 8},
     .attr.conv = {WINDOW(1, 1, 1, 2, 2, 3, 0, 0, 0, 0, 0, 0)}},
    {"conv, blocks of weights", RIN_OP_conv, .n = {2, 1, 4, 5, 520, 70},
     .attr.conv = {WINDOW(1, 3, 3, 1, 1, 1, 0, 1, 1, 0, 1, 1), .relu = true}},
    {"conv, groups of rows", RIN_OP_conv, .n = {1, 1, 40, 60, 70, 5},
     .attr.conv = {WINDOW(1, 3, 3, 1, 1, 1, 0, 1, 1, 0, 1, 1)}},
    {"conv, chunks of pixels", RIN_OP_conv, .n = {1, 6, 33, 31, 8, 3},
     .attr.conv = {WINDOW(7, 7, 7, 1, 1, 1, 3, 3, 3, 3, 3, 3), .join = {5, 1}}},
    {"pool", RIN_OP_pool, .n = {1, 1, 1, 1, 1}, .attr.pool = {CELL, .kind = RIN_POOL_MAX}},
    {"pool", RIN_OP_pool, .n = {2, 1, 9, 7, 17},
     .attr.pool = {WINDOW(1, 3, 3, 1, 2, 2, 0, 0, 0, 0, 0, 0), .kind = RIN_POOL_MAX, .join = {40, 20}}},
    {"pool", RIN_OP_pool, .n = {2, 1, 5, 7, 33},
     .attr.pool = {WINDOW(1, 3, 3, 1, 1, 1, 0, 1, 1, 0, 1, 1), .kind = RIN_POOL_MEAN}},
    {"pool", RIN_OP_pool, .n = {1, 5, 6, 5, 16},
     .attr.pool = {WINDOW(3, 3, 3, 2, 2, 2, 1, 0, 1, 1, 1, 1), .kind = RIN_POOL_MAX}},
    {"pool", RIN_OP_pool, .n = {2, 1, 7, 5, 24},
     .attr.pool = {WINDOW(1, 3, 3, 1, 1, 1, 0, 1, 1, 0, 1, 1), .kind = RIN_POOL_MEAN, .join = {48, 16}}},
    {"pool", RIN_OP_pool, .n = {2, 4, 7, 7, 9},
     .attr.pool = {WINDOW(2, 7, 7, 1, 1, 1, 0, 0, 0, 0, 0, 0), .kind = RIN_POOL_MEAN}},
    {"zeros", RIN_OP_zeros, .n = {3, 5, 7}},
    {"sin cos", RIN_OP_sin_cos, .n = {12}, .attr.sin_cos = {.rows = 3, .cols = 5, .repeat = 2, .scale = 100}},
    {"sin cos", RIN_OP_sin_cos, .n = {6}, .attr.sin_cos = {.rows = 9, .cols = 1, .repeat = 1, .scale = 1000}},
    {"time encode", RIN_OP_time_encode, .n = {3, 8}, .attr.sin_cos.scale = 1000},
    {"drop labels", RIN_OP_drop_labels, .n = {17, 5}, .attr.drop.rate = 0.4f},
    {"random", RIN_OP_random, .n = {1, 1, 1}, .attr.random.kind = RIN_RANDOM_UNIFORM},
    {"random", RIN_OP_random, .n = {5, 3, 7}, .attr.random.kind = RIN_RANDOM_UNIFORM},
    {"random", RIN_OP_random, .n = {5, 3, 7}, .attr.random.kind = RIN_RANDOM_NORMAL},
    {"random", RIN_OP_random, .n = {2, 100, 33}, .attr.random.kind = RIN_RANDOM_NORMAL},
    {"gamma", RIN_OP_gamma, .n = {17}, .attr.gamma.schedule = {RIN_SCHEDULE_SIGMOID, -3, 3, 0.9, false}},
    {"rescale", RIN_OP_rescale, .n = {3, 5, 7}, .attr.rescale = {2, -1}},
    {"add noise", RIN_OP_add_noise, .n = {1, 1, 1}},
    {"add noise", RIN_OP_add_noise, .n = {3, 5, 17}},
    {"add noise", RIN_OP_add_noise, .n = {2, 64, 33}},
    {"standardise", RIN_OP_standardise, .n = {3, 5, 7}},
    {"mask hidden", RIN_OP_mask_hidden, .n = {9, 3, 5, 1}, .attr.mask = {0.6, 9}},
    {"mask hidden", RIN_OP_mask_hidden, .n = {9, 3, 5, 0}, .attr.mask = {0.6, 20}},
};

static const char *const backends[] = {"ref", LAB_FAST_BACKENDS};

/* What is changed in a bound graph before it runs. */
typedef enum change { AS_IT_IS, ADD_TO_GRADIENTS, LEAVE_OUT } change;

/* Ops whose outputs the gradient engine may ask to be added to. */
static bool may_add(int op) {
    static const int ops[] = {RIN_OP_linear_dx,      RIN_OP_linear_dw,  RIN_OP_attention_grad, RIN_OP_layer_norm_grad,
                              RIN_OP_add_table_grad, RIN_OP_slice_grad, RIN_OP_loss_grad,      RIN_OP_patch};
    for (size_t i = 0; i < RIN_COUNT(ops); i++) {
        if (ops[i] == op) return true;
    }
    return false;
}

/* The output may be unwanted: numbers kept for the gradient, and any one of the gradients of an op with several. */
static bool may_leave_out(const rin_node *node, int output) {
    if (!node->outputs[output]) return false;
    return output > 0 || node->op == RIN_OP_linear_dw || node->op == RIN_OP_attention_grad ||
           node->op == RIN_OP_layer_norm_grad;
}

static int64_t count_outputs_to_leave_out(const rin_graph *graph) {
    int64_t count = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int j = 0; j < graph->nodes[i].n_outputs; j++) count += may_leave_out(&graph->nodes[i], j);
    }
    return count;
}

static void apply_change(lab *l, change what, int64_t which) {
    for (int i = 0; i < l->graph->n_nodes; i++) {
        const rin_node *node = &l->graph->nodes[i];
        if (what == ADD_TO_GRADIENTS && may_add(node->op)) l->tasks[i].accumulate = ~0u;
        for (int j = 0; what == LEAVE_OUT && j < node->n_outputs; j++) {
            if (may_leave_out(node, j) && which-- == 0) l->tasks[i].out[j] = NULL;
        }
    }
}

static lab *run_changed(const op_case *c, const rin_graph *graph, const char *backend, int threads, uint64_t seed,
                        change what, int64_t which) {
    lab *l = lab_create(graph, backend, threads);
    rin_value y = 0;
    for (int i = 0; i < graph->n_nodes && !y; i++) {
        if (graph->nodes[i].op == RIN_OP_loss) y = graph->nodes[i].inputs[0];
    }
    l->step.gradient_scale = y ? 0.5 * (double)lab_count(l, y) : 1; /* cotangents of about 1 */
    l->step.first_example = 3;
    apply_change(l, what, which);
    lab_fill(l, seed);
    op_case_set(c, l);
    if (what == AS_IT_IS) lab_poison(l);
    lab_run_all(l);
    return l;
}

static void compare_all(const op_case *c, const lab *l, const lab *oracle, const char *how) {
    double allowed = l->backend->table->narrows ? narrow_tolerance : tolerance;
    for (int v = 1; v < l->graph->n_values; v++) {
        double *got = lab_read(l, (rin_value)v), *expected = lab_read(oracle, (rin_value)v);
        int64_t n = lab_count(l, (rin_value)v);
        char what[160];
        snprintf(what, sizeof what, "%s (%lld, %lld, %lld, %lld), %s on %s with %d threads, value %d", c->name,
                 (long long)c->n[0], (long long)c->n[1], (long long)c->n[2], (long long)c->n[3], how, l->name,
                 l->threads, v);
        assert_close(what, got, expected, n, allowed * fmax(1, largest(expected, n)));
        test_free(got);
        test_free(expected);
    }
}

static void compare_bits(const op_case *c, const lab *a, const lab *b) {
    for (int v = 1; v < a->graph->n_values; v++) {
        size_t bytes = (size_t)lab_count(a, (rin_value)v) * sizeof(float);
        if (memcmp(lab_memory(a, (rin_value)v), lab_memory(b, (rin_value)v), bytes) != 0) {
            fail_msg("%s: value %d differs between %s with %d threads and %s with %d", c->name, v, a->name, a->threads,
                     b->name, b->threads);
        }
    }
}

static void check_backend(const op_case *c, const rin_graph *graph, const char *backend, uint64_t seed,
                          const lab *oracle) {
    lab *one = run_changed(c, graph, backend, 1, seed, AS_IT_IS, 0);
    compare_all(c, one, oracle, "as it is");
    for (int threads = 2; threads <= 3; threads++) {
        lab *more = run_changed(c, graph, backend, threads, seed, AS_IT_IS, 0);
        compare_bits(c, one, more);
        lab_free(more);
    }
    lab_free(one);
}

static void check_changed(const op_case *c, const rin_graph *graph, const char *backend, uint64_t seed, change what,
                          int64_t which) {
    lab *oracle = run_changed(c, graph, "ref64", 1, seed, what, which);
    lab *l = run_changed(c, graph, backend, 2, seed, what, which);
    static const char *const how[] = {"as it is", "added to", "without an output"};
    compare_all(c, l, oracle, how[what]);
    lab_free(l);
    lab_free(oracle);
}

static void test_kernels(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const op_case *c = &cases[i];
        rin_graph *graph = op_case_graph(c, rin_op_has_gradient(c->op));
        lab *oracle = run_changed(c, graph, "ref64", 1, i, AS_IT_IS, 0);
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (lab_available(backends[b])) check_backend(c, graph, backends[b], i, oracle);
        }
        lab_free(oracle);
        rin_graph_free(graph);
    }
}

static void test_changed(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const op_case *c = &cases[i];
        if (!rin_op_has_gradient(c->op) || c->n[0] * c->n[1] * c->n[2] * RIN_MAX(c->n[3], 1) > 400000) continue;
        rin_graph *graph = op_case_graph(c, true);
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (!lab_available(backends[b])) continue;
            check_changed(c, graph, backends[b], i, ADD_TO_GRADIENTS, 0);
            for (int64_t k = 0; k < count_outputs_to_leave_out(graph); k++)
                check_changed(c, graph, backends[b], i, LEAVE_OUT, k);
        }
        rin_graph_free(graph);
    }
}

/* The same with streams of tokens and weights in bf16, where a backend wants that. What stays real there is left out.
 */
static void test_narrow(void **state) {
    (void)state;
    if (!lab_available("cuda-bf16")) skip();
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const op_case *c = &cases[i];
        if (!rin_op_has_gradient(c->op) || c->op == RIN_OP_loss) continue;
        rin_graph *graph = op_case_graph(c, true);
        rin_narrow(graph);
        check_changed(c, graph, "cuda-bf16", i, AS_IT_IS, 0);
        check_changed(c, graph, "cuda-bf16", i, ADD_TO_GRADIENTS, 0);
        for (int64_t k = 0; k < count_outputs_to_leave_out(graph); k++)
            check_changed(c, graph, "cuda-bf16", i, LEAVE_OUT, k);
        rin_graph_free(graph);
    }
}

/* What features are made of is never rounded, however a backend's other products are: features are compared. */
static void test_features_are_exact(void **state) {
    (void)state;
    static const char *const rounding[] = {"cuda-tf32", "cuda-bf16"};
    if (!lab_available("cuda-fp32")) skip();
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const op_case *c = &cases[i];
        if (c->op != RIN_OP_fold && c->op != RIN_OP_conv && c->op != RIN_OP_pool) continue;
        rin_graph *graph = op_case_graph(c, false);
        rin_narrow(graph);
        lab *exact = run_changed(c, graph, "cuda-fp32", 1, i, AS_IT_IS, 0);
        for (size_t b = 0; b < RIN_COUNT(rounding); b++) {
            if (!lab_available(rounding[b])) continue;
            lab *l = run_changed(c, graph, rounding[b], 1, i, AS_IT_IS, 0);
            compare_bits(c, exact, l);
            lab_free(l);
        }
        lab_free(exact);
        rin_graph_free(graph);
    }
}

/* ---- in place ---- */

/* Node i by itself, its output in memory of its own and then on the input it may overwrite: the same bits. */
static bool check_alias(const op_case *c, lab *l, int i) {
    rin_task *task = &l->tasks[i];
    int alias = rin_op(task->node->op)->alias;
    if (alias < 0 || !task->in[alias] ||
        rin_shape_count(&task->in_shape[alias]) != rin_shape_count(&task->out_shape[0]))
        return false;
    size_t bytes = (size_t)rin_shape_count(&task->out_shape[0]) * sizeof(float);
    void *input = (void *)(uintptr_t)task->in[alias], *output = task->out[0];
    lab_run(l, i, i + 1);
    void *kept = test_malloc(bytes);
    memcpy(kept, input, bytes);
    task->out[0] = input;
    lab_run(l, i, i + 1);
    if (memcmp(input, output, bytes) != 0)
        fail_msg("%s: %s in place differs on %s", c->name, rin_op(task->node->op)->name, l->name);
    memcpy(input, kept, bytes);
    task->out[0] = output;
    test_free(kept);
    return true;
}

static void test_in_place(void **state) {
    (void)state;
    bool seen[RIN_N_OPS] = {false};
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const op_case *c = &cases[i];
        rin_graph *graph = op_case_graph(c, rin_op_has_gradient(c->op));
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (!lab_available(backends[b])) continue;
            lab *l = run_changed(c, graph, backends[b], 2, i, AS_IT_IS, 0);
            for (int k = 0; k < graph->n_nodes; k++) seen[graph->nodes[k].op] |= check_alias(c, l, k);
            lab_free(l);
        }
        rin_graph_free(graph);
    }
    for (int op = 0; op < RIN_N_OPS; op++) {
        if (rin_op(op)->alias >= 0 && !seen[op]) fail_msg("no case runs %s in place", rin_op(op)->name);
    }
}

/* ---- random numbers ---- */

static void test_random_bits_agree(void **state) {
    (void)state;
    const op_case uniform = {"random", RIN_OP_random, .n = {7, 5, 13}, .attr.random.kind = RIN_RANDOM_UNIFORM};
    /* The mask is where the output is zero: no residual, and no bias that makes a zero. */
    const op_case mask = {"dropout", RIN_OP_linear, .n = {6, 5, 3, 13}, .attr.linear = {0, 0.3f, 0.3f}};
    const op_case *both[] = {&uniform, &mask};
    for (size_t i = 0; i < RIN_COUNT(both); i++) {
        rin_graph *graph = op_case_graph(both[i], false);
        lab *expected = run_changed(both[i], graph, "ref64", 1, 1, AS_IT_IS, 0);
        rin_value y = lab_find(expected, "y");
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (!lab_available(backends[b])) continue;
            lab *l = run_changed(both[i], graph, backends[b], 2, 1, AS_IT_IS, 0);
            int64_t zeros = 0;
            for (int64_t k = 0; k < lab_count(l, y); k++) {
                double got = lab_get(l, y, k), wanted = lab_get(expected, y, k);
                zeros += got == 0;
                bool same = i == 0 ? got == wanted : (got == 0) == (wanted == 0);
                if (!same)
                    fail_msg("%s on %s: element %lld is %g, not %g", both[i]->name, backends[b], (long long)k, got,
                             wanted);
            }
            assert_true(i == 0 || (zeros > lab_count(l, y) / 4 && zeros < lab_count(l, y) * 3 / 4));
            lab_free(l);
        }
        lab_free(expected);
        rin_graph_free(graph);
    }
}

/* Examples 2 and 3 of a batch of four have the numbers of a batch of two that starts at example 2. */
static void test_random_follows_the_example(void **state) {
    (void)state;
    const op_case four = {"random", RIN_OP_random, .n = {4, 3, 5}, .attr.random.kind = RIN_RANDOM_NORMAL};
    op_case two = four;
    two.n[0] = 2;
    for (size_t b = 0; b < RIN_COUNT(backends); b++) {
        if (!lab_available(backends[b])) continue;
        rin_graph *whole = op_case_graph(&four, false), *part = op_case_graph(&two, false);
        lab *a = lab_create(whole, backends[b], 1), *c = lab_create(part, backends[b], 1);
        c->step.first_example = 2;
        lab_run_all(a);
        lab_run_all(c);
        for (int64_t i = 0; i < 30; i++) {
            assert_float_equal(lab_get(a, lab_find(a, "y"), 30 + i), lab_get(c, lab_find(c, "y"), i), 0);
        }
        lab_free(a);
        lab_free(c);
        rin_graph_free(whole);
        rin_graph_free(part);
    }
}

/* ---- subnormal numbers ---- */

/* Processors are slow with them, so that a run takes them for 0; outside of a run they are what they were. */
static void test_subnormals_are_zero_in_runs(void **state) {
    (void)state;
    const op_case products = {"linear", RIN_OP_linear, .n = {2, 20, 16, 33}, .no_bias = true};
    rin_graph *graph = op_case_graph(&products, false);
    for (size_t b = 0; b < RIN_COUNT(backends); b++) {
        if (!lab_available(backends[b]) || strncmp(backends[b], "cpu", 3) != 0) continue;
        lab *l = lab_create(graph, backends[b], 2);
        for (int v = 1; v < graph->n_values; v++) {
            for (int64_t k = 0; k < lab_count(l, (rin_value)v); k++) lab_set(l, (rin_value)v, k, 1e-20);
        }
        lab_run_all(l);
        rin_value y = lab_find(l, "y");
        for (int64_t k = 0; k < lab_count(l, y); k++) assert_true(lab_get(l, y, k) == 0);
        volatile float small = 1e-20f;
        assert_true(small * small > 0);
        lab_free(l);
    }
    rin_graph_free(graph);
}

/* ---- every op is here ---- */

static void test_no_op_is_forgotten(void **state) {
    (void)state;
    bool seen[RIN_N_OPS] = {false};
    seen[RIN_OP_grad_norm] = seen[RIN_OP_update] = true; /* update_test.c */
    seen[RIN_OP_pack] = true;                            /* pack_test.c */
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_graph *graph = op_case_graph(&cases[i], rin_op_has_gradient(cases[i].op));
        for (int k = 0; k < graph->n_nodes; k++) seen[graph->nodes[k].op] = true;
        rin_graph_free(graph);
    }
    for (int op = 0; op < RIN_N_OPS; op++) {
        if (!seen[op]) fail_msg("no case runs %s", rin_op(op)->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_features_are_exact),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_random_bits_agree),
        cmocka_unit_test(test_random_follows_the_example),
        cmocka_unit_test(test_subnormals_are_zero_in_runs),
        cmocka_unit_test(test_no_op_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
