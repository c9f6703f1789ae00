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
    if (!row) return false;
    if (name) *name = row->name;
    if (about) *about = row->about;
    if (available) *available = row->available();
    return true;
}
