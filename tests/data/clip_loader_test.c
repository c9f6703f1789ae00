/* SPDX-License-Identifier: MIT */
/* Tests of the loader of clips: the same bits from everywhere, where clips begin, given frames, broken videos. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/videos.h"
#include "video/video.h"

/* Batches of B clips, N of them; of each clip GIVEN frames are given. */
enum { B = 3, N = 12, FRAMES = 5, GIVEN = 2, MADE = FRAMES - GIVEN };

static rin_loader_options usual(void) {
    return (rin_loader_options){.height = SMALL,
                                .width = SMALL,
                                .channels = 3,
                                .given = GIVEN,
                                .batch = B,
                                .seed = 11,
                                .workers = 1,
                                .cache_bytes = 1};
}

static rin_loader *make(const rin_dataset *dataset, rin_loader_options options) {
    rin_loader *loader;
    rin_error error = {0};
    if (rin_loader_create(dataset, &options, &loader, &error) != RIN_OK) fail_msg("%s", error.text);
    return loader;
}

static rin_batch next(rin_loader *loader) {
    rin_batch batch;
    rin_error error = {0};
    if (rin_loader_next(loader, &batch, &error) != RIN_OK) fail_msg("%s", error.text);
    return batch;
}

/* What is handed out, from one batch to another. */
typedef struct record {
    size_t items[N * B];
    float given[N * B * GIVEN * SMALL_ELEMENTS], made[N * B * MADE * SMALL_ELEMENTS];
} record;

static void collect(const rin_dataset *dataset, rin_loader_options o, int n, record *to, size_t *n_cached) {
    enum { N_GIVEN = B * GIVEN * SMALL_ELEMENTS, N_MADE = B * MADE * SMALL_ELEMENTS };
    rin_loader *loader = make(dataset, o);
    *n_cached = rin_loader_n_cached(loader);
    for (int k = 0; k < n; k++) {
        rin_batch batch = next(loader);
        assert_int_equal(batch.number, o.start_batch + (uint64_t)k);
        memcpy(to->items + k * B, batch.items, B * sizeof *to->items);
        memcpy(to->given + k * N_GIVEN, batch.given, N_GIVEN * sizeof(float));
        memcpy(to->made + k * N_MADE, batch.images, N_MADE * sizeof(float));
        for (int i = 0; i < B; i++) assert_int_equal(batch.labels[i], -1);
    }
    rin_loader_free(loader);
}

static void expect_same(const record *a, const record *whole, int from, const char *what) {
    for (int i = 0; i < (N - from) * B; i++) {
        int j = i + from * B;
        bool same = a->items[i] == whole->items[j] &&
                    memcmp(a->given + i * GIVEN * SMALL_ELEMENTS, whole->given + j * GIVEN * SMALL_ELEMENTS,
                           GIVEN * SMALL_ELEMENTS * sizeof(float)) == 0 &&
                    memcmp(a->made + i * MADE * SMALL_ELEMENTS, whole->made + j * MADE * SMALL_ELEMENTS,
                           MADE * SMALL_ELEMENTS * sizeof(float)) == 0;
        if (!same)
            fail_msg("%s: example %d, video %zu, is another than video %zu", what, j, a->items[i], whole->items[j]);
    }
}

/* ---- the videos ---- */

static const struct {
    const char *name, *fixture;
    bool whole;
} videos[] = {
    {"a/plain.mp4", "plain.mp4", true}, {"b.mkv", "plain.mkv", true},    {"c.gif", "plain.gif", true},
    {"d.webp", "plain.webp", true},     {"e.mkv", "variable.mkv", true}, {"f.gif", "hold.gif", true},
    {"h.264", "raw.h264", true},        {"i.mp4", "turned.mp4", true},   {"j.mp4", "cut.mp4", false},
    {"k.mp4", "text.mp4", false},       {"l.ts", "broken.ts", false},    {"m.mp4", "short.mp4", false},
};

