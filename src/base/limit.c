/* SPDX-License-Identifier: MIT */
/* The processors there are, and the memory this process may use: the machine's, its control groups' and its own limit,
 * whichever is least. */
#include <errno.h>
#include <fcntl.h>
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

/* A number of bytes; "max", a missing file and anything else that is no number: no limit. */
static uint64_t read_limit(const char *path) {
    char text[64], *end;
    if (!read_small(path, text, sizeof text) || *text < '0' || *text > '9') return UINT64_MAX;
    errno = 0;
    unsigned long long bytes = strtoull(text, &end, 10);
    return errno == 0 && (*end == '\n' || *end == '\0') ? bytes : UINT64_MAX;
}

/* The least limit of the group <mount><group> and of the groups around it, up to the mount itself. */
static uint64_t limit_of_group(const char *mount, const char *group, size_t length, const char *file) {
    char path[PATH_BYTES];
    uint64_t least = UINT64_MAX;
    while (length && group[length - 1] == '/') length--;
    for (;;) {
        int n = snprintf(path, sizeof path, "%s%.*s/%s", mount, (int)length, group, file);
        if (n > 0 && (size_t)n < sizeof path) least = RIN_MIN(least, read_limit(path));
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

uint64_t rin_memory_limit_of_groups(const char *list, const char *root) {
    char text[LIST_BYTES], legacy[PATH_BYTES];
    uint64_t least = UINT64_MAX;
    int n = snprintf(legacy, sizeof legacy, "%s/memory", root);
    if (n < 0 || (size_t)n >= sizeof legacy || !read_small(list, text, sizeof text)) return least;
    /* A line a hierarchy: number:controllers:group; number 0 without controllers is the one of version 2. */
    for (const char *line = text, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        const char *names = memchr(line, ':', length), *end = line + length;
        const char *group = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
        if (!group) continue;
        size_t group_length = (size_t)(end - group - 1);
        if (group == names + 1) least = RIN_MIN(least, limit_of_group(root, group + 1, group_length, "memory.max"));
        else if (names_controller(names + 1, group, "memory"))
            least = RIN_MIN(least, limit_of_group(legacy, group + 1, group_length, "memory.limit_in_bytes"));
    }
    return least;
}

static uint64_t limit_of_process(int resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur;
}

int rin_processor_count(int most) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return (int)RIN_MIN(RIN_MAX(n, 1), most);
}

uint64_t rin_memory_total(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t least = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : (uint64_t)4 << 30;
    least = RIN_MIN(least, rin_memory_limit_of_groups("/proc/self/cgroup", "/sys/fs/cgroup"));
    least = RIN_MIN(least, limit_of_process(RLIMIT_AS));
    return RIN_MIN(least, limit_of_process(RLIMIT_DATA));
}

rin_status rin_memory_expect(uint64_t bytes, const char *what, rin_error *error) {
    uint64_t had = rin_memory_total();
    if (bytes <= had) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_MEMORY, "%s: %llu bytes (%.3f GiB) are needed, of %llu (%.3f GiB) that this process may use",
        what, (unsigned long long)bytes, (double)bytes * 0x1p-30, (unsigned long long)had, (double)had * 0x1p-30);
}
