/* SPDX-License-Identifier: MIT */
/* png_write: 8-bit PNG files with remarks. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "image/image.h"

enum { MAX_KEY_CHARS = 79 }; /* PNG specification, 11.3.4.2 */

typedef struct png_job {
    png_structp png;
    png_infop info;
    rin_atomic_file file;
    const uint8_t *pixels;
    int width, height, channels;
    png_text *texts;
    size_t n_texts;
    rin_status status;
    rin_error *error;
} png_job;

/* ---- libpng's callbacks ---- */

static void on_error(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    if (job->status == RIN_OK) job->status = rin_error_set(job->error, RIN_ERR_INTERNAL, "libpng: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void on_write(png_structp png, png_bytep bytes, size_t n) {
    png_job *job = png_get_io_ptr(png);
    job->status = rin_atomic_write(&job->file, bytes, n, job->error);
    if (job->status != RIN_OK) png_error(png, "cannot write");
}

static void on_flush(png_structp png) {
    (void)png;
}

/* ---- writing ---- */

/* Apart from its caller, so that no local variable lives across the jump. */
static void write_or_escape(png_job *job) {
    if (setjmp(png_jmpbuf(job->png))) return;
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_IHDR(job->png, job->info, (png_uint_32)job->width, (png_uint_32)job->height, 8,
                 job->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (job->n_texts) png_set_text(job->png, job->info, job->texts, (int)job->n_texts);
    png_write_info(job->png, job->info);
    for (int y = 0; y < job->height; y++) {
        png_write_row(job->png, job->pixels + (size_t)y * (size_t)job->width * (size_t)job->channels);
    }
    png_write_end(job->png, job->info);
}

static bool is_ascii(const char *text) {
    while (*text && !(*text & 0x80)) text++;
    return *text == '\0';
}

/* PNG allows no space at either end of a key nor two in a row. */
static bool is_key(const char *key) {
    size_t n = strlen(key);
    if (n < 1 || n > MAX_KEY_CHARS || key[0] == ' ' || key[n - 1] == ' ' || strstr(key, "  ")) return false;
    for (size_t i = 0; i < n; i++) {
        if (key[i] < ' ' || key[i] > '~') return false;
    }
    return true;
}

static rin_status take_texts(png_job *job, const rin_png_text *texts, size_t n_texts) {
    if (n_texts > INT32_MAX) return rin_error_set(job->error, RIN_ERR_ARG, "%zu remarks are too many", n_texts);
    job->texts = rin_calloc(n_texts, sizeof *job->texts, job->error);
    if (!job->texts) return RIN_ERR_MEMORY;
    job->n_texts = n_texts;
    for (size_t i = 0; i < n_texts; i++) {
        if (!is_key(texts[i].key)) {
            return rin_error_set(job->error, RIN_ERR_ARG,
                                 "the remark's key '%s' must be 1 to %d printable ASCII characters", texts[i].key,
                                 MAX_KEY_CHARS);
        }
        /* libpng takes these without const but only reads them. */
        job->texts[i].key = (char *)(uintptr_t)texts[i].key;
        job->texts[i].text = (char *)(uintptr_t)texts[i].value;
        job->texts[i].compression = is_ascii(texts[i].value) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    }
    return RIN_OK;
}

rin_status rin_image_write_png(const char *path, const uint8_t *pixels, int width, int height, int channels,
                               const rin_png_text *texts, size_t n_texts, rin_error *error) {
    bool allowed = width >= 1 && height >= 1 && width <= RIN_IMAGE_MAX_SIDE && height <= RIN_IMAGE_MAX_SIDE;
    if (!allowed || (channels != 1 && channels != 3)) {
        return rin_error_set(error, RIN_ERR_ARG,
                             "cannot write '%s' with %d x %d pixels of %d channels; allowed are sides of 1 to %d "
                             "and 1 or 3 channels",
                             path, width, height, channels, RIN_IMAGE_MAX_SIDE);
    }
    png_job job = {.pixels = pixels, .width = width, .height = height, .channels = channels, .error = error};
    job.status = take_texts(&job, texts, n_texts);
    if (job.status == RIN_OK) job.status = rin_atomic_open(&job.file, path, error);
    if (job.status == RIN_OK) {
        job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
        job.info = job.png ? png_create_info_struct(job.png) : NULL;
        if (job.info) write_or_escape(&job);
        else job.status = rin_error_set(error, RIN_ERR_MEMORY, "out of memory for the PNG encoder");
    }
    if (job.status == RIN_OK) job.status = rin_atomic_commit(&job.file, error);
    else rin_atomic_abort(&job.file);
    png_destroy_write_struct(&job.png, &job.info);
    rin_free(job.texts);
    return job.status;
}
