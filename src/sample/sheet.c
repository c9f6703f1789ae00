/* SPDX-License-Identifier: MIT */
/* Files of pictures and videos: one, a grid of them, a contact sheet of their frames. */
#include <math.h>
#include <string.h>

#include "sample/generator.h"
#include "video/video.h"

enum { GAP = 2, MOST_SIDE = 65500 }; /* pixels around pictures of a grid, and of its sides */

typedef struct canvas {
    uint8_t *pixels; /* (height, width, channels), white */
    int64_t width, height;
    int channels;
} canvas;

typedef struct colour {
    uint8_t red, green, blue;
} colour;

static rin_status canvas_init(canvas *c, int64_t width, int64_t height, int channels, rin_error *error) {
    *c = (canvas){.width = width, .height = height, .channels = channels};
    c->pixels = rin_calloc((size_t)(width * height), (size_t)channels, error);
    if (!c->pixels) return RIN_ERR_MEMORY;
    memset(c->pixels, 255, (size_t)(width * height * channels));
    return RIN_OK;
}

static void fill(const canvas *c, int64_t x, int64_t y, int64_t width, int64_t height, colour with) {
    const uint8_t grey = (uint8_t)lrintf(0.299f * with.red + 0.587f * with.green + 0.114f * with.blue);
    for (int64_t row = y; row < y + height; row++) {
        uint8_t *to = c->pixels + (row * c->width + x) * c->channels;
        for (int64_t i = 0; i < width; i++, to += c->channels) {
            if (c->channels == 3) memcpy(to, &with, 3);
            else to[0] = grey;
        }
    }
}

static void draw(const canvas *c, const rin_generator *g, const uint8_t *frame, int64_t x, int64_t y) {
    int width, height, channels;
    int64_t zoom = g->own.sample.zoom;
    rin_generator_size(g, &width, &height, &channels);
    for (int64_t row = 0; row < height * zoom; row++) {
        uint8_t *to = c->pixels + ((y + row) * c->width + x) * channels;
        const uint8_t *from = frame + row / zoom * width * channels;
        for (int64_t i = 0; i < width * zoom; i++, to += channels)
            memcpy(to, from + i / zoom * channels, (size_t)channels);
    }
}

/* Size in a file. */
static void zoomed_size(const rin_generator *g, int64_t *width, int64_t *height, int *channels) {
    int w, h;
    rin_generator_size(g, &w, &h, channels);
    *width = w * g->own.sample.zoom;
    *height = h * g->own.sample.zoom;
}

/* ---- files ---- */

static rin_status write_png(const rin_generator *g, const char *path, const canvas *c, rin_error *error) {
    char seed[32], steps[32], guidance[RIN_NUMBER_TEXT];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    snprintf(steps, sizeof steps, "%lld", (long long)g->own.sample.steps);
    rin_number_format(g->own.sample.guidance, 0, guidance);
    const rin_png_text texts[] = {{"seed", seed},
                                  {"sampler", rin_sampler_find(g->own.sample.sampler)->name},
                                  {"steps", steps},
                                  {"guidance", guidance}};
    return rin_image_write_png(path, c->pixels, (int)c->width, (int)c->height, c->channels, texts, RIN_COUNT(texts),
                               error);
}

/* Frames of the canvas's size, one after the other, as a video. */
static rin_status write_movie(const rin_generator *g, const char *path, const canvas *c, const uint8_t *frames,
                              rin_error *error) {
    const double usual = 8;
    const rin_config_data *data = &g->model->description.config.data;
    rin_movie movie = {.pixels = frames,
                       .n = g->frames,
                       .width = (int)c->width,
                       .height = (int)c->height,
                       .channels = c->channels,
                       .rate = g->own.sample.fps > 0 ? g->own.sample.fps
                               : data->fps > 0   ? fmax(data->fps / (double)data->frame_step, 0.1)
                                                 : usual};
    char remark[128];
    snprintf(remark, sizeof remark, "seed %llu, sampler %s, steps %lld", (unsigned long long)g->seed,
             rin_sampler_find(g->own.sample.sampler)->name, (long long)g->own.sample.steps);
    return rin_video_write(path, &movie, remark, error);
}

