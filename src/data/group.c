/* SPDX-License-Identifier: MIT */
/* group: numbered pictures in a folder are a video. */
#include <stdlib.h>
#include <string.h>

#include "data/source.h"

/* Length of the folder in a name, without the slash behind it. */
static size_t folder_length(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

static int compare_folders(const char *a, const char *b) {
    size_t n = folder_length(a), m = folder_length(b);
    int order = memcmp(a, b, RIN_MIN(n, m));
    return order ? order : (n > m) - (n < m);
}

/* Digits by the number they are, everything else by its bytes: frame_2 comes before frame_10. */
static int compare_numbered(const char *a, const char *b) {
    static const char digits[] = "0123456789";
    while (*a && *b) {
        size_t n = strspn(a, digits), m = strspn(b, digits);
        if (!n || !m) {
            if (*a != *b) break;
            a++, b++;
            continue;
        }
        const char *end_a = a + n, *end_b = b + m;
        while (a < end_a - 1 && *a == '0') a++;
        while (b < end_b - 1 && *b == '0') b++;
        ptrdiff_t longer = (end_a - a) - (end_b - b);
        int order = longer ? (longer > 0) - (longer < 0) : memcmp(a, b, (size_t)(end_a - a));
        if (order) return order;
        a = end_a, b = end_b;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

static int compare_pictures(const void *left, const void *right) {
    const rin_item *a = left, *b = right;
    int order = compare_folders(a->name, b->name);
    if (!order) order = compare_numbered(a->name, b->name);
    return order ? order : strcmp(a->name, b->name);
}

static int compare_by_folder(const void *left, const void *right) {
    return compare_folders(((const rin_item *)left)->name, ((const rin_item *)right)->name);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const rin_item *)left)->name, ((const rin_item *)right)->name);
}

/* Moves the pictures out of the list of videos. */
static rin_status set_pictures_apart(rin_items *items, rin_error *error) {
    size_t kept = 0;
    items->pictures = rin_calloc(items->n, sizeof *items->pictures, error);
    if (!items->pictures) return RIN_ERR_MEMORY;
    for (size_t i = 0; i < items->n; i++) {
        if (rin_name_is_picture(items->items[i].name)) items->pictures[items->n_pictures++] = items->items[i];
        else items->items[kept++] = items->items[i];
    }
    items->n = kept;
    return RIN_OK;
}

static rin_status add_folder(rin_items *items, size_t first, size_t end, rin_error *error) {
    char *picture = items->pictures[first].name;
    size_t n = folder_length(picture);
    char slash = picture[n];
    if (n) picture[n] = '\0';
    rin_status status = rin_items_add(items, n ? picture : ".", 0, -1, error);
    if (n) picture[n] = slash;
    if (status != RIN_OK) return status;
    rin_item *item = &items->items[items->n - 1];
    item->first = first;
    item->n_pictures = end - first;
    return RIN_OK;
}

rin_status rin_items_group(rin_items *items, rin_error *error) {
    rin_status status = set_pictures_apart(items, error);
    if (status != RIN_OK) return status;
    size_t n_videos = items->n, end;
    qsort(items->items, n_videos, sizeof *items->items, compare_by_folder);
    qsort(items->pictures, items->n_pictures, sizeof *items->pictures, compare_pictures);
    for (size_t first = 0; first < items->n_pictures && status == RIN_OK; first = end) {
        const char *name = items->pictures[first].name;
        for (end = first + 1; end < items->n_pictures; end++) {
            if (compare_folders(items->pictures[end].name, name) != 0) break;
        }
        /* A picture beside a video is its cover. */
        if (bsearch(&items->pictures[first], items->items, n_videos, sizeof *items->items, compare_by_folder)) {
            for (size_t i = first; i < end; i++) rin_items_leave_out(items, items->pictures[i].name);
        } else {
            status = add_folder(items, first, end, error);
        }
    }
    qsort(items->items, items->n, sizeof *items->items, compare_names);
    return status;
}
