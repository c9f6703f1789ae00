/* SPDX-License-Identifier: MIT */
/* npy: headers of .npy files, which are literals of Python, and the numbers behind them. */
#include <string.h>

#include "npz/npy.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian floats are copied as they are; a big-endian machine would have to swap bytes here"
#endif

enum { LONGEST_DESCR = 32, SHORT_LENGTH = 2, LONG_LENGTH = 4 };

static const uint8_t magic[RIN_NPY_MAGIC] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* ---- what stands before the dictionary ---- */

bool rin_npy_has_magic(const uint8_t bytes[RIN_NPY_MAGIC]) {
    return memcmp(bytes, magic, sizeof magic) == 0;
}

rin_status rin_npy_start_bytes(const uint8_t start[RIN_NPY_MAGIC + 2], size_t *n, rin_error *error) {
    const int major = start[RIN_NPY_MAGIC], minor = start[RIN_NPY_MAGIC + 1];
    *n = 0;
    if (!rin_npy_has_magic(start))
        return rin_error_set(error, RIN_ERR_FORMAT, "it does not begin as a .npy file does (\\x93NUMPY)");
    if (major < 1 || major > 3 || minor != 0)
        return rin_error_set(error, RIN_ERR_FORMAT, "version %d.%d of the .npy format; known: 1.0, 2.0, 3.0", major,
                             minor);
    *n = RIN_NPY_MAGIC + 2 + (major == 1 ? SHORT_LENGTH : LONG_LENGTH);
    return RIN_OK;
}

rin_status rin_npy_text_bytes(const uint8_t *start, size_t n, size_t *text_bytes, rin_error *error) {
    uint32_t length = 0;
    for (size_t i = n; i-- > RIN_NPY_MAGIC + 2;) length = length << 8 | start[i];
    *text_bytes = length;
    if (length <= RIN_NPY_MOST_TEXT) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT, "its header claims %u bytes; allowed: up to %d", (unsigned)length,
                         RIN_NPY_MOST_TEXT);
}

/* ---- the dictionary ---- */

typedef struct cursor {
    const char *begin, *at, *end;
    rin_error *error;
} cursor;

static rin_status unexpected(const cursor *c, const char *wanted) {
    return rin_error_set(c->error, RIN_ERR_FORMAT, "its header is damaged: %s expected at character %zu of %zu", wanted,
                         (size_t)(c->at - c->begin), (size_t)(c->end - c->begin));
}

static void skip_spaces(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')) c->at++;
}

/* Whether this character comes next; it is passed then. */
static bool take(cursor *c, char wanted) {
    skip_spaces(c);
    bool here = c->at < c->end && *c->at == wanted;
    c->at += here;
    return here;
}

static bool take_word(cursor *c, const char *word) {
    size_t n = strlen(word);
    skip_spaces(c);
    bool here = (size_t)(c->end - c->at) >= n && memcmp(c->at, word, n) == 0;
    if (here) c->at += n;
    return here;
}

/* A string in quotes of either kind, without escapes. What cannot be shown in a message is a question mark in out. */
static rin_status parse_string(cursor *c, char out[LONGEST_DESCR]) {
    const char quote = take(c, '\'') ? '\'' : take(c, '"') ? '"' : '\0';
    size_t n = 0;
    if (!quote) return unexpected(c, "a string");
    for (; c->at < c->end && *c->at != quote; c->at++) {
        if (n + 1 == LONGEST_DESCR || *c->at == '\\') return unexpected(c, "the end of a short plain string");
        out[n++] = *c->at >= ' ' && *c->at <= '~' ? *c->at : '?';
    }
    out[n] = '\0';
    return take(c, quote) ? RIN_OK : unexpected(c, "the end of a string");
}

