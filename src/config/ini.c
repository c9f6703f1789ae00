/* SPDX-License-Identifier: MIT */
/* ini: configurations as INI files; inih splits the lines, everything else is checked here. */
#include <ini.h>
#include <string.h>

#include "config/internal.h"

enum { MAX_FILE = 1 << 20 };

typedef struct reader {
    const char *rest; /* of the text */
    int line;         /* number of the line handed out last, from 1 */
    rin_config *config;
    bool seen[RIN_N_OPTIONS], has_preset;
    rin_status status;
    rin_error *error;
} reader;

/* Hands inih one line, as fgets would; inih calls the handler before it asks for the next one. */
static char *next_line(char *line, int size, void *stream) {
    reader *r = stream;
    if (r->status != RIN_OK || !*r->rest) return NULL;
    r->line++;
    /* inih would take an indented line for the rest of the value before it. */
    r->rest += strspn(r->rest, " \t");
    size_t length = strcspn(r->rest, "\n");
    length += r->rest[length] == '\n';
    if (length >= (size_t)size) {
        r->status = rin_error_set(r->error, RIN_ERR_FORMAT, "a line of %zu bytes; allowed: %d", length, size - 2);
        return NULL;
    }
    memcpy(line, r->rest, length);
    line[length] = '\0';
    r->rest += length;
    return line;
}

/* preset = NAME, before all sections: what the file's options change. */
static rin_status take_preset(reader *r, const char *name) {
    if (r->has_preset) return rin_error_set(r->error, RIN_ERR_CONFIG, "preset is given twice; keep one");
    r->has_preset = true;
    return rin_config_load_preset(r->config, name, r->error);
}

/* One "key = value"; 1 to go on, 0 to stop. */
static int take_option(void *user, const char *section, const char *key, const char *value) {
    reader *r = user;
    if (r->status != RIN_OK) return 0;
    if (!*section && strcmp(key, "preset") == 0) {
        r->status = take_preset(r, value);
        return r->status == RIN_OK;
    }
    char name[2 * RIN_KEY_TEXT];
    snprintf(name, sizeof name, "%s%s%s", section, *section ? "." : "", key);
    const rin_option_row *row = rin_option_find(name);
    if (!row) {
        r->status = rin_option_unknown(name, r->error);
    } else if (r->seen[row - rin_option_rows]) {
        r->status = rin_error_set(r->error, RIN_ERR_CONFIG, "%s is given twice; keep one", name);
    } else {
        r->seen[row - rin_option_rows] = true;
        r->status = rin_option_parse(row, value, r->config, r->error);
    }
    return r->status == RIN_OK;
}

rin_status rin_config_read_ini(rin_config *config, const char *text, const char *name, bool mark, rin_error *error) {
    rin_config result = *config;
    reader r = {.rest = text, .config = &result, .error = error};
    int wrong = ini_parse_stream(next_line, &r, take_option, &r);
    if (wrong > 0 && (r.status == RIN_OK || wrong < r.line)) {
        r.line = wrong;
        r.status = rin_error_set(error, RIN_ERR_FORMAT, "neither [section], nor key = value, nor a comment");
    } else if (wrong < 0 && r.status == RIN_OK) {
        r.status = rin_error_set(error, RIN_ERR_MEMORY, "out of memory");
    }
    if (r.status != RIN_OK) return rin_error_prefix(error, r.status, "%s, line %d", name, r.line);
    for (size_t i = 0; mark && i < RIN_N_OPTIONS; i++) result.is_set[i] |= r.seen[i];
    *config = result;
    return RIN_OK;
}

rin_status rin_config_load_preset(rin_config *config, const char *name, rin_error *error) {
    if (!config) return rin_error_null(error, __func__, "config");
    if (!name) return rin_error_null(error, __func__, "name");
    rin_text names = {0};
    for (size_t i = 0; i < rin_n_embedded_presets; i++) {
        const rin_embedded_preset *preset = &rin_embedded_presets[i];
        if (strcmp(preset->name, name)) {
            rin_text_add(&names, "%s%s", i ? ", " : "", preset->name);
            continue;
        }
        rin_text_clear(&names);
        rin_status status = rin_config_read_ini(config, preset->text, name, false, error);
        return status == RIN_OK ? status : rin_error_prefix(error, status, "preset");
    }
    rin_status status = rin_error_set(error, RIN_ERR_CONFIG, "there is no preset '%.80s'; there are: %s", name,
                                      names.chars ? names.chars : "none");
    rin_text_clear(&names);
    return status;
}

rin_status rin_config_load_text(rin_config *config, const char *text, const char *name, rin_error *error) {
    if (!config) return rin_error_null(error, __func__, "config");
    if (!text) return rin_error_null(error, __func__, "text");
    if (!name) return rin_error_null(error, __func__, "name");
    return rin_config_read_ini(config, text, name, true, error);
}

rin_status rin_config_load_file(rin_config *config, const char *path, rin_error *error) {
    if (!config) return rin_error_null(error, __func__, "config");
    if (!path) return rin_error_null(error, __func__, "path");
    char *text = NULL;
    size_t n = 0;
    rin_status status = rin_file_read(path, MAX_FILE, &text, &n, error);
    if (status != RIN_OK) return status;
    if (memchr(text, '\0', n)) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "%s: a zero byte; this is not a text file", path);
    } else {
        status = rin_config_load_text(config, text, path, error);
    }
    rin_free(text);
    return status;
}

rin_status rin_config_format(const rin_config *config, char **ini, rin_error *error) {
    if (!ini) return rin_error_null(error, __func__, "ini");
    *ini = NULL;
    if (!config) return rin_error_null(error, __func__, "config");
    rin_text text = {0};
    const char *section = "";
    for (size_t i = 0; i < RIN_N_OPTIONS; i++) {
        const rin_option *option = &rin_option_rows[i].option;
        if (strcmp(section, option->section)) {
            rin_text_add(&text, "%s[%s]\n", i ? "\n" : "", option->section);
            section = option->section;
        }
        char value[RIN_VALUE_TEXT];
        rin_option_format(&rin_option_rows[i], config, value);
        rin_text_add(&text, "# %s. Allowed: %s\n%s = %s\n", option->help, option->allowed, option->key, value);
    }
    return rin_text_take(&text, ini, error);
}
