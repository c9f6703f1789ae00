/* SPDX-License-Identifier: MIT */
/* Wrong arguments of statuses, options and configurations. */
#include "arguments.h"

static void status_name(const arguments *a) {
    (void)a;
    const int wrong[] = {-1, INT32_MIN, RIN_ERR_INTERNAL + 1, INT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_string_equal(rin_status_name((rin_status)wrong[i]), "UNKNOWN");
    for (int i = RIN_OK; i <= RIN_ERR_INTERNAL; i++) {
        assert_string_not_equal(rin_status_name((rin_status)i), "UNKNOWN");
        for (int j = RIN_OK; j < i; j++)
            assert_string_not_equal(rin_status_name((rin_status)i), rin_status_name((rin_status)j));
    }
    assert_string_equal(rin_status_name(RIN_ERR_INTERNAL), "INTERNAL");
}

static void string_free(const arguments *a) {
    (void)a;
    rin_string_free(NULL);
}

static void config_create(const arguments *a) {
    (void)a;
    EMBED_NULL("out", rin_config_create, NULL);
}

static void config_copy(const arguments *a) {
    rin_config *copy = ARGUMENTS_UNSET;
    EMBED_NULL("out", rin_config_copy, a->config, NULL);
    EMBED_NULL("config", rin_config_copy, NULL, &copy);
    assert_null(copy);
}

static void config_free(const arguments *a) {
    (void)a;
    rin_config_free(NULL);
}

static char *format(const arguments *a) {
    rin_error error = {0};
    char *text = NULL;
    embed_ok(rin_config_format(a->config, &text, &error), &error);
    return text;
}

static void assert_unchanged(const arguments *a, char *before) {
    char *after = format(a);
    assert_string_equal(before, after);
    rin_string_free(before);
    rin_string_free(after);
}

static void config_set(const arguments *a) {
    static const char *const numbers[] = {"",   " ", "-1", "1e400", "-9223372036854775809", "99999999999999999999",
                                          "nan"};
    char *before = format(a);
    EMBED_NULL("config", rin_config_set, NULL, "train.batch", "4");
    EMBED_NULL("key", rin_config_set, a->config, NULL, "4");
    EMBED_NULL("value", rin_config_set, a->config, "train.batch", NULL);
    EMBED_FAILS(RIN_ERR_CONFIG, "option", rin_config_set, a->config, "", "4");
    EMBED_FAILS(RIN_ERR_CONFIG, "option", rin_config_set, a->config, a->text, "4");
    for (size_t i = 0; i < rin_option_count(); i++) {
        const char *name = rin_option_get(i)->name;
        EMBED_FAILS(RIN_ERR_CONFIG, name, rin_config_set, a->config, name, a->text);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        EMBED_FAILS(RIN_ERR_CONFIG, "train.batch", rin_config_set, a->config, "train.batch", numbers[i]);
        EMBED_FAILS(RIN_ERR_CONFIG, "sample.guidance", rin_config_set, a->config, "sample.guidance", numbers[i]);
    }
    assert_unchanged(a, before);
}

static void config_get(const arguments *a) {
    const char *const keys[] = {"", "train", a->text};
    char *value = ARGUMENTS_UNSET;
    EMBED_NULL("value", rin_config_get, a->config, "train.batch", NULL);
    EMBED_NULL("config", rin_config_get, NULL, "train.batch", &value);
    assert_null(value);
    EMBED_NULL("key", rin_config_get, a->config, NULL, &value);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        value = ARGUMENTS_UNSET;
        EMBED_FAILS(RIN_ERR_CONFIG, "option", rin_config_get, a->config, keys[i], &value);
        assert_null(value);
    }
}

static void config_is_set(const arguments *a) {
    assert_false(rin_config_is_set(NULL, "train.batch"));
    assert_false(rin_config_is_set(a->config, NULL));
    assert_false(rin_config_is_set(a->config, ""));
    assert_false(rin_config_is_set(a->config, a->text));
    assert_true(rin_config_is_set(a->config, "train.batch"));
}

static void option_count(const arguments *a) {
    (void)a;
    assert_true(rin_option_count() > 0);
}

