/* SPDX-License-Identifier: MIT */
/* The training loop: a step, and the checkpoint, metrics and picture that are due after it. */
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "model/model.h"
#include "train/train.h"

/* ---- computing ---- */

/* Images and labels of the next part into the program; items: which they are. */
static rin_status load_part(rin_trainer *trainer, size_t *items, rin_error *error) {
    int64_t classes = trainer->config.model.num_classes,
            n = trainer->config.train.batch / trainer->config.train.accumulate;
    rin_shape shape = rin_model_video_shape(&trainer->config.model, n);
    rin_batch batch;
    trainer->waiting_since = rin_clock_seconds();
    rin_status status = rin_loader_next(trainer->loader, &batch, error);
    if (status != RIN_OK) return status;
    memcpy(items, batch.items, (size_t)n * sizeof *items);
    status = rin_program_write(trainer->program, "images", batch.images, rin_shape_count(&shape), error);
    shape = rin_model_frames_shape(&trainer->config.model, n);
    if (status == RIN_OK && trainer->config.model.seq_cond)
        status = rin_program_write(trainer->program, "frames", batch.given, rin_shape_count(&shape), error);
    if (status != RIN_OK || !classes) return status;
    memset(trainer->one_hot, 0, (size_t)(n * classes) * sizeof *trainer->one_hot);
    for (int64_t i = 0; i < n; i++) {
        if (batch.labels[i] >= 0) trainer->one_hot[i * classes + batch.labels[i]] = 1;
    }
    return rin_program_write(trainer->program, "labels", trainer->one_hot, n * classes, error);
}

/* While a device works on a step of one part, the next one's images travel to it. What fails is tried again in its
 * turn. */
static void load_ahead(rin_trainer *trainer) {
    const rin_config_train *t = &trainer->config.train;
    if (!trainer->backend->table->wait || t->accumulate > 1 || trainer->step + 1 >= t->steps) return;
    trainer->ahead = load_part(trainer, trainer->items_ahead, NULL) == RIN_OK;
}

/* The part's images, which may have been loaded ahead. */
static rin_status take_part(rin_trainer *trainer, rin_error *error) {
    int64_t n = trainer->config.train.batch / trainer->config.train.accumulate;
    size_t *items = trainer->items + trainer->n_items;
    rin_status status = RIN_OK;
    if (trainer->ahead) memcpy(items, trainer->items_ahead, (size_t)n * sizeof *items);
    else status = load_part(trainer, items, error);
    trainer->ahead = false;
    if (status == RIN_OK) trainer->n_items += n;
    return status;
}

/* Gradients of all parts, then the update, unless a loss is not finite; the update itself skips a norm that is not. A
 * step of one part is one run, which a device does without waiting for the host: its update sees to the loss, too. */
static rin_status compute_step(rin_trainer *trainer, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    int64_t parts = t->accumulate, n = t->batch / parts;
    rin_step step = {.seed = (uint64_t)t->seed,
                     .step = (uint64_t)trainer->step,
                     .gradient_scale = 1 / (double)parts,
                     .learning_rate = rin_learning_rate(t, &trainer->lr_schedule, trainer->step),
                     .ema_decay = rin_ema_decay(t, trainer->step)};
    float norm = NAN;
    rin_status status = RIN_OK;
    for (int64_t *part = &trainer->parts_done; *part < parts; ++*part) {
        float loss = 0;
        step.part = (uint32_t)*part;
        step.first_example = (uint64_t)(*part * n);
        trainer->n_items = *part * n;
        /* All parts are taken, so that the next step begins with its own. */
        status = take_part(trainer, error);
        if (status != RIN_OK) return status;
        if (!isfinite(trainer->parts_loss)) continue;
        rin_program_run(trainer->program, &step, parts > 1 ? RIN_SECTION_GRADIENTS : RIN_SECTION_ALL);
        load_ahead(trainer);
        status = rin_program_read(trainer->program, "loss", &loss, 1, error);
        if (status != RIN_OK) return status;
        trainer->parts_loss += (double)loss / (double)parts;
    }
    double sum = trainer->parts_loss;
    trainer->parts_done = 0;
    trainer->parts_loss = 0;
    if (isfinite(sum)) {
        if (parts > 1) rin_program_run(trainer->program, &step, RIN_SECTION_UPDATE);
        status = rin_program_read(trainer->program, "grad_norm", &norm, 1, error);
    }
    trainer->loss = isnan(sum) ? (double)NAN : sum; /* without the sign that some sums give it */
    trainer->grad_norm = (double)norm;
    trainer->learning_rate = step.learning_rate;
    return status;
}

