/* SPDX-License-Identifier: MIT */
/* A network with its weights, bound to a batch. */
#include <string.h>

#include "feature/feature.h"

struct rin_extractor {
    rin_backend *backend;
    rin_weights *weights;
    rin_program *program;
    int64_t batch, per_input; /* numbers of one picture or clip */
    float *inputs;            /* a batch, whose rest is zeros */
    char hash[RIN_HASH_TEXT];
};

static rin_status load_weights(rin_extractor *e, rin_weights_source source, rin_error *error) {
    rin_status status = RIN_OK;
    for (int i = 0; i < e->weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *tensor = &e->weights->tensors[i];
        float *values = rin_calloc((size_t)tensor->count, sizeof *values, error);
        status = values ? source.fill(source.user, tensor, values, error) : RIN_ERR_MEMORY;
        if (status == RIN_OK) rin_weights_upload(e->weights, RIN_ARENA_WEIGHTS, tensor, values);
        rin_free(values);
    }
    return status == RIN_OK ? rin_weights_hash(e->weights, RIN_ARENA_WEIGHTS, e->hash, error) : status;
}

static rin_status build(const rin_extractor_options *o, rin_graph **out, rin_error *error) {
    rin_graph *graph = rin_graph_create(error);
    if (!graph) return RIN_ERR_MEMORY;
    if (o->network == RIN_NETWORK_INCEPTION) rin_inception_build(graph, o->batch, o->outputs, o->n_outputs);
    else rin_i3d_build(graph, o->batch, o->frames, o->outputs, o->n_outputs);
    rin_status status = rin_graph_status(graph, error);
    for (int i = 0; i < o->n_outputs && status == RIN_OK; i++) {
        rin_value value = rin_graph_find(graph, o->outputs[i]);
        if (!value || !graph->values[value].is_output)
            status = rin_error_set(error, RIN_ERR_ARG, "the network has no stage '%s'", o->outputs[i]);
    }
    if (status == RIN_OK) *out = graph;
    else rin_graph_free(graph);
    return status;
}

/* Features are compared with those of other programs: a GPU is asked for under the name that rounds no products. */
static void exact_device(const char *device, char name[RIN_DEVICE_NAME]) {
    static const char *const rounding[] = {"cuda", "cuda-bf16", "cuda-tf32"};
    const char *number = device + strcspn(device, ":"); /* ":1" or nothing */
    size_t length = (size_t)(number - device);
    snprintf(name, RIN_DEVICE_NAME, "%s", device);
    for (size_t i = 0; i < RIN_COUNT(rounding); i++) {
        if (strlen(rounding[i]) == length && strncmp(device, rounding[i], length) == 0)
            snprintf(name, RIN_DEVICE_NAME, "cuda-fp32%s", number);
    }
}

static rin_status prepare(rin_extractor *e, const rin_extractor_options *o, rin_weights_source source,
                          rin_error *error) {
    rin_graph *graph = NULL;
    rin_backend_options backend = {.threads = o->threads};
    const rin_program_options program = {.parameters = RIN_ARENA_WEIGHTS};
    char device[RIN_DEVICE_NAME];
    exact_device(o->device ? o->device : "cpu", device);
    rin_status status = rin_backend_create(device, &backend, &e->backend, error);
    if (status == RIN_OK) status = build(o, &graph, error);
    if (status != RIN_OK) return status;
    /* All parameters have weights, those too that no wanted output needs. */
    status = rin_weights_create(graph, e->backend, false, &e->weights, error);
    if (status == RIN_OK) status = load_weights(e, source, error);
    if (status == RIN_OK) status = rin_remove_dead(graph, error);
    if (status != RIN_OK) {
        rin_graph_free(graph);
        return status;
    }
    e->batch = o->batch;
    e->per_input = rin_shape_count(rin_graph_shape(graph, rin_graph_find(graph, "input"))) / o->batch;
    e->inputs = rin_calloc((size_t)(e->batch * e->per_input), sizeof *e->inputs, error);
    if (!e->inputs) {
        rin_graph_free(graph);
        return RIN_ERR_MEMORY;
    }
    return rin_program_create(graph, e->weights, &program, &e->program, error);
}

rin_status rin_extractor_create(const rin_extractor_options *options, rin_weights_source source, rin_extractor **out,
                                rin_error *error) {
    *out = NULL;
    rin_extractor *e = rin_calloc(1, sizeof *e, error);
    rin_status status = e ? prepare(e, options, source, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) *out = e;
    else rin_extractor_free(e);
    return status;
}

rin_status rin_extractor_measure(const rin_extractor_options *options, rin_backend *backend, uint64_t *bytes,
                                 rin_error *error) {
    rin_graph *graph = NULL;
    rin_weights *layout = NULL;
    rin_plan *plan = NULL;
    rin_program_bytes program;
    *bytes = 0;
    rin_status status = build(options, &graph, error);
    if (status == RIN_OK) status = rin_weights_lay_out(graph, backend, &layout, error);
    if (status == RIN_OK) status = rin_remove_dead(graph, error);
    if (status == RIN_OK && backend->table->packs) status = rin_pack(graph, error);
    if (status == RIN_OK) status = rin_plan_create(graph, false, &plan, error);
    if (status == RIN_OK) status = rin_program_measure(graph, plan, layout, &program, error);
    if (status == RIN_OK) {
        uint64_t weights = 2 * (uint64_t)layout->count * backend->table->element_size; /* an average beside them */
        *bytes = weights + program.arena + program.constants + program.scratch;
    }
    rin_plan_free(plan);
    rin_weights_free(layout);
    rin_graph_free(graph);
    return status;
}

void rin_extractor_free(rin_extractor *extractor) {
    if (!extractor) return;
    rin_program_free(extractor->program);
    rin_weights_free(extractor->weights);
    rin_backend_free(extractor->backend);
    rin_free(extractor->inputs);
    rin_free(extractor);
}

const char *rin_extractor_weights_hash(const rin_extractor *extractor) {
    return extractor->hash;
}

int64_t rin_extractor_input_count(const rin_extractor *extractor) {
    return extractor->per_input;
}

rin_program *rin_extractor_program(rin_extractor *extractor) {
    return extractor->program;
}

rin_status rin_extractor_run(rin_extractor *extractor, const float *inputs, int64_t n, rin_error *error) {
    if (n < extractor->batch) {
        memcpy(extractor->inputs, inputs, (size_t)(n * extractor->per_input) * sizeof *inputs);
        inputs = extractor->inputs;
    }
    rin_status status = rin_program_write(extractor->program, "input", inputs, extractor->batch * extractor->per_input,
                                          error);
    if (status == RIN_OK) rin_program_run(extractor->program, &(rin_step){0}, RIN_SECTION_ALL);
    return status;
}

rin_status rin_extractor_read(const rin_extractor *extractor, const char *output, float *out, rin_error *error) {
    const rin_graph *graph = rin_program_graph(extractor->program);
    int64_t n = rin_shape_count(rin_graph_shape(graph, rin_graph_find(graph, output)));
    return rin_program_read(extractor->program, output, out, n, error);
}
