/* SPDX-License-Identifier: MIT */
/* The state of a run on disk: weights, moving average, moments, and where the run is. Random numbers and the order of
 * the data are functions of the seed and the step, so nothing else is needed to continue bit for bit. */
#include <stdlib.h>
#include <string.h>

#include "train/needs.h"
#include "train/train.h"

static const struct {
    rin_arena arena;
    const char *prefix;
} parts[] = {{RIN_ARENA_WEIGHTS, "weights/"}, {RIN_ARENA_EMA, "ema/"}, {RIN_ARENA_M, "m/"}, {RIN_ARENA_V, "v/"}};

static const char norms_name[] = "grad_norms", model_name[] = "model.safetensors", state_name[] = "state.safetensors";
enum { MOST_STEPS = 1000000000 };

/* ---- saving ---- */

static rin_status add_whole(rin_safetensors_writer *writer, const char *key, int64_t value, rin_error *error) {
    char text[RIN_NUMBER_TEXT];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return rin_safetensors_writer_add_metadata(writer, key, text, error);
}

static rin_status write_state(rin_trainer *trainer, const char *path, rin_error *error) {
    rin_safetensors_writer *writer;
    rin_status status = rin_safetensors_writer_create(&writer, error);
    if (status != RIN_OK) return status;
    status = rin_safetensors_writer_add_metadata(writer, "format", RIN_STATE_FORMAT, error);
    char sum[RIN_NUMBER_TEXT];
    rin_number_format(trainer->loss_sum, 0, sum);
    if (status == RIN_OK) status = rin_safetensors_writer_add_metadata(writer, "loss_sum", sum, error);
    if (status == RIN_OK) status = add_whole(writer, "step", trainer->step, error);
    if (status == RIN_OK) status = add_whole(writer, "loss_count", trainer->loss_count, error);
    if (status == RIN_OK) status = add_whole(writer, "bad_steps", trainer->bad_steps, error);
    if (status == RIN_OK) status = add_whole(writer, "bad_in_row", trainer->bad_in_row, error);
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        status = rin_arena_declare(trainer->weights, parts[i].prefix, writer, error);
    }
    if (status == RIN_OK)
        status = rin_safetensors_writer_add(writer, norms_name, RIN_STORED_F32, 1, &trainer->n_norms, error);
    if (status == RIN_OK) status = rin_safetensors_writer_begin(writer, path, error);
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        status = rin_arena_write(trainer->weights, parts[i].arena, writer, error);
    }
    if (status == RIN_OK) {
        size_t bytes = (size_t)trainer->n_norms * sizeof *trainer->norms;
        status = rin_safetensors_writer_write(writer, trainer->norms, bytes, error);
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
    *step = -1;
    if (!format || strcmp(format, RIN_STATE_FORMAT) != 0 || !text || !rin_number_parse_int(text, step) || *step < 0 ||
        *step > MOST_STEPS) {
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
    rin_error failure = {0};
    if (open_state(path, &file, &step, &failure) != RIN_OK) {
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "the checkpoint before is not kept: %s", failure.text);
        return RIN_OK;
    }
    rin_safetensors_close(file);
    /* One that this process neither wrote nor loaded was passed over as damaged. */
    if (step == trainer->step || step != trainer->saved_step) return RIN_OK;
    char *kept = old_path(trainer, step, error);
    if (!kept) return RIN_ERR_MEMORY;
    if (!rin_path_exists(kept) && rin_file_link(path, kept, &failure) != RIN_OK) {
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "the checkpoint of step %lld is not kept: %s",
                      (long long)step, failure.text);
    }
    rin_free(kept);
    return RIN_OK;
}

typedef struct old_states {
    int64_t *steps; /* newest first */
    int n;
} old_states;

