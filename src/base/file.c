/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

static rin_status io_error(rin_error *error, const char *what, const char *path) {
    return rin_error_set(error, RIN_ERR_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

bool rin_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool rin_path_is_dir(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *rin_path_join(const char *left, const char *right, rin_error *error) {
    size_t n = strlen(left);
    const char *slash = n && left[n - 1] != '/' ? "/" : "";
    size_t size = n + strlen(right) + 2;
    char *path = rin_calloc(size, 1, error);
    if (path) snprintf(path, size, "%s%s%s", left, slash, right);
    return path;
}

rin_status rin_dir_create(const char *path, rin_error *error) {
    char *copy = rin_strdup(path, error);
    if (!copy) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    for (char *p = copy + 1; status == RIN_OK && *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) status = io_error(error, "create folder", copy);
        *p = '/';
    }
    if (status == RIN_OK && mkdir(copy, 0777) != 0 && errno != EEXIST) status = io_error(error, "create folder", path);
    if (status == RIN_OK && !rin_path_is_dir(path)) {
        errno = ENOTDIR;
        status = io_error(error, "create folder", path);
    }
    rin_free(copy);
    return status;
}

rin_status rin_file_read(const char *path, size_t max_bytes, char **bytes, size_t *n_bytes, rin_error *error) {
    *bytes = NULL;
    FILE *stream = fopen(path, "rb");
    if (!stream) return io_error(error, "open", path);
    rin_status status = RIN_OK;
    char *buffer = NULL;
    struct stat info;
    if (fstat(fileno(stream), &info) != 0) {
        status = io_error(error, "read", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = rin_error_set(error, RIN_ERR_IO, "cannot read '%s': not a regular file", path);
    } else if ((uint64_t)info.st_size > max_bytes) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "'%s' has %lld bytes, more than the %zu allowed", path,
                               (long long)info.st_size, max_bytes);
    } else if (!(buffer = rin_calloc((size_t)info.st_size + 1, 1, error))) {
        status = RIN_ERR_MEMORY;
    } else {
        *n_bytes = fread(buffer, 1, (size_t)info.st_size, stream);
        if (*n_bytes != (size_t)info.st_size) {
            status = ferror(stream) ? io_error(error, "read", path)
                                    : rin_error_set(error, RIN_ERR_IO, "'%s' shrank while it was read", path);
        }
    }
    fclose(stream);
    if (status == RIN_OK) *bytes = buffer;
    else rin_free(buffer);
    return status;
}

rin_status rin_atomic_open(rin_atomic_file *file, const char *path, rin_error *error) {
    *file = (rin_atomic_file){0};
    size_t size = strlen(path) + 32;
    file->path = rin_strdup(path, error);
    file->temporary = rin_calloc(size, 1, error);
    if (!file->path || !file->temporary) {
        rin_atomic_abort(file);
        return RIN_ERR_MEMORY;
    }
    snprintf(file->temporary, size, "%s.tmp-%ld", path, (long)getpid());
    file->stream = fopen(file->temporary, "wb");
    if (!file->stream) {
        rin_status status = io_error(error, "create", file->temporary);
        rin_atomic_abort(file);
        return status;
    }
    return RIN_OK;
}

rin_status rin_atomic_write(rin_atomic_file *file, const void *bytes, size_t n, rin_error *error) {
    if (n && fwrite(bytes, 1, n, file->stream) != n) return io_error(error, "write", file->temporary);
    return RIN_OK;
}

static rin_status sync_folder_of(const char *path, rin_error *error) {
    char *folder = rin_strdup(path, error);
    if (!folder) return RIN_ERR_MEMORY;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    /* Some file systems cannot sync a folder (EINVAL); the rename itself is done by then. */
    rin_status status = RIN_OK;
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) status = io_error(error, "sync folder of", path);
    if (fd >= 0) close(fd);
    rin_free(folder);
    return status;
}

rin_status rin_atomic_commit(rin_atomic_file *file, rin_error *error) {
    rin_status status = RIN_OK;
    if (fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0)
        status = io_error(error, "write", file->temporary);
    if (fclose(file->stream) != 0 && status == RIN_OK) status = io_error(error, "write", file->temporary);
    file->stream = NULL;
    if (status == RIN_OK && rename(file->temporary, file->path) != 0) status = io_error(error, "rename to", file->path);
    if (status == RIN_OK) {
        rin_free(file->temporary);
        file->temporary = NULL;
        status = sync_folder_of(file->path, error);
    }
    rin_atomic_abort(file);
    return status;
}

void rin_atomic_abort(rin_atomic_file *file) {
    if (file->stream) fclose(file->stream);
    if (file->temporary) (void)remove(file->temporary);
    rin_free(file->temporary);
    rin_free(file->path);
    *file = (rin_atomic_file){0};
}

rin_status rin_file_write(const char *path, const void *bytes, size_t n, rin_error *error) {
    rin_atomic_file file;
    rin_status status = rin_atomic_open(&file, path, error);
    if (status == RIN_OK) status = rin_atomic_write(&file, bytes, n, error);
    if (status == RIN_OK) status = rin_atomic_commit(&file, error);
    else rin_atomic_abort(&file);
    return status;
}

double rin_clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
