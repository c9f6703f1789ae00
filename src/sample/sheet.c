/* SPDX-License-Identifier: MIT */
/* Files of pictures and videos: one, a grid of them, a contact sheet of their frames. */
#include <math.h>

#include "sample/canvas.h"

/* Frames a second of videos of a model. */
static double rate_of(const rin_generator *g) {
    const double usual = 8, lowest = 0.1;
    const rin_config_data *data = &g->model->description.config.data;
    if (g->own.sample.fps > 0) return g->own.sample.fps;
    return data->fps > 0 ? fmax(data->fps / (double)data->frame_step, lowest) : usual;
}

bool rin_model_can_write(const rin_model *model, const char *path) {
    if (!model || !path) return false;
    bool video = rin_model_config(model)->model.seq_len > 1;
    return rin_has_suffix(path, ".png") || (video && rin_video_is_writable(path));
}

const char *rin_video_suffixes(void) {
    return rin_video_writable();
}

/* ---- contact sheets ---- */

enum { EDGE = 2, MOST_ACROSS = 24, APART = 3 * RIN_GAP }; /* of a frame; frames in a line; between videos */

static const rin_colour given_edge = {40, 110, 230}, made_edge = {240, 140, 0}, truth_edge = {150, 150, 150};

/* Pixels of a frame with its border, and of the gap behind it. */
static int64_t cell_of(int64_t size) {
    return size + 2 * EDGE + RIN_GAP;
}

static int64_t across_of(const rin_generator *g) {
    return RIN_MIN(g->frames, MOST_ACROSS);
}

/* Whether it is known what really followed the given frames. */
static bool has_truth(const rin_generator *g, int64_t i) {
    return g->n_truth[i] > g->own.model.seq_cond;
}

/* Lines that the frames of a video take, with what really followed above each. */
static int64_t lines_of(const rin_generator *g, int64_t i) {
    int64_t across = across_of(g), lines = (g->frames + across - 1) / across;
    return has_truth(g, i) ? 2 * lines : lines;
}

static void draw_line(const rin_canvas *c, const rin_generator *g, const uint8_t *frames, int64_t from, int64_t n,
                      int64_t y, bool truth) {
    int64_t width, height, across = across_of(g);
    int channels;
    rin_zoomed_size(g, &width, &height, &channels);
    for (int64_t k = from; k < RIN_MIN(from + across, n); k++) {
        bool given = k < g->own.model.seq_cond;
        int64_t x = (k - from) * cell_of(width) + RIN_GAP;
        rin_canvas_fill(c, x, y, width + 2 * EDGE, height + 2 * EDGE,
                        given   ? given_edge
                        : truth ? truth_edge
                                : made_edge);
        rin_canvas_draw(c, g, frames + k * g->per_frame, x + EDGE, y + EDGE);
    }
}

static void draw_video(const rin_canvas *c, const rin_generator *g, int64_t i, int64_t y, int64_t line) {
    bool truth = has_truth(g, i);
    for (int64_t from = 0; from < g->frames; from += MOST_ACROSS) {
        if (truth) draw_line(c, g, g->truth + i * g->per_picture, from, g->n_truth[i], y, true);
        if (truth) y += line;
        draw_line(c, g, g->pixels + i * g->per_picture, from, g->frames, y, false);
        y += line;
    }
}

static void sheet_size(const rin_generator *g, int64_t first, int64_t end, int64_t *w, int64_t *h) {
    int64_t width, height, lines = 0;
    int channels;
    rin_zoomed_size(g, &width, &height, &channels);
    for (int64_t i = first; i < end; i++) lines += lines_of(g, i);
    *w = across_of(g) * cell_of(width) + RIN_GAP;
    *h = lines * cell_of(height) + RIN_GAP + (end - first - 1) * APART;
}

/* A line or two a video; i: this one, or -1 for all. */
static rin_status write_sheet(const rin_generator *g, int64_t i, int columns, const char *path, rin_error *error) {
    int64_t width, height, w, h, first = RIN_MAX(i, 0), end = i < 0 ? g->count : i + 1;
    rin_canvas c;
    rin_zoomed_size(g, &width, &height, &c.channels);
    sheet_size(g, first, end, &w, &h);
    int64_t line = cell_of(height);
    if (w > RIN_CANVAS_MOST_SIDE || h > RIN_CANVAS_MOST_SIDE)
        return rin_error_set(
            error, RIN_ERR_ARG,
            "a contact sheet of %lld x %lld pixels: allowed are sides of up to %d; write fewer videos, "
            "or files of their own",
            (long long)w, (long long)h, RIN_CANVAS_MOST_SIDE);
    rin_status status = rin_canvas_init(&c, w, h, c.channels, error);
    for (int64_t k = first, y = RIN_GAP; k < end && status == RIN_OK; k++) {
        draw_video(&c, g, k, y, line);
        y += lines_of(g, k) * line + APART;
    }
    if (status == RIN_OK) status = rin_canvas_write_png(g, i, columns, &c, path, error);
    rin_free(c.pixels);
    return status;
}

