/* SPDX-License-Identifier: MIT */
/* resize: centre crop, channel conversion, and resampling by cubic splines or by areas. */
#include <math.h>
#include <string.h>

#include "image/image.h"

typedef struct crop {
    int x, y, width, height;
} crop;

/* Largest centred part with the aspect ratio width : height; offsets and the cut side are rounded down. */
static crop centre_crop(const rin_image *image, int height, int width) {
    int64_t w = image->width, h = image->height;
    crop c = {.width = image->width, .height = image->height};
    if (w * height > h * width) c.width = (int)RIN_MAX(h * width / height, 1);
    else c.height = (int)RIN_MAX(w * height / width, 1);
    c.x = (image->width - c.width) / 2;
    c.y = (image->height - c.height) / 2;
    return c;
}

/* ---- one axis ---- */

/* Output i is the sum of weights[i * max_taps + t] times input first[i] + t, t < n_taps[i]. */
typedef struct axis {
    int max_taps;
    int *first, *n_taps;
    float *weights;
} axis;

/* How much a pixel counts whose centre is `offset` pixels off that of an output pixel, which covers `scale` pixels. */
typedef struct kernel {
    double (*weight)(double offset, double scale);
    double (*support)(double scale); /* how far it reaches, in pixels */
} kernel;

/* Keys' cubic convolution kernel with a = -0.5, widened when shrinking. */
static double keys_weight(double offset, double scale) {
    const double a = -0.5;
    double x = fabs(offset) / fmax(scale, 1);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

static double keys_support(double scale) {
    return 2 * fmax(scale, 1);
}

/* How much of the pixel is covered. */
static double area_weight(double offset, double scale) {
    return fmax(fmin(offset + 0.5, scale / 2) - fmax(offset - 0.5, -scale / 2), 0);
}

static double area_support(double scale) {
    return scale / 2;
}

static const kernel cubic = {keys_weight, keys_support}, area = {area_weight, area_support};

static void axis_clear(axis *a) {
    rin_free(a->first);
    rin_free(a->n_taps);
    rin_free(a->weights);
    *a = (axis){0};
}

static rin_status axis_init(axis *a, const kernel *k, int n_in, int n_out, rin_error *error) {
    double scale = (double)n_in / n_out, support = k->support(scale);
    size_t n = (size_t)n_out;
    *a = (axis){.max_taps = (int)fmin(ceil(2 * support) + 2, n_in)};
    a->first = rin_calloc(n, sizeof *a->first, error);
    a->n_taps = rin_calloc(n, sizeof *a->n_taps, error);
    a->weights = rin_calloc(n, (size_t)a->max_taps * sizeof *a->weights, error);
    if (!a->first || !a->n_taps || !a->weights) {
        axis_clear(a);
        return RIN_ERR_MEMORY;
    }
    for (int i = 0; i < n_out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)fmax(floor(centre - support), 0), end = (int)fmin(ceil(centre + support), n_in);
        a->first[i] = first;
        a->n_taps[i] = RIN_MIN(end - first, a->max_taps);
        float *weights = a->weights + (size_t)i * (size_t)a->max_taps;
        for (int t = 0; t < a->n_taps[i]; t++) sum += k->weight(first + t + 0.5 - centre, scale);
        for (int t = 0; t < a->n_taps[i]; t++) weights[t] = (float)(k->weight(first + t + 0.5 - centre, scale) / sum);
    }
    return RIN_OK;
}

/* ---- rows ---- */

static float sample_at(const rin_image *image, size_t i) {
    if (image->depth == 1) return (float)((const uint8_t *)image->samples)[i] / 255.0f;
    return (float)((const uint16_t *)image->samples)[i] / 65535.0f;
}

/* Row y of the crop with the wanted channels: row (crop width, channels). */
static void read_row(const rin_image *image, crop c, int y, int channels, float *row) {
    size_t at = ((size_t)(c.y + y) * (size_t)image->width + (size_t)c.x) * (size_t)image->channels;
    if (channels == image->channels) {
        for (size_t i = 0; i < (size_t)c.width * (size_t)channels; i++) row[i] = sample_at(image, at + i);
    } else if (channels == 1) { /* Rec. 601 luma */
        for (int x = 0; x < c.width; x++, at += 3) {
            float red = sample_at(image, at), green = sample_at(image, at + 1), blue = sample_at(image, at + 2);
            row[x] = 0.299f * red + 0.587f * green + 0.114f * blue;
        }
    } else {
        for (int x = 0; x < c.width; x++, row += 3) row[0] = row[1] = row[2] = sample_at(image, at + (size_t)x);
    }
}

