/* SPDX-License-Identifier: MIT */
/* The ops on a GPU: what a task says becomes launches of kernels and products. One row an op, as in op/op.def. */
#include "backend/cuda/task.h"

/* ---- linear layers ---- */

/* Operands of a product are of one type: one of floats becomes bf16 where the other is. */
static rin_view as_other(rin_cuda *c, rin_view v, rin_view other, int64_t n, void *memory) {
    if (!v.data || v.bf16 || !other.bf16) return v;
    rin_view made = {memory, true};
    rin_launch_convert(c->stream, v, made, n);
    return made;
}

static rin_finish finish_of(const rin_cuda *c, const rin_task *t, const rin_shape *shape) {
    const rin_linear_attr *attr = RIN_ATTR(t->node, rin_linear_attr);
    return (rin_finish){.step = c->step,
                        .act = attr->act,
                        .drop = attr->drop,
                        .path = attr->path,
                        .stream = t->node->stream * 4,
                        .n = rin_shape_count(shape),
                        .per_example = per_example(shape)};
}

/* Bytes of operand i's copy in the other's type, if it needs one. */
static size_t copy_bytes(const rin_task *t, int i, int other) {
    return t->in_type[i] == RIN_TYPE_REAL && t->in_type[other] == RIN_TYPE_BF16 ? padded(in_count(t, i)) : 0;
}

/* Whether a linear layer does more to its sums than to add to them. */
static bool alters_sums(const rin_task *t) {
    const rin_linear_attr *attr = RIN_ATTR(t->node, rin_linear_attr);
    return attr->act != RIN_ACT_NONE || attr->drop > 0 || attr->path > 0;
}

/* Sums that a kernel has to finish before they reach the residual, whose memory may be the output's. */
static bool waits_for_residual(const rin_task *t) {
    bool residual = t->in_shape[3].rank > 0, same = t->in_type[3] == t->out_type[0];
    return residual && (alters_sums(t) || !same);
}

static size_t linear_scratch(const rin_task *t) {
    return RIN_PRODUCTS_WORKSPACE + copy_bytes(t, 0, 1) + (waits_for_residual(t) ? padded(out_count(t, 0)) : 0);
}

/* Where a product and what follows it are one kernel: the tensors between them are the largest there are. */
static bool finishes_along(rin_cuda *c, const rin_task *t, const rin_product *p) {
    if (!p->a.bf16 || !p->out.bf16 || t->in[3]) return false;
    rin_fused_product f = {.m = p->m,
                           .n = p->n,
                           .k = p->k,
                           .a = p->a.data,
                           .b = p->b.data,
                           .b_transposed = true,
                           .bias = p->bias.data,
                           .how = finish_of(c, t, &t->out_shape[0]),
                           .out = t->out[0],
                           .slope = t->out[1]};
    return rin_fused_product_fits(&f, c->major) && rin_launch_fused_product(c->stream, &f, c->major);
}

static void linear(rin_cuda *c, const rin_task *t) {
    rin_view y = out(t, 0), slope = out(t, 1), residual = in(t, 3);
    bool waits = waits_for_residual(t);
    rin_product p = {.m = rin_shape_rows(&t->in_shape[0]),
                     .n = t->in_shape[1].dim[0],
                     .k = t->in_shape[1].dim[1],
                     .b_transposed = true,
                     .b = in(t, 1),
                     .out = y,
                     .bias = in(t, 2)};
    p.a = as_other(c, in(t, 0), p.b, in_count(t, 0), temporary(t, 0));
    if (finishes_along(c, t, &p)) return;
    if (slope.data) p.out = slope;
    else if (waits) p.out.data = temporary(t, copy_bytes(t, 0, 1));
    else p.add = residual;
    multiply(c, t, &p);
    if (slope.data || waits || alters_sums(t))
        rin_launch_finish(c->stream, finish_of(c, t, &t->out_shape[0]), p.out, residual, y, slope);
}

static void linear_dz(rin_cuda *c, const rin_task *t) {
    rin_view slope = in(t, 1);
    if (slope.data) rin_launch_multiply(c->stream, in(t, 0), slope, out(t, 0), in_count(t, 0), false);
    else rin_launch_survive(c->stream, finish_of(c, t, &t->in_shape[0]), in(t, 0), out(t, 0));
}

