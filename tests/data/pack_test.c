/* SPDX-License-Identifier: MIT */
/* Tests of packed videos: what is in a pack, what is refused, damaged packs, and such as are cancelled or shrink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "checkpoint/safetensors.h"
#include "data/videos.h"

static float pixels[32 * SMALL_ELEMENTS];

static rin_pack_options usual(void) {
    return (rin_pack_options){.height = SMALL, .width = SMALL, .channels = 3};
}

/* Packs into a file of the corpus; how many frames. */
static int64_t pack(const corpus *c, const rin_dataset *dataset, const char *name, rin_pack_options o) {
    size_t n_videos;
    int64_t n_frames;
    rin_error error = {0};
    char *path = corpus_path(c, name);
    if (rin_dataset_pack(dataset, path, &o, &n_videos, &n_frames, &error) != RIN_OK) fail_msg("%s", error.text);
    rin_free(path);
    return n_frames;
}

static size_t count_files(const corpus *c) {
    rin_dir *dir;
    const char *name;
    size_t n = 0;
    assert_int_equal(rin_dir_open(c->root, &dir, NULL), RIN_OK);
    while (rin_dir_next(dir, &name, NULL) == RIN_OK && name) n++;
    rin_dir_close(dir);
    return n;
}

/* All frames of a video are those with these numbers. */
static void expect_numbers(const rin_dataset *dataset, size_t index, int64_t n, int first, int apart) {
    static uint8_t bytes[64 * SMALL_ELEMENTS];
    int64_t got;
    double rate;
    rin_error error = {0};
    if (rin_dataset_read_frames(dataset, index, 0, 64, SMALL, SMALL, 3, bytes, &got, &rate, &error) != RIN_OK)
        fail_msg("%s", error.text);
    assert_int_equal(got, n);
    for (int64_t k = 0; k < n; k++)
        assert_int_equal((bytes[k * SMALL_ELEMENTS + (5 * SMALL + 5) * 3] - 16 + 4) / 8, first + k * apart);
}

/* ---- what is in it ---- */

