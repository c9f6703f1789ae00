/* SPDX-License-Identifier: MIT */
/* Tests of cropping and resampling, against reference pictures and exact properties; and of written PNG files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <cjson/cJSON.h>

#include "image/image.h"

/* ---- a small safetensors reader ---- */

typedef struct fixture {
    char *bytes;
    const char *data;
    cJSON *header;
} fixture;

static fixture fixture_open(const char *path) {
    fixture f = {0};
    size_t n = 0;
    uint64_t n_header;
    assert_int_equal(rin_file_read(path, 1 << 20, &f.bytes, &n, NULL), RIN_OK);
    memcpy(&n_header, f.bytes, 8);
    f.header = cJSON_ParseWithLength(f.bytes + 8, n_header);
    assert_non_null(f.header);
    f.data = f.bytes + 8 + n_header;
    return f;
}

static const void *fixture_get(const fixture *f, int number, const char *name, int *height, int *width) {
    char key[32];
    snprintf(key, sizeof key, "%d/%s", number, name);
    const cJSON *entry = cJSON_GetObjectItem(f->header, key), *shape = cJSON_GetObjectItem(entry, "shape");
    *height = cJSON_GetArrayItem(shape, 0)->valueint;
    *width = cJSON_GetArrayItem(shape, 1)->valueint;
    return f->data + cJSON_GetArrayItem(cJSON_GetObjectItem(entry, "data_offsets"), 0)->valueint;
}

/* ---- tests ---- */

static rin_image make(int width, int height, int channels, int depth) {
    rin_image image;
    assert_int_equal(rin_image_create(&image, width, height, channels, depth, NULL), RIN_OK);
    size_t n = (size_t)(width * height * channels);
    for (size_t i = 0; i < n; i++) {
        uint32_t value = rin_random_u32((rin_random_key){5, 6, 7}, i);
        if (depth == 1) ((uint8_t *)image.samples)[i] = (uint8_t)value;
        else ((uint16_t *)image.samples)[i] = (uint16_t)value;
    }
    return image;
}

static void test_reference_pictures(void **state) {
    (void)state;
    fixture f = fixture_open("tests/fixtures/resize.safetensors");
    for (int i = 0; i < 3; i++) {
        int height, width, to_height, to_width;
        const void *stored = fixture_get(&f, i, "image", &height, &width);
        const char *wanted = fixture_get(&f, i, "resized", &to_height, &to_width);
        rin_image image = make(width, height, 3, 1);
        memcpy(image.samples, stored, (size_t)(width * height * 3));
        float out[32 * 32 * 3], reference[32 * 32 * 3];
        size_t n = (size_t)(to_height * to_width * 3);
        memcpy(reference, wanted, n * sizeof *reference);
        assert_int_equal(rin_image_fit(&image, to_height, to_width, 3, out, NULL), RIN_OK);
        for (size_t p = 0; p < n; p++) assert_float_equal(out[p], reference[p], 2e-6);
        rin_image_clear(&image);
    }
    cJSON_Delete(f.header);
    rin_free(f.bytes);
}

static void test_same_size_is_identity(void **state) {
    (void)state;
    float out[9 * 11 * 3];
    for (int depth = 1; depth <= 2; depth++) {
        rin_image image = make(11, 9, 3, depth);
        assert_int_equal(rin_image_fit(&image, 9, 11, 3, out, NULL), RIN_OK);
        for (int i = 0; i < 9 * 11 * 3; i++) {
            float wanted = depth == 1 ? (float)((uint8_t *)image.samples)[i] / 255.0f
                                      : (float)((uint16_t *)image.samples)[i] / 65535.0f;
            assert_true(out[i] == wanted);
        }
        assert_int_equal(rin_image_fits_exactly(&image, 9, 11, 3), depth == 1);
        assert_false(rin_image_fits_exactly(&image, 9, 11, 1));
        assert_false(rin_image_fits_exactly(&image, 8, 8, 3));
        rin_image_clear(&image);
    }
}

static void test_crop_has_the_targets_aspect(void **state) {
    (void)state;
    rin_image image = make(10, 7, 1, 1);
    const uint8_t *samples = image.samples;
    float out[49];
    assert_int_equal(rin_image_fit(&image, 7, 7, 1, out, NULL), RIN_OK); /* columns 1 to 7: (10 - 7) / 2 rounded down */
    for (int i = 0; i < 49; i++) assert_true(out[i] == (float)samples[i / 7 * 10 + 1 + i % 7] / 255.0f);
    assert_true(rin_image_fits_exactly(&image, 7, 7, 1));
    assert_int_equal(rin_image_fit(&image, 2, 10, 1, out, NULL), RIN_OK); /* rows 2 and 3 */
    for (int i = 0; i < 20; i++) assert_true(out[i] == (float)samples[(2 + i / 10) * 10 + i % 10] / 255.0f);
    rin_image_clear(&image);
}

