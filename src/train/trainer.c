/* SPDX-License-Identifier: MIT */
/* Opening a training run, new or to be continued: configuration, data, program, weights, folder. */
#include <string.h>

#include "train/needs.h"
#include "train/train.h"

/* ---- opening ---- */

/* Of listing, of decoding into memory, and later of waiting for a batch. */
static void show_loading(void *user, size_t done, size_t total) {
    rin_trainer *trainer = user;
    const char *doing = trainer->loader ? "wait for data" : "load";
    rin_loading_tell(&trainer->listener, doing, done, total, trainer->waiting_since, &trainer->cancelled);
}

/* Colour, unless every picture of a sample spread over the set is grey. */
static rin_status count_channels(rin_trainer *trainer, int64_t *n_channels, rin_error *error) {
    enum { LOOKED_AT = 64 };
    const rin_dataset *dataset = trainer->dataset;
    size_t n = rin_dataset_count(dataset), step = RIN_MAX(n / LOOKED_AT, 1);
    *n_channels = 3;
    for (size_t i = 0; i < n; i += step) {
        rin_image image = {0};
        rin_error reason = {0};
        show_loading(trainer, i, n);
        if (atomic_load(&trainer->cancelled))
            return rin_error_set(error, RIN_ERR_CANCELLED, "stopped while looking at the data");
        rin_status status = rin_dataset_decode(dataset, i, &image, &reason);
        if (status == RIN_ERR_MEMORY) {
            if (error) *error = reason;
            return status;
        }
        if (status != RIN_OK) continue; /* the loader will see to it */
        int channels = image.channels;
        rin_image_clear(&image);
        *n_channels = channels == 1 ? 1 : 3;
        if (channels != 1) return RIN_OK;
    }
    return RIN_OK;
}

/* Labels must be below the number of classes that the network knows. */
static rin_status check_classes(const rin_trainer *trainer, rin_error *error) {
    int64_t n_classes = (int64_t)rin_dataset_n_classes(trainer->dataset), wanted = trainer->config.model.num_classes;
    if (wanted && wanted < n_classes) {
        return rin_error_set(
            error, RIN_ERR_CONFIG,
            "model.num_classes = %lld, but '%s' has %lld classes: allowed are 0 (no labels) or at least %lld",
            (long long)wanted, trainer->data, (long long)n_classes, (long long)n_classes);
    }
    if (wanted && !n_classes) {
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "model.num_classes = %lld, but '%s' has no classes (no sub-folders): use 0",
                             (long long)wanted, trainer->data);
    }
    return RIN_OK;
}

/* Classes and channels follow the data unless they were set. */
static rin_status follow_data(rin_trainer *trainer, rin_error *error) {
    rin_config *config = &trainer->config;
    int64_t n_classes = (int64_t)rin_dataset_n_classes(trainer->dataset);
    if (!config->is_set[RIN_OPTION_model_num_classes]) config->model.num_classes = n_classes;
    if (!config->is_set[RIN_OPTION_model_image_channels]) {
        rin_status status = count_channels(trainer, &config->model.image_channels, error);
        if (status != RIN_OK) return status;
    }
    rin_status status = check_classes(trainer, error);
    if (status != RIN_OK || !n_classes || config->model.num_classes != n_classes) return status;
    const char **names = rin_calloc((size_t)n_classes, sizeof *names, error);
    if (!names) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n_classes; i++) names[i] = rin_dataset_class_name(trainer->dataset, (size_t)i);
    status = rin_description_copy_classes(&trainer->description, names, n_classes, error);
    rin_free(names);
    return status;
}

static rin_status open_data(rin_trainer *trainer, rin_error *error) {
    const rin_config *c = &trainer->config;
    rin_dataset_options options = {
        .clip = rin_model_clip(c), .cancel = &trainer->cancelled, .progress = show_loading, .progress_user = trainer};
    rin_log log = rin_trainer_log(trainer);
    rin_status status = rin_dataset_open(trainer->data, &options, log, &trainer->dataset, error);
    if (status == RIN_OK)
        rin_dataset_warn_of_size(trainer->dataset, (int)c->model.image_width, (int)c->model.image_height, log);
    return status;
}

