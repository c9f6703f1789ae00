/* SPDX-License-Identifier: MIT */
/* scan: decodes a whole data set and sums up what there is. */
#include <stdlib.h>
#include <string.h>

#include "data/threads.h"

/* What is known of an item: its size, or why it is broken. */
typedef struct finding {
    int width, height, channels;
    double seconds, rate; /* of a video */
    char *reason;         /* NULL: good */
} finding;

typedef struct scan {
    const rin_dataset *dataset;
    finding *findings; /* (n) */
} scan;

static rin_status scan_item(void *user, size_t index, rin_error *error) {
    scan *s = user;
    finding *f = &s->findings[index];
    rin_image image;
    double seconds = 0, rate = 0;
    rin_status status = rin_dataset_decode(s->dataset, index, &image, error);
    if (status == RIN_OK && rin_dataset_is_video(s->dataset)) {
        status = rin_dataset_measure(s->dataset, index, &seconds, &rate, error);
        if (status != RIN_OK) rin_image_clear(&image);
    }
    if (status == RIN_ERR_MEMORY || status == RIN_ERR_INTERNAL) return status;
    if (status != RIN_OK) {
        f->reason = rin_strdup(error->text, error);
        return f->reason ? RIN_OK : RIN_ERR_MEMORY;
    }
    *f = (finding){image.width, image.height, image.channels, seconds, rate, NULL};
    rin_image_clear(&image);
    return RIN_OK;
}

/* ---- summing up ---- */

typedef struct size_count {
    int width, height;
    size_t count;
} size_count;

static int compare_sizes(const void *left, const void *right) {
    const size_count *a = left, *b = right;
    int64_t order = a->width != b->width ? (int64_t)a->width - b->width : (int64_t)a->height - b->height;
    return (order > 0) - (order < 0);
}

static int compare_counts(const void *left, const void *right) {
    const size_count *a = left, *b = right;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return compare_sizes(left, right);
}

static rin_status count_sizes(const finding *findings, size_t n, rin_scan_report *report, rin_error *error) {
    size_count *sizes = rin_calloc(n, sizeof *sizes, error);
    if (!sizes) return RIN_ERR_MEMORY;
    size_t n_good = 0, n_sizes = 0;
    for (size_t i = 0; i < n; i++) {
        if (!findings[i].reason) sizes[n_good++] = (size_count){findings[i].width, findings[i].height, 1};
    }
    qsort(sizes, n_good, sizeof *sizes, compare_sizes);
    for (size_t i = 0; i < n_good; i++) {
        if (n_sizes && compare_sizes(&sizes[n_sizes - 1], &sizes[i]) == 0) sizes[n_sizes - 1].count++;
        else sizes[n_sizes++] = sizes[i];
    }
    qsort(sizes, n_sizes, sizeof *sizes, compare_counts);
    report->n_sizes = n_sizes;
    for (size_t i = 0; i < RIN_MIN(n_sizes, RIN_SCAN_SIZES); i++) {
        report->sizes[i].width = sizes[i].width;
        report->sizes[i].height = sizes[i].height;
        report->sizes[i].count = sizes[i].count;
    }
    rin_free(sizes);
    return RIN_OK;
}

static void count_good(const finding *f, rin_scan_report *report) {
    bool first = report->n_good++ == 0;
    if (f->channels == 1) report->n_grey++;
    else report->n_colour++;
    report->min_width = first ? f->width : RIN_MIN(report->min_width, f->width);
    report->min_height = first ? f->height : RIN_MIN(report->min_height, f->height);
    report->max_width = RIN_MAX(report->max_width, f->width);
    report->max_height = RIN_MAX(report->max_height, f->height);
    report->min_seconds = first ? f->seconds : RIN_MIN(report->min_seconds, f->seconds);
    report->max_seconds = RIN_MAX(report->max_seconds, f->seconds);
    report->seconds += f->seconds;
    report->min_rate = first ? f->rate : RIN_MIN(report->min_rate, f->rate);
    report->max_rate = RIN_MAX(report->max_rate, f->rate);
}

/* Reasons move from the finding to the report. */
static rin_status sum_up(finding *findings, size_t n, rin_scan_report *report, rin_error *error) {
    rin_status status = count_sizes(findings, n, report, error);
    for (size_t i = 0; i < n; i++) {
        if (!findings[i].reason) {
            count_good(&findings[i], report);
        } else if (report->n_broken++ < RIN_SCAN_BROKEN) {
            report->broken[report->n_broken - 1].item = i;
            report->broken[report->n_broken - 1].reason = findings[i].reason;
            findings[i].reason = NULL;
        }
    }
    return status;
}

rin_status rin_dataset_scan(const rin_dataset *dataset, const rin_scan_options *options, rin_scan_report *report,
                            rin_error *error) {
    *report = (rin_scan_report){0};
    if (options->threads < 0 || options->threads > RIN_LOADER_MAX_WORKERS) {
        return rin_error_set(error, RIN_ERR_ARG, "%d threads; allowed are 0 to %d", options->threads,
                             RIN_LOADER_MAX_WORKERS);
    }
    size_t n = rin_dataset_count(dataset);
    scan s = {.dataset = dataset, .findings = rin_calloc(n, sizeof *s.findings, error)};
    if (!s.findings) return RIN_ERR_MEMORY;
    const rin_parallel work = {
        .n = n,
        .threads = options->threads ? options->threads : rin_processor_count(RIN_LOADER_MAX_WORKERS),
        .cancel = options->cancel,
        .progress = options->progress,
        .progress_user = options->progress_user,
        .run = scan_item,
        .user = &s,
    };
    rin_status status = rin_parallel_run(&work, error);
    if (status == RIN_OK) status = sum_up(s.findings, n, report, error);
    for (size_t i = 0; i < n; i++) rin_free(s.findings[i].reason);
    rin_free(s.findings);
    if (status != RIN_OK) rin_scan_clear(report);
    return status;
}

void rin_scan_clear(rin_scan_report *report) {
    for (size_t i = 0; i < RIN_SCAN_BROKEN; i++) rin_free(report->broken[i].reason);
    *report = (rin_scan_report){0};
}
