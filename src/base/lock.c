/* SPDX-License-Identifier: MIT */
/* A lock on a folder, held by an open file: the system lets go of it when its process ends, however it ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fault.h"

/* The text of whoever holds the lock, or left it; without line ends and control characters. */
static void read_owner(int fd, char owner[RIN_LOCK_OWNER]) {
    ssize_t n = pread(fd, owner, RIN_LOCK_OWNER - 1, 0);
    owner[n > 0 ? n : 0] = '\0';
    for (char *c = owner; *c; c++) {
        if (*c == '\n') *c = '\0';
        else if (*c < ' ' || *c > '~') *c = '?';
        if (!*c) break;
    }
}

static bool write_owner(const rin_lock *lock) {
    char host[128] = "", text[RIN_LOCK_OWNER];
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    int n = snprintf(text, sizeof text, "process %ld on %.100s\n", (long)getpid(), host);
    return !rin_fault(RIN_FAULT_WRITE) && ftruncate(lock->fd, 0) == 0 && pwrite(lock->fd, text, (size_t)n, 0) == n;
}

rin_status rin_lock_take(rin_lock *lock, const char *path, char left_by[RIN_LOCK_OWNER], rin_error *error) {
    char owner[RIN_LOCK_OWNER] = "";
    struct stat info;
    rin_status status = RIN_OK;
    left_by[0] = '\0';
    lock->held = false;
    /* A link would have another file emptied. */
    lock->fd = rin_fault(RIN_FAULT_OPEN) ? -1
                                         : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (lock->fd < 0) return rin_error_system(error, "open", path);
    if (fstat(lock->fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = rin_error_set(error, RIN_ERR_IO, "'%.300s' is there, and not a lock of ours: remove it", path);
    } else if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0) {
        lock->held = true;
        read_owner(lock->fd, left_by);
        lock->named = write_owner(lock);
    } else if (errno == EWOULDBLOCK) {
        read_owner(lock->fd, owner);
        status = rin_error_set(error, RIN_ERR_BUSY, "'%.300s' is held by %s", path, *owner ? owner : "another program");
    } else {
        status = rin_error_set(error, RIN_ERR_UNSUPPORTED, "cannot lock '%.300s': %s", path, strerror(errno));
    }
    if (status == RIN_OK) return RIN_OK;
    close(lock->fd);
    lock->held = false;
    return status;
}

bool rin_lock_is_at(const rin_lock *lock, const char *path) {
    struct stat held, there;
    if (!lock->held || fstat(lock->fd, &held) != 0) return true;
    return stat(path, &there) == 0 && held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

void rin_lock_release(rin_lock *lock) {
    if (!lock->held) return;
    /* An empty file says that its last owner ended in order. It stays: removing it would race with the next owner. */
    if (ftruncate(lock->fd, 0) != 0) errno = 0;
    (void)flock(lock->fd, LOCK_UN); /* a child of this process may have the file open, too */
    close(lock->fd);
    lock->held = false;
}
