/* SPDX-License-Identifier: MIT */
/* What training needs: as much as it takes, and an answer to what would help when there is not so much. */
#include <stdlib.h>

#include "support/tiny.h"

#include "train/needs.h"

/* On train.device. */
static rin_status measure(const rin_config *config, rin_needs *needs, rin_error *error) {
    rin_backend *backend;
    assert_ok(rin_needs_open(config, 1, &backend, error), error);
    rin_status status = rin_needs_measure(config, backend, needs, error);
    rin_backend_free(backend);
    return status;
}

static rin_status compare(const rin_config *config, const rin_needs *needs, uint64_t memory, rin_error *error) {
    rin_backend *backend;
    assert_ok(rin_needs_open(config, 1, &backend, error), error);
    rin_status status = rin_needs_check(config, backend, needs, memory, error);
    rin_backend_free(backend);
    return status;
}

static rin_needs needs_of(const char *options) {
    rin_error error = {0};
    rin_needs needs;
    rin_config *config = tiny_config(options);
    assert_ok(measure(config, &needs, &error), &error);
    rin_config_free(config);
    return needs;
}

static void test_needs_are_what_a_step_takes(void **state) {
    (void)state;
    for (int m = 0; m < n_tiny_models; m++) {
        rin_error error = {0};
        rin_needs needs;
        rin_config *config = tiny_config(tiny_models[m].options);
        const rin_step_options options = {.batch = config->train.batch, .parts = 1, .update = true};
        config->train.threads = 2;
        assert_ok(measure(config, &needs, &error), &error);
        tiny_step s = tiny_step_create(config, "cpu", 2, &options, NULL);
        const uint64_t *b = needs.bytes;
        assert_int_equal(b[RIN_NEED_WEIGHTS] + b[RIN_NEED_GRADIENTS] + b[RIN_NEED_OPTIMISER] + b[RIN_NEED_AVERAGE],
                         rin_weights_bytes(s.weights));
        assert_int_equal(b[RIN_NEED_ACTIVATIONS], (uint64_t)rin_program_plan(s.program)->arena * sizeof(float));
        assert_int_equal(b[RIN_NEED_SCRATCH], rin_program_scratch_bytes(s.program));
        assert_int_equal(needs.parameters, s.weights->parameters);
        uint64_t sum = 0;
        for (int i = 0; i < RIN_N_NEEDS; i++) sum += b[i];
        assert_int_equal(rin_needs_total(&needs), sum);
        tiny_step_free(&s);
        rin_config_free(config);
    }
}

static void test_batches_of_the_loader(void **state) {
    (void)state;
    /* 8 x 8 pixels of 2 channels; 3 workers, and two more batches; one-hot labels of 3 classes. */
    uint64_t image = 8 * 8 * 2 * sizeof(float) + sizeof(int32_t) + sizeof(size_t);
    assert_int_equal(needs_of("data.workers=3").bytes[RIN_NEED_BATCHES], 5 * 4 * image + 4 * 3 * sizeof(float));
    assert_int_equal(needs_of("data.workers=3 train.accumulate=2").bytes[RIN_NEED_BATCHES],
                     5 * 2 * image + 2 * 3 * sizeof(float));
    assert_true(needs_of("").bytes[RIN_NEED_BATCHES] >= 3 * 4 * image); /* at least one worker */
}

/* Sizes are the device's, and a device with memory of its own has no batches in it. */
static void test_needs_are_those_of_the_device(void **state) {
    (void)state;
    rin_needs single = needs_of("train.threads=1 train.device=ref"), apart = single;
    rin_needs twice = needs_of("train.threads=1 train.device=ref64");
    assert_int_equal(twice.bytes[RIN_NEED_WEIGHTS], 2 * single.bytes[RIN_NEED_WEIGHTS]);
    assert_int_equal(twice.bytes[RIN_NEED_CONSTANTS], 2 * single.bytes[RIN_NEED_CONSTANTS]);
    assert_int_equal(rin_needs_of_host(&single), rin_needs_total(&single));
    apart.apart = true;
    assert_int_equal(rin_needs_total(&apart), rin_needs_total(&single) - single.bytes[RIN_NEED_BATCHES]);
    assert_int_equal(rin_needs_of_host(&apart), single.bytes[RIN_NEED_BATCHES]);
}

