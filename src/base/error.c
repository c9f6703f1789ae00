/* SPDX-License-Identifier: MIT */
/* error: statuses by name, messages, remarks. */
#include <errno.h>
#include <string.h>

#include "base/base.h"

const char *rin_status_name(rin_status status) {
    static const char *const names[] = {"OK",          "ARG",    "CONFIG",  "SHAPE",     "IO",   "FORMAT",  "MEMORY",
                                        "UNSUPPORTED", "DEVICE", "NUMERIC", "CANCELLED", "BUSY", "INTERNAL"};
    return (size_t)status < RIN_COUNT(names) ? names[status] : "UNKNOWN";
}

rin_status rin_error_set(rin_error *error, rin_status code, const char *format, ...) {
    if (error) {
        va_list args;
        va_start(args, format);
        error->code = code;
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return code;
}

rin_status rin_error_prefix(rin_error *error, rin_status code, const char *format, ...) {
    if (error) {
        char before[sizeof error->text];
        memcpy(before, error->text, sizeof before);
        va_list args;
        va_start(args, format);
        int n = vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        const char *const parts[] = {": ", before};
        for (size_t i = 0; i < RIN_COUNT(parts) && n >= 0; i++) {
            size_t used = strlen(error->text);
            snprintf(error->text + used, sizeof error->text - used, "%s", parts[i]);
        }
        error->code = code;
    }
    return code;
}

rin_status rin_error_null(rin_error *error, const char *function, const char *argument) {
    return rin_error_set(error, RIN_ERR_ARG, "%s: %s must not be NULL", function, argument);
}

rin_status rin_error_system(rin_error *error, const char *what, const char *path) {
    bool exhausted = errno == ENOMEM || errno == EMFILE || errno == ENFILE;
    return rin_error_set(error, exhausted ? RIN_ERR_MEMORY : RIN_ERR_IO, "cannot %s '%.300s': %s", what, path,
                         strerror(errno));
}

void rin_log_write(rin_log log, rin_log_level level, const char *format, ...) {
    if (!log.fn) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log.fn(log.user, level, text);
}
