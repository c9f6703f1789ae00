/* SPDX-License-Identifier: MIT */
/* The bytes as a configuration file: what is accepted must survive being written and read again. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static void format_and_load(const rin_config *config) {
    rin_error error = {0};
    char *first, *second;
    rin_config *again;
    FUZZ_CHECK(rin_config_format(config, &first, &error) == RIN_OK);
    FUZZ_CHECK(rin_config_create(&again, &error) == RIN_OK);
    FUZZ_CHECK(rin_config_load_text(again, first, "formatted", &error) == RIN_OK);
    FUZZ_CHECK(rin_config_format(again, &second, &error) == RIN_OK);
    FUZZ_CHECK(strcmp(first, second) == 0);
    rin_string_free(first);
    rin_string_free(second);
    rin_config_free(again);
}

static void through_json(const rin_config *config) {
    static const char *const sections[] = {"model", "diffusion", "train", "data", "sample"};
    rin_error error = {0};
    rin_config *again;
    FUZZ_CHECK(rin_config_create(&again, &error) == RIN_OK);
    for (size_t i = 0; i < RIN_COUNT(sections); i++) {
        char *first, *second;
        FUZZ_CHECK(rin_config_format_json(config, sections[i], &first, &error) == RIN_OK);
        FUZZ_CHECK(rin_config_load_json(again, sections[i], first, &error) == RIN_OK);
        FUZZ_CHECK(rin_config_format_json(again, sections[i], &second, &error) == RIN_OK);
        FUZZ_CHECK(strcmp(first, second) == 0);
        rin_string_free(first);
        rin_string_free(second);
    }
    rin_config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *text = fuzz_text(data, n);
    rin_error error = {0};
    rin_config *config, before;
    FUZZ_CHECK(rin_config_create(&config, &error) == RIN_OK);
    memcpy(&before, config, sizeof before);
    if (rin_config_load_text(config, text, "input", &error) == RIN_OK) {
        format_and_load(config);
        through_json(config);
        (void)rin_config_validate(config, &error);
    } else {
        FUZZ_CHECK(error.code != RIN_OK && error.text[0]);
        FUZZ_CHECK(memcmp(config, &before, sizeof before) == 0);
    }
    rin_config_free(config);
    free(text);
    return 0;
}
