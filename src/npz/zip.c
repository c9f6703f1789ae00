/* SPDX-License-Identifier: MIT */
/* zip: members of a zip archive. The directory at the end counts: local headers of numpy's files lack sizes. */
#include <errno.h>
#include <locale.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "npz/zip.h"

enum {
    BLOCK_BYTES = 1 << 16,
    MOST_TIMES = 1032 /* what deflate makes of a byte at most: zlib's technical details */
};

struct rin_zip {
    const rin_input *input;
    uint64_t offset;
    struct archive *stream;
    struct archive_entry *entry;
    locale_t names;  /* to read names by, 0 where there is none */
    rin_error error; /* of the file itself */
    char block[BLOCK_BYTES];
};

bool rin_zip_has_magic(const uint8_t bytes[2]) {
    return bytes[0] == 'P' && bytes[1] == 'K';
}

/* ---- the file, as libarchive asks for it ---- */

static la_ssize_t give(struct archive *stream, void *user, const void **block) {
    rin_zip *zip = user;
    size_t n = (size_t)RIN_MIN(zip->input->bytes - zip->offset, (uint64_t)BLOCK_BYTES);
    *block = zip->block;
    if (rin_input_read(zip->input, zip->offset, zip->block, n, &zip->error) != RIN_OK) {
        archive_set_error(stream, EIO, "%s", zip->error.text);
        return ARCHIVE_FATAL;
    }
    zip->offset += n;
    return (la_ssize_t)n;
}

static la_int64_t skip(struct archive *stream, void *user, la_int64_t wanted) {
    rin_zip *zip = user;
    (void)stream;
    uint64_t n = RIN_MIN((uint64_t)RIN_MAX(wanted, 0), zip->input->bytes - zip->offset);
    zip->offset += n;
    return (la_int64_t)n;
}

static la_int64_t seek(struct archive *stream, void *user, la_int64_t offset, int whence) {
    rin_zip *zip = user;
    (void)stream;
    const int64_t bytes = (int64_t)zip->input->bytes;
    const int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)zip->offset : bytes;
    if (offset < -from || offset > bytes - from) return ARCHIVE_FATAL;
    zip->offset = (uint64_t)(from + offset);
    return (la_int64_t)zip->offset;
}

static rin_status refused(rin_zip *zip, const char *what, rin_error *error) {
    const char *reason = archive_error_string(zip->stream);
    if (zip->error.code != RIN_OK) {
        if (error) *error = zip->error;
        return zip->error.code;
    }
    rin_status code = archive_errno(zip->stream) == ENOMEM ? RIN_ERR_MEMORY : RIN_ERR_FORMAT;
    return rin_error_set(error, code, "%s: %s", what, reason ? reason : "no reason given");
}

/* ---- members ---- */

static rin_status open_stream(rin_zip *zip, rin_error *error) {
    zip->stream = archive_read_new();
    if (!zip->stream) return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for libarchive");
    /* The one that reads the directory; the other believes local headers. */
    if (archive_read_support_format_zip_seekable(zip->stream) != ARCHIVE_OK)
        return refused(zip, "libarchive reads no zip archives", error);
    archive_read_set_callback_data(zip->stream, zip);
    archive_read_set_read_callback(zip->stream, give);
    archive_read_set_skip_callback(zip->stream, skip);
    archive_read_set_seek_callback(zip->stream, seek);
    if (archive_read_open1(zip->stream) == ARCHIVE_OK) return RIN_OK;
    return refused(zip, "it begins as a zip archive, but there is no directory of one at its end: is it cut?", error);
}

rin_status rin_zip_open(const rin_input *input, rin_zip **out, rin_error *error) {
    *out = NULL;
    rin_zip *zip = rin_calloc(1, sizeof *zip, error);
    if (!zip) return RIN_ERR_MEMORY;
    zip->input = input;
    zip->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    rin_status status = open_stream(zip, error);
    if (status == RIN_OK) *out = zip;
    else rin_zip_close(zip);
    return status;
}

/* libarchive reads names by the locale of the thread, in which only a UTF-8 one has all of them. */
static int next_entry(rin_zip *zip, const char **name) {
    locale_t callers = zip->names ? uselocale(zip->names) : (locale_t)0;
    int code = archive_read_next_header(zip->stream, &zip->entry);
    *name = NULL;
    if (code == ARCHIVE_OK) *name = archive_entry_pathname_utf8(zip->entry);
    if (code == ARCHIVE_OK && !*name) *name = archive_entry_pathname(zip->entry);
    if (zip->names) uselocale(callers);
    return code;
}

rin_status rin_zip_next(rin_zip *zip, rin_zip_member *out, rin_error *error) {
    int code = next_entry(zip, &out->name);
    out->bytes = 0;
    if (code == ARCHIVE_EOF) return RIN_OK;
    /* A warning is one about sizes on which directory and local header do not agree. */
    if (code != ARCHIVE_OK) return refused(zip, "a zip archive that is damaged or cut", error);
    if (!out->name) return rin_error_set(error, RIN_ERR_FORMAT, "the name of a member cannot be read");
    /* Without one it is empty. */
    if (archive_entry_size_is_set(zip->entry)) out->bytes = (uint64_t)RIN_MAX(archive_entry_size(zip->entry), 0);
    return RIN_OK;
}

/* libarchive knows more methods, some of which take as much memory as the file tells them to. */
static bool is_plain_method(const rin_zip *zip) {
    const char *format = archive_format_name(zip->stream);
    return format && (strstr(format, "(uncompressed)") || strstr(format, "(deflation)"));
}

rin_status rin_zip_check_member(rin_zip *zip, const rin_zip_member *member, rin_error *error) {
    const char *format = archive_format_name(zip->stream);
    if (archive_entry_is_encrypted(zip->entry))
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "it is encrypted; save it without a password");
    if (archive_entry_filetype(zip->entry) != AE_IFREG)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "it is a link or a folder, not a file");
    if (!is_plain_method(zip))
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "it is packed as %s; allowed: stored or deflated, as numpy's savez and savez_compressed "
                             "do",
                             format ? format : "libarchive does not say");
    if (member->bytes / MOST_TIMES <= zip->input->bytes) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "it claims %llu bytes, more than a file of %llu can hold",
                         (unsigned long long)member->bytes, (unsigned long long)zip->input->bytes);
}

rin_status rin_zip_read(rin_zip *zip, void *out, size_t n, rin_error *error) {
    la_ssize_t got = n ? archive_read_data(zip->stream, out, n) : 0;
    if (got < 0) return refused(zip, "damaged", error);
    if ((size_t)got == n) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "it ends too early: %zu bytes more were expected", n - (size_t)got);
}

rin_status rin_zip_expect_end(rin_zip *zip, rin_error *error) {
    char more;
    la_ssize_t got = archive_read_data(zip->stream, &more, 1); /* at the end libarchive compares the checksum */
    if (got < 0) return refused(zip, "damaged", error);
    return got == 0 ? RIN_OK : rin_error_set(error, RIN_ERR_FORMAT, "there is more in it than its header says");
}

void rin_zip_close(rin_zip *zip) {
    if (!zip) return;
    if (zip->stream) archive_read_free(zip->stream);
    if (zip->names) freelocale(zip->names);
    rin_free(zip);
}
