/* SPDX-License-Identifier: MIT */
/* npz: opens .npz and .npy files and reads their arrays, which are never in memory but where the caller wants them. */
#include <string.h>

#include "npz/npy.h"
#include "npz/zip.h"

enum { CHUNK = 1 << 16, MOST_MEMBERS = 4096 };

static const char suffix[] = ".npy";

typedef struct member {
    rin_npz_array array;
    size_t position; /* among the members of the zip, of which some are no arrays */
    uint64_t start;  /* where its numbers begin within it */
} member;

struct rin_npz {
    rin_input input;
    bool is_zip;
    member *members;
    size_t n_members, capacity;
};

/* One member from its beginning on, of the zip or the file itself. */
struct rin_npz_stream {
    const rin_npz *npz;
    const member *member;
    rin_zip *zip; /* NULL: a .npy */
    uint64_t offset;
    int64_t left; /* numbers */
    bool ended;   /* its checksum was compared */
    bool failed;
    uint8_t chunk[CHUNK];
};

/* ---- headers ---- */

/* Bytes in a row, of either kind of file. */
typedef struct source {
    const rin_input *input;
    rin_zip *zip; /* NULL: a .npy */
    uint64_t offset, bytes;
} source;

static rin_status pull(source *s, void *out, size_t n, rin_error *error) {
    if (n > s->bytes - s->offset)
        return rin_error_set(error, RIN_ERR_FORMAT, "its header is cut: it takes more than the %llu bytes there are",
                             (unsigned long long)s->bytes);
    rin_status status = s->zip ? rin_zip_read(s->zip, out, n, error)
                               : rin_input_read(s->input, s->offset, out, n, error);
    s->offset += n;
    return status;
}

static rin_status read_text(source *s, size_t n, rin_npz_array *out, rin_error *error) {
    char *text = rin_calloc(n, 1, error);
    if (!text) return RIN_ERR_MEMORY;
    rin_status status = pull(s, text, n, error);
    if (status == RIN_OK) status = rin_npy_parse(text, n, out, error);
    rin_free(text);
    return status;
}

/* The header, and that the numbers take just the bytes that are left. */
static rin_status read_header(source *s, rin_npz_array *out, rin_error *error) {
    uint8_t start[RIN_NPY_START];
    size_t n, text_bytes;
    const size_t first = RIN_NPY_MAGIC + 2;
    rin_status status = pull(s, start, first, error);
    if (status == RIN_OK) status = rin_npy_start_bytes(start, &n, error);
    if (status == RIN_OK) status = pull(s, start + first, n - first, error);
    if (status == RIN_OK) status = rin_npy_text_bytes(start, n, &text_bytes, error);
    if (status == RIN_OK) status = read_text(s, text_bytes, out, error);
    if (status != RIN_OK) return status;
    const uint64_t needed = (uint64_t)out->count * (uint64_t)out->item_bytes, there = s->bytes - s->offset;
    if (needed == there) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "its shape takes %llu bytes, but %llu follow the header: it is %s, or its header is wrong",
                         (unsigned long long)needed, (unsigned long long)there,
                         needed > there ? "cut" : "followed by something else");
}

/* ---- opening ---- */

static rin_status add_member(rin_npz *npz, const member *m, rin_error *error) {
    if (rin_npz_find(npz, m->array.name))
        return rin_error_set(error, RIN_ERR_FORMAT, "there are two arrays of this name");
    if (npz->n_members == MOST_MEMBERS)
        return rin_error_set(error, RIN_ERR_FORMAT, "it is one array more than the %d allowed", MOST_MEMBERS);
    if (npz->n_members == npz->capacity) {
        size_t capacity = RIN_MAX(2 * npz->capacity, 8);
        member *grown = rin_realloc(npz->members, capacity, sizeof *grown, error);
        if (!grown) return RIN_ERR_MEMORY;
        npz->members = grown;
        npz->capacity = capacity;
    }
    npz->members[npz->n_members++] = *m;
    return RIN_OK;
}

