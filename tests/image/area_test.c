/* SPDX-License-Identifier: MIT */
/* Tests of fitting by areas, against means computed here from the overlaps of pixels. */
#include "support/check.h"

#include "image/image.h"

enum { MOST = 128 * 128 * 3 };

static double reference[MOST], fitted[MOST];
static float out[MOST];

static rin_image make(int width, int height, int channels, int depth) {
    rin_image image;
    rin_error error = {0};
    assert_ok(rin_image_create(&image, width, height, channels, depth, &error), &error);
    for (size_t i = 0; i < (size_t)(width * height * channels); i++) {
        uint32_t value = rin_random_u32((rin_random_key){8, 9, 10}, i);
        if (depth == 1) ((uint8_t *)image.samples)[i] = (uint8_t)value;
        else ((uint16_t *)image.samples)[i] = (uint16_t)value;
    }
    return image;
}

static double sample(const rin_image *image, int x, int y, int c) {
    size_t at = ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels + (size_t)c;
    return image->depth == 1 ? ((const uint8_t *)image->samples)[at] / 255.0
                             : ((const uint16_t *)image->samples)[at] / 65535.0;
}

/* Of pixel i of n: how much of it lies in part k of `parts` equal ones. */
static double overlap(int i, int n, int k, int parts) {
    double begin = (double)k * n / parts, end = (double)(k + 1) * n / parts;
    return fmax(fmin(i + 1, end) - fmax(i, begin), 0);
}

/* The part of the picture that counts: its largest centred one of the wanted shape. */
typedef struct part {
    int x, y, width, height;
} part;

static void compute_means(const rin_image *image, part p, int height, int width) {
    int channels = image->channels;
    for (int at = 0; at < height * width * channels; at++) {
        int row = at / channels / width, column = at / channels % width;
        double sum = 0, area = 0;
        for (int y = 0; y < p.height; y++) {
            double down = overlap(y, p.height, row, height);
            for (int x = 0; x < p.width && down > 0; x++) {
                double weight = down * overlap(x, p.width, column, width);
                if (weight > 0) sum += weight * sample(image, p.x + x, p.y + y, at % channels);
                area += weight;
            }
        }
        reference[at] = sum / area;
    }
}

static void fit(const rin_image *image, int height, int width, int channels) {
    rin_error error = {0};
    assert_true(height * width * channels <= MOST);
    assert_ok(rin_image_fit_area(image, height, width, channels, out, &error), &error);
    for (int i = 0; i < height * width * channels; i++) fitted[i] = out[i];
}

static void expect_means(int width, int height, int channels, int depth, part p, int to_width, int to_height) {
    rin_image image = make(width, height, channels, depth);
    char what[64];
    snprintf(what, sizeof what, "%d x %d to %d x %d", width, height, to_width, to_height);
    compute_means(&image, p, to_height, to_width);
    fit(&image, to_height, to_width, channels);
    assert_close(what, fitted, reference, (int64_t)to_height * to_width * channels, 1e-6);
    rin_image_clear(&image);
}

static void test_blocks(void **state) {
    (void)state;
    expect_means(64, 64, 3, 1, (part){0, 0, 64, 64}, 16, 16);
    expect_means(64, 32, 1, 1, (part){0, 0, 64, 32}, 16, 8);
    expect_means(64, 64, 3, 2, (part){0, 0, 64, 64}, 16, 16);
    expect_means(31, 17, 3, 1, (part){7, 0, 17, 17}, 1, 1);
}

static void test_parts_of_pixels(void **state) {
    (void)state;
    expect_means(5, 5, 3, 1, (part){0, 0, 5, 5}, 3, 3);
    expect_means(50, 70, 1, 2, (part){0, 0, 50, 70}, 35, 49);
    expect_means(127, 127, 1, 1, (part){0, 0, 127, 127}, 126, 126);
    expect_means(100, 100, 1, 1, (part){0, 0, 100, 100}, 7, 7);
}

static void test_enlarging(void **state) {
    (void)state;
    expect_means(3, 3, 3, 1, (part){0, 0, 3, 3}, 5, 5);
    expect_means(1, 1, 3, 1, (part){0, 0, 1, 1}, 4, 4);
    expect_means(7, 5, 1, 1, (part){0, 0, 7, 5}, 119, 85);
    expect_means(64, 64, 1, 1, (part){0, 0, 64, 64}, 65, 65);
}

