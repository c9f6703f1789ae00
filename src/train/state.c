/* SPDX-License-Identifier: MIT */
/* The state of a run on disk: weights, moving average, moments, and where the run is. Random numbers and the order of
 * the data are functions of the seed and the step, so nothing else is needed to continue bit for bit. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/train.h"

static const struct {
    rin_arena arena;
    const char *prefix;
} parts[] = {{RIN_ARENA_WEIGHTS, "weights/"}, {RIN_ARENA_EMA, "ema/"}, {RIN_ARENA_M, "m/"}, {RIN_ARENA_V, "v/"}};

/* ---- saving ---- */

static rin_status add_number(rin_safetensors_writer *writer, const char *key, const char *format, double value,
                             rin_error *error) {
    char text[64];
    snprintf(text, sizeof text, format, value);
    return rin_safetensors_writer_add_metadata(writer, key, text, error);
}

static rin_status write_state(rin_trainer *trainer, const char *path, rin_error *error) {
    rin_safetensors_writer *writer;
    rin_status status = rin_safetensors_writer_create(&writer, error);
    if (status != RIN_OK) return status;
    status = rin_safetensors_writer_add_metadata(writer, "format", "rin-state-1", error);
    if (status == RIN_OK) status = add_number(writer, "step", "%.0f", (double)trainer->step, error);
    if (status == RIN_OK) status = add_number(writer, "loss_sum", "%a", trainer->loss_sum, error);
    if (status == RIN_OK) status = add_number(writer, "loss_count", "%.0f", (double)trainer->loss_count, error);
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        status = rin_arena_declare(trainer->weights, parts[i].prefix, writer, error);
    }
    if (status == RIN_OK) status = rin_safetensors_writer_begin(writer, path, error);
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        status = rin_arena_write(trainer->weights, parts[i].arena, writer, error);
    }
    if (status == RIN_OK) status = rin_safetensors_writer_commit(writer, error);
    rin_safetensors_writer_free(writer);
    return status;
}

/* Opens a state and reads its step. *file is NULL after an error. */
static rin_status open_state(const char *path, rin_safetensors **out, int64_t *step, rin_error *error) {
    *out = NULL;
    rin_safetensors *file;
    rin_status status = rin_safetensors_open(path, &file, error);
    if (status != RIN_OK) return status;
    const char *format = rin_safetensors_metadata(file, "format"), *text = rin_safetensors_metadata(file, "step");
    char *end = NULL;
    *step = text ? strtoll(text, &end, 10) : -1;
    if (!format || strcmp(format, "rin-state-1") != 0 || *step < 0 || *end) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "'%s' is not the state of a training run", path);
    }
    if (status == RIN_OK) *out = file;
    else rin_safetensors_close(file);
    return status;
}

/* "<run>/state-<step>.safetensors", where an older state is kept (rin_free). */
static char *old_path(const rin_trainer *trainer, int64_t step, rin_error *error) {
    char name[64];
    snprintf(name, sizeof name, "state-%09lld.safetensors", (long long)step);
    return rin_run_path(trainer, name, error);
}

/* The state that is about to be replaced gets a second name, so that at no moment there is none. */
static rin_status keep_old(rin_trainer *trainer, const char *path, rin_error *error) {
    int64_t step;
    rin_safetensors *file;
    if (trainer->config.train.keep < 2 || !rin_path_exists(path)) return RIN_OK;
    if (open_state(path, &file, &step, NULL) != RIN_OK) return RIN_OK;
    rin_safetensors_close(file);
    if (step == trainer->step) return RIN_OK;
    char *kept = old_path(trainer, step, error);
    if (!kept) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    if (link(path, kept) != 0 && errno != EEXIST) {
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                      "cannot keep the checkpoint of step %lld beside the new one: %s", (long long)step,
                      strerror(errno));
    }
    rin_free(kept);
    return status;
}

typedef struct old_states {
    int64_t *steps; /* newest first */
    int n;
} old_states;

