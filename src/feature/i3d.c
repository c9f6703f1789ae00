/* SPDX-License-Identifier: MIT */
/* I3D (RGB, 400 classes), whose logits FVD compares; paddings as TensorFlow's SAME. */
#include "feature/feature.h"
#include "feature/network.h"

typedef struct shape3 {
    int32_t t, h, w;
} shape3;

static const shape3 one = {1, 1, 1}, three = {3, 3, 3};

static rin_window same(const rin_network *net, rin_value x, shape3 size, shape3 stride) {
    const rin_shape *shape = rin_graph_shape(net->graph, x);
    return rin_window_same((int32_t[]){size.t, size.h, size.w}, (int32_t[]){stride.t, stride.h, stride.w},
                           shape->dim + 1);
}

static rin_value unit(const rin_network *net, rin_value x, const char *name, int64_t out, shape3 size,
                      rin_joined *joined) {
    return rin_network_unit(net, x, name, out, same(net, x, size, one), joined);
}

static rin_value max_pool(const rin_network *net, rin_value x, const char *name, shape3 size, shape3 stride) {
    return rin_network_stage(net, name, rin_network_pool(net, x, RIN_POOL_MAX, same(net, x, size, stride), NULL));
}

/* Outputs of the units b0, b1a, b1b, b2a, b2b, b3b. */
typedef struct widths {
    int64_t b0, b1a, b1b, b2a, b2b, b3b;
} widths;

static rin_value mixed(const rin_network *net, rin_value x, const char *name, widths n) {
    rin_joined y = {0, n.b0 + n.b1b + n.b2b + n.b3b, 0};
    rin_graph_enter(net->graph, "%s", name);
    unit(net, x, "b0", n.b0, one, &y);
    unit(net, unit(net, x, "b1a", n.b1a, one, NULL), "b1b", n.b1b, three, &y);
    unit(net, unit(net, x, "b2a", n.b2a, one, NULL), "b2b", n.b2b, three, &y);
    rin_value pooled = rin_network_pool(net, x, RIN_POOL_MAX, same(net, x, three, one), NULL);
    unit(net, pooled, "b3b", n.b3b, one, &y);
    rin_graph_leave(net->graph);
    return rin_network_stage(net, name, y.value);
}

static rin_value mean_over(const rin_network *net, rin_value x, int32_t t, int32_t h, int32_t w) {
    return rin_network_pool(net, x, RIN_POOL_MEAN, rin_window_of((int32_t[]){t, h, w}, (int32_t[]){1, 1, 1}), NULL);
}

void rin_i3d_build(rin_graph *graph, int64_t batch, int64_t frames, const char *const *outputs, int n_outputs) {
    enum { CLASSES = 400 };
    const rin_network in = {graph, "conv3d", outputs, n_outputs}, *net = &in;
    const shape3 halve = {2, 2, 2}, halve_picture = {1, 2, 2};
    rin_value x = rin_graph_input(graph, "input", RIN_SHAPE(batch, frames, RIN_I3D_SIDE, RIN_I3D_SIDE, 3));
    x = rin_network_unit(net, x, "Conv3d_1a_7x7", 64, same(net, x, (shape3){7, 7, 7}, halve), NULL);
    rin_network_stage(net, "Conv3d_1a_7x7", x);
    x = max_pool(net, x, "MaxPool3d_2a_3x3", (shape3){1, 3, 3}, halve_picture);
    x = rin_network_stage(net, "Conv3d_2b_1x1", unit(net, x, "Conv3d_2b_1x1", 64, one, NULL));
    x = rin_network_stage(net, "Conv3d_2c_3x3", unit(net, x, "Conv3d_2c_3x3", 192, three, NULL));
    x = max_pool(net, x, "MaxPool3d_3a_3x3", (shape3){1, 3, 3}, halve_picture);
    x = mixed(net, x, "Mixed_3b", (widths){64, 96, 128, 16, 32, 32});
    x = mixed(net, x, "Mixed_3c", (widths){128, 128, 192, 32, 96, 64});
    x = max_pool(net, x, "MaxPool3d_4a_3x3", three, halve);
    x = mixed(net, x, "Mixed_4b", (widths){192, 96, 208, 16, 48, 64});
    x = mixed(net, x, "Mixed_4c", (widths){160, 112, 224, 24, 64, 64});
    x = mixed(net, x, "Mixed_4d", (widths){128, 128, 256, 24, 64, 64});
    x = mixed(net, x, "Mixed_4e", (widths){112, 144, 288, 32, 64, 64});
    x = mixed(net, x, "Mixed_4f", (widths){256, 160, 320, 32, 128, 128});
    x = max_pool(net, x, "MaxPool3d_5a_2x2", halve, halve);
    x = mixed(net, x, "Mixed_5b", (widths){256, 160, 320, 32, 128, 128});
    x = mixed(net, x, "Mixed_5c", (widths){384, 192, 384, 48, 128, 128});
    x = mean_over(net, x, 2, 7, 7);
    int32_t times = graph->error.code == RIN_OK ? (int32_t)rin_graph_shape(graph, x)->dim[1] : 1;
    rin_network_stage(net, "pool", mean_over(net, x, times, 1, 1));
    x = rin_network_convolution(net, x, "logits", CLASSES, rin_window_of((int32_t[]){1, 1, 1}, (int32_t[]){1, 1, 1}));
    rin_network_stage(net, "logits", mean_over(net, x, times, 1, 1));
}
