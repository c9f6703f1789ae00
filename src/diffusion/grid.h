/* SPDX-License-Identifier: MIT */
/* grid: what routes are laid along. Inside the diffusion room only. */
#ifndef RIN_GRID_H
#define RIN_GRID_H

#include "diffusion/sampler.h"

/* Whether a spacing goes by times of the schedule, rather than between two sigmas. */
bool rin_spacing_is_timed(rin_spacing spacing);
/* Whether levels and steps are those of the authors' code, in float. */
bool rin_grid_is_published(const rin_route_options *options);
/* The level of the spacing "uniform" that is i steps from the start, whole or not; beyond the end that of time 0. */
double rin_grid_uniform_level(const rin_route_options *options, double i);
/* nodes [steps + 1], and the sigmas that were left to rule. Errors: CONFIG. */
rin_status rin_grid_make(rin_route_options *options, double *nodes, rin_error *error) RIN_CHECKED;
/* Errors: CONFIG when signal levels do not increase within (0, 1]. */
rin_status rin_grid_check(const double *nodes, int64_t steps, rin_error *error) RIN_CHECKED;

#endif
