/* SPDX-License-Identifier: MIT */
/* npz: every kind of file that numpy writes is read exactly; damaged and hostile ones are refused. */
#include "npz/maker.h"

#define HEADER(descr, fortran, shape) \
    "{'descr': '" descr "', 'fortran_order': " fortran ", 'shape': " shape ", }          \n"

static const double mu[3] = {1.5, -2.25, 1e300};
static const float pair[2] = {0.1f, -7};

static rin_npz *open_made(const place *p, const made *m) {
    rin_npz *npz;
    rin_error error = {0};
    place_put(p, m);
    assert_ok(rin_npz_open(p->path, &npz, &error), &error);
    return npz;
}

static void assert_array(const rin_npz *npz, const char *name, const double *expected, int64_t n) {
    double values[64];
    rin_error error = {0};
    const rin_npz_array *array = rin_npz_find(npz, name);
    assert_non_null(array);
    assert_int_equal(array->count, n);
    assert_ok(rin_npz_read(npz, array, values, n, &error), &error);
    assert_memory_equal(values, expected, (size_t)n * sizeof *values);
}

/* ---- what is read ---- */

static void test_kinds_of_zip(void **state) {
    const place *p = *state;
    const double wide[2] = {(double)0.1f, -7};
    made a = {.n = 0}, b = {.n = 0}, text = {.n = 0};
    make_npy(&a, 1, HEADER("<f8", "False", "(3,)"), mu, sizeof mu);
    make_npy(&b, 1, HEADER("<f4", "False", "(2, 1)"), pair, sizeof pair);
    make_bytes(&text, "no array", 8);
    for (int kind = 0; kind < 8; kind++) {
        const int method = kind & 1 ? 8 : 0;
        const bool zip64 = kind & 2, streamed = kind & 4;
        const zip_member members[] = {
            {"mu.npy", &a, method, zip64, streamed, 0, 0, 0},
            {"read.me", &text, method, zip64, streamed, 0, 0, 0},
            {"\xC3\xA9/x.npy", &b, method, zip64, streamed, 0x800, 0, 0},
        };
        made zip = {.n = 0};
        make_zip(&zip, members, 3);
        rin_npz *npz = open_made(p, &zip);
        assert_int_equal(rin_npz_count(npz), 2);
        assert_array(npz, "mu", mu, 3);
        assert_array(npz, "\xC3\xA9/x", wide, 2);
        assert_null(rin_npz_find(npz, "read.me"));
        assert_null(rin_npz_get(npz, 2));
        const rin_npz_array *array = rin_npz_get(npz, 1);
        assert_true(array->kind == 'f' && array->item_bytes == 4 && array->rank == 2 && array->shape[0] == 2);
        rin_npz_close(npz);
    }
}