static size_t linear_dx_scratch(const rin_task *t) {
    return RIN_PRODUCTS_WORKSPACE + copy_bytes(t, 0, 1) + (t->in_shape[2].rank ? padded(out_count(t, 0)) : 0);
}

static bool slopes_along(rin_cuda *c, const rin_task *t, const rin_product *p) {
    bool narrow = p->a.bf16 && p->out.bf16 && t->in_type[2] == RIN_TYPE_BF16;
    if (!narrow || !t->in[2] || rin_task_adds(t, 0)) return false;
    rin_fused_product f = {.m = p->m,
                           .n = p->n,
                           .k = p->k,
                           .a = p->a.data,
                           .b = p->b.data,
                           .how = {.step = c->step, .n = p->m * p->n, .per_example = p->n},
                           .out = p->out.data,
                           .times = t->in[2]};
    return rin_fused_product_fits(&f, c->major) && rin_launch_fused_product(c->stream, &f, c->major);
}

static void linear_dx(rin_cuda *c, const rin_task *t) {
    rin_view slope = in(t, 2), dx = out(t, 0);
    bool adds = rin_task_adds(t, 0);
    rin_product p = {.m = rin_shape_rows(&t->in_shape[0]),
                     .n = t->in_shape[1].dim[1],
                     .k = t->in_shape[1].dim[0],
                     .b = in(t, 1),
                     .out = dx};
    p.a = as_other(c, in(t, 0), p.b, in_count(t, 0), temporary(t, 0));
    if (slopes_along(c, t, &p)) return;
    if (slope.data && adds) p.out.data = temporary(t, copy_bytes(t, 0, 1));
    else if (adds) p.add = dx;
    multiply(c, t, &p);
    if (slope.data) rin_launch_multiply(c->stream, p.out, slope, dx, p.m * p.n, adds);
}

static size_t linear_dw_scratch(const rin_task *t) {
    size_t sums = padded(rin_norm_scratch(rin_shape_last(&t->in_shape[0])));
    return RIN_PRODUCTS_WORKSPACE + RIN_MAX(copy_bytes(t, 0, 1) + copy_bytes(t, 1, 0), sums);
}

/* dbias is made along with dW where that is possible. */
static void linear_dw(rin_cuda *c, const rin_task *t) {
    rin_view dz = in(t, 0), x = in(t, 1);
    int64_t rows = rin_shape_rows(&t->in_shape[0]), n = rin_shape_last(&t->in_shape[0]),
            k = rin_shape_last(&t->in_shape[1]);
    float *dbias = t->out[1];
    if (t->out[0]) {
        rin_product p = {.m = n, .n = k, .k = rows, .a_transposed = true, .out = out(t, 0)};
        p.a = as_other(c, dz, x, in_count(t, 0), temporary(t, 0));
        p.b = as_other(c, x, dz, in_count(t, 1), temporary(t, copy_bytes(t, 0, 1)));
        if (rin_task_adds(t, 0)) p.add = p.out;
        if (!rin_task_adds(t, 1) && rin_products_makes_row_sums(&p)) p.row_sums = dbias;
        multiply(c, t, &p);
        if (p.row_sums) dbias = NULL;
    }
    if (dbias) rin_launch_column_sums(c->stream, dz, dbias, rin_task_adds(t, 1), rows, n, temporary(t, 0));
}

/* ---- attention ---- */

static rin_attention attention_of(const rin_cuda *c, const rin_task *t) {
    const rin_attention_attr *attr = RIN_ATTR(t->node, rin_attention_attr);
    const rin_shape *q = &t->in_shape[0];
    return (rin_attention){.step = c->step,
                           .stream = stream_of(t, RIN_USE_DROP),
                           .drop = attr->drop,
                           .batch = q->dim[0],
                           .heads = attr->heads,
                           .m = q->dim[1],
                           .n = t->in_shape[1].dim[1],
                           .inner = q->dim[2],
                           .q = in(t, 0),
                           .k = in(t, 1),
                           .v = in(t, 2)};
}

