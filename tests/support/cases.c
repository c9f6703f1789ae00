/* SPDX-License-Identifier: MIT */
/* Inputs and ops of the cases. */
#include "support/cases.h"

#include "compile/compile.h"

enum { MOST_INPUTS = RIN_N_MIXED + 2 };

typedef struct bench {
    rin_graph *graph;
    const op_case *c;
    bool gradient;
    int n_inputs;
} bench;

/*
 * A tensor that the op reads. Parameters' gradients are always emitted, never passed on, so what may be passed on is
 * cut out of a parameter: rows 1 .. n of n + 2.
 */
static rin_value tensor(bench *b, rin_shape shape) {
    char name[16];
    snprintf(name, sizeof name, "p%d", b->n_inputs++);
    if (!b->gradient) return rin_graph_input(b->graph, name, shape);
    rin_rows_attr rows = {1, shape.dim[1]};
    shape.dim[1] += 2;
    rin_value parameter = rin_graph_param(b->graph, name, shape, (rin_init){0});
    return rin_op_add(b->graph, RIN_OP_slice, &parameter, 1, &rows, sizeof rows);
}

static rin_value parameter(bench *b, rin_shape shape) {
    char name[16];
    snprintf(name, sizeof name, "p%d", b->n_inputs++);
    if (!b->gradient) return rin_graph_input(b->graph, name, shape);
    return rin_graph_param(b->graph, name, shape, (rin_init){0});
}

static rin_value fixed(bench *b, const char *name, rin_shape shape) {
    return rin_graph_input(b->graph, name, shape);
}

static rin_shape stream(const op_case *c) {
    return RIN_SHAPE(c->n[0], c->n[1], c->n[2]);
}

static rin_shape video(const op_case *c) {
    const rin_patch_attr *p = &c->attr.patch;
    return RIN_SHAPE(c->n[0], p->frames, p->height, p->width, p->channels);
}

static rin_shape tokens(const op_case *c) {
    const rin_patch_attr *p = &c->attr.patch;
    int64_t times = (p->frames + p->stride - 1) / p->stride + c->n[1];
    return RIN_SHAPE(c->n[0], times * (p->height / p->size) * (p->width / p->size),
                     p->stride * p->size * p->size * p->channels);
}

/* What a fold reads: weight, and of a case with a bias everything else. */
static void make_fold_inputs(bench *b, rin_value in[MOST_INPUTS]) {
    static const char *const names[] = {"bias", "scale", "mean", "u"};
    const int64_t *n = b->c->n;
    in[0] = fixed(b, "weight", n[2] ? RIN_SHAPE(n[0], n[1], n[2], n[3], n[4]) : RIN_SHAPE(n[0], n[1], n[3], n[4]));
    for (int i = 0; i < 4 && !b->c->no_bias; i++) in[1 + i] = fixed(b, names[i], RIN_SHAPE(n[0]));
}

/* Those of an op with a window: x, the weights of a convolution, what it joins. */
static void make_window_inputs(bench *b, rin_value in[MOST_INPUTS]) {
    const int64_t *n = b->c->n;
    bool conv = b->c->op == RIN_OP_conv;
    const rin_window *w = conv ? &b->c->attr.conv.window : &b->c->attr.pool.window;
    int64_t channels = conv ? b->c->attr.conv.join.channels : b->c->attr.pool.join.channels;
    in[0] = fixed(b, "x", RIN_SHAPE(n[0], n[1], n[2], n[3], n[4]));
    if (conv) {
        in[1] = fixed(b, "weight", RIN_SHAPE(n[5], (int64_t)w->size[0] * w->size[1] * w->size[2] * n[4]));
        in[2] = fixed(b, "bias", RIN_SHAPE(n[5]));
    }
    if (channels) {
        in[conv ? 3 : 1] = fixed(b, "into",
                                 RIN_SHAPE(n[0], rin_window_count(w, 0, n[1]), rin_window_count(w, 1, n[2]),
                                           rin_window_count(w, 2, n[3]), channels));
    }
}

