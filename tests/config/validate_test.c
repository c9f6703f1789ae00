/* SPDX-License-Identifier: MIT */
/* Combinations of options: the presets and the reference cases pass, impossible ones are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "config/config.h"

static rin_config *new_config(void) {
    rin_config *config = NULL;
    assert_int_equal(rin_config_create(&config, NULL), RIN_OK);
    return config;
}

static cJSON *read_json(const char *path) {
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(rin_file_read(path, 1 << 20, &text, &n, NULL), RIN_OK);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    rin_free(text);
    return json;
}

static void load_section(rin_config *config, const char *section, const cJSON *object) {
    rin_error error = {0};
    char *text = cJSON_PrintUnformatted(object);
    if (rin_config_load_json(config, section, text, &error) != RIN_OK) fail_msg("%s: %s", section, error.text);
    cJSON_free(text);
}

static void test_presets_are_the_paper_s(void **state) {
    (void)state;
    cJSON *json = read_json("tests/fixtures/presets.json");
    const cJSON *item = NULL;
    rin_error error = {0};
    int n = 0;
    cJSON_ArrayForEach(item, json) {
        rin_config *preset = new_config(), *expected = new_config();
        char *left = NULL, *right = NULL;
        /* A preset must set the whole model, whatever was there before. */
        assert_int_equal(rin_config_load_text(preset,
                                              "[model]\nlatent_dim = 8\nnum_layers = 9\ndrop_units = 0.5\n"
                                              "tape_pos_encoding = sin_cos\nseq_len = 3\nimage_width = 4\n",
                                              "noise", NULL),
                         RIN_OK);
        if (rin_config_load_preset(preset, item->string, &error) != RIN_OK) fail_msg("%s", error.text);
        load_section(expected, "model", cJSON_GetObjectItemCaseSensitive(item, "model"));
        assert_int_equal(rin_config_format_json(preset, "model", &left, NULL), RIN_OK);
        assert_int_equal(rin_config_format_json(expected, "model", &right, NULL), RIN_OK);
        assert_string_equal(left, right);
        const rin_config_model *m = &preset->model;
        assert_int_equal(rin_model_rows(m) * rin_model_cols(m) * rin_model_times(m),
                         cJSON_GetObjectItemCaseSensitive(item, "tokens")->valueint);
        rin_string_free(left);
        rin_string_free(right);
        rin_config_free(preset);
        rin_config_free(expected);
        n++;
    }
    assert_int_equal(n, 9);
    cJSON_Delete(json);
}

static void test_presets_are_valid_and_listed(void **state) {
    (void)state;
    rin_error error = {0};
    rin_config *config = new_config();
    bool demo = false;
    for (size_t i = 0; i < rin_preset_count(); i++) {
        if (rin_config_load_preset(config, rin_preset_name(i), &error) != RIN_OK) fail_msg("%s", error.text);
        if (rin_config_validate(config, &error) != RIN_OK) fail_msg("%s: %s", rin_preset_name(i), error.text);
        assert_true(strlen(rin_preset_summary(i)) > 10);
        /* The embedded text is the file, byte for byte. */
        char path[200], *text = NULL;
        size_t n = 0;
        snprintf(path, sizeof path, "configs/%s.ini", rin_preset_name(i));
        assert_int_equal(rin_file_read(path, 1 << 20, &text, &n, &error), RIN_OK);
        assert_string_equal(text, rin_preset_text(i));
        rin_free(text);
        demo = demo || !strcmp(rin_preset_name(i), "demo");
    }
    assert_true(demo);
    assert_null(rin_preset_name(rin_preset_count()));
    assert_int_equal(rin_config_load_preset(config, "cifar", &error), RIN_ERR_CONFIG);
    assert_non_null(strstr(error.text, "cifar10"));
    rin_config_free(config);
}

/* The defaults and the preset 'small' agree on the model. */
static void test_defaults_are_small(void **state) {
    (void)state;
    rin_config *defaults = new_config(), *small = new_config();
    char *left = NULL, *right = NULL;
    assert_int_equal(rin_config_validate(defaults, NULL), RIN_OK);
    assert_int_equal(rin_config_load_preset(small, "small", NULL), RIN_OK);
    assert_int_equal(rin_config_format(defaults, &left, NULL), RIN_OK);
    assert_int_equal(rin_config_format(small, &right, NULL), RIN_OK);
    assert_string_equal(left, right);
    rin_string_free(left);
    rin_string_free(right);
    rin_config_free(defaults);
    rin_config_free(small);
}

static void test_reference_cases_are_valid(void **state) {
    (void)state;
    static const char *const names[] = {"image_decoupled_read",   "image_latent_cond",     "image_tape_cond",
                                        "image_v_first_examples", "image_x_unconditional", "video_predict"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        char path[200];
        snprintf(path, sizeof path, "tests/fixtures/ini/golden_%s.json", names[i]);
        cJSON *json = read_json(path);
        rin_config *config = new_config();
        rin_error error = {0};
        load_section(config, "model", cJSON_GetObjectItemCaseSensitive(json, "model"));
        load_section(config, "diffusion", cJSON_GetObjectItemCaseSensitive(json, "diffusion"));
        if (rin_config_validate(config, &error) != RIN_OK) fail_msg("%s: %s", names[i], error.text);
        rin_config_free(config);
        cJSON_Delete(json);
    }
}

#define ON_TAPE "time_on_latent=false\n"
#define VIDEO "num_classes=0\nseq_len=6\nseq_stride=2\nseq_cond=2\n"

