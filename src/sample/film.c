/* SPDX-License-Identifier: MIT */
/* Films: what the steps made of noise, and the way from one picture to another. */
#include <math.h>

#include "sample/canvas.h"

enum { MOST_IN_LINE = 16 }; /* steps of a film on paper */

/* Frames a second that show n frames in about 4 seconds. */
static double rate_of(int64_t n) {
    const double seconds = 4, lowest = 4, highest = 25;
    return fmin(fmax((double)n / seconds, lowest), highest);
}

static rin_status check_sides(const char *path, int64_t width, int64_t height, int64_t most, rin_error *error) {
    if (width <= most && height <= most) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_ARG,
        "'%.300s' would have %lld x %lld pixels: allowed are sides of up to %lld; make fewer pictures, "
        "or a smaller sample.zoom",
        path, (long long)width, (long long)height, (long long)most);
}

static rin_status check_channels(const rin_generator *g, const char *path, rin_error *error) {
    int64_t channels = g->own.model.image_channels;
    if (channels == 1 || channels == 3) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "'%.300s': these pictures have %lld channels; allowed are 1 and 3", path,
                         (long long)channels);
}

/* ---- of the steps ---- */

static rin_status check_film(const rin_generator *g, const char *path, rin_error *error) {
    if (!g->film)
        return rin_error_set(error, RIN_ERR_ARG,
                             "'%.300s': no film was kept; rin_sample_request.film asks for one before the first step",
                             path);
    if (!rin_has_suffix(path, ".png") && !rin_video_is_writable(path))
        return rin_error_set(error, RIN_ERR_ARG,
                             "'%.300s': allowed for films are names that end in %s, or in .png for lines of steps",
                             path, rin_video_suffixes());
    rin_status status = check_channels(g, path, error);
    return status == RIN_OK ? rin_generator_expect_done(g, path, error) : status;
}

/* A line a picture. */
static rin_status write_lines(const rin_generator *g, int columns, const char *path, rin_error *error) {
    rin_canvas c;
    int64_t width, height, across = RIN_MIN(g->n_film, (int64_t)MOST_IN_LINE);
    rin_zoomed_size(g, &width, &height, &c.channels);
    int64_t w = rin_side_of(across, width), h = rin_side_of(g->count, height);
    rin_status status = check_sides(path, w, h, RIN_CANVAS_MOST_SIDE, error);
    if (status == RIN_OK) status = rin_canvas_init(&c, w, h, c.channels, error);
    if (status != RIN_OK) return status;
    for (int64_t i = 0; i < g->count * across; i++) {
        int64_t picture = i / across, k = (i % across + 1) * g->n_film / across - 1;
        rin_canvas_draw(&c, g, g->film + (picture * g->n_film + k) * g->per_picture, rin_side_of(i % across, width),
                        rin_side_of(picture, height));
    }
    status = rin_canvas_write_png(g, -1, columns, &c, path, error);
    rin_free(c.pixels);
    return status;
}

rin_status rin_generator_write_film(const rin_generator *g, int columns, const char *path, rin_error *error) {
    const double rest = 1.5; /* seconds of the last frame beyond its own */
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!path) return rin_error_null(error, __func__, "path");
    if (columns < 0)
        return rin_error_set(error, RIN_ERR_ARG, "%s: columns = %d; allowed: 0 or more", __func__, columns);
    rin_status status = check_film(g, path, error);
    if (status != RIN_OK) return status;
    if (rin_has_suffix(path, ".png")) return write_lines(g, columns, path, error);
    rin_grids grids = {
        .pixels = g->film, .picture = g->n_film * g->per_picture, .frame = g->per_picture, .n = g->n_film};
    status = rin_grid_lay_out(g, columns, RIN_MOVIE_MOST_SIDE, &grids.across, &grids.down, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "'%.300s'", path);
    double rate = rate_of(g->n_film);
    return rin_grids_write(g, &grids, lrint(rest * rate), rate, path, error);
}

/* ---- from picture to picture ---- */

static rin_status check_way(const rin_generator *g, const char *path, rin_error *error) {
    if (g->frames > 1)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "'%.300s': this model makes videos: a way leads from picture to picture", path);
    if (!rin_video_is_writable(path))
        return rin_error_set(error, RIN_ERR_ARG, "'%.300s': allowed for a way are names that end in %s", path,
                             rin_video_suffixes());
    rin_status status = check_channels(g, path, error);
    return status == RIN_OK ? rin_generator_expect_done(g, path, error) : status;
}

rin_status rin_generator_write_way(const rin_generator *g, const char *path, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!path) return rin_error_null(error, __func__, "path");
    rin_status status = check_way(g, path, error);
    if (status != RIN_OK) return status;
    int64_t width, height, n = RIN_MAX(2 * g->count - 2, 1); /* there and back, neither end twice */
    rin_canvas c;
    rin_zoomed_size(g, &width, &height, &c.channels);
    status = check_sides(path, width, height, RIN_MOVIE_MOST_SIDE, error);
    uint64_t bytes = (uint64_t)n * (uint64_t)(width * height * c.channels);
    if (status == RIN_OK) status = rin_memory_expect(bytes, rin_memory_total() / 2, "the video", error);
    if (status == RIN_OK) status = rin_canvas_init(&c, width, height * n, c.channels, error);
    if (status != RIN_OK) return status;
    for (int64_t k = 0; k < n; k++)
        rin_canvas_draw(&c, g, g->pixels + (k < g->count ? k : n - k) * g->per_picture, 0, k * height);
    c.height = height;
    double rate = g->own.sample.fps > 0 ? g->own.sample.fps : rate_of(g->count);
    status = rin_canvas_write_movie(g, &c, c.pixels, n, rate, path, error);
    rin_free(c.pixels);
    return status;
}
