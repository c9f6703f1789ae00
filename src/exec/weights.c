/* SPDX-License-Identifier: MIT */
/* Parameter arenas and initial values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const rin_tensor *const *)a)->name, (*(const rin_tensor *const *)b)->name);
}

static rin_status list_tensors(rin_weights *weights, const rin_graph *graph, rin_error *error) {
    int n = 0;
    for (int i = 1; i < graph->n_values; i++) n += graph->values[i].kind == RIN_VALUE_PARAM;
    weights->tensors = rin_calloc((size_t)n, sizeof *weights->tensors, error);
    weights->segments = rin_calloc((size_t)n, sizeof *weights->segments, error);
    weights->by_name = rin_calloc((size_t)n, sizeof *weights->by_name, error);
    if (!weights->tensors || !weights->segments || !weights->by_name) return RIN_ERR_MEMORY;
    for (int i = 1; i < graph->n_values; i++) {
        const rin_value_info *info = &graph->values[i];
        if (info->kind != RIN_VALUE_PARAM) continue;
        int64_t count = rin_shape_count(&info->shape);
        if (rin_padded_count(count) > RIN_MAX_ELEMENTS - weights->count) {
            return rin_error_set(error, RIN_ERR_MEMORY,
                                 "the weights have over %lld elements, more than can be addressed",
                                 (long long)RIN_MAX_ELEMENTS);
        }
        rin_tensor *tensor = &weights->tensors[weights->n_tensors];
        weights->by_name[weights->n_tensors] = tensor;
        *tensor = (rin_tensor){rin_strdup(info->name, error), info->shape, info->init, weights->count, count};
        weights->segments[weights->n_tensors++] = (rin_segment){weights->count, count, info->shape.rank > 1};
        if (!tensor->name) return RIN_ERR_MEMORY;
        weights->count += rin_padded_count(count);
        weights->parameters += count;
    }
    if (n) qsort(weights->by_name, (size_t)n, sizeof *weights->by_name, compare_names);
    return RIN_OK;
}

rin_status rin_weights_lay_out(const rin_graph *graph, rin_backend *backend, rin_weights **out, rin_error *error) {
    *out = NULL;
    rin_weights *weights = rin_calloc(1, sizeof *weights, error);
    if (!weights) return RIN_ERR_MEMORY;
    weights->backend = backend;
    for (int i = 0; i < RIN_N_ARENAS; i++) weights->versions[i] = 1;
    rin_status status = list_tensors(weights, graph, error);
    if (status == RIN_OK) *out = weights;
    else rin_weights_free(weights);
    return status;
}

static uint64_t bytes_of_arena(const rin_weights *weights) {
    return (uint64_t)weights->count * weights->backend->table->element_size;
}

uint64_t rin_weights_bytes(const rin_weights *weights) {
    uint64_t sum = 0;
    for (int i = 0; i < RIN_N_ARENAS; i++) {
        sum += weights->arenas[i] ? bytes_of_arena(weights) : 0;
        sum += weights->narrow[i].memory ? (uint64_t)weights->count * sizeof(uint16_t) : 0;
    }
    return sum;
}

rin_status rin_weights_create(const rin_graph *graph, rin_backend *backend, bool training, rin_weights **out,
                              rin_error *error) {
    rin_weights *weights;
    rin_status status = rin_weights_lay_out(graph, backend, &weights, error);
    *out = NULL;
    if (status != RIN_OK) return status;
    int n = training ? RIN_N_ARENAS : RIN_ARENA_M;
    char what[96];
    snprintf(what, sizeof what, "weights of %lld parameters, %d numbers for each", (long long)weights->parameters, n);
    status = rin_memory_expect((uint64_t)n * bytes_of_arena(weights), backend->memory, what, error);
    for (int i = 0; status == RIN_OK && i < n; i++) {
        status = rin_backend_alloc(backend, weights->count, &weights->arenas[i], error);
    }
    if (status == RIN_OK) *out = weights;
    else rin_weights_free(weights);
    return status;
}

void rin_weights_free(rin_weights *weights) {
    if (!weights) return;
    for (int i = 0; i < RIN_N_ARENAS; i++) {
        rin_backend_release(weights->backend, weights->arenas[i]);
        rin_backend_release(weights->backend, weights->narrow[i].memory);
    }
    for (int i = 0; i < weights->n_tensors; i++) rin_free(weights->tensors[i].name);
    rin_free(weights->tensors);
    rin_free(weights->by_name);
    rin_free(weights->segments);
    rin_free(weights);
}

static int compare_to_name(const void *name, const void *element) {
    return strcmp(name, (*(const rin_tensor *const *)element)->name);
}

const rin_tensor *rin_weights_find(const rin_weights *weights, const char *name) {
    if (!weights->n_tensors) return NULL;
    const rin_tensor **found = bsearch(name, weights->by_name, (size_t)weights->n_tensors, sizeof *weights->by_name,
                                       compare_to_name);
    return found ? *found : NULL;
}

static void *place(const rin_weights *weights, rin_arena arena, const rin_tensor *tensor) {
    return (char *)weights->arenas[arena] + (size_t)tensor->offset * weights->backend->table->element_size;
}

void rin_weights_upload(rin_weights *weights, rin_arena arena, const rin_tensor *tensor, const float *values) {
    rin_backend_upload(weights->backend, place(weights, arena, tensor), RIN_TYPE_REAL, values, tensor->count);
    weights->versions[arena]++;
}

void rin_weights_download(const rin_weights *weights, rin_arena arena, const rin_tensor *tensor, float *values) {
    rin_backend_download(weights->backend, values, place(weights, arena, tensor), RIN_TYPE_REAL, tensor->count);
}

rin_status rin_weights_hash(const rin_weights *weights, rin_arena arena, char out[RIN_HASH_TEXT], rin_error *error) {
    rin_hash hash;
    bool good = true;
    rin_hash_begin(&hash);
    for (int i = 0; i < weights->n_tensors && good; i++) {
        const rin_tensor *tensor = &weights->tensors[i];
        float *values = rin_calloc((size_t)tensor->count, sizeof *values, error);
        good = values != NULL;
        if (!good) break;
        rin_weights_download(weights, arena, tensor, values);
        rin_hash_add(&hash, tensor->name, strlen(tensor->name) + 1);
        rin_hash_add(&hash, values, (size_t)tensor->count * sizeof *values);
        rin_free(values);
    }
    rin_status status = rin_hash_end(&hash, out, error);
    return good ? status : RIN_ERR_MEMORY;
}

rin_status rin_weights_add_narrow(rin_weights *weights, rin_arena arena, rin_error *error) {
    rin_status status = RIN_OK;
    rin_backend_begin(weights->backend);
    if (!weights->narrow[arena].memory)
        status = rin_backend_alloc(weights->backend, (weights->count + 1) / 2, &weights->narrow[arena].memory, error);
    rin_backend_end(weights->backend);
    return status;
}

void rin_weights_refresh_narrow(rin_weights *weights, rin_arena arena) {
    rin_backend_begin(weights->backend);
    if (weights->narrow[arena].memory && weights->narrow[arena].version != weights->versions[arena]) {
        rin_backend_narrow(weights->backend, weights->narrow[arena].memory, weights->arenas[arena], weights->count);
        weights->narrow[arena].version = weights->versions[arena];
    }
    rin_backend_end(weights->backend);
}

void rin_weights_updated(rin_weights *weights) {
    weights->versions[RIN_ARENA_EMA]++;
    weights->narrow[RIN_ARENA_WEIGHTS].version = ++weights->versions[RIN_ARENA_WEIGHTS];
}

/* Each tensor has a key of its own, made from its name, so that adding a tensor does not change the others. */
static rin_random_key key_of(const char *name, uint64_t seed) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *p = name; *p; p++) hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    return (rin_random_key){seed, hash, 0xFFFFFFFFu};
}

