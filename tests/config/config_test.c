/* SPDX-License-Identifier: MIT */
/* Options by key, schedules, suggestions, INI and JSON texts that are and are not accepted, the generated reference. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

static rin_config *new_config(void) {
    rin_config *config = NULL;
    assert_int_equal(rin_config_create(&config, NULL), RIN_OK);
    return config;
}

static void assert_refused(rin_status status, rin_status expected, const rin_error *error, const char *part) {
    if (status != expected || !strstr(error->text, part)) {
        fail_msg("status %s, expected %s; message '%s', expected '%s' in it", rin_status_name(status),
                 rin_status_name(expected), error->text, part);
    }
}

#define ONES "11111111111111111111111111111111111111111111"

static void test_values_parse_and_format(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *canonical; /* canonical NULL: refused */
    } cases[] = {
        {"model.patch_size", "8", "8"},
        {"model.patch_size", "0", NULL},
        {"model.patch_size", "1025", NULL},
        {"model.patch_size", "4.0", NULL},
        {"model.patch_size", " 4", NULL},
        {"model.patch_size", "+4", NULL},
        {"model.patch_size", "", NULL},
        {"model.patch_size", "99999999999999999999", NULL},
        {"train.seed", "9007199254740992", "9007199254740992"},
        {"train.seed", "9007199254740993", NULL},
        {"train.learning_rate", "1e-3", "0.001"},
        {"train.learning_rate", "0.1", "0.1"},
        {"train.learning_rate", "0", NULL},
        {"train.learning_rate", "nan", NULL},
        {"train.learning_rate", "inf", NULL},
        {"train.learning_rate", "0x1p-3", NULL},
        {"train.learning_rate", "1e999", NULL},
        {"train.learning_rate", "0,1", NULL},
        {"train.beta1", "1", NULL},
        {"train.weight_decay", "-0", "0"},
        {"model.time_on_latent", "false", "false"},
        {"model.time_on_latent", "yes", NULL},
        {"model.num_layers", "1, 2 ,3", "1,2,3"},
        {"model.num_layers", "1,,3", NULL},
        {"model.num_layers", "1,", NULL},
        {"model.num_layers", "1 2", NULL},
        {"model.num_layers", "-1", NULL},
        {"model.self_cond", "latent+tape", "latent+tape"},
        {"model.self_cond", "both", NULL},
        {"diffusion.train_schedule", "log@1,0.001,t", "log@1,0.001,t"},
        {"diffusion.train_schedule", "", NULL},
        {"sample.schedule", "", ""},
        {"sample.schedule", "cosine@0.2,1,1", "cosine@0.2,1,1"},
        {"train.lr_schedule", "cosine@0.8", "cosine@0.8"},
        {"train.lr_schedule", "cosine@1.5", NULL},
        {"train.device", "cuda:1", "cuda:1"},
        {"train.device", "", NULL},
        {"train.device", "CUDA", NULL},
        {"train.device", "cuda 1", NULL},
        {"train.device", "cuda/1", NULL},
        {"train.device", "cuda:" ONES ONES ONES ONES, NULL},
        {"eval.weights", "", ""},
        {"eval.weights", "my files/a;b#c.safetensors", "my files/a;b#c.safetensors"},
        {"eval.weights", " a", NULL},
        {"eval.weights", "a\t", NULL},
        {"eval.weights", "a ;b", NULL},
        {"eval.weights", "#a", NULL},
        {"eval.weights", "a\nb", NULL},
        {"eval.weights", "a\xff", NULL},
        {"eval.weights", ONES ONES ONES ONES, NULL},
        {"train.precision", "tf32", "tf32"},
        {"train.precision", "fp16", NULL},
    };
    rin_config *config = new_config();
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_error error = {0};
        char *before = NULL, *after = NULL;
        assert_int_equal(rin_config_get(config, cases[i].key, &before, &error), RIN_OK);
        rin_status status = rin_config_set(config, cases[i].key, cases[i].value, &error);
        assert_int_equal(rin_config_get(config, cases[i].key, &after, &error), RIN_OK);
        if (cases[i].canonical) {
            assert_int_equal(status, RIN_OK);
            assert_string_equal(after, cases[i].canonical);
        } else {
            assert_refused(status, RIN_ERR_CONFIG, &error, cases[i].key);
            assert_refused(status, RIN_ERR_CONFIG, &error, "allowed: ");
            assert_string_equal(before, after);
        }
        rin_string_free(before);
        rin_string_free(after);
    }
    assert_int_equal(config->model.self_cond, RIN_SELF_COND_BOTH);
    assert_int_equal(config->model.n_num_layers, 3);
    assert_int_equal(config->model.num_layers[2], 3);
    rin_config_free(config);
}

