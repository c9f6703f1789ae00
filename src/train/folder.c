/* SPDX-License-Identifier: MIT */
/* The folder of a run: config.ini, run.json, metrics.jsonl, samples. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "train/train.h"

enum { MOST_JSON_BYTES = 64 << 20 };

char *rin_run_path(const rin_trainer *trainer, const char *name, rin_error *error) {
    return rin_path_join(trainer->run, name, error);
}

static rin_status write_text(const rin_trainer *trainer, const char *name, const char *text, rin_error *error) {
    char *path = rin_run_path(trainer, name, error);
    rin_status status = path ? rin_file_write(path, text, strlen(text), error) : RIN_ERR_MEMORY;
    rin_free(path);
    return status;
}

/* ---- creating and reading ---- */

rin_status rin_run_refuse_used(const char *run, rin_error *error) {
    DIR *folder = opendir(run);
    if (!folder && errno == ENOENT) return RIN_OK;
    if (!folder) return rin_error_set(error, RIN_ERR_IO, "cannot open run folder '%s': %s", run, strerror(errno));
    rin_status status = RIN_OK;
    for (const struct dirent *entry; status == RIN_OK && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = rin_error_set(
            error, RIN_ERR_ARG,
            "run folder '%s' is not empty (it holds '%s'): continue that run with --resume, or name another folder",
            run, entry->d_name);
    }
    closedir(folder);
    return status;
}

static rin_status write_run_json(const rin_trainer *trainer, rin_error *error) {
    cJSON *root = cJSON_CreateObject(), *classes = cJSON_AddArrayToObject(root, "classes");
    bool ok = classes && cJSON_AddStringToObject(root, "data", trainer->data) &&
              cJSON_AddNumberToObject(root, "items", (double)rin_dataset_count(trainer->dataset)) &&
              cJSON_AddStringToObject(root, "version", rin_version());
    for (int64_t i = 0; i < trainer->description.n_classes && ok; i++) {
        ok = cJSON_AddItemToArray(classes, cJSON_CreateString(trainer->description.classes[i]));
    }
    char *text = ok ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) return rin_error_set(error, RIN_ERR_MEMORY, "out of memory while writing run.json");
    rin_status status = write_text(trainer, "run.json", text, error);
    cJSON_free(text);
    return status;
}

rin_status rin_run_create_folder(rin_trainer *trainer, rin_error *error) {
    char *ini = NULL;
    rin_status status = rin_dir_create(trainer->run, error);
    if (status == RIN_OK) status = rin_run_refuse_used(trainer->run, error);
    if (status == RIN_OK) status = rin_config_format(&trainer->config, &ini, error);
    if (status == RIN_OK) status = write_run_json(trainer, error);
    if (status == RIN_OK) status = write_text(trainer, "config.ini", ini, error);
    rin_string_free(ini);
    return status;
}

static rin_status parse_run_json(rin_trainer *trainer, const char *text, size_t n, int64_t *n_items, rin_error *error) {
    cJSON *root = cJSON_ParseWithLength(text, n);
    const char *data = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "data"));
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(root, "items");
    char *classes = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(root, "classes"));
    rin_status status = RIN_OK;
    if (!data || !cJSON_IsNumber(items) || !classes) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "run.json lacks data, items or classes");
    } else {
        *n_items = (int64_t)items->valuedouble;
        trainer->data = rin_strdup(data, error);
        status = trainer->data ? rin_description_parse_classes(&trainer->description, classes, error) : RIN_ERR_MEMORY;
    }
    cJSON_free(classes);
    cJSON_Delete(root);
    return status;
}

rin_status rin_run_read_folder(rin_trainer *trainer, int64_t *n_items, rin_error *error) {
    char *json = rin_run_path(trainer, "run.json", error), *ini = rin_run_path(trainer, "config.ini", error),
         *text = NULL;
    size_t n = 0;
    rin_status status = json && ini ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK && (!rin_path_exists(json) || !rin_path_exists(ini))) {
        status = rin_error_set(error, RIN_ERR_IO, "'%s' is no run to resume: it has no %s", trainer->run,
                               rin_path_exists(json) ? "config.ini" : "run.json");
    }
    if (status == RIN_OK) status = rin_config_load_file(&trainer->config, ini, error);
    if (status == RIN_OK) status = rin_file_read(json, MOST_JSON_BYTES, &text, &n, error);
    if (status == RIN_OK) status = parse_run_json(trainer, text, n, n_items, error);
    rin_free(text);
    rin_free(json);
    rin_free(ini);
    return status;
}

