/* SPDX-License-Identifier: MIT */
/* Binding and running: values become addresses once; a run only walks the tasks. */
#include <math.h>
#include <string.h>

#include "exec/exec.h"
#include "op/op.h"

/* What a graph comes to, found from its shapes: nothing has an address yet. */
typedef struct work {
    rin_task *tasks; /* [n_tasks] nodes of every run */
    rin_task *once;  /* [n_once] nodes that make constants */
    int n_tasks, n_once, update_at;
    bool derived;              /* some constants come from parameters */
    int64_t *constant_offsets; /* [n_values] elements */
    int64_t constants;         /* elements */
    size_t scratch;            /* bytes */
} work;

/* Runs that differ in more than the numbers of their step: sections, and whether gradients are added to. */
enum { N_RECORDINGS = 2 * (RIN_SECTION_UPDATE + 1) };

struct rin_program {
    rin_graph *graph;
    rin_plan *plan;
    rin_weights *weights; /* borrowed */
    rin_program_options options;
    work work;
    void *arena, *constants, *scratch;
    rin_arenas arenas;
    rin_step step;
    uint64_t derived_from;                   /* version of the parameters that constants were made of */
    rin_recording *recordings[N_RECORDINGS]; /* NULL before the first run of its kind */
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
        if (tensor && info->type == RIN_TYPE_BF16) {
            uint16_t *narrow = weights->narrow[program->options.parameters].memory;
            return narrow ? narrow + tensor->offset : NULL;
        }
        return tensor ? at(program, weights->arenas[program->options.parameters], tensor->offset) : NULL;
    case RIN_VALUE_GRAD:
        tensor = rin_weights_find(weights, program->graph->values[info->param].name);
        return tensor ? at(program, weights->arenas[RIN_ARENA_GRADIENTS], tensor->offset) : NULL;
    case RIN_VALUE_CONST: return at(program, program->constants, program->work.constant_offsets[value]);
    default: return at(program, program->arena, program->plan->offsets[value]);
    }
}

/* ---- from shapes alone ---- */

static rin_arenas arenas_of(const rin_weights *weights) {
    return (rin_arenas){weights->segments,
                        weights->n_tensors,
                        weights->count,
                        weights->arenas[RIN_ARENA_WEIGHTS],
                        weights->arenas[RIN_ARENA_GRADIENTS],
                        weights->arenas[RIN_ARENA_M],
                        weights->arenas[RIN_ARENA_V],
                        weights->arenas[RIN_ARENA_EMA],
                        weights->narrow[RIN_ARENA_WEIGHTS].memory};
}

static rin_status place_constants(const rin_graph *graph, work *w, rin_error *error) {
    size_t n = (size_t)graph->n_values;
    w->constant_offsets = rin_calloc(n, sizeof *w->constant_offsets, error);
    if (!w->constant_offsets) return RIN_ERR_MEMORY;
    for (size_t v = 1; v < n; v++) {
        const rin_value_info *info = &graph->values[v];
        if (info->kind != RIN_VALUE_CONST) continue;
        int64_t count = rin_padded_count(rin_value_size(info));
        if (count > RIN_MAX_ELEMENTS - w->constants) {
            return rin_error_set(error, RIN_ERR_MEMORY, "constants of over %lld elements, more than can be addressed",
                                 (long long)RIN_MAX_ELEMENTS);
        }
        w->constant_offsets[v] = w->constants;
        w->constants += count;
    }
    return RIN_OK;
}

static rin_task task_of(const rin_graph *graph, const rin_node *node) {
    rin_task task = {.node = node, .accumulate = node->accumulate};
    for (int i = 0; i < node->n_inputs; i++) {
        task.in_shape[i] = *rin_graph_shape(graph, node->inputs[i]);
        task.in_type[i] = graph->values[node->inputs[i]].type;
    }
    for (int i = 0; i < node->n_outputs; i++) {
        task.out_type[i] = graph->values[node->outputs[i]].type;
        task.out_shape[i] = *rin_graph_shape(graph, node->outputs[i]);
        if (graph->values[node->outputs[i]].kind == RIN_VALUE_GRAD) task.gradient_outputs |= 1u << i;
    }
    return task;
}

