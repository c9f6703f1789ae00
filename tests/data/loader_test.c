/* SPDX-License-Identifier: MIT */
/* Tests of the loader: order, flips, exact resume, cache, broken images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/loading.h"

/* ---- order ---- */

static void test_epochs_are_permutations(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 10);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    size_t items[60];
    static float images[60 * ELEMENTS];
    collect(dataset, usual(4), 15, items, images); /* six epochs; batches cross their borders */
    int n_same = 0;
    for (int epoch = 0; epoch < 6; epoch++) {
        int seen[10] = {0};
        for (int i = 0; i < 10; i++) seen[items[10 * epoch + i]]++;
        for (int i = 0; i < 10; i++) assert_int_equal(seen[i], 1);
        n_same += epoch && memcmp(items, items + 10 * epoch, 10 * sizeof *items) == 0;
    }
    assert_int_equal(n_same, 0);
    for (size_t i = 0; i < 60; i++) {
        assert_true(images[i * ELEMENTS + 3] == (float)items[i] / 255.0f);
        assert_true(images[i * ELEMENTS] == (float)(255 - items[i]) / 255.0f); /* not mirrored */
    }
    rin_loader_options other = usual(4);
    other.seed = 12;
    size_t others[60];
    collect(dataset, other, 15, others, images);
    assert_memory_not_equal(items, others, sizeof items);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* Every item comes first about equally often over many epochs. */