static rin_status open_device(rin_trainer *trainer, rin_error *error) {
    return rin_needs_open(&trainer->config, (int)trainer->config.train.threads, &trainer->backend, error);
}

static rin_status build_program(rin_trainer *trainer, rin_error *error) {
    const rin_config *config = &trainer->config;
    const rin_config_train *t = &config->train;
    rin_step_options options = {.batch = t->batch / t->accumulate, .parts = t->accumulate, .update = true};
    rin_program_options bound = {.parameters = RIN_ARENA_WEIGHTS};
    rin_graph *graph = NULL;
    rin_needs needs = {0};
    rin_status status = rin_lr_schedule_parse(t->lr_schedule, &trainer->lr_schedule, error);
    if (status == RIN_OK) status = rin_needs_measure(config, trainer->backend, &needs, error);
    if (status == RIN_OK) status = rin_needs_check(config, trainer->backend, &needs, trainer->backend->memory, error);
    trainer->needed = rin_needs_of_host(&needs);
    if (status == RIN_OK) status = rin_step_graph(config, &options, &graph, error);
    if (status != RIN_OK) return status;
    status = rin_weights_create(graph, trainer->backend, true, &trainer->weights, error);
    if (status == RIN_OK) return rin_program_create(graph, trainer->weights, &bound, &trainer->program, error);
    rin_graph_free(graph);
    return status;
}

/* Unless it is set: the usual, if training leaves as much. */
static uint64_t cache_bytes(const rin_trainer *trainer) {
    uint64_t total = rin_memory_total(), left = total > trainer->needed ? total - trainer->needed : 0;
    if (trainer->config.data.cache_mb) return (uint64_t)trainer->config.data.cache_mb << 20;
    return RIN_MIN(rin_loader_default_cache(), left / 2);
}

static rin_status open_loader(rin_trainer *trainer, rin_error *error) {
    const rin_config *c = &trainer->config;
    int64_t parts = c->train.accumulate, batch = c->train.batch / parts;
    rin_loader_options options = {.height = (int)c->model.image_height,
                                  .width = (int)c->model.image_width,
                                  .channels = (int)c->model.image_channels,
                                  .given = (int)c->model.seq_cond,
                                  .batch = (int)batch,
                                  .seed = (uint64_t)c->train.seed,
                                  .flip = c->data.flip,
                                  .workers = (int)c->data.workers,
                                  .start_batch = (uint64_t)(trainer->step * parts),
                                  .strict = c->data.strict,
                                  .patience = (double)c->data.patience,
                                  .cache_bytes = cache_bytes(trainer),
                                  .cancel = &trainer->cancelled,
                                  .log = rin_trainer_log(trainer),
                                  .progress = show_loading,
                                  .progress_user = trainer};
    trainer->one_hot = rin_calloc((size_t)(batch * c->model.num_classes), sizeof *trainer->one_hot, error);
    trainer->items = rin_calloc((size_t)c->train.batch, sizeof *trainer->items, error);
    trainer->items_ahead = rin_calloc((size_t)c->train.batch, sizeof *trainer->items, error);
    if (!trainer->one_hot || !trainer->items || !trainer->items_ahead) return RIN_ERR_MEMORY;
    return rin_loader_create(trainer->dataset, &options, &trainer->loader, error);
}

/* Paths that are in the run's options mean the same wherever it is resumed from, if they fit there. */
static void settle_paths(rin_config *config) {
    char *const paths[] = {config->eval.weights, config->eval.reference};
    for (size_t i = 0; config->train.eval_every && i < RIN_COUNT(paths); i++) {
        char *from_root = NULL;
        if (rin_path_absolute(paths[i], &from_root, NULL) != RIN_OK) continue;
        rin_config tried = *config;
        const char *key = i ? "eval.reference" : "eval.weights";
        if (rin_config_set(&tried, key, from_root, NULL) == RIN_OK)
            snprintf(paths[i], RIN_CONFIG_TEXT, "%s", from_root);
        rin_free(from_root);
    }
}

static rin_status open_judge(rin_trainer *trainer, rin_error *error) {
    if (!trainer->config.train.eval_every || rin_trainer_is_done(trainer)) return RIN_OK;
    return rin_judge_create(&trainer->config, trainer->listener, &trainer->judge, error);
}

