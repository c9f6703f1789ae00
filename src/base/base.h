/* SPDX-License-Identifier: MIT */
/* base: status and error, memory, strings, files, random numbers. Knows nothing of tensors. */
#ifndef RIN_BASE_H
#define RIN_BASE_H

#include <stdarg.h>
#include <stdio.h>

#include "base/philox.h"
#include "rin.h"

#if defined(__GNUC__)
#define RIN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RIN_CHECKED __attribute__((warn_unused_result))
#else
#define RIN_PRINTF(fmt, args)
#define RIN_CHECKED
#endif

#define RIN_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RIN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RIN_MAX(a, b) ((a) > (b) ? (a) : (b))

/* ---- errors ---- */

/* Records code and message in error (may be NULL) and returns code. */
rin_status rin_error_set(rin_error *error, rin_status code, const char *format, ...) RIN_PRINTF(3, 4);

/* IO: "cannot <what> '<path>': ", and what the system says (errno). */
rin_status rin_error_system(rin_error *error, const char *what, const char *path);

/* Puts "text: " before the message already in error and returns its code. */
rin_status rin_error_prefix(rin_error *error, rin_status code, const char *format, ...) RIN_PRINTF(3, 4);

/* Records that a public function was given NULL for this argument. Returns ARG. */
rin_status rin_error_null(rin_error *error, const char *function, const char *argument);

/* Where remarks go; passed by value. */
typedef struct rin_log {
    rin_log_fn fn; /* may be NULL */
    void *user;
} rin_log;

void rin_log_write(rin_log log, rin_log_level level, const char *format, ...) RIN_PRINTF(3, 4);

/* ---- memory: every allocation of the library goes through these ---- */

/* n * size bytes, zeroed. NULL and an error when the product overflows or memory is out. n = 0 gives one byte. */
void *rin_calloc(size_t n, size_t size, rin_error *error) RIN_CHECKED;
/* Resizes to n * size bytes; on failure old stays valid and NULL is returned. New bytes are not initialised. */
void *rin_realloc(void *old, size_t n, size_t size, rin_error *error) RIN_CHECKED;
char *rin_strdup(const char *text, rin_error *error) RIN_CHECKED;
void rin_free(void *memory);

#define RIN_ALIGNMENT 64
/* Zeroed bytes aligned to RIN_ALIGNMENT, in huge pages where large and possible. Freed by rin_free_aligned. */
void *rin_alloc_aligned(size_t bytes, rin_error *error) RIN_CHECKED;
void rin_free_aligned(void *memory);

/* Processors that this process may use, from 1 to `most`. */
int rin_processor_count(int most);
/* The least of the processor quotas (version 2), as below; UINT64_MAX when there is none. */
uint64_t rin_processor_limit_of_groups(const char *list, const char *root);

/* Bytes of memory that this process may use: the machine's (4 GiB where it does not tell), or a lower limit of its
 * control groups, address space or data. */
uint64_t rin_memory_total(void);
/* The lowest limit of the control groups named in the file list (/proc/self/cgroup), both versions, and of the groups
 * around them; root is where groups are mounted (/sys/fs/cgroup). UINT64_MAX without a limit. */
uint64_t rin_memory_limit_of_groups(const char *list, const char *root);
/* MEMORY, with both numbers, when what (such as "the weights") needs more bytes than `had`: rin_memory_total, or those
 * of a device. */
rin_status rin_memory_expect(uint64_t bytes, uint64_t had, const char *what, rin_error *error) RIN_CHECKED;

/* ---- growing text ---- */

typedef struct rin_text {
    char *chars; /* NUL-terminated once anything was added; NULL before */
    size_t length, capacity;
    bool failed; /* an allocation failed: later calls do nothing */
} rin_text;

void rin_text_add(rin_text *text, const char *format, ...) RIN_PRINTF(2, 3);
/* Hands the characters to the caller (rin_free); fails when any addition failed. */
rin_status rin_text_take(rin_text *text, char **out, rin_error *error) RIN_CHECKED;
void rin_text_clear(rin_text *text);