/* ---- the public functions ---- */

bool rin_generator_has_grid(const rin_generator *g, const char *path) {
    int64_t across, down, width, height;
    int channels;
    if (!g || !rin_grid_fits(g, 0, RIN_CANVAS_MOST_SIDE, &across, &down)) return false;
    if (g->frames == 1 || !path) return true;
    bool sheet = rin_has_suffix(path, ".png");
    int64_t most = sheet ? RIN_CANVAS_MOST_SIDE : RIN_MOVIE_MOST_SIDE;
    rin_zoomed_size(g, &width, &height, &channels);
    if (sheet) sheet_size(g, 0, g->count, &width, &height);
    else if (g->count > 1) {
        width = rin_side_of(across, width);
        height = rin_side_of(down, height);
    }
    return width <= most && height <= most;
}

static rin_status refuse_name(const rin_generator *g, const char *path, rin_error *error) {
    if (g->frames == 1)
        return rin_error_set(error, RIN_ERR_ARG, "'%.300s': allowed for pictures are names that end in .png", path);
    return rin_error_set(error, RIN_ERR_ARG,
                         "'%.300s': allowed for videos are names that end in %s, or in .png for a contact sheet", path,
                         rin_video_suffixes());
}

/* One picture, or the frames of one video, without a border. */
static rin_status write_one(const rin_generator *g, int64_t i, const char *path, rin_error *error) {
    int64_t width, height;
    rin_canvas c;
    rin_zoomed_size(g, &width, &height, &c.channels);
    /* The frames below each other. */
    rin_status status = rin_canvas_init(&c, width, height * g->frames, c.channels, error);
    if (status != RIN_OK) return status;
    const uint8_t *from = rin_generator_pixels(g, i);
    for (int64_t k = 0; k < g->frames; k++) rin_canvas_draw(&c, g, from + k * g->per_frame, 0, k * height);
    c.height = height;
    if (g->frames > 1) status = rin_canvas_write_movie(g, &c, c.pixels, g->frames, rate_of(g), path, error);
    else status = rin_canvas_write_png(g, i, 0, &c, path, error);
    rin_free(c.pixels);
    return status;
}

rin_status rin_generator_write(const rin_generator *g, int64_t i, const char *path, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!path) return rin_error_null(error, __func__, "path");
    if (!rin_generator_pixels(g, i)) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_generator_write: i = %lld; %lld of %lld pictures are made",
                             (long long)i, (long long)RIN_MIN(g->first, g->count), (long long)g->count);
    }
    if (!rin_model_can_write(g->model, path)) return refuse_name(g, path, error);
    if (g->frames > 1 && rin_has_suffix(path, ".png")) return write_sheet(g, i, 0, path, error);
    return write_one(g, i, path, error);
}

rin_status rin_generator_write_grid(const rin_generator *g, int columns, const char *path, rin_error *error) {
    if (!g) return rin_error_null(error, __func__, "generator");
    if (!path) return rin_error_null(error, __func__, "path");
    if (columns < 0)
        return rin_error_set(error, RIN_ERR_ARG, "%s: columns = %d; allowed: 0 or more", __func__, columns);
    if (!rin_generator_is_done(g)) {
        return rin_error_set(error, RIN_ERR_ARG, "%s: %lld of %lld pictures are made: run the generator to its end",
                             __func__, (long long)g->first, (long long)g->count);
    }
    if (!rin_model_can_write(g->model, path)) return refuse_name(g, path, error);
    rin_grids grids = {.pixels = g->pixels, .picture = g->per_picture, .frame = g->per_frame, .n = g->frames};
    bool movie = g->frames > 1 && g->count > 1 && !rin_has_suffix(path, ".png");
    int64_t most = movie ? RIN_MOVIE_MOST_SIDE : RIN_CANVAS_MOST_SIDE;
    rin_status status = rin_grid_lay_out(g, columns, most, &grids.across, &grids.down, error);
    if (status != RIN_OK) return status;
    if (g->frames > 1 && rin_has_suffix(path, ".png")) return write_sheet(g, -1, columns, path, error);
    if (movie) return rin_grids_write(g, &grids, 0, rate_of(g), path, error);
    if (g->frames > 1) return write_one(g, 0, path, error);
    rin_canvas c;
    status = rin_grids_init(g, &grids, &c, error);
    if (status == RIN_OK) rin_grids_draw(g, &grids, 0, &c);
    if (status == RIN_OK) status = rin_canvas_write_png(g, -1, columns, &c, path, error);
    rin_free(c.pixels);
    return status;
}
