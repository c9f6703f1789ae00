/* SPDX-License-Identifier: MIT */
/* sample: what the verb is to make. Its own header: sample_*.c alone include it. */
#ifndef RIN_CLI_SAMPLE_H
#define RIN_CLI_SAMPLE_H

#include "cli/cli.h"

typedef struct rin_job {
    rin_model *model, *guide;
    rin_config *config;
    int64_t *listed, n_listed; /* [n_listed] classes asked for; 0 for a model without */
    int64_t *classes, count;   /* [count] of the pictures, NULL without classes */
    int64_t only;              /* the one picture of them that is wanted; -1: all */
    int columns;               /* of the grid; 0: nearly square */
    uint64_t seed, other_seed;
    bool between; /* pictures lie between the two seeds */
    bool video;
    const char *out, *film, *folder; /* files and folder that are written; or NULL */
    const char *suffix;              /* of files of their own */
    const char *model_path, *guide_path, *picture_path, *mask_path;
    uint8_t *picture, *mask; /* pixels of these; or NULL */
    rin_video_frames given;  /* what videos go on from */
    cJSON *recipe;           /* of --like, or NULL */
    /* Files of their own so far: pictures that are made, those of them that could not be written, and why. */
    int64_t n_made, n_failed;
    int code;
} rin_job;

/* Each returns an exit code, and has printed what is wrong unless that is 0. */

/* sample_job.c: from the command line, over what a recipe says. */
int rin_job_fill(rin_job *job, const rin_cli_args *args);
void rin_job_clear(rin_job *job);

/* sample_recipe.c: --like. Before anything else, then once there is a configuration, then once there is a generator. */
int rin_job_read_recipe(rin_job *job, const rin_cli_args *args);
int rin_job_apply_recipe(rin_job *job, const rin_cli_args *args);
int rin_job_compare_recipe(const rin_job *job, const rin_cli_args *args, const rin_generator *generator);
/* A text of the recipe; NULL where there is none. */
const char *rin_job_recipe_text(const rin_job *job, const char *key);
/* The path that an option gives, or else the recipe under `key`; NULL for neither. */
const char *rin_job_path(const rin_job *job, const rin_cli_args *args, const char *option, const char *key);

/* sample_given.c: pictures, masks and videos to begin with. */
int rin_job_read_given(rin_job *job, const rin_cli_args *args);

/* sample_output.c: files and folders, before the work and after it. */
int rin_job_check_files(rin_job *job, const rin_cli_args *args);
int rin_job_check_names(rin_job *job);
int rin_job_make_folder(const rin_job *job);
int rin_job_check_overlaps(const rin_job *job);
/* Those that were made since. What cannot be written is printed, and told by rin_job_write. */
void rin_job_write_made(rin_job *job, const rin_generator *generator);
int rin_job_stop(const rin_job *job); /* before the end */
int rin_job_write(const rin_job *job, const rin_generator *generator, bool has_grid);

#endif
