/* SPDX-License-Identifier: MIT */
/* Tests of clips: which frames they are, how they are fitted, and what the loader makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/videos.h"
#include "video/video.h"

#ifdef RIN_HAVE_FFMPEG
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#endif

enum { MOST_FRAMES = 32, CLIP_ELEMENTS = MOST_FRAMES * SMALL_ELEMENTS };

static float pixels[CLIP_ELEMENTS];

/* ---- which frames ---- */

static void expect_count(const char *fixture, rin_clip clip, int64_t expected) {
    int64_t n;
    rin_error error = {0};
    rin_dataset *dataset = open_fixture(fixture, clip);
    if (rin_dataset_count_clips(dataset, 0, &n, &error) != RIN_OK) fail_msg("%s", error.text);
    if (n != expected) fail_msg("%s holds %lld clips, expected %lld", fixture, (long long)n, (long long)expected);
    rin_dataset_close(dataset);
}

/* Clip i of a video: the numbers that its frames should have. */
static void expect_clip(const char *fixture, rin_clip clip, int64_t i, const int *numbers) {
    rin_error error = {0};
    rin_dataset *dataset = open_fixture(fixture, clip);
    for (int channels = 1; channels <= 3; channels += 2) {
        size_t n = SMALL * SMALL * (size_t)channels;
        if (rin_dataset_load_clip(dataset, 0, i, SMALL, SMALL, channels, pixels, &error) != RIN_OK)
            fail_msg("%s", error.text);
        for (int64_t k = 0; k < clip.frames; k++) {
            int64_t number = number_of(pixels + (size_t)k * n, SMALL, channels);
            if (number != numbers[k])
                fail_msg("%s, %g a second, clip %lld of every %lld.: frame %lld is %lld, expected %d", fixture,
                         clip.fps, (long long)i, (long long)clip.step, (long long)k, (long long)number, numbers[k]);
        }
    }
    rin_dataset_close(dataset);
}

static void test_clips_follow_each_other(void **state) {
    static const char *const names[] = {"plain.mp4", "plain.mkv", "plain.gif", "plain.webp", "raw.h264", "plain.ts"};
    NEEDS_FFMPEG();
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(names); f++) {
        expect_count(names[f], clip_of(5, 1, 0), 4);
        expect_count(names[f], clip_of(5, 2, 0), 2);
        expect_count(names[f], clip_of(1, 1, 0), 20);
        expect_count(names[f], clip_of(20, 1, 0), 1);
        expect_clip(names[f], clip_of(5, 1, 0), 0, (const int[]){0, 1, 2, 3, 4});
        expect_clip(names[f], clip_of(5, 1, 0), 3, (const int[]){15, 16, 17, 18, 19});
        expect_clip(names[f], clip_of(5, 2, 0), 1, (const int[]){9, 11, 13, 15, 17});
        expect_clip(names[f], clip_of(1, 1, 0), 19, (const int[]){19});
    }
}

/* Each frame twice. */
static void test_doubled_rate(void **state) {
    static const char *const names[] = {"plain.mp4", "plain.mkv", "plain.gif", "plain.webp", "raw.h264", "plain.ts"};
    NEEDS_FFMPEG();
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(names); f++) {
        expect_count(names[f], clip_of(5, 1, 20), 8);
        expect_clip(names[f], clip_of(5, 1, 20), 0, (const int[]){0, 0, 1, 1, 2});
        expect_clip(names[f], clip_of(5, 1, 20), 7, (const int[]){17, 18, 18, 19, 19});
        expect_clip(names[f], clip_of(5, 2, 20), 0, (const int[]){0, 1, 2, 3, 4});
    }
}

/* Of a rate that is a whole part of the video's, frames are as far apart as each other, whatever their time stamps are
 * rounded to: of uneven ones movements would be jerky. */
