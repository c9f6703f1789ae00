/* SPDX-License-Identifier: MIT */
/* What is given: pictures to begin with, masks, and videos to go on from. */
#include <stdlib.h>
#include <string.h>

#include "cli/sample.h"

/* Seconds; below 0: the end. */
static int parse_start(const rin_cli_args *args, double *start) {
    const char *text = rin_cli_args_get(args, "start");
    char *end;
    *start = 0;
    if (!text) return RIN_EXIT_OK;
    bool last = strcmp(text, "end") == 0;
    *start = last ? -1 : strtod(text, &end);
    if (last || (*start <= 1e9 && *text >= '0' && *text <= '9' && !*end)) return RIN_EXIT_OK;
    return rin_cli_refuse("--start %s: allowed are seconds from 0 on, or 'end' for the last frames", text);
}

/* As many frames as the model goes on from; those after them, where there are any, to compare with. */
static int read_frames(rin_job *j, const rin_cli_args *args) {
    rin_config *config = j->config;
    const char *path = rin_cli_args_get(args, "cond");
    int64_t needed = rin_cli_config_whole(config, "model.seq_cond"),
            most = rin_cli_config_whole(config, "sample.frames");
    rin_cli_monitor monitor;
    rin_error error = {0};
    double start;
    if (path && !needed) return rin_cli_refuse("--cond %s: this model continues no frames; leave --cond out", path);
    if (rin_cli_args_has(args, "start") && !path)
        return rin_cli_refuse("--start: add --cond FILE, the video in which it is");
    if (rin_cli_args_has(args, "fps") && !j->video && !j->between)
        return rin_cli_refuse("--fps: this model makes single pictures; of --interpolate it says how fast they go by");
    if (!needed) return RIN_EXIT_OK;
    if (!path)
        return rin_cli_refuse("this model continues %lld given frames: add --cond FILE, the video they are in",
                              (long long)needed);
    int code = parse_start(args, &start);
    if (code != RIN_EXIT_OK) return code;
    if (!most) most = rin_cli_config_whole(config, "model.seq_len");
    most = most > needed ? most : needed; /* too short a video is refused with its own words */
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_video_frames_read(config, path, start, start < 0 ? needed : most, listener, &j->given,
                                              &error);
    rin_cli_monitor_end();
    if (status != RIN_OK) return rin_cli_fail(&error);
    if (j->given.n < needed)
        return rin_cli_refuse("--cond %s: there are %lld frames%s, this model goes on from %lld", path,
                              (long long)j->given.n, start > 0 ? " after --start" : "", (long long)needed);
    bool usable = j->given.rate >= 0.1 && j->given.rate <= 1000;
    if (rin_config_is_set(config, "sample.fps") || !usable) return RIN_EXIT_OK;
    char text[RIN_CLI_NUMBER];
    snprintf(text, sizeof text, "%.9g", j->given.rate);
    return rin_config_set(config, "sample.fps", text, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

/* ---- pictures ---- */

static int read_picture(const rin_job *j, const char *path, int channels, uint8_t **pixels) {
    rin_error error = {0};
    if (!path) return RIN_EXIT_OK;
    return rin_picture_read(j->config, path, channels, pixels, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

static int read_pictures(rin_job *j, const rin_cli_args *args) {
    j->picture_path = rin_job_path(j, args, "init", "picture_file");
    j->mask_path = rin_job_path(j, args, "mask", "mask_file");
    if (j->mask_path && !j->picture_path)
        return rin_cli_refuse("--mask %s: add --init IMAGE, the picture of which the mask's black stays", j->mask_path);
    if (!j->picture_path && rin_cli_args_has(args, "strength"))
        return rin_cli_refuse("--strength: add --init IMAGE, the picture to begin with");
    int code = read_picture(j, j->picture_path, 0, &j->picture);
    return code == RIN_EXIT_OK ? read_picture(j, j->mask_path, 1, &j->mask) : code;
}

int rin_job_read_given(rin_job *j, const rin_cli_args *args) {
    int code = read_frames(j, args);
    return code == RIN_EXIT_OK ? read_pictures(j, args) : code;
}
