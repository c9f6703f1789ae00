/* SPDX-License-Identifier: MIT */
/* What FFmpeg's libraries read: frames in the order of time, and which of them is on the screen when. */
#include <math.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/display.h>

#include "video/ffmpeg_log.h"
#include "video/ffmpeg_picture.h"
#include "video/reader.h"

enum { IO_BYTES = 1 << 16 };

typedef struct reader {
    rin_input file;  /* borrows what the caller's has */
    int64_t offset;  /* where FFmpeg reads next */
    rin_error error; /* of the file itself */
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVStream *stream; /* the format's */
    AVPacket *packet;
    AVFrame *shown, *next; /* in the order of time; next is the one after shown */
    double shown_at, next_at;
    bool has_shown, has_next, at_end; /* at_end: there is nothing after next */
    double first, frame_seconds;      /* time stamp of the beginning; what a frame lasts unless it says */
    double next_lasts;
    double shown_lasts;
    rin_ffmpeg_painter painter;
    rin_image image;
    bool painted; /* image is the frame that is shown */
    bool jumped;  /* without stamps it is not known where to */
    bool landed;  /* where the container was told to go to: what needs frames before is passed over */
    char name[96];
} reader;

/* ---- the file, as FFmpeg asks for it ---- */

static int io_read(void *user, uint8_t *out, int n) {
    reader *r = user;
    uint64_t left = (uint64_t)r->offset < r->file.bytes ? r->file.bytes - (uint64_t)r->offset : 0;
    n = (int)RIN_MIN((uint64_t)RIN_MAX(n, 0), left);
    if (n == 0) return AVERROR_EOF;
    if (rin_input_read(&r->file, (uint64_t)r->offset, out, (size_t)n, &r->error) != RIN_OK) return AVERROR(EIO);
    r->offset += n;
    return n;
}

static int64_t io_seek(void *user, int64_t offset, int whence) {
    reader *r = user;
    int64_t bytes = (int64_t)r->file.bytes;
    if (whence & AVSEEK_SIZE) return bytes;
    whence &= ~AVSEEK_FORCE;
    int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->offset : bytes;
    if (offset < -from || offset > INT64_MAX - from) return AVERROR(EINVAL);
    return r->offset = from + offset;
}

/* Playlists would have other files and addresses opened. */
static int refuse_to_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                          AVDictionary **options) {
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static rin_status fail(const reader *r, int code, const char *what, rin_error *error) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (code == AVERROR(ENOMEM)) return rin_error_set(error, RIN_ERR_MEMORY, "out of memory: %s", what);
    if (r->error.code != RIN_OK) {
        if (error) *error = r->error;
        return r->error.code;
    }
    av_strerror(code, text, sizeof text);
    return rin_error_set(error, RIN_ERR_FORMAT, "%s: %s", what, text);
}

static rin_status no_memory(rin_error *error) {
    return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for a video");
}

/* ---- opening ---- */

/* Pixels of a frame, of which a decoder may keep some twenty. */
static int64_t most_pixels(void) {
    enum { BYTES_A_PIXEL = 64 };
    return (int64_t)RIN_MIN(RIN_IMAGE_MAX_PIXELS, rin_memory_total() / 4 / BYTES_A_PIXEL);
}

static void close_format(reader *r) {
    avcodec_free_context(&r->decoder);
    avformat_close_input(&r->format);
    if (r->io) av_freep(&r->io->buffer);
    avio_context_free(&r->io);
    r->stream = NULL;
}

/* Such as would have other files opened: playlists, and what comes over a network. */
static bool leads_elsewhere(const AVInputFormat *format) {
    static const char *const names[] = {"concat", "hls", "dash", "imf", "sdp", "rtsp", "rtp", "webm_dash_manifest"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        if (av_match_name(names[i], format->name)) return true;
    }
    return format->flags & AVFMT_NOFILE;
}

static rin_status probe_format(reader *r, const AVInputFormat **found, rin_error *error) {
    int code = av_probe_input_buffer2(r->io, found, "", NULL, 0, 0);
    if (code < 0) return fail(r, code, "not a video", error);
    if (!leads_elsewhere(*found)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "not a video, but a list of others (%s)", (*found)->name);
}

