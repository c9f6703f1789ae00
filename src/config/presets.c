/* SPDX-License-Identifier: MIT */
/* presets: the embedded files of configs/. */
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
