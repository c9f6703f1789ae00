/* SPDX-License-Identifier: MIT */
/* metrics.jsonl: a line every train.log_every steps, and one for each step that was not applied. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

static const char file_name[] = "metrics.jsonl", line_begins[] = "{\"step\": ";

/* ---- the file ---- */

/* Bytes up to the last line of a step up to `step`, when there are lines beyond or half a line; else all. What somebody
 * else wrote between our lines is kept, what a killed process left torn after them is not. */
static size_t lines_until(const char *text, size_t n, int64_t step) {
    size_t kept = 0;
    for (const char *line = text, *end; line < text + n; line = end + 1) {
        bool ours = strncmp(line, line_begins, sizeof line_begins - 1) == 0;
        int64_t at = ours ? strtoll(line + sizeof line_begins - 1, NULL, 10) : 0;
        end = memchr(line, '\n', n - (size_t)(line - text));
        if (!end || at > step) return kept;
        if (ours) kept = (size_t)(end - text) + 1;
    }
    return n;
}

rin_status rin_run_trim_metrics(const rin_trainer *trainer, rin_error *error) {
    char *path = rin_run_path(trainer, file_name, error), *text = NULL;
    size_t n = 0;
    rin_status status = path ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK && rin_path_exists(path)) {
        status = rin_file_read(path, (size_t)1 << 40, &text, &n, error);
        size_t kept = status == RIN_OK ? lines_until(text, n, trainer->step) : 0;
        if (status == RIN_OK && kept < n) status = rin_file_cut(path, kept, error);
    }
    rin_free(text);
    rin_free(path);
    return status;
}

rin_status rin_run_reserve_metrics(rin_trainer *trainer, rin_error *error) {
    enum { BYTES = 4096 };
    trainer->metrics = (rin_text){.chars = rin_calloc(BYTES, 1, error)};
    if (!trainer->metrics.chars) return RIN_ERR_MEMORY;
    trainer->metrics.capacity = BYTES;
    return RIN_OK;
}

static rin_status flush(rin_trainer *trainer, bool sync, rin_error *error) {
    char *path = rin_run_path(trainer, file_name, error);
    if (!path) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    if (trainer->metrics.length) {
        status = rin_run_check_place(trainer, error);
        if (status == RIN_OK) status = rin_file_append(path, trainer->metrics.chars, trainer->metrics.length, error);
        if (status == RIN_OK) trainer->metrics.length = 0;
    }
    if (status == RIN_OK && sync && rin_path_exists(path)) status = rin_file_sync(path, error);
    rin_free(path);
    return status;
}

/* After a line was added to text that had `before` characters: a full disk does not stop the run. */
static rin_status try_to_write(rin_trainer *trainer, size_t before, rin_error *error) {
    rin_error failure = {0};
    if (trainer->metrics.failed) {
        trainer->metrics.length = before;
        trainer->metrics.failed = false;
        return rin_error_set(error, RIN_ERR_MEMORY, "out of memory for a line of %s", file_name);
    }
    bool failed = flush(trainer, false, &failure) != RIN_OK;
    if (failed && !trainer->metrics_failed) {
        rin_log_write(rin_trainer_log(trainer), RIN_LOG_WARNING,
                      "%s; training goes on and keeps the lines until they can be written", failure.text);
    }
    trainer->metrics_failed = failed;
    return RIN_OK;
}

rin_status rin_run_sync_metrics(rin_trainer *trainer, rin_error *error) {
    return flush(trainer, true, error);
}

/* ---- lines ---- */

