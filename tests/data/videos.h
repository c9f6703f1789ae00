/* SPDX-License-Identifier: MIT */
/* videos: data sets of the videos in tests/fixtures/video, whose frames tell their numbers. Include after cmocka.h. */
#ifndef RIN_TEST_VIDEOS_H
#define RIN_TEST_VIDEOS_H

#include <math.h>

#include "data/corpus.h"

#define FIXTURES "tests/fixtures/video/"

/* Of the frames that are loaded. */
enum { SMALL = 8, SMALL_ELEMENTS = SMALL * SMALL * 3 };

#ifdef RIN_HAVE_FFMPEG
#define NEEDS_FFMPEG() (void)0
#else
#define NEEDS_FFMPEG() skip()
#endif

/* Copies a file of the fixtures. */
static inline void corpus_add_video(const corpus *c, const char *name, const char *fixture) {
    char path[256], *bytes;
    size_t n;
    rin_error error = {0};
    snprintf(path, sizeof path, FIXTURES "%s", fixture);
    if (rin_file_read(path, 1 << 20, &bytes, &n, &error) != RIN_OK) fail_msg("%s", error.text);
    corpus_add(c, name, bytes, n);
    rin_free(bytes);
}

static inline void packer_add_video(packer *p, const char *name, const char *fixture) {
    char path[256], *bytes;
    size_t n;
    snprintf(path, sizeof path, FIXTURES "%s", fixture);
    assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
    packer_add(p, name, bytes, n);
    rin_free(bytes);
}

/* The numbered pictures of the fixtures, as NUMBER by a format such as "%d.png"; folder ends in a slash or is empty. */
static inline void corpus_add_pictures(const corpus *c, const char *folder, const char *format) {
    for (int i = 1; i <= 12; i++) {
        char number[64], name[128], fixture[64];
        snprintf(number, sizeof number, format, i);
        snprintf(name, sizeof name, "%s%s", folder, number);
        snprintf(fixture, sizeof fixture, "numbered/frame_%d.png", i);
        corpus_add_video(c, name, fixture);
    }
}

static inline void packer_add_pictures(packer *p, const char *folder) {
    for (int i = 12; i >= 1; i--) {
        char name[128], fixture[64];
        snprintf(name, sizeof name, "%s%d.png", folder, i);
        snprintf(fixture, sizeof fixture, "numbered/frame_%d.png", i);
        packer_add_video(p, name, fixture);
    }
}

static inline rin_clip clip_of(int64_t frames, int64_t step, double fps) {
    return (rin_clip){.frames = frames, .step = step, .fps = fps};
}

static inline rin_dataset *open_clips_at(const char *path, rin_clip clip, remarks *r) {
    rin_error error = {0};
    rin_dataset *dataset;
    const rin_dataset_options options = {.clip = clip};
    rin_log log = {r ? remarks_add : NULL, r};
    if (rin_dataset_open(path, &options, log, &dataset, &error) != RIN_OK) fail_msg("%s: %s", path, error.text);
    return dataset;
}

static inline rin_dataset *open_clips(const corpus *c, const char *name, rin_clip clip, remarks *r) {
    char *path = corpus_path(c, name);
    rin_dataset *dataset = open_clips_at(path, clip, r);
    rin_free(path);
    return dataset;
}

/* A file of the fixtures alone, or a folder there. */
static inline rin_dataset *open_fixture(const char *fixture, rin_clip clip) {
    char path[256];
    snprintf(path, sizeof path, FIXTURES "%s", fixture);
    return open_clips_at(path, clip, NULL);
}

static inline void expect_no_videos(const corpus *c, const char *name, rin_status status, const char *part) {
    rin_error error = {0};
    rin_dataset *dataset;
    const rin_dataset_options options = {.clip = clip_of(2, 1, 0)};
    char *path = corpus_path(c, name);
    rin_status got = rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error);
    if (got == RIN_OK) fail_msg("'%s' can be opened; it should say '%s'", name, part);
    assert_null(dataset);
    if (got != status || !strstr(error.text, part))
        fail_msg("%s: '%s' lacks '%s'", rin_status_name(got), error.text, part);
    rin_free(path);
}

/* The number of a frame of side x side pixels by its level (the fixtures' README), away from the red corner. */
static inline int64_t number_of(const float *frame, int side, int channels) {
    int at = side * 5 / 8 * side + side * 5 / 8;
    return (int64_t)floor((frame[at * channels] * 255 - 16 + 4) / 8);
}

#endif
