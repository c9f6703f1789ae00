/* SPDX-License-Identifier: MIT */
/* Tests of data sets of videos: what is listed, what is refused, how long they are, frames read one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/videos.h"

enum { SIDE = 8, MOST = 64 };

static const rin_clip two = {.frames = 2, .step = 1};

static void expect_names(const rin_dataset *dataset, const char *const *names, size_t n) {
    if (rin_dataset_count(dataset) != n) fail_msg("%zu videos, expected %zu", rin_dataset_count(dataset), n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rin_dataset_item_name(dataset, i), names[i]);
        assert_int_equal(rin_dataset_item_label(dataset, i), -1);
    }
    assert_true(rin_dataset_is_video(dataset));
    assert_int_equal(rin_dataset_n_classes(dataset), 0);
}

/* Frames one after the other from the first on: their numbers by their levels. */
static void expect_frames(const rin_dataset *dataset, size_t index, const int *numbers, int64_t n) {
    static uint8_t bytes[MOST * SIDE * SIDE];
    int64_t got;
    double rate;
    rin_error error = {0};
    const char *name = rin_dataset_item_name(dataset, index);
    if (rin_dataset_read_frames(dataset, index, 0, MOST, SIDE, SIDE, 1, bytes, &got, &rate, &error) != RIN_OK)
        fail_msg("%s", error.text);
    if (got != n) fail_msg("%s has %lld frames, expected %lld", name, (long long)got, (long long)n);
    for (int64_t k = 0; k < n; k++) {
        int level = bytes[k * SIDE * SIDE + 5 * SIDE + 5], number = (level - 16 + 4) / 8;
        if (number != numbers[k]) fail_msg("%s: frame %lld is %d, not %d", name, (long long)k, number, numbers[k]);
    }
}

/* ---- listing ---- */