static void test_shuffle_is_even(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 5);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader_options o = usual(5);
    o.cache_bytes = 1 << 20;
    rin_loader *loader = make(dataset, o);
    int first[5] = {0};
    for (int epoch = 0; epoch < 2000; epoch++) first[next(loader).items[0]]++;
    for (int i = 0; i < 5; i++) assert_in_range(first[i], 400 - 90, 400 + 90); /* 5 standard deviations */
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_same_bytes_for_any_workers_cache_and_start(void **state) {
    (void)state;
    enum { B = 7, N = 12 };
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE + 3, 9); /* resampled: kept as float */
    rin_dataset *dataset = open_logged(&c, "", NULL);
    static size_t items[B * N], again[B * N];
    static float images[B * N * ELEMENTS], images_again[B * N * ELEMENTS];
    rin_loader_options o = usual(B);
    o.flip = true;
    collect(dataset, o, N, items, images);
    for (int workers = 0; workers <= 3; workers++) {
        for (uint64_t start = 0; start < 9; start += 4) {
            for (int cached = 0; cached < 3; cached++) {
                o.workers = workers;
                o.start_batch = start;
                o.cache_bytes = (uint64_t)cached << 20;
                size_t n = N - start, n_examples = n * B;
                collect(dataset, o, (int)n, again, images_again);
                assert_memory_equal(again, items + start * B, n_examples * sizeof *items);
                size_t n_bytes = n_examples * ELEMENTS * sizeof *images;
                assert_memory_equal(images_again, images + start * B * ELEMENTS, n_bytes);
            }
        }
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_batch_larger_than_the_set(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 3);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    size_t items[40];
    static float images[40 * ELEMENTS];
    rin_loader_options o = usual(20);
    o.workers = 3;
    collect(dataset, o, 2, items, images);
    for (int epoch = 0; epoch < 13; epoch++) {
        int seen[3] = {0};
        for (int i = 0; i < 3; i++) seen[items[3 * epoch + i]]++;
        assert_true(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_flips(void **state) {
    (void)state;
    enum { N = 400 };
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 4);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader_options o = usual(N);
    o.flip = true;
    rin_loader *loader = make(dataset, o);
    rin_batch batch = next(loader);
    int n_flipped = 0;
    for (size_t i = 0; i < N; i++) {
        const float *image = batch.images + i * ELEMENTS;
        float edge = (float)(255 - batch.items[i]) / 255.0f, rest = (float)batch.items[i] / 255.0f;
        bool flipped = image[0] == rest;
        n_flipped += flipped;
        for (int p = 0; p < ELEMENTS; p++) {
            bool is_edge = p / 3 % SIDE == (flipped ? SIDE - 1 : 0);
            assert_true(image[p] == (is_edge ? edge : rest));
        }
    }
    assert_in_range(n_flipped, N / 2 - 50, N / 2 + 50); /* 5 standard deviations */
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_labels(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_png(&c, "x/0.png", SIDE, 0);
    corpus_add_png(&c, "y/1.png", SIDE, 1);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader *loader = make(dataset, usual(2));
    rin_batch batch = next(loader);
    for (int i = 0; i < 2; i++) assert_int_equal(batch.labels[i], (int)batch.items[i]);
    assert_true(rin_loader_wait_seconds(loader) >= 0);
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- cache ---- */

static void test_cache_bound(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 6);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader_options o = usual(2);
    const uint64_t bytes[] = {0, 6 * ELEMENTS - 1, 6 * ELEMENTS};
    for (int i = 0; i < 3; i++) { /* a byte a number: nothing is resampled */
        o.cache_bytes = bytes[i];
        rin_loader *loader = make(dataset, o);
        assert_int_equal(rin_loader_n_cached(loader), i == 2 ? 6 : 0);
        rin_loader_free(loader);
    }
    corpus_add_png(&c, "005.png", SIDE + 1, 5); /* the last one needs four */
    rin_loader *loader = make(dataset, o);
    assert_int_equal(rin_loader_n_cached(loader), 5);
    for (int k = 0; k < 6; k++) (void)next(loader);
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- broken images ---- */

static void test_broken_images_are_replaced(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 6);
    corpus_add(&c, "002.png", "broken", 6);
    corpus_add(&c, "003.png", "broken", 6);
    corpus_add(&c, "005.png", "", 0);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    for (int cached = 0; cached < 2; cached++) {
        remarks r = {0};
        rin_loader_options o = usual(6);
        o.cache_bytes = (uint64_t)cached << 20;
        o.log = (rin_log){remarks_add, &r};
        rin_loader *loader = make(dataset, o);
        for (int k = 0; k < 5; k++) {
            rin_batch batch = next(loader);
            int seen[6] = {0};
            for (int i = 0; i < 6; i++) seen[batch.items[i]]++;
            static const int wanted[6] = {2, 1, 0, 0, 3, 0}; /* 5 becomes 0; 2 and 3 become 4 */
            assert_memory_equal(seen, wanted, sizeof seen);
        }
        assert_int_equal(rin_loader_n_broken(loader), 3);
        rin_loader_free(loader);
        assert_int_equal(r.n_warnings, 3);
        assert_non_null(strstr(r.text, "'002.png'"));
        assert_non_null(strstr(r.text, "'005.png'"));
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_not_all_of_many_broken_images_are_named(void **state) {
    (void)state;
    enum { BROKEN = 230, NAMED = 200 };
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 2);
    for (int i = 0; i < BROKEN; i++) {
        char name[32];
        snprintf(name, sizeof name, "broken-%03d.png", i);
        corpus_add(&c, name, "broken", 6);
    }
    rin_dataset *dataset = open_logged(&c, "", NULL);
    remarks r = {0};
    rin_loader_options o = usual(BROKEN + 2);
    o.log = (rin_log){remarks_add, &r};
    rin_loader *loader = make(dataset, o);
    (void)next(loader);
    assert_int_equal(rin_loader_n_broken(loader), BROKEN);
    rin_loader_free(loader);
    assert_int_equal(r.n_warnings, NAMED + 1);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_strict(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 8);
    corpus_add(&c, "004.png", "broken", 6);
    corpus_add(&c, "006.png", "broken", 6);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader_options o = usual(8);
    o.strict = true;
    o.workers = 3;
    rin_loader *loader = make(dataset, o);
    rin_batch batch;
    for (int i = 0; i < 3; i++) { /* again at every call */
        rin_error error = {0};
        assert_int_equal(rin_loader_next(loader, &batch, &error), RIN_ERR_FORMAT);
        assert_non_null(strstr(error.text, ".png': not a picture"));
        assert_null(batch.images);
    }
    rin_loader_free(loader);
    o.cache_bytes = 1 << 20;
    rin_error error = {0};
    assert_int_equal(rin_loader_create(dataset, &o, &loader, &error), RIN_ERR_FORMAT);
    assert_non_null(strstr(error.text, "004.png")); /* the first one, whatever the threads do */
    assert_null(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_nothing_left(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add(&c, "a.png", "broken", 6);
    corpus_add(&c, "b.jpg", "broken", 6);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader_options o = usual(3);
    rin_loader *loader;
    for (int cached = 0; cached < 2; cached++) {
        rin_error error = {0};
        o.cache_bytes = (uint64_t)cached << 20;
        assert_int_equal(rin_loader_create(dataset, &o, &loader, &error), RIN_ERR_FORMAT);
        assert_non_null(strstr(error.text, "none of the data set's 2 images"));
        assert_null(loader);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- options ---- */

static void test_wrong_options(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 1);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader_options wrong[6];
    for (int i = 0; i < 6; i++) wrong[i] = usual(2);
    wrong[0].batch = 0;
    wrong[1].channels = 4;
    wrong[2].height = -1;
    wrong[3].workers = RIN_LOADER_MAX_WORKERS + 1;
    wrong[4].start_batch = UINT64_MAX;
    wrong[5].width = RIN_IMAGE_MAX_SIDE + 1;
    for (int i = 0; i < 6; i++) {
        rin_loader *loader;
        assert_int_equal(rin_loader_create(dataset, &wrong[i], &loader, NULL), RIN_ERR_ARG);
        assert_null(loader);
    }
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* The first batches are a fixed function of the seed: a change would break the resumption of older runs. */
static void test_order_is_frozen(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 8);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    static const size_t wanted[8] = {6, 7, 2, 0, 3, 1, 5, 4};
    size_t items[8];
    static float images[8 * ELEMENTS];
    collect(dataset, usual(8), 1, items, images);
    assert_memory_equal(items, wanted, sizeof items);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs_are_permutations),
        cmocka_unit_test(test_shuffle_is_even),
        cmocka_unit_test(test_same_bytes_for_any_workers_cache_and_start),
        cmocka_unit_test(test_batch_larger_than_the_set),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_cache_bound),
        cmocka_unit_test(test_broken_images_are_replaced),
        cmocka_unit_test(test_not_all_of_many_broken_images_are_named),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_order_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
