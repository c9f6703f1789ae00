/* SPDX-License-Identifier: MIT */
/* row_file: rows of float32 on disk, as many as there is room for: a .npy that grows. Inside the score room only. */
#ifndef RIN_SCORE_ROW_FILE_H
#define RIN_SCORE_ROW_FILE_H

#include "metric/metric.h"

typedef struct rin_row_file {
    int fd;           /* -1: not open */
    const char *path; /* borrowed, for messages; NULL: it has no name */
    int64_t n, dim;
} rin_row_file;

/* path, which must stay, NULL: a file without a name, in TMPDIR or /tmp, that is gone when it is closed. An existing
 * file keeps its first `kept` rows, which must be there. Errors: IO; FORMAT for a file with fewer rows. */
rin_status rin_row_file_open(rin_row_file *file, const char *path, int64_t dim, int64_t kept,
                             rin_error *error) RIN_CHECKED;
rin_status rin_row_file_append(rin_row_file *file, const float *rows, int64_t count, rin_error *error) RIN_CHECKED;
rin_status rin_row_file_read(const rin_row_file *file, int64_t first, int64_t count, float *out,
                             rin_error *error) RIN_CHECKED;
/* Everything appended so far is safe, and numpy reads it. */
rin_status rin_row_file_sync(rin_row_file *file, rin_error *error) RIN_CHECKED;
/* The first n rows; file must stay where it is. */
rin_rows rin_row_file_rows(rin_row_file *file, int64_t n);
void rin_row_file_close(rin_row_file *file);

#endif
