/* SPDX-License-Identifier: MIT */
/* Paths, folders and reading files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fault.h"

/* ---- paths ---- */

bool rin_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool rin_path_is_absent(const char *path) {
    struct stat info;
    return lstat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool rin_path_is_dir(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool rin_path_is_link(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

char *rin_path_join(const char *left, const char *right, rin_error *error) {
    size_t n = strlen(left);
    const char *slash = n && left[n - 1] != '/' ? "/" : "";
    size_t size = n + strlen(right) + 2;
    char *path = rin_calloc(size, 1, error);
    if (path) snprintf(path, size, "%s%s%s", left, slash, right);
    return path;
}

rin_status rin_path_absolute(const char *path, char **out, rin_error *error) {
    char *real = rin_fault(RIN_FAULT_OPEN) ? NULL : realpath(path, NULL);
    *out = NULL;
    if (!real) return rin_error_system(error, "open", path);
    *out = rin_strdup(real, error);
    free(real);
    return *out ? RIN_OK : RIN_ERR_MEMORY;
}

bool rin_path_room(const char *path, uint64_t *bytes) {
    struct statvfs info;
    if (statvfs(path, &info) != 0 || !info.f_frsize || !info.f_blocks) return false; /* some do not count */
    bool many = info.f_bavail > UINT64_MAX / info.f_frsize;
    *bytes = many ? UINT64_MAX : (uint64_t)info.f_bavail * info.f_frsize;
    return true;
}

/* ---- folders ---- */

static bool make_dir(const char *path) {
    if (rin_fault(RIN_FAULT_OPEN)) return false;
    if (mkdir(path, 0777) != 0) return errno == EEXIST;
    return rin_file_sync_folder(path, NULL) == RIN_OK || errno == EACCES; /* which may be written but not opened */
}

rin_status rin_dir_create(const char *path, rin_error *error) {
    char *copy = rin_strdup(path, error);
    if (!copy) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    for (char *p = copy + (*copy == '/'); status == RIN_OK && *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        if (!make_dir(copy)) status = rin_error_system(error, "create folder", copy);
        *p = '/';
    }
    if (status == RIN_OK && !make_dir(copy)) status = rin_error_system(error, "create folder", path);
    if (status == RIN_OK && !rin_path_is_dir(path)) {
        errno = ENOTDIR;
        status = rin_error_system(error, "create folder", path);
    }
    rin_free(copy);
    return status;
}

struct rin_dir {
    DIR *stream;
    char *path;
};

rin_status rin_dir_open(const char *path, rin_dir **out, rin_error *error) {
    rin_status status = RIN_OK;
    rin_dir *dir = *out = rin_calloc(1, sizeof *dir, error);
    if (!dir) return RIN_ERR_MEMORY;
    dir->path = rin_strdup(path, error);
    if (!dir->path) status = RIN_ERR_MEMORY;
    if (status == RIN_OK && !rin_fault(RIN_FAULT_OPEN)) dir->stream = opendir(path);
    if (status == RIN_OK && !dir->stream) status = rin_error_system(error, "list folder", path);
    if (status == RIN_OK) return RIN_OK;
    rin_dir_close(dir);
    *out = NULL;
    return status;
}

rin_status rin_dir_next(rin_dir *dir, const char **name, rin_error *error) {
    const struct dirent *entry;
    *name = NULL;
    do {
        errno = 0;
        entry = rin_fault(RIN_FAULT_READ) ? NULL : readdir(dir->stream);
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    if (!entry && errno) return rin_error_system(error, "list folder", dir->path);
    if (entry) *name = entry->d_name;
    return RIN_OK;
}

int rin_dir_descriptor(const rin_dir *dir) {
    return dirfd(dir->stream);
}

void rin_dir_close(rin_dir *dir) {
    if (!dir) return;
    if (dir->stream) closedir(dir->stream);
    rin_free(dir->path);
    rin_free(dir);
}

/* ---- reading ---- */

rin_status rin_input_open(rin_input *input, const char *path, rin_error *error) {
    struct stat info;
    rin_status status = RIN_OK;
    *input = (rin_input){.fd = -1};
    input->path = rin_strdup(path, error);
    if (!input->path) return RIN_ERR_MEMORY;
    /* Without blocking, so that a named pipe is refused rather than waited for. */
    if (!rin_fault(RIN_FAULT_OPEN)) input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (input->fd < 0) {
        status = rin_error_system(error, "open", path);
    } else if (fstat(input->fd, &info) != 0) {
        status = rin_error_system(error, "read", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = rin_error_set(error, RIN_ERR_IO, "cannot read '%.300s': not a regular file", path);
    } else {
        input->bytes = (uint64_t)info.st_size;
    }
    if (status != RIN_OK) rin_input_close(input);
    return status;
}

rin_input rin_input_of_memory(const void *memory, size_t n) {
    return (rin_input){.memory = memory, .bytes = n, .fd = -1};
}

rin_status rin_input_read(const rin_input *input, uint64_t offset, void *out, size_t n, rin_error *error) {
    char *bytes = out;
    if (input->memory) {
        if (offset > input->bytes || n > input->bytes - offset)
            return rin_error_set(error, RIN_ERR_INTERNAL, "read beyond the end of a file in memory");
        memcpy(out, (const char *)input->memory + offset, n);
        return RIN_OK;
    }
    while (n) {
        ssize_t got = rin_fault(RIN_FAULT_READ) ? -1 : pread(input->fd, bytes, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return rin_error_system(error, "read", input->path);
        if (got == 0) return rin_error_set(error, RIN_ERR_IO, "'%.300s' shrank while it was read", input->path);
        bytes += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return RIN_OK;
}

void rin_input_close(rin_input *input) {
    if (input->path && input->fd >= 0) close(input->fd);
    rin_free(input->path);
    *input = (rin_input){.fd = -1};
}

rin_status rin_file_read(const char *path, size_t max_bytes, char **bytes, size_t *n_bytes, rin_error *error) {
    rin_input input;
    char *buffer = NULL;
    *bytes = NULL;
    *n_bytes = 0;
    rin_status status = rin_input_open(&input, path, error);
    if (status != RIN_OK) return status;
    if (input.bytes > max_bytes) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "'%.300s' has %llu bytes, more than the %zu allowed", path,
                               (unsigned long long)input.bytes, max_bytes);
    } else if (!(buffer = rin_calloc((size_t)input.bytes + 1, 1, error))) {
        status = RIN_ERR_MEMORY;
    } else {
        status = rin_input_read(&input, 0, buffer, (size_t)input.bytes, error);
    }
    if (status == RIN_OK) {
        *bytes = buffer;
        *n_bytes = (size_t)input.bytes;
    } else {
        rin_free(buffer);
    }
    rin_input_close(&input);
    return status;
}

/* ---- time ---- */

double rin_clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
