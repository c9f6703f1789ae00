/* SPDX-License-Identifier: MIT */
/*
 * header: parses the JSON header of a safetensors file. The grammar is a small part of JSON, so it is read directly:
 * a general parser's tree would take some forty times the header's memory and round offsets to doubles.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/header.h"

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [RIN_STORED_F64] = {"F64", 8},   [RIN_STORED_F32] = {"F32", 4}, [RIN_STORED_F16] = {"F16", 2},
    [RIN_STORED_BF16] = {"BF16", 2}, [RIN_STORED_I64] = {"I64", 8}, [RIN_STORED_I32] = {"I32", 4},
    [RIN_STORED_I16] = {"I16", 2},   [RIN_STORED_I8] = {"I8", 1},   [RIN_STORED_U8] = {"U8", 1},
    [RIN_STORED_BOOL] = {"BOOL", 1},
};

const char *rin_stored_type_name(rin_stored_type type) {
    return (size_t)type < RIN_COUNT(types) ? types[type].name : "unknown";
}

size_t rin_stored_type_bytes(rin_stored_type type) {
    return (size_t)type < RIN_COUNT(types) ? types[type].bytes : 0;
}

bool rin_stored_size(rin_stored_type type, int rank, const int64_t *shape, uint64_t *n_elements, uint64_t *n_bytes) {
    const uint64_t most = INT64_MAX / 8; /* so that a multiplication by any element's size fits */
    uint64_t n = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return false;
        uint64_t dim = (uint64_t)shape[i];
        if (dim && n > most / dim) return false;
        n *= dim;
    }
    *n_elements = n;
    *n_bytes = n * rin_stored_type_bytes(type);
    return true;
}

/* Sticky: after the first fault every function returns at once. */
typedef struct parser {
    char *at;
    const char *start;
    uint64_t data_bytes;
    rin_header header;
    size_t tensor_capacity, metadata_capacity;
    rin_status status;
    rin_error *error;
} parser;

static void fail(parser *p, rin_status code, const char *what) {
    if (p->status != RIN_OK) return;
    p->status = rin_error_set(p->error, code, "header, byte %zu: %s", (size_t)(p->at - p->start), what);
}

static void skip_spaces(parser *p) {
    p->at += strspn(p->at, " \t\r\n");
}

/* Takes the character when it comes next. */
static bool take(parser *p, char wanted) {
    if (p->status != RIN_OK) return false;
    skip_spaces(p);
    if (*p->at != wanted) return false;
    p->at++;
    return true;
}

static void expect(parser *p, char wanted) {
    char what[] = "expected '?'";
    what[sizeof what - 3] = wanted;
    if (!take(p, wanted)) fail(p, RIN_ERR_FORMAT, what);
}

/* Four hexadecimal digits, or UINT32_MAX. */
static uint32_t hex4(const char *text) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit) return UINT32_MAX;
        value = value << 4 | (uint32_t)((digit - digits) % 16);
    }
    return value;
}

static size_t put_utf8(uint32_t point, char *out) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (char)(leads[n] | point);
    return n;
}

/* Decodes the escape behind a backslash at p->at into out, which never gets ahead of p->at. */
static size_t take_escape(parser *p, char *out) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char name = *p->at;
    const char *simple = name ? strchr(names, name) : NULL;
    if (simple) {
        p->at++;
        *out = values[simple - names];
        return 1;
    }
    uint32_t point = name == 'u' ? hex4(p->at + 1) : UINT32_MAX;
    size_t used = 5;
    if (point >= 0xD800 && point <= 0xDBFF) {
        uint32_t low = p->at[5] == '\\' && p->at[6] == 'u' ? hex4(p->at + 7) : 0;
        bool paired = low >= 0xDC00 && low <= 0xDFFF;
        point = paired ? 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00) : UINT32_MAX;
        used = 11;
    }
    if (point == 0 || point > 0x10FFFF || (point >= 0xDC00 && point <= 0xDFFF)) {
        fail(p, RIN_ERR_FORMAT, "an escape in a string that is not allowed");
        return 0;
    }
    p->at += used;
    return put_utf8(point, out);
}

/* A string, decoded in place; "" after a fault. */
static const char *take_string(parser *p) {
    expect(p, '"');
    char *const start = p->at;
    char *out = start;
    while (p->status == RIN_OK && *p->at != '"') {
        if (*p->at == '\\') {
            p->at++;
            out += take_escape(p, out);
            continue;
        }
        size_t n = (unsigned char)*p->at < 0x20 ? 0 : rin_utf8_length(p->at);
        if (!n) {
            fail(p, RIN_ERR_FORMAT, "a string that does not end, or is not UTF-8");
            break;
        }
        memmove(out, p->at, n);
        out += n;
        p->at += n;
    }
    if (p->status != RIN_OK) return "";
    p->at++;
    *out = '\0';
    return start;
}

