/* SPDX-License-Identifier: MIT */
/*
 * One access to memory or files after another fails: every scenario ends with its result or a fitting error, gives back
 * all it took, leaves no half-written files, and what it had saved is still good. RIN_FAULTS_ALL=1 in the environment
 * takes every access of every kind, which takes many minutes; otherwise large numbers of them are sampled. The name of
 * a scenario as an argument, such as "train", takes that one alone.
 */
#include "fault/scenarios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/fault.h"

typedef struct sweep {
    const char *name;
    unsigned kinds;
    bool onwards;
    int code; /* errno of these failures */
} sweep;

enum { WRITING = RIN_FAULT_WRITE | RIN_FAULT_SYNC | RIN_FAULT_RENAME };

static const sweep sweeps[] = {{"open", RIN_FAULT_OPEN, false, EMFILE},
                               {"read", RIN_FAULT_READ, false, EIO},
                               {"write", RIN_FAULT_WRITE, false, ENOSPC},
                               {"sync", RIN_FAULT_SYNC, false, EIO},
                               {"rename", RIN_FAULT_RENAME, false, EIO},
                               {"alloc", RIN_FAULT_ALLOC, false, ENOMEM},
                               {"open+", RIN_FAULT_OPEN, true, EMFILE},
                               {"read+", RIN_FAULT_READ, true, EIO},
                               {"writing+", WRITING, true, 0},
                               {"alloc+", RIN_FAULT_ALLOC, true, ENOMEM}};

static fault_lab the_lab;
static char where[128]; /* what is being tried, for messages */
static bool json_failed;
static int n_complaints; /* of this scenario */

/* The sweep goes on after these. */
static void complain(const char *format, ...) {
    enum { MOST_SHOWN = 20 };
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (++n_complaints <= MOST_SHOWN) print_error("%s: %s\n", where, text);
}

/* ---- JSON's own memory fails too ---- */

static void *json_malloc(size_t n) {
    bool fails = rin_fault(RIN_FAULT_ALLOC);
    void *memory = fails ? NULL : malloc(n);
    if (fails) json_failed = true;
    rin_fault_add_blocks(memory != NULL);
    return memory;
}

static void json_free(void *memory) {
    rin_fault_add_blocks(-(memory != NULL));
    free(memory);
}

/* ---- what the process holds ---- */

typedef struct holdings {
    int64_t blocks;
    int descriptors, threads;
} holdings;