/* Those of guide and estimate in their order; of mix, sources and then factors and level. */
static void make_sampling_inputs(bench *b, rin_value in[MOST_INPUTS]) {
    static const char *const sources[] = {"x", "base", "estimate", "before", "before_2", "noise"};
    const op_case *c = b->c;
    rin_value level = fixed(b, "level", RIN_SHAPE(RIN_N_LEVEL));
    if (c->op == RIN_OP_mix) {
        for (int k = 0; k < RIN_N_MIXED; k++) {
            if (k == 0 || c->n[3] >> k & 1) in[k] = fixed(b, sources[k], stream(c));
        }
        in[6] = fixed(b, "factors", RIN_SHAPE(RIN_COUNT(c->factors)));
        in[7] = level;
        return;
    }
    in[0] = fixed(b, c->op == RIN_OP_guide ? "labelled" : "x", stream(c));
    in[1] = fixed(b, c->op == RIN_OP_guide ? "reference" : "output", stream(c));
    in[2] = level;
    if (c->op == RIN_OP_guide || !c->n[3]) return;
    in[3] = fixed(b, "known", stream(c));
    in[4] = fixed(b, "mask", RIN_SHAPE(c->n[0], c->n[1], 1));
}

/* What the op of the case reads. */
static void make_inputs(bench *b, rin_value in[MOST_INPUTS]) {
    const op_case *c = b->c;
    const int64_t *n = c->n;
    switch (c->op) {
    case RIN_OP_linear:
        in[0] = tensor(b, stream(c));
        in[1] = parameter(b, RIN_SHAPE(n[3], n[2]));
        in[2] = c->no_bias ? 0 : parameter(b, RIN_SHAPE(n[3]));
        in[3] = c->residual ? tensor(b, RIN_SHAPE(n[0], n[1], n[3])) : 0;
        break;
    case RIN_OP_attention:
        in[0] = tensor(b, RIN_SHAPE(n[0], n[1], n[3]));
        in[1] = tensor(b, RIN_SHAPE(n[0], n[2], n[3]));
        in[2] = tensor(b, RIN_SHAPE(n[0], n[2], n[3]));
        break;
    case RIN_OP_layer_norm:
        in[0] = tensor(b, stream(c));
        in[1] = parameter(b, RIN_SHAPE(n[2]));
        in[2] = parameter(b, RIN_SHAPE(n[2]));
        break;
    case RIN_OP_add:
        in[0] = tensor(b, stream(c));
        in[1] = tensor(b, stream(c));
        break;
    case RIN_OP_add_table:
        in[0] = parameter(b, RIN_SHAPE(n[3] < 0 ? -n[3] : n[3], n[2]));
        if (n[3] > 0) in[1] = tensor(b, stream(c));
        break;
    case RIN_OP_concat:
        for (int i = 0; i < 4; i++) in[i] = n[2 + i] ? tensor(b, RIN_SHAPE(n[0], n[2 + i], n[1])) : 0;
        break;
    case RIN_OP_slice: in[0] = tensor(b, stream(c)); break;
    case RIN_OP_unpatch: in[0] = tensor(b, tokens(c)); break;
    case RIN_OP_patch: in[0] = fixed(b, "x", video(c)); break;
    case RIN_OP_time_encode:
    case RIN_OP_gamma: in[0] = fixed(b, "t", RIN_SHAPE(n[0])); break;
    case RIN_OP_drop_labels: in[0] = fixed(b, "labels", RIN_SHAPE(n[0], 1, n[1])); break;
    case RIN_OP_rescale:
    case RIN_OP_standardise: in[0] = fixed(b, "x", stream(c)); break;
    case RIN_OP_mask_hidden:
        in[0] = fixed(b, "x", stream(c));
        in[1] = n[3] ? fixed(b, "u", RIN_SHAPE(n[0])) : 0;
        break;
    case RIN_OP_add_noise:
        in[0] = fixed(b, "x", stream(c));
        in[1] = fixed(b, "noise", stream(c));
        in[2] = fixed(b, "gamma", RIN_SHAPE(n[0]));
        break;
    case RIN_OP_guide:
    case RIN_OP_estimate:
    case RIN_OP_mix: make_sampling_inputs(b, in); break;
    case RIN_OP_loss:
        in[0] = tensor(b, stream(c));
        in[1] = fixed(b, "x", stream(c));
        in[2] = fixed(b, "target", stream(c));
        in[3] = fixed(b, "gamma", RIN_SHAPE(n[0]));
        break;
    case RIN_OP_fold: make_fold_inputs(b, in); break;
    case RIN_OP_conv:
    case RIN_OP_pool: make_window_inputs(b, in); break;
    default: break;
    }
}

