/* SPDX-License-Identifier: MIT */
/* Cases of numpy's files: what sound ones hold, and that broken ones end in an error that says something. */
#include <math.h>
#include <string.h>

#include "check/evaluation.h"
#include "metric/statistics.h"

/* "exact" (section 12): first and last number are; a sum depends on the order of its additions. */
static const double tolerance_sum = 1e-13;

bool rin_check_is_files(const cJSON *json) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(rin_first_row(json, "rows"), "file")) != NULL;
}

/* Freed by rin_free. */
static rin_status read_array(const rin_npz *npz, const rin_npz_array *array, double **out, rin_error *error) {
    *out = NULL;
    rin_status status = rin_memory_expect((uint64_t)array->count * sizeof **out, rin_memory_total(),
                                          "an array of the case", error);
    if (status != RIN_OK) return status;
    *out = rin_calloc((size_t)array->count, sizeof **out, error);
    return *out ? rin_npz_read(npz, array, *out, array->count, error) : RIN_ERR_MEMORY;
}

/* ---- sound files ---- */

/* "<f8", ">f4", "|u1": as numpy writes the type. */
static void type_text(const rin_npz_array *array, char text[8]) {
    char order = array->item_bytes == 1 ? '|' : array->big_endian ? '>' : '<';
    snprintf(text, 8, "%c%c%d", order, array->kind, array->item_bytes);
}

static rin_status check_header(const cJSON *expected, const char *name, const rin_npz_array *array, rin_error *error) {
    char type[8];
    type_text(array, type);
    const char *wanted = rin_row_word(expected, "dtype", type);
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(expected, "shape"), *dim;
    bool good = !shape || cJSON_GetArraySize(shape) == array->rank;
    int i = 0;
    cJSON_ArrayForEach(dim, shape) {
        if (good) good = cJSON_IsNumber(dim) && dim->valuedouble == (double)array->shape[i++];
    }
    if (!good) return rin_error_set(error, RIN_ERR_SHAPE, "array '%.64s' is read in another shape", name);
    if (strcmp(wanted, type) == 0) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "array '%.64s' is %.32s, read as %s", name, wanted, type);
}

/* With the rest that every addition rounds away (Neumaier), so that the order of numbers does not matter. */
static double exact_sum(const double *values, int64_t n) {
    double sum = 0, rest = 0;
    for (int64_t i = 0; i < n; i++) {
        double next = sum + values[i];
        rest += fabs(sum) >= fabs(values[i]) ? (sum - next) + values[i] : (values[i] - next) + sum;
        sum = next;
    }
    return sum + rest;
}

static rin_status check_array(rin_check *check, const rin_npz *npz, const cJSON *expected, rin_error *error) {
    const char *name = expected->string;
    const rin_npz_array *array = rin_npz_find(npz, name);
    /* A .npy is one array without a name. */
    if (!array && rin_npz_count(npz) == 1 && !*rin_npz_get(npz, 0)->name) array = rin_npz_get(npz, 0);
    if (!array) return rin_error_set(error, RIN_ERR_FORMAT, "no array '%.64s' is read", name);
    double *values = NULL;
    rin_status status = check_header(expected, name, array, error);
    if (status == RIN_OK) status = read_array(npz, array, &values, error);
    if (status == RIN_OK) rin_check_note(check, name, 0, 0, 0);
    if (status == RIN_OK && array->count > 0) {
        rin_check_number_of(check, expected, "first", values[0], 0, 1);
        rin_check_number_of(check, expected, "last", values[array->count - 1], 0, 1);
        rin_check_number_of(check, expected, "sum", exact_sum(values, array->count), tolerance_sum, 0);
    }
    rin_free(values);
    return status;
}

/* Where there is a mean and a covariance, they are statistics, and the mean is the array's. */
static rin_status check_statistics(const rin_npz *npz, const char *path, rin_error *error) {
    rin_statistics statistics = {0};
    const rin_npz_array *mu = rin_npz_find(npz, "mu");
    if (!mu || (!rin_npz_find(npz, "sigma") && !rin_npz_find(npz, "cov"))) return RIN_OK;
    rin_status status = rin_statistics_read(npz, path, &statistics, error);
    if (status == RIN_OK && statistics.gaussian.dim != mu->count)
        status = rin_error_set(error, RIN_ERR_SHAPE, "mu of %lld numbers is read with %lld", (long long)mu->count,
                               (long long)statistics.gaussian.dim);
    double *values = NULL;
    if (status == RIN_OK) status = read_array(npz, mu, &values, error);
    for (int64_t i = 0; status == RIN_OK && i < mu->count; i++) {
        if (values[i] != statistics.gaussian.mu[i])
            status = rin_error_set(error, RIN_ERR_NUMERIC, "mu of the statistics is not the array's");
    }
    rin_free(values);
    rin_statistics_clear(&statistics);
    return status;
}