static void test_what_is_in_it(void **state) {
    static const char odd_name[] = "set/\"q\\\xff.gif"; /* neither JSON nor UTF-8 as it is */
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    remarks r = {0};
    corpus_add_video(&c, odd_name, "plain.gif");
    corpus_add_video(&c, "set/a/plain.mp4", "plain.mp4");
    corpus_add_video(&c, "set/cut.mp4", "cut.mp4");
    corpus_add_video(&c, "set/text.mp4", "text.mp4");
    corpus_add_pictures(&c, "set/z/", "%d.png");
    rin_dataset *dataset = open_clips(&c, "set", clip_of(4, 1, 0), NULL);
    rin_pack_options o = usual();
    o.log = (rin_log){remarks_add, &r};
    assert_int_equal(pack(&c, dataset, "p.safetensors", o), 20 + 20 + 12 + 12);
    rin_dataset_close(dataset);
    assert_int_equal(r.n_warnings, 1);
    assert_non_null(strstr(r.text, "left out 'text.mp4': "));
    assert_int_equal(count_files(&c), 2);

    dataset = open_clips(&c, "p.safetensors", clip_of(4, 1, 0), NULL);
    static const char *const names[] = {"\"q\\?.gif", "a/plain.mp4", "cut.mp4", "z"};
    static const int64_t counts[] = {20, 20, 12, 12};
    static const double rates[] = {10, 10, 10, 0};
    assert_string_equal(rin_dataset_kind(dataset), "pack");
    assert_int_equal(rin_dataset_count(dataset), RIN_COUNT(names));
    assert_int_equal(rin_dataset_n_classes(dataset), 0);
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        double seconds, rate;
        int64_t n;
        rin_image image;
        assert_string_equal(rin_dataset_item_name(dataset, i), names[i]);
        assert_int_equal(rin_dataset_item_label(dataset, i), -1);
        assert_int_equal(rin_dataset_measure(dataset, i, &seconds, &rate, NULL), RIN_OK);
        assert_true(rate == rates[i] && fabs(seconds - (double)counts[i] / (i < 3 ? 10 : 1)) < 1e-9);
        expect_numbers(dataset, i, counts[i], 0, 1);
        assert_int_equal(rin_dataset_count_clips(dataset, i, &n, NULL), RIN_OK);
        assert_int_equal(n, counts[i] / 4);
        assert_int_equal(rin_dataset_decode(dataset, i, &image, NULL), RIN_OK);
        assert_true(image.width == SMALL && image.height == SMALL && image.channels == 3 && image.depth == 1);
        rin_image_clear(&image);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* At another rate and size than the file's; and of a pack another one. */
static void test_other_sizes_and_rates(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    rin_dataset *dataset = open_fixture("plain.mp4", clip_of(4, 3, 20));
    rin_pack_options o = {.height = 2 * SMALL, .width = 3 * SMALL, .channels = 1};
    assert_int_equal(pack(&c, dataset, "p.safetensors", o), 40);
    rin_dataset_close(dataset);
    rin_image image;
    rin_error error = {0};
    dataset = open_clips(&c, "p.safetensors", clip_of(4, 1, 0), NULL);
    assert_int_equal(rin_dataset_decode(dataset, 0, &image, &error), RIN_OK);
    assert_true(image.width == 3 * SMALL && image.height == 2 * SMALL && image.channels == 1);
    rin_image_clear(&image);
    if (rin_dataset_load_clip(dataset, 0, 9, SMALL, SMALL, 3, pixels, &error) != RIN_OK) fail_msg("%s", error.text);
    for (int k = 0; k < 4; k++) assert_int_equal(number_of(pixels + k * SMALL_ELEMENTS, SMALL, 3), (36 + k) / 2);
    rin_dataset_close(dataset);
    dataset = open_clips(&c, "p.safetensors", clip_of(4, 1, 10), NULL);
    assert_int_equal(pack(&c, dataset, "q.safetensors", usual()), 20);
    rin_dataset_close(dataset);
    dataset = open_clips(&c, "q.safetensors", clip_of(4, 1, 0), NULL);
    expect_numbers(dataset, 0, 20, 0, 1);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* The same videos give the same bytes. */
static void test_same_bytes(void **state) {
    char *bytes[2];
    size_t n[2];
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    for (int i = 0; i < 2; i++) {
        rin_dataset *dataset = open_fixture("plain.mkv", clip_of(4, 1, 0));
        pack(&c, dataset, "p.safetensors", usual()); /* the second one replaces the first */
        rin_dataset_close(dataset);
        char *path = corpus_path(&c, "p.safetensors");
        assert_int_equal(rin_file_read(path, 1 << 20, &bytes[i], &n[i], NULL), RIN_OK);
        rin_free(path);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    rin_free(bytes[0]);
    rin_free(bytes[1]);
    corpus_remove(&c);
}

/* A file that claims to last for hours takes no more room than its frames. */
static void test_a_file_that_claims_too_much(void **state) {
    static const uint8_t duration[] = {0x44, 0x89, 0x88}; /* of Matroska: its mark and 8 bytes of a number follow */
    const uint8_t hours[] = {0x41, 0x5B, 0x77, 0x40, 0, 0, 0, 0}; /* 7200000 ms */
    char *bytes;
    size_t n, at = 0;
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    assert_int_equal(rin_file_read(FIXTURES "plain.mkv", 1 << 20, &bytes, &n, NULL), RIN_OK);
    while (at + 11 < n && memcmp(bytes + at, duration, sizeof duration) != 0) at++;
    assert_true(at + 11 < n);
    memcpy(bytes + at + 3, hours, sizeof hours);
    corpus_add(&c, "claims.mkv", bytes, n);
    rin_free(bytes);
    rin_dataset *dataset = open_clips(&c, "claims.mkv", clip_of(4, 1, 0), NULL);
    double seconds, rate;
    assert_int_equal(rin_dataset_measure(dataset, 0, &seconds, &rate, NULL), RIN_OK);
    assert_true(seconds == 7200);
    assert_int_equal(pack(&c, dataset, "p.safetensors", usual()), 20);
    rin_dataset_close(dataset);
    char *path = corpus_path(&c, "p.safetensors");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_in_range(info.st_size, 20 * SMALL_ELEMENTS, 100 * SMALL_ELEMENTS);
    dataset = open_clips(&c, "p.safetensors", clip_of(4, 1, 0), NULL);
    expect_numbers(dataset, 0, 20, 0, 1);
    rin_dataset_close(dataset);
    rin_free(path);
    corpus_remove(&c);
}

/* ---- refusals ---- */

static void expect_not_packed(const corpus *c, const rin_dataset *dataset, const char *name, rin_pack_options o,
                              rin_status status, const char *part) {
    size_t n_videos = 7;
    int64_t n_frames = 7;
    rin_error error = {0};
    char *path = corpus_path(c, name);
    rin_status got = rin_dataset_pack(dataset, path, &o, &n_videos, &n_frames, &error);
    if (got != status || !strstr(error.text, part))
        fail_msg("%s: '%s' lacks '%s'", rin_status_name(got), error.text, part);
    assert_int_equal(n_videos, 0);
    assert_int_equal(n_frames, 0);
    assert_true(rin_path_is_absent(path));
    rin_free(path);
}

static void test_refusals(void **state) {
    static const char *const broken[] = {"text.mp4", "sound.mp4", "empty.mp4", "headless.mp4"};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    rin_dataset *dataset = open_fixture("plain.mp4", clip_of(4, 1, 0));
    expect_not_packed(&c, dataset, "p.tensors", usual(), RIN_ERR_ARG, "ends in .safetensors");
    expect_not_packed(&c, dataset, "p", usual(), RIN_ERR_ARG, "ends in .safetensors");
    expect_not_packed(&c, dataset, "missing/p.safetensors", usual(), RIN_ERR_IO, "No such file");
    rin_dataset_close(dataset);
    assert_int_equal(count_files(&c), 0);
    for (size_t i = 0; i < RIN_COUNT(broken); i++) {
        char name[64];
        snprintf(name, sizeof name, "set/%s", broken[i]);
        corpus_add_video(&c, name, broken[i]);
    }
    remarks r = {0};
    rin_pack_options o = usual();
    o.log = (rin_log){remarks_add, &r};
    dataset = open_clips(&c, "set", clip_of(4, 1, 0), NULL);
    expect_not_packed(&c, dataset, "p.safetensors", o, RIN_ERR_FORMAT, "none of the 4 videos can be opened");
    assert_int_equal(r.n_warnings, 4);
    rin_dataset_close(dataset);
    assert_int_equal(count_files(&c), 1);
    corpus_remove(&c);
}

typedef struct watch {
    atomic_bool cancel;
    int64_t calls, stop_at; /* 0: never */
    size_t done, total;
} watch;

static void on_progress(void *user, size_t done, size_t total) {
    watch *w = user;
    if (total && w->total) assert_true(total == w->total && done >= w->done);
    if (total) assert_true(done <= total);
    w->done = done;
    w->total = total;
    if (++w->calls == w->stop_at) atomic_store(&w->cancel, true);
}

/* However early or late it is cancelled, nothing is left. */
static void test_cancelling(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    corpus_add_video(&c, "set/a.mp4", "plain.mp4");
    corpus_add_video(&c, "set/b.mkv", "plain.mkv");
    rin_dataset *dataset = open_clips(&c, "set", clip_of(4, 1, 0), NULL);
    watch whole = {0};
    rin_pack_options o = usual();
    o.progress = on_progress;
    o.progress_user = &whole;
    o.cancel = &whole.cancel;
    pack(&c, dataset, "whole.safetensors", o);
    assert_int_equal(whole.done, 40);
    assert_int_equal(whole.total, 40);
    for (int64_t stop = 1; stop <= whole.calls; stop += stop < 5 ? 1 : 7) {
        watch w = {.stop_at = stop};
        o.progress_user = &w;
        o.cancel = &w.cancel;
        expect_not_packed(&c, dataset, "p.safetensors", o, RIN_ERR_CANCELLED, "stopped");
        assert_int_equal(w.calls, stop);
        assert_int_equal(count_files(&c), 2);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- damaged packs ---- */

enum { MOST_ROWS = 3 };

/* What is written into a pack: by usual_draft, two videos of 2 and 3 frames. */
typedef struct draft {
    rin_stored_type type;
    int rank; /* of the frames; 0: there are none */
    int64_t shape[4];
    int64_t n_first, n_counts, n_rates; /* below 0: not there */
    rin_stored_type integers, reals;
    int rows; /* rank of these */
    int64_t first[MOST_ROWS], counts[MOST_ROWS];
    double rates[MOST_ROWS];
    const char *names;
} draft;

static draft usual_draft(void) {
    return (draft){.type = RIN_STORED_U8,
                   .rank = 4,
                   .shape = {5, 4, 4, 3},
                   .n_first = 2,
                   .n_counts = 2,
                   .n_rates = 2,
                   .integers = RIN_STORED_I64,
                   .reals = RIN_STORED_F64,
                   .rows = 1,
                   .first = {0, 2},
                   .counts = {2, 3},
                   .rates = {10, 0},
                   .names = "[\"one\",\"two\"]"};
}

static void declare_row(rin_safetensors_writer *writer, const char *name, rin_stored_type type, int rank, int64_t n) {
    const int64_t shape[] = {n, 1};
    if (n >= 0) assert_int_equal(rin_safetensors_writer_add(writer, name, type, rank, shape, NULL), RIN_OK);
}

static void write_row(rin_safetensors_writer *writer, rin_stored_type type, int64_t n, const void *row) {
    size_t bytes = n > 0 ? (size_t)n * rin_stored_type_bytes(type) : 0;
    assert_int_equal(rin_safetensors_writer_write(writer, row, bytes, NULL), RIN_OK);
}

static void write_draft(const corpus *c, const char *name, const draft *d) {
    static const uint8_t zeros[1 << 12];
    rin_safetensors_writer *writer;
    char *path = corpus_path(c, name);
    assert_int_equal(rin_safetensors_writer_create(&writer, NULL), RIN_OK);
    size_t bytes = d->rank ? rin_stored_type_bytes(d->type) : 0;
    for (int i = 0; i < d->rank; i++) bytes *= (size_t)d->shape[i];
    assert_true(bytes <= sizeof zeros);
    if (d->rank)
        assert_int_equal(rin_safetensors_writer_add(writer, "frames", d->type, d->rank, d->shape, NULL), RIN_OK);
    declare_row(writer, "first", d->integers, d->rows, d->n_first);
    declare_row(writer, "counts", d->integers, d->rows, d->n_counts);
    declare_row(writer, "rates", d->reals, d->rows, d->n_rates);
    if (d->names) assert_int_equal(rin_safetensors_writer_add_metadata(writer, "names", d->names, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_begin(writer, path, NULL), RIN_OK);
    assert_int_equal(rin_safetensors_writer_write(writer, zeros, bytes, NULL), RIN_OK);
    write_row(writer, d->integers, d->n_first, d->first);
    write_row(writer, d->integers, d->n_counts, d->counts);
    write_row(writer, d->reals, d->n_rates, d->rates);
    assert_int_equal(rin_safetensors_writer_commit(writer, NULL), RIN_OK);
    rin_safetensors_writer_free(writer);
    rin_free(path);
}

static void expect_refused(const draft *d, const char *part) {
    corpus c = corpus_make();
    write_draft(&c, "p.safetensors", d);
    expect_no_videos(&c, "p.safetensors", RIN_ERR_FORMAT, part);
    corpus_remove(&c);
}

static void test_wrong_frames(void **state) {
    static const struct {
        rin_stored_type type;
        int rank;
        int64_t shape[4];
        const char *part;
    } wrong[] = {
        {RIN_STORED_U8, 0, {0}, "no frames of bytes"},
        {RIN_STORED_I8, 4, {5, 4, 4, 3}, "no frames of bytes"},
        {RIN_STORED_BOOL, 4, {5, 4, 4, 3}, "no frames of bytes"},
        {RIN_STORED_F32, 4, {5, 4, 4, 3}, "no frames of bytes"},
        {RIN_STORED_U8, 3, {5, 4, 4}, "no frames of bytes"},
        {RIN_STORED_U8, 4, {5, 0, 4, 3}, "the size of its frames"},
        {RIN_STORED_U8, 4, {5, 4, 0, 3}, "the size of its frames"},
        {RIN_STORED_U8, 4, {5, 4, 4, 0}, "the size of its frames"},
        {RIN_STORED_U8, 4, {5, 4, 4, 2}, "the size of its frames"},
        {RIN_STORED_U8, 4, {5, 4, 4, 4}, "the size of its frames"},
        {RIN_STORED_U8, 4, {0, RIN_IMAGE_MAX_SIDE + 1, 4, 3}, "the size of its frames"},
        {RIN_STORED_U8, 4, {0, 1, INT64_MAX / 64, 3}, "the size of its frames"},
        {RIN_STORED_U8, 4, {4, 4, 4, 3}, "a video's place or rate"},
        {RIN_STORED_U8, 4, {0, 4, 4, 3}, "a video's place or rate"},
    };
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        draft d = usual_draft();
        d.type = wrong[i].type;
        d.rank = wrong[i].rank;
        memcpy(d.shape, wrong[i].shape, sizeof d.shape);
        expect_refused(&d, wrong[i].part);
    }
}

static void test_wrong_rows(void **state) {
    static const struct {
        int64_t n_first, n_counts, n_rates;
        rin_stored_type integers, reals;
        int rows;
        const char *part;
    } wrong[] = {
        {-1, 2, 2, RIN_STORED_I64, RIN_STORED_F64, 1, "where its videos begin"},
        {2, 2, 2, RIN_STORED_I64, RIN_STORED_F64, 2, "where its videos begin"},
        {2, -1, 2, RIN_STORED_I64, RIN_STORED_F64, 1, "places and rates"},
        {2, 2, -1, RIN_STORED_I64, RIN_STORED_F64, 1, "places and rates"},
        {2, 1, 2, RIN_STORED_I64, RIN_STORED_F64, 1, "places and rates"},
        {2, 3, 2, RIN_STORED_I64, RIN_STORED_F64, 1, "places and rates"},
        {2, 2, 3, RIN_STORED_I64, RIN_STORED_F64, 1, "places and rates"},
        {1, 2, 2, RIN_STORED_I64, RIN_STORED_F64, 1, "places and rates"},
        {2, 2, 2, RIN_STORED_I32, RIN_STORED_F64, 1, "places and rates"},
        {2, 2, 2, RIN_STORED_F64, RIN_STORED_F64, 1, "places and rates"},
        {2, 2, 2, RIN_STORED_I64, RIN_STORED_F32, 1, "places and rates"},
        {2, 2, 2, RIN_STORED_I64, RIN_STORED_I64, 1, "places and rates"},
        {0, 0, 0, RIN_STORED_I64, RIN_STORED_F64, 1, "videos' names"},
        {3, 3, 3, RIN_STORED_I64, RIN_STORED_F64, 1, "videos' names"},
    };
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        draft d = usual_draft();
        d.n_first = wrong[i].n_first;
        d.n_counts = wrong[i].n_counts;
        d.n_rates = wrong[i].n_rates;
        d.integers = wrong[i].integers;
        d.reals = wrong[i].reals;
        d.rows = wrong[i].rows;
        expect_refused(&d, wrong[i].part);
    }
    draft none = usual_draft();
    none.n_first = none.n_counts = none.n_rates = 0;
    none.names = "[]";
    expect_refused(&none, "holds no videos");
}

static void test_wrong_places_and_rates(void **state) {
    static const int64_t places[][2] = {
        {-1, 2},        {6, 0},         {3, 3},         {0, -1},        {0, 6},
        {INT64_MAX, 1}, {1, INT64_MAX}, {INT64_MIN, 0}, {0, INT64_MIN}, {INT64_MAX, INT64_MAX}};
    static const double rates[] = {NAN, -1, -1e-300, INFINITY, -INFINITY, 1.1e6};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(places); i++) {
        draft d = usual_draft();
        d.first[1] = places[i][0];
        d.counts[1] = places[i][1];
        expect_refused(&d, "a video's place or rate");
    }
    for (size_t i = 0; i < RIN_COUNT(rates); i++) {
        draft d = usual_draft();
        d.rates[i % 2] = rates[i];
        expect_refused(&d, "a video's place or rate");
    }
}

static void test_wrong_names(void **state) {
    static const char *const names[] = {NULL,
                                        "",
                                        "[",
                                        "{}",
                                        "\"one\"",
                                        "[\"one\"",
                                        "[\"one\"]",
                                        "[\"one\",2]",
                                        "[null,null]",
                                        "[\"a\",[\"b\"]]",
                                        "[1,2]",
                                        "[\"a\",\"b\",\"c\"]",
                                        "[\"a\",\"\"]",
                                        "{\"a\":\"b\",\"c\":\"d\"}"};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        draft d = usual_draft();
        d.names = names[i];
        expect_refused(&d, "name");
    }
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP + 1);
    assert_non_null(deep);
    memset(deep, '[', DEEP);
    deep[DEEP] = '\0';
    draft d = usual_draft();
    d.names = deep;
    expect_refused(&d, "name");
    free(deep);
}

/* Nothing of these is wrong as such. */
static void test_unusual_packs(void **state) {
    (void)state;
    corpus c = corpus_make();
    draft d = usual_draft();
    d.first[1] = 1; /* shares a frame with the other */
    d.counts[0] = 0;
    d.rates[1] = 1e6;
    write_draft(&c, "p.safetensors", &d);
    rin_error error = {0};
    rin_dataset *dataset = open_clips(&c, "p.safetensors", clip_of(3, 1, 0), NULL);
    assert_int_equal(rin_dataset_load_clip(dataset, 0, 0, 4, 4, 1, pixels, &error), RIN_ERR_FORMAT);
    assert_non_null(strstr(error.text, "'one': there are no frames of it"));
    assert_int_equal(rin_dataset_load_clip(dataset, 1, 0, 4, 4, 1, pixels, &error), RIN_OK);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* A rate so low that its length is no number. */
static void test_tiny_rates(void **state) {
    static const double rates[] = {1e-300, 5e-324};
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(rates); i++) {
        corpus c = corpus_make();
        draft d = usual_draft();
        d.rates[1] = rates[i];
        write_draft(&c, "p.safetensors", &d);
        expect_no_videos(&c, "p.safetensors", RIN_ERR_FORMAT, "a video's place or rate");
        corpus_remove(&c);
    }
}

/* Without the waiting for the disk that corpus_add does. */
static void put(const char *path, const char *bytes, size_t n) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, n, stream), n);
    assert_int_equal(fclose(stream), 0);
}

