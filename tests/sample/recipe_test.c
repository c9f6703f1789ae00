/* SPDX-License-Identifier: MIT */
/* Recipes: a picture is made again from what its file says. */
#include "sample/pictures.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

static run_lab lab;
static rin_model *model, *guide;
static char picture[256], mask[256]; /* paths */

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    model = pictures_train(&lab, "run", "");
    guide = pictures_train(&lab, "guide", "train.steps=1");
    snprintf(picture, sizeof picture, "%s", run_lab_path(&lab, "begin.png"));
    snprintf(mask, sizeof mask, "%s", run_lab_path(&lab, "mask.png"));
    pictures_write(picture, 16, 3);
    pictures_write(mask, PICTURE_SIDE, 1);
    return 0;
}

static int destroy(void **state) {
    (void)state;
    rin_model_free(model);
    rin_model_free(guide);
    run_lab_free(&lab);
    return 0;
}

/* ---- making again ---- */

static const char *text_of(const cJSON *json, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static int64_t number_of(const cJSON *json, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    if (!cJSON_IsNumber(item)) fail_msg("no number '%s'", key);
    return (int64_t)item->valuedouble;
}

static uint64_t seed_of(const cJSON *json, const char *key) {
    assert_non_null(text_of(json, key));
    return strtoull(text_of(json, key), NULL, 10);
}

/* As a stranger would, from nothing but the text and the models. */
static rin_generator *make_again(const char *text) {
    rin_error error = {0};
    int64_t classes[64];
    rin_config *config = pictures_config(model, "");
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    char *options = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, "options"));
    assert_ok(rin_config_load_json(config, "sample", options, &error), &error);
    assert_int_equal(config->sample.first, number_of(json, "first"));
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(json, "classes");
    uint64_t other = text_of(json, "other_seed") ? seed_of(json, "other_seed") : 0;
    rin_sample_request request = {.model = model,
                                  .config = config,
                                  .count = number_of(json, "count"),
                                  .classes = labels ? classes : NULL,
                                  .seed = seed_of(json, "seed"),
                                  .guide = text_of(json, "guide") ? guide : NULL,
                                  .other_seed = text_of(json, "other_seed") ? &other : NULL,
                                  .model_name = text_of(json, "model"),
                                  .guide_name = text_of(json, "guide"),
                                  .picture_name = text_of(json, "picture_file"),
                                  .mask_name = text_of(json, "mask_file")};
    assert_int_equal(cJSON_GetArraySize(labels), request.count);
    for (int i = 0; i < request.count; i++) classes[i] = (int64_t)cJSON_GetArrayItem(labels, i)->valuedouble;
    uint8_t *begin = NULL, *stays = NULL;
    if (request.picture_name) assert_ok(rin_picture_read(config, request.picture_name, 0, &begin, &error), &error);
    if (request.mask_name) assert_ok(rin_picture_read(config, request.mask_name, 1, &stays, &error), &error);
    request.picture = begin;
    request.mask = stays;
    rin_generator *g;
    assert_ok(rin_generator_create_as(&request, &g, &error), &error);
    rin_config_free(config);
    rin_pixels_free(begin);
    rin_pixels_free(stays);
    cJSON_free(options);
    cJSON_Delete(json);
    return pictures_run(g);
}

/* The hash of a picture's pixels as the model takes them, where one was given. */
static void check_pixels(const cJSON *json, const char *name, const char *key, int channels) {
    char text[RIN_HASH_TEXT];
    uint8_t *pixels;
    rin_hash hash;
    rin_error error = {0};
    const char *path = text_of(json, name);
    assert_true(!path == !text_of(json, key));
    if (!path) return;
    assert_ok(rin_picture_read(rin_model_config(model), path, channels, &pixels, &error), &error);
    rin_hash_begin(&hash);
    rin_hash_add(&hash, pixels, channels ? PICTURE_BYTES / 3 : PICTURE_BYTES);
    assert_ok(rin_hash_end(&hash, text, &error), &error);
    assert_string_equal(text_of(json, key), text);
    rin_pixels_free(pixels);
}

