/* SPDX-License-Identifier: MIT */
/* source: what a kind of data set provides, one file and one row of a table each. Inside the data room only. */
#ifndef RIN_DATA_SOURCE_H
#define RIN_DATA_SOURCE_H

#include "data/data.h"

/* No image file is larger than this. */
#define RIN_MAX_ITEM_BYTES ((size_t)256 << 20)

/* ---- the list of items that a source fills ---- */

typedef struct rin_item {
    char *name;    /* class folder, deeper folders and file, with '/' between them */
    uint64_t key;  /* the source's own number for it */
    int32_t label; /* -1: none */
} rin_item;

typedef struct rin_items {
    rin_item *items; /* (n) */
    size_t n, capacity;
    size_t bytes, most_bytes; /* of the list: links to links can make any number of files of one */
    char **classes;           /* (n_classes) */
    size_t n_classes;
    size_t *class_counts;     /* (n_classes) */
    size_t n_hidden, n_other; /* files left out */
    char *first_other;        /* name of the first of n_other; NULL when there is none */
} rin_items;

/* Whether a file is an image by its name; if not, it is counted as left out. name may hold folders. */
bool rin_items_wants(rin_items *items, const char *name);

/* Counts a file that is left out for another reason than its name. */
void rin_items_leave_out(rin_items *items, const char *name);

/* Appends an item; name is copied. Errors: MEMORY, also beyond most_bytes; FORMAT for too many. */
rin_status rin_items_add(rin_items *items, const char *name, uint64_t key, int32_t label, rin_error *error) RIN_CHECKED;

/* Appends a class; name is copied. */
rin_status rin_items_add_class(rin_items *items, const char *name, rin_error *error) RIN_CHECKED;

/* Leaves out of the names a top folder that all of them share. */
void rin_items_strip_top(rin_items *items, rin_log log);

/* Sorts the items, of equal names keeps the one with the highest key, and makes classes of the top folders. */
rin_status rin_items_classify(rin_items *items, rin_log log, rin_error *error) RIN_CHECKED;

void rin_items_clear(rin_items *items);

/* Whether text ends in suffix, in any case of letters. */
bool rin_has_suffix(const char *text, const char *suffix);

/* ---- kinds of source ---- */

typedef struct rin_source_request {
    const char *path;
    size_t memory_bytes;
    rin_log log;
    const atomic_bool *cancel; /* may be NULL */
    rin_loading_fn progress;   /* may be NULL */
    void *progress_user;
    double shown; /* clock of the last progress */
    uint64_t calls;
} rin_source_request;

/* To be called for every entry, and every piece of a large one, while listing: reports progress now and then. Errors:
 * CANCELLED. */
rin_status rin_source_go_on(rin_source_request *request, const rin_items *items, rin_error *error) RIN_CHECKED;

typedef struct rin_source_kind {
    const char *name;    /* such as "folder" */
    const char *accepts; /* what a user may give, for messages */
    /* Whether path, which exists, is of this kind by its looks. */
    rin_status (*probe)(const char *path, bool *fits, rin_error *error);
    /* Lists the items, labelled, into items. On failure *source is NULL. */
    rin_status (*open)(rin_source_request *request, rin_items *items, void **source, rin_error *error);
    /* Decodes one item. Called from several threads at once. */
    rin_status (*read)(const void *source, const rin_item *item, rin_image *out, rin_error *error);
    void (*close)(void *source); /* accepts NULL */
} rin_source_kind;

extern const rin_source_kind rin_source_folder, rin_source_archive, rin_source_cifar;

#endif
