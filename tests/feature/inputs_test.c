/* SPDX-License-Identifier: MIT */
/* What Inception and I3D are fed, against plain forms of the same resizes. */
#include <stdlib.h>

#include "support/check.h"

#include "feature/feature.h"

enum { INCEPTION = RIN_INCEPTION_SIDE, I3D = RIN_I3D_SIDE, MOST = INCEPTION * INCEPTION * 3 };

/* Of float sums that may be contracted on other machines than these. */
#ifdef __x86_64__
static const double exact = 0;
#else
static const double exact = 2e-6;
#endif

typedef struct picture {
    int height, width;
    float *pixels;
} picture;

static picture picture_create(int height, int width) {
    picture p = {height, width, test_malloc((size_t)(height * width * 3) * sizeof(float))};
    const rin_random_key key = {.seed = (uint64_t)(1000 * height + width)};
    for (int i = 0; i < height * width * 3; i++) p.pixels[i] = (float)(rin_random_u32(key, (uint64_t)i) % 256);
    return p;
}

static float pixel(const picture *p, int y, int x, int c) {
    return p->pixels[(y * p->width + x) * 3 + c];
}

static float *make(const picture *p, rin_feature_network network, rin_preprocess kind) {
    rin_error error = {0};
    float *out = test_malloc(MOST * sizeof *out);
    bool inception = network == RIN_NETWORK_INCEPTION;
    assert_ok((inception ? rin_inception_input : rin_i3d_input)(kind, p->pixels, p->height, p->width, out, &error),
              &error);
    return out;
}

static void expect(const char *what, const float *got, float (*wanted)(const picture *, int, int, int),
                   const picture *p, int side, double tolerance) {
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            for (int c = 0; c < 3; c++) {
                double a = (double)got[(y * side + x) * 3 + c], b = (double)wanted(p, y, x, c);
                if (!(fabs(a - b) <= tolerance))
                    fail_msg("%s, %d x %d pixels: row %d, column %d, channel %d is %.9g, expected %.9g", what, p->width,
                             p->height, y, x, c, a, b);
            }
        }
    }
}

/* ---- pictures that need no resize ---- */

static float as_tf(const picture *p, int y, int x, int c) {
    return (pixel(p, y, x, c) - 128) / 128;
}

static float as_half_pixel(const picture *p, int y, int x, int c) {
    return 2 * (pixel(p, y, x, c) / 255) - 1;
}

static float as_frame(const picture *p, int y, int x, int c) {
    return 2 * pixel(p, y, x, c) / 255 - 1;
}

static void test_right_size_passes(void **state) {
    (void)state;
    const struct {
        const char *name;
        rin_feature_network network;
        rin_preprocess kind;
        float (*wanted)(const picture *, int, int, int);
    } rows[] = {{"tf", RIN_NETWORK_INCEPTION, RIN_PREPROCESS_TF, as_tf},
                {"half_pixel", RIN_NETWORK_INCEPTION, RIN_PREPROCESS_HALF_PIXEL, as_half_pixel},
                {"clean", RIN_NETWORK_INCEPTION, RIN_PREPROCESS_CLEAN, as_tf},
                {"tf of frames", RIN_NETWORK_I3D, RIN_PREPROCESS_TF, as_frame},
                {"crop", RIN_NETWORK_I3D, RIN_PREPROCESS_CROP, as_half_pixel}};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        int side = rows[i].network == RIN_NETWORK_INCEPTION ? INCEPTION : I3D;
        picture p = picture_create(side, side);
        float *out = make(&p, rows[i].network, rows[i].kind);
        expect(rows[i].name, out, rows[i].wanted, &p, side, exact);
        test_free(out);
        test_free(p.pixels);
    }
}

