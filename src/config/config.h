/* SPDX-License-Identifier: MIT */
/* config: every option of the program, typed; read from files, presets, JSON and key=value; validated as a whole. */
#ifndef RIN_CONFIG_H
#define RIN_CONFIG_H

#include "base/base.h"

enum {
    /* Bytes of a text option, its NUL included; with its key it must fit one line of an INI file. */
    RIN_CONFIG_TEXT = 176,
    /* Most blocks. The list must fit one line of an INI file, and inih's lines have 198 characters. */
    RIN_MAX_BLOCKS = 32
};

/* Constants of word options: enum rin_pos_encoding { RIN_POS_LEARNED, ... } and so on, a list of words.def each. */
#define RIN_WORDS_BEGIN(list) typedef enum rin_##list {
#define RIN_WORD_ROW(constant, word) constant,
#define RIN_WORDS_END(list) \
    }                       \
    rin_##list;
#include "config/words.def"

/* The words of each list, by constant; NULL after the last. */
#define RIN_WORDS_BEGIN(list) extern const char *const rin_words_##list[];
#include "config/words.def"

/* Number of an option: RIN_OPTION_model_patch_size and so on; the index of is_set and of rin_option_get. */
enum {
#define RIN_INT(section, key, value, lowest, highest, help) RIN_OPTION_##section##_##key,
#define RIN_INTS(section, key, value, lowest, highest, help) RIN_OPTION_##section##_##key,
#define RIN_REAL(section, key, value, lowest, highest, help) RIN_OPTION_##section##_##key,
#define RIN_BOOL(section, key, value, help) RIN_OPTION_##section##_##key,
#define RIN_WORD(section, key, value, list, help) RIN_OPTION_##section##_##key,
#define RIN_TEXT(section, key, value, grammar, allowed, help) RIN_OPTION_##section##_##key,
#include "config/schema.def"
    RIN_N_OPTIONS
};

/* All options, a struct a section: config->model.patch_size. Holds no pointers: copied by assignment. */
struct rin_config {
#define RIN_SECTION_BEGIN(section, help) struct rin_config_##section {
#define RIN_SECTION_END(section) \
    }                            \
    section;
#define RIN_INT(section, key, value, lowest, highest, help) int64_t key;
#define RIN_INTS(section, key, value, lowest, highest, help) int64_t key[RIN_MAX_BLOCKS], n_##key;
#define RIN_REAL(section, key, value, lowest, highest, help) double key;
#define RIN_BOOL(section, key, value, help) bool key;
#define RIN_WORD(section, key, value, list, help) rin_##list key;
#define RIN_TEXT(section, key, value, grammar, allowed, help) char key[RIN_CONFIG_TEXT];
#include "config/schema.def"
    bool is_set[RIN_N_OPTIONS]; /* set by hand or by a file; not by a preset or a checkpoint */
};

typedef struct rin_config_model rin_config_model;
typedef struct rin_config_diffusion rin_config_diffusion;
typedef struct rin_config_train rin_config_train;
typedef struct rin_config_data rin_config_data;
typedef struct rin_config_sample rin_config_sample;
typedef struct rin_config_eval rin_config_eval;

/*
 * One section as a JSON object, or from one: {"patch_size": 4, "num_layers": [2, 2], ...}. format writes every option
 * of the section. load leaves options it does not name alone, does not mark them as set, and leaves config unchanged
 * when it fails: CONFIG for an unknown or repeated key or a bad value, FORMAT for text that is not a JSON object.
 * Ownership: *json is freed by rin_free.
 */
rin_status rin_config_load_json(rin_config *config, const char *section, const char *json,
                                rin_error *error) RIN_CHECKED;
rin_status rin_config_format_json(const rin_config *config, const char *section, char **json,
                                  rin_error *error) RIN_CHECKED;

/* ---- sizes that follow from the model section, for a config that is valid ---- */

int64_t rin_model_rows(const rin_config_model *model);  /* patches in a column of a frame */
int64_t rin_model_cols(const rin_config_model *model);  /* patches in a row of a frame */
int64_t rin_model_times(const rin_config_model *model); /* patches along time, those of the given frames included */
/* Width of time and label tokens on the tape. */
int64_t rin_model_cond_width(const rin_config_model *model);
/* Time and label tokens placed among the latents, and on the tape. */
int64_t rin_model_latent_tokens(const rin_config_model *model);
int64_t rin_model_tape_tokens(const rin_config_model *model);

/* ---- devices ---- */

#define RIN_DEVICE_ALLOWED "cpu, cuda, cuda:1 for the second GPU and so on, or another device that rin help bench lists"

enum { RIN_DEVICE_NAME = RIN_CONFIG_TEXT + 8 };

/* What the backend of train.device is called: "cuda" is made more precise by train.precision, other names are full. */
void rin_config_device(const rin_config_train *train, char name[RIN_DEVICE_NAME]);

/* ---- paths ---- */

#define RIN_PATH_ALLOWED "empty, or a path of up to 175 bytes"

/* ---- schedules: grammar only, evaluation is elsewhere ---- */

#define RIN_SCHEDULE_ALLOWED "cosine, simple_linear, cosine@start,end,tau, sigmoid@start,end,tau, or log@start,end,t|f"
#define RIN_LR_SCHEDULE_ALLOWED "cosine, cosine@fraction, linear, exp@rate, or none"

typedef enum rin_schedule_kind {
    RIN_SCHEDULE_COSINE,        /* cosine */
    RIN_SCHEDULE_SIMPLE_LINEAR, /* simple_linear */
    RIN_SCHEDULE_COSINE_RANGE,  /* cosine@start,end,tau */
    RIN_SCHEDULE_SIGMOID,       /* sigmoid@start,end,tau */
    RIN_SCHEDULE_LOG            /* log@start,end,reverse */
} rin_schedule_kind;

typedef struct rin_schedule {
    rin_schedule_kind kind;
    double start, end, tau; /* as written; reverse is not applied; 0 where the kind has none */
    bool reverse;
} rin_schedule;

/*
 * Parses a noise schedule and refuses one that would not be a finite curve from 1 to 0: start = end, tau outside
 * [1e-3, 1e3], a cosine range outside [0, 1], a sigmoid that is flat in double precision, log bounds outside
 * [1e-9, 1e9]. Errors: CONFIG.
 */
rin_status rin_schedule_parse(const char *text, rin_schedule *out, rin_error *error) RIN_CHECKED;

typedef enum rin_lr_schedule_kind {
    RIN_LR_SCHEDULE_COSINE,
    RIN_LR_SCHEDULE_LINEAR,
    RIN_LR_SCHEDULE_EXP,
    RIN_LR_SCHEDULE_NONE
} rin_lr_schedule_kind;

typedef struct rin_lr_schedule {
    rin_lr_schedule_kind kind;
    double rate; /* cosine: the fraction of the half wave that is used, in (0, 1]; exp: rate in (0, 1]; else 1 */
} rin_lr_schedule;

/* Parses a learning rate schedule. Errors: CONFIG. */
rin_status rin_lr_schedule_parse(const char *text, rin_lr_schedule *out, rin_error *error) RIN_CHECKED;

#endif
