/* SPDX-License-Identifier: MIT */
/* FFmpeg's own remarks, which it prints unless told otherwise. Inside the video room only. */
#ifndef RIN_VIDEO_FFMPEG_LOG_H
#define RIN_VIDEO_FFMPEG_LOG_H

/*
 * Between the two, FFmpeg is silent in this thread; in others it goes on as the host program has it. FFmpeg has one
 * place for remarks in a process, which the first of these calls takes: a program that wants it for itself sets its own
 * callback after that.
 */
void rin_ffmpeg_silence(void);
void rin_ffmpeg_resume(void);

#endif
