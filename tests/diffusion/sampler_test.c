/* SPDX-License-Identifier: MIT */
/*
 * Samplers against what they should do for data whose best estimate is a formula: orders of convergence, mean and
 * spread of what comes out, and identities of their mixtures. route_test.c has where they go.
 */
#include "support/route.h"

/* ---- convergence: every pixel is a mixture of two Gaussians of its own ---- */

enum { N_PIXELS = 96 };

typedef struct mixture {
    double weight[2], mean[2], spread[2];
} mixture;

static double uniform_between(uint32_t which, int64_t i, double low, double high) {
    return low + (high - low) * (double)rin_random_uniform((rin_random_key){11, 0, which}, (uint64_t)i);
}

static mixture pixel(int64_t i) {
    double weight = uniform_between(0, i, 0.25, 0.75);
    return (mixture){{weight, 1 - weight},
                     {uniform_between(1, i, -0.7, -0.3), uniform_between(2, i, 0.3, 0.7)},
                     {uniform_between(3, i, 0.2, 0.35), uniform_between(4, i, 0.2, 0.35)}};
}

/* The mean of the data given x. */
static double best_estimate(const mixture *p, double gamma, double x) {
    double a = sqrt(gamma), log_part[2], of[2];
    for (int k = 0; k < 2; k++) {
        double v = gamma * p->spread[k] * p->spread[k] + 1 - gamma, off = x - a * p->mean[k];
        log_part[k] = log(p->weight[k]) - log(v) / 2 - off * off / (2 * v);
        of[k] = p->mean[k] + a * p->spread[k] * p->spread[k] / v * off;
    }
    double first = 1 / (1 + exp(log_part[1] - log_part[0]));
    return first * of[0] + (1 - first) * of[1];
}

/* How much of p's numbers at that level is below x. */
static double quantile(const mixture *p, double gamma, double x) {
    double sum = 0;
    for (int k = 0; k < 2; k++) {
        double v = gamma * p->spread[k] * p->spread[k] + 1 - gamma;
        sum += p->weight[k] * erfc((sqrt(gamma) * p->mean[k] - x) / sqrt(2 * v)) / 2;
    }
    return sum;
}

/* The flow keeps the order of numbers in one dimension, and so their quantiles. */
static double flow(const mixture *p, double gamma, double x, double end) {
    double low = -20, high = 20, wanted = quantile(p, gamma, x);
    for (int i = 0; i < 80; i++) {
        double middle = (low + high) / 2;
        if (quantile(p, end, middle) < wanted) low = middle;
        else high = middle;
    }
    return (low + high) / 2;
}

static void estimate_pixels(void *user, const rin_move *move, const float *x, float *estimate, int64_t n) {
    (void)user;
    for (int64_t i = 0; i < n; i++) {
        mixture p = pixel(i);
        estimate[i] = (float)best_estimate(&p, move->gamma, (double)x[i]);
    }
}

typedef struct seen {
    int64_t node; /* to be kept */
    float x[N_PIXELS];
} seen;

static void keep_node(void *user, const rin_move *move, const float *x, const float *estimate, int64_t n) {
    seen *s = user;
    (void)estimate;
    if (move->ends_step && move->node == s->node) memcpy(s->x, x, (size_t)n * sizeof *x);
}

/* Steps between levels that are equally far apart in log-SNR, or in time; and the end, which is not looked at. */
static void lay(bool by_time, int64_t steps, double *nodes) {
    const rin_schedule cosine = {.kind = RIN_SCHEDULE_COSINE};
    for (int64_t i = 0; i <= steps; i++) {
        double u = (double)i / (double)steps;
        nodes[i] = by_time ? rin_gamma_exact(&cosine, 0.95 - 0.9 * u)
                           : rin_gamma_of_sigma(20 * exp(u * log(0.05 / 20)));
    }
    nodes[steps + 1] = 1;
}