/* ---- steps that are not applied ---- */

/* "a.jpg, b.jpg and 62 more". */
static void list_files(const rin_trainer *trainer, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < trainer->n_items; i++) {
        const char *name = rin_dataset_item_name(trainer->dataset, trainer->items[i]);
        bool room = used + strlen(name) + 32 < size;
        int n = room ? snprintf(text + used, size - used, "%s%s", i ? ", " : "", name)
                     : snprintf(text + used, size - used, " and %lld more", (long long)(trainer->n_items - i));
        used += n > 0 ? (size_t)n : 0;
        if (!room) return;
    }
}

static rin_status count_bad_step(rin_trainer *trainer, rin_error *error) {
    char files[512];
    long long step = trainer->step, most = trainer->config.train.max_bad_steps;
    trainer->bad_steps++;
    trainer->bad_in_row++;
    list_files(trainer, files, sizeof files);
    rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                  "step %lld is not applied: loss %g, gradient norm %g (%lld in a row, the run stops at %lld; %lld in "
                  "all). Its files: %s",
                  step, trainer->loss, trainer->grad_norm, (long long)trainer->bad_in_row, most,
                  (long long)trainer->bad_steps, files);
    rin_status status = rin_run_add_bad_step(trainer, trainer->loss, trainer->grad_norm, error);
    if (status != RIN_OK || trainer->bad_in_row < most) return status;
    char kept[64] = "there is no checkpoint yet";
    if (trainer->saved_step >= 0)
        snprintf(kept, sizeof kept, "the checkpoint of step %lld stays", (long long)trainer->saved_step);
    return rin_error_set(
        error, RIN_ERR_NUMERIC,
        "step %lld: %lld steps in a row had a loss or gradient that is not finite or too large (loss %g, "
        "gradient norm %g); %s. Try a smaller train.learning_rate (now %g) or train.grad_clip = 1, in a new run or "
        "in this one's config.ini. The last files: %s",
        step, (long long)trainer->bad_in_row, trainer->loss, trainer->grad_norm, kept,
        trainer->config.train.learning_rate, files);
}

static rin_status count_step(rin_trainer *trainer, rin_error *error) {
    trainer->step++;
    bool applied = isfinite(trainer->loss) && rin_update_applies(trainer->grad_norm, trainer->config.train.grad_clip);
    if (!applied) return count_bad_step(trainer, error);
    trainer->bad_in_row = 0;
    trainer->loss_sum += trainer->loss;
    trainer->loss_count++;
    rin_run_add_norm(trainer, (float)trainer->grad_norm);
    return RIN_OK;
}

/* ---- what is due ---- */

/* A full disk is no reason to throw away the steps since the last checkpoint: until the last step, saving is tried
 * again. While steps are not applied nothing is saved, so that the last good checkpoints stay: the first one that is
 * applied makes up for it. */
static rin_status save_if_due(rin_trainer *trainer, bool *saved, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    enum { SECONDS_BETWEEN_TRIES = 20 };
    rin_error failure = {0};
    bool due = rin_is_due(trainer->step, t->checkpoint_every, t->steps);
    bool again = trainer->save_owed && rin_clock_seconds() >= trainer->save_again_at;
    *saved = false;
    if (!due && !again) return RIN_OK;
    if (trainer->bad_in_row && !rin_trainer_is_done(trainer)) {
        trainer->save_owed = true;
        trainer->save_again_at = 0;
        return RIN_OK;
    }
    if (trainer->bad_in_row)
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                      "the last %lld steps of the run were not applied: if its pictures are not what they were before, "
                      "the training went astray; a new run with a smaller train.learning_rate (now %g) may not",
                      (long long)trainer->bad_in_row, t->learning_rate);
    rin_status status = rin_state_save(trainer, &failure);
    *saved = status == RIN_OK;
    if (status == RIN_OK) return RIN_OK;
    trainer->save_owed = true;
    trainer->save_again_at = rin_clock_seconds() + SECONDS_BETWEEN_TRIES;
    if (rin_trainer_is_done(trainer)) {
        if (error) *error = failure;
        return status;
    }
    rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                  "step %lld is not saved: %s; training goes on and tries again every %d seconds",
                  (long long)trainer->step, failure.text, SECONDS_BETWEEN_TRIES);
    return RIN_OK;
}

