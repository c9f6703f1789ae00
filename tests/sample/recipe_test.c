/* SPDX-License-Identifier: MIT */
/* Recipes: a picture is made again from what its file says; files that are damaged or were made to do harm. */
#include "sample/pictures.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static run_lab lab;
static rin_model *model, *guide;
static char picture[256], mask[256]; /* paths */

static void write_pixels(const char *path, int side, int channels) {
    uint8_t pixels[16 * 16 * 3];
    rin_error error = {0};
    for (int i = 0; i < side * side * channels; i++) pixels[i] = (uint8_t)(channels == 1 ? i / side % 2 * 255 : i * 5);
    assert_ok(rin_image_write_png(path, pixels, side, side, channels, NULL, 0, &error), &error);
}

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    model = pictures_train(&lab, "run", "");
    guide = pictures_train(&lab, "guide", "train.steps=1");
    snprintf(picture, sizeof picture, "%s", run_lab_path(&lab, "begin.png"));
    snprintf(mask, sizeof mask, "%s", run_lab_path(&lab, "mask.png"));
    write_pixels(picture, 16, 3);
    write_pixels(mask, PICTURE_SIDE, 1);
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

static char *read_recipe(const char *path) {
    char *json;
    rin_error error = {0};
    assert_ok(rin_recipe_read(path, &json, &error), &error);
    return json;
}

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
    assert_int_equal(number_of(json, "evaluations"), g->n_forwards); /* of one batch */
    cJSON_Delete(json);
}

