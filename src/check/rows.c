/* SPDX-License-Identifier: MIT */
/* What the cases of evaluation share: rows of JSON, tensors, and comparisons of whole tensors, parts and sums. */
#include <math.h>
#include <string.h>

#include "check/evaluation.h"

/* ---- rows ---- */

double rin_row_number(const cJSON *row, const char *key, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

const char *rin_row_word(const cJSON *row, const char *key, const char *otherwise) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));
    return text ? text : otherwise;
}

rin_status rin_rows_of_json(const cJSON *json, const char *key, const cJSON **out, rin_error *error) {
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, key);
    *out = cJSON_IsArray(rows) ? rows : NULL;
    if (cJSON_GetArraySize(*out) <= RIN_MOST_ROWS) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "'%s' of case.json has %d rows; allowed are %d", key,
                         cJSON_GetArraySize(*out), (int)RIN_MOST_ROWS);
}

const cJSON *rin_first_row(const cJSON *json, const char *key) {
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsArray(rows) && cJSON_IsObject(rows->child) ? rows->child : NULL;
}

rin_status rin_row_whole(const cJSON *row, const char *key, int64_t least, int64_t most, int64_t *out,
                         rin_error *error) {
    double number = rin_row_number(row, key, NAN);
    *out = 0;
    if (!(number >= (double)least && number <= (double)most && number == floor(number))) {
        return rin_error_set(error, RIN_ERR_FORMAT, "%s = %g in case.json; allowed are %lld to %lld", key, number,
                             (long long)least, (long long)most);
    }
    *out = (int64_t)number;
    return RIN_OK;
}

/* ---- tensors ---- */

rin_status rin_case_expect(const rin_stored_tensor *tensor, rin_error *error, const char *format, ...) {
    char name[RIN_CASE_NAME];
    if (tensor) return RIN_OK;
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return rin_error_set(error, RIN_ERR_FORMAT, "io.safetensors has no tensor '%s'", name);
}

rin_status rin_case_read(const rin_case *c, const rin_stored_tensor *tensor, double **out, rin_error *error) {
    *out = rin_calloc((size_t)tensor->n_elements, sizeof **out, error);
    return *out ? rin_safetensors_read_double(c->io, tensor, *out, (size_t)tensor->n_elements, error) : RIN_ERR_MEMORY;
}

rin_status rin_case_read_floats(const rin_case *c, const rin_stored_tensor *tensor, float **out, rin_error *error) {
    *out = rin_calloc((size_t)tensor->n_elements, sizeof **out, error);
    return *out ? rin_safetensors_read(c->io, tensor, *out, (size_t)tensor->n_elements, error) : RIN_ERR_MEMORY;
}

rin_status rin_case_read_pixels(const rin_case *c, const rin_stored_tensor *tensor, int rank, float **out,
                                rin_error *error) {
    enum { CHANNELS = 3, LONGEST = 1 << 20 };
    *out = NULL;
    bool good = tensor->type == RIN_STORED_U8 && tensor->rank == rank && tensor->shape[rank - 1] == CHANNELS;
    for (int i = 0; good && i < rank; i++) good = tensor->shape[i] >= 1 && tensor->shape[i] <= LONGEST;
    if (!good) {
        return rin_error_set(error, RIN_ERR_SHAPE, "'%s' is not U8 of %d dimensions, the last one 3", tensor->name,
                             rank);
    }
    return rin_case_read_floats(c, tensor, out, error);
}

/* ---- comparing ---- */

void rin_check_close(rin_check *check, const char *what, const double *values, const double *expected, int64_t n,
                     double tolerance, double scale) {
    bool own = scale == 0;
    for (int64_t i = 0; own && i < n; i++) scale = fmax(scale, fabs(expected[i]));
    for (int64_t i = 0; i < n; i++)
        rin_check_note(check, what, i, fabs(values[i] - expected[i]) / (scale > 0 ? scale : 1), tolerance);
}

rin_status rin_check_tensor(rin_check *check, const rin_stored_tensor *tensor, const double *values, int64_t n,
                            double tolerance, double scale, rin_error *error) {
    double *expected = NULL;
    if ((int64_t)tensor->n_elements != n) {
        return rin_error_set(error, RIN_ERR_SHAPE, "'%s' has %lld numbers; computed are %lld", tensor->name,
                             (long long)tensor->n_elements, (long long)n);
    }
    rin_status status = rin_case_read(check->of, tensor, &expected, error);
    if (status == RIN_OK) rin_check_close(check, tensor->name, values, expected, n, tolerance, scale);
    rin_free(expected);
    return status;
}

void rin_check_number_of(rin_check *check, const cJSON *row, const char *key, double value, double tolerance,
                         double scale) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    if (cJSON_IsNumber(item)) rin_check_close(check, key, &value, &item->valuedouble, 1, tolerance, scale);
}

/* ---- parts of tensors ---- */

/* As in numpy: every step-th from start on, before stop. */
typedef struct slice {
    int64_t start, stop, step;
} slice;