static int newest_first(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Step of "state-<step>.safetensors"; -1 for other names. */
static int64_t step_of(const char *name) {
    static const char prefix[] = "state-";
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return -1;
    long long step = strtoll(name + sizeof prefix - 1, &end, 10);
    return step >= 0 && strcmp(end, ".safetensors") == 0 ? step : -1;
}

static rin_status list_old(const rin_trainer *trainer, old_states *out, rin_error *error) {
    *out = (old_states){0};
    rin_dir *folder;
    rin_status status = rin_dir_open(trainer->run, &folder, error);
    for (const char *name; status == RIN_OK && (status = rin_dir_next(folder, &name, error)) == RIN_OK && name;) {
        if (step_of(name) < 0) continue;
        int64_t *steps = rin_realloc(out->steps, (size_t)out->n + 1, sizeof *steps, error);
        if (!steps) {
            status = RIN_ERR_MEMORY;
        } else {
            out->steps = steps;
            out->steps[out->n++] = step_of(name);
        }
    }
    rin_dir_close(folder);
    if (out->n) qsort(out->steps, (size_t)out->n, sizeof *out->steps, newest_first);
    return status;
}

/* What is not removed takes room and does no other harm, so a failure is a remark. */
static void remove_old(rin_trainer *trainer) {
    old_states old;
    rin_error failure = {0};
    rin_status status = list_old(trainer, &old, &failure);
    int64_t kept = 1; /* the newest, which has the plain name */
    for (int i = 0; i < old.n && status == RIN_OK; i++) {
        /* States beyond this step are from a run that was continued from an older one. */
        if (old.steps[i] < trainer->step && kept < trainer->config.train.keep) {
            kept++;
            continue;
        }
        char *path = old_path(trainer, old.steps[i], &failure);
        status = path ? rin_file_remove(path, &failure) : RIN_ERR_MEMORY;
        rin_free(path);
    }
    rin_free(old.steps);
    if (status != RIN_OK)
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "an old checkpoint stays: %s", failure.text);
}

uint64_t rin_state_room(const rin_trainer *trainer) {
    enum { GROWTH = 8192 }; /* of the norms and the step's digits, and a file system's blocks */
    uint64_t least = rin_needs_disk(trainer->weights->parameters, 1, 1);
    char *path = rin_run_path(trainer, state_name, NULL);
    rin_input input;
    if (path && rin_input_open(&input, path, NULL) == RIN_OK) {
        /* The next model takes the place of the one there is before the state is written. */
        least = RIN_MAX(rin_needs_disk(trainer->weights->parameters, 1, 0), input.bytes) + GROWTH;
        rin_input_close(&input);
    }
    rin_free(path);
    return least;
}

/* Where there is no room for a new checkpoint, kept ones are worth less than it, the oldest least; but for the one that
 * was loaded, as the file with the plain name is then damaged. */
static void make_room(rin_trainer *trainer) {
    old_states old;
    rin_error failure = {0};
    uint64_t room, needed = rin_state_room(trainer);
    if (!rin_path_room(trainer->run, &room) || room >= needed || list_old(trainer, &old, &failure) != RIN_OK) return;
    for (int i = old.n - 1; i >= 0 && rin_path_room(trainer->run, &room) && room < needed; i--) {
        if (old.steps[i] == trainer->saved_step) continue;
        char *path = old_path(trainer, old.steps[i], &failure);
        bool removed = path && rin_file_remove(path, &failure) == RIN_OK;
        rin_free(path);
        if (!removed) break;
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                      "the disk is nearly full: the checkpoint of step %lld makes room for that of step %lld",
                      (long long)old.steps[i], (long long)trainer->step);
    }
    rin_free(old.steps);
}

rin_status rin_state_save(rin_trainer *trainer, rin_error *error) {
    char *model = rin_run_path(trainer, model_name, error), *state = rin_run_path(trainer, state_name, error);
    rin_status status = model && state ? rin_run_check_place(trainer, error) : RIN_ERR_MEMORY;
    trainer->description.steps = trainer->step;
    if (status == RIN_OK) make_room(trainer);
    /* The model first: a run is finished when its state says so, and then the model must be there. */
    if (status == RIN_OK)
        status = rin_model_file_save(model, &trainer->description, trainer->weights, RIN_ARENA_EMA, error);
    if (status == RIN_OK) status = keep_old(trainer, state, error);
    if (status == RIN_OK) status = rin_run_sync_metrics(trainer, error);
    if (status == RIN_OK) status = write_state(trainer, state, error);
    if (status == RIN_OK) {
        trainer->saved_step = trainer->step;
        trainer->save_owed = false;
        remove_old(trainer);
    }
    rin_free(model);
    rin_free(state);
    return status;
}

