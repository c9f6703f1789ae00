/* SPDX-License-Identifier: MIT */
/* Grids against formulas and reference numbers, the moves of routes, what is refused, and noise between noises. */
#include "support/route.h"

/* ---- grids ---- */

static rin_route *grid(rin_spacing spacing, int64_t steps, double sigma_max, double sigma_min) {
    rin_route_options options = route_options(RIN_SAMPLER_DDIM, spacing, steps);
    options.sigma_max = sigma_max;
    options.sigma_min = sigma_min;
    return route_create(&options);
}

static void test_sigma_rule(void **state) {
    (void)state;
    static const struct {
        int64_t side;
        double b_scale, sigma_max;
    } rows[] = {{32, 1, 83}, {64, 1, 166}, {256, 0.5, 333}, {512, 0.2, 266}, {1024, 0.1, 266}};
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        rin_route_options options = route_options(RIN_SAMPLER_DPMPP2M, RIN_SPACING_AUTO, 0);
        options.n_pixels = 3 * rows[i].side * rows[i].side;
        options.b_scale = rows[i].b_scale;
        rin_route *route = route_create(&options);
        assert_int_equal(route->options.steps, 24);
        assert_int_equal(route->options.spacing, RIN_SPACING_LOGSNR);
        assert_float_equal(route->options.sigma_max, rows[i].sigma_max, 0.5);
        assert_float_equal(route->options.sigma_min, 0.005 * rows[i].b_scale, 1e-15);
        assert_float_equal(rin_sigma_of_gamma(route->nodes[0]) / route->options.sigma_max, 1, 1e-9);
        assert_float_equal(rin_sigma_of_gamma(route->nodes[23]) / route->options.sigma_min, 1, 1e-9);
        assert_true(route->nodes[24] == 1);
        rin_route_free(route);
    }
}

static void assert_sigma(const rin_route *route, int64_t node, double sigma) {
    double got = rin_sigma_of_gamma(route->nodes[node]);
    if (!(fabs(got / sigma - 1) <= 1e-9))
        fail_msg("node %lld: sigma %.12g, expected %.12g", (long long)node, got, sigma);
}

static void test_sigma_grids(void **state) {
    (void)state;
    for (int64_t steps = 2; steps <= 25; steps++) {
        rin_route *even = grid(RIN_SPACING_LOGSNR, steps, 80, 0.01), *bent = grid(RIN_SPACING_KARRAS, steps, 80, 0.01);
        for (int64_t i = 0; i < steps; i++) {
            double u = (double)i / (double)(steps - 1), most = pow(80, 1.0 / 7), least = pow(0.01, 1.0 / 7);
            assert_sigma(even, i, exp(log(80) + u * (log(0.01) - log(80))));
            assert_sigma(bent, i, pow(most + u * (least - most), 7));
        }
        assert_true(even->nodes[steps] == 1 && bent->nodes[steps] == 1);
        rin_route_free(even);
        rin_route_free(bent);
    }
}

/* Reference numbers of other programs: signal levels. */
static void test_grids_of_others(void **state) {
    (void)state;
    static const struct {
        rin_spacing spacing;
        int64_t steps;
        double sigma_max, sigma_min;
        int64_t node;
        double gamma;
    } rows[] = {
        {RIN_SPACING_KARRAS, 18, 80, 0.002, 0, 0.0001562255897516013},
        {RIN_SPACING_KARRAS, 18, 80, 0.002, 9, 0.21280054302506624},
        {RIN_SPACING_KARRAS, 18, 80, 0.002, 17, 0.9999960000160001},
        {RIN_SPACING_KARRAS, 25, 164, 0.01, 12, 0.026102076313655125},
        {RIN_SPACING_LOGSNR, 12, 164, 0.01, 5, 0.20149570223511318},
        {RIN_SPACING_UNIFORM, 10, 0, 0, 0, 6.165419642888424e-09},
        {RIN_SPACING_UNIFORM, 10, 0, 0, 5, 0.49988221972164953},
        {RIN_SPACING_UNIFORM, 10, 0, 0, 10, 0.9999999013532888},
        {RIN_SPACING_QUADRATIC, 8, 0, 0, 3, 0.6682935920867832},
    };
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        rin_route *route = grid(rows[i].spacing, rows[i].steps, rows[i].sigma_max, rows[i].sigma_min);
        double got = rin_sigma_of_gamma(route->nodes[rows[i].node]), expected = rin_sigma_of_gamma(rows[i].gamma);
        if (!(fabs(got / expected - 1) <= 1e-6)) fail_msg("row %zu: %.12g, expected %.12g", i, got, expected);
        rin_route_free(route);
    }
}

