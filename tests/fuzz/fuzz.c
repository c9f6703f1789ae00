/* SPDX-License-Identifier: MIT */
/* fuzz: the private folder of a target's process. */
#define _XOPEN_SOURCE 700 /* nftw */

#include "fuzz/fuzz.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FUZZ_PATH / 2];

static void give_up(const char *what) {
    perror(what);
    abort();
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    (void)remove(path);
    return 0;
}

static void remove_folder(void) {
    enum { OPEN_FOLDERS = 8 };
    (void)nftw(folder, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

static void make_folder(void) {
    const char *places[] = {getenv("RIN_FUZZ_DIR"), "/dev/shm", getenv("TMPDIR"), "/tmp"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i] || access(places[i], W_OK) != 0) continue;
        int n = snprintf(folder, sizeof folder, "%s/rin-fuzz-XXXXXX", places[i]);
        if (n < 0 || (size_t)n >= sizeof folder || !mkdtemp(folder)) continue;
        if (atexit(remove_folder) != 0) give_up("atexit");
        return;
    }
    give_up("no folder for temporary files");
}

const char *fuzz_path(const char *name, char path[static FUZZ_PATH]) {
    if (!*folder) make_folder();
    int n = snprintf(path, FUZZ_PATH, "%s/%s", folder, name);
    FUZZ_CHECK(n > 0 && n < FUZZ_PATH);
    return path;
}

void fuzz_folder(const char *name) {
    char path[FUZZ_PATH];
    struct stat info;
    if (mkdir(fuzz_path(name, path), 0700) != 0 && stat(path, &info) != 0) give_up(path);
}

void fuzz_file(const char *name, const uint8_t *data, size_t n) {
    char path[FUZZ_PATH];
    FILE *stream = fopen(fuzz_path(name, path), "wb");
    if (!stream) give_up(path);
    if (n && fwrite(data, 1, n, stream) != n) give_up(path);
    if (fclose(stream) != 0) give_up(path);
}

char *fuzz_text(const uint8_t *data, size_t n) {
    char *text = malloc(n + 1);
    if (!text) give_up("text");
    if (n) memcpy(text, data, n);
    text[n] = '\0';
    return text;
}

void fuzz_touch(const void *bytes, size_t n) {
    const uint8_t *at = bytes;
    uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) sum ^= at[i];
    volatile uint8_t sink = sum;
    (void)sink;
}
