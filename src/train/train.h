/* SPDX-License-Identifier: MIT */
/* train: a training run: its folder, its state on disk, and the loop. The public functions are in rin.h. */
#ifndef RIN_TRAIN_H
#define RIN_TRAIN_H

#include "checkpoint/model_file.h"
#include "data/data.h"
#include "diffusion/diffusion.h"
#include "sample/sample.h"
#include "train/step.h"

struct rin_trainer {
    rin_config config;
    rin_description description; /* what model.safetensors says of itself */
    rin_listener listener;
    atomic_bool cancelled; /* the listener said stop while data was loading */
    char *run, *data;      /* folder of the run; absolute path of the data */
    rin_dataset *dataset;
    rin_loader *loader;
    rin_backend *backend;
    rin_weights *weights;
    rin_program *program;
    rin_lr_schedule lr_schedule;
    float *one_hot;  /* [part batch * classes] */
    rin_batch batch; /* the last one, for messages */
    FILE *metrics;
    int64_t step;                          /* done */
    int64_t started_at;                    /* step this process began with */
    double started;                        /* clock */
    double loss, grad_norm, learning_rate; /* of the last step */
    double loss_sum;                       /* since the last line of metrics */
    int64_t loss_count;
    char sample_path[64]; /* of the last picture, within the run's folder */
};

static inline rin_log rin_trainer_log(const rin_trainer *trainer) {
    return (rin_log){trainer->listener.on_log, trainer->listener.user};
}

/* ---- folder.c: the files of a run ---- */

/* "<run>/<name>" (rin_free). */
char *rin_run_path(const rin_trainer *trainer, const char *name, rin_error *error);
/* Refuses a folder that holds anything; one that does not exist is fine. */
rin_status rin_run_refuse_used(const char *run, rin_error *error) RIN_CHECKED;
/* Makes the folder, refusing a used one; writes config.ini and run.json. */
rin_status rin_run_create_folder(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Reads config.ini and run.json back. *n_items: how many the data had when the run began. */
rin_status rin_run_read_folder(rin_trainer *trainer, int64_t *n_items, rin_error *error) RIN_CHECKED;
/* metrics.jsonl: opens it for appending after dropping lines beyond trainer->step; a line every train.log_every steps.
 */
rin_status rin_run_open_metrics(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
rin_status rin_run_write_metrics(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* A grid of samples of the moving average: samples/step-<step>.png. */
rin_status rin_run_write_samples(rin_trainer *trainer, rin_error *error) RIN_CHECKED;

/* ---- state.c: everything a run needs to go on ---- */

/* model.safetensors, then state.safetensors; older states are kept as state-<step>.safetensors. */
rin_status rin_state_save(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Loads the newest state that can be read, older ones with a warning; *found is false when there is none. */
rin_status rin_state_load(rin_trainer *trainer, bool *found, rin_error *error) RIN_CHECKED;

#endif
