/* SPDX-License-Identifier: MIT */
#include "checkpoint/model_file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- descriptions ---- */

void rin_description_clear(rin_description *description) {
    for (int64_t i = 0; i < description->n_classes; i++) rin_free(description->classes[i]);
    rin_free(description->classes);
    description->classes = NULL;
    description->n_classes = 0;
}

rin_status rin_description_copy_classes(rin_description *description, const char *const *classes, int64_t n,
                                        rin_error *error) {
    rin_description_clear(description);
    if (!n) return RIN_OK;
    description->classes = rin_calloc((size_t)n, sizeof *description->classes, error);
    if (!description->classes) return RIN_ERR_MEMORY;
    for (; description->n_classes < n; description->n_classes++) {
        char *name = rin_strdup(classes[description->n_classes], error);
        if (!name) return RIN_ERR_MEMORY;
        rin_text_make_utf8(name);
        description->classes[description->n_classes] = name;
    }
    return RIN_OK;
}

/* Values that a JSON array may have at most: one more than there are commas outside its strings. */
static int64_t count_values(const char *json) {
    int64_t n = 1;
    bool inside = false;
    for (; *json; json++) {
        if (inside && *json == '\\' && json[1]) json++;
        else if (*json == '"') inside = !inside;
        else if (*json == ',' && !inside) n++;
    }
    return n;
}

rin_status rin_description_parse_classes(rin_description *description, const char *json, rin_error *error) {
    int64_t n_values = count_values(json), n_classes = description->config.model.num_classes;
    /* Before a parser makes a tree of them. */
    if (n_values > RIN_MAX(n_classes, 1)) {
        return rin_error_set(error, RIN_ERR_FORMAT, "%lld class names for %lld classes", (long long)n_values,
                             (long long)n_classes);
    }
    cJSON *array = cJSON_ParseWithOpts(json, NULL, true);
    int n = cJSON_GetArraySize(array);
    rin_status status = RIN_OK;
    const char **names = rin_calloc((size_t)RIN_MAX(n, 1), sizeof *names, error);
    if (!names) status = RIN_ERR_MEMORY;
    const cJSON *item = array ? array->child : NULL;
    for (int i = 0; status == RIN_OK && i < n; i++, item = item->next) {
        names[i] = cJSON_GetStringValue(item);
        if (!names[i]) status = rin_error_set(error, RIN_ERR_FORMAT, "class name %d is not a text", i);
    }
    if (status == RIN_OK && !cJSON_IsArray(array))
        status = rin_error_set(error, RIN_ERR_FORMAT, "class names are not a JSON array");
    if (status == RIN_OK && n && n != n_classes)
        status = rin_error_set(error, RIN_ERR_FORMAT, "%d class names for %lld classes", n, (long long)n_classes);
    if (status == RIN_OK) status = rin_description_copy_classes(description, names, n, error);
    rin_free(names);
    cJSON_Delete(array);
    return status;
}

int64_t rin_description_find_class(const rin_description *description, const char *name) {
    for (int64_t i = 0; i < description->n_classes; i++) {
        if (strcmp(description->classes[i], name) == 0) return i;
    }
    char *end;
    long long number = strtoll(name, &end, 10);
    return *name && !*end && number >= 0 && number < description->config.model.num_classes ? number : -1;
}

static rin_status format_classes(const rin_description *description, char **json, rin_error *error) {
    cJSON *array = cJSON_CreateArray();
    bool failed = !array;
    for (int64_t i = 0; i < description->n_classes && !failed; i++) {
        failed = !cJSON_AddItemToArray(array, cJSON_CreateString(description->classes[i]));
    }
    char *text = failed ? NULL : cJSON_PrintUnformatted(array);
    cJSON_Delete(array);
    *json = text ? rin_strdup(text, error) : NULL;
    cJSON_free(text);
    return *json ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "out of memory while writing class names");
}

rin_status rin_description_write(const rin_description *description, rin_safetensors_writer *writer, rin_error *error) {
    char *model = NULL, *diffusion = NULL, *data = NULL, *classes = NULL, steps[32];
    snprintf(steps, sizeof steps, "%lld", (long long)description->steps);
    rin_status status = rin_config_format_json(&description->config, "model", &model, error);
    if (status == RIN_OK) status = rin_config_format_json(&description->config, "diffusion", &diffusion, error);
    /* A video model knows how fast its frames follow each other. */
    if (status == RIN_OK && description->config.model.seq_len > 1)
        status = rin_config_format_json(&description->config, "data", &data, error);
    if (status == RIN_OK) status = format_classes(description, &classes, error);
    const char *const pairs[][2] = {{"format", "rin-1"},  {"model", model}, {"diffusion", diffusion},
                                    {"classes", classes}, {"steps", steps}, {"data", data}};
    for (size_t i = 0; i < RIN_COUNT(pairs) && status == RIN_OK; i++) {
        if (pairs[i][1]) status = rin_safetensors_writer_add_metadata(writer, pairs[i][0], pairs[i][1], error);
    }
    rin_free(model);
    rin_free(diffusion);
    rin_free(data);
    rin_free(classes);
    return status;
}

