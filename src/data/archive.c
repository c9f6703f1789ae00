/* SPDX-License-Identifier: MIT */
/* archive: images in a tar or zip archive, kept in memory as they are. Nothing is ever unpacked to disk. */
#include <errno.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "data/source.h"

enum { BLOCK_BYTES = 1 << 16, FIRST_BYTES = 1 << 14, MAX_NAME = 4096 };

typedef struct blob {
    char *bytes;
    size_t n;
} blob;

/* Item keys are indices of blobs. */
typedef struct archive_source {
    blob *blobs;
    size_t n_blobs, capacity;
    size_t used, limit; /* memory in bytes */
} archive_source;

static rin_status archive_probe(const char *path, bool *fits, rin_error *error) {
    static const char *const suffixes[] = {".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".zip"};
    (void)error;
    *fits = false;
    for (size_t i = 0; i < RIN_COUNT(suffixes) && !rin_path_is_dir(path); i++) {
        if (rin_has_suffix(path, suffixes[i])) *fits = true;
    }
    return RIN_OK;
}

static void archive_close(void *source) {
    archive_source *s = source;
    if (!s) return;
    for (size_t i = 0; i < s->n_blobs; i++) rin_free(s->blobs[i].bytes);
    rin_free(s->blobs);
    rin_free(s);
}

/* Copies an entry's name without empty and "." parts and without control characters. False when it does not fit. */
static bool clean_name(const char *name, char out[MAX_NAME]) {
    size_t n = 0;
    while (*name) {
        size_t length = strcspn(name, "/");
        bool counts = length > 0 && !(length == 1 && *name == '.');
        if (counts && n + length + 2 > MAX_NAME) return false;
        if (counts && n > 0) out[n++] = '/';
        for (size_t i = 0; counts && i < length; i++) {
            unsigned char c = (unsigned char)name[i];
            out[n++] = c < ' ' || c == 0x7F ? '?' : name[i];
        }
        name += length;
        if (*name) name++;
    }
    out[n] = '\0';
    return n > 0;
}

static const char *name_of(struct archive_entry *entry) {
    const char *name = archive_entry_pathname_utf8(entry);
    return name ? name : archive_entry_pathname(entry);
}

/* ---- the file, as libarchive asks for it ---- */

typedef struct feed {
    rin_input input;
    uint64_t offset;
    rin_source_request *request;
    const rin_items *items;
    rin_error error; /* of the file itself, or the wish to stop */
    char block[BLOCK_BYTES];
} feed;

static la_ssize_t feed_read(struct archive *stream, void *user, const void **block) {
    feed *f = user;
    size_t n = (size_t)RIN_MIN(f->input.bytes - f->offset, (uint64_t)BLOCK_BYTES);
    *block = f->block;
    if (rin_source_go_on(f->request, f->items, &f->error) != RIN_OK ||
        rin_input_read(&f->input, f->offset, f->block, n, &f->error) != RIN_OK) {
        archive_set_error(stream, EIO, "%s", f->error.text);
        return ARCHIVE_FATAL;
    }
    f->offset += n;
    return (la_ssize_t)n;
}

static la_int64_t feed_skip(struct archive *stream, void *user, la_int64_t wanted) {
    feed *f = user;
    (void)stream;
    uint64_t n = RIN_MIN((uint64_t)RIN_MAX(wanted, 0), f->input.bytes - f->offset);
    f->offset += n;
    return (la_int64_t)n;
}

static la_int64_t feed_seek(struct archive *stream, void *user, la_int64_t offset, int whence) {
    feed *f = user;
    (void)stream;
    int64_t bytes = (int64_t)f->input.bytes, from = whence == SEEK_SET   ? 0
                                                    : whence == SEEK_CUR ? (int64_t)f->offset
                                                                         : bytes;
    if (offset < -from || offset > bytes - from) return ARCHIVE_FATAL;
    f->offset = (uint64_t)(from + offset);
    return (la_int64_t)f->offset;
}

/* ---- reading ---- */

/* What libarchive says. */
static rin_status stream_error(struct archive *stream, const char *what, rin_error *error) {
    const char *reason = archive_error_string(stream);
    rin_status code = archive_errno(stream) == EIO      ? RIN_ERR_IO
                      : archive_errno(stream) == ENOMEM ? RIN_ERR_MEMORY
                                                        : RIN_ERR_FORMAT;
    return rin_error_set(error, code, "%s: %s", what, reason ? reason : "no reason given");
}

static rin_status too_large(const archive_source *s, rin_error *error) {
    return rin_error_set(error, RIN_ERR_MEMORY,
                         "its images take more than the %zu bytes of memory allowed; unpack it and give the folder",
                         s->limit);
}

/* Makes room for at least one byte more. */
static rin_status grow(const archive_source *s, blob *b, size_t *capacity, rin_error *error) {
    size_t allowed = RIN_MIN(RIN_MAX_ITEM_BYTES, s->limit - s->used);
    if (*capacity >= allowed) {
        if (allowed < RIN_MAX_ITEM_BYTES) return too_large(s, error);
        return rin_error_set(error, RIN_ERR_FORMAT, "it is larger than the %zu bytes allowed", RIN_MAX_ITEM_BYTES);
    }
    size_t wanted = RIN_MIN(RIN_MAX(2 * *capacity, FIRST_BYTES), allowed);
    char *grown = rin_realloc(b->bytes, wanted, 1, error);
    if (!grown) return RIN_ERR_MEMORY;
    b->bytes = grown;
    *capacity = wanted;
    return RIN_OK;
}

/* The size an entry claims is not trusted: memory grows as data comes. */
static rin_status read_blob(const archive_source *s, struct archive *stream, blob *b, rin_error *error) {
    size_t capacity = 0;
    for (;;) {
        rin_status status = b->n == capacity ? grow(s, b, &capacity, error) : RIN_OK;
        if (status != RIN_OK) return status;
        la_ssize_t n = archive_read_data(stream, b->bytes + b->n, capacity - b->n);
        if (n < 0) return stream_error(stream, "damaged or encrypted", error);
        if (n == 0) break;
        b->n += (size_t)n;
    }
    char *exact = rin_realloc(b->bytes, b->n, 1, NULL);
    if (exact) b->bytes = exact;
    return RIN_OK;
}

static rin_status add_blob(archive_source *s, struct archive *stream, const char *name, rin_error *error) {
    if (s->n_blobs == s->capacity) {
        size_t capacity = RIN_MAX(2 * s->capacity, 256);
        blob *grown = rin_realloc(s->blobs, capacity, sizeof *grown, error);
        if (!grown) return RIN_ERR_MEMORY;
        s->blobs = grown;
        s->capacity = capacity;
    }
    blob *b = &s->blobs[s->n_blobs++];
    *b = (blob){0};
    s->used += strlen(name) + sizeof(rin_item) + sizeof(blob);
    if (s->used > s->limit) return too_large(s, error);
    rin_status status = read_blob(s, stream, b, error);
    if (status != RIN_OK) return rin_error_prefix(error, status, "entry '%.200s'", name);
    s->used += b->n;
    return RIN_OK;
}

static rin_status take_entry(archive_source *s, struct archive *stream, struct archive_entry *entry, rin_items *items,
                             rin_error *error) {
    char name[MAX_NAME];
    const char *stored = name_of(entry);
    if (archive_entry_filetype(entry) == AE_IFDIR) return RIN_OK;
    if (!stored || !clean_name(stored, name)) {
        rin_items_leave_out(items, "(no usable name)");
        return RIN_OK;
    }
    /* The holes of a sparse file would be read as zeros, of any number. */
    bool whole = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
                 archive_entry_sparse_count(entry) == 0;
    if (!whole) {
        rin_items_leave_out(items, name);
        return RIN_OK;
    }
    if (!rin_items_wants(items, name)) return RIN_OK;
    rin_status status = add_blob(s, stream, name, error);
    return status == RIN_OK ? rin_items_add(items, name, s->n_blobs - 1, -1, error) : status;
}

static rin_status read_all(archive_source *s, struct archive *stream, rin_source_request *request, rin_items *items,
                           rin_error *error) {
    for (;;) {
        struct archive_entry *entry;
        int code = archive_read_next_header(stream, &entry);
        if (code == ARCHIVE_EOF) return RIN_OK;
        if (code == ARCHIVE_RETRY || code < ARCHIVE_WARN) return stream_error(stream, "damaged or cut", error);
        rin_status status = rin_source_go_on(request, items, error);
        if (status == RIN_OK) status = take_entry(s, stream, entry, items, error);
        if (status != RIN_OK) return status;
    }
}

static rin_status open_stream(const char *path, feed *f, struct archive **out, rin_error *error) {
    rin_status status = rin_input_open(&f->input, path, error);
    struct archive *stream = *out = archive_read_new();
    if (status == RIN_OK && !stream) status = rin_error_set(error, RIN_ERR_MEMORY, "out of memory for libarchive");
    if (status != RIN_OK) return status;
    archive_read_support_format_tar(stream);
    archive_read_support_format_zip(stream);
    archive_read_support_filter_gzip(stream);
    archive_read_support_filter_xz(stream);
    archive_read_set_callback_data(stream, f);
    archive_read_set_read_callback(stream, feed_read);
    archive_read_set_skip_callback(stream, feed_skip);
    archive_read_set_seek_callback(stream, feed_seek);
    return archive_read_open1(stream) == ARCHIVE_OK ? RIN_OK : stream_error(stream, "cannot be opened", error);
}

static rin_status archive_open(rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    *source = NULL;
    struct archive *stream = NULL;
    archive_source *s = rin_calloc(1, sizeof *s, error);
    feed *f = rin_calloc(1, sizeof *f, error);
    rin_status status = s && f ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        s->limit = request->memory_bytes;
        f->request = request;
        f->items = items;
        status = open_stream(request->path, f, &stream, error);
        if (status == RIN_OK) status = read_all(s, stream, request, items, error);
        if (status != RIN_OK && f->error.code != RIN_OK) {
            status = f->error.code;
            if (error) *error = f->error;
        }
        if (status != RIN_OK) (void)rin_error_prefix(error, status, "archive '%s'", request->path);
    }
    if (stream) archive_read_free(stream);
    if (f) rin_input_close(&f->input);
    rin_free(f);
    if (status == RIN_OK) {
        rin_items_strip_top(items, request->log);
        status = rin_items_classify(items, request->log, error);
    }
    if (status == RIN_OK) *source = s;
    else archive_close(s);
    return status;
}

static rin_status archive_read(const void *source, const rin_item *item, rin_image *out, rin_error *error) {
    const archive_source *s = source;
    return rin_image_decode(s->blobs[item->key].bytes, s->blobs[item->key].n, out, error);
}

const rin_source_kind rin_source_archive = {
    .name = "archive",
    .accepts = "a .tar, .tar.gz, .tgz, .tar.xz, .txz or .zip archive of such a folder",
    .probe = archive_probe,
    .open = archive_open,
    .read = archive_read,
    .close = archive_close,
};
