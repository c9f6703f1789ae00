/* SPDX-License-Identifier: MIT */
/* Files of weights. */
#include "support/formula.h"

#include "support/options.h"

#include <string.h>

typedef struct writing {
    const formula_changes *changes;
    rin_safetensors_writer *writer;
    const rin_weights *weights;
} writing;

static formula_tensor describe(const rin_tensor *from, float *values, const formula_changes *changes) {
    formula_tensor t = {.type = RIN_STORED_F32, .rank = from->shape.rank, .values = values, .count = from->count};
    snprintf(t.name, sizeof t.name, "%s", from->name);
    for (int i = 0; i < t.rank; i++) t.shape[i] = from->shape.dim[i];
    if (changes->change) changes->change(changes->user, &t);
    return t;
}

static const rin_tensor *tensor_at(const writing *w, int i) {
    return &w->weights->tensors[w->changes->reversed ? w->weights->n_tensors - 1 - i : i];
}

static bool ends_unit(const char *name) {
    size_t n = strlen(name);
    return n > 15 && strcmp(name + n - 15, "bn.running_mean") == 0;
}

static rin_status declare(const writing *w, rin_error *error) {
    rin_status status = RIN_OK;
    char name[160];
    if (w->changes->additional)
        status = rin_safetensors_writer_add(w->writer, w->changes->additional, RIN_STORED_I64, 0, NULL, error);
    for (int i = 0; i < w->weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *from = tensor_at(w, i);
        formula_tensor t = describe(from, NULL, w->changes);
        if (w->changes->counters && ends_unit(from->name)) {
            snprintf(name, sizeof name, "%.*snum_batches_tracked", (int)strlen(from->name) - 12, from->name);
            status = rin_safetensors_writer_add(w->writer, name, RIN_STORED_I64, 0, NULL, error);
        }
        if (status == RIN_OK && *t.name)
            status = rin_safetensors_writer_add(w->writer, t.name, t.type, t.rank, t.shape, error);
    }
    return status;
}

/* Only the last number of a tensor that is shorter than the network's is left out. */
static rin_status write_values(const writing *w, const formula_tensor *t, rin_error *error) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    size_t size = rin_stored_type_bytes(t->type);
    uint8_t *bytes = rin_calloc((size_t)n, size, error);
    if (!bytes) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        float value = t->values[RIN_MIN(i, t->count - 1)];
        double wide = (double)value;
        if (t->type == RIN_STORED_F64) memcpy(bytes + (size_t)i * size, &wide, size);
        else if (t->type == RIN_STORED_BF16) memcpy(bytes + (size_t)i * size, (char *)&value + 2, size);
        else memcpy(bytes + (size_t)i * size, &value, size);
    }
    rin_status status = rin_safetensors_writer_write(w->writer, bytes, (size_t)n * size, error);
    rin_free(bytes);
    return status;
}

static rin_status write_all(const writing *w, rin_error *error) {
    static const int64_t counter = 7;
    rin_weights_source source = rin_formula_weights();
    rin_status status = RIN_OK;
    if (w->changes->additional) status = rin_safetensors_writer_write(w->writer, &counter, sizeof counter, error);
    for (int i = 0; i < w->weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *from = tensor_at(w, i);
        float *values = rin_calloc((size_t)from->count, sizeof *values, error);
        status = values ? source.fill(source.user, from, values, error) : RIN_ERR_MEMORY;
        if (status == RIN_OK && w->changes->counters && ends_unit(from->name))
            status = rin_safetensors_writer_write(w->writer, &counter, sizeof counter, error);
        if (status == RIN_OK) {
            formula_tensor t = describe(from, values, w->changes);
            if (*t.name) status = write_values(w, &t, error);
        }
        rin_free(values);
    }
    return status;
}

static rin_status write_file(rin_feature_network network, const char *path, writing *w, rin_graph *graph,
                             rin_backend *backend, rin_error *error) {
    rin_weights *weights = NULL;
    if (network == RIN_NETWORK_INCEPTION) rin_inception_build(graph, 1, NULL, 0);
    else rin_i3d_build(graph, 1, RIN_I3D_LEAST_FRAMES, NULL, 0);
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK) status = rin_weights_lay_out(graph, backend, &weights, error);
    w->weights = weights;
    if (status == RIN_OK) status = rin_safetensors_writer_create(&w->writer, error);
    if (status == RIN_OK) status = declare(w, error);
    if (status == RIN_OK) status = rin_safetensors_writer_begin(w->writer, path, error);
    if (status == RIN_OK) status = write_all(w, error);
    if (status == RIN_OK) status = rin_safetensors_writer_commit(w->writer, error);
    rin_safetensors_writer_free(w->writer);
    rin_weights_free(weights);
    return status;
}

rin_status formula_write(rin_feature_network network, const char *path, const formula_changes *changes,
                         rin_error *error) {
    static const formula_changes none = {0};
    writing w = {.changes = changes ? changes : &none};
    rin_backend *backend = NULL;
    rin_graph *graph = rin_graph_create(error);
    rin_status status = graph ? rin_backend_create("cpu", &(rin_backend_options){.threads = 1}, &backend, error)
                              : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = write_file(network, path, &w, graph, backend, error);
    rin_backend_free(backend);
    rin_graph_free(graph);
    return status;
}

static int report(rin_status status, const rin_error *error) {
    if (status == RIN_OK) return 0;
    print_error("%s\n", error->text);
    return -1;
}

int formula_lab(run_lab *lab, rin_feature_network network, char path[FORMULA_PATH]) {
    rin_error error = {0};
    run_lab_create(lab);
    snprintf(path, FORMULA_PATH, "%s/%s.safetensors", lab->folder, rin_feature_network_name(network));
    return report(formula_write(network, path, NULL, &error), &error);
}

int formula_open_model(const char *run, rin_model **model) {
    rin_error error = {0};
    return report(rin_model_open(run, NULL, 1, model, &error), &error);
}

rin_config *formula_config(const rin_config *base, const char *weights, const char *reference, const char *options,
                           const char *more) {
    rin_error error = {0};
    rin_config *config;
    if (base) assert_ok(rin_config_copy(base, &config, &error), &error);
    else assert_ok(rin_config_create(&config, &error), &error);
    assert_ok(rin_config_set(config, "eval.weights", weights, &error), &error);
    if (reference) assert_ok(rin_config_set(config, "eval.reference", reference, &error), &error);
    options_set(config, options);
    options_set(config, more);
    return config;
}