static bool parse_steps(const char *text, int64_t *steps) {
    enum { MOST_DIGITS = 15 };
    size_t n = strspn(text, "0123456789");
    if (!n || n > MOST_DIGITS || text[n]) return false;
    *steps = strtoll(text, NULL, 10);
    return true;
}

rin_status rin_description_read(rin_description *description, const rin_safetensors *file, rin_error *error) {
    const char *format = rin_safetensors_metadata(file, "format"), *model = rin_safetensors_metadata(file, "model");
    const char *diffusion = rin_safetensors_metadata(file, "diffusion");
    const char *data = rin_safetensors_metadata(file, "data"); /* of video models */
    const char *classes = rin_safetensors_metadata(file, "classes"), *steps = rin_safetensors_metadata(file, "steps");
    if (format && strcmp(format, RIN_STATE_FORMAT) == 0)
        return rin_error_set(error, RIN_ERR_FORMAT,
                             "the state of a training, not a model: take model.safetensors or a guide-*.safetensors of "
                             "the same run, or its folder");
    if (!format || strcmp(format, "rin-1") != 0 || !model || !diffusion || !classes || !steps) {
        return rin_error_set(
            error, RIN_ERR_FORMAT,
            "not a model of this program: its metadata lacks format = rin-1, model, diffusion, classes or steps");
    }
    rin_config *defaults;
    rin_status status = rin_config_create(&defaults, error);
    if (status != RIN_OK) return status;
    description->config = *defaults;
    rin_config_free(defaults);
    status = rin_config_load_json(&description->config, "model", model, error);
    if (status == RIN_OK) status = rin_config_load_json(&description->config, "diffusion", diffusion, error);
    if (status == RIN_OK && data) status = rin_config_load_json(&description->config, "data", data, error);
    if (status == RIN_OK) status = rin_config_validate(&description->config, error);
    if (status == RIN_OK) status = rin_description_parse_classes(description, classes, error);
    if (status == RIN_OK && !parse_steps(steps, &description->steps)) {
        status = rin_error_set(error, RIN_ERR_FORMAT,
                               "metadata steps = '%.40s' is not a number of steps; allowed: digits alone, up to 15",
                               steps);
    }
    return status;
}

/* ---- arenas ---- */

static int64_t largest(const rin_weights *weights) {
    int64_t most = 1;
    for (int i = 0; i < weights->n_tensors; i++) most = RIN_MAX(most, weights->tensors[i].count);
    return most;
}

rin_status rin_arena_declare(const rin_weights *weights, const char *prefix, rin_safetensors_writer *writer,
                             rin_error *error) {
    rin_status status = RIN_OK;
    for (int i = 0; i < weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *tensor = &weights->tensors[i];
        char name[512];
        snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
        status = rin_safetensors_writer_add(writer, name, RIN_STORED_F32, tensor->shape.rank, tensor->shape.dim, error);
    }
    return status;
}

/* What reading refuses is not written either. */
static rin_status check_finite(const rin_tensor *tensor, const char *name, const float *values, rin_error *error) {
    for (int64_t i = 0; i < tensor->count; i++) {
        if (!isfinite(values[i]))
            return rin_error_set(error, RIN_ERR_NUMERIC, "tensor '%s' has %g at element %lld", name, (double)values[i],
                                 (long long)i);
    }
    return RIN_OK;
}

