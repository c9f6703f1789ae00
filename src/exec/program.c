/* SPDX-License-Identifier: MIT */
/* Binding and running: values become addresses once; a run only walks the tasks. */
#include <math.h>
#include <string.h>

#include "exec/exec.h"
#include "op/op.h"

struct rin_program {
    rin_graph *graph;
    rin_plan *plan;
    rin_weights *weights; /* borrowed */
    rin_program_options options;
    void *arena, *constants, *scratch;
    size_t scratch_bytes;
    rin_task *tasks; /* [n_tasks] nodes of every run */
    rin_task *once;  /* [n_once] nodes that make constants */
    int n_tasks, n_once, update_at;
    rin_arenas arenas;
    rin_step step;
    int64_t *constant_offsets; /* [n_values] elements */
};

static void *at(const rin_program *program, void *base, int64_t offset) {
    return base ? (char *)base + (size_t)offset * program->weights->backend->table->element_size : NULL;
}

static void *address(const rin_program *program, rin_value value) {
    const rin_value_info *info = &program->graph->values[value];
    const rin_weights *weights = program->weights;
    const rin_tensor *tensor = NULL;
    if (!value) return NULL;
    switch (info->kind) {
    case RIN_VALUE_PARAM:
        tensor = rin_weights_find(weights, info->name);
        return tensor ? at(program, weights->arenas[program->options.parameters], tensor->offset) : NULL;
    case RIN_VALUE_GRAD:
        tensor = rin_weights_find(weights, program->graph->values[info->param].name);
        return tensor ? at(program, weights->arenas[RIN_ARENA_GRADIENTS], tensor->offset) : NULL;
    case RIN_VALUE_CONST: return at(program, program->constants, program->constant_offsets[value]);
    default: return at(program, program->arena, program->plan->offsets[value]);
    }
}

static rin_status bind_node(rin_program *program, const rin_node *node, rin_task *task, rin_error *error) {
    const rin_graph *graph = program->graph;
    *task = (rin_task){
        .node = node, .accumulate = node->accumulate, .arenas = &program->arenas, .step = &program->step};
    bool missing = false;
    for (int i = 0; i < node->n_inputs; i++) {
        task->in[i] = address(program, node->inputs[i]);
        task->in_shape[i] = *rin_graph_shape(graph, node->inputs[i]);
        missing = missing || (node->inputs[i] && !task->in[i]);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        task->out[i] = address(program, node->outputs[i]);
        task->out_shape[i] = *rin_graph_shape(graph, node->outputs[i]);
        missing = missing || (node->outputs[i] && !task->out[i]);
        if (graph->values[node->outputs[i]].kind == RIN_VALUE_GRAD) task->gradient_outputs |= 1u << i;
    }
    if (!missing) return RIN_OK;
    return rin_error_set(error, RIN_ERR_INTERNAL, "%s: %s uses a tensor that the weights do not have", node->scope,
                         rin_op(node->op)->name);
}

static rin_status place_constants(rin_program *program, rin_error *error) {
    int64_t sum = 0;
    size_t n = (size_t)program->graph->n_values;
    program->constant_offsets = rin_calloc(n, sizeof *program->constant_offsets, error);
    if (!program->constant_offsets) return RIN_ERR_MEMORY;
    for (size_t v = 1; v < n; v++) {
        const rin_value_info *info = &program->graph->values[v];
        if (info->kind != RIN_VALUE_CONST) continue;
        program->constant_offsets[v] = sum;
        sum += rin_padded_count(rin_shape_count(&info->shape));
    }
    return rin_backend_alloc(program->weights->backend, sum, &program->constants, error);
}

static rin_status bind_all(rin_program *program, rin_error *error) {
    rin_graph *graph = program->graph;
    rin_backend *backend = program->weights->backend;
    program->tasks = rin_calloc((size_t)graph->n_nodes, sizeof *program->tasks, error);
    program->once = rin_calloc((size_t)graph->n_nodes, sizeof *program->once, error);
    if (!program->tasks || !program->once) return RIN_ERR_MEMORY;
    program->update_at = -1;
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        bool once = node->outputs[0] && graph->values[node->outputs[0]].kind == RIN_VALUE_CONST;
        if (node->op == RIN_OP_grad_norm) program->update_at = program->n_tasks;
        rin_task *task = once ? &program->once[program->n_once++] : &program->tasks[program->n_tasks++];
        rin_status status = bind_node(program, node, task, error);
        if (status != RIN_OK) return status;
    }
    if (program->update_at < 0) program->update_at = program->n_tasks;
    size_t once_bytes = 0, run_bytes = 0;
    rin_status status = rin_backend_prepare(backend, program->once, program->n_once, &once_bytes, error);
    if (status == RIN_OK) status = rin_backend_prepare(backend, program->tasks, program->n_tasks, &run_bytes, error);
    if (status != RIN_OK) return status;
    program->scratch_bytes = RIN_MAX(once_bytes, run_bytes);
    int64_t elements = (int64_t)(program->scratch_bytes / backend->table->element_size + 1);
    status = rin_backend_alloc(backend, elements, &program->scratch, error);
    for (int i = 0; i < program->n_tasks; i++) program->tasks[i].scratch = program->scratch;
    for (int i = 0; i < program->n_once; i++) program->once[i].scratch = program->scratch;
    if (status == RIN_OK) rin_backend_run(backend, program->once, program->n_once);
    return status;
}

