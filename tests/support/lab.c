/* SPDX-License-Identifier: MIT */
/* The lab's memory and tasks. */
#include "support/lab.h"

#include <stdlib.h>

/* Elements before and behind each value. Under the address sanitizer nothing is behind, so that it sees overruns. */
enum {
    BEFORE = 16,
#if defined(__SANITIZE_ADDRESS__)
    BEHIND = 0
#else
    BEHIND = 16
#endif
};

static size_t size_of(const lab *l) {
    return l->backend->table->element_size;
}

static double load(const lab *l, const void *memory, int64_t i) {
    return size_of(l) == sizeof(float) ? (double)((const float *)memory)[i] : ((const double *)memory)[i];
}

static void store(const lab *l, void *memory, int64_t i, double number) {
    if (size_of(l) == sizeof(float)) ((float *)memory)[i] = (float)number;
    else ((double *)memory)[i] = number;
}

bool lab_available(const char *backend) {
    const char *only = getenv("RIN_LAB_ONLY");
    if (only && !strstr(backend, only)) return false;
    for (int i = 0; rin_backend_row(i); i++) {
        if (strcmp(rin_backend_row(i)->name, backend) == 0) return rin_backend_row(i)->available();
    }
    return false;
}

void *lab_memory(const lab *l, rin_value value) {
    return value ? (char *)l->blocks[value] + BEFORE * size_of(l) : NULL;
}

int64_t lab_count(const lab *l, rin_value value) {
    return rin_shape_count(rin_graph_shape(l->graph, value));
}

/* Elements of its memory. */
static int64_t stored_count(const lab *l, rin_value value) {
    return RIN_MAX(lab_count(l, value), rin_value_size(&l->graph->values[value]));
}

static void set_guards(lab *l, rin_value value) {
    int64_t n = stored_count(l, value);
    for (int64_t i = 0; i < BEFORE; i++) store(l, l->blocks[value], i, NAN);
    for (int64_t i = 0; i < BEHIND; i++) store(l, l->blocks[value], BEFORE + n + i, NAN);
}

/* Graphs may be narrowed: that is for backends that want them so. */
static rin_type type_of(const lab *l, rin_value value) {
    rin_type type = l->graph->values[value].type;
    return type == RIN_TYPE_PANELS || l->backend->table->narrows ? type : RIN_TYPE_REAL;
}

static void bind(lab *l, int i) {
    const rin_node *node = &l->graph->nodes[i];
    rin_task *task = &l->tasks[i];
    *task = (rin_task){.node = node, .accumulate = node->accumulate, .step = &l->step};
    for (int j = 0; j < node->n_inputs; j++) {
        task->in[j] = lab_memory(l, node->inputs[j]);
        task->in_shape[j] = *rin_graph_shape(l->graph, node->inputs[j]);
        task->in_type[j] = type_of(l, node->inputs[j]);
    }
    for (int j = 0; j < node->n_outputs; j++) {
        task->out[j] = lab_memory(l, node->outputs[j]);
        task->out_shape[j] = *rin_graph_shape(l->graph, node->outputs[j]);
        task->out_type[j] = type_of(l, node->outputs[j]);
    }
}

/* ---- devices: every block has a copy there, and tasks are run with its addresses ---- */

static bool is_device(const lab *l) {
    return l->backend->table->wait;
}

static void *device_alloc(lab *l, size_t bytes) {
    void *memory;
    rin_error error = {0};
    assert_ok(rin_backend_alloc(l->backend, (int64_t)(bytes / size_of(l) + 1), &memory, &error), &error);
    return memory;
}

static int64_t block_count(const lab *l, rin_value v) {
    return stored_count(l, v) + BEFORE + BEHIND;
}

