/* SPDX-License-Identifier: MIT */
/* Routes: moves along a grid, one by one; and going along them with any estimate. */
#include <math.h>
#include <string.h>

#include "diffusion/grid.h"

enum { AT_NODE, AT_STEP, AT_SECOND, AT_JUMP }; /* what comes next */

/* ---- the moves ---- */

static void remember(rin_cursor *c, double gamma) {
    c->before[1] = c->before[0];
    c->before[0] = gamma;
    if (c->n_before < 2) c->n_before++;
}

/* The forward process from signal level gamma to a lower one. */
static void renoise(double gamma, double lower, double spread, rin_move *move) {
    move->kind = RIN_MOVE_RENOISE;
    move->gamma = lower;
    move->x.of[RIN_SOURCE_X] = sqrt(lower / gamma);
    move->x.of[RIN_SOURCE_NOISE] = spread * sqrt(1 - lower / gamma);
}

/* The level that churn goes back to before a step; that of the node where there is none. */
static double churned(const rin_route *route, double gamma) {
    const rin_route_options *o = &route->options;
    double sigma = rin_sigma_of_gamma(gamma);
    if (o->churn <= 0 || sigma < o->churn_min || sigma > o->churn_max) return gamma;
    return rin_gamma_of_sigma(sigma * (1 + fmin(o->churn / (double)o->steps, sqrt(2) - 1)));
}

static rin_transition transition_of(const rin_route *route, const rin_cursor *c) {
    const rin_route_options *o = &route->options;
    rin_transition t = {.gamma = c->gamma,
                        .next = route->nodes[c->node + 1],
                        .before = {c->before[0], c->before[1]},
                        .n_before = c->n_before,
                        .last = c->node == o->steps - 1,
                        .second = c->phase == AT_SECOND,
                        .published = rin_grid_is_published(o),
                        .eta = o->eta};
    if (o->td != 0 && o->spacing == RIN_SPACING_UNIFORM)
        t.next = rin_grid_uniform_level(o, (double)c->node + 1 + o->td);
    return t;
}

/* RePaint: a node whose leaving is made `repeats` times, each time from `jump` nodes back. */
static bool is_turn(const rin_route_options *o, int64_t node) {
    return node >= o->jump && (o->steps - 1 - node) % o->jump == 0;
}

static void finish_step(const rin_route *route, rin_cursor *c, rin_move *move) {
    bool turn = is_turn(&route->options, c->node);
    move->ends_step = true;
    move->node = c->node + 1;
    c->phase = AT_JUMP;
    if (turn && ++c->made < route->options.repeats) return;
    if (turn) c->made = 0;
    c->phase = AT_NODE;
    c->node++;
}

static void jump(const rin_route *route, rin_cursor *c, rin_move *move) {
    int64_t to = c->node + 1 - route->options.jump;
    renoise(route->nodes[c->node + 1], route->nodes[to], 1, move);
    move->noise = c->noises++;
    move->ends_step = true;
    move->node = c->node = to;
    c->n_before = 0;
    c->phase = AT_NODE;
}

/* Whether each step has a noise of its own, used or not. */
static bool draws(const rin_route *route) {
    return route->sampler->noisy || route->options.eta > 0 || route->options.churn > 0;
}

/* Noise before a step; whether there is any. */
static bool churn(const rin_route *route, rin_cursor *c, rin_move *move) {
    double gamma = route->nodes[c->node];
    c->gamma = churned(route, gamma);
    c->phase = AT_STEP;
    if (c->gamma == gamma) return false;
    renoise(gamma, c->gamma, route->options.churn_noise, move);
    move->noise = c->noises;
    return true;
}

static void step(const rin_route *route, rin_cursor *c, rin_move *move) {
    rin_transition t = transition_of(route, c);
    move->kind = RIN_MOVE_STEP;
    move->gamma = t.gamma;
    move->has_second = route->sampler->has_second && route->sampler->has_second(&t);
    route->sampler->mix(&t, &move->x, &move->base);
    if (move->x.of[RIN_SOURCE_NOISE] != 0) move->noise = c->noises;
    if (draws(route)) c->noises++;
    remember(c, t.gamma);
    if (move->has_second) c->phase = AT_SECOND;
    else finish_step(route, c, move);
}

