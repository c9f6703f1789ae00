/* SPDX-License-Identifier: MIT */
/* Tests of decoding: every format and its odd variants, orientation, damage, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include "image/decode.h"
#include "image/encode.h"

enum { W = 7, H = 5, N = W * H };

/* A picture without any symmetry, in 8 bits and n channels. */
static void fill(uint8_t *pixels, int n_channels) {
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < n_channels; c++) pixels[i * n_channels + c] = (uint8_t)(i * 7 + c * 60 + (i % W) * 3);
    }
}

static rin_image decode(encoded file) {
    rin_image image;
    rin_error error = {0};
    if (rin_image_decode(file.bytes, file.n, &image, &error) != RIN_OK) fail_msg("%s", error.text);
    free(file.bytes);
    return image;
}

static void expect_size(const rin_image *image, int width, int height, int channels, int depth) {
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
    assert_int_equal(image->channels, channels);
    assert_int_equal(image->depth, depth);
}

static void expect_pixels(rin_image image, const uint8_t *pixels, int channels, int tolerance) {
    expect_size(&image, W, H, channels, 1);
    for (int i = 0; i < N * channels; i++) {
        if (abs(((uint8_t *)image.samples)[i] - pixels[i]) > tolerance) {
            fail_msg("sample %d is %d, wanted %d", i, ((uint8_t *)image.samples)[i], pixels[i]);
        }
    }
    rin_image_clear(&image);
}

static int over_white(int value, int alpha) {
    return (value * alpha + 255 * (255 - alpha) + 127) / 255;
}

static void expect_refused(encoded file, const char *part) {
    rin_image image;
    rin_error error = {0};
    assert_int_not_equal(rin_image_decode(file.bytes, file.n, &image, &error), RIN_OK);
    assert_null(image.samples);
    if (!strstr(error.text, part)) fail_msg("'%s' lacks '%s'", error.text, part);
    free(file.bytes);
}

/* ---- JPEG ---- */

static void smooth(uint8_t *pixels, int n_channels) {
    for (int i = 0; i < N; i++) {
        int value = 40 + 10 * (i % W) + 20 * (i / W);
        for (int c = 0; c < n_channels; c++) pixels[i * n_channels + c] = (uint8_t)(value + 15 * c);
    }
}

static void test_jpeg_colour_and_grey(void **state) {
    (void)state;
    uint8_t pixels[3 * N];
    smooth(pixels, 3);
    expect_pixels(decode(encode_rgb_jpeg(pixels, W, H)), pixels, 3, 3);
    jpeg_options o = {.from = JCS_RGB, .stored = JCS_YCbCr, .n_components = 3, .progressive = true};
    expect_pixels(decode(encode_jpeg(pixels, W, H, o)), pixels, 3, 3);
    o = (jpeg_options){.from = JCS_RGB, .stored = JCS_RGB, .n_components = 3};
    expect_pixels(decode(encode_jpeg(pixels, W, H, o)), pixels, 3, 2);
    smooth(pixels, 1);
    o = (jpeg_options){.from = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .n_components = 1};
    expect_pixels(decode(encode_jpeg(pixels, W, H, o)), pixels, 1, 2);
}

/* Adobe's files store 255 - ink; files without Adobe's marker store the ink. */
static void test_jpeg_inks(void **state) {
    (void)state;
    uint8_t inks[4 * N], inverted[4 * N], rgb[3 * N];
    smooth(inks, 4);
    for (int i = 0; i < 4 * N; i++) inverted[i] = (uint8_t)(255 - inks[i]);
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < 3; c++) rgb[3 * i + c] = (uint8_t)((255 - inks[4 * i + c]) * (255 - inks[4 * i + 3]) / 255);
    }
    jpeg_options o = {.from = JCS_CMYK, .stored = JCS_CMYK, .n_components = 4};
    expect_pixels(decode(encode_jpeg(inverted, W, H, o)), rgb, 3, 4);
    o.stored = JCS_YCCK;
    expect_pixels(decode(encode_jpeg(inverted, W, H, o)), rgb, 3, 4);
    o.stored = JCS_CMYK;
    o.no_adobe = true;
    expect_pixels(decode(encode_jpeg(inks, W, H, o)), rgb, 3, 4);
}

