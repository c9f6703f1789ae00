/* SPDX-License-Identifier: MIT */
#include "score/row_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npz/npz.h"

static const char *name_of(const rin_row_file *file) {
    return file->path ? file->path : "a temporary file of features";
}

static int open_nameless(void) {
    const char *folder = getenv("TMPDIR");
    char path[1024];
    int n = snprintf(path, sizeof path, "%s/rin-features-XXXXXX", folder && *folder ? folder : "/tmp");
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkstemp(path);
    if (fd >= 0) unlink(path);
    return fd;
}

static int64_t place_of(const rin_row_file *file, int64_t row) {
    return RIN_NPY_HEADER + row * file->dim * (int64_t)sizeof(float);
}

rin_status rin_row_file_open(rin_row_file *file, const char *path, int64_t dim, int64_t kept, rin_error *error) {
    *file = (rin_row_file){.fd = -1, .path = path, .n = kept, .dim = dim};
    struct stat info;
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666) : open_nameless();
    if (fd < 0) return rin_error_system(error, "open", name_of(file));
    file->fd = fd;
    rin_status status = RIN_OK;
    if (fstat(fd, &info) != 0) status = rin_error_system(error, "look at", name_of(file));
    else if (kept && info.st_size < place_of(file, kept))
        status = rin_error_set(error, RIN_ERR_FORMAT, "'%s' has fewer than the %lld rows that were kept", name_of(file),
                               (long long)kept);
    else if (ftruncate(fd, (off_t)place_of(file, kept)) != 0) status = rin_error_system(error, "write", name_of(file));
    if (status != RIN_OK) rin_row_file_close(file);
    return status;
}

static rin_status write_all(const rin_row_file *file, const void *bytes, size_t n, int64_t at, rin_error *error) {
    for (size_t done = 0; done < n;) {
        ssize_t some = pwrite(file->fd, (const char *)bytes + done, n - done, (off_t)(at + (int64_t)done));
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return rin_error_system(error, "write", name_of(file));
        done += (size_t)some;
    }
    return RIN_OK;
}

rin_status rin_row_file_append(rin_row_file *file, const float *rows, int64_t count, rin_error *error) {
    size_t bytes = (size_t)(count * file->dim) * sizeof *rows;
    rin_status status = write_all(file, rows, bytes, place_of(file, file->n), error);
    if (status == RIN_OK) file->n += count;
    return status;
}

rin_status rin_row_file_read(const rin_row_file *file, int64_t first, int64_t count, float *out, rin_error *error) {
    if (first < 0 || count < 0 || first > file->n - count)
        return rin_error_set(error, RIN_ERR_INTERNAL, "rows %lld + %lld of %lld", (long long)first, (long long)count,
                             (long long)file->n);
    size_t n = (size_t)(count * file->dim) * sizeof *out;
    for (size_t done = 0; done < n;) {
        ssize_t some = pread(file->fd, (char *)out + done, n - done, (off_t)(place_of(file, first) + (int64_t)done));
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) {
            if (!some) errno = EIO;
            return rin_error_system(error, "read", name_of(file));
        }
        done += (size_t)some;
    }
    return RIN_OK;
}

rin_status rin_row_file_sync(rin_row_file *file, rin_error *error) {
    uint8_t header[RIN_NPY_HEADER];
    rin_npy_header(file->n, file->dim, header);
    rin_status status = write_all(file, header, sizeof header, 0, error);
    if (status == RIN_OK && fsync(file->fd) != 0) status = rin_error_system(error, "write", name_of(file));
    return status;
}

static rin_status read_rows(void *user, int64_t first, int64_t count, float *out, rin_error *error) {
    return rin_row_file_read(user, first, count, out, error);
}

rin_rows rin_row_file_rows(rin_row_file *file, int64_t n) {
    return (rin_rows){.n = n, .dim = file->dim, .read = read_rows, .user = file};
}

void rin_row_file_close(rin_row_file *file) {
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
}