static rin_status list_work(const rin_graph *graph, rin_backend *backend, const rin_arenas *arenas,
                            const rin_step *step, work *w, rin_error *error) {
    rin_status status = place_constants(graph, w, error);
    if (status != RIN_OK) return status;
    w->tasks = rin_calloc((size_t)graph->n_nodes, sizeof *w->tasks, error);
    w->once = rin_calloc((size_t)graph->n_nodes, sizeof *w->once, error);
    if (!w->tasks || !w->once) return RIN_ERR_MEMORY;
    w->update_at = -1;
    for (int i = 0; i < graph->n_nodes; i++) {
        const rin_node *node = &graph->nodes[i];
        bool once = node->outputs[0] && graph->values[node->outputs[0]].kind == RIN_VALUE_CONST;
        if (node->op == RIN_OP_grad_norm) w->update_at = w->n_tasks;
        rin_task *task = once ? &w->once[w->n_once++] : &w->tasks[w->n_tasks++];
        *task = task_of(graph, node);
        w->derived = w->derived || (once && node->n_inputs);
        task->arenas = arenas;
        task->step = step;
    }
    if (w->update_at < 0) w->update_at = w->n_tasks;
    size_t once_bytes = 0, run_bytes = 0;
    status = rin_backend_prepare(backend, w->once, w->n_once, &once_bytes, error);
    if (status == RIN_OK) status = rin_backend_prepare(backend, w->tasks, w->n_tasks, &run_bytes, error);
    w->scratch = RIN_MAX(once_bytes, run_bytes);
    return status;
}

static void clear_work(work *w) {
    rin_free(w->tasks);
    rin_free(w->once);
    rin_free(w->constant_offsets);
}

static rin_program_bytes bytes_of(const rin_plan *plan, const work *w, const rin_backend *backend) {
    uint64_t size = backend->table->element_size;
    return (rin_program_bytes){(uint64_t)plan->arena * size, (uint64_t)w->constants * size, w->scratch};
}

rin_status rin_program_measure(const rin_graph *graph, const rin_plan *plan, const rin_weights *weights,
                               rin_program_bytes *out, rin_error *error) {
    rin_arenas arenas = arenas_of(weights);
    rin_step step = {0};
    work w = {0};
    rin_status status = list_work(graph, weights->backend, &arenas, &step, &w, error);
    *out = bytes_of(plan, &w, weights->backend);
    clear_work(&w);
    return status;
}

/* ---- binding ---- */

static rin_status allocate(rin_program *program, rin_error *error) {
    const work *w = &program->work;
    rin_backend *backend = program->weights->backend;
    rin_program_bytes bytes = bytes_of(program->plan, w, backend);
    uint64_t held = rin_weights_bytes(program->weights);
    char what[160];
    snprintf(what, sizeof what, "a run with weights of %.1f MiB, values of %.1f MiB and constants of %.1f MiB",
             (double)held * 0x1p-20, (double)bytes.arena * 0x1p-20, (double)bytes.constants * 0x1p-20);
    rin_status status = rin_memory_expect(held + bytes.arena + bytes.constants + bytes.scratch, backend->memory, what,
                                          error);
    int64_t scratch = (int64_t)(w->scratch / backend->table->element_size + 1);
    if (status == RIN_OK) status = rin_backend_alloc(backend, program->plan->arena, &program->arena, error);
    if (status == RIN_OK) status = rin_backend_alloc(backend, w->constants, &program->constants, error);
    if (status == RIN_OK) status = rin_backend_alloc(backend, scratch, &program->scratch, error);
    return status;
}

static rin_status bind_task(rin_program *program, rin_task *task, rin_error *error) {
    const rin_node *node = task->node;
    bool missing = false;
    for (int i = 0; i < node->n_inputs; i++) {
        task->in[i] = address(program, node->inputs[i]);
        missing = missing || (node->inputs[i] && !task->in[i]);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        task->out[i] = address(program, node->outputs[i]);
        missing = missing || (node->outputs[i] && !task->out[i]);
    }
    task->scratch = program->scratch;
    if (!missing) return RIN_OK;
    return rin_error_set(error, RIN_ERR_INTERNAL, "%s: %s uses a tensor that the weights do not have", node->scope,
                         rin_op(node->op)->name);
}

/* ---- which tasks need not wait for those before them ---- */

