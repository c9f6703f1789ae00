/* SPDX-License-Identifier: MIT */
/* options: the table made of schema.def; look-up; one value from and to text. */
#include <stddef.h>
#include <string.h>

#include "config/internal.h"

/* Word lists twice: as NULL-terminated tables, and as " | a | b" for messages. */
#define RIN_WORDS_BEGIN(list) const char *const rin_words_##list[] = {
#define RIN_WORD_ROW(constant, word) word,
#define RIN_WORDS_END(list) NULL};
#include "config/words.def"
#define RIN_WORDS_BEGIN(list) static const char allowed_##list[] = ""
#define RIN_WORD_ROW(constant, word) " | " word
#define RIN_WORDS_END(list) ;
#include "config/words.def"
enum { SEPARATOR = 3 }; /* characters of " | " */

/* Words are stored through int, whatever type the compiler gives their enums. */
#define RIN_WORDS_BEGIN(list) _Static_assert(sizeof(rin_##list) == sizeof(int), "enum " #list " is not an int");
#include "config/words.def"

#define FIELD(section, key) offsetof(rin_config, section.key)
#define ABOUT(section, key, type, value, allowed, help) \
    {#section "." #key, #section, #key, type, value, allowed, help}
#define RANGE(lowest, highest) #lowest " to " #highest

const rin_option_row rin_option_rows[RIN_N_OPTIONS] = {
#define RIN_INT(section, key, value, lowest, highest, help)                                                         \
    {ABOUT(section, key, "int", value, RANGE(lowest, highest), help), RIN_TYPE_INT, FIELD(section, key), 0, lowest, \
     highest, NULL, 0},
#define RIN_INTS(section, key, value, lowest, highest, help)                                                       \
    {ABOUT(section, key, "ints", value, "up to 32 numbers of " RANGE(lowest, highest) " with commas between", help), \
     RIN_TYPE_INTS, FIELD(section, key), FIELD(section, n_##key), lowest, highest, NULL, 0},
#define RIN_REAL(section, key, value, lowest, highest, help)                                                      \
    {ABOUT(section, key, "real", value, RANGE(lowest, highest), help), RIN_TYPE_REAL, FIELD(section, key), 0,     \
     lowest, highest, NULL, 0},
#define RIN_BOOL(section, key, value, help)                                                                        \
    {ABOUT(section, key, "bool", value, "true | false", help), RIN_TYPE_BOOL, FIELD(section, key), 0, 0, 0, NULL, 0},
#define RIN_WORD(section, key, value, list, help)                                                               \
    {ABOUT(section, key, "word", value, allowed_##list + SEPARATOR, help), RIN_TYPE_WORD, FIELD(section, key),  \
     0, 0, 0, rin_words_##list, 0},
#define RIN_TEXT(section, key, value, grammar, allowed, help)                                                \
    {ABOUT(section, key, "text", value, allowed, help), RIN_TYPE_TEXT, FIELD(section, key), 0, 0, 0, NULL, \
     RIN_GRAMMAR_##grammar},
#include "config/schema.def"
};
_Static_assert(RIN_MAX_BLOCKS == 32, "the allowed text of lists names the bound");

const rin_section_row rin_section_rows[] = {
#define RIN_SECTION_BEGIN(section, help) {#section, help},
#include "config/schema.def"
};
const size_t rin_n_sections = RIN_COUNT(rin_section_rows);

size_t rin_option_count(void) {
    return RIN_N_OPTIONS;
}

const rin_option *rin_option_get(size_t index) {
    return index < RIN_N_OPTIONS ? &rin_option_rows[index].option : NULL;
}

const rin_option_row *rin_option_find(const char *name) {
    for (size_t i = 0; i < RIN_N_OPTIONS; i++) {
        if (!strcmp(rin_option_rows[i].option.name, name)) return &rin_option_rows[i];
    }
    return NULL;
}

/* Levenshtein's distance: the fewest insertions, removals and replacements that turn a into b. */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[RIN_KEY_TEXT];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= n; j++) {
            size_t replaced = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            row[j] = RIN_MIN(replaced, RIN_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

const char *rin_config_nearest_key(const char *key) {
    size_t length = key ? strlen(key) : 0;
    if (!length || length >= RIN_KEY_TEXT) return NULL;
    const char *dot = strchr(key, '.');
    const char *bare = dot ? dot + 1 : key;
    const char *nearest = NULL;
    /* Half of the key wrong is no slip of the finger. */
    size_t fewest = RIN_MAX(strlen(bare) / 2, 2) + 1;
    for (size_t i = 0; i < RIN_N_OPTIONS; i++) {
        const rin_option *option = &rin_option_rows[i].option;
        size_t distance = edit_distance(key, option->name);
        /* A key without its section, or in the wrong one: right but for one thing. */
        size_t elsewhere = edit_distance(bare, option->key) + 1;
        distance = RIN_MIN(distance, elsewhere);
        if (distance < fewest) {
            fewest = distance;
            nearest = option->name;
        }
    }
    return nearest;
}

rin_status rin_option_unknown(const char *name, rin_error *error) {
    const char *nearest = rin_config_nearest_key(name);
    if (!nearest) {
        return rin_error_set(error, RIN_ERR_CONFIG, "there is no option '%.80s'; docs/config.md lists them", name);
    }
    return rin_error_set(error, RIN_ERR_CONFIG, "there is no option '%.80s'; did you mean '%s'?", name, nearest);
}

static rin_status refuse(const rin_option_row *row, const char *value, rin_error *error) {
    return rin_error_set(error, RIN_ERR_CONFIG, "%s = '%.80s' is not allowed; allowed: %s (%s)", row->option.name,
                         value, row->option.allowed, row->option.type);
}

static bool parse_int(const rin_option_row *row, const char *value, int64_t *out) {
    return rin_number_parse_int(value, out) && *out >= (int64_t)row->lowest && *out <= (int64_t)row->highest;
}

static bool parse_ints(const rin_option_row *row, const char *value, rin_config *config) {
    int64_t values[RIN_MAX_BLOCKS] = {0}, n = 0;
    const char *rest = value;
    for (;;) {
        char item[RIN_NUMBER_TEXT] = "";
        rest += strspn(rest, " ");
        size_t length = strcspn(rest, ", ");
        if (n == RIN_MAX_BLOCKS || length >= sizeof item) return false;
        memcpy(item, rest, length);
        if (!parse_int(row, item, &values[n++])) return false;
        rest += length;
        rest += strspn(rest, " ");
        if (!*rest) break;
        if (*rest++ != ',') return false;
    }
    memcpy((char *)config + row->offset, values, sizeof values);
    memcpy((char *)config + row->count_offset, &n, sizeof n);
    return true;
}

static bool parse_word(const rin_option_row *row, const char *value, void *field) {
    for (int i = 0; row->words[i]; i++) {
        if (strcmp(row->words[i], value)) continue;
        memcpy(field, &i, sizeof i);
        return true;
    }
    return false;
}

/* Which devices there are is known to the backends. */
static bool is_device(const char *value) {
    return *value && !value[strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-:")];
}

/* A line of an INI file gives it back: no blanks at its ends, no control characters, nothing like a comment. */
static bool is_path(const char *value) {
    size_t n = strlen(value);
    if (n && (strchr(" \t", value[0]) || strchr(" \t", value[n - 1]) || strchr(";#\"", value[0]))) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c < ' ' || c == 0x7f || (c == ';' && i && value[i - 1] == ' ')) return false;
    }
    return rin_text_is_utf8(value);
}

static rin_status parse_text(const rin_option_row *row, const char *value, char *field, rin_error *error) {
    if (strlen(value) >= RIN_CONFIG_TEXT) return refuse(row, value, error);
    rin_status status = RIN_OK;
    if (row->grammar == RIN_GRAMMAR_DEVICE) {
        if (!is_device(value)) return refuse(row, value, error);
    } else if (row->grammar == RIN_GRAMMAR_PATH) {
        if (!is_path(value)) return refuse(row, value, error);
    } else if (row->grammar == RIN_GRAMMAR_LR_SCHEDULE) {
        rin_lr_schedule unused;
        status = rin_lr_schedule_parse(value, &unused, error);
    } else if (*value || row->grammar == RIN_GRAMMAR_SCHEDULE) {
        rin_schedule unused;
        status = rin_schedule_parse(value, &unused, error);
    }
    if (status != RIN_OK) return rin_error_prefix(error, status, "%s", row->option.name);
    memset(field, 0, RIN_CONFIG_TEXT);
    memcpy(field, value, strlen(value));
    return RIN_OK;
}

rin_status rin_option_parse(const rin_option_row *row, const char *value, rin_config *config, rin_error *error) {
    void *field = (char *)config + row->offset;
    bool good = false;
    switch (row->type) {
    case RIN_TYPE_INT: {
        int64_t number = 0;
        good = parse_int(row, value, &number);
        if (good) memcpy(field, &number, sizeof number);
        break;
    }
    case RIN_TYPE_REAL: {
        double number = 0;
        good = rin_number_parse_real(value, &number) && number >= row->lowest && number <= row->highest;
        number += 0.0; /* -0 becomes 0 */
        if (good) memcpy(field, &number, sizeof number);
        break;
    }
    case RIN_TYPE_BOOL: {
        bool yes = !strcmp(value, "true");
        good = yes || !strcmp(value, "false");
        if (good) memcpy(field, &yes, sizeof yes);
        break;
    }
    case RIN_TYPE_INTS: good = parse_ints(row, value, config); break;
    case RIN_TYPE_WORD: good = parse_word(row, value, field); break;
    case RIN_TYPE_TEXT: return parse_text(row, value, field, error);
    }
    return good ? RIN_OK : refuse(row, value, error);
}

void rin_option_format(const rin_option_row *row, const rin_config *config, char text[RIN_VALUE_TEXT]) {
    const void *field = (const char *)config + row->offset;
    switch (row->type) {
    case RIN_TYPE_INT: snprintf(text, RIN_VALUE_TEXT, "%lld", (long long)*(const int64_t *)field); break;
    case RIN_TYPE_REAL: rin_number_format(*(const double *)field, 0, text); break;
    case RIN_TYPE_BOOL: snprintf(text, RIN_VALUE_TEXT, "%s", *(const bool *)field ? "true" : "false"); break;
    case RIN_TYPE_TEXT: snprintf(text, RIN_VALUE_TEXT, "%s", (const char *)field); break;
    case RIN_TYPE_WORD: {
        int word = 0;
        memcpy(&word, field, sizeof word);
        snprintf(text, RIN_VALUE_TEXT, "%s", row->words[word]);
        break;
    }
    case RIN_TYPE_INTS: {
        const int64_t *values = field;
        int64_t n = *(const int64_t *)((const char *)config + row->count_offset);
        size_t used = 0;
        text[0] = '\0';
        for (int64_t i = 0; i < n && used < RIN_VALUE_TEXT; i++) {
            int added = snprintf(text + used, RIN_VALUE_TEXT - used, "%s%lld", i ? "," : "", (long long)values[i]);
            used += added > 0 ? (size_t)added : 0;
        }
        break;
    }
    }
}
