/* SPDX-License-Identifier: MIT */
/* What a generator is asked for: every refusal says what is allowed; given pictures and masks are taken as they are. */
#include "sample/pictures.h"

#include <stdlib.h>

static run_lab lab;
static rin_model *model, *plain, *video, *guide, *weak; /* plain, weak: without classes */
static const uint64_t other_seed = 5;
static uint8_t picture[PICTURE_BYTES], mask[PICTURE_SIDE * PICTURE_SIDE];

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    model = pictures_train(&lab, "run", "");
    plain = pictures_train(&lab, "plain", "model.num_classes=0");
    guide = pictures_train(&lab, "guide", "train.steps=1");
    weak = pictures_train(&lab, "weak", "model.num_classes=0 train.steps=1");
    snprintf(lab.data, sizeof lab.data, "tests/fixtures/video/plain.webp");
    video = pictures_train(&lab, "video", "model.seq_len=4 model.seq_cond=2 model.seq_stride=2");
    for (int i = 0; i < PICTURE_BYTES; i++) picture[i] = (uint8_t)(i * 7);
    for (int i = 0; i < PICTURE_SIDE * PICTURE_SIDE; i++) mask[i] = i % PICTURE_SIDE < PICTURE_SIDE / 2 ? 0 : 255;
    return 0;
}

static int destroy(void **state) {
    (void)state;
    rin_model_free(model);
    rin_model_free(plain);
    rin_model_free(video);
    rin_model_free(guide);
    rin_model_free(weak);
    run_lab_free(&lab);
    return 0;
}

static void refuse(rin_sample_request request, const char *options, rin_status expected, const char *part) {
    rin_generator *g = (rin_generator *)&lab; /* not NULL */
    rin_error error = {0};
    rin_config *config = pictures_config(request.model, options);
    request.config = config;
    assert_refused(rin_generator_create_as(&request, &g, &error), expected, &error, part);
    assert_null(g);
    rin_config_free(config);
}

static void test_missing(void **state) {
    (void)state;
    rin_generator *g = (rin_generator *)&lab;
    rin_error error = {0};
    rin_sample_request request = {.model = model, .config = rin_model_config(model), .count = 1};
    assert_refused(rin_generator_create_as(&request, NULL, &error), RIN_ERR_ARG, &error, "out");
    assert_refused(rin_generator_create_as(NULL, &g, &error), RIN_ERR_ARG, &error, "request");
    assert_null(g);
    request.model = NULL;
    assert_refused(rin_generator_create_as(&request, &g, &error), RIN_ERR_ARG, &error, "model");
    request.model = model;
    request.config = NULL;
    assert_refused(rin_generator_create_as(&request, &g, &error), RIN_ERR_ARG, &error, "config");
    refuse((rin_sample_request){.model = model, .count = 1, .mask = mask}, "", RIN_ERR_ARG, "give that picture");
    refuse((rin_sample_request){.model = model, .count = 1}, "sample.strength=0.5", RIN_ERR_ARG,
           "sample.strength = 0.5");
}

static void test_counts_and_classes(void **state) {
    const int64_t counts[] = {0, -1, INT64_MIN, 1000000001, INT64_MAX}, classes[] = {-2, 10, INT64_MIN, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(counts); i++)
        refuse((rin_sample_request){.model = model, .count = counts[i]}, "", RIN_ERR_ARG, "1 to 1000000000");
    for (size_t i = 0; i < RIN_COUNT(classes); i++)
        refuse((rin_sample_request){.model = model, .count = 1, .classes = &classes[i]}, "", RIN_ERR_ARG,
               "10 classes, numbered from 0");
    const int64_t none = 0;
    refuse((rin_sample_request){.model = plain, .count = 1, .classes = &none}, "", RIN_ERR_ARG, "0 classes");
}

static void test_memory(void **state) {
    (void)state;
    int64_t fits = (int64_t)(rin_memory_total() / 2) / PICTURE_BYTES;
    if (fits < 1000000000)
        refuse((rin_sample_request){.model = model, .count = fits + 1}, "", RIN_ERR_MEMORY,
               "half of this machine's memory");
    int64_t count = RIN_MIN(fits / 48, 1000000000);
    refuse((rin_sample_request){.model = model, .count = count, .film = true}, "sample.steps=96", RIN_ERR_MEMORY,
           "the film");
}

static void test_videos(void **state) {
    (void)state;
    rin_sample_request request = {.model = video, .count = 1};
    rin_sample_request wrong[] = {request, request, request, request};
    wrong[0].picture = picture;
    wrong[1].mask = mask;
    wrong[2].other_seed = &other_seed;
    wrong[3].film = true;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) refuse(wrong[i], "", RIN_ERR_UNSUPPORTED, "for models of pictures");
    refuse(request, "sample.frames=2", RIN_ERR_CONFIG, "sample.frames = 2");
    refuse(request, "sample.fps=0.05", RIN_ERR_CONFIG, "sample.fps = 0.05");
}