/* The device's address of one in a block. */
static void *on_device(const lab *l, const void *pointer) {
    for (int v = 1; pointer && v < l->graph->n_values; v++) {
        const char *from = l->blocks[v], *at = pointer;
        if (at < from || at >= from + (size_t)block_count(l, (rin_value)v) * size_of(l)) continue;
        size_t size = type_of(l, (rin_value)v) == RIN_TYPE_BF16 ? sizeof(uint16_t) : size_of(l);
        return (char *)l->device_blocks[v] + (size_t)(at - from) / size_of(l) * size;
    }
    return NULL;
}

static void run_on_device(lab *l, int from, int to) {
    rin_error error = {0};
    rin_task *tasks = test_calloc((size_t)(to - from) + 1, sizeof *tasks);
    for (int v = 1; v < l->graph->n_values; v++) {
        rin_backend_upload(l->backend, l->device_blocks[v], type_of(l, (rin_value)v), l->blocks[v],
                           block_count(l, (rin_value)v));
    }
    for (int i = from; i < to; i++) {
        rin_task *task = &tasks[i - from];
        *task = l->tasks[i];
        task->scratch = l->device_scratch;
        for (int j = 0; j < task->node->n_inputs; j++) task->in[j] = on_device(l, task->in[j]);
        for (int j = 0; j < task->node->n_outputs; j++) task->out[j] = on_device(l, task->out[j]);
    }
    rin_backend_run(l->backend, tasks, to - from, NULL);
    for (int v = 1; v < l->graph->n_values; v++) {
        rin_backend_download(l->backend, l->blocks[v], l->device_blocks[v], type_of(l, (rin_value)v),
                             block_count(l, (rin_value)v));
    }
    assert_ok(rin_backend_failure(l->backend, &error), &error);
    test_free(tasks);
}

lab *lab_create(const rin_graph *graph, const char *backend, int threads) {
    rin_error error = {0};
    rin_backend_options options = {.threads = threads};
    size_t scratch, n = (size_t)graph->n_values;
    assert_ok(rin_graph_status(graph, &error), &error);
    lab *l = test_calloc(1, sizeof *l);
    l->graph = graph;
    l->name = backend;
    l->threads = threads;
    l->step = (rin_step){.seed = 7, .step = 3, .gradient_scale = 1};
    assert_ok(rin_backend_create(backend, &options, &l->backend, &error), &error);
    l->blocks = test_calloc(n, sizeof *l->blocks);
    for (size_t v = 1; v < n; v++) {
        size_t elements = (size_t)block_count(l, (rin_value)v);
        assert_int_equal(posix_memalign(&l->blocks[v], RIN_ALIGNMENT, elements * size_of(l)), 0);
        memset(l->blocks[v], 0, elements * size_of(l));
        set_guards(l, (rin_value)v);
    }
    l->tasks = test_calloc((size_t)graph->n_nodes + 1, sizeof *l->tasks);
    for (int i = 0; i < graph->n_nodes; i++) bind(l, i);
    assert_ok(rin_backend_prepare(l->backend, l->tasks, graph->n_nodes, &scratch, &error), &error);
    if (!is_device(l)) {
        assert_int_equal(posix_memalign(&l->scratch, RIN_ALIGNMENT, scratch + 1), 0);
        memset(l->scratch, 0xFF, scratch); /* NaN: scratch is not cleared between nodes */
        for (int i = 0; i < graph->n_nodes; i++) l->tasks[i].scratch = l->scratch;
        return l;
    }
    l->device_blocks = test_calloc(n, sizeof *l->device_blocks);
    for (size_t v = 1; v < n; v++)
        l->device_blocks[v] = device_alloc(l, (size_t)block_count(l, (rin_value)v) * size_of(l));
    l->device_scratch = device_alloc(l, scratch);
    return l;
}

void lab_free(lab *l) {
    if (!l) return;
    for (int v = 1; v < l->graph->n_values; v++) free(l->blocks[v]);
    for (int v = 1; l->device_blocks && v < l->graph->n_values; v++)
        rin_backend_release(l->backend, l->device_blocks[v]);
    rin_backend_release(l->backend, l->device_scratch);
    free(l->scratch);
    rin_backend_free(l->backend);
    test_free(l->blocks);
    test_free(l->device_blocks);
    test_free(l->tasks);
    test_free(l);
}

