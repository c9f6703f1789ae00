/* SPDX-License-Identifier: MIT */
/* What is scored, picture by picture: of folders, archives, .npz files and videos, as the networks are fed. */
#include "support/check.h"

#include "data/videos.h"
#include "npz/maker.h"
#include "score/pictures.h"

static rin_loading loading;

static rin_pictures_options plain(void) {
    return (rin_pictures_options){.loading = &loading};
}

static rin_pictures *open_in(const corpus *c, const char *name, rin_pictures_options options) {
    rin_error error = {0};
    rin_pictures *pictures;
    char *path = corpus_path(c, name);
    assert_ok(rin_pictures_open(path, &options, &pictures, &error), &error);
    rin_free(path);
    return pictures;
}

static void refuse_in(const corpus *c, const char *name, rin_pictures_options options, rin_status status,
                      const char *part) {
    rin_error error = {0};
    rin_pictures *pictures = (rin_pictures *)&error;
    char *path = corpus_path(c, name);
    assert_refused(rin_pictures_open(path, &options, &pictures, &error), status, &error, part);
    assert_null(pictures);
    rin_free(path);
}

static rin_frames load(rin_pictures *pictures, int64_t i) {
    rin_error error = {0};
    rin_frames frames = {0};
    assert_ok(rin_pictures_load(pictures, i, &frames, &error), &error);
    return frames;
}

/* The value that flat pictures have, which must be a whole number everywhere but in their left column. */
static int value_of(const rin_frames *frames) {
    float value = frames->values[3];
    for (int i = 0; i < frames->height * frames->width * 3; i++) {
        if (i / 3 % frames->width) assert_true(frames->values[i] == value);
        else assert_true(frames->values[i] == 255 - value);
    }
    return (int)value;
}

static int load_value(rin_pictures *pictures, int64_t i) {
    rin_frames frames = load(pictures, i);
    int value = value_of(&frames);
    rin_frames_clear(&frames);
    return value;
}

/* ---- folders and archives ---- */

static void test_folder_and_archive(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_png(&c, "set/b.png", 3, 20);
    corpus_add_png(&c, "set/a.png", 5, 10);
    packer tar = packer_open(&c, "set.tar", "tar");
    packer_add_png(&tar, "b.png", 3, 20);
    packer_add_png(&tar, "a.png", 5, 10);
    packer_close(&tar);
    static const char *const names[] = {"set", "set.tar"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        rin_pictures *pictures = open_in(&c, names[i], plain());
        assert_int_equal(rin_pictures_count(pictures), 2);
        assert_false(rin_pictures_are_in_order(pictures));
        assert_string_equal(rin_pictures_kind(pictures), i ? "archive" : "folder");
        rin_frames frames = load(pictures, 1);
        assert_true(frames.frames == 1 && frames.height == 3 && frames.width == 3);
        assert_int_equal(value_of(&frames), 20);
        rin_frames_clear(&frames);
        assert_int_equal(load_value(pictures, 0), 10);
        rin_pictures_close(pictures);
    }
    refuse_in(&c, "nothing", plain(), RIN_ERR_IO, "nothing");
    corpus_remove(&c);
}

static void test_limit_is_spread_evenly(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, 2, 10);
    static const int wanted[][4] = {{0}, {0, 5}, {0, 3, 6}, {0, 2, 5, 7}};
    for (int limit = 1; limit <= 4; limit++) {
        rin_pictures_options o = plain();
        o.limit = limit;
        rin_pictures *pictures = open_in(&c, "", o);
        assert_int_equal(rin_pictures_count(pictures), limit);
        for (int i = 0; i < limit; i++) assert_int_equal(load_value(pictures, i), wanted[limit - 1][i]);
        rin_pictures_close(pictures);
    }
    rin_pictures_options o = plain();
    o.limit = 11;
    rin_pictures *pictures = open_in(&c, "", o);
    assert_int_equal(rin_pictures_count(pictures), 10);
    rin_pictures_close(pictures);
    corpus_remove(&c);
}