static void attention(rin_cuda *c, const rin_task *t) {
    rin_attention a = attention_of(c, t);
    a.out = out(t, 0);
    a.lse = t->out[1];
    rin_launch_attention(c->stream, &a);
}

static size_t attention_grad_scratch(const rin_task *t) {
    rin_attention a = attention_of(&(rin_cuda){0}, t);
    return padded(rin_attention_scratch(&a));
}

static void attention_grad(rin_cuda *c, const rin_task *t) {
    rin_attention a = attention_of(c, t);
    a.out = in(t, 3);
    a.lse = (float *)(uintptr_t)t->in[4];
    a.dout = in(t, 5);
    a.dq = out(t, 0);
    a.dk = out(t, 1);
    a.dv = out(t, 2);
    a.dq_adds = rin_task_adds(t, 0);
    a.dk_adds = rin_task_adds(t, 1);
    a.dv_adds = rin_task_adds(t, 2);
    a.delta = t->scratch;
    rin_launch_attention_grad(c->stream, &a);
}

/* ---- normalisation ---- */

static void layer_norm(rin_cuda *c, const rin_task *t) {
    rin_launch_layer_norm(c->stream, in(t, 0), t->in[1], t->in[2], out(t, 0), t->out[1],
                          rin_shape_rows(&t->in_shape[0]), rin_shape_last(&t->in_shape[0]));
}

static size_t layer_norm_grad_scratch(const rin_task *t) {
    return padded(rin_norm_scratch(rin_shape_last(&t->in_shape[1])));
}

static void layer_norm_grad(rin_cuda *c, const rin_task *t) {
    rin_norm_gradient g = {.dy = in(t, 0),
                           .x = in(t, 1),
                           .weight = t->in[2],
                           .stats = t->in[3],
                           .dx = out(t, 0),
                           .dweight = t->out[1],
                           .dbias = t->out[2],
                           .dx_adds = rin_task_adds(t, 0),
                           .dweight_adds = rin_task_adds(t, 1),
                           .dbias_adds = rin_task_adds(t, 2),
                           .rows = rin_shape_rows(&t->in_shape[1]),
                           .d = rin_shape_last(&t->in_shape[1]),
                           .scratch = t->scratch};
    rin_launch_layer_norm_grad(c->stream, &g);
}

/* ---- layout ---- */

static void add(rin_cuda *c, const rin_task *t) {
    rin_launch_add(c->stream, in(t, 0), in(t, 1), out(t, 0), out_count(t, 0), rin_task_adds(t, 0));
}

static void add_table(rin_cuda *c, const rin_task *t) {
    const rin_shape *y = &t->out_shape[0];
    rin_table table = {.batch = y->dim[0],
                       .n = y->dim[1],
                       .d = y->dim[2],
                       .rows = t->in_shape[0].dim[0],
                       .start = t->in[1] ? RIN_ATTR(t->node, rin_rows_attr)->start : 0,
                       .adds = rin_task_adds(t, 0)};
    rin_launch_add_table(c->stream, table, in(t, 0), in(t, 1), out(t, 0));
}

static void add_table_grad(rin_cuda *c, const rin_task *t) {
    const rin_shape *dy = &t->in_shape[0];
    rin_table table = {.batch = dy->dim[0],
                       .n = dy->dim[1],
                       .d = dy->dim[2],
                       .rows = t->out_shape[0].dim[0],
                       .start = RIN_ATTR(t->node, rin_rows_attr)->start,
                       .adds = rin_task_adds(t, 0)};
    rin_launch_add_table_grad(c->stream, table, in(t, 0), out(t, 0));
}

static void concat(rin_cuda *c, const rin_task *t) {
    const rin_shape *y = &t->out_shape[0];
    int64_t at = 0;
    for (int i = 0; i < t->node->n_inputs; i++) {
        int64_t n = t->in_shape[i].dim[1];
        rin_rows rows = {.batch = y->dim[0],
                         .n = n,
                         .d = y->dim[2],
                         .from_rows = n,
                         .to_first = at,
                         .to_rows = y->dim[1],
                         .adds = rin_task_adds(t, 0)};
        rin_launch_copy_rows(c->stream, rows, in(t, i), out(t, 0));
        at += n;
    }
}

