/* SPDX-License-Identifier: MIT */
/* video: what a video file, an animation or a row of pictures shows at a time; writing of finished videos. */
#ifndef RIN_VIDEO_H
#define RIN_VIDEO_H

#include "image/image.h"

/* ---- reading ---- */

typedef struct rin_video rin_video;

typedef struct rin_video_info {
    const char *format; /* such as "h264 in mov,mp4,m4a,3gp,3g2,mj2"; lives as long as the video */
    int width, height;  /* as shown: upright, its pixels square */
    double rate;        /* frames a second, the usual number where it varies; 0: pictures of no rate, one a second */
    double seconds;     /* length, as the file claims; above 0 */
} rin_video_info;

/*
 * Opens a file: an animated WebP, or what FFmpeg's libraries read. What it is is told by its content, never by its
 * name. Only this one file is read: playlists and references to others are refused. Cost in memory: that of decoding a
 * few frames, however long it is.
 * Ownership: *out is closed by rin_video_close, which accepts NULL; file must stay open as long.
 * Errors: FORMAT for damaged data, no video in it, sizes above those of image.h; UNSUPPORTED for a codec that these
 * libraries do not have, and in a build without them; IO; MEMORY.
 * Threads: each video is used by one at a time.
 */
rin_status rin_video_open(const rin_input *file, rin_video **out, rin_error *error) RIN_CHECKED;

/* Gives picture i; out is the callee's to fill and the video's to clear. */
typedef rin_status (*rin_picture_fn)(void *user, int64_t i, rin_image *out, rin_error *error);
/* n pictures, at least 1, as a video of this rate or, when it is 0, none. Errors: those of read, of its first picture.
 */
rin_status rin_video_open_pictures(int64_t n, double rate, rin_picture_fn read, void *user, rin_video **out,
                                   rin_error *error) RIN_CHECKED;
void rin_video_close(rin_video *video);

/* Borrowed. */
const rin_video_info *rin_video_get_info(const rin_video *video);

/*
 * The frame on the screen so many seconds after the beginning, as a player would show it: a damaged part shows the
 * frame before it. Any time may be asked for; times that grow are cheap. Past the end *frame is NULL, and
 * *seconds, which may be NULL, is where the video really ends.
 * Ownership: *frame is borrowed until the next call. 8 or 16 bits a sample; grey or colour.
 * Errors: FORMAT when nothing at all can be decoded; IO; MEMORY.
 */
rin_status rin_video_show(rin_video *video, double seconds, const rin_image **frame, double *end,
                          rin_error *error) RIN_CHECKED;

/* ---- writing ---- */

enum { RIN_MOVIE_MOST_SIDE = 16383 /* of WebP; H.264 ends there too */ };

/* A finished video; borrows its pixels. */
typedef struct rin_movie {
    const uint8_t *pixels; /* (n, height, width, channels), channels 1 or 3 */
    int64_t n;             /* frames, at least 1 */
    int width, height, channels;
    double rate; /* frames a second, 0.1 to 1000 */
} rin_movie;

/* Whether the name ends in that of a format that this build writes; the names, such as ".mp4, .gif, .webp". */
bool rin_video_is_writable(const char *path);
const char *rin_video_writable(void);

/*
 * Writes a video, in the format that the name's end says: .mp4 (H.264, nearly without loss), .gif (a palette a video),
 * .webp (lossless). It appears under its name only when complete, and the same movie gives the same bytes. GIF and WebP
 * repeat for ever. MP4 stores odd sizes one pixel larger; GIF ends at 50 frames a second and then plays slower. remark,
 * which may be NULL, is kept where the format has a place for it (mp4). Errors: ARG for a wrong size, rate or name;
 * UNSUPPORTED for a format that this build lacks; IO; MEMORY.
 */
rin_status rin_video_write(const char *path, const rin_movie *movie, const char *remark, rin_error *error) RIN_CHECKED;

#endif
