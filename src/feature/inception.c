/* SPDX-License-Identifier: MIT */
/*
 * Inception-v3 as the weights "inception-2015-12-05" have it, which define FID, Inception Score and KID. It differs
 * from the published network in its classes (1008), average pools that leave padding out, and a maximum in Mixed_7c.
 */
#include "feature/feature.h"
#include "feature/network.h"

/* How a unit moves over the picture: a pixel at a time with zeros around, without them, or two at a time without. */
typedef enum step { SAME, VALID, HALVE } step;

typedef struct unit {
    const char *name;
    int64_t out;
    int rows, cols;
    step step;
} unit;

static rin_window window_of(int rows, int cols, step how) {
    int stride = how == HALVE ? 2 : 1;
    rin_window window = rin_window_of((int32_t[]){1, rows, cols}, (int32_t[]){1, stride, stride});
    if (how == SAME) {
        window.front[1] = window.back[1] = (rows - 1) / 2;
        window.front[2] = window.back[2] = (cols - 1) / 2;
    }
    return window;
}

static rin_value pool(const rin_network *net, rin_value x, rin_pool_kind kind, step how, rin_joined *joined) {
    return rin_network_pool(net, x, kind, window_of(3, 3, how), joined);
}

/* Units one after the other; the last one fills its part of joined, where there is one. */
static rin_value chain(const rin_network *net, rin_value x, const unit *units, int n, rin_joined *joined) {
    for (int i = 0; i < n; i++) {
        const unit *u = &units[i];
        x = rin_network_unit(net, x, u->name, u->out, window_of(u->rows, u->cols, u->step), i == n - 1 ? joined : NULL);
    }
    return x;
}

#define BRANCH(net, x, joined, ...) \
    chain(net, x, (const unit[]){__VA_ARGS__}, (int)RIN_COUNT(((const unit[]){__VA_ARGS__})), joined)

static rin_value end_block(const rin_network *net, const char *name, const rin_joined *joined) {
    rin_graph_leave(net->graph);
    return rin_network_stage(net, name, joined->value);
}

/* ---- the blocks: branches from the same input, side by side ---- */

static rin_value block_a(const rin_network *net, rin_value x, const char *name, int64_t pooled) {
    rin_joined y = {0, 64 + 64 + 96 + pooled, 0};
    rin_graph_enter(net->graph, "%s", name);
    BRANCH(net, x, &y, {"branch1x1", 64, 1, 1, SAME});
    BRANCH(net, x, &y, {"branch5x5_1", 48, 1, 1, SAME}, {"branch5x5_2", 64, 5, 5, SAME});
    BRANCH(net, x, &y, {"branch3x3dbl_1", 64, 1, 1, SAME}, {"branch3x3dbl_2", 96, 3, 3, SAME},
           {"branch3x3dbl_3", 96, 3, 3, SAME});
    BRANCH(net, pool(net, x, RIN_POOL_MEAN, SAME, NULL), &y, {"branch_pool", pooled, 1, 1, SAME});
    return end_block(net, name, &y);
}

static rin_value block_b(const rin_network *net, rin_value x, const char *name) {
    rin_joined y = {0, 384 + 96 + 288, 0};
    rin_graph_enter(net->graph, "%s", name);
    BRANCH(net, x, &y, {"branch3x3", 384, 3, 3, HALVE});
    BRANCH(net, x, &y, {"branch3x3dbl_1", 64, 1, 1, SAME}, {"branch3x3dbl_2", 96, 3, 3, SAME},
           {"branch3x3dbl_3", 96, 3, 3, HALVE});
    pool(net, x, RIN_POOL_MAX, HALVE, &y);
    return end_block(net, name, &y);
}

static rin_value block_c(const rin_network *net, rin_value x, const char *name, int64_t k) {
    rin_joined y = {0, 4 * 192, 0};
    rin_graph_enter(net->graph, "%s", name);
    BRANCH(net, x, &y, {"branch1x1", 192, 1, 1, SAME});
    BRANCH(net, x, &y, {"branch7x7_1", k, 1, 1, SAME}, {"branch7x7_2", k, 1, 7, SAME},
           {"branch7x7_3", 192, 7, 1, SAME});
    BRANCH(net, x, &y, {"branch7x7dbl_1", k, 1, 1, SAME}, {"branch7x7dbl_2", k, 7, 1, SAME},
           {"branch7x7dbl_3", k, 1, 7, SAME}, {"branch7x7dbl_4", k, 7, 1, SAME}, {"branch7x7dbl_5", 192, 1, 7, SAME});
    BRANCH(net, pool(net, x, RIN_POOL_MEAN, SAME, NULL), &y, {"branch_pool", 192, 1, 1, SAME});
    return end_block(net, name, &y);
}

