/* SPDX-License-Identifier: MIT */
/* Signal levels and learning rates against reference numbers; decay of the average; times and samplers by hand. */
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

static void test_sampling_times(void **state) {
    (void)state;
    double t, next;
    rin_sampling_times(0, 4, 0, &t, &next);
    assert_float_equal(t, 1, 0);
    assert_float_equal(next, 0.75, 0);
    rin_sampling_times(1, 4, 0.5, &t, &next);
    assert_float_equal(t, 0.75, 0);
    assert_float_equal(next, 0.375, 1e-15);
    rin_sampling_times(3, 4, 2, &t, &next); /* never before 0 */
    assert_float_equal(next, 0, 0);
}

/* x = sqrt(g) x0 + sqrt(1 - g) eps for g = 0.36: 0.6 x0 + 0.8 eps. */
static void test_estimates(void **state) {
    (void)state;
    const float x0 = 0.5f, eps = -0.25f, x = 0.6f * x0 + 0.8f * eps;
    const float v = 0.6f * eps - 0.8f * x0, outputs[] = {[RIN_PRED_EPS] = eps, [RIN_PRED_X] = x0, [RIN_PRED_V] = v};
    for (int p = 0; p < 3; p++) {
        assert_float_equal(rin_estimate((rin_pred_type)p, 1, 0.36f, x, outputs[p]), x0, 1e-6);
        assert_float_equal(rin_estimate((rin_pred_type)p, 0.25f, 0.36f, x, outputs[p]), 0.25, 0);
        assert_true(isnan(rin_estimate((rin_pred_type)p, 1, 0.36f, x, INFINITY)));
    }
}

static float step_of(rin_sampler sampler, float g, float next, float x, float x0, float z) {
    rin_denoising d = {.gamma = g};
    rin_sampler_find(sampler)->step(g, next, &d);
    return rin_denoise(&d, x, x0, z);
}

static void test_samplers(void **state) {
    (void)state;
    const float g = 0.36f, next = 0.64f, x0 = 0.5f, eps = -0.25f, x = 0.6f * x0 + 0.8f * eps;
    const double a = 0.36 / 0.64, mean = ((double)x - (1 - a) / 0.8 * -0.25) / sqrt(a);
    assert_string_equal(rin_sampler_find(RIN_SAMPLER_DDIM)->name, "ddim");
    assert_false(rin_sampler_find(RIN_SAMPLER_DDIM)->needs_noise);
    assert_true(rin_sampler_find(RIN_SAMPLER_DDPM)->needs_noise);
    assert_true(rin_sampler_find(RIN_SAMPLER_DDPM_SMALL)->needs_noise);
    assert_float_equal(step_of(RIN_SAMPLER_DDIM, g, next, x, x0, 0), 0.8 * 0.5 - 0.6 * 0.25, 1e-6);
    assert_float_equal(step_of(RIN_SAMPLER_DDPM, g, next, x, x0, 2), mean + 2 * sqrt(1 - a), 1e-6);
    assert_float_equal(step_of(RIN_SAMPLER_DDPM_SMALL, g, next, x, x0, 2), mean + 2 * sqrt((1 - a) * 0.36 / 0.64),
                       1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules), cmocka_unit_test(test_learning_rates), cmocka_unit_test(test_scaled_rates),
        cmocka_unit_test(test_ema_decay), cmocka_unit_test(test_sampling_times), cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_samplers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