static void test_types(void **state) {
    static const struct {
        const char *header;
        const char *data;
        size_t n;
        double expected[2];
    } cases[] = {
        {HEADER("|u1", "False", "(2,)"), "\x00\xFF", 2, {0, 255}},
        {HEADER("<u1", "False", "(2,)"), "\x01\x80", 2, {1, 128}},
        {HEADER("|i1", "False", "(2,)"), "\x7F\x80", 2, {127, -128}},
        {HEADER("<u2", "False", "(2,)"), "\x01\x02\xFF\xFF", 4, {513, 65535}},
        {HEADER(">u2", "False", "(2,)"), "\x01\x02\xFF\xFE", 4, {258, 65534}},
        {HEADER("<i2", "False", "(2,)"), "\xFF\xFF\x00\x80", 4, {-1, -32768}},
        {HEADER(">i4", "False", "(2,)"), "\xFF\xFF\xFF\xFE\x00\x01\x00\x00", 8, {-2, 65536}},
        {HEADER("<u4", "False", "(2,)"), "\xFF\xFF\xFF\xFF\x01\x00\x00\x00", 8, {4294967295, 1}},
        {HEADER("<i8", "False", "(2,)"),
         "\x00\x00\x00\x00\x00\x00\x00\x80\xFF\xFF\xFF\xFF\xFF\xFF\x1F\x00",
         16,
         {-0x1p63, 0x1p53 - 1}},
        {HEADER(">u8", "False", "(2,)"),
         "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05",
         16,
         {0x1p63, 5}},
        {HEADER(">f4", "False", "(2,)"), "\x3F\xC0\x00\x00\xC0\x10\x00\x00", 8, {1.5, -2.25}},
        {HEADER("<f4", "False", "(2,)"), "\x00\x00\xC0\x3F\x00\x00\x10\xC0", 8, {1.5, -2.25}},
        {HEADER(">f8", "False", "(2,)"),
         "\x3F\xF8\x00\x00\x00\x00\x00\x00\xC0\x02\x00\x00\x00\x00\x00\x00",
         16,
         {1.5, -2.25}},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        made npy = {.n = 0};
        float floats[2];
        rin_error error = {0};
        rin_npz_stream *stream;
        make_npy(&npy, 1, cases[i].header, cases[i].data, cases[i].n);
        rin_npz *npz = open_made(*state, &npy);
        assert_array(npz, "", cases[i].expected, 2);
        assert_ok(rin_npz_stream_open(npz, rin_npz_get(npz, 0), &stream, &error), &error);
        assert_ok(rin_npz_stream_floats(stream, floats, 2, &error), &error);
        for (int k = 0; k < 2; k++) assert_true(floats[k] == (float)cases[i].expected[k]);
        rin_npz_stream_close(stream);
        rin_npz_close(npz);
    }
}

static void test_headers(void **state) {
    static const char *const dictionaries[] = {
        HEADER("<f8", "False", "(3,)"),
        "{'descr':'<f8','fortran_order':False,'shape':(3,)}",
        "{\"shape\": ( 3 , ) , \"fortran_order\" : True, \"descr\" : \"<f8\"}\n",
        "  {'shape': (1, 3, 1, 1), 'descr': '<f8', 'fortran_order': True}",
        "{'shape': (3, 1,), 'descr': '<f8', 'fortran_order': False, }",
        "{'shape': (3L,), 'descr': '<f8', 'fortran_order': False, }",
    };
    for (size_t i = 0; i < RIN_COUNT(dictionaries); i++) {
        for (int version = 1; version <= 3; version++) {
            made npy = {.n = 0};
            make_npy(&npy, version, dictionaries[i], mu, sizeof mu);
            rin_npz *npz = open_made(*state, &npy);
            assert_array(npz, "", mu, 3);
            rin_npz_close(npz);
        }
    }
}

static void test_ranks(void **state) {
    made scalar = {.n = 0}, empty = {.n = 0}, zip = {.n = 0};
    make_npy(&scalar, 1, HEADER("<f8", "False", "()"), mu, sizeof mu[0]);
    make_npy(&empty, 1, HEADER("|u1", "True", "(5, 0, 3)"), NULL, 0);
    make_zip(&zip, (const zip_member[]){{.name = "n.npy", .content = &scalar}, {.name = "none.npy", .content = &empty}},
             2);
    rin_error error = {0};
    rin_npz_stream *stream;
    rin_npz *npz = open_made(*state, &zip);
    assert_array(npz, "n", mu, 1);
    assert_array(npz, "none", mu, 0);
    assert_ok(rin_npz_stream_open(npz, rin_npz_find(npz, "none"), &stream, &error), &error);
    assert_ok(rin_npz_stream_bytes(stream, NULL, 0, &error), &error);
    assert_ok(rin_npz_stream_floats(stream, NULL, 0, &error), &error);
    rin_npz_stream_close(stream);
    rin_npz_close(npz);
}