static int newest_first(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static rin_status list_old(const rin_trainer *trainer, old_states *out, rin_error *error) {
    *out = (old_states){0};
    DIR *folder = opendir(trainer->run);
    if (!folder) return rin_error_set(error, RIN_ERR_IO, "cannot list '%s': %s", trainer->run, strerror(errno));
    rin_status status = RIN_OK;
    for (const struct dirent *entry; status == RIN_OK && (entry = readdir(folder));) {
        char *end;
        if (strncmp(entry->d_name, "state-", 6) != 0) continue;
        long long step = strtoll(entry->d_name + 6, &end, 10);
        if (step < 0 || strcmp(end, ".safetensors") != 0) continue;
        int64_t *steps = rin_realloc(out->steps, (size_t)out->n + 1, sizeof *steps, error);
        if (!steps) {
            status = RIN_ERR_MEMORY;
        } else {
            out->steps = steps;
            out->steps[out->n++] = step;
        }
    }
    closedir(folder);
    if (out->n) qsort(out->steps, (size_t)out->n, sizeof *out->steps, newest_first);
    return status;
}

static rin_status remove_old(rin_trainer *trainer, rin_error *error) {
    old_states old;
    rin_status status = list_old(trainer, &old, error);
    for (int i = 0; i < old.n && status == RIN_OK; i++) {
        /* States beyond this step are from a run that was continued from an older one. */
        if (old.steps[i] < trainer->step && i + 1 < trainer->config.train.keep) continue;
        char *path = old_path(trainer, old.steps[i], error);
        if (!path) status = RIN_ERR_MEMORY;
        else (void)unlink(path);
        rin_free(path);
    }
    rin_free(old.steps);
    return status;
}

rin_status rin_state_save(rin_trainer *trainer, rin_error *error) {
    char *model = rin_run_path(trainer, "model.safetensors", error),
         *state = rin_run_path(trainer, "state.safetensors", error);
    rin_status status = model && state ? RIN_OK : RIN_ERR_MEMORY;
    trainer->description.steps = trainer->step;
    /* The model first: a run is finished when its state says so, and then the model must be there. */
    if (status == RIN_OK)
        status = rin_model_file_save(model, &trainer->description, trainer->weights, RIN_ARENA_EMA, error);
    if (status == RIN_OK) status = keep_old(trainer, state, error);
    if (status == RIN_OK) status = write_state(trainer, state, error);
    if (status == RIN_OK) status = remove_old(trainer, error);
    rin_free(model);
    rin_free(state);
    return status;
}

/* ---- loading ---- */

static rin_status load_from(rin_trainer *trainer, const char *path, rin_error *error) {
    rin_safetensors *file = NULL;
    rin_status status = open_state(path, &file, &trainer->step, error);
    if (status == RIN_OK) {
        const char *sum = rin_safetensors_metadata(file, "loss_sum"),
                   *count = rin_safetensors_metadata(file, "loss_count");
        trainer->loss_sum = sum ? strtod(sum, NULL) : 0;
        trainer->loss_count = count ? strtoll(count, NULL, 10) : 0;
    }
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        status = rin_arena_read(trainer->weights, parts[i].arena, parts[i].prefix, file, error);
    }
    rin_safetensors_close(file);
    return status;
}

rin_status rin_state_load(rin_trainer *trainer, bool *found, rin_error *error) {
    old_states old;
    *found = false;
    rin_status status = list_old(trainer, &old, error), first = RIN_OK;
    for (int i = -1; i < old.n && status == RIN_OK && !*found; i++) {
        char *path = i < 0 ? rin_run_path(trainer, "state.safetensors", error) : old_path(trainer, old.steps[i], error);
        if (!path) {
            status = RIN_ERR_MEMORY;
        } else if (rin_path_exists(path)) {
            rin_error failure = {0};
            rin_status loaded = load_from(trainer, path, &failure);
            *found = loaded == RIN_OK;
            if (loaded != RIN_OK) {
                rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                              "checkpoint cannot be used, trying an older one: %s", failure.text);
                if (first == RIN_OK && error) *error = failure;
                if (first == RIN_OK) first = loaded;
            }
        }
        rin_free(path);
    }
    rin_free(old.steps);
    if (status == RIN_OK && !*found && first != RIN_OK) return first;
    return status;
}
