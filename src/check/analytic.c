/* SPDX-License-Identifier: MIT */
/*
 * Samplers with an analytic estimate: every pixel is a mixture of two Gaussians, w N(m1, c1^2) + (1 - w) N(m2, c2^2).
 * Whole runs, orders of convergence, moments with the program's own noise, grids and walks.
 */
#include <math.h>
#include <string.h>

#include "check/sampler_case.h"

/* Section 8: of max|b|. */
static const double tolerance_run = 3e-5;

/* ---- the estimate ---- */

typedef struct mixture {
    float *w, *m1, *c1, *m2, *c2; /* [n] of a picture */
    int64_t n;
    double clip; /* of the estimate; 0: none */
} mixture;

static rin_status read_mixture(rin_case *c, const char *folder, mixture *out, rin_error *error) {
    struct {
        const char *name;
        float **values;
    } parts[] = {{"w", &out->w}, {"m1", &out->m1}, {"c1", &out->c1}, {"m2", &out->m2}, {"c2", &out->c2}};
    rin_status status = RIN_OK;
    rin_check check = rin_check_begin(c, NULL, folder);
    for (size_t i = 0; i < RIN_COUNT(parts) && status == RIN_OK; i++) {
        const rin_stored_tensor *tensor = rin_case_find(c, "%s/%s", folder, parts[i].name);
        if (i == 0 && tensor) out->n = (int64_t)tensor->n_elements;
        status = rin_check_values(&check, parts[i].name, false, out->n, parts[i].values, error);
    }
    if (status == RIN_OK && out->n < 1) status = rin_error_set(error, RIN_ERR_SHAPE, "'%s/w' is empty", folder);
    return status;
}

static void clear_mixture(mixture *m) {
    float *parts[] = {m->w, m->m1, m->c1, m->m2, m->c2};
    for (size_t i = 0; i < RIN_COUNT(parts); i++) rin_free(parts[i]);
}

/* Mean of one Gaussian at x, and its log density but for what both have. */
static double conditional(double m, double c, double a, double noise, double x, double *log_density) {
    double v = a * a * c * c + noise, d = x - a * m;
    *log_density = -0.5 * log(v) - d * d / (2 * v);
    return m + a * c * c / v * d;
}

static void estimate(void *user, const rin_move *move, const float *x, float *out, int64_t n) {
    const mixture *m = user;
    double a = sqrt(move->gamma), noise = 1 - move->gamma;
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i % m->n;
        double one, two, w = (double)m->w[k];
        double d1 = conditional((double)m->m1[k], (double)m->c1[k], a, noise, (double)x[i], &one);
        double d2 = conditional((double)m->m2[k], (double)m->c2[k], a, noise, (double)x[i], &two);
        double share = w >= 1 ? 1 : w <= 0 ? 0 : 1 / (1 + exp(log1p(-w) - log(w) + two - one));
        double d = share * d1 + (1 - share) * d2;
        out[i] = (float)(m->clip > 0 ? fmin(fmax(d, -m->clip), m->clip) : d);
    }
}

/* ---- whole runs ---- */

typedef struct run {
    rin_check *check;
    mixture *of;
    rin_parts states, estimates, noise;
    int64_t n_states, n_estimates;
} run;

static void run_estimate(void *user, const rin_move *move, const float *x, float *out, int64_t n) {
    estimate(((run *)user)->of, move, x, out, n);
}

static void run_draw(void *user, int64_t number, float *noise, int64_t n) {
    (void)n;
    rin_parts_draw(&((run *)user)->noise, number, noise);
}

static void look(void *user, const rin_move *move, const float *x, const float *made, int64_t n) {
    run *r = user;
    (void)n;
    if (move->kind != RIN_MOVE_RENOISE)
        rin_parts_compare(r->check, &r->estimates, r->n_estimates++, made, tolerance_run);
    if (move->ends_step) rin_parts_compare(r->check, &r->states, ++r->n_states, x, tolerance_run);
}