static void test_parts_of_the_rate(void **state) {
    static const char *const names[] = {"plain.mp4", "plain.mkv", "plain.gif",  "plain.webp",
                                        "raw.h264",  "plain.ts",  "plain.webm", "plain.avi"};
    static const int parts[] = {2, 4, 5};
    NEEDS_FFMPEG();
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(names); f++) {
        for (size_t p = 0; p < RIN_COUNT(parts); p++) {
            int64_t n = 20 / parts[p];
            rin_error error = {0};
            rin_dataset *dataset = open_fixture(names[f], clip_of(n, 1, 10.0 / parts[p]));
            if (rin_dataset_load_clip(dataset, 0, 0, SMALL, SMALL, 1, pixels, &error) != RIN_OK)
                fail_msg("%s", error.text);
            int64_t first = number_of(pixels, SMALL, 1);
            assert_true(first >= 0 && first < parts[p]);
            for (int64_t k = 0; k < n; k++) {
                int64_t number = number_of(pixels + k * SMALL * SMALL, SMALL, 1), expected = first + k * parts[p];
                if (number != expected)
                    fail_msg("%s, every %d. frame: at %lld there is %lld, expected %lld", names[f], parts[p],
                             (long long)k, (long long)number, (long long)expected);
            }
            rin_dataset_close(dataset);
        }
    }
}

static void test_variable_rate(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    expect_count("variable.mkv", clip_of(29, 1, 0), 1);
    expect_clip("variable.mkv", clip_of(12, 1, 0), 0, (const int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10});
    expect_clip("variable.mkv", clip_of(8, 1, 0), 1, (const int[]){8, 9, 10, 10, 11, 11, 12, 12});
    expect_clip("variable.mkv", clip_of(8, 2, 0), 0, (const int[]){0, 2, 4, 6, 8, 10, 11, 12});
    expect_count("hold.gif", clip_of(23, 1, 0), 1);
    expect_clip("hold.gif", clip_of(6, 1, 0), 0, (const int[]){0, 1, 2, 3, 3, 3});
    expect_clip("hold.gif", clip_of(6, 1, 0), 2, (const int[]){3, 3, 3, 3, 3, 3});
}

static void test_variable_rate_at_another_one(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    expect_count("variable.mkv", clip_of(58, 1, 20), 1);
    expect_clip("variable.mkv", clip_of(6, 1, 20), 3, (const int[]){9, 9, 10, 10, 10, 10});
    expect_clip("variable.mkv", clip_of(6, 2, 20), 1, (const int[]){5, 6, 7, 8, 9, 10});
    expect_count("hold.gif", clip_of(46, 1, 20), 1);
    expect_clip("hold.gif", clip_of(8, 1, 20), 0, (const int[]){0, 0, 1, 1, 2, 2, 3, 3});
    expect_clip("hold.gif", clip_of(8, 1, 20), 4, (const int[]){3, 3, 3, 3, 3, 3, 3, 3});
    expect_clip("hold.gif", clip_of(4, 1, 5), 1, (const int[]){3, 3, 3, 3});
}

/* Clip i is not there: another in its place would overlap those before it. */
static void expect_no_clip(const char *fixture, rin_clip clip, int64_t i) {
    rin_error error = {0};
    rin_dataset *dataset = open_fixture(fixture, clip);
    rin_status status = rin_dataset_load_clip(dataset, 0, i, SMALL, SMALL, 1, pixels, &error);
    if (status != RIN_ERR_FORMAT || !strstr(error.text, rin_dataset_item_name(dataset, 0)))
        fail_msg("%s, clip %lld: %s, '%s'", fixture, (long long)i, rin_status_name(status), error.text);
    rin_dataset_close(dataset);
}

