/* SPDX-License-Identifier: MIT */
/* Opening trained models, and saying what they are. */
#include <cjson/cJSON.h>
#include <string.h>

#include "model/model.h"
#include "sample/sample.h"

/* The file of a model: path itself, or model.safetensors in the folder of a run. */
static rin_status find_file(const char *path, char **file, rin_error *error) {
    *file = rin_path_is_dir(path) ? rin_path_join(path, "model.safetensors", error) : rin_strdup(path, error);
    if (!*file) return RIN_ERR_MEMORY;
    if (rin_path_exists(*file)) return RIN_OK;
    rin_status status = rin_path_is_dir(path)
                            ? rin_error_set(error, RIN_ERR_IO,
                                            "'%.300s' has no model.safetensors yet: train it to its first checkpoint",
                                            path)
                            : rin_error_set(error, RIN_ERR_IO,
                                            "no model at '%.300s': give a run's folder or a .safetensors file", path);
    rin_free(*file);
    *file = NULL;
    return status;
}

rin_status rin_model_create_weights(const rin_config *config, const rin_safetensors *file, rin_backend *backend,
                                    bool training, rin_weights **out, rin_error *error) {
    rin_graph *graph = NULL;
    *out = NULL;
    rin_status status = rin_model_file_check_layers(config, file, error);
    if (status == RIN_OK) status = rin_model_forward_graph(config, 1, &graph, error);
    if (status == RIN_OK) status = rin_model_file_check_tensors(graph, file, error);
    if (status == RIN_OK) status = rin_weights_create(graph, backend, training, out, error);
    rin_graph_free(graph);
    return status;
}

static rin_status load(rin_model *model, const char *path, const char *device, int threads, rin_error *error) {
    rin_backend_options options = {.threads = threads};
    rin_safetensors *file = NULL;
    char *name = NULL;
    rin_status status = find_file(path, &name, error);
    if (status == RIN_OK) status = rin_safetensors_open(name, &file, error);
    if (status == RIN_OK) status = rin_description_read(&model->description, file, error);
    if (status == RIN_OK) status = rin_backend_create(device ? device : "cpu", &options, &model->backend, error);
    if (status == RIN_OK) {
        status = rin_model_create_weights(&model->description.config, file, model->backend, false, &model->weights,
                                          error);
    }
    if (status == RIN_OK) status = rin_arena_read(model->weights, RIN_ARENA_EMA, "", file, error);
    if (status != RIN_OK && name && file) status = rin_error_prefix(error, status, "model '%.300s'", name);
    rin_safetensors_close(file);
    model->path = name;
    return status;
}

rin_status rin_model_open(const char *path, const char *device, int threads, rin_model **out, rin_error *error) {
    if (!out) return rin_error_null(error, __func__, "out");
    *out = NULL;
    if (!path) return rin_error_null(error, __func__, "path");
    rin_model *model = rin_calloc(1, sizeof *model, error);
    if (!model) return RIN_ERR_MEMORY;
    rin_status status = load(model, path, device, threads, error);
    if (status == RIN_OK) *out = model;
    else rin_model_free(model);
    return status;
}

void rin_model_free(rin_model *model) {
    if (!model) return;
    rin_weights_free(model->weights);
    rin_backend_free(model->backend);
    rin_description_clear(&model->description);
    rin_free(model->path);
    rin_free(model);
}

rin_clip rin_model_clip(const rin_config *config) {
    if (config->model.seq_len == 1) return (rin_clip){0};
    return (rin_clip){config->model.seq_len, config->data.frame_step, config->data.fps};
}

const rin_config *rin_model_config(const rin_model *model) {
    return model ? &model->description.config : NULL;
}

int64_t rin_model_steps(const rin_model *model) {
    return model ? model->description.steps : 0;
}

int64_t rin_model_class_count(const rin_model *model) {
    return model ? model->description.config.model.num_classes : 0;
}

const char *rin_model_class_name(const rin_model *model, int64_t index) {
    if (index < 0 || index >= rin_model_class_count(model)) return NULL;
    return index < model->description.n_classes ? model->description.classes[index] : "";
}

int64_t rin_model_find_class(const rin_model *model, const char *name) {
    return model && name && *name ? rin_description_find_class(&model->description, name) : -1;
}

/* ---- what a file is ---- */

static int64_t count_parameters(const rin_safetensors *file) {
    int64_t n = 0;
    for (size_t i = 0; i < rin_safetensors_count(file); i++) n += (int64_t)rin_safetensors_get(file, i)->n_elements;
    return n;
}

