/* SPDX-License-Identifier: MIT */
/* archive: files in a tar or zip archive, kept in memory as they are. Nothing is ever unpacked to disk. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "data/source.h"

enum { BLOCK_BYTES = 1 << 16, FIRST_BYTES = 1 << 14, MAX_NAME = 4096, MAX_HEADER_BYTES = 1 << 20 };

typedef struct blob {
    char *bytes;
    size_t n;
} blob;

/* A second name of a file that came before it. */
typedef struct hard_link {
    char *name, *target;
} hard_link;

/* Item keys are indices of blobs. */
typedef struct archive_source {
    blob *blobs;
    size_t n_blobs, capacity;
    size_t used, limit; /* memory in bytes */
    size_t n_nameless;  /* entries left out because their names cannot be read */
    hard_link *links;   /* until everything is listed */
    size_t n_links, links_capacity;
    size_t n_symbolic; /* links left out because they are not followed */
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
    for (size_t i = 0; i < s->n_links; i++) {
        rin_free(s->links[i].name);
        rin_free(s->links[i].target);
    }
    rin_free(s->links);
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

/*
 * A zip is read by one stream of libarchive, a tar by two: one undoes the compression and its output is read by the
 * other, so that what a single header takes is bounded: maps of sparse files, which libarchive keeps in memory,
 * compress well.
 */
typedef struct feed {
    rin_input input;
    uint64_t offset;
    rin_source_request *request;
    const rin_items *items;
    rin_error error; /* of the file itself, or the wish to stop */
    char block[BLOCK_BYTES];
    struct archive *unpacker, *entries; /* unpacker: of a tar, else NULL */
    char unpacked[BLOCK_BYTES];         /* the last block of */
    size_t n_last;                      /* ... of so many bytes */
    uint64_t n_unpacked;                /* in all */
    bool is_empty, in_header;
    size_t header_bytes;
    locale_t names, callers; /* names: to read names by, 0 where there is none; callers: of this thread otherwise */
} feed;

/* Progress is the caller's own code. */
static rin_status go_on(feed *f, rin_error *error) {
    if (f->names) uselocale(f->callers);
    rin_status status = rin_source_go_on(f->request, f->items, error);
    if (f->names) uselocale(f->names);
    return status;
}

static la_ssize_t feed_read(struct archive *stream, void *user, const void **block) {
    feed *f = user;
    size_t n = (size_t)RIN_MIN(f->input.bytes - f->offset, (uint64_t)BLOCK_BYTES);
    *block = f->block;
    if (go_on(f, &f->error) != RIN_OK || rin_input_read(&f->input, f->offset, f->block, n, &f->error) != RIN_OK) {
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

/* Of a tar. */
static la_ssize_t unpack_read(struct archive *stream, void *user, const void **block) {
    feed *f = user;
    la_ssize_t n = f->is_empty ? 0 : archive_read_data(f->unpacker, f->unpacked, BLOCK_BYTES);
    *block = f->unpacked;
    if (n < 0) {
        const char *reason = archive_error_string(f->unpacker);
        archive_set_error(stream, archive_errno(f->unpacker), "%s", reason ? reason : "no reason given");
        return ARCHIVE_FATAL;
    }
    f->n_unpacked += (uint64_t)n;
    if (n) f->n_last = (size_t)n;
    if (f->in_header) f->header_bytes += (size_t)n;
    if (f->header_bytes <= MAX_HEADER_BYTES) return n;
    archive_set_error(stream, EILSEQ, "an entry's header takes more than %d bytes", MAX_HEADER_BYTES);
    return ARCHIVE_FATAL;
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
                         "its files take more than the %zu bytes of memory allowed; unpack it and give the folder",
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

/* ---- links ---- */

static rin_status keep_link(archive_source *s, const char *name, const char *target, rin_error *error) {
    if (s->n_links == s->links_capacity) {
        size_t capacity = RIN_MAX(2 * s->links_capacity, 64);
        hard_link *grown = rin_realloc(s->links, capacity, sizeof *grown, error);
        if (!grown) return RIN_ERR_MEMORY;
        s->links = grown;
        s->links_capacity = capacity;
    }
    s->used += strlen(name) + strlen(target) + sizeof(hard_link);
    if (s->used > s->limit) return too_large(s, error);
    hard_link *link = &s->links[s->n_links++];
    *link = (hard_link){.name = rin_strdup(name, error), .target = rin_strdup(target, error)};
    return link->name && link->target ? RIN_OK : RIN_ERR_MEMORY;
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const rin_item *)left)->name, ((const rin_item *)right)->name);
}

/* Links to files that are items are items, with the same bytes. */
static rin_status add_links(archive_source *s, rin_items *items, rin_error *error) {
    size_t n = items->n;
    if (!s->n_links) return RIN_OK;
    rin_item *sorted = rin_calloc(n, sizeof *sorted, error);
    if (!sorted) return RIN_ERR_MEMORY;
    if (n) memcpy(sorted, items->items, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_names);
    rin_status status = RIN_OK;
    for (size_t i = 0; i < s->n_links && status == RIN_OK; i++) {
        const rin_item wanted = {.name = s->links[i].target};
        const rin_item *found = n ? bsearch(&wanted, sorted, n, sizeof *sorted, compare_names) : NULL;
        if (found) status = rin_items_add(items, s->links[i].name, found->key, -1, error);
        else rin_items_leave_out(items, s->links[i].name);
    }
    rin_free(sorted);
    return status;
}

static rin_status take_link(archive_source *s, struct archive_entry *entry, const char *name, rin_items *items,
                            rin_error *error) {
    char target[MAX_NAME];
    const char *stored = archive_entry_hardlink_utf8(entry);
    if (!stored) stored = archive_entry_hardlink(entry);
    if (!rin_items_wants(items, name)) return RIN_OK;
    if (clean_name(stored, target)) return keep_link(s, name, target, error);
    rin_items_leave_out(items, name);
    return RIN_OK;
}

/* ---- entries ---- */

static rin_status take_entry(archive_source *s, struct archive *stream, struct archive_entry *entry, rin_items *items,
                             rin_error *error) {
    char name[MAX_NAME];
    const char *stored = name_of(entry);
    if (archive_entry_filetype(entry) == AE_IFDIR) return RIN_OK;
    if (!stored || !clean_name(stored, name)) {
        s->n_nameless++;
        rin_items_leave_out(items, "(no usable name)");
        return RIN_OK;
    }
    if (archive_entry_hardlink(entry)) return take_link(s, entry, name, items, error);
    /* The holes of a sparse file would be read as zeros, of any number. */
    bool whole = archive_entry_filetype(entry) == AE_IFREG && archive_entry_sparse_count(entry) == 0;
    if (archive_entry_filetype(entry) == AE_IFLNK) s->n_symbolic++;
    if (!whole) {
        rin_items_leave_out(items, name);
        return RIN_OK;
    }
    if (!rin_items_wants(items, name)) return RIN_OK;
    rin_status status = add_blob(s, stream, name, error);
    return status == RIN_OK ? rin_items_add(items, name, s->n_blobs - 1, -1, error) : status;
}

static rin_status read_all(archive_source *s, feed *f, rin_items *items, rin_error *error) {
    for (;;) {
        struct archive_entry *entry;
        f->header_bytes = 0;
        f->in_header = true;
        int code = archive_read_next_header(f->entries, &entry);
        f->in_header = false;
        if (code == ARCHIVE_EOF) return RIN_OK;
        if (code == ARCHIVE_RETRY || code < ARCHIVE_WARN) return stream_error(f->entries, "damaged or cut", error);
        rin_status status = go_on(f, error);
        if (status == RIN_OK) status = take_entry(s, f->entries, entry, items, error);
        if (status != RIN_OK) return status;
        /* What is left of it is no part of the next header. */
        if (archive_read_data_skip(f->entries) < ARCHIVE_WARN) return stream_error(f->entries, "damaged or cut", error);
    }
}

/* Whether something follows the mark that ends a tar, as it does when several are joined by cat. */
static bool has_more(feed *f) {
    uint64_t used = (uint64_t)archive_filter_bytes(f->entries, -1);
    size_t left = (size_t)RIN_MIN(f->n_unpacked - RIN_MIN(used, f->n_unpacked), f->n_last);
    const char *at = f->unpacked + f->n_last - left;
    for (la_ssize_t n = (la_ssize_t)left; n > 0; at = f->unpacked) {
        for (la_ssize_t i = 0; i < n; i++) {
            if (at[i]) return true;
        }
        n = archive_read_data(f->unpacker, f->unpacked, BLOCK_BYTES);
    }
    return false;
}

static rin_status new_stream(struct archive **out, rin_error *error) {
    *out = archive_read_new();
    return *out ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "out of memory for libarchive");
}