static void test_channels(void **state) {
    (void)state;
    rin_image colour = make(4, 4, 3, 1), grey = make(4, 4, 1, 1);
    float luma[16], repeated[48];
    assert_int_equal(rin_image_fit(&colour, 4, 4, 1, luma, NULL), RIN_OK);
    assert_int_equal(rin_image_fit(&grey, 4, 4, 3, repeated, NULL), RIN_OK);
    for (int i = 0; i < 16; i++) {
        const uint8_t *p = (uint8_t *)colour.samples + 3 * i;
        assert_float_equal(luma[i], (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255, 1e-6);
        for (int c = 0; c < 3; c++) assert_true(repeated[3 * i + c] == (float)((uint8_t *)grey.samples)[i] / 255.0f);
    }
    assert_true(rin_image_fits_exactly(&grey, 4, 4, 3));
    rin_image_clear(&colour);
    rin_image_clear(&grey);
}

/* A constant stays constant at any scale, borders included, and nothing leaves 0..1. */
static void test_weights_sum_to_one_and_clip(void **state) {
    (void)state;
    static const int sizes[][4] = {{1, 1, 5, 7}, {300, 200, 1, 1}, {5, 9, 64, 3}, {13, 8, 8, 13}, {65535, 1, 4, 1}};
    float out[64 * 64];
    for (size_t s = 0; s < RIN_COUNT(sizes); s++) {
        rin_image image = make(sizes[s][0], sizes[s][1], 1, 1);
        size_t n = (size_t)(sizes[s][2] * sizes[s][3]);
        assert_int_equal(rin_image_fit(&image, sizes[s][3], sizes[s][2], 1, out, NULL), RIN_OK);
        for (size_t i = 0; i < n; i++) assert_true(out[i] >= 0 && out[i] <= 1);
        memset(image.samples, 77, (size_t)(image.width * image.height));
        assert_int_equal(rin_image_fit(&image, sizes[s][3], sizes[s][2], 1, out, NULL), RIN_OK);
        for (size_t i = 0; i < n; i++) assert_float_equal(out[i], 77.0 / 255, 1e-5);
        rin_image_clear(&image);
    }
    rin_image edge = make(2, 1, 1, 1);
    memcpy(edge.samples, "\0\xff", 2);
    assert_int_equal(rin_image_fit(&edge, 4, 8, 1, out, NULL), RIN_OK);
    assert_true(out[0] == 0 && out[7] == 1); /* the kernel overshoots there */
    rin_image_clear(&edge);
}

static void test_wrong_targets(void **state) {
    (void)state;
    rin_image image = make(2, 2, 1, 1);
    rin_error error = {0};
    float out[16];
    assert_int_equal(rin_image_fit(&image, 0, 2, 1, out, &error), RIN_ERR_ARG);
    assert_int_equal(rin_image_fit(&image, 2, 65536, 1, out, &error), RIN_ERR_ARG);
    assert_int_equal(rin_image_fit(&image, 2, 2, 2, out, &error), RIN_ERR_ARG);
    rin_image_clear(&image);
}

static void test_png_file_reads_back(void **state) {
    (void)state;
    char folder[] = "/tmp/rin-image-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = rin_path_join(folder, "a.png", NULL), *bytes;
    size_t n;
    for (int channels = 1; channels <= 3; channels += 2) {
        rin_image image = make(13, 6, channels, 1), back;
        const rin_png_text texts[] = {{"seed", "7"}, {"note", "na\xc3\xafve"}};
        assert_int_equal(rin_image_write_png(path, image.samples, 13, 6, channels, texts, 2, NULL), RIN_OK);
        assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
        assert_int_equal(rin_image_decode(bytes, n, &back, NULL), RIN_OK);
        assert_int_equal(back.channels, channels);
        assert_memory_equal(back.samples, image.samples, (size_t)(13 * 6 * channels));
        static const char remark[] = "tEXtseed\0"
                                     "7",
                          international[] = "iTXtnote";
        bool found = false, found_international = false;
        for (size_t i = 0; i + sizeof remark < n; i++) {
            found |= memcmp(bytes + i, remark, sizeof remark - 1) == 0;
            found_international |= memcmp(bytes + i, international, sizeof international - 1) == 0;
        }
        assert_true(found && found_international);
        rin_free(bytes);
        rin_image_clear(&image);
        rin_image_clear(&back);
    }
    assert_int_equal(remove(path), 0);
    rin_error error = {0};
    const rin_png_text bad = {"", "x"};
    assert_int_equal(rin_image_write_png(path, (const uint8_t *)"", 1, 1, 1, &bad, 1, &error), RIN_ERR_ARG);
    assert_int_equal(rin_image_write_png(path, (const uint8_t *)"", 1, 1, 4, NULL, 0, &error), RIN_ERR_ARG);
    assert_int_equal(rin_image_write_png(path, (const uint8_t *)"", 0, 1, 1, NULL, 0, &error), RIN_ERR_ARG);
    assert_int_equal(rmdir(folder), 0); /* nothing is left behind */
    assert_int_equal(rin_image_write_png(path, (const uint8_t *)"", 1, 1, 1, NULL, 0, &error), RIN_ERR_IO);
    rin_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_pictures),          cmocka_unit_test(test_same_size_is_identity),
        cmocka_unit_test(test_crop_has_the_targets_aspect), cmocka_unit_test(test_channels),
        cmocka_unit_test(test_weights_sum_to_one_and_clip), cmocka_unit_test(test_wrong_targets),
        cmocka_unit_test(test_png_file_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