static void test_combinations(void **state) {
    (void)state;
    static const struct {
        const char *model;   /* over the defaults */
        const char *message; /* NULL: allowed */
    } cases[] = {
        {"patch_size=5", "model.patch_size = 5"},
        {"image_height=30", "model.patch_size = 4"},
        {"image_width=36", NULL},
        {"image_width=64\nimage_height=4", NULL},
        {VIDEO, NULL},
        {VIDEO "seq_cond=1", "twice"},
        {"num_classes=0\nseq_len=4\nseq_cond=4", "model.seq_cond = 4"},
        {"num_classes=0\nseq_len=4\nseq_stride=3", "model.seq_stride = 3"},
        {"num_classes=0\nseq_len=6\nseq_stride=3", NULL},
        {"num_classes=0\nseq_len=5\nseq_stride=2", NULL},
        {"seq_stride=2", "model.seq_stride = 2"},
        {"seq_len=6\nseq_stride=2", "model.num_classes = 10"},
        {"latent_num_heads=3", "model.latent_num_heads = 3"},
        {"rw_num_heads=3", "model.rw_num_heads = 3"},
        {"latent_dim=32\nrw_num_heads=64\nlatent_num_heads=4", "model.rw_num_heads = 64"},
        {"num_layers=0,0", "model.num_layers"},
        {"num_layers=1024,1", "model.num_layers"},
        {"num_layers=0,1", NULL},
        {"self_cond=tape\ntape_mlp_ratio=0", "model.tape_mlp_ratio = 0"},
        {"self_cond=latent\ntape_mlp_ratio=0", NULL},
        {"latent_slots=2", "model.latent_slots = 2"},
        {"latent_slots=3", NULL},
        {"latent_slots=1\nnum_classes=0", "model.latent_slots = 1"},
        {"latent_slots=1\nnum_classes=0\n" ON_TAPE, NULL},
        {"latent_dim=132", NULL},
        {"latent_dim=130\nlatent_num_heads=1\nrw_num_heads=1", "model.latent_dim = 130"},
        {"latent_dim=4\nlatent_num_heads=1\nrw_num_heads=1", "model.latent_dim = 4"},
        {"tape_dim=66\nrw_num_heads=1\n" ON_TAPE, "model.tape_dim = 66"},
        {"tape_dim=68\n" ON_TAPE, NULL},
        {"tape_dim=68", NULL},
        {"cond_dim=32\n" ON_TAPE, "model.cond_dim = 32"},
        {"cond_dim=64\n" ON_TAPE, NULL},
        {"cond_dim=32", NULL},
        {"cond_dim=32\ncond_decoupled_read=true\n" ON_TAPE, NULL},
        {"cond_dim=34\nrw_num_heads=1\ncond_decoupled_read=true\n" ON_TAPE, "model.cond_dim = 34"},
        {"cond_dim=24\nrw_num_heads=16\ncond_decoupled_read=true\n" ON_TAPE, "model.rw_num_heads = 16"},
        {"cond_decoupled_read=true", "model.cond_decoupled_read"},
        {"cond_decoupled_read=true\ncond_on_latent=false", NULL},
        {"cond_decoupled_read=true\ncond_on_latent=false\nnum_classes=0", "model.cond_decoupled_read"},
        {"cond_decoupled_read=true\ncond_tape_writable=true\n" ON_TAPE, "model.cond_tape_writable"},
        {"cond_tape_writable=true\n" ON_TAPE, NULL},
        {"latent_slots=3\nlatent_pos_encoding=sin_cos", "model.latent_pos_encoding"},
        {"patch_size=32\ntape_pos_encoding=sin_cos", "model.tape_pos_encoding"},
        {"tape_dim=65\nrw_num_heads=1\ntape_pos_encoding=sin_cos", "model.tape_dim = 65"},
        {"tape_dim=66\nrw_num_heads=1\ntape_pos_encoding=sin_cos", NULL},
        {"tape_dim=65\nrw_num_heads=1\nimage_height=4\ntape_pos_encoding=sin_cos_plus_learned", NULL},
        {VIDEO "tape_pos_encoding=sin_cos", "model.tape_pos_encoding"},
        {VIDEO "tape_pos_encoding=sin_cos_plus_learned", NULL},
        {"image_height=65536\nimage_width=65536\npatch_size=1", "tokens"},
        {"image_height=1024\nimage_width=1024\npatch_size=1024", "a patch would have"},
        {"image_height=4096\nimage_width=4096\npatch_size=1\nrw_num_heads=1\ntape_dim=65536\ntape_mlp_ratio=64\n[train]"
         "\nbatch=1048576",
         "largest tensor"},
        {"[train]\nwarmup_steps=3001", "train.warmup_steps = 3001"},
        {"[train]\nwarmup_steps=2000\ntail_steps=1001", "train.tail_steps = 1001"},
        {"[train]\nwarmup_steps=2000\ntail_steps=1000", NULL},
        {"[train]\naccumulate=3", "train.accumulate = 3"},
        {"num_classes=0\n[sample]\nguidance=1", "sample.guidance = 1"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_config *config = new_config();
        rin_error error = {0};
        char text[600];
        snprintf(text, sizeof text, "[model]\n%s", cases[i].model);
        rin_status status = rin_config_load_text(config, text, "case", &error);
        if (status == RIN_OK) status = rin_config_validate(config, &error);
        bool as_expected =
            cases[i].message ? status == RIN_ERR_CONFIG && strstr(error.text, cases[i].message) : !status;
        if (!as_expected) fail_msg("case %zu '%s': %s '%s'", i, cases[i].model, rin_status_name(status), error.text);
        rin_config_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets_are_the_paper_s),
        cmocka_unit_test(test_presets_are_valid_and_listed),
        cmocka_unit_test(test_defaults_are_small),
        cmocka_unit_test(test_reference_cases_are_valid),
        cmocka_unit_test(test_combinations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
