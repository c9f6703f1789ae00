/* SPDX-License-Identifier: MIT */
/* What a data set holds, for people and for programs. */
#include <cjson/cJSON.h>

#include "data/data.h"

typedef struct scan {
    rin_listener listener;
    double begun; /* clock */
    atomic_bool cancel;
} scan;

static void show(void *user, size_t done, size_t total) {
    scan *s = user;
    rin_loading_tell(&s->listener, "load", done, total, s->begun, &s->cancel);
}

/* Names come from folders and hold any byte; a line is one line. */
static void add_name(rin_text *text, const char *name) {
    for (; *name; name++) rin_text_add(text, "%c", (unsigned char)*name < ' ' || *name == 0x7F ? '?' : *name);
}

static void add_lines(const rin_dataset *dataset, const rin_scan_report *r, const char *path, rin_text *text) {
    size_t classes = rin_dataset_n_classes(dataset);
    rin_text_add(text, "%s (%s): %zu images, %zu good, %zu broken, %zu other files left out\n", path,
                 rin_dataset_kind(dataset), rin_dataset_count(dataset), r->n_good, r->n_broken,
                 rin_dataset_n_ignored(dataset));
    rin_text_add(text, "  colour   %zu colour, %zu grey\n", r->n_colour, r->n_grey);
    rin_text_add(text, "  sizes    %d x %d to %d x %d, %zu different:", r->min_width, r->min_height, r->max_width,
                 r->max_height, r->n_sizes);
    for (size_t i = 0; i < RIN_MIN(r->n_sizes, (size_t)RIN_SCAN_SIZES); i++) {
        rin_text_add(text, "%s %d x %d (%zu)", i ? "," : "", r->sizes[i].width, r->sizes[i].height, r->sizes[i].count);
    }
    rin_text_add(text, "\n  classes  %zu%s\n", classes, classes ? "" : " (no sub-folders: unconditional)");
    for (size_t c = 0; c < classes; c++) {
        enum { WIDTH = 24 };
        size_t before;
        rin_text_add(text, "    %3zu ", c);
        before = text->length;
        add_name(text, rin_dataset_class_name(dataset, c));
        size_t length = text->length - before;
        rin_text_add(text, "%*s %zu\n", length < WIDTH ? (int)(WIDTH - length) : 0, "",
                     rin_dataset_class_count(dataset, c));
    }
    for (size_t i = 0; i < RIN_MIN(r->n_broken, (size_t)RIN_SCAN_BROKEN); i++)
        rin_text_add(text, "  broken   %s\n", r->broken[i].reason);
    if (r->n_broken > RIN_SCAN_BROKEN) rin_text_add(text, "  broken   and %zu more\n", r->n_broken - RIN_SCAN_BROKEN);
}

/* Any bytes, as the nearest thing that JSON can hold. */
static bool as_text(cJSON *string) {
    if (string) rin_text_make_utf8(string->valuestring);
    return string;
}

/* Names are no keys: two may look the same when they are made text. */
static bool add_class(cJSON *list, const rin_dataset *dataset, size_t c) {
    cJSON *row = cJSON_CreateObject();
    bool ok = cJSON_AddItemToArray(list, row);
    return ok && as_text(cJSON_AddStringToObject(row, "name", rin_dataset_class_name(dataset, c))) &&
           cJSON_AddNumberToObject(row, "images", (double)rin_dataset_class_count(dataset, c));
}

/* Each object is added to its parent first, so that one deletion of the root frees all. */
static bool fill_json(cJSON *root, const rin_dataset *dataset, const rin_scan_report *r, const char *path) {
    bool ok = root && as_text(cJSON_AddStringToObject(root, "path", path)) &&
              cJSON_AddStringToObject(root, "kind", rin_dataset_kind(dataset));
    const struct {
        const char *name;
        size_t value;
    } numbers[] = {{"images", rin_dataset_count(dataset)},      {"good", r->n_good},     {"broken", r->n_broken},
                   {"ignored", rin_dataset_n_ignored(dataset)}, {"colour", r->n_colour}, {"grey", r->n_grey}};
    for (size_t i = 0; i < RIN_COUNT(numbers) && ok; i++)
        ok = cJSON_AddNumberToObject(root, numbers[i].name, (double)numbers[i].value);
    cJSON *sizes = ok ? cJSON_AddArrayToObject(root, "sizes") : NULL;
    for (size_t i = 0; i < RIN_MIN(r->n_sizes, (size_t)RIN_SCAN_SIZES) && sizes && ok; i++) {
        int numbers_of_size[3] = {r->sizes[i].width, r->sizes[i].height,
                                  (int)RIN_MIN(r->sizes[i].count, (size_t)INT32_MAX)};
        ok = cJSON_AddItemToArray(sizes, cJSON_CreateIntArray(numbers_of_size, 3));
    }
    cJSON *classes = ok ? cJSON_AddArrayToObject(root, "classes") : NULL;
    for (size_t c = 0; c < rin_dataset_n_classes(dataset) && classes && ok; c++) ok = add_class(classes, dataset, c);
    cJSON *broken = ok ? cJSON_AddArrayToObject(root, "broken_files") : NULL;
    for (size_t i = 0; i < RIN_MIN(r->n_broken, (size_t)RIN_SCAN_BROKEN) && broken && ok; i++) {
        cJSON *reason = cJSON_CreateString(r->broken[i].reason);
        ok = as_text(reason) && cJSON_AddItemToArray(broken, reason);
    }
    return ok && sizes && classes && broken;
}

static rin_status as_json(const rin_dataset *dataset, const rin_scan_report *report, const char *path, char **text,
                          rin_error *error) {
    cJSON *root = cJSON_CreateObject();
    char *printed = fill_json(root, dataset, report, path) ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    *text = printed ? rin_strdup(printed, error) : NULL;
    cJSON_free(printed);
    return *text ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "out of memory while describing '%.300s'", path);
}

rin_status rin_data_describe(const char *path, bool json, rin_listener listener, char **text, rin_error *error) {
    if (!text) return rin_error_null(error, __func__, "text");
    *text = NULL;
    if (!path) return rin_error_null(error, __func__, "path");
    scan s = {.listener = listener, .begun = rin_clock_seconds()};
    const rin_dataset_options listing = {.cancel = &s.cancel, .progress = show, .progress_user = &s};
    rin_scan_options options = {.cancel = &s.cancel, .progress = show, .progress_user = &s};
    rin_scan_report report = {0};
    rin_dataset *dataset = NULL;
    rin_status status = rin_dataset_open(path, &listing, (rin_log){listener.on_log, listener.user}, &dataset, error);
    if (status == RIN_OK) status = rin_dataset_scan(dataset, &options, &report, error);
    if (status == RIN_OK && json) {
        status = as_json(dataset, &report, path, text, error);
    } else if (status == RIN_OK) {
        rin_text t = {0};
        add_lines(dataset, &report, path, &t);
        status = rin_text_take(&t, text, error);
    }
    rin_scan_clear(&report);
    rin_dataset_close(dataset);
    return status;
}
