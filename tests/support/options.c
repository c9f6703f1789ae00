/* SPDX-License-Identifier: MIT */
/* Options from one text. */
#include "support/options.h"

void options_set(rin_config *config, const char *options) {
    char text[1024], *next = text, *word;
    assert_true(strlen(options) < sizeof text);
    memcpy(text, options, strlen(options) + 1);
    while ((word = strtok_r(next, " ", &next)) != NULL) {
        rin_error error = {0};
        char *value = strchr(word, '=');
        assert_non_null(value);
        *value++ = '\0';
        assert_ok(rin_config_set(config, word, value, &error), &error);
    }
}
