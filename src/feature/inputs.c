/* SPDX-License-Identifier: MIT */
/* Pictures and frames resized as the reference programs do it, whose filters are part of what a score means. */
#include <math.h>
#include <string.h>

#include "feature/feature.h"

enum { CHANNELS = 3 };

const char *rin_preprocess_name(rin_preprocess kind) {
    return (unsigned)kind < RIN_N_PREPROCESS ? rin_words_preprocess[kind] : "";
}

bool rin_preprocess_is_for(rin_preprocess kind, rin_feature_network network) {
    return kind == RIN_PREPROCESS_TF || (kind == RIN_PREPROCESS_CROP) == (network == RIN_NETWORK_I3D);
}

/* What becomes of 0..255: before the resize v / divisor, after it (v - shift) / scale or 2 v - 1. */
typedef struct resize {
    const float *pixels;
    int height, width;
    int to_height, to_width; /* of the whole result */
    int top, left, side;     /* the square of it that is made */
    float *out;              /* (side, side, 3) */
} resize;

/* ---- bilinear ---- */

/* Between which two of n a coordinate lies, and how far from the first. */
typedef struct tap {
    int low, high;
    float part;
} tap;

/* In float, in this order: coordinates in double differ visibly from the reference programs. */
static tap tap_at(int i, int from, int to, bool half_pixel) {
    float scale = (float)from / (float)to;
    float at = half_pixel ? fmaxf(0, ((float)i + 0.5f) * scale - 0.5f) : (float)i * scale;
    int low = RIN_MIN((int)at, from - 1);
    return (tap){low, RIN_MIN(low + 1, from - 1), at - (float)low};
}

/* Row y of the picture, interpolated along x; divided by 255 before that where wanted. */
static void blend_row(const resize *r, const tap *taps, int y, bool unit, float *out) {
    const float *row = r->pixels + (size_t)y * (size_t)r->width * CHANNELS;
    float divisor = unit ? 255.0f : 1.0f;
    for (int i = 0; i < r->side; i++) {
        const float *low = row + (size_t)taps[i].low * CHANNELS, *high = row + (size_t)taps[i].high * CHANNELS;
        for (int c = 0; c < CHANNELS; c++) {
            float a = low[c] / divisor, b = high[c] / divisor;
            out[i * CHANNELS + c] = a + (b - a) * taps[i].part;
        }
    }
}

/* Makes sure that row y is one of the two that are kept, and returns it; `other` must stay. */
static const float *row_of(const resize *r, const tap *taps, int y, bool unit, float *rows, int kept[2], int other) {
    int slot = kept[0] == y ? 0 : kept[1] == y ? 1 : kept[0] == other ? 1 : 0;
    float *row = rows + (size_t)slot * (size_t)r->side * CHANNELS;
    if (kept[slot] != y) blend_row(r, taps, y, unit, row);
    kept[slot] = y;
    return row;
}

static rin_status bilinear(const resize *r, bool half_pixel, rin_error *error) {
    size_t per_row = (size_t)r->side * CHANNELS;
    tap *taps = rin_calloc((size_t)r->side, sizeof *taps, error);
    float *rows = rin_calloc(2 * per_row, sizeof *rows, error);
    int kept[2] = {-1, -1};
    if (!taps || !rows) {
        rin_free(taps);
        rin_free(rows);
        return RIN_ERR_MEMORY;
    }
    for (int i = 0; i < r->side; i++) taps[i] = tap_at(r->left + i, r->width, r->to_width, half_pixel);
    for (int i = 0; i < r->side; i++) {
        tap t = tap_at(r->top + i, r->height, r->to_height, half_pixel);
        const float *low = row_of(r, taps, t.low, half_pixel, rows, kept, t.high);
        const float *high = row_of(r, taps, t.high, half_pixel, rows, kept, t.low);
        float *out = r->out + (size_t)i * per_row;
        for (size_t k = 0; k < per_row; k++) out[k] = low[k] + (high[k] - low[k]) * t.part;
    }
    rin_free(taps);
    rin_free(rows);
    return RIN_OK;
}

/* ---- bicubic ---- */