static void test_fortran_order(void **state) {
    uint8_t data[24];
    double expected[24];
    made npy = {.n = 0};
    rin_error error = {0};
    rin_npz_stream *stream;
    for (int i = 0; i < 24; i++) {
        const int at[3] = {i / 12, i / 4 % 3, i % 4}; /* in C order */
        expected[i] = i;
        data[at[0] + 2 * at[1] + 6 * at[2]] = (uint8_t)i;
    }
    make_npy(&npy, 1, HEADER("|u1", "True", "(2, 3, 4)"), data, sizeof data);
    rin_npz *npz = open_made(*state, &npy);
    assert_array(npz, "", expected, 24);
    assert_refused(rin_npz_stream_open(npz, rin_npz_get(npz, 0), &stream, &error), RIN_ERR_UNSUPPORTED, &error,
                   "Fortran order");
    assert_null(stream);
    rin_npz_close(npz);
}

/* ---- streams ---- */

static void test_streams(void **state) {
    enum { N = 20000 };
    static uint8_t data[N], bytes[N];
    static float floats[N];
    made npy = {.n = 0}, zip = {.n = 0};
    rin_error error = {0};
    rin_npz_stream *a, *b;
    for (int i = 0; i < N; i++) data[i] = (uint8_t)(i * 7 ^ i >> 5);
    make_npy(&npy, 1, HEADER("|u1", "False", "(2, 10000)"), data, N);
    make_zip(&zip, &(const zip_member){.name = "arr_0.npy", .content = &npy, .method = 8}, 1);
    rin_npz *npz = open_made(*state, &zip);
    const rin_npz_array *array = rin_npz_get(npz, 0), elsewhere = *array;
    assert_ok(rin_npz_stream_open(npz, array, &a, &error), &error);
    assert_ok(rin_npz_stream_open(npz, array, &b, &error), &error);
    for (int done = 0, n = 1; done < N; done += n, n = RIN_MIN(3 * n, N - done)) {
        assert_ok(rin_npz_stream_bytes(a, bytes + done, n, &error), &error);
        assert_ok(rin_npz_stream_floats(b, floats + done, n, &error), &error);
    }
    assert_memory_equal(bytes, data, N);
    for (int i = 0; i < N; i++) assert_true(floats[i] == data[i]);
    assert_ok(rin_npz_stream_bytes(a, bytes, 0, &error), &error);
    assert_refused(rin_npz_stream_bytes(a, bytes, 1, &error), RIN_ERR_ARG, &error, "1 numbers are asked for, and 0");
    assert_refused(rin_npz_stream_floats(b, floats, -1, &error), RIN_ERR_ARG, &error, "-1 numbers");
    assert_refused(rin_npz_read(npz, array, NULL, N - 1, &error), RIN_ERR_ARG, &error, "it holds 20000");
    rin_npz_stream_close(a);
    rin_npz_stream_close(b);
    assert_refused(rin_npz_stream_open(npz, &elsewhere, &b, &error), RIN_ERR_ARG, &error, "not an array of this file");
    assert_null(b);
    rin_npz_stream_close(NULL);
    rin_npz_close(npz);
    rin_npz_close(NULL);
}

static void test_bytes_of_others(void **state) {
    uint8_t bytes[24];
    made npy = {.n = 0};
    rin_error error = {0};
    rin_npz_stream *stream;
    make_npy(&npy, 1, HEADER("<f8", "False", "(3,)"), mu, sizeof mu);
    rin_npz *npz = open_made(*state, &npy);
    assert_ok(rin_npz_stream_open(npz, rin_npz_get(npz, 0), &stream, &error), &error);
    assert_refused(rin_npz_stream_bytes(stream, bytes, 3, &error), RIN_ERR_ARG, &error, "it holds f8");
    rin_npz_stream_close(stream);
    rin_npz_close(npz);
}

