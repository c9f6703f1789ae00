/* SPDX-License-Identifier: MIT */
/* thread: starting one. */
#ifndef RIN_THREAD_H
#define RIN_THREAD_H

#include <pthread.h>

#include "base/base.h"

/* Starts a thread that no signal is delivered to: handlers of the program around us run on its own threads. Errors:
 * MEMORY. */
rin_status rin_thread_start(pthread_t *thread, void *(*run)(void *), void *user, rin_error *error) RIN_CHECKED;

#endif
