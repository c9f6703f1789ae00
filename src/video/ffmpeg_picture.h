/* SPDX-License-Identifier: MIT */
/* Decoded frames of any pixel format as pictures. Inside the video room only. */
#ifndef RIN_VIDEO_FFMPEG_PICTURE_H
#define RIN_VIDEO_FFMPEG_PICTURE_H

#include <libavutil/frame.h>

#include "video/video.h"

typedef struct rin_ffmpeg_painter {
    double aspect;   /* width of a pixel over its height */
    int orientation; /* as in image.h */
    struct SwsContext *scaler;
    AVFrame *converted;
} rin_ffmpeg_painter;

void rin_ffmpeg_painter_clear(rin_ffmpeg_painter *painter);

/* Size of a stored frame on the screen: its pixels made square, then turned. Errors: FORMAT above the limits. */
rin_status rin_ffmpeg_shown_size(const rin_ffmpeg_painter *painter, int stored_width, int stored_height, int *width,
                                 int *height, rin_error *error) RIN_CHECKED;

/* The frame as it is shown, in 8 bits a sample, over white where it is transparent. Replaces out. */
rin_status rin_ffmpeg_paint(rin_ffmpeg_painter *painter, const AVFrame *frame, rin_image *out,
                            rin_error *error) RIN_CHECKED;

#endif
