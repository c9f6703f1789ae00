/* SPDX-License-Identifier: MIT */
/* Grids: the signal levels at which the network is asked. A spacing is a function and a row. */
#include <math.h>

#include "diffusion/grid.h"

double rin_gamma_of_sigma(double sigma) {
    return 1 / (1 + sigma * sigma);
}

double rin_sigma_of_gamma(double gamma) {
    return sqrt((1 - gamma) / gamma);
}

double rin_lambda_of_gamma(double gamma) {
    return (log(gamma) - log1p(-gamma)) / 2;
}

bool rin_grid_is_published(const rin_route_options *o) {
    return !o->exact && o->spacing == RIN_SPACING_UNIFORM && (rin_sampler_find(o->sampler)->published || o->td != 0);
}

double rin_grid_uniform_level(const rin_route_options *o, double i) {
    double t = fmax(o->strength * (1 - i / (double)o->steps), 0);
    if (!rin_grid_is_published(o)) return rin_gamma_exact(&o->schedule, t);
    return (double)fmaxf(rin_gamma(&o->schedule, t), 1e-9f);
}

/* ---- spacings: level i of the grid, i = 0 .. steps; `end` is the last one ---- */

typedef double spacing_fn(const rin_route_options *o, int64_t i);

static double uniform(const rin_route_options *o, int64_t i) {
    return rin_grid_uniform_level(o, (double)i);
}

static double quadratic(const rin_route_options *o, int64_t i) {
    double t = 1 - (double)i / (double)o->steps;
    return rin_gamma_exact(&o->schedule, o->strength * t * t);
}

/* How far along between the largest and the smallest sigma. */
static double fraction(const rin_route_options *o, int64_t i) {
    return o->steps > 1 ? (double)i / (double)(o->steps - 1) : 0;
}

static double logsnr(const rin_route_options *o, int64_t i) {
    double u = fraction(o, i);
    return i == o->steps ? 1 : rin_gamma_of_sigma(pow(o->sigma_max, 1 - u) * pow(o->sigma_min, u));
}

static double karras(const rin_route_options *o, int64_t i) {
    double most = pow(o->sigma_max, 1 / o->rho), least = pow(o->sigma_min, 1 / o->rho);
    return i == o->steps ? 1 : rin_gamma_of_sigma(pow(most + fraction(o, i) * (least - most), o->rho));
}

static const struct {
    spacing_fn *level;
    bool timed; /* times of the schedule rather than levels between two sigmas */
} spacings[] = {
    [RIN_SPACING_UNIFORM] = {uniform, true},
    [RIN_SPACING_QUADRATIC] = {quadratic, true},
    [RIN_SPACING_LOGSNR] = {logsnr, false},
    [RIN_SPACING_KARRAS] = {karras, false},
};

bool rin_spacing_is_timed(rin_spacing spacing) {
    return spacings[spacing].timed;
}

/* The first level is as far as a picture's mean brightness needs; the last below a step of 8 bits. */
static void choose_sigmas(rin_route_options *o) {
    if (o->sigma_max == 0) o->sigma_max = 1.5 * o->b_scale * sqrt((double)o->n_pixels);
    if (o->sigma_min == 0) o->sigma_min = 0.005 * o->b_scale;
    if (o->strength < 1) o->sigma_max = o->b_scale * rin_sigma_of_gamma(rin_gamma_exact(&o->schedule, o->strength));
}

rin_status rin_grid_make(rin_route_options *o, double *nodes, rin_error *error) {
    choose_sigmas(o);
    if (!spacings[o->spacing].timed && o->steps > 1 && !(o->sigma_max > o->sigma_min))
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sampling would go from sigma %g to %g: allowed is a sample.sigma_min below "
                             "sample.sigma_max%s",
                             o->sigma_max, o->sigma_min, o->strength < 1 ? ", or a greater sample.strength" : "");
    for (int64_t i = 0; i <= o->steps; i++) nodes[i] = spacings[o->spacing].level(o, i);
    return RIN_OK;
}

rin_status rin_grid_check(const double *nodes, int64_t steps, rin_error *error) {
    for (int64_t i = 0; i < steps; i++) {
        if (nodes[i] > 0 && nodes[i] < nodes[i + 1] && nodes[i + 1] <= 1) continue;
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sampling in %lld steps would go from signal level %.17g to %.17g: each must be above the "
                             "one before; use fewer sample.steps, or another sample.schedule or sample.spacing",
                             (long long)steps, nodes[i], nodes[i + 1]);
    }
    return RIN_OK;
}
