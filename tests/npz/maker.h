/* SPDX-License-Identifier: MIT */
/* maker: .npy and .zip files byte by byte, also such as nobody should write. */
#ifndef RIN_TESTS_NPZ_MAKER_H
#define RIN_TESTS_NPZ_MAKER_H

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "support/check.h"

#include "npz/npz.h"

typedef struct made {
    uint8_t at[1 << 15];
    size_t n;
} made;

static inline void make_bytes(made *m, const void *bytes, size_t n) {
    assert_true(n <= sizeof m->at - m->n);
    if (n) memcpy(m->at + m->n, bytes, n);
    m->n += n;
}

static inline void make_number(made *m, uint64_t value, int n) {
    for (int i = 0; i < n; i++) m->at[m->n + (size_t)i] = (uint8_t)(value >> (8 * i));
    m->n += (size_t)n;
}

/* A .npy of this version with this dictionary. */
static inline void make_npy(made *m, int version, const char *dictionary, const void *data, size_t n) {
    make_bytes(m, "\x93NUMPY", 6);
    make_number(m, (uint64_t)version, 2);
    make_number(m, strlen(dictionary), version == 1 ? 2 : 4);
    make_bytes(m, dictionary, strlen(dictionary));
    make_bytes(m, data, n);
}

typedef struct zip_member {
    const char *name;
    const made *content;
    int method;         /* 0: stored, 8: deflated; any other is said and not done */
    bool zip64;         /* sizes of the local header in its extra, as numpy writes it */
    bool streamed;      /* sizes behind the data, as Python writes it to a pipe */
    int flags;          /* further ones */
    uint64_t claimed;   /* size in the directory, unless 0 */
    uint32_t wrong_crc; /* changes of the checksum */
} zip_member;

static inline void pack(const zip_member *in, made *out) {
    if (in->method != 8) {
        make_bytes(out, in->content->at, in->content->n);
        return;
    }
    z_stream z = {.next_in = (Bytef *)in->content->at, .avail_in = (uInt)in->content->n};
    z.next_out = out->at;
    z.avail_out = sizeof out->at;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n = (size_t)z.total_out;
    (void)deflateEnd(&z);
}

/* What both headers of a member have alike. */
static inline void make_common(made *m, const zip_member *in, uint32_t crc, uint64_t packed, uint64_t size,
                               size_t extra) {
    make_number(m, in->zip64 ? 45 : 20, 2);
    make_number(m, (uint64_t)(in->flags | (in->streamed ? 8 : 0)), 2);
    make_number(m, (uint64_t)in->method, 2);
    make_number(m, 0x00210000, 4); /* 1980-01-01 */
    make_number(m, crc, 4);
    make_number(m, packed, 4);
    make_number(m, size, 4);
    make_number(m, strlen(in->name), 2);
    make_number(m, extra, 2);
}

static inline void make_zip(made *m, const zip_member *members, int n) {
    made *directory = calloc(1, sizeof *directory), *packed = calloc(1, sizeof *packed);
    for (int i = 0; i < n; i++) {
        const zip_member *in = &members[i];
        const size_t start = m->n, size = in->content->n;
        const uint32_t crc = (uint32_t)crc32(0, in->content->at, (uInt)size) ^ in->wrong_crc;
        packed->n = 0;
        pack(in, packed);
        make_bytes(m, "PK\3\4", 4);
        const bool late = in->streamed, wide = in->zip64;
        make_common(m, in, late ? 0 : crc,
                    wide   ? UINT32_MAX
                    : late ? 0
                           : packed->n,
                    wide   ? UINT32_MAX
                    : late ? 0
                           : size,
                    wide ? 20 : 0);
        make_bytes(m, in->name, strlen(in->name));
        if (wide) {
            make_number(m, 1, 2);
            make_number(m, 16, 2);
            make_number(m, late ? 0 : size, 8);
            make_number(m, late ? 0 : packed->n, 8);
        }
        make_bytes(m, packed->at, packed->n);
        if (late) {
            make_bytes(m, "PK\7\10", 4);
            make_number(m, crc, 4);
            make_number(m, packed->n, wide ? 8 : 4);
            make_number(m, size, wide ? 8 : 4);
        }
        const uint64_t claimed = in->claimed ? in->claimed : size;
        const bool huge = claimed >= UINT32_MAX;
        make_bytes(directory, "PK\1\2", 4);
        make_number(directory, 20, 2);
        make_common(directory, in, crc, packed->n, huge ? UINT32_MAX : claimed, huge ? 12 : 0);
        make_number(directory, 0, 2 + 2 + 2); /* comment, disk, attributes */
        make_number(directory, 0, 4);
        make_number(directory, start, 4);
        make_bytes(directory, in->name, strlen(in->name));
        if (huge) {
            make_number(directory, 1, 2);
            make_number(directory, 8, 2);
            make_number(directory, claimed, 8);
        }
    }
    const size_t at = m->n;
    make_bytes(m, directory->at, directory->n);
    make_bytes(m, "PK\5\6", 4);
    make_number(m, 0, 4);
    make_number(m, (uint64_t)n, 2);
    make_number(m, (uint64_t)n, 2);
    make_number(m, directory->n, 4);
    make_number(m, at, 4);
    make_number(m, 0, 2);
    free(directory);
    free(packed);
}

/* ---- a folder for one file ---- */

typedef struct place {
    char folder[64], path[96];
} place;

static inline int place_make(void **state) {
    place *p = calloc(1, sizeof *p);
    strcpy(p->folder, "/tmp/rin-npz-XXXXXX");
    if (!mkdtemp(p->folder)) return -1;
    snprintf(p->path, sizeof p->path, "%s/file.npz", p->folder);
    *state = p;
    return 0;
}

static inline int place_remove(void **state) {
    place *p = *state;
    unlink(p->path);
    int left = rmdir(p->folder); /* fails when a temporary file was left behind */
    free(p);
    return left;
}

static inline void place_put(const place *p, const made *m) {
    rin_error error = {0};
    /* In place, and without the sync of a file that has to last. */
    FILE *stream = fopen(p->path, "wb");
    if (!stream || fwrite(m->at, 1, m->n, stream) != m->n || fclose(stream) != 0)
        assert_ok(rin_error_system(&error, "write", p->path), &error);
}

#endif