static void test_constants_stay(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {7, 500}, {641, 3}, {32, 32}};
    for (size_t i = 0; i < RIN_COUNT(sizes); i++) {
        picture p = picture_create(sizes[i][0], sizes[i][1]);
        for (int value = 0; value < 256; value += 51) {
            for (int k = 0; k < p.height * p.width * 3; k++) p.pixels[k] = (float)value;
            for (int kind = 0; kind < 4; kind++) {
                for (int network = 0; network < 2; network++) {
                    bool i3d = network == RIN_NETWORK_I3D;
                    if (!rin_preprocess_is_for((rin_preprocess)kind, (rin_feature_network)network)) continue;
                    float *out = make(&p, (rin_feature_network)network, (rin_preprocess)kind);
                    double unit = 2 * value / 255.0 - 1, byte = (value - 128) / 128.0;
                    double wanted = i3d || kind == RIN_PREPROCESS_HALF_PIXEL ? unit : byte;
                    int n = (i3d ? I3D * I3D : INCEPTION * INCEPTION) * 3;
                    for (int k = 0; k < n; k++) assert_true(fabs((double)out[k] - wanted) < 1e-6);
                    test_free(out);
                }
            }
        }
        test_free(p.pixels);
    }
}

/* ---- bilinear, as the document says it ---- */

/* Number i of `to` numbers made of n: between which two, and how far. Everything in float. */
static void plain_tap(int i, int n, int to, bool half_pixel, int *low, int *high, float *part) {
    float scale = (float)n / (float)to, at = (float)i * scale;
    if (half_pixel) {
        at = ((float)i + 0.5f) * scale - 0.5f;
        if (at < 0) at = 0;
    }
    *low = (int)at;
    *high = *low + 1 < n ? *low + 1 : n - 1;
    *part = at - (float)*low;
}

static float plain_bilinear(const picture *p, int y, int x, int c, int to_height, int to_width, bool half_pixel,
                            float divisor) {
    int y0, y1, x0, x1;
    float fy, fx;
    plain_tap(y, p->height, to_height, half_pixel, &y0, &y1, &fy);
    plain_tap(x, p->width, to_width, half_pixel, &x0, &x1, &fx);
    float a = pixel(p, y0, x0, c) / divisor, b = pixel(p, y0, x1, c) / divisor;
    float d = pixel(p, y1, x0, c) / divisor, e = pixel(p, y1, x1, c) / divisor;
    float above = a + (b - a) * fx, below = d + (e - d) * fx;
    return above + (below - above) * fy;
}

static float plain_tf(const picture *p, int y, int x, int c) {
    return (plain_bilinear(p, y, x, c, INCEPTION, INCEPTION, false, 1) - 128) / 128;
}

static float plain_half_pixel(const picture *p, int y, int x, int c) {
    return 2 * plain_bilinear(p, y, x, c, INCEPTION, INCEPTION, true, 255) - 1;
}

static float plain_frame(const picture *p, int y, int x, int c) {
    return 2 * plain_bilinear(p, y, x, c, I3D, I3D, false, 1) / 255 - 1;
}

static const int odd_sizes[][2] = {{1, 17}, {17, 1}, {31, 45}, {333, 150}, {298, 300}, {601, 599}, {2, 1024}};

static void test_bilinear(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(odd_sizes); i++) {
        picture p = picture_create(odd_sizes[i][0], odd_sizes[i][1]);
        float *tf = make(&p, RIN_NETWORK_INCEPTION, RIN_PREPROCESS_TF);
        expect("tf", tf, plain_tf, &p, INCEPTION, exact);
        float *half = make(&p, RIN_NETWORK_INCEPTION, RIN_PREPROCESS_HALF_PIXEL);
        expect("half_pixel", half, plain_half_pixel, &p, INCEPTION, exact);
        float *frame = make(&p, RIN_NETWORK_I3D, RIN_PREPROCESS_TF);
        expect("tf of frames", frame, plain_frame, &p, I3D, exact);
        test_free(tf);
        test_free(half);
        test_free(frame);
        test_free(p.pixels);
    }
}

/* ---- bicubic: the same sum in one go and in double ---- */