static void test_unknown_devices(void **state) {
    (void)state;
    static const char *const names[] = {"gpu", "cpu:1", "cpu-", "cuda:x", "cuda-fp8", "-"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        char option[64];
        rin_error error = {0};
        rin_backend *backend;
        snprintf(option, sizeof option, "train.device=%s", names[i]);
        rin_config *config = tiny_config(option);
        rin_status status = rin_needs_open(config, 1, &backend, &error);
        bool named = strstr(error.text, "train.device = ") && strstr(error.text, names[i]);
        assert_null(backend);
        if (!named || (status != RIN_ERR_CONFIG && status != RIN_ERR_UNSUPPORTED))
            fail_msg("%s: %s %s", names[i], rin_status_name(status), error.text);
        rin_config_free(config);
    }
}

static void test_disk_holds_checkpoints(void **state) {
    (void)state;
    /* Two versions of the model; in a state weights, average and two moments. */
    assert_int_equal(rin_needs_disk(100, 1, 2), (2 + 4) * 100 * sizeof(float));
    assert_int_equal(rin_needs_disk(100, 3, 2), (2 + 12) * 100 * sizeof(float));
    assert_true(rin_needs_disk(INT64_MAX, INT64_MAX, 2) == UINT64_MAX);
}

static void test_parts_of_a_batch_save_memory(void **state) {
    (void)state;
    rin_needs whole = needs_of("train.batch=32"), parts = needs_of("train.batch=32 train.accumulate=8");
    for (int i = RIN_NEED_WEIGHTS; i <= RIN_NEED_AVERAGE; i++) assert_int_equal(whole.bytes[i], parts.bytes[i]);
    assert_true(parts.bytes[RIN_NEED_ACTIVATIONS] < whole.bytes[RIN_NEED_ACTIVATIONS] / 6);
    assert_true(rin_needs_total(&parts) < rin_needs_total(&whole));
}

static rin_status check(const char *options, uint64_t memory, rin_error *error) {
    rin_needs needs;
    rin_config *config = tiny_config(options);
    assert_ok(measure(config, &needs, error), error);
    rin_status status = compare(config, &needs, memory, error);
    rin_config_free(config);
    return status;
}

/* For every amount between one part and a part an image: the advice fits, and no smaller number of parts does. */
static void test_advice_is_the_least_number_of_parts(void **state) {
    (void)state;
    static const int divisors[] = {1, 2, 3, 4, 6, 8, 12, 24};
    uint64_t totals[RIN_COUNT(divisors)];
    char options[96];
    for (size_t i = 0; i < RIN_COUNT(divisors); i++) {
        snprintf(options, sizeof options, "train.batch=24 train.accumulate=%d", divisors[i]);
        rin_needs needs = needs_of(options);
        totals[i] = rin_needs_total(&needs);
    }
    for (size_t i = 1; i < RIN_COUNT(divisors); i++) {
        rin_error error = {0};
        char wanted[64];
        assert_true(totals[i] < totals[i - 1]);
        assert_ok(check("train.batch=24", totals[0], &error), &error);
        snprintf(wanted, sizeof wanted, "Try train.accumulate = %d, which needs ", divisors[i]);
        assert_refused(check("train.batch=24", totals[i], &error), RIN_ERR_MEMORY, &error, wanted);
        assert_refused(check("train.batch=24", totals[i - 1] - 1, &error), RIN_ERR_MEMORY, &error, wanted);
        snprintf(wanted, sizeof wanted, "needs %llu bytes", (unsigned long long)totals[0]);
        assert_non_null(strstr(error.text, wanted));
        snprintf(wanted, sizeof wanted, "there are %llu (", (unsigned long long)totals[i - 1] - 1);
        assert_non_null(strstr(error.text, wanted));
    }
}

