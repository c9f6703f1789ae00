/* SPDX-License-Identifier: MIT */
/* The three kinds of layer - read, process, write - are one pre-norm transformer layer; initial values are section 3's.
 */
#include <math.h>

#include "model/model.h"

static int64_t width_of(const rin_net *net, rin_value x) {
    return rin_shape_last(rin_graph_shape(net->graph, x));
}

rin_value rin_dense(rin_net *net, const char *name, rin_value x, int64_t out_width, double limit, rin_value residual,
                    rin_linear_attr attr) {
    rin_graph_enter(net->graph, "%s", name);
    rin_value weight = rin_graph_param(net->graph, "weight", RIN_SHAPE(out_width, width_of(net, x)),
                                       (rin_init){RIN_INIT_UNIFORM, limit});
    rin_value bias = rin_graph_param(net->graph, "bias", RIN_SHAPE(out_width), (rin_init){RIN_INIT_CONSTANT, 0});
    rin_value y = rin_op_linear(net->graph, x, weight, bias, residual, attr);
    rin_graph_leave(net->graph);
    return y;
}

double rin_glorot(int64_t in, int64_t out) {
    return sqrt(6.0 / (double)(in + out));
}

rin_value rin_linear(rin_net *net, const char *name, rin_value x, int64_t out_width) {
    return rin_dense(net, name, x, out_width, rin_glorot(width_of(net, x), out_width), 0, (rin_linear_attr){0});
}

rin_value rin_layer_norm(rin_net *net, const char *name, rin_value x, double initial_weight) {
    int64_t width = width_of(net, x);
    rin_graph_enter(net->graph, "%s", name);
    rin_value weight = rin_graph_param(net->graph, "weight", RIN_SHAPE(width),
                                       (rin_init){RIN_INIT_CONSTANT, initial_weight});
    rin_value bias = rin_graph_param(net->graph, "bias", RIN_SHAPE(width), (rin_init){RIN_INIT_CONSTANT, 0});
    rin_value y = rin_op_layer_norm(net->graph, x, weight, bias);
    rin_graph_leave(net->graph);
    return y;
}

/* The authors' layers count fans over heads and head width, so these limits are smaller than Glorot's (section 3). */
static rin_value attend(rin_net *net, const rin_layer *layer, rin_value x, rin_value source, rin_value residual) {
    const rin_linear_attr plain = {0}, path = {.path = layer->drop_path};
    double heads = (double)layer->heads, head = (double)layer->inner / heads;
    double limit_x = sqrt(6 / ((double)width_of(net, x) * (heads + head)));
    double limit_source = sqrt(6 / ((double)width_of(net, source) * (heads + head)));
    int64_t width = width_of(net, residual);
    rin_graph_enter(net->graph, "attn");
    rin_value q = rin_dense(net, "query", x, layer->inner, limit_x, 0, plain);
    rin_value k = rin_dense(net, "key", source, layer->inner, limit_source, 0, plain);
    rin_value v = rin_dense(net, "value", source, layer->inner, limit_source, 0, plain);
    rin_value mixed = rin_op_attention(net->graph, q, k, v, (rin_attention_attr){(int)layer->heads, layer->drop_att});
    rin_value y = rin_dense(net, "out", mixed, width, sqrt(6 / (heads * (head + (double)width))), residual, path);
    rin_graph_leave(net->graph);
    return y;
}

/* residual + path(dense2(drop(gelu(dense1(x))))) in the current scope. */
static rin_value mlp(rin_net *net, rin_value x, rin_value residual, int64_t ratio, float drop, float path) {
    int64_t width = width_of(net, x), hidden = ratio * width;
    const rin_linear_attr gelu = {.act = RIN_ACT_GELU, .drop = drop}, last = {.path = path};
    rin_value h = rin_dense(net, "dense1", x, hidden, rin_glorot(width, hidden), 0, gelu);
    return rin_dense(net, "dense2", h, width, rin_glorot(hidden, width), residual, last);
}

rin_value rin_transformer(rin_net *net, const char *name, const rin_layer *layer, rin_value x, rin_value source) {
    rin_graph_enter(net->graph, "%s", name);
    rin_graph_begin_layer(net->graph);
    rin_value normed = rin_layer_norm(net, "attn_ln", x, 1);
    if (!source) source = normed;
    else if (layer->normalise_source) source = rin_layer_norm(net, "attn_enc_ln", source, 1);
    x = attend(net, layer, normed, source, x);
    if (layer->mlp_ratio) {
        normed = rin_layer_norm(net, "mlp_ln", x, 1);
        rin_graph_enter(net->graph, "mlp");
        x = mlp(net, normed, x, layer->mlp_ratio, layer->drop_units, layer->drop_path);
        rin_graph_leave(net->graph);
    }
    rin_graph_end_layer(net->graph);
    rin_graph_leave(net->graph);
    return x;
}

rin_value rin_previous(rin_net *net, const char *name, rin_value v, int64_t mlp_ratio) {
    char normalisation[32];
    rin_graph_enter(net->graph, "%s_proj", name);
    rin_graph_begin_layer(net->graph);
    v = mlp(net, rin_layer_norm(net, "ln", v, 1), v, mlp_ratio, 0, 0);
    rin_graph_end_layer(net->graph);
    rin_graph_leave(net->graph);
    snprintf(normalisation, sizeof normalisation, "%s_ln", name);
    return rin_layer_norm(net, normalisation, v, 0);
}