/* The largest error after so many steps, of the largest number. */
static double error_of(rin_sampler sampler, bool by_time, int64_t steps) {
    double nodes[66], worst = 0, most = 0;
    float start[N_PIXELS], x[N_PIXELS];
    rin_route_options options = route_options(sampler, RIN_SPACING_LOGSNR, steps + 1);
    rin_route *route;
    rin_error error = {0};
    seen s = {.node = steps};
    rin_follower follower = {.user = &s, .estimate = estimate_pixels, .look = keep_node};
    lay(by_time, steps, nodes);
    for (int64_t i = 0; i < N_PIXELS; i++) x[i] = start[i] = rin_random_normal((rin_random_key){12, 0, 0}, (uint64_t)i);
    assert_ok(rin_route_create_along(&options, nodes, &route, &error), &error);
    assert_ok(rin_route_follow(route, &follower, x, N_PIXELS, &error), &error);
    for (int64_t i = 0; i < N_PIXELS; i++) {
        mixture p = pixel(i);
        double exact = flow(&p, nodes[0], (double)start[i], nodes[steps]);
        worst = fmax(worst, fabs((double)s.x[i] - exact));
        most = fmax(most, fabs(exact));
    }
    rin_route_free(route);
    return worst / most;
}

static void test_orders(void **state) {
    (void)state;
    static const struct {
        rin_sampler sampler;
        double least, most;
    } rows[] = {{RIN_SAMPLER_DDIM, 0.85, 1.15},
                {RIN_SAMPLER_DPMPP2M, 1.8, 2.3},
                {RIN_SAMPLER_HEUN, 1.8, 2.3},
                {RIN_SAMPLER_UNIPC, 2.5, 4}};
    for (size_t i = 0; i < 2 * RIN_COUNT(rows); i++) {
        bool by_time = i % 2;
        rin_sampler sampler = rows[i / 2].sampler;
        double few = error_of(sampler, by_time, 16), many = error_of(sampler, by_time, 64),
               order = log2(few / many) / 2;
        if (!(order >= rows[i / 2].least && order <= rows[i / 2].most))
            fail_msg("%s %s: order %g, errors %g and %g", rin_sampler_find(sampler)->name,
                     by_time ? "by time" : "by log-SNR", order, few, many);
    }
}

/* ---- lines: states as sums of a constant, the start's noise and every later one, as the moves mix them ---- */

enum { MOST_NOISES = 24, ON_START = 1, ON_FRESH };

typedef struct line {
    double of[ON_FRESH + MOST_NOISES]; /* constant, start, noise 0, ... */
} line;

typedef struct walk {
    void *user;
    line x; /* the start */
    /* An estimate is slope x + shift. */
    void (*estimate)(void *user, double gamma, double *slope, double *shift);
    void (*look)(void *user, const rin_route *route, const rin_move *move, const line *x, const line *base);
} walk;

static line plus(line a, double factor, line b) {
    for (size_t i = 0; i < RIN_COUNT(a.of); i++) a.of[i] += factor * b.of[i];
    return a;
}

static line mix_lines(const rin_mixture *m, double gamma, const line *sources) {
    line sum = {{0}};
    if (m->of_eps != 0) {
        line eps = plus(sources[RIN_SOURCE_X], -sqrt(gamma), sources[RIN_SOURCE_ESTIMATE]);
        sum = plus(sum, m->of[RIN_SOURCE_X] / m->divisor, sources[RIN_SOURCE_X]);
        sum = plus(sum, m->of[RIN_SOURCE_ESTIMATE] / m->divisor, sources[RIN_SOURCE_ESTIMATE]);
        sum = plus(sum, m->of_eps / sqrt(1 - gamma) / m->divisor, eps);
        return plus(sum, m->of[RIN_SOURCE_NOISE], sources[RIN_SOURCE_NOISE]);
    }
    for (int k = 0; k < RIN_N_SOURCES; k++) sum = plus(sum, m->of[k], sources[k]);
    return sum;
}