/* Schedules that begin without any signal begin with a little. */
static void test_first_levels(void **state) {
    (void)state;
    static const char *const names[] = {"cosine",         "simple_linear", "sigmoid@-3,3,0.9", "sigmoid@0,3,0.3",
                                        "cosine@0.2,1,1", "cosine@0,1,2",  "log@1,100,f",      "log@1,1000,t"};
    for (size_t i = 0; i < 4 * RIN_COUNT(names); i++) {
        rin_error error = {0};
        rin_route_options options = route_options(i % 2 ? RIN_SAMPLER_DDPM : RIN_SAMPLER_DDIM,
                                                  i / 2 % 2 ? RIN_SPACING_QUADRATIC : RIN_SPACING_UNIFORM, 50);
        assert_ok(rin_schedule_parse(names[i / 4], &options.schedule, &error), &error);
        rin_route *route = route_create(&options);
        assert_true(route->nodes[0] >= 0.999999e-9 && route->nodes[0] < 1e-4);
        assert_true(route->nodes[50] > 0.999999 && route->nodes[50] <= 1);
        rin_route_free(route);
    }
}

/* One step: from the first level straight to the end, whatever the last but one would be. */
static void test_one_step(void **state) {
    (void)state;
    for (int spacing = RIN_SPACING_LOGSNR; spacing <= RIN_SPACING_KARRAS; spacing++) {
        rin_route *route = grid((rin_spacing)spacing, 1, 80, 100);
        assert_sigma(route, 0, 80);
        assert_true(route->nodes[1] == 1);
        assert_int_equal(route->n_evaluations, 1);
        rin_route_free(route);
    }
}

static void test_strength(void **state) {
    (void)state;
    static const struct {
        double strength, sigma, allowed;
    } rows[] = {{0.3, 0.51, 0.005}, {0.5, 1.0, 0.05}, {0.6, 1.4, 0.05}, {0.8, 3.1, 0.05}};
    for (size_t i = 0; i < 2 * RIN_COUNT(rows); i++) {
        rin_route_options options = route_options(RIN_SAMPLER_DPMPP2M, RIN_SPACING_AUTO, 10);
        options.strength = rows[i / 2].strength;
        options.b_scale = i % 2 ? 0.25 : 1;
        rin_route *route = route_create(&options);
        double first = rin_sigma_of_gamma(route->nodes[0]) / options.b_scale;
        assert_float_equal(first, rows[i / 2].sigma, rows[i / 2].allowed);
        rin_route_free(route);
    }
}

/* ---- moves ---- */

/* Steps by the node they leave, and ways back. */
static void check_walk(const rin_route *route, int64_t jump, const char *expected) {
    char text[256] = "";
    size_t at = 0;
    rin_cursor cursor = {0};
    rin_move move;
    double gamma = route->nodes[0];
    while (rin_route_next(route, &cursor, &move)) {
        const char *space = at ? " " : "";
        if (move.kind == RIN_MOVE_RENOISE) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld>%lld", space, (long long)move.step + 1,
                                   (long long)move.node);
            double kept = route->nodes[move.node] / route->nodes[move.node + jump];
            assert_float_equal(move.x.of[RIN_SOURCE_X], sqrt(kept), 1e-7);
            assert_float_equal(move.x.of[RIN_SOURCE_NOISE], sqrt(1 - kept), 1e-7);
        } else {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", space, (long long)move.step);
            assert_true(move.gamma == gamma);
            assert_int_equal(move.node, move.step + 1);
        }
        assert_true(move.ends_step && at < sizeof text);
        gamma = route->nodes[move.node];
    }
    assert_string_equal(text, expected);
    assert_true(rin_route_is_done(route, &cursor));
}

