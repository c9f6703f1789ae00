/* SPDX-License-Identifier: MIT */
/* cifar: CIFAR-10 in its binary form: records of a label byte and three planes of 32 x 32 bytes. */
#include <stdlib.h>
#include <string.h>

#include "data/source.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, N_CLASSES = 10, MAX_FILES = 64 };
#define MAX_FILE_BYTES ((size_t)1 << 30)

/* The format: cs.toronto.edu/~kriz/cifar. Item keys are file number << 32 | record number. */
typedef struct cifar {
    char *files[MAX_FILES];
    size_t n_files;
    size_t used, limit; /* memory in bytes */
} cifar;

static const char test_file[] = "test_batch.bin";

static bool is_train_file(const char *name) {
    return strncmp(name, "data_batch_", 11) == 0 && rin_has_suffix(name, ".bin");
}

/* ---- listing ---- */

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Names of the training files in a folder, sorted; the caller frees each. */
static rin_status list_train_files(const char *folder, char *names[MAX_FILES], size_t *n, rin_error *error) {
    *n = 0;
    rin_dir *dir;
    rin_status status = rin_dir_open(folder, &dir, error);
    for (const char *name; status == RIN_OK && (status = rin_dir_next(dir, &name, error)) == RIN_OK && name;) {
        if (!is_train_file(name)) continue;
        if (*n == MAX_FILES) {
            status = rin_error_set(error, RIN_ERR_FORMAT, "'%s' has more than %d files data_batch_*.bin", folder,
                                   MAX_FILES);
        } else if (!(names[*n] = rin_strdup(name, error))) {
            status = RIN_ERR_MEMORY;
        } else {
            ++*n;
        }
    }
    rin_dir_close(dir);
    if (*n) qsort(names, *n, sizeof *names, compare_names);
    return status;
}

static rin_status has_file(const char *folder, const char *name, bool *has, rin_error *error) {
    char *path = rin_path_join(folder, name, error);
    if (!path) return RIN_ERR_MEMORY;
    *has = rin_path_exists(path) && !rin_path_is_dir(path);
    rin_free(path);
    return RIN_OK;
}

static rin_status has_train_files(const char *folder, bool *has, rin_error *error) {
    rin_dir *dir;
    rin_status status = rin_dir_open(folder, &dir, error);
    for (const char *name; status == RIN_OK && !*has && (status = rin_dir_next(dir, &name, error)) == RIN_OK && name;) {
        *has = is_train_file(name);
    }
    rin_dir_close(dir);
    return status;
}

static rin_status cifar_probe(const char *path, bool *fits, rin_error *error) {
    bool is_folder = rin_path_is_dir(path);
    *fits = !is_folder && rin_has_suffix(path, ".bin");
    rin_status status = is_folder ? has_file(path, test_file, fits, error) : RIN_OK;
    return status == RIN_OK && is_folder && !*fits ? has_train_files(path, fits, error) : status;
}

/* ---- opening ---- */

/* The ten names, from the folder's own list when it has one that is whole. */
static rin_status add_classes(const char *folder, rin_items *items, rin_error *error) {
    static const char *const usual[N_CLASSES] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                 "dog",      "frog",       "horse", "ship", "truck"};
    enum { MAX_BYTES = 4096 };
    char *path = rin_path_join(folder, "batches.meta.txt", error), *text = NULL;
    if (!path) return RIN_ERR_MEMORY;
    size_t n_bytes, n = 0;
    rin_status status = RIN_OK;
    const char *lines[N_CLASSES];
    if (rin_path_exists(path)) status = rin_file_read(path, MAX_BYTES, &text, &n_bytes, error);
    if (status == RIN_ERR_FORMAT) status = RIN_OK; /* too long for a list of ten names */
    if (text) {
        char *rest = text;
        for (char *line; (line = strtok_r(rest, "\r\n", &rest)) && n < N_CLASSES;) lines[n++] = line;
    }
    for (size_t i = 0; i < N_CLASSES && status == RIN_OK; i++) {
        status = rin_items_add_class(items, n == N_CLASSES ? lines[i] : usual[i], error);
    }
    rin_free(text);
    rin_free(path);
    return status;
}

