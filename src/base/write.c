/* SPDX-License-Identifier: MIT */
/* Writing files so that a crash or a full disk leaves what was there before. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fault.h"

static bool sync_descriptor(int fd) {
    /* Some files cannot be synced (EINVAL), such as those of a pipe or of a folder on some file systems. */
    return !rin_fault(RIN_FAULT_SYNC) && (fsync(fd) == 0 || errno == EINVAL);
}

/* ---- files that appear when complete ---- */

/* A new file beside path. A left-over of a killed process may have the same number, so there is a counter. */
static int create_temporary(char *name, size_t size, const char *path) {
    enum { MOST_TRIES = 1000 };
    int fd = -1;
    for (int i = 0; fd < 0 && i < MOST_TRIES; i++) {
        snprintf(name, size, "%s" RIN_TEMPORARY "%ld-%d", path, (long)getpid(), i);
        fd = rin_fault(RIN_FAULT_OPEN) ? -1 : open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    return fd;
}

rin_status rin_atomic_open(rin_atomic_file *file, const char *path, rin_error *error) {
    *file = (rin_atomic_file){0};
    size_t size = strlen(path) + 64;
    rin_status status = RIN_OK;
    struct stat info;
    bool replaces = stat(path, &info) == 0;
    char *name = rin_calloc(size, 1, error);
    file->path = rin_strdup(path, error);
    if (!file->path || !name) {
        status = RIN_ERR_MEMORY;
    } else if (replaces && !S_ISREG(info.st_mode)) {
        /* A device or a named pipe would be replaced. */
        status = rin_error_set(error, RIN_ERR_IO, "cannot write '%.300s': it is there, and not a regular file", path);
    } else {
        int fd = create_temporary(name, size, path);
        if (fd < 0) status = rin_error_system(error, "create", path);
        else file->temporary = name; /* from here on there is a file to remove */
        if (fd >= 0 && replaces && fchmod(fd, info.st_mode & 0777) != 0) errno = 0; /* as private as the one before */
        if (fd >= 0 && !(file->stream = rin_fault(RIN_FAULT_ALLOC) ? NULL : fdopen(fd, "wb"))) {
            status = rin_error_set(error, RIN_ERR_MEMORY, "out of memory for writing '%s'", path);
            close(fd);
        }
    }
    if (!file->temporary) rin_free(name);
    if (status != RIN_OK) rin_atomic_abort(file);
    return status;
}

rin_status rin_atomic_write(rin_atomic_file *file, const void *bytes, size_t n, rin_error *error) {
    if (!n || (!rin_fault(RIN_FAULT_WRITE) && fwrite(bytes, 1, n, file->stream) == n)) return RIN_OK;
    return rin_error_system(error, "write", file->path);
}

rin_status rin_file_sync_folder(const char *path, rin_error *error) {
    char *folder = rin_strdup(path, error);
    if (!folder) return RIN_ERR_MEMORY;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    int fd = rin_fault(RIN_FAULT_OPEN) ? -1 : open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rin_status status = RIN_OK;
    if (fd < 0 || !sync_descriptor(fd)) status = rin_error_system(error, "sync the folder of", path);
    if (fd >= 0) close(fd);
    rin_free(folder);
    return status;
}

rin_status rin_atomic_commit(rin_atomic_file *file, rin_error *error) {
    rin_status status = RIN_OK;
    if (rin_fault(RIN_FAULT_WRITE) || fflush(file->stream) != 0 || !sync_descriptor(fileno(file->stream)))
        status = rin_error_system(error, "write", file->path);
    if (fclose(file->stream) != 0 && status == RIN_OK) status = rin_error_system(error, "write", file->path);
    file->stream = NULL;
    if (status == RIN_OK && (rin_fault(RIN_FAULT_RENAME) || rename(file->temporary, file->path) != 0))
        status = rin_error_system(error, "rename a new file to", file->path);
    if (status == RIN_OK) {
        rin_free(file->temporary);
        file->temporary = NULL;
        status = rin_file_sync_folder(file->path, error);
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

bool rin_atomic_is_left_over(const char *name) {
    static const char digits[] = "0123456789";
    size_t end = strlen(name);
    for (int numbers = 0; numbers < 2; numbers++) { /* from the back */
        size_t before = end;
        while (end && strchr(digits, name[end - 1])) end--;
        if (end == before || !end || name[end - 1] != '-') return false;
        if (numbers == 0) end--;
    }
    size_t n = sizeof RIN_TEMPORARY - 1;
    return end > n && memcmp(name + end - n, RIN_TEMPORARY, n) == 0;
}

/* ---- files that grow ---- */

static bool write_all(int fd, const char *bytes, size_t n) {
    while (n) {
        ssize_t written = rin_fault(RIN_FAULT_WRITE) ? -1 : write(fd, bytes, n);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

rin_status rin_file_append(const char *path, const void *bytes, size_t n, rin_error *error) {
    struct stat before;
    rin_status status = RIN_OK;
    int fd = rin_fault(RIN_FAULT_OPEN)
                 ? -1
                 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
    if (fd < 0 || fstat(fd, &before) != 0) {
        status = rin_error_system(error, "open", path);
    } else if (!write_all(fd, bytes, n)) {
        status = rin_error_system(error, "write", path);
        /* Half a line would stay in the middle of the file. Where this fails too, readers skip it. */
        if (ftruncate(fd, before.st_size) != 0) errno = 0;
    }
    if (fd >= 0 && close(fd) != 0 && status == RIN_OK) {
        status = rin_error_system(error, "write", path);
        if (truncate(path, before.st_size) != 0) errno = 0; /* or the caller would append it twice */
    }
    return status;
}

rin_status rin_file_cut(const char *path, uint64_t n, rin_error *error) {
    if (rin_fault(RIN_FAULT_WRITE) || truncate(path, (off_t)n) != 0) return rin_error_system(error, "cut", path);
    return rin_file_sync(path, error);
}

rin_status rin_file_sync(const char *path, rin_error *error) {
    rin_status status = RIN_OK;
    int fd = rin_fault(RIN_FAULT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || !sync_descriptor(fd)) status = rin_error_system(error, "sync", path);
    if (fd >= 0) close(fd);
    return status;
}

/* ---- names ---- */

rin_status rin_file_link(const char *from, const char *to, rin_error *error) {
    if (!rin_fault(RIN_FAULT_RENAME) && link(from, to) == 0) return RIN_OK;
    return rin_error_system(error, "link a file to", to);
}

rin_status rin_file_remove(const char *path, rin_error *error) {
    if (!rin_fault(RIN_FAULT_RENAME) && (unlink(path) == 0 || errno == ENOENT)) return RIN_OK;
    return rin_error_system(error, "remove", path);
}