/* How far the result is from the flow's exact end, which is known, too: in parts of that end, so that the tolerance,
 * which is in parts of the result, grows with it. */
static rin_status compare_exact(rin_check *check, const float *x, int64_t n, rin_error *error) {
    float *exact = NULL;
    double far = 0, largest = 0, result = 0;
    rin_status status = rin_check_values(check, "exact", true, n, &exact, error);
    for (int64_t i = 0; exact && status == RIN_OK && i < n; i++) {
        far = fmax(far, fabs((double)x[i] - (double)exact[i]));
        largest = fmax(largest, fabs((double)exact[i]));
        result = fmax(result, fabs((double)x[i]));
    }
    if (exact && status == RIN_OK && largest > 0)
        rin_check_number_of(check, check->options, "error_to_exact", far / largest, tolerance_run,
                            fmax(1, result / largest));
    rin_free(exact);
    return status;
}

static rin_status read_run(run *r, int64_t n, rin_error *error) {
    rin_status status = rin_parts_read(r->check, "states", n, &r->states, error);
    if (status == RIN_OK) status = rin_parts_read(r->check, "estimates", n, &r->estimates, error);
    if (status == RIN_OK) status = rin_parts_read(r->check, "step_noise", n, &r->noise, error);
    return status;
}

static rin_status follow(run *r, const rin_route *route, float *x, int64_t n, rin_error *error) {
    const rin_follower follower = {r, run_estimate, run_draw, look};
    rin_check_number_of(r->check, r->check->options, "evaluations", (double)route->n_evaluations, 0, 1);
    rin_parts_compare(r->check, &r->states, 0, x, tolerance_run);
    rin_status status = rin_parts_fit(&r->noise, route, error);
    if (status == RIN_OK) status = rin_route_follow(route, &follower, x, n, error);
    if (status == RIN_OK) status = rin_parts_end(&r->states, r->n_states + 1, error);
    if (status == RIN_OK) status = rin_parts_end(&r->estimates, r->n_estimates, error);
    return status == RIN_OK ? compare_exact(r->check, x, n, error) : status;
}

static rin_status check_run(rin_check *check, rin_error *error) {
    mixture of = {.clip = rin_row_number(check->options, "clip", 0)};
    run r = {.check = check, .of = &of};
    rin_route_options options;
    rin_route *route = NULL;
    double *nodes = NULL;
    float *x = NULL;
    const rin_stored_tensor *start = rin_case_find(check->of, "%s/noise0", check->name);
    int64_t n = start ? (int64_t)start->n_elements : 0;
    rin_status status = rin_row_route_options(check->options, 0, &options, &nodes, error);
    if (status == RIN_OK) status = rin_row_compare_grid(check, &options, nodes, error);
    if (status == RIN_OK) status = rin_route_create_along(&options, nodes, &route, error);
    if (status == RIN_OK) status = read_mixture(check->of, "params", &of, error);
    if (status == RIN_OK) status = rin_check_values(check, "noise0", false, 0, &x, error);
    if (status == RIN_OK && (n < 1 || n % of.n != 0))
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s' is not made of pictures as the parameters have",
                               start->name);
    if (status == RIN_OK) status = read_run(&r, n, error);
    if (status == RIN_OK) status = follow(&r, route, x, n, error);
    rin_free(x);
    rin_free(nodes);
    rin_free(r.states.values);
    rin_free(r.estimates.values);
    rin_free(r.noise.values);
    rin_route_free(route);
    clear_mixture(&of);
    return status;
}

/* ---- orders of convergence ---- */

typedef struct ending {
    mixture *of;
    int64_t steps;
    float *x; /* the state at the last node before the end that was appended */
} ending;

static void ending_estimate(void *user, const rin_move *move, const float *x, float *out, int64_t n) {
    estimate(((ending *)user)->of, move, x, out, n);
}