static void test_advice_where_no_parts_help(void **state) {
    (void)state;
    rin_error error = {0};
    rin_needs needs = needs_of("train.batch=1");
    /* An image too large for what is left beside the network; a network that is too large by itself. */
    assert_refused(check("train.batch=1", rin_needs_total(&needs) - 1, &error), RIN_ERR_MEMORY, &error,
                   "model.patch_size");
    assert_refused(check("train.batch=1", needs.bytes[RIN_NEED_WEIGHTS], &error), RIN_ERR_MEMORY, &error,
                   "model.latent_dim");
    assert_refused(check("train.batch=1024", 0, &error), RIN_ERR_MEMORY, &error, "model.num_layers");
}

static void test_largest_parts_come_first(void **state) {
    (void)state;
    rin_error error = {0};
    rin_needs needs = {.bytes = {[RIN_NEED_CONSTANTS] = (uint64_t)5 << 30,
                                 [RIN_NEED_SCRATCH] = (uint64_t)9 << 30,
                                 [RIN_NEED_WEIGHTS] = (uint64_t)7 << 30,
                                 [RIN_NEED_BATCHES] = (uint64_t)1 << 30}};
    rin_config *config = tiny_config("");
    assert_refused(compare(config, &needs, 1, &error), RIN_ERR_MEMORY, &error,
                   "scratch 9.000 GiB, weights 7.000 GiB, constants 5.000 GiB.");
    /* Sums beyond 64 bits stay at the end of the range. */
    needs.bytes[RIN_NEED_BATCHES] = UINT64_MAX - 5;
    assert_true(rin_needs_total(&needs) == UINT64_MAX);
    assert_refused(compare(config, &needs, 1 << 20, &error), RIN_ERR_MEMORY, &error, "18446744073709551615");
    rin_config_free(config);
}

/* The largest that options allow: an answer or a refusal, in no time and hardly any memory. */
static void test_extremes(void **state) {
    (void)state;
    static const char *const extremes[] = {
        "model.latent_dim=65536 model.latent_mlp_ratio=64 model.latent_num_heads=4096",
        "model.image_height=65536 model.image_width=65536 model.patch_size=16 model.tape_pos_encoding=sin_cos",
        "model.num_classes=0 model.seq_len=65536 model.patch_size=8 train.batch=65536",
        "model.latent_slots=65536 model.num_classes=1048576 train.batch=16384",
        "model.latent_slots=16384 model.latent_dim=65536 model.latent_mlp_ratio=64 model.num_layers=120,120",
        "train.batch=1048576 train.threads=1024 data.workers=256",
    };
    for (size_t i = 0; i < RIN_COUNT(extremes); i++) {
        rin_error error = {0};
        rin_needs needs;
        rin_config *config = tiny_config(extremes[i]);
        rin_status status = measure(config, &needs, &error);
        if (status == RIN_OK) status = compare(config, &needs, (uint64_t)1 << 30, &error);
        if (status != RIN_ERR_MEMORY) fail_msg("%s: %s %s", extremes[i], rin_status_name(status), error.text);
        rin_config_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs_are_what_a_step_takes),
        cmocka_unit_test(test_batches_of_the_loader),
        cmocka_unit_test(test_needs_are_those_of_the_device),
        cmocka_unit_test(test_unknown_devices),
        cmocka_unit_test(test_disk_holds_checkpoints),
        cmocka_unit_test(test_parts_of_a_batch_save_memory),
        cmocka_unit_test(test_advice_is_the_least_number_of_parts),
        cmocka_unit_test(test_advice_where_no_parts_help),
        cmocka_unit_test(test_largest_parts_come_first),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
