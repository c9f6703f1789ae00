/* SPDX-License-Identifier: MIT */
/* zip: the members of a zip archive, one after another, through libarchive. Inner header of the room. */
#ifndef RIN_NPZ_ZIP_H
#define RIN_NPZ_ZIP_H

#include "base/base.h"

typedef struct rin_zip rin_zip;

typedef struct rin_zip_member {
    const char *name; /* borrowed until the next member is asked for; NULL: there are no more */
    uint64_t bytes;   /* of what it holds, as the archive claims: never more than its file could be unpacked to */
} rin_zip_member;

bool rin_zip_has_magic(const uint8_t bytes[2]);
/* input is borrowed. Ownership: *out is closed by rin_zip_close, which accepts NULL. */
rin_status rin_zip_open(const rin_input *input, rin_zip **out, rin_error *error) RIN_CHECKED;
/* The next member, by the directory at the archive's end. Errors: IO; FORMAT; MEMORY. */
rin_status rin_zip_next(rin_zip *zip, rin_zip_member *out, rin_error *error) RIN_CHECKED;
/* Errors: UNSUPPORTED unless the member is a plain file, not encrypted, and stored or deflated; FORMAT for more bytes
 * than deflate can make of the file. */
rin_status rin_zip_check_member(rin_zip *zip, const rin_zip_member *member, rin_error *error) RIN_CHECKED;
/* The next n bytes of the member. Errors: FORMAT when there are fewer. */
rin_status rin_zip_read(rin_zip *zip, void *out, size_t n, rin_error *error) RIN_CHECKED;
/* FORMAT unless this is the member's end and its checksum is right. */
rin_status rin_zip_expect_end(rin_zip *zip, rin_error *error) RIN_CHECKED;
void rin_zip_close(rin_zip *zip);

#endif