/* Samples of 16 bits are rounded to 8: 257 is 1. Grey becomes colour. */
static void test_deep_and_grey(void **state) {
    (void)state;
    enum { N = 4 };
    static const uint16_t deep[N] = {0, 128, 129, 65535};
    static const float wanted[N] = {0, 0, 1, 255};
    uint8_t rows[2 * N];
    for (int i = 0; i < N; i++) {
        rows[2 * i] = (uint8_t)(deep[i] >> 8);
        rows[2 * i + 1] = (uint8_t)deep[i];
    }
    corpus c = corpus_make();
    encoded file = encode_png(rows, sizeof rows, N, 1, (png_options){.type = PNG_COLOR_TYPE_GRAY, .depth = 16});
    corpus_add(&c, "a.png", file.bytes, file.n);
    free(file.bytes);
    rin_pictures *pictures = open_in(&c, "", plain());
    rin_frames frames = load(pictures, 0);
    assert_true(frames.height == 1 && frames.width == N);
    for (int i = 0; i < 3 * N; i++) assert_true(frames.values[i] == wanted[i / 3]);
    rin_frames_clear(&frames);
    rin_pictures_close(pictures);
    corpus_remove(&c);
}

/* Fitted pictures are what a model of that size would be trained on, rounded to bytes. */
static void test_fitted_and_rounded(void **state) {
    (void)state;
    enum { FROM = 6, TO = 4 };
    uint8_t rgb[FROM * FROM * 3];
    float fitted[TO * TO * 3];
    rin_error error = {0};
    for (int i = 0; i < FROM * FROM * 3; i++) rgb[i] = (uint8_t)(i * 97);
    corpus c = corpus_make();
    encoded file = encode_rgb_png(rgb, FROM, FROM);
    corpus_add(&c, "a.png", file.bytes, file.n);
    free(file.bytes);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    for (int grey = 0; grey < 2; grey++) {
        rin_pictures_options o = plain();
        o.height = o.width = TO;
        o.grey = grey;
        int channels = grey ? 1 : 3;
        assert_ok(rin_dataset_load(dataset, 0, TO, TO, channels, fitted, &error), &error);
        rin_pictures *pictures = open_in(&c, "", o);
        rin_frames frames = load(pictures, 0);
        assert_true(frames.height == TO && frames.width == TO);
        for (int i = 0; i < TO * TO * 3; i++)
            assert_true(frames.values[i] == floorf(fitted[grey ? i / 3 : i] * 255 + 0.5f));
        rin_frames_clear(&frames);
        rin_pictures_close(pictures);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_broken_pictures_count(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_png(&c, "a.png", 2, 7);
    corpus_add(&c, "b.png", "no picture", 10);
    rin_error error = {0};
    rin_frames frames = {0};
    rin_pictures *pictures = open_in(&c, "", plain());
    assert_int_equal(rin_pictures_count(pictures), 2);
    rin_status status = rin_pictures_load(pictures, 1, &frames, &error);
    assert_true(rin_dataset_is_broken(status) && strstr(error.text, "b.png"));
    assert_int_equal(load_value(pictures, 0), 7);
    rin_frames_clear(&frames);
    rin_pictures_close(pictures);
    corpus_remove(&c);
}

/* ---- .npz ---- */

enum { N = 4, HEIGHT = 2, WIDTH = 3 };

static void put_npz(const corpus *c, const char *file, const char *member, const char *dictionary, const void *data,
                    size_t n, uint32_t wrong_crc) {
    made *npy = calloc(1, sizeof *npy), *zip = calloc(1, sizeof *zip);
    make_npy(npy, 1, dictionary, data, n);
    make_zip(zip, &(zip_member){.name = member, .content = npy, .method = 8, .wrong_crc = wrong_crc}, 1);
    corpus_add(c, file, zip->at, zip->n);
    free(npy);
    free(zip);
}

#define ARRAY(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }"

static void test_npz(void **state) {
    (void)state;
    uint8_t bytes[N * HEIGHT * WIDTH * 3];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
    corpus c = corpus_make();
    put_npz(&c, "colour.npz", "arr_0.npy", ARRAY("|u1", "(4, 2, 3, 3)"), bytes, sizeof bytes, 0);
    put_npz(&c, "grey.npz", "arr_0.npy", ARRAY("|u1", "(4, 2, 3, 1)"), bytes, sizeof bytes / 3, 0);
    for (int grey = 0; grey < 2; grey++) {
        rin_pictures *pictures = open_in(&c, grey ? "grey.npz" : "colour.npz", plain());
        assert_int_equal(rin_pictures_count(pictures), N);
        assert_true(rin_pictures_are_in_order(pictures));
        assert_string_equal(rin_pictures_kind(pictures), "npz");
        for (int64_t i = 0; i < N; i++) {
            rin_frames frames = load(pictures, i);
            assert_true(frames.frames == 1 && frames.height == HEIGHT && frames.width == WIDTH);
            for (int k = 0; k < HEIGHT * WIDTH * 3; k++) {
                int64_t at = i * HEIGHT * WIDTH * 3 + k;
                assert_true(frames.values[k] == (float)bytes[grey ? at / 3 : at]);
            }
            rin_frames_clear(&frames);
        }
        rin_pictures_close(pictures);
    }
    corpus_remove(&c);
}

/* Those that are left out are passed over: pictures in a .npz may be in the order of their classes. */
static void test_limit_of_npz(void **state) {
    (void)state;
    uint8_t bytes[10 * 3];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i / 3);
    corpus c = corpus_make();
    put_npz(&c, "ten.npz", "arr_0.npy", ARRAY("|u1", "(10, 1, 1, 3)"), bytes, sizeof bytes, 0);
    rin_pictures_options o = plain();
    o.limit = 4;
    static const int wanted[] = {0, 2, 5, 7};
    rin_pictures *pictures = open_in(&c, "ten.npz", o);
    assert_int_equal(rin_pictures_count(pictures), 4);
    for (int i = 0; i < 4; i++) {
        rin_frames frames = load(pictures, i);
        assert_true(frames.values[0] == (float)wanted[i]);
        rin_frames_clear(&frames);
    }
    rin_error error = {0};
    rin_frames frames = {0};
    assert_refused(rin_pictures_load(pictures, 1, &frames, &error), RIN_ERR_INTERNAL, &error, "in their order");
    rin_frames_clear(&frames);
    rin_pictures_close(pictures);
    corpus_remove(&c);
}

static void test_npz_without_pictures(void **state) {
    (void)state;
    static const uint8_t bytes[64];
    static const struct {
        const char *member, *dictionary;
        size_t n;
        rin_status status;
        const char *part;
    } rows[] = {
        {"arr_1.npy", ARRAY("|u1", "(1, 1, 1, 3)"), 3, RIN_ERR_FORMAT, "no pictures (arr_0)"},
        {"arr_0.npy", ARRAY("<f4", "(1, 1, 1, 3)"), 12, RIN_ERR_FORMAT, "is not uint8"},
        {"arr_0.npy", ARRAY("|i1", "(1, 1, 1, 3)"), 3, RIN_ERR_FORMAT, "is not uint8"},
        {"arr_0.npy", ARRAY("|u1", "(1, 1, 3)"), 3, RIN_ERR_FORMAT, "is not uint8"},
        {"arr_0.npy", ARRAY("|u1", "(1, 1, 1, 4)"), 4, RIN_ERR_FORMAT, "is not uint8"},
        {"arr_0.npy", ARRAY("|u1", "(0, 1, 1, 3)"), 0, RIN_ERR_FORMAT, "holds no pictures"},
        {"arr_0.npy", ARRAY("|u1", "(1, 0, 1, 3)"), 0, RIN_ERR_FORMAT, "holds no pictures"},
        {"arr_0.npy", ARRAY("|u1", "(9000000000, 1000, 1000, 3)"), 3, RIN_ERR_FORMAT, ""},
        {"arr_0.npy", "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2, 3), }", 24, RIN_ERR_UNSUPPORTED,
         "order"},
    };
    corpus c = corpus_make();
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        put_npz(&c, "wrong.npz", rows[i].member, rows[i].dictionary, bytes, rows[i].n, 0);
        refuse_in(&c, "wrong.npz", plain(), rows[i].status, rows[i].part);
    }
    put_npz(&c, "clips.npz", "arr_0.npy", ARRAY("|u1", "(1, 1, 1, 3)"), bytes, 3, 0);
    rin_pictures_options o = plain();
    o.clip = clip_of(9, 1, 0);
    refuse_in(&c, "clips.npz", o, RIN_ERR_UNSUPPORTED, "clips are read from videos");
    corpus_add_png(&c, "folder.npz/a.png", 2, 7);
    refuse_in(&c, "folder.npz", plain(), RIN_ERR_IO, "folder.npz");
    corpus_remove(&c);
}

