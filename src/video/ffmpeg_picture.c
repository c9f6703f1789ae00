/* SPDX-License-Identifier: MIT */
/* Decoded frames of any pixel format as pictures, by libswscale: grey, colour, or colour with transparency. */
#include <math.h>
#include <string.h>

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "video/ffmpeg_picture.h"

void rin_ffmpeg_painter_clear(rin_ffmpeg_painter *painter) {
    sws_freeContext(painter->scaler);
    av_frame_free(&painter->converted);
    *painter = (rin_ffmpeg_painter){0};
}

/* The longer side grows, so that nothing is lost. */
static rin_status square_size(const rin_ffmpeg_painter *p, int stored_width, int stored_height, int *width, int *height,
                              rin_error *error) {
    double w = stored_width * fmax(p->aspect, 1), h = stored_height / fmin(p->aspect, 1);
    *width = *height = 0;
    rin_status status = rin_image_check_size((uint64_t)fmax(round(w), 0), (uint64_t)fmax(round(h), 0), error);
    if (status != RIN_OK) return status;
    *width = (int)lround(w);
    *height = (int)lround(h);
    return RIN_OK;
}

rin_status rin_ffmpeg_shown_size(const rin_ffmpeg_painter *p, int stored_width, int stored_height, int *width,
                                 int *height, rin_error *error) {
    bool lies = p->orientation > 4; /* turned by a quarter */
    return square_size(p, stored_width, stored_height, lies ? height : width, lies ? width : height, error);
}

static enum AVPixelFormat format_for(const AVFrame *frame) {
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(frame->format);
    bool alpha = d && d->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL);
    bool grey = d && d->nb_components <= 2 && !(d->flags & AV_PIX_FMT_FLAG_PAL);
    return alpha ? AV_PIX_FMT_RGBA : grey ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
}

static rin_status out_of_memory(rin_error *error) {
    return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for a frame");
}

/* A frame of the wanted size and format to convert into, the one of before where it fits. */
static rin_status make_room(rin_ffmpeg_painter *p, enum AVPixelFormat format, int width, int height, rin_error *error) {
    AVFrame *c = p->converted;
    if (c && c->format == (int)format && c->width == width && c->height == height) return RIN_OK;
    av_frame_free(&p->converted);
    c = p->converted = av_frame_alloc();
    if (!c) return out_of_memory(error);
    c->format = format;
    c->width = width;
    c->height = height;
    return av_frame_get_buffer(c, 0) < 0 ? out_of_memory(error) : RIN_OK;
}

static rin_status convert(rin_ffmpeg_painter *p, const AVFrame *frame, rin_error *error) {
    const int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT;
    AVFrame *c = p->converted;
    p->scaler = sws_getCachedContext(p->scaler, frame->width, frame->height, frame->format, c->width, c->height,
                                     c->format, flags, NULL, NULL, NULL);
    if (!p->scaler) {
        const char *name = av_get_pix_fmt_name(frame->format);
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "pixels of the format %s cannot be converted",
                             name ? name : "unknown");
    }
    /* Unsaid, small videos have the colours of standard, large ones those of high definition television. */
    enum { HIGH_DEFINITION = 576 };
    int colours = frame->colorspace == AVCOL_SPC_UNSPECIFIED || frame->colorspace == AVCOL_SPC_RGB
                      ? (frame->height > HIGH_DEFINITION ? SWS_CS_ITU709 : SWS_CS_ITU601)
                      : (int)frame->colorspace;
    (void)sws_setColorspaceDetails(p->scaler, sws_getCoefficients(colours), frame->color_range == AVCOL_RANGE_JPEG,
                                   sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    int rows = sws_scale(p->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, c->data,
                         c->linesize);
    return rows == c->height ? RIN_OK : rin_error_set(error, RIN_ERR_FORMAT, "a frame cannot be converted");
}

static rin_status copy_out(const AVFrame *from, rin_image *out, rin_error *error) {
    int channels = from->format == AV_PIX_FMT_GRAY8 ? 1 : 3;
    bool fits = out->width == from->width && out->height == from->height && out->channels == channels;
    if (!fits) {
        rin_image_clear(out);
        rin_status status = rin_image_create(out, from->width, from->height, channels, 1, error);
        if (status != RIN_OK) return status;
    }
    size_t width = (size_t)from->width, row = width * (size_t)channels;
    uint8_t *to = out->samples;
    for (int y = 0; y < from->height; y++, to += row) {
        const uint8_t *pixels = from->data[0] + (ptrdiff_t)y * from->linesize[0];
        if (from->format == AV_PIX_FMT_RGBA) rin_over_white(pixels, width, 3, to);
        else memcpy(to, pixels, row);
    }
    return RIN_OK;
}

rin_status rin_ffmpeg_paint(rin_ffmpeg_painter *p, const AVFrame *frame, rin_image *out, rin_error *error) {
    int width, height;
    rin_status status = square_size(p, frame->width, frame->height, &width, &height, error);
    if (status == RIN_OK) status = make_room(p, format_for(frame), width, height, error);
    if (status == RIN_OK) status = convert(p, frame, error);
    if (status == RIN_OK) status = copy_out(p->converted, out, error);
    return status == RIN_OK ? rin_image_turn(out, p->orientation, error) : status;
}
