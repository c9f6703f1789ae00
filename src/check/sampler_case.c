/* SPDX-License-Identifier: MIT */
/* What cases of samplers share: rows of options, tensors in parts. */
#include <math.h>
#include <string.h>

#include "check/sampler_case.h"

/* ---- options ---- */

/* The constant of a word of a list, -1 for one that is not in it. */
static int find_word(const char *const *words, const char *word) {
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) return i;
    }
    return -1;
}

static rin_status read_nodes(const cJSON *row, int64_t steps, double **out, rin_error *error) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(row, "nodes"), *item;
    if (!list) return RIN_OK;
    if (cJSON_GetArraySize(list) != steps + 1)
        return rin_error_set(error, RIN_ERR_FORMAT, "%d nodes in a case of %lld steps", cJSON_GetArraySize(list),
                             (long long)steps);
    double *nodes = *out = rin_calloc((size_t)steps + 1, sizeof **out, error);
    if (!nodes) return RIN_ERR_MEMORY;
    cJSON_ArrayForEach(item, list) *nodes++ = cJSON_IsNumber(item) ? item->valuedouble : NAN;
    return RIN_OK;
}

rin_status rin_row_route_options(const cJSON *row, int64_t steps, rin_route_options *out, double **nodes,
                                 rin_error *error) {
    const char *kind = rin_row_word(row, "kind", "ddim"), *spacing = rin_row_word(row, "spacing", "uniform");
    int sampler = find_word(rin_words_sampler, kind), place = find_word(rin_words_spacing, spacing);
    *nodes = NULL;
    if (sampler < 0 || place < 0)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "there is no sampler '%.32s' or no spacing '%.32s'", kind,
                             spacing);
    rin_status status = steps ? RIN_OK : rin_row_whole(row, "S", 1, RIN_CASE_STEPS, &steps, error);
    if (status == RIN_OK) status = read_nodes(row, steps, nodes, error);
    if (status != RIN_OK) return status;
    *out = (rin_route_options){.sampler = (rin_sampler)sampler,
                               .spacing = (rin_spacing)place,
                               .steps = steps,
                               .b_scale = 1,
                               .n_pixels = 1,
                               .sigma_max = rin_row_number(row, "sigma_max", 0),
                               .sigma_min = rin_row_number(row, "sigma_min", 0),
                               .rho = rin_row_number(row, "rho", 7),
                               .strength = 1,
                               .eta = rin_row_number(row, "eta", 0),
                               .td = rin_row_number(row, "td", 0),
                               .churn = rin_row_number(row, "churn", 0),
                               .churn_min = rin_row_number(row, "s_min", 0),
                               .churn_max = rin_row_number(row, "s_max", INFINITY),
                               .churn_noise = rin_row_number(row, "s_noise", 1),
                               .jump = 1,
                               .repeats = 1,
                               .exact = true};
    if (cJSON_HasObjectItem(row, "jump")) status = rin_row_whole(row, "jump", 1, RIN_CASE_STEPS, &out->jump, error);
    if (status == RIN_OK && cJSON_HasObjectItem(row, "repeats"))
        status = rin_row_whole(row, "repeats", 1, 1000, &out->repeats, error);
    if (status == RIN_OK) status = rin_schedule_parse(rin_row_word(row, "schedule", "cosine"), &out->schedule, error);
    return status;
}

rin_status rin_row_compare_grid(rin_check *check, const rin_route_options *options, const double *nodes,
                                rin_error *error) {
    const double tolerance = 1e-6;
    rin_route *route = NULL;
    rin_status status = nodes ? rin_route_create(options, &route, error) : RIN_OK;
    for (int64_t i = 0; route && i <= options->steps; i++) {
        double expected = rin_sigma_of_gamma(nodes[i]), found = rin_sigma_of_gamma(route->nodes[i]);
        rin_check_note(check, "nodes", i, fabs(found - expected) / (expected > 0 ? expected : 1), tolerance);
    }
    rin_route_free(route);
    return status;
}

/* ---- tensors ---- */