static rin_status describe_as_json(const char *path, const rin_description *d, const rin_safetensors *file, char **text,
                                   rin_error *error) {
    char *model = NULL, *diffusion = NULL;
    rin_status status = rin_config_format_json(&d->config, "model", &model, error);
    if (status == RIN_OK) status = rin_config_format_json(&d->config, "diffusion", &diffusion, error);
    if (status == RIN_OK) {
        cJSON *root = cJSON_CreateObject(), *classes = NULL;
        bool ok = root && cJSON_AddStringToObject(root, "file", path) &&
                  cJSON_AddNumberToObject(root, "parameters", (double)count_parameters(file)) &&
                  cJSON_AddNumberToObject(root, "steps", (double)d->steps) &&
                  (classes = cJSON_AddArrayToObject(root, "classes"));
        for (int64_t i = 0; i < d->n_classes && ok; i++)
            ok = cJSON_AddItemToArray(classes, cJSON_CreateString(d->classes[i]));
        ok = ok && cJSON_AddRawToObject(root, "model", model) && cJSON_AddRawToObject(root, "diffusion", diffusion);
        char *printed = ok ? cJSON_PrintUnformatted(root) : NULL;
        cJSON_Delete(root);
        *text = printed ? rin_strdup(printed, error) : NULL;
        cJSON_free(printed);
        if (!*text) status = rin_error_set(error, RIN_ERR_MEMORY, "out of memory while describing '%.300s'", path);
    }
    rin_string_free(model);
    rin_string_free(diffusion);
    return status;
}

static rin_status describe_as_lines(const char *path, const rin_description *d, const rin_safetensors *file,
                                    char **text, rin_error *error) {
    const rin_config_model *m = &d->config.model;
    const rin_config_diffusion *f = &d->config.diffusion;
    rin_text t = {0};
    rin_text_add(&t, "%s: a Recurrent Interface Network, %lld steps trained\n", path, (long long)d->steps);
    rin_text_add(&t, "  parameters   %lld in %zu tensors\n", (long long)count_parameters(file),
                 rin_safetensors_count(file));
    rin_text_add(&t, "  makes        %lld x %lld pixels, %lld channel%s", (long long)m->image_width,
                 (long long)m->image_height, (long long)m->image_channels, m->image_channels == 1 ? "" : "s");
    if (m->seq_len > 1)
        rin_text_add(&t, ", %lld frames, %lld of them given", (long long)m->seq_len, (long long)m->seq_cond);
    if (m->seq_len > 1 && d->config.data.fps > 0)
        rin_text_add(&t, ", %g a second", d->config.data.fps / (double)d->config.data.frame_step);
    rin_text_add(&t, "\n  tape         %lld tokens of %lld, patches of %lld\n",
                 (long long)(rin_model_times(m) * rin_model_rows(m) * rin_model_cols(m)), (long long)m->tape_dim,
                 (long long)m->patch_size);
    rin_text_add(&t, "  latents      %lld of %lld, blocks of", (long long)m->latent_slots, (long long)m->latent_dim);
    for (int64_t i = 0; i < m->n_num_layers; i++) rin_text_add(&t, " %lld", (long long)m->num_layers[i]);
    rin_text_add(&t, " layers\n  trained as   %s on %s, b_scale %g\n", rin_words_pred_type[f->pred_type],
                 f->train_schedule, f->b_scale);
    rin_text_add(&t, "  classes      %lld", (long long)m->num_classes);
    for (int64_t i = 0; i < d->n_classes; i++) rin_text_add(&t, "%s %s", i ? "," : ":", d->classes[i]);
    if (m->num_classes)
        rin_text_add(&t, "\n  guidance     %s",
                     f->cond_dropout > 0 ? "--guidance W, or --guide MODEL"
                                         : "by --guide MODEL alone: labels were never hidden in training");
    rin_text_add(&t, "\n");
    return rin_text_take(&t, text, error);
}

rin_status rin_model_describe(const char *path, bool json, char **text, rin_error *error) {
    if (!text) return rin_error_null(error, __func__, "text");
    *text = NULL;
    if (!path) return rin_error_null(error, __func__, "path");
    rin_description description = {0};
    rin_safetensors *file = NULL;
    char *name = NULL;
    rin_status status = find_file(path, &name, error);
    if (status == RIN_OK) status = rin_safetensors_open(name, &file, error);
    if (status == RIN_OK) {
        status = rin_description_read(&description, file, error);
        if (status != RIN_OK) status = rin_error_prefix(error, status, "'%.300s'", name);
    }
    if (status == RIN_OK) {
        status = json ? describe_as_json(name, &description, file, text, error)
                      : describe_as_lines(name, &description, file, text, error);
    }
    rin_description_clear(&description);
    rin_safetensors_close(file);
    rin_free(name);
    return status;
}