/* What a file claims is more than it holds. */
static void test_cut_file(void **state) {
    NEEDS_FFMPEG();
    (void)state;
    expect_count("cut.mp4", clip_of(5, 1, 0), 4);
    expect_clip("cut.mp4", clip_of(5, 1, 0), 0, (const int[]){0, 1, 2, 3, 4});
    expect_clip("cut.mp4", clip_of(5, 1, 0), 1, (const int[]){5, 6, 7, 8, 9});
    expect_clip("cut.mp4", clip_of(6, 2, 0), 0, (const int[]){0, 2, 4, 6, 8, 10});
    expect_clip("cut.mp4", clip_of(12, 1, 0), 0, (const int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    expect_clip("cut.mp4", clip_of(6, 1, 20), 3, (const int[]){9, 9, 10, 10, 11, 11});
    expect_no_clip("cut.mp4", clip_of(5, 1, 0), 2);
    expect_no_clip("cut.mp4", clip_of(5, 1, 0), 3);
    expect_no_clip("cut.mp4", clip_of(5, 2, 0), 1);
    expect_no_clip("cut.mp4", clip_of(6, 1, 20), 4);
    expect_no_clip("plain.mp4", clip_of(5, 1, 0), 4);
    expect_no_clip("plain.mp4", clip_of(5, 1, 0), 1000);
    expect_no_clip("numbered", clip_of(5, 1, 0), 2);
}

/* Where it ends at about the time that a frame would be looked at, rounding must not say that there is one which then
 * is not there: a clip that is drawn then begins too late, and the video would seem to be too short. */
static void test_end_of_a_cut_file_at_any_rate(void **state) {
    static const double places[] = {0.4, 0.45, 0.5, 0.55}; /* in a frame's time */
    NEEDS_FFMPEG();
    (void)state;
    for (int x = 0; x < 5 * 4 * 3; x++) {
        static uint8_t bytes[MOST_FRAMES * SMALL * SMALL];
        double rate = (1 + x / 12 + places[x / 3 % 4]) / 1.2, ignored; /* the file ends at 1.2 s */
        if (x % 3) rate = nextafter(rate, x % 3 == 1 ? 0 : 100);
        int64_t n;
        rin_error error = {0};
        rin_dataset *dataset = open_fixture("cut.mp4", clip_of(1, 1, rate));
        if (rin_dataset_read_frames(dataset, 0, 0, MOST_FRAMES, SMALL, SMALL, 1, bytes, &n, &ignored, &error))
            fail_msg("%s", error.text);
        rin_dataset_close(dataset);
        if (n < 2) continue;
        dataset = open_fixture("cut.mp4", clip_of(2, n - 1, rate)); /* from the first frame to the last */
        const rin_loader_options o = {
            .height = SMALL, .width = SMALL, .channels = 1, .batch = 5, .workers = 1, .strict = true};
        rin_loader *loader;
        rin_batch batch;
        rin_status status = rin_loader_create(dataset, &o, &loader, &error);
        if (status == RIN_OK) status = rin_loader_next(loader, &batch, &error);
        if (status != RIN_OK) fail_msg("of %lld frames at %.17g a second: %s", (long long)n, rate, error.text);
        for (size_t i = 0; i < 5; i++)
            assert_memory_equal(batch.images + i * 2 * SMALL * SMALL, batch.images, 2 * SMALL * SMALL * sizeof(float));
        rin_loader_free(loader);
        rin_dataset_close(dataset);
    }
}

static void test_numbered_pictures_have_no_rate(void **state) {
    (void)state;
    for (int fps = 0; fps <= 10; fps += 5) {
        expect_count("numbered", clip_of(4, 1, fps), 3);
        expect_clip("numbered", clip_of(4, 1, fps), 1, (const int[]){4, 5, 6, 7});
        expect_clip("numbered", clip_of(4, 2, fps), 0, (const int[]){0, 2, 4, 6});
        expect_clip("numbered", clip_of(4, 3, fps), 0, (const int[]){0, 3, 6, 9});
    }
}

static void test_too_short(void **state) {
    static const struct {
        const char *name;
        rin_clip clip;
        const char *parts[2];
    } wrong[] = {
        {"plain.mp4", {21, 1, 0}, {"20 frames", "needs 21"}}, {"plain.mp4", {11, 2, 0}, {"20 frames", "needs 21"}},
        {"plain.mp4", {11, 1, 5}, {"10 frames", "needs 11"}}, {"one.mp4", {2, 1, 0}, {"1 frames", "needs 2"}},
        {"numbered", {13, 1, 50}, {"12 frames", "needs 13"}}, {"plain.webp", {1, 1, 0.01}, {"0 frames", "needs 1"}},
        {"cut.mp4", {13, 1, 0}, {"12 frames", "needs 13"}},   {"cut.mp4", {21, 1, 0}, {"20 frames", "needs 21"}},
        {"hold.gif", {24, 1, 0}, {"23 frames", "needs 24"}},
    };
    NEEDS_FFMPEG();
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(wrong); i++) {
        rin_error error = {0};
        int64_t n;
        rin_dataset *dataset = open_fixture(wrong[i].name, wrong[i].clip);
        rin_status status = rin_dataset_load_clip(dataset, 0, 0, SMALL, SMALL, 1, pixels, &error);
        bool told = strstr(error.text, wrong[i].parts[0]) && strstr(error.text, wrong[i].parts[1]) &&
                    strstr(error.text, rin_dataset_item_name(dataset, 0));
        if (status != RIN_ERR_FORMAT || !told) fail_msg("%zu: %s, '%s'", i, rin_status_name(status), error.text);
        status = rin_dataset_count_clips(dataset, 0, &n, &error); /* by what the file claims */
        if (i != 6) assert_int_equal(status, RIN_ERR_FORMAT);
        rin_dataset_close(dataset);
    }
}

static void test_wrong_indices_and_broken_files(void **state) {
    static const char *const broken[] = {"text.mp4", "empty.mp4", "headless.mp4", "sound.mp4", "playlist.mp4"};
    NEEDS_FFMPEG();
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(broken); i++) {
        rin_error error = {0};
        int64_t n = 7;
        rin_dataset *dataset = open_fixture(broken[i], clip_of(2, 1, 0));
        assert_int_equal(rin_dataset_load_clip(dataset, 0, 0, SMALL, SMALL, 3, pixels, &error), RIN_ERR_FORMAT);
        if (!strstr(error.text, broken[i])) fail_msg("%s", error.text);
        assert_int_equal(rin_dataset_count_clips(dataset, 0, &n, &error), RIN_ERR_FORMAT);
        assert_int_equal(n, 0);
        assert_int_equal(rin_dataset_load_clip(dataset, 1, 0, SMALL, SMALL, 3, pixels, &error), RIN_ERR_ARG);
        assert_int_equal(rin_dataset_count_clips(dataset, 1, &n, &error), RIN_ERR_ARG);
        rin_dataset_close(dataset);
    }
}

