/* SPDX-License-Identifier: MIT */
/* Tests of writing: every format is read back by the libraries themselves; refusals; nothing is left behind. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"

#include <webp/demux.h>

#ifdef RIN_HAVE_FFMPEG
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mem.h>
#include <libswscale/swscale.h>
#endif

#include "video/video.h"

enum { W = 33, H = 17, N = 10, MOST = 64 /* frames read back */, BIG = 256 };

static const double rate = 7.5;

/* ---- what is written ---- */

static uint8_t pixels[N * H * W * 3];

/* Gradients, every frame brighter than the one before by `step`. */
static rin_movie make(int n, int channels, int step) {
    uint8_t *to = pixels;
    for (int i = 0; i < n * H * W; i++) {
        int x = i % W, y = i / W % H, f = i / (W * H);
        const int colours[3] = {2 * x, 5 * y, 80 - x - y};
        for (int c = 0; c < channels; c++) *to++ = (uint8_t)(30 + step * f + colours[c]);
    }
    return (rin_movie){.pixels = pixels, .n = n, .width = W, .height = H, .channels = channels, .rate = rate};
}

/* ---- what is read back ---- */

typedef struct clip {
    int n, width, height;
    double start[MOST], seconds;
    uint8_t *frames[MOST]; /* (height, width, 3) */
    char remark[64];
    bool tagged; /* with the colours that it has */
} clip;

static void clip_clear(clip *c) {
    for (int f = 0; f < c->n; f++) free(c->frames[f]);
}

static uint8_t *add_frame(clip *c, double start) {
    assert_true(c->n < MOST);
    c->start[c->n] = start;
    uint8_t *frame = malloc((size_t)c->width * (size_t)c->height * 3);
    assert_non_null(frame);
    c->frames[c->n++] = frame;
    return frame;
}

static clip read_webp(const char *bytes, size_t n) {
    clip c = {0};
    WebPData data = {(const uint8_t *)bytes, n};
    WebPAnimDecoderOptions options;
    WebPAnimInfo info;
    assert_true(WebPAnimDecoderOptionsInit(&options));
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    assert_non_null(decoder);
    assert_true(WebPAnimDecoderGetInfo(decoder, &info));
    assert_int_equal(info.loop_count, info.frame_count > 1 ? 0 : 1); /* one frame is a still picture */
    c.width = (int)info.canvas_width;
    c.height = (int)info.canvas_height;
    while (WebPAnimDecoderHasMoreFrames(decoder)) {
        uint8_t *rgba;
        int end;
        assert_true(WebPAnimDecoderGetNext(decoder, &rgba, &end));
        uint8_t *to = add_frame(&c, c.seconds);
        for (int i = 0; i < c.width * c.height; i++) memcpy(to + 3 * i, rgba + 4 * i, 3);
        c.seconds = end / 1000.0;
    }
    WebPAnimDecoderDelete(decoder);
    return c;
}

