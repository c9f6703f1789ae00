/* SPDX-License-Identifier: MIT */
/* The memory and processors a process may use: control groups as files tell of them, and limits of the process. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/run.h"

static void put(run_lab *lab, const char *name, const char *text) {
    char path[256], *slash = path;
    rin_error error = {0};
    snprintf(path, sizeof path, "%s", run_lab_path(lab, name));
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        assert_ok(rin_dir_create(path, &error), &error);
        *slash = '/';
    }
    assert_ok(rin_file_write(path, text, strlen(text), &error), &error);
}

static uint64_t limit_of(run_lab *lab, const char *list) {
    char path[256];
    put(lab, "list", list);
    snprintf(path, sizeof path, "%s", run_lab_path(lab, "list"));
    return rin_memory_limit_of_groups(path, run_lab_path(lab, "root"));
}

static void test_least_of_a_group_and_those_around_it(void **state) {
    (void)state;
    run_lab lab;
    run_lab_create(&lab);
    put(&lab, "root/a/b/c/memory.max", "max\n");
    put(&lab, "root/a/b/memory.max", "5000000\n");
    put(&lab, "root/a/memory.max", "3000000\n");
    assert_int_equal(limit_of(&lab, "0::/a/b/c\n"), 3000000);
    put(&lab, "root/a/memory.max", "max\n");
    assert_int_equal(limit_of(&lab, "0::/a/b/c\n"), 5000000);
    assert_int_equal(limit_of(&lab, "0::/a/b/c/\n"), 5000000);
    assert_int_equal(limit_of(&lab, "0::/a/b"), 5000000); /* no newline at the end */
    assert_true(limit_of(&lab, "0::/a\n") == UINT64_MAX);
    /* Within a container the group's own files are at the root, whatever its path says. */
    put(&lab, "root/memory.max", "4000000\n");
    assert_int_equal(limit_of(&lab, "0::/\n"), 4000000);
    assert_int_equal(limit_of(&lab, "0::/elsewhere/entirely\n"), 4000000);
    run_lab_free(&lab);
}

static void test_first_version(void **state) {
    (void)state;
    run_lab lab;
    run_lab_create(&lab);
    put(&lab, "root/memory/job/memory.limit_in_bytes", "7000000\n");
    put(&lab, "root/memory/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    assert_int_equal(limit_of(&lab, "9:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/job\n"), 7000000);
    assert_int_equal(limit_of(&lab, "4:cpu,memory,pids:/job/deeper\n"), 7000000);
    assert_true(limit_of(&lab, "4:memory:/\n") >= (uint64_t)1 << 62);
    assert_true(limit_of(&lab, "4:memoryless:/job\n5:cpu:/job\n") == UINT64_MAX);
    /* Both versions at once: the least of all. */
    put(&lab, "root/job/memory.max", "6000000\n");
    assert_int_equal(limit_of(&lab, "4:memory:/job\n0::/job\n"), 6000000);
    run_lab_free(&lab);
}

static void test_nonsense_is_no_limit(void **state) {
    (void)state;
    static const char *const limits[] = {"",      "\n", "-5\n", "many\n", "12 34\n", "99999999999999999999999999\n",
                                         "0x10\n"};
    static const char *const lists[] = {"", "\n", ":\n", "0:\n", "0:/a\n", "a\nb\n", "::\n", "0:memory\n"};
    run_lab lab;
    run_lab_create(&lab);
    for (size_t i = 0; i < RIN_COUNT(limits); i++) {
        put(&lab, "root/a/memory.max", limits[i]);
        if (limit_of(&lab, "0::/a\n") != UINT64_MAX) fail_msg("'%s' is taken for a limit", limits[i]);
    }
    put(&lab, "root/a/memory.max", "1000\n");
    for (size_t i = 0; i < RIN_COUNT(lists); i++) {
        if (limit_of(&lab, lists[i]) != UINT64_MAX) fail_msg("'%s' leads to a limit", lists[i]);
    }
    assert_true(rin_memory_limit_of_groups(run_lab_path(&lab, "no list"), run_lab_path(&lab, "root")) == UINT64_MAX);
    char deep[6000]; /* a path longer than any the system takes */
    memset(deep, 'a', sizeof deep);
    memcpy(deep, "0::/", 4);
    deep[sizeof deep - 1] = '\0';
    assert_true(limit_of(&lab, deep) == UINT64_MAX);
    run_lab_free(&lab);
}

static uint64_t processors_of(run_lab *lab, const char *quota) {
    char path[256];
    put(lab, "root/a/b/cpu.max", quota);
    put(lab, "list", "0::/a/b\n");
    snprintf(path, sizeof path, "%s", run_lab_path(lab, "list"));
    return rin_processor_limit_of_groups(path, run_lab_path(lab, "root"));
}

static void test_processors_of_a_quota(void **state) {
    (void)state;
    static const struct {
        const char *quota;
        uint64_t processors;
    } rows[] = {{"200000 100000\n", 2},        {"150000 100000\n", 2},
                {"5000 100000\n", 1},          {"0 100000\n", 1},
                {"max 100000\n", UINT64_MAX},  {"100000\n", UINT64_MAX},
                {"100000 0\n", UINT64_MAX},    {"100000 max\n", UINT64_MAX},
                {"many 100000\n", UINT64_MAX}, {"", UINT64_MAX}};
    run_lab lab;
    run_lab_create(&lab);
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        uint64_t n = processors_of(&lab, rows[i].quota);
        if (n != rows[i].processors) fail_msg("%llu processors of '%s'", (unsigned long long)n, rows[i].quota);
    }
    put(&lab, "root/a/cpu.max", "300000 100000\n");
    assert_int_equal(processors_of(&lab, "800000 100000\n"), 3);
    run_lab_free(&lab);
}