static void test_walks(void **state) {
    (void)state;
    static const struct {
        int64_t steps, jump, repeats, n_steps, n_jumps;
        const char *walk;
    } rows[] = {
        {6, 1, 1, 6, 0, "0 1 2 3 4 5"},
        {6, 1, 2, 11, 5, "0 1 2>1 1 2 3>2 2 3 4>3 3 4 5>4 4 5 6>5 5"},
        {6, 2, 2, 10, 2, "0 1 2 3 4>2 2 3 4 5 6>4 4 5"},
        {10, 3, 3, 28, 6, "0 1 2 3 4>1 1 2 3 4>1 1 2 3 4 5 6 7>4 4 5 6 7>4 4 5 6 7 8 9 10>7 7 8 9 10>7 7 8 9"},
    };
    for (size_t i = 0; i < 2 * RIN_COUNT(rows); i++) {
        bool noisy = i % 2;
        rin_route_options options = route_options(noisy ? RIN_SAMPLER_DDPM : RIN_SAMPLER_DPMPP2M, RIN_SPACING_LOGSNR,
                                                  rows[i / 2].steps);
        options.jump = rows[i / 2].jump;
        options.repeats = rows[i / 2].repeats;
        rin_route *route = route_create(&options);
        check_walk(route, options.jump, rows[i / 2].walk);
        assert_int_equal(route->n_evaluations, rows[i / 2].n_steps);
        assert_int_equal(route->n_noises, rows[i / 2].n_jumps + (noisy ? rows[i / 2].n_steps : 0));
        rin_route_free(route);
    }
}

/* What was estimated before a way back is no part of the step after it. */
static void test_jumps_drop_history(void **state) {
    (void)state;
    static const rin_sampler samplers[] = {RIN_SAMPLER_DPMPP2M, RIN_SAMPLER_UNIPC};
    for (size_t i = 0; i < RIN_COUNT(samplers); i++) {
        rin_route_options options = route_options(samplers[i], RIN_SPACING_LOGSNR, 6);
        options.jump = options.repeats = 2;
        rin_route *route = route_create(&options);
        rin_cursor cursor = {0};
        rin_move move;
        bool fresh = true;
        while (rin_route_next(route, &cursor, &move)) {
            bool looks_back = move.x.of[RIN_SOURCE_BEFORE] != 0 || move.x.of[RIN_SOURCE_BEFORE_2] != 0 ||
                              move.x.of[RIN_SOURCE_BASE] != 0;
            bool last = move.step == 5;
            if (move.kind == RIN_MOVE_STEP && !last) assert_true(looks_back != fresh);
            fresh = move.kind == RIN_MOVE_RENOISE;
        }
        rin_route_free(route);
    }
}

/* The last step looks at no estimate but its own, whatever comes after it. */
static void test_last_steps(void **state) {
    (void)state;
    static const rin_sampler samplers[] = {RIN_SAMPLER_DPMPP2M, RIN_SAMPLER_UNIPC};
    for (size_t i = 0; i < RIN_COUNT(samplers); i++) {
        rin_route_options options = route_options(samplers[i], RIN_SPACING_UNIFORM, 6);
        rin_route *route = route_create(&options);
        rin_cursor cursor = {0};
        rin_move move, last = {0};
        while (rin_route_next(route, &cursor, &move)) last = move;
        double gamma = route->nodes[5], next = route->nodes[6], of_x = sqrt((1 - next) / (1 - gamma));
        double of_estimate = sqrt(next) - sqrt(gamma) * of_x, of_corrected = of_x * last.base.of[RIN_SOURCE_ESTIMATE];
        assert_true(next < 1);
        assert_float_equal(last.x.of[RIN_SOURCE_ESTIMATE], of_estimate + of_corrected, 1e-6);
        assert_float_equal(last.x.of[RIN_SOURCE_BEFORE], of_x * last.base.of[RIN_SOURCE_BEFORE], 1e-6);
        rin_route_free(route);
    }
}

