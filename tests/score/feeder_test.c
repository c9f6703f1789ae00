/* SPDX-License-Identifier: MIT */
/* The feeder: batches in the order of the pictures, what is left out of them, and ends that come early. */
#include <stdlib.h>
#include <unistd.h>

#include "support/check.h"

#include "data/corpus.h"
#include "score/feeder.h"

enum { INPUT = RIN_INCEPTION_SIDE * RIN_INCEPTION_SIDE * 3, MOST = 64 };

static const rin_intake intake = {RIN_NETWORK_INCEPTION, RIN_PREPROCESS_TF, 0, INPUT};

typedef struct scene {
    corpus c;
    remarks said;
    rin_loading loading;
    rin_pictures *pictures;
    rin_feeder *feeder;
} scene;

static scene scene_make(void) {
    return (scene){.c = corpus_make()};
}

static void scene_open(scene *s, const char *name, int64_t batch) {
    rin_error error = {0};
    s->loading = (rin_loading){.listener = {.on_log = remarks_add, .user = &s->said}};
    const rin_pictures_options options = {.loading = &s->loading};
    char *path = corpus_path(&s->c, name);
    assert_ok(rin_pictures_open(path, &options, &s->pictures, &error), &error);
    assert_ok(rin_feeder_create(s->pictures, &intake, batch, &s->loading, &s->feeder, &error), &error);
    rin_free(path);
}

static void scene_close(scene *s) {
    rin_feeder_free(s->feeder);
    rin_pictures_close(s->pictures);
    corpus_remove(&s->c);
}

/* The value of the flat picture that an input was made of: of its last pixel, which no other column is mixed into. */
static int value_of(const float *input) {
    return (int)(input[INPUT - 1] * 128 + 128);
}

/* The values of one batch; 0 at the end. */
static int64_t next(scene *s, int values[MOST], int64_t *done) {
    rin_error error = {0};
    const float *inputs;
    int64_t n;
    assert_ok(rin_feeder_next(s->feeder, &inputs, &n, done, &error), &error);
    for (int64_t i = 0; i < n; i++) values[i] = value_of(inputs + i * INPUT);
    return n;
}

static void expect_batches(scene *s, const int *values, const int *sizes, const int *dones) {
    int got[MOST];
    int64_t done;
    for (int b = 0; sizes[b]; b++) {
        assert_int_equal(next(s, got, &done), sizes[b]);
        assert_int_equal(done, dones[b]);
        for (int i = 0; i < sizes[b]; i++) assert_int_equal(got[i], *values++);
    }
    for (int i = 0; i < 2; i++) assert_int_equal(next(s, got, &done), 0); /* and stays at the end */
}

static void test_order(void **state) {
    (void)state;
    static const int values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, sizes[] = {2, 2, 2, 2, 2, 1, 0},
                     dones[] = {2, 4, 6, 8, 10, 11};
    char sizes_text[RIN_SIZES_TEXT];
    scene s = scene_make();
    corpus_add_many(&s.c, 4, 11);
    scene_open(&s, "", 2);
    expect_batches(&s, values, sizes, dones);
    rin_feeder_sizes(s.feeder, sizes_text);
    assert_string_equal(sizes_text, "4x4");
    scene_close(&s);
}

static void test_inputs_are_those_of_the_network(void **state) {
    (void)state;
    rin_error error = {0};
    const float *inputs;
    int64_t n, done;
    scene s = scene_make();
    corpus_add_png(&s.c, "a.png", 7, 9);
    corpus_add_png(&s.c, "b.png", 5, 8);
    scene_open(&s, "", 4);
    assert_ok(rin_feeder_next(s.feeder, &inputs, &n, &done, &error), &error);
    assert_int_equal(n, 2);
    float pixels[7 * 7 * 3], *wanted = test_malloc(INPUT * sizeof *wanted);
    for (int i = 0; i < 7 * 7 * 3; i++) pixels[i] = i / 3 % 7 ? 9 : 246;
    assert_ok(rin_inception_input(RIN_PREPROCESS_TF, pixels, 7, 7, wanted, &error), &error);
    assert_memory_equal(inputs, wanted, INPUT * sizeof *wanted);
    test_free(wanted);
    char sizes[RIN_SIZES_TEXT];
    rin_feeder_sizes(s.feeder, sizes);
    assert_string_equal(sizes, "5x5 to 7x7");
    scene_close(&s);
}

static void break_pictures(const corpus *c, const int *which, int n) {
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.png", which[i]);
        corpus_add(c, name, "no picture", 10);
    }
}