static rin_status add_file(cifar *c, const char *path, const char *name, rin_items *items, rin_error *error) {
    size_t n_bytes = 0;
    char *bytes = NULL;
    size_t allowed = RIN_MIN(MAX_FILE_BYTES, c->limit - c->used);
    rin_status status = rin_file_read(path, allowed, &bytes, &n_bytes, error);
    if (status == RIN_ERR_FORMAT && allowed < MAX_FILE_BYTES)
        return rin_error_set(error, RIN_ERR_MEMORY,
                             "the files up to '%s' take more than the %zu bytes of memory allowed", path, c->limit);
    if (status != RIN_OK) return status;
    c->used += n_bytes;
    uint64_t file = c->n_files;
    c->files[c->n_files++] = bytes;
    if (n_bytes == 0 || n_bytes % RECORD != 0) {
        return rin_error_set(error, RIN_ERR_FORMAT, "'%s' has %zu bytes; CIFAR-10's binary files have a multiple of %d",
                             path, n_bytes, RECORD);
    }
    for (size_t i = 0; i < n_bytes / RECORD; i++) {
        int label = (unsigned char)bytes[i * RECORD];
        if (label >= N_CLASSES) {
            return rin_error_set(error, RIN_ERR_FORMAT,
                                 "'%s' has label %d in record %zu; CIFAR-10's labels are 0 to %d", path, label, i,
                                 N_CLASSES - 1);
        }
        char item[320];
        snprintf(item, sizeof item, "%.255s#%05zu", name, i);
        status = rin_items_add(items, item, file << 32 | i, label, error);
        if (status != RIN_OK) return status;
    }
    return RIN_OK;
}

static rin_status add_folder(cifar *c, const rin_source_request *request, rin_items *items, rin_error *error) {
    char *names[MAX_FILES];
    size_t n = 0;
    rin_status status = list_train_files(request->path, names, &n, error);
    bool has_test = false;
    if (status == RIN_OK) status = has_file(request->path, test_file, &has_test, error);
    if (status == RIN_OK && n && has_test) {
        rin_log_write(request->log, RIN_LOG_INFO, "the training images are used; give %s itself for the test images",
                      test_file);
        rin_items_leave_out(items, test_file);
    }
    for (size_t i = 0; i < RIN_MAX(n, 1) && status == RIN_OK; i++) {
        const char *name = n ? names[i] : test_file;
        char *path = rin_path_join(request->path, name, error);
        status = path ? add_file(c, path, name, items, error) : RIN_ERR_MEMORY;
        rin_free(path);
    }
    for (size_t i = 0; i < n; i++) rin_free(names[i]);
    return status;
}

static rin_status add_single(cifar *c, const char *path, rin_items *items, rin_error *error) {
    char *folder = rin_strdup(path, error);
    if (!folder) return RIN_ERR_MEMORY;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    rin_status status = add_classes(slash ? folder : ".", items, error);
    const char *name = strrchr(path, '/');
    if (status == RIN_OK) status = add_file(c, path, name ? name + 1 : path, items, error);
    rin_free(folder);
    return status;
}

static void cifar_close(void *source) {
    cifar *c = source;
    if (!c) return;
    for (size_t i = 0; i < c->n_files; i++) rin_free(c->files[i]);
    rin_free(c);
}

static rin_status cifar_open(rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    *source = NULL;
    cifar *c = rin_calloc(1, sizeof *c, error);
    if (!c) return RIN_ERR_MEMORY;
    c->limit = request->memory_bytes;
    rin_status status;
    if (rin_path_is_dir(request->path)) {
        status = add_classes(request->path, items, error);
        if (status == RIN_OK) status = add_folder(c, request, items, error);
    } else {
        status = add_single(c, request->path, items, error);
    }
    if (status == RIN_OK) *source = c;
    else cifar_close(c);
    return status;
}

static rin_status cifar_read(const void *source, const rin_item *item, rin_image *out, rin_error *error) {
    const cifar *c = source;
    rin_status status = rin_image_create(out, SIDE, SIDE, 3, 1, error);
    if (status != RIN_OK) return status;
    const char *planes = c->files[item->key >> 32] + (item->key & UINT32_MAX) * RECORD + 1;
    uint8_t *to = out->samples;
    for (int i = 0; i < PLANE; i++) {
        for (int channel = 0; channel < 3; channel++) *to++ = (uint8_t)planes[channel * PLANE + i];
    }
    return RIN_OK;
}

const rin_source_kind rin_source_cifar = {
    .name = "CIFAR-10 binary",
    .accepts = "CIFAR-10's binary files (a folder with data_batch_*.bin or test_batch.bin, or one such file)",
    .probe = cifar_probe,
    .open = cifar_open,
    .image = cifar_read,
    .close = cifar_close,
};
