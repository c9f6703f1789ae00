/* SPDX-License-Identifier: MIT */
/* The training loop: config, data, program, step, checkpoint. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "model/model.h"
#include "train/train.h"

/* ---- opening ---- */

/* Colour, unless every picture of a sample spread over the set is grey. */
static int64_t channels_of(const rin_dataset *dataset) {
    enum { LOOKED_AT = 64 };
    size_t n = rin_dataset_count(dataset), step = RIN_MAX(n / LOOKED_AT, 1), seen = 0;
    for (size_t i = 0; i < n; i += step) {
        rin_image image = {0};
        if (rin_dataset_decode(dataset, i, &image, NULL) != RIN_OK) continue;
        int channels = image.channels;
        rin_image_clear(&image);
        if (channels != 1) return 3;
        seen++;
    }
    return seen ? 1 : 3;
}

/* Classes and channels follow the data unless they were set. */
static rin_status follow_data(rin_trainer *trainer, rin_error *error) {
    rin_config *config = &trainer->config;
    int64_t n_classes = (int64_t)rin_dataset_n_classes(trainer->dataset);
    if (!config->is_set[RIN_OPTION_model_num_classes]) config->model.num_classes = n_classes;
    if (!config->is_set[RIN_OPTION_model_image_channels]) config->model.image_channels = channels_of(trainer->dataset);
    int64_t wanted = config->model.num_classes;
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
    if (wanted == n_classes && n_classes) {
        const char **names = rin_calloc((size_t)n_classes, sizeof *names, error);
        if (!names) return RIN_ERR_MEMORY;
        for (int64_t i = 0; i < n_classes; i++) names[i] = rin_dataset_class_name(trainer->dataset, (size_t)i);
        rin_status status = rin_description_copy_classes(&trainer->description, names, n_classes, error);
        rin_free(names);
        return status;
    }
    return RIN_OK;
}

static rin_status open_data(rin_trainer *trainer, rin_error *error) {
    if (trainer->config.model.seq_len > 1) {
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "model.seq_len = %lld: training reads images only, use 1",
                             (long long)trainer->config.model.seq_len);
    }
    return rin_dataset_open(trainer->data, NULL, rin_trainer_log(trainer), &trainer->dataset, error);
}

static rin_status build_program(rin_trainer *trainer, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    rin_step_options options = {.batch = t->batch / t->accumulate, .parts = t->accumulate, .update = true};
    rin_program_options bound = {.parameters = RIN_ARENA_WEIGHTS};
    rin_backend_options backend = {(int)t->threads};
    rin_graph *graph = NULL;
    rin_status status = rin_lr_schedule_parse(t->lr_schedule, &trainer->lr_schedule, error);
    if (status == RIN_OK) status = rin_backend_create("cpu", &backend, &trainer->backend, error);
    if (status == RIN_OK) status = rin_step_graph(&trainer->config, &options, &graph, error);
    if (status != RIN_OK) return status;
    status = rin_weights_create(graph, trainer->backend, true, &trainer->weights, error);
    if (status == RIN_OK) return rin_program_create(graph, trainer->weights, &bound, &trainer->program, error);
    rin_graph_free(graph);
    return status;
}

static void show_loading(void *user, size_t done, size_t total) {
    rin_trainer *trainer = user;
    rin_progress progress = {.doing = "load", .done = (int64_t)done, .total = (int64_t)total};
    if (!trainer->listener.on_progress) return;
    if (!trainer->listener.on_progress(trainer->listener.user, &progress)) atomic_store(&trainer->cancelled, true);
}

