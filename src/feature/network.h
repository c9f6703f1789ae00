/* SPDX-License-Identifier: MIT */
/* network: what the builders of Inception-v3 and I3D share. Inside the feature room only. */
#ifndef RIN_FEATURE_NETWORK_H
#define RIN_FEATURE_NETWORK_H

#include "graph/graph.h"
#include "op/op.h"

/* A network that is being built. */
typedef struct rin_network {
    rin_graph *graph;
    const char *convolution;    /* what the files call the convolution of a unit */
    const char *const *outputs; /* [n_outputs] stages that are kept until the end of a run, under their names */
    int n_outputs;
} rin_network;

/* An output that several branches fill, a part of its channels each. */
typedef struct rin_joined {
    rin_value value;
    int64_t channels, filled;
} rin_joined;

/* Names a value as a stage of the network: an output where it is wanted. Returns it. */
rin_value rin_network_stage(const rin_network *net, const char *name, rin_value value);

/* A unit: convolution, batch norm with eps 1e-3, relu. Parameters <scope>.<name>.<convolution>.weight and
 * <scope>.<name>.bn.*; joined NULL: an output of its own. */
rin_value rin_network_unit(const rin_network *net, rin_value x, const char *name, int64_t out, rin_window window,
                           rin_joined *joined);
/* A convolution with bias and nothing else. */
rin_value rin_network_convolution(const rin_network *net, rin_value x, const char *name, int64_t out,
                                  rin_window window);
rin_value rin_network_pool(const rin_network *net, rin_value x, rin_pool_kind kind, rin_window window,
                           rin_joined *joined);

#endif