/* A stream over the file itself. */
static rin_status open_file(feed *f, struct archive *stream, rin_error *error) {
    archive_read_set_callback_data(stream, f);
    archive_read_set_read_callback(stream, feed_read);
    archive_read_set_skip_callback(stream, feed_skip);
    archive_read_set_seek_callback(stream, feed_seek);
    return archive_read_open1(stream) == ARCHIVE_OK ? RIN_OK : stream_error(stream, "cannot be opened", error);
}

static rin_status open_tar(feed *f, rin_error *error) {
    struct archive_entry *whole;
    rin_status status = new_stream(&f->unpacker, error);
    if (status == RIN_OK) status = new_stream(&f->entries, error);
    if (status != RIN_OK) return status;
    archive_read_support_format_raw(f->unpacker);
    archive_read_support_format_empty(f->unpacker);
    archive_read_support_filter_gzip(f->unpacker);
    archive_read_support_filter_xz(f->unpacker);
    status = open_file(f, f->unpacker, error);
    if (status != RIN_OK) return status;
    int code = archive_read_next_header(f->unpacker, &whole);
    f->is_empty = code == ARCHIVE_EOF;
    if (code == ARCHIVE_RETRY || code < ARCHIVE_WARN) return stream_error(f->unpacker, "cannot be opened", error);
    archive_read_support_format_tar(f->entries);
    archive_read_set_callback_data(f->entries, f);
    archive_read_set_read_callback(f->entries, unpack_read);
    return archive_read_open1(f->entries) == ARCHIVE_OK ? RIN_OK : stream_error(f->entries, "cannot be opened", error);
}