/* Cut at any byte, with any byte of the header or of the places changed: refused or read, but nothing worse. */
static void test_damaged_bytes(void **state) {
    char *bytes;
    size_t n;
    (void)state;
    corpus c = corpus_make();
    draft d = usual_draft();
    write_draft(&c, "p.safetensors", &d);
    char *path = corpus_path(&c, "p.safetensors");
    assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
    for (size_t cut = 0; cut < n; cut++) {
        put(path, bytes, cut);
        expect_no_videos(&c, "p.safetensors", RIN_ERR_FORMAT, "");
    }
    for (size_t at = 0; at < n; at++) {
        static const uint8_t by[] = {1, 0x80};
        if (at > 500 && at < n - 60) continue; /* pixels */
        for (size_t k = 0; k < RIN_COUNT(by); k++) {
            rin_dataset *dataset;
            rin_error error = {0};
            const rin_dataset_options options = {.clip = clip_of(2, 1, 0)};
            bytes[at] = (char)((uint8_t)bytes[at] ^ by[k]);
            put(path, bytes, n);
            bytes[at] = (char)((uint8_t)bytes[at] ^ by[k]);
            rin_status status = rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error);
            if (status != RIN_OK) {
                assert_true(status == RIN_ERR_FORMAT || status == RIN_ERR_UNSUPPORTED);
                continue;
            }
            for (size_t i = 0; i < rin_dataset_count(dataset); i++)
                (void)!rin_dataset_load_clip(dataset, i, 0, 4, 4, 3, pixels, &error);
            rin_dataset_close(dataset);
        }
    }
    rin_free(bytes);
    rin_free(path);
    corpus_remove(&c);
}

