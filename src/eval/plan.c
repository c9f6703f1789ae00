/* SPDX-License-Identifier: MIT */
/* What training a configuration will need, from its graph alone. */
#include "model/model.h"
#include "train/needs.h"
#include "train/step.h"

typedef struct measured {
    rin_needs needs;
    double flops_forward, flops_step;
    uint64_t memory;      /* bytes there are */
    rin_backend *backend; /* whose sizes these are */
    bool in_place;        /* ... in place of train.device, which cannot be had here */
} measured;

static rin_status open_backend(const rin_config *config, measured *m, rin_error *error) {
    rin_error failure = {0};
    rin_status status = rin_needs_open(config, 1, &m->backend, &failure);
    m->in_place = status == RIN_ERR_UNSUPPORTED || status == RIN_ERR_DEVICE;
    if (m->in_place) return rin_backend_create("cpu", &(rin_backend_options){.threads = 1}, &m->backend, error);
    if (status != RIN_OK && error) *error = failure;
    return status;
}

static rin_status measure(const rin_config *config, measured *m, rin_graph **graph, rin_plan **plan, rin_error *error) {
    const rin_config_train *t = &config->train;
    rin_graph *forward;
    rin_status status = rin_model_forward_graph(config, t->batch / t->accumulate, &forward, error);
    if (status != RIN_OK) return status;
    status = rin_remove_dead(forward, error);
    if (status == RIN_OK) m->flops_forward = rin_graph_flops(forward);
    rin_graph_free(forward);
    if (status == RIN_OK) status = rin_needs_plan(config, m->backend, graph, plan, error);
    if (status == RIN_OK) status = rin_needs_measure_graph(config, m->backend, *graph, *plan, &m->needs, error);
    if (status == RIN_OK) m->flops_step = rin_graph_flops(*graph) * (double)t->accumulate;
    return status;
}

static void print_lines(const rin_config *config, const measured *m, rin_text *text) {
    const double mib = 1 << 20;
    rin_text_add(text, "device            %15s%s%s\n", m->backend->table->name, m->in_place ? ", in place of " : "",
                 m->in_place ? config->train.device : "");
    rin_text_add(text, "parameters        %15lld\n", (long long)m->needs.parameters);
    rin_text_add(text, "forward           %15.2f GFLOP an image\n",
                 m->flops_forward * 1e-9 * (double)config->train.accumulate / (double)config->train.batch);
    rin_text_add(text, "training step     %15.2f GFLOP, batch %lld in %lld part%s\n", m->flops_step * 1e-9,
                 (long long)config->train.batch, (long long)config->train.accumulate,
                 config->train.accumulate == 1 ? "" : "s");
    for (int i = 0; i < RIN_N_NEEDS; i++) {
        if (!m->needs.bytes[i]) continue;
        rin_text_add(text, "%-18s%15.1f MiB\n", rin_need_name((rin_need)i), (double)m->needs.bytes[i] / mib);
    }
    rin_text_add(text, "together          %15.1f MiB\n", (double)rin_needs_total(&m->needs) / mib);
    rin_text_add(text, "disk              %15.1f MiB, for %lld checkpoints and the next\n",
                 (double)rin_needs_disk_of_run(config, m->needs.parameters) / mib, (long long)config->train.keep);
}

static void print_json(const rin_config *config, const measured *m, rin_text *text) {
    uint64_t total = rin_needs_total(&m->needs);
    rin_text_add(text, "{\"device\": \"%s\", ", m->backend->table->name);
    if (m->in_place) rin_text_add(text, "\"in_place_of\": \"%s\", ", config->train.device);
    rin_text_add(text, "\"parameters\": %lld, \"batch\": %lld, ", (long long)m->needs.parameters,
                 (long long)config->train.batch);
    rin_text_add(text, "\"flops_forward\": %.0f, \"flops_step\": %.0f, \"bytes\": {", m->flops_forward, m->flops_step);
    for (int i = 0; i < RIN_N_NEEDS; i++) {
        rin_text_add(text, "%s\"%s\": %llu", i ? ", " : "", rin_need_key((rin_need)i),
                     (unsigned long long)m->needs.bytes[i]);
    }
    rin_text_add(text, "}, \"bytes_total\": %llu, \"bytes_available\": %llu, \"fits\": %s, \"bytes_disk\": %llu}",
                 (unsigned long long)total, (unsigned long long)m->memory, total <= m->memory ? "true" : "false",
                 (unsigned long long)rin_needs_disk_of_run(config, m->needs.parameters));
}

rin_status rin_plan_describe(const rin_config *config, bool json, bool list, uint64_t memory, char **text,
                             rin_error *error) {
    if (!text) return rin_error_null(error, __func__, "text");
    *text = NULL;
    if (!config) return rin_error_null(error, __func__, "config");
    measured m = {0};
    rin_graph *graph = NULL;
    rin_plan *plan = NULL;
    rin_text t = {0};
    rin_status status = rin_config_validate(config, error);
    if (status == RIN_OK) status = open_backend(config, &m, error);
    if (status == RIN_OK) m.memory = memory ? memory : m.backend->memory;
    if (status == RIN_OK) status = measure(config, &m, &graph, &plan, error);
    if (status == RIN_OK) {
        if (list && !json) rin_graph_print(graph, plan, &t);
        if (json) print_json(config, &m, &t);
        else print_lines(config, &m, &t);
        status = rin_text_take(&t, text, error);
    }
    rin_plan_free(plan);
    rin_graph_free(graph);
    if (status == RIN_OK) status = rin_needs_check(config, m.backend, &m.needs, m.memory, error);
    rin_backend_free(m.backend);
    return status;
}