/* ---- long videos, in which times are jumped to ---- */

enum { LONG = 130, W = 80, H = 48 };

/* A square that moves over noise: each frame is another one, and takes some kilobytes. */
static void draw(uint8_t *grey, size_t row_bytes, int frame) {
    for (int i = 0; i < W * H; i++) {
        int x = i % W, y = i / W, left = frame % (W - 16), top = frame / 7 % (H - 16);
        bool inside = x >= left && x < left + 16 && y >= top && y < top + 16;
        uint32_t noise = rin_random_u32((rin_random_key){.seed = 1}, (uint64_t)(frame * W * H + i)) % 64;
        grey[(size_t)y * row_bytes + (size_t)x] = (uint8_t)(inside ? 230 : 30 + frame % 100 + (int)noise);
    }
}

#ifdef RIN_HAVE_FFMPEG
/* MPEG-TS and MPEG-PS, which have no index: the library lands where no frame needs no other. */
static const struct {
    const char *name, *muxer, *encoder, *options;
} recipes[] = {
    {"mpeg2.ts", "mpegts", "mpeg2video", ""},
    {"mpeg2.mpg", "mpeg", "mpeg2video", ""},
    {"hevc.ts", "mpegts", "libx265", "x265-params=log-level=none:keyint=25,preset=ultrafast"},
};

/* x265 loses some memory of its own, of which a leak sanitizer would tell. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libx265";
}

static void mux(AVFormatContext *muxer, AVCodecContext *encoder, const AVFrame *frame) {
    AVPacket *packet = av_packet_alloc();
    assert_non_null(packet);
    assert_true(avcodec_send_frame(encoder, frame) >= 0);
    while (avcodec_receive_packet(encoder, packet) >= 0) {
        av_packet_rescale_ts(packet, encoder->time_base, muxer->streams[0]->time_base);
        packet->duration = av_rescale_q(1, encoder->time_base, muxer->streams[0]->time_base);
        assert_true(av_interleaved_write_frame(muxer, packet) >= 0);
    }
    av_packet_free(&packet);
}

static AVCodecContext *open_encoder(const AVCodec *codec, const char *text) {
    AVDictionary *options = NULL;
    av_log_set_level(AV_LOG_QUIET); /* the muxer talks about buffers */
    AVCodecContext *e = avcodec_alloc_context3(codec);
    assert_non_null(e);
    e->width = W;
    e->height = H;
    e->pix_fmt = AV_PIX_FMT_YUV420P;
    e->time_base = (AVRational){1, 25};
    e->framerate = (AVRational){25, 1};
    e->gop_size = 12;
    e->max_b_frames = 2;
    e->flags |= AV_CODEC_FLAG_QSCALE;
    e->global_quality = 3 * FF_QP2LAMBDA;
    e->thread_count = 1;
    assert_true(av_dict_parse_string(&options, text, "=", ",", 0) >= 0);
    assert_true(avcodec_open2(e, NULL, &options) >= 0);
    av_dict_free(&options);
    return e;
}