/* Each step aims td steps further, never beyond the end. */
static void test_time_difference(void **state) {
    (void)state;
    static const double times[] = {0.625, 0.375, 0.125, 0}, strengths[] = {1, 0.5};
    for (size_t k = 0; k < RIN_COUNT(strengths); k++) {
        rin_route_options options = route_options(RIN_SAMPLER_DDIM, RIN_SPACING_UNIFORM, 4);
        options.td = 0.5;
        options.exact = true;
        options.strength = strengths[k];
        rin_route *route = route_create(&options);
        rin_cursor cursor = {0};
        rin_move move;
        for (int i = 0; i < 4; i++) {
            assert_true(rin_route_next(route, &cursor, &move));
            double gamma = route->nodes[i], next = rin_gamma_exact(&options.schedule, strengths[k] * times[i]),
                   of_x = sqrt((1 - next) / (1 - gamma));
            assert_true(move.gamma == gamma);
            assert_float_equal(move.x.of[RIN_SOURCE_X], of_x, 1e-6);
            assert_float_equal(move.x.of[RIN_SOURCE_ESTIMATE], sqrt(next) - sqrt(gamma) * of_x, 1e-6);
        }
        assert_false(rin_route_next(route, &cursor, &move));
        rin_route_free(route);
    }
}

/* ---- heun ---- */

static void test_evaluations_of_heun(void **state) {
    (void)state;
    for (int64_t steps = 1; steps <= 20; steps++) {
        rin_route_options options = route_options(RIN_SAMPLER_HEUN, RIN_SPACING_KARRAS, steps);
        rin_route *route = route_create(&options);
        assert_int_equal(route->n_evaluations, 2 * steps - 1);
        assert_int_equal(route->n_noises, 0);
        rin_route_free(route);
        if (steps < 2) continue;
        options.spacing = RIN_SPACING_UNIFORM; /* the first of its levels is below 1e-6 */
        route = route_create(&options);
        assert_int_equal(route->n_evaluations, 2 * steps - 2);
        rin_route_free(route);
    }
}

static void test_second_evaluations(void **state) {
    (void)state;
    rin_route_options options = route_options(RIN_SAMPLER_HEUN, RIN_SPACING_KARRAS, 5);
    rin_route *route = route_create(&options);
    rin_cursor cursor = {0};
    rin_move move;
    for (int i = 0; i < 9; i++) {
        assert_true(rin_route_next(route, &cursor, &move));
        bool second = i % 2;
        assert_int_equal(move.kind, second ? RIN_MOVE_SECOND : RIN_MOVE_STEP);
        assert_int_equal(move.step, i / 2);
        assert_int_equal(move.has_second, !second && i < 8);
        assert_int_equal(move.ends_step, second || i == 8);
        assert_true(move.gamma == route->nodes[i / 2 + second]);
    }
    assert_false(rin_route_next(route, &cursor, &move));
    rin_route_free(route);
}

/* Noise i is that of step i, used or not. */
static void test_noises_of_churn(void **state) {
    (void)state;
    rin_route_options options = route_options(RIN_SAMPLER_HEUN, RIN_SPACING_KARRAS, 12);
    options.churn = 40;
    options.churn_min = 0.05;
    options.churn_max = 50;
    options.churn_noise = 1.003;
    rin_route *route = route_create(&options);
    rin_cursor cursor = {0};
    rin_move move;
    int64_t churned = 0, within = 0;
    while (rin_route_next(route, &cursor, &move)) {
        if (move.kind != RIN_MOVE_RENOISE) {
            assert_int_equal(move.noise, -1);
            continue;
        }
        double gamma = route->nodes[move.step], sigma = rin_sigma_of_gamma(gamma), raised = sigma * sqrt(2);
        assert_int_equal(move.noise, move.step);
        assert_false(move.ends_step);
        assert_float_equal(rin_sigma_of_gamma(move.gamma) / raised, 1, 1e-9);
        assert_float_equal(move.x.of[RIN_SOURCE_X], sqrt(move.gamma / gamma), 1e-7);
        assert_float_equal(move.x.of[RIN_SOURCE_NOISE], 1.003 * sqrt(1 - move.gamma / gamma), 1e-6);
        churned++;
    }
    for (int64_t i = 0; i < 12; i++) {
        double sigma = rin_sigma_of_gamma(route->nodes[i]);
        within += sigma >= 0.05 && sigma <= 50;
    }
    assert_true(churned > 3 && churned < 12);
    assert_int_equal(churned, within);
    assert_int_equal(route->n_noises, 12);
    rin_route_free(route);
}