static void test_reals_survive_formatting(void **state) {
    (void)state;
    rin_config *config = new_config();
    uint64_t bits = 1;
    for (int i = 0; i < 2000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double value = (double)(bits >> 11) * 0x1p-53 * (i % 2 ? 1 : 1e-6) + 1e-12;
        config->train.learning_rate = value;
        char *text = NULL;
        assert_int_equal(rin_config_get(config, "train.learning_rate", &text, NULL), RIN_OK);
        assert_int_equal(rin_config_set(config, "train.learning_rate", text, NULL), RIN_OK);
        assert_true(config->train.learning_rate == value);
        rin_string_free(text);
    }
    rin_config_free(config);
}

static void test_a_locale_with_a_comma_changes_nothing(void **state) {
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    size_t i = 0;
    while (i < RIN_COUNT(locales) && !setlocale(LC_NUMERIC, locales[i])) i++;
    if (i == RIN_COUNT(locales)) skip();
    rin_config *config = new_config();
    char *text = NULL;
    assert_int_equal(rin_config_set(config, "train.learning_rate", "0.25", NULL), RIN_OK);
    assert_int_equal(rin_config_get(config, "train.learning_rate", &text, NULL), RIN_OK);
    assert_string_equal(text, "0.25");
    rin_string_free(text);
    rin_config_free(config);
    setlocale(LC_NUMERIC, "C");
}

static void test_set_is_remembered_and_copied(void **state) {
    (void)state;
    rin_config *config = new_config(), *copy = NULL;
    assert_int_equal(rin_config_load_preset(config, "cifar10", NULL), RIN_OK);
    assert_false(rin_config_is_set(config, "model.latent_dim"));
    assert_int_equal(rin_config_set(config, "model.latent_dim", "256", NULL), RIN_OK);
    assert_int_equal(rin_config_load_text(config, "[train]\nsteps = 7", "text", NULL), RIN_OK);
    assert_int_equal(rin_config_copy(config, &copy, NULL), RIN_OK);
    assert_true(rin_config_is_set(copy, "model.latent_dim"));
    assert_true(rin_config_is_set(copy, "train.steps"));
    assert_false(rin_config_is_set(copy, "train.batch"));
    assert_false(rin_config_is_set(copy, "no.such"));
    assert_int_equal(copy->train.steps, 7);
    rin_config_free(copy);
    rin_config_free(config);
    rin_config_free(NULL);
}

static void test_nearest_key(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"model.patch_sise", "model.patch_size"}, {"patch_size", "model.patch_size"},
        {"train.patch_size", "model.patch_size"}, {"train.learning_rte", "train.learning_rate"},
        {"sampel.guidance", "sample.guidance"},   {"learning-rate", "train.learning_rate"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        const char *nearest = rin_config_nearest_key(cases[i][0]);
        assert_non_null(nearest);
        assert_string_equal(nearest, cases[i][1]);
    }
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_null(rin_config_nearest_key(longest));
    assert_null(rin_config_nearest_key(""));
    assert_null(rin_config_nearest_key("zzzzzzzzzzzz"));
    rin_config *config = new_config();
    rin_error error = {0};
    assert_refused(rin_config_set(config, "model.patch_sise", "4", &error), RIN_ERR_CONFIG, &error,
                   "did you mean 'model.patch_size'?");
    rin_config_free(config);
}