/* Along the whole route; the result. */
static line walk_route(const rin_route *route, const walk *w) {
    line sources[RIN_N_SOURCES] = {[RIN_SOURCE_X] = w->x}, result = {{0}};
    rin_cursor cursor = {0};
    rin_move move;
    while (rin_route_next(route, &cursor, &move)) {
        double slope, shift;
        assert_true(move.noise < MOST_NOISES);
        sources[RIN_SOURCE_NOISE] = (line){{0}};
        if (move.noise >= 0) sources[RIN_SOURCE_NOISE].of[ON_FRESH + move.noise] = 1;
        w->estimate(w->user, move.gamma, &slope, &shift);
        line estimate = plus((line){{shift}}, slope, sources[RIN_SOURCE_X]);
        if (move.kind != RIN_MOVE_RENOISE) sources[RIN_SOURCE_ESTIMATE] = estimate;
        line x = mix_lines(&move.x, move.gamma, sources), base = mix_lines(&move.base, move.gamma, sources);
        if (w->look) w->look(w->user, route, &move, &x, &base);
        sources[RIN_SOURCE_X] = x;
        if (move.kind != RIN_MOVE_STEP) continue;
        sources[RIN_SOURCE_BASE] = base;
        sources[RIN_SOURCE_BEFORE_2] = sources[RIN_SOURCE_BEFORE];
        sources[RIN_SOURCE_BEFORE] = result = estimate;
    }
    return result;
}

static double spread_of(const line *l) {
    double squares = 0;
    for (size_t i = ON_START; i < RIN_COUNT(l->of); i++) squares += l->of[i] * l->of[i];
    return sqrt(squares);
}

/* ---- an estimate that is always the same: x must stay a c + s noise ---- */

static const double constant = 0.7;

typedef struct sums {
    const char *name;
    double allowed;
    bool fresh;  /* noise */
    bool larger; /* spread than that of data without any: ddpm */
} sums;

static void estimate_constant(void *user, double gamma, double *slope, double *shift) {
    (void)user;
    (void)gamma;
    *slope = 0;
    *shift = constant;
}

static void check_line(const sums *s, const rin_route *route, double gamma, const line *l) {
    double spread = s->fresh ? spread_of(l) : l->of[ON_START], off = fabs(l->of[0] - sqrt(gamma) * constant);
    if (off <= s->allowed && (s->larger || fabs(spread * spread - (1 - gamma)) <= s->allowed)) return;
    fail_msg("%s by %s in %lld steps: at %.9g it is %.9g + %.9g noise", s->name,
             rin_words_spacing[route->options.spacing], (long long)route->options.steps, gamma, l->of[0], spread);
}

static void check_sums(void *user, const rin_route *route, const rin_move *move, const line *x, const line *base) {
    const sums *s = user;
    if (move->ends_step) check_line(s, route, route->nodes[move->node], x);
    if (route->sampler->corrects && move->kind == RIN_MOVE_STEP) check_line(s, route, move->gamma, base);
}

static void check_constant(rin_route_options options) {
    rin_route *route = route_create(&options);
    double first = route->nodes[0];
    bool published = route->sampler->published && options.spacing == RIN_SPACING_UNIFORM;
    sums s = {
        .name = route->sampler->name, .fresh = route->n_noises > 0, .larger = options.sampler == RIN_SAMPLER_DDPM};
    /* Factors are floats. As the authors compute, the first step from 1e-9 loses a thousandth. */
    s.allowed = published ? 2e-3 : 1e-6;
    walk w = {&s, {{sqrt(first) * constant, sqrt(1 - first)}}, estimate_constant, check_sums};
    line result = walk_route(route, &w);
    assert_true(result.of[0] == constant && spread_of(&result) == 0);
    rin_route_free(route);
}