static void check_one(const rin_generator *g, int64_t i) {
    rin_error error = {0};
    char *same;
    assert_ok(rin_generator_write(g, i, lab.picture, &error), &error);
    char *text = read_recipe(lab.picture);
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
    char *text = read_recipe(lab.picture), *bytes = run_read(lab.picture, &n);
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
    assert_null(strstr(json, "\"model\""));
    assert_ok(rin_generator_write_grid(g, 0, lab.picture, &error), &error);
    char *bytes = run_read(lab.picture, &n);
    assert_ok(rin_image_png_text(bytes, n, "class", &text, &error), &error);
    assert_null(text);
    assert_ok(rin_image_png_text(bytes, n, "model", &text, &error), &error);
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
    char *recipe = read_recipe(lab.picture);
    cJSON *json = cJSON_Parse(recipe);
    assert_string_equal(text_of(json, "model"), "a?\x01z");
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

/* ---- broken files ---- */

enum { AFTER_HEADER = 33 }; /* signature and IHDR */

typedef struct file {
    uint8_t *bytes;
    size_t n;
} file;

static void put_u32(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A small picture, with a chunk of this type after its header. */
static file with_chunk(const char *type, const void *data, size_t n) {
    size_t n_plain;
    const char *plain = run_lab_path(&lab, "plain.png");
    write_pixels(plain, 4, 3);
    char *bytes = run_read(plain, &n_plain);
    file f = {test_malloc(n_plain + n + 12), n_plain + n + 12};
    uint8_t *chunk = f.bytes + AFTER_HEADER;
    memcpy(f.bytes, bytes, AFTER_HEADER);
    put_u32(chunk, (uint32_t)n);
    memcpy(chunk + 4, type, 4);
    if (n) memcpy(chunk + 8, data, n);
    put_u32(chunk + 8 + n, (uint32_t)crc32(0, chunk + 4, (uInt)n + 4));
    memcpy(chunk + 12 + n, bytes + AFTER_HEADER, n_plain - AFTER_HEADER);
    test_free(bytes);
    return f;
}

/* Not synced to disk, as there are thousands. */
static void write_bytes(const void *bytes, size_t n) {
    FILE *stream = fopen(lab.picture, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, n, stream), n);
    assert_int_equal(fclose(stream), 0);
}

/* What is wrong with it is said, or the recipe is this one. */
static bool reads_as(const void *bytes, size_t n, const char *expected) {
    char *json = (char *)(uintptr_t)1;
    rin_error error = {0};
    write_bytes(bytes, n);
    rin_status status = rin_recipe_read(lab.picture, &json, &error);
    if (status != RIN_OK) {
        assert_true(!json && error.code == status && error.text[0]);
        return false;
    }
    assert_string_equal(json, expected);
    rin_string_free(json);
    return true;
}

static void refuse_bytes(const void *bytes, size_t n, rin_status expected, const char *part) {
    char *json = (char *)(uintptr_t)1;
    rin_error error = {0};
    write_bytes(bytes, n);
    assert_refused(rin_recipe_read(lab.picture, &json, &error), expected, &error, part);
    assert_non_null(strstr(error.text, lab.picture));
    assert_null(json);
}

static void refuse_chunk(const char *type, const void *data, size_t n, rin_status expected, const char *part) {
    file f = with_chunk(type, data, n);
    refuse_bytes(f.bytes, f.n, expected, part);
    test_free(f.bytes);
}

/* A recipe of a grid, with a text that is not ASCII beside it. */
static char *good_file(size_t *n, char **json) {
    rin_error error = {0};
    rin_generator *g = pictures_make((rin_sample_request){.model = model, .count = 2, .model_name = "\xc3\xa4"},
                                     "sample.steps=1");
    assert_ok(rin_generator_write_grid(g, 0, lab.picture, &error), &error);
    rin_generator_free(g);
    *json = read_recipe(lab.picture);
    return run_read(lab.picture, n);
}

static size_t pixels_of(const char *bytes, size_t n) {
    size_t at = 0;
    while (at + 4 < n && memcmp(bytes + at, "IDAT", 4) != 0) at++;
    return at;
}

static void test_cut(void **state) {
    (void)state;
    size_t n;
    char *json, *bytes = good_file(&n, &json);
    size_t pixels = pixels_of(bytes, n);
    for (size_t cut = 0; cut < n; cut += cut < pixels ? 1 : 97)
        assert_true(reads_as(bytes, cut, json) == (cut >= pixels + 4));
    test_free(bytes);
    rin_string_free(json);
}

/* Texts are protected by checksums, pixels are not looked at. */
static void test_flipped(void **state) {
    (void)state;
    size_t n;
    char *json, *bytes = good_file(&n, &json);
    size_t pixels = pixels_of(bytes, n);
    for (size_t i = 0; i < n; i += i < pixels ? 1 : 97) {
        const char flips[] = {1, (char)0x80, (char)0xff};
        for (size_t f = 0; f < RIN_COUNT(flips); f++) {
            bytes[i] ^= flips[f];
            bool read = reads_as(bytes, n, json);
            if (i + 4 < pixels && read) fail_msg("byte %zu of %zu is not looked at", i, n);
            if (i >= pixels + 4) assert_true(read);
            bytes[i] ^= flips[f];
        }
    }
    test_free(bytes);
    rin_string_free(json);
}

static void test_other_files(void **state) {
    (void)state;
    char *json;
    rin_error error = {0};
    file plain = with_chunk("tEXt", "seed\0007", 6);
    refuse_bytes(plain.bytes, plain.n, RIN_ERR_ARG, "another program has written it again");
    test_free(plain.bytes);
    refuse_bytes("", 0, RIN_ERR_FORMAT, "no PNG");
    refuse_bytes("\x89PNG\r\n\x1a\n", 8, RIN_ERR_FORMAT, "");
    refuse_bytes("\xff\xd8\xff\xe0 and so on", 15, RIN_ERR_FORMAT, "no PNG");
    assert_refused(rin_recipe_read(lab.folder, &json, &error), RIN_ERR_IO, &error, lab.folder);
    assert_refused(rin_recipe_read("no/such.png", &json, &error), RIN_ERR_IO, &error, "no/such.png");
}

static void test_no_recipes(void **state) {
    static const struct {
        const char *text, *part;
    } rows[] = {{"", "damaged"},
                {"{}", "version"},
                {"[]", "damaged"},
                {"1", "damaged"},
                {"{\"rin\":2}", "version"},
                {"{\"rin\":\"1\"}", "version"},
                {"{\"rin\":1", "damaged"},
                {"{\"rin\":1} {}", "damaged"},
                {"[1,{\"rin\":1}]", "damaged"},
                {"{\"Rin\":1}", "version"},
                {"{\"rin\":1,\"x\":\"\xff\"}", "damaged"},
                {"{\"rin\":1,\"x\":\"\xed\xa0\x80\"}", "damaged"}};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        char chunk[64] = "rin";
        size_t n = strlen(rows[i].text);
        memcpy(chunk + 4, rows[i].text, n);
        refuse_chunk("tEXt", chunk, n + 4, RIN_ERR_FORMAT, rows[i].part);
    }
    enum { DEEP = 200000 };
    char *deep = test_malloc(DEEP);
    memset(deep, '[', DEEP);
    memcpy(deep, "rin", 4);
    refuse_chunk("tEXt", deep, DEEP, RIN_ERR_FORMAT, "damaged");
    test_free(deep);
}