static void second(const rin_route *route, rin_cursor *c, rin_move *move) {
    rin_transition t = transition_of(route, c);
    move->kind = RIN_MOVE_SECOND;
    move->gamma = t.next;
    route->sampler->mix(&t, &move->x, &move->base);
    finish_step(route, c, move);
}

bool rin_route_is_done(const rin_route *route, const rin_cursor *c) {
    return c->phase == AT_NODE && c->node == route->options.steps;
}

bool rin_route_next(const rin_route *route, rin_cursor *c, rin_move *move) {
    *move = (rin_move){.step = c->node, .noise = -1};
    if (rin_route_is_done(route, c)) return false;
    if (c->phase == AT_JUMP) jump(route, c, move);
    else if (c->phase == AT_SECOND) second(route, c, move);
    else if (c->phase == AT_STEP || !churn(route, c, move)) step(route, c, move);
    return true;
}

/* ---- making one ---- */

static rin_status refuse(const char *key, double value, const char *sampler, const char *takers, rin_error *error) {
    return rin_error_set(error, RIN_ERR_CONFIG, "sample.%s = %g: the sampler %s does not take it; %s", key, value,
                         sampler, takers);
}

static rin_status check(const rin_route_options *o, const rin_sampler_row *sampler, rin_error *error) {
    const char *name = sampler->name;
    if (o->steps < 1 || o->jump < 1 || o->repeats < 1)
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sample.steps = %lld, jump = %lld, repeats = %lld: each must be at least 1",
                             (long long)o->steps, (long long)o->jump, (long long)o->repeats);
    if (!(o->eta >= 0) || !(o->churn >= 0))
        return rin_error_set(error, RIN_ERR_CONFIG, "sample.eta = %g, sample.churn = %g: neither can be below 0",
                             o->eta, o->churn);
    if (o->eta != 0 && !sampler->eta) return refuse("eta", o->eta, name, "ddim, euler and dpmpp2m do", error);
    if (o->churn != 0 && !sampler->churn) return refuse("churn", o->churn, name, "heun does", error);
    if (o->td != 0 && (!sampler->td || o->spacing != RIN_SPACING_UNIFORM))
        return refuse("td", o->td, name, "ddim and ddpm do, with sample.spacing = uniform", error);
    return RIN_OK;
}

static void count(rin_route *route) {
    rin_cursor cursor = {0};
    rin_move move;
    while (rin_route_next(route, &cursor, &move)) route->n_evaluations += move.kind != RIN_MOVE_RENOISE;
    route->n_noises = cursor.noises;
}

rin_status rin_route_create_along(const rin_route_options *options, const double *nodes, rin_route **out,
                                  rin_error *error) {
    *out = NULL;
    rin_route *route = rin_calloc(1, sizeof *route, error);
    if (!route) return RIN_ERR_MEMORY;
    rin_route_options *o = &route->options;
    *o = *options;
    route->sampler = rin_sampler_find(o->sampler);
    if (o->spacing == RIN_SPACING_AUTO) o->spacing = route->sampler->spacing;
    if (o->steps == 0) o->steps = route->sampler->steps;
    rin_status status = check(o, route->sampler, error);
    if (status == RIN_OK) route->nodes = rin_calloc((size_t)o->steps + 1, sizeof *route->nodes, error);
    if (status == RIN_OK && !route->nodes) status = RIN_ERR_MEMORY;
    if (status == RIN_OK && nodes) memcpy(route->nodes, nodes, ((size_t)o->steps + 1) * sizeof *nodes);
    else if (status == RIN_OK) status = rin_grid_make(o, route->nodes, error);
    if (status == RIN_OK) status = rin_grid_check(route->nodes, o->steps, error);
    if (status == RIN_OK) count(route);
    if (status == RIN_OK) *out = route;
    else rin_route_free(route);
    return status;
}

rin_status rin_route_create(const rin_route_options *options, rin_route **out, rin_error *error) {
    return rin_route_create_along(options, NULL, out, error);
}

void rin_route_free(rin_route *route) {
    if (!route) return;
    rin_free(route->nodes);
    rin_free(route);
}
