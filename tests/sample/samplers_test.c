/* SPDX-License-Identifier: MIT */
/* Every sampler: what a picture depends on, and what it does not. */
#include "sample/pictures.h"

static run_lab lab;
static rin_model *model;

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    model = pictures_train(&lab, "run", "");
    return 0;
}

static int destroy(void **state) {
    (void)state;
    rin_model_free(model);
    run_lab_free(&lab);
    return 0;
}

/* Options that every sampler is tried with, beside its own defaults: few steps, guidance, a shared state. */
static const char *const variants[] = {"sample.steps=4", "sample.steps=3 sample.guidance=1",
                                       ("sample.steps=3 sample.guidance=1 sample.guidance_hiddens=own "
                                        "sample.guidance_rescale=0.7 sample.percentile=0.99")};

static void options_of(const char *sampler, const char *more, char options[256]) {
    snprintf(options, 256, "sample.sampler=%s %s", sampler, more);
}

static void check_company(const char *options) {
    enum { MANY = 70 };
    int64_t classes[MANY];
    for (int64_t i = 0; i < MANY; i++) classes[i] = i % 3 - 1;
    rin_sample_request request = {.model = model, .count = 1, .classes = classes, .seed = 7};
    rin_generator *one = pictures_make(request, options), *again = pictures_make(request, options);
    request.count = 5;
    rin_generator *five = pictures_make(request, options);
    request.count = MANY;
    rin_generator *many = pictures_make(request, options);
    request.seed = 8;
    request.count = 1;
    rin_generator *other = pictures_make(request, options);
    assert_true(many->sampling->main.batch < MANY);
    pictures_assert_same(options, one, 0, again, 0);
    for (int64_t i = 0; i < 5; i++) pictures_assert_same(options, five, i, many, i);
    pictures_assert_same(options, one, 0, five, 0);
    assert_memory_not_equal(rin_generator_pixels(one, 0), rin_generator_pixels(other, 0), PICTURE_BYTES);
    /* Of one class, and at the same place of their batches. */
    assert_memory_not_equal(rin_generator_pixels(many, 0), rin_generator_pixels(many, 66), PICTURE_BYTES);
    rin_generator_free(one);
    rin_generator_free(again);
    rin_generator_free(five);
    rin_generator_free(many);
    rin_generator_free(other);
}

static void test_company(void **state) {
    (void)state;
    rin_sampler_about about;
    size_t n = 0;
    for (; rin_sampler_get(n, &about); n++) {
        for (size_t v = 0; v < RIN_COUNT(variants); v++) {
            char options[256];
            options_of(about.name, variants[v], options);
            check_company(options);
        }
    }
    assert_true(n >= 7);
    check_company("sample.sampler=dpmpp2m sample.eta=1 sample.steps=4");
    check_company("sample.sampler=heun sample.churn=2 sample.steps=4");
}

/* Picture k of those from number n on is picture n + k of all. */
static void test_first(void **state) {
    (void)state;
    rin_sampler_about about;
    for (size_t s = 0; rin_sampler_get(s, &about); s++) {
        char options[256];
        const int64_t classes[] = {0, 1, 0, 1, 1};
        options_of(about.name, "sample.steps=3", options);
        rin_generator *all = pictures_make(
            (rin_sample_request){.model = model, .count = 5, .classes = classes, .seed = 3}, options);
        options_of(about.name, "sample.steps=3 sample.first=2", options);
        rin_generator *part = pictures_make(
            (rin_sample_request){.model = model, .count = 3, .classes = classes + 2, .seed = 3}, options);
        for (int64_t i = 0; i < 3; i++) pictures_assert_same(options, part, i, all, i + 2);
        rin_generator_free(all);
        rin_generator_free(part);
    }
}

/* Each sampler makes something of its own, but for those that are names of others. */
static void test_they_differ(void **state) {
    (void)state;
    rin_sampler_about about;
    rin_generator *made[16];
    size_t n = 0;
    for (; rin_sampler_get(n, &about); n++) {
        char options[256];
        assert_true(n < RIN_COUNT(made) && about.name && about.about && about.spacing && about.steps > 0);
        options_of(about.name, "sample.steps=5 sample.spacing=logsnr", options);
        made[n] = pictures_make((rin_sample_request){.model = model, .count = 1, .seed = 3}, options);
    }
    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b < a; b++) {
            bool aliases = (made[a]->own.sample.sampler == RIN_SAMPLER_EULER &&
                            made[b]->own.sample.sampler == RIN_SAMPLER_DDIM);
            bool same = memcmp(made[a]->pixels, made[b]->pixels, PICTURE_BYTES) == 0;
            if (same != aliases) fail_msg("samplers %zu and %zu: %s", a, b, same ? "the same" : "not the same");
        }
    }
    for (size_t a = 0; a < n; a++) rin_generator_free(made[a]);
    assert_false(rin_sampler_get(n, &about) || rin_sampler_get(SIZE_MAX, &about) || rin_sampler_get(0, NULL));
}

/* The evaluations that are announced are those that are made. */
static void test_progress(void **state) {
    (void)state;
    rin_sampler_about about;
    for (size_t s = 0; rin_sampler_get(s, &about); s++) {
        for (size_t v = 0; v < RIN_COUNT(variants); v++) {
            char options[256];
            rin_error error = {0};
            rin_progress progress = {0};
            options_of(about.name, variants[v], options);
            rin_generator *g = pictures_prepare((rin_sample_request){.model = model, .count = 2}, options);
            while (!rin_generator_is_done(g)) {
                int64_t before = progress.done;
                assert_ok(rin_generator_step(g, &progress, &error), &error);
                assert_true(progress.done > before && progress.done <= progress.total);
            }
            assert_int_equal(progress.done, progress.total);
            rin_generator_free(g);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_they_differ),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