static rin_status new_trainer(const char *run, rin_listener listener, rin_trainer **out, rin_error *error) {
    rin_trainer *trainer = *out = rin_calloc(1, sizeof *trainer, error);
    if (!trainer) return RIN_ERR_MEMORY;
    trainer->listener = listener;
    trainer->saved_step = -1;
    trainer->waiting_since = rin_clock_seconds();
    trainer->run = rin_strdup(run, error);
    return trainer->run ? rin_run_reserve_metrics(trainer, error) : RIN_ERR_MEMORY;
}

/* Better known now than after hours of training. */
static void warn_of_little_room(const rin_trainer *trainer, uint64_t needed) {
    uint64_t room;
    if (!rin_path_room(trainer->run, &room) || room >= needed) return;
    rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                  "the disk of '%s' has %.3f GiB left, checkpoints need %.3f GiB%s", trainer->run,
                  (double)room * 0x1p-30, (double)needed * 0x1p-30,
                  trainer->config.train.keep > 1 ? "; train.keep = 1 needs least" : "");
}

static rin_status finish_opening(rin_trainer *trainer, rin_trainer **out, rin_status status) {
    if (status == RIN_OK) {
        trainer->description.config = trainer->config;
        trainer->started_at = trainer->step;
        *out = trainer;
    } else {
        *out = NULL;
        rin_trainer_free(trainer);
    }
    return status;
}

rin_status rin_trainer_create(const rin_config *config, const char *data, const char *run, rin_listener listener,
                              rin_trainer **out, rin_error *error) {
    if (out) *out = NULL;
    if (!config) return rin_error_null(error, __func__, "config");
    if (!data) return rin_error_null(error, __func__, "data");
    if (!run) return rin_error_null(error, __func__, "run");
    if (!out) return rin_error_null(error, __func__, "out");
    rin_trainer *trainer;
    rin_status status = new_trainer(run, listener, &trainer, error);
    if (!trainer) return status;
    trainer->config = *config;
    settle_paths(&trainer->config);
    if (config->model.seq_len > 1 && !config->is_set[RIN_OPTION_model_num_classes])
        trainer->config.model.num_classes = 0; /* videos have none */
    /* What needs no data is refused first, before a large archive is read; the folder is made when nothing else can
     * go wrong. */
    if (status == RIN_OK) status = rin_path_absolute(data, &trainer->data, error);
    if (status == RIN_OK) status = rin_config_validate(&trainer->config, error);
    if (status == RIN_OK) status = rin_run_refuse_used(run, error);
    if (status == RIN_OK) status = open_device(trainer, error);
    if (status == RIN_OK) status = open_data(trainer, error);
    if (status == RIN_OK) status = follow_data(trainer, error);
    if (status == RIN_OK) status = rin_config_validate(&trainer->config, error);
    if (status == RIN_OK) status = build_program(trainer, error);
    if (status == RIN_OK) status = rin_weights_init(trainer->weights, (uint64_t)trainer->config.train.seed, error);
    if (status == RIN_OK) status = open_judge(trainer, error);
    if (status == RIN_OK) status = open_loader(trainer, error);
    if (status == RIN_OK) trainer->was = rin_run_identify(trainer->dataset);
    if (status == RIN_OK) status = rin_run_create_folder(trainer, error);
    if (status == RIN_OK)
        warn_of_little_room(trainer, rin_needs_disk_of_run(&trainer->config, trainer->weights->parameters));
    return finish_opening(trainer, out, status);
}

static rin_status set_steps(rin_trainer *trainer, int64_t steps, rin_error *error) {
    char text[32];
    const rin_config_train *t = &trainer->config.train;
    if (steps < t->warmup_steps + t->tail_steps)
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "steps = %lld are fewer than the run's train.warmup_steps = %lld and train.tail_steps = "
                             "%lld together; allowed are %lld and more",
                             (long long)steps, (long long)t->warmup_steps, (long long)t->tail_steps,
                             (long long)(t->warmup_steps + t->tail_steps));
    snprintf(text, sizeof text, "%lld", (long long)steps);
    return rin_config_set(&trainer->config, "train.steps", text, error);
}

