/* SPDX-License-Identifier: MIT */
/* run: whole training runs at a size a test can afford, through the public functions: data, options, folders. */
#ifndef RIN_TESTS_RUN_H
#define RIN_TESTS_RUN_H

#include "support/check.h"

/* A temporary folder, removed with all it holds by run_lab_free. Paths are within it. */
typedef struct run_lab {
    char folder[64];
    char data[96];    /* a CIFAR-10 file in binary form, RUN_IMAGES records, two classes in use */
    char run[96];     /* a run's folder, not made */
    char picture[96]; /* a PNG file, not made */
    char log[4096];   /* remarks of run_listener, a line each */
    size_t n_log;
    int64_t stop_at; /* run_listener says stop at this step; 0: never */
} run_lab;

enum { RUN_IMAGES = 12 };

void run_lab_create(run_lab *lab);
void run_lab_free(run_lab *lab);
/* "<folder>/<name>", valid until the next call but one. */
const char *run_lab_path(run_lab *lab, const char *name);
rin_listener run_lab_listener(run_lab *lab);

/* A tiny network on 8 x 8 pixels: 6 steps of 4, a checkpoint every 2, a line of metrics every step; then "key=value
 * ..." on top. Freed by rin_config_free. */
rin_config *run_config(const char *options);

/* A run from its beginning to its end; fails the test unless it succeeds. */
void run_train(run_lab *lab, const char *run, const char *options);

/* The whole of a file; freed by test_free. */
char *run_read(const char *path, size_t *n);
/* metrics.jsonl without the times, which no two runs share; freed by test_free. */
char *run_read_metrics(const char *run);
/* Same model, state and metrics. */
void run_assert_same(const char *run, const char *other);

#endif
