/* SPDX-License-Identifier: MIT */
/* What a data set holds, for people and for programs; and packing it. */
#include <cjson/cJSON.h>

#include "config/config.h"
#include "data/data.h"

/* Names come from folders and hold any byte; a line is one line. */
static void add_name(rin_text *text, const char *name) {
    for (; *name; name++) rin_text_add(text, "%c", (unsigned char)*name < ' ' || *name == 0x7F ? '?' : *name);
}

static void add_lines(const rin_dataset *dataset, const rin_scan_report *r, const char *path, rin_text *text) {
    size_t classes = rin_dataset_n_classes(dataset);
    bool videos = rin_dataset_is_video(dataset);
    rin_text_add(text, "%s (%s): %zu %s, %zu good, %zu broken, %zu other files left out\n", path,
                 rin_dataset_kind(dataset), rin_dataset_count(dataset), videos ? "videos" : "images", r->n_good,
                 r->n_broken, rin_dataset_n_ignored(dataset));
    rin_text_add(text, "  colour   %zu colour, %zu grey\n", r->n_colour, r->n_grey);
    rin_text_add(text, "  sizes    %d x %d to %d x %d, %zu different:", r->min_width, r->min_height, r->max_width,
                 r->max_height, r->n_sizes);
    for (size_t i = 0; i < RIN_MIN(r->n_sizes, (size_t)RIN_SCAN_SIZES); i++) {
        rin_text_add(text, "%s %d x %d (%zu)", i ? "," : "", r->sizes[i].width, r->sizes[i].height, r->sizes[i].count);
    }
    rin_text_add(text, "\n");
    if (videos)
        rin_text_add(text, "  length   %.2f to %.2f seconds, %.2f in all\n  rate     %g to %g frames a second\n",
                     r->min_seconds, r->max_seconds, r->seconds, r->min_rate, r->max_rate);
    else rin_text_add(text, "  classes  %zu%s\n", classes, classes ? "" : " (no sub-folders: unconditional)");
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
    bool videos = rin_dataset_is_video(dataset);
    bool ok = root && as_text(cJSON_AddStringToObject(root, "path", path)) &&
              cJSON_AddStringToObject(root, "kind", rin_dataset_kind(dataset));
    const struct {
        const char *name;
        size_t value;
    } numbers[] = {{videos ? "videos" : "images", rin_dataset_count(dataset)},
                   {"good", r->n_good},
                   {"broken", r->n_broken},
                   {"ignored", rin_dataset_n_ignored(dataset)},
                   {"colour", r->n_colour},
                   {"grey", r->n_grey}};
    for (size_t i = 0; i < RIN_COUNT(numbers) && ok; i++)
        ok = cJSON_AddNumberToObject(root, numbers[i].name, (double)numbers[i].value);
    if (videos && ok)
        ok = cJSON_AddNumberToObject(root, "seconds", r->seconds) &&
             cJSON_AddNumberToObject(root, "min_seconds", r->min_seconds) &&
             cJSON_AddNumberToObject(root, "max_seconds", r->max_seconds) &&
             cJSON_AddNumberToObject(root, "min_rate", r->min_rate) &&
             cJSON_AddNumberToObject(root, "max_rate", r->max_rate);
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

/* Whether what is there is rather a set of videos. */
static bool is_rather_video(rin_status as_images, const rin_dataset *dataset) {
    if (as_images == RIN_ERR_FORMAT) return true;
    return as_images == RIN_OK && rin_dataset_n_videos_ignored(dataset) > rin_dataset_count(dataset);
}

static rin_status open_either(const char *path, bool videos, rin_loading *s, rin_dataset **dataset, rin_error *error) {
    rin_log log = {s->listener.on_log, s->listener.user};
    rin_dataset_options options = {.cancel = &s->cancel, .progress = rin_loading_show, .progress_user = s};
    rin_error failure = {0};
    rin_dataset *other = NULL;
    rin_status first = videos ? RIN_ERR_FORMAT : rin_dataset_open(path, &options, log, dataset, error);
    if (!is_rather_video(first, *dataset)) return first;
    options.clip = (rin_clip){.frames = 1, .step = 1};
    rin_status second = rin_dataset_open(path, &options, log, &other, &failure);
    /* What is no video either is told as if images were looked for. */
    if (second != RIN_OK && second != RIN_ERR_CANCELLED && !videos) return first;
    if (second != RIN_OK && error) *error = failure;
    rin_dataset_close(*dataset);
    *dataset = other;
    return second;
}

rin_status rin_data_describe(const char *path, bool videos, bool json, rin_listener listener, char **text,
                             rin_error *error) {
    if (!text) return rin_error_null(error, __func__, "text");
    *text = NULL;
    if (!path) return rin_error_null(error, __func__, "path");
    rin_loading s = {.listener = listener, .begun = rin_clock_seconds()};
    rin_scan_options options = {.cancel = &s.cancel, .progress = rin_loading_show, .progress_user = &s};
    rin_scan_report report = {0};
    rin_dataset *dataset = NULL;
    rin_status status = open_either(path, videos, &s, &dataset, error);
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

/* ---- packing ---- */

/* Colour, unless the first frames of videos spread over the set are grey. */
static rin_status count_channels(const rin_dataset *dataset, int *channels, rin_error *error) {
    enum { LOOKED_AT = 64 };
    size_t n = rin_dataset_count(dataset), step = RIN_MAX(n / LOOKED_AT, 1), seen = 0;
    *channels = 3;
    for (size_t i = 0; i < n; i += step) {
        rin_image image;
        rin_status status = rin_dataset_decode(dataset, i, &image, error);
        if (rin_dataset_is_broken(status)) continue; /* packing says so */
        if (status != RIN_OK) return status;
        bool colour = image.channels != 1;
        rin_image_clear(&image);
        if (colour) return RIN_OK;
        seen++;
    }
    if (seen) *channels = 1;
    return RIN_OK;
}

rin_status rin_data_pack(const char *path, const rin_config *config, const char *out, rin_listener listener,
                         int64_t *n_videos, int64_t *n_frames, rin_error *error) {
    if (n_videos) *n_videos = 0;
    if (n_frames) *n_frames = 0;
    if (!path) return rin_error_null(error, __func__, "path");
    if (!config) return rin_error_null(error, __func__, "config");
    if (!out) return rin_error_null(error, __func__, "out");
    rin_loading s = {.listener = listener, .begun = rin_clock_seconds()};
    rin_log log = {listener.on_log, listener.user};
    const rin_dataset_options listing = {
        .clip = {1, 1, config->data.fps}, .cancel = &s.cancel, .progress = rin_loading_show, .progress_user = &s};
    rin_pack_options options = {.height = (int)config->model.image_height,
                                .width = (int)config->model.image_width,
                                .cancel = &s.cancel,
                                .log = log,
                                .progress = rin_loading_show,
                                .progress_user = &s};
    rin_dataset *dataset = NULL;
    size_t videos = 0;
    int64_t frames = 0;
    rin_status status = rin_dataset_open(path, &listing, log, &dataset, error);
    if (status == RIN_OK) status = count_channels(dataset, &options.channels, error);
    if (status == RIN_OK) status = rin_dataset_pack(dataset, out, &options, &videos, &frames, error);
    if (n_videos) *n_videos = (int64_t)videos;
    if (n_frames) *n_frames = frames;
    rin_dataset_close(dataset);
    return status;
}
