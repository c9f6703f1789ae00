/* SPDX-License-Identifier: MIT */
/*
 * evaluation: cases of what scores are made of (section 12 of the evaluation document). Unlike those of models they
 * list no checks: every row of their JSON is one, and names of tensors say what they hold. Inside the check room only.
 */
#ifndef RIN_CHECK_EVALUATION_H
#define RIN_CHECK_EVALUATION_H

#include "check/check.h"
#include "feature/feature.h"

enum {
    RIN_MOST_ROWS = 4096, /* of a case */
    RIN_CASE_RANK = 4,    /* of what is compared whole or in part: (C, H, W), (C, T, H, W) */
    RIN_CASE_NAME = 256
};

/* ---- the kinds of cases ---- */

bool rin_check_is_files(const cJSON *json);      /* npz */
bool rin_check_is_scores(const cJSON *json);     /* stats */
bool rin_check_is_end_to_end(const cJSON *json); /* pictures to scores */
bool rin_check_is_resize(const cJSON *json);
bool rin_check_is_network(const cJSON *json); /* inception, i3d */
rin_status rin_check_files(rin_case *c, rin_error *error);
rin_status rin_check_scores(rin_case *c, rin_error *error);
rin_status rin_check_end_to_end(rin_case *c, rin_error *error);
rin_status rin_check_resize(rin_case *c, rin_error *error);
rin_status rin_check_network(rin_case *c, rin_error *error);

/* params.json, where there is one: names, shapes and checksums of the weights by formula. */
rin_status rin_check_parameters(rin_case *c, rin_feature_network network, rin_error *error) RIN_CHECKED;

/* ---- rows ---- */

/* The list of that name in an object, NULL when there is none. FORMAT for more than RIN_MOST_ROWS. */
rin_status rin_rows_of_json(const cJSON *json, const char *key, const cJSON **out, rin_error *error) RIN_CHECKED;
/* The first object of a list; NULL when there is none. */
const cJSON *rin_first_row(const cJSON *json, const char *key);
/* A whole number that must be there and lie within bounds. */
rin_status rin_row_whole(const cJSON *row, const char *key, int64_t least, int64_t most, int64_t *out,
                         rin_error *error) RIN_CHECKED;

/* ---- tensors: freed by rin_free ---- */

/* FORMAT with the name of a tensor that is NULL, that is, not there. */
rin_status rin_case_expect(const rin_stored_tensor *tensor, rin_error *error, const char *format, ...) RIN_CHECKED
    RIN_PRINTF(3, 4);
rin_status rin_case_read(const rin_case *c, const rin_stored_tensor *tensor, double **out,
                         rin_error *error) RIN_CHECKED;
rin_status rin_case_read_floats(const rin_case *c, const rin_stored_tensor *tensor, float **out,
                                rin_error *error) RIN_CHECKED;
/* Pictures: uint8, of that rank, three numbers innermost, none of the dimensions 0. */
rin_status rin_case_read_pixels(const rin_case *c, const rin_stored_tensor *tensor, int rank, float **out,
                                rin_error *error) RIN_CHECKED;

/* ---- comparing ---- */

/* |a - b| <= tolerance * scale; scale 0: max|b|. The error that is noted is relative to scale. */
void rin_check_close(rin_check *check, const char *what, const double *values, const double *expected, int64_t n,
                     double tolerance, double scale);
/* The same with a whole tensor, which must have n numbers. */
rin_status rin_check_tensor(rin_check *check, const rin_stored_tensor *tensor, const double *values, int64_t n,
                            double tolerance, double scale, rin_error *error) RIN_CHECKED;
/* A number of the row, where it has one of that key. */
void rin_check_number_of(rin_check *check, const cJSON *row, const char *key, double value, double tolerance,
                         double scale);
/*
 * Values of a shape with a tensor that holds some of them: those that the row's "stored", such as "[:, ::3, ::3]",
 * takes; all where it has none.
 */
rin_status rin_check_part(rin_check *check, const rin_stored_tensor *tensor, const cJSON *row, const double *values,
                          int rank, const int64_t *shape, double tolerance, double scale, rin_error *error) RIN_CHECKED;
/* size, sum, sum_sq, max and projection of the row, where it has them; name is the projection's. Sums are relative to
 * sqrt(size sum_sq), as the cases have it. */
rin_status rin_check_sums(rin_check *check, const cJSON *row, const char *name, const double *values, int64_t n,
                          double tolerance, rin_error *error) RIN_CHECKED;

/* ---- what networks are fed and answer ---- */

/* RIN_N_PREPROCESS for a name that is none. */
rin_preprocess rin_preprocess_find(const char *name, size_t length);
bool rin_case_is_double(const rin_case *c); /* the device computes in double */
/* (points, channels) as libraries of pictures have it, to (channels, points). */
void rin_channels_first(const float *from, int64_t points, int64_t channels, double *to);

#endif
