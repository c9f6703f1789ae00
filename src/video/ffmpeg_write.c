/* SPDX-License-Identifier: MIT */
/* Writing by FFmpeg's libraries, all in memory: frames go through filters, an encoder and a muxer. */
#include <math.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>

#include "video/ffmpeg_log.h"
#include "video/write.h"

/* What the formats differ in. Options are lists as on FFmpeg's command line. */
typedef struct recipe {
    const char *muxer, *encoder;
    const char *filters; /* from RGB to what the encoder takes */
    const char *encoder_options;
    bool even;        /* sides must be: the last column or row is repeated */
    double most_rate; /* frames a second */
} recipe;

/* Said and done alike: readers that ignore what is said take small videos for BT.601, and many take all for that. */
#define TO_YUV                                                                           \
    "scale=out_color_matrix=smpte170m:out_range=tv:flags=bicubic+accurate_rnd+bitexact," \
    "format=pix_fmts=yuv420p"
#define COLOURS \
    ",colorspace=smpte170m,color_range=tv,color_primaries=bt709,color_trc=iec61966-2-1,chroma_sample_location=center"

static const recipe h264 = {
    .muxer = "mp4",
    .encoder = "libx264",
    .filters = TO_YUV,
    /* Independent: on other processors, x264 would search for other motion. */
    .encoder_options =
        "threads=1,flags=+bitexact+global_header,preset=medium,crf=14,x264-params=cpu-independent=1" COLOURS,
    .even = true,
    .most_rate = 1000,
};
/* Where there is no libx264. The quality is 2 of 1 (best) to 31, times FF_QP2LAMBDA. */
static const recipe mpeg4 = {
    .muxer = "mp4",
    .encoder = "mpeg4",
    .filters = TO_YUV,
    .encoder_options = "threads=1,flags=+bitexact+global_header+qscale,global_quality=236" COLOURS,
    .even = true,
    .most_rate = 1000,
};
static const recipe gif = {
    .muxer = "gif",
    .encoder = "gif",
    /* The frames wait for the palette in memory. */
    .filters = "split[a][b];[a]palettegen[palette];[b][palette]paletteuse",
    .encoder_options = "threads=1,flags=+bitexact",
    .even = false,
    .most_rate = 50, /* viewers slow down what is faster, to 10 */
};

typedef struct writer {
    const recipe *recipe;
    const rin_movie *movie;
    AVRational rate;
    int width, height;
    AVFilterGraph *graph;
    AVFilterContext *source, *sink; /* the graph's */
    AVCodecContext *encoder;
    AVFormatContext *muxer;
    AVFrame *frame;
    AVPacket *packet;
} writer;

static rin_status failed(int code, const char *what, rin_error *error) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    /* External: libx264 says no more, and what it was given is right. */
    if (code == AVERROR(ENOMEM) || code == AVERROR_EXTERNAL)
        return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for %s", what);
    (void)av_strerror(code, text, sizeof text);
    return rin_error_set(error, RIN_ERR_INTERNAL, "FFmpeg fails in %s: %s", what, text);
}

/* ---- setting up ---- */

static AVFilterContext *find_filter(const AVFilterGraph *graph, const char *name) {
    for (unsigned i = 0; i < graph->nb_filters; i++) {
        if (strcmp(graph->filters[i]->filter->name, name) == 0) return graph->filters[i];
    }
    return NULL;
}

static rin_status open_filters(writer *w, rin_error *error) {
    char text[512];
    snprintf(text, sizeof text, "buffer=video_size=%dx%d:pix_fmt=rgb24:time_base=%d/%d,%s,buffersink", w->width,
             w->height, w->rate.den, w->rate.num, w->recipe->filters);
    w->graph = avfilter_graph_alloc();
    if (!w->graph) return failed(AVERROR(ENOMEM), "filters", error);
    w->graph->nb_threads = 1;
    int code = avfilter_graph_parse_ptr(w->graph, text, NULL, NULL, NULL);
    if (code >= 0) code = avfilter_graph_config(w->graph, NULL);
    if (code < 0) return failed(code, "filters", error);
    w->source = find_filter(w->graph, "buffer");
    w->sink = find_filter(w->graph, "buffersink");
    return w->source && w->sink ? RIN_OK : failed(AVERROR_FILTER_NOT_FOUND, "filters", error);
}

