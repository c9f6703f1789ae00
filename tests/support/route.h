/* SPDX-License-Identifier: MIT */
/* route: options of routes for tests of samplers. */
#ifndef RIN_TESTS_ROUTE_H
#define RIN_TESTS_ROUTE_H

#include "support/check.h"

#include "diffusion/sampler.h"

/* 32 x 32 pixels by the cosine schedule, everything else as the options of sampling are by themselves. */
static inline rin_route_options route_options(rin_sampler sampler, rin_spacing spacing, int64_t steps) {
    return (rin_route_options){.sampler = sampler,
                               .spacing = spacing,
                               .steps = steps,
                               .schedule = {.kind = RIN_SCHEDULE_COSINE},
                               .b_scale = 1,
                               .n_pixels = 3072,
                               .rho = 7,
                               .strength = 1,
                               .churn_max = 1e9,
                               .churn_noise = 1,
                               .jump = 1,
                               .repeats = 1};
}

static inline rin_route *route_create(const rin_route_options *options) {
    rin_error error = {0};
    rin_route *route;
    assert_ok(rin_route_create(options, &route, &error), &error);
    return route;
}

#endif
