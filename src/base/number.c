/* SPDX-License-Identifier: MIT */
/* Numbers to and from text; strtod and printf follow the host program's locale, files must not. */
#include <ctype.h>
#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

bool rin_number_parse_int(const char *text, int64_t *out) {
    const char *digits = text + (*text == '-');
    if (!isdigit((unsigned char)*digits)) return false;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end) return false;
    *out = value;
    return true;
}

/* Replaces the one `from` in text by `to`; false when the result does not fit. */
static bool replace_point(const char *text, const char *from, const char *to, char *out, size_t size) {
    const char *found = strstr(text, from);
    int n = found ? snprintf(out, size, "%.*s%s%s", (int)(found - text), text, to, found + strlen(from))
                  : snprintf(out, size, "%s", text);
    return n >= 0 && (size_t)n < size;
}

bool rin_number_parse_real(const char *text, double *out) {
    char local[2 * RIN_NUMBER_TEXT];
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    if (!replace_point(text, ".", nl_langinfo(RADIXCHAR), local, sizeof local)) return false;
    char *end = NULL;
    double value = strtod(local, &end);
    if (end == local || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

void rin_number_format(double value, int digits, char text[RIN_NUMBER_TEXT]) {
    enum { EXACT = 17 };
    char local[RIN_NUMBER_TEXT] = "0";
    for (int n = digits ? digits : 1; n <= EXACT; n++) {
        snprintf(local, sizeof local, "%.*g", n, value);
        if (digits || strtod(local, NULL) == value) break;
    }
    if (!replace_point(local, nl_langinfo(RADIXCHAR), ".", text, RIN_NUMBER_TEXT)) text[0] = '\0';
}
