/* SPDX-License-Identifier: MIT */
/* Pictures and masks from files: as in training, whatever their format; files that are none. */
#include "sample/pictures.h"

#include <stdlib.h>
#include <unistd.h>

#include "image/encode.h"

enum { SIDE = 8 };

static run_lab lab;

static int create(void **state) {
    (void)state;
    run_lab_create(&lab);
    return 0;
}

static int destroy(void **state) {
    (void)state;
    run_lab_free(&lab);
    return 0;
}

/* Of a name that says nothing. */
static const char *keep(const void *bytes, size_t n) {
    static char path[256];
    rin_error error = {0};
    snprintf(path, sizeof path, "%s", run_lab_path(&lab, "file.txt"));
    assert_ok(rin_file_write(path, bytes, n, &error), &error);
    return path;
}

/* As decoded and fitted by the functions that training uses. */
static void check(encoded file, const char *options, int channels) {
    rin_image image;
    rin_error error = {0};
    uint8_t *pixels;
    rin_config *config = run_config(options);
    int height = (int)config->model.image_height, width = (int)config->model.image_width,
        n = height * width * (channels ? channels : (int)config->model.image_channels);
    float *fitted = test_malloc((size_t)n * sizeof *fitted);
    assert_ok(rin_picture_read(config, keep(file.bytes, file.n), channels, &pixels, &error), &error);
    assert_ok(rin_image_decode(file.bytes, file.n, &image, &error), &error);
    assert_ok(rin_image_fit(&image, height, width, n / (height * width), fitted, &error), &error);
    for (int i = 0; i < n; i++) assert_int_equal(pixels[i], lrintf(fitted[i] * 255));
    rin_image_clear(&image);
    rin_pixels_free(pixels);
    rin_config_free(config);
    test_free(fitted);
    free(file.bytes);
}

static void fill(uint8_t *pixels, int n) {
    for (int i = 0; i < n; i++) pixels[i] = (uint8_t)(i * i % 253);
}

static void test_formats(void **state) {
    static const char *const options[] = {"", "model.image_height=16", "model.image_channels=1"};
    enum { WIDTH = 23, HEIGHT = 17 };
    uint8_t pixels[WIDTH * HEIGHT * 4];
    (void)state;
    fill(pixels, (int)sizeof pixels);
    for (size_t o = 0; o < RIN_COUNT(options); o++) {
        for (int channels = 0; channels < 2; channels++) {
            check(encode_rgb_jpeg(pixels, WIDTH, HEIGHT), options[o], channels);
            check(encode_webp(pixels, WIDTH, HEIGHT), options[o], channels);
            check(encode_png(pixels, WIDTH * 3, WIDTH, HEIGHT, (png_options){.type = PNG_COLOR_TYPE_RGB, .depth = 8}),
                  options[o], channels);
            check(encode_png(pixels, WIDTH, WIDTH, HEIGHT, (png_options){.type = PNG_COLOR_TYPE_GRAY, .depth = 8}),
                  options[o], channels);
            check(encode_png(pixels, WIDTH * 4, WIDTH, HEIGHT,
                             (png_options){.type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 8}),
                  options[o], channels);
        }
    }
}

/* A picture of the model's own size comes as it is, over white where it is transparent. */
static void test_exact(void **state) {
    uint8_t rgba[SIDE * SIDE * 4], *pixels;
    (void)state;
    rin_error error = {0};
    rin_config *config = run_config("");
    fill(rgba, (int)sizeof rgba);
    for (int i = 0; i < SIDE * SIDE; i++) rgba[4 * i + 3] = i % 3 == 0 ? 0 : i % 3 == 1 ? 255 : 102;
    encoded file = encode_png(rgba, SIDE * 4, SIDE, SIDE, (png_options){.type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 8});
    assert_ok(rin_picture_read(config, keep(file.bytes, file.n), 0, &pixels, &error), &error);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        int colour = rgba[4 * (i / 3) + i % 3], alpha = rgba[4 * (i / 3) + 3];
        assert_int_equal(pixels[i], lrint((colour * alpha + 255.0 * (255 - alpha)) / 255));
    }
    rin_pixels_free(pixels);
    uint8_t grey[SIDE * SIDE], *mask;
    for (int i = 0; i < SIDE * SIDE; i++) grey[i] = i % 2 ? 0 : 255;
    free(file.bytes);
    file = encode_png(grey, SIDE, SIDE, SIDE, (png_options){.type = PNG_COLOR_TYPE_GRAY, .depth = 8});
    assert_ok(rin_picture_read(config, keep(file.bytes, file.n), 1, &mask, &error), &error);
    assert_memory_equal(mask, grey, sizeof grey);
    rin_pixels_free(mask);
    rin_config_free(config);
    free(file.bytes);
}

static void refuse(const rin_config *config, const char *path, int channels, rin_status expected, const char *part) {
    uint8_t *pixels = (uint8_t *)&lab; /* not NULL */
    rin_error error = {0};
    assert_refused(rin_picture_read(config, path, channels, &pixels, &error), expected, &error, part);
    assert_null(pixels);
}

static void test_refusals(void **state) {
    uint8_t rgb[SIDE * SIDE * 3];
    const int wrong[] = {-1, 2, 3, INT32_MIN, INT32_MAX};
    (void)state;
    rin_config *config = run_config("");
    fill(rgb, (int)sizeof rgb);
    encoded file = encode_rgb_jpeg(rgb, SIDE, SIDE);
    refuse(config, keep(file.bytes, file.n / 2), 0, RIN_ERR_FORMAT, "file.txt': JPEG");
    refuse(config, keep("GIF89a and so on", 16), 0, RIN_ERR_FORMAT, "file.txt': the file looks like GIF");
    refuse(config, keep("no picture", 10), 1, RIN_ERR_FORMAT, "accepted are JPEG, PNG and WebP");
    refuse(config, keep("", 0), 0, RIN_ERR_FORMAT, "empty");
    refuse(config, "no/such.png", 0, RIN_ERR_IO, "no/such.png");
    refuse(config, "", 0, RIN_ERR_IO, "");
    refuse(config, lab.folder, 0, RIN_ERR_IO, lab.folder);
    refuse(config, "/dev/zero", 0, RIN_ERR_IO, "/dev/zero");
    const char *path = keep(file.bytes, file.n);
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) refuse(config, path, wrong[i], RIN_ERR_ARG, "channels = ");
    rin_config *other = run_config("model.image_channels=2");
    refuse(other, path, 0, RIN_ERR_UNSUPPORTED, "2 channels");
    uint8_t *pixels;
    rin_error error = {0};
    assert_ok(rin_picture_read(other, path, 1, &pixels, &error), &error);
    rin_pixels_free(pixels);
    rin_pixels_free(NULL);
    /* Of holes, which take no room. */
    assert_int_equal(truncate(path, ((off_t)1 << 30) + 1), 0);
    refuse(config, path, 0, RIN_ERR_FORMAT, "1073741824");
    rin_config_free(config);
    rin_config_free(other);
    free(file.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_exact),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, create, destroy);
}