static void slice(rin_cuda *c, const rin_task *t) {
    const rin_rows_attr *attr = RIN_ATTR(t->node, rin_rows_attr);
    const rin_shape *x = &t->in_shape[0];
    rin_rows rows = {.batch = x->dim[0],
                     .n = attr->count,
                     .d = x->dim[2],
                     .from_first = attr->start,
                     .from_rows = x->dim[1],
                     .to_rows = attr->count,
                     .adds = rin_task_adds(t, 0)};
    rin_launch_copy_rows(c->stream, rows, in(t, 0), out(t, 0));
}

static void slice_grad(rin_cuda *c, const rin_task *t) {
    const rin_rows_attr *attr = RIN_ATTR(t->node, rin_rows_attr);
    const rin_shape *dx = &t->out_shape[0];
    rin_rows rows = {.batch = dx->dim[0],
                     .n = attr->count,
                     .d = dx->dim[2],
                     .from_rows = attr->count,
                     .to_first = attr->start,
                     .to_rows = dx->dim[1],
                     .adds = rin_task_adds(t, 0),
                     .whole = true};
    rin_launch_copy_rows(c->stream, rows, in(t, 0), out(t, 0));
}

static rin_patches patches_of(const rin_task *t, const rin_shape *tokens) {
    const rin_patch_attr *a = RIN_ATTR(t->node, rin_patch_attr);
    int64_t places = a->height / a->size * (a->width / a->size);
    return (rin_patches){.frames = a->frames,
                         .height = a->height,
                         .width = a->width,
                         .channels = a->channels,
                         .stride = a->stride,
                         .size = a->size,
                         .front = a->front,
                         .times = tokens->dim[1] / places,
                         .batch = tokens->dim[0],
                         .adds = rin_task_adds(t, 0)};
}

static void patch(rin_cuda *c, const rin_task *t) {
    rin_launch_patch(c->stream, patches_of(t, &t->out_shape[0]), in(t, 0), out(t, 0));
}

static void unpatch(rin_cuda *c, const rin_task *t) {
    rin_launch_unpatch(c->stream, patches_of(t, &t->in_shape[0]), in(t, 0), out(t, 0));
}

/* ---- constants and embeddings ---- */

static void zeros(rin_cuda *c, const rin_task *t) {
    size_t size = out(t, 0).bf16 ? sizeof(uint16_t) : sizeof(float);
    (void)rin_cuda_check(c, cudaMemsetAsync(t->out[0], 0, (size_t)out_count(t, 0) * size, c->stream), "clearing");
}

static void sin_cos(rin_cuda *c, const rin_task *t) {
    const rin_sin_cos_attr *a = RIN_ATTR(t->node, rin_sin_cos_attr);
    rin_launch_sin_cos(c->stream, a->rows, a->cols, a->repeat, a->dim, (float)a->scale, out(t, 0));
}

static void time_encode(rin_cuda *c, const rin_task *t) {
    const rin_sin_cos_attr *a = RIN_ATTR(t->node, rin_sin_cos_attr);
    rin_launch_time_encode(c->stream, t->in[0], t->in_shape[0].dim[0], a->dim, (float)a->scale, out(t, 0));
}

static void drop_labels(rin_cuda *c, const rin_task *t) {
    int64_t batch = t->in_shape[0].dim[0];
    rin_launch_drop_labels(c->stream, c->step, stream_of(t, RIN_USE_DROP), RIN_ATTR(t->node, rin_drop_attr)->rate,
                           batch, in_count(t, 0) / batch, in(t, 0), out(t, 0));
}

/* ---- noise ---- */

static void draw(rin_cuda *c, const rin_task *t) {
    bool normal = RIN_ATTR(t->node, rin_random_attr)->kind == RIN_RANDOM_NORMAL;
    rin_launch_random(c->stream, c->step, stream_of(t, RIN_USE_VALUES), normal, out_count(t, 0),
                      per_example(&t->out_shape[0]), out(t, 0));
}