static void encode(const char *path, const char *format, const AVCodec *codec, const char *options) {
    AVFormatContext *muxer = NULL;
    AVCodecContext *e = open_encoder(codec, options);
    AVFrame *frame = av_frame_alloc();
    assert_true(frame && avformat_alloc_output_context2(&muxer, NULL, format, path) >= 0);
    AVStream *stream = avformat_new_stream(muxer, NULL);
    assert_true(stream && avcodec_parameters_from_context(stream->codecpar, e) >= 0);
    stream->time_base = e->time_base;
    stream->avg_frame_rate = e->framerate;
    assert_true(avio_open(&muxer->pb, path, AVIO_FLAG_WRITE) >= 0 && avformat_write_header(muxer, NULL) >= 0);
    frame->width = W;
    frame->height = H;
    frame->format = AV_PIX_FMT_YUV420P;
    assert_true(av_frame_get_buffer(frame, 0) >= 0);
    for (int i = 0; i < LONG; i++) {
        assert_true(av_frame_make_writable(frame) >= 0);
        draw(frame->data[0], (size_t)frame->linesize[0], i);
        for (int c = 1; c <= 2; c++) memset(frame->data[c], 128, (size_t)frame->linesize[c] * H / 2);
        frame->pts = i;
        mux(muxer, e, frame);
    }
    mux(muxer, e, NULL);
    assert_true(av_write_trailer(muxer) >= 0 && avio_closep(&muxer->pb) >= 0);
    avformat_free_context(muxer);
    avcodec_free_context(&e);
    av_frame_free(&frame);
}
#endif

/* False when the libraries here have no encoder for it. */
static bool write_long(const corpus *c, const char *name) {
    static uint8_t grey[LONG * W * H];
    rin_error error = {0};
    char *path = corpus_path(c, name);
    bool written = false, known = true;
#ifdef RIN_HAVE_FFMPEG
    for (size_t i = 0; i < RIN_COUNT(recipes); i++) {
        if (strcmp(name, recipes[i].name) != 0) continue;
        const AVCodec *codec = avcodec_find_encoder_by_name(recipes[i].encoder);
        known = codec;
        written = true;
        if (codec) encode(path, recipes[i].muxer, codec, recipes[i].options);
    }
#endif
    for (int i = 0; i < LONG && !written; i++) draw(grey + i * W * H, W, i);
    const rin_movie movie = {.pixels = grey, .n = LONG, .width = W, .height = H, .channels = 1, .rate = 25};
    if (!written && rin_video_write(path, &movie, NULL, &error) != RIN_OK) fail_msg("%s", error.text);
    rin_free(path);
    return known;
}

/* Clips in the middle are those that are met on the way from the beginning. */
static void test_far_clips(void **state) {
    static const char *const names[] = {"long.mp4", "long.webp", "mpeg2.ts", "mpeg2.mpg", "hevc.ts"};
    static uint8_t all[LONG * SMALL_ELEMENTS];
    static const int64_t order[] = {31, 25, 26, 30, 29, 28, 27};
    NEEDS_FFMPEG();
    (void)state;
    corpus c = corpus_make();
    for (size_t f = 0; f < RIN_COUNT(names); f++) {
        int64_t n;
        double rate;
        rin_error error = {0};
        if (!write_long(&c, names[f])) continue;
        rin_dataset *dataset = open_clips(&c, names[f], clip_of(4, 1, 25), NULL);
        rin_status status = rin_dataset_read_frames(dataset, 0, 0, LONG, SMALL, SMALL, 3, all, &n, &rate, &error);
        if (status != RIN_OK) fail_msg("%s", error.text);
        assert_in_range(n, LONG - 1, LONG);
        for (size_t i = 0; i < RIN_COUNT(order); i++) {
            const uint8_t *wanted = all + 4 * order[i] * SMALL_ELEMENTS;
            if (4 * (order[i] + 1) > n) continue;
            status = rin_dataset_load_clip(dataset, 0, order[i], SMALL, SMALL, 3, pixels, &error);
            if (status != RIN_OK) fail_msg("%s", error.text);
            for (int k = 0; k < 4 * SMALL_ELEMENTS; k++) {
                if (lrintf(pixels[k] * 255) != wanted[k])
                    fail_msg("%s: clip %lld is not what comes there", names[f], (long long)order[i]);
            }
        }
        rin_dataset_close(dataset);
    }
    corpus_remove(&c);
}