static void check_members(const rin_generator *g, const char *text) {
    char hash[RIN_HASH_TEXT];
    rin_error error = {0};
    cJSON *json = cJSON_Parse(text);
    assert_int_equal(number_of(json, "rin"), 1);
    assert_int_equal(number_of(json, "model_steps"), 3);
    assert_string_equal(text_of(json, "model"), "the model");
    assert_ok(rin_weights_hash(model->weights, RIN_ARENA_EMA, hash, &error), &error);
    assert_string_equal(text_of(json, "weights"), hash);
    if (g->guide) {
        assert_ok(rin_weights_hash(guide->weights, RIN_ARENA_EMA, hash, &error), &error);
        assert_string_equal(text_of(json, "guide_weights"), hash);
    } else {
        assert_true(!text_of(json, "guide") && !text_of(json, "guide_weights"));
    }
    check_pixels(json, "picture_file", "picture_pixels", 0);
    check_pixels(json, "mask_file", "mask_pixels", 1);
    assert_int_equal(number_of(json, "evaluations"), g->n_forwards); /* of one batch */
    cJSON_Delete(json);
}

static void check_one(const rin_generator *g, int64_t i) {
    rin_error error = {0};
    char *same;
    assert_ok(rin_generator_write(g, i, lab.picture, &error), &error);
    char *text = pictures_read_recipe(lab.picture);
    assert_ok(rin_generator_recipe(g, i, &same, &error), &error);
    assert_string_equal(text, same);
    check_members(g, text);
    cJSON *json = cJSON_Parse(text);
    assert_false(cJSON_HasObjectItem(json, "columns"));
    assert_true(cJSON_HasObjectItem(json, "picture") == g->between);
    int64_t which = g->between ? number_of(json, "picture") : 0;
    if (!g->between) assert_int_equal(number_of(json, "count"), 1);
    rin_generator *again = make_again(text);
    pictures_assert_same(text, g, i, again, which);
    rin_generator_free(again);
    cJSON_Delete(json);
    rin_string_free(same);
    rin_string_free(text);
}

static void check_grid(const rin_generator *g, int columns) {
    rin_error error = {0};
    size_t n, m;
    assert_ok(rin_generator_write_grid(g, columns, lab.picture, &error), &error);
    char *text = pictures_read_recipe(lab.picture), *bytes = run_read(lab.picture, &n);
    check_members(g, text);
    cJSON *json = cJSON_Parse(text);
    assert_int_equal(number_of(json, "columns"), columns);
    assert_int_equal(number_of(json, "count"), g->count);
    rin_generator *again = make_again(text);
    for (int64_t i = 0; i < g->count; i++) pictures_assert_same(text, g, i, again, i);
    assert_ok(rin_generator_write_grid(again, columns, lab.picture, &error), &error);
    char *same = run_read(lab.picture, &m);
    assert_true(n == m && memcmp(bytes, same, n) == 0);
    rin_generator_free(again);
    cJSON_Delete(json);
    rin_string_free(text);
    test_free(bytes);
    test_free(same);
}

typedef struct recipe_case {
    const char *options;
    bool guided, begun, masked, between;
    uint64_t seed;
} recipe_case;

static const recipe_case cases[] = {
    {"", .seed = 7},
    {"sample.sampler=ddpm sample.steps=4 sample.first=3", .seed = UINT64_MAX},
    {"sample.sampler=heun sample.churn=3 sample.steps=4 sample.zoom=3", .seed = 1},
    {"sample.sampler=unipc sample.guidance=1.1 sample.guidance_high=20 sample.schedule=cosine",
     .seed = 9007199254740993},
    {"sample.guidance=0.7", .guided = true, .seed = 5},
    {"sample.strength=0.6", .begun = true, .seed = 5},
    {"sample.strength=0.6 sample.warm=false", .begun = true, .seed = 5},
    {"sample.repeats=2 sample.jump=2 sample.steps=6", .begun = true, .masked = true, .seed = 5},
    {"sample.steps=6 sample.first=2", .between = true, .seed = 5},
};

static rin_sample_request request_of(const recipe_case *c, const uint64_t *other, uint8_t **begin, uint8_t **stays) {
    rin_error error = {0};
    *begin = *stays = NULL;
    if (c->begun) assert_ok(rin_picture_read(rin_model_config(model), picture, 0, begin, &error), &error);
    if (c->masked) assert_ok(rin_picture_read(rin_model_config(model), mask, 1, stays, &error), &error);
    return (rin_sample_request){.model = model,
                                .seed = c->seed,
                                .guide = c->guided ? guide : NULL,
                                .picture = *begin,
                                .mask = *stays,
                                .other_seed = c->between ? other : NULL,
                                .model_name = "the model",
                                .guide_name = "the guide",
                                .picture_name = picture,
                                .mask_name = mask};
}

