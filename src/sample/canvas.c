/* SPDX-License-Identifier: MIT */
/* What files of pictures are drawn on: zoomed pictures, grids of them, grids one after the other. */
#include "sample/canvas.h"

#include <math.h>
#include <string.h>

rin_status rin_canvas_init(rin_canvas *c, int64_t width, int64_t height, int channels, rin_error *error) {
    *c = (rin_canvas){.width = width, .height = height, .channels = channels};
    c->pixels = rin_calloc((size_t)(width * height), (size_t)channels, error);
    if (!c->pixels) return RIN_ERR_MEMORY;
    memset(c->pixels, 255, (size_t)(width * height * channels));
    return RIN_OK;
}

void rin_canvas_fill(const rin_canvas *c, int64_t x, int64_t y, int64_t width, int64_t height, rin_colour with) {
    const uint8_t grey = (uint8_t)lrintf(0.299f * with.red + 0.587f * with.green + 0.114f * with.blue);
    for (int64_t row = y; row < y + height; row++) {
        uint8_t *to = c->pixels + (row * c->width + x) * c->channels;
        for (int64_t i = 0; i < width; i++, to += c->channels) {
            if (c->channels == 3) memcpy(to, &with, 3);
            else to[0] = grey;
        }
    }
}

void rin_canvas_draw(const rin_canvas *c, const rin_generator *g, const uint8_t *frame, int64_t x, int64_t y) {
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

void rin_zoomed_size(const rin_generator *g, int64_t *width, int64_t *height, int *channels) {
    int w, h;
    rin_generator_size(g, &w, &h, channels);
    *width = w * g->own.sample.zoom;
    *height = h * g->own.sample.zoom;
}

rin_status rin_canvas_write_movie(const rin_generator *g, const rin_canvas *c, const uint8_t *frames, int64_t n,
                                  double rate, const char *path, rin_error *error) {
    rin_movie movie = {.pixels = frames,
                       .n = n,
                       .width = (int)c->width,
                       .height = (int)c->height,
                       .channels = c->channels,
                       .rate = rate};
    char remark[128];
    snprintf(remark, sizeof remark, "seed %llu, sampler %s, steps %lld", (unsigned long long)g->seed,
             g->sampling->route->sampler->name, (long long)g->sampling->route->options.steps);
    return rin_video_write(path, &movie, remark, error);
}

rin_status rin_generator_expect_done(const rin_generator *g, const char *path, rin_error *error) {
    if (rin_generator_is_done(g)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "'%.300s': %lld of %lld pictures are made: run the generator to its end",
                         path, (long long)g->first, (long long)g->count);
}

/* ---- grids ---- */

int64_t rin_side_of(int64_t n, int64_t size) {
    return n * (size + RIN_GAP) + RIN_GAP;
}

bool rin_grid_fits(const rin_generator *g, int columns, int64_t most, int64_t *across, int64_t *down) {
    int64_t width, height;
    int channels;
    rin_zoomed_size(g, &width, &height, &channels);
    *across = RIN_MIN(columns > 0 ? columns : (int64_t)ceil(sqrt((double)g->count)), g->count);
    *down = (g->count + *across - 1) / *across;
    return (channels == 1 || channels == 3) && rin_side_of(*across, width) <= most &&
           rin_side_of(*down, height) <= most;
}

rin_status rin_grid_lay_out(const rin_generator *g, int columns, int64_t most, int64_t *across, int64_t *down,
                            rin_error *error) {
    int width, height, channels;
    if (rin_grid_fits(g, columns, most, across, down) || rin_grid_fits(g, 0, most, across, down)) return RIN_OK;
    rin_generator_size(g, &width, &height, &channels);
    return rin_error_set(error, RIN_ERR_ARG,
                         "%lld pictures of %d x %d pixels and %d channels cannot be in one file: save each picture "
                         "instead; a file has 1 or 3 channels and sides of up to %lld pixels",
                         (long long)g->count, width, height, channels, (long long)most);
}

rin_status rin_grids_init(const rin_generator *g, const rin_grids *grids, rin_canvas *c, rin_error *error) {
    int64_t width, height;
    int channels;
    rin_zoomed_size(g, &width, &height, &channels);
    return rin_canvas_init(c, rin_side_of(grids->across, width), rin_side_of(grids->down, height), channels, error);
}

void rin_grids_draw(const rin_generator *g, const rin_grids *grids, int64_t k, const rin_canvas *c) {
    int64_t width, height;
    int channels;
    rin_zoomed_size(g, &width, &height, &channels);
    for (int64_t i = 0; i < g->count; i++) {
        rin_canvas_draw(c, g, grids->pixels + i * grids->picture + k * grids->frame,
                        rin_side_of(i % grids->across, width), rin_side_of(i / grids->across, height));
    }
}

rin_status rin_grids_write(const rin_generator *g, const rin_grids *grids, int64_t again, double rate, const char *path,
                           rin_error *error) {
    rin_canvas c;
    int64_t n = grids->n + again;
    rin_status status = rin_grids_init(g, grids, &c, error);
    size_t size = status == RIN_OK ? (size_t)(c.width * c.height * c.channels) : 0;
    if (status == RIN_OK) status = rin_memory_expect(size * (uint64_t)n, rin_memory_total() / 2, "the video", error);
    uint8_t *frames = status == RIN_OK ? rin_calloc((size_t)n, size, error) : NULL;
    if (status == RIN_OK && !frames) status = RIN_ERR_MEMORY;
    for (int64_t k = 0; k < n && status == RIN_OK; k++) {
        if (k < grids->n) rin_grids_draw(g, grids, k, &c);
        memcpy(frames + (size_t)k * size, c.pixels, size);
    }
    if (status == RIN_OK) status = rin_canvas_write_movie(g, &c, frames, n, rate, path, error);
    rin_free(frames);
    rin_free(c.pixels);
    return status;
}