bool rin_model_can_write(const rin_model *model, const char *path) {
    if (!model || !path) return false;
    bool video = rin_model_config(model)->model.seq_len > 1;
    return rin_has_suffix(path, ".png") || (video && rin_video_is_writable(path));
}

const char *rin_video_suffixes(void) {
    return rin_video_writable();
}

/* ---- grids ---- */

/* Pixels of a row or column of n pictures. */
static int64_t side_of(int64_t n, int64_t size) {
    return n * (size + GAP) + GAP;
}

/* Pictures a row and a column; whether they fit into a file. columns: 0 for nearly square. */
static bool lay_out(const rin_generator *g, int columns, int64_t *across, int64_t *down) {
    int64_t width, height;
    int channels;
    zoomed_size(g, &width, &height, &channels);
    *across = RIN_MIN(columns > 0 ? columns : (int64_t)ceil(sqrt((double)g->count)), g->count);
    *down = (g->count + *across - 1) / *across;
    return (channels == 1 || channels == 3) && side_of(*across, width) <= MOST_SIDE &&
           side_of(*down, height) <= MOST_SIDE;
}

/* Frame k of all pictures. */
static void draw_grid(const canvas *c, const rin_generator *g, int64_t across, int64_t k) {
    int64_t width, height;
    int channels;
    zoomed_size(g, &width, &height, &channels);
    for (int64_t i = 0; i < g->count; i++) {
        draw(c, g, rin_generator_pixels(g, i) + k * g->per_frame, side_of(i % across, width),
             side_of(i / across, height));
    }
}

static rin_status write_movies(const rin_generator *g, const char *path, int64_t across, int64_t down,
                               rin_error *error) {
    int64_t width, height;
    canvas c;
    zoomed_size(g, &width, &height, &c.channels);
    rin_status status = canvas_init(&c, side_of(across, width), side_of(down, height), c.channels, error);
    size_t size = status == RIN_OK ? (size_t)(c.width * c.height * c.channels) : 0;
    if (status == RIN_OK)
        status = rin_memory_expect(size * (uint64_t)g->frames, rin_memory_total() / 2, "the video", error);
    uint8_t *frames = status == RIN_OK ? rin_calloc((size_t)g->frames, size, error) : NULL;
    if (status == RIN_OK && !frames) status = RIN_ERR_MEMORY;
    for (int64_t k = 0; k < g->frames && status == RIN_OK; k++) {
        draw_grid(&c, g, across, k);
        memcpy(frames + (size_t)k * size, c.pixels, size);
    }
    if (status == RIN_OK) status = write_movie(g, path, &c, frames, error);
    rin_free(frames);
    rin_free(c.pixels);
    return status;
}

/* ---- contact sheets ---- */

enum { EDGE = 2, MOST_ACROSS = 24, APART = 3 * GAP }; /* of a frame; frames in a line; between videos */

static const colour given_edge = {40, 110, 230}, made_edge = {240, 140, 0}, truth_edge = {150, 150, 150};

