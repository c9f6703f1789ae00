/* SPDX-License-Identifier: MIT */
/*
 * races: what the thread sanitizer is told of emulated kernels. Every fiber is a thread to it. It sees the accesses of
 * kernels, and here barriers, and those accesses that the emulator makes for a thread. emulator.cc is compiled without
 * it, so that it does not see how fibers take turns. Without RIN_EMULATE_RACES these do nothing.
 */
#ifndef RIN_EMULATOR_RACES_H
#define RIN_EMULATOR_RACES_H

#include <stdint.h>

#ifdef RIN_EMULATE_RACES
#include <sanitizer/tsan_interface.h>

extern "C" {
void __tsan_read16(void *address);
void __tsan_write16(void *address);
void __tsan_ignore_thread_begin();
void __tsan_ignore_thread_end();
}

/* What a thread did until now comes before what those do that take the token from now on. */
static inline void give(uint64_t *token) {
    __tsan_release(token);
}

static inline void take(uint64_t *token) {
    __tsan_acquire(token);
}

/* Of 16 bytes. */
static inline void will_read16(const void *address) {
    __tsan_read16((void *)address);
}

static inline void will_write16(void *address) {
    __tsan_write16(address);
}

/* Between these nothing is seen. */
static inline void look_away() {
    __tsan_ignore_thread_begin();
}

static inline void look_again() {
    __tsan_ignore_thread_end();
}

#else

static inline void give(uint64_t *) {
}

static inline void take(uint64_t *) {
}

static inline void will_read16(const void *) {
}

static inline void will_write16(void *) {
}

static inline void look_away() {
}

static inline void look_again() {
}

#endif
#endif