/* Whether text is longer than suffix and ends in it, in any case of letters. */
bool rin_has_suffix(const char *text, const char *suffix);

/* ---- UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF ---- */

/* Bytes of the character at text, or 0 when it is none. Stops at a NUL, as that continues nothing. */
size_t rin_utf8_length(const char *text);
bool rin_text_is_utf8(const char *text);
/* Replaces every byte that is not part of a character by a question mark. */
void rin_text_make_utf8(char *text);

/* ---- numbers in files, with a point whatever the locale of the host program ---- */

enum { RIN_NUMBER_TEXT = 32 /* bytes of a formatted number */ };

/* Whole text to a number: decimal digits, a point and an exponent; no hexadecimal, no infinity, no spaces. */
bool rin_number_parse_int(const char *text, int64_t *out);
bool rin_number_parse_real(const char *text, double *out);
/* A finite number with so many digits; with 0, as few as parse back to it. */
void rin_number_format(double value, int digits, char text[RIN_NUMBER_TEXT]);

/* ---- paths and folders ---- */

bool rin_path_exists(const char *path);
/* Whether there is surely nothing of this name; what cannot be looked at may be there. */
bool rin_path_is_absent(const char *path);
bool rin_path_is_dir(const char *path);
bool rin_path_is_link(const char *path);
/* Joins two path parts into a new string (rin_free). NULL when out of memory. */
char *rin_path_join(const char *left, const char *right, rin_error *error);
/* The path of something that exists, from the root and without links (rin_free). */
rin_status rin_path_absolute(const char *path, char **out, rin_error *error) RIN_CHECKED;
/* Bytes that may still be written beside a path; false when the system does not tell. */
bool rin_path_room(const char *path, uint64_t *bytes);
/* Creates a folder and its parents; existing ones are fine. */
rin_status rin_dir_create(const char *path, rin_error *error) RIN_CHECKED;

/* Lists a folder. Ownership: *out is closed by rin_dir_close, which accepts NULL. */
typedef struct rin_dir rin_dir;
rin_status rin_dir_open(const char *path, rin_dir **out, rin_error *error) RIN_CHECKED;
/* The next entry but . and .., in no order; *name is borrowed until the next call, and NULL at the end. */
rin_status rin_dir_next(rin_dir *dir, const char **name, rin_error *error) RIN_CHECKED;
int rin_dir_descriptor(const rin_dir *dir); /* for fstatat */
void rin_dir_close(rin_dir *dir);

/* ---- reading files ---- */

/* A regular file, or one held in memory, read at explicit positions, so that threads do not disturb each other. */
typedef struct rin_input {
    char *path;         /* NULL: not a file on disk, or not open */
    const void *memory; /* [bytes], borrowed; NULL: on disk */
    uint64_t bytes;     /* of the file when it was opened */
    int fd;
} rin_input;

rin_status rin_input_open(rin_input *input, const char *path, rin_error *error) RIN_CHECKED;
/* n bytes in memory, which must stay. */
rin_input rin_input_of_memory(const void *memory, size_t n);
/* Exactly n bytes. Errors: IO, also when the file has shrunk. Threads: safe. */
rin_status rin_input_read(const rin_input *input, uint64_t offset, void *out, size_t n, rin_error *error) RIN_CHECKED;
void rin_input_close(rin_input *input); /* once or more often */

/* Whole file with a NUL after its last byte; refuses more than max_bytes. *bytes must be freed by rin_free. */
rin_status rin_file_read(const char *path, size_t max_bytes, char **bytes, size_t *n_bytes,
                         rin_error *error) RIN_CHECKED;

/* ---- writing files ---- */

/* What stands between the name of a file and two numbers, with a dash between, while the file is being written. */
#define RIN_TEMPORARY ".tmp-"

/* A file that appears under its name only when complete: temporary name, sync, rename, sync of the folder. */
typedef struct rin_atomic_file {
    FILE *stream; /* NULL when closed */
    char *path, *temporary;
} rin_atomic_file;