static double keys(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* Weights of the numbers from..from + count - 1 of n that make one of `to`. */
typedef struct weights {
    int from, count;
    double *values;
} weights;

static int most_weights(int n, int to) {
    return (int)(2 * ceil(2 * fmax(1, (double)n / to))) + 1;
}

static weights weights_at(int i, int n, int to, double *values) {
    double scale = (double)n / to, wide = fmax(1, scale), centre = (i + 0.5) * scale, sum = 0;
    int from = RIN_MAX(0, (int)(centre - 2 * wide + 0.5)), end = RIN_MIN(n, (int)(centre + 2 * wide + 0.5));
    for (int k = from; k < end; k++) sum += values[k - from] = keys((k - centre + 0.5) / wide);
    for (int k = from; k < end; k++) values[k - from] /= sum;
    return (weights){from, end - from, values};
}

/* Along x: (height, width, 3) to (height, side, 3); then along y. */
static void bicubic_rows(const resize *r, double *values, float *out) {
    for (int i = 0; i < r->side; i++) {
        weights w = weights_at(i, r->width, r->side, values);
        for (int y = 0; y < r->height; y++) {
            const float *from = r->pixels + ((size_t)y * (size_t)r->width + (size_t)w.from) * CHANNELS;
            for (int c = 0; c < CHANNELS; c++) {
                double sum = 0;
                for (int k = 0; k < w.count; k++) sum += w.values[k] * (double)from[k * CHANNELS + c];
                out[((size_t)y * (size_t)r->side + (size_t)i) * CHANNELS + (size_t)c] = (float)sum;
            }
        }
    }
}

static void bicubic_columns(const resize *r, double *values, const float *rows, double *sums) {
    size_t per_row = (size_t)r->side * CHANNELS;
    for (int i = 0; i < r->side; i++) {
        weights w = weights_at(i, r->height, r->side, values);
        memset(sums, 0, per_row * sizeof *sums);
        for (int k = 0; k < w.count; k++) {
            const float *from = rows + (size_t)(w.from + k) * per_row;
            for (size_t j = 0; j < per_row; j++) sums[j] += w.values[k] * (double)from[j];
        }
        float *out = r->out + (size_t)i * per_row;
        for (size_t j = 0; j < per_row; j++) out[j] = fminf(fmaxf((float)sums[j], 0), 255);
    }
}

static rin_status bicubic(const resize *r, rin_error *error) {
    int most = RIN_MAX(most_weights(r->width, r->side), most_weights(r->height, r->side));
    size_t per_row = (size_t)r->side * CHANNELS;
    double *values = rin_calloc((size_t)most, sizeof *values, error);
    double *sums = rin_calloc(per_row, sizeof *sums, error);
    float *rows = rin_calloc((size_t)r->height * per_row, sizeof *rows, error);
    bool good = values && sums && rows;
    if (good) {
        bicubic_rows(r, values, rows);
        bicubic_columns(r, values, rows, sums);
    }
    rin_free(values);
    rin_free(sums);
    rin_free(rows);
    return good ? RIN_OK : RIN_ERR_MEMORY;
}

/* ---- what the networks take ---- */

static rin_status check(const float *pixels, int height, int width, bool known, rin_error *error) {
    if (pixels && height >= 1 && width >= 1 && known) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "a picture of %d x %d pixels, or a resize that this network has not",
                         width, height);
}

static void rescale(float *values, size_t n, float shift, float scale) {
    for (size_t i = 0; i < n; i++) values[i] = (values[i] - shift) / scale;
}

static void to_signed(float *values, size_t n, float divisor) {
    for (size_t i = 0; i < n; i++) values[i] = 2 * values[i] / divisor - 1;
}

rin_status rin_inception_input(rin_preprocess kind, const float *pixels, int height, int width, float *out,
                               rin_error *error) {
    enum { SIDE = RIN_INCEPTION_SIDE };
    rin_status status = check(pixels, height, width, rin_preprocess_is_for(kind, RIN_NETWORK_INCEPTION), error);
    resize r = {pixels, height, width, SIDE, SIDE, 0, 0, SIDE, out};
    if (status == RIN_OK)
        status = kind == RIN_PREPROCESS_CLEAN ? bicubic(&r, error)
                                              : bilinear(&r, kind == RIN_PREPROCESS_HALF_PIXEL, error);
    if (status != RIN_OK) return status;
    size_t n = (size_t)SIDE * SIDE * CHANNELS;
    if (kind == RIN_PREPROCESS_HALF_PIXEL) to_signed(out, n, 1);
    else rescale(out, n, 128, 128);
    return RIN_OK;
}

rin_status rin_i3d_input(rin_preprocess kind, const float *pixels, int height, int width, float *out,
                         rin_error *error) {
    enum { SIDE = RIN_I3D_SIDE };
    bool crop = kind == RIN_PREPROCESS_CROP;
    rin_status status = check(pixels, height, width, rin_preprocess_is_for(kind, RIN_NETWORK_I3D), error);
    if (status != RIN_OK) return status;
    resize r = {pixels, height, width, SIDE, SIDE, 0, 0, SIDE, out};
    if (crop && height > width) r.to_height = (int)(((int64_t)SIDE * height + width - 1) / width);
    if (crop && width > height) r.to_width = (int)(((int64_t)SIDE * width + height - 1) / height);
    r.top = (r.to_height - SIDE) / 2;
    r.left = (r.to_width - SIDE) / 2;
    status = bilinear(&r, crop, error);
    if (status == RIN_OK) to_signed(out, (size_t)SIDE * SIDE * CHANNELS, crop ? 1 : 255);
    return status;
}