static const int twelve[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static void test_folder(void **state) {
    (void)state;
    corpus c = corpus_make();
    remarks r = {0};
    corpus_add_pictures(&c, "b/numbered/", "frame_%d.png");
    corpus_add_pictures(&c, "padded/", "f%04d.png");
    corpus_add_pictures(&c, "two-numbers/", "take_2_%d_of_12.png");
    corpus_add_video(&c, "z.mp4", "plain.mp4");
    corpus_add_video(&c, "b/a.GIF", "hold.gif");
    corpus_add_video(&c, "b/cover.png", "numbered/frame_1.png");
    corpus_add_video(&c, "deep/er/still/c.webm", "plain.webm");
    corpus_add_video(&c, ".hidden.mp4", "plain.mp4");
    corpus_add_video(&c, ".trash/x.mp4", "plain.mp4");
    corpus_add(&c, "b/subtitles.srt", "x", 1);
    corpus_add(&c, "texts/readme.txt", "x", 1);
    rin_dataset *dataset = open_clips(&c, "", two, &r);
    static const char *const names[] = {"b/a.GIF", "b/numbered",  "deep/er/still/c.webm",
                                        "padded",  "two-numbers", "z.mp4"};
    expect_names(dataset, names, RIN_COUNT(names));
    assert_int_equal(rin_dataset_n_ignored(dataset), 5); /* a cover, two texts and two hidden ones */
    assert_non_null(strstr(r.text, "'texts' holds no videos"));
    expect_frames(dataset, 1, twelve, 12);
    expect_frames(dataset, 3, twelve, 12);
    expect_frames(dataset, 4, twelve, 12);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* Numbers count, however long or padded; of equal ones the bytes. Names in the order that they should have. */
static void test_order_of_numbers(void **state) {
    static const char *const names[] = {"f0.png",
                                        "f0a.png",
                                        "f01.png",
                                        "f1.png",
                                        "f1a.png",
                                        "f2.png",
                                        "f010.png",
                                        "f11.png",
                                        "f99999999999999999999998.png",
                                        "f99999999999999999999999.png",
                                        "fa.png",
                                        "g00.jpg.png"};
    corpus c = corpus_make();
    (void)state;
    for (int i = 0; i < 12; i++) {
        char name[64], fixture[64];
        snprintf(name, sizeof name, "clip/%s", names[i]);
        snprintf(fixture, sizeof fixture, "numbered/frame_%d.png", i + 1);
        corpus_add_video(&c, name, fixture);
    }
    rin_dataset *dataset = open_clips(&c, "", two, NULL);
    assert_int_equal(rin_dataset_count(dataset), 1);
    expect_frames(dataset, 0, twelve, 12);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* The pictures of the folder itself. */
static void test_folder_of_pictures_alone(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_pictures(&c, "", "%d.png");
    rin_dataset *dataset = open_clips(&c, "", two, NULL);
    assert_int_equal(rin_dataset_count(dataset), 1);
    expect_frames(dataset, 0, twelve, 12);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_single_file(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    rin_dataset *dataset = open_fixture("plain.mkv", two);
    static const char *const names[] = {"plain.mkv"};
    expect_names(dataset, names, 1);
    assert_string_equal(rin_dataset_kind(dataset), "video");
    rin_image image;
    rin_error error = {0};
    if (rin_dataset_decode(dataset, 0, &image, &error) != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(image.width, 48);
    assert_int_equal(image.height, 32);
    rin_image_clear(&image);
    assert_int_equal(rin_dataset_decode(dataset, 1, &image, &error), RIN_ERR_ARG);
    rin_dataset_close(dataset);
    corpus c = corpus_make();
    corpus_add_video(&c, "here.mp4", "plain.mp4");
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(c.root), 0); /* a path without a slash */
    dataset = open_clips_at("here.mp4", two, NULL);
    assert_string_equal(rin_dataset_item_name(dataset, 0), "here.mp4");
    assert_int_equal(rin_dataset_decode(dataset, 0, &image, &error), RIN_OK);
    assert_int_equal(chdir(before), 0);
    rin_image_clear(&image);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_archives(void **state) {
    static const char *const kinds[] = {"tar", "tar.gz", "zip"};
    NEEDS_FFMPEG();
    (void)state;
    for (size_t k = 0; k < RIN_COUNT(kinds); k++) {
        corpus c = corpus_make();
        char name[32];
        snprintf(name, sizeof name, "set.%s", kinds[k]);
        packer p = packer_open(&c, name, kinds[k]);
        packer_add_video(&p, "top/z/plain.mp4", "plain.mp4");
        packer_add_video(&p, "top/z/cover.png", "numbered/frame_3.png");
        packer_add_pictures(&p, "top/pictures/");
        packer_add_video(&p, "top/b.gif", "hold.gif");
        packer_close(&p);
        rin_dataset *dataset = open_clips(&c, name, two, NULL);
        static const char *const names[] = {"b.gif", "pictures", "z/plain.mp4"};
        static const int all[20] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
        expect_names(dataset, names, 3);
        expect_frames(dataset, 1, twelve, 12);
        expect_frames(dataset, 2, all, 20);
        assert_int_equal(rin_dataset_n_ignored(dataset), 1);
        rin_dataset_close(dataset);
        corpus_remove(&c);
    }
}

/* The folder that holds all of them is left out of the names, also where it is the only one. */
static void test_archive_of_one_folder_of_pictures(void **state) {
    (void)state;
    corpus c = corpus_make();
    packer p = packer_open(&c, "one.tar", "tar");
    packer_add_pictures(&p, "top/");
    packer_close(&p);
    rin_dataset *dataset = open_clips(&c, "one.tar", two, NULL);
    assert_int_equal(rin_dataset_count(dataset), 1);
    expect_frames(dataset, 0, twelve, 12);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_refusals(void **state) {
    (void)state;
    corpus c = corpus_make();
    expect_no_videos(&c, "", RIN_ERR_FORMAT, "holds no videos");
    corpus_add(&c, "sub/readme.txt", "x", 1);
    corpus_add(&c, "sub/.hidden.mp4", "x", 1);
    expect_no_videos(&c, "", RIN_ERR_FORMAT, "only 1 hidden and 1 other files such as 'sub/readme.txt'");
    static const char *const accepted[] = {"a folder of video files", "sub-folders of numbered", ".zip archive",
                                           "a video file", "that rin data pack wrote"};
    for (size_t i = 0; i < RIN_COUNT(accepted); i++) expect_no_videos(&c, "sub", RIN_ERR_FORMAT, accepted[i]);
    expect_no_videos(&c, "sub/readme.txt", RIN_ERR_FORMAT, "a file of another kind");
    expect_no_videos(&c, "missing.mp4", RIN_ERR_IO, "No such file");
    packer p = packer_open(&c, "texts.tar", "tar");
    packer_add(&p, "a/1.txt", "x", 1);
    packer_close(&p);
    expect_no_videos(&c, "texts.tar", RIN_ERR_FORMAT, "holds no videos");
    /* CIFAR-10 is a kind of images only. */
    char *records = calloc(2, 3073);
    corpus_add(&c, "cifar/data_batch_1.bin", records, 2 * 3073);
    free(records);
    expect_no_videos(&c, "cifar", RIN_ERR_FORMAT, "holds no videos");
    corpus_remove(&c);
}

static void test_wrong_clips(void **state) {
    static const rin_clip wrong[] = {
        {-1, 1, 0}, {2, 0, 0},   {2, -1, 0},   {RIN_CLIP_MOST + 1, 1, 0}, {2, RIN_CLIP_MOST + 1, 0},
        {2, 1, -1}, {2, 1, NAN}, {2, 1, 1001},
    };
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        rin_dataset *dataset;
        rin_error error = {0};
        const rin_dataset_options options = {.clip = wrong[i]};
        rin_status status = rin_dataset_open(FIXTURES "numbered", &options, (rin_log){0}, &dataset, &error);
        if (status != RIN_ERR_ARG) fail_msg("clip %zu: %s", i, rin_status_name(status));
        assert_null(dataset);
        assert_non_null(strstr(error.text, "allowed are"));
    }
}

/* Without a clip videos are no images, but counted. */
static void test_videos_among_images(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_png(&c, "1.png", 4, 1);
    corpus_add_video(&c, "a.mp4", "plain.mp4");
    corpus_add_video(&c, "b.gif", "hold.gif");
    rin_dataset *dataset = open_logged(&c, "", NULL);
    assert_int_equal(rin_dataset_count(dataset), 1);
    assert_int_equal(rin_dataset_n_videos_ignored(dataset), 2);
    assert_false(rin_dataset_is_video(dataset));
    int64_t n;
    assert_int_equal(rin_dataset_count_clips(dataset, 0, &n, NULL), RIN_ERR_ARG);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- how long, how fast ---- */

static void test_measure(void **state) {
    static const struct {
        const char *name;
        double seconds, rate;
    } files[] = {
        {"plain.mp4", 2, 10}, {"hold.gif", 2.3, 10}, {"plain.webp", 2, 10}, {"fast.mp4", 1.12, 25}, {"numbered", 12, 0},
    };
    NEEDS_FFMPEG();
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(files); i++) {
        double seconds, rate;
        rin_error error = {0};
        rin_dataset *dataset = open_fixture(files[i].name, two);
        if (rin_dataset_measure(dataset, 0, &seconds, &rate, &error) != RIN_OK) fail_msg("%s", error.text);
        assert_float_equal(seconds, files[i].seconds, 1e-3);
        assert_float_equal(rate, files[i].rate, 1e-6);
        assert_int_equal(rin_dataset_measure(dataset, 1, &seconds, &rate, &error), RIN_ERR_ARG);
        rin_dataset_close(dataset);
    }
}

static void test_scan(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    corpus_add_pictures(&c, "numbered/", "%d.png");
    corpus_add_video(&c, "a.mp4", "plain.mp4");
    corpus_add_video(&c, "b.mkv", "grey.mkv");
    corpus_add_video(&c, "c.mp4", "text.mp4");
    corpus_add_video(&c, "d.mp4", "sound.mp4");
    corpus_add_video(&c, "e.mp4", "empty.mp4");
    rin_dataset *dataset = open_clips(&c, "", two, NULL);
    rin_scan_report report;
    rin_error error = {0};
    const rin_scan_options options = {.threads = 2};
    if (rin_dataset_scan(dataset, &options, &report, &error) != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(report.n_good, 3);
    assert_int_equal(report.n_broken, 3);
    assert_int_equal(report.n_grey, 1);
    assert_float_equal(report.seconds, 16, 1e-3);
    assert_float_equal(report.max_seconds, 12, 1e-3);
    assert_float_equal(report.min_rate, 0, 0);
    assert_float_equal(report.max_rate, 10, 1e-6);
    assert_int_equal(report.n_sizes, 2);
    assert_non_null(strstr(report.broken[0].reason, "'c.mp4'"));
    rin_scan_clear(&report);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- frames one after the other ---- */

typedef struct wanted {
    const char *name;
    rin_clip clip;
    double start;
    int64_t most, n;
    int first, apart; /* numbers of the frames */
    double rate;
} wanted;

static void test_read_frames(void **state) {
    static const wanted all[] = {
        {"plain.mp4", {2, 1, 0}, 0, 4, 4, 0, 1, 10},      {"plain.mp4", {2, 3, 0}, 0, 4, 4, 0, 3, 10.0 / 3},
        {"plain.mp4", {2, 1, 0}, 0.5, 4, 4, 5, 1, 10},    {"plain.mp4", {2, 2, 0}, 0.5, 4, 4, 5, 2, 5},
        {"plain.mp4", {2, 1, 0}, -1, 4, 4, 16, 1, 10},    {"plain.mp4", {2, 2, 0}, -1, 4, 4, 13, 2, 5},
        {"plain.mp4", {2, 1, 0}, 1.8, 4, 2, 18, 1, 10},   {"plain.mp4", {2, 2, 0}, 1.7, 4, 2, 17, 2, 5},
        {"plain.mp4", {2, 1, 0}, 2, 4, 0, 0, 1, 10},      {"plain.mp4", {2, 1, 0}, 1e300, 4, 0, 0, 1, 10},
        {"plain.mp4", {2, 1, 0}, -0.1, 64, 20, 0, 1, 10}, {"plain.mp4", {2, 1, 0}, 0, 64, 20, 0, 1, 10},
        {"plain.mp4", {2, 1, 0}, 0.04, 1, 1, 0, 1, 10},   {"plain.mp4", {2, 1, 0}, 0.06, 1, 1, 1, 1, 10},
        {"plain.gif", {2, 1, 0}, -1, 3, 3, 17, 1, 10},    {"plain.webp", {2, 1, 0}, -1, 3, 3, 17, 1, 10},
        {"cut.mp4", {2, 1, 0}, -1, 4, 4, 8, 1, 10},       {"cut.mp4", {2, 1, 0}, 0, 64, 12, 0, 1, 10},
        {"cut.mp4", {2, 1, 0}, 1.5, 4, 0, 0, 1, 10},      {"late.mkv", {2, 1, 0}, -1, 4, 4, 16, 1, 10},
        {"late.mkv", {2, 1, 0}, 0.5, 4, 4, 5, 1, 10},     {"raw.h264", {2, 1, 0}, -1, 4, 4, 16, 1, 10},
        {"short.mp4", {2, 1, 0}, -1, 4, 3, 0, 1, 10},     {"one.mp4", {2, 1, 0}, -1, 4, 1, 0, 1, 10},
        {"numbered", {2, 1, 0}, 3, 4, 4, 3, 1, 0},        {"numbered", {2, 1, 7}, 3, 4, 4, 3, 1, 0},
        {"numbered", {2, 2, 0}, -1, 4, 4, 5, 2, 0},       {"fast.mp4", {2, 1, 0}, 0.2, 4, 4, 5, 1, 25},
    };
    static uint8_t bytes[MOST * SIDE * SIDE];
    NEEDS_FFMPEG();
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(all); i++) {
        const wanted *w = &all[i];
        int64_t n;
        double rate;
        rin_error error = {0};
        rin_dataset *dataset = open_fixture(w->name, w->clip);
        rin_status status = rin_dataset_read_frames(dataset, 0, w->start, w->most, SIDE, SIDE, 1, bytes, &n, &rate,
                                                    &error);
        if (status != RIN_OK) fail_msg("%s", error.text);
        if (n != w->n || fabs(rate - w->rate) > 1e-6)
            fail_msg("%zu, %s from %g: %lld frames, expected %lld; %g a second, expected %g", i, w->name, w->start,
                     (long long)n, (long long)w->n, rate, w->rate);
        for (int64_t k = 0; k < n; k++) {
            int number = (bytes[k * SIDE * SIDE + 5 * SIDE + 5] - 16 + 4) / 8, expected = w->first + (int)k * w->apart;
            if (number != expected)
                fail_msg("%s from %g: frame %lld is %d, not %d", w->name, w->start, (long long)k, number, expected);
        }
        rin_dataset_close(dataset);
    }
}

static void test_read_frames_refusals(void **state) {
    static uint8_t bytes[SIDE * SIDE * 3];
    static const char *const broken[] = {"text.mp4", "empty.mp4", "headless.mp4", "sound.mp4"};
    int64_t n = 7;
    double rate;
    NEEDS_FFMPEG();
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(broken); i++) {
        rin_error error = {0};
        rin_dataset *dataset = open_fixture(broken[i], two);
        assert_int_equal(rin_dataset_read_frames(dataset, 0, 0, 1, SIDE, SIDE, 3, bytes, &n, &rate, &error),
                         RIN_ERR_FORMAT);
        assert_non_null(strstr(error.text, broken[i]));
        assert_int_equal(n, 0);
        assert_int_equal(rin_dataset_read_frames(dataset, 1, 0, 1, SIDE, SIDE, 3, bytes, &n, &rate, &error),
                         RIN_ERR_ARG);
        rin_dataset_close(dataset);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_order_of_numbers),
        cmocka_unit_test(test_folder_of_pictures_alone),
        cmocka_unit_test(test_single_file),
        cmocka_unit_test(test_archives),
        cmocka_unit_test(test_archive_of_one_folder_of_pictures),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wrong_clips),
        cmocka_unit_test(test_videos_among_images),
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_read_frames),
        cmocka_unit_test(test_read_frames_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
