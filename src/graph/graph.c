/* SPDX-License-Identifier: MIT */
/* The builder of graphs: arrays that grow, names, and the first error. */
#include <string.h>

#include "graph/graph.h"

int64_t rin_shape_count(const rin_shape *shape) {
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++) n *= shape->dim[i];
    return n;
}

int64_t rin_shape_last(const rin_shape *shape) {
    return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

int64_t rin_shape_rows(const rin_shape *shape) {
    int64_t n = 1;
    for (int i = 0; i + 1 < shape->rank; i++) n *= shape->dim[i];
    return n;
}

bool rin_shape_equal(const rin_shape *a, const rin_shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) return false;
    }
    return true;
}

const char *rin_shape_text(const rin_shape *shape, char text[static 96]) {
    int n = snprintf(text, 96, "(");
    for (int i = 0; i < shape->rank && n < 90; i++) {
        n += snprintf(text + n, 96 - (size_t)n, i ? ", %lld" : "%lld", (long long)shape->dim[i]);
    }
    if (n < 95) snprintf(text + n, 96 - (size_t)n, ")");
    return text;
}

rin_graph *rin_graph_create(rin_error *error) {
    rin_graph *graph = rin_calloc(1, sizeof *graph, error);
    if (!graph) return NULL;
    graph->n_values = 1;
    graph->next_stream = 1;
    return graph;
}

void rin_graph_free(rin_graph *graph) {
    if (!graph) return;
    for (int i = 1; i < graph->n_values; i++) rin_free(graph->values[i].name);
    for (int i = 0; i < graph->n_scopes; i++) rin_free(graph->scopes[i]);
    rin_free(graph->values);
    rin_free(graph->by_name);
    rin_free(graph->nodes);
    rin_free(graph->scopes);
    rin_free(graph);
}

rin_status rin_graph_status(const rin_graph *graph, rin_error *error) {
    if (graph->error.code != RIN_OK && error) *error = graph->error;
    return graph->error.code;
}

rin_value rin_graph_fail(rin_graph *graph, rin_status code, const char *format, ...) {
    if (graph->error.code != RIN_OK) return 0;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)rin_error_set(&graph->error, code, "%s%s%s", graph->scope, *graph->scope ? ": " : "", text);
    return 0;
}

void rin_graph_enter(rin_graph *graph, const char *format, ...) {
    size_t n = strlen(graph->scope), room = sizeof graph->scope - n;
    if (graph->scope_depth == (int)RIN_COUNT(graph->scope_lengths)) {
        (void)rin_graph_fail(graph, RIN_ERR_INTERNAL, "scopes nested too deep");
        return;
    }
    graph->scope_lengths[graph->scope_depth++] = (int)n;
    int dot = n ? snprintf(graph->scope + n, room, ".") : 0;
    va_list args;
    va_start(args, format);
    int added = vsnprintf(graph->scope + n + dot, room - (size_t)dot, format, args);
    va_end(args);
    if (added < 0 || (size_t)(added + dot) >= room)
        (void)rin_graph_fail(graph, RIN_ERR_INTERNAL, "scope name too long");
}

void rin_graph_leave(rin_graph *graph) {
    if (graph->scope_depth) graph->scope[graph->scope_lengths[--graph->scope_depth]] = '\0';
}

/* The copy of the current scope that nodes point to. */
static const char *keep_scope(rin_graph *graph) {
    if (graph->n_scopes && strcmp(graph->scopes[graph->n_scopes - 1], graph->scope) == 0) {
        return graph->scopes[graph->n_scopes - 1];
    }
    char **scopes = rin_realloc(graph->scopes, (size_t)graph->n_scopes + 1, sizeof *scopes, &graph->error);
    if (!scopes) return "";
    graph->scopes = scopes;
    char *copy = rin_strdup(graph->scope, &graph->error);
    if (!copy) return "";
    return graph->scopes[graph->n_scopes++] = copy;
}

rin_value rin_graph_value(rin_graph *graph, rin_value_kind kind, rin_shape shape) {
    if (graph->error.code != RIN_OK) return 0;
    char text[96];
    int64_t count = 1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 1)
            return rin_graph_fail(graph, RIN_ERR_SHAPE, "a tensor of shape %s is empty", rin_shape_text(&shape, text));
        if (shape.dim[i] > RIN_MAX_ELEMENTS / count) {
            return rin_graph_fail(graph, RIN_ERR_MEMORY,
                                  "a tensor of shape %s cannot be addressed; allowed: %lld elements",
                                  rin_shape_text(&shape, text), (long long)RIN_MAX_ELEMENTS);
        }
        count *= shape.dim[i];
    }
    if (graph->n_values >= graph->value_capacity) {
        int capacity = RIN_MAX(256, 2 * graph->value_capacity);
        rin_value_info *values = rin_realloc(graph->values, (size_t)capacity, sizeof *values, &graph->error);
        if (!values) return 0;
        if (!graph->values) values[0] = (rin_value_info){0}; /* "no value" is looked up like any other */
        graph->values = values;
        graph->value_capacity = capacity;
    }
    graph->values[graph->n_values] = (rin_value_info){.kind = kind, .shape = shape};
    return (rin_value)graph->n_values++;
}