/* A picture is no reason to stop either. */
static rin_status draw_if_due(rin_trainer *trainer, bool *drawn, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    rin_error failure = {0};
    *drawn = false;
    if (!rin_is_due(trainer->step, t->sample_every, t->steps)) return RIN_OK;
    rin_status status = rin_run_write_samples(trainer, &failure);
    *drawn = status == RIN_OK;
    if (status == RIN_ERR_CANCELLED) return rin_error_set(error, status, "stopped while drawing samples");
    if (status != RIN_OK)
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "no samples of step %lld: %s",
                      (long long)trainer->step, failure.text);
    return RIN_OK;
}

/* Nor is a model to guide by: the average at a sixteenth and at an eighth of a run long enough for it to be one. */
static void keep_guide_if_due(rin_trainer *trainer) {
    enum { SHORT = 1000, FIRST = 16, SECOND = 8 };
    const int64_t steps = trainer->config.train.steps;
    rin_error failure = {0};
    if (!trainer->config.train.guides || steps < SHORT || trainer->bad_in_row) return;
    if (trainer->step != steps / FIRST && trainer->step != steps / SECOND) return;
    if (rin_state_save_guide(trainer, &failure) != RIN_OK)
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "no model to guide by is kept of step %lld: %s",
                      (long long)trainer->step, failure.text);
}

/* Nor is a score. */
static rin_status score_if_due(rin_trainer *trainer, rin_error *error) {
    const rin_config_train *t = &trainer->config.train;
    if (!trainer->judge || !rin_is_due(trainer->step, t->eval_every, t->steps)) return RIN_OK;
    rin_model model = rin_run_model(trainer);
    rin_listener listener = {.on_progress = rin_run_show, .user = trainer};
    double score, deviation;
    rin_error failure = {0};
    rin_status status = rin_judge_score(trainer->judge, &model, listener, &score, &deviation, &failure);
    if (status == RIN_ERR_CANCELLED) return rin_error_set(error, status, "stopped while scoring samples");
    if (status == RIN_OK) {
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_INFO, "step %lld: %s %.5g of %lld samples",
                      (long long)trainer->step, t->eval_metric == RIN_TRAIN_METRIC_FID ? "fid" : "kid", score,
                      (long long)t->eval_count);
        return rin_run_add_score(trainer, score, deviation, error);
    }
    rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "no score of step %lld: %s", (long long)trainer->step,
                  failure.text);
    return RIN_OK;
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
                               .unit = trainer->config.model.seq_len > 1 ? "clips" : "images",
                               .loss = trainer->loss,
                               .grad_norm = trainer->grad_norm,
                               .learning_rate = trainer->learning_rate,
                               .wait_seconds = rin_loader_wait_seconds(trainer->loader),
                               .memory_bytes = (int64_t)usage.ru_maxrss * 1024,
                               .bad_steps = trainer->bad_steps};
}

/* Once, when a fifth of the time since the start, of half a minute at least, went by without data. */
static void warn_if_starved(rin_trainer *trainer) {
    const double least_seconds = 30, most_share = 0.2;
    if (trainer->starved) return;
    double seconds = rin_clock_seconds() - trainer->started, waited = rin_loader_wait_seconds(trainer->loader);
    if (seconds < least_seconds || waited < most_share * seconds) return;
    trainer->starved = true;
    rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                  "training waits for data %.0f%% of the time: let more of it stay in memory (data.cache_mb), %s",
                  100 * waited / seconds,
                  trainer->config.model.seq_len > 1 ? "or decode it once, by rin data pack"
                                                    : "or use smaller pictures");
}

/* ---- the public functions ---- */

