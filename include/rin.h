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

/* ---- configuration ---- */

/*
 * Every option of the program: model, diffusion, train, data, sample. Keys read "section.key". A call that fails
 * leaves the configuration as it was. Texts handed out are freed by rin_string_free.
 */
typedef struct rin_config rin_config;

/* What there is to know about an option. All texts live as long as the program. */
typedef struct rin_option {
    const char *name;         /* section.key */
    const char *section, *key;
    const char *type;         /* int, ints, real, bool, word or text */
    const char *preset_value; /* the default, which is that of the preset 'small' */
    const char *allowed;      /* such as "1 to 64" or "eps | x | v" */
    const char *help;         /* one line */
} rin_option;

RIN_API void rin_string_free(char *text);

/* A configuration of defaults. Ownership: *out is freed by rin_config_free, which accepts NULL. */
RIN_API rin_status rin_config_create(rin_config **out, rin_error *error);
RIN_API rin_status rin_config_copy(const rin_config *config, rin_config **out, rin_error *error);
RIN_API void rin_config_free(rin_config *config);

/* One option from and to text. get writes the canonical text, which sets the same value again. Errors: CONFIG. */
RIN_API rin_status rin_config_set(rin_config *config, const char *key, const char *value, rin_error *error);
RIN_API rin_status rin_config_get(const rin_config *config, const char *key, char **value, rin_error *error);
/* Whether the option was set by rin_config_set or a file, rather than by default or preset. False for unknown keys. */
RIN_API bool rin_config_is_set(const rin_config *config, const char *key);

/* The options in their order; get returns NULL from index rin_option_count() on. */
RIN_API size_t rin_option_count(void);
RIN_API const rin_option *rin_option_get(size_t index);
/* The known key most like this one, or NULL when none is close. */
RIN_API const char *rin_config_nearest_key(const char *key);

/*
 * Sets the options an INI file names: [section] lines, then key = value; # and ; begin comments. name stands for the
 * text in messages. Errors: IO; CONFIG for an unknown or repeated key, or a bad value; FORMAT for anything else.
 */
RIN_API rin_status rin_config_load_file(rin_config *config, const char *path, rin_error *error);
RIN_API rin_status rin_config_load_text(rin_config *config, const char *text, const char *name, rin_error *error);

/* Sets the options of a built-in preset. Errors: CONFIG for an unknown name; the message lists the names. */
RIN_API rin_status rin_config_load_preset(rin_config *config, const char *name, rin_error *error);
RIN_API size_t rin_preset_count(void);
/* NULL from index rin_preset_count() on. text is the whole INI file. */
RIN_API const char *rin_preset_name(size_t index);
RIN_API const char *rin_preset_summary(size_t index);
RIN_API const char *rin_preset_text(size_t index);

/* All options as a commented INI file that loads back to the same values. */
RIN_API rin_status rin_config_format(const rin_config *config, char **ini, rin_error *error);

/* The reference of all options and presets, as Markdown. */
RIN_API rin_status rin_config_describe(char **markdown, rin_error *error);

/* Refuses combinations of options that cannot work: which key, its value, what is allowed, what to try (CONFIG). */
RIN_API rin_status rin_config_validate(const rin_config *config, rin_error *error);

/* ---- golden cases ---- */

/* One check of a case folder. error and tolerance are relative to the largest number of the tensor. */
typedef struct rin_check_result {
    const char *name;   /* "forward", "sample2", ... */
    bool passed;
    double error;       /* the worst over all tensors of the check, in units of its tolerance's */
    double tolerance;
    const char *tensor; /* where the worst error is */
    int64_t index;
    const char *message; /* why it could not be run, or "" */
} rin_check_result;

typedef void (*rin_check_fn)(void *user, const rin_check_result *result);

/*
 * Runs every check of the folder's case.json against its weights and numbers. on_result is called once a check; texts
 * are valid during the call. *n_failed counts checks over tolerance or not runnable. Errors: a folder that is no case.
 */
RIN_API rin_status rin_check_case(const char *folder, const char *device, int threads, rin_check_fn on_result, void *user,
                                  int *n_failed, rin_error *error);

#ifdef __cplusplus
}
#endif
#endif