/* Every pixel of an enlarged picture that lies within one of the original is that one. */
static void test_whole_multiples_repeat(void **state) {
    (void)state;
    rin_image image = make(6, 6, 1, 1);
    fit(&image, 18, 18, 1);
    for (int i = 0; i < 18 * 18; i++) assert_true(fabs(fitted[i] - sample(&image, i % 18 / 3, i / 18 / 3, 0)) < 1e-7);
    rin_image_clear(&image);
}

static void test_crop(void **state) {
    (void)state;
    expect_means(48, 32, 3, 1, (part){8, 0, 32, 32}, 8, 8);
    expect_means(32, 48, 1, 1, (part){0, 8, 32, 32}, 12, 12);
    expect_means(35, 27, 3, 1, (part){4, 0, 27, 27}, 16, 16);
    expect_means(10, 7, 1, 1, (part){1, 0, 7, 7}, 3, 3); /* the offset is rounded down */
    expect_means(10, 7, 1, 1, (part){0, 1, 10, 5}, 6, 3);
    expect_means(20, 3, 1, 1, (part){9, 0, 1, 3}, 1, 5); /* a side of at least 1 */
}

/* ... and a crop that has the size already is passed on unchanged. */
static void test_same_size(void **state) {
    (void)state;
    rin_image image = make(11, 9, 3, 1);
    fit(&image, 9, 9, 3);
    for (int i = 0; i < 9 * 9 * 3; i++)
        assert_true(out[i] == (float)((uint8_t *)image.samples)[(i / 27 * 11 + 1) * 3 + i % 27] / 255.0f);
    rin_image_clear(&image);
}

static void test_constant_stays(void **state) {
    static const int from[][2] = {{64, 64}, {5, 5}, {3, 3}, {35, 27}, {101, 7}, {1, 1}, {1000, 3}};
    static const int to[][2] = {{16, 16}, {3, 3}, {5, 5}, {7, 11}, {64, 64}, {1, 1}};
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(from); f++) {
        for (size_t t = 0; t < RIN_COUNT(to); t++) {
            for (int level = 0; level < 256; level += level == 254 ? 1 : 2) {
                rin_image image = make(from[f][0], from[f][1], 1, 1);
                memset(image.samples, level, (size_t)(from[f][0] * from[f][1]));
                fit(&image, to[t][1], to[t][0], 3);
                for (int i = 0; i < to[t][0] * to[t][1] * 3; i++) {
                    if (lrintf(out[i] * 255.0f) != level || out[i] > 1)
                        fail_msg("%d x %d of %d became %.9g of 255", from[f][0], from[f][1], level, out[i] * 255.0);
                }
                rin_image_clear(&image);
            }
        }
    }
}

static void test_channels(void **state) {
    (void)state;
    rin_image colour = make(16, 16, 3, 1), grey = make(16, 16, 1, 1);
    compute_means(&colour, (part){0, 0, 16, 16}, 4, 4);
    fit(&colour, 4, 4, 1);
    for (int i = 0; i < 16; i++) {
        double luma = 0.299 * reference[3 * i] + 0.587 * reference[3 * i + 1] + 0.114 * reference[3 * i + 2];
        assert_true(fabs(fitted[i] - luma) < 1e-6);
    }
    compute_means(&grey, (part){0, 0, 16, 16}, 4, 4);
    fit(&grey, 4, 4, 3);
    for (int i = 0; i < 48; i++) assert_true(fabs(fitted[i] - reference[i / 3]) < 1e-6);
    rin_image_clear(&colour);
    rin_image_clear(&grey);
}

static void test_wrong_targets(void **state) {
    static const int wrong[][3] = {{0, 1, 1}, {1, -1, 3}, {1, RIN_IMAGE_MAX_SIDE + 1, 1}, {1, 1, 2}, {1, 1, 4}};
    (void)state;
    rin_image image = make(4, 4, 3, 1);
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        rin_error error = {0};
        rin_status status = rin_image_fit_area(&image, wrong[i][0], wrong[i][1], wrong[i][2], out, &error);
        assert_refused(status, RIN_ERR_ARG, &error, "allowed are sides of 1 to");
    }
    rin_image_clear(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),         cmocka_unit_test(test_parts_of_pixels),
        cmocka_unit_test(test_enlarging),      cmocka_unit_test(test_whole_multiples_repeat),
        cmocka_unit_test(test_crop),           cmocka_unit_test(test_same_size),
        cmocka_unit_test(test_constant_stays), cmocka_unit_test(test_channels),
        cmocka_unit_test(test_wrong_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
