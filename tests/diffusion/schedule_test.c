/* SPDX-License-Identifier: MIT */
/* Signal levels and learning rates against reference numbers; decay of the average. */
#include "support/json.h"

#include "diffusion/diffusion.h"

static void test_schedules(void **state) {
    (void)state;
    cJSON *json = json_read("tests/golden/schedules.json");
    const cJSON *times = json_member(json, "t"), *row;
    int n = 0;
    cJSON_ArrayForEach(row, json_member(json, "gamma")) {
        rin_schedule schedule;
        rin_error error = {0};
        assert_ok(rin_schedule_parse(row->string, &schedule, &error), &error);
        assert_int_equal(cJSON_GetArraySize(row), cJSON_GetArraySize(times));
        for (int i = 0; i < cJSON_GetArraySize(times); i++) {
            double t = cJSON_GetArrayItem(times, i)->valuedouble, expected = cJSON_GetArrayItem(row, i)->valuedouble;
            double got = (double)rin_gamma(&schedule, t);
            /* 1e-6 of the value; near the noise the formula cancels, where float leaves 1e-7 of 1, not of the value. */
            double allowed = 1e-6 * fabs(expected) + 1.2e-7;
            if (!(fabs(got - expected) <= allowed))
                fail_msg("%s at %g: %.9g, expected %.9g", row->string, t, got, expected);
            if (i == 0 && got < 0.999) fail_msg("%s starts at %g", row->string, got);
            /* What comes last decides the first sampling step: it must be the reference's to a thousandth. */
            if (i == cJSON_GetArraySize(times) - 1 && fabs(got - expected) > 1e-3 * fabs(expected)) {
                fail_msg("%s ends at %.9g, expected %.9g", row->string, got, expected);
            }
        }
        n++;
    }
    assert_int_equal(n, 10);
    cJSON_Delete(json);
}

static void test_learning_rates(void **state) {
    (void)state;
    cJSON *json = json_read("tests/golden/learning_rates.json");
    const cJSON *steps = json_member(json, "steps"), *row;
    int n = 0;
    cJSON_ArrayForEach(row, json_member(json, "cases")) {
        rin_error error = {0};
        rin_lr_schedule schedule;
        assert_ok(rin_lr_schedule_parse(json_text(row, "schedule"), &schedule, &error), &error);
        rin_config_train train = {.learning_rate = json_number(row, "base_lr"),
                                  .end_lr_factor = json_number(row, "end"),
                                  .warmup_steps = (int64_t)json_number(row, "warmup"),
                                  .batch = 64,
                                  .steps = (int64_t)json_number(row, "total"),
                                  .tail_steps = (int64_t)json_number(row, "tail")};
        const cJSON *rates = json_member(row, "lr");
        assert_int_equal(cJSON_GetArraySize(rates), cJSON_GetArraySize(steps));
        for (int i = 0; i < cJSON_GetArraySize(steps); i++) {
            int64_t step = (int64_t)cJSON_GetArrayItem(steps, i)->valuedouble;
            double expected = cJSON_GetArrayItem(rates, i)->valuedouble,
                   got = rin_learning_rate(&train, &schedule, step);
            /* The reference computes in float, whose cosine near its zero leaves 1e-7 of the base rate. */
            double allowed = 1e-6 * fabs(expected) + 1.2e-7 * train.learning_rate;
            if (!(fabs(got - expected) <= allowed)) {
                fail_msg("%s, row %d, step %lld: %.9g, expected %.9g", json_text(row, "schedule"), n, (long long)step,
                         got, expected);
            }
        }
        n++;
    }
    assert_int_equal(n, 6);
    cJSON_Delete(json);
}

static void test_scaled_rates(void **state) {
    (void)state;
    const rin_lr_schedule none = {RIN_LR_SCHEDULE_NONE, 1};
    rin_config_train train = {.learning_rate = 0.5, .batch = 64, .steps = 10, .lr_scaling = RIN_LR_SCALING_LINEAR};
    assert_float_equal(rin_learning_rate(&train, &none, 5), 0.125, 1e-15);
    train.lr_scaling = RIN_LR_SCALING_SQRT;
    assert_float_equal(rin_learning_rate(&train, &none, 5), 4, 1e-15);
    train.lr_scaling = RIN_LR_SCALING_NONE;
    train.warmup_steps = 10; /* the whole run */
    assert_float_equal(rin_learning_rate(&train, &none, 10), 0.5, 1e-15);
}

static void test_ema_decay(void **state) {
    (void)state;
    rin_config_train train = {.ema_decay = 0.9, .ema_warmup = true};
    assert_float_equal(rin_ema_decay(&train, 0), 0.1, 1e-15);
    assert_float_equal(rin_ema_decay(&train, 40), 0.82, 1e-15);
    assert_float_equal(rin_ema_decay(&train, 1000), 0.9, 0);
    train.ema_warmup = false;
    assert_float_equal(rin_ema_decay(&train, 0), 0.9, 0);
}

/* The same levels where float can hold them: it rounds the time by 6e-8, and differences of cosines and sigmoids. */
static void test_exact_levels(void **state) {
    (void)state;
    static const char *const names[] = {"cosine", "simple_linear", "cosine@0.2,1,1", "sigmoid@-3,3,0.9", "log@1,100,f"};
    for (size_t k = 0; k < RIN_COUNT(names); k++) {
        rin_schedule schedule;
        rin_error error = {0};
        assert_ok(rin_schedule_parse(names[k], &schedule, &error), &error);
        double before = INFINITY;
        for (int i = 0; i <= 1000; i++) {
            double exact = rin_gamma_exact(&schedule, i / 1000.0), rough = (double)rin_gamma(&schedule, i / 1000.0);
            if (!(fabs(exact - rough) <= 4e-7)) fail_msg("%s at %d/1000: %.9g, %.9g", names[k], i, exact, rough);
            if (!(exact <= before)) fail_msg("%s rises at %d/1000", names[k], i);
            before = exact;
        }
    }
}

static void test_exact_levels_are_clipped(void **state) {
    (void)state;
    const rin_schedule linear = {.kind = RIN_SCHEDULE_SIMPLE_LINEAR}, cosine = {.kind = RIN_SCHEDULE_COSINE},
                       logarithm = {.kind = RIN_SCHEDULE_LOG, .start = 1, .end = 1000};
    assert_true(rin_gamma_exact(&linear, 0) == 1);
    assert_true(rin_gamma_exact(&linear, -0.5) == 1);
    assert_true(rin_gamma_exact(&linear, 1) == 1e-9);
    assert_true(rin_gamma_exact(&linear, 1.5) == 1e-9);
    assert_true(rin_gamma(&logarithm, 1) == 0);
    assert_true(rin_gamma_exact(&logarithm, 1) == 1e-9);
    assert_true(rin_gamma_exact(&cosine, 0) < 1);
    /* cos^2(pi/2 1.0002/1.00025), which float computes to two digits. */
    assert_float_equal(rin_gamma_exact(&cosine, 1) / 6.165419642888424e-09, 1, 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules),    cmocka_unit_test(test_learning_rates),
        cmocka_unit_test(test_scaled_rates), cmocka_unit_test(test_ema_decay),
        cmocka_unit_test(test_exact_levels), cmocka_unit_test(test_exact_levels_are_clipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