static void test_constant_estimates(void **state) {
    (void)state;
    static const int64_t steps[] = {1, 2, 3, 10};
    rin_sampler_about about;
    for (size_t i = 0; rin_sampler_get(i, &about); i++) {
        const rin_sampler_row *row = rin_sampler_find((rin_sampler)i);
        for (size_t k = 0; k < 4 * RIN_COUNT(steps); k++) {
            static const rin_spacing spacings[] = {RIN_SPACING_UNIFORM, RIN_SPACING_QUADRATIC, RIN_SPACING_LOGSNR,
                                                   RIN_SPACING_KARRAS};
            rin_route_options options = route_options((rin_sampler)i, spacings[k / RIN_COUNT(steps)],
                                                      steps[k % RIN_COUNT(steps)]);
            check_constant(options);
            options.eta = 0.5;
            if (row->eta) check_constant(options);
            options.eta = row->eta ? 1 : 0;
            if (row->eta) check_constant(options);
            options.churn = 2;
            if (row->churn) check_constant(options);
            options.churn = 0;
            options.jump = options.repeats = 2;
            if (options.steps < 10) check_constant(options);
        }
    }
}

/* The larger of the paper's variances is that for data of spread 1, whose states all have it. */

static void estimate_unit(void *user, double gamma, double *slope, double *shift) {
    (void)user;
    *slope = sqrt(gamma);
    *shift = 0;
}

static void check_unit(void *user, const rin_route *route, const rin_move *move, const line *x, const line *base) {
    const double *allowed = user;
    (void)base;
    if (!(fabs(spread_of(x) - 1) <= *allowed))
        fail_msg("ddpm by %s, step %lld: spread %.9g", rin_words_spacing[route->options.spacing], (long long)move->step,
                 spread_of(x));
}

static void test_larger_variance(void **state) {
    (void)state;
    static const rin_spacing spacings[] = {RIN_SPACING_UNIFORM, RIN_SPACING_QUADRATIC, RIN_SPACING_LOGSNR};
    for (size_t i = 0; i < RIN_COUNT(spacings); i++) {
        double allowed = spacings[i] == RIN_SPACING_UNIFORM ? 2e-3 : 1e-6; /* as above */
        rin_route_options options = route_options(RIN_SAMPLER_DDPM, spacings[i], 10);
        rin_route *route = route_create(&options);
        walk w = {&allowed, {{0, 1}}, estimate_unit, check_unit};
        (void)walk_route(route, &w);
        rin_route_free(route);
    }
}

/* ---- data N(0.2, 0.3^2): mean and spread of the result of finitely many steps ---- */

static const double data_mean = 0.2, data_spread = 0.3;

static void estimate_gaussian(void *user, double gamma, double *slope, double *shift) {
    (void)user;
    double square = data_spread * data_spread, v = gamma * square + 1 - gamma;
    *slope = sqrt(gamma) * square / v;
    *shift = data_mean * (1 - gamma) / v;
}

static void estimate_numbers(void *user, const rin_move *move, const float *x, float *estimate, int64_t n) {
    double slope, shift;
    estimate_gaussian(user, move->gamma, &slope, &shift);
    for (int64_t i = 0; i < n; i++) estimate[i] = (float)(slope * (double)x[i] + shift);
}

/* Noise 0 is the start. */
static void draw(void *user, int64_t number, float *noise, int64_t n) {
    (void)user;
    for (int64_t i = 0; i < n; i++)
        noise[i] = rin_random_normal((rin_random_key){13, 0, (uint32_t)(number + 1)}, (uint64_t)i);
}

static void check_moments(const rin_route *route, double mean, double spread) {
    enum { N = 100000 };
    rin_error error = {0};
    rin_follower follower = {.estimate = estimate_numbers, .noise = draw};
    float *x = test_malloc(N * sizeof *x);
    double sum = 0, squares = 0;
    draw(NULL, -1, x, N);
    assert_ok(rin_route_follow(route, &follower, x, N, &error), &error);
    for (int i = 0; i < N; i++) sum += (double)x[i];
    for (int i = 0; i < N; i++) squares += ((double)x[i] - sum / N) * ((double)x[i] - sum / N);
    double got = sqrt(squares / (N - 1));
    if (fabs(sum / N - mean) > 5 * spread / sqrt(N) || fabs(got - spread) > 5 * spread / sqrt(2.0 * N))
        fail_msg("%s, eta %g: mean %.6g and spread %.6g, expected %.6g and %.6g", route->sampler->name,
                 route->options.eta, sum / N, got, mean, spread);
    test_free(x);
}

