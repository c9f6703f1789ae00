/* SPDX-License-Identifier: MIT */
/* replay: feeds a fuzz target the files of folders, as they are, cut short, and with single bytes changed. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

enum { N_CUTS = 4, N_CHANGES = 8, MOST_BYTES = 1 << 20 };

static long n_inputs;

/* A block of just this size, so that reading past its end is seen. */
static void feed(const uint8_t *data, size_t n, size_t changed, uint8_t by) {
    uint8_t *copy = malloc(n ? n : 1);
    FUZZ_CHECK(copy);
    memcpy(copy, data, n);
    if (changed < n) copy[changed] ^= by;
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    n_inputs++;
}

static uint32_t next_random(uint32_t *state) { /* xorshift: Marsaglia 2003 */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void feed_variants(const uint8_t *data, size_t n) {
    uint32_t state = 2463534242u ^ (uint32_t)n;
    feed(data, n, n, 0);
    for (size_t i = 1; i <= N_CUTS && n > N_CUTS; i++) feed(data, n * i / (N_CUTS + 1), n, 0);
    if (n) feed(data, n - 1, n, 0);
    for (int i = 0; i < N_CHANGES && n; i++) {
        /* Half of the changes near the beginning, where formats have their headers. */
        size_t within = i % 2 && n > 64 ? 64 : n;
        size_t at = next_random(&state) % within;
        feed(data, n, at, (uint8_t)(1 + next_random(&state) % 255));
    }
}

static int replay_file(const char *folder, const char *name) {
    static uint8_t data[MOST_BYTES];
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
    size_t n = stream ? fread(data, 1, sizeof data, stream) : 0;
    bool whole = stream && !ferror(stream) && n < sizeof data;
    if (stream) fclose(stream);
    if (!whole) {
        fprintf(stdout, "cannot read '%s', or it has more than %d bytes\n", path, MOST_BYTES - 1);
        return 1;
    }
    feed_variants(data, n);
    return 0;
}

static int wanted(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int compare(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int replay_folder(const char *folder) {
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, wanted, compare), failed = 0;
    if (n < 1) fprintf(stdout, "'%s' holds no files to replay\n", folder);
    for (int i = 0; i < n; i++) {
        if (!failed) failed = replay_file(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return failed || n < 1;
}

int main(int argc, char **argv) {
    int failed = argc < 2;
    if (failed) fprintf(stdout, "usage: %s FOLDER...\n", argv[0]);
    for (int i = 1; i < argc && !failed; i++) failed = replay_folder(argv[i]);
    printf("%ld inputs\n", n_inputs);
    return failed;
}
