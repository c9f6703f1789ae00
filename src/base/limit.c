/* SPDX-License-Identifier: MIT */
/* The processors there are, and the memory this process may use: the machine's, its control groups' and its own limit,
 * whichever is least. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"

enum { PATH_BYTES = 4096, LIST_BYTES = 8192 };

/* Files of the kernel tell no size beforehand. A NUL follows what was read; false when there is no such file. */
static bool read_small(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    size_t n = 0;
    while (n + 1 < size) {
        ssize_t got = read(fd, text + n, size - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(fd);
    text[n] = '\0';
    return true;
}

/* A number and how it ends; "max" and anything else that is none: no limit. */
static uint64_t parse_limit(char *text, char **end) {
    *end = text;
    if (*text < '0' || *text > '9') return UINT64_MAX;
    errno = 0;
    unsigned long long number = strtoull(text, end, 10);
    return errno == 0 ? number : UINT64_MAX;
}

/* A file of one number. */
static uint64_t parse_bytes(char *text) {
    char *end;
    uint64_t bytes = parse_limit(text, &end);
    return *end == '\n' || *end == '\0' ? bytes : UINT64_MAX;
}

/* Microseconds of processor time, and in how many of the clock: as many processors, rounded up. */
static uint64_t parse_processors(char *text) {
    char *end, *last;
    uint64_t quota = parse_limit(text, &end), period = *end == ' ' ? parse_limit(end + 1, &last) : 0;
    if (quota == UINT64_MAX || !period || period == UINT64_MAX) return UINT64_MAX;
    return RIN_MAX(quota / period + (quota % period != 0), 1);
}

/* What control groups limit: the file of version 2; of version 1, when that is looked at, its controller and file. */
typedef struct limited {
    const char *file, *controller, *legacy_file;
    uint64_t (*parse)(char *text);
} limited;

/* The least limit of the group <mount><group> and of the groups around it, up to the mount itself. */
static uint64_t limit_of_group(const char *mount, const char *group, size_t length, const char *file,
                               const limited *what) {
    char path[PATH_BYTES], text[64];
    uint64_t least = UINT64_MAX;
    while (length && group[length - 1] == '/') length--;
    for (;;) {
        int n = snprintf(path, sizeof path, "%s%.*s/%s", mount, (int)length, group, file);
        bool read = n > 0 && (size_t)n < sizeof path && read_small(path, text, sizeof text);
        if (read) least = RIN_MIN(least, what->parse(text));
        if (!length) return least;
        while (length && group[--length] != '/') {
        }
    }
}

/* Is word one of the comma-separated names of [names, end)? */
static bool names_controller(const char *names, const char *end, const char *word) {
    size_t n = strlen(word);
    while (names < end) {
        const char *comma = memchr(names, ',', (size_t)(end - names)), *stop = comma ? comma : end;
        if ((size_t)(stop - names) == n && memcmp(names, word, n) == 0) return true;
        names = stop + 1;
    }
    return false;
}

static uint64_t limit_of_groups(const char *list, const char *root, const limited *what) {
    char text[LIST_BYTES], legacy[PATH_BYTES];
    uint64_t least = UINT64_MAX;
    int n = snprintf(legacy, sizeof legacy, "%s/%s", root, what->controller ? what->controller : "");
    if (n < 0 || (size_t)n >= sizeof legacy || !read_small(list, text, sizeof text)) return least;
    /* A line a hierarchy: number:controllers:group; number 0 without controllers is the one of version 2. */
    for (const char *line = text, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        const char *names = memchr(line, ':', length), *end = line + length;
        const char *group = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
        if (!group) continue;
        size_t group_length = (size_t)(end - group - 1);
        uint64_t limit = UINT64_MAX;
        if (group == names + 1) limit = limit_of_group(root, group + 1, group_length, what->file, what);
        else if (what->controller && names_controller(names + 1, group, what->controller))
            limit = limit_of_group(legacy, group + 1, group_length, what->legacy_file, what);
        least = RIN_MIN(least, limit);
    }
    return least;
}

uint64_t rin_memory_limit_of_groups(const char *list, const char *root) {
    const limited memory = {"memory.max", "memory", "memory.limit_in_bytes", parse_bytes};
    return limit_of_groups(list, root, &memory);
}

uint64_t rin_processor_limit_of_groups(const char *list, const char *root) {
    const limited processors = {.file = "cpu.max", .parse = parse_processors};
    return limit_of_groups(list, root, &processors);
}

static uint64_t limit_of_process(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur;
}

/* Those that this process may run on: containers, batch systems and taskset leave fewer than the machine has. */
static int allowed_processors(void) {
    enum { LARGEST_MACHINE = 1 << 16 };
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t *set = CPU_ALLOC(LARGEST_MACHINE);
    if (set && sched_getaffinity(0, CPU_ALLOC_SIZE(LARGEST_MACHINE), set) == 0)
        n = CPU_COUNT_S(CPU_ALLOC_SIZE(LARGEST_MACHINE), set);
    if (set) CPU_FREE(set);
#endif
    return (int)RIN_MAX(n, 1);
}

int rin_processor_count(int most) {
    uint64_t quota = rin_processor_limit_of_groups("/proc/self/cgroup", "/sys/fs/cgroup");
    return (int)RIN_MIN((uint64_t)RIN_MIN(allowed_processors(), most), quota);
}

uint64_t rin_memory_total(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t least = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : (uint64_t)4 << 30;
    least = RIN_MIN(least, rin_memory_limit_of_groups("/proc/self/cgroup", "/sys/fs/cgroup"));
    least = RIN_MIN(least, limit_of_process(RLIMIT_AS));
    return RIN_MIN(least, limit_of_process(RLIMIT_DATA));
}

rin_status rin_memory_expect(uint64_t bytes, uint64_t had, const char *what, rin_error *error) {
    if (bytes <= had) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_MEMORY, "%s: %llu bytes (%.3f GiB) are needed, of %llu (%.3f GiB) that this process may use",
        what, (unsigned long long)bytes, (double)bytes * 0x1p-30, (unsigned long long)had, (double)had * 0x1p-30);
}