static float initial(const rin_tensor *tensor, rin_random_key key, uint64_t i) {
    double scale = tensor->init.scale;
    if (tensor->init.kind == RIN_INIT_CONSTANT) return (float)scale;
    if (tensor->init.kind == RIN_INIT_UNIFORM) return (float)(scale * (2 * (double)rin_random_uniform(key, i) - 1));
    for (uint64_t attempt = 0;; attempt++) {
        double v = (double)rin_random_normal(key, i + attempt * (uint64_t)tensor->count);
        if (fabs(v) <= 2) return (float)(scale * v);
    }
}

rin_status rin_weights_init(rin_weights *weights, uint64_t seed, rin_error *error) {
    int64_t most = 1;
    for (int i = 0; i < weights->n_tensors; i++) most = RIN_MAX(most, weights->tensors[i].count);
    float *values = rin_calloc((size_t)most, sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    for (int t = 0; t < weights->n_tensors; t++) {
        const rin_tensor *tensor = &weights->tensors[t];
        rin_random_key key = key_of(tensor->name, seed);
        for (int64_t i = 0; i < tensor->count; i++) values[i] = initial(tensor, key, (uint64_t)i);
        rin_weights_upload(weights, RIN_ARENA_WEIGHTS, tensor, values);
        rin_weights_upload(weights, RIN_ARENA_EMA, tensor, values);
    }
    rin_free(values);
    return RIN_OK;
}
