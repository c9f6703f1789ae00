/* SPDX-License-Identifier: MIT */
/* Cases of models: the weights and numbers of a folder, and the loop over the checks that its case.json lists. */
#include <math.h>
#include <string.h>

#include "check/check.h"
#include "sample/sample.h"

static const rin_check_kind kinds[] = {
    {"forward", false, rin_check_forward},
    {"loss", true, rin_check_loss},
    {"sample", false, rin_check_sample},
    {"train", true, rin_check_train},
};

/* ---- reading ---- */

static const rin_stored_tensor *find(rin_check *check, const char *name) {
    return rin_case_find(check->of, "%s/%s", check->name, name);
}

rin_status rin_check_read(rin_check *check, const char *name, bool optional, float **values, int64_t *n,
                          rin_error *error) {
    const rin_stored_tensor *tensor = find(check, name);
    *values = NULL;
    *n = 0;
    if (!tensor && optional) return RIN_OK;
    if (!tensor) return rin_error_set(error, RIN_ERR_FORMAT, "tensor '%s/%s' is missing", check->name, name);
    *values = rin_calloc(tensor->n_elements, sizeof **values, error);
    if (!*values) return RIN_ERR_MEMORY;
    *n = (int64_t)tensor->n_elements;
    rin_status status = rin_safetensors_read(check->of->io, tensor, *values, tensor->n_elements, error);
    if (status == RIN_OK) return RIN_OK;
    rin_free(*values);
    *values = NULL;
    return status;
}

void rin_check_ignore(rin_check *check, const char *name) {
    (void)find(check, name);
}

rin_status rin_check_read_labels(rin_check *check, int64_t classes, float **one_hot, rin_error *error) {
    int64_t n = 0;
    float *labels = NULL;
    *one_hot = NULL;
    if (!classes) return RIN_OK;
    rin_status status = rin_check_read(check, "labels", true, &labels, &n, error);
    if (labels && n != check->batch)
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s/labels': one a batch example", check->name);
    if (status == RIN_OK) *one_hot = rin_calloc((size_t)(check->batch * classes), sizeof **one_hot, error);
    if (status == RIN_OK && !*one_hot) status = RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n && status == RIN_OK; i++) {
        if (labels[i] >= 0 && labels[i] < (float)classes) (*one_hot)[i * classes + (int64_t)labels[i]] = 1;
        else
            status = rin_error_set(error, RIN_ERR_FORMAT, "label %g of %lld classes", (double)labels[i],
                                   (long long)classes);
    }
    rin_free(labels);
    return status;
}

double rin_check_number(const rin_check *check, const char *key, double otherwise) {
    return rin_row_number(check->options, key, otherwise);
}

const char *rin_check_word(const rin_check *check, const char *key, const char *otherwise) {
    return rin_row_word(check->options, key, otherwise);
}

/* ---- comparing ---- */

rin_status rin_check_compare(rin_check *check, const char *name, const float *values, int64_t n, double tolerance,
                             double scale, rin_error *error) {
    float *expected;
    int64_t n_expected;
    char full[512];
    snprintf(full, sizeof full, "%s/%s", check->name, name);
    tolerance = fmax(tolerance, check->of->backend->table->rounding);
    rin_status status = rin_check_read(check, name, false, &expected, &n_expected, error);
    if (status != RIN_OK) return status;
    if (n_expected != n) {
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s/%s' has %lld numbers, the model makes %lld", check->name,
                               name, (long long)n_expected, (long long)n);
    }
    if (status == RIN_OK && scale == 0) {
        for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)expected[i]));
    }
    for (int64_t i = 0; i < n && status == RIN_OK; i++) {
        double error_here = fabs((double)values[i] - (double)expected[i]) / (scale > 0 ? scale : 1);
        rin_check_note(check, full, i, error_here, tolerance);
    }
    rin_free(expected);
    return status;
}

/* ---- the case ---- */

static rin_status load_section(const cJSON *json, const char *section, rin_config *config, rin_error *error) {
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, section));
    if (!text) return rin_error_set(error, RIN_ERR_FORMAT, "case.json has no object '%s'", section);
    rin_status status = rin_config_load_json(config, section, text, error);
    cJSON_free(text);
    return status;
}

rin_status rin_case_load_config(const cJSON *json, rin_config *out, rin_error *error) {
    rin_config *defaults = NULL;
    rin_status status = rin_config_create(&defaults, error);
    if (status == RIN_OK) *out = *defaults;
    rin_config_free(defaults);
    if (status == RIN_OK) status = load_section(json, "model", out, error);
    if (status == RIN_OK) status = load_section(json, "diffusion", out, error);
    /* The numbers were made without the random parts of training. */
    out->model.drop_path = out->model.drop_units = out->model.drop_att = out->diffusion.cond_dropout = 0;
    return status == RIN_OK ? rin_config_validate(out, error) : status;
}

static rin_status load_weights(rin_check *check, bool training, rin_error *error) {
    rin_case *c = check->of;
    rin_status status = rin_model_create_weights(&c->config, c->weights_file, c->backend, training, &check->weights,
                                                 error);
    if (status == RIN_OK) status = rin_arena_read(check->weights, RIN_ARENA_WEIGHTS, "", c->weights_file, error);
    if (status == RIN_OK) status = rin_arena_read(check->weights, RIN_ARENA_EMA, "", c->weights_file, error);
    return status;
}

/* Examples of a check: the first dimension of the tensor that all of its kind have. */
static rin_status find_batch(rin_check *check, rin_error *error) {
    static const char *const names[] = {"x", "images", "noise0"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        const rin_stored_tensor *tensor = find(check, names[i]);
        bool steps = strcmp(rin_check_word(check, "kind", ""), "train") == 0;
        if (!tensor || !tensor->n_elements || tensor->rank < 2 + steps) continue;
        check->batch = tensor->shape[steps];
        if (check->batch >= 1) return RIN_OK;
    }
    return rin_error_set(error, RIN_ERR_FORMAT, "'%s' has none of x, images, noise0 in io.safetensors", check->name);
}

static rin_status run_check(rin_check *check, rin_error *error) {
    const char *kind = rin_check_word(check, "kind", "");
    for (size_t i = 0; i < RIN_COUNT(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) != 0) continue;
        rin_status status = find_batch(check, error);
        if (status == RIN_OK) status = load_weights(check, kinds[i].training, error);
        if (status == RIN_OK) status = kinds[i].run(check, error);
        rin_weights_free(check->weights);
        return status;
    }
    return rin_error_set(error, RIN_ERR_UNSUPPORTED, "unknown kind of check '%s'", kind);
}

static rin_status open_model(rin_case *c, rin_error *error) {
    rin_status status = rin_case_load_config(c->json, &c->config, error);
    if (status == RIN_OK) status = rin_case_open_file(c, "weights.safetensors", &c->weights_file, error);
    if (status == RIN_OK) status = rin_case_open_numbers(c, error);
    return status;
}

rin_status rin_check_model(rin_case *c, rin_error *error) {
    rin_status status = open_model(c, error);
    const cJSON *checks = cJSON_GetObjectItemCaseSensitive(c->json, "checks"), *item;
    if (status == RIN_OK && cJSON_GetArraySize(checks) < 1)
        status = rin_error_set(error, RIN_ERR_FORMAT, "case.json lists no checks");
    if (status != RIN_OK) return status;
    cJSON_ArrayForEach(item, checks) {
        rin_error failure = {0};
        rin_check check = rin_check_begin(c, item, rin_row_word(item, "name", "(no name)"));
        rin_check_end(&check, run_check(&check, &failure), &failure);
    }
    return RIN_OK;
}