static void test_jpeg_cut_or_damaged(void **state) {
    (void)state;
    uint8_t pixels[64 * 64 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i >> 3);
    for (int percent = 1; percent < 100; percent += 7) {
        encoded file = encode_rgb_jpeg(pixels, 64, 64);
        file.n = file.n * (size_t)percent / 100;
        expect_refused(file, "");
    }
    encoded cut = encode_rgb_jpeg(pixels, 64, 64);
    cut.n = cut.n * 9 / 10;
    expect_refused(cut, "damaged or cut");
    jpeg_options o = {.from = JCS_RGB, .stored = JCS_YCbCr, .n_components = 3, .progressive = true};
    cut = encode_jpeg(pixels, 64, 64, o);
    cut.n = cut.n * 9 / 10;
    expect_refused(cut, "damaged or cut");
    encoded damaged = encode_rgb_jpeg(pixels, 64, 64);
    memset(damaged.bytes + damaged.n * 3 / 4, 0xFF, 16);
    damaged.bytes[damaged.n * 3 / 4 + 16] = 0xD9; /* end of image in the midst of it */
    expect_refused(damaged, "damaged or cut");
}

/* A file whose last scan is repeated for ever. */
static void test_jpeg_too_many_scans(void **state) {
    (void)state;
    uint8_t pixels[3 * N];
    smooth(pixels, 3);
    jpeg_options o = {.from = JCS_RGB, .stored = JCS_YCbCr, .n_components = 3, .progressive = true};
    encoded file = encode_jpeg(pixels, W, H, o), many = {0};
    size_t last = file.n - 2;
    while (!(file.bytes[last] == 0xFF && file.bytes[last + 1] == 0xDA)) last--;
    encoded_add(&many, file.bytes, last);
    for (int i = 0; i < 1000; i++) encoded_add(&many, file.bytes + last, file.n - 2 - last);
    encoded_add(&many, "\xff\xd9", 2);
    free(file.bytes);
    expect_refused(many, "scans");
}

/* ---- PNG ---- */

static void test_png_colour_and_grey(void **state) {
    (void)state;
    uint8_t pixels[3 * N];
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        png_options o = {.type = PNG_COLOR_TYPE_RGB, .depth = 8, .interlaced = interlaced};
        fill(pixels, 3);
        expect_pixels(decode(encode_png(pixels, 3 * W, W, H, o)), pixels, 3, 0);
        o.type = PNG_COLOR_TYPE_GRAY;
        fill(pixels, 1);
        expect_pixels(decode(encode_png(pixels, W, W, H, o)), pixels, 1, 0);
    }
}

static void test_png_alpha(void **state) {
    (void)state;
    uint8_t pixels[4 * N], wanted[3 * N];
    fill(pixels, 4);
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < 3; c++) wanted[3 * i + c] = (uint8_t)over_white(pixels[4 * i + c], pixels[4 * i + 3]);
    }
    png_options o = {.type = PNG_COLOR_TYPE_RGBA, .depth = 8};
    expect_pixels(decode(encode_png(pixels, 4 * W, W, H, o)), wanted, 3, 0);
    fill(pixels, 2);
    for (int i = 0; i < N; i++) wanted[i] = (uint8_t)over_white(pixels[2 * i], pixels[2 * i + 1]);
    o.type = PNG_COLOR_TYPE_GRAY_ALPHA;
    expect_pixels(decode(encode_png(pixels, 2 * W, W, H, o)), wanted, 1, 0);
}

static rin_image decode_dropped(encoded file) {
    rin_image image;
    rin_error error = {0};
    rin_status status = rin_image_decode_as(file.bytes, file.n, RIN_ALPHA_DROPPED, &image, &error);
    if (status != RIN_OK) fail_msg("%s", error.text);
    free(file.bytes);
    return image;
}

