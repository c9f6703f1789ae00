/* SPDX-License-Identifier: MIT */
/* corpus: small data sets in a temporary folder for tests. Include after cmocka.h. */
#ifndef RIN_TEST_CORPUS_H
#define RIN_TEST_CORPUS_H

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "data/data.h"
#include "image/encode.h"

/* ---- a temporary folder ---- */

typedef struct corpus {
    char root[32];
} corpus;

static inline corpus corpus_make(void) {
    corpus c = {"/tmp/rin-data-XXXXXX"};
    assert_non_null(mkdtemp(c.root));
    return c;
}

static inline void remove_tree(const char *path) {
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    DIR *stream = S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    for (const struct dirent *entry; stream && (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *inner = rin_path_join(path, entry->d_name, NULL);
        remove_tree(inner);
        rin_free(inner);
    }
    if (stream) closedir(stream);
    assert_int_equal(remove(path), 0);
}

static inline void corpus_remove(const corpus *c) {
    remove_tree(c->root);
}

/* A path in the folder; freed by rin_free. */
static inline char *corpus_path(const corpus *c, const char *name) {
    char *path = rin_path_join(c->root, name, NULL);
    assert_non_null(path);
    return path;
}

static inline void corpus_add(const corpus *c, const char *name, const void *bytes, size_t n) {
    char *path = corpus_path(c, name), *folder = corpus_path(c, name);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(rin_dir_create(folder, NULL), RIN_OK);
    assert_int_equal(rin_file_write(path, bytes, n, NULL), RIN_OK);
    rin_free(folder);
    rin_free(path);
}

/* ---- pictures ---- */

/* A PNG of one colour but for its left column, so that a mirrored one is told apart. */
static inline encoded flat_png(int side, int value) {
    uint8_t *rgb = calloc((size_t)(side * side), 3);
    for (int i = 0; i < 3 * side * side; i++) rgb[i] = (uint8_t)(i / 3 % side == 0 ? 255 - value : value);
    encoded file = encode_rgb_png(rgb, side, side);
    free(rgb);
    return file;
}

static inline void corpus_add_png(const corpus *c, const char *name, int side, int value) {
    encoded file = flat_png(side, value);
    corpus_add(c, name, file.bytes, file.n);
    free(file.bytes);
}

/* Writes n pictures NNN.png of values 0 to n - 1. */
static inline void corpus_add_many(const corpus *c, int side, int n) {
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d.png", i);
        corpus_add_png(c, name, side, i);
    }
}

/* ---- archives ---- */

typedef struct packer {
    struct archive *archive;
    char *path;
} packer;

/* kind: "tar", "tar.gz", "tar.xz" or "zip". */
static inline packer packer_open(const corpus *c, const char *name, const char *kind) {
    packer p = {archive_write_new(), corpus_path(c, name)};
    if (strcmp(kind, "zip") == 0) archive_write_set_format_zip(p.archive);
    else archive_write_set_format_pax_restricted(p.archive);
    if (strcmp(kind, "tar.gz") == 0) archive_write_add_filter_gzip(p.archive);
    if (strcmp(kind, "tar.xz") == 0) archive_write_add_filter_xz(p.archive);
    assert_int_equal(archive_write_open_filename(p.archive, p.path), ARCHIVE_OK);
    return p;
}

static inline void packer_add(packer *p, const char *name, const void *bytes, size_t n) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)n);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    assert_true(archive_write_header(p->archive, entry) >= ARCHIVE_WARN); /* it warns of names beyond the locale */
    assert_int_equal(archive_write_data(p->archive, bytes, n), n);
    archive_entry_free(entry);
}

static inline void packer_add_png(packer *p, const char *name, int side, int value) {
    encoded file = flat_png(side, value);
    packer_add(p, name, file.bytes, file.n);
    free(file.bytes);
}

static inline void packer_close(packer *p) {
    assert_int_equal(archive_write_close(p->archive), ARCHIVE_OK);
    archive_write_free(p->archive);
    rin_free(p->path);
}

/* ---- opening ---- */

/* Remarks, one a line. Written by one thread at a time. */
typedef struct remarks {
    char text[4096];
    int n_warnings;
} remarks;

static inline void remarks_add(void *user, rin_log_level level, const char *text) {
    remarks *r = user;
    size_t n = strlen(r->text);
    snprintf(r->text + n, sizeof r->text - n, "%s\n", text);
    if (level == RIN_LOG_WARNING) r->n_warnings++;
}

static inline rin_dataset *open_logged(const corpus *c, const char *name, remarks *r) {
    rin_error error = {0};
    rin_dataset *dataset;
    char *path = corpus_path(c, name);
    rin_log log = {r ? remarks_add : NULL, r};
    if (rin_dataset_open(path, NULL, log, &dataset, &error) != RIN_OK) fail_msg("%s", error.text);
    rin_free(path);
    return dataset;
}

static inline void expect_not_opened(const corpus *c, const char *name, rin_status status, const char *part) {
    rin_error error = {0};
    rin_dataset *dataset;
    char *path = corpus_path(c, name);
    if (rin_dataset_open(path, NULL, (rin_log){0}, &dataset, &error) != status) fail_msg("%s", error.text);
    assert_null(dataset);
    if (!strstr(error.text, part)) fail_msg("'%s' lacks '%s'", error.text, part);
    rin_free(path);
}

#endif