#ifdef RIN_HAVE_FFMPEG
static void add_picture(clip *c, const AVFrame *frame, double start) {
    struct SwsContext *scaler = sws_getContext(frame->width, frame->height, frame->format, c->width, c->height,
                                               AV_PIX_FMT_RGB24, SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT,
                                               NULL, NULL, NULL);
    assert_non_null(scaler);
    (void)sws_setColorspaceDetails(scaler, sws_getCoefficients((int)frame->colorspace), 0,
                                   sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    uint8_t *to[4] = {add_frame(c, start)};
    const int row_bytes[4] = {3 * c->width};
    assert_int_equal(
        sws_scale(scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, to, row_bytes),
        c->height);
    sws_freeContext(scaler);
}

static void add_pictures(clip *c, AVFormatContext *format, AVCodecContext *decoder) {
    double unit = av_q2d(format->streams[0]->time_base);
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    assert_true(packet && frame);
    bool more = true;
    while (more) {
        more = av_read_frame(format, packet) >= 0;
        assert_true(avcodec_send_packet(decoder, more ? packet : NULL) >= 0);
        av_packet_unref(packet);
        while (avcodec_receive_frame(decoder, frame) >= 0)
            add_picture(c, frame, (double)frame->best_effort_timestamp * unit);
    }
    av_packet_free(&packet);
    av_frame_free(&frame);
}

static clip read_by_ffmpeg(const char *path) {
    clip c = {0};
    AVFormatContext *format = NULL;
    assert_true(avformat_open_input(&format, path, NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(format, NULL) >= 0);
    assert_int_equal(format->nb_streams, 1);
    const AVStream *stream = format->streams[0];
    AVCodecContext *decoder = avcodec_alloc_context3(avcodec_find_decoder(stream->codecpar->codec_id));
    assert_non_null(decoder);
    assert_true(avcodec_parameters_to_context(decoder, stream->codecpar) >= 0);
    decoder->thread_count = 1;
    assert_true(avcodec_open2(decoder, NULL, NULL) >= 0);
    c.width = decoder->width;
    c.height = decoder->height;
    c.seconds = (double)stream->duration * av_q2d(stream->time_base);
    c.tagged = decoder->colorspace == AVCOL_SPC_SMPTE170M && decoder->color_range == AVCOL_RANGE_MPEG &&
               decoder->color_primaries == AVCOL_PRI_BT709 && decoder->color_trc == AVCOL_TRC_IEC61966_2_1;
    const AVDictionaryEntry *remark = av_dict_get(format->metadata, "comment", NULL, 0);
    if (remark) snprintf(c.remark, sizeof c.remark, "%s", remark->value);
    assert_null(av_dict_get(format->metadata, "encoder", NULL, 0)); /* nor the time */
    assert_null(av_dict_get(format->metadata, "creation_time", NULL, 0));
    add_pictures(&c, format, decoder);
    avcodec_free_context(&decoder);
    avformat_close_input(&format);
    return c;
}
#endif

/* ---- a folder ---- */

typedef struct place {
    char folder[32], path[64];
    char *bytes; /* of the file written last */
    size_t n;
} place;

static const char *const endings[] = {
    ".webp",
#ifdef RIN_HAVE_FFMPEG
    ".mp4",
    ".gif",
#endif
};

static int make_place(void **state) {
    static place p;
    p = (place){.folder = "/tmp/rin-video-XXXXXX"};
    *state = &p;
    return mkdtemp(p.folder) ? 0 : -1;
}

/* Fails where anything but the file written last is there. */
static int remove_place(void **state) {
    place *p = *state;
    rin_free(p->bytes);
    if (*p->path && remove(p->path) != 0) return -1;
    return rmdir(p->folder);
}

static void forget(place *p) {
    if (*p->path) assert_int_equal(remove(p->path), 0);
    rin_free(p->bytes);
    p->bytes = NULL;
    *p->path = '\0';
}

static clip write_and_read(place *p, const char *ending, const rin_movie *movie, const char *remark) {
    rin_error error = {0};
    forget(p);
    snprintf(p->path, sizeof p->path, "%s/a%s", p->folder, ending);
    assert_ok(rin_video_write(p->path, movie, remark, &error), &error);
    assert_ok(rin_file_read(p->path, 1 << 24, &p->bytes, &p->n, &error), &error);
#ifdef RIN_HAVE_FFMPEG
    if (strcmp(ending, ".webp") != 0) return read_by_ffmpeg(p->path);
#endif
    return read_webp(p->bytes, p->n);
}

/* ---- comparing ---- */

/* Mean distance of the samples of frame f of a clip, which may be larger, and frame g of a movie. */
static double distance(const clip *c, int f, const rin_movie *m, int g) {
    double sum = 0;
    for (int y = 0; y < c->height; y++) {
        for (int x = 0; x < c->width; x++) {
            int at = (g * H + RIN_MIN(y, H - 1)) * W + RIN_MIN(x, W - 1);
            const uint8_t *is = c->frames[f] + 3 * (y * c->width + x);
            for (int k = 0; k < 3; k++) sum += abs(is[k] - m->pixels[m->channels == 3 ? 3 * at + k : at]);
        }
    }
    return sum / (3 * c->width * c->height);
}

/* Every frame in its place and at its time, to so many levels in the mean and so many seconds. */
static void expect(clip c, const rin_movie *m, double levels, double seconds) {
    assert_int_equal(c.n, m->n);
    for (int f = 0; f < c.n; f++) {
        double is = distance(&c, f, m, f);
        if (is > levels) fail_msg("frame %d is off by %g levels in the mean, allowed are %g", f, is, levels);
        for (int g = 0; g < c.n; g++) assert_true(g == f || distance(&c, f, m, g) > is);
        if (fabs(c.start[f] - f / m->rate) > seconds) fail_msg("frame %d at %g seconds", f, c.start[f]);
    }
    if (fabs(c.seconds - c.n / m->rate) > 2 * seconds) fail_msg("%d frames last %g seconds", c.n, c.seconds);
    clip_clear(&c);
}

static const double in_webp = 0.00051; /* half a unit of time */

/* ---- tests ---- */

static void test_webp_keeps_every_pixel(void **state) {
    for (int channels = 1; channels <= 3; channels += 2) {
        rin_movie m = make(N, channels, 12);
        clip c = write_and_read(*state, ".webp", &m, "not kept");
        assert_int_equal(c.width, W);
        assert_int_equal(c.height, H);
        expect(c, &m, 0, in_webp);
    }
}

/* Equal frames become one that is shown longer. */
static void test_webp_keeps_the_time_of_equal_frames(void **state) {
    rin_movie m = make(N, 1, 0);
    pixels[N / 2 * H * W]++;
    clip c = write_and_read(*state, ".webp", &m, NULL);
    assert_int_equal(c.n, 3);
    assert_true(fabs(c.start[1] - N / 2 / rate) < in_webp && fabs(c.seconds - N / rate) < in_webp);
    clip_clear(&c);
}

static void test_one_frame(void **state) {
    for (size_t i = 0; i < RIN_COUNT(endings); i++) {
        rin_movie m = make(1, 3, 0);
        clip c = write_and_read(*state, endings[i], &m, NULL);
        assert_int_equal(c.n, 1);
        assert_true(distance(&c, 0, &m, 0) < 4);
        clip_clear(&c);
    }
}

static void test_same_movie_same_bytes(void **state) {
    place *p = *state;
    rin_movie m = make(N, 3, 12);
    for (size_t i = 0; i < RIN_COUNT(endings); i++) {
        clip c = write_and_read(p, endings[i], &m, "a remark");
        clip_clear(&c);
        size_t n = p->n;
        char *bytes = p->bytes;
        p->bytes = NULL;
        c = write_and_read(p, endings[i], &m, "a remark");
        clip_clear(&c);
        assert_int_equal(p->n, n);
        assert_memory_equal(p->bytes, bytes, n);
        rin_free(bytes);
    }
}

static void test_names(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(endings); i++) {
        char name[16];
        snprintf(name, sizeof name, "a.b%s", endings[i]);
        assert_true(rin_video_is_writable(name));
        assert_false(rin_video_is_writable(endings[i] + 1));
        assert_non_null(strstr(rin_video_writable(), endings[i]));
    }
    assert_true(rin_video_is_writable("A.WebP"));
    assert_false(rin_video_is_writable("a.webp.png"));
    assert_false(rin_video_is_writable(""));
}

static void expect_refused(const char *path, rin_movie movie, rin_status status, const char *part) {
    rin_error error = {0};
    assert_refused(rin_video_write(path, &movie, NULL, &error), status, &error, part);
    assert_false(rin_path_exists(path));
}

static void test_refusals_leave_nothing(void **state) {
    place *p = *state;
    char path[64];
    const rin_movie good = make(N, 3, 12);
    for (size_t i = 0; i < RIN_COUNT(endings); i++) {
        snprintf(path, sizeof path, "%s/b%s", p->folder, endings[i]);
        const double rates[] = {0, -1, 0.09, 1001, NAN};
        for (size_t k = 0; k < RIN_COUNT(rates); k++) {
            rin_movie m = good;
            m.rate = rates[k];
            expect_refused(path, m, RIN_ERR_ARG, "0.1 to 1000");
        }
        rin_movie none = good, two = good, narrow = good, tall = good;
        none.n = 0;
        two.channels = 2;
        narrow.width = 0;
        tall.height = 16384;
        expect_refused(path, none, RIN_ERR_ARG, "0 frames");
        expect_refused(path, two, RIN_ERR_ARG, "2 channels");
        expect_refused(path, narrow, RIN_ERR_ARG, "0 x 17 pixels");
        expect_refused(path, tall, RIN_ERR_ARG, "33 x 16384 pixels");
        snprintf(path, sizeof path, "%s/none/b%s", p->folder, endings[i]);
        expect_refused(path, good, RIN_ERR_IO, "none/b");
    }
    snprintf(path, sizeof path, "%s/b.avi", p->folder);
    expect_refused(path, good, RIN_ERR_ARG, rin_video_writable());
}

/* What is no file is not replaced, and nothing is left beside it. */
static void test_a_folder_in_the_way(void **state) {
    place *p = *state;
    rin_error error = {0};
    const rin_movie good = make(N, 3, 12);
    for (size_t i = 0; i < RIN_COUNT(endings); i++) {
        snprintf(p->path, sizeof p->path, "%s/c%s", p->folder, endings[i]);
        assert_int_equal(mkdir(p->path, 0777), 0);
        assert_refused(rin_video_write(p->path, &good, NULL, &error), RIN_ERR_IO, &error, "not a regular file");
        forget(p);
    }
}

#ifdef RIN_HAVE_FFMPEG
static const double in_gif = 0.0051, in_mp4 = 0.00001;

/* Measured: 0.65 to 0.8 levels, without colours 0.1 to 0.75; by the encoder mpeg4 up to 1.3. */
static void test_mp4_is_close(void **state) {
    for (int channels = 1; channels <= 3; channels += 2) {
        rin_movie m = make(N, channels, 12);
        clip c = write_and_read(*state, ".mp4", &m, "na\xc3\xafve remark");
        assert_string_equal(c.remark, "na\xc3\xafve remark");
        assert_true(c.tagged);
        assert_int_equal(c.width, W + 1);
        assert_int_equal(c.height, H + 1);
        expect(c, &m, 2, in_mp4);
    }
}

/* Up to 255 colours are exact. 5610 by 255, dithered; measured: 4.1 to 4.8 levels. */
static void test_gif_is_close(void **state) {
    for (int channels = 1; channels <= 3; channels += 2) {
        rin_movie m = make(N, channels, 12);
        clip c = write_and_read(*state, ".gif", &m, "not kept");
        assert_int_equal(c.width, W);
        assert_int_equal(c.height, H);
        expect(c, &m, channels == 1 ? 0 : 8, in_gif);
    }
}

static void test_gif_repeats_for_ever(void **state) {
    place *p = *state;
    rin_movie m = make(N, 3, 12);
    clip c = write_and_read(p, ".gif", &m, NULL);
    clip_clear(&c);
    static const char endless[] = "NETSCAPE2.0\3\1\0";
    bool found = false;
    for (size_t i = 0; i + sizeof endless < p->n; i++) found |= memcmp(p->bytes + i, endless, sizeof endless) == 0;
    assert_true(found);
    assert_true(p->bytes[10] & 0x80); /* a palette of all frames */
}

static void test_rates(void **state) {
    static const double rates[] = {0.1, 30000 / 1001.0, 50, 1000};
    for (size_t i = 0; i < RIN_COUNT(rates); i++) {
        rin_movie m = make(N, 1, 12);
        m.rate = rates[i];
        expect(write_and_read(*state, ".webp", &m, NULL), &m, 0, in_webp);
        expect(write_and_read(*state, ".mp4", &m, NULL), &m, 2, in_mp4);
        clip c = write_and_read(*state, ".gif", &m, NULL);
        m.rate = fmin(m.rate, 50); /* no faster */
        expect(c, &m, 0, in_gif);
    }
}

static void test_no_memory(void **state) {
    const place *p = *state;
    char path[64];
    uint8_t *big = calloc(BIG * BIG, 3);
    assert_non_null(big);
    const rin_movie m = {.pixels = big, .n = 1, .width = BIG, .height = BIG, .channels = 3, .rate = rate};
    snprintf(path, sizeof path, "%s/d.mp4", p->folder);
    av_max_alloc(3 * BIG * BIG - 1); /* all but a frame */
    expect_refused(path, m, RIN_ERR_MEMORY, "out of memory");
    av_max_alloc(INT32_MAX);
    free(big);
}
#else
static void test_formats_of_other_builds(void **state) {
    const place *p = *state;
    char path[64];
    snprintf(path, sizeof path, "%s/e.mp4", p->folder);
    expect_refused(path, make(N, 3, 12), RIN_ERR_UNSUPPORTED, "RIN_VIDEO=OFF");
    snprintf(path, sizeof path, "%s/e.gif", p->folder);
    expect_refused(path, make(N, 3, 12), RIN_ERR_UNSUPPORTED, "RIN_VIDEO=OFF");
    assert_false(rin_video_is_writable(path));
    assert_string_equal(rin_video_writable(), ".webp");
}
#endif

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_webp_keeps_every_pixel),
        IN_FOLDER(test_webp_keeps_the_time_of_equal_frames),
        IN_FOLDER(test_one_frame),
        IN_FOLDER(test_same_movie_same_bytes),
        cmocka_unit_test(test_names),
        IN_FOLDER(test_refusals_leave_nothing),
        IN_FOLDER(test_a_folder_in_the_way),
#ifdef RIN_HAVE_FFMPEG
        IN_FOLDER(test_mp4_is_close),
        IN_FOLDER(test_gif_is_close),
        IN_FOLDER(test_gif_repeats_for_ever),
        IN_FOLDER(test_rates),
        IN_FOLDER(test_no_memory),
#else
        IN_FOLDER(test_formats_of_other_builds),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
