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

static bool archive_probe(const char *path) {
    static const char *const suffixes[] = {".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".zip"};
    if (rin_path_is_dir(path)) return false;
    for (size_t i = 0; i < RIN_COUNT(suffixes); i++) {
        if (rin_has_suffix(path, suffixes[i])) return true;
    }
    return false;
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

/* ---- reading ---- */

/* What libarchive says: IO when the file cannot be had, FORMAT when its data is at fault. */
static rin_status stream_error(struct archive *stream, const char *what, rin_error *error) {
    const char *reason = archive_error_string(stream);
    bool no_file = archive_errno(stream) == ENOENT || archive_errno(stream) == EACCES || archive_errno(stream) == EIO;
    return rin_error_set(error, no_file ? RIN_ERR_IO : RIN_ERR_FORMAT, "%s: %s", what,
                         reason ? reason : "no reason given");
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
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
        rin_items_leave_out(items, name);
        return RIN_OK;
    }
    if (!rin_items_wants(items, name)) return RIN_OK;
    rin_status status = add_blob(s, stream, name, error);
    return status == RIN_OK ? rin_items_add(items, name, s->n_blobs - 1, -1, error) : status;
}

static rin_status read_all(archive_source *s, struct archive *stream, const char *path, rin_items *items,
                           rin_error *error) {
    if (archive_read_open_filename(stream, path, BLOCK_BYTES) != ARCHIVE_OK) {
        return stream_error(stream, "cannot be opened", error);
    }
    for (;;) {
        struct archive_entry *entry;
        int code = archive_read_next_header(stream, &entry);
        if (code == ARCHIVE_EOF) return RIN_OK;
        if (code < ARCHIVE_WARN) return stream_error(stream, "damaged or cut", error);
        rin_status status = take_entry(s, stream, entry, items, error);
        if (status != RIN_OK) return status;
    }
}

static rin_status archive_open(const rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    *source = NULL;
    rin_status status = RIN_OK;
    archive_source *s = rin_calloc(1, sizeof *s, error);
    struct archive *stream = archive_read_new();
    if (!s || !stream) {
        status = rin_error_set(error, RIN_ERR_MEMORY, "out of memory for reading an archive");
        goto done;
    }
    s->limit = request->memory_bytes;
    archive_read_support_format_tar(stream);
    archive_read_support_format_zip(stream);
    archive_read_support_filter_gzip(stream);
    archive_read_support_filter_xz(stream);
    status = read_all(s, stream, request->path, items, error);
    if (status != RIN_OK) {
        status = rin_error_prefix(error, status, "archive '%s'", request->path);
        goto done;
    }
    rin_items_strip_top(items, request->log);
    status = rin_items_classify(items, request->log, error);
done:
    if (stream) archive_read_free(stream);
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