static rin_status open_loader(rin_trainer *trainer, rin_error *error) {
    const rin_config *c = &trainer->config;
    int64_t parts = c->train.accumulate, batch = c->train.batch / parts;
    rin_loader_options options = {.height = (int)c->model.image_height,
                                  .width = (int)c->model.image_width,
                                  .channels = (int)c->model.image_channels,
                                  .batch = (int)batch,
                                  .seed = (uint64_t)c->train.seed,
                                  .flip = c->data.flip,
                                  .workers = (int)c->data.workers,
                                  .start_batch = (uint64_t)(trainer->step * parts),
                                  .strict = c->data.strict,
                                  .cache_bytes = c->data.cache_mb ? (uint64_t)c->data.cache_mb << 20
                                                                  : rin_loader_default_cache(),
                                  .cancel = &trainer->cancelled,
                                  .log = rin_trainer_log(trainer),
                                  .progress = show_loading,
                                  .progress_user = trainer};
    trainer->one_hot = rin_calloc((size_t)(batch * c->model.num_classes), sizeof *trainer->one_hot, error);
    if (!trainer->one_hot) return RIN_ERR_MEMORY;
    return rin_loader_create(trainer->dataset, &options, &trainer->loader, error);
}

static rin_status new_trainer(const char *run, rin_listener listener, rin_trainer **out, rin_error *error) {
    rin_trainer *trainer = *out = rin_calloc(1, sizeof *trainer, error);
    if (!trainer) return RIN_ERR_MEMORY;
    trainer->listener = listener;
    trainer->started = rin_clock_seconds();
    trainer->run = rin_strdup(run, error);
    return trainer->run ? RIN_OK : RIN_ERR_MEMORY;
}

static rin_status finish_opening(rin_trainer *trainer, rin_trainer **out, rin_status status, rin_error *error) {
    if (status == RIN_OK && trainer->step < trainer->config.train.steps) status = open_loader(trainer, error);
    if (status == RIN_OK && trainer->loader) status = rin_run_open_metrics(trainer, error);
    if (status == RIN_OK) {
        trainer->description.config = trainer->config;
        trainer->started_at = trainer->step;
        trainer->started = rin_clock_seconds();
        *out = trainer;
    } else {
        *out = NULL;
        rin_trainer_free(trainer);
    }
    return status;
}

rin_status rin_trainer_create(const rin_config *config, const char *data, const char *run, rin_listener listener,
                              rin_trainer **out, rin_error *error) {
    *out = NULL;
    if (!config || !data || !run)
        return rin_error_set(error, RIN_ERR_ARG, "training wants a configuration, data and a run folder");
    rin_trainer *trainer;
    rin_status status = new_trainer(run, listener, &trainer, error);
    if (!trainer) return status;
    trainer->config = *config;
    char *absolute = realpath(data, NULL);
    if (!absolute) status = rin_error_set(error, RIN_ERR_IO, "cannot open data '%s': %s", data, strerror(errno));
    else trainer->data = rin_strdup(absolute, error);
    free(absolute);
    if (status == RIN_OK && !trainer->data) status = RIN_ERR_MEMORY;
    /* What needs no data is refused first, before a large archive is read. */
    if (status == RIN_OK) status = rin_config_validate(&trainer->config, error);
    if (status == RIN_OK) status = rin_run_refuse_used(run, error);
    if (status == RIN_OK) status = open_data(trainer, error);
    if (status == RIN_OK) status = follow_data(trainer, error);
    if (status == RIN_OK) status = rin_config_validate(&trainer->config, error);
    if (status == RIN_OK) status = build_program(trainer, error);
    if (status == RIN_OK) status = rin_weights_init(trainer->weights, (uint64_t)trainer->config.train.seed, error);
    if (status == RIN_OK) status = rin_run_create_folder(trainer, error);
    return finish_opening(trainer, out, status, error);
}

