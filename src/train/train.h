/* SPDX-License-Identifier: MIT */
/* train: a training run: its folder, its state on disk, and the loop. The public functions are in rin.h. */
#ifndef RIN_TRAIN_H
#define RIN_TRAIN_H

#include "checkpoint/model_file.h"
#include "data/data.h"
#include "diffusion/diffusion.h"
#include "sample/sample.h"
#include "score/judge.h"
#include "train/step.h"

enum { RIN_NORMS = 1000 /* gradient norms that percentiles are taken over */ };

/* What tells the data of a run from other data: the order of examples follows from these. */
typedef struct rin_run_data {
    int64_t n_items;
    char names[24]; /* a hash of all names and classes, in hexadecimal digits; "" in runs of older versions */
} rin_run_data;

struct rin_trainer {
    rin_config config;
    rin_description description; /* what model.safetensors says of itself */
    rin_listener listener;
    atomic_bool cancelled; /* the listener said stop between steps */
    char *run, *data;      /* absolute paths: folder of the run, once it is there; the data */
    rin_run_data was;      /* the data as the run began with it */
    rin_lock lock;         /* of the folder */
    rin_dataset *dataset;
    rin_loader *loader;
    rin_backend *backend;
    rin_weights *weights;
    rin_program *program;
    rin_judge *judge; /* of train.eval_every; NULL: samples are not scored */
    uint64_t needed;  /* bytes of these and of batches in the memory of the machine, as estimated */
    rin_lr_schedule lr_schedule;
    float *one_hot;      /* [part batch * classes] */
    size_t *items;       /* [n_items] of the step's parts that were loaded, for messages */
    size_t *items_ahead; /* [batch] of the next step, where `ahead` */
    int64_t n_items;
    bool ahead;                            /* the next step's images are on their way to the device */
    int64_t step;                          /* done */
    int64_t saved_step;                    /* of the last checkpoint, -1 for none */
    int64_t started_at;                    /* step this process began with */
    double started, waiting_since;         /* clock; started: with the first step, before it 0 */
    int64_t parts_done;                    /* of a step that was stopped while it waited for data */
    double parts_loss;                     /* ... the sum of their losses, each over the number of parts */
    double loss, grad_norm, learning_rate; /* of the last step */
    double loss_sum;                       /* since the last line of metrics */
    int64_t loss_count;
    int64_t bad_steps, bad_in_row; /* steps that were not applied: in all, and up to now without a good one */
    bool starved;                  /* it was said that data come too slowly */
    float norms[RIN_NORMS];        /* [n_norms] of the last good steps, the oldest first */
    int64_t n_norms;
    rin_text metrics;     /* lines that are not in the file yet */
    bool metrics_failed;  /* ... and the user knows */
    bool save_owed;       /* a checkpoint is due since then */
    double save_again_at; /* clock */
    char sample_path[64]; /* of the last picture, within the run's folder */
};

static inline rin_log rin_trainer_log(const rin_trainer *trainer) {
    return (rin_log){trainer->listener.on_log, trainer->listener.user};
}

/* Whether what comes every so many steps (0: never), and after the last one, comes after this step. */
static inline bool rin_is_due(int64_t step, int64_t every, int64_t last) {
    return every && (step % every == 0 || step == last);
}

/* ---- folder.c: the files of a run ---- */

/* "<run>/<name>" (rin_free). */
char *rin_run_path(const rin_trainer *trainer, const char *name, rin_error *error);
/* Makes the path of an existing folder one from the root. */
rin_status rin_run_settle(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Refuses a folder that holds anything but what is left of a start that failed; one that does not exist is fine. */
rin_status rin_run_refuse_used(const char *run, rin_error *error) RIN_CHECKED;
/* Takes the lock of an existing folder and removes what a killed process left half written. Errors: BUSY; IO. */
rin_status rin_run_lock_folder(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Makes and locks the folder, refusing a used one; writes run.json, then config.ini, which makes it a run. */
rin_status rin_run_create_folder(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* What the trainer's data set is. */
rin_run_data rin_run_identify(const rin_dataset *dataset);
/* Writes one of the two anew. */
rin_status rin_run_write_config(const rin_trainer *trainer, rin_error *error) RIN_CHECKED;
rin_status rin_run_write_data(const rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Reads config.ini and run.json back. */
rin_status rin_run_read_folder(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Errors: IO when the folder was moved or replaced by another, so that nothing must be written under its name. */
rin_status rin_run_check_place(const rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Whether the grid of samples of this step is due but not there. */
bool rin_run_lacks_samples(const rin_trainer *trainer);
/* A grid of samples of the moving average: samples/step-<step>.png. Errors: CANCELLED by the listener, and all others.
 */
rin_status rin_run_write_samples(rin_trainer *trainer, rin_error *error) RIN_CHECKED;

/* Progress of what is done between steps, on to the listener: the trainer is user. Its word is kept for the loop, which
 * stops after this. */
bool rin_run_show(void *user, const rin_progress *progress);
/* The model as it is now, for those who sample from it; borrows from the trainer. */
rin_model rin_run_model(const rin_trainer *trainer);

/* ---- metrics.c: metrics.jsonl ---- */

/* Takes memory for the lines to come, so that none is lost for want of it later. */
rin_status rin_run_reserve_metrics(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Drops lines beyond trainer->step, which a killed process may have written. */
rin_status rin_run_trim_metrics(const rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* The norm of a good step. */
void rin_run_add_norm(rin_trainer *trainer, float norm);
/* The line of train.log_every steps; the line of a step that was not applied, with its files. Lines that cannot be
 * written yet wait in memory, with a warning. Errors: MEMORY. */
rin_status rin_run_add_metrics(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
rin_status rin_run_add_bad_step(rin_trainer *trainer, double loss, double norm, rin_error *error) RIN_CHECKED;
/* The line of a score of train.eval_every. Errors: MEMORY. */
rin_status rin_run_add_score(rin_trainer *trainer, double score, double deviation, rin_error *error) RIN_CHECKED;
/* Writes what waits and makes it safe. */
rin_status rin_run_sync_metrics(rin_trainer *trainer, rin_error *error) RIN_CHECKED;

/* ---- state.c: everything a run needs to go on ---- */

/* model.safetensors, then state.safetensors; older states are kept as state-<step>.safetensors. */
rin_status rin_state_save(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* guide-<step>.safetensors: the moving average as it is now, for rin sample --guide. */
rin_status rin_state_save_guide(rin_trainer *trainer, rin_error *error) RIN_CHECKED;
/* Bytes of disk that the next one needs. */
uint64_t rin_state_room(const rin_trainer *trainer);
/* Loads the newest state that can be read, older ones with a warning; *found is false when there is none. */
rin_status rin_state_load(rin_trainer *trainer, bool *found, rin_error *error) RIN_CHECKED;

#endif
