/* SPDX-License-Identifier: MIT */
/*
 * The Recurrent Interface Network (Jabri, Fleet, Chen, ICML 2023, section 3), images and video alike.
 *
 * The tape has one token a patch; the latents read from it, process what they read, and write back, block after block.
 */
#include "model/model.h"

typedef struct streams {
    rin_value latents;   /* (B, M, C) */
    rin_value tape;      /* (B, n, D) what is read and written */
    rin_value read_only; /* (B, r, cond width) what is only read, or 0 */
} streams;

/* Reads and writes: attention between streams, as wide as the narrower one. */
static rin_layer cross_layer(const rin_config_model *m, int64_t mlp_ratio) {
    return (rin_layer){.inner = RIN_MIN(m->tape_dim, m->latent_dim),
                       .heads = m->rw_num_heads,
                       .mlp_ratio = mlp_ratio,
                       .normalise_source = m->xattn_enc_ln};
}

static rin_value read_tape(rin_net *net, streams s) {
    const rin_config_model *m = net->model;
    rin_layer layer = cross_layer(m, m->latent_mlp_ratio);
    if (m->cond_decoupled_read) {
        rin_layer first = layer;
        first.inner = RIN_MIN(rin_model_cond_width(m), m->latent_dim);
        s.latents = rin_transformer(net, "read_cond", &first, s.latents, s.read_only);
        s.read_only = 0;
    }
    rin_value source = rin_op_concat(net->graph, (rin_value[]){s.tape, s.read_only}, 2);
    return rin_transformer(net, "read", &layer, s.latents, source);
}

static rin_value process(rin_net *net, rin_value latents, int64_t n_layers) {
    const rin_config_model *m = net->model;
    rin_layer layer = {.inner = m->latent_dim, .heads = m->latent_num_heads, .mlp_ratio = m->latent_mlp_ratio};
    if (net->training) {
        layer.drop_units = (float)m->drop_units;
        layer.drop_path = (float)m->drop_path;
        layer.drop_att = (float)m->drop_att;
    }
    for (int64_t i = 0; i < n_layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "latent.%lld", (long long)i);
        latents = rin_transformer(net, name, &layer, latents, 0);
    }
    return latents;
}

static rin_value write_tape(rin_net *net, streams s) {
    rin_layer layer = cross_layer(net->model, net->model->tape_mlp_ratio);
    return rin_transformer(net, "write", &layer, s.tape, s.latents);
}

static streams block(rin_net *net, int index, streams s) {
    int64_t n_layers = net->model->num_layers[index];
    rin_graph_enter(net->graph, "blocks.%d", index);
    s.latents = read_tape(net, s);
    s.latents = process(net, s.latents, n_layers);
    if (n_layers > 0) s.tape = write_tape(net, s);
    rin_graph_leave(net->graph);
    return s;
}

/* Hiddens of the last step, as they are added to this step's start; zeros need one row for all. */
static rin_value add_previous(rin_net *net, const char *name, rin_value start, rin_value previous, int64_t mlp_ratio) {
    rin_graph *graph = net->graph;
    int64_t width = rin_shape_last(rin_graph_shape(graph, start));
    if (previous) return rin_op_sum(graph, start, rin_previous(net, name, previous, mlp_ratio));
    rin_value zeros = rin_op_zeros(graph, RIN_SHAPE(1, width));
    return rin_op_add_table(graph, start, rin_previous(net, name, zeros, mlp_ratio), 0);
}