rin_status rin_arena_write(const rin_weights *weights, rin_arena arena, rin_safetensors_writer *writer,
                           rin_error *error) {
    float *values = rin_calloc((size_t)largest(weights), sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    for (int i = 0; i < weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *tensor = &weights->tensors[i];
        rin_weights_download(weights, arena, tensor, values);
        status = check_finite(tensor, tensor->name, values, error);
        size_t bytes = (size_t)tensor->count * sizeof *values;
        if (status == RIN_OK) status = rin_safetensors_writer_write(writer, values, bytes, error);
    }
    rin_free(values);
    return status;
}

static bool same_shape(const rin_stored_tensor *stored, const rin_shape *shape) {
    if (stored->rank != shape->rank) return false;
    for (int i = 0; i < shape->rank; i++) {
        if (stored->shape[i] != shape->dim[i]) return false;
    }
    return true;
}

/* The tensor of this name, which must have this shape and a floating type. */
static rin_status find_stored(const rin_safetensors *file, const char *name, const rin_shape *shape,
                              const rin_stored_tensor **out, rin_error *error) {
    const rin_stored_tensor *stored = *out = rin_safetensors_find(file, name);
    char wanted[96], seen[96];
    if (!stored) {
        return rin_error_set(error, RIN_ERR_FORMAT, "tensor '%s' is missing; the model wants it with shape %s", name,
                             rin_shape_text(shape, wanted));
    }
    if (!same_shape(stored, shape)) {
        rin_shape found = {.rank = RIN_MIN(stored->rank, RIN_MAX_RANK)};
        for (int i = 0; i < found.rank; i++) found.dim[i] = stored->shape[i];
        return rin_error_set(error, RIN_ERR_FORMAT, "tensor '%s' has shape %s%s, the model wants %s", name,
                             rin_shape_text(&found, seen), stored->rank > found.rank ? " and more" : "",
                             rin_shape_text(shape, wanted));
    }
    switch (stored->type) {
    case RIN_STORED_F64:
    case RIN_STORED_F32:
    case RIN_STORED_F16:
    case RIN_STORED_BF16: return RIN_OK;
    default:
        return rin_error_set(error, RIN_ERR_FORMAT, "tensor '%s' has elements of type %s; allowed: F64, F32, F16, BF16",
                             name, rin_stored_type_name(stored->type));
    }
}

static rin_status read_tensor(const rin_tensor *tensor, const char *name, const rin_safetensors *file, float *values,
                              rin_error *error) {
    const rin_stored_tensor *stored;
    rin_status status = find_stored(file, name, &tensor->shape, &stored, error);
    if (status == RIN_OK) status = rin_safetensors_read(file, stored, values, (size_t)tensor->count, error);
    return status == RIN_OK ? check_finite(tensor, name, values, error) : status;
}

rin_status rin_arena_read(rin_weights *weights, rin_arena arena, const char *prefix, const rin_safetensors *file,
                          rin_error *error) {
    float *values = rin_calloc((size_t)largest(weights), sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    for (int i = 0; i < weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *tensor = &weights->tensors[i];
        char name[512];
        snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
        status = read_tensor(tensor, name, file, values, error);
        if (status == RIN_OK) rin_weights_upload(weights, arena, tensor, values);
    }
    rin_free(values);
    return status;
}

rin_status rin_model_file_save(const char *path, const rin_description *description, const rin_weights *weights,
                               rin_arena arena, rin_error *error) {
    rin_safetensors_writer *writer;
    rin_status status = rin_safetensors_writer_create(&writer, error);
    if (status != RIN_OK) return status;
    status = rin_description_write(description, writer, error);
    if (status == RIN_OK) status = rin_arena_declare(weights, "", writer, error);
    if (status == RIN_OK) status = rin_safetensors_writer_begin(writer, path, error);
    if (status == RIN_OK) status = rin_arena_write(weights, arena, writer, error);
    if (status == RIN_OK) status = rin_safetensors_writer_commit(writer, error);
    rin_safetensors_writer_free(writer);
    return status;
}

rin_status rin_model_file_check_layers(const rin_config *config, const rin_safetensors *file, rin_error *error) {
    /* The attention of every latent layer and every read: a layer norm and four linear layers of two tensors each. */
    enum { OF_A_LAYER = 10 };
    const rin_config_model *m = &config->model;
    int64_t layers = m->n_num_layers;
    for (int64_t i = 0; i < m->n_num_layers; i++) layers += m->num_layers[i];
    if ((uint64_t)layers * OF_A_LAYER <= rin_safetensors_count(file)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "the configuration describes a network of %lld layers, reads included, which has over %lld "
                         "tensors; the file has %zu",
                         (long long)layers, (long long)layers * OF_A_LAYER, rin_safetensors_count(file));
}

rin_status rin_model_file_check_tensors(const rin_graph *graph, const rin_safetensors *file, rin_error *error) {
    rin_status status = RIN_OK;
    for (int i = 1; i < graph->n_values && status == RIN_OK; i++) {
        const rin_value_info *info = &graph->values[i];
        const rin_stored_tensor *stored;
        if (info->kind == RIN_VALUE_PARAM) status = find_stored(file, info->name, &info->shape, &stored, error);
    }
    for (size_t i = 0; i < rin_safetensors_count(file) && status == RIN_OK; i++) {
        const char *name = rin_safetensors_get(file, i)->name;
        if (graph->values[rin_graph_find(graph, name)].kind == RIN_VALUE_PARAM) continue;
        status = rin_error_set(error, RIN_ERR_FORMAT,
                               "tensor '%.80s' is not part of the model that the configuration describes", name);
    }
    return status;
}
