/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/fault.h"

rin_status rin_thread_start(pthread_t *thread, void *(*run)(void *), void *user, rin_error *error) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = rin_fault(RIN_FAULT_ALLOC) ? EAGAIN : pthread_create(thread, NULL, run, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code ? rin_error_set(error, RIN_ERR_MEMORY, "cannot start a thread: %s", strerror(code)) : RIN_OK;
}
