/* SPDX-License-Identifier: MIT */
/* Case folders: opening them, finding out what kind of case it is, and telling how each of its checks ended. */
#include <math.h>
#include <string.h>

#include "check/sampler_case.h"

static bool is_model(const cJSON *json) {
    return cJSON_HasObjectItem(json, "model") || cJSON_HasObjectItem(json, "checks");
}

/* By what a case.json holds. What is none of them is taken for a model's case, which then says what it lacks. */
static const rin_case_kind kinds[] = {
    {"model", is_model, rin_check_model},
    {"sampled network", rin_check_is_sampled_network, rin_check_sampled_network},
    {"analytic", rin_check_is_analytic, rin_check_analytic},
    {"files", rin_check_is_files, rin_check_files},
    {"scores", rin_check_is_scores, rin_check_scores},
    {"end to end", rin_check_is_end_to_end, rin_check_end_to_end},
    {"resize", rin_check_is_resize, rin_check_resize},
    {"network", rin_check_is_network, rin_check_network},
};

/* ---- the folder ---- */

static const char case_file[] = "case.json", json_end[] = ".json";

/* A folder, whose case.json is the case; or the case's file itself, NAME.json, its numbers in NAME.safetensors. */
static rin_status split_path(rin_case *c, const char *path, rin_error *error) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!rin_has_suffix(path, json_end) || rin_path_is_dir(path)) {
        c->own_folder = rin_strdup(path, error);
        c->file = case_file;
    } else {
        c->own_folder = rin_strdup(slash ? path : ".", error);
        if (c->own_folder && slash) c->own_folder[slash - path + (slash == path)] = '\0';
        c->file = name;
    }
    c->folder = c->own_folder;
    if (!c->own_folder) return RIN_ERR_MEMORY;
    if (strlen(c->file) < RIN_CASE_NAME) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "'%.300s': the name is longer than %d bytes", path, (int)RIN_CASE_NAME);
}

rin_status rin_case_open_file(const rin_case *c, const char *name, rin_safetensors **file, rin_error *error) {
    char *path = rin_path_join(c->folder, name, error);
    if (!path) return RIN_ERR_MEMORY;
    rin_status status = rin_safetensors_open(path, file, error);
    rin_free(path);
    return status;
}

rin_status rin_case_open_numbers(rin_case *c, rin_error *error) {
    char name[RIN_CASE_NAME + 16] = "io.safetensors";
    if (strcmp(c->file, case_file) != 0)
        snprintf(name, sizeof name, "%.*s.safetensors", (int)(strlen(c->file) - strlen(json_end)), c->file);
    rin_status status = rin_case_open_file(c, name, &c->io, error);
    if (status != RIN_OK) return status;
    c->used = rin_calloc(rin_safetensors_count(c->io), sizeof *c->used, error);
    return c->used ? RIN_OK : RIN_ERR_MEMORY;
}

rin_status rin_case_read_json(const rin_case *c, const char *name, cJSON **out, rin_error *error) {
    enum { MOST_BYTES = 1 << 20 };
    char *path = rin_path_join(c->folder, name, error), *text = NULL;
    size_t n;
    rin_status status = path ? rin_file_read(path, MOST_BYTES, &text, &n, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        *out = cJSON_ParseWithLength(text, n);
        if (!*out) status = rin_error_set(error, RIN_ERR_FORMAT, "'%s' is not JSON", path);
    }
    rin_free(text);
    rin_free(path);
    return status;
}

static rin_status open_case(rin_case *c, rin_error *error) {
    rin_backend_options options = {.threads = c->threads};
    rin_status status = rin_case_read_json(c, c->file, &c->json, error);
    if (status == RIN_OK && !cJSON_IsObject(c->json))
        status = rin_error_set(error, RIN_ERR_FORMAT, "%s is not a JSON object", c->file);
    if (status == RIN_OK) status = rin_backend_create(c->device, &options, &c->backend, error);
    return status;
}

