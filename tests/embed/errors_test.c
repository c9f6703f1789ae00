/* SPDX-License-Identifier: MIT */
/* What an error says stays readable: after its handle is gone, and after other calls have failed and succeeded. */
#include <stdio.h>
#include <stdlib.h>

#include "support/embed.h"

enum { ERRORS = 6 };

static void collect(const embed *e, rin_error errors[ERRORS]) {
    rin_config *config = NULL;
    rin_trainer *trainer = NULL;
    rin_model *model = NULL;
    rin_generator *generator = NULL;
    const char *run = embed_path(e, "run");
    embed_ok(embed_config(1, &config, &errors[0]), &errors[0]);
    assert_int_equal(rin_config_set(config, "train.btach", "4", &errors[0]), RIN_ERR_CONFIG);
    assert_int_equal(rin_config_load_text(config, "[train]\nsteps = none\n", "a text", &errors[1]), RIN_ERR_CONFIG);
    embed_ok(rin_trainer_create(config, e->data, run, (rin_listener){0}, &trainer, &errors[2]), &errors[2]);
    embed_ok(rin_trainer_run(trainer, &errors[2]), &errors[2]);
    assert_int_equal(rin_trainer_step(trainer, NULL, &errors[2]), RIN_ERR_ARG);
    embed_ok(rin_model_open(run, "cpu", 1, &model, &errors[3]), &errors[3]);
    embed_ok(rin_generator_create(model, config, 1, NULL, 0, &generator, &errors[3]), &errors[3]);
    assert_int_equal(rin_generator_write(generator, 7, "picture.png", &errors[3]), RIN_ERR_ARG);
    assert_int_not_equal(rin_model_describe(e->data, false, (char *[]){NULL}, &errors[4]), RIN_OK);
    assert_int_equal(rin_check_case(e->root, NULL, 1, NULL, NULL, NULL, &errors[5]), RIN_ERR_IO);
    rin_generator_free(generator);
    rin_model_free(model);
    rin_trainer_free(trainer);
    rin_config_free(config);
}

static void stay_readable(void **state) {
    const embed *e = *state;
    static const char *const parts[ERRORS] = {"train.batch", "a text, line 2", "2 steps",
                                              "i = 7",       "model",          "case.json"};
    rin_error errors[ERRORS], other = {0};
    char *text = NULL;
    memset(errors, 0, sizeof errors);
    collect(e, errors);
    uint8_t pixels[EMBED_BYTES];
    embed_ok(embed_train(e->data, embed_path(e, "next"), 2, &other), &other);
    embed_ok(embed_sample(embed_path(e, "next"), 2, pixels, &other), &other);
    assert_int_not_equal(rin_model_describe(embed_path(e, "nothing"), true, &text, &other), RIN_OK);
    assert_int_not_equal(embed_train(e->data, e->root, 2, &other), RIN_OK);
    for (int i = 0; i < ERRORS; i++) {
        assert_non_null(memchr(errors[i].text, '\0', sizeof errors[i].text));
        if (!strstr(errors[i].text, parts[i])) fail_msg("error %d: no '%s' in '%s'", i, parts[i], errors[i].text);
        assert_string_not_equal(errors[i].text, other.text);
    }
}

/* However long the names in it, a message ends inside its field. */
static void long_names_are_cut(void **state) {
    (void)state;
    enum { LENGTH = 5000 };
    char *name = malloc(LENGTH + 1);
    rin_config *config = NULL;
    rin_error error = {0};
    assert_non_null(name);
    memset(name, 'x', LENGTH);
    name[LENGTH] = '\0';
    embed_ok(rin_config_create(&config, &error), &error);
    EMBED_FAILS(RIN_ERR_CONFIG, "xxx", rin_config_set, config, name, "1");
    EMBED_FAILS(RIN_ERR_CONFIG, "xxx", rin_config_set, config, "train.steps", name);
    EMBED_FAILS(RIN_ERR_CONFIG, "allowed", rin_config_set, config, "model.self_cond", name);
    EMBED_FAILS(RIN_ERR_CONFIG, "allowed", rin_config_set, config, "diffusion.train_schedule", name);
    EMBED_FAILS(RIN_ERR_CONFIG, "xxx", rin_config_load_preset, config, name);
    EMBED_FAILS(RIN_ERR_CONFIG, "xxx", rin_config_load_text, config, "[a]\nb = c\n", name);
    EMBED_FAILS(RIN_ERR_IO, "xxx", rin_config_load_file, config, name);
    EMBED_FAILS(RIN_ERR_ARG, "xxx", rin_bench, config, &(rin_bench_options){.batch = 1, .steps = 1, .device = name},
                &(rin_bench_result){0});
    rin_config_free(config);
    free(name);
}

int main(void) {
    const struct CMUnitTest tests[] = {EMBED_TEST(stay_readable), EMBED_TEST(long_names_are_cut)};
    return cmocka_run_group_tests_name("embed/errors", tests, embed_start, embed_end);
}
