/* SPDX-License-Identifier: MIT */
/* canvas: what files of pictures are drawn on, grids of pictures, and files of canvases. Inside the sample room only.
 */
#ifndef RIN_SAMPLE_CANVAS_H
#define RIN_SAMPLE_CANVAS_H

#include "sample/generator.h"
#include "video/video.h"

enum { RIN_GAP = 2, RIN_CANVAS_MOST_SIDE = 65500 }; /* pixels around pictures of a grid, and of a file's sides */

typedef struct rin_canvas {
    uint8_t *pixels; /* (height, width, channels) */
    int64_t width, height;
    int channels;
} rin_canvas;

typedef struct rin_colour {
    uint8_t red, green, blue;
} rin_colour;

/* A white one; its pixels are freed by rin_free. */
rin_status rin_canvas_init(rin_canvas *c, int64_t width, int64_t height, int channels, rin_error *error) RIN_CHECKED;
void rin_canvas_fill(const rin_canvas *c, int64_t x, int64_t y, int64_t width, int64_t height, rin_colour with);
/* A picture, or a frame of a video, as large as sample.zoom says. */
void rin_canvas_draw(const rin_canvas *c, const rin_generator *g, const uint8_t *frame, int64_t x, int64_t y);
/* Size of one in a file. */
void rin_zoomed_size(const rin_generator *g, int64_t *width, int64_t *height, int *channels);

/* ---- grids ---- */

/* Pixels of a row or column of n pictures of this size. */
int64_t rin_side_of(int64_t n, int64_t size);
/* Pictures a row and a column; whether they fit into a file with sides of up to `most`. columns: 0 for nearly square.
 */
bool rin_grid_fits(const rin_generator *g, int columns, int64_t most, int64_t *across, int64_t *down);
/* The same, nearly square where so many columns do not fit. Errors: ARG where that does not either. */
rin_status rin_grid_lay_out(const rin_generator *g, int columns, int64_t most, int64_t *across, int64_t *down,
                            rin_error *error) RIN_CHECKED;

/* Grids one after the other: frame k of picture i lies at pixels + i * picture + k * frame. */
typedef struct rin_grids {
    const uint8_t *pixels;
    int64_t picture, frame;
    int64_t across, down;
    int64_t n;
} rin_grids;

rin_status rin_grids_init(const rin_generator *g, const rin_grids *grids, rin_canvas *c, rin_error *error) RIN_CHECKED;
void rin_grids_draw(const rin_generator *g, const rin_grids *grids, int64_t k, const rin_canvas *c);
/* As a video; the last one is there `again` more times. Errors: those of rin_video_write; MEMORY. */
rin_status rin_grids_write(const rin_generator *g, const rin_grids *grids, int64_t again, double rate, const char *path,
                           rin_error *error) RIN_CHECKED;

/* ---- files ---- */

/* n canvases' pixels, one after the other, as a video. */
rin_status rin_canvas_write_movie(const rin_generator *g, const rin_canvas *c, const uint8_t *frames, int64_t n,
                                  double rate, const char *path, rin_error *error) RIN_CHECKED;
/* As a PNG file that says how picture i, or with i = -1 a grid of so many columns, was made (recipe.c). */
rin_status rin_canvas_write_png(const rin_generator *g, int64_t i, int columns, const rin_canvas *c, const char *path,
                                rin_error *error) RIN_CHECKED;

/* ARG unless all pictures are made. */
rin_status rin_generator_expect_done(const rin_generator *g, const char *path, rin_error *error) RIN_CHECKED;

#endif