static void close_case(rin_case *c) {
    cJSON_Delete(c->json);
    rin_safetensors_close(c->weights_file);
    rin_safetensors_close(c->io);
    rin_backend_free(c->backend);
    rin_free(c->used);
    rin_free(c->own_folder);
}

static const rin_case_kind *kind_of(const rin_case *c) {
    for (size_t i = 0; i < RIN_COUNT(kinds); i++) {
        if (kinds[i].is(c->json)) return &kinds[i];
    }
    return &kinds[0];
}

/* ---- its tensors ---- */

const rin_stored_tensor *rin_case_find(rin_case *c, const char *format, ...) {
    char name[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (!c->io || length < 0 || (size_t)length >= sizeof name) return NULL;
    for (size_t i = 0; i < rin_safetensors_count(c->io); i++) {
        if (strcmp(rin_safetensors_get(c->io, i)->name, name) != 0) continue;
        c->used[i] = true;
        return rin_safetensors_get(c->io, i);
    }
    return NULL;
}

/* ---- how a check ended ---- */

rin_check rin_check_begin(rin_case *c, const cJSON *options, const char *name) {
    return (rin_check){.of = c, .options = options, .name = name, .worst = {.tolerance = 1, .index = -1}};
}

/* How far beyond its tolerance an error is; of none, any error is infinitely far. */
static double excess(double error, double tolerance) {
    if (tolerance > 0) return error / tolerance;
    return error > 0 ? INFINITY : 0;
}

void rin_check_note(rin_check *check, const char *tensor, int64_t index, double error, double tolerance) {
    if (!isfinite(error)) error = INFINITY;
    bool worse = excess(error, tolerance) > excess(check->worst.error, check->worst.tolerance);
    if (!worse && check->worst.index >= 0) return;
    check->worst.error = error;
    check->worst.tolerance = tolerance;
    check->worst.index = index;
    snprintf(check->worst.tensor, sizeof check->worst.tensor, "%s", tensor);
}

void rin_check_end(const rin_check *check, rin_status status, const rin_error *failure) {
    rin_case *c = check->of;
    bool within = check->worst.index >= 0 && check->worst.error <= check->worst.tolerance;
    const char *nothing = check->worst.index < 0 ? "nothing in it was compared" : "";
    rin_check_result result = {.name = check->name,
                               .passed = status == RIN_OK && within,
                               .error = check->worst.error,
                               .tolerance = check->worst.tolerance,
                               .tensor = check->worst.tensor,
                               .index = check->worst.index,
                               .message = status == RIN_OK ? nothing : failure->text};
    if (status != RIN_OK) c->incomplete = true;
    if (!result.passed) c->n_failed++;
    if (c->on_result) c->on_result(c->user, &result);
}

/* A tensor that belongs to no check means that something expected was not compared. */
static void report_unused(rin_case *c) {
    for (size_t i = 0; c->io && i < rin_safetensors_count(c->io); i++) {
        if (c->used[i]) continue;
        rin_check_result result = {.name = "unused",
                                   .tensor = rin_safetensors_get(c->io, i)->name,
                                   .index = -1,
                                   .message = "no check reads this tensor"};
        c->n_failed++;
        if (c->on_result) c->on_result(c->user, &result);
        return;
    }
}

rin_status rin_check_case(const char *folder, const char *device, int threads, rin_check_fn on_result, void *user,
                          int *n_failed, rin_error *error) {
    if (n_failed) *n_failed = 0;
    if (!folder) return rin_error_null(error, __func__, "folder");
    rin_case c = {.device = device ? device : "cpu", .threads = threads, .on_result = on_result, .user = user};
    rin_status status = split_path(&c, folder, error);
    if (status == RIN_OK) status = open_case(&c, error);
    if (status == RIN_OK) status = kind_of(&c)->run(&c, error);
    if (status != RIN_OK) status = rin_error_prefix(error, status, "%.300s", folder);
    else if (!c.incomplete) report_unused(&c);
    if (n_failed) *n_failed = c.n_failed;
    close_case(&c);
    return status;
}
