/* SPDX-License-Identifier: MIT */
/* Tests of the loader: images that are away for a while or for good, and stops at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "data/loading.h"

/* ---- images that cannot be read for a while ---- */

/* Moves image i of a corpus out of the way, or back. */
static void hide(const corpus *c, int i, bool hidden) {
    char seen[128], away[160];
    snprintf(seen, sizeof seen, "%s/%03d.png", c->root, i);
    snprintf(away, sizeof away, "%s.away", seen);
    assert_int_equal(rename(hidden ? seen : away, hidden ? away : seen), 0);
}

static void test_unreadable_image_comes_back(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 4);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    remarks r = {0};
    rin_loader_options o = usual(4);
    o.log = (rin_log){remarks_add, &r};
    hide(&c, 2, true);
    rin_loader *loader = make(dataset, o);
    static const int without[4] = {1, 1, 0, 2}, with[4] = {1, 1, 1, 1};
    for (int k = 0, back = 0; k < 8; k++) {
        rin_batch batch = next(loader);
        int seen[4] = {0};
        for (int i = 0; i < 4; i++) seen[batch.items[i]]++;
        back |= seen[2]; /* once it is back it stays */
        assert_memory_equal(seen, back ? with : without, sizeof seen);
        if (k == 1) hide(&c, 2, false);
        if (k < 2) assert_false(back);
        if (k == 7) assert_true(back);
    }
    assert_int_equal(rin_loader_n_broken(loader), 0);
    rin_loader_free(loader);
    assert_int_equal(r.n_warnings, 1);
    assert_non_null(strstr(r.text, "unreadable image, replaced by the next one: '002.png'"));
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* The whole corpus at once. */
static void hide_all(const corpus *c, bool hidden) {
    char away[64];
    snprintf(away, sizeof away, "%s.away", c->root);
    assert_int_equal(rename(hidden ? c->root : away, hidden ? away : c->root), 0);
}

/* A log that makes things happen at once when there is a certain remark. */
typedef struct actor {
    const corpus *corpus;
    const char *hides_at, *shows_at; /* parts of remarks; NULL for none */
    remarks heard;
} actor;

static void act(void *user, rin_log_level level, const char *text) {
    actor *a = user;
    remarks_add(&a->heard, level, text);
    if (a->hides_at && strstr(text, a->hides_at)) hide_all(a->corpus, true);
    if (a->shows_at && strstr(text, a->shows_at)) hide_all(a->corpus, false);
}

/* What is away for a while is waited for, and the examples are those of an undisturbed run. */
static void test_a_source_that_comes_back(void **state) {
    (void)state;
    enum { N = 12, BATCHES = 6, AWAY = 2 };
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, N);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    actor a = {.corpus = &c, .shows_at = "Waiting for the data, 60 seconds at most"};
    rin_loader_options o = usual(N);
    size_t items[N * BATCHES];
    static float images[N * BATCHES * ELEMENTS];
    collect(dataset, o, BATCHES, items, images);
    o.patience = 60;
    o.log = (rin_log){act, &a};
    rin_loader *loader = make(dataset, o);
    for (int k = 0; k < BATCHES; k++) {
        if (k == AWAY) hide_all(&c, true);
        rin_batch batch = next(loader);
        assert_memory_equal(batch.items, items + k * N, sizeof *items * N);
        assert_memory_equal(batch.images, images + k * N * ELEMENTS, sizeof *images * N * ELEMENTS);
    }
    assert_int_equal(a.heard.n_warnings, 1);
    assert_non_null(strstr(a.heard.text, "10 images in a row cannot be read"));
    rin_loader_free(loader);

    /* Leaving does not wait. */
    o.patience = 1000;
    loader = make(dataset, o);
    hide_all(&c, true);
    double begun = rin_clock_seconds();
    rin_loader_free(loader);
    assert_true(rin_clock_seconds() - begun < 30);
    hide_all(&c, false);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* It goes away in the moment when one image has just been given up for another. */
static void test_a_source_that_flickers(void **state) {
    (void)state;
    enum { N = 12 };
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, N);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    actor a = {&c, .hides_at = "unreadable image, replaced", .shows_at = "Waiting for the data"};
    rin_loader_options o = usual(N);
    o.patience = 60;
    o.log = (rin_log){act, &a};
    hide(&c, 5, true);
    rin_loader *loader = make(dataset, o);
    rin_batch batch = next(loader);
    int seen[N] = {0};
    for (int i = 0; i < N; i++) seen[batch.items[i]]++;
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], i == 5 ? 0 : i == 6 ? 2 : 1);
    assert_int_equal(a.heard.n_warnings, 2);
    rin_loader_free(loader);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_a_source_that_is_gone(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 12);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    rin_loader *loader = make(dataset, usual(12));
    rin_batch batch = next(loader);
    rin_error error = {0};
    hide_all(&c, true);
    rin_status status = RIN_OK;
    for (int k = 0; k < 4 && status == RIN_OK; k++) status = rin_loader_next(loader, &batch, &error);
    assert_int_equal(status, RIN_ERR_IO);
    assert_non_null(strstr(error.text, "10 images in a row cannot be read; the last: '0"));
    rin_loader_free(loader);
    const rin_loader_options again = usual(2);
    assert_int_equal(rin_loader_create(dataset, &again, &loader, &error), RIN_ERR_IO);
    assert_null(loader);
    hide_all(&c, false);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* ---- stopping and options ---- */

