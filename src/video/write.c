/* SPDX-License-Identifier: MIT */
/* write: which function writes which format, what may be written, and the file that appears when complete. */
#include <string.h>

#include "video/write.h"

#ifdef RIN_HAVE_FFMPEG
#define BY_FFMPEG(function) function
#define WRITABLE ".mp4, .gif, .webp"
#else
#define BY_FFMPEG(function) NULL
#define WRITABLE ".webp"
#endif

typedef struct written_format {
    const char *suffix;
    rin_encode_fn encode; /* NULL: not in this build */
} written_format;

static const written_format formats[] = {
    {".mp4", BY_FFMPEG(rin_encode_mp4)},
    {".gif", BY_FFMPEG(rin_encode_gif)},
    {".webp", rin_encode_webp},
};

/* NULL for a name with another end. */
static const written_format *format_of(const char *path) {
    for (size_t i = 0; i < RIN_COUNT(formats); i++) {
        if (rin_has_suffix(path, formats[i].suffix)) return &formats[i];
    }
    return NULL;
}

bool rin_video_is_writable(const char *path) {
    const written_format *format = format_of(path);
    return format && format->encode;
}

const char *rin_video_writable(void) {
    return WRITABLE;
}

void rin_movie_copy_frame(const rin_movie *movie, int64_t i, uint8_t *to, size_t row_bytes) {
    size_t width = (size_t)movie->width, height = (size_t)movie->height, channels = (size_t)movie->channels;
    const uint8_t *from = movie->pixels + (size_t)i * height * width * channels;
    for (size_t y = 0; y < height; y++, from += width * channels, to += row_bytes) {
        if (channels == 3) memcpy(to, from, 3 * width);
        else
            for (size_t x = 0; x < width; x++) memset(to + 3 * x, from[x], 3);
    }
}

static rin_status check(const rin_movie *m, rin_error *error) {
    if (m->n < 1) return rin_error_set(error, RIN_ERR_ARG, "a video of %lld frames; it needs one", (long long)m->n);
    if (m->width < 1 || m->height < 1 || m->width > RIN_MOVIE_MOST_SIDE || m->height > RIN_MOVIE_MOST_SIDE)
        return rin_error_set(error, RIN_ERR_ARG, "frames of %d x %d pixels; allowed are sides of 1 to %d", m->width,
                             m->height, RIN_MOVIE_MOST_SIDE);
    if (m->channels != 1 && m->channels != 3)
        return rin_error_set(error, RIN_ERR_ARG, "frames of %d channels; allowed are 1 and 3", m->channels);
    if (!(m->rate >= 0.1 && m->rate <= 1000))
        return rin_error_set(error, RIN_ERR_ARG, "%g frames a second; allowed are 0.1 to 1000", m->rate);
    return RIN_OK;
}

static rin_status encode(const char *path, const rin_movie *movie, const char *remark, rin_encoded *out,
                         rin_error *error) {
    const written_format *format = format_of(path);
    if (!format) return rin_error_set(error, RIN_ERR_ARG, "the name must end in one of " WRITABLE);
    if (!format->encode)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "this build (RIN_VIDEO=OFF) writes " WRITABLE " only: build it with -DRIN_VIDEO=ON");
    rin_status status = check(movie, error);
    return status == RIN_OK ? format->encode(movie, remark, out, error) : status;
}

rin_status rin_video_write(const char *path, const rin_movie *movie, const char *remark, rin_error *error) {
    rin_encoded file;
    rin_status status = encode(path, movie, remark, &file, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "cannot write '%.300s'", path);
    status = rin_file_write(path, file.bytes, file.n, error);
    file.release(file.bytes);
    return status;
}
