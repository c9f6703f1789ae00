/* SPDX-License-Identifier: MIT */
/* The bytes as a video: what it claims must make sense, and times in any order show frames that are whole. */
#include "fuzz/fuzz.h"

#include "video/video.h"

static void check_info(const rin_video_info *info) {
    FUZZ_CHECK(info->format && info->format[0]);
    FUZZ_CHECK(info->width >= 1 && info->width <= RIN_IMAGE_MAX_SIDE);
    FUZZ_CHECK(info->height >= 1 && info->height <= RIN_IMAGE_MAX_SIDE);
    FUZZ_CHECK(info->rate > 0 && info->seconds > 0); /* files have a rate */
}

static void show(rin_video *video, double seconds) {
    const rin_image *frame;
    double end = 0;
    rin_error error = {0};
    if (rin_video_show(video, seconds, &frame, &end, &error) != RIN_OK) {
        FUZZ_CHECK(!frame && error.code != RIN_OK && error.text[0]);
        return;
    }
    if (!frame) return;
    FUZZ_CHECK(frame->samples && frame->width >= 1 && frame->height >= 1);
    FUZZ_CHECK((frame->channels == 1 || frame->channels == 3) && (frame->depth == 1 || frame->depth == 2));
    fuzz_touch(frame->samples,
               (size_t)frame->width * (size_t)frame->height * (size_t)frame->channels * (size_t)frame->depth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const double times[] = {0, 0.5, 3, 0.1};
    rin_input file = rin_input_of_memory(data, n);
    rin_video *video;
    rin_error error = {0};
    if (rin_video_open(&file, &video, &error) != RIN_OK) {
        FUZZ_CHECK(!video && error.code != RIN_OK && error.text[0]);
        return 0;
    }
    const rin_video_info *info = rin_video_get_info(video);
    check_info(info);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) show(video, times[i]);
    show(video, info->seconds);
    rin_video_close(video);
    return 0;
}