static void test_cancel_and_early_free(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, 5);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    atomic_bool cancel = false;
    rin_loader_options o = usual(100);
    o.workers = 3;
    o.cancel = &cancel;
    rin_loader_free(make(dataset, o)); /* without taking a batch */
    rin_loader *loader = make(dataset, o);
    (void)next(loader);
    atomic_store(&cancel, true);
    rin_batch batch;
    assert_int_equal(rin_loader_next(loader, &batch, NULL), RIN_ERR_CANCELLED);
    rin_loader_free(loader);
    rin_loader_free(NULL);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* Says stop when so many are done. */
typedef struct stopper {
    atomic_bool cancel;
    size_t at;
} stopper;

static void stop_at(void *user, size_t done, size_t total) {
    stopper *s = user;
    (void)total;
    if (done == s->at) atomic_store(&s->cancel, true);
}

static void test_stop_while_starting(void **state) {
    (void)state;
    enum { N = 8, BROKEN = 5 };
    corpus c = corpus_make();
    corpus_add_many(&c, SIDE, N);
    for (int i = 0; i < BROKEN; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.png", i);
        corpus_add(&c, name, "broken", 6);
    }
    rin_dataset *dataset = open_logged(&c, "", NULL);
    /* Looking for the first good image; at the very end of filling the cache. */
    static const size_t at[] = {2, N};
    for (int cached = 0; cached < 2; cached++) {
        stopper s = {.at = at[cached]};
        rin_loader_options o = usual(2);
        rin_loader *loader;
        rin_error error = {0};
        o.cache_bytes = (uint64_t)cached << 20;
        o.cancel = &s.cancel;
        o.progress = stop_at;
        o.progress_user = &s;
        assert_int_equal(rin_loader_create(dataset, &o, &loader, &error), RIN_ERR_CANCELLED);
        assert_null(loader);
    }
    /* At the very end of looking at every image. */
    stopper s = {.at = N};
    rin_scan_options options = {.cancel = &s.cancel, .progress = stop_at, .progress_user = &s};
    rin_scan_report report = {0};
    assert_int_equal(rin_dataset_scan(dataset, &options, &report, NULL), RIN_ERR_CANCELLED);
    rin_scan_clear(&report);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* A log whose first remark takes until the loader is being freed. */
typedef struct holder {
    atomic_bool freed;
    atomic_int n;
} holder;

static void hold(void *user, rin_log_level level, const char *text) {
    holder *h = user;
    (void)level;
    (void)text;
    if (atomic_fetch_add(&h->n, 1)) return;
    const struct timespec moment = {.tv_nsec = 200000000};
    for (bool last = false; !last;) {
        last = atomic_load(&h->freed);
        (void)nanosleep(&moment, NULL);
    }
}

/* However many broken images follow one another, a worker leaves after the one it is at. */
static void test_free_between_broken_images(void **state) {
    (void)state;
    enum { BROKEN = 150 };
    corpus c = corpus_make();
    for (int i = 0; i < BROKEN; i++) {
        char name[32];
        snprintf(name, sizeof name, "z-%03d.png", i);
        corpus_add(&c, name, "broken", 6);
    }
    corpus_add_png(&c, "000.png", SIDE, 1);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    holder h = {0};
    rin_loader_options o = usual(BROKEN);
    o.log = (rin_log){hold, &h};
    rin_loader *loader = make(dataset, o);
    while (!atomic_load(&h.n)) (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store(&h.freed, true);
    rin_loader_free(loader);
    assert_in_range(atomic_load(&h.n), 1, BROKEN / 2); /* one, unless this thread stalls between the two lines */
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unreadable_image_comes_back), cmocka_unit_test(test_a_source_that_comes_back),
        cmocka_unit_test(test_a_source_that_flickers),      cmocka_unit_test(test_a_source_that_is_gone),
        cmocka_unit_test(test_cancel_and_early_free),       cmocka_unit_test(test_stop_while_starting),
        cmocka_unit_test(test_free_between_broken_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
