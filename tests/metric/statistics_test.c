/* SPDX-License-Identifier: MIT */
/* statistics: files of mean and covariance are read and written; what is no statistics is refused by name. */
#include "npz/maker.h"

#include "metric/statistics.h"

static const double mu[2] = {0.5, -1}, sigma[4] = {2, 0.25, 0.25, 1}, ninety = 90;

#define MU                                                    \
    {                                                         \
        .name = "mu", .values = mu, .rank = 1, .shape = { 2 } \
    }
#define SIGMA                                                          \
    {                                                                  \
        .name = "sigma", .values = sigma, .rank = 2, .shape = { 2, 2 } \
    }

static rin_npz *put(const place *p, const rin_npz_item *items, int n) {
    rin_error error = {0};
    rin_npz *npz;
    assert_ok(rin_npz_write(p->path, items, n, &error), &error);
    assert_ok(rin_npz_open(p->path, &npz, &error), &error);
    return npz;
}

static void assert_read(const rin_npz *npz, int64_t n, const char *protocol) {
    rin_error error = {0};
    rin_statistics s;
    assert_true(rin_statistics_are_in(npz));
    assert_ok(rin_statistics_read(npz, "file", &s, &error), &error);
    assert_true(s.gaussian.dim == 2 && s.gaussian.n == n);
    assert_memory_equal(s.gaussian.mu, mu, sizeof mu);
    assert_memory_equal(s.gaussian.sigma, sigma, sizeof sigma);
    if (protocol) assert_string_equal(s.protocol, protocol);
    else assert_null(s.protocol);
    rin_statistics_clear(&s);
    rin_statistics_clear(NULL);
}

static void test_round_trip(void **state) {
    const place *p = *state;
    const rin_gaussian g = {.dim = 2, .n = 50000, .mu = (double *)mu, .sigma = (double *)sigma};
    rin_gaussian unknown = g;
    rin_error error = {0};
    rin_npz *npz;
    unknown.n = 0;
    assert_ok(rin_statistics_write(p->path, &g, "tf \xC3\xA9", &error), &error);
    assert_ok(rin_npz_open(p->path, &npz, &error), &error);
    assert_int_equal(rin_npz_count(npz), 4);
    assert_read(npz, 50000, "tf \xC3\xA9");
    rin_npz_close(npz);
    assert_ok(rin_statistics_write(p->path, &unknown, NULL, &error), &error);
    assert_ok(rin_npz_open(p->path, &npz, &error), &error);
    assert_int_equal(rin_npz_count(npz), 2);
    assert_read(npz, 0, NULL);
    rin_npz_close(npz);
}

static void test_write_refuses(void **state) {
    const place *p = *state;
    double broken[4] = {2, NAN, NAN, 1};
    const rin_gaussian g = {.dim = 2, .mu = (double *)mu, .sigma = broken};
    rin_error error = {0};
    char *text = calloc((1 << 16) + 2, 1);
    memset(text, 'x', (1 << 16) + 1);
    assert_refused(rin_statistics_write(p->path, &g, NULL, &error), RIN_ERR_NUMERIC, &error, p->path);
    assert_refused(rin_statistics_write(p->path, &g, text, &error), RIN_ERR_ARG, &error, "65537 bytes");
    assert_false(rin_path_exists(p->path));
    free(text);
}

static void test_names_of_others(void **state) {
    static const uint8_t pictures[12] = {1};
    rin_npz *npz = put(*state,
                       (const rin_npz_item[]){
                           {.name = "arr_0", .bytes = pictures, .rank = 4, .shape = {1, 2, 2, 3}},
                           MU,
                           {.name = "mu_s", .values = mu, .rank = 1, .shape = {1}},
                           {.name = "cov", .values = sigma, .rank = 2, .shape = {2, 2}},
                           {.name = "n", .values = &ninety, .rank = 2, .shape = {1, 1}},
                       },
                       5);
    assert_read(npz, 90, NULL);
    rin_npz_close(npz);
    /* Of both names, the one of most projects. */
    npz = put(*state, (const rin_npz_item[]){{.name = "cov", .values = mu, .rank = 1, .shape = {2}}, SIGMA, MU}, 3);
    assert_read(npz, 0, NULL);
    rin_npz_close(npz);
}

static void test_none(void **state) {
    rin_npz *npz = put(*state, &(const rin_npz_item){.name = "arr_0", .values = mu, .rank = 1, .shape = {2}}, 1);
    rin_error error = {0};
    rin_statistics s;
    assert_false(rin_statistics_are_in(npz));
    assert_refused(rin_statistics_read(npz, "file", &s, &error), RIN_ERR_FORMAT, &error,
                   "file: it has no array 'mu', but 'arr_0'");
    rin_npz_close(npz);
}

static void test_rounding(void **state) {
    static const double uneven[4] = {2, 0.25 - 1e-7, 0.25 + 1e-7, 1};
    rin_npz *npz = put(*state,
                       (const rin_npz_item[]){MU, {.name = "sigma", .values = uneven, .rank = 2, .shape = {2, 2}}}, 2);
    rin_error error = {0};
    rin_statistics s;
    assert_ok(rin_statistics_read(npz, "file", &s, &error), &error);
    assert_true(s.gaussian.sigma[1] == s.gaussian.sigma[2] && fabs(s.gaussian.sigma[1] - 0.25) < 1e-15);
    rin_statistics_clear(&s);
    rin_npz_close(npz);
}

