/* SPDX-License-Identifier: MIT */
/* config, inside: the option table, values to and from text, numbers independent of the locale. */
#ifndef RIN_CONFIG_INTERNAL_H
#define RIN_CONFIG_INTERNAL_H

#include "config/config.h"

enum {
    RIN_VALUE_TEXT = 256, /* bytes of any formatted value */
    RIN_KEY_TEXT = 64     /* bytes of a "section.key" worth comparing */
};

typedef enum rin_option_type {
    RIN_TYPE_INT,
    RIN_TYPE_INTS,
    RIN_TYPE_REAL,
    RIN_TYPE_BOOL,
    RIN_TYPE_WORD,
    RIN_TYPE_TEXT
} rin_option_type;
typedef enum rin_grammar {
    RIN_GRAMMAR_SCHEDULE,
    RIN_GRAMMAR_OPTIONAL_SCHEDULE,
    RIN_GRAMMAR_LR_SCHEDULE,
    RIN_GRAMMAR_DEVICE,
    RIN_GRAMMAR_PATH
} rin_grammar;

typedef struct rin_option_row {
    rin_option option;
    rin_option_type type;
    size_t offset, count_offset; /* in struct rin_config; count_offset: of a list */
    double lowest, highest;      /* numbers; whole numbers are exact below 2^53 */
    const char *const *words;    /* NULL-terminated, word options */
    rin_grammar grammar;         /* text options */
} rin_option_row;

extern const rin_option_row rin_option_rows[RIN_N_OPTIONS];

typedef struct rin_section_row {
    const char *name, *help;
} rin_section_row;

extern const rin_section_row rin_section_rows[];
extern const size_t rin_n_sections;

/* Row of "section.key", or NULL. */
const rin_option_row *rin_option_find(const char *name);

/* Records that there is no option of that name, and which one may be meant. Returns CONFIG. */
rin_status rin_option_unknown(const char *name, rin_error *error);

/* Stores the value in config, or leaves config alone and says what is allowed (CONFIG). */
rin_status rin_option_parse(const rin_option_row *row, const char *value, rin_config *config,
                            rin_error *error) RIN_CHECKED;

/* The canonical text of the value; it parses back to the same value. */
void rin_option_format(const rin_option_row *row, const rin_config *config, char text[RIN_VALUE_TEXT]);

/* A file of configs/, compiled in by cmake/embed.cmake. */
typedef struct rin_embedded_preset {
    const char *name, *summary, *text;
} rin_embedded_preset;

extern const rin_embedded_preset rin_embedded_presets[];
extern const size_t rin_n_embedded_presets;

/* As rin_config_load_text, with or without marking options as set by the user. */
rin_status rin_config_read_ini(rin_config *config, const char *text, const char *name, bool mark,
                               rin_error *error) RIN_CHECKED;

#endif