static void test_ini_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        rin_status status;
        const char *message;
    } cases[] = {
        {"", RIN_OK, NULL},
        {"[model]\r\npatch_size = 8 ; comment\r\n", RIN_OK, NULL},
        {"# x\n[model]\n  patch_size = 8\n  latent_dim = 64\n", RIN_OK, NULL},
        {"\xEF\xBB\xBF[model]\npatch_size=8", RIN_OK, NULL},
        {"[model]\npatch_size = 8\n\nnum_layer = 2\n", RIN_ERR_CONFIG,
         "text, line 4: there is no option 'model.num_layer'; did you mean 'model.num_layers'?"},
        {"patch_size = 8\n", RIN_ERR_CONFIG, "line 1"},
        {"[model]\npatch_size = big\n", RIN_ERR_CONFIG,
         "text, line 2: model.patch_size = 'big' is not allowed; allowed: 1 to 1024"},
        {"[model]\npatch_size = 8\n[train]\n[model]\npatch_size = 8\n", RIN_ERR_CONFIG,
         "line 5: model.patch_size is given twice"},
        {"[model]\npatch_size = 8\nwhat\n", RIN_ERR_FORMAT, "line 3"},
        {"[model\npatch_size = 8\n", RIN_ERR_FORMAT, "line 1"},
        {"[model]\nwhat\npatch_size = big\n", RIN_ERR_FORMAT, "line 2"},
        {"[model]\npatch_size = big\nwhat\n", RIN_ERR_CONFIG, "line 2"},
        {"preset = cifar10\n[model]\npatch_size = 8\n", RIN_OK, NULL},
        {"preset = small\npreset = small\n[model]\npatch_size = 8\n", RIN_ERR_CONFIG, "line 2: preset is given twice"},
        {"preset = nothing\n[model]\npatch_size = 8\n", RIN_ERR_CONFIG, "line 1: there is no preset 'nothing'"},
        {"[model]\npatch_size = 8\npreset = small\n", RIN_ERR_CONFIG, "line 3: there is no option 'model.preset'"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_config *config = new_config();
        rin_error error = {0};
        rin_status status = rin_config_load_text(config, cases[i].text, "text", &error);
        if (cases[i].message) assert_refused(status, cases[i].status, &error, cases[i].message);
        else assert_int_equal(status, RIN_OK);
        /* All or nothing. */
        assert_int_equal(config->model.patch_size, status == RIN_OK && *cases[i].text ? 8 : 4);
        assert_int_equal(rin_config_is_set(config, "model.patch_size"), config->model.patch_size == 8);
        rin_config_free(config);
    }
}

/* A preset for guidance is its base but for the hidden labels; what a file changes of a preset is set, the rest not. */
static void test_presets_of_presets(void **state) {
    (void)state;
    static const char *const names[] = {"small", "cifar10", "imagenet64", "imagenet128"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        char guided[64], *expected, *found;
        rin_config *base = new_config(), *config = new_config();
        snprintf(guided, sizeof guided, "%s-guided", names[i]);
        assert_int_equal(rin_config_load_preset(base, names[i], NULL), RIN_OK);
        assert_int_equal(rin_config_load_preset(config, guided, NULL), RIN_OK);
        assert_float_equal(config->diffusion.cond_dropout, 0.1, 0);
        base->diffusion.cond_dropout = 0.1;
        assert_int_equal(rin_config_format(base, &expected, NULL), RIN_OK);
        assert_int_equal(rin_config_format(config, &found, NULL), RIN_OK);
        assert_string_equal(found, expected);
        rin_string_free(expected);
        rin_string_free(found);
        rin_config_free(base);
        rin_config_free(config);
    }
    rin_config *config = new_config();
    assert_int_equal(rin_config_load_text(config, "preset = cifar10\n[train]\nsteps = 7\n", "text", NULL), RIN_OK);
    assert_int_equal(config->model.latent_dim, 512);
    assert_false(rin_config_is_set(config, "model.latent_dim"));
    assert_true(rin_config_is_set(config, "train.steps"));
    rin_config_free(config);
}