rin_status rin_state_save_guide(rin_trainer *trainer, rin_error *error) {
    char name[64];
    snprintf(name, sizeof name, "guide-%09lld.safetensors", (long long)trainer->step);
    char *path = rin_run_path(trainer, name, error);
    if (!path) return RIN_ERR_MEMORY;
    trainer->description.steps = trainer->step;
    rin_status status = rin_model_file_save(path, &trainer->description, trainer->weights, RIN_ARENA_EMA, error);
    rin_free(path);
    return status;
}

/* ---- loading ---- */

/* A count of steps; 0 where there is none. */
static rin_status read_count(const rin_safetensors *file, const char *key, int64_t *count, rin_error *error) {
    const char *text = rin_safetensors_metadata(file, key);
    *count = 0;
    if (!text || (rin_number_parse_int(text, count) && *count >= 0 && *count <= MOST_STEPS)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "metadata %s = '%.40s' is no number from 0 to %d", key, text,
                         MOST_STEPS);
}

static rin_status read_norms(rin_trainer *trainer, const rin_safetensors *file, rin_error *error) {
    const rin_stored_tensor *tensor = rin_safetensors_find(file, norms_name);
    trainer->n_norms = 0;
    if (!tensor) return RIN_OK;
    if (tensor->n_elements > RIN_NORMS) {
        return rin_error_set(error, RIN_ERR_FORMAT, "tensor '%s' has %llu elements, more than %d", norms_name,
                             (unsigned long long)tensor->n_elements, RIN_NORMS);
    }
    trainer->n_norms = (int64_t)tensor->n_elements;
    return rin_safetensors_read(file, tensor, trainer->norms, (size_t)tensor->n_elements, error);
}

static rin_status load_from(rin_trainer *trainer, const char *path, rin_error *error) {
    rin_safetensors *file = NULL;
    rin_status status = open_state(path, &file, &trainer->step, error);
    if (status != RIN_OK) return status;
    const char *sum = rin_safetensors_metadata(file, "loss_sum");
    if (!sum || !rin_number_parse_real(sum, &trainer->loss_sum)) trainer->loss_sum = 0;
    status = read_count(file, "loss_count", &trainer->loss_count, error);
    if (status == RIN_OK) status = read_count(file, "bad_steps", &trainer->bad_steps, error);
    if (status == RIN_OK) status = read_count(file, "bad_in_row", &trainer->bad_in_row, error);
    trainer->saved_step = trainer->step;
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        status = rin_arena_read(trainer->weights, parts[i].arena, parts[i].prefix, file, error);
    }
    if (status == RIN_OK) status = read_norms(trainer, file, error);
    if (status != RIN_OK) (void)rin_error_prefix(error, status, "%s", path);
    rin_safetensors_close(file);
    return status;
}

rin_status rin_state_load(rin_trainer *trainer, bool *found, rin_error *error) {
    old_states old;
    *found = false;
    rin_status status = list_old(trainer, &old, error), failed = RIN_OK;
    rin_error failure = {0};
    for (int i = -1; i < old.n && status == RIN_OK && !*found; i++) {
        char *path = i < 0 ? rin_run_path(trainer, state_name, error) : old_path(trainer, old.steps[i], error);
        if (!path) {
            status = RIN_ERR_MEMORY;
        } else if (!rin_path_is_absent(path)) {
            if (failed != RIN_OK)
                rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "going back to the checkpoint before: %s",
                              failure.text);
            rin_status loaded = load_from(trainer, path, &failure);
            *found = loaded == RIN_OK;
            if (loaded != RIN_OK) failed = loaded;
            if (loaded == RIN_ERR_MEMORY) status = loaded; /* no fault of the file: another one will do no better */
        }
        rin_free(path);
    }
    rin_free(old.steps);
    if (status == RIN_OK && !*found) status = failed;
    if (status != RIN_OK && status == failed && error) *error = failure;
    return status;
}
