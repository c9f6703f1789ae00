/* SPDX-License-Identifier: MIT */
/* Cases of what networks are fed: a row is a picture, resized in one of the ways. */
#include <string.h>

#include "check/evaluation.h"

/* "absolute: tf 2e-6 (0 in float32 without fused multiply-add), half_pixel 2e-6, clean 2e-6" (its case.json). */
static const double tolerance = 2e-6;

bool rin_check_is_resize(const cJSON *json) {
    const cJSON *row = rin_first_row(json, "rows");
    return rin_row_word(row, "kind", NULL) && !cJSON_HasObjectItem(row, "shape");
}

/* A picture: pixels (height, width, 3). */
typedef struct picture {
    float *pixels;
    int64_t height, width;
} picture;

/*
 * A picture of height x width made of a smaller one: row y, column x is that one's [y / a][x / b], whole divisions,
 * with the least a and b for which there is such a row and column ("picture_d" of case.json).
 */
static rin_status enlarge(picture *p, int64_t height, int64_t width, rin_error *error) {
    enum { CHANNELS = 3 };
    int64_t a = (height + p->height - 1) / p->height, b = (width + p->width - 1) / p->width;
    float *large = rin_calloc((size_t)(height * width), CHANNELS * sizeof *large, error);
    if (!large) return RIN_ERR_MEMORY;
    for (int64_t y = 0; y < height; y++) {
        for (int64_t x = 0; x < width; x++)
            memcpy(large + (y * width + x) * CHANNELS, p->pixels + (y / a * p->width + x / b) * CHANNELS,
                   CHANNELS * sizeof *large);
    }
    rin_free(p->pixels);
    *p = (picture){large, height, width};
    return RIN_OK;
}

/* "<name>/image", or "<name>/image_37x41" that the picture is made of. */
static rin_status find_picture(rin_case *c, const char *name, const rin_stored_tensor **out, rin_error *error) {
    char prefix[RIN_CASE_NAME];
    *out = rin_case_find(c, "%s/image", name);
    snprintf(prefix, sizeof prefix, "%s/image_", name);
    for (size_t i = 0; !*out && i < rin_safetensors_count(c->io); i++) {
        const char *known = rin_safetensors_get(c->io, i)->name;
        if (strncmp(known, prefix, strlen(prefix)) == 0) *out = rin_case_find(c, "%s", known);
    }
    return rin_case_expect(*out, error, "%s/image", name);
}

static rin_status read_picture(rin_case *c, const cJSON *row, const char *name, picture *out, rin_error *error) {
    enum { LONGEST = 4096 };
    const rin_stored_tensor *tensor = NULL;
    int64_t height, width;
    rin_status status = find_picture(c, name, &tensor, error);
    if (status == RIN_OK) status = rin_case_read_pixels(c, tensor, 3, &out->pixels, error);
    if (status != RIN_OK) return status;
    out->height = height = tensor->shape[0];
    out->width = width = tensor->shape[1];
    if (cJSON_HasObjectItem(row, "height")) status = rin_row_whole(row, "height", 1, LONGEST, &height, error);
    if (status == RIN_OK && cJSON_HasObjectItem(row, "width"))
        status = rin_row_whole(row, "width", 1, LONGEST, &width, error);
    if (status != RIN_OK || (height == out->height && width == out->width)) return status;
    if (rin_has_suffix(tensor->name, "/image"))
        return rin_error_set(error, RIN_ERR_SHAPE, "'%s' has not the height and width of its row", tensor->name);
    return enlarge(out, height, width, error);
}

/* The network's input of this kind: side x side numbers of three channels, channels first. */
static rin_status resize(rin_preprocess kind, const picture *p, int64_t *side, double **out, rin_error *error) {
    *side = kind == RIN_PREPROCESS_CROP ? RIN_I3D_SIDE : RIN_INCEPTION_SIDE;
    size_t n = (size_t)(*side * *side) * 3;
    float *values = rin_calloc(n, sizeof *values, error);
    *out = rin_calloc(n, sizeof **out, error);
    rin_status status = RIN_ERR_MEMORY;
    if (values && *out) {
        int height = (int)p->height, width = (int)p->width;
        status = kind == RIN_PREPROCESS_CROP ? rin_i3d_input(kind, p->pixels, height, width, values, error)
                                             : rin_inception_input(kind, p->pixels, height, width, values, error);
        rin_channels_first(values, *side * *side, 3, *out);
    }
    rin_free(values);
    return status;
}

static rin_status check_row(rin_check *check, rin_error *error) {
    const cJSON *row = check->options;
    const char *word = rin_row_word(row, "kind", "");
    rin_preprocess kind = rin_preprocess_find(word, strlen(word));
    picture p = {0};
    double *values = NULL;
    int64_t side = 0;
    if (kind == RIN_N_PREPROCESS)
        return rin_error_set(error, RIN_ERR_FORMAT, "kind = '%.100s' in case.json is no resize", word);
    rin_status status = read_picture(check->of, row, rin_row_word(row, "picture", ""), &p, error);
    if (status == RIN_OK) status = resize(kind, &p, &side, &values, error);
    const rin_stored_tensor *stored = rin_case_find(check->of, "%s", check->name);
    if (status == RIN_OK && stored)
        status = rin_check_part(check, stored, row, values, 3, (int64_t[]){3, side, side}, tolerance, 1, error);
    if (status == RIN_OK) status = rin_check_sums(check, row, check->name, values, 3 * side * side, tolerance, error);
    rin_free(values);
    rin_free(p.pixels);
    return status;
}

rin_status rin_check_resize(rin_case *c, rin_error *error) {
    const cJSON *rows, *row;
    rin_status status = rin_rows_of_json(c->json, "rows", &rows, error);
    if (status == RIN_OK) status = rin_case_open_numbers(c, error);
    if (status != RIN_OK) return status;
    cJSON_ArrayForEach(row, rows) {
        char name[RIN_CASE_NAME];
        rin_error failure = {0};
        snprintf(name, sizeof name, "%s/%s", rin_row_word(row, "picture", ""), rin_row_word(row, "kind", ""));
        rin_check check = rin_check_begin(c, row, rin_row_word(row, "name", name));
        rin_check_end(&check, check_row(&check, &failure), &failure);
    }
    return RIN_OK;
}