/* ---- what is refused ---- */

static void assert_route_refused(rin_route_options options, const char *part) {
    rin_error error = {0};
    rin_route *route;
    assert_refused(rin_route_create(&options, &route, &error), RIN_ERR_CONFIG, &error, part);
    assert_null(route);
}

static void test_refused_numbers(void **state) {
    (void)state;
    rin_route_options good = route_options(RIN_SAMPLER_DPMPP2M, RIN_SPACING_LOGSNR, 10), bad = good;
    bad.steps = -1;
    assert_route_refused(bad, "sample.steps");
    bad = good;
    bad.jump = 0;
    assert_route_refused(bad, "jump");
    bad = good;
    bad.repeats = 0;
    assert_route_refused(bad, "repeats");
    for (int spacing = RIN_SPACING_LOGSNR; spacing <= RIN_SPACING_KARRAS; spacing++) {
        bad = good;
        bad.spacing = (rin_spacing)spacing;
        bad.sigma_max = bad.sigma_min = 2;
        assert_route_refused(bad, "sample.sigma_min");
        bad.sigma_max = 1;
        assert_route_refused(bad, "sample.sigma_max");
        bad.sigma_max = 0;
        bad.strength = 0.3;
        assert_route_refused(bad, "sample.strength");
    }
}

static void test_refused_options(void **state) {
    (void)state;
    rin_sampler_about about;
    int refused = 0;
    for (int i = 0; rin_sampler_get((size_t)i, &about); i++) {
        const rin_sampler_row *row = rin_sampler_find((rin_sampler)i);
        for (int option = 0; option < 3; option++) {
            static const char *const names[] = {"sample.eta", "sample.churn", "sample.td"};
            rin_route_options options = route_options((rin_sampler)i, RIN_SPACING_UNIFORM, 10);
            double *const where[] = {&options.eta, &options.churn, &options.td};
            bool takes[] = {row->eta, row->churn, row->td};
            *where[option] = 0.5;
            if (!takes[option]) {
                assert_route_refused(options, names[option]);
                assert_route_refused(options, about.name);
                refused++;
            } else {
                rin_route_free(route_create(&options));
            }
        }
    }
    assert_int_equal(refused, 14);
}

/* Who takes what, in words rather than from the table. */
static void test_who_takes_what(void **state) {
    (void)state;
    rin_route_options options = route_options(RIN_SAMPLER_HEUN, RIN_SPACING_KARRAS, 10);
    options.eta = 1;
    assert_route_refused(options, "sample.eta");
    options.sampler = RIN_SAMPLER_UNIPC;
    assert_route_refused(options, "sample.eta");
    options.sampler = RIN_SAMPLER_DPMPP2M;
    rin_route_free(route_create(&options));
    options.churn = 1;
    assert_route_refused(options, "sample.churn");
    options = route_options(RIN_SAMPLER_DDIM, RIN_SPACING_UNIFORM, 10);
    options.eta = -0.5;
    assert_route_refused(options, "below 0");
    options = route_options(RIN_SAMPLER_HEUN, RIN_SPACING_KARRAS, 10);
    options.churn = NAN;
    assert_route_refused(options, "below 0");
    options = route_options(RIN_SAMPLER_DDIM, RIN_SPACING_QUADRATIC, 10);
    options.td = 1;
    assert_route_refused(options, "sample.td");
    options.spacing = RIN_SPACING_UNIFORM;
    rin_route_free(route_create(&options));
    options.sampler = RIN_SAMPLER_DPMPP2M;
    assert_route_refused(options, "sample.td");
}