/* A whole number that is not negative and fits int64. */
static int64_t take_number(parser *p) {
    skip_spaces(p);
    if (p->status != RIN_OK) return 0;
    const char *digits = p->at;
    uint64_t value = 0;
    while (*p->at >= '0' && *p->at <= '9' && value <= (INT64_MAX - 9) / 10)
        value = 10 * value + (uint64_t)(*p->at++ - '0');
    bool padded = digits[0] == '0' && p->at - digits > 1;
    if (p->at == digits || padded || strchr("0123456789.eE", *p->at ? *p->at : ' ')) {
        fail(p, RIN_ERR_FORMAT, "expected a whole number from 0 to 2^63 - 10");
    }
    return (int64_t)value;
}

/* A list of up to most numbers; returns how many. */
static int take_numbers(parser *p, int64_t *out, int most) {
    int n = 0;
    expect(p, '[');
    if (take(p, ']')) return 0;
    do {
        if (n == most) {
            fail(p, RIN_ERR_FORMAT, most == 2 ? "more than 2 data_offsets" : "a tensor of more than 8 dimensions");
            break;
        }
        out[n++] = take_number(p);
    } while (take(p, ','));
    expect(p, ']');
    return n;
}

static rin_stored_type take_type(parser *p) {
    const char *name = take_string(p);
    for (size_t i = 0; i < RIN_COUNT(types); i++) {
        if (!strcmp(types[i].name, name)) return (rin_stored_type)i;
    }
    if (p->status == RIN_OK) {
        p->status = rin_error_set(
            p->error, RIN_ERR_UNSUPPORTED,
            "header, byte %zu: element type '%.20s'; allowed: F64, F32, F16, BF16, I64, I32, I16, I8, "
            "U8, BOOL",
            (size_t)(p->at - p->start), name);
    }
    return RIN_STORED_U8;
}

static void take_tensor(parser *p, rin_stored_tensor *tensor) {
    enum { TYPE = 1, SHAPE = 2, OFFSETS = 4 };
    int seen = 0;
    int64_t offsets[2] = {0};
    expect(p, '{');
    do {
        const char *key = take_string(p);
        int part = !strcmp(key, "dtype")          ? TYPE
                   : !strcmp(key, "shape")        ? SHAPE
                   : !strcmp(key, "data_offsets") ? OFFSETS
                                                  : 0;
        if (!part || (seen & part)) fail(p, RIN_ERR_FORMAT, "expected dtype, shape and data_offsets, each once");
        seen |= part;
        expect(p, ':');
        if (part == TYPE) tensor->type = take_type(p);
        if (part == SHAPE) tensor->rank = take_numbers(p, tensor->shape, RIN_STORED_MAX_RANK);
        if (part == OFFSETS && take_numbers(p, offsets, 2) != 2) fail(p, RIN_ERR_FORMAT, "expected 2 data_offsets");
    } while (take(p, ','));
    expect(p, '}');
    if (seen != (TYPE | SHAPE | OFFSETS)) fail(p, RIN_ERR_FORMAT, "a tensor without dtype, shape or data_offsets");
    if (p->status != RIN_OK) return;
    tensor->begin = (uint64_t)offsets[0];
    tensor->end = (uint64_t)offsets[1];
    uint64_t n_bytes = 0;
    if (tensor->begin > tensor->end || tensor->end > p->data_bytes) {
        fail(p, RIN_ERR_FORMAT, "data_offsets outside the file's data, or end before begin");
    } else if (!rin_stored_size(tensor->type, tensor->rank, tensor->shape, &tensor->n_elements, &n_bytes)) {
        fail(p, RIN_ERR_FORMAT, "a shape with too many elements");
    } else if (n_bytes != tensor->end - tensor->begin) {
        fail(p, RIN_ERR_FORMAT, "data_offsets that do not span the bytes of dtype and shape");
    }
}

/* Room for one more element of an array; NULL after a fault. */
static void *grow(parser *p, void *array, size_t n, size_t *capacity, size_t size) {
    if (p->status != RIN_OK || n < *capacity) return array;
    size_t more = RIN_MAX(16, 2 * *capacity);
    void *grown = rin_realloc(array, more, size, p->error);
    if (!grown) {
        p->status = RIN_ERR_MEMORY;
        return array;
    }
    *capacity = more;
    return grown;
}