/* JSON has no other way than null to write a number that is not finite. */
static void add_number(rin_text *text, const char *key, double value) {
    enum { DIGITS = 9 };
    char number[RIN_NUMBER_TEXT] = "null";
    if (isfinite(value)) rin_number_format(value, DIGITS, number);
    rin_text_add(text, "\"%s\": %s, ", key, number);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void rin_run_add_norm(rin_trainer *trainer, float norm) {
    if (trainer->n_norms == RIN_NORMS) {
        memmove(trainer->norms, trainer->norms + 1, (RIN_NORMS - 1) * sizeof *trainer->norms);
        trainer->n_norms--;
    }
    trainer->norms[trainer->n_norms++] = norm;
}

/* The smallest norm that at least `percent` percent of them do not exceed. */
static double percentile(const float *sorted, int64_t n, int percent) {
    return (double)sorted[(n * percent + 99) / 100 - 1];
}

static void add_percentiles(rin_trainer *trainer) {
    float sorted[RIN_NORMS];
    int64_t n = trainer->n_norms;
    if (!n) return;
    memcpy(sorted, trainer->norms, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    add_number(&trainer->metrics, "grad_norm_p50", percentile(sorted, n, 50));
    add_number(&trainer->metrics, "grad_norm_p90", percentile(sorted, n, 90));
    add_number(&trainer->metrics, "grad_norm_p99", percentile(sorted, n, 99));
}

rin_status rin_run_add_metrics(rin_trainer *trainer, rin_error *error) {
    double seconds = rin_clock_seconds() - trainer->started;
    double images = (double)((trainer->step - trainer->started_at) * trainer->config.train.batch);
    rin_text *text = &trainer->metrics;
    size_t before = text->length;
    rin_text_add(text, "%s%lld, ", line_begins, (long long)trainer->step);
    add_number(text, "loss", trainer->loss_count ? trainer->loss_sum / (double)trainer->loss_count : NAN);
    add_number(text, "grad_norm", trainer->grad_norm);
    add_percentiles(trainer);
    add_number(text, "learning_rate", trainer->learning_rate);
    rin_text_add(text, "\"bad_steps\": %lld, ", (long long)trainer->bad_steps);
    /* What no two runs share comes last. */
    add_number(text, "images_per_second", images / RIN_MAX(seconds, 1e-9));
    add_number(text, "wait_seconds", rin_loader_wait_seconds(trainer->loader));
    add_number(text, "seconds", seconds);
    text->length -= text->failed ? 0 : 2; /* the last comma */
    rin_text_add(text, "}\n");
    trainer->loss_sum = 0;
    trainer->loss_count = 0;
    return try_to_write(trainer, before, error);
}

rin_status rin_run_add_score(rin_trainer *trainer, double score, double deviation, rin_error *error) {
    rin_text *text = &trainer->metrics;
    size_t before = text->length;
    bool fid = trainer->config.train.eval_metric == RIN_TRAIN_METRIC_FID;
    rin_text_add(text, "%s%lld, ", line_begins, (long long)trainer->step);
    add_number(text, fid ? "fid" : "kid", score);
    if (!fid) add_number(text, "kid_deviation", deviation);
    rin_text_add(text, "\"samples\": %lld, \"protocol\": %s}\n", (long long)trainer->config.train.eval_count,
                 rin_judge_protocol(trainer->judge));
    return try_to_write(trainer, before, error);
}

rin_status rin_run_add_bad_step(rin_trainer *trainer, double loss, double norm, rin_error *error) {
    rin_text *text = &trainer->metrics;
    size_t before = text->length;
    rin_text_add(text, "%s%lld, \"not_applied\": true, ", line_begins, (long long)trainer->step);
    enum { DIGITS = 6 };
    char numbers[2][RIN_NUMBER_TEXT];
    rin_number_format(loss, DIGITS, numbers[0]);
    rin_number_format(norm, DIGITS, numbers[1]);
    rin_text_add(text, "\"loss\": \"%s\", \"grad_norm\": \"%s\", \"files\": [", numbers[0], numbers[1]);
    for (int64_t i = 0; i < trainer->n_items && !text->failed; i++) {
        cJSON *name = cJSON_CreateString(rin_dataset_item_name(trainer->dataset, trainer->items[i]));
        if (name) rin_text_make_utf8(name->valuestring);
        char *quoted = name ? cJSON_PrintUnformatted(name) : NULL;
        rin_text_add(text, "%s%s", i ? ", " : "", quoted ? quoted : "null"); /* better than no line */
        cJSON_free(quoted);
        cJSON_Delete(name);
    }
    rin_text_add(text, "]}\n");
    return try_to_write(trainer, before, error);
}
