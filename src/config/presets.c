/* SPDX-License-Identifier: MIT */
/* presets: the embedded files of configs/. */
#include <string.h>

#include "config/internal.h"

size_t rin_preset_count(void) {
    return rin_n_embedded_presets;
}

const char *rin_preset_name(size_t index) {
    return index < rin_n_embedded_presets ? rin_embedded_presets[index].name : NULL;
}

const char *rin_preset_summary(size_t index) {
    return index < rin_n_embedded_presets ? rin_embedded_presets[index].summary : NULL;
}

const char *rin_preset_text(size_t index) {
    return index < rin_n_embedded_presets ? rin_embedded_presets[index].text : NULL;
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
