/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <strings.h>

#include "base/base.h"

void rin_text_add(rin_text *text, const char *format, ...) {
    if (text->failed) return;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    size_t needed = text->length + (n > 0 ? (size_t)n : 0) + 1;
    if (n >= 0 && needed > text->capacity) {
        size_t capacity = RIN_MAX(needed, 2 * text->capacity);
        char *chars = rin_realloc(text->chars, capacity, 1, NULL);
        if (chars) {
            text->chars = chars;
            text->capacity = capacity;
        } else {
            text->failed = true;
        }
    }
    if (n < 0) text->failed = true;
    if (!text->failed) {
        vsnprintf(text->chars + text->length, text->capacity - text->length, format, again);
        text->length += (size_t)n;
    }
    va_end(again);
}

rin_status rin_text_take(rin_text *text, char **out, rin_error *error) {
    rin_text_add(text, "%s", "");
    if (text->failed) {
        rin_text_clear(text);
        *out = NULL;
        return rin_error_set(error, RIN_ERR_MEMORY, "out of memory while composing a text");
    }
    *out = text->chars;
    *text = (rin_text){0};
    return RIN_OK;
}

void rin_text_clear(rin_text *text) {
    rin_free(text->chars);
    *text = (rin_text){0};
}

bool rin_has_suffix(const char *text, const char *suffix) {
    size_t n = strlen(text), n_suffix = strlen(suffix);
    return n > n_suffix && strcasecmp(text + n - n_suffix, suffix) == 0;
}

/* ---- UTF-8 ---- */

size_t rin_utf8_length(const char *text) {
    static const struct {
        unsigned char mask, lead;
        uint32_t lowest;
    } forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t n = 0; n < RIN_COUNT(forms); n++) {
        if ((bytes[0] & forms[n].mask) != forms[n].lead) continue;
        uint32_t point = bytes[0] & (unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((bytes[i] & 0xC0) != 0x80) return 0;
            point = point << 6 | (bytes[i] & 0x3F);
        }
        bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        return point >= forms[n].lowest && point <= 0x10FFFF && !surrogate ? n + 1 : 0;
    }
    return 0;
}

bool rin_text_is_utf8(const char *text) {
    for (size_t n; *text; text += n) {
        n = rin_utf8_length(text);
        if (!n) return false;
    }
    return true;
}

void rin_text_make_utf8(char *text) {
    while (*text) {
        size_t n = rin_utf8_length(text);
        if (!n) *text = '?';
        text += n ? n : 1;
    }
}