static void test_ini_long_lines_and_files(void **state) {
    (void)state;
    rin_config *config = new_config();
    rin_error error = {0};
    char text[4096] = "[model]\npatch_size = 8 ;";
    memset(text + strlen(text), 'x', 3000);
    assert_refused(rin_config_load_text(config, text, "text", &error), RIN_ERR_FORMAT, &error,
                   "text, line 2: a line of");
    assert_refused(rin_config_load_file(config, "tests/fixtures/ini/none.ini", &error), RIN_ERR_IO, &error, "none.ini");
    assert_refused(rin_config_load_file(config, "tests", &error), RIN_ERR_IO, &error, "regular file");
    assert_refused(rin_config_load_file(config, "tests/fixtures/ini/zero_byte.ini", &error), RIN_ERR_FORMAT, &error,
                   "zero byte");
    assert_refused(rin_config_load_file(config, "tests/fixtures/ini/twice.ini", &error), RIN_ERR_CONFIG, &error,
                   "tests/fixtures/ini/twice.ini, line 4: train.batch is given twice");
    assert_int_equal(rin_config_load_file(config, "tests/fixtures/ini/good.ini", &error), RIN_OK);
    assert_int_equal(config->model.patch_size, 2);
    assert_int_equal(config->diffusion.pred_type, RIN_PRED_V);
    rin_config_free(config);
}

static const char *off_default(const char *key) {
    if (!strcmp(key, "device")) return "cuda-fp32:7";
    if (!strcmp(key, "weights") || !strcmp(key, "reference")) return "some where/x.npz";
    return !strcmp(key, "lr_schedule") ? "exp@0.5" : "log@1,2,f";
}

/* 1, or what is the least where that is more. */
static const char *least_above_one(const rin_option *option) {
    static char text[32];
    long long least = strtoll(option->allowed, NULL, 10);
    snprintf(text, sizeof text, "%lld", least > 1 ? least : 1);
    return text;
}

