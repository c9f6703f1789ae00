/* SPDX-License-Identifier: MIT */
/* items: the list of items and how their folders become classes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/source.h"

/* Items are numbered in 32 bits by the shuffle. */
enum { MAX_ITEMS = INT32_MAX };

static bool is_hidden(const char *name) {
    return name[0] == '.' || strstr(name, "/.") != NULL;
}

void rin_items_leave_out(rin_items *items, const char *name) {
    if (!items->first_other) items->first_other = rin_strdup(name, NULL); /* for messages: may be missing */
    items->n_other++;
}

const char *rin_items_noun(const rin_items *items) {
    return items->videos ? "videos" : "images";
}

static bool has_one_of(const char *name, const char *const *suffixes) {
    for (size_t i = 0; suffixes[i]; i++) {
        if (rin_has_suffix(name, suffixes[i])) return true;
    }
    return false;
}

bool rin_name_is_picture(const char *name) {
    static const char *const suffixes[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", NULL};
    return has_one_of(name, suffixes);
}

bool rin_name_is_video(const char *name) {
    static const char *const suffixes[] = {
        ".mp4", ".m4v", ".mov",  ".qt",  ".mkv", ".webm", ".avi", ".divx", ".mpg",  ".mpeg", ".m1v",
        ".m2v", ".ts",  ".m2ts", ".mts", ".vob", ".ogv",  ".ogg", ".ogm",  ".flv",  ".f4v",  ".wmv",
        ".asf", ".3gp", ".3g2",  ".mxf", ".nut", ".h264", ".264", ".hevc", ".h265", ".265",  ".ivf",
        ".obu", ".y4m", ".mjpg", ".dv",  ".rm",  ".rmvb", ".gif", ".apng", ".webp", NULL};
    return has_one_of(name, suffixes);
}

/* Of a kind that is not read. */
static bool is_foreign_picture(const char *name) {
    static const char *const suffixes[] = {".heic", ".heif", ".avif", ".jxl", ".tif", ".tiff", ".bmp",
                                           ".gif",  ".jp2",  ".psd",  ".dng", ".cr2", ".nef",  NULL};
    return has_one_of(name, suffixes);
}

bool rin_items_wants(rin_items *items, const char *name) {
    if (is_hidden(name)) {
        items->n_hidden++;
        return false;
    }
    if (rin_name_is_picture(name)) return true;
    if (items->videos ? rin_name_is_video(name) : rin_has_suffix(name, ".webp")) return true;
    if (rin_name_is_video(name)) items->n_videos++;
    if (is_foreign_picture(name)) items->n_foreign++;
    rin_items_leave_out(items, name);
    return false;
}

rin_status rin_items_add(rin_items *items, const char *name, uint64_t key, int32_t label, rin_error *error) {
    if (items->n >= MAX_ITEMS)
        return rin_error_set(error, RIN_ERR_FORMAT, "more than %d %s", MAX_ITEMS, rin_items_noun(items));
    items->bytes += strlen(name) + 1 + sizeof *items->items;
    if (items->bytes > items->most_bytes) {
        return rin_error_set(
            error, RIN_ERR_MEMORY,
            "the list of %s takes more than the %zu bytes of memory allowed, after %zu files such as '%.200s'",
            rin_items_noun(items), items->most_bytes, items->n, name);
    }
    if (items->n == items->capacity) {
        size_t capacity = RIN_MAX(2 * items->capacity, 256);
        rin_item *grown = rin_realloc(items->items, capacity, sizeof *grown, error);
        if (!grown) return RIN_ERR_MEMORY;
        items->items = grown;
        items->capacity = capacity;
    }
    char *copy = rin_strdup(name, error);
    if (!copy) return RIN_ERR_MEMORY;
    items->items[items->n++] = (rin_item){.name = copy, .key = key, .label = label};
    if (label >= 0) items->class_counts[label]++;
    return RIN_OK;
}

rin_status rin_items_add_class(rin_items *items, const char *name, rin_error *error) {
    size_t n = items->n_classes + 1;
    char **classes = rin_realloc(items->classes, n, sizeof *classes, error);
    if (!classes) return RIN_ERR_MEMORY;
    items->classes = classes;
    size_t *counts = rin_realloc(items->class_counts, n, sizeof *counts, error);
    if (!counts) return RIN_ERR_MEMORY;
    items->class_counts = counts;
    counts[n - 1] = 0;
    classes[n - 1] = rin_strdup(name, error);
    if (!classes[n - 1]) return RIN_ERR_MEMORY;
    items->n_classes = n;
    return RIN_OK;
}

void rin_items_clear(rin_items *items) {
    for (size_t i = 0; i < items->n; i++) rin_free(items->items[i].name);
    for (size_t i = 0; i < items->n_pictures; i++) rin_free(items->pictures[i].name);
    rin_free(items->pictures);
    for (size_t i = 0; i < items->n_classes; i++) rin_free(items->classes[i]);
    rin_free(items->items);
    rin_free(items->classes);
    rin_free(items->class_counts);
    rin_free(items->first_other);
    *items = (rin_items){0};
}

/* ---- folders ---- */

/* Length of the top folder's name; 0 when the name has none. */
static size_t top_length(const char *name) {
    const char *slash = strchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

void rin_items_strip_top(rin_items *items, rin_log log) {
    size_t n = items->n ? top_length(items->items[0].name) : 0;
    if (n == 0) return;
    for (size_t i = 1; i < items->n; i++) {
        if (strncmp(items->items[i].name, items->items[0].name, n + 1) != 0) return;
    }
    rin_log_write(log, RIN_LOG_INFO, "the folder '%.*s', which holds everything, is left out of the names", (int)n,
                  items->items[0].name);
    for (size_t i = 0; i < items->n; i++) {
        char *name = items->items[i].name;
        memmove(name, name + n + 1, strlen(name + n + 1) + 1);
    }
}

static int compare_items(const void *left, const void *right) {
    const rin_item *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->key > b->key) - (a->key < b->key);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Of sorted items: drops those for which a later one has the same name, as an archive may hold a file's versions. */
static void drop_older_versions(rin_items *items) {
    size_t kept = 0;
    for (size_t i = 0; i < items->n; i++) {
        if (i + 1 < items->n && strcmp(items->items[i].name, items->items[i + 1].name) == 0)
            rin_free(items->items[i].name);
        else items->items[kept++] = items->items[i];
    }
    items->n = kept;
}

/* Drops the items without a folder, which come between the others. */
static void drop_loose(rin_items *items, rin_log log) {
    size_t kept = 0, n_loose = 0;
    for (size_t i = 0; i < items->n; i++) n_loose += top_length(items->items[i].name) == 0;
    for (size_t i = 0; i < items->n; i++) {
        rin_item item = items->items[i];
        if (top_length(item.name)) {
            items->items[kept++] = item;
            continue;
        }
        if (i == kept) {
            rin_log_write(log, RIN_LOG_WARNING,
                          "%zu of %zu images are left out: they lie beside the class folders and have no class, such "
                          "as '%s'. Put them into a folder of their own, or the others elsewhere",
                          n_loose, items->n, item.name);
        }
        rin_items_leave_out(items, item.name);
        rin_free(item.name);
    }
    items->n = kept;
}

/* Of sorted items: the distinct top folders, sorted. Items of one folder stand together. */
static rin_status collect_classes(rin_items *items, rin_error *error) {
    for (size_t i = 0; i < items->n; i++) {
        char *name = items->items[i].name;
        size_t n = top_length(name);
        if (n == 0 || (i > 0 && strncmp(name, items->items[i - 1].name, n + 1) == 0)) continue;
        name[n] = '\0';
        rin_status status = rin_items_add_class(items, name, error);
        name[n] = '/';
        if (status != RIN_OK) return status;
    }
    if (items->n_classes) qsort(items->classes, items->n_classes, sizeof *items->classes, compare_names);
    return RIN_OK;
}

/* Parts of a set instead of classes are a likely mistake. */
static void warn_of_parts(const rin_items *items, rin_log log) {
    static const char *const parts[] = {"train", "training", "val", "valid", "validation", "test", "testing", "dev"};
    if (items->n_classes < 2) return;
    for (size_t i = 0; i < items->n_classes; i++) {
        bool known = false;
        for (size_t k = 0; k < RIN_COUNT(parts); k++) known = known || strcasecmp(items->classes[i], parts[k]) == 0;
        if (!known) return;
    }
    rin_log_write(log, RIN_LOG_WARNING,
                  "the classes are '%s' and '%s': if these are parts of one set, give the folder of one part alone",
                  items->classes[0], items->classes[items->n_classes - 1]);
}

/* Labels by the top folder. */
static rin_status classify(rin_items *items, rin_log log, rin_error *error) {
    rin_status status = collect_classes(items, error);
    if (status != RIN_OK || items->n_classes == 0) return status;
    drop_loose(items, log);
    warn_of_parts(items, log);
    for (size_t i = 0; i < items->n; i++) {
        char *name = items->items[i].name;
        size_t n = top_length(name);
        name[n] = '\0';
        char **found = bsearch(&name, items->classes, items->n_classes, sizeof *items->classes, compare_names);
        name[n] = '/';
        items->items[i].label = (int32_t)(found - items->classes);
        items->class_counts[items->items[i].label]++;
    }
    return RIN_OK;
}

rin_status rin_items_arrange(rin_items *items, rin_log log, rin_error *error) {
    if (items->n == 0) return RIN_OK;
    qsort(items->items, items->n, sizeof *items->items, compare_items);
    drop_older_versions(items);
    return items->videos ? rin_items_group(items, error) : classify(items, log, error);
}