/* Pixels of a frame with its border, and of the gap behind it. */
static int64_t cell_of(int64_t size) {
    return size + 2 * EDGE + GAP;
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

static void draw_line(const canvas *c, const rin_generator *g, const uint8_t *frames, int64_t from, int64_t n,
                      int64_t y, bool truth) {
    int64_t width, height, across = across_of(g);
    int channels;
    zoomed_size(g, &width, &height, &channels);
    for (int64_t k = from; k < RIN_MIN(from + across, n); k++) {
        bool given = k < g->own.model.seq_cond;
        int64_t x = (k - from) * cell_of(width) + GAP;
        fill(c, x, y, width + 2 * EDGE, height + 2 * EDGE, given ? given_edge : truth ? truth_edge : made_edge);
        draw(c, g, frames + k * g->per_frame, x + EDGE, y + EDGE);
    }
}

static void draw_video(const canvas *c, const rin_generator *g, int64_t i, int64_t y, int64_t line) {
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
    zoomed_size(g, &width, &height, &channels);
    for (int64_t i = first; i < end; i++) lines += lines_of(g, i);
    *w = across_of(g) * cell_of(width) + GAP;
    *h = lines * cell_of(height) + GAP + (end - first - 1) * APART;
}

/* A line or two a video. */
static rin_status write_sheet(const rin_generator *g, int64_t first, int64_t end, const char *path, rin_error *error) {
    int64_t width, height, w, h;
    canvas c;
    zoomed_size(g, &width, &height, &c.channels);
    sheet_size(g, first, end, &w, &h);
    int64_t line = cell_of(height);
    if (w > MOST_SIDE || h > MOST_SIDE)
        return rin_error_set(
            error, RIN_ERR_ARG,
            "a contact sheet of %lld x %lld pixels: allowed are sides of up to %d; write fewer videos, "
            "or files of their own",
            (long long)w, (long long)h, MOST_SIDE);
    rin_status status = canvas_init(&c, w, h, c.channels, error);
    for (int64_t i = first, y = GAP; i < end && status == RIN_OK; i++) {
        draw_video(&c, g, i, y, line);
        y += lines_of(g, i) * line + APART;
    }
    if (status == RIN_OK) status = write_png(g, path, &c, error);
    rin_free(c.pixels);
    return status;
}

/* ---- the public functions ---- */

bool rin_generator_has_grid(const rin_generator *g, const char *path) {
    int64_t across, down, width, height;
    int channels;
    if (!g || !lay_out(g, 0, &across, &down)) return false;
    if (g->frames == 1 || !path) return true;
    bool sheet = rin_has_suffix(path, ".png");
    int64_t most = sheet ? MOST_SIDE : RIN_MOVIE_MOST_SIDE;
    zoomed_size(g, &width, &height, &channels);
    if (sheet) sheet_size(g, 0, g->count, &width, &height);
    else if (g->count > 1) {
        width = side_of(across, width);
        height = side_of(down, height);
    }
    return width <= most && height <= most;
}

static rin_status refuse_name(const char *path, rin_error *error) {
    return rin_error_set(error, RIN_ERR_ARG,
                         "'%.300s': allowed for videos are names that end in %s, or in .png for a contact sheet", path,
                         rin_video_suffixes());
}

/* One picture, or the frames of one video, without a border. */
static rin_status write_one(const rin_generator *g, int64_t i, const char *path, rin_error *error) {
    int64_t width, height;
    canvas c;
    zoomed_size(g, &width, &height, &c.channels);
    /* The frames below each other. */
    rin_status status = canvas_init(&c, width, height * g->frames, c.channels, error);
    if (status != RIN_OK) return status;
    for (int64_t k = 0; k < g->frames; k++) draw(&c, g, rin_generator_pixels(g, i) + k * g->per_frame, 0, k * height);
    c.height = height;
    status = g->frames > 1 ? write_movie(g, path, &c, c.pixels, error) : write_png(g, path, &c, error);
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
    if (g->frames > 1 && !rin_model_can_write(g->model, path)) return refuse_name(path, error);
    if (g->frames > 1 && rin_has_suffix(path, ".png")) return write_sheet(g, i, i + 1, path, error);
    return write_one(g, i, path, error);
}

static rin_status too_many(const rin_generator *g, rin_error *error) {
    int width, height, channels;
    rin_generator_size(g, &width, &height, &channels);
    return rin_error_set(error, RIN_ERR_ARG,
                         "%lld pictures of %d x %d pixels and %d channels cannot be in one file: save each picture "
                         "instead; a file has 1 or 3 channels and sides of up to %d pixels",
                         (long long)g->count, width, height, channels, MOST_SIDE);
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
    if (g->frames > 1 && !rin_model_can_write(g->model, path)) return refuse_name(path, error);
    int64_t across, down, width, height;
    if (!lay_out(g, columns, &across, &down) && !lay_out(g, 0, &across, &down)) return too_many(g, error);
    if (g->frames > 1 && rin_has_suffix(path, ".png")) return write_sheet(g, 0, g->count, path, error);
    if (g->frames > 1) return g->count == 1 ? write_one(g, 0, path, error) : write_movies(g, path, across, down, error);
    canvas c;
    zoomed_size(g, &width, &height, &c.channels);
    rin_status status = canvas_init(&c, side_of(across, width), side_of(down, height), c.channels, error);
    if (status == RIN_OK) draw_grid(&c, g, across, 0);
    if (status == RIN_OK) status = write_png(g, path, &c, error);
    rin_free(c.pixels);
    return status;
}