static void keep_ending(void *user, const rin_move *move, const float *x, const float *made, int64_t n) {
    ending *e = user;
    (void)made;
    if (move->ends_step && move->node == e->steps) memcpy(e->x, x, (size_t)n * sizeof *x);
}

/* S equal steps in log-SNR from sigma 20 to 0.05, or in the cosine schedule's time from 0.95 to 0.05, and then the end,
 * so that its rule does not interfere. */
static double convergence_node(bool logsnr, const rin_schedule *cosine, int64_t i, int64_t steps) {
    double u = (double)i / (double)steps;
    if (i > steps) return 1;
    return logsnr ? rin_gamma_of_sigma(20 * pow(0.05 / 20, u)) : rin_gamma_exact(cosine, 0.95 + u * (0.05 - 0.95));
}

static rin_status error_of(mixture *of, const rin_route_options *options, bool logsnr, const float *x,
                           const float *exact, int64_t n, double *out, rin_error *error) {
    rin_route_options own = *options;
    rin_route *route = NULL;
    ending e = {of, options->steps, rin_calloc((size_t)n, sizeof *e.x, error)};
    own.steps++;
    double *nodes = rin_calloc((size_t)own.steps + 1, sizeof *nodes, error), far = 0, largest = 0;
    float *state = rin_calloc((size_t)n, sizeof *state, error);
    const rin_follower follower = {.user = &e, .estimate = ending_estimate, .look = keep_ending};
    rin_status status = e.x && nodes && state ? RIN_OK : RIN_ERR_MEMORY;
    for (int64_t i = 0; i <= own.steps && status == RIN_OK; i++)
        nodes[i] = convergence_node(logsnr, &own.schedule, i, options->steps);
    if (status == RIN_OK) status = rin_route_create_along(&own, nodes, &route, error);
    if (status == RIN_OK) {
        memcpy(state, x, (size_t)n * sizeof *state);
        status = rin_route_follow(route, &follower, state, n, error);
    }
    for (int64_t i = 0; i < n && status == RIN_OK; i++) {
        far = fmax(far, fabs((double)e.x[i] - (double)exact[i]));
        largest = fmax(largest, fabs((double)exact[i]));
    }
    *out = largest > 0 ? far / largest : 0;
    rin_route_free(route);
    rin_free(e.x);
    rin_free(nodes);
    rin_free(state);
    return status;
}

/* From 16 to 64 steps, how far from what the document accepts. */
static void note_order(rin_check *check, const char *kind, double coarse, double fine) {
    static const struct {
        const char *kind;
        double least, most;
    } accepted[] = {{"ddim", 0.85, 1.15}, {"dpmpp2m", 1.8, 2.3}, {"heun", 1.8, 2.3}, {"unipc", 2.5, INFINITY}};
    double order = log(coarse / fine) / log(4);
    for (size_t i = 0; i < RIN_COUNT(accepted); i++) {
        double off = fmax(accepted[i].least - order, order - accepted[i].most);
        if (strcmp(accepted[i].kind, kind) == 0)
            rin_check_note(check, "order", 0, isnan(order) ? NAN : fmax(off, 0), 0);
    }
}

