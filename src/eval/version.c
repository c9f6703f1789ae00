/* SPDX-License-Identifier: MIT */
/* What this build is. */
#include "backend/backend.h"

const char *rin_version(void) {
    return RIN_VERSION;
}

const char *rin_build_flags(void) {
    return RIN_BUILD_FLAGS;
}

bool rin_device_get(int i, const char **name, const char **about, bool *available) {
    const rin_backend_table *row = rin_backend_row(i);
    if (name) *name = row ? row->name : NULL;
    if (about) *about = row ? row->about : NULL;
    if (available) *available = row && row->available();
    return row != NULL;
}