static rin_status read_all(const rin_npz *npz, rin_error *error) {
    rin_status status = RIN_OK;
    for (size_t i = 0; status == RIN_OK && i < rin_npz_count(npz); i++) {
        double *values = NULL;
        status = read_array(npz, rin_npz_get(npz, i), &values, error);
        rin_free(values);
    }
    return status;
}

static rin_status check_sound(rin_check *check, const char *path, rin_error *error) {
    const cJSON *arrays = cJSON_GetObjectItemCaseSensitive(check->options, "arrays"), *expected;
    rin_npz *npz = NULL;
    rin_status status = rin_npz_open(path, &npz, error);
    if (status == RIN_OK) status = read_all(npz, error);
    cJSON_ArrayForEach(expected, arrays) {
        if (status == RIN_OK && expected->string) status = check_array(check, npz, expected, error);
    }
    if (status == RIN_OK) status = check_statistics(npz, path, error);
    /* A file of which nothing is listed is to be read. */
    if (status == RIN_OK && cJSON_GetArraySize(arrays) < 1) rin_check_note(check, check->name, 0, 0, 0);
    rin_npz_close(npz);
    return status;
}

/* ---- broken files ---- */

/* Opened, every array read, statistics taken: until one of that fails. */
static rin_status use(const char *path, rin_error *error) {
    rin_npz *npz = NULL;
    rin_statistics statistics = {0};
    rin_status status = rin_npz_open(path, &npz, error);
    if (status == RIN_OK) status = read_all(npz, error);
    if (status == RIN_OK) status = rin_statistics_read(npz, path, &statistics, error);
    if (status == RIN_OK) status = rin_gaussian_check(&statistics.gaussian, error);
    rin_statistics_clear(&statistics);
    rin_npz_close(npz);
    return status;
}

static rin_status check_broken(rin_check *check, const char *path, rin_error *error) {
    rin_error found = {0};
    if (rin_path_is_absent(path)) return rin_error_set(error, RIN_ERR_IO, "there is no file '%.300s'", path);
    rin_status status = use(path, &found);
    if (status == RIN_ERR_MEMORY || status == RIN_ERR_INTERNAL) {
        *error = found;
        return status;
    }
    if (status == RIN_OK) return rin_error_set(error, RIN_ERR_FORMAT, "it is broken, but was read without an error");
    if (!found.text[0]) return rin_error_set(error, RIN_ERR_INTERNAL, "it ends in an error without a message");
    rin_check_note(check, check->name, 0, 0, 0);
    return RIN_OK;
}

/* ---- the case ---- */

static rin_status check_row(rin_check *check, rin_error *error) {
    const cJSON *ok = cJSON_GetObjectItemCaseSensitive(check->options, "ok");
    if (!cJSON_IsBool(ok) || !*check->name || strchr(check->name, '/'))
        return rin_error_set(error, RIN_ERR_FORMAT, "a row needs the name of a file in its folder, and ok");
    char *path = rin_path_join(check->of->folder, check->name, error);
    if (!path) return RIN_ERR_MEMORY;
    rin_status status = cJSON_IsTrue(ok) ? check_sound(check, path, error) : check_broken(check, path, error);
    rin_free(path);
    return status;
}

rin_status rin_check_files(rin_case *c, rin_error *error) {
    const cJSON *rows, *row;
    rin_status status = rin_rows_of_json(c->json, "rows", &rows, error);
    if (status != RIN_OK) return status;
    cJSON_ArrayForEach(row, rows) {
        rin_error failure = {0};
        rin_check check = rin_check_begin(c, row, rin_row_word(row, "file", ""));
        rin_check_end(&check, check_row(&check, &failure), &failure);
    }
    return RIN_OK;
}