static void test_options(void **state) {
    (void)state;
    rin_sample_request request = {.model = model, .count = 2};
    refuse(request, "sample.repeats=2", RIN_ERR_CONFIG, "around a mask only");
    request.picture = picture;
    refuse(request, "sample.repeats=2", RIN_ERR_CONFIG, "around a mask only");
    request = (rin_sample_request){.model = plain, .count = 1};
    refuse(request, "sample.guidance=1", RIN_ERR_CONFIG, "no classes to guide by");
    request = (rin_sample_request){.model = model, .count = 2, .other_seed = &other_seed};
    refuse(request, "sample.sampler=ddpm", RIN_ERR_CONFIG, "sample.sampler = ddpm");
    refuse(request, "sample.eta=0.5", RIN_ERR_CONFIG, "sample.eta = 0");
    refuse(request, "sample.sampler=heun sample.churn=1", RIN_ERR_CONFIG, "sample.sampler = heun");
}

/* ---- another model to lead away from ---- */

static void refuse_guide(const char *part) {
    refuse((rin_sample_request){.model = model, .count = 1, .guide = guide}, "sample.guidance=0.5", RIN_ERR_CONFIG,
           part);
}

static void test_guides(void **state) {
    (void)state;
    refuse((rin_sample_request){.model = model, .count = 1, .guide = guide}, "", RIN_ERR_CONFIG, "sample.guidance = 0");
    const rin_config was = guide->description.config;
    rin_config *now = &guide->description.config;
    struct {
        int64_t *option;
        const char *part;
    } rows[] = {{&now->model.image_height, "model.image_height is"},
                {&now->model.image_width, "model.image_width is"},
                {&now->model.image_channels, "model.image_channels is"},
                {&now->model.seq_len, "model.seq_len is 1 for the model and 2 for the guide"},
                {&now->model.seq_cond, "model.seq_cond is"},
                {&now->model.num_classes, "model.num_classes is"}};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        ++*rows[i].option;
        refuse_guide(rows[i].part);
        *now = was;
    }
    now->diffusion.pred_type = RIN_PRED_V;
    refuse_guide("diffusion.pred_type is eps for the model and v for the guide");
    *now = was;
    now->diffusion.b_scale = 0.5;
    refuse_guide("diffusion.b_scale is 1 for the model and 0.5 for the guide");
    *now = was;
    char *name = guide->description.classes[1];
    guide->description.classes[1] = "another";
    refuse_guide("class 1 is");
    guide->description.classes[1] = name;
    rin_generator *g = pictures_make((rin_sample_request){.model = model, .count = 1, .guide = guide},
                                     "sample.guidance=0.5 sample.steps=3"),
                  *h = pictures_make((rin_sample_request){.model = model, .count = 1}, "sample.steps=3");
    assert_memory_not_equal(g->pixels, h->pixels, PICTURE_BYTES);
    rin_generator_free(g);
    rin_generator_free(h);
}

/* A guide makes guidance possible for a model without classes. */
static void test_guide_without_classes(void **state) {
    (void)state;
    rin_generator_free(pictures_make((rin_sample_request){.model = plain, .count = 3, .guide = weak},
                                     "sample.guidance=0.5 sample.steps=3"));
}

/* ---- given pictures ---- */

/* Where the mask is 0 each picture is as it was given, and nowhere else all are. */
static void test_mask(void **state) {
    static const char *const options[] = {"sample.steps=4", "sample.sampler=ddpm sample.steps=5",
                                          "sample.sampler=heun sample.steps=4",
                                          "sample.steps=6 sample.repeats=3 sample.jump=2", "sample.strength=0.7"};
    (void)state;
    for (size_t o = 0; o < RIN_COUNT(options); o++) {
        rin_generator *g = pictures_make(
            (rin_sample_request){.model = model, .count = 66, .seed = 1, .picture = picture, .mask = mask}, options[o]);
        bool other = false;
        for (int64_t i = 0; i < 66 * PICTURE_BYTES; i++) {
            int64_t at = i % PICTURE_BYTES;
            if (mask[at / 3] == 0 && g->pixels[i] != picture[at])
                fail_msg("%s: byte %lld of a picture is %d, given was %d", options[o], (long long)at, g->pixels[i],
                         picture[at]);
            other = other || (mask[at / 3] && g->pixels[i] != picture[at]);
        }
        assert_true(other);
        rin_generator_free(g);
    }
}

/* The less is made anew, the more is left. */
static void test_strength(void **state) {
    static const char *const options[] = {"sample.strength=0.02", "sample.strength=0.4", "sample.strength=0.9"};
    (void)state;
    double before = -1;
    for (size_t o = 0; o < RIN_COUNT(options); o++) {
        double distance = 0;
        rin_generator *g = pictures_make(
            (rin_sample_request){.model = model, .count = 4, .seed = 1, .picture = picture}, options[o]);
        for (int64_t i = 0; i < 4 * PICTURE_BYTES; i++)
            distance += abs((int)g->pixels[i] - (int)picture[i % PICTURE_BYTES]);
        assert_true(distance > before);
        before = distance;
        rin_generator_free(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_counts_and_classes),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_videos),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_guides),
        cmocka_unit_test(test_guide_without_classes),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_strength),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
