/* SPDX-License-Identifier: MIT */
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
