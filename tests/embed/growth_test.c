/* SPDX-License-Identifier: MIT */
/* A program that lives long: runs and models come and go, and nothing of them stays. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "support/embed.h"

enum { WARM_UP = 10, ROUNDS = 100, MOST_GROWTH = 2 << 20 };

/* Entries of a folder of /proc, the one for reading it included where these are descriptors. */
static int count_entries(const char *path) {
    int n = 0;
    DIR *stream = opendir(path);
    while (stream && readdir(stream)) n++;
    if (stream) closedir(stream);
    return n;
}

/* A thread that was waited for may still be listed for a moment. */
static int count_threads(int expected) {
    enum { MOST_TRIES = 1000, PAUSE_US = 2000 };
    int n = count_entries("/proc/self/task");
    for (int i = 0; i < MOST_TRIES && n > expected; i++) {
        usleep(PAUSE_US);
        n = count_entries("/proc/self/task");
    }
    return n;
}

static int64_t resident_bytes(void) {
    long long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lld %lld", &all, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static void live(const embed *e, int round) {
    rin_error error = {0};
    uint8_t pixels[EMBED_BYTES];
    const char *run = embed_path(e, "run");
    embed_ok(embed_train(e->data, run, round, &error), &error);
    embed_ok(embed_sample(run, (uint64_t)round, pixels, &error), &error);
    /* What fails must not leave anything behind either. */
    assert_int_not_equal(embed_train(e->data, run, round, &error), RIN_OK);
    assert_int_not_equal(embed_train(e->root, embed_path(e, "other"), round, &error), RIN_OK);
    assert_int_not_equal(embed_sample(e->data, 0, pixels, &error), RIN_OK);
    embed_remove(run);
    embed_remove(embed_path(e, "other"));
}

static void nothing_stays(void **state) {
    const embed *e = *state;
    for (int i = 0; i < WARM_UP; i++) live(e, i);
    int files = count_entries("/proc/self/fd"), threads = count_threads(3), left = count_entries(e->root);
    int64_t bytes = resident_bytes();
    for (int i = 0; i < ROUNDS; i++) live(e, i);
    assert_int_equal(count_entries("/proc/self/fd"), files);
    assert_int_equal(count_threads(threads), threads);
    assert_int_equal(count_entries(e->root), left);
    int64_t growth = resident_bytes() - bytes;
    if (!EMBED_SANITIZED && growth >= MOST_GROWTH) {
        fail_msg("%d runs made the process grow by %lld bytes", ROUNDS, (long long)growth);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {EMBED_TEST(nothing_stays)};
    return cmocka_run_group_tests_name("embed/growth", tests, embed_start, embed_end);
}
