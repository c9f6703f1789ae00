/* SPDX-License-Identifier: MIT */
/* JSON fixtures of the tests. */
#ifndef RIN_TESTS_JSON_H
#define RIN_TESTS_JSON_H

#include "support/check.h"

#include <cjson/cJSON.h>

/* The file as JSON, freed by cJSON_Delete; member and number fail when there is none. */
static inline cJSON *json_read(const char *path) {
    rin_error error = {0};
    char *text;
    size_t n;
    assert_ok(rin_file_read(path, 1 << 24, &text, &n, &error), &error);
    cJSON *json = cJSON_ParseWithLength(text, n);
    rin_free(text);
    if (!json) fail_msg("%s is not JSON", path);
    return json;
}

static inline const cJSON *json_member(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item) fail_msg("no '%s' in the fixture", key);
    return item;
}

static inline double json_number(const cJSON *object, const char *key) {
    const cJSON *item = json_member(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static inline const char *json_text(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(json_member(object, key));
    assert_non_null(text);
    return text;
}

#endif