/* A wrong checksum concerns everything, not a picture that could be left out. */
static void test_damaged_npz(void **state) {
    (void)state;
    static const uint8_t bytes[2 * 3];
    corpus c = corpus_make();
    put_npz(&c, "a.npz", "arr_0.npy", ARRAY("|u1", "(2, 1, 1, 3)"), bytes, sizeof bytes, 1);
    rin_error error = {0};
    rin_frames frames = {0};
    rin_pictures *pictures = NULL;
    char *path = corpus_path(&c, "a.npz");
    rin_pictures_options o = plain();
    rin_status status = rin_pictures_open(path, &o, &pictures, &error);
    for (int64_t i = 0; i < 2 && status == RIN_OK; i++) status = rin_pictures_load(pictures, i, &frames, &error);
    assert_true(status != RIN_OK);
    assert_true(!pictures || !rin_dataset_is_broken(status));
    rin_frames_clear(&frames);
    rin_pictures_close(pictures);
    rin_free(path);
    corpus_remove(&c);
}

/* ---- clips ---- */

static void test_clips(void **state) {
    (void)state;
    corpus c = corpus_make();
    remarks r = {0};
    corpus_add_video(&c, "a.webp", "plain.webp");
    corpus_add(&c, "b.webp", "no video", 8);
    corpus_add_video(&c, "c.webp", "plain.webp");
    loading.listener = (rin_listener){.on_log = remarks_add, .user = &r};
    rin_pictures_options o = plain();
    o.clip = clip_of(9, 1, 0);
    o.height = o.width = SMALL;
    rin_pictures *pictures = open_in(&c, "", o);
    assert_int_equal(rin_pictures_count(pictures), 4); /* of 20 frames each */
    assert_non_null(strstr(r.text, "b.webp"));
    rin_frames frames = load(pictures, 3);
    assert_true(frames.frames == 9 && frames.height == SMALL && frames.width == SMALL);
    for (int64_t f = 0; f < 9; f++) {
        float frame[SMALL_ELEMENTS];
        for (int k = 0; k < SMALL_ELEMENTS; k++) frame[k] = frames.values[f * SMALL_ELEMENTS + k] / 255;
        assert_int_equal(number_of(frame, SMALL, 3), 9 + f);
        for (int k = 0; k < SMALL_ELEMENTS; k++) {
            float v = frames.values[f * SMALL_ELEMENTS + k];
            assert_true(v == floorf(v));
        }
    }
    rin_frames_clear(&frames);
    rin_pictures_close(pictures);
    o.clip.frames = 21;
    refuse_in(&c, "", o, RIN_ERR_FORMAT, "clip");
    loading.listener = (rin_listener){0};
    corpus_remove(&c);
}

static void test_numpy_names(void **state) {
    (void)state;
    assert_true(rin_pictures_is_numpy("a.npz") && rin_pictures_is_numpy("b/a.npy"));
    assert_false(rin_pictures_is_numpy("a.npz.tar") || rin_pictures_is_numpy("npz") || rin_pictures_is_numpy(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_and_archive),    cmocka_unit_test(test_limit_is_spread_evenly),
        cmocka_unit_test(test_deep_and_grey),         cmocka_unit_test(test_fitted_and_rounded),
        cmocka_unit_test(test_broken_pictures_count), cmocka_unit_test(test_npz),
        cmocka_unit_test(test_limit_of_npz),          cmocka_unit_test(test_npz_without_pictures),
        cmocka_unit_test(test_damaged_npz),           cmocka_unit_test(test_clips),
        cmocka_unit_test(test_numpy_names),
    };
    return cmocka_run_group_tests_name("score/pictures", tests, NULL, NULL);
}
