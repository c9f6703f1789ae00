/* SPDX-License-Identifier: MIT */
/* png: decoding with libpng, and texts of a file without its picture. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "image/decode.h"

enum {
    MAX_CHUNK_BYTES = 8 << 20, /* text, profiles and the like may inflate to this much */
    MAX_TEXTS = 64,            /* those after them are not looked at */
    MAX_TEXTS_BYTES = 64 << 20 /* what libpng may ask for in all, to find a text */
};

typedef struct png_job {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t n, at;
    size_t allowed;     /* bytes that libpng may still ask for; 0: any number of chunks */
    bool too_much;      /* it asked for more */
    bool out_of_memory; /* also where libpng went on without what it wanted to keep */
    rin_status status;
    rin_error *error;
    /* of a picture */
    png_bytep *rows;
    rin_alpha alpha;
    rin_image *image;
    int *orientation;
    /* of a text */
    const char *key;
    char **text;
} png_job;

/* ---- libpng's callbacks ---- */

static void on_error(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    if (!job->out_of_memory) job->status = rin_error_set(job->error, RIN_ERR_FORMAT, "damaged or cut: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n) {
    png_job *job = png_get_io_ptr(png);
    if (n > job->n - job->at) png_error(png, "the data ends too early");
    memcpy(to, job->bytes + job->at, n);
    job->at += n;
}

/* libpng merely warns of a chunk above its limit, and makes room for an eXIf chunk of any length that a file claims. */
static png_voidp on_alloc(png_structp png, png_alloc_size_t n) {
    png_job *job = png_get_mem_ptr(png);
    if (n > MAX_CHUNK_BYTES) return NULL;
    if (job->allowed && n >= job->allowed) {
        job->too_much = true;
        return NULL;
    }
    if (job->allowed) job->allowed -= n;
    void *memory = rin_calloc(n, 1, NULL);
    if (!memory) job->out_of_memory = true;
    return memory;
}

static void on_free(png_structp png, png_voidp memory) {
    (void)png;
    rin_free(memory);
}

/* ---- decoding ---- */

/* Big-endian samples become the machine's own, alpha is laid over white; from and to are the same memory. */
static void settle_16(uint8_t *samples, size_t n, int colours, bool has_alpha) {
    const uint8_t *from = samples;
    size_t stride = 2 * ((size_t)colours + has_alpha);
    for (size_t i = 0; i < n; i++, from += stride) {
        uint64_t alpha = has_alpha ? (uint64_t)from[2 * colours] << 8 | from[2 * colours + 1] : 65535;
        for (int c = 0; c < colours; c++) {
            uint64_t value = (uint64_t)from[2 * c] << 8 | from[2 * c + 1];
            uint16_t settled = (uint16_t)((value * alpha + 65535 * (65535 - alpha) + 32767) / 65535);
            memcpy(samples + 2 * (i * (size_t)colours + (size_t)c), &settled, sizeof settled);
        }
    }
}

/* Asks libpng for grey or RGB, alpha where the file has any and it is wanted, 8 or 16 bits. */
static void choose_output(png_job *job) {
    int type = png_get_color_type(job->png, job->info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(job->png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(job->png);
    if (job->alpha == RIN_ALPHA_DROPPED) png_set_strip_alpha(job->png);
    else if (png_get_valid(job->png, job->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(job->png);
    (void)png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
}

static void read_orientation(png_job *job) {
#ifdef PNG_eXIf_SUPPORTED
    png_bytep exif = NULL;
    png_uint_32 n = 0;
    if (png_get_eXIf_1(job->png, job->info, &n, &exif) && exif) *job->orientation = rin_exif_orientation(exif, n);
#else
    (void)job;
#endif
}

/* The picture's memory first holds what libpng gives, alpha included, and is then settled in place. */
static rin_status decode(png_job *job) {
    png_read_info(job->png, job->info);
    uint32_t width = png_get_image_width(job->png, job->info), height = png_get_image_height(job->png, job->info);
    rin_status status = rin_image_check_size(width, height, job->error);
    if (status != RIN_OK) return status;
    choose_output(job);
    int channels = png_get_channels(job->png, job->info), depth = png_get_bit_depth(job->png, job->info) / 8;
    int colours = channels >= 3 ? 3 : 1;
    status = rin_image_create(job->image, (int)width, (int)height, channels, depth, job->error);
    if (status != RIN_OK) return status;
    job->rows = rin_calloc(height, sizeof *job->rows, job->error);
    if (!job->rows) return RIN_ERR_MEMORY;
    uint8_t *samples = job->image->samples;
    size_t stride = (size_t)width * (size_t)(channels * depth);
    for (uint32_t y = 0; y < height; y++) job->rows[y] = samples + y * stride;
    png_read_image(job->png, job->rows);
    png_read_end(job->png, job->info);
    read_orientation(job);
    size_t n = (size_t)width * height;
    if (depth == 2) settle_16(samples, n, colours, channels > colours);
    else if (channels > colours) rin_over_white(samples, n, colours, samples);
    job->image->channels = colours;
    return RIN_OK;
}

/* ---- texts ---- */

static rin_status find_text(png_job *job) {
    png_textp texts = NULL;
    int n = 0, i = 0;
    png_read_info(job->png, job->info);
    (void)png_get_text(job->png, job->info, &texts, &n);
    while (i < n && strcmp(texts[i].key, job->key) != 0) i++;
    if (i == n) return RIN_OK;
    size_t length = texts[i].text ? strlen(texts[i].text) : 0;
    if (length > RIN_PNG_MOST_TEXT)
        return rin_error_set(job->error, RIN_ERR_FORMAT, "its text '%s' has %zu bytes; allowed are %d", job->key,
                             length, RIN_PNG_MOST_TEXT);
    *job->text = rin_strdup(length ? texts[i].text : "", job->error);
    return *job->text ? RIN_OK : RIN_ERR_MEMORY;
}

/* ---- both ---- */

/* Chunks that are not used, and kept by the hundreds could fill the memory. */
static void leave_out(const png_job *job) {
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    static const png_byte unused[] = "sPLT\0iCCP\0hIST\0pCAL\0sCAL\0tEXt\0zTXt\0iTXt";
    enum { NAME_BYTES = 5, N_TEXTS = 3 };
    int n = (int)(sizeof unused / NAME_BYTES);
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, unused, job->key ? n - N_TEXTS : n);
#else
    (void)job;
#endif
}

/* Apart from its caller, so that no local variable lives across the jump. */
static void run_or_escape(png_job *job) {
    if (setjmp(png_jmpbuf(job->png))) return;
    png_set_read_fn(job->png, job, on_read);
    png_set_user_limits(job->png, RIN_IMAGE_MAX_SIDE, RIN_IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(job->png, MAX_CHUNK_BYTES);
    leave_out(job);
    if (job->key) {
        png_set_chunk_cache_max(job->png, MAX_TEXTS);
        png_set_crc_action(job->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    }
    job->status = job->key ? find_text(job) : decode(job);
}

static void run(png_job *job) {
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, on_alloc, on_free);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    if (job->info) run_or_escape(job);
    if (!job->info || job->out_of_memory)
        job->status = rin_error_set(job->error, RIN_ERR_MEMORY, "out of memory for the decoder");
    png_destroy_read_struct(&job->png, &job->info, NULL);
}

rin_status rin_png_decode(const uint8_t *bytes, size_t n, rin_alpha alpha, rin_image *out, int *orientation,
                          rin_error *error) {
    png_job job = {.bytes = bytes, .n = n, .alpha = alpha, .image = out, .orientation = orientation, .error = error};
    run(&job);
    rin_free(job.rows);
    if (job.status != RIN_OK) rin_image_clear(out);
    return job.status;
}

rin_status rin_image_png_text(const void *bytes, size_t n, const char *key, char **text, rin_error *error) {
    enum { SIGNATURE = 8 };
    *text = NULL;
    if (n < SIGNATURE || png_sig_cmp((png_const_bytep)bytes, 0, SIGNATURE) != 0)
        return rin_error_set(error, RIN_ERR_FORMAT, "this is no PNG file");
    png_job job = {.bytes = bytes, .n = n, .allowed = MAX_TEXTS_BYTES, .key = key, .text = text, .error = error};
    run(&job);
    if (job.too_much && !job.out_of_memory)
        job.status = rin_error_set(error, RIN_ERR_FORMAT, "its texts and the like take more than the %d bytes allowed",
                                   MAX_TEXTS_BYTES);
    if (job.status != RIN_OK) {
        rin_free(*text);
        *text = NULL;
    }
    return job.status;
}