double lab_get(const lab *l, rin_value value, int64_t i) {
    return load(l, lab_memory(l, value), i);
}

void lab_set(lab *l, rin_value value, int64_t i, double number) {
    store(l, lab_memory(l, value), i, number);
}

double *lab_read(const lab *l, rin_value value) {
    int64_t n = lab_count(l, value);
    double *numbers = test_malloc((size_t)n * sizeof *numbers);
    for (int64_t i = 0; i < n; i++) numbers[i] = lab_get(l, value, i);
    return numbers;
}

void lab_write(lab *l, rin_value value, const double *numbers) {
    for (int64_t i = 0; i < lab_count(l, value); i++) lab_set(l, value, i, numbers[i]);
}

static bool is_level(const char *name) {
    return name && (strcmp(name, "gamma") == 0 || strcmp(name, "t") == 0 || strcmp(name, "u") == 0 ||
                    strcmp(name, "mask") == 0 || strcmp(name, "self_cond_uniform") == 0);
}

static float to_bf16(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&number, &bits, sizeof bits);
    return number;
}

void lab_fill(lab *l, uint64_t seed) {
    bool narrowed = false;
    for (int v = 1; v < l->graph->n_values; v++) narrowed = narrowed || l->graph->values[v].type == RIN_TYPE_BF16;
    for (int v = 1; v < l->graph->n_values; v++) {
        const rin_value_info *info = &l->graph->values[v];
        rin_random_key key = {seed, 0, (uint32_t)v};
        bool labels = info->name && strcmp(info->name, "labels") == 0;
        int64_t classes = rin_shape_last(&info->shape);
        for (int64_t i = 0; i < lab_count(l, (rin_value)v); i++) {
            double number = (double)rin_random_normal(key, (uint64_t)i);
            if (is_level(info->name))
                number = (double)(float)(0.05 + 0.9 * (double)rin_random_uniform(key, (uint64_t)i));
            if (labels)
                number = (int64_t)(rin_random_u32(key, (uint64_t)(i / classes)) % (uint32_t)classes) == i % classes;
            lab_set(l, (rin_value)v, i, narrowed ? (double)to_bf16((float)number) : number);
        }
    }
}

void lab_poison(lab *l) {
    for (int i = 0; i < l->graph->n_nodes; i++) {
        const rin_node *node = &l->graph->nodes[i];
        for (int j = 0; j < node->n_outputs; j++) {
            for (int64_t k = 0; node->outputs[j] && k < lab_count(l, node->outputs[j]); k++)
                lab_set(l, node->outputs[j], k, NAN);
        }
    }
}

static void check_guards(const lab *l) {
    for (int v = 1; v < l->graph->n_values; v++) {
        int64_t n = stored_count(l, (rin_value)v);
        for (int64_t i = 0; i < BEFORE + BEHIND; i++) {
            int64_t at = i < BEFORE ? i : n + i;
            if (!isnan(load(l, l->blocks[v], at))) {
                fail_msg("%s with %d threads: memory at %lld of value %d (%lld elements) was written", l->name,
                         l->threads, (long long)(at - BEFORE), v, (long long)n);
            }
        }
    }
}

void lab_run(lab *l, int from, int to) {
    if (is_device(l)) run_on_device(l, from, to);
    else rin_backend_run(l->backend, l->tasks + from, to - from, NULL);
    check_guards(l);
}

void lab_run_all(lab *l) {
    lab_run(l, 0, l->graph->n_nodes);
}

rin_value lab_find(const lab *l, const char *name) {
    rin_value value = rin_graph_find(l->graph, name);
    if (!value) fail_msg("the graph has no '%s'", name);
    return value;
}