rin_status rin_check_values(rin_check *check, const char *name, bool optional, int64_t n, float **out,
                            rin_error *error) {
    int64_t found;
    rin_status status = rin_check_read(check, name, optional, out, &found, error);
    if (status != RIN_OK || !*out || !n || found == n) return status;
    rin_free(*out);
    *out = NULL;
    return rin_error_set(error, RIN_ERR_SHAPE, "'%s/%s' has %lld numbers, not %lld", check->name, name,
                         (long long)found, (long long)n);
}

rin_status rin_parts_read(rin_check *check, const char *name, int64_t each, rin_parts *out, rin_error *error) {
    *out = (rin_parts){.name = name, .each = each};
    const rin_stored_tensor *tensor = rin_case_find(check->of, "%s/%s", check->name, name);
    if (!tensor) return RIN_OK;
    if (tensor->n_elements % (uint64_t)each != 0)
        return rin_error_set(error, RIN_ERR_SHAPE, "'%s' is not made of parts of %lld numbers", tensor->name,
                             (long long)each);
    out->n_parts = (int64_t)tensor->n_elements / each;
    rin_status status = rin_case_read_floats(check->of, tensor, &out->values, error);
    for (int64_t i = 0; i < out->n_parts * each && status == RIN_OK; i++)
        out->scale = fmax(out->scale, fabs((double)out->values[i]));
    return status;
}

void rin_parts_compare(rin_check *check, const rin_parts *parts, int64_t index, const float *values, double tolerance) {
    char name[RIN_CASE_NAME];
    if (!parts->values || index >= parts->n_parts) return;
    snprintf(name, sizeof name, "%.200s/%s", check->name, parts->name);
    const float *expected = parts->values + index * parts->each;
    for (int64_t i = 0; i < parts->each; i++) {
        double error = fabs((double)values[i] - (double)expected[i]) / (parts->scale > 0 ? parts->scale : 1);
        rin_check_note(check, name, index * parts->each + i, error, tolerance);
    }
}

rin_status rin_parts_end(const rin_parts *parts, int64_t n, rin_error *error) {
    if (!parts->values || parts->n_parts == n) return RIN_OK;
    return rin_error_set(error, RIN_ERR_SHAPE, "%lld %s are stored, %lld were made", (long long)parts->n_parts,
                         parts->name, (long long)n);
}

rin_status rin_parts_fit(rin_parts *noise, const rin_route *route, rin_error *error) {
    rin_cursor cursor = {0};
    rin_move move;
    int64_t used = 0;
    while (rin_route_next(route, &cursor, &move)) used += move.noise >= 0;
    noise->in_order = noise->n_parts == used;
    if (noise->in_order || noise->n_parts >= route->n_noises) return RIN_OK;
    return rin_error_set(error, RIN_ERR_SHAPE, "%lld noises are stored, the steps take %lld and use %lld of them",
                         (long long)noise->n_parts, (long long)route->n_noises, (long long)used);
}

void rin_parts_draw(void *user, int64_t number, float *noise) {
    rin_parts *parts = user;
    size_t bytes = (size_t)parts->each * sizeof *noise;
    if (parts->in_order) number = parts->drawn++;
    if (number < parts->n_parts) memcpy(noise, parts->values + number * parts->each, bytes);
    else memset(noise, 0, bytes);
}

/* ---- rows ---- */

rin_status rin_check_each(rin_case *c, const char *list, rin_row_fn *run, rin_error *error) {
    const cJSON *rows, *row;
    int index = 0;
    rin_status status = rin_rows_of_json(c->json, list, &rows, error);
    if (status != RIN_OK) return status;
    cJSON_ArrayForEach(row, rows) {
        char name[RIN_CASE_NAME];
        rin_error failure = {0};
        snprintf(name, sizeof name, "%s %d", list, index++);
        rin_check check = rin_check_begin(c, row, rin_row_word(row, "name", name));
        rin_check_end(&check, run(&check, &failure), &failure);
    }
    return RIN_OK;
}
