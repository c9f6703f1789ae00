/* SPDX-License-Identifier: MIT */
/* json: one section of a configuration as a JSON object, for checkpoints. */
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "config/internal.h"

static bool section_exists(const char *section) {
    size_t i = 0;
    while (i < rin_n_sections && strcmp(rin_section_rows[i].name, section)) i++;
    return i < rin_n_sections;
}

static rin_status unknown_section(const char *section, rin_error *error) {
    return rin_error_set(error, RIN_ERR_ARG, "there is no section '%.80s'", section);
}

/* A JSON number as text; false unless it is whole where it must be, and finite. */
static bool number_text(const cJSON *item, bool whole, char text[RIN_NUMBER_TEXT]) {
    double value = item->valuedouble;
    if (!cJSON_IsNumber(item) || !isfinite(value)) return false;
    if (!whole) {
        rin_number_format(value, 0, text);
        return true;
    }
    if (fabs(value) > 0x1p53 || value != trunc(value)) return false;
    snprintf(text, RIN_NUMBER_TEXT, "%.0f", value);
    return true;
}

/* A JSON array of whole numbers as a comma list; false when it is something else or too long. */
static bool array_text(const cJSON *array, char text[RIN_VALUE_TEXT]) {
    if (!cJSON_IsArray(array)) return false;
    size_t used = 0;
    text[0] = '\0';
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, array) {
        char number[RIN_NUMBER_TEXT];
        if (!number_text(item, true, number)) return false;
        int n = snprintf(text + used, RIN_VALUE_TEXT - used, "%s%s", used ? "," : "", number);
        if (n < 0 || (size_t)n >= RIN_VALUE_TEXT - used) return false;
        used += (size_t)n;
    }
    return true;
}

/* The value as the text rin_option_parse understands; false when it has the wrong JSON type. */
static bool value_text(const rin_option_row *row, const cJSON *item, char text[RIN_VALUE_TEXT]) {
    switch (row->type) {
    case RIN_TYPE_INT: return number_text(item, true, text);
    case RIN_TYPE_REAL: return number_text(item, false, text);
    case RIN_TYPE_INTS: return array_text(item, text);
    case RIN_TYPE_BOOL:
        snprintf(text, RIN_VALUE_TEXT, "%s", cJSON_IsTrue(item) ? "true" : "false");
        return cJSON_IsBool(item);
    case RIN_TYPE_WORD:
    case RIN_TYPE_TEXT: {
        if (!cJSON_IsString(item)) return false;
        int n = snprintf(text, RIN_VALUE_TEXT, "%s", item->valuestring);
        return n >= 0 && n < RIN_VALUE_TEXT;
    }
    }
    return false;
}

static rin_status take_item(const char *section, const cJSON *item, bool *seen, rin_config *config, rin_error *error) {
    char name[2 * RIN_KEY_TEXT], value[RIN_VALUE_TEXT];
    snprintf(name, sizeof name, "%s.%s", section, item->string ? item->string : "");
    const rin_option_row *row = rin_option_find(name);
    if (!row) return rin_option_unknown(name, error);
    size_t i = (size_t)(row - rin_option_rows);
    if (seen[i]) return rin_error_set(error, RIN_ERR_CONFIG, "%s is given twice", name);
    seen[i] = true;
    if (!value_text(row, item, value)) {
        return rin_error_set(error, RIN_ERR_CONFIG, "%s has a JSON value that is no %s; allowed: %s", name,
                             row->option.type, row->option.allowed);
    }
    return rin_option_parse(row, value, config, error);
}

rin_status rin_config_load_json(rin_config *config, const char *section, const char *json, rin_error *error) {
    if (!section_exists(section)) return unknown_section(section, error);
    enum { MOST_BYTES = 64 << 10 }; /* a parser's tree takes some forty times as much */
    if (strlen(json) > MOST_BYTES)
        return rin_error_set(error, RIN_ERR_FORMAT, "section %s: more than %d bytes of JSON", section, MOST_BYTES);
    cJSON *object = cJSON_ParseWithOpts(json, NULL, true);
    rin_config result = *config;
    bool seen[RIN_N_OPTIONS] = {false};
    rin_status status = RIN_OK;
    if (!cJSON_IsObject(object)) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "section %s: not a JSON object: '%.80s'", section, json);
    } else {
        for (const cJSON *item = object->child; item && status == RIN_OK; item = item->next) {
            status = take_item(section, item, seen, &result, error);
        }
    }
    if (status == RIN_OK) *config = result;
    cJSON_Delete(object);
    return status;
}

rin_status rin_config_format_json(const rin_config *config, const char *section, char **json, rin_error *error) {
    *json = NULL;
    if (!section_exists(section)) return unknown_section(section, error);
    rin_text text = {0};
    const char *separator = "{";
    for (size_t i = 0; i < RIN_N_OPTIONS; i++) {
        const rin_option_row *row = &rin_option_rows[i];
        if (strcmp(row->option.section, section)) continue;
        char value[RIN_VALUE_TEXT];
        rin_option_format(row, config, value);
        /* Words and texts hold no character that JSON would escape: their lists and grammars see to it. */
        const char *open = "", *close = "";
        if (row->type == RIN_TYPE_INTS) open = "[", close = "]";
        if (row->type == RIN_TYPE_WORD || row->type == RIN_TYPE_TEXT) open = close = "\"";
        rin_text_add(&text, "%s\"%s\": %s%s%s", separator, row->option.key, open, value, close);
        separator = ", ";
    }
    rin_text_add(&text, "}");
    return rin_text_take(&text, json, error);
}