rin_status rin_atomic_open(rin_atomic_file *file, const char *path, rin_error *error) RIN_CHECKED;
rin_status rin_atomic_write(rin_atomic_file *file, const void *bytes, size_t n, rin_error *error) RIN_CHECKED;
rin_status rin_atomic_commit(rin_atomic_file *file, rin_error *error) RIN_CHECKED;
/* Removes the temporary file; does nothing after commit. */
void rin_atomic_abort(rin_atomic_file *file);
rin_status rin_file_write(const char *path, const void *bytes, size_t n, rin_error *error) RIN_CHECKED; /* atomic */
/* Whether this is the name of a file that was being written when its process was killed. */
bool rin_atomic_is_left_over(const char *name);

/* Leaves the first n bytes of a file, safely on disk, without taking room for a copy. */
rin_status rin_file_cut(const char *path, uint64_t n, rin_error *error) RIN_CHECKED;
/* Makes names in the folder of a path, new or removed, safe. */
rin_status rin_file_sync_folder(const char *path, rin_error *error) RIN_CHECKED;
/* Adds bytes at the end of a file, all or, if the system lets us, none of them; creates it when it is not there. Links
 * are not followed. */
rin_status rin_file_append(const char *path, const void *bytes, size_t n, rin_error *error) RIN_CHECKED;
/* Returns once what was written is safe from a loss of power. */
rin_status rin_file_sync(const char *path, rin_error *error) RIN_CHECKED;
/* A second name for a file. Errors: IO, among others for a name that exists. */
rin_status rin_file_link(const char *from, const char *to, rin_error *error) RIN_CHECKED;
/* Removes a name; one that does not exist is fine. */
rin_status rin_file_remove(const char *path, rin_error *error) RIN_CHECKED;

/* ---- locks between programs ---- */

enum { RIN_LOCK_OWNER = 160 };

typedef struct rin_lock {
    int fd;
    bool held;
    bool named; /* others can read who holds it; on a full disk it is held all the same */
} rin_lock;

/*
 * Takes the lock that the file at path stands for, without waiting. left_by: who held it last, when that one ended
 * without releasing it; else "". Errors: BUSY while another holds it, which the message names; UNSUPPORTED where the
 * file system has no locks; IO.
 */
rin_status rin_lock_take(rin_lock *lock, const char *path, char left_by[RIN_LOCK_OWNER], rin_error *error) RIN_CHECKED;
void rin_lock_release(rin_lock *lock); /* does nothing when it is not held */
/* Whether the file at path is still the one that is locked, rather than one that took its place; true when not held. */
bool rin_lock_is_at(const rin_lock *lock, const char *path);

/* ---- hashes ---- */

/* SHA-256 of everything that is added. */
typedef struct rin_hash {
    void *state;
    bool failed;
} rin_hash;

enum { RIN_HASH_TEXT = 65 /* 64 hexadecimal digits and a NUL */ };

void rin_hash_begin(rin_hash *hash);
void rin_hash_add(rin_hash *hash, const void *bytes, size_t n);
/* Frees what begin took, in any case. Errors: MEMORY. */
rin_status rin_hash_end(rin_hash *hash, char out[RIN_HASH_TEXT], rin_error *error) RIN_CHECKED;

/* ---- time ---- */

double rin_clock_seconds(void); /* monotonic */

/* ---- random numbers: pure functions of a key and an element (base/philox.h) ---- */

uint32_t rin_random_u32(rin_random_key key, uint64_t element);
float rin_random_uniform(rin_random_key key, uint64_t element);
/* out[i] = kept where element start + i survives, else 0. */
void rin_random_survivors(rin_random_key key, uint64_t start, int64_t n, float rate, float kept, float *out);
/* Standard normal by Box-Muller: elements 2i and 2i+1 of a block share one pair of uniforms. */
float rin_random_normal(rin_random_key key, uint64_t element);

#endif