static void test_refused_nodes(void **state) {
    (void)state;
    static const double bad[][4] = {{0.1, 0.2, 0.2, 1},   {0.1, 0.3, 0.2, 1}, {0, 0.2, 0.3, 1}, {-0.1, 0.2, 0.3, 1},
                                    {0.1, 0.2, 0.3, 1.1}, {0.1, NAN, 0.3, 1}, {0.1, 0.2, 1, 1}, {0.1, 0.2, 0.3, NAN}};
    static const double good[] = {0.1, 0.2, 0.3, 0.9};
    rin_route_options options = route_options(RIN_SAMPLER_DPMPP2M, RIN_SPACING_LOGSNR, 3);
    rin_error error = {0};
    rin_route *route;
    for (size_t i = 0; i < RIN_COUNT(bad); i++) {
        assert_refused(rin_route_create_along(&options, bad[i], &route, &error), RIN_ERR_CONFIG, &error,
                       "sample.steps");
        assert_null(route);
    }
    assert_ok(rin_route_create_along(&options, good, &route, &error), &error);
    assert_memory_equal(route->nodes, good, sizeof good);
    rin_route_free(route);
    /* Times so close that levels of a schedule in float are the same. */
    options = route_options(RIN_SAMPLER_DDPM, RIN_SPACING_UNIFORM, 1000000);
    assert_route_refused(options, "sample.spacing");
}

/* ---- noise between noises ---- */

static void test_slerp(void **state) {
    (void)state;
    const float p[] = {3, 0, 0, 0}, q[] = {0, 0, -3, 0}, opposite[] = {-3, 0, 0, 0}, none[] = {0, 0, 0, 0};
    const float *others[] = {p, q, opposite, none};
    float out[4];
    for (size_t i = 0; i < RIN_COUNT(others); i++) {
        rin_slerp(p, others[i], 0, out, 4);
        assert_memory_equal(out, p, sizeof out);
        rin_slerp(p, others[i], 1, out, 4);
        for (int k = 0; k < 4; k++) assert_true(out[k] == others[i][k]);
        for (double u = 0; u <= 1; u += 0.125) {
            rin_slerp(p, others[i], u, out, 4);
            for (int k = 0; k < 4; k++) assert_true(fabsf(out[k]) <= 3);
            if (others[i] == opposite) assert_float_equal(out[0], 3 - 6 * u, 1e-6); /* a straight line */
        }
    }
    rin_slerp(p, p, 0.3, out, 4);
    assert_float_equal(out[0], 3, 1e-6);
    rin_slerp(p, q, 1.0 / 3, out, 4); /* 30 degrees */
    assert_float_equal(out[0], 3 * sqrt(0.75), 1e-6);
    assert_float_equal(out[2], -1.5, 1e-6);
    memcpy(out, q, sizeof out); /* in place */
    rin_slerp(p, out, 1.0 / 3, out, 4);
    assert_float_equal(out[0], 3 * sqrt(0.75), 1e-6);
    assert_float_equal(out[2], -1.5, 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigma_rule),
        cmocka_unit_test(test_sigma_grids),
        cmocka_unit_test(test_grids_of_others),
        cmocka_unit_test(test_first_levels),
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_strength),
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_jumps_drop_history),
        cmocka_unit_test(test_last_steps),
        cmocka_unit_test(test_time_difference),
        cmocka_unit_test(test_evaluations_of_heun),
        cmocka_unit_test(test_second_evaluations),
        cmocka_unit_test(test_noises_of_churn),
        cmocka_unit_test(test_refused_numbers),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_who_takes_what),
        cmocka_unit_test(test_refused_nodes),
        cmocka_unit_test(test_slerp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
