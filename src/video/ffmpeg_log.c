/* SPDX-License-Identifier: MIT */
/* The library prints nothing, so neither must FFmpeg while it works for it. */
#include <pthread.h>
#include <stdbool.h>

#include <libavutil/log.h>

#include "video/ffmpeg_log.h"

static _Thread_local int silent;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void log_unless_silent(void *context, int level, const char *format, va_list arguments) {
    if (!silent) av_log_default_callback(context, level, format, arguments);
}

static void install(void) {
    av_log_set_callback(log_unless_silent);
}

void rin_ffmpeg_silence(void) {
    pthread_once(&once, install);
    silent++;
}

void rin_ffmpeg_resume(void) {
    silent--;
}
