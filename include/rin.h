/* SPDX-License-Identifier: MIT */
/*
 * librin: Recurrent Interface Networks for image and video diffusion.
 *
 * The one public header. Every handle is opaque. Fallible functions return a rin_status and write what went
 * wrong to the caller's rin_error (which may be NULL). The library never exits, never prints and keeps no
 * global state: handles may be used from different threads as long as each handle is used by one at a time.
 */
#ifndef RIN_H
#define RIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define RIN_API
#else
#define RIN_API __attribute__((visibility("default")))
#endif

/* ---- status and errors ------------------------------------------------------------------------------- */

typedef enum rin_status {
    RIN_OK = 0,
    RIN_ERR_ARG,         /* a wrong argument of a function */
    RIN_ERR_CONFIG,      /* an option or a combination of options that is not allowed */
    RIN_ERR_SHAPE,       /* tensors whose shapes do not fit together */
    RIN_ERR_IO,          /* the operating system refused to read or write */
    RIN_ERR_FORMAT,      /* a file that is not what it should be */
    RIN_ERR_MEMORY,      /* out of memory */
    RIN_ERR_UNSUPPORTED, /* not available in this build or on this machine */
    RIN_ERR_DEVICE,      /* a device failed */
    RIN_ERR_NUMERIC,     /* a number that is not finite */
    RIN_ERR_CANCELLED,   /* the caller asked to stop */
    RIN_ERR_INTERNAL     /* a defect of the library */
} rin_status;

/* What went wrong: what, where, the value seen, what is allowed, what to try. Clear with {0}. */
typedef struct rin_error {
    rin_status code;
    char text[1024];
} rin_error;

/* Name of a status, such as "IO". Never NULL. */
RIN_API const char *rin_status_name(rin_status status);

typedef enum rin_log_level { RIN_LOG_INFO, RIN_LOG_WARNING } rin_log_level;

/* Receives the library's remarks, a line each without the newline. May be called from loader threads. */
typedef void (*rin_log_fn)(void *user, rin_log_level level, const char *text);

#ifdef __cplusplus
}
#endif
#endif