static void test_moments(void **state) {
    (void)state;
    /* Reference numbers, 0 where there are none. */
    static const struct {
        rin_sampler sampler;
        rin_spacing spacing;
        double eta, churn, mean, spread;
    } rows[] = {
        {RIN_SAMPLER_DDIM, RIN_SPACING_UNIFORM, 0, 0, 0.19999625144242436, 0.23870024744652843},
        {RIN_SAMPLER_DDIM, RIN_SPACING_UNIFORM, 1, 0, 0.19999999988902245, 0.2149896985301027},
        {RIN_SAMPLER_DPMPP2M, RIN_SPACING_LOGSNR, 0, 0, 0.19937966899861528, 0.31018100857964687},
        {RIN_SAMPLER_DPMPP2M, RIN_SPACING_LOGSNR, 1, 0, 0.19999820001619978, 0.30687363253168204},
        {RIN_SAMPLER_HEUN, RIN_SPACING_KARRAS, 0, 4, 0.19991550685335133, 0.4310202482090087},
        {RIN_SAMPLER_UNIPC, RIN_SPACING_LOGSNR, 0, 0, 0, 0},
        {RIN_SAMPLER_DDPM, RIN_SPACING_UNIFORM, 0, 0, 0, 0},
        {RIN_SAMPLER_DDPM_SMALL, RIN_SPACING_UNIFORM, 0, 0, 0, 0},
        {RIN_SAMPLER_DDPM, RIN_SPACING_LOGSNR, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        rin_route_options options = route_options(rows[i].sampler, rows[i].spacing, 10);
        options.eta = rows[i].eta;
        options.churn = rows[i].churn;
        options.sigma_max = 100;
        options.sigma_min = 0.005;
        rin_route *route = route_create(&options);
        walk w = {.x = {{0, 1}}, .estimate = estimate_gaussian};
        line result = walk_route(route, &w);
        double mean = result.of[0], spread = spread_of(&result);
        if (rows[i].spread > 0) {
            assert_float_equal(mean, rows[i].mean, 1e-6);
            assert_float_equal(spread, rows[i].spread, 1e-6);
        }
        check_moments(route, mean, spread);
        rin_route_free(route);
    }
}

/* ---- samplers that are others ---- */

static void check_same(const rin_route_options *a, const rin_route_options *b, double allowed) {
    rin_route *first = route_create(a), *second = route_create(b);
    rin_cursor here = {0}, there = {0};
    rin_move p, q;
    assert_int_equal(first->n_evaluations, second->n_evaluations);
    while (rin_route_next(first, &here, &p)) {
        assert_true(rin_route_next(second, &there, &q));
        assert_int_equal(p.noise, q.noise);
        assert_float_equal(p.gamma, q.gamma, 0);
        for (int k = 0; k < RIN_N_SOURCES; k++) assert_float_equal(p.x.of[k], q.x.of[k], allowed);
    }
    rin_route_free(first);
    rin_route_free(second);
}

static void test_other_names(void **state) {
    (void)state;
    for (int64_t steps = 1; steps <= 21; steps += 4) {
        rin_route_options ddim = route_options(RIN_SAMPLER_DDIM, RIN_SPACING_LOGSNR, steps),
                          euler = route_options(RIN_SAMPLER_EULER, RIN_SPACING_AUTO, steps),
                          small = route_options(RIN_SAMPLER_DDPM_SMALL, RIN_SPACING_LOGSNR, steps);
        check_same(&ddim, &euler, 0);
        ddim.eta = 1;
        check_same(&ddim, &small, 1e-6);
    }
}

/* ---- what unipc's correction integrates ---- */

/* The integral of lambda^degree exp(lambda). */
static double integral(int degree, double lambda) {
    double part[] = {1, lambda - 1, lambda * lambda - 2 * lambda + 2};
    return part[degree] * exp(lambda);
}

/* With three estimates it is exact where they are a parabola in lambda; with two it is the trapezoid rule. */
static void test_correction_of_unipc(void **state) {
    (void)state;
    rin_route_options options = route_options(RIN_SAMPLER_UNIPC, RIN_SPACING_KARRAS, 9);
    rin_route *route = route_create(&options);
    rin_cursor cursor = {0};
    rin_move move;
    double lambda[3] = {0};
    for (int i = 0; rin_route_next(route, &cursor, &move); i++) {
        const double *of = move.base.of;
        double noise = sqrt(1 - move.gamma);
        memmove(lambda + 1, lambda, 2 * sizeof *lambda);
        lambda[0] = rin_lambda_of_gamma(move.gamma);
        for (int degree = 0; i > 0 && degree <= (i > 1 ? 2 : 0); degree++) {
            double expected = noise * (integral(degree, lambda[0]) - integral(degree, lambda[1])), got = 0;
            for (int k = 0; k < 3; k++)
                got += of[k == 0 ? RIN_SOURCE_ESTIMATE : RIN_SOURCE_BEFORE + k - 1] * pow(lambda[k], degree);
            if (!(fabs(got - expected) <= 1e-5)) fail_msg("step %d, degree %d: %g, not %g", i, degree, got, expected);
        }
        if (i == 1) assert_float_equal(of[RIN_SOURCE_ESTIMATE], of[RIN_SOURCE_BEFORE], 1e-7);
    }
    rin_route_free(route);
}

/* ---- by hand ---- */

static float step_of(rin_sampler sampler, rin_transition t, float x, float x0, float z) {
    float out;
    const float *sources[RIN_N_SOURCES] = {[RIN_SOURCE_X] = &x, [RIN_SOURCE_ESTIMATE] = &x0, [RIN_SOURCE_NOISE] = &z};
    rin_mixture mixed = {0}, base = {0};
    rin_sampler_find(sampler)->mix(&t, &mixed, &base);
    rin_mix(&mixed, t.gamma, sources, &out, 1);
    return out;
}

/* x = 0.6 x0 + 0.8 eps, to a level of 0.64. */
static void test_steps_by_hand(void **state) {
    (void)state;
    const float x0 = 0.5f, eps = -0.25f, x = 0.6f * x0 + 0.8f * eps;
    const double a = 0.36 / 0.64, mean = ((double)x - (1 - a) / 0.8 * -0.25) / sqrt(a);
    rin_transition t = {.gamma = 0.36, .next = 0.64};
    assert_float_equal(step_of(RIN_SAMPLER_DDIM, t, x, x0, 0), 0.8 * 0.5 - 0.6 * 0.25, 1e-6);
    assert_float_equal(step_of(RIN_SAMPLER_DPMPP2M, t, x, x0, 0), 0.8 * 0.5 - 0.6 * 0.25, 1e-6);
    for (int i = 0; i < 2; i++) {
        t.published = i == 1;
        assert_float_equal(step_of(RIN_SAMPLER_DDPM, t, x, x0, 2), mean + 2 * sqrt(1 - a), 1e-6);
        assert_float_equal(step_of(RIN_SAMPLER_DDPM_SMALL, t, x, x0, 2), mean + 2 * sqrt((1 - a) * 0.36 / 0.64), 1e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),          cmocka_unit_test(test_constant_estimates),
        cmocka_unit_test(test_larger_variance), cmocka_unit_test(test_moments),
        cmocka_unit_test(test_other_names),     cmocka_unit_test(test_correction_of_unipc),
        cmocka_unit_test(test_steps_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
