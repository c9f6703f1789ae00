/* SPDX-License-Identifier: MIT */
/* npz_write: writes .npz files. libarchive packs them; without times and owners, so that a file is the same anywhere.
 */
#include <errno.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "npz/npy.h"

/* Below the 4 GiB where zip programs need its extension, with room for what deflate adds to data that do not pack. */
static const uint64_t most_bytes = (uint64_t)4000 << 20;

typedef struct writing {
    rin_atomic_file file;
    struct archive *stream;
    struct archive_entry *entry;
    rin_error error; /* of the file itself */
} writing;

/* ---- what is to be written ---- */

static bool is_usable_name(const char *name) {
    const size_t n = name ? strlen(name) : 0;
    bool usable = n > 0 && n < RIN_NPZ_LONGEST_NAME;
    for (size_t i = 0; i < n && usable; i++) usable = name[i] > ' ' && name[i] <= '~' && name[i] != '/';
    return usable;
}

/* Bytes of the numbers. */
static rin_status measure(const rin_npz_item *item, uint64_t *bytes, rin_error *error) {
    *bytes = item->values ? sizeof *item->values : 1;
    if (!is_usable_name(item->name))
        return rin_error_set(error, RIN_ERR_ARG, "an array's name must be 1 to %d letters, digits and signs of ASCII",
                             RIN_NPZ_LONGEST_NAME - 1);
    if (!item->values == !item->bytes)
        return rin_error_set(error, RIN_ERR_ARG, "array '%s' must have either values or bytes", item->name);
    if (item->rank < 0 || item->rank > RIN_NPZ_MOST_RANK)
        return rin_error_set(error, RIN_ERR_ARG, "array '%s' has %d dimensions; allowed: 0 to %d", item->name,
                             item->rank, RIN_NPZ_MOST_RANK);
    for (int i = 0; i < item->rank; i++) {
        const int64_t dimension = item->shape[i];
        if (dimension < 0 || (uint64_t)dimension > most_bytes)
            return rin_error_set(error, RIN_ERR_ARG, "array '%s': dimension %d is %lld; allowed: 0 to %llu", item->name,
                                 i, (long long)dimension, (unsigned long long)most_bytes);
        if (dimension && *bytes > most_bytes / (uint64_t)dimension)
            return rin_error_set(error, RIN_ERR_ARG, "array '%s' takes more than the %llu bytes allowed in a .npz",
                                 item->name, (unsigned long long)most_bytes);
        *bytes *= (uint64_t)dimension;
    }
    return RIN_OK;
}

static rin_status check_items(const rin_npz_item *items, int n_items, rin_error *error) {
    uint64_t total = 0;
    for (int i = 0; i < n_items; i++) {
        uint64_t bytes;
        rin_status status = measure(&items[i], &bytes, error);
        if (status != RIN_OK) return status;
        for (int k = 0; k < i; k++) {
            if (strcmp(items[k].name, items[i].name) == 0)
                return rin_error_set(error, RIN_ERR_ARG, "two arrays are called '%s'", items[i].name);
        }
        total += bytes;
        if (total > most_bytes)
            return rin_error_set(error, RIN_ERR_ARG, "the arrays take more than the %llu bytes allowed in a .npz",
                                 (unsigned long long)most_bytes);
    }
    return RIN_OK;
}

/* ---- writing ---- */

static la_ssize_t take(struct archive *stream, void *user, const void *bytes, size_t n) {
    writing *w = user;
    if (w->error.code == RIN_OK && rin_atomic_write(&w->file, bytes, n, &w->error) == RIN_OK) return (la_ssize_t)n;
    archive_set_error(stream, EIO, "%s", w->error.text);
    return -1;
}

static rin_status refused(writing *w, rin_error *error) {
    const char *reason = archive_error_string(w->stream);
    if (w->error.code != RIN_OK) {
        if (error) *error = w->error;
        return w->error.code;
    }
    rin_status code = archive_errno(w->stream) == ENOMEM ? RIN_ERR_MEMORY : RIN_ERR_IO;
    return rin_error_set(error, code, "cannot write '%.300s': %s", w->file.path, reason ? reason : "no reason given");
}

static rin_status put(writing *w, const void *bytes, size_t n, rin_error *error) {
    enum { PART = 1 << 20 };
    const char *at = bytes;
    while (n) {
        const size_t part = RIN_MIN(n, (size_t)PART);
        if (archive_write_data(w->stream, at, part) != (la_ssize_t)part) return refused(w, error);
        at += part;
        n -= part;
    }
    return RIN_OK;
}

static rin_status write_item(writing *w, const rin_npz_item *item, rin_error *error) {
    char name[RIN_NPZ_LONGEST_NAME + sizeof ".npy"];
    uint8_t header[RIN_NPY_MOST_WRITTEN];
    uint64_t bytes;
    rin_status status = measure(item, &bytes, error);
    if (status != RIN_OK) return status;
    const size_t n = rin_npy_format(item->values ? "<f8" : "|u1", item->shape, item->rank, 0, header);
    snprintf(name, sizeof name, "%s.npy", item->name);
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, 0644);
    archive_entry_set_size(w->entry, (la_int64_t)(n + bytes));
    if (archive_write_header(w->stream, w->entry) != ARCHIVE_OK) return refused(w, error);
    status = put(w, header, n, error);
    if (status == RIN_OK) status = put(w, item->values ? (const void *)item->values : item->bytes, bytes, error);
    if (status == RIN_OK && archive_write_finish_entry(w->stream) != ARCHIVE_OK) status = refused(w, error);
    return status;
}

static rin_status open_stream(writing *w, rin_error *error) {
    w->stream = archive_write_new();
    w->entry = archive_entry_new();
    if (!w->stream || !w->entry) return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for libarchive");
    bool ready = archive_write_set_format_zip(w->stream) == ARCHIVE_OK &&
                 archive_write_zip_set_compression_deflate(w->stream) == ARCHIVE_OK &&
                 archive_write_set_bytes_in_last_block(w->stream, 1) == ARCHIVE_OK && /* nothing is added */
                 archive_write_open(w->stream, w, NULL, take, NULL) == ARCHIVE_OK;
    return ready ? RIN_OK : refused(w, error);
}

rin_status rin_npz_write(const char *path, const rin_npz_item *items, int n_items, rin_error *error) {
    writing w = {0};
    rin_status status = check_items(items, n_items, error);
    if (status != RIN_OK) return status;
    status = rin_atomic_open(&w.file, path, error);
    if (status != RIN_OK) return status;
    status = open_stream(&w, error);
    for (int i = 0; i < n_items && status == RIN_OK; i++) status = write_item(&w, &items[i], error);
    if (status == RIN_OK && archive_write_close(w.stream) != ARCHIVE_OK) status = refused(&w, error);
    if (status != RIN_OK && w.stream) archive_write_fail(w.stream); /* or freeing it would write the rest */
    archive_entry_free(w.entry);
    if (w.stream) archive_write_free(w.stream);
    if (status == RIN_OK) status = rin_atomic_commit(&w.file, error);
    else rin_atomic_abort(&w.file);
    return status;
}