/* The file's colours, whatever its transparency. */
static void test_dropped_alpha(void **state) {
    (void)state;
    uint8_t pixels[4 * N], wanted[3 * N], grey[N];
    png_color palette[4] = {{1, 2, 3}, {40, 50, 60}, {7, 8, 9}, {200, 100, 0}};
    uint8_t alpha[4] = {0, 100, 255, 3};
    fill(pixels, 4);
    for (int i = 0; i < N; i++) memcpy(wanted + 3 * i, pixels + 4 * i, 3);
    png_options o = {.type = PNG_COLOR_TYPE_RGBA, .depth = 8};
    expect_pixels(decode_dropped(encode_png(pixels, 4 * W, W, H, o)), wanted, 3, 0);
    fill(pixels, 2);
    for (int i = 0; i < N; i++) grey[i] = pixels[2 * i];
    o.type = PNG_COLOR_TYPE_GRAY_ALPHA;
    expect_pixels(decode_dropped(encode_png(pixels, 2 * W, W, H, o)), grey, 1, 0);
    png_color_16 transparent = {.gray = grey[4]};
    o = (png_options){.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .transparent = &transparent};
    expect_pixels(decode_dropped(encode_png(grey, W, W, H, o)), grey, 1, 0);
    for (int i = 0; i < N; i++) {
        pixels[i] = (uint8_t)(i % 4);
        const uint8_t entry[3] = {palette[i % 4].red, palette[i % 4].green, palette[i % 4].blue};
        memcpy(wanted + 3 * i, entry, 3);
    }
    o = (png_options){
        .type = PNG_COLOR_TYPE_PALETTE, .depth = 8, .palette = palette, .n_palette = 4, .palette_alpha = alpha};
    expect_pixels(decode_dropped(encode_png(pixels, W, W, H, o)), wanted, 3, 0);
}

/* Low depths: value v of b bits is v * 255 / (2^b - 1) as grey, entry v as palette. */
static void test_png_low_depths(void **state) {
    (void)state;
    png_color palette[16];
    uint8_t alpha[16];
    for (int i = 0; i < 16; i++) {
        palette[i] = (png_color){(uint8_t)(i * 16), (uint8_t)(255 - i * 9), (uint8_t)(i * i)};
        alpha[i] = (uint8_t)(255 - i * 10);
    }
    for (int depth = 1; depth <= 4; depth *= 2) {
        uint8_t rows[H][W] = {{0}}, grey[N], colour[3 * N], laid[3 * N];
        int top = (1 << depth) - 1;
        for (int i = 0; i < N; i++) {
            int value = (i * 5 + i / W) & top, x = i % W;
            rows[i / W][x * depth / 8] |= (uint8_t)(value << (8 - depth - x * depth % 8));
            grey[i] = (uint8_t)(value * 255 / top);
            const uint8_t entry[3] = {palette[value].red, palette[value].green, palette[value].blue};
            for (int c = 0; c < 3; c++) {
                colour[3 * i + c] = entry[c];
                laid[3 * i + c] = (uint8_t)over_white(entry[c], alpha[value]);
            }
        }
        png_options o = {.type = PNG_COLOR_TYPE_GRAY, .depth = depth};
        expect_pixels(decode(encode_png(rows[0], W, W, H, o)), grey, 1, 0);
        o = (png_options){.type = PNG_COLOR_TYPE_PALETTE, .depth = depth, .palette = palette, .n_palette = top + 1};
        expect_pixels(decode(encode_png(rows[0], W, W, H, o)), colour, 3, 0);
        o.palette_alpha = alpha;
        expect_pixels(decode(encode_png(rows[0], W, W, H, o)), laid, 3, 0);
    }
}

static void test_png_transparent_colour(void **state) {
    (void)state;
    uint8_t pixels[N], wanted[N];
    fill(pixels, 1);
    png_color_16 transparent = {.gray = pixels[4]};
    for (int i = 0; i < N; i++) wanted[i] = pixels[i] == pixels[4] ? 255 : pixels[i];
    png_options o = {.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .transparent = &transparent};
    expect_pixels(decode(encode_png(pixels, W, W, H, o)), wanted, 1, 0);
}

static void test_png_16_bits(void **state) {
    (void)state;
    uint8_t stored[8 * N]; /* big-endian */
    int values[4 * N];
    for (int i = 0; i < 4 * N; i++) {
        stored[2 * i] = (uint8_t)(i / 4 * 6 + i % 4);
        stored[2 * i + 1] = (uint8_t)(i * 31);
        values[i] = stored[2 * i] * 256 + stored[2 * i + 1];
    }
    png_options o = {.type = PNG_COLOR_TYPE_RGBA, .depth = 16};
    rin_image image = decode(encode_png(stored, 8 * W, W, H, o));
    expect_size(&image, W, H, 3, 2);
    for (int i = 0; i < N; i++) {
        double alpha = values[4 * i + 3];
        for (int c = 0; c < 3; c++) {
            double wanted = (values[4 * i + c] * alpha + 65535.0 * (65535.0 - alpha)) / 65535.0;
            assert_float_equal(((uint16_t *)image.samples)[3 * i + c], wanted, 0.51);
        }
    }
    rin_image_clear(&image);
    o.type = PNG_COLOR_TYPE_GRAY;
    image = decode(encode_png(stored, 2 * W, W, H, o));
    expect_size(&image, W, H, 1, 2);
    for (int i = 0; i < N; i++) assert_int_equal(((uint16_t *)image.samples)[i], values[i]);
    rin_image_clear(&image);
}