/* ---- metrics ---- */

/* Bytes of the lines that belong to steps up to `step`. */
static size_t lines_until(const char *text, size_t n, int64_t step) {
    size_t kept = 0;
    while (kept < n) {
        const char *line = text + kept, *end = memchr(line, '\n', n - kept);
        long long at;
        if (!end || sscanf(line, "{\"step\": %lld", &at) != 1 || at > step) break;
        kept = (size_t)(end - text) + 1;
    }
    return kept;
}

rin_status rin_run_open_metrics(rin_trainer *trainer, rin_error *error) {
    char *path = rin_run_path(trainer, "metrics.jsonl", error), *text = NULL;
    size_t n = 0;
    rin_status status = path ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK && rin_path_exists(path)) {
        status = rin_file_read(path, (size_t)1 << 40, &text, &n, error);
        size_t kept = status == RIN_OK ? lines_until(text, n, trainer->step) : 0;
        if (status == RIN_OK && kept < n) status = rin_file_write(path, text, kept, error);
    }
    if (status == RIN_OK && !(trainer->metrics = fopen(path, "ab"))) {
        status = rin_error_set(error, RIN_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    }
    rin_free(text);
    rin_free(path);
    return status;
}

rin_status rin_run_write_metrics(rin_trainer *trainer, rin_error *error) {
    double seconds = rin_clock_seconds() - trainer->started;
    double images = (double)((trainer->step - trainer->started_at) * trainer->config.train.batch);
    fprintf(
        trainer->metrics,
        "{\"step\": %lld, \"loss\": %.9g, \"grad_norm\": %.9g, \"learning_rate\": %.9g, \"images_per_second\": %.6g, "
        "\"wait_seconds\": %.3f, \"seconds\": %.3f}\n",
        (long long)trainer->step, trainer->loss_sum / (double)RIN_MAX(trainer->loss_count, 1), trainer->grad_norm,
        trainer->learning_rate, images / RIN_MAX(seconds, 1e-9), rin_loader_wait_seconds(trainer->loader), seconds);
    trainer->loss_sum = 0;
    trainer->loss_count = 0;
    if (fflush(trainer->metrics) == 0) return RIN_OK;
    return rin_error_set(error, RIN_ERR_IO, "cannot write metrics.jsonl in '%s': %s", trainer->run, strerror(errno));
}

/* ---- sample pictures ---- */

static rin_status draw(rin_trainer *trainer, rin_model *model, rin_generator **generator, int64_t rows, int64_t columns,
                       rin_error *error) {
    rin_config config = trainer->config;
    enum { MOST_STEPS = 50 };
    config.sample.steps = RIN_MIN(config.sample.steps, MOST_STEPS);
    int64_t *classes = rin_calloc((size_t)(rows * columns), sizeof *classes, error);
    if (!classes) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < rows * columns; i++) classes[i] = config.model.num_classes ? i / columns : -1;
    rin_status status = rin_generator_create(model, &config, rows * columns, classes, (uint64_t)config.train.seed,
                                             generator, error);
    rin_free(classes);
    if (status == RIN_OK) status = rin_generator_run(*generator, (rin_listener){0}, error);
    return status;
}

rin_status rin_run_write_samples(rin_trainer *trainer, rin_error *error) {
    enum { MOST_CLASSES = 10, A_CLASS = 4 };
    rin_model model = {.description = trainer->description, .backend = trainer->backend, .weights = trainer->weights};
    model.description.config = trainer->config;
    int64_t rows = trainer->config.model.num_classes ? RIN_MIN(trainer->config.model.num_classes, MOST_CLASSES)
                                                     : A_CLASS;
    char *folder = rin_run_path(trainer, "samples", error), *path = NULL;
    rin_generator *generator = NULL;
    snprintf(trainer->sample_path, sizeof trainer->sample_path, "samples/step-%09lld.png", (long long)trainer->step);
    rin_status status = folder && (path = rin_run_path(trainer, trainer->sample_path, error)) ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_dir_create(folder, error);
    if (status == RIN_OK) status = draw(trainer, &model, &generator, rows, A_CLASS, error);
    if (status == RIN_OK) status = rin_generator_write_grid(generator, A_CLASS, path, error);
    rin_generator_free(generator);
    rin_free(folder);
    rin_free(path);
    return status;
}