/* With these the run computes the same, the first two but for rounding. */
static const char *const changeable[] = {"train.device",       "train.precision", "train.threads",
                                         "train.recompute",    "train.log_every", "train.checkpoint_every",
                                         "train.sample_every", "train.keep",      "data.workers",
                                         "data.cache_mb",      "data.patience"};

bool rin_trainer_may_change(const char *option) {
    for (size_t i = 0; option && i < RIN_COUNT(changeable); i++) {
        if (strcmp(option, changeable[i]) == 0) return true;
    }
    return false;
}

/* What of changes is set and may change; *changed: whether anything does. */
static rin_status change_options(rin_trainer *trainer, const rin_config *changes, bool *changed, rin_error *error) {
    rin_status status = RIN_OK;
    for (size_t i = 0; i < RIN_COUNT(changeable) && status == RIN_OK; i++) {
        const char *key = changeable[i];
        char *to = NULL, *from = NULL;
        if (!rin_config_is_set(changes, key)) continue;
        status = rin_config_get(changes, key, &to, error);
        if (status == RIN_OK) status = rin_config_get(&trainer->config, key, &from, error);
        if (status == RIN_OK && strcmp(to, from) != 0) {
            *changed = true;
            status = rin_config_set(&trainer->config, key, to, error);
        }
        rin_string_free(to);
        rin_string_free(from);
    }
    return status;
}

/* Another machine may lack what the run was computed on. */
static rin_status open_same_device(rin_trainer *trainer, rin_error *error) {
    rin_status status = open_device(trainer, error);
    if (status != RIN_ERR_UNSUPPORTED && status != RIN_ERR_DEVICE) return status;
    return rin_error_prefix(error, status,
                            "the run's device (to go on with another, say --device, such as --device cpu)");
}

/* The first checkpoint's model is there a moment before its state. One of later steps says that the state was removed,
 * and to begin anew would overwrite what was trained. */
static rin_status expect_no_model(const rin_trainer *trainer, rin_error *error) {
    rin_safetensors *file = NULL;
    rin_description description = {0};
    char *path = rin_run_path(trainer, "model.safetensors", error);
    if (!path) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    bool read = rin_path_exists(path) && rin_safetensors_open(path, &file, NULL) == RIN_OK &&
                rin_description_read(&description, file, NULL) == RIN_OK;
    if (read && description.steps > trainer->config.train.checkpoint_every)
        status = rin_error_set(error, RIN_ERR_FORMAT,
                               "run folder '%s' has a model of %lld steps, but no state.safetensors to go on from: put "
                               "it back; or to begin anew, name another folder",
                               trainer->run, (long long)description.steps);
    rin_description_clear(&description);
    rin_safetensors_close(file);
    rin_free(path);
    return status;
}

/* Weights and state of the last checkpoint, or of the beginning when there is none. */
static rin_status load_state(rin_trainer *trainer, rin_error *error) {
    bool found = false;
    rin_status status = rin_weights_init(trainer->weights, (uint64_t)trainer->config.train.seed, error);
    if (status == RIN_OK) status = rin_state_load(trainer, &found, error);
    if (status == RIN_OK && !found) status = expect_no_model(trainer, error);
    if (status != RIN_OK || found) return status;
    rin_log_write(rin_trainer_log(trainer), RIN_LOG_INFO,
                  "the run has no checkpoint yet: it starts from the beginning");
    return RIN_OK;
}

/* Other images, names or classes would be another run: the order of examples and their labels follow from them. */
static rin_status open_same_data(rin_trainer *trainer, rin_error *error) {
    rin_status status = open_data(trainer, error);
    if (status == RIN_ERR_IO)
        return rin_error_prefix(error, status, "the run's data (if it has moved, say --data and its new place)");
    if (status == RIN_OK) status = check_classes(trainer, error);
    if (status != RIN_OK) return status;
    const rin_run_data *was = &trainer->was, is = rin_run_identify(trainer->dataset);
    if (is.n_items != was->n_items) {
        return rin_error_set(error, RIN_ERR_FORMAT,
                             "'%s' has %lld %s now, it had %lld when this run began: put them back", trainer->data,
                             (long long)is.n_items, rin_dataset_is_video(trainer->dataset) ? "videos" : "images",
                             (long long)was->n_items);
    }
    if (!*was->names || strcmp(is.names, was->names) == 0) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "'%s' has as many files as when this run began, but others or in other folders: put them back",
                         trainer->data);
}