static void gamma_level(rin_cuda *c, const rin_task *t) {
    const rin_schedule *s = &RIN_ATTR(t->node, rin_gamma_attr)->schedule;
    rin_gamma_of schedule = {(int)s->kind, s->reverse, s->start, s->end, s->tau};
    rin_launch_gamma(c->stream, schedule, in(t, 0), out(t, 0), in_count(t, 0));
}

static void rescale(rin_cuda *c, const rin_task *t) {
    const rin_rescale_attr *a = RIN_ATTR(t->node, rin_rescale_attr);
    rin_launch_rescale(c->stream, (float)a->scale, (float)a->shift, in(t, 0), out(t, 0), in_count(t, 0));
}

static void add_noise(rin_cuda *c, const rin_task *t) {
    rin_launch_add_noise(c->stream, in(t, 0), in(t, 1), t->in[2], out(t, 0), in_count(t, 0),
                         per_example(&t->in_shape[0]));
}

static void standardise(rin_cuda *c, const rin_task *t) {
    rin_launch_standardise(c->stream, in(t, 0), out(t, 0), t->in_shape[0].dim[0], per_example(&t->in_shape[0]));
}

static void mask_hidden(rin_cuda *c, const rin_task *t) {
    const rin_mask_attr *a = RIN_ATTR(t->node, rin_mask_attr);
    rin_launch_mask_hidden(c->stream, c->step, in(t, 0), t->in[1], a->rate, a->batch, out(t, 0), t->in_shape[0].dim[0],
                           per_example(&t->in_shape[0]));
}

/* ---- the reverse process ---- */

static void guide(rin_cuda *c, const rin_task *t) {
    rin_guide_of g = {.n = in_count(t, 0),
                      .each = per_example(&t->in_shape[0]),
                      .labelled = in(t, 0),
                      .reference = in(t, 1),
                      .level = t->in[2]};
    rin_launch_guide(c->stream, g, out(t, 0));
}

static void estimate(rin_cuda *c, const rin_task *t) {
    const rin_estimate_attr *a = RIN_ATTR(t->node, rin_estimate_attr);
    rin_estimate_of e = {.pred = a->pred,
                         .b_scale = (float)a->b_scale,
                         .percentile = a->percentile,
                         .n = in_count(t, 0),
                         .each = per_example(&t->in_shape[0]),
                         .channels = rin_shape_last(&t->in_shape[0]),
                         .x = in(t, 0),
                         .output = in(t, 1),
                         .known = in(t, 3),
                         .mask = in(t, 4),
                         .level = t->in[2]};
    rin_launch_estimate(c->stream, e, out(t, 0));
}

static void mix(rin_cuda *c, const rin_task *t) {
    rin_mix_of m = {.n = in_count(t, 0),
                    .sources = {in(t, 0)},
                    .factors = (const float *)t->in[1] + RIN_ATTR(t->node, rin_mix_attr)->first,
                    .level = t->in[2]};
    for (int k = 1; k < RIN_N_MIXED; k++) m.sources[k] = in(t, k + 2);
    rin_launch_mix(c->stream, m, out(t, 0));
}

/* ---- loss ---- */

static rin_loss_of loss_of(const rin_cuda *c, const rin_task *t) {
    const rin_loss_attr *a = RIN_ATTR(t->node, rin_loss_attr);
    return (rin_loss_of){.step = c->step,
                         .pred = a->pred,
                         .loss = a->loss,
                         .b_scale = (float)a->b_scale,
                         .n = in_count(t, 0),
                         .each = per_example(&t->in_shape[0]),
                         .output = in(t, 0),
                         .x_t = in(t, 1),
                         .target = in(t, 2),
                         .gamma = t->in[3]};
}

static size_t sum_scratch(const rin_task *t) {
    (void)t;
    return (size_t)rin_sum_scratch();
}

static void loss(rin_cuda *c, const rin_task *t) {
    rin_launch_loss(c->stream, loss_of(c, t), t->out[0], rin_task_adds(t, 0), t->scratch);
}

static void loss_grad(rin_cuda *c, const rin_task *t) {
    rin_launch_loss_grad(c->stream, loss_of(c, t), out(t, 0), rin_task_adds(t, 0));
}