/* 12 seconds: a time in the middle is jumped to. Their own levels, 4 apart. */
static void add_long(const corpus *c, const char *name) {
    enum { FRAMES_IN_ALL = 60, W = 48, H = 32 };
    static uint8_t grey[FRAMES_IN_ALL * W * H];
    rin_error error = {0};
    for (int i = 0; i < FRAMES_IN_ALL * W * H; i++) grey[i] = (uint8_t)(16 + 4 * (i / (W * H)));
    const rin_movie movie = {.pixels = grey, .n = FRAMES_IN_ALL, .width = W, .height = H, .channels = 1, .rate = 5};
    char *path = corpus_path(c, name);
    if (rin_video_write(path, &movie, NULL, &error) != RIN_OK) fail_msg("%s", error.text);
    rin_free(path);
}

/* The files in the folder "set" and the archive "set.tar". */
static corpus make_sets(bool whole_only) {
    corpus c = corpus_make();
    char *folder = corpus_path(&c, "set"), *path = corpus_path(&c, "set/g.mp4"), *bytes;
    size_t n;
    assert_int_equal(rin_dir_create(folder, NULL), RIN_OK);
    packer p = packer_open(&c, "set.tar", "tar");
    for (size_t i = 0; i < RIN_COUNT(videos); i++) {
        char name[128];
        if (whole_only && !videos[i].whole) continue;
        snprintf(name, sizeof name, "set/%s", videos[i].name);
        corpus_add_video(&c, name, videos[i].fixture);
        packer_add_video(&p, videos[i].name, videos[i].fixture);
    }
    corpus_add_pictures(&c, "set/numbered/", "%d.png");
    packer_add_pictures(&p, "numbered/");
    add_long(&c, "set/g.mp4");
    assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
    packer_add(&p, "g.mp4", bytes, n);
    packer_close(&p);
    rin_free(bytes);
    rin_free(path);
    rin_free(folder);
    return c;
}

static const rin_clip clips[] = {{FRAMES, 1, 0}, {FRAMES, 2, 8}};

/* ---- the same bits ---- */

static void test_same_bits_for_any_workers_cache_and_start(void **state) {
    static record whole, part;
    static const int starts[] = {0, 5, 9};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = make_sets(false);
    for (size_t k = 0; k < RIN_COUNT(clips); k++) {
        size_t n_cached;
        rin_dataset *dataset = open_clips(&c, "set", clips[k], NULL);
        collect(dataset, usual(), N, &whole, &n_cached);
        assert_int_equal(n_cached, 0);
        for (int i = 0; i < 3; i++) {
            for (int cached = 0; cached < 2; cached++) {
                rin_loader_options o = usual();
                o.workers = i + 1;
                o.start_batch = (uint64_t)starts[i];
                o.cache_bytes = cached ? 1 << 26 : 1;
                collect(dataset, o, N - starts[i], &part, &n_cached);
                assert_int_equal(n_cached, cached ? RIN_COUNT(videos) + 1 : 0); /* all but the one that is a text */
                expect_same(&part, &whole, starts[i], cached ? "cached" : "decoded");
            }
        }
        rin_dataset_close(dataset);
        dataset = open_clips(&c, "set.tar", clips[k], NULL);
        for (int cached = 0; cached < 2; cached++) {
            rin_loader_options o = usual();
            o.cache_bytes = cached ? 1 << 26 : 1;
            collect(dataset, o, N, &part, &n_cached);
            expect_same(&part, &whole, 0, "from a tar");
        }
        rin_dataset_close(dataset);
    }
    corpus_remove(&c);
}

static void test_same_bits_from_a_pack(void **state) {
    static record whole, part;
    static const char *const sources[] = {"set", "set.tar"};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = make_sets(true);
    char *path = corpus_path(&c, "packed.safetensors");
    for (size_t k = 0; k < RIN_COUNT(clips); k++) {
        size_t n_videos, n_cached;
        int64_t n_frames;
        rin_error error = {0};
        rin_dataset *dataset = open_clips(&c, sources[k], clips[k], NULL);
        const rin_pack_options options = {.height = SMALL, .width = SMALL, .channels = 3};
        if (rin_dataset_pack(dataset, path, &options, &n_videos, &n_frames, &error) != RIN_OK)
            fail_msg("%s", error.text);
        assert_int_equal(n_videos, rin_dataset_count(dataset));
        collect(dataset, usual(), N, &whole, &n_cached);
        rin_dataset_close(dataset);
        dataset = open_clips(&c, "packed.safetensors", clips[k], NULL);
        for (int cached = 0; cached < 2; cached++) {
            rin_loader_options o = usual();
            o.cache_bytes = cached ? 1 << 26 : 1;
            o.workers = 2;
            collect(dataset, o, N, &part, &n_cached);
            expect_same(&part, &whole, 0, "from a pack");
        }
        rin_dataset_close(dataset);
    }
    rin_free(path);
    corpus_remove(&c);
}

