/* SPDX-License-Identifier: MIT */
/* What videos of all kinds show when. tests/fixtures/video/README.md says what is in the files. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/check.h"
#include "video/video.h"

#define FOLDER "tests/fixtures/video/"

/* Where frames are grey: not near the red rectangle, and opaque in the files that are not so everywhere. */
static int level_of(const rin_image *image) {
    int x = image->width * 5 / 8, y = image->height * 5 / 8;
    const uint8_t *pixel = (const uint8_t *)image->samples +
                           ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels;
    return pixel[0];
}

/* The number that a frame of this level has. */
static int64_t frame_of(const rin_image *image) {
    return (level_of(image) - 16 + 4) / 8;
}

typedef struct file {
    const char *name;
    int width, height;
    double rate, seconds;
    int64_t n_frames;
} file;

static const file files[] = {
    {"plain.mp4", 48, 32, 10, 2, 20},        {"plain.mov", 48, 32, 10, 2, 20},  {"plain.mkv", 48, 32, 10, 2, 20},
    {"plain.webm", 48, 32, 10, 2, 20},       {"plain.avi", 48, 32, 10, 2, 20},  {"plain.ts", 48, 32, 10, 2, 20},
    {"raw.h264", 48, 32, 10, 2, 20},         {"plain.gif", 48, 32, 10, 2, 20},  {"clear.gif", 48, 32, 10, 2, 20},
    {"plain.webp", 48, 32, 10, 2, 20},       {"odd.mp4", 35, 27, 10, 2, 20},    {"grey.mkv", 48, 32, 10, 2, 20},
    {"deep.mkv", 48, 32, 10, 2, 20},         {"alpha.mov", 48, 32, 10, 2, 20},  {"turned.mp4", 32, 48, 10, 2, 20},
    {"wide.mp4", 48, 32, 10, 2, 20},         {"long.mp4", 48, 32, 10, 2.8, 28}, {"fast.mp4", 48, 32, 25, 1.12, 28},
    {"short.mp4", 48, 32, 10, 0.3, 3},       {"one.mp4", 48, 32, 10, 0.1, 1},   {"two.mkv", 48, 32, 10, 2, 20},
    {"interlaced.mpg", 48, 32, 25, 0.8, 20},
};

typedef struct opened {
    rin_input input;
    rin_video *video;
    char *bytes; /* in memory, or NULL */
} opened;

static rin_status try_open(opened *o, const char *path, bool in_memory, rin_error *error) {
    size_t n = 0;
    *o = (opened){.input = {.fd = -1}};
    if (in_memory) {
        assert_ok(rin_file_read(path, 1 << 20, &o->bytes, &n, error), error);
        o->input = rin_input_of_memory(o->bytes, n);
    } else {
        assert_ok(rin_input_open(&o->input, path, error), error);
    }
    return rin_video_open(&o->input, &o->video, error);
}

static opened open_file(const char *name, bool in_memory) {
    char path[256];
    rin_error error = {0};
    opened o;
    snprintf(path, sizeof path, FOLDER "%s", name);
    rin_status status = try_open(&o, path, in_memory, &error);
    if (status != RIN_OK) fail_msg("%s: %s", name, error.text);
    return o;
}

static void close_file(opened *o) {
    rin_video_close(o->video);
    rin_input_close(&o->input);
    rin_free(o->bytes);
}

static const rin_image *show(opened *o, double seconds) {
    const rin_image *frame;
    rin_error error = {0};
    assert_ok(rin_video_show(o->video, seconds, &frame, NULL, &error), &error);
    return frame;
}

static void assert_shows(const char *name, opened *o, double seconds, int64_t expected) {
    const rin_image *frame = show(o, seconds);
    int64_t number = frame ? frame_of(frame) : -1;
    if (number != expected)
        fail_msg("%s shows frame %lld at %g s, expected %lld", name, (long long)number, seconds, (long long)expected);
}

/* Every frame in its time, from the first to the last, and nothing after it. */
static void test_all_frames(void **state) {
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(files); f++) {
        const file *e = &files[f];
        opened o = open_file(e->name, f % 2);
        const rin_video_info *info = rin_video_get_info(o.video);
        bool right = info->width == e->width && info->height == e->height && fabs(info->rate - e->rate) < 1e-6 &&
                     fabs(info->seconds - e->seconds) < 0.5 / e->rate;
        if (!right)
            fail_msg("%s: %d x %d, %g frames a second, %g s", e->name, info->width, info->height, info->rate,
                     info->seconds);
        for (int64_t i = 0; i < e->n_frames; i++) assert_shows(e->name, &o, ((double)i + 0.5) / e->rate, i);
        assert_null(show(&o, ((double)e->n_frames + 0.5) / e->rate));
        close_file(&o);
    }
}