/* The name of an array, without .npy. */
static rin_status take_name(const char *stored, char out[RIN_NPZ_LONGEST_NAME], rin_error *error) {
    const size_t n = strlen(stored) - (sizeof suffix - 1);
    bool fits = n > 0 && n < RIN_NPZ_LONGEST_NAME && rin_text_is_utf8(stored);
    for (size_t i = 0; i < n && fits; i++) fits = (unsigned char)stored[i] >= ' ' && stored[i] != 0x7F;
    if (!fits)
        return rin_error_set(error, RIN_ERR_FORMAT,
                             "an array has a name of %zu bytes that cannot be used; allowed: 1 to %d bytes of UTF-8 "
                             "without control characters",
                             n, RIN_NPZ_LONGEST_NAME - 1);
    memcpy(out, stored, n);
    out[n] = '\0';
    return RIN_OK;
}

static rin_status take_member(rin_npz *npz, rin_zip *zip, const rin_zip_member *found, size_t position,
                              rin_error *error) {
    member m = {.position = position};
    source s = {.zip = zip, .bytes = found->bytes};
    rin_status status = take_name(found->name, m.array.name, error);
    if (status != RIN_OK) return status;
    status = rin_zip_check_member(zip, found, error);
    if (status == RIN_OK) status = read_header(&s, &m.array, error);
    m.start = s.offset;
    if (status == RIN_OK) status = add_member(npz, &m, error);
    return status == RIN_OK ? status : rin_error_prefix(error, status, "array '%s'", m.array.name);
}

static bool is_array(const char *name) {
    const size_t n = strlen(name), n_suffix = sizeof suffix - 1;
    return n >= n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

static rin_status walk_zip(rin_npz *npz, rin_error *error) {
    rin_zip *zip;
    rin_zip_member found = {0};
    rin_status status = rin_zip_open(&npz->input, &zip, error);
    for (size_t position = 0; status == RIN_OK; position++) {
        status = rin_zip_next(zip, &found, error);
        if (status != RIN_OK || !found.name) break;
        if (is_array(found.name)) status = take_member(npz, zip, &found, position, error);
    }
    rin_zip_close(zip);
    return status;
}

static rin_status open_npy(rin_npz *npz, rin_error *error) {
    member m = {0};
    source s = {.input = &npz->input, .bytes = npz->input.bytes};
    rin_status status = read_header(&s, &m.array, error);
    m.start = s.offset;
    return status == RIN_OK ? add_member(npz, &m, error) : status;
}

static rin_status read_all(rin_npz *npz, rin_error *error) {
    uint8_t start[RIN_NPY_MAGIC] = {0};
    const size_t n = (size_t)RIN_MIN(npz->input.bytes, sizeof start);
    rin_status status = rin_input_read(&npz->input, 0, start, n, error);
    if (status != RIN_OK) return status;
    npz->is_zip = rin_zip_has_magic(start);
    if (npz->is_zip) return walk_zip(npz, error);
    if (rin_npy_has_magic(start)) return open_npy(npz, error);
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "neither a .npz (a zip archive) nor a .npy of numpy, by its %llu bytes' beginning",
                         (unsigned long long)npz->input.bytes);
}

rin_status rin_npz_open(const char *path, rin_npz **out, rin_error *error) {
    *out = NULL;
    rin_npz *npz = rin_calloc(1, sizeof *npz, error);
    if (!npz) return RIN_ERR_MEMORY;
    rin_status status = rin_input_open(&npz->input, path, error);
    if (status == RIN_OK) {
        status = read_all(npz, error);
        if (status != RIN_OK) (void)rin_error_prefix(error, status, "%.300s", path);
    }
    if (status == RIN_OK) *out = npz;
    else rin_npz_close(npz);
    return status;
}

void rin_npz_close(rin_npz *npz) {
    if (!npz) return;
    rin_input_close(&npz->input);
    rin_free(npz->members);
    rin_free(npz);
}

size_t rin_npz_count(const rin_npz *npz) {
    return npz->n_members;
}

const rin_npz_array *rin_npz_get(const rin_npz *npz, size_t index) {
    return index < npz->n_members ? &npz->members[index].array : NULL;
}

const rin_npz_array *rin_npz_find(const rin_npz *npz, const char *name) {
    for (size_t i = 0; i < npz->n_members; i++) {
        if (strcmp(npz->members[i].array.name, name) == 0) return &npz->members[i].array;
    }
    return NULL;
}