static void take_metadata(parser *p) {
    rin_header *h = &p->header;
    expect(p, '{');
    if (take(p, '}')) return;
    do {
        const char *key = take_string(p);
        expect(p, ':');
        const char *value = take_string(p);
        h->metadata = grow(p, h->metadata, h->n_metadata, &p->metadata_capacity, sizeof *h->metadata);
        if (p->status == RIN_OK) h->metadata[h->n_metadata++] = (rin_metadata_pair){key, value};
    } while (take(p, ','));
    expect(p, '}');
}

static void take_entries(parser *p) {
    rin_header *h = &p->header;
    bool metadata_seen = false;
    expect(p, '{');
    if (take(p, '}')) return;
    do {
        rin_stored_tensor tensor = {.name = take_string(p)};
        expect(p, ':');
        if (!strcmp(tensor.name, "__metadata__")) {
            if (metadata_seen) fail(p, RIN_ERR_FORMAT, "__metadata__ given twice");
            metadata_seen = true;
            take_metadata(p);
            continue;
        }
        bool was_good = p->status == RIN_OK;
        take_tensor(p, &tensor);
        if (was_good && p->status != RIN_OK) (void)rin_error_prefix(p->error, p->status, "tensor '%.80s'", tensor.name);
        h->tensors = grow(p, h->tensors, h->n_tensors, &p->tensor_capacity, sizeof *h->tensors);
        if (p->status == RIN_OK) h->tensors[h->n_tensors++] = tensor;
    } while (take(p, ','));
    expect(p, '}');
}

static int compare_begins(const void *a, const void *b) {
    const rin_stored_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const rin_stored_tensor *const *)a)->name, (*(const rin_stored_tensor *const *)b)->name);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const rin_metadata_pair *)a)->key, ((const rin_metadata_pair *)b)->key);
}

/* Every byte of the data belongs to one tensor; sorts them. */
static rin_status check_coverage(rin_header *h, uint64_t data_bytes, rin_error *error) {
    uint64_t end = 0;
    if (h->n_tensors) qsort(h->tensors, h->n_tensors, sizeof *h->tensors, compare_begins);
    for (size_t i = 0; i < h->n_tensors; i++) {
        const rin_stored_tensor *t = &h->tensors[i];
        if (t->begin != end) {
            return rin_error_set(error, RIN_ERR_FORMAT,
                                 "tensor '%.80s' begins at byte %llu of the data, where %llu is due: %s", t->name,
                                 (unsigned long long)t->begin, (unsigned long long)end,
                                 t->begin < end ? "tensors overlap" : "there is a gap");
        }
        end = t->end;
    }
    if (end == data_bytes) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "the tensors end at byte %llu of the data, the file at byte %llu",
                         (unsigned long long)end, (unsigned long long)data_bytes);
}

/* Sorts names and keys; none may come twice. */
static rin_status check_names(rin_header *h, rin_error *error) {
    h->by_name = rin_calloc(h->n_tensors, sizeof *h->by_name, error);
    if (!h->by_name) return RIN_ERR_MEMORY;
    for (size_t i = 0; i < h->n_tensors; i++) h->by_name[i] = &h->tensors[i];
    qsort(h->by_name, h->n_tensors, sizeof *h->by_name, compare_names);
    for (size_t i = 1; i < h->n_tensors; i++) {
        if (strcmp(h->by_name[i - 1]->name, h->by_name[i]->name)) continue;
        return rin_error_set(error, RIN_ERR_FORMAT, "tensor '%.80s' is there twice", h->by_name[i]->name);
    }
    if (h->n_metadata) qsort(h->metadata, h->n_metadata, sizeof *h->metadata, compare_keys);
    for (size_t i = 1; i < h->n_metadata; i++) {
        if (strcmp(h->metadata[i - 1].key, h->metadata[i].key)) continue;
        return rin_error_set(error, RIN_ERR_FORMAT, "metadata '%.80s' is there twice", h->metadata[i].key);
    }
    return RIN_OK;
}

rin_status rin_header_parse(char *text, size_t length, uint64_t data_bytes, rin_header *out, rin_error *error) {
    parser p = {.at = text, .start = text, .data_bytes = data_bytes, .error = error};
    take_entries(&p);
    skip_spaces(&p);
    if ((size_t)(p.at - p.start) != length) fail(&p, RIN_ERR_FORMAT, "expected the end of the header");
    if (p.status == RIN_OK) p.status = check_coverage(&p.header, data_bytes, error);
    if (p.status == RIN_OK) p.status = check_names(&p.header, error);
    if (p.status != RIN_OK) rin_header_clear(&p.header);
    *out = p.header;
    return p.status;
}

void rin_header_clear(rin_header *header) {
    rin_free(header->tensors);
    rin_free((void *)header->by_name);
    rin_free(header->metadata);
    *header = (rin_header){0};
}
