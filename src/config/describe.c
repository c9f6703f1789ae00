/* SPDX-License-Identifier: MIT */
/* describe: the reference of options and presets, as Markdown. */
#include <string.h>

#include "config/internal.h"

/* A table cell: the bar of "a | b" would end it. */
static void add_cell(rin_text *text, const char *cell) {
    for (; *cell; cell++) rin_text_add(text, *cell == '|' ? "\\%c" : "%c", *cell);
}

static void add_section(rin_text *text, const rin_section_row *section) {
    rin_text_add(text, "\n## [%s]\n\n%s\n\n| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n", section->name,
                 section->help);
    for (size_t i = 0; i < RIN_N_OPTIONS; i++) {
        const rin_option *option = &rin_option_rows[i].option;
        if (strcmp(option->section, section->name)) continue;
        rin_text_add(text, "| `%s` | %s%s%s | ", option->key, *option->preset_value ? "`" : "", option->preset_value,
                     *option->preset_value ? "`" : "");
        add_cell(text, option->allowed);
        rin_text_add(text, " | ");
        add_cell(text, option->help);
        rin_text_add(text, " |\n");
    }
}

rin_status rin_config_describe(char **markdown, rin_error *error) {
    if (!markdown) return rin_error_null(error, __func__, "markdown");
    *markdown = NULL;
    rin_text text = {0};
    rin_text_add(&text,
                 "# Configuration\n\n"
                 "Generated from `src/config/schema.def` and `configs/`. An INI file has a `[section]` line before "
                 "its `key = value` lines;\n`#` and `;` begin comments. On a command line an option is written "
                 "`section.key=value`. Unknown keys are errors.\nRanges include both ends. The defaults make the "
                 "preset `small`.\n\n## Presets\n\n");
    for (size_t i = 0; i < rin_preset_count(); i++) {
        rin_text_add(&text, "- `%s`: %s\n", rin_preset_name(i), rin_preset_summary(i));
    }
    for (size_t i = 0; i < rin_n_sections; i++) add_section(&text, &rin_section_rows[i]);
    return rin_text_take(&text, markdown, error);
}