static rin_status open_encoder(writer *w, rin_error *error) {
    const AVCodec *codec = avcodec_find_encoder_by_name(w->recipe->encoder);
    if (!codec)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "the encoder %s is not in the libavcodec here",
                             w->recipe->encoder);
    AVCodecContext *e = w->encoder = avcodec_alloc_context3(codec);
    if (!e) return failed(AVERROR(ENOMEM), "an encoder", error);
    e->width = av_buffersink_get_w(w->sink);
    e->height = av_buffersink_get_h(w->sink);
    e->pix_fmt = av_buffersink_get_format(w->sink);
    e->time_base = av_buffersink_get_time_base(w->sink);
    e->framerate = w->rate;
    AVDictionary *options = NULL;
    int code = av_dict_parse_string(&options, w->recipe->encoder_options, "=", ",", 0);
    if (code >= 0) code = avcodec_open2(e, codec, &options);
    av_dict_free(&options);
    if (code == AVERROR(EINVAL))
        return rin_error_set(error, RIN_ERR_ARG,
                             "the encoder %s refuses frames of %d x %d pixels at %d/%d a second: write .webp",
                             codec->name, e->width, e->height, w->rate.num, w->rate.den);
    return code < 0 ? failed(code, "an encoder", error) : RIN_OK;
}

static rin_status open_muxer(writer *w, const char *remark, rin_error *error) {
    int code = avformat_alloc_output_context2(&w->muxer, NULL, w->recipe->muxer, NULL);
    if (code < 0) return failed(code, "a muxer", error);
    w->muxer->flags |= AVFMT_FLAG_BITEXACT;
    AVStream *stream = avformat_new_stream(w->muxer, NULL);
    code = stream ? avcodec_parameters_from_context(stream->codecpar, w->encoder) : AVERROR(ENOMEM);
    if (code >= 0 && remark) code = av_dict_set(&w->muxer->metadata, "comment", remark, 0);
    if (code >= 0) code = avio_open_dyn_buf(&w->muxer->pb);
    if (code >= 0) {
        stream->time_base = w->encoder->time_base; /* a wish */
        stream->avg_frame_rate = w->rate;
        code = avformat_write_header(w->muxer, NULL);
    }
    return code < 0 ? failed(code, "a muxer", error) : RIN_OK;
}

static rin_status open_all(writer *w, const char *remark, rin_error *error) {
    w->frame = av_frame_alloc();
    w->packet = av_packet_alloc();
    if (!w->frame || !w->packet) return failed(AVERROR(ENOMEM), "frames", error);
    rin_status status = open_filters(w, error);
    if (status == RIN_OK) status = open_encoder(w, error);
    return status == RIN_OK ? open_muxer(w, remark, error) : status;
}

static void close_all(writer *w) {
    uint8_t *bytes = NULL;
    if (w->muxer && w->muxer->pb) (void)avio_close_dyn_buf(w->muxer->pb, &bytes);
    av_free(bytes);
    avformat_free_context(w->muxer);
    avcodec_free_context(&w->encoder);
    avfilter_graph_free(&w->graph);
    av_frame_free(&w->frame);
    av_packet_free(&w->packet);
}

/* ---- frame after frame; these give FFmpeg's codes ---- */

