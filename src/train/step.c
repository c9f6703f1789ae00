/* SPDX-License-Identifier: MIT */
/* Section 4 and 5 of the specification as one graph. */
#include "train/step.h"

#include "compile/compile.h"
#include "model/model.h"
#include "op/op.h"

typedef struct builder {
    const rin_config *config;
    const rin_step_options *options;
    rin_graph *graph;
    rin_net_inputs net; /* what both forwards share */
    rin_value labels;
} builder;

/* Labels of one forward: dropped anew in each. */
static rin_value labels_of(builder *b) {
    float rate = (float)b->config->diffusion.cond_dropout;
    if (!b->labels || rate <= 0 || b->options->inference) return b->labels;
    return rin_op_drop_labels(b->graph, b->labels, rate);
}

/* Hiddens that the real forward starts from: a first forward's, for the examples that keep them. No gradient. */
static void estimate_hiddens(builder *b) {
    const rin_config_diffusion *d = &b->config->diffusion;
    rin_self_cond kind = b->config->model.self_cond;
    if (kind == RIN_SELF_COND_NONE) return;
    int64_t batch = b->options->batch;
    rin_mask_attr mask = {b->options->inference ? 1 : d->self_cond_rate, batch * b->options->parts};
    rin_value u = 0;
    if (b->options->given) u = rin_graph_input(b->graph, "self_cond_uniform", RIN_SHAPE(batch));
    else if (!b->options->inference) u = rin_op_random(b->graph, RIN_RANDOM_UNIFORM, RIN_SHAPE(batch));
    if (!d->self_cond_by_masking) u = 0;

    rin_net_inputs in = b->net;
    in.labels = labels_of(b);
    rin_net_outputs first = rin_model_build(b->graph, &b->config->model, !b->options->inference, in);
    if (kind & RIN_SELF_COND_LATENT) b->net.latent_prev = rin_op_mask_hidden(b->graph, first.latent, u, mask);
    if (kind & RIN_SELF_COND_TAPE) b->net.tape_prev = rin_op_mask_hidden(b->graph, first.tape, u, mask);
}

static rin_value build_loss(builder *b, const rin_schedule *schedule) {
    const rin_config_model *m = &b->config->model;
    const rin_config_diffusion *d = &b->config->diffusion;
    const rin_step_options *o = b->options;
    rin_graph *graph = b->graph;
    rin_shape shape = rin_model_video_shape(m, o->batch);
    rin_value images = rin_graph_input(graph, "images", shape);
    if (m->num_classes) b->labels = rin_graph_input(graph, "labels", RIN_SHAPE(o->batch, 1, m->num_classes));
    if (m->seq_cond) {
        b->net.frames = rin_graph_input(graph, "frames", rin_model_frames_shape(m, o->batch));
        b->net.frames = rin_op_rescale(graph, b->net.frames, 2 * d->b_scale, -d->b_scale);
    }
    rin_value t = o->given || o->times_given ? rin_graph_input(graph, "t", RIN_SHAPE(o->batch))
                                             : rin_op_random(graph, RIN_RANDOM_UNIFORM, RIN_SHAPE(o->batch));
    rin_value noise = o->given ? rin_graph_input(graph, "noise", shape)
                               : rin_op_random(graph, RIN_RANDOM_NORMAL, shape);
    rin_value x0 = rin_op_rescale(graph, images, 2 * d->b_scale, -d->b_scale);
    b->net.gamma = rin_op_gamma(graph, t, schedule);
    rin_value x_t = rin_op_add_noise(graph, x0, noise, b->net.gamma);
    b->net.x = d->normalize_noisy_input ? rin_op_standardise(graph, x_t) : x_t;
    if (o->given) rin_graph_output(graph, "x_noised", x_t);

    estimate_hiddens(b);
    b->net.labels = labels_of(b);
    rin_value out = rin_model_build(graph, m, !o->inference, b->net).out;
    rin_loss_attr loss = {d->pred_type, o->eps_error ? RIN_LOSS_EPS : d->loss_type, d->b_scale};
    return rin_op_loss(graph, out, x_t, loss.loss == RIN_LOSS_X ? x0 : noise, b->net.gamma, loss);
}

/* From a loss to the gradients of all parameters. */
static rin_status build_backward(rin_graph *graph, rin_value loss, bool recompute, rin_error *error) {
    int n_forward = graph->n_nodes;
    rin_status status = rin_autodiff(graph, loss, error);
    if (status == RIN_OK) status = rin_recompute(graph, n_forward, recompute, error);
    if (status == RIN_OK) status = rin_fuse(graph, error);
    return status;
}

rin_status rin_step_graph(const rin_config *config, const rin_step_options *options, rin_graph **out,
                          rin_error *error) {
    *out = NULL;
    rin_schedule schedule;
    rin_status status = rin_schedule_parse(config->diffusion.train_schedule, &schedule, error);
    if (status != RIN_OK) return status;
    rin_graph *graph = rin_graph_create(error);
    if (!graph) return RIN_ERR_MEMORY;
    builder b = {.config = config, .options = options, .graph = graph};
    rin_value loss = build_loss(&b, &schedule);
    rin_graph_output(graph, "loss", loss);
    status = rin_graph_status(graph, error);
    if (status == RIN_OK && !options->inference) {
        status = build_backward(graph, loss, config->train.recompute, error);
    }
    if (status == RIN_OK && options->update) {
        const rin_config_train *t = &config->train;
        rin_value norm = rin_graph_output(graph, "grad_norm", rin_op_grad_norm(graph));
        rin_op_update(graph, norm, loss,
                      (rin_update_attr){t->optimizer, t->beta1, t->beta2, t->eps, t->weight_decay, t->grad_clip});
        status = rin_graph_status(graph, error);
    }
    if (status == RIN_OK) status = rin_remove_dead(graph, error);
    if (status == RIN_OK) *out = graph;
    else rin_graph_free(graph);
    return status;
}