/* A few times in any order are what they are in order. */
static void test_any_order(void **state) {
    static const int order[] = {15, 3, 3, 19, 0, 8, 7, 16, 18, 1};
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(files); f++) {
        if (files[f].n_frames < 20) continue;
        opened o = open_file(files[f].name, false);
        for (size_t i = 0; i < RIN_COUNT(order); i++)
            assert_shows(files[f].name, &o, (order[i] + 0.5) / files[f].rate, order[i]);
        close_file(&o);
        for (size_t i = 0; i < RIN_COUNT(order); i++) {
            o = open_file(files[f].name, true);
            assert_shows(files[f].name, &o, (order[i] + 0.5) / files[f].rate, order[i]);
            close_file(&o);
        }
    }
}

static const uint8_t *pixel_at(const rin_image *image, int x, int y) {
    return (const uint8_t *)image->samples + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels;
}

static void assert_red(const char *name, const rin_image *image, int x, int y) {
    const uint8_t *p = pixel_at(image, x, y);
    if (image->channels != 3 || p[0] < 240 || p[1] > 15 || p[2] > 15)
        fail_msg("%s: at %d, %d there is %d %d %d, not red", name, x, y, p[0], p[1], p[2]);
}

/* Turned, its pixels made square, of other formats. */
static void test_geometry(void **state) {
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(files); f++) {
        opened o = open_file(files[f].name, false);
        const rin_image *frame = show(&o, 0);
        assert_int_equal(frame->width, files[f].width);
        assert_int_equal(frame->height, files[f].height);
        if (strcmp(files[f].name, "grey.mkv") == 0) assert_int_equal(frame->channels, 1);
        else if (strcmp(files[f].name, "turned.mp4") == 0) assert_red(files[f].name, frame, 3, frame->height - 4);
        else assert_red(files[f].name, frame, 3, 3);
        close_file(&o);
    }
}

/* Transparent is white. */
static void test_transparency(void **state) {
    static const char *const names[] = {"clear.gif", "alpha.mov"};
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(names); f++) {
        opened o = open_file(names[f], false);
        const rin_image *frame = show(&o, 0.55);
        assert_int_equal(*pixel_at(frame, 42, 28), 255);
        assert_int_equal(*pixel_at(frame, 24, 16), 56);
        if (f == 1) assert_in_range(*pixel_at(frame, 4, 30), 154, 156); /* half of 56 and half of 255 */
        close_file(&o);
    }
}

static void test_variable_rate(void **state) {
    (void)state;
    opened o = open_file("variable.mkv", false);
    assert_shows("variable", &o, 0.95, 9);
    assert_shows("variable", &o, 1.05, 10);
    assert_shows("variable", &o, 1.15, 10);
    assert_shows("variable", &o, 1.25, 11);
    assert_shows("variable", &o, 2.85, 19);
    assert_null(show(&o, 3.05));
    close_file(&o);
    o = open_file("hold.gif", false);
    assert_true(fabs(rin_video_get_info(o.video)->seconds - 2.3) < 1e-6);
    assert_shows("hold", &o, 0.25, 2);
    assert_shows("hold", &o, 0.35, 3);
    assert_shows("hold", &o, 2.25, 3);
    assert_null(show(&o, 2.35));
    close_file(&o);
    o = open_file("late.mkv", false); /* its time begins at 5 seconds, its video does not */
    assert_shows("late", &o, 0.05, 0);
    assert_shows("late", &o, 1.95, 19);
    assert_null(show(&o, 2.05));
    close_file(&o);
}

/* Frames that are parts of the canvas: what is above all of them at the point that level_of looks at. */
static void test_partial_frames(void **state) {
    (void)state;
    opened o = open_file("partial.webp", false);
    for (int i = 0; i < 8; i++) {
        const rin_image *frame = show(&o, (i + 0.5) / 10);
        assert_int_equal(*pixel_at(frame, 24, 16), 16 + 8 * i);
        assert_int_equal(*pixel_at(frame, 44, 30), i < 5 ? 16 : 56);
    }
    assert_int_equal(*pixel_at(show(&o, 0.45), 13, 9), 255);
    assert_null(show(&o, 0.85));
    close_file(&o);
}

