/* SPDX-License-Identifier: MIT */
/* arguments: a check for each public function that NULL, zero, negative and huge arguments do no harm. */
#ifndef RIN_TESTS_ARGUMENTS_H
#define RIN_TESTS_ARGUMENTS_H

#include "embed.h"

enum { ARGUMENTS_LONG = 10000, ARGUMENTS_PATHS = 5 };

/* What the checks try wrong arguments with. */
typedef struct arguments {
    const embed *e;
    rin_config *config;
    rin_trainer *trainer;          /* done */
    const char *run;               /* its folder */
    rin_model *model;              /* of that run */
    rin_generator *generator;      /* done */
    rin_config *video_config;      /* of 4 frames, 2 of them given */
    rin_model *video_model;        /* trained with that */
    const char *videos, *video;    /* a folder with one video, and that file */
    char text[ARGUMENTS_LONG + 1]; /* a long text without sense */
    /* No files to read: no name, a long one, a folder that holds something else, a named pipe, an endless device. */
    const char *paths[ARGUMENTS_PATHS];
    const char *folder, *pipe; /* of them */
} arguments;

typedef struct arguments_row {
    const char *function;
    void (*check)(const arguments *a);
} arguments_row;

extern const arguments_row arguments_of_config[], arguments_of_model[], arguments_of_run[], arguments_of_video[];
extern const size_t n_arguments_of_config, n_arguments_of_model, n_arguments_of_run, n_arguments_of_video;

/* Gives a its video and what is made of it; to be freed by whoever owns a. */
rin_status arguments_open_video(arguments *a, rin_error *error);

/* What an out parameter holds before a call that must set it to NULL. */
#define ARGUMENTS_UNSET ((void *)(uintptr_t)1)

#endif
