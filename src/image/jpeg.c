/* SPDX-License-Identifier: MIT */
/* jpeg: decoding with libjpeg; damage that it would paper over is an error here. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
/* Which codes it declares depends on jpeglib.h. */
#include <jerror.h>

#include "image/decode.h"

/* Progressive files have about ten scans; a tiny file with thousands of them would decode for hours. */
enum { MAX_SCANS = 100 };

typedef struct jpeg_job {
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct info;
    jmp_buf escape;
    rin_status status;
    rin_error *error;
    bool damaged;
    char damage[JMSG_LENGTH_MAX]; /* the first warning that means lost pixels */
    rin_image *image;
    int *orientation;
} jpeg_job;

/* ---- libjpeg's callbacks ---- */

static void on_error(j_common_ptr common) {
    jpeg_job *job = common->client_data;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    rin_status code = common->err->msg_code == JERR_OUT_OF_MEMORY ? RIN_ERR_MEMORY : RIN_ERR_FORMAT;
    job->status = rin_error_set(job->error, code, "%s", text);
    longjmp(job->escape, 1);
}

static bool means_lost_pixels(int code) {
    static const int codes[] = {
        JWRN_JPEG_EOF,
        JWRN_HIT_MARKER,
        JWRN_HUFF_BAD_CODE,
        JWRN_MUST_RESYNC,
#if defined(D_ARITH_CODING_SUPPORTED)
        JWRN_ARITH_BAD_CODE,
#endif
    };
    for (size_t i = 0; i < RIN_COUNT(codes); i++) {
        if (codes[i] == code) return true;
    }
    return false;
}

/* Level -1 is a warning, others are traces. */
static void on_message(j_common_ptr common, int level) {
    jpeg_job *job = common->client_data;
    if (level >= 0) return;
    if (!job->damaged && means_lost_pixels(common->err->msg_code)) {
        common->err->format_message(common, job->damage);
        job->damaged = true;
    }
}

static void on_output(j_common_ptr common) {
    (void)common;
}

static void on_progress(j_common_ptr common) {
    jpeg_job *job = common->client_data;
    if (job->info.input_scan_number <= MAX_SCANS) return;
    job->status = rin_error_set(job->error, RIN_ERR_FORMAT, "more than %d scans", MAX_SCANS);
    longjmp(job->escape, 1);
}

/* ---- decoding ---- */

static void read_orientation(jpeg_job *job) {
    static const char header[] = "Exif";
    for (jpeg_saved_marker_ptr m = job->info.marker_list; m; m = m->next) {
        if (m->data_length < sizeof header || memcmp(m->data, header, sizeof header) != 0) continue;
        *job->orientation = rin_exif_orientation(m->data, m->data_length);
        return;
    }
}

/* Ink to light; Adobe's files store the inks inverted. */
static void cmyk_to_rgb(const uint8_t *cmyk, int width, bool inverted, uint8_t *rgb) {
    for (int x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        int black = inverted ? cmyk[3] : 255 - cmyk[3];
        for (int c = 0; c < 3; c++) {
            int colour = inverted ? cmyk[c] : 255 - cmyk[c];
            rgb[c] = (uint8_t)((colour * black + 127) / 255);
        }
    }
}

static rin_status choose_output(jpeg_job *job) {
    switch (job->info.jpeg_color_space) {
    case JCS_GRAYSCALE: job->info.out_color_space = JCS_GRAYSCALE; return RIN_OK;
    case JCS_YCbCr:
    case JCS_RGB: job->info.out_color_space = JCS_RGB; return RIN_OK;
    case JCS_CMYK:
    case JCS_YCCK: job->info.out_color_space = JCS_CMYK; return RIN_OK;
    default:
        return rin_error_set(job->error, RIN_ERR_UNSUPPORTED, "%d colour components of an unknown kind",
                             job->info.num_components);
    }
}

static rin_status decode(jpeg_job *job, const uint8_t *bytes, size_t n) {
    struct jpeg_decompress_struct *info = &job->info;
    jpeg_create_decompress(info);
    info->progress = &job->progress;
    jpeg_mem_src(info, bytes, (unsigned long)n);
    jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF);
    (void)jpeg_read_header(info, TRUE);
    rin_status status = rin_image_check_size(info->image_width, info->image_height, job->error);
    if (status == RIN_OK) status = choose_output(job);
    if (status != RIN_OK) return status;
    read_orientation(job);
    (void)jpeg_start_decompress(info);
    bool inks = info->out_color_space == JCS_CMYK;
    int width = (int)info->output_width, height = (int)info->output_height;
    status = rin_image_create(job->image, width, height, info->output_components == 1 ? 1 : 3, 1, job->error);
    if (status != RIN_OK) return status;
    JSAMPARRAY inked = NULL;
    if (inks) inked = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, 4 * info->output_width, 1);
    while (info->output_scanline < info->output_height && !job->damaged) {
        size_t stride = (size_t)width * (size_t)job->image->channels;
        uint8_t *row = (uint8_t *)job->image->samples + info->output_scanline * stride;
        (void)jpeg_read_scanlines(info, inks ? inked : &row, 1);
        if (inks) cmyk_to_rgb(inked[0], width, info->saw_Adobe_marker, row);
    }
    if (!job->damaged) (void)jpeg_finish_decompress(info);
    return job->damaged ? rin_error_set(job->error, RIN_ERR_FORMAT, "damaged or cut: %s", job->damage) : RIN_OK;
}

/* Apart from its caller, so that no local variable lives across the jump. */
static void decode_or_escape(jpeg_job *job, const uint8_t *bytes, size_t n) {
    if (setjmp(job->escape)) return;
    job->status = decode(job, bytes, n);
}

rin_status rin_jpeg_decode(const uint8_t *bytes, size_t n, rin_alpha alpha, rin_image *out, int *orientation,
                           rin_error *error) {
    (void)alpha; /* there is none */
    jpeg_job job = {.error = error, .image = out, .orientation = orientation};
    job.info.err = jpeg_std_error(&job.manager);
    job.info.client_data = &job;
    job.manager.error_exit = on_error;
    job.manager.emit_message = on_message;
    job.manager.output_message = on_output;
    job.progress.progress_monitor = on_progress;
    decode_or_escape(&job, bytes, n);
    jpeg_destroy_decompress(&job.info);
    if (job.status != RIN_OK) rin_image_clear(out);
    return job.status;
}
