/* SPDX-License-Identifier: MIT */
/* What training a configuration will need, from its graph alone. */
#include "model/model.h"
#include "train/step.h"

#include "compile/compile.h"

typedef struct needs {
    int64_t parameters, weights, gradients, optimiser, ema, activations,
        constants; /* the first a count, others bytes */
    double flops_forward, flops_step;
} needs;

static rin_status measure(const rin_config *config, needs *n, rin_graph **graph, rin_plan **plan, rin_error *error) {
    const rin_config_train *t = &config->train;
    rin_step_options options = {.batch = t->batch / t->accumulate, .parts = t->accumulate, .update = true};
    rin_graph *forward;
    rin_status status = rin_model_forward_graph(config, options.batch, &forward, error);
    if (status == RIN_OK) status = rin_remove_dead(forward, error);
    if (status != RIN_OK) return status;
    n->flops_forward = rin_graph_flops(forward);
    rin_graph_free(forward);
    status = rin_step_graph(config, &options, graph, error);
    if (status == RIN_OK) status = rin_plan_create(*graph, false, plan, error);
    if (status != RIN_OK) return status;
    for (int i = 1; i < (*graph)->n_values; i++) {
        const rin_value_info *info = &(*graph)->values[i];
        if (info->kind == RIN_VALUE_PARAM) n->parameters += rin_shape_count(&info->shape);
        if (info->kind == RIN_VALUE_CONST) n->constants += rin_shape_count(&info->shape) * (int64_t)sizeof(float);
    }
    n->weights = n->gradients = n->ema = n->parameters * (int64_t)sizeof(float);
    n->optimiser = 2 * n->weights;
    n->activations = (*plan)->arena * (int64_t)sizeof(float);
    n->flops_step = rin_graph_flops(*graph) * (double)t->accumulate;
    return RIN_OK;
}

static void print_lines(const rin_config *config, const needs *n, rin_text *text) {
    const double mib = 1 << 20;
    int64_t total = n->weights + n->gradients + n->optimiser + n->ema + n->activations + n->constants;
    rin_text_add(text, "parameters        %15lld\n", (long long)n->parameters);
    rin_text_add(text, "forward           %15.2f GFLOP an image\n",
                 n->flops_forward * 1e-9 * (double)config->train.accumulate / (double)config->train.batch);
    rin_text_add(text, "training step     %15.2f GFLOP, batch %lld in %lld part%s\n", n->flops_step * 1e-9,
                 (long long)config->train.batch, (long long)config->train.accumulate,
                 config->train.accumulate == 1 ? "" : "s");
    rin_text_add(text, "weights           %15.1f MiB\n", (double)n->weights / mib);
    rin_text_add(text, "gradients         %15.1f MiB\n", (double)n->gradients / mib);
    rin_text_add(text, "optimiser         %15.1f MiB\n", (double)n->optimiser / mib);
    rin_text_add(text, "moving average    %15.1f MiB\n", (double)n->ema / mib);
    rin_text_add(text, "activations       %15.1f MiB\n", (double)n->activations / mib);
    rin_text_add(text, "constants         %15.1f MiB\n", (double)n->constants / mib);
    rin_text_add(text, "together          %15.1f MiB\n", (double)total / mib);
}

static void print_json(const rin_config *config, const needs *n, rin_text *text) {
    const struct {
        const char *name;
        int64_t bytes;
    } parts[] = {{"weights", n->weights}, {"gradients", n->gradients},     {"optimiser", n->optimiser},
                 {"ema", n->ema},         {"activations", n->activations}, {"constants", n->constants}};
    rin_text_add(text, "{\"parameters\": %lld, \"batch\": %lld, ", (long long)n->parameters,
                 (long long)config->train.batch);
    rin_text_add(text, "\"flops_forward\": %.0f, \"flops_step\": %.0f, \"bytes\": {", n->flops_forward, n->flops_step);
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        rin_text_add(text, "%s\"%s\": %lld", i ? ", " : "", parts[i].name, (long long)parts[i].bytes);
    }
    rin_text_add(text, "}}");
}

rin_status rin_plan_describe(const rin_config *config, bool json, bool list, char **text, rin_error *error) {
    if (!config || !text)
        return rin_error_set(error, RIN_ERR_ARG, "rin_plan_describe: config and text must not be NULL");
    *text = NULL;
    needs n = {0};
    rin_graph *graph = NULL;
    rin_plan *plan = NULL;
    rin_text t = {0};
    rin_status status = rin_config_validate(config, error);
    if (status == RIN_OK) status = measure(config, &n, &graph, &plan, error);
    if (status == RIN_OK) {
        if (list && !json) rin_graph_print(graph, plan, &t);
        if (json) print_json(config, &n, &t);
        else print_lines(config, &n, &t);
        status = rin_text_take(&t, text, error);
    }
    rin_plan_free(plan);
    rin_graph_free(graph);
    return status;
}