static int count_entries(const char *path) {
    int n = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

static holdings take_stock(void) {
    return (holdings){rin_fault_blocks(), count_entries("/proc/self/fd"), count_entries("/proc/self/task")};
}

static void expect_all_given_back(const holdings *before) {
    enum { MOST_WAITS = 2000, NANOSECONDS = 1000000 };
    holdings after = take_stock();
    /* A thread that was waited for may be listed for a moment longer. */
    for (int i = 0; i < MOST_WAITS && after.threads > before->threads; i++) {
        (void)nanosleep(&(struct timespec){0, NANOSECONDS}, NULL);
        after = take_stock();
    }
    if (after.blocks != before->blocks || after.descriptors != before->descriptors ||
        after.threads != before->threads) {
        complain("%lld blocks of memory, %d descriptors and %d threads were not given back",
                 (long long)(after.blocks - before->blocks), after.descriptors - before->descriptors,
                 after.threads - before->threads);
    }
}

/* ---- one run ---- */

static rin_status run_armed(const scenario *s, const sweep *how, uint64_t n, uint64_t *count, rin_error *error) {
    json_failed = false;
    the_lab.text[0] = the_lab.lab.log[0] = '\0';
    the_lab.lab.n_log = 0;
    if (s->prepare) s->prepare(&the_lab);
    holdings before = take_stock();
    rin_fault_arm(how->kinds, n, how->onwards);
    rin_status status = s->run(&the_lab, error);
    *count = rin_fault_count();
    rin_fault_arm(0, 0, false);
    expect_all_given_back(&before);
    return status;
}

/* JSON's parser does not tell text that is no JSON from memory that ran out. */
static bool fits(const sweep *how, rin_status status) {
    if (how->kinds == RIN_FAULT_OPEN)
        return status == RIN_ERR_MEMORY; /* of files that may be open, there are no more */
    if (how->kinds != RIN_FAULT_ALLOC) return status == RIN_ERR_IO;
    return status == RIN_ERR_MEMORY || (status == RIN_ERR_FORMAT && json_failed);
}

static void judge(const scenario *s, const sweep *how, bool met, rin_status status, const rin_error *error) {
    if (status == RIN_OK) {
        bool silent = met && s->writes && (how->kinds & WRITING) && !the_lab.lab.n_log;
        if (silent) complain("something could not be written, and nothing was said");
        return;
    }
    size_t length = strlen(error->text);
    if (!met) complain("%s without a failure: %s", rin_status_name(status), error->text);
    if (status != error->code || !fits(how, status))
        complain("%s (%s): %s", rin_status_name(status), rin_status_name(error->code), error->text);
    if (length < 10 || length >= sizeof error->text - 1) complain("a message of %zu bytes: %s", length, error->text);
    if (strstr(error->text, "(null)")) complain("%s", error->text);
    if (how->kinds != RIN_FAULT_ALLOC && how->code && !strstr(error->text, strerror(how->code)))
        complain("'%s' lacks '%s'", error->text, strerror(how->code));
}

/* Returns how many accesses there were. */
static uint64_t try_one(const scenario *s, const sweep *how, uint64_t n) {
    rin_error error = {0};
    uint64_t count;
    snprintf(where, sizeof where, "%s, %s, access %llu", s->name, how->name, (unsigned long long)n);
    rin_status status = run_armed(s, how, n, &count, &error);
    judge(s, how, n && count >= n, status, &error);
    if (!how->kinds) memcpy(the_lab.expected, the_lab.text, sizeof the_lab.expected);
    if (s->verify) s->verify(&the_lab, status);
    else if (status == RIN_OK) assert_string_equal(the_lab.text, the_lab.expected);
    return count;
}

/* ---- all of them ---- */

static uint64_t stride_of(const scenario *s, const sweep *how, uint64_t count) {
    bool few = how->kinds == RIN_FAULT_OPEN || how->kinds == RIN_FAULT_SYNC || how->kinds == RIN_FAULT_RENAME;
    if (getenv("RIN_FAULTS_ALL") || (few && !how->onwards)) return 1;
    const double seconds = how->onwards ? 0.3 : 1;
    uint64_t most = (uint64_t)(seconds * s->runs_a_second) + 3;
    return (count + most - 1) / most;
}

static void test_scenario(void **state) {
    const scenario *s = *state;
    double begin = rin_clock_seconds();
    char line[512];
    int length = snprintf(line, sizeof line, "%s:", s->name);
    uint64_t tried = 0;
    n_complaints = 0;
    assert_int_equal(try_one(s, &(sweep){"nothing", 0, false, 0}, 0), 0);
    for (size_t i = 0; i < RIN_COUNT(sweeps); i++) {
        uint64_t count = try_one(s, &sweeps[i], 0), stride = RIN_MAX(stride_of(s, &sweeps[i], count), 1), here = 0;
        for (uint64_t n = 1; n <= count; n += stride, here++) (void)try_one(s, &sweeps[i], n);
        if (count) {
            length += snprintf(line + length, sizeof line - (size_t)length, " %s %llu of %llu,", sweeps[i].name,
                               (unsigned long long)here, (unsigned long long)count);
        }
        tried += here;
    }
    where[0] = '\0';
    if (n_complaints) fail_msg("%d complaints", n_complaints);
    print_message("%s %llu runs in %.1f s\n", line, (unsigned long long)tried, rin_clock_seconds() - begin);
}

static int say_where(void **state) {
    (void)state;
    rin_fault_arm(0, 0, false);
    if (where[0]) print_error("it failed at: %s\n", where);
    where[0] = '\0';
    return 0;
}

static int create(void **state) {
    (void)state;
    /* Memory, where syncing costs nothing. */
    if (access("/dev/shm", W_OK) == 0) (void)setenv("TMPDIR", "/dev/shm", 0);
    cJSON_InitHooks(&(cJSON_Hooks){json_malloc, json_free});
    fault_lab_create(&the_lab);
    return 0;
}

static int destroy(void **state) {
    (void)state;
    fault_lab_free(&the_lab);
    return 0;
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[N_SCENARIOS];
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    for (int i = 0; i < N_SCENARIOS; i++) {
        tests[i] = (struct CMUnitTest){.name = scenarios[i].name,
                                       .test_func = test_scenario,
                                       .teardown_func = say_where,
                                       .initial_state = (void *)(uintptr_t)&scenarios[i]};
    }
    return cmocka_run_group_tests(tests, create, destroy);
}