/* Time and label tokens: among the latents, or on the tape; there for reading only, or as part of it. */
static streams start_streams(rin_net *net, rin_net_inputs in) {
    const rin_config_model *m = net->model;
    rin_graph *graph = net->graph;
    int64_t cond_width = rin_model_cond_width(m);
    int64_t batch = rin_graph_shape(graph, in.x)->dim[0];
    rin_value time = rin_time_token(net, in.gamma, m->time_on_latent ? m->latent_dim : cond_width);
    rin_value label = in.labels
                          ? rin_linear(net, "cond_proj", in.labels, m->cond_on_latent ? m->latent_dim : cond_width)
                          : 0;

    rin_value on_latents[] = {rin_latent_positions(net, batch, m->latent_slots - rin_model_latent_tokens(m)),
                              m->time_on_latent ? time : 0, m->cond_on_latent ? label : 0};
    rin_value on_tape[] = {m->time_on_latent ? 0 : time, m->cond_on_latent ? 0 : label};
    streams s = {.latents = rin_op_concat(graph, on_latents, 3)};
    if (on_tape[0] || on_tape[1]) s.read_only = rin_op_concat(graph, on_tape, 2);

    rin_value noisy = rin_tokenise(net, in.x, 0), given = 0, writable = m->cond_tape_writable ? s.read_only : 0;
    if (in.frames) given = rin_tokenise(net, in.frames, rin_graph_shape(graph, noisy)->dim[1]);
    s.tape = rin_op_concat(graph, (rin_value[]){noisy, given}, 2);
    if (m->self_cond & RIN_SELF_COND_TAPE) {
        s.tape = add_previous(net, "tape_prev", s.tape, in.tape_prev, m->tape_mlp_ratio);
    }
    s.tape = rin_op_concat(graph, (rin_value[]){s.tape, writable}, 2);
    if (writable) s.read_only = 0;
    if (m->self_cond & RIN_SELF_COND_LATENT) {
        s.latents = add_previous(net, "latent_prev", s.latents, in.latent_prev, m->latent_mlp_ratio);
    }
    return s;
}

rin_net_outputs rin_model_build(rin_graph *graph, const rin_config_model *model, bool training, rin_net_inputs in) {
    rin_net net = {graph, model, training};
    streams s = start_streams(&net, in);
    for (int i = 0; i < model->n_num_layers; i++) s = block(&net, i, s);
    int64_t n_tokens = rin_model_times(model) * rin_model_rows(model) * rin_model_cols(model);
    rin_value tape = rin_op_slice(graph, s.tape, 0, n_tokens);
    return (rin_net_outputs){rin_read_out(&net, tape), s.latents, tape};
}

rin_shape rin_model_video_shape(const rin_config_model *m, int64_t batch) {
    return RIN_SHAPE(batch, m->seq_len - m->seq_cond, m->image_height, m->image_width, m->image_channels);
}

rin_shape rin_model_frames_shape(const rin_config_model *m, int64_t batch) {
    return RIN_SHAPE(batch, m->seq_cond, m->image_height, m->image_width, m->image_channels);
}

rin_shape rin_model_latent_shape(const rin_config_model *m, int64_t batch) {
    return RIN_SHAPE(batch, m->latent_slots, m->latent_dim);
}

rin_shape rin_model_tape_shape(const rin_config_model *m, int64_t batch) {
    return RIN_SHAPE(batch, rin_model_times(m) * rin_model_rows(m) * rin_model_cols(m), m->tape_dim);
}

rin_status rin_model_forward_graph(const rin_config *config, int64_t batch, rin_graph **out, rin_error *error) {
    const rin_config_model *m = &config->model;
    const double b = config->diffusion.b_scale;
    rin_graph *graph = *out = rin_graph_create(error);
    if (!graph) return RIN_ERR_MEMORY;
    rin_net_inputs in = {.x = rin_graph_input(graph, "x", rin_model_video_shape(m, batch)),
                         .gamma = rin_graph_input(graph, "gamma", RIN_SHAPE(batch))};
    if (m->num_classes) in.labels = rin_graph_input(graph, "labels", RIN_SHAPE(batch, 1, m->num_classes));
    if (m->seq_cond) in.frames = rin_graph_input(graph, "frames", rin_model_frames_shape(m, batch));
    if (m->self_cond & RIN_SELF_COND_LATENT) {
        in.latent_prev = rin_graph_input(graph, "latent_prev", rin_model_latent_shape(m, batch));
    }
    if (m->self_cond & RIN_SELF_COND_TAPE)
        in.tape_prev = rin_graph_input(graph, "tape_prev", rin_model_tape_shape(m, batch));
    if (in.frames) in.frames = rin_op_rescale(graph, in.frames, 2 * b, -b);
    if (config->diffusion.normalize_noisy_input) in.x = rin_op_standardise(graph, in.x);
    rin_net_outputs net = rin_model_build(graph, m, false, in);
    rin_graph_output(graph, "out", net.out);
    rin_graph_output(graph, "latent", net.latent);
    rin_graph_output(graph, "tape", net.tape);
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK) return RIN_OK;
    rin_graph_free(graph);
    *out = NULL;
    return status;
}