static rin_status run_orders(rin_check *check, mixture *of, const float *x, const float *exact, int64_t n,
                             rin_error *error) {
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(check->options, "S"), *count,
                *errors = cJSON_GetObjectItemCaseSensitive(check->options, "error");
    const char *kind = rin_row_word(check->options, "kind", "");
    bool logsnr = strcmp(rin_row_word(check->options, "grid", ""), "logsnr") == 0;
    double coarse = NAN, fine = NAN;
    int index = 0;
    cJSON_ArrayForEach(count, steps) {
        rin_route_options options;
        double *nodes = NULL, far = 0;
        const cJSON *expected = cJSON_GetArrayItem(errors, index++);
        double asked = cJSON_IsNumber(count) ? count->valuedouble : 0;
        if (!(asked >= 1 && asked <= RIN_CASE_STEPS && asked == floor(asked)))
            return rin_error_set(error, RIN_ERR_FORMAT, "S lists %g; allowed are whole numbers from 1 to %d", asked,
                                 RIN_CASE_STEPS);
        rin_status status = rin_row_route_options(check->options, (int64_t)asked, &options, &nodes, error);
        rin_free(nodes);
        if (status == RIN_OK) status = error_of(of, &options, logsnr, x, exact, n, &far, error);
        if (status != RIN_OK) return status;
        if (cJSON_IsNumber(expected))
            rin_check_note(check, "error", index - 1, fabs(far - expected->valuedouble), tolerance_run);
        if (options.steps == 16) coarse = far;
        if (options.steps == 64) fine = far;
    }
    if (!isnan(coarse) && !isnan(fine)) note_order(check, kind, coarse, fine);
    return RIN_OK;
}

static rin_status check_order(rin_check *check, rin_error *error) {
    mixture of = {0};
    const char *grid = rin_row_word(check->options, "grid", "");
    const rin_stored_tensor *start = rin_case_find(check->of, "convergence/x");
    char name[RIN_CASE_NAME];
    float *x = NULL, *exact = NULL;
    snprintf(name, sizeof name, "exact_%.64s", grid);
    rin_check at = rin_check_begin(check->of, NULL, "convergence");
    rin_status status = rin_case_expect(start, error, "convergence/x");
    int64_t n = start ? (int64_t)start->n_elements : 0;
    if (status == RIN_OK) status = read_mixture(check->of, "convergence", &of, error);
    if (status == RIN_OK && n % of.n != 0)
        status = rin_error_set(error, RIN_ERR_SHAPE, "'convergence/x' is not made of pictures as its parameters have");
    if (status == RIN_OK) status = rin_check_values(&at, "x", false, n, &x, error);
    if (status == RIN_OK) status = rin_check_values(&at, name, false, n, &exact, error);
    if (status == RIN_OK) status = run_orders(check, &of, x, exact, n, error);
    rin_free(x);
    rin_free(exact);
    clear_mixture(&of);
    return status;
}

/* ---- moments with the program's own noise ---- */

enum { MOMENT_PIXELS = 100000, MOMENT_STREAM = 0x4D4F4D };

typedef struct gaussian {
    double mean, deviation;
} gaussian;

static void gaussian_estimate(void *user, const rin_move *move, const float *x, float *out, int64_t n) {
    const gaussian *g = user;
    double unused, a = sqrt(move->gamma);
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)conditional(g->mean, g->deviation, a, 1 - move->gamma, (double)x[i], &unused);
}

static void fresh(void *user, int64_t number, float *noise, int64_t n) {
    (void)user;
    rin_random_key key = {0, (uint64_t)(number + 1), MOMENT_STREAM};
    for (int64_t i = 0; i < n; i++) noise[i] = rin_random_normal(key, (uint64_t)i);
}

static void compare_moments(rin_check *check, const float *x, int64_t n) {
    const double errors = 5; /* standard ones */
    double sum = 0, squares = 0, spread = rin_row_number(check->options, "std", NAN);
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    rin_check_number_of(check, check->options, "mean", mean, errors * spread / sqrt((double)n), 1);
    rin_check_number_of(check, check->options, "std", sqrt(squares / (double)n),
                        errors * spread / sqrt(2.0 * (double)n), 1);
}

