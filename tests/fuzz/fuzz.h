/* SPDX-License-Identifier: MIT */
/* fuzz: what the fuzz targets share: a private folder for readers that take paths, copies of the input, checks. */
#ifndef RIN_TESTS_FUZZ_H
#define RIN_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every target is: one input through the code under test. libFuzzer or replay.c calls it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What must hold whatever the input is: stops the process at the line, as a crash that the fuzzer reports. */
#define FUZZ_CHECK(condition)               \
    do {                                    \
        if (!(condition)) __builtin_trap(); \
    } while (0)

enum { FUZZ_PATH = 512 };

/*
 * Path of a name in a folder of this process alone, into path, which is returned. The folder is made at the first call,
 * in memory where there is such a file system (RIN_FUZZ_DIR, else /dev/shm, else TMPDIR), and removed at exit.
 */
const char *fuzz_path(const char *name, char path[static FUZZ_PATH]);
/* A folder there; parents must exist. */
void fuzz_folder(const char *name);
/* A file there with these bytes; stops the process when it cannot be written. */
void fuzz_file(const char *name, const uint8_t *data, size_t n);

/* The bytes as text, which a zero among them ends early; freed by free. */
char *fuzz_text(const uint8_t *data, size_t n);

/* Uses every byte, so that a sanitizer sees those that were never written. */
void fuzz_touch(const void *bytes, size_t n);

#endif