static rin_status open_format(reader *r, rin_error *error) {
    const AVInputFormat *found = NULL;
    r->offset = 0;
    uint8_t *buffer = av_malloc(IO_BYTES);
    r->io = buffer ? avio_alloc_context(buffer, IO_BYTES, 0, r, io_read, NULL, io_seek) : NULL;
    if (!r->io) {
        av_free(buffer);
        return no_memory(error);
    }
    r->format = avformat_alloc_context();
    if (!r->format) return no_memory(error);
    r->format->pb = r->io;
    r->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    r->format->io_open = refuse_to_open;
    r->format->protocol_whitelist = av_strdup("none");
    if (!r->format->protocol_whitelist) return no_memory(error);
    rin_status status = probe_format(r, &found, error);
    if (status != RIN_OK) return status;
    int code = avformat_open_input(&r->format, "", found, NULL);
    return code < 0 ? fail(r, code, "damaged", error) : RIN_OK;
}

/* Looks into the streams, with decoders that refuse what is too large. */
static rin_status probe_streams(reader *r, rin_error *error) {
    unsigned n = r->format->nb_streams;
    AVDictionary **options = rin_calloc(n, sizeof(AVDictionary *), error);
    if (!options) return RIN_ERR_MEMORY;
    for (unsigned i = 0; i < n; i++) (void)av_dict_set_int(&options[i], "max_pixels", most_pixels(), 0);
    int code = avformat_find_stream_info(r->format, options);
    for (unsigned i = 0; i < n; i++) av_dict_free(&options[i]);
    rin_free(options);
    return code < 0 ? fail(r, code, "damaged", error) : RIN_OK;
}

static rin_status choose_stream(reader *r, rin_error *error) {
    int found = av_find_best_stream(r->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (found < 0) return rin_error_set(error, RIN_ERR_FORMAT, "there is no video in it");
    r->stream = r->format->streams[found];
    if (r->stream->disposition & AV_DISPOSITION_ATTACHED_PIC)
        return rin_error_set(error, RIN_ERR_FORMAT, "there is no video in it, only a cover picture");
    for (unsigned i = 0; i < r->format->nb_streams; i++) {
        if ((int)i != found) r->format->streams[i]->discard = AVDISCARD_ALL;
    }
    return RIN_OK;
}

static rin_status open_decoder(reader *r, rin_error *error) {
    const AVCodecParameters *p = r->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(p->codec_id);
    if (!codec)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "its codec, %s, is not among those of the libavcodec here",
                             avcodec_get_name(p->codec_id));
    r->decoder = avcodec_alloc_context3(codec);
    if (!r->decoder) return no_memory(error);
    int code = avcodec_parameters_to_context(r->decoder, p);
    r->decoder->pkt_timebase = r->stream->time_base;
    r->decoder->thread_count = 1; /* the loader has threads enough */
    r->decoder->max_pixels = most_pixels();
    if (code >= 0) code = avcodec_open2(r->decoder, codec, NULL);
    if (code < 0) return fail(r, code, avcodec_get_name(p->codec_id), error);
    snprintf(r->name, sizeof r->name, "%s in %s", codec->name, r->format->iformat->name);
    return RIN_OK;
}

/* From the first byte on. */
static rin_status begin(reader *r, rin_error *error) {
    close_format(r);
    r->has_shown = r->has_next = r->at_end = r->painted = r->landed = r->jumped = false;
    rin_status status = open_format(r, error);
    if (status == RIN_OK) status = probe_streams(r, error);
    if (status == RIN_OK) status = choose_stream(r, error);
    return status == RIN_OK ? open_decoder(r, error) : status;
}

/* ---- frames ---- */

static double in_seconds(const reader *r, int64_t stamp) {
    return (double)stamp * av_q2d(r->stream->time_base);
}

static double duration_of(const reader *r, const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    int64_t duration = frame->duration;
#else
    int64_t duration = frame->pkt_duration;
#endif
    return duration > 0 ? in_seconds(r, duration) : r->frame_seconds;
}

/* Gives the decoder the next packet, or tells it that there are no more. Damaged ones are passed over. */
static rin_status feed(reader *r, rin_error *error) {
    int code;
    do {
        av_packet_unref(r->packet);
        code = av_read_frame(r->format, r->packet);
        if (r->error.code != RIN_OK || code == AVERROR(ENOMEM)) return fail(r, code, "cannot be read", error);
    } while (code >= 0 &&
             (r->packet->stream_index != r->stream->index || (r->landed && !(r->packet->flags & AV_PKT_FLAG_KEY))));
    r->landed = false;
    code = avcodec_send_packet(r->decoder, code < 0 ? NULL : r->packet);
    av_packet_unref(r->packet);
    return code == AVERROR(ENOMEM) ? no_memory(error) : RIN_OK;
}