static void test_processors_this_process_may_use(void **state) {
    (void)state;
    assert_int_equal(rin_processor_count(1), 1);
    assert_in_range(rin_processor_count(1 << 20), 1, sysconf(_SC_NPROCESSORS_ONLN));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        _exit(sched_setaffinity(0, sizeof one, &one) == 0 ? rin_processor_count(1 << 20) : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 1);
}

/* What a process of its own finds once one of its resources is limited. */
static uint64_t total_under(int resource, uint64_t bytes) {
    int ends[2];
    uint64_t total = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {bytes, bytes};
        uint64_t seen = setrlimit(resource, &limit) == 0 ? rin_memory_total() : 0;
        _exit(write(ends[1], &seen, sizeof seen) == sizeof seen ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &total, sizeof total), sizeof total);
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return total;
}

static void test_limits_of_the_process(void **state) {
    (void)state;
    uint64_t all = rin_memory_total(), half = all / 2;
    assert_true(all > (uint64_t)1 << 20);
    assert_true(total_under(RLIMIT_AS, half) == half);
    assert_true(total_under(RLIMIT_DATA, half) == half);
    assert_true(total_under(RLIMIT_AS, UINT64_MAX / 4) == all);
}

static void test_refusal_has_both_numbers(void **state) {
    (void)state;
    rin_error error = {0};
    char number[32];
    uint64_t all = rin_memory_total();
    assert_ok(rin_memory_expect(all, all, "the weights", &error), &error);
    assert_refused(rin_memory_expect(all + 1, all, "the weights", &error), RIN_ERR_MEMORY, &error, "the weights: ");
    snprintf(number, sizeof number, "of %llu (", (unsigned long long)all);
    assert_non_null(strstr(error.text, number));
    snprintf(number, sizeof number, " %llu bytes", (unsigned long long)all + 1);
    assert_non_null(strstr(error.text, number));
    assert_refused(rin_memory_expect(UINT64_MAX, all, "", &error), RIN_ERR_MEMORY, &error,
                   "18446744073709551615 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_of_a_group_and_those_around_it),
        cmocka_unit_test(test_first_version),
        cmocka_unit_test(test_nonsense_is_no_limit),
        cmocka_unit_test(test_processors_of_a_quota),
        cmocka_unit_test(test_processors_this_process_may_use),
        cmocka_unit_test(test_limits_of_the_process),
        cmocka_unit_test(test_refusal_has_both_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