static void resample_row(const axis *a, int n_out, int channels, const float *in, float *out) {
    for (int i = 0; i < n_out; i++, out += channels) {
        const float *weights = a->weights + (size_t)i * (size_t)a->max_taps;
        const float *from = in + (size_t)a->first[i] * (size_t)channels;
        for (int c = 0; c < channels; c++) out[c] = 0;
        for (int t = 0; t < a->n_taps[i]; t++, from += channels) {
            for (int c = 0; c < channels; c++) out[c] += weights[t] * from[c];
        }
    }
}

/* Keeps only as many resampled rows as one output row needs, in a ring. */
static rin_status resample(const rin_image *image, const kernel *k, crop c, int height, int width, int channels,
                           float *out, rin_error *error) {
    axis across = {0}, down = {0};
    float *row = NULL, *ring = NULL;
    size_t stride = (size_t)width * (size_t)channels;
    rin_status status = axis_init(&across, k, c.width, width, error);
    if (status == RIN_OK) status = axis_init(&down, k, c.height, height, error);
    if (status != RIN_OK) goto done;
    row = rin_calloc((size_t)c.width, (size_t)channels * sizeof *row, error);
    ring = rin_calloc((size_t)down.max_taps, stride * sizeof *ring, error);
    if (!row || !ring) {
        status = RIN_ERR_MEMORY;
        goto done;
    }
    int n_read = 0;
    for (int y = 0; y < height; y++, out += stride) {
        for (; n_read < down.first[y] + down.n_taps[y]; n_read++) {
            read_row(image, c, n_read, channels, row);
            resample_row(&across, width, channels, row, ring + (size_t)(n_read % down.max_taps) * stride);
        }
        memset(out, 0, stride * sizeof *out);
        for (int t = 0; t < down.n_taps[y]; t++) {
            float weight = down.weights[(size_t)y * (size_t)down.max_taps + (size_t)t];
            const float *from = ring + (size_t)((down.first[y] + t) % down.max_taps) * stride;
            for (size_t i = 0; i < stride; i++) out[i] += weight * from[i];
        }
        for (size_t i = 0; i < stride; i++) out[i] = fminf(fmaxf(out[i], 0), 1);
    }
done:
    rin_free(ring);
    rin_free(row);
    axis_clear(&down);
    axis_clear(&across);
    return status;
}

static rin_status fit(const rin_image *image, const kernel *k, int height, int width, int channels, float *out,
                      rin_error *error) {
    bool allowed = height >= 1 && width >= 1 && height <= RIN_IMAGE_MAX_SIDE && width <= RIN_IMAGE_MAX_SIDE;
    if (!allowed || (channels != 1 && channels != 3)) {
        return rin_error_set(error, RIN_ERR_ARG,
                             "cannot fit a picture to %d x %d pixels of %d channels; allowed are sides of 1 to %d "
                             "and 1 or 3 channels",
                             width, height, channels, RIN_IMAGE_MAX_SIDE);
    }
    crop c = centre_crop(image, height, width);
    if (c.width != width || c.height != height) return resample(image, k, c, height, width, channels, out, error);
    size_t stride = (size_t)width * (size_t)channels;
    for (int y = 0; y < height; y++) read_row(image, c, y, channels, out + (size_t)y * stride);
    return RIN_OK;
}

rin_status rin_image_fit(const rin_image *image, int height, int width, int channels, float *out, rin_error *error) {
    return fit(image, &cubic, height, width, channels, out, error);
}

rin_status rin_image_fit_area(const rin_image *image, int height, int width, int channels, float *out,
                              rin_error *error) {
    return fit(image, &area, height, width, channels, out, error);
}

bool rin_image_fits_exactly(const rin_image *image, int height, int width, int channels) {
    crop c = centre_crop(image, height, width);
    return c.width == width && c.height == height && image->depth == 1 && channels >= image->channels;
}
