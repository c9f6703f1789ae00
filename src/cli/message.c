/* SPDX-License-Identifier: MIT */
/* message: notes, errors, results and numbers as people read them. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"

static void put_line(const char *format, va_list values) {
    enum { LONGEST = 4096 };
    char line[LONGEST] = "rin: ";
    size_t used = strlen(line);
    vsnprintf(line + used, sizeof line - used, format, values);
    rin_cli_screen_put(RIN_CLI_REMARK, line);
}

void rin_cli_note(const char *format, ...) {
    va_list values;
    va_start(values, format);
    put_line(format, values);
    va_end(values);
}

int rin_cli_refuse(const char *format, ...) {
    va_list values;
    va_start(values, format);
    put_line(format, values);
    va_end(values);
    return RIN_EXIT_USAGE;
}

int rin_cli_fail(const rin_error *error) {
    rin_cli_note("%s", error->text[0] ? error->text : rin_status_name(error->code));
    if (error->code == RIN_ERR_CANCELLED) return RIN_EXIT_INTERRUPTED;
    return error->code == RIN_ERR_CONFIG ? RIN_EXIT_USAGE : RIN_EXIT_FAILED;
}

int rin_cli_fail_memory(void) {
    rin_cli_note("out of memory");
    return RIN_EXIT_FAILED;
}

int rin_cli_fail_system(const char *what) {
    rin_cli_note("%s: %s", what, strerror(errno));
    return RIN_EXIT_FAILED;
}

void rin_cli_print(const char *text) {
    char last = '\0';
    while (*text) {
        size_t n = rin_cli_character(text);
        last = *text;
        if (n) fwrite(text, 1, n, stdout);
        else putchar(last == '\n' || last == '\t' ? last : '?');
        text += n ? n : 1;
    }
    if (last != '\n') putchar('\n');
}

int rin_cli_print_json(cJSON *json) {
    char *text = json ? cJSON_Print(json) : NULL;
    cJSON_Delete(json);
    if (!text) return rin_cli_fail_memory();
    rin_cli_print(text);
    cJSON_free(text);
    return RIN_EXIT_OK;
}

const char *rin_cli_quoted(const char *text, char out[RIN_CLI_QUOTED]) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
    size_t n = 0;
    if (*text && !text[strspn(text, plain)]) return text;
    out[n++] = '\'';
    for (; *text && n + 6 < RIN_CLI_QUOTED; text++) {
        if (*text == '\'') n += (size_t)snprintf(out + n, RIN_CLI_QUOTED - n, "'\\''");
        else out[n++] = *text;
    }
    out[n++] = '\'';
    out[n] = '\0';
    return out;
}

const char *rin_cli_seconds(double seconds, char text[RIN_CLI_NUMBER]) {
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, RIN_CLI_NUMBER, "?");
    } else if (seconds < 60) {
        snprintf(text, RIN_CLI_NUMBER, "%.0fs", seconds);
    } else {
        long long whole = llround(seconds), minutes = whole / 60;
        if (minutes < 60) snprintf(text, RIN_CLI_NUMBER, "%lldm %02llds", minutes, whole % 60);
        else snprintf(text, RIN_CLI_NUMBER, "%lldh %02lldm", minutes / 60, minutes % 60);
    }
    return text;
}

const char *rin_cli_bytes(int64_t bytes, char text[RIN_CLI_NUMBER]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, RIN_CLI_NUMBER, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *rin_cli_short(double value, char text[RIN_CLI_NUMBER]) {
    snprintf(text, RIN_CLI_NUMBER, fabs(value) >= 100 && fabs(value) < 1e7 ? "%.0f" : "%.3g", value);
    return text;
}
