/* SPDX-License-Identifier: MIT */
/* embed: what programs around the library share: a folder with a small data set, a network that trains in no time, a
 * terminal that must stay silent. */
#ifndef RIN_TESTS_EMBED_H
#define RIN_TESTS_EMBED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rin.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EMBED_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EMBED_SANITIZED 1
#endif
#endif
#ifndef EMBED_SANITIZED
#define EMBED_SANITIZED 0
#endif

enum {
    EMBED_PATH = 256,
    EMBED_SIDE = 8,
    EMBED_PICTURES = 3,
    EMBED_BYTES = EMBED_PICTURES * EMBED_SIDE * EMBED_SIDE * 3
};

/* ---- fixtures: the state of every test ---- */

typedef struct embed {
    char root[64];         /* a temporary folder */
    char data[EMBED_PATH]; /* of it: a data set */
    int output;            /* the file that takes what is written to the terminal while a test runs */
    int terminal_out[2];   /* standard output and standard error meanwhile */
} embed;

int embed_start(void **state); /* of the group: the folder; and a limit of time, as a call that waits must not hang */
int embed_end(void **state);
int embed_silence(void **state); /* of a test: nothing may be written to the terminal from here on */
int embed_listen(void **state);  /* fails when something was */

#define EMBED_TEST(function) cmocka_unit_test_setup_teardown(function, embed_silence, embed_listen)

/* root/name in one of a few buffers that are used in turn. Not for threads. */
const char *embed_path(const embed *e, const char *name);
void embed_remove(const char *path); /* with all that is in it */

/* ---- work, for any thread: no assertions ---- */

rin_status embed_config(int seed, rin_config **out, rin_error *error);
/* A whole run into a new folder. */
rin_status embed_train(const char *data, const char *run, int seed, rin_error *error);
rin_status embed_sample(const char *run, uint64_t seed, uint8_t pixels[EMBED_BYTES], rin_error *error);

/* ---- failures ---- */

/*
 * A call that must fail, with an error and without. With status RIN_OK any failure will do. part must be in the
 * message; what the error held before must not.
 */
#define EMBED_FAILS(status, part, function, ...)                                             \
    do {                                                                                     \
        rin_error embed_error = {RIN_OK, "stale"};                                           \
        embed_failed(function(__VA_ARGS__, &embed_error), status, &embed_error, part);       \
        embed_failed(function(__VA_ARGS__, NULL), status, NULL, #function " without error"); \
    } while (0)

/* A call whose argument of this name is NULL. */
#define EMBED_NULL(argument, function, ...) \
    EMBED_FAILS(RIN_ERR_ARG, #function ": " argument " must not be NULL", function, __VA_ARGS__)

void embed_failed(rin_status status, rin_status expected, const rin_error *error, const char *part);
void embed_ok(rin_status status, const rin_error *error);

#endif