static void test_png_cut_or_damaged(void **state) {
    (void)state;
    uint8_t pixels[3 * N];
    fill(pixels, 3);
    encoded whole = encode_rgb_png(pixels, W, H);
    for (size_t n = 8; n < whole.n; n++) {
        encoded cut = {0};
        encoded_add(&cut, whole.bytes, n);
        expect_refused(cut, "PNG: damaged or cut");
    }
    whole.bytes[whole.n / 2] ^= 0x55;
    expect_refused(whole, "PNG: damaged or cut");
}

/* What the machine has no memory for is refused by its size, before anything is allocated. */
static void test_large_pictures_where_there_is_little_memory(void **state) {
    (void)state;
    assert_int_equal(rin_image_check_size(6000, 5000, NULL), RIN_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {256 << 20, 256 << 20};
        bool limited = setrlimit(RLIMIT_DATA, &limit) == 0;
        bool judged = rin_image_check_size(6000, 5000, NULL) == RIN_ERR_FORMAT &&
                      rin_image_check_size(4000, 4000, NULL) == RIN_OK;
        _exit(limited && judged ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

/* Texts are not read: inflated and kept they would take memory out of all proportion to the file. */
static void test_png_texts_take_no_memory(void **state) {
    (void)state;
    enum { TEXTS = 40, BYTES = 7 << 20, MOST_KIB = 100 << 10 };
    uint8_t pixels[3 * N];
    fill(pixels, 3);
    encoded plain = encode_rgb_png(pixels, W, H), file = {0};
    uLongf packed_bytes = compressBound(BYTES);
    uint8_t *text = malloc(BYTES), *packed = malloc(packed_bytes + 8);
    memset(text, 'a', BYTES);
    memcpy(packed, "zTXtkey\0\0", 9); /* the chunk's name, a key, a NUL and the method */
    assert_int_equal(compress2(packed + 9, &packed_bytes, text, BYTES, 9), Z_OK);
    size_t head = 8 + 25; /* the signature and IHDR */
    encoded_add(&file, plain.bytes, head);
    for (int i = 0; i < TEXTS; i++) {
        uint32_t check = (uint32_t)crc32(0, packed, (uInt)packed_bytes + 9);
        const uint32_t length = (uint32_t)packed_bytes + 5;
        const uint8_t before[4] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                                   (uint8_t)length};
        const uint8_t after[4] = {(uint8_t)(check >> 24), (uint8_t)(check >> 16), (uint8_t)(check >> 8),
                                  (uint8_t)check};
        encoded_add(&file, before, 4);
        encoded_add(&file, packed, packed_bytes + 9);
        encoded_add(&file, after, 4);
    }
    encoded_add(&file, plain.bytes + head, plain.n - head);
    free(plain.bytes);
    free(text);
    free(packed);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    expect_pixels(decode(file), pixels, 3, 0);
    getrusage(RUSAGE_SELF, &after);
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, MOST_KIB);
}

/* ---- WebP ---- */

static void test_webp(void **state) {
    (void)state;
    uint8_t rgba[4 * N], wanted[3 * N];
    fill(rgba, 4);
    for (int i = 0; i < N; i++) rgba[4 * i + 3] = (uint8_t)(i % 3 ? 255 - i : 255);
    for (int i = 0; i < N; i++) {
        for (int c = 0; c < 3; c++) wanted[3 * i + c] = (uint8_t)over_white(rgba[4 * i + c], rgba[4 * i + 3]);
    }
    expect_pixels(decode(encode_webp(rgba, W, H)), wanted, 3, 0);
    for (int i = 0; i < N; i++) rgba[4 * i + 3] = 255;
    for (int i = 0; i < 3 * N; i++) wanted[i] = rgba[i / 3 * 4 + i % 3];
    expect_pixels(decode(encode_webp(rgba, W, H)), wanted, 3, 0);
}

static void test_webp_animation_gives_first_frame(void **state) {
    (void)state;
    uint8_t rgba[4 * N], wanted[3 * N];
    fill(rgba, 4);
    for (int i = 0; i < N; i++) rgba[4 * i + 3] = 255;
    for (int i = 0; i < 3 * N; i++) wanted[i] = rgba[i / 3 * 4 + i % 3];
    encoded still = encode_webp(rgba, W, H);
    encoded moving = extend_webp(&still, W, H, 3, 0, 0);
    expect_pixels(decode(moving), wanted, 3, 0);
    moving = extend_webp(&still, W, H, 1, 0, 0);
    moving.n -= still.n / 2;
    expect_refused(moving, "WebP: damaged or cut");
    free(still.bytes);
}

/* A frame that covers a part of its canvas, itself half transparent: both lie on white. */
static void test_webp_animation_lays_frame_on_white(void **state) {
    (void)state;
    enum { MARGIN = 4, WIDE = W + MARGIN, HIGH = H + MARGIN };
    uint8_t rgba[4 * N], wanted[3 * WIDE * HIGH];
    fill(rgba, 4);
    for (int i = 0; i < N; i++) rgba[4 * i + 3] = (uint8_t)(i % 3 ? 255 - i : 255);
    memset(wanted, 255, sizeof wanted);
    for (int i = 0; i < N; i++) {
        uint8_t *pixel = wanted + 3 * ((i / W + MARGIN) * WIDE + i % W + MARGIN);
        for (int c = 0; c < 3; c++) pixel[c] = (uint8_t)over_white(rgba[4 * i + c], rgba[4 * i + 3]);
    }
    encoded still = encode_webp(rgba, W, H);
    rin_image image = decode(extend_webp(&still, W, H, 1, MARGIN, 0));
    expect_size(&image, WIDE, HIGH, 3, 1);
    for (int i = 0; i < 3 * WIDE * HIGH; i++) assert_int_equal(((uint8_t *)image.samples)[i], wanted[i]);
    rin_image_clear(&image);
    free(still.bytes);
}

static void test_webp_cut(void **state) {
    (void)state;
    uint8_t rgba[4 * N];
    fill(rgba, 4);
    encoded whole = encode_webp(rgba, W, H);
    for (size_t n = 12; n < whole.n - 1; n += 5) {
        encoded cut = {0};
        encoded_add(&cut, whole.bytes, n);
        expect_refused(cut, "WebP: damaged or cut");
    }
    free(whole.bytes);
}

/* ---- orientation ---- */

/* Row by row what a viewer shows of the stored picture 0 1 2 / 3 4 5, per orientation (EXIF 2.3, 4.6.4). */
static const struct {
    int width, height;
    int shown[6];
} turned[9] = {
    [1] = {3, 2, {0, 1, 2, 3, 4, 5}}, [2] = {3, 2, {2, 1, 0, 5, 4, 3}}, [3] = {3, 2, {5, 4, 3, 2, 1, 0}},
    [4] = {3, 2, {3, 4, 5, 0, 1, 2}}, [5] = {2, 3, {0, 3, 1, 4, 2, 5}}, [6] = {2, 3, {3, 0, 4, 1, 5, 2}},
    [7] = {2, 3, {5, 2, 4, 1, 3, 0}}, [8] = {2, 3, {2, 5, 1, 4, 0, 3}},
};

static void expect_turned(rin_image image, int orientation, int tolerance) {
    assert_int_equal(image.width, turned[orientation].width);
    assert_int_equal(image.height, turned[orientation].height);
    for (int i = 0; i < 6; i++) {
        int value = ((uint8_t *)image.samples)[i * image.channels];
        assert_true(abs(value - 40 * turned[orientation].shown[i]) <= tolerance);
    }
    rin_image_clear(&image);
}

static void test_orientations(void **state) {
    (void)state;
    uint8_t grey[6], rgba[24];
    for (int i = 0; i < 24; i++) rgba[i] = i % 4 == 3 ? 255 : (uint8_t)(40 * (i / 4));
    for (int i = 0; i < 6; i++) grey[i] = (uint8_t)(40 * i);
    for (int orientation = 1; orientation <= 8; orientation++) {
        jpeg_options o = {.from = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .n_components = 1};
        o.orientation = orientation;
        expect_turned(decode(encode_jpeg(grey, 3, 2, o)), orientation, 4);
        png_options p = {.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .orientation = orientation};
        expect_turned(decode(encode_png(grey, 3, 3, 2, p)), orientation, 0);
        encoded still = encode_webp(rgba, 3, 2);
        expect_turned(decode(extend_webp(&still, 3, 2, 0, 0, orientation)), orientation, 0);
        free(still.bytes);
    }
    png_options nonsense = {.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .orientation = 77};
    expect_turned(decode(encode_png(grey, 3, 3, 2, nonsense)), 1, 0);
}

/* ---- other data and limits ---- */

static void test_other_data(void **state) {
    (void)state;
    encoded file = {0};
    encoded_add(&file, "GIF89a------", 12);
    expect_refused(file, "GIF");
    file = (encoded){0};
    encoded_add(&file, "hello, world", 12);
    expect_refused(file, "68 65 6c 6c");
    file = (encoded){0};
    encoded_add(&file, "", 0);
    expect_refused(file, "empty");
}

/* CRC-32 as PNG chunks have it. */
static uint32_t png_crc(const uint8_t *bytes, size_t n) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* Headers that claim more than is allowed are refused before anything of that size is allocated. */
static void test_limits(void **state) {
    (void)state;
    uint8_t pixels[3 * N];
    fill(pixels, 3);
    encoded png = encode_rgb_png(pixels, W, H);
    static const uint8_t large[8] = {0, 0, 0xFF, 0, 0, 0, 0xFF, 0}; /* 65280 x 65280 */
    memcpy(png.bytes + 16, large, 8);
    uint32_t crc = png_crc(png.bytes + 12, 17);
    for (int i = 0; i < 4; i++) png.bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    expect_refused(png, "65280 x 65280");
    encoded jpeg = encode_rgb_jpeg(pixels, W, H);
    for (size_t i = 0; i + 8 < jpeg.n; i++) {
        if (jpeg.bytes[i] == 0xFF && jpeg.bytes[i + 1] == 0xC0) memset(jpeg.bytes + i + 5, 0xFE, 4);
    }
    expect_refused(jpeg, "65278 x 65278");
    rin_image image;
    rin_error error = {0};
    assert_int_equal(rin_image_create(&image, 65536, 1, 1, 1, &error), RIN_ERR_FORMAT);
    assert_int_equal(rin_image_create(&image, 0, 1, 1, 1, &error), RIN_ERR_FORMAT);
    assert_int_equal(rin_image_create(&image, -3, 1, 1, 1, &error), RIN_ERR_FORMAT);
}

/* Flipped bits anywhere give a picture or an error, nothing else. */
static void test_random_damage(void **state) {
    (void)state;
    uint8_t pixels[4 * N];
    fill(pixels, 4);
    encoded files[] = {encode_rgb_jpeg(pixels, W, H), encode_rgb_png(pixels, W, H), encode_webp(pixels, W, H)};
    for (size_t f = 0; f < RIN_COUNT(files); f++) {
        for (uint32_t trial = 0; trial < 2000; trial++) {
            uint32_t at = rin_random_u32((rin_random_key){1, f, 0}, trial) % (uint32_t)files[f].n;
            uint8_t kept = files[f].bytes[at];
            files[f].bytes[at] ^= (uint8_t)(1u << trial % 8);
            rin_image image;
            if (rin_image_decode(files[f].bytes, files[f].n, &image, NULL) != RIN_OK) assert_null(image.samples);
            rin_image_clear(&image);
            files[f].bytes[at] = kept;
        }
        free(files[f].bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_colour_and_grey),
        cmocka_unit_test(test_jpeg_inks),
        cmocka_unit_test(test_jpeg_cut_or_damaged),
        cmocka_unit_test(test_jpeg_too_many_scans),
        cmocka_unit_test(test_png_colour_and_grey),
        cmocka_unit_test(test_png_alpha),
        cmocka_unit_test(test_dropped_alpha),
        cmocka_unit_test(test_png_low_depths),
        cmocka_unit_test(test_png_transparent_colour),
        cmocka_unit_test(test_png_16_bits),
        cmocka_unit_test(test_png_cut_or_damaged),
        cmocka_unit_test(test_large_pictures_where_there_is_little_memory),
        cmocka_unit_test(test_png_texts_take_no_memory),
        cmocka_unit_test(test_webp),
        cmocka_unit_test(test_webp_animation_gives_first_frame),
        cmocka_unit_test(test_webp_animation_lays_frame_on_white),
        cmocka_unit_test(test_webp_cut),
        cmocka_unit_test(test_orientations),
        cmocka_unit_test(test_other_data),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
