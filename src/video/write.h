/* SPDX-License-Identifier: MIT */
/* write: what a format provides for writing, one function and one row of a table each. Inside the video room only. */
#ifndef RIN_VIDEO_WRITE_H
#define RIN_VIDEO_WRITE_H

#include "video/video.h"

/* A finished file. Its bytes are freed by release(bytes), as each library allocates in its own way. */
typedef struct rin_encoded {
    void *bytes;
    size_t n;
    void (*release)(void *bytes);
} rin_encoded;

/* Encodes a movie that rin_video_write has found right. remark may be NULL. On failure *out is untouched. */
typedef rin_status (*rin_encode_fn)(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error);

rin_status rin_encode_mp4(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error) RIN_CHECKED;
rin_status rin_encode_gif(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error) RIN_CHECKED;
rin_status rin_encode_webp(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error) RIN_CHECKED;

/* Frame i as (height, width, 3) with so many bytes from row to row; grey is repeated. */
void rin_movie_copy_frame(const rin_movie *movie, int64_t i, uint8_t *to, size_t row_bytes);

#endif
