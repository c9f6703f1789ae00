/* SPDX-License-Identifier: MIT */
#include "feature/network.h"

#include <string.h>

rin_value rin_network_stage(const rin_network *net, const char *name, rin_value value) {
    for (int i = 0; i < net->n_outputs; i++) {
        if (strcmp(net->outputs[i], name) == 0) return rin_graph_output(net->graph, name, value);
    }
    return value;
}

static rin_join next_part(const rin_joined *joined) {
    return joined ? (rin_join){joined->channels, joined->filled} : (rin_join){0, 0};
}

static rin_value fill(rin_joined *joined, int64_t channels, rin_value y) {
    if (joined) {
        joined->filled += channels;
        joined->value = y;
    }
    return y;
}

/* Initial values mean nothing: weights come from a file. */
static rin_value parameter(const rin_network *net, const char *scope, const char *name, rin_shape shape) {
    rin_graph_enter(net->graph, "%s", scope);
    rin_value value = rin_graph_param(net->graph, name, shape, (rin_init){RIN_INIT_CONSTANT, 0});
    rin_graph_leave(net->graph);
    return value;
}

/* (out, in, time, row, column), or of pictures without the time. */
static rin_shape weight_shape(const rin_network *net, rin_value x, int64_t out, const rin_window *window) {
    int64_t in = rin_shape_last(rin_graph_shape(net->graph, x));
    if (strcmp(net->convolution, "conv") == 0) return RIN_SHAPE(out, in, window->size[1], window->size[2]);
    return RIN_SHAPE(out, in, window->size[0], window->size[1], window->size[2]);
}

rin_value rin_network_unit(const rin_network *net, rin_value x, const char *name, int64_t out, rin_window window,
                           rin_joined *joined) {
    static const double eps = 1e-3;
    rin_graph_enter(net->graph, "%s", name);
    rin_value weight = parameter(net, net->convolution, "weight", weight_shape(net, x, out, &window));
    rin_value scale = parameter(net, "bn", "weight", RIN_SHAPE(out)),
              bias = parameter(net, "bn", "bias", RIN_SHAPE(out));
    rin_value mean = parameter(net, "bn", "running_mean", RIN_SHAPE(out));
    rin_value variance = parameter(net, "bn", "running_var", RIN_SHAPE(out));
    rin_value folded_bias, folded = rin_op_fold(net->graph, weight, bias, scale, mean, variance, eps, &folded_bias);
    rin_conv_attr attr = {.window = window, .join = next_part(joined), .relu = true};
    rin_value y = rin_op_conv(net->graph, x, folded, folded_bias, joined ? joined->value : 0, attr);
    rin_graph_leave(net->graph);
    return fill(joined, out, y);
}

rin_value rin_network_convolution(const rin_network *net, rin_value x, const char *name, int64_t out,
                                  rin_window window) {
    rin_graph_enter(net->graph, "%s", name);
    rin_value weight = parameter(net, net->convolution, "weight", weight_shape(net, x, out, &window));
    rin_value bias = parameter(net, net->convolution, "bias", RIN_SHAPE(out));
    rin_value folded = rin_op_fold(net->graph, weight, bias, 0, 0, 0, 0, &bias);
    rin_value y = rin_op_conv(net->graph, x, folded, bias, 0, (rin_conv_attr){.window = window});
    rin_graph_leave(net->graph);
    return y;
}

rin_value rin_network_pool(const rin_network *net, rin_value x, rin_pool_kind kind, rin_window window,
                           rin_joined *joined) {
    rin_pool_attr attr = {.window = window, .join = next_part(joined), .kind = kind};
    int64_t channels = rin_shape_last(rin_graph_shape(net->graph, x));
    return fill(joined, channels, rin_op_pool(net->graph, x, joined ? joined->value : 0, attr));
}
