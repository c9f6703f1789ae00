/* SPDX-License-Identifier: MIT */
/* Going along a route with any estimate, in this process's memory. */
#include <math.h>
#include <string.h>

#include "diffusion/sampler.h"

float rin_mix_published(const rin_mixture *m, float signal, float noise, float x, float estimate) {
    float e = (x - signal * estimate) / noise;
    float mean = (float)m->of[RIN_SOURCE_X] * x + (float)m->of[RIN_SOURCE_ESTIMATE] * estimate;
    return (mean + (float)m->of_eps * e) / (float)m->divisor;
}

void rin_mix(const rin_mixture *m, double gamma, const float *const *sources, float *out, int64_t n) {
    const float *x = sources[RIN_SOURCE_X], *estimate = sources[RIN_SOURCE_ESTIMATE];
    const float signal = (float)sqrt(gamma), noise = (float)sqrt(1 - gamma);
    for (int64_t i = 0; i < n; i++) {
        double sum = m->of_eps != 0 ? (double)rin_mix_published(m, signal, noise, x[i], estimate[i]) : 0;
        for (int k = m->of_eps != 0 ? RIN_SOURCE_NOISE : 0; k < RIN_N_SOURCES; k++) {
            if (m->of[k] != 0) sum += m->of[k] * (double)sources[k][i];
        }
        out[i] = (float)sum;
    }
}

/* x, the base, three estimates and noise, n numbers each, in the order of their sources; and room for the next x. */
typedef struct states {
    float *of[RIN_N_SOURCES + 1];
    int64_t n;
} states;

static void swap(states *s, int a, int b) {
    float *kept = s->of[a];
    s->of[a] = s->of[b];
    s->of[b] = kept;
}

static void make_move(const rin_follower *f, const rin_move *move, states *s) {
    const float *const *sources = (const float *const *)s->of;
    if (move->kind != RIN_MOVE_RENOISE)
        f->estimate(f->user, move, s->of[RIN_SOURCE_X], s->of[RIN_SOURCE_ESTIMATE], s->n);
    if (move->noise >= 0) f->noise(f->user, move->noise, s->of[RIN_SOURCE_NOISE], s->n);
    rin_mix(&move->x, move->gamma, sources, s->of[RIN_N_SOURCES], s->n);
    if (move->kind == RIN_MOVE_STEP) rin_mix(&move->base, move->gamma, sources, s->of[RIN_SOURCE_BASE], s->n);
    swap(s, RIN_SOURCE_X, RIN_N_SOURCES);
    if (f->look) f->look(f->user, move, s->of[RIN_SOURCE_X], s->of[RIN_SOURCE_ESTIMATE], s->n);
    if (move->kind != RIN_MOVE_STEP) return;
    swap(s, RIN_SOURCE_BEFORE, RIN_SOURCE_BEFORE_2);
    swap(s, RIN_SOURCE_ESTIMATE, RIN_SOURCE_BEFORE);
}

rin_status rin_route_follow(const rin_route *route, const rin_follower *follower, float *x, int64_t n,
                            rin_error *error) {
    enum { PARTS = RIN_N_SOURCES + 1 };
    states s = {.n = n};
    rin_cursor cursor = {0};
    rin_move move;
    float *memory = rin_calloc((size_t)n * PARTS, sizeof *memory, error);
    if (!memory) return RIN_ERR_MEMORY;
    for (int k = 0; k < PARTS; k++) s.of[k] = memory + k * n;
    memcpy(s.of[RIN_SOURCE_X], x, (size_t)n * sizeof *x);
    while (rin_route_next(route, &cursor, &move)) make_move(follower, &move, &s);
    /* The estimate of the last step's first evaluation. */
    memcpy(x, s.of[RIN_SOURCE_BEFORE], (size_t)n * sizeof *x);
    rin_free(memory);
    return RIN_OK;
}