/* ---- a pack that is cut while it is open ---- */

static void test_shrinking(void **state) {
    static const off_t lengths[] = {6000, 4096, 100, 0};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    corpus_add_video(&c, "set/a.mp4", "plain.mp4");
    corpus_add_video(&c, "set/b.mkv", "plain.mkv");
    rin_dataset *dataset = open_clips(&c, "set", clip_of(4, 1, 0), NULL);
    for (size_t i = 0; i < RIN_COUNT(lengths); i++) {
        rin_loader *loader;
        rin_image image;
        rin_error error = {0};
        pack(&c, dataset, "p.safetensors", usual());
        char *path = corpus_path(&c, "p.safetensors");
        rin_dataset *packed = open_clips(&c, "p.safetensors", clip_of(4, 1, 0), NULL);
        assert_int_equal(rin_dataset_load_clip(packed, 1, 4, SMALL, SMALL, 3, pixels, &error), RIN_OK);
        assert_int_equal(truncate(path, lengths[i]), 0);
        assert_int_equal(rin_dataset_load_clip(packed, 1, 4, SMALL, SMALL, 3, pixels, &error), RIN_ERR_IO);
        assert_non_null(strstr(error.text, "shrank"));
        assert_int_equal(rin_dataset_decode(packed, 1, &image, &error), i == 0 ? RIN_OK : RIN_ERR_IO);
        rin_image_clear(&image);
        const rin_loader_options o = {
            .height = SMALL, .width = SMALL, .channels = 3, .batch = 2, .workers = 1, .cache_bytes = 1 << 20};
        rin_status status = rin_loader_create(packed, &o, &loader, &error);
        if (lengths[i] < 4096) assert_int_equal(status, RIN_ERR_IO);
        rin_loader_free(loader);
        rin_dataset_close(packed);
        rin_free(path);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_in_it),
        cmocka_unit_test(test_other_sizes_and_rates),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_a_file_that_claims_too_much),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_wrong_frames),
        cmocka_unit_test(test_wrong_rows),
        cmocka_unit_test(test_wrong_places_and_rates),
        cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_unusual_packs),
        cmocka_unit_test(test_tiny_rates),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_shrinking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