/* Behind the last number at the latest; of what fits one block of libarchive, when it is opened. */
static void test_checksum(void **state) {
    const place *p = *state;
    float values[3];
    for (int method = 0; method <= 8; method += 8) {
        made npy = {.n = 0}, zip = {.n = 0};
        rin_error error = {0};
        rin_npz *npz = NULL;
        rin_npz_stream *stream = NULL;
        make_npy(&npy, 1, HEADER("<f8", "False", "(3,)"), mu, sizeof mu);
        make_zip(&zip, &(const zip_member){.name = "mu.npy", .content = &npy, .method = method, .wrong_crc = 1}, 1);
        place_put(p, &zip);
        rin_status status = rin_npz_open(p->path, &npz, &error);
        if (status == RIN_OK) status = rin_npz_stream_open(npz, rin_npz_get(npz, 0), &stream, &error);
        if (status == RIN_OK) status = rin_npz_stream_floats(stream, values, 2, &error);
        if (status == RIN_OK) status = rin_npz_stream_floats(stream, values, 1, &error);
        assert_refused(status, RIN_ERR_FORMAT, &error, "array 'mu': damaged: ");
        if (stream)
            assert_refused(rin_npz_stream_floats(stream, values, 0, &error), RIN_ERR_ARG, &error, "failed before");
        rin_npz_stream_close(stream);
        rin_npz_close(npz);
    }
}

static void test_changed_file(void **state) {
    double values[3];
    made before = {.n = 0}, after = {.n = 0}, zip = {.n = 0}, other = {.n = 0};
    rin_error error = {0};
    make_npy(&before, 1, HEADER("<f8", "False", "(3,)"), mu, sizeof mu);
    make_npy(&after, 1, HEADER("<i8", "False", "(3,)"), mu, sizeof mu);
    make_zip(&zip, &(const zip_member){.name = "mu.npy", .content = &before}, 1);
    make_zip(&other, &(const zip_member){.name = "mu.npy", .content = &after}, 1);
    rin_npz *npz = open_made(*state, &zip);
    place_put(*state, &other);
    assert_refused(rin_npz_read(npz, rin_npz_get(npz, 0), values, 3, &error), RIN_ERR_FORMAT, &error, "has changed");
    other.n = 40;
    place_put(*state, &other);
    assert_refused(rin_npz_read(npz, rin_npz_get(npz, 0), values, 3, &error), RIN_ERR_IO, &error, "shrank");
    rin_npz_close(npz);
}

/* ---- what is refused ---- */

static void refuse(const place *p, const made *m, rin_status expected, const char *part) {
    rin_npz *npz;
    rin_error error = {0};
    place_put(p, m);
    assert_refused(rin_npz_open(p->path, &npz, &error), expected, &error, part);
    assert_null(npz);
    assert_non_null(strstr(error.text, p->path));
}

