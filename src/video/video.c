/* SPDX-License-Identifier: MIT */
/* video: which reader reads a file; numbered pictures. */
#include <math.h>
#include <string.h>

#include "video/reader.h"

struct rin_video {
    const rin_video_reader *reader;
    void *state;
    rin_video_info info;
};

/* ---- pictures, each shown as long as the others ---- */

typedef struct pictures {
    int64_t n, shown; /* -1: none yet */
    double rate;      /* a second */
    rin_picture_fn read;
    void *user;
    rin_image image;
} pictures;

static rin_status pictures_show(void *state, double seconds, const rin_image **frame, double *end, rin_error *error) {
    pictures *p = state;
    *frame = NULL;
    *end = (double)p->n / p->rate;
    if (!(seconds < *end)) return RIN_OK;
    int64_t i = RIN_MIN((int64_t)(fmax(seconds, 0) * p->rate), p->n - 1);
    rin_status status = RIN_OK;
    if (i != p->shown) {
        rin_image_clear(&p->image);
        p->shown = -1;
        /* Instead of a damaged one, that before it. */
        for (int64_t k = i; k >= 0; k--) {
            status = p->read(p->user, k, &p->image, error);
            if (status != RIN_ERR_FORMAT && status != RIN_ERR_UNSUPPORTED) break;
        }
    }
    if (status != RIN_OK) return status;
    p->shown = i;
    *frame = &p->image;
    return RIN_OK;
}

static void pictures_close(void *state) {
    pictures *p = state;
    if (p) rin_image_clear(&p->image);
    rin_free(p);
}

static const rin_video_reader numbered = {.name = "pictures", .show = pictures_show, .close = pictures_close};

rin_status rin_video_open_pictures(int64_t n, double rate, rin_picture_fn read, void *user, rin_video **out,
                                   rin_error *error) {
    const rin_image *first;
    *out = NULL;
    rin_video *video = rin_calloc(1, sizeof *video, error);
    pictures *p = rin_calloc(1, sizeof *p, error);
    if (!video || !p) {
        rin_free(video);
        rin_free(p);
        return RIN_ERR_MEMORY;
    }
    *p = (pictures){.n = n, .shown = -1, .rate = rate > 0 ? rate : 1, .read = read, .user = user};
    *video = (rin_video){.reader = &numbered,
                         .state = p,
                         .info = {.format = numbered.name, .rate = rate, .seconds = (double)n / p->rate}};
    rin_status status = rin_video_show(video, 0, &first, NULL, error);
    if (status != RIN_OK) {
        rin_video_close(video);
        return status;
    }
    video->info.width = first->width;
    video->info.height = first->height;
    *out = video;
    return RIN_OK;
}

/* ---- files ---- */

static const rin_video_reader *const readers[] = {
    &rin_video_webp,
#ifdef RIN_HAVE_FFMPEG
    &rin_video_ffmpeg, /* takes everything */
#endif
};

static rin_status find_reader(const rin_input *file, const rin_video_reader **reader, rin_error *error) {
    uint8_t start[64];
    size_t n = (size_t)RIN_MIN(file->bytes, (uint64_t)sizeof start);
    if (n == 0) return rin_error_set(error, RIN_ERR_FORMAT, "the file is empty");
    rin_status status = rin_input_read(file, 0, start, n, error);
    for (size_t i = 0; i < RIN_COUNT(readers) && status == RIN_OK && !*reader; i++) {
        if (readers[i]->fits(start, n)) *reader = readers[i];
    }
    if (status != RIN_OK || *reader) return status;
    return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                         "this build reads animated WebP and numbered pictures only: build it with -DRIN_VIDEO=ON");
}

rin_status rin_video_open(const rin_input *file, rin_video **out, rin_error *error) {
    *out = NULL;
    rin_video *video = rin_calloc(1, sizeof *video, error);
    if (!video) return RIN_ERR_MEMORY;
    rin_status status = find_reader(file, &video->reader, error);
    if (status == RIN_OK) status = video->reader->open(file, &video->state, &video->info, error);
    if (status == RIN_OK) *out = video;
    else rin_video_close(video);
    return status;
}

void rin_video_close(rin_video *video) {
    if (!video) return;
    if (video->reader) video->reader->close(video->state);
    rin_free(video);
}

const rin_video_info *rin_video_get_info(const rin_video *video) {
    return &video->info;
}

rin_status rin_video_show(rin_video *video, double seconds, const rin_image **frame, double *end, rin_error *error) {
    double ignored;
    return video->reader->show(video->state, seconds, frame, end ? end : &ignored, error);
}
