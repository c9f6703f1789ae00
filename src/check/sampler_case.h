/* SPDX-License-Identifier: MIT */
/* sampler_case: cases of samplers (section 8 of the samplers' document): of an analytic estimate, and of networks. Each
 * row of their JSON is a check. Inside the check room only. */
#ifndef RIN_SAMPLER_CASE_H
#define RIN_SAMPLER_CASE_H

#include "check/evaluation.h"
#include "sample/sample.h"

bool rin_check_is_sampled_network(const cJSON *json);
bool rin_check_is_analytic(const cJSON *json);
rin_status rin_check_sampled_network(rin_case *c, rin_error *error);
rin_status rin_check_analytic(rin_case *c, rin_error *error);
/* sampling_ops.c: those of the same case that are ops and functions by themselves. */
void rin_check_sampling_ops(rin_case *c);

/* The options of a row, without the rounding of published numbers, in so many steps, 0 for those of its "S", and its
 * nodes [*nodes, freed by rin_free], which are NULL where it has none. */
rin_status rin_row_route_options(const cJSON *row, int64_t steps, rin_route_options *out, double **nodes,
                                 rin_error *error) RIN_CHECKED;

/* The nodes that the row's spacing makes, beside those that it lists; nothing where it lists none. */
rin_status rin_row_compare_grid(rin_check *check, const rin_route_options *options, const double *nodes,
                                rin_error *error) RIN_CHECKED;

/* A tensor "<check>/<name>", freed by rin_free; NULL where it is optional and absent. n: elements that it must have, 0
 * for any. */
rin_status rin_check_values(rin_check *check, const char *name, bool optional, int64_t n, float **out,
                            rin_error *error) RIN_CHECKED;
/* Compares with part `index` of a tensor "<check>/<name>" that holds n numbers for each part. */
typedef struct rin_parts {
    const char *name;
    float *values; /* NULL: not stored */
    int64_t n_parts, each;
    double scale;  /* the largest number */
    bool in_order; /* of fresh noise: stored as it is used, without what is drawn in vain */
    int64_t drawn;
} rin_parts;
rin_status rin_parts_read(rin_check *check, const char *name, int64_t each, rin_parts *out,
                          rin_error *error) RIN_CHECKED;
void rin_parts_compare(rin_check *check, const rin_parts *parts, int64_t index, const float *values, double tolerance);
/* That as many parts were compared as there are. */
rin_status rin_parts_end(const rin_parts *parts, int64_t n, rin_error *error) RIN_CHECKED;

/* Finds out how the noise of a route is stored. Errors: SHAPE when it is too little. */
rin_status rin_parts_fit(rin_parts *noise, const rin_route *route, rin_error *error) RIN_CHECKED;
/* Fresh noise of a route from a tensor, part by part. */
void rin_parts_draw(void *user, int64_t number, float *noise);

/* Runs a row of a list as a check of its own. */
typedef rin_status rin_row_fn(rin_check *check, rin_error *error);
rin_status rin_check_each(rin_case *c, const char *list, rin_row_fn *run, rin_error *error) RIN_CHECKED;

#endif