static void test_round_trips(void **state) {
    const uint64_t other = 1ull << 63 | 1;
    const int64_t classes[] = {1, -1, 0, 1, 9};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        uint8_t *begin, *stays;
        rin_sample_request request = request_of(&cases[i], &other, &begin, &stays);
        request.count = RIN_COUNT(classes);
        request.classes = classes;
        rin_generator *g = pictures_make(request, cases[i].options);
        for (int64_t k = 0; k < request.count; k++) check_one(g, k);
        check_grid(g, 0);
        check_grid(g, 2);
        rin_generator_free(g);
        rin_pixels_free(begin);
        rin_pixels_free(stays);
    }
}

static void test_model_without_classes(void **state) {
    (void)state;
    char *json, *text;
    size_t n;
    rin_error error = {0};
    rin_model *m = pictures_train(&lab, "nothing", "model.num_classes=0");
    rin_generator *g = pictures_make((rin_sample_request){.model = m, .count = 2}, "sample.steps=2");
    assert_ok(rin_generator_recipe(g, -1, &json, &error), &error);
    assert_null(strstr(json, "\"classes\""));
    assert_non_null(strstr(json, "model.safetensors\"")); /* where it was opened */
    assert_ok(rin_generator_write_grid(g, 0, lab.picture, &error), &error);
    char *bytes = run_read(lab.picture, &n);
    assert_ok(rin_image_png_text(bytes, n, "class", &text, &error), &error);
    assert_null(text);
    test_free(bytes);
    rin_string_free(json);
    rin_generator_free(g);
    rin_model_free(m);
}

/* sample.first ends before the last of the pictures does. */
static void test_high_numbers(void **state) {
    (void)state;
    rin_generator *g = pictures_make((rin_sample_request){.model = model, .count = 2, .model_name = "the model"},
                                     "sample.steps=2 sample.first=1000000000");
    char *text;
    rin_error error = {0};
    assert_ok(rin_generator_recipe(g, 1, &text, &error), &error);
    assert_non_null(strstr(text, "\"count\":2"));
    assert_non_null(strstr(text, "\"picture\":1"));
    rin_string_free(text);
    assert_ok(rin_generator_recipe(g, 0, &text, &error), &error);
    assert_non_null(strstr(text, "\"count\":1"));
    rin_string_free(text);
    const int64_t wrong[] = {-2, 2, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < RIN_COUNT(wrong); i++)
        assert_refused(rin_generator_recipe(g, wrong[i], &text, &error), RIN_ERR_ARG, &error, "up to 1");
    rin_generator_free(g);
}

/* A contact sheet says how its videos were made, but for the frames that were given. */
static void test_videos(void **state) {
    static const uint8_t frames[2 * PICTURE_BYTES];
    (void)state;
    rin_error error = {0};
    char *text, *same, evaluations[64];
    run_lab videos = lab;
    snprintf(videos.data, sizeof videos.data, "tests/fixtures/video/plain.webp");
    rin_model *m = pictures_train(&videos, "videos", "model.seq_len=4 model.seq_cond=2 model.seq_stride=2");
    rin_generator *g = pictures_prepare((rin_sample_request){.model = m, .count = 2},
                                        "sample.steps=2 sample.frames=7 sample.first=5");
    assert_ok(rin_generator_give(g, -1, frames, 2, &error), &error);
    pictures_run(g);
    assert_ok(rin_generator_write(g, 1, lab.picture, &error), &error);
    text = pictures_read_recipe(lab.picture);
    assert_ok(rin_generator_recipe(g, 1, &same, &error), &error);
    assert_string_equal(text, same);
    assert_true(strstr(text, "\"first\":6") && strstr(text, "\"count\":1"));
    snprintf(evaluations, sizeof evaluations, "\"evaluations\":%lld}", (long long)g->n_forwards);
    assert_non_null(strstr(text, evaluations));
    rin_string_free(text);
    rin_string_free(same);
    assert_ok(rin_generator_write_grid(g, 1, lab.picture, &error), &error);
    text = pictures_read_recipe(lab.picture);
    assert_true(strstr(text, "\"first\":5") && strstr(text, "\"columns\":1") && strstr(text, "\"frames\": 7"));
    rin_string_free(text);
    assert_refused(rin_generator_write_way(g, "a.gif", &error), RIN_ERR_UNSUPPORTED, &error, "'a.gif': this model");
    assert_refused(rin_generator_write_film(g, 0, "a.gif", &error), RIN_ERR_ARG, &error, "no film");
    rin_generator_free(g);
    rin_model_free(m);
}