static void option_get(const arguments *a) {
    (void)a;
    assert_non_null(rin_option_get(rin_option_count() - 1));
    assert_null(rin_option_get(rin_option_count()));
    assert_null(rin_option_get(SIZE_MAX));
}

static void nearest_key(const arguments *a) {
    assert_null(rin_config_nearest_key(NULL));
    assert_null(rin_config_nearest_key(""));
    assert_null(rin_config_nearest_key(a->text));
    assert_string_equal(rin_config_nearest_key("train.btach"), "train.batch");
}

static void load_file(const arguments *a) {
    char *before = format(a);
    EMBED_NULL("config", rin_config_load_file, NULL, "a.ini");
    EMBED_NULL("path", rin_config_load_file, a->config, NULL);
    for (int i = 0; i < ARGUMENTS_PATHS; i++) EMBED_FAILS(RIN_ERR_IO, "", rin_config_load_file, a->config, a->paths[i]);
    assert_unchanged(a, before);
}

static void load_text(const arguments *a) {
    rin_error error = {0};
    char *before = format(a);
    EMBED_NULL("config", rin_config_load_text, NULL, "", "a text");
    EMBED_NULL("text", rin_config_load_text, a->config, NULL, "a text");
    EMBED_NULL("name", rin_config_load_text, a->config, "", NULL);
    EMBED_FAILS(RIN_ERR_FORMAT, "", rin_config_load_text, a->config, a->text, "");
    embed_ok(rin_config_load_text(a->config, "", "", &error), &error);
    assert_unchanged(a, before);
}

static void load_preset(const arguments *a) {
    char *before = format(a);
    EMBED_NULL("config", rin_config_load_preset, NULL, "small");
    EMBED_NULL("name", rin_config_load_preset, a->config, NULL);
    EMBED_FAILS(RIN_ERR_CONFIG, "small", rin_config_load_preset, a->config, "");
    EMBED_FAILS(RIN_ERR_CONFIG, "small", rin_config_load_preset, a->config, a->text);
    assert_unchanged(a, before);
}

static void preset_count(const arguments *a) {
    (void)a;
    assert_true(rin_preset_count() > 0);
}

static void preset_name(const arguments *a) {
    (void)a;
    assert_null(rin_preset_name(rin_preset_count()));
    assert_null(rin_preset_name(SIZE_MAX));
}

static void preset_summary(const arguments *a) {
    (void)a;
    assert_null(rin_preset_summary(rin_preset_count()));
    assert_null(rin_preset_summary(SIZE_MAX));
}

static void preset_text(const arguments *a) {
    (void)a;
    assert_null(rin_preset_text(rin_preset_count()));
    assert_null(rin_preset_text(SIZE_MAX));
}

static void config_format(const arguments *a) {
    char *text = ARGUMENTS_UNSET;
    EMBED_NULL("ini", rin_config_format, a->config, NULL);
    EMBED_NULL("config", rin_config_format, NULL, &text);
    assert_null(text);
}

static void config_describe(const arguments *a) {
    (void)a;
    EMBED_NULL("markdown", rin_config_describe, NULL);
}

static void config_validate(const arguments *a) {
    (void)a;
    EMBED_NULL("config", rin_config_validate, NULL);
}

const arguments_row arguments_of_config[] = {
    {"rin_status_name", status_name},         {"rin_string_free", string_free},
    {"rin_config_create", config_create},     {"rin_config_copy", config_copy},
    {"rin_config_free", config_free},         {"rin_config_set", config_set},
    {"rin_config_get", config_get},           {"rin_config_is_set", config_is_set},
    {"rin_option_count", option_count},       {"rin_option_get", option_get},
    {"rin_config_nearest_key", nearest_key},  {"rin_config_load_file", load_file},
    {"rin_config_load_text", load_text},      {"rin_config_load_preset", load_preset},
    {"rin_preset_count", preset_count},       {"rin_preset_name", preset_name},
    {"rin_preset_summary", preset_summary},   {"rin_preset_text", preset_text},
    {"rin_config_format", config_format},     {"rin_config_describe", config_describe},
    {"rin_config_validate", config_validate},
};
const size_t n_arguments_of_config = sizeof arguments_of_config / sizeof *arguments_of_config;