/* ---- the update ---- */

static void grad_norm(rin_cuda *c, const rin_task *t) {
    rin_launch_grad_norm(c->stream, t->arenas->gradients, t->arenas->count, t->out[0], t->scratch);
}

static size_t update_scratch(const rin_task *t) {
    return (size_t)rin_cuda_chunks(t->arenas) * 2 * sizeof(double);
}

static void update(rin_cuda *c, const rin_task *t) {
    const rin_update_attr *attr = RIN_ATTR(t->node, rin_update_attr);
    const rin_arenas *a = t->arenas;
    const rin_update_tensor *tensors = rin_cuda_tensors(c, a);
    int64_t n_chunks = rin_cuda_chunks(a);
    if (!tensors || !n_chunks) return;
    rin_launch_update(c->stream, (rin_update_of){.step = c->step,
                                                 .tensors = tensors,
                                                 .n_tensors = a->n_segments,
                                                 .n_chunks = n_chunks,
                                                 .weights = a->weights,
                                                 .gradients = a->gradients,
                                                 .m = a->m,
                                                 .v = a->v,
                                                 .ema = a->ema,
                                                 .narrow = a->narrow,
                                                 .norm = t->in[0],
                                                 .loss = t->in[1],
                                                 .lamb = attr->optimizer == RIN_OPTIMIZER_LAMB,
                                                 .beta1 = attr->beta1,
                                                 .beta2 = attr->beta2,
                                                 .eps = attr->eps,
                                                 .weight_decay = attr->weight_decay,
                                                 .grad_clip = attr->grad_clip,
                                                 .scratch = t->scratch});
}

const rin_cuda_row rin_cuda_kernels[RIN_N_OPS] = {
    [RIN_OP_linear] = {linear, linear_scratch},
    [RIN_OP_linear_dz] = {linear_dz, NULL},
    [RIN_OP_linear_dx] = {linear_dx, linear_dx_scratch},
    [RIN_OP_linear_dw] = {linear_dw, linear_dw_scratch},
    [RIN_OP_attention] = {attention, NULL},
    [RIN_OP_attention_grad] = {attention_grad, attention_grad_scratch},
    [RIN_OP_layer_norm] = {layer_norm, NULL},
    [RIN_OP_layer_norm_grad] = {layer_norm_grad, layer_norm_grad_scratch},
    [RIN_OP_add] = {add, NULL},
    [RIN_OP_add_table] = {add_table, NULL},
    [RIN_OP_add_table_grad] = {add_table_grad, NULL},
    [RIN_OP_concat] = {concat, NULL},
    [RIN_OP_slice] = {slice, NULL},
    [RIN_OP_slice_grad] = {slice_grad, NULL},
    [RIN_OP_patch] = {patch, NULL},
    [RIN_OP_unpatch] = {unpatch, NULL},
    [RIN_OP_zeros] = {zeros, NULL},
    [RIN_OP_sin_cos] = {sin_cos, NULL},
    [RIN_OP_time_encode] = {time_encode, NULL},
    [RIN_OP_drop_labels] = {drop_labels, NULL},
    [RIN_OP_random] = {draw, NULL},
    [RIN_OP_gamma] = {gamma_level, NULL},
    [RIN_OP_rescale] = {rescale, NULL},
    [RIN_OP_add_noise] = {add_noise, NULL},
    [RIN_OP_standardise] = {standardise, NULL},
    [RIN_OP_mask_hidden] = {mask_hidden, NULL},
    [RIN_OP_fold] = {rin_cuda_fold, NULL},
    [RIN_OP_conv] = {rin_cuda_conv, rin_cuda_conv_scratch},
    [RIN_OP_pool] = {rin_cuda_pool, NULL},
    [RIN_OP_guide] = {guide, NULL},
    [RIN_OP_estimate] = {estimate, NULL},
    [RIN_OP_mix] = {mix, NULL},
    [RIN_OP_loss] = {loss, sum_scratch},
    [RIN_OP_loss_grad] = {loss_grad, NULL},
    [RIN_OP_grad_norm] = {grad_norm, sum_scratch},
    [RIN_OP_update] = {update, update_scratch},
};