/* A text of so many bytes that is a recipe. */
static char *long_text(size_t n) {
    static const char begin[] = "rin\0{\"rin\":1,\"x\":\"", end[] = "\"}";
    char *text = test_malloc(n + 4);
    memset(text, 'x', n + 4);
    memcpy(text, begin, sizeof begin - 1);
    memcpy(text + n + 2, end, 2);
    return text;
}

static void test_huge_texts(void **state) {
    const size_t most = RIN_PNG_MOST_TEXT;
    (void)state;
    char *fits = long_text(most), *huge = long_text(most + 1), *giant = long_text(9 << 20);
    file f = with_chunk("tEXt", fits, most + 4);
    char *expected = test_malloc(most + 1);
    memcpy(expected, fits + 4, most);
    expected[most] = '\0';
    assert_true(reads_as(f.bytes, f.n, expected));
    refuse_chunk("tEXt", huge, most + 5, RIN_ERR_FORMAT, "allowed are 1048576");
    refuse_chunk("tEXt", giant, (9 << 20) + 4, RIN_ERR_FORMAT, "");
    /* A length that nothing stands behind. */
    put_u32(f.bytes + AFTER_HEADER, 0x7fffffff);
    refuse_bytes(f.bytes, f.n, RIN_ERR_FORMAT, "");
    put_u32(f.bytes + AFTER_HEADER, 0xffffffff);
    refuse_bytes(f.bytes, f.n, RIN_ERR_FORMAT, "");
    test_free(f.bytes);
    test_free(fits);
    test_free(huge);
    test_free(giant);
    test_free(expected);
}

/* A zTXt chunk of n bytes of text. */
static char *compressed(const char *key, const char *text, size_t n, size_t *n_chunk) {
    size_t before = strlen(key) + 2;
    uLongf room = compressBound(n);
    char *chunk = test_malloc(before + room);
    memcpy(chunk, key, before - 1);
    chunk[before - 1] = 0; /* the method */
    assert_int_equal(compress((Bytef *)chunk + before, &room, (const Bytef *)text, n), Z_OK);
    *n_chunk = before + room;
    return chunk;
}

static void test_compressed(void **state) {
    static const char text[] = "{\"rin\":1,\"note\":\"written again by another program\"}";
    enum { BOMB = 64 << 20, PART = 7 << 20, MANY = 12 };
    (void)state;
    size_t n, n_part;
    char *chunk = compressed("rin", text, sizeof text - 1, &n), *bomb = test_malloc(BOMB);
    file f = with_chunk("zTXt", chunk, n);
    assert_true(reads_as(f.bytes, f.n, text));
    test_free(f.bytes);
    chunk[n - 1] ^= 1; /* of zlib's own checksum */
    f = with_chunk("zTXt", chunk, n);
    assert_false(reads_as(f.bytes, f.n, text));
    test_free(f.bytes);
    test_free(chunk);
    memset(bomb, ' ', BOMB);
    chunk = compressed("rin", bomb, BOMB, &n);
    f = with_chunk("zTXt", chunk, n);
    assert_false(reads_as(f.bytes, f.n, text));
    test_free(f.bytes);
    test_free(chunk);
    /* Each could be kept, together they could not. */
    chunk = compressed("x", bomb, PART, &n_part);
    f = with_chunk("zTXt", chunk, n_part);
    size_t one = n_part + 12, rest = f.n - AFTER_HEADER - one;
    file all = {test_malloc(AFTER_HEADER + MANY * one + rest), AFTER_HEADER + MANY * one + rest};
    memcpy(all.bytes, f.bytes, AFTER_HEADER);
    for (size_t i = 0; i < MANY; i++) memcpy(all.bytes + AFTER_HEADER + i * one, f.bytes + AFTER_HEADER, one);
    memcpy(all.bytes + AFTER_HEADER + MANY * one, f.bytes + AFTER_HEADER + one, rest);
    refuse_bytes(all.bytes, all.n, RIN_ERR_FORMAT, "allowed");
    test_free(all.bytes);
    test_free(f.bytes);
    test_free(chunk);
    test_free(bomb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),  cmocka_unit_test(test_model_without_classes),
        cmocka_unit_test(test_high_numbers), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_long_texts),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_flipped),      cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_no_recipes),   cmocka_unit_test(test_huge_texts),
        cmocka_unit_test(test_compressed),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
