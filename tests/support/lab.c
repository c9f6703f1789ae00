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

static void set_guards(lab *l, rin_value value) {
    int64_t n = lab_count(l, value);
    for (int64_t i = 0; i < BEFORE; i++) store(l, l->blocks[value], i, NAN);
    for (int64_t i = 0; i < BEHIND; i++) store(l, l->blocks[value], BEFORE + n + i, NAN);
}

static void bind(lab *l, int i) {
    const rin_node *node = &l->graph->nodes[i];
    rin_task *task = &l->tasks[i];
    *task = (rin_task){.node = node, .accumulate = node->accumulate, .step = &l->step};
    for (int j = 0; j < node->n_inputs; j++) {
        task->in[j] = lab_memory(l, node->inputs[j]);
        task->in_shape[j] = *rin_graph_shape(l->graph, node->inputs[j]);
    }
    for (int j = 0; j < node->n_outputs; j++) {
        task->out[j] = lab_memory(l, node->outputs[j]);
        task->out_shape[j] = *rin_graph_shape(l->graph, node->outputs[j]);
    }
}

lab *lab_create(const rin_graph *graph, const char *backend, int threads) {
    rin_error error = {0};
    rin_backend_options options = {threads};
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
        size_t elements = (size_t)lab_count(l, (rin_value)v) + BEFORE + BEHIND;
        assert_int_equal(posix_memalign(&l->blocks[v], RIN_ALIGNMENT, elements * size_of(l)), 0);
        memset(l->blocks[v], 0, elements * size_of(l));
        set_guards(l, (rin_value)v);
    }
    l->tasks = test_calloc((size_t)graph->n_nodes + 1, sizeof *l->tasks);
    for (int i = 0; i < graph->n_nodes; i++) bind(l, i);
    assert_ok(rin_backend_prepare(l->backend, l->tasks, graph->n_nodes, &scratch, &error), &error);
    assert_int_equal(posix_memalign(&l->scratch, RIN_ALIGNMENT, scratch + 1), 0);
    memset(l->scratch, 0xFF, scratch); /* NaN: scratch is not cleared between nodes */
    for (int i = 0; i < graph->n_nodes; i++) l->tasks[i].scratch = l->scratch;
    return l;
}

void lab_free(lab *l) {
    if (!l) return;
    for (int v = 1; v < l->graph->n_values; v++) free(l->blocks[v]);
    free(l->scratch);
    rin_backend_free(l->backend);
    test_free(l->blocks);
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
                    strcmp(name, "self_cond_uniform") == 0);
}

void lab_fill(lab *l, uint64_t seed) {
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
            lab_set(l, (rin_value)v, i, number);
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
        int64_t n = lab_count(l, (rin_value)v);
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
    rin_backend_run(l->backend, l->tasks + from, to - from);
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