/* ---- fitting ---- */

/* Frames are the means of areas of what is decoded, rounded to 8 bits. */
static void test_frames_are_means(void **state) {
    enum { SIDE = 16, CROP = 27, X = 4 }; /* of 35 x 27 pixels */
    static float frames[2 * SIDE * SIDE * 3];
    NEEDS_FFMPEG();
    (void)state;
    rin_dataset *dataset = open_fixture("odd.mp4", clip_of(2, 1, 0));
    rin_image image;
    rin_error error = {0};
    if (rin_dataset_decode(dataset, 0, &image, &error) != RIN_OK) fail_msg("%s", error.text);
    if (rin_dataset_load_clip(dataset, 0, 0, SIDE, SIDE, 3, frames, &error) != RIN_OK) fail_msg("%s", error.text);
    assert_true(image.width == 35 && image.height == 27 && image.channels == 3 && image.depth == 1);
    double scale = (double)CROP / SIDE;
    for (int at = 0; at < SIDE * SIDE * 3; at++) {
        double top = at / 3 / SIDE * scale, left = at / 3 % SIDE * scale, sum = 0;
        for (int y = 0; y < CROP; y++) {
            double down = fmax(fmin(y + 1, top + scale) - fmax(y, top), 0);
            for (int x = 0; x < CROP; x++) {
                double across = fmax(fmin(x + 1, left + scale) - fmax(x, left), 0);
                sum += down * across * ((uint8_t *)image.samples)[(y * 35 + X + x) * 3 + at % 3];
            }
        }
        double mean = sum / (scale * scale), got = frames[at] * 255.0;
        if (fabs(got - round(got)) > 1e-4 || fabs(got - mean) > 0.5 + 1e-3)
            fail_msg("element %d is %.9g of 255, the mean is %.9g", at, got, mean);
    }
    rin_image_clear(&image);
    rin_dataset_close(dataset);
}

/* Grey videos for colour and the other way round. */
static void test_channels(void **state) {
    static const char *const names[] = {"grey.mkv", "plain.gif"};
    NEEDS_FFMPEG();
    (void)state;
    for (size_t f = 0; f < RIN_COUNT(names); f++) {
        static float grey[2 * SMALL * SMALL];
        rin_error error = {0};
        rin_dataset *dataset = open_fixture(names[f], clip_of(2, 1, 0));
        if (rin_dataset_load_clip(dataset, 0, 4, SMALL, SMALL, 1, grey, &error) != RIN_OK) fail_msg("%s", error.text);
        if (rin_dataset_load_clip(dataset, 0, 4, SMALL, SMALL, 3, pixels, &error) != RIN_OK) fail_msg("%s", error.text);
        for (int i = 0; i < 2 * SMALL * SMALL; i++) {
            const float *p = pixels + 3 * i;
            double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            assert_true(fabs(grey[i] - luma) < 1.51 / 255); /* both are rounded */
            if (f == 0) assert_true(p[0] == grey[i] && p[1] == grey[i] && p[2] == grey[i]);
        }
        rin_dataset_close(dataset);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clips_follow_each_other),
        cmocka_unit_test(test_doubled_rate),
        cmocka_unit_test(test_parts_of_the_rate),
        cmocka_unit_test(test_variable_rate),
        cmocka_unit_test(test_variable_rate_at_another_one),
        cmocka_unit_test(test_cut_file),
        cmocka_unit_test(test_end_of_a_cut_file_at_any_rate),
        cmocka_unit_test(test_numbered_pictures_have_no_rate),
        cmocka_unit_test(test_too_short),
        cmocka_unit_test(test_wrong_indices_and_broken_files),
        cmocka_unit_test(test_far_clips),
        cmocka_unit_test(test_frames_are_means),
        cmocka_unit_test(test_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
