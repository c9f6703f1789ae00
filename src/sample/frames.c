/* SPDX-License-Identifier: MIT */
/* Frames of a video for a model to continue. */
#include <math.h>

#include "sample/sample.h"

static rin_status read_all(const rin_dataset *dataset, const rin_config_model *m, double start, int64_t most,
                           rin_video_frames *out, rin_error *error) {
    size_t frame = (size_t)(m->image_height * m->image_width * m->image_channels);
    uint64_t bytes = (uint64_t)most * frame;
    rin_status status = rin_memory_expect(bytes, rin_memory_total() / 2, "the frames of a video", error);
    if (status != RIN_OK) return status;
    out->pixels = rin_calloc((size_t)most, frame, error);
    if (!out->pixels) return RIN_ERR_MEMORY;
    return rin_dataset_read_frames(dataset, 0, start, most, (int)m->image_height, (int)m->image_width,
                                   (int)m->image_channels, out->pixels, &out->n, &out->rate, error);
}

rin_status rin_video_frames_read(const rin_config *config, const char *path, double start, int64_t most,
                                 rin_listener listener, rin_video_frames *out, rin_error *error) {
    if (!out) return rin_error_null(error, __func__, "out");
    *out = (rin_video_frames){0};
    if (!config) return rin_error_null(error, __func__, "config");
    if (!path) return rin_error_null(error, __func__, "path");
    if (most < 1 || most > RIN_CLIP_MOST || !isfinite(start))
        return rin_error_set(error, RIN_ERR_ARG, "%s: %lld frames from %g seconds on; allowed are 1 to %d", __func__,
                             (long long)most, start, RIN_CLIP_MOST);
    rin_loading r = {.listener = listener, .begun = rin_clock_seconds()};
    const rin_dataset_options options = {.clip = {most, config->data.frame_step, config->data.fps},
                                         .cancel = &r.cancel,
                                         .progress = rin_loading_show,
                                         .progress_user = &r};
    rin_dataset *dataset = NULL;
    rin_status status = rin_dataset_open(path, &options, (rin_log){listener.on_log, listener.user}, &dataset, error);
    if (status == RIN_OK && rin_dataset_count(dataset) > 1)
        status = rin_error_set(error, RIN_ERR_ARG, "'%.300s' holds %zu videos: give one of them, such as '%.200s'",
                               path, rin_dataset_count(dataset), rin_dataset_item_name(dataset, 0));
    if (status == RIN_OK) status = read_all(dataset, &config->model, start, most, out, error);
    rin_dataset_close(dataset);
    if (status != RIN_OK) rin_video_frames_clear(out);
    return status;
}

void rin_video_frames_clear(rin_video_frames *frames) {
    if (!frames) return;
    rin_free(frames->pixels);
    *frames = (rin_video_frames){0};
}