/* ---- streams ---- */

static rin_status named(const rin_npz *npz, const rin_npz_array *array, rin_status status, rin_error *error) {
    if (status == RIN_OK) return status;
    const char *path = npz->input.path;
    return array->name[0] ? rin_error_prefix(error, status, "%.300s: array '%s'", path, array->name)
                          : rin_error_prefix(error, status, "%.300s", path);
}

static bool is_same(const rin_npz_array *a, const rin_npz_array *b) {
    bool same = a->kind == b->kind && a->item_bytes == b->item_bytes && a->big_endian == b->big_endian &&
                a->fortran == b->fortran && a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++) same = a->shape[i] == b->shape[i];
    return same;
}

/* On to the member and past its header, which must be what it was. */
static rin_status find_in_zip(rin_npz_stream *stream, rin_error *error) {
    rin_zip_member found = {0};
    rin_npz_array now = {0};
    rin_status status = rin_zip_open(&stream->npz->input, &stream->zip, error);
    for (size_t i = 0; i <= stream->member->position && status == RIN_OK; i++) {
        status = rin_zip_next(stream->zip, &found, error);
        if (status == RIN_OK && !found.name) break;
    }
    source s = {.zip = stream->zip, .bytes = found.bytes};
    bool same = status == RIN_OK && found.name && is_array(found.name);
    if (same) status = take_name(found.name, now.name, error);
    if (same && status == RIN_OK) status = rin_zip_check_member(stream->zip, &found, error);
    if (same && status == RIN_OK) status = read_header(&s, &now, error);
    if (status != RIN_OK) return status;
    same = same && strcmp(now.name, stream->member->array.name) == 0 && is_same(&now, &stream->member->array);
    return same ? RIN_OK : rin_error_set(error, RIN_ERR_FORMAT, "the file has changed since it was opened");
}

static rin_status start_stream(const rin_npz *npz, const rin_npz_array *array, rin_npz_stream **out, rin_error *error) {
    const member *m = npz->members, *end = m + npz->n_members;
    *out = NULL;
    while (m < end && &m->array != array) m++;
    if (m == end) return rin_error_set(error, RIN_ERR_ARG, "%.300s: not an array of this file", npz->input.path);
    rin_npz_stream *stream = rin_calloc(1, sizeof *stream, error);
    if (!stream) return RIN_ERR_MEMORY;
    *stream = (rin_npz_stream){.npz = npz, .member = m, .offset = m->start, .left = array->count};
    rin_status status = npz->is_zip ? named(npz, array, find_in_zip(stream, error), error) : RIN_OK;
    if (status == RIN_OK) *out = stream;
    else rin_npz_stream_close(stream);
    return status;
}

static bool is_in_order(const rin_npz_array *array) {
    int n_long = 0;
    for (int i = 0; i < array->rank; i++) n_long += array->shape[i] > 1;
    return !array->fortran || n_long < 2 || array->count == 0;
}

rin_status rin_npz_stream_open(const rin_npz *npz, const rin_npz_array *array, rin_npz_stream **out, rin_error *error) {
    *out = NULL;
    if (is_in_order(array)) return start_stream(npz, array, out, error);
    (void)rin_error_set(error, RIN_ERR_UNSUPPORTED,
                        "it lies in Fortran order; save it by numpy.ascontiguousarray to have it read row by row");
    return named(npz, array, RIN_ERR_UNSUPPORTED, error);
}

void rin_npz_stream_close(rin_npz_stream *stream) {
    if (!stream) return;
    rin_zip_close(stream->zip);
    rin_free(stream);
}

/* The bytes of the next n numbers; behind the last one the checksum is compared. */
static rin_status next_items(rin_npz_stream *stream, void *out, int64_t n, rin_error *error) {
    const size_t bytes = (size_t)n * (size_t)stream->member->array.item_bytes;
    rin_status status = stream->zip ? rin_zip_read(stream->zip, out, bytes, error)
                                    : rin_input_read(&stream->npz->input, stream->offset, out, bytes, error);
    stream->offset += bytes;
    stream->left -= n;
    if (status == RIN_OK && stream->left == 0 && !stream->ended) {
        stream->ended = true;
        if (stream->zip) status = rin_zip_expect_end(stream->zip, error);
    }
    stream->failed = status != RIN_OK;
    return status;
}