static rin_status open_zip(feed *f, rin_error *error) {
    rin_status status = new_stream(&f->entries, error);
    if (status != RIN_OK) return status;
    archive_read_support_format_zip(f->entries);
    return open_file(f, f->entries, error);
}

/* By its content; one that a program to unpack it precedes, by its name. */
static rin_status is_zip(const feed *f, bool *yes, rin_error *error) {
    char start[2];
    *yes = rin_has_suffix(f->request->path, ".zip");
    if (*yes || f->input.bytes < sizeof start) return RIN_OK;
    rin_status status = rin_input_read(&f->input, 0, start, sizeof start, error);
    *yes = status == RIN_OK && memcmp(start, "PK", sizeof start) == 0;
    return status;
}

static rin_status read_file(archive_source *s, feed *f, rin_items *items, rin_error *error) {
    const char *path = f->request->path;
    rin_status status = rin_input_open(&f->input, path, error);
    bool zip = false;
    if (status == RIN_OK) status = is_zip(f, &zip, error);
    if (status == RIN_OK) status = zip ? open_zip(f, error) : open_tar(f, error);
    if (status == RIN_OK) status = read_all(s, f, items, error);
    if (status == RIN_OK) status = add_links(s, items, error);
    if (status == RIN_OK && f->unpacker && has_more(f))
        rin_log_write(
            f->request->log, RIN_LOG_WARNING,
            "there is more behind the end of archive '%s': of archives that were joined by cat only the first "
            "is read",
            path);
    if (status != RIN_OK && f->error.code != RIN_OK) {
        status = f->error.code;
        if (error) *error = f->error;
    }
    if (f->entries) archive_read_free(f->entries);
    if (f->unpacker) archive_read_free(f->unpacker);
    rin_input_close(&f->input);
    return status == RIN_OK ? status : rin_error_prefix(error, status, "archive '%s'", path);
}

/* libarchive reads names by the locale of the thread, in which only a UTF-8 one has all of them. */
static rin_status read_in_utf8(archive_source *s, rin_source_request *request, rin_items *items, rin_error *error) {
    feed *f = rin_calloc(1, sizeof *f, error);
    if (!f) return RIN_ERR_MEMORY;
    f->request = request;
    f->items = items;
    f->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (f->names) f->callers = uselocale(f->names);
    rin_status status = read_file(s, f, items, error);
    if (f->names) uselocale(f->callers);
    if (f->names) freelocale(f->names);
    rin_free(f);
    return status;
}

static rin_status archive_open(rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    *source = NULL;
    archive_source *s = rin_calloc(1, sizeof *s, error);
    if (!s) return RIN_ERR_MEMORY;
    s->limit = request->memory_bytes;
    rin_status status = read_in_utf8(s, request, items, error);
    if (status == RIN_OK) {
        if (s->n_nameless)
            rin_log_write(request->log, RIN_LOG_WARNING, "left out %zu files whose names cannot be read",
                          s->n_nameless);
        if (s->n_symbolic)
            rin_log_write(request->log, RIN_LOG_WARNING,
                          "left out %zu symbolic links, which are not followed in archives: tar's --dereference stores "
                          "what they lead to",
                          s->n_symbolic);
        rin_items_strip_top(items, request->log);
        status = rin_items_arrange(items, request->log, error);
    }
    if (status == RIN_OK) *source = s;
    else archive_close(s);
    return status;
}

static rin_status archive_file(const void *source, const rin_item *item, rin_input *out, rin_error *error) {
    const archive_source *s = source;
    (void)error;
    *out = rin_input_of_memory(s->blobs[item->key].bytes, s->blobs[item->key].n);
    return RIN_OK;
}

const rin_source_kind rin_source_archive = {
    .name = "archive",
    .accepts = "a .tar, .tar.gz, .tgz, .tar.xz, .txz or .zip archive of such a folder",
    .accepts_video = "a .tar, .tar.gz, .tgz, .tar.xz, .txz or .zip archive of such a folder",
    .probe = archive_probe,
    .open = archive_open,
    .file = archive_file,
    .close = archive_close,
};