/* ---- which videos, and where in them ---- */

static void test_every_video_once_an_epoch(void **state) {
    enum { EPOCHS = 6 };
    static const char *const fixtures[] = {"plain.mp4", "plain.gif", "plain.webp", "long.mp4", "variable.mkv"};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    for (size_t i = 0; i < RIN_COUNT(fixtures); i++) corpus_add_video(&c, fixtures[i], fixtures[i]);
    rin_dataset *dataset = open_clips(&c, "", clip_of(FRAMES, 1, 0), NULL);
    rin_loader *loader = make(dataset, usual());
    int64_t starts[EPOCHS][5];
    int n_same = 0, seen[EPOCHS][5] = {{0}};
    for (int x = 0; x < EPOCHS * 5;) {
        rin_batch batch = next(loader);
        for (int i = 0; i < B && x < EPOCHS * 5; i++, x++) {
            seen[x / 5][batch.items[i]]++;
            starts[x / 5][batch.items[i]] = number_of(batch.given + (size_t)i * GIVEN * SMALL_ELEMENTS, SMALL, 3);
        }
    }
    for (int x = 0; x < EPOCHS * 5; x++) {
        assert_int_equal(seen[x / 5][x % 5], 1);
        if (x >= 5) n_same += starts[x / 5][x % 5] == starts[x / 5 - 1][x % 5];
    }
    assert_true(n_same < 8); /* of 25; by chance 1 or 2 are */
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* All possible beginnings about equally often. */
static void test_beginnings(void **state) {
    enum { STARTS = 24, DRAWS = 4800, EACH = DRAWS / STARTS }; /* 28 frames, of which 5 are taken */
    NEEDS_FFMPEG();
    (void)state;
    rin_dataset *dataset = open_fixture("long.mp4", clip_of(FRAMES, 1, 0));
    rin_loader_options o = usual();
    o.cache_bytes = 1 << 24;
    o.batch = 100;
    rin_loader *loader = make(dataset, o);
    int counts[STARTS] = {0};
    for (int k = 0; k < DRAWS / o.batch; k++) {
        rin_batch batch = next(loader);
        for (int i = 0; i < o.batch; i++) {
            const float *given = batch.given + (size_t)i * GIVEN * SMALL_ELEMENTS;
            const float *made = batch.images + (size_t)i * MADE * SMALL_ELEMENTS;
            int64_t first = number_of(given, SMALL, 3);
            assert_true(first >= 0 && first < STARTS);
            counts[first]++;
            for (int f = 1; f < FRAMES; f++) {
                const float *frame = f < GIVEN ? given + f * SMALL_ELEMENTS : made + (f - GIVEN) * SMALL_ELEMENTS;
                assert_int_equal(number_of(frame, SMALL, 3), first + f);
            }
        }
    }
    for (int i = 0; i < STARTS; i++) assert_in_range(counts[i], EACH - 70, EACH + 70); /* 5 standard deviations */
    rin_loader_free(loader);
    rin_dataset_close(dataset);
}

/* Where clips begin is a fixed function of the seed: a change would break the resumption of older runs. */
static void test_beginnings_are_frozen(void **state) {
    static const int wanted[9] = {19, 19, 20, 16, 20, 6, 13, 6, 16};
    NEEDS_FFMPEG();
    (void)state;
    rin_dataset *dataset = open_fixture("long.mp4", clip_of(FRAMES, 1, 0));
    rin_loader_options o = usual();
    o.batch = 9;
    rin_loader *loader = make(dataset, o);
    rin_batch batch = next(loader);
    for (int i = 0; i < 9; i++)
        assert_int_equal(number_of(batch.given + (size_t)i * GIVEN * SMALL_ELEMENTS, SMALL, 3), wanted[i]);
    rin_loader_free(loader);
    rin_dataset_close(dataset);
}

/* Without given frames there is one block; and numbers go on from one to the other, whatever their shares. */
static void test_given_frames(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    for (int given = 0; given < FRAMES; given++) {
        for (int step = 1; step <= 3; step += 2) {
            rin_dataset *dataset = open_fixture("plain.mp4", clip_of(FRAMES, step, 0));
            rin_loader_options o = usual();
            o.given = given;
            o.channels = step == 3 ? 1 : 3;
            rin_loader *loader = make(dataset, o);
            rin_batch batch = next(loader);
            size_t n = SMALL * SMALL * (size_t)o.channels, made = (size_t)(FRAMES - given);
            for (size_t i = 0; i < B; i++) {
                int64_t numbers[FRAMES];
                for (size_t f = 0; f < FRAMES; f++) {
                    bool is_given = f < (size_t)given;
                    const float *frame = is_given ? batch.given + (i * (size_t)given + f) * n
                                                  : batch.images + (i * made + f - (size_t)given) * n;
                    numbers[f] = number_of(frame, SMALL, o.channels);
                    assert_int_equal(numbers[f], numbers[0] + (int64_t)f * step);
                }
            }
            rin_loader_free(loader);
            rin_dataset_close(dataset);
        }
    }
}

static void test_videos_are_not_mirrored(void **state) {
    static record straight, flipped;
    size_t n_cached;
    NEEDS_FFMPEG();
    (void)state;
    rin_dataset *dataset = open_fixture("plain.mp4", clip_of(FRAMES, 1, 0));
    rin_loader_options o = usual();
    collect(dataset, o, N, &straight, &n_cached);
    o.flip = true;
    collect(dataset, o, N, &flipped, &n_cached);
    expect_same(&flipped, &straight, 0, "to be flipped");
    o.flip = false;
    o.seed = 12;
    collect(dataset, o, N, &flipped, &n_cached);
    assert_memory_not_equal(flipped.made, straight.made, sizeof straight.made);
    rin_dataset_close(dataset);
}

static void test_cache_bound(void **state) {
    enum { FRAMES_IN_ALL = 20 + 23 };
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    corpus_add_video(&c, "a.mp4", "plain.mp4");
    corpus_add_video(&c, "b.gif", "hold.gif");
    rin_dataset *dataset = open_clips(&c, "", clip_of(FRAMES, 1, 0), NULL);
    const uint64_t bytes[] = {0, FRAMES_IN_ALL * SMALL_ELEMENTS - 1, FRAMES_IN_ALL * SMALL_ELEMENTS};
    for (int i = 0; i < 3; i++) {
        rin_loader_options o = usual();
        o.cache_bytes = bytes[i];
        rin_loader *loader = make(dataset, o);
        assert_int_equal(rin_loader_n_cached(loader), i == 2 ? 2 : 0);
        rin_loader_free(loader);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- broken videos ---- */

static void test_broken_videos_are_replaced(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    corpus_add_video(&c, "0.mp4", "plain.mp4");
    corpus_add_video(&c, "1.mp4", "text.mp4");
    corpus_add_video(&c, "2.mp4", "one.mp4"); /* too short */
    corpus_add_video(&c, "3.gif", "plain.gif");
    corpus_add_video(&c, "4.mp4", "sound.mp4");
    corpus_add_video(&c, "5.mp4", "empty.mp4");
    rin_dataset *dataset = open_clips(&c, "", clip_of(FRAMES, 1, 0), NULL);
    for (int cached = 0; cached < 2; cached++) {
        remarks r = {0};
        rin_loader_options o = usual();
        o.batch = 6;
        o.cache_bytes = cached ? 1 << 20 : 0;
        o.log = (rin_log){remarks_add, &r};
        rin_loader *loader = make(dataset, o);
        for (int k = 0; k < 5; k++) {
            rin_batch batch = next(loader);
            int seen[6] = {0};
            for (int i = 0; i < 6; i++) seen[batch.items[i]]++;
            static const int wanted[6] = {3, 0, 0, 3, 0, 0}; /* 1 and 2 become 3; 4 and 5 become 0 */
            assert_memory_equal(seen, wanted, sizeof seen);
        }
        assert_int_equal(rin_loader_n_broken(loader), 4);
        rin_loader_free(loader);
        static const char *const named[] = {"'1.mp4'", "'2.mp4': too short", "'4.mp4'", "'5.mp4'"};
        for (size_t i = 0; i < RIN_COUNT(named); i++) {
            if (!strstr(r.text, named[i])) fail_msg("'%s' is not in: %s", named[i], r.text);
        }
        assert_int_equal(r.n_warnings, 4);
        assert_non_null(strstr(r.text, "broken video, replaced by the next one"));
    }
    rin_loader_options o = usual();
    rin_error error = {0};
    rin_loader *loader;
    rin_batch batch;
    o.strict = true;
    o.batch = 6;
    if (rin_loader_create(dataset, &o, &loader, &error) != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(rin_loader_next(loader, &batch, &error), RIN_ERR_FORMAT);
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_nothing_left(void **state) {
    static const char *const fixtures[] = {"text.mp4", "one.mp4", "sound.mp4"};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    for (size_t i = 0; i < RIN_COUNT(fixtures); i++) corpus_add_video(&c, fixtures[i], fixtures[i]);
    rin_dataset *dataset = open_clips(&c, "", clip_of(FRAMES, 1, 0), NULL);
    for (int cached = 0; cached < 2; cached++) {
        rin_loader *loader;
        rin_error error = {0};
        rin_loader_options o = usual();
        o.cache_bytes = (uint64_t)cached << 20;
        assert_int_equal(rin_loader_create(dataset, &o, &loader, &error), RIN_ERR_FORMAT);
        assert_non_null(strstr(error.text, "none of the data set's 3 videos can be used"));
        assert_null(loader);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* A picture of a folder that is damaged: what is handed out must not depend on whether a clip with it came before. */
static void test_a_damaged_picture(void **state) {
    static record whole, part;
    size_t n_cached;
    (void)state;
    corpus c = corpus_make();
    corpus_add_pictures(&c, "0/", "%d.png");
    corpus_add_pictures(&c, "1/", "%d.png");
    corpus_add(&c, "1/11.png", "broken", 6);
    rin_dataset *dataset = open_clips(&c, "", clip_of(FRAMES, 1, 0), NULL);
    collect(dataset, usual(), N, &whole, &n_cached);
    for (int i = 0; i < 4; i++) {
        rin_loader_options o = usual();
        o.cache_bytes = i % 2 ? 1 << 26 : 1;
        o.start_batch = i < 2 ? 0 : 7;
        collect(dataset, o, N - (int)o.start_batch, &part, &n_cached);
        expect_same(&part, &whole, (int)o.start_batch, i % 2 ? "cached" : "decoded");
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_wrong_options(void **state) {
    static const int wrong[] = {-1, FRAMES, FRAMES + 1};
    (void)state;
    rin_dataset *dataset = open_fixture("numbered", clip_of(FRAMES, 1, 0));
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        rin_loader *loader;
        rin_error error = {0};
        rin_loader_options o = usual();
        o.given = wrong[i];
        assert_int_equal(rin_loader_create(dataset, &o, &loader, &error), RIN_ERR_ARG);
        assert_non_null(strstr(error.text, "allowed are 0 to 4"));
        assert_null(loader);
    }
    rin_dataset_close(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_for_any_workers_cache_and_start),
        cmocka_unit_test(test_same_bits_from_a_pack),
        cmocka_unit_test(test_every_video_once_an_epoch),
        cmocka_unit_test(test_beginnings),
        cmocka_unit_test(test_beginnings_are_frozen),
        cmocka_unit_test(test_given_frames),
        cmocka_unit_test(test_videos_are_not_mirrored),
        cmocka_unit_test(test_cache_bound),
        cmocka_unit_test(test_broken_videos_are_replaced),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_a_damaged_picture),
        cmocka_unit_test(test_wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