rin_status rin_trainer_step(rin_trainer *trainer, rin_progress *progress, rin_error *error) {
    if (!trainer) return rin_error_null(error, __func__, "trainer");
    const rin_config_train *t = &trainer->config.train;
    bool saved = false, drawn = false;
    if (rin_trainer_is_done(trainer))
        return rin_error_set(error, RIN_ERR_ARG, "all %lld steps of this run are done", (long long)t->steps);
    atomic_store(&trainer->cancelled, false);
    if (trainer->started == 0) trainer->started = rin_clock_seconds();
    rin_status status = compute_step(trainer, error);
    if (status == RIN_OK) status = count_step(trainer, error);
    if (status == RIN_OK && rin_is_due(trainer->step, t->log_every, t->steps))
        status = rin_run_add_metrics(trainer, error);
    if (status == RIN_OK) warn_if_starved(trainer);
    if (status == RIN_OK) status = save_if_due(trainer, &saved, error);
    if (status == RIN_OK) keep_guide_if_due(trainer);
    if (status == RIN_OK) status = draw_if_due(trainer, &drawn, error);
    if (status == RIN_OK) status = score_if_due(trainer, error);
    if (progress) {
        fill_progress(trainer, progress);
        progress->saved = saved;
        progress->sample_path = drawn ? trainer->sample_path : NULL;
    }
    return status;
}

rin_status rin_trainer_save(rin_trainer *trainer, rin_error *error) {
    if (!trainer) return rin_error_null(error, __func__, "trainer");
    return rin_state_save(trainer, error);
}

/* Leaves with status, saying how things stand. */
static rin_status leave(const rin_trainer *trainer, rin_status status, rin_error *error) {
    char how[200];
    if (trainer->step > trainer->saved_step)
        snprintf(how, sizeof how,
                 "stopped after step %lld, not saved: %lld steps in a row were not applied, and the checkpoint of step "
                 "%lld stays",
                 (long long)trainer->step, (long long)trainer->bad_in_row, (long long)trainer->saved_step);
    else snprintf(how, sizeof how, "stopped and saved after step %lld", (long long)trainer->step);
    if (status == RIN_ERR_CANCELLED) return rin_error_set(error, status, "%s", how);
    return rin_error_prefix(error, status, "%s; the reason", how);
}

/* Before the loop is left early: nothing that was computed is thrown away, but for weights that may be beyond repair.
 * Returns the status to leave with. */
static rin_status save_and_leave(rin_trainer *trainer, rin_status status, rin_error *error) {
    rin_error failure = {0};
    if (status == RIN_ERR_NUMERIC) return status;
    if (trainer->bad_in_row && trainer->saved_step >= 0) return leave(trainer, status, error);
    rin_status saved = trainer->step > trainer->saved_step ? rin_state_save(trainer, &failure) : RIN_OK;
    if (saved != RIN_OK) {
        bool other = status != RIN_ERR_CANCELLED && error && strcmp(error->text, failure.text) != 0;
        if (other)
            return rin_error_prefix(error, status, "step %lld is not saved (%s)", (long long)trainer->step,
                                    failure.text);
        return rin_error_set(error, saved, "step %lld is not saved: %s. The run can be resumed from step %lld",
                             (long long)trainer->step, failure.text, (long long)RIN_MAX(trainer->saved_step, 0));
    }
    if (!rin_trainer_is_done(trainer) || rin_run_lacks_samples(trainer)) return leave(trainer, status, error);
    if (status != RIN_ERR_CANCELLED)
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING, "step %lld is saved, at the second attempt: %s",
                      (long long)trainer->step, error ? error->text : rin_status_name(status));
    return RIN_OK;
}

rin_status rin_trainer_run(rin_trainer *trainer, rin_error *error) {
    if (!trainer) return rin_error_null(error, __func__, "trainer");
    rin_status status = RIN_OK;
    bool drawn;
    /* The process may have been killed between a checkpoint and its picture. */
    if (rin_run_lacks_samples(trainer)) status = draw_if_due(trainer, &drawn, error);
    while (status == RIN_OK && !rin_trainer_is_done(trainer)) {
        rin_progress progress;
        const rin_listener *listener = &trainer->listener;
        status = rin_trainer_step(trainer, &progress, error);
        if (status == RIN_OK && listener->on_progress && !listener->on_progress(listener->user, &progress))
            status = RIN_ERR_CANCELLED;
    }
    /* A call before this one may have left when the last step could not be saved. */
    if (status == RIN_OK && trainer->step > trainer->saved_step) status = rin_state_save(trainer, error);
    return status == RIN_OK ? RIN_OK : save_and_leave(trainer, status, error);
}
