/* SPDX-License-Identifier: MIT */
/* reader: what a format provides for reading, one file and one row of a table each. Inside the video room only. */
#ifndef RIN_VIDEO_READER_H
#define RIN_VIDEO_READER_H

#include "video/video.h"

typedef struct rin_video_reader {
    const char *name;
    /* Whether a file that begins with these bytes is one. */
    bool (*fits)(const uint8_t *start, size_t n);
    /* Opens it and fills info. On failure *state is NULL. */
    rin_status (*open)(const rin_input *file, void **state, rin_video_info *info, rin_error *error);
    /* As rin_video_show; *frame is the reader's own. */
    rin_status (*show)(void *state, double seconds, const rin_image **frame, double *end, rin_error *error);
    void (*close)(void *state); /* accepts NULL */
} rin_video_reader;

extern const rin_video_reader rin_video_webp, rin_video_ffmpeg;

#endif