/* ---- names ---- */

/* Where the value of this name is in the table, or the free place where it belongs. */
static int place_of(const rin_graph *graph, const char *name) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = name; *p; p++) hash = (hash ^ (unsigned char)*p) * 16777619u;
    int place = (int)(hash & (uint32_t)(graph->n_places - 1));
    for (rin_value value; (value = graph->by_name[place]) && strcmp(graph->values[value].name, name) != 0;) {
        place = (place + 1) & (graph->n_places - 1);
    }
    return place;
}

/* Makes room for one more name. */
static bool grow_names(rin_graph *graph) {
    if (2 * (graph->n_named + 1) <= graph->n_places) return true;
    rin_value *old = graph->by_name;
    int n_old = graph->n_places, n = RIN_MAX(256, 2 * n_old);
    rin_value *places = rin_calloc((size_t)n, sizeof *places, &graph->error);
    if (!places) return false;
    graph->by_name = places;
    graph->n_places = n;
    for (int i = 0; i < n_old; i++) {
        if (old[i]) places[place_of(graph, graph->values[old[i]].name)] = old[i];
    }
    rin_free(old);
    return true;
}

/* Of two values with one name, the first is the one that is found. */
static bool give_name(rin_graph *graph, rin_value value, const char *name) {
    if (!grow_names(graph)) return false;
    char *copy = rin_strdup(name, &graph->error);
    if (!copy) return false;
    graph->values[value].name = copy;
    int place = place_of(graph, copy);
    if (graph->by_name[place]) return true;
    graph->by_name[place] = value;
    graph->n_named++;
    return true;
}

rin_value rin_graph_find(const rin_graph *graph, const char *name) {
    return graph->n_named ? graph->by_name[place_of(graph, name)] : 0;
}

static rin_value named_value(rin_graph *graph, rin_value_kind kind, const char *name, rin_shape shape) {
    rin_value value = rin_graph_value(graph, kind, shape);
    return value && give_name(graph, value, name) ? value : 0;
}

rin_value rin_graph_input(rin_graph *graph, const char *name, rin_shape shape) {
    return named_value(graph, RIN_VALUE_INPUT, name, shape);
}

rin_value rin_graph_param(rin_graph *graph, const char *name, rin_shape shape, rin_init init) {
    char full[384];
    snprintf(full, sizeof full, "%s%s%s", graph->scope, *graph->scope ? "." : "", name);
    rin_value value = rin_graph_find(graph, full);
    if (value) {
        const rin_value_info *info = &graph->values[value];
        if (info->kind == RIN_VALUE_PARAM && rin_shape_equal(&info->shape, &shape)) return value;
        return rin_graph_fail(graph, RIN_ERR_SHAPE, "'%s' is there already, as another tensor", full);
    }
    value = named_value(graph, RIN_VALUE_PARAM, full, shape);
    if (value) graph->values[value].init = init;
    return value;
}

rin_value rin_graph_param_gradient(rin_graph *graph, rin_value param) {
    if (graph->error.code != RIN_OK) return 0;
    if (graph->values[param].gradient) return graph->values[param].gradient;
    rin_value value = rin_graph_value(graph, RIN_VALUE_GRAD, graph->values[param].shape);
    if (!value) return 0;
    graph->values[value].param = param;
    graph->values[param].gradient = value;
    return value;
}

rin_value rin_graph_output(rin_graph *graph, const char *name, rin_value value) {
    if (graph->error.code != RIN_OK) return 0;
    rin_value_info *info = &graph->values[value];
    if (!value || info->name) return rin_graph_fail(graph, RIN_ERR_INTERNAL, "output '%s' has a name already", name);
    info->is_output = true;
    return give_name(graph, value, name) ? value : 0;
}

void rin_graph_append(rin_graph *graph, const rin_node *node) {
    if (graph->error.code != RIN_OK) return;
    if (graph->n_nodes >= graph->node_capacity) {
        int capacity = RIN_MAX(128, 2 * graph->node_capacity);
        rin_node *nodes = rin_realloc(graph->nodes, (size_t)capacity, sizeof *nodes, &graph->error);
        if (!nodes) return;
        graph->nodes = nodes;
        graph->node_capacity = capacity;
    }
    rin_node *copy = &graph->nodes[graph->n_nodes++];
    *copy = *node;
    if (!copy->scope) copy->scope = keep_scope(graph);
    if (!copy->stream) copy->stream = graph->next_stream++;
    if (graph->layer) copy->layer = graph->layer;
}

void rin_graph_begin_layer(rin_graph *graph) {
    graph->layer = ++graph->n_layers;
}

void rin_graph_end_layer(rin_graph *graph) {
    graph->layer = 0;
}

const rin_shape *rin_graph_shape(const rin_graph *graph, rin_value value) {
    static const rin_shape none = {0};
    return value && (int)value < graph->n_values ? &graph->values[value].shape : &none;
}