static rin_status parse_descr(cursor *c, rin_npz_array *array) {
    char type[LONGEST_DESCR] = "";
    skip_spaces(c);
    if (c->at < c->end && (*c->at == '[' || *c->at == '('))
        return rin_error_set(c->error, RIN_ERR_UNSUPPORTED,
                             "it holds records of several fields; allowed: plain numbers, as '<f4', '<f8' and '|u1'");
    rin_status status = parse_string(c, type);
    if (status != RIN_OK) return status;
    const char order = type[0], kind = order ? type[1] : '\0', digit = kind ? type[2] : '\0';
    if (order && kind == 'O')
        return rin_error_set(c->error, RIN_ERR_UNSUPPORTED,
                             "it holds Python objects ('%s'): a pickle, which is code and never run; save plain "
                             "numbers",
                             type);
    bool sized = digit && !type[3] && (kind == 'f' ? strchr("48", digit) : strchr("1248", digit)) != NULL;
    bool ordered = order == '<' || order == '>' || (order == '|' && digit == '1');
    if (!sized || !ordered || !(kind == 'f' || kind == 'u' || kind == 'i'))
        return rin_error_set(c->error, RIN_ERR_UNSUPPORTED,
                             "it holds numbers of type '%s'; allowed: f4, f8, u1 to u8 and i1 to i8, behind < or >, as "
                             "'<f8' and '|u1'; convert it by numpy's astype",
                             type);
    array->kind = kind;
    array->item_bytes = digit - '0';
    array->big_endian = order == '>';
    return RIN_OK;
}

static rin_status parse_dimension(cursor *c, int64_t *out) {
    int64_t value = 0;
    const char *first = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        const int digit = *c->at - '0';
        if (value > (INT64_MAX - digit) / 10)
            return rin_error_set(c->error, RIN_ERR_FORMAT, "a dimension of its shape is larger than 2^63 - 1");
        value = 10 * value + digit;
    }
    if (c->at == first) return unexpected(c, "a dimension");
    if (c->at < c->end && *c->at == 'L') c->at++; /* of Python 2 */
    *out = value;
    return RIN_OK;
}

static rin_status parse_shape(cursor *c, rin_npz_array *array) {
    bool comma = true;
    if (!take(c, '(')) return unexpected(c, "a shape");
    for (array->rank = 0; !take(c, ')'); array->rank++) {
        int64_t dimension = 0;
        if (!comma) return unexpected(c, "a comma");
        rin_status status = parse_dimension(c, &dimension);
        if (status != RIN_OK) return status;
        if (array->rank == RIN_NPZ_MOST_RANK)
            return rin_error_set(c->error, RIN_ERR_UNSUPPORTED, "it has more than %d dimensions, the most allowed",
                                 RIN_NPZ_MOST_RANK);
        array->shape[array->rank] = dimension;
        comma = take(c, ',');
    }
    /* In Python (5) is a number. */
    return array->rank == 1 && !comma ? unexpected(c, "a shape of one dimension with a comma") : RIN_OK;
}

static rin_status parse_order(cursor *c, rin_npz_array *array) {
    array->fortran = take_word(c, "True");
    return array->fortran || take_word(c, "False") ? RIN_OK : unexpected(c, "True or False");
}

static rin_status parse_pairs(cursor *c, rin_npz_array *array) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static rin_status (*const parse[])(cursor *, rin_npz_array *) = {parse_descr, parse_order, parse_shape};
    bool seen[RIN_COUNT(keys)] = {false}, comma = true;
    if (!take(c, '{')) return unexpected(c, "a dictionary");
    while (!take(c, '}')) {
        char key[LONGEST_DESCR];
        size_t which = 0;
        if (!comma) return unexpected(c, "a comma");
        rin_status status = parse_string(c, key);
        if (status != RIN_OK) return status;
        while (which < RIN_COUNT(keys) && strcmp(key, keys[which]) != 0) which++;
        if (which == RIN_COUNT(keys) || seen[which])
            return rin_error_set(c->error, RIN_ERR_FORMAT,
                                 "its header has '%s' %s; allowed: descr, fortran_order and "
                                 "shape, each once",
                                 key, which == RIN_COUNT(keys) ? "in it" : "twice");
        seen[which] = true;
        status = take(c, ':') ? parse[which](c, array) : unexpected(c, "a colon");
        if (status != RIN_OK) return status;
        comma = take(c, ',');
    }
    for (size_t i = 0; i < RIN_COUNT(keys); i++) {
        if (!seen[i]) return rin_error_set(c->error, RIN_ERR_FORMAT, "its header has no '%s'", keys[i]);
    }
    skip_spaces(c);
    return c->at == c->end ? RIN_OK : unexpected(c, "the end");
}