/* Decodes the frame after `next` in its place. */
static rin_status decode_next(reader *r, rin_error *error) {
    double before = r->next_at + r->next_lasts;
    bool continues = r->has_next;
    r->has_next = false;
    while (!r->at_end) {
        int code = avcodec_receive_frame(r->decoder, r->next);
        if (code == AVERROR(ENOMEM)) return no_memory(error);
        if (code == AVERROR_EOF) {
            r->at_end = true;
        } else if (code == AVERROR(EAGAIN)) {
            rin_status status = feed(r, error);
            if (status != RIN_OK) return status;
        } else if (code >= 0) {
            int64_t stamp = r->next->best_effort_timestamp;
            double at = stamp == AV_NOPTS_VALUE ? NAN : in_seconds(r, stamp) - r->first;
            /* Time stamps that are missing or run backwards: one frame after the other. */
            bool usable = !isnan(at) && !(continues && at < r->next_at);
            r->next_at = usable ? at : continues ? before : r->jumped ? INFINITY : 0;
            r->next_lasts = duration_of(r, r->next);
            r->has_next = true;
            return RIN_OK;
        }
    }
    return RIN_OK;
}

static rin_status advance(reader *r, rin_error *error) {
    AVFrame *old = r->shown;
    r->shown = r->next;
    r->next = old;
    r->shown_at = r->next_at;
    r->shown_lasts = r->next_lasts;
    r->has_shown = true;
    r->painted = false;
    return decode_next(r, error);
}

/* ---- going to a time ---- */

/* To the last frame that needs no other before so many seconds; whether the container can. */
static bool jump(reader *r, double seconds) {
    bool exact = r->stream->codecpar->codec_id != AV_CODEC_ID_APNG && !(r->format->iformat->flags & AVFMT_NOTIMESTAMPS);
    if (!exact) return false;
    const double most = 4e18; /* what a stamp holds */
    double stamp = fmin(fmax(floor((seconds + r->first) / av_q2d(r->stream->time_base)), -most), most);
    if (av_seek_frame(r->format, r->stream->index, (int64_t)stamp, AVSEEK_FLAG_BACKWARD) < 0) return false;
    avcodec_flush_buffers(r->decoder);
    r->has_shown = r->has_next = r->at_end = r->painted = false;
    r->landed = r->jumped = true;
    return true;
}

/* Makes shown a frame at or before so many seconds, if there is one. */
static rin_status go_to(reader *r, double seconds, rin_error *error) {
    const double worth_it = 4; /* seconds: less is decoded sooner than found */
    bool back = r->has_shown && seconds < r->shown_at;
    bool far = seconds > (r->has_shown ? r->shown_at : 0) + worth_it;
    rin_status status = RIN_OK;
    if (back || far) {
        bool there = false;
        for (double earlier = 0; earlier <= 64 && !there && status == RIN_OK; earlier = 4 * earlier + 1) {
            if (seconds - earlier < 0 || !jump(r, seconds - earlier)) break;
            status = decode_next(r, error);
            there = r->has_next && r->next_at <= seconds;
        }
        if (!there && status == RIN_OK) status = begin(r, error);
    }
    if (status == RIN_OK && !r->has_shown && !r->has_next) status = decode_next(r, error);
    if (status == RIN_OK && !r->has_shown && r->has_next) status = advance(r, error);
    return status;
}

static rin_status show(reader *r, double seconds, const rin_image **frame, double *end, rin_error *error) {
    rin_status status = go_to(r, seconds, error);
    while (status == RIN_OK && r->has_next && r->next_at <= seconds) status = advance(r, error);
    if (status != RIN_OK) return status;
    if (!r->has_shown) return rin_error_set(error, RIN_ERR_FORMAT, "%s: no frame of it can be decoded", r->name);
    *end = r->shown_at + r->shown_lasts;
    if (!r->has_next && seconds >= *end) return RIN_OK;
    if (!r->painted) status = rin_ffmpeg_paint(&r->painter, r->shown, &r->image, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "%s", r->name);
    r->painted = true;
    *frame = &r->image;
    return RIN_OK;
}

static rin_status ffmpeg_show(void *state, double seconds, const rin_image **frame, double *end, rin_error *error) {
    *frame = NULL;
    rin_ffmpeg_silence();
    rin_status status = show(state, seconds, frame, end, error);
    rin_ffmpeg_resume();
    return status;
}

/* ---- what the file claims to be ---- */