static bool meet(const rin_program *program, const void *a, rin_value of_a, const void *b, rin_value of_b) {
    size_t size = program->weights->backend->table->element_size;
    const rin_value_info *values = program->graph->values;
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return a && b && x < y + (size_t)rin_value_size(&values[of_b]) * size &&
           y < x + (size_t)rin_value_size(&values[of_a]) * size;
}

/* Does a write what b reads or writes? */
static bool disturbs(const rin_program *program, const rin_task *a, const rin_task *b) {
    const rin_node *writer = a->node, *other = b->node;
    for (int i = 0; i < writer->n_outputs; i++) {
        for (int j = 0; j < other->n_inputs; j++) {
            if (meet(program, a->out[i], writer->outputs[i], b->in[j], other->inputs[j])) return true;
        }
        for (int j = 0; j < other->n_outputs; j++) {
            if (meet(program, a->out[i], writer->outputs[i], b->out[j], other->outputs[j])) return true;
        }
    }
    return false;
}

/* Touches nothing that all threads share but the values of its node: no scratch, and no whole arenas. */
static bool is_plain(const rin_task *task) {
    return !task->scratch_bytes && task->node->op != RIN_OP_grad_norm && task->node->op != RIN_OP_update;
}

static bool may_run_beside(const rin_program *program, const rin_task *a, const rin_task *b) {
    return is_plain(a) && is_plain(b) && !disturbs(program, a, b) && !disturbs(program, b, a);
}

static void find_beside(const rin_program *program, rin_task *tasks, int n) {
    enum { MOST = 32 };
    for (int i = 1, first = 0; i < n; i++) { /* first of those that run beside each other */
        tasks[i].beside = i - first < MOST;
        for (int j = first; j < i && tasks[i].beside; j++)
            tasks[i].beside = may_run_beside(program, &tasks[j], &tasks[i]);
        if (!tasks[i].beside) first = i;
    }
}

static void make_constants(rin_program *program) {
    program->derived_from = program->weights->versions[program->options.parameters];
    rin_backend_run(program->weights->backend, program->work.once, program->work.n_once, NULL);
}

static rin_status bind_all(rin_program *program, rin_error *error) {
    work *w = &program->work;
    rin_status status = RIN_OK;
    for (int i = 0; i < w->n_once && status == RIN_OK; i++) status = bind_task(program, &w->once[i], error);
    for (int i = 0; i < w->n_tasks && status == RIN_OK; i++) status = bind_task(program, &w->tasks[i], error);
    if (status != RIN_OK) return status;
    find_beside(program, w->once, w->n_once);
    find_beside(program, w->tasks, w->n_tasks);
    make_constants(program);
    return RIN_OK;
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
    rin_status status = rin_graph_status(graph, error);
    const rin_backend_table *table = weights->backend->table;
    if (status == RIN_OK && table->packs) status = rin_pack(graph, error);
    if (status == RIN_OK && table->narrows) {
        rin_narrow(graph);
        status = rin_weights_add_narrow(weights, program->options.parameters, error);
    }
    program->arenas = arenas_of(weights);
    if (status == RIN_OK) status = rin_plan_create(graph, program->options.no_reuse, &program->plan, error);
    if (status == RIN_OK)
        status = list_work(graph, weights->backend, &program->arenas, &program->step, &program->work, error);
    if (status == RIN_OK) status = allocate(program, error);
    if (status == RIN_OK) status = bind_all(program, error);
    if (status == RIN_OK) *out = program;
    else rin_program_free(program);
    return status;
}

void rin_program_free(rin_program *program) {
    if (!program) return;
    rin_backend *backend = program->weights->backend;
    for (int i = 0; i < N_RECORDINGS; i++) rin_backend_forget(backend, program->recordings[i]);
    rin_backend_release(backend, program->arena);
    rin_backend_release(backend, program->constants);
    rin_backend_release(backend, program->scratch);
    clear_work(&program->work);
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
    return program->work.scratch;
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
    if (status == RIN_OK)
        rin_backend_upload(program->weights->backend, address(program, value), program->graph->values[value].type,
                           values, n);
    return status;
}

rin_status rin_program_read(const rin_program *program, const char *name, float *values, int64_t n, rin_error *error) {
    rin_value value;
    rin_status status = find(program, name, n, &value, error);
    if (status != RIN_OK) return status;
    rin_backend *backend = program->weights->backend;
    rin_backend_download(backend, values, address(program, value), program->graph->values[value].type, n);
    return rin_backend_failure(backend, error);
}