/* The data's new place; *moved tells whether it is one. */
static rin_status move_data(rin_trainer *trainer, const char *data, bool *moved, rin_error *error) {
    char *path;
    rin_status status = rin_path_absolute(data, &path, error);
    if (status != RIN_OK) return status;
    *moved = strcmp(path, trainer->data) != 0;
    rin_free(trainer->data);
    trainer->data = path;
    return RIN_OK;
}

rin_status rin_trainer_resume(const char *run, const char *data, int64_t steps, const rin_config *changes,
                              rin_listener listener, rin_trainer **out, rin_error *error) {
    if (out) *out = NULL;
    if (!run) return rin_error_null(error, __func__, "run");
    if (!out) return rin_error_null(error, __func__, "out");
    if (steps < 0)
        return rin_error_set(error, RIN_ERR_ARG, "%s: steps = %lld; allowed are 0 (as planned) and more", __func__,
                             (long long)steps);
    rin_trainer *trainer;
    bool moved = false, changed = false;
    rin_status status = new_trainer(run, listener, &trainer, error);
    if (!trainer) return status;
    rin_config *defaults = NULL;
    if (status == RIN_OK) status = rin_config_create(&defaults, error);
    if (status == RIN_OK) trainer->config = *defaults;
    rin_config_free(defaults);
    if (status == RIN_OK) status = rin_run_read_folder(trainer, error);
    if (status == RIN_OK) status = rin_run_settle(trainer, error);
    if (status == RIN_OK && data) status = move_data(trainer, data, &moved, error);
    if (status == RIN_OK && steps) {
        changed = trainer->config.train.steps != steps;
        status = set_steps(trainer, steps, error);
    }
    if (status == RIN_OK && changes) status = change_options(trainer, changes, &changed, error);
    if (status == RIN_OK) status = rin_config_validate(&trainer->config, error);
    if (status == RIN_OK) status = rin_run_lock_folder(trainer, error);
    if (status == RIN_OK) status = open_same_device(trainer, error);
    if (status == RIN_OK) status = build_program(trainer, error);
    if (status == RIN_OK) status = load_state(trainer, error);
    if (status == RIN_OK && !rin_trainer_is_done(trainer)) {
        status = open_same_data(trainer, error);
        if (status == RIN_OK) status = open_judge(trainer, error);
        if (status == RIN_OK) status = open_loader(trainer, error);
        if (status == RIN_OK) status = rin_run_trim_metrics(trainer, error);
        if (status == RIN_OK) warn_of_little_room(trainer, rin_state_room(trainer));
        /* From now on these are the run's: it goes on with them after the next stop, too. */
        if (status == RIN_OK && moved) status = rin_run_write_data(trainer, error);
        if (status == RIN_OK && changed) status = rin_run_write_config(trainer, error);
    }
    return finish_opening(trainer, out, status);
}

void rin_trainer_free(rin_trainer *trainer) {
    if (!trainer) return;
    rin_judge_free(trainer->judge);
    rin_loader_free(trainer->loader);
    rin_dataset_close(trainer->dataset);
    rin_program_free(trainer->program);
    rin_weights_free(trainer->weights);
    rin_backend_free(trainer->backend);
    rin_description_clear(&trainer->description);
    rin_text_clear(&trainer->metrics);
    rin_lock_release(&trainer->lock);
    rin_free(trainer->one_hot);
    rin_free(trainer->items);
    rin_free(trainer->items_ahead);
    rin_free(trainer->run);
    rin_free(trainer->data);
    rin_free(trainer);
}

const rin_config *rin_trainer_config(const rin_trainer *trainer) {
    return trainer ? &trainer->config : NULL;
}

int64_t rin_trainer_steps_done(const rin_trainer *trainer) {
    return trainer ? trainer->step : 0;
}

bool rin_trainer_is_done(const rin_trainer *trainer) {
    return !trainer || trainer->step >= trainer->config.train.steps;
}