static rin_value apply(const bench *b, const rin_value in[MOST_INPUTS]) {
    const op_case *c = b->c;
    rin_graph *g = b->graph;
    const rin_rows_attr *rows = &c->attr.rows;
    switch (c->op) {
    case RIN_OP_linear: return rin_op_linear(g, in[0], in[1], in[2], in[3], c->attr.linear);
    case RIN_OP_attention: return rin_op_attention(g, in[0], in[1], in[2], c->attr.attention);
    case RIN_OP_layer_norm: return rin_op_layer_norm(g, in[0], in[1], in[2]);
    case RIN_OP_add: return rin_op_sum(g, in[0], in[1]);
    case RIN_OP_add_table:
        return in[1] ? rin_op_add_table(g, in[1], in[0], rows->start) : rin_op_expand(g, in[0], c->n[0], c->n[1]);
    case RIN_OP_concat: return rin_op_concat(g, in, 4);
    case RIN_OP_slice: return rin_op_slice(g, in[0], rows->start, rows->count);
    case RIN_OP_patch: return rin_op_patch(g, in[0], c->attr.patch);
    case RIN_OP_unpatch: return rin_op_unpatch(g, in[0], c->attr.patch);
    case RIN_OP_zeros: return rin_op_zeros(g, stream(c));
    case RIN_OP_sin_cos: return rin_op_sin_cos(g, c->attr.sin_cos, c->n[0]);
    case RIN_OP_time_encode: return rin_op_time_encode(g, in[0], c->attr.sin_cos.scale, c->n[1]);
    case RIN_OP_drop_labels: return rin_op_drop_labels(g, in[0], c->attr.drop.rate);
    case RIN_OP_random: return rin_op_random(g, c->attr.random.kind, stream(c));
    case RIN_OP_gamma: return rin_op_gamma(g, in[0], &c->attr.gamma.schedule);
    case RIN_OP_rescale: return rin_op_rescale(g, in[0], c->attr.rescale.scale, c->attr.rescale.shift);
    case RIN_OP_add_noise: return rin_op_add_noise(g, in[0], in[1], in[2]);
    case RIN_OP_standardise: return rin_op_standardise(g, in[0]);
    case RIN_OP_mask_hidden: return rin_op_mask_hidden(g, in[0], in[1], c->attr.mask);
    case RIN_OP_guide: return rin_op_guide(g, in[0], in[1], in[2]);
    case RIN_OP_estimate: return rin_op_estimate(g, in[0], in[1], in[2], in[3], in[4], c->attr.estimate);
    case RIN_OP_mix: return rin_op_mix(g, in[6], in[7], in, c->attr.mix);
    case RIN_OP_loss: return rin_op_loss(g, in[0], in[1], in[2], in[3], c->attr.loss);
    case RIN_OP_fold: return rin_op_fold(g, in[0], in[1], in[2], in[3], in[4], c->attr.fold.eps, &(rin_value){0});
    case RIN_OP_conv: return rin_op_conv(g, in[0], in[1], in[2], in[3], c->attr.conv);
    case RIN_OP_pool: return rin_op_pool(g, in[0], in[1], c->attr.pool);
    default: fail_msg("no case builds %s", rin_op(c->op)->name);
    }
    return 0;
}

/* The mean square of y - target: the network is said to predict the noise, and so is the loss. */
static rin_value square_loss(bench *b, rin_value y) {
    rin_shape shape = *rin_graph_shape(b->graph, y);
    rin_value x = fixed(b, "x", shape), target = fixed(b, "target", shape),
              gamma = fixed(b, "gamma", RIN_SHAPE(shape.dim[0]));
    return rin_op_loss(b->graph, y, x, target, gamma, (rin_loss_attr){RIN_PRED_EPS, RIN_LOSS_EPS, 1});
}

rin_graph *op_case_graph(const op_case *c, bool gradient) {
    rin_error error = {0};
    rin_graph *graph = rin_graph_create(&error);
    assert_non_null(graph);
    bench b = {graph, c, gradient, 0};
    rin_value in[MOST_INPUTS] = {0};
    make_inputs(&b, in);
    rin_value y = apply(&b, in);
    if (c->twice) y = rin_op_sum(graph, y, apply(&b, in));
    if (gradient) {
        rin_value loss = c->op == RIN_OP_loss ? y : square_loss(&b, y);
        (void)rin_graph_output(graph, "loss", loss);
        assert_ok(rin_autodiff(graph, loss, &error), &error);
    } else {
        (void)rin_graph_output(graph, "y", y);
    }
    if (graph->error.code != RIN_OK) fail_msg("%s: %s", c->name, graph->error.text);
    return graph;
}

static void set_input(lab *l, const char *name, const double *numbers) {
    rin_value value = rin_graph_find(l->graph, name);
    for (int64_t i = 0; value && i < lab_count(l, value); i++) lab_set(l, value, i, (double)(float)numbers[i]);
}

void op_case_set(const op_case *c, lab *l) {
    set_input(l, "level", c->level);
    set_input(l, "factors", c->factors);
}