/* Broken ones are named and left out, also a whole batch of them, the first and the last. */
static void test_broken_are_left_out(void **state) {
    (void)state;
    static const int broken[] = {0, 4, 5, 6, 7, 9, 12}, values[] = {1, 2, 3, 8, 10, 11}, sizes[] = {3, 3, 0},
                     dones[] = {4, 12};
    scene s = scene_make();
    corpus_add_many(&s.c, 4, 13);
    break_pictures(&s.c, broken, RIN_COUNT(broken));
    scene_open(&s, "", 4);
    expect_batches(&s, values, sizes, dones);
    assert_int_equal(s.said.n_warnings, RIN_COUNT(broken));
    assert_non_null(strstr(s.said.text, "broken, left out: "));
    assert_non_null(strstr(s.said.text, "012.png"));
    scene_close(&s);
}

static void test_nothing_but_broken(void **state) {
    (void)state;
    static const int broken[] = {0, 1, 2, 3, 4, 5, 6, 7}, none[] = {0};
    scene s = scene_make();
    break_pictures(&s.c, broken, RIN_COUNT(broken));
    scene_open(&s, "", 1);
    expect_batches(&s, none, none, none);
    scene_close(&s);
}

/* A file that is gone is no broken picture: what was listed is not what is measured. */
static void test_failures_end_it(void **state) {
    (void)state;
    rin_error error = {0};
    const float *inputs;
    int64_t n, done;
    scene s = scene_make();
    corpus_add_many(&s.c, 4, 3);
    s.loading = (rin_loading){.listener = {.on_log = remarks_add, .user = &s.said}};
    const rin_pictures_options options = {.loading = &s.loading};
    assert_ok(rin_pictures_open(s.c.root, &options, &s.pictures, &error), &error);
    char *path = corpus_path(&s.c, "001.png");
    assert_int_equal(unlink(path), 0);
    rin_free(path);
    assert_ok(rin_feeder_create(s.pictures, &intake, 3, &s.loading, &s.feeder, &error), &error);
    assert_refused(rin_feeder_next(s.feeder, &inputs, &n, &done, &error), RIN_ERR_IO, &error, "001.png");
    assert_int_equal(n, 0);
    assert_int_equal(s.said.n_warnings, 0);
    scene_close(&s);
}

/* Whoever is done early leaves the rest; threads may be anywhere then. */
static void test_freed_early(void **state) {
    (void)state;
    int values[MOST];
    int64_t done;
    for (int batches = 0; batches < 4; batches++) {
        scene s = scene_make();
        corpus_add_many(&s.c, 3, 12);
        scene_open(&s, "", 2);
        for (int i = 0; i < batches; i++) assert_int_equal(next(&s, values, &done), 2);
        scene_close(&s);
    }
    rin_feeder_free(NULL);
}

/* Each picture takes long, so that the batch is waited for when the listener's word comes. */
static void test_stopped(void **state) {
    (void)state;
    rin_error error = {0};
    const float *inputs;
    int64_t n, done;
    scene s = scene_make();
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.png", i);
        corpus_add_png(&s.c, name, 1500, i);
    }
    scene_open(&s, "", 6);
    atomic_store(&s.loading.cancel, true);
    assert_refused(rin_feeder_next(s.feeder, &inputs, &n, &done, &error), RIN_ERR_CANCELLED, &error, "stopped");
    assert_int_equal(n, 0);
    scene_close(&s);
}

/* A stream is read by whichever thread claims the next picture. */
static void test_pictures_in_order(void **state) {
    (void)state;
    enum { N = 17 };
    static uint8_t bytes[N * 2 * 2 * 3];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i / 12 * 3);
    scene s = scene_make();
    char *path = corpus_path(&s.c, "a.npz");
    rin_error error = {0};
    const rin_npz_item item = {.name = "arr_0", .bytes = bytes, .rank = 4, .shape = {N, 2, 2, 3}};
    assert_ok(rin_npz_write(path, &item, 1, &error), &error);
    rin_free(path);
    scene_open(&s, "a.npz", 4);
    int values[MOST];
    int64_t done;
    for (int i = 0; i < N;) {
        int64_t n = next(&s, values, &done);
        assert_int_equal(n, RIN_MIN(4, N - i));
        for (int64_t k = 0; k < n; k++) assert_int_equal(values[k], 3 * i++);
    }
    assert_int_equal(next(&s, values, &done), 0);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_inputs_are_those_of_the_network),
        cmocka_unit_test(test_broken_are_left_out),
        cmocka_unit_test(test_nothing_but_broken),
        cmocka_unit_test(test_failures_end_it),
        cmocka_unit_test(test_freed_early),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_pictures_in_order),
    };
    return cmocka_run_group_tests_name("score/feeder", tests, NULL, NULL);
}
