/* SPDX-License-Identifier: MIT */
/* folder: images in a folder and its sub-folders. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/source.h"

enum { MAX_DEPTH = 32, MAX_LINKED = 100000 };

typedef struct folder {
    char *root;
} folder;

/* A folder that is being listed, and those it lies in: links that lead back into these are not followed. */
typedef struct level {
    const struct level *up;
    dev_t device;
    ino_t inode;
    int depth;
    bool linked; /* reached through a link */
} level;

typedef struct walker {
    rin_source_request *request;
    rin_items *items;
    int n_linked;   /* folders reached through links: those to links can make any number of one */
    size_t n_apart; /* folders left out whole, of which that was said */
} walker;

static rin_status walk(walker *w, const char *relative, const level *up, bool linked, rin_error *error);

static rin_status visit(walker *w, rin_dir *dir, const char *relative, const char *file, const level *here,
                        rin_error *error) {
    struct stat info;
    char *name = rin_path_join(relative, file, error);
    if (!name) return RIN_ERR_MEMORY;
    rin_status status = RIN_OK;
    bool hidden = file[0] == '.';
    bool known = !hidden && fstatat(rin_dir_descriptor(dir), file, &info, 0) == 0; /* follows links */
    if (known && S_ISDIR(info.st_mode)) {
        size_t n_before = w->items->n, n_apart = w->n_apart;
        struct stat own;
        bool linked = fstatat(rin_dir_descriptor(dir), file, &own, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(own.st_mode);
        status = walk(w, name, here, here->linked || linked, error);
        if (status == RIN_OK && here->depth == 0 && w->items->n == n_before && w->n_apart == n_apart) {
            rin_log_write(w->request->log, RIN_LOG_WARNING, "the folder '%s' holds no %s%s", name,
                          rin_items_noun(w->items), w->items->videos ? "" : " and makes no class");
        }
    } else if (hidden || (known && S_ISREG(info.st_mode))) {
        if (rin_items_wants(w->items, name)) status = rin_items_add(w->items, name, 0, -1, error);
    } else {
        rin_items_leave_out(w->items, name); /* a broken link, a device */
    }
    rin_free(name);
    return status;
}

static bool is_inside_itself(const level *here) {
    for (const level *l = here->up; l; l = l->up) {
        if (l->device == here->device && l->inode == here->inode) return true;
    }
    return false;
}

static rin_status list(walker *w, rin_dir *dir, const char *relative, const level *here, rin_error *error) {
    for (;;) {
        const char *name;
        rin_status status = rin_dir_next(dir, &name, error);
        if (status == RIN_OK) status = rin_source_go_on(w->request, w->items, error);
        if (status == RIN_OK && name) status = visit(w, dir, relative, name, here, error);
        if (status != RIN_OK || !name) return status;
    }
}

/* Its sample pictures are none of the data set's. */
static bool is_run(const rin_dir *dir) {
    struct stat config, data;
    int fd = rin_dir_descriptor(dir);
    return fstatat(fd, RIN_RUN_CONFIG, &config, 0) == 0 && S_ISREG(config.st_mode) &&
           fstatat(fd, RIN_RUN_DATA, &data, 0) == 0 && S_ISREG(data.st_mode);
}

static void leave_apart(walker *w, const char *relative, rin_log_level weight, const char *why) {
    rin_log_write(w->request->log, weight, "the folder '%s' is left out: %s", relative, why);
    w->n_apart++;
}

static bool is_forbidden(const char *path) {
    return access(path, R_OK | X_OK) != 0 && errno == EACCES;
}

static rin_status walk(walker *w, const char *relative, const level *up, bool linked, rin_error *error) {
    char *path = rin_path_join(w->request->path, relative, error);
    if (!path) return RIN_ERR_MEMORY;
    struct stat info;
    rin_dir *dir;
    if (up && is_forbidden(path)) {
        leave_apart(w, relative, RIN_LOG_WARNING, "it may not be read (permission denied)");
        rin_free(path);
        return RIN_OK;
    }
    rin_status status = rin_dir_open(path, &dir, error);
    if (status == RIN_OK && fstat(rin_dir_descriptor(dir), &info) != 0)
        status = rin_error_system(error, "list folder", path);
    if (status == RIN_OK) {
        level here = {up, info.st_dev, info.st_ino, up ? up->depth + 1 : 0, linked};
        if (linked && ++w->n_linked > MAX_LINKED) {
            status = rin_error_set(error, RIN_ERR_FORMAT, "links lead to more than %d folders", MAX_LINKED);
        } else if (here.depth > MAX_DEPTH) {
            status = rin_error_set(error, RIN_ERR_FORMAT, "folder '%s' is more than %d levels deep", path, MAX_DEPTH);
        } else if (is_inside_itself(&here)) {
            rin_items_leave_out(w->items, relative);
        } else if (up && is_run(dir)) {
            leave_apart(w, relative, RIN_LOG_INFO, "it is that of a training run");
        } else {
            status = list(w, dir, relative, &here, error);
        }
    }
    rin_dir_close(dir);
    rin_free(path);
    return status;
}

static void folder_close(void *source) {
    folder *f = source;
    if (f) rin_free(f->root);
    rin_free(f);
}

static rin_status keep_root(const char *path, void **source, rin_error *error) {
    folder *f = rin_calloc(1, sizeof *f, error);
    if (f) f->root = rin_strdup(path, error);
    if (!f || !f->root) {
        folder_close(f);
        return RIN_ERR_MEMORY;
    }
    *source = f;
    return RIN_OK;
}

static rin_status folder_open(rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    *source = NULL;
    walker w = {.request = request, .items = items};
    rin_status status = walk(&w, "", NULL, false, error);
    if (status == RIN_OK) status = rin_items_arrange(items, request->log, error);
    return status == RIN_OK ? keep_root(request->path, source, error) : status;
}

static rin_status folder_file(const void *source, const rin_item *item, rin_input *out, rin_error *error) {
    const folder *f = source;
    char *path = rin_path_join(f->root, item->name, error);
    if (!path) return RIN_ERR_MEMORY;
    rin_status status = rin_input_open(out, path, error);
    rin_free(path);
    return status;
}

static rin_status folder_probe(const char *path, bool *fits, rin_error *error) {
    (void)error;
    *fits = rin_path_is_dir(path);
    return RIN_OK;
}

const rin_source_kind rin_source_folder = {
    .name = "folder",
    .accepts = "a folder of JPEG, PNG or WebP images, with one sub-folder per class or none",
    .accepts_video = "a folder of video files, animations, or sub-folders of numbered JPEG or PNG pictures",
    .probe = folder_probe,
    .open = folder_open,
    .file = folder_file,
    .close = folder_close,
};

/* ---- a single video ---- */

static rin_status file_probe(const char *path, bool *fits, rin_error *error) {
    (void)error;
    *fits = !rin_path_is_dir(path) && rin_name_is_video(path);
    return RIN_OK;
}

static rin_status file_open(rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    const char *slash = strrchr(request->path, '/');
    char *root = rin_strdup(request->path, error);
    *source = NULL;
    if (!root) return RIN_ERR_MEMORY;
    root[slash ? slash - request->path + 1 : 0] = '\0';
    rin_status status = rin_items_add(items, slash ? slash + 1 : request->path, 0, -1, error);
    if (status == RIN_OK) status = keep_root(root, source, error);
    rin_free(root);
    return status;
}

const rin_source_kind rin_source_file = {
    .name = "video",
    .accepts_video = "a video file",
    .probe = file_probe,
    .open = file_open,
    .file = folder_file,
    .close = folder_close,
};
