/* SPDX-License-Identifier: MIT */
/* Features are the same on every device: those of a GPU are of float32, whatever its name says of other products. */
#include "feature/feature.h"
#include "support/lab.h"

static const char *const outputs[] = {"logits"};

/* Logits of a picture, of weights by formula. */
static void extract(const char *device, float *logits) {
    const rin_extractor_options options = {
        .network = RIN_NETWORK_INCEPTION, .batch = 1, .outputs = outputs, .n_outputs = 1, .device = device};
    rin_extractor *e;
    rin_error error = {0};
    assert_ok(rin_extractor_create(&options, rin_formula_weights(), &e, &error), &error);
    int64_t n = rin_extractor_input_count(e);
    float *picture = test_malloc((size_t)n * sizeof *picture);
    for (int64_t i = 0; i < n; i++) picture[i] = (float)(i % 255 - 127) / 128;
    assert_ok(rin_extractor_run(e, picture, 1, &error), &error);
    assert_ok(rin_extractor_read(e, "logits", logits, &error), &error);
    rin_extractor_free(e);
    test_free(picture);
}

static void assert_near(const char *what, const float *got, const float *expected) {
    double a[RIN_INCEPTION_CLASSES], b[RIN_INCEPTION_CLASSES];
    for (int i = 0; i < RIN_INCEPTION_CLASSES; i++) a[i] = (double)got[i], b[i] = (double)expected[i];
    assert_close(what, a, b, RIN_INCEPTION_CLASSES, 1e-5 * largest(b, RIN_INCEPTION_CLASSES));
}

static void test_devices_agree(void **state) {
    (void)state;
    static const char *const names[] = {"cuda-fp32", "cuda:0", "cuda-tf32"};
    float expected[RIN_INCEPTION_CLASSES], exact[RIN_INCEPTION_CLASSES], got[RIN_INCEPTION_CLASSES];
    if (!lab_available("cuda-fp32")) skip();
    extract("cpu", expected);
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        extract(names[i], got);
        if (i == 0) memcpy(exact, got, sizeof exact);
        assert_near(names[i], got, expected);
        assert_memory_equal(got, exact, sizeof exact);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_devices_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