/* Every option is moved off its default, formatted, and read back. */
static void test_format_round_trip(void **state) {
    (void)state;
    rin_config *config = new_config(), *back = new_config();
    rin_error error = {0};
    config->model.n_num_layers = RIN_MAX_BLOCKS;
    for (int i = 0; i < RIN_MAX_BLOCKS; i++) config->model.num_layers[i] = 1024;
    for (size_t i = 0; i < rin_option_count(); i++) {
        const rin_option *option = rin_option_get(i);
        const char *value = !strcmp(option->type, "bool")   ? (!strcmp(option->preset_value, "true") ? "false" : "true")
                            : !strcmp(option->type, "real") ? "0.123456789012345678"
                            : !strcmp(option->type, "int")  ? least_above_one(option)
                                                            : NULL;
        if (!strcmp(option->type, "word")) value = strrchr(option->allowed, ' ') + 1;
        if (!strcmp(option->type, "text")) value = off_default(option->key);
        if (value) assert_int_equal(rin_config_set(config, option->name, value, &error), RIN_OK);
    }
    char *ini = NULL, *again = NULL;
    assert_int_equal(rin_config_format(config, &ini, &error), RIN_OK);
    if (rin_config_load_text(back, ini, "formatted", &error) != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(rin_config_format(back, &again, &error), RIN_OK);
    assert_string_equal(ini, again);
    static const char *const sections[] = {"model", "diffusion", "train", "data", "sample", "eval"};
    rin_config *json_back = new_config();
    for (size_t i = 0; i < RIN_COUNT(sections); i++) {
        char *json = NULL;
        assert_int_equal(rin_config_format_json(config, sections[i], &json, &error), RIN_OK);
        if (rin_config_load_json(json_back, sections[i], json, &error) != RIN_OK) fail_msg("%s", error.text);
        rin_string_free(json);
    }
    char *third = NULL;
    assert_int_equal(rin_config_format(json_back, &third, &error), RIN_OK);
    assert_string_equal(ini, third);
    assert_false(rin_config_is_set(json_back, "model.patch_size"));
    rin_string_free(ini);
    rin_string_free(again);
    rin_string_free(third);
    rin_config_free(config);
    rin_config_free(back);
    rin_config_free(json_back);
}

static void test_json_texts(void **state) {
    (void)state;
    static const struct {
        const char *section, *json;
        rin_status status;
        const char *message;
    } cases[] = {
        {"nowhere", "{}", RIN_ERR_ARG, "no section"},
        {"model", "[]", RIN_ERR_FORMAT, "not a JSON object"},
        {"model", "{\"patch_size\": 8} x", RIN_ERR_FORMAT, "not a JSON object"},
        {"model", "{\"patch_size\": 8", RIN_ERR_FORMAT, "not a JSON object"},
        {"model", "", RIN_ERR_FORMAT, "not a JSON object"},
        {"model", "{\"patch_size\": 8, \"patch_sise\": 8}", RIN_ERR_CONFIG, "did you mean 'model.patch_size'"},
        {"model", "{\"patch_size\": 8, \"patch_size\": 8}", RIN_ERR_CONFIG, "twice"},
        {"model", "{\"patch_size\": 8.5}", RIN_ERR_CONFIG, "model.patch_size"},
        {"model", "{\"patch_size\": \"8\"}", RIN_ERR_CONFIG, "model.patch_size"},
        {"model", "{\"patch_size\": 1e300}", RIN_ERR_CONFIG, "model.patch_size"},
        {"model", "{\"patch_size\": 1e999}", RIN_ERR_CONFIG, "model.patch_size"},
        {"model", "{\"time_on_latent\": 1}", RIN_ERR_CONFIG, "model.time_on_latent"},
        {"model", "{\"num_layers\": 2}", RIN_ERR_CONFIG, "model.num_layers"},
        {"model", "{\"num_layers\": []}", RIN_ERR_CONFIG, "model.num_layers"},
        {"model", "{\"num_layers\": [1, \"2\"]}", RIN_ERR_CONFIG, "model.num_layers"},
        {"model", "{\"self_cond\": \"both\"}", RIN_ERR_CONFIG, "none | latent | tape | latent+tape"},
        {"diffusion", "{\"train_schedule\": 3}", RIN_ERR_CONFIG, "diffusion.train_schedule"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_config *config = new_config();
        rin_error error = {0};
        rin_status status = rin_config_load_json(config, cases[i].section, cases[i].json, &error);
        assert_refused(status, cases[i].status, &error, cases[i].message);
        assert_int_equal(config->model.patch_size, 4);
        rin_config_free(config);
    }
    rin_config *config = new_config();
    char list[1000] = "{\"num_layers\": [1";
    for (int i = 0; i < RIN_MAX_BLOCKS; i++) strcat(list, ",1");
    strcat(list, "]}");
    assert_int_equal(rin_config_load_json(config, "model", list, NULL), RIN_ERR_CONFIG);
    rin_config_free(config);
}

static void test_schedules(void **state) {
    (void)state;
    static const char *const refused[] = {
        "",
        "linear",
        "cosine@",
        "cosine@1,2",
        "cosine@0,1,1,1",
        "sigmoid@-3,3,x",
        "sigmoid",
        "sigmoid@3,3,1",
        "sigmoid@-3,3,0",
        "sigmoid@-3,3,-1",
        "sigmoid@10,20,0.01",
        "cosine@0,2,1",
        "log@0,1,t",
        "log@1,2,maybe",
        "log@1,1,t",
        "sigmoid@-3,3,nan",
        "sigmoid@-1e300,1e300,1",
        "log@1,1.00000001,f",
        "sigmoid@ -3,3,1",
        "cosine@-1,1,1",
        "cosine@0.9999999,1,1",
        "simple_linear@1,2,3",
        "sigmoid@-3,3,0.9,",
        "cosine@@",
        "sigmoid@-3,3,0.90000000000000000000000000000000000000000000000000000000000000000000000000",
    };
    rin_schedule s;
    for (size_t i = 0; i < RIN_COUNT(refused); i++) {
        rin_error error = {0};
        assert_refused(rin_schedule_parse(refused[i], &s, &error), RIN_ERR_CONFIG, &error, "allowed: ");
    }
    assert_int_equal(rin_schedule_parse("sigmoid@-3,3,0.9", &s, NULL), RIN_OK);
    assert_true(s.kind == RIN_SCHEDULE_SIGMOID && s.start == -3 && s.end == 3 && s.tau == 0.9);
    assert_int_equal(rin_schedule_parse("cosine@0.2,1,2", &s, NULL), RIN_OK);
    assert_true(s.kind == RIN_SCHEDULE_COSINE_RANGE && s.start == 0.2 && s.end == 1 && s.tau == 2);
    assert_int_equal(rin_schedule_parse("log@1,1e-3,true", &s, NULL), RIN_OK);
    assert_true(s.kind == RIN_SCHEDULE_LOG && s.start == 1 && s.end == 1e-3 && s.reverse);
    assert_int_equal(rin_schedule_parse("log@1,1e-3,f", &s, NULL), RIN_OK);
    assert_false(s.reverse);
    assert_int_equal(rin_schedule_parse("simple_linear", &s, NULL), RIN_OK);
    assert_int_equal(s.kind, RIN_SCHEDULE_SIMPLE_LINEAR);
    static const char *const refused_rates[] = {"",       "exp",      "exp@0",      "exp@2", "linear@1",
                                                "none@1", "cosine@0", "cosine@1,1", "step"};
    rin_lr_schedule lr;
    for (size_t i = 0; i < RIN_COUNT(refused_rates); i++) {
        assert_int_equal(rin_lr_schedule_parse(refused_rates[i], &lr, NULL), RIN_ERR_CONFIG);
    }
    assert_int_equal(rin_lr_schedule_parse("cosine", &lr, NULL), RIN_OK);
    assert_true(lr.kind == RIN_LR_SCHEDULE_COSINE && lr.rate == 1);
    assert_int_equal(rin_lr_schedule_parse("exp@0.5", &lr, NULL), RIN_OK);
    assert_true(lr.kind == RIN_LR_SCHEDULE_EXP && lr.rate == 0.5);
}

/* The word for GPUs alone is made more precise. */
static void test_devices(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"cpu", "bf16", "cpu"},
        {"cpu", "tf32", "cpu"},
        {"cpu-avx2", "fp32", "cpu-avx2"},
        {"cuda", "bf16", "cuda-bf16"},
        {"cuda", "fp32", "cuda-fp32"},
        {"cuda:0", "tf32", "cuda-tf32:0"},
        {"cuda:12", "bf16", "cuda-bf16:12"},
        {"cuda-fp32:1", "bf16", "cuda-fp32:1"},
        {"cudas", "fp32", "cudas"},
        {"c", "fp32", "c"},
        {"cuda:1111111111111111111111111111111111111111111111111111111111", "fp32",
         "cuda-fp32:1111111111111111111111111111111111111111111111111111111111"},
    };
    rin_config *config = new_config();
    char name[RIN_DEVICE_NAME];
    rin_config_device(&config->train, name);
    assert_string_equal(name, "cpu");
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        assert_int_equal(rin_config_set(config, "train.device", cases[i][0], NULL), RIN_OK);
        assert_int_equal(rin_config_set(config, "train.precision", cases[i][1], NULL), RIN_OK);
        rin_config_device(&config->train, name);
        assert_string_equal(name, cases[i][2]);
    }
    rin_config_free(config);
}

