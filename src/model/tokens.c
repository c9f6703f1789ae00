/* SPDX-License-Identifier: MIT */
/* Pixels to tape tokens and back, positions, and the time token: the only place that knows images from video. */
#include <math.h>

#include "model/model.h"

static rin_patch_attr patches(const rin_config_model *m, int64_t frames) {
    int64_t padding = (m->seq_stride - frames % m->seq_stride) % m->seq_stride;
    return (rin_patch_attr){.frames = frames,
                            .height = m->image_height,
                            .width = m->image_width,
                            .channels = m->image_channels,
                            .stride = m->seq_stride,
                            .size = m->patch_size,
                            .front = padding / 2};
}

rin_value rin_tokenise(rin_net *net, rin_value video, int64_t first_token) {
    const rin_config_model *m = net->model;
    rin_graph *graph = net->graph;
    rin_value patch = rin_op_patch(graph, video, patches(m, rin_graph_shape(graph, video)->dim[1]));
    int64_t volume = m->seq_stride * m->patch_size * m->patch_size;
    /* The authors' stem is a convolution: its fans count the patch's volume on both sides. */
    double limit = sqrt(6.0 / ((double)volume * (double)(m->image_channels + m->tape_dim)));
    rin_value tokens = rin_dense(net, "stem", patch, m->tape_dim, limit, 0, (rin_linear_attr){0});
    return rin_add_tape_positions(net, rin_layer_norm(net, "stem_ln", tokens, 1), first_token);
}

rin_value rin_read_out(rin_net *net, rin_value tape) {
    const rin_config_model *m = net->model;
    int64_t width = m->seq_stride * m->patch_size * m->patch_size * m->image_channels;
    rin_value tokens = rin_linear(net, "output_linear", rin_layer_norm(net, "output_ln", tape, 1), width);
    rin_patch_attr attr = patches(m, m->seq_len - m->seq_cond);
    attr.front = 0; /* the readout keeps its first frames, wherever the padding of the input was */
    return rin_op_unpatch(net->graph, tokens, attr);
}

/* The learned part of positions: the whole table, or what is added to a fixed one and starts at zero. */
static rin_value learned_table(rin_net *net, const char *name, rin_pos_encoding encoding, int64_t rows, int64_t width) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, encoding == RIN_POS_LEARNED ? "" : "_res");
    rin_init init = encoding == RIN_POS_LEARNED ? (rin_init){RIN_INIT_TRUNCATED_NORMAL, 0.02}
                                                : (rin_init){RIN_INIT_CONSTANT, 0};
    return rin_graph_param(net->graph, full, RIN_SHAPE(rows, width), init);
}

rin_value rin_latent_positions(rin_net *net, int64_t batch, int64_t slots) {
    const rin_config_model *m = net->model;
    rin_pos_encoding encoding = m->latent_pos_encoding;
    rin_sin_cos_attr fixed = {.rows = slots, .cols = 1, .repeat = 1, .scale = m->time_scaling};
    if (encoding == RIN_POS_LEARNED) {
        return rin_op_expand(net->graph, learned_table(net, "latent_pos_emb", encoding, slots, m->latent_dim), batch,
                             slots);
    }
    rin_value z = rin_op_expand(net->graph, rin_op_sin_cos(net->graph, fixed, m->latent_dim), batch, slots);
    if (encoding == RIN_POS_SIN_COS) return z;
    return rin_op_add_table(net->graph, z, learned_table(net, "latent_pos_emb", encoding, slots, m->latent_dim), 0);
}

rin_value rin_add_tape_positions(rin_net *net, rin_value tokens, int64_t first_token) {
    const rin_config_model *m = net->model;
    rin_pos_encoding encoding = m->tape_pos_encoding;
    int64_t rows = rin_model_rows(m), cols = rin_model_cols(m), times = rin_model_times(m);
    if (encoding != RIN_POS_LEARNED) {
        rin_sin_cos_attr fixed = {.rows = rows, .cols = cols, .repeat = times, .scale = m->time_scaling};
        tokens = rin_op_add_table(net->graph, tokens, rin_op_sin_cos(net->graph, fixed, m->tape_dim), first_token);
    }
    if (encoding == RIN_POS_SIN_COS) return tokens;
    rin_value table = learned_table(net, "tape_pos_emb", encoding, times * rows * cols, m->tape_dim);
    return rin_op_add_table(net->graph, tokens, table, first_token);
}

rin_value rin_time_token(rin_net *net, rin_value gamma, int64_t width) {
    rin_graph *graph = net->graph;
    rin_value e = rin_op_time_encode(graph, gamma, net->model->time_scaling, width / 4);
    rin_graph_enter(graph, "time_emb");
    e = rin_dense(net, "dense0", e, width, rin_glorot(width / 4, width), 0, (rin_linear_attr){.act = RIN_ACT_SILU});
    e = rin_linear(net, "dense1", e, width);
    rin_graph_leave(graph);
    return e;
}