static void test_headers_refused(void **state) {
    static const struct {
        const char *dictionary;
        rin_status status;
        const char *part;
    } cases[] = {
        {HEADER("|O", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "never run"},
        {HEADER("<f2", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'<f2'"},
        {HEADER("<f16", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'<f16'"},
        {HEADER("|f8", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'|f8'"},
        {HEADER("=f8", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'=f8'"},
        {HEADER("<U3", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'<U3'"},
        {HEADER("|b1", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'|b1'"},
        {HEADER("<c8", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'<c8'"},
        {HEADER("<", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'<'"},
        {HEADER("", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "''"},
        {HEADER("\x1B[31m", "False", "(3,)"), RIN_ERR_UNSUPPORTED, "'?[31m'"},
        {HEADER("<f8'", "False", "(3,)"), RIN_ERR_FORMAT, "a comma expected"},
        {HEADER("a string that is far too long for a type", "False", "(3,)"), RIN_ERR_FORMAT, "short plain string"},
        {"{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (3,), }", RIN_ERR_UNSUPPORTED,
         "records"},
        {"{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (3,), }", RIN_ERR_UNSUPPORTED, "records"},
        {HEADER("<f8", "No", "(3,)"), RIN_ERR_FORMAT, "True or False expected at character"},
        {HEADER("<f8", "False", "(3)"), RIN_ERR_FORMAT, "with a comma"},
        {HEADER("<f8", "False", "3"), RIN_ERR_FORMAT, "a shape expected"},
        {HEADER("<f8", "False", "(-3,)"), RIN_ERR_FORMAT, "a dimension expected"},
        {HEADER("<f8", "False", "(,)"), RIN_ERR_FORMAT, "a dimension expected"},
        {HEADER("<f8", "False", "(3 1)"), RIN_ERR_FORMAT, "a comma expected"},
        {HEADER("<f8", "False", "(3,"), RIN_ERR_FORMAT, "a dimension expected"},
        {HEADER("<f8", "False", "(3, 1, 1, 1, 1)"), RIN_ERR_UNSUPPORTED, "more than 4 dimensions"},
        {HEADER("<f8", "False", "(9223372036854775808,)"), RIN_ERR_FORMAT, "larger than 2^63 - 1"},
        {HEADER("<f8", "False", "(4294967296, 4294967296)"), RIN_ERR_FORMAT, "more numbers than 63 bits"},
        {HEADER("<f8", "False", "(0, 4294967296, 4294967296)"), RIN_ERR_FORMAT, "more numbers than 63 bits"},
        {HEADER("<f8", "False", "(1152921504606846976,)"), RIN_ERR_FORMAT, "more numbers than 63 bits"},
        {HEADER("<f8", "False", "(4,)"), RIN_ERR_FORMAT, "takes 32 bytes, but 24 follow the header: it is cut"},
        {HEADER("<f8", "False", "(2,)"), RIN_ERR_FORMAT, "followed by something else"},
        {HEADER("<f8", "False", "(1099511627776,)"), RIN_ERR_FORMAT, "takes 8796093022208 bytes, but 24"},
        {"{'descr': '<f8', 'fortran_order': False, }", RIN_ERR_FORMAT, "has no 'shape'"},
        {"{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", RIN_ERR_FORMAT, "'descr' twice"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'more': 1}", RIN_ERR_FORMAT, "'more' in it"},
        {"{'descr' '<f8'}", RIN_ERR_FORMAT, "a colon expected"},
        {"{'d\\x65scr': '<f8'}", RIN_ERR_FORMAT, "short plain string"},
        {"{'descr", RIN_ERR_FORMAT, "the end of a string expected at character 7 of 7"},
        {HEADER("<f8", "False", "(3,)") "x", RIN_ERR_FORMAT, "the end expected"},
        {"(3,)", RIN_ERR_FORMAT, "a dictionary expected"},
        {"", RIN_ERR_FORMAT, "a dictionary expected at character 0 of 0"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        made npy = {.n = 0}, zip = {.n = 0};
        make_npy(&npy, 1 + (int)(i % 2), cases[i].dictionary, mu, sizeof mu);
        refuse(*state, &npy, cases[i].status, cases[i].part);
        make_zip(&zip, &(const zip_member){.name = "x.npy", .content = &npy, .method = 8}, 1);
        refuse(*state, &zip, cases[i].status, cases[i].part);
        refuse(*state, &zip, cases[i].status, "array 'x': ");
    }
}

static void test_starts_refused(void **state) {
    const place *p = *state;
    made npy = {.n = 0}, nothing = {.n = 0}, other = {.n = 0}, long_one = {.n = 0}, empty = {.n = 0};
    rin_npz *npz;
    rin_error error = {0};
    make_npy(&npy, 4, HEADER("<f8", "False", "(3,)"), mu, sizeof mu);
    refuse(p, &npy, RIN_ERR_FORMAT, "version 4.0 of the .npy format");
    npy.at[6] = 1;
    npy.at[7] = 1;
    refuse(p, &npy, RIN_ERR_FORMAT, "version 1.1 of the .npy format");
    npy.n = 7;
    refuse(p, &npy, RIN_ERR_FORMAT, "its header is cut");
    make_bytes(&long_one, "\x93NUMPY\2\0\1\0\1\0", 12);
    refuse(p, &long_one, RIN_ERR_FORMAT, "claims 65537 bytes");
    refuse(p, &nothing, RIN_ERR_FORMAT, "neither a .npz");
    make_zip(&empty, NULL, 0);
    refuse(p, &empty, RIN_ERR_FORMAT, "no directory");
    make_bytes(&other, "\x80\4\x95pickle", 9);
    refuse(p, &other, RIN_ERR_FORMAT, "neither a .npz");
    assert_refused(rin_npz_open(p->folder, &npz, &error), RIN_ERR_IO, &error, "not a regular file");
    assert_refused(rin_npz_open("/tmp/rin-npz-not-there", &npz, &error), RIN_ERR_IO, &error, "cannot open");
}

static void test_members_refused(void **state) {
    static const char long_name[] = "a123456789b123456789c123456789d123456789e123456789f123456789g123.npy";
    const place *p = *state;
    made npy = {.n = 0};
    make_npy(&npy, 1, HEADER("<f8", "False", "(3,)"), mu, sizeof mu);
    const struct {
        zip_member members[2];
        rin_status status;
        const char *part;
    } cases[] = {
        {{{.name = "mu.npy"}, {.name = "mu.npy"}}, RIN_ERR_FORMAT, "array 'mu': there are two"},
        {{{.name = "a.npy"}, {.name = ".npy"}}, RIN_ERR_FORMAT, "a name of 0 bytes"},
        {{{.name = "a.npy"}, {.name = long_name}}, RIN_ERR_FORMAT, "a name of 64 bytes"},
        {{{.name = "a.npy"}, {.name = "\xFF.npy"}}, RIN_ERR_FORMAT, "a name of 1 bytes"},
        {{{.name = "a.npy"}, {.name = "\x1B.npy"}}, RIN_ERR_FORMAT, "a name of 1 bytes"},
        {{{.name = "a.npy"}, {.name = "b.npy", .flags = 1}}, RIN_ERR_UNSUPPORTED, "array 'b': it is encrypted"},
        {{{.name = "a.npy"}, {.name = "b.npy", .method = 12}}, RIN_ERR_UNSUPPORTED, "array 'b': it is packed as"},
        {{{.name = "a.npy"}, {.name = "b.npy", .method = 98}}, RIN_ERR_UNSUPPORTED, "array 'b': it is packed as"},
        {{{.name = "a.npy"}, {.name = "b.npy", .claimed = 7}}, RIN_ERR_FORMAT, "damaged or cut"},
        {{{.name = "a.npy"}, {.name = "b.npy", .claimed = 1 << 30, .streamed = true, .method = 8}},
         RIN_ERR_FORMAT,
         "array 'b': it claims 1073741824 bytes"},
        {{{.name = "a.npy"}, {.name = "b.npy", .claimed = (uint64_t)1 << 60, .streamed = true, .method = 8}},
         RIN_ERR_FORMAT,
         "array 'b': it claims 1152921504606846976 bytes"},
        {{{.name = "a.npy"}, {.name = "b.npy", .claimed = 1000, .streamed = true, .method = 8}},
         RIN_ERR_FORMAT,
         "array 'b': damaged: "},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        zip_member members[2] = {cases[i].members[0], cases[i].members[1]};
        made zip = {.n = 0};
        members[0].content = members[1].content = &npy;
        make_zip(&zip, members, 2);
        refuse(p, &zip, cases[i].status, cases[i].part);
    }
}

static void test_many_members(void **state) {
    enum { N = 200 };
    zip_member members[N];
    char names[N][16];
    made npy = {.n = 0}, zip = {.n = 0};
    const double four = 4;
    make_npy(&npy, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "\4", 1);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "a%d.npy", i);
        members[i] = (zip_member){.name = names[i], .content = &npy, .method = 8};
    }
    make_zip(&zip, members, N);
    rin_npz *npz = open_made(*state, &zip);
    assert_int_equal(rin_npz_count(npz), N);
    assert_array(npz, "a199", &four, 1);
    rin_npz_close(npz);
}

/* ---- damage ---- */

/* An error, or the same numbers whatever they are called. Returns how many arrays were read. */
static int read_damaged(const place *p, const made *m) {
    rin_npz *npz;
    rin_error error = {0};
    int n_read = 0;
    place_put(p, m);
    if (rin_npz_open(p->path, &npz, &error) != RIN_OK) {
        assert_true(error.text[0] && !npz);
        return 0;
    }
    for (size_t i = 0; i < rin_npz_count(npz); i++) {
        const rin_npz_array *array = rin_npz_get(npz, i);
        double values[64];
        assert_true(array->count <= 64);
        if (rin_npz_read(npz, array, values, array->count, &error) != RIN_OK) continue;
        n_read++;
        if (array->item_bytes == 8) {
            assert_int_equal(array->count, 3);
            assert_memory_equal(values, mu, sizeof mu);
        } else {
            assert_int_equal(array->count, 2);
            assert_true(values[0] == (double)pair[0] && values[1] == (double)pair[1]);
        }
    }
    rin_npz_close(npz);
    return n_read;
}

static void test_damage(void **state) {
    made a = {.n = 0}, b = {.n = 0};
    make_npy(&a, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}\n", mu, sizeof mu);
    make_npy(&b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", pair, sizeof pair);
    for (int kind = 0; kind < 8; kind++) {
        const int method = kind & 1 ? 8 : 0;
        const bool zip64 = kind & 2, streamed = kind & 4;
        made zip = {.n = 0};
        make_zip(&zip,
                 (const zip_member[]){{"mu.npy", &a, method, zip64, streamed, 0, 0, 0},
                                      {"x.npy", &b, method, zip64, streamed, 0, 0, 0}},
                 2);
        assert_int_equal(read_damaged(*state, &zip), 2);
        made cut = zip;
        for (cut.n = 0; cut.n < zip.n; cut.n++) assert_int_equal(read_damaged(*state, &cut), 0);
        for (size_t i = 0; i < zip.n; i++) {
            static const uint8_t changes[] = {1, 0x80, 0xFF};
            for (size_t k = 0; k < RIN_COUNT(changes); k++) {
                zip.at[i] ^= changes[k];
                (void)read_damaged(*state, &zip);
                zip.at[i] ^= changes[k];
            }
        }
    }
}

/* A .npy has no checksum: the numbers may be others, but nothing worse happens. */
static void test_damaged_npy(void **state) {
    const place *p = *state;
    made npy = {.n = 0}, cut;
    rin_npz *npz;
    make_npy(&npy, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}\n", mu, sizeof mu);
    cut = npy;
    for (cut.n = 0; cut.n < npy.n; cut.n++) {
        place_put(p, &cut);
        assert_int_equal(rin_npz_open(p->path, &npz, NULL), RIN_ERR_FORMAT);
    }
    for (size_t i = 0; i < npy.n; i++) {
        for (int change = 1; change < 256; change++) {
            double values[64];
            npy.at[i] ^= (uint8_t)change;
            place_put(p, &npy);
            if (rin_npz_open(p->path, &npz, NULL) == RIN_OK) {
                const rin_npz_array *array = rin_npz_get(npz, 0);
                assert_true(array->count * array->item_bytes == sizeof mu);
                assert_int_equal(rin_npz_read(npz, array, values, array->count, NULL), RIN_OK);
                rin_npz_close(npz);
            }
            npy.at[i] ^= (uint8_t)change;
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_make, place_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_kinds_of_zip),  TEST(test_types),           TEST(test_headers),         TEST(test_ranks),
        TEST(test_fortran_order), TEST(test_streams),         TEST(test_bytes_of_others), TEST(test_checksum),
        TEST(test_changed_file),  TEST(test_headers_refused), TEST(test_starts_refused),  TEST(test_members_refused),
        TEST(test_many_members),  TEST(test_damage),          TEST(test_damaged_npy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