/* RIN_WRITE_DOCS=1 writes the file this test compares with. */
static void test_reference_is_up_to_date(void **state) {
    (void)state;
    static const char path[] = "docs/config.md";
    char *markdown = NULL, *file = NULL;
    size_t n = 0;
    assert_int_equal(rin_config_describe(&markdown, NULL), RIN_OK);
    if (getenv("RIN_WRITE_DOCS")) assert_int_equal(rin_file_write(path, markdown, strlen(markdown), NULL), RIN_OK);
    assert_int_equal(rin_file_read(path, 1 << 20, &file, &n, NULL), RIN_OK);
    if (strcmp(markdown, file)) fail_msg("%s is out of date: run this test with RIN_WRITE_DOCS=1", path);
    rin_free(file);
    rin_string_free(markdown);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_parse_and_format),
        cmocka_unit_test(test_reals_survive_formatting),
        cmocka_unit_test(test_a_locale_with_a_comma_changes_nothing),
        cmocka_unit_test(test_set_is_remembered_and_copied),
        cmocka_unit_test(test_nearest_key),
        cmocka_unit_test(test_ini_texts),
        cmocka_unit_test(test_presets_of_presets),
        cmocka_unit_test(test_ini_long_lines_and_files),
        cmocka_unit_test(test_format_round_trip),
        cmocka_unit_test(test_json_texts),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