/* ---- the texts for people ---- */

static void check_text(const char *key, const char *expected) {
    char *text;
    size_t n;
    rin_error error = {0};
    char *bytes = run_read(lab.picture, &n);
    assert_ok(rin_image_png_text(bytes, n, key, &text, &error), &error);
    if (!expected) assert_null(text);
    else if (!text || strcmp(text, expected) != 0) fail_msg("%s: '%s', expected '%s'", key, text ? text : "", expected);
    rin_free(text);
    test_free(bytes);
}

static void rename_class(int64_t class, const char *name) {
    rin_free(model->description.classes[class]);
    model->description.classes[class] = rin_strdup(name, NULL);
}

static void test_texts(void **state) {
    (void)state;
    const int64_t classes[] = {1, 1, -1, 0, 1};
    rin_error error = {0};
    char *was = rin_strdup(rin_model_class_name(model, 1), NULL);
    rename_class(1, "n\xc3\xa4me\n\x7f\xff");
    rin_generator *g = pictures_make(
        (rin_sample_request){
            .model = model, .count = 5, .classes = classes, .seed = 18446744073709551615u, .model_name = "a\xff\x01z"},
        "sample.sampler=heun sample.guidance=0.25");
    assert_ok(rin_generator_write_grid(g, 0, lab.picture, &error), &error);
    check_text("seed", "18446744073709551615");
    check_text("sampler", "heun");
    check_text("steps", "18");
    check_text("spacing", "karras");
    check_text("guidance", "0.25");
    check_text("evaluations", "70"); /* two a step but the last, each with and without labels */
    check_text("class", "n\xc3\xa4me???, airplane");
    check_text("model", "a??z");
    char *recipe = pictures_read_recipe(lab.picture);
    cJSON *json = cJSON_Parse(recipe);
    const cJSON *options = cJSON_GetObjectItem(json, "options");
    assert_string_equal(text_of(json, "model"), "a?\x01z");
    assert_int_equal(number_of(options, "steps"), 18);
    assert_string_equal(text_of(options, "spacing"), "karras");
    cJSON_Delete(json);
    rin_string_free(recipe);
    assert_ok(rin_generator_write(g, 2, lab.picture, &error), &error);
    check_text("class", NULL);
    assert_ok(rin_generator_write(g, 3, lab.picture, &error), &error);
    check_text("class", "airplane");
    rename_class(1, "");
    assert_ok(rin_generator_write(g, 4, lab.picture, &error), &error);
    check_text("class", "1");
    rename_class(1, was);
    rin_free(was);
    rin_generator_free(g);
}

/* Long names are cut between characters; a recipe that nobody would read is left out. */
static void test_long_texts(void **state) {
    enum { LONG = 2 << 20 };
    (void)state;
    const int64_t classes[] = {1, 0};
    rin_error error = {0};
    char *was = rin_strdup(rin_model_class_name(model, 1), NULL), *name = test_malloc(LONG + 1), *json;
    memset(name, 'x', LONG);
    name[LONG] = '\0';
    memcpy(name + 998, "\xe2\x82\xac", 3);
    char *class = rin_strdup(name, NULL);
    class[1500] = '\0';
    rename_class(1, class);
    rin_generator *g = pictures_make(
        (rin_sample_request){.model = model, .count = 2, .classes = classes, .model_name = name}, "sample.steps=1");
    assert_ok(rin_generator_write_grid(g, 0, lab.picture, &error), &error);
    name[998] = '\0';
    check_text("class", name);
    check_text("model", name);
    assert_refused(rin_recipe_read(lab.picture, &json, &error), RIN_ERR_ARG, &error, "has no recipe");
    rename_class(1, was);
    rin_generator_free(g);
    rin_free(class);
    rin_free(was);
    test_free(name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),  cmocka_unit_test(test_model_without_classes),
        cmocka_unit_test(test_high_numbers), cmocka_unit_test(test_videos),
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_long_texts),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