rin_status rin_program_read_double(const rin_program *program, const char *name, double *values, int64_t n,
                                   rin_error *error) {
    const rin_backend_table *table = program->weights->backend->table;
    rin_value value;
    rin_status status = find(program, name, n, &value, error);
    if (status != RIN_OK) return status;
    if (table->kernels && table->element_size == sizeof(double)) { /* a host's memory is ours */
        memcpy(values, address(program, value), (size_t)n * sizeof *values);
        return RIN_OK;
    }
    float *narrow = rin_calloc((size_t)n, sizeof *narrow, error);
    if (!narrow) return RIN_ERR_MEMORY;
    status = rin_program_read(program, name, narrow, n, error);
    for (int64_t i = 0; i < n && status == RIN_OK; i++) values[i] = (double)narrow[i];
    rin_free(narrow);
    return status;
}

rin_status rin_program_carry(rin_program *program, const char *from, const char *to, float keep, rin_error *error) {
    const rin_value_info *values = program->graph->values;
    rin_value input = rin_graph_find(program->graph, to), output;
    if (!input) return rin_error_set(error, RIN_ERR_ARG, "the program has no tensor '%s'", to);
    int64_t n = rin_shape_count(&values[input].shape);
    rin_status status = find(program, from, n, &output, error);
    if (status != RIN_OK) return status;
    rin_backend_blend(program->weights->backend, address(program, input), values[input].type, address(program, output),
                      values[output].type, keep, n);
    return RIN_OK;
}

static void start(rin_program *program, const rin_step *step) {
    program->step = *step;
    rin_weights_refresh_narrow(program->weights, program->options.parameters);
    if (program->work.derived && program->derived_from != program->weights->versions[program->options.parameters])
        make_constants(program);
    for (int i = 0; i < program->work.n_tasks; i++) {
        rin_task *task = &program->work.tasks[i];
        task->accumulate = task->node->accumulate | (step->part ? task->gradient_outputs : 0);
    }
}

/* Whatever reads memory that nobody wrote in this run then finds NaN. */
static void poison(rin_program *program) {
    const float nan = NAN;
    for (int v = 1; v < program->graph->n_values; v++) {
        if (program->graph->values[v].kind != RIN_VALUE_LOCAL || program->plan->offsets[v] < 0) continue;
        int64_t n = rin_value_size(&program->graph->values[v]);
        size_t size = program->weights->backend->table->element_size;
        for (int64_t i = 0; i < n; i++) {
            rin_backend_upload(program->weights->backend, (char *)address(program, (rin_value)v) + (size_t)i * size,
                               RIN_TYPE_REAL, &nan, 1);
        }
    }
}

void rin_program_run(rin_program *program, const rin_step *step, rin_section section) {
    start(program, step);
    if (program->options.poison && section != RIN_SECTION_UPDATE) poison(program);
    const work *w = &program->work;
    int from = section == RIN_SECTION_UPDATE ? w->update_at : 0;
    int to = section == RIN_SECTION_GRADIENTS ? w->update_at : w->n_tasks;
    rin_backend_run(program->weights->backend, w->tasks + from, to - from,
                    &program->recordings[2 * (int)section + (step->part > 0)]);
    if (to > w->update_at) rin_weights_updated(program->weights);
}

/* A device runs each node a few times in a row, or waiting for it would count more than the work. */
static double time_task(rin_backend *backend, const rin_task *task) {
    int n = backend->table->wait ? 10 : 1;
    rin_backend_wait(backend);
    double from = rin_clock_seconds();
    for (int i = 0; i < n; i++) rin_backend_run(backend, task, 1, NULL);
    rin_backend_wait(backend);
    return (rin_clock_seconds() - from) / n;
}

void rin_program_profile(rin_program *program, const rin_step *step, int repeats, double *seconds) {
    start(program, step);
    for (int r = 0; r < repeats; r++) {
        for (int i = 0; i < program->work.n_tasks; i++) {
            int node = (int)(program->work.tasks[i].node - program->graph->nodes);
            double taken = time_task(program->weights->backend, &program->work.tasks[i]);
            seconds[node] = r ? RIN_MIN(seconds[node], taken) : taken;
        }
    }
}