rin_status rin_program_create(rin_graph *graph, rin_weights *weights, const rin_program_options *options,
                              rin_program **out, rin_error *error) {
    *out = NULL;
    rin_program *program = rin_calloc(1, sizeof *program, error);
    if (!program) {
        rin_graph_free(graph);
        return RIN_ERR_MEMORY;
    }
    program->graph = graph;
    program->weights = weights;
    if (options) program->options = *options;
    program->arenas = (rin_arenas){weights->segments,
                                   weights->n_tensors,
                                   weights->count,
                                   weights->arenas[RIN_ARENA_WEIGHTS],
                                   weights->arenas[RIN_ARENA_GRADIENTS],
                                   weights->arenas[RIN_ARENA_M],
                                   weights->arenas[RIN_ARENA_V],
                                   weights->arenas[RIN_ARENA_EMA]};
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK) status = rin_plan_create(graph, program->options.no_reuse, &program->plan, error);
    if (status == RIN_OK) status = rin_backend_alloc(weights->backend, program->plan->arena, &program->arena, error);
    if (status == RIN_OK) status = place_constants(program, error);
    if (status == RIN_OK) status = bind_all(program, error);
    if (status == RIN_OK) *out = program;
    else rin_program_free(program);
    return status;
}

void rin_program_free(rin_program *program) {
    if (!program) return;
    rin_backend *backend = program->weights->backend;
    rin_backend_release(backend, program->arena);
    rin_backend_release(backend, program->constants);
    rin_backend_release(backend, program->scratch);
    rin_free(program->tasks);
    rin_free(program->once);
    rin_free(program->constant_offsets);
    rin_plan_free(program->plan);
    rin_graph_free(program->graph);
    rin_free(program);
}

const rin_graph *rin_program_graph(const rin_program *program) {
    return program->graph;
}

const rin_plan *rin_program_plan(const rin_program *program) {
    return program->plan;
}

size_t rin_program_scratch_bytes(const rin_program *program) {
    return program->scratch_bytes;
}

bool rin_program_has(const rin_program *program, const char *name) {
    return rin_graph_find(program->graph, name) != 0;
}

static rin_status find(const rin_program *program, const char *name, int64_t n, rin_value *value, rin_error *error) {
    *value = rin_graph_find(program->graph, name);
    if (!*value) return rin_error_set(error, RIN_ERR_ARG, "the program has no tensor '%s'", name);
    int64_t count = rin_shape_count(rin_graph_shape(program->graph, *value));
    if (count == n) return RIN_OK;
    return rin_error_set(error, RIN_ERR_SHAPE, "tensor '%s' has %lld elements, not %lld", name, (long long)count,
                         (long long)n);
}

rin_status rin_program_write(rin_program *program, const char *name, const float *values, int64_t n, rin_error *error) {
    rin_value value;
    rin_status status = find(program, name, n, &value, error);
    if (status == RIN_OK) rin_backend_upload(program->weights->backend, address(program, value), values, n);
    return status;
}

rin_status rin_program_read(const rin_program *program, const char *name, float *values, int64_t n, rin_error *error) {
    rin_value value;
    rin_status status = find(program, name, n, &value, error);
    if (status == RIN_OK) rin_backend_download(program->weights->backend, values, address(program, value), n);
    return status;
}

static void start(rin_program *program, const rin_step *step) {
    program->step = *step;
    for (int i = 0; i < program->n_tasks; i++) {
        rin_task *task = &program->tasks[i];
        task->accumulate = task->node->accumulate | (step->part ? task->gradient_outputs : 0);
    }
}

/* Whatever reads memory that nobody wrote in this run then finds NaN. */
static void poison(rin_program *program) {
    const float nan = NAN;
    for (int v = 1; v < program->graph->n_values; v++) {
        if (program->graph->values[v].kind != RIN_VALUE_LOCAL || program->plan->offsets[v] < 0) continue;
        int64_t n = rin_shape_count(&program->graph->values[v].shape);
        size_t size = program->weights->backend->table->element_size;
        for (int64_t i = 0; i < n; i++) {
            rin_backend_upload(program->weights->backend, (char *)address(program, (rin_value)v) + (size_t)i * size,
                               &nan, 1);
        }
    }
}

void rin_program_run(rin_program *program, const rin_step *step, rin_section section) {
    start(program, step);
    if (program->options.poison && section != RIN_SECTION_UPDATE) poison(program);
    int from = section == RIN_SECTION_UPDATE ? program->update_at : 0;
    int to = section == RIN_SECTION_GRADIENTS ? program->update_at : program->n_tasks;
    rin_backend_run(program->weights->backend, program->tasks + from, to - from);
}

void rin_program_profile(rin_program *program, const rin_step *step, int repeats, double *seconds) {
    start(program, step);
    for (int i = 0; i < program->n_tasks; i++) {
        int node = (int)(program->tasks[i].node - program->graph->nodes);
        for (int r = 0; r < repeats; r++) {
            double from = rin_clock_seconds();
            rin_backend_run(program->weights->backend, &program->tasks[i], 1);
            double taken = rin_clock_seconds() - from;
            seconds[node] = r ? RIN_MIN(seconds[node], taken) : taken;
        }
    }
}