/* A dimension of zero does not excuse the others: readers may multiply some of them. */
static rin_status count_numbers(rin_npz_array *array, rin_error *error) {
    int64_t most = INT64_MAX / array->item_bytes;
    array->count = 1;
    for (int i = 0; i < array->rank; i++) {
        const int64_t dimension = array->shape[i];
        if (dimension > most)
            return rin_error_set(error, RIN_ERR_FORMAT,
                                 "its shape has more numbers than 63 bits can count: dimension "
                                 "%d is %lld",
                                 i, (long long)dimension);
        most /= RIN_MAX(dimension, 1);
        array->count *= dimension;
    }
    return RIN_OK;
}

rin_status rin_npy_parse(const char *text, size_t n, rin_npz_array *out, rin_error *error) {
    cursor c = {.begin = text, .at = text, .end = text + n, .error = error};
    rin_status status = parse_pairs(&c, out);
    return status == RIN_OK ? count_numbers(out, error) : status;
}

size_t rin_npy_format(const char *descr, const int64_t *shape, int rank, size_t least,
                      uint8_t out[RIN_NPY_MOST_WRITTEN]) {
    enum { START = RIN_NPY_MAGIC + 2 + SHORT_LENGTH, ROUNDED_TO = 64 };
    char text[RIN_NPY_MOST_WRITTEN];
    int n = snprintf(text, sizeof text, "{'descr': '%.8s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%lld%s", i ? " " : "", (long long)shape[i],
                      i + 1 < rank || rank == 1 ? "," : "");
    n += snprintf(text + n, sizeof text - (size_t)n, "), }");
    size_t bytes = RIN_MAX(((size_t)n + START + ROUNDED_TO) / ROUNDED_TO * ROUNDED_TO, least); /* with the newline */
    memset(out, ' ', bytes);
    memcpy(out, magic, sizeof magic);
    out[RIN_NPY_MAGIC] = 1;
    out[RIN_NPY_MAGIC + 1] = 0;
    out[RIN_NPY_MAGIC + 2] = (uint8_t)((bytes - START) & 0xFF);
    out[RIN_NPY_MAGIC + 3] = (uint8_t)((bytes - START) >> 8);
    memcpy(out + START, text, (size_t)n);
    out[bytes - 1] = '\n';
    return bytes;
}

void rin_npy_header(int64_t n, int64_t dim, uint8_t out[RIN_NPY_HEADER]) {
    uint8_t header[RIN_NPY_MOST_WRITTEN];
    (void)rin_npy_format("<f4", (const int64_t[]){n, dim}, 2, RIN_NPY_HEADER, header);
    memcpy(out, header, RIN_NPY_HEADER);
}

/* ---- numbers ---- */

static double item_to_double(const rin_npz_array *array, const uint8_t *item) {
    const int n = array->item_bytes;
    uint64_t bits = 0;
    for (int i = 0; i < n; i++) bits = bits << 8 | item[array->big_endian ? i : n - 1 - i];
    if (array->kind == 'u') return (double)bits;
    if (array->kind == 'i') {
        const uint64_t sign = (uint64_t)1 << (8 * n - 1);
        return bits & sign ? -(double)(sign - (bits & (sign - 1))) : (double)bits;
    }
    if (n == 4) {
        const uint32_t narrow = (uint32_t)bits;
        float single;
        memcpy(&single, &narrow, sizeof single);
        return (double)single;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void rin_npy_to_doubles(const rin_npz_array *array, const uint8_t *items, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = item_to_double(array, items + i * array->item_bytes);
}

void rin_npy_to_floats(const rin_npz_array *array, const uint8_t *items, int64_t n, float *out) {
    if (array->kind == 'f' && array->item_bytes == 4 && !array->big_endian) memcpy(out, items, (size_t)n * sizeof *out);
    else
        for (int64_t i = 0; i < n; i++) out[i] = (float)item_to_double(array, items + i * array->item_bytes);
}