static double plain_cubic(double x) {
    x = fabs(x);
    if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

typedef struct cubic_taps {
    int from, count;
    double values[64];
} cubic_taps;

static cubic_taps plain_cubic_taps(int i, int n) {
    double scale = (double)n / INCEPTION, wide = scale > 1 ? scale : 1, centre = (i + 0.5) * scale, sum = 0;
    int from = (int)(centre - 2 * wide + 0.5), end = (int)(centre + 2 * wide + 0.5);
    cubic_taps t = {.from = from > 0 ? from : 0};
    t.count = (end < n ? end : n) - t.from;
    assert_in_range(t.count, 1, 64);
    for (int k = 0; k < t.count; k++) sum += t.values[k] = plain_cubic((t.from + k + 0.5 - centre) / wide);
    for (int k = 0; k < t.count; k++) t.values[k] /= sum;
    return t;
}

static float plain_clean(const picture *p, int y, int x, int c) {
    cubic_taps along_y = plain_cubic_taps(y, p->height), along_x = plain_cubic_taps(x, p->width);
    double sum = 0;
    for (int i = 0; i < along_y.count; i++) {
        for (int k = 0; k < along_x.count; k++)
            sum += along_y.values[i] * along_x.values[k] * (double)pixel(p, along_y.from + i, along_x.from + k, c);
    }
    sum = sum < 0 ? 0 : sum > 255 ? 255 : sum;
    return (float)((sum - 128) / 128);
}

static void test_clean(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(odd_sizes); i++) {
        picture p = picture_create(odd_sizes[i][0], odd_sizes[i][1]);
        float *out = make(&p, RIN_NETWORK_INCEPTION, RIN_PREPROCESS_CLEAN);
        expect("clean", out, plain_clean, &p, INCEPTION, 1e-6);
        test_free(out);
        test_free(p.pixels);
    }
}

/* ---- crop ---- */

/* The cases: size of the picture, of the whole that it is resized to, and where the square begins in that. */
static const struct {
    int height, width, to_height, to_width, top, left;
} crops[] = {
    {224, 300, 224, 300, 0, 38}, {224, 301, 224, 301, 0, 38}, {224, 225, 224, 225, 0, 0},
    {303, 224, 303, 224, 39, 0}, {100, 151, 224, 339, 0, 57}, {151, 100, 339, 224, 57, 0},
    {500, 333, 337, 224, 56, 0}, {1, 3, 224, 672, 0, 224},    {40, 40, 224, 224, 0, 0},
};
static size_t crop_row;

static float plain_crop(const picture *p, int y, int x, int c) {
    return 2 * plain_bilinear(p, y + crops[crop_row].top, x + crops[crop_row].left, c, crops[crop_row].to_height,
                              crops[crop_row].to_width, true, 255) -
           1;
}

static void test_crop(void **state) {
    (void)state;
    for (crop_row = 0; crop_row < RIN_COUNT(crops); crop_row++) {
        picture p = picture_create(crops[crop_row].height, crops[crop_row].width);
        float *out = make(&p, RIN_NETWORK_I3D, RIN_PREPROCESS_CROP);
        expect("crop", out, plain_crop, &p, I3D, exact);
        test_free(out);
        test_free(p.pixels);
    }
}

/* ---- what is refused ---- */

static void test_refused(void **state) {
    (void)state;
    rin_error error = {0};
    picture p = picture_create(2, 2);
    float *out = test_malloc(MOST * sizeof *out);
    const char *part = "a resize that this network has not";
    assert_refused(rin_inception_input(RIN_PREPROCESS_CROP, p.pixels, 2, 2, out, &error), RIN_ERR_ARG, &error, part);
    assert_refused(rin_i3d_input(RIN_PREPROCESS_CLEAN, p.pixels, 2, 2, out, &error), RIN_ERR_ARG, &error, part);
    assert_refused(rin_i3d_input(RIN_PREPROCESS_HALF_PIXEL, p.pixels, 2, 2, out, &error), RIN_ERR_ARG, &error, part);
    assert_refused(rin_inception_input(RIN_PREPROCESS_TF, NULL, 2, 2, out, &error), RIN_ERR_ARG, &error, "2 x 2");
    assert_refused(rin_inception_input(RIN_PREPROCESS_TF, p.pixels, 0, 2, out, &error), RIN_ERR_ARG, &error, "2 x 0");
    assert_refused(rin_i3d_input(RIN_PREPROCESS_TF, p.pixels, 2, -1, out, &error), RIN_ERR_ARG, &error, "-1 x 2");
    assert_string_equal(rin_preprocess_name((rin_preprocess)7), "");
    test_free(out);
    test_free(p.pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_size_passes),
        cmocka_unit_test(test_constants_stay),
        cmocka_unit_test(test_bilinear),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_crop),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("feature/inputs", tests, NULL, NULL);
}
