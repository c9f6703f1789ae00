/* SPDX-License-Identifier: MIT */
/* Files with recipes that are damaged, are none, or were made to do harm: what is wrong is said. */
#include "sample/pictures.h"

#include <stdio.h>
#include <zlib.h>

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
    pictures_write(plain, 4, 3);
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
    *json = pictures_read_recipe(lab.picture);
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
        cmocka_unit_test(test_cut),        cmocka_unit_test(test_flipped),    cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_no_recipes), cmocka_unit_test(test_huge_texts), cmocka_unit_test(test_compressed),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