/* Clockwise quarter turns of the picture, as an EXIF orientation. */
static int orientation_of(const AVStream *stream) {
    const int32_t *matrix = NULL;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData *data = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (data && data->size >= 9 * sizeof *matrix) matrix = (const int32_t *)(const void *)data->data;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (data && size >= 9 * sizeof *matrix) matrix = (const int32_t *)(const void *)data;
#endif
    static const int of_quarters[] = {1, 6, 3, 8};
    double degrees = matrix ? -av_display_rotation_get(matrix) : 0;
    return isfinite(degrees) ? of_quarters[((int)lround(degrees / 90) % 4 + 4) % 4] : 1;
}

/* By reading all of the file, where the container does not tell: its packets, without decoding. */
static rin_status count_seconds(reader *r, double *seconds, rin_error *error) {
    int code;
    double last = 0, sum = 0;
    while ((code = av_read_frame(r->format, r->packet)) >= 0) {
        const AVPacket *p = r->packet;
        double lasts = p->duration > 0 ? in_seconds(r, p->duration) : r->frame_seconds;
        if (p->stream_index == r->stream->index) {
            sum += lasts;
            if (p->pts != AV_NOPTS_VALUE) last = fmax(last, in_seconds(r, p->pts) - r->first + lasts);
        }
        av_packet_unref(r->packet);
    }
    if (r->error.code != RIN_OK) return fail(r, code, "cannot be read", error);
    *seconds = last > 0 ? last : sum;
    return begin(r, error);
}

static rin_status measure(reader *r, rin_video_info *info, rin_error *error) {
    const AVStream *s = r->stream;
    AVRational rate = av_guess_frame_rate(r->format, r->stream, NULL);
    const double usual = 25;
    info->rate = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : usual;
    r->frame_seconds = 1 / info->rate;
    r->first = s->start_time == AV_NOPTS_VALUE ? 0 : in_seconds(r, s->start_time);
    if (s->duration > 0) info->seconds = in_seconds(r, s->duration);
    else if (r->format->duration > 0 && r->format->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE)
        info->seconds = (double)r->format->duration / AV_TIME_BASE;
    /* Matroska counts from 0 whenever the first frame is. */
    bool from_zero = !(s->duration > 0) && strncmp(r->format->iformat->name, "matroska", 8) == 0;
    if (from_zero && r->first > 0 && info->seconds > r->first) info->seconds -= r->first;
    rin_status status = info->seconds > 0 ? RIN_OK : count_seconds(r, &info->seconds, error);
    if (status == RIN_OK && !(info->seconds > 0))
        status = rin_error_set(error, RIN_ERR_FORMAT, "%s: there are no frames in it", r->name);
    AVRational aspect = av_guess_sample_aspect_ratio(r->format, r->stream, NULL);
    r->painter.aspect = aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1;
    r->painter.orientation = orientation_of(r->stream);
    if (status == RIN_OK) {
        const AVCodecParameters *p = r->stream->codecpar;
        status = rin_ffmpeg_shown_size(&r->painter, p->width, p->height, &info->width, &info->height, error);
    }
    return status;
}

static void ffmpeg_close(void *state) {
    reader *r = state;
    if (!r) return;
    rin_ffmpeg_silence();
    close_format(r);
    av_packet_free(&r->packet);
    av_frame_free(&r->shown);
    av_frame_free(&r->next);
    rin_ffmpeg_painter_clear(&r->painter);
    rin_ffmpeg_resume();
    rin_image_clear(&r->image);
    rin_free(r);
}

static rin_status ffmpeg_open(const rin_input *file, void **state, rin_video_info *info, rin_error *error) {
    *state = NULL;
    reader *r = rin_calloc(1, sizeof *r, error);
    if (!r) return RIN_ERR_MEMORY;
    r->file = *file;
    rin_ffmpeg_silence();
    r->packet = av_packet_alloc();
    r->shown = av_frame_alloc();
    r->next = av_frame_alloc();
    rin_status status = r->packet && r->shown && r->next ? begin(r, error) : no_memory(error);
    if (status == RIN_OK) status = measure(r, info, error);
    rin_ffmpeg_resume();
    info->format = r->name;
    if (status == RIN_OK) *state = r;
    else ffmpeg_close(r);
    return status;
}

static bool ffmpeg_fits(const uint8_t *start, size_t n) {
    (void)start, (void)n;
    return true;
}

const rin_video_reader rin_video_ffmpeg = {
    .name = "FFmpeg", .fits = ffmpeg_fits, .open = ffmpeg_open, .show = ffmpeg_show, .close = ffmpeg_close};
