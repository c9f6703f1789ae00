/* SPDX-License-Identifier: MIT */
/* Model files: parameters under the specification's names, with the configuration and class names as metadata. */
#ifndef RIN_MODEL_FILE_H
#define RIN_MODEL_FILE_H

#include "checkpoint/safetensors.h"
#include "config/config.h"
#include "exec/exec.h"

#define RIN_STATE_FORMAT "rin-state-1" /* of a training's state, which is no model */

/* What a model is, besides its numbers. */
typedef struct rin_description {
    rin_config config; /* sections model and diffusion matter, of video models data, too */
    char **classes;    /* [n_classes] */
    int64_t n_classes;
    int64_t steps; /* trained */
} rin_description;

void rin_description_clear(rin_description *description);
/* Class names from a JSON array of strings, no more than the configuration has classes, and from a list. A folder's
 * name may hold any byte, a file's metadata UTF-8 alone: other bytes become question marks. */
rin_status rin_description_parse_classes(rin_description *description, const char *json, rin_error *error) RIN_CHECKED;
rin_status rin_description_copy_classes(rin_description *description, const char *const *classes, int64_t n,
                                        rin_error *error) RIN_CHECKED;
/* Index of a class given by name or number, or -1. */
int64_t rin_description_find_class(const rin_description *description, const char *name);

/* Declares description as metadata of a file that is being written; reads it back. */
rin_status rin_description_write(const rin_description *description, rin_safetensors_writer *writer,
                                 rin_error *error) RIN_CHECKED;
rin_status rin_description_read(rin_description *description, const rin_safetensors *file,
                                rin_error *error) RIN_CHECKED;

/* Declares, then streams, all tensors of an arena under prefix + name. */
rin_status rin_arena_declare(const rin_weights *weights, const char *prefix, rin_safetensors_writer *writer,
                             rin_error *error) RIN_CHECKED;
rin_status rin_arena_write(const rin_weights *weights, rin_arena arena, rin_safetensors_writer *writer,
                           rin_error *error) RIN_CHECKED;
/* Reads them back: every tensor must be there, with its shape and a floating type, and finite (NUMERIC). */
rin_status rin_arena_read(rin_weights *weights, rin_arena arena, const char *prefix, const rin_safetensors *file,
                          rin_error *error) RIN_CHECKED;

/* Writes one arena as a model file. */
rin_status rin_model_file_save(const char *path, const rin_description *description, const rin_weights *weights,
                               rin_arena arena, rin_error *error) RIN_CHECKED;
/*
 * Before anything is built or allocated for what a file claims to be: are there as many tensors as that many layers
 * must have? Then, are they the parameters of the model's graph, with their shapes and floating types, and no others?
 * Errors: FORMAT; the message names the tensor, what it is and what is wanted.
 */
rin_status rin_model_file_check_layers(const rin_config *config, const rin_safetensors *file,
                                       rin_error *error) RIN_CHECKED;
rin_status rin_model_file_check_tensors(const rin_graph *graph, const rin_safetensors *file,
                                        rin_error *error) RIN_CHECKED;

#endif