static void test_cut_and_broken(void **state) {
    rin_error error = {0};
    const rin_image *frame;
    double end;
    (void)state;
    opened o = open_file("cut.mp4", false);
    for (int i = 0; i < 12; i++) assert_shows("cut", &o, (i + 0.5) / 10, i);
    assert_ok(rin_video_show(o.video, 1.55, &frame, &end, &error), &error);
    assert_null(frame);
    assert_true(end > 1.1 && end < 1.35);
    assert_shows("cut", &o, 0.55, 5);
    close_file(&o);
    o = open_file("broken.ts", true);
    for (int i = 0; i < 4; i++) assert_shows("broken", &o, (i + 0.5) / 10, i);
    assert_non_null(show(&o, 1.05));
    for (int i = 16; i < 20; i++) assert_shows("broken", &o, (i + 0.5) / 10, i);
    close_file(&o);
}

static void test_refusals(void **state) {
    static const struct {
        const char *name;
        rin_status status;
        const char *part;
    } wrong[] = {{"sound.mp4", RIN_ERR_FORMAT, "no video"},   {"cover.mp3", RIN_ERR_FORMAT, "cover picture"},
                 {"headless.mp4", RIN_ERR_FORMAT, "damaged"}, {"empty.mp4", RIN_ERR_FORMAT, "empty"},
                 {"text.mp4", RIN_ERR_FORMAT, "not a video"}, {"playlist.mp4", RIN_ERR_FORMAT, "not a video"},
                 {"concat.mp4", RIN_ERR_FORMAT, ""}};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        for (int in_memory = 0; in_memory < 2; in_memory++) {
            char path[256];
            rin_error error = {0};
            opened o;
            snprintf(path, sizeof path, FOLDER "%s", wrong[i].name);
            rin_status status = try_open(&o, path, in_memory, &error);
            if (status == RIN_OK) fail_msg("%s can be opened", wrong[i].name);
            assert_refused(status, wrong[i].status, &error, wrong[i].part);
            assert_null(o.video);
            close_file(&o);
        }
    }
}

/* Playlists that name files which are there, by their whole paths. */
static void test_other_files_stay_closed(void **state) {
    static const char *const playlists[] = {
        "ffconcat version 1.0\nfile '%s/" FOLDER "plain.mp4'\n",
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile://%s/" FOLDER
        "plain.ts\n#EXT-X-ENDLIST\n",
    };
    char here[1024];
    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    for (size_t i = 0; i < RIN_COUNT(playlists); i++) {
        char text[2048];
        rin_error error = {0};
        rin_video *video;
        snprintf(text, sizeof text, playlists[i], here);
        rin_input input = rin_input_of_memory(text, strlen(text));
        assert_int_equal(rin_video_open(&input, &video, &error), RIN_ERR_FORMAT);
        assert_null(video);
    }
}

static rin_status give_level(void *user, int64_t i, rin_image *out, rin_error *error) {
    ++*(int *)user;
    rin_status status = rin_image_create(out, 8, 8, 1, 1, error);
    if (status == RIN_OK) memset(out->samples, 16 + 8 * (int)i, 64);
    return status;
}

static void test_pictures(void **state) {
    static const double rates[] = {0, 12.5};
    (void)state;
    for (size_t r = 0; r < RIN_COUNT(rates); r++) {
        int asked = 0;
        rin_error error = {0};
        opened o = {.input = {.fd = -1}};
        double step = rates[r] > 0 ? 1 / rates[r] : 1;
        assert_ok(rin_video_open_pictures(5, rates[r], give_level, &asked, &o.video, &error), &error);
        assert_true(fabs(rin_video_get_info(o.video)->seconds - 5 * step) < 1e-9);
        for (int i = 0; i < 5; i++) {
            assert_shows("pictures", &o, (i + 0.2) * step, i);
            assert_shows("pictures", &o, (i + 0.8) * step, i);
        }
        assert_null(show(&o, 5.1 * step));
        assert_int_equal(asked, 5);
        close_file(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_frames),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_geometry),
        cmocka_unit_test(test_transparency),
        cmocka_unit_test(test_variable_rate),
        cmocka_unit_test(test_partial_frames),
        cmocka_unit_test(test_cut_and_broken),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_other_files_stay_closed),
        cmocka_unit_test(test_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