static rin_status check_asked(const rin_npz_stream *stream, int64_t n, rin_error *error) {
    if (stream->failed) return rin_error_set(error, RIN_ERR_ARG, "reading it has failed before");
    if (n >= 0 && n <= stream->left) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "%lld numbers are asked for, and %lld are left", (long long)n,
                         (long long)stream->left);
}

/* One of floats and doubles is the destination, the other NULL. */
static rin_status next_numbers(rin_npz_stream *stream, float *floats, double *doubles, int64_t n, rin_error *error) {
    const rin_npz_array *array = &stream->member->array;
    rin_status status = check_asked(stream, n, error);
    int64_t done = 0, part = 0;
    do { /* once for none, too, which may be all there are */
        if (status == RIN_OK) {
            part = RIN_MIN(n - done, CHUNK / array->item_bytes);
            status = next_items(stream, stream->chunk, part, error);
        }
        if (status == RIN_OK && part && floats) rin_npy_to_floats(array, stream->chunk, part, floats + done);
        if (status == RIN_OK && part && doubles) rin_npy_to_doubles(array, stream->chunk, part, doubles + done);
        done += part;
    } while (status == RIN_OK && done < n);
    return status;
}

rin_status rin_npz_stream_floats(rin_npz_stream *stream, float *out, int64_t n, rin_error *error) {
    return named(stream->npz, &stream->member->array, next_numbers(stream, out, NULL, n, error), error);
}

rin_status rin_npz_stream_bytes(rin_npz_stream *stream, uint8_t *out, int64_t n, rin_error *error) {
    const rin_npz_array *array = &stream->member->array;
    rin_status status = check_asked(stream, n, error);
    if (status == RIN_OK && (array->kind != 'u' || array->item_bytes != 1))
        status = rin_error_set(error, RIN_ERR_ARG, "bytes are asked for, and it holds %c%d", array->kind,
                               array->item_bytes);
    if (status == RIN_OK) status = next_items(stream, out, n, error);
    return named(stream->npz, array, status, error);
}

/* ---- whole arrays ---- */

/* Where the numbers of an array in Fortran order belong, one after another. */
typedef struct scatter {
    int64_t index[RIN_NPZ_MOST_RANK], stride[RIN_NPZ_MOST_RANK], at;
} scatter;

static void scatter_start(scatter *s, const rin_npz_array *array) {
    *s = (scatter){0};
    int64_t stride = 1;
    for (int i = array->rank - 1; i >= 0; i--) {
        s->stride[i] = stride;
        stride *= array->shape[i];
    }
}

static void scatter_next(scatter *s, const rin_npz_array *array) {
    for (int i = 0; i < array->rank; i++) {
        s->at += s->stride[i];
        if (++s->index[i] < array->shape[i]) return;
        s->at -= s->stride[i] * array->shape[i];
        s->index[i] = 0;
    }
}

static rin_status read_scattered(rin_npz_stream *stream, double *out, rin_error *error) {
    enum { PART = 1024 };
    const rin_npz_array *array = &stream->member->array;
    double values[PART];
    scatter s;
    rin_status status = RIN_OK;
    scatter_start(&s, array);
    while (status == RIN_OK && stream->left) {
        const int64_t n = RIN_MIN(stream->left, PART);
        status = next_numbers(stream, NULL, values, n, error);
        for (int64_t i = 0; i < n && status == RIN_OK; i++) {
            out[s.at] = values[i];
            scatter_next(&s, array);
        }
    }
    return status;
}

rin_status rin_npz_read(const rin_npz *npz, const rin_npz_array *array, double *out, int64_t n, rin_error *error) {
    rin_npz_stream *stream;
    rin_status status = start_stream(npz, array, &stream, error);
    if (status != RIN_OK) return status;
    if (n != array->count)
        status = rin_error_set(error, RIN_ERR_ARG, "%lld numbers are asked for, and it holds %lld", (long long)n,
                               (long long)array->count);
    else status = is_in_order(array) ? next_numbers(stream, NULL, out, n, error) : read_scattered(stream, out, error);
    rin_npz_stream_close(stream);
    return named(npz, array, status, error);
}