/* Digits at *text, which is moved behind them; otherwise where there are none, -1 where there are too many. */
static int64_t read_digits(const char **text, int64_t otherwise) {
    enum { MOST = 1 << 30 };
    int64_t number = 0;
    const char *at = *text + strspn(*text, " ");
    size_t n = strspn(at, "0123456789");
    for (size_t i = 0; i < n && number <= MOST; i++) number = 10 * number + (at[i] - '0');
    *text = at + n + strspn(at + n, " ");
    if (number > MOST) return -1;
    return n ? number : otherwise;
}

/* "start:stop:step" of n numbers, any of the three left out. */
static bool read_slice(const char **text, int64_t n, slice *out) {
    out->start = read_digits(text, 0);
    out->stop = n;
    out->step = 1;
    if (**text != ':') return false;
    (*text)++;
    out->stop = read_digits(text, n);
    if (**text == ':') {
        (*text)++;
        out->step = read_digits(text, 1);
    }
    out->stop = RIN_MIN(out->stop, n);
    return out->start >= 0 && out->start < out->stop && out->step >= 1;
}

static rin_status read_slices(const char *text, int rank, const int64_t *shape, slice *out, rin_error *error) {
    const char *at = text + strspn(text, " ");
    bool good = *at++ == '[';
    for (int i = 0; good && i < rank; i++)
        good = read_slice(&at, shape[i], &out[i]) && *at++ == (i < rank - 1 ? ',' : ']');
    if (good) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "stored = '%.100s' in case.json is not %d slices", text, rank);
}

rin_status rin_check_part(rin_check *check, const rin_stored_tensor *tensor, const cJSON *row, const double *values,
                          int rank, const int64_t *shape, double tolerance, double scale, rin_error *error) {
    slice s[RIN_CASE_RANK] = {{0, 1, 1}, {0, 1, 1}, {0, 1, 1}, {0, 1, 1}};
    int64_t stride[RIN_CASE_RANK] = {0}, count[RIN_CASE_RANK], total = 1, n = 0;
    const char *text = rin_row_word(row, "stored", NULL);
    rin_status status = RIN_OK;
    for (int i = rank - 1, k = RIN_CASE_RANK - 1; i >= 0; i--, k--) {
        s[k] = (slice){0, shape[i], 1};
        stride[k] = total;
        total *= shape[i];
    }
    if (text) status = read_slices(text, rank, shape, s + RIN_CASE_RANK - rank, error);
    if (status != RIN_OK) return status;
    total = 1;
    for (int k = 0; k < RIN_CASE_RANK; k++) total *= count[k] = (s[k].stop - s[k].start + s[k].step - 1) / s[k].step;
    bool same = tensor->rank == rank;
    for (int i = 0; same && i < rank; i++) same = tensor->shape[i] == count[RIN_CASE_RANK - rank + i];
    if (!same) return rin_error_set(error, RIN_ERR_SHAPE, "'%s' is not of the shape that is stored", tensor->name);
    double *taken = rin_calloc((size_t)total, sizeof *taken, error);
    if (!taken) return RIN_ERR_MEMORY;
    for (int64_t a = s[0].start; a < s[0].stop; a += s[0].step) {
        for (int64_t b = s[1].start; b < s[1].stop; b += s[1].step) {
            for (int64_t y = s[2].start; y < s[2].stop; y += s[2].step) {
                for (int64_t x = s[3].start; x < s[3].stop; x += s[3].step)
                    taken[n++] = values[a * stride[0] + b * stride[1] + y * stride[2] + x * stride[3]];
            }
        }
    }
    status = rin_check_tensor(check, tensor, taken, total, tolerance, scale, error);
    rin_free(taken);
    return status;
}

/* ---- sums over everything ---- */

rin_status rin_check_sums(rin_check *check, const cJSON *row, const char *name, const double *values, int64_t n,
                          double tolerance, rin_error *error) {
    double sum = 0, sum_sq = 0, most = -INFINITY;
    double size = rin_row_number(row, "size", (double)n);
    if (size != (double)n)
        return rin_error_set(error, RIN_ERR_SHAPE, "size = %.0f in case.json; computed are %lld", size, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        sum += values[i];
        sum_sq += values[i] * values[i];
        most = fmax(most, values[i]);
    }
    double scale = sqrt(size * rin_row_number(row, "sum_sq", sum_sq));
    rin_check_number_of(check, row, "sum", sum, tolerance, scale);
    rin_check_number_of(check, row, "sum_sq", sum_sq, tolerance, scale);
    rin_check_number_of(check, row, "max", most, tolerance, 0);
    if (cJSON_HasObjectItem(row, "projection"))
        rin_check_number_of(check, row, "projection", rin_formula_projection(name, values, n), tolerance, scale);
    return RIN_OK;
}

/* ---- what networks are fed and answer ---- */

rin_preprocess rin_preprocess_find(const char *name, size_t length) {
    int kind = 0;
    for (; kind < (int)RIN_N_PREPROCESS; kind++) {
        const char *known = rin_preprocess_name((rin_preprocess)kind);
        if (strlen(known) == length && strncmp(known, name, length) == 0) break;
    }
    return (rin_preprocess)kind;
}

bool rin_case_is_double(const rin_case *c) {
    return c->backend->table->element_size == sizeof(double);
}

void rin_channels_first(const float *from, int64_t points, int64_t channels, double *to) {
    for (int64_t i = 0; i < points; i++) {
        for (int64_t k = 0; k < channels; k++) to[k * points + i] = (double)from[i * channels + k];
    }
}
