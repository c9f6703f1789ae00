/* SPDX-License-Identifier: MIT */
/* config: a configuration's life; options by key. */
#include <string.h>

#include "config/internal.h"

void rin_string_free(char *text) {
    rin_free(text);
}

rin_status rin_config_create(rin_config **out, rin_error *error) {
    if (!out) return rin_error_null(error, __func__, "out");
    *out = NULL;
    rin_config *config = rin_calloc(1, sizeof *config, error);
    if (!config) return RIN_ERR_MEMORY;
    for (size_t i = 0; i < RIN_N_OPTIONS; i++) {
        rin_status status = rin_option_parse(&rin_option_rows[i], rin_option_rows[i].option.preset_value, config,
                                             error);
        if (status != RIN_OK) {
            rin_free(config);
            return rin_error_prefix(error, RIN_ERR_INTERNAL, "a default of schema.def");
        }
    }
    *out = config;
    return RIN_OK;
}

rin_status rin_config_copy(const rin_config *config, rin_config **out, rin_error *error) {
    if (!out) return rin_error_null(error, __func__, "out");
    *out = NULL;
    if (!config) return rin_error_null(error, __func__, "config");
    *out = rin_calloc(1, sizeof **out, error);
    if (!*out) return RIN_ERR_MEMORY;
    **out = *config;
    return RIN_OK;
}

void rin_config_free(rin_config *config) {
    rin_free(config);
}

rin_status rin_config_set(rin_config *config, const char *key, const char *value, rin_error *error) {
    if (!config) return rin_error_null(error, __func__, "config");
    if (!key) return rin_error_null(error, __func__, "key");
    if (!value) return rin_error_null(error, __func__, "value");
    const rin_option_row *row = rin_option_find(key);
    if (!row) return rin_option_unknown(key, error);
    rin_status status = rin_option_parse(row, value, config, error);
    if (status == RIN_OK) config->is_set[row - rin_option_rows] = true;
    return status;
}

rin_status rin_config_get(const rin_config *config, const char *key, char **value, rin_error *error) {
    if (!value) return rin_error_null(error, __func__, "value");
    *value = NULL;
    if (!config) return rin_error_null(error, __func__, "config");
    if (!key) return rin_error_null(error, __func__, "key");
    const rin_option_row *row = rin_option_find(key);
    if (!row) return rin_option_unknown(key, error);
    char text[RIN_VALUE_TEXT];
    rin_option_format(row, config, text);
    *value = rin_strdup(text, error);
    return *value ? RIN_OK : RIN_ERR_MEMORY;
}

bool rin_config_is_set(const rin_config *config, const char *key) {
    const rin_option_row *row = config && key ? rin_option_find(key) : NULL;
    return row && config->is_set[row - rin_option_rows];
}