static rin_status check_moments(rin_check *check, rin_error *error) {
    gaussian data = {rin_row_number(check->options, "data_mean", 0), rin_row_number(check->options, "data_std", 1)};
    const rin_follower follower = {.user = &data, .estimate = gaussian_estimate, .noise = fresh};
    rin_route_options options;
    rin_route *route = NULL;
    double *nodes = NULL;
    rin_status status = rin_row_route_options(check->options, 0, &options, &nodes, error);
    if (status == RIN_OK) status = rin_route_create_along(&options, nodes, &route, error);
    float *x = status == RIN_OK ? rin_calloc(MOMENT_PIXELS, sizeof *x, error) : NULL;
    if (status == RIN_OK && !x) status = RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        fresh(NULL, -1, x, MOMENT_PIXELS);
        status = rin_route_follow(route, &follower, x, MOMENT_PIXELS, error);
    }
    if (status == RIN_OK) compare_moments(check, x, MOMENT_PIXELS);
    rin_free(x);
    rin_free(nodes);
    rin_route_free(route);
    return status;
}

/* ---- grids and walks ---- */

static rin_status check_grid(rin_check *check, rin_error *error) {
    rin_route_options options;
    double *nodes = NULL;
    rin_status status = rin_row_route_options(check->options, 0, &options, &nodes, error);
    if (status == RIN_OK) status = rin_row_compare_grid(check, &options, nodes, error);
    rin_free(nodes);
    return status;
}

/* Whether an entry of a walk, such as ["step", 3] or ["back", 4, 2], is this move. */
static bool is_move(const cJSON *entry, const rin_move *move, int64_t from) {
    const cJSON *first = cJSON_GetArrayItem(entry, 1), *second = cJSON_GetArrayItem(entry, 2);
    const char *what = cJSON_GetStringValue(cJSON_GetArrayItem(entry, 0));
    if (!what || !cJSON_IsNumber(first)) return false;
    if (strcmp(what, "step") == 0) return move->kind == RIN_MOVE_STEP && first->valuedouble == (double)move->step;
    return move->kind == RIN_MOVE_RENOISE && cJSON_IsNumber(second) && first->valuedouble == (double)from &&
           second->valuedouble == (double)move->node;
}

static rin_status compare_walk(rin_check *check, const rin_route *route) {
    const cJSON *walk = cJSON_GetObjectItemCaseSensitive(check->options, "walk"), *entry;
    rin_cursor cursor = {0};
    rin_move move;
    int64_t node = 0, index = 0;
    cJSON_ArrayForEach(entry, walk) {
        bool same = rin_route_next(route, &cursor, &move) && is_move(entry, &move, node);
        rin_check_note(check, "walk", index++, same ? 0 : 1, 0);
        node = move.node;
    }
    rin_check_note(check, "walk", index, rin_route_is_done(route, &cursor) ? 0 : 1, 0);
    return RIN_OK;
}

static rin_status check_walk(rin_check *check, rin_error *error) {
    rin_route_options options;
    rin_route *route = NULL;
    double *nodes = NULL;
    rin_status status = rin_row_route_options(check->options, 0, &options, &nodes, error);
    if (status == RIN_OK) status = rin_route_create_along(&options, nodes, &route, error);
    if (status == RIN_OK) status = compare_walk(check, route);
    rin_free(nodes);
    rin_route_free(route);
    return status;
}

/* ---- the case ---- */

bool rin_check_is_analytic(const cJSON *json) {
    static const char *const lists[] = {"convergence", "moments", "grids", "walks"};
    for (size_t i = 0; i < RIN_COUNT(lists); i++) {
        if (rin_first_row(json, lists[i])) return true;
    }
    return cJSON_HasObjectItem(rin_first_row(json, "cases"), "spacing");
}

rin_status rin_check_analytic(rin_case *c, rin_error *error) {
    static const struct {
        const char *list;
        rin_row_fn *run;
    } rows[] = {{"cases", check_run},
                {"convergence", check_order},
                {"moments", check_moments},
                {"grids", check_grid},
                {"walks", check_walk}};
    rin_status status = rin_case_open_numbers(c, error);
    for (size_t i = 0; i < RIN_COUNT(rows) && status == RIN_OK; i++)
        status = rin_check_each(c, rows[i].list, rows[i].run, error);
    if (status == RIN_OK) rin_check_sampling_ops(c);
    return status;
}