static void test_protocol(void **state) {
    static const struct {
        const char *stored;
        int64_t n;
        const char *read;
    } cases[] = {
        {"tf\xFF", 3, "tf?"},
        {"a\0b", 3, "a?b"},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_npz *npz = put(
            *state,
            (const rin_npz_item[]){
                MU,
                SIGMA,
                {.name = "protocol", .bytes = (const uint8_t *)cases[i].stored, .rank = 1, .shape = {cases[i].n}}},
            3);
        assert_read(npz, 0, cases[i].read);
        rin_npz_close(npz);
    }
}

static void test_refusals(void **state) {
    static const double nan_in[4] = {2, NAN, 0.25, 1}, uneven[4] = {2, 0.25, 0.3, 1}, half = 0.5, minus = -1;
    static uint8_t text[(1 << 16) + 1];
    const struct {
        rin_npz_item items[3];
        rin_status status;
        const char *part;
    } cases[] = {
        {{MU, {.name = "other", .values = sigma, .rank = 2, .shape = {2, 2}}, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "no array 'sigma', but 'mu', 'other', 'n'"},
        {{{.name = "x", .values = mu}, SIGMA, {.name = "n", .values = &ninety}}, RIN_ERR_FORMAT, "no array 'mu'"},
        {{MU, {.name = "sigma", .values = sigma, .rank = 2, .shape = {2, 1}}, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "array 'sigma' has shape (2, 1); (2, 2) goes with 'mu'"},
        {{MU, {.name = "cov", .values = sigma, .rank = 1, .shape = {4}}, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "array 'cov' has shape (4,)"},
        {{{.name = "mu", .values = mu, .rank = 2, .shape = {1, 2}}, SIGMA, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "array 'mu' has shape (1, 2)"},
        {{{.name = "mu", .values = mu, .rank = 1, .shape = {0}}, SIGMA, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "array 'mu' has shape (0,)"},
        {{{.name = "mu", .values = mu, .rank = 0}, SIGMA, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "array 'mu' has shape ()"},
        {{MU, {.name = "sigma", .values = nan_in, .rank = 2, .shape = {2, 2}}, {.name = "n", .values = &ninety}},
         RIN_ERR_NUMERIC,
         "file: "},
        {{MU, {.name = "sigma", .values = uneven, .rank = 2, .shape = {2, 2}}, {.name = "n", .values = &ninety}},
         RIN_ERR_FORMAT,
         "file: "},
        {{MU, SIGMA, {.name = "n", .values = mu, .rank = 1, .shape = {2}}}, RIN_ERR_FORMAT, "array 'n' has shape (2,)"},
        {{MU, SIGMA, {.name = "n", .values = &half}}, RIN_ERR_FORMAT, "array 'n' is 0.5"},
        {{MU, SIGMA, {.name = "n", .values = &minus}}, RIN_ERR_FORMAT, "array 'n' is -1"},
        {{MU, SIGMA, {.name = "n", .values = &nan_in[1]}}, RIN_ERR_FORMAT, "array 'n' is nan"},
        {{MU, SIGMA, {.name = "protocol", .values = mu, .rank = 1, .shape = {2}}},
         RIN_ERR_FORMAT,
         "array 'protocol' has type f8 and shape (2,)"},
        {{MU, SIGMA, {.name = "protocol", .bytes = text, .rank = 1, .shape = {(1 << 16) + 1}}},
         RIN_ERR_FORMAT,
         "array 'protocol' has type u1 and shape (65537,)"},
    };
    for (size_t i = 0; i < RIN_COUNT(cases); i++) {
        rin_error error = {0};
        rin_statistics s;
        rin_npz *npz = put(*state, cases[i].items, 3);
        assert_refused(rin_statistics_read(npz, "file", &s, &error), cases[i].status, &error, cases[i].part);
        assert_true(!s.gaussian.mu && !s.gaussian.sigma && !s.protocol);
        rin_npz_close(npz);
    }
}

/* Sums that are right in the file and wrong on the way are told by their array. */
static void test_damage(void **state) {
    const place *p = *state;
    rin_error error = {0};
    rin_statistics s;
    made a = {.n = 0}, b = {.n = 0}, zip = {.n = 0};
    make_npy(&a, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", mu, sizeof mu);
    make_npy(&b, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)}", sigma, sizeof sigma);
    make_zip(
        &zip,
        (const zip_member[]){{.name = "mu.npy", .content = &a}, {.name = "sigma.npy", .content = &b, .wrong_crc = 5}},
        2);
    place_put(p, &zip);
    rin_npz *npz;
    rin_status status = rin_npz_open(p->path, &npz, &error);
    if (status == RIN_OK) status = rin_statistics_read(npz, p->path, &s, &error);
    assert_refused(status, RIN_ERR_FORMAT, &error, "array 'sigma': damaged");
    rin_npz_close(npz);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_make, place_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip), TEST(test_write_refuses), TEST(test_names_of_others), TEST(test_none),
        TEST(test_rounding),   TEST(test_protocol),      TEST(test_refusals),        TEST(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