rin_status rin_trainer_resume(const char *run, int64_t steps, rin_listener listener, rin_trainer **out,
                              rin_error *error) {
    *out = NULL;
    if (!run || steps < 0)
        return rin_error_set(error, RIN_ERR_ARG, "resuming wants a run folder and steps of at least 0");
    rin_trainer *trainer;
    int64_t n_items = 0;
    bool found = false;
    rin_status status = new_trainer(run, listener, &trainer, error);
    if (!trainer) return status;
    rin_config *defaults = NULL;
    if (status == RIN_OK) status = rin_config_create(&defaults, error);
    if (status == RIN_OK) trainer->config = *defaults;
    rin_config_free(defaults);
    if (status == RIN_OK) status = rin_run_read_folder(trainer, &n_items, error);
    if (status == RIN_OK && steps) trainer->config.train.steps = steps;
    if (status == RIN_OK) status = rin_config_validate(&trainer->config, error);
    if (status == RIN_OK) status = build_program(trainer, error);
    if (status == RIN_OK) status = rin_weights_init(trainer->weights, (uint64_t)trainer->config.train.seed, error);
    if (status == RIN_OK) status = rin_state_load(trainer, &found, error);
    if (status == RIN_OK && !found) trainer->step = 0;
    if (status == RIN_OK && trainer->step < trainer->config.train.steps) {
        status = open_data(trainer, error);
        if (status == RIN_OK && (int64_t)rin_dataset_count(trainer->dataset) != n_items) {
            status = rin_error_set(error, RIN_ERR_FORMAT,
                                   "'%s' has %zu images now, it had %lld when this run began: put them back",
                                   trainer->data, rin_dataset_count(trainer->dataset), (long long)n_items);
        }
    }
    return finish_opening(trainer, out, status, error);
}

void rin_trainer_free(rin_trainer *trainer) {
    if (!trainer) return;
    rin_loader_free(trainer->loader);
    rin_dataset_close(trainer->dataset);
    rin_program_free(trainer->program);
    rin_weights_free(trainer->weights);
    rin_backend_free(trainer->backend);
    rin_description_clear(&trainer->description);
    if (trainer->metrics) fclose(trainer->metrics);
    rin_free(trainer->one_hot);
    rin_free(trainer->run);
    rin_free(trainer->data);
    rin_free(trainer);
}

const rin_config *rin_trainer_config(const rin_trainer *trainer) {
    return &trainer->config;
}

int64_t rin_trainer_steps_done(const rin_trainer *trainer) {
    return trainer->step;
}

bool rin_trainer_is_done(const rin_trainer *trainer) {
    return trainer->step >= trainer->config.train.steps;
}

/* ---- a step ---- */

static rin_status load_part(rin_trainer *trainer, rin_error *error) {
    int64_t classes = trainer->config.model.num_classes,
            n = trainer->config.train.batch / trainer->config.train.accumulate;
    rin_shape shape = rin_model_video_shape(&trainer->config.model, n);
    rin_status status = rin_loader_next(trainer->loader, &trainer->batch, error);
    if (status == RIN_OK)
        status = rin_program_write(trainer->program, "images", trainer->batch.images, rin_shape_count(&shape), error);
    if (status != RIN_OK || !classes) return status;
    memset(trainer->one_hot, 0, (size_t)(n * classes) * sizeof *trainer->one_hot);
    for (int64_t i = 0; i < n; i++) {
        if (trainer->batch.labels[i] >= 0) trainer->one_hot[i * classes + trainer->batch.labels[i]] = 1;
    }
    return rin_program_write(trainer->program, "labels", trainer->one_hot, n * classes, error);
}

static rin_status refuse_loss(const rin_trainer *trainer, double loss, rin_error *error) {
    char names[512] = "";
    int64_t n = trainer->config.train.batch / trainer->config.train.accumulate;
    for (int64_t i = 0; i < n && strlen(names) < 400; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                 rin_dataset_item_name(trainer->dataset, trainer->batch.items[i]));
    }
    return rin_error_set(
        error, RIN_ERR_NUMERIC,
        "step %lld: the loss is %g; the last checkpoint stays. Try a smaller train.learning_rate, train.grad_clip = 1 "
        "or a longer train.warmup_steps. Batch: %s%s",
        (long long)trainer->step, loss, names, strlen(names) >= 400 ? ", ..." : "");
}

