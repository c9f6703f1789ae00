/* SPDX-License-Identifier: MIT */
/* The loss on a data set: broken images are left out, and named. */
#include "support/run.h"

#include "data/corpus.h"

enum { TIMES = 2, CLASSES = 2, IMAGES = 20 };

typedef struct fixture {
    run_lab lab;
    corpus good, mixed, broken; /* the same images; some more that are broken; none but those */
    rin_model *model;
} fixture;

static void add_images(const corpus *c, bool good, bool broken) {
    char name[32];
    for (int class = 0; class < CLASSES; class ++) {
        for (int i = 0; i < IMAGES; i++) {
            snprintf(name, sizeof name, "%d/%03d.png", class, i);
            if (good) corpus_add_png(c, name, 8, 10 * i + class);
            snprintf(name, sizeof name, "%d/%03d-broken.png", class, i);
            if (broken && i % 3 == 0) corpus_add(c, name, "not a picture", 13);
        }
    }
}

static void open_fixture(fixture *f) {
    rin_error error = {0};
    run_lab_create(&f->lab);
    f->good = corpus_make();
    f->mixed = corpus_make();
    f->broken = corpus_make();
    add_images(&f->good, true, false);
    add_images(&f->mixed, true, true);
    add_images(&f->broken, false, true);
    snprintf(f->lab.data, sizeof f->lab.data, "%s", f->good.root);
    run_train(&f->lab, f->lab.run, "");
    assert_ok(rin_model_open(f->lab.run, NULL, 1, &f->model, &error), &error);
}

static void close_fixture(fixture *f) {
    rin_model_free(f->model);
    corpus_remove(&f->good);
    corpus_remove(&f->mixed);
    corpus_remove(&f->broken);
    run_lab_free(&f->lab);
}

static rin_status measure(fixture *f, const corpus *data, int64_t limit, double losses[TIMES], int64_t *n,
                          rin_error *error) {
    const double times[TIMES] = {0.3, 0.8};
    return rin_eval_loss(f->model, data->root, times, TIMES, limit, 5, run_lab_listener(&f->lab), losses, n, error);
}

static void test_broken_images_are_left_out(void **state) {
    (void)state;
    fixture f;
    rin_error error = {0};
    double wanted[TIMES], losses[TIMES];
    int64_t n;
    open_fixture(&f);
    assert_ok(measure(&f, &f.good, 0, wanted, &n, &error), &error);
    assert_int_equal(n, CLASSES * IMAGES);
    f.lab.n_log = 0;
    assert_ok(measure(&f, &f.mixed, 0, losses, &n, &error), &error);
    assert_int_equal(n, CLASSES * IMAGES);
    assert_memory_equal(losses, wanted, sizeof wanted);
    assert_non_null(strstr(f.lab.log, "warning: broken image, left out: '0/000-broken.png'"));
    assert_non_null(strstr(f.lab.log, "'1/018-broken.png'"));

    /* Of a limited number, here four of each class, the broken ones are missing. */
    assert_ok(measure(&f, &f.mixed, 8, losses, &n, &error), &error);
    assert_int_equal(n, 6);
    assert_int_equal(measure(&f, &f.broken, 0, losses, &n, &error), RIN_ERR_FORMAT);
    assert_int_equal(n, 0);
    assert_non_null(strstr(error.text, "none of the chosen images"));
    close_fixture(&f);
}

/* Classes are those of the same name, whichever of them the data set has. */
static void test_classes_are_told_by_name(void **state) {
    (void)state;
    fixture f;
    rin_error error = {0};
    double whole[TIMES], losses[TIMES];
    int64_t n;
    corpus one = corpus_make(), other = corpus_make();
    open_fixture(&f);
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "1/%03d.png", i);
        corpus_add_png(&one, name, 8, 10 * i + 1);
        snprintf(name, sizeof name, "2/%03d.png", i);
        corpus_add_png(&other, name, 8, 10 * i + 1);
    }
    /* The same images as those of the second of two classes, as none of the first can be decoded. */
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "0/%03d.png", i);
        corpus_add(&f.good, name, "not a picture", 13);
    }
    assert_ok(measure(&f, &f.good, 0, whole, &n, &error), &error);
    assert_int_equal(n, IMAGES);
    assert_ok(measure(&f, &one, 0, losses, &n, &error), &error);
    assert_memory_equal(losses, whole, sizeof whole);
    assert_refused(measure(&f, &other, 0, losses, &n, &error), RIN_ERR_ARG, &error,
                   "class '2', which the model does not");
    corpus_remove(&one);
    corpus_remove(&other);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken_images_are_left_out),
                                       cmocka_unit_test(test_classes_are_told_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