/* Gives the filters frame i; after the last one, the end. */
static int feed(writer *w, int64_t i) {
    const rin_movie *m = w->movie;
    AVFrame *f = w->frame;
    if (i == m->n) return av_buffersrc_add_frame(w->source, NULL);
    f->format = AV_PIX_FMT_RGB24;
    f->width = w->width;
    f->height = w->height;
    f->pts = i;
    int code = av_frame_get_buffer(f, 0);
    if (code < 0) return code;
    size_t row_bytes = (size_t)f->linesize[0], used = 3 * (size_t)m->width;
    rin_movie_copy_frame(m, i, f->data[0], row_bytes);
    uint8_t *row = f->data[0];
    for (int y = 0; y < m->height && w->width > m->width; y++, row += row_bytes) memcpy(row + used, row + used - 3, 3);
    row = f->data[0] + (size_t)m->height * row_bytes;
    if (w->height > m->height) memcpy(row, row - row_bytes, 3 * (size_t)w->width);
    return av_buffersrc_add_frame(w->source, f); /* takes it and leaves f empty */
}

/* Moves to the muxer what the encoder has ready. */
static int mux_packets(writer *w) {
    AVPacket *p = w->packet;
    int code;
    while ((code = avcodec_receive_packet(w->encoder, p)) >= 0) {
        AVRational unit = w->muxer->streams[0]->time_base;
        av_packet_rescale_ts(p, w->encoder->time_base, unit);
        p->duration = av_rescale_q(1, av_inv_q(w->rate), unit);
        code = av_write_frame(w->muxer, p);
        av_packet_unref(p);
        if (code < 0) return code;
    }
    return code == AVERROR(EAGAIN) || code == AVERROR_EOF ? 0 : code;
}

/* Moves to the encoder and on what the filters have ready. */
static int encode_frames(writer *w) {
    int code;
    while ((code = av_buffersink_get_frame(w->sink, w->frame)) >= 0) {
        code = avcodec_send_frame(w->encoder, w->frame);
        av_frame_unref(w->frame);
        if (code >= 0) code = mux_packets(w);
        if (code < 0) return code;
    }
    if (code == AVERROR(EAGAIN)) return 0;
    if (code == AVERROR_EOF) code = avcodec_send_frame(w->encoder, NULL);
    return code < 0 ? code : mux_packets(w);
}

static rin_status write_all(writer *w, rin_encoded *out, rin_error *error) {
    int code = 0;
    for (int64_t i = 0; i <= w->movie->n && code >= 0; i++) {
        code = feed(w, i);
        if (code >= 0) code = encode_frames(w);
    }
    int ended = av_write_trailer(w->muxer); /* in any case: it frees */
    if (code >= 0) code = ended;
    avio_flush(w->muxer->pb);
    if (code >= 0) code = w->muxer->pb->error;
    if (code < 0) return failed(code, "encoding", error);
    uint8_t *bytes;
    int n = avio_close_dyn_buf(w->muxer->pb, &bytes);
    w->muxer->pb = NULL;
    *out = (rin_encoded){bytes, (size_t)n, av_free};
    return RIN_OK;
}

static rin_status encode(const recipe *how, const rin_movie *movie, const char *remark, rin_encoded *out,
                         rin_error *error) {
    enum { MOST_PARTS = 65535 /* of a second: MPEG-4's */ };
    writer w = {.recipe = how,
                .movie = movie,
                .rate = av_d2q(fmin(movie->rate, how->most_rate), MOST_PARTS),
                .width = movie->width + (how->even && movie->width % 2),
                .height = movie->height + (how->even && movie->height % 2)};
    rin_ffmpeg_silence();
    rin_status status = open_all(&w, remark, error);
    if (status == RIN_OK) status = write_all(&w, out, error);
    close_all(&w);
    rin_ffmpeg_resume();
    return status;
}

rin_status rin_encode_mp4(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error) {
    const recipe *how = avcodec_find_encoder_by_name(h264.encoder) ? &h264 : &mpeg4;
    return encode(how, movie, remark, out, error);
}

rin_status rin_encode_gif(const rin_movie *movie, const char *remark, rin_encoded *out, rin_error *error) {
    return encode(&gif, movie, remark, out, error);
}