static rin_value block_d(const rin_network *net, rin_value x, const char *name) {
    rin_joined y = {0, 320 + 192 + 768, 0};
    rin_graph_enter(net->graph, "%s", name);
    BRANCH(net, x, &y, {"branch3x3_1", 192, 1, 1, SAME}, {"branch3x3_2", 320, 3, 3, HALVE});
    BRANCH(net, x, &y, {"branch7x7x3_1", 192, 1, 1, SAME}, {"branch7x7x3_2", 192, 1, 7, SAME},
           {"branch7x7x3_3", 192, 7, 1, SAME}, {"branch7x7x3_4", 192, 3, 3, HALVE});
    pool(net, x, RIN_POOL_MAX, HALVE, &y);
    return end_block(net, name, &y);
}

static rin_value block_e(const rin_network *net, rin_value x, const char *name, rin_pool_kind kind) {
    rin_joined y = {0, 320 + 4 * 384 + 192, 0};
    rin_graph_enter(net->graph, "%s", name);
    BRANCH(net, x, &y, {"branch1x1", 320, 1, 1, SAME});
    rin_value half = BRANCH(net, x, NULL, {"branch3x3_1", 384, 1, 1, SAME});
    BRANCH(net, half, &y, {"branch3x3_2a", 384, 1, 3, SAME});
    BRANCH(net, half, &y, {"branch3x3_2b", 384, 3, 1, SAME});
    half = BRANCH(net, x, NULL, {"branch3x3dbl_1", 448, 1, 1, SAME}, {"branch3x3dbl_2", 384, 3, 3, SAME});
    BRANCH(net, half, &y, {"branch3x3dbl_3a", 384, 1, 3, SAME});
    BRANCH(net, half, &y, {"branch3x3dbl_3b", 384, 3, 1, SAME});
    BRANCH(net, pool(net, x, kind, SAME, NULL), &y, {"branch_pool", 192, 1, 1, SAME});
    return end_block(net, name, &y);
}

/* ---- the network ---- */

/* One unit, or pool, before the blocks. */
static rin_value stem(const rin_network *net, rin_value x, unit u) {
    return rin_network_stage(net, u.name, chain(net, x, &u, 1, NULL));
}

/* The mean over the whole map. */
static rin_value mean_of_map(const rin_network *net, rin_value x, const char *name) {
    const rin_shape *shape = rin_graph_shape(net->graph, x);
    int rows = (int)shape->dim[2], cols = (int)shape->dim[3];
    return rin_network_stage(net, name, rin_network_pool(net, x, RIN_POOL_MEAN, window_of(rows, cols, VALID), NULL));
}

static void classify(const rin_network *net, rin_value pool3) {
    enum { CLASSES = 1008, FEATURES = 2048 };
    const rin_init none = {RIN_INIT_CONSTANT, 0};
    rin_graph_enter(net->graph, "fc");
    rin_value weight = rin_graph_param(net->graph, "weight", RIN_SHAPE(CLASSES, FEATURES), none);
    rin_value bias = rin_graph_param(net->graph, "bias", RIN_SHAPE(CLASSES), none);
    rin_graph_leave(net->graph);
    const rin_linear_attr plain = {0};
    rin_network_stage(net, "logits", rin_op_linear(net->graph, pool3, weight, bias, 0, plain));
    rin_network_stage(net, "logits_unbiased", rin_op_linear(net->graph, pool3, weight, 0, 0, plain));
}

void rin_inception_build(rin_graph *graph, int64_t batch, const char *const *outputs, int n_outputs) {
    const rin_network in = {graph, "conv", outputs, n_outputs}, *net = &in;
    rin_value x = rin_graph_input(graph, "input", RIN_SHAPE(batch, 1, RIN_INCEPTION_SIDE, RIN_INCEPTION_SIDE, 3));
    x = stem(net, x, (unit){"Conv2d_1a_3x3", 32, 3, 3, HALVE});
    x = stem(net, x, (unit){"Conv2d_2a_3x3", 32, 3, 3, VALID});
    x = stem(net, x, (unit){"Conv2d_2b_3x3", 64, 3, 3, SAME});
    x = rin_network_stage(net, "maxpool1", pool(net, x, RIN_POOL_MAX, HALVE, NULL));
    mean_of_map(net, x, "features64");
    x = stem(net, x, (unit){"Conv2d_3b_1x1", 80, 1, 1, VALID});
    x = stem(net, x, (unit){"Conv2d_4a_3x3", 192, 3, 3, VALID});
    x = rin_network_stage(net, "maxpool2", pool(net, x, RIN_POOL_MAX, HALVE, NULL));
    mean_of_map(net, x, "features192");
    x = block_a(net, x, "Mixed_5b", 32);
    x = block_a(net, x, "Mixed_5c", 64);
    x = block_a(net, x, "Mixed_5d", 64);
    x = block_b(net, x, "Mixed_6a");
    x = block_c(net, x, "Mixed_6b", 128);
    x = block_c(net, x, "Mixed_6c", 160);
    x = block_c(net, x, "Mixed_6d", 160);
    x = block_c(net, x, "Mixed_6e", 192);
    mean_of_map(net, x, "features768");
    x = block_d(net, x, "Mixed_7a");
    x = block_e(net, x, "Mixed_7b", RIN_POOL_MEAN);
    x = block_e(net, x, "Mixed_7c", RIN_POOL_MAX);
    classify(net, mean_of_map(net, x, "pool3"));
}
