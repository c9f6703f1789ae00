/* SPDX-License-Identifier: MIT */
/*
 * sampler: how samples are made, as plain numbers. A *grid* says at which signal levels the network is asked; a
 * *route* is the list of moves along it, each a linear mixture of a few states; a *sampler* is the function that says
 * which mixture. Nothing here knows the network, or where the states live.
 * gamma is a signal level: x = a x0 + s noise with a^2 = gamma, s^2 = 1 - gamma; sigma = s / a; lambda = -ln sigma.
 */
#ifndef RIN_SAMPLER_H
#define RIN_SAMPLER_H

#include "diffusion/diffusion.h"

double rin_gamma_of_sigma(double sigma);
double rin_sigma_of_gamma(double gamma);  /* 0 at gamma 1 */
double rin_lambda_of_gamma(double gamma); /* infinite at gamma 1 */

/* ---- what is mixed ---- */

typedef enum rin_source {
    RIN_SOURCE_X,        /* the state that the estimate was taken of */
    RIN_SOURCE_BASE,     /* that of the step before as it was corrected; of samplers that correct */
    RIN_SOURCE_ESTIMATE, /* of the data, of this evaluation */
    RIN_SOURCE_BEFORE,   /* the one of the step before; in a second evaluation, that of the first */
    RIN_SOURCE_BEFORE_2, /* the one before that */
    RIN_SOURCE_NOISE,    /* fresh normal noise */
    RIN_N_SOURCES
} rin_source;

/*
 * The sum of of[k] times source k; a source with the factor 0 is not looked at. Or, with of_eps, a step as the authors
 * compute it: with e the noise that x and the estimate imply, (of_x x + of_estimate estimate + of_eps e) / divisor, and
 * noise. In exact numbers that is another mixture; in a step from gamma 1e-9 it loses 1e-3, which their numbers carry.
 */
typedef struct rin_mixture {
    double of[RIN_N_SOURCES];
    double of_eps, divisor;
} rin_mixture;

/* What the second kind makes of one number, without the noise. signal, noise: of the level at which x was estimated. */
float rin_mix_published(const rin_mixture *mixture, float signal, float noise, float x, float estimate);

/* ---- samplers ---- */

/* All that the mixture of a step may depend on. */
typedef struct rin_transition {
    double gamma, next; /* from, to */
    double before[2];   /* signal levels of the n_before estimates before, the newest first */
    int n_before;       /* 0 at the start and after a jump, at most 2 */
    bool last;          /* into the end of the grid */
    bool second;        /* the estimate is one of x at `next`, the one at gamma is before[0] */
    bool published;     /* as the authors compute it */
    double eta;
} rin_transition;

typedef struct rin_sampler_row {
    const char *name, *about;
    rin_spacing spacing; /* where sample.spacing is auto */
    int64_t steps;       /* where sample.steps is 0 */
    int keeps;           /* estimates of earlier steps that are mixed, 0 to 2 */
    bool corrects;       /* keeps a base */
    bool noisy;          /* always mixes noise in */
    bool published;      /* unless it must be exact, with spacing uniform: mixes as the authors do, whose signal levels
                            are floats */
    bool eta, churn, td; /* which of these options it takes */
    void (*mix)(const rin_transition *t, rin_mixture *x, rin_mixture *base);
    /* Whether the step wants a second estimate, of what mix made of the first. NULL: never. */
    bool (*has_second)(const rin_transition *t);
} rin_sampler_row;

/* The sampler of that word. Never NULL for a word of the list. */
const rin_sampler_row *rin_sampler_find(rin_sampler sampler);

/* The step of order 1 or 2 that several samplers are made of; section 3 of the samplers' document. Adds to *x the
 * factors of the estimates and of noise; returns that of the state it leaves. */
double rin_multistep(const rin_transition *t, int order, double eta, rin_mixture *x);

/* ---- grids and routes ---- */

typedef struct rin_route_options {
    rin_sampler sampler;
    rin_spacing spacing; /* RIN_SPACING_AUTO: the sampler's */
    int64_t steps;       /* 0: the sampler's */
    rin_schedule schedule;
    double b_scale;
    int64_t n_pixels;            /* numbers of a picture or video, for the first level */
    double sigma_max, sigma_min; /* 0: by rule */
    double rho;
    double strength; /* 1: from noise; below, from a picture that has been noised so far */
    double eta, td;
    double churn, churn_min, churn_max, churn_noise;
    int64_t jump, repeats; /* RePaint's walk; repeats 1: none */
    bool exact;            /* without the rounding of published numbers, whatever the sampler */
} rin_route_options;

typedef enum rin_move_kind {
    RIN_MOVE_STEP,   /* an evaluation that takes the carried hiddens, and whose own are carried */
    RIN_MOVE_SECOND, /* one that takes the same hiddens again and whose own are dropped */
    RIN_MOVE_RENOISE /* no evaluation: x becomes noisier */
} rin_move_kind;

typedef struct rin_move {
    rin_move_kind kind;
    int64_t step;        /* of the grid, from 0 */
    double gamma;        /* of the evaluation; after renoising, of x */
    rin_mixture x, base; /* what x and the base become */
    int64_t noise;       /* number of the noise that is mixed in, from 0; -1: none */
    bool has_second;     /* a SECOND follows */
    bool ends_step;      /* x now belongs to a node of the grid: from there */
    int64_t node;        /* that one */
} rin_move;

typedef struct rin_route {
    rin_route_options options; /* as they came out */
    const rin_sampler_row *sampler;
    double *nodes; /* [steps + 1] signal levels, the last being the end */
    int64_t n_evaluations, n_noises;
} rin_route;

/* Errors: CONFIG for options that do not go together, each with its name and what is allowed; MEMORY. */
rin_status rin_route_create(const rin_route_options *options, rin_route **out, rin_error *error) RIN_CHECKED;
/* The same along given nodes [options->steps + 1]. */
rin_status rin_route_create_along(const rin_route_options *options, const double *nodes, rin_route **out,
                                  rin_error *error) RIN_CHECKED;
void rin_route_free(rin_route *route);

/* A place on a route; {0} is its start. */
typedef struct rin_cursor {
    int64_t node, made, noises; /* made: how often the last turn was taken */
    int phase;
    int n_before;
    double before[2], gamma;
} rin_cursor;

/* The next move; false at the end, which is where the last STEP's estimate is the result. */
bool rin_route_next(const rin_route *route, rin_cursor *cursor, rin_move *move);
bool rin_route_is_done(const rin_route *route, const rin_cursor *cursor);

/* ---- along a route with any estimate, in this process's memory ---- */

typedef struct rin_follower {
    void *user;
    /* The estimate of the data at x (n). */
    void (*estimate)(void *user, const rin_move *move, const float *x, float *estimate, int64_t n);
    void (*noise)(void *user, int64_t number, float *noise, int64_t n);
    /* After every move, with what it made; may be NULL. */
    void (*look)(void *user, const rin_move *move, const float *x, const float *estimate, int64_t n);
} rin_follower;

/* x [n] is the start, and becomes the result. Errors: MEMORY. */
rin_status rin_route_follow(const rin_route *route, const rin_follower *follower, float *x, int64_t n,
                            rin_error *error) RIN_CHECKED;

/* out [n] of a move's x or base; sources [RIN_N_SOURCES] may be NULL where the factor is 0, and out may be one. */
void rin_mix(const rin_mixture *mixture, double gamma, const float *const *sources, float *out, int64_t n);

/* Between two noises of n numbers along the great circle, u in [0, 1]; out may be p or q. */
void rin_slerp(const float *p, const float *q, double u, float *out, int64_t n);

#endif
