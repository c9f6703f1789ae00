/* SPDX-License-Identifier: MIT */
/* source: what a kind of data set provides, one file and one row of a table each. Inside the data room only. */
#ifndef RIN_DATA_SOURCE_H
#define RIN_DATA_SOURCE_H

#include "data/data.h"
#include "video/video.h"

/* No image file is larger than this. */
#define RIN_MAX_ITEM_BYTES ((size_t)256 << 20)

/* ---- the list of items that a source fills ---- */

typedef struct rin_item {
    char *name;               /* class folder, deeper folders and file, with '/' between them */
    uint64_t key;             /* the source's own number for it */
    int32_t label;            /* -1: none */
    size_t first, n_pictures; /* of a video that is a folder of pictures: which of rin_items.pictures; else 0 */
} rin_item;

typedef struct rin_items {
    bool videos;     /* wanted are videos, else images */
    rin_item *items; /* (n) */
    size_t n, capacity;
    size_t bytes, most_bytes; /* of the list: links to links can make any number of files of one */
    char **classes;           /* (n_classes) */
    size_t n_classes;
    size_t *class_counts;     /* (n_classes) */
    size_t n_hidden, n_other; /* files left out */
    size_t n_videos;          /* ... that are videos by their names, where images are wanted */
    size_t n_foreign;         /* ... that are pictures of kinds that are not read */
    char *first_other;        /* name of the first of n_other; NULL when there is none */
    rin_item *pictures;       /* (n_pictures): of all videos that are folders of pictures */
    size_t n_pictures;
} rin_items;

/* "images" or "videos", for messages. */
const char *rin_items_noun(const rin_items *items);

/* Whether a file is wanted by its name; if not, it is counted as left out. name may hold folders. Where videos are
 * wanted, so are pictures. */
bool rin_items_wants(rin_items *items, const char *name);

/* Counts a file that is left out for another reason than its name. */
void rin_items_leave_out(rin_items *items, const char *name);

/* Appends an item; name is copied. Errors: MEMORY, also beyond most_bytes; FORMAT for too many. */
rin_status rin_items_add(rin_items *items, const char *name, uint64_t key, int32_t label, rin_error *error) RIN_CHECKED;

/* Appends a class; name is copied. */
rin_status rin_items_add_class(rin_items *items, const char *name, rin_error *error) RIN_CHECKED;

/* Leaves out of the names a top folder that all of them share. */
void rin_items_strip_top(rin_items *items, rin_log log);

/* Sorts the items, and of equal names keeps the one with the highest key. Of images makes classes of the top folders;
 * of the pictures in a folder makes a video, where videos are wanted (group.c). */
rin_status rin_items_arrange(rin_items *items, rin_log log, rin_error *error) RIN_CHECKED;
rin_status rin_items_group(rin_items *items, rin_error *error) RIN_CHECKED;
bool rin_name_is_picture(const char *name);
bool rin_name_is_video(const char *name);

void rin_items_clear(rin_items *items);

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
    const char *name;                    /* such as "folder" */
    const char *accepts, *accepts_video; /* what a user may give, for messages; NULL: it holds none of these */
    /* Whether path, which exists, is of this kind by its looks. */
    rin_status (*probe)(const char *path, bool *fits, rin_error *error);
    /* Lists the items, labelled, into items. On failure *source is NULL. */
    rin_status (*open)(rin_source_request *request, rin_items *items, void **source, rin_error *error);
    /* The file of an item, or of one of its pictures; the caller closes it. NULL where items are no files: then the one
     * of the next two that is wanted is there. All are called from several threads at once. */
    rin_status (*file)(const void *source, const rin_item *item, rin_input *out, rin_error *error);
    rin_status (*image)(const void *source, const rin_item *item, rin_image *out, rin_error *error);
    rin_status (*video)(const void *source, const rin_item *item, rin_video **out, rin_error *error);
    void (*close)(void *source); /* accepts NULL */
} rin_source_kind;

extern const rin_source_kind rin_source_folder, rin_source_archive, rin_source_cifar, rin_source_file, rin_source_pack;

struct rin_dataset {
    const rin_source_kind *kind;
    void *source;
    rin_items items;
    rin_clip clip; /* frames 0: of images */
};

/* Decodes the picture that is a file of the source. */
rin_status rin_dataset_decode_file(const rin_dataset *dataset, const rin_item *item, rin_alpha alpha, rin_image *out,
                                   rin_error *error) RIN_CHECKED;

#endif