static rin_status compute_step(rin_trainer *trainer, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    int64_t parts = t->accumulate, n = t->batch / parts;
    rin_step step = {.seed = (uint64_t)t->seed,
                     .step = (uint64_t)trainer->step,
                     .gradient_scale = 1 / (double)parts,
                     .learning_rate = rin_learning_rate(t, &trainer->lr_schedule, trainer->step),
                     .ema_decay = rin_ema_decay(t, trainer->step)};
    double sum = 0;
    for (int64_t part = 0; part < parts; part++) {
        float loss = 0;
        step.part = (uint32_t)part;
        step.first_example = (uint64_t)(part * n);
        rin_status status = load_part(trainer, error);
        if (status != RIN_OK) return status;
        rin_program_run(trainer->program, &step, part + 1 < parts ? RIN_SECTION_GRADIENTS : RIN_SECTION_ALL);
        status = rin_program_read(trainer->program, "loss", &loss, 1, error);
        if (status != RIN_OK) return status;
        if (!isfinite(loss)) return refuse_loss(trainer, (double)loss, error);
        sum += (double)loss / (double)parts;
    }
    float norm = 0;
    rin_status status = rin_program_read(trainer->program, "grad_norm", &norm, 1, error);
    if (status == RIN_OK && !isfinite(norm)) status = refuse_loss(trainer, (double)norm, error);
    trainer->loss = sum;
    trainer->grad_norm = (double)norm;
    trainer->learning_rate = step.learning_rate;
    return status;
}

static void fill_progress(const rin_trainer *trainer, rin_progress *progress) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    double seconds = rin_clock_seconds() - trainer->started;
    double made = (double)(trainer->step - trainer->started_at),
           left = (double)(trainer->config.train.steps - trainer->step);
    *progress = (rin_progress){.doing = "train",
                               .done = trainer->step,
                               .total = trainer->config.train.steps,
                               .seconds = seconds,
                               .eta = seconds / RIN_MAX(made, 1) * left,
                               .images_per_second = made * (double)trainer->config.train.batch / RIN_MAX(seconds, 1e-9),
                               .loss = trainer->loss,
                               .grad_norm = trainer->grad_norm,
                               .learning_rate = trainer->learning_rate,
                               .wait_seconds = rin_loader_wait_seconds(trainer->loader),
                               .memory_bytes = (int64_t)usage.ru_maxrss * 1024};
}

static bool is_due(int64_t step, int64_t every, int64_t last) {
    return every && (step % every == 0 || step == last);
}

rin_status rin_trainer_step(rin_trainer *trainer, rin_progress *progress, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    if (rin_trainer_is_done(trainer))
        return rin_error_set(error, RIN_ERR_ARG, "all %lld steps of this run are done", (long long)t->steps);
    rin_status status = compute_step(trainer, error);
    if (status != RIN_OK) return status;
    trainer->step++;
    trainer->loss_sum += trainer->loss;
    trainer->loss_count++;
    bool save = is_due(trainer->step, t->checkpoint_every, t->steps),
         draw = is_due(trainer->step, t->sample_every, t->steps);
    if (is_due(trainer->step, t->log_every, t->steps)) status = rin_run_write_metrics(trainer, error);
    if (status == RIN_OK && save) status = rin_state_save(trainer, error);
    if (status == RIN_OK && draw) status = rin_run_write_samples(trainer, error);
    if (progress) {
        fill_progress(trainer, progress);
        progress->saved = save && status == RIN_OK;
        progress->sample_path = draw && status == RIN_OK ? trainer->sample_path : NULL;
    }
    return status;
}

rin_status rin_trainer_save(rin_trainer *trainer, rin_error *error) {
    return rin_state_save(trainer, error);
}

rin_status rin_trainer_run(rin_trainer *trainer, rin_error *error) {
    while (!rin_trainer_is_done(trainer)) {
        rin_progress progress;
        rin_status status = rin_trainer_step(trainer, &progress, error);
        if (status != RIN_OK) return status;
        if (!trainer->listener.on_progress || trainer->listener.on_progress(trainer->listener.user, &progress))
            continue;
        if (!progress.saved) status = rin_state_save(trainer, error);
        if (status != RIN_OK) return status;
        if (rin_trainer_is_done(trainer)) return RIN_OK;
        return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after step %lld, all saved", (long long)trainer->step);
    }
    return RIN_OK;
}
