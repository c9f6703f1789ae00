/* SPDX-License-Identifier: MIT */
/* Files that rin sample writes: whether there is a place for them, and writing them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/sample.h"

enum { LONGEST_FOLDER = 4000, LONGEST_PATH = LONGEST_FOLDER + 96 /* for a file in it */ };

/* ---- before the work ---- */

static int check_folder(const char *folder) {
    struct stat info;
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode)) errno = ENOTDIR;
    else if (access(folder, W_OK | X_OK) == 0) return RIN_EXIT_OK;
    return rin_cli_fail_system(folder);
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder that a file is in; freed by the caller, NULL without memory. */
static char *folder_of(const char *path) {
    size_t length = (size_t)(name_of(path) - path);
    if (!length) return strdup(".");
    return strndup(path, length > 1 ? length - 1 : length);
}

/* Before hours of work: whether there will be a place for its result. */
static int check_place(const char *option, const char *out) {
    enum { LONGEST_NAME = 220 }; /* what is being written has a longer one */
    if (strlen(name_of(out)) > LONGEST_NAME)
        return rin_cli_refuse("--%s %s: the name of the file is longer than %d bytes", option, out, LONGEST_NAME);
    char *folder = folder_of(out);
    if (!folder) return rin_cli_fail_memory();
    int code = check_folder(folder);
    free(folder);
    struct stat info;
    if (code == RIN_EXIT_OK && stat(out, &info) == 0 && !S_ISREG(info.st_mode))
        return rin_cli_refuse("--%s %s: it is there, and not a regular file", option, out);
    return code;
}

/* Whether two names, however spelt, are of one place for a file. */
static bool is_same_place(const char *one, const char *other) {
    struct stat a, b;
    if (strcmp(name_of(one), name_of(other)) != 0) return false;
    char *first = folder_of(one), *second = folder_of(other);
    bool same = first && second && stat(first, &a) == 0 && stat(second, &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino;
    free(first);
    free(second);
    return same;
}

static bool is_same_file(const char *one, const char *other) {
    struct stat a, b;
    if (stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) return true;
    return is_same_place(one, other);
}

int rin_job_check_files(rin_job *j, const rin_cli_args *args) {
    j->out = rin_cli_args_get(args, "out");
    j->film = rin_cli_args_get(args, "film");
    j->folder = rin_cli_args_get(args, "save-each");
    if (!j->out)
        return rin_cli_refuse("rin sample needs --out FILE, a name that ends in .png or, of videos, in %s",
                              rin_video_suffixes());
    if (j->folder && strlen(j->folder) > LONGEST_FOLDER)
        return rin_cli_refuse("--save-each: the name of the folder is longer than %d bytes", LONGEST_FOLDER);
    int code = check_place("out", j->out);
    return code == RIN_EXIT_OK && j->film ? check_place("film", j->film) : code;
}

/* Whether a name ends like those of a list such as ".mp4, .gif, .webp". */
static bool is_animation(const char *path) {
    const char *list = rin_video_suffixes();
    size_t length = strlen(path);
    while (*list) {
        size_t n = strcspn(list, ", ");
        if (n && length > n && strncasecmp(path + length - n, list, n) == 0) return true;
        list += n + strspn(list + n, ", ");
    }
    return false;
}

static bool is_png(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcasecmp(path + length - 4, ".png") == 0;
}

int rin_job_check_names(rin_job *j) {
    bool way = j->between && is_animation(j->out);
    if (j->film && !is_png(j->film) && !is_animation(j->film))
        return rin_cli_refuse("--film %s: give a name that ends in .png or in %s", j->film, rin_video_suffixes());
    if (!way && !rin_model_can_write(j->model, j->out)) {
        if (j->video)
            return rin_cli_refuse("--out %s: give a name that ends in %s, or in .png for a contact sheet", j->out,
                                  rin_video_suffixes());
        return rin_cli_refuse("--out %s: pictures are written as PNG; give a name that ends in .png%s%s", j->out,
                              j->between ? " or in " : "", j->between ? rin_video_suffixes() : "");
    }
    j->suffix = way ? ".png" : strrchr(j->out, '.');
    return RIN_EXIT_OK;
}

int rin_job_make_folder(const rin_job *j) {
    if (!j->folder || mkdir(j->folder, 0777) == 0) return RIN_EXIT_OK;
    return errno == EEXIST ? check_folder(j->folder) : rin_cli_fail_system(j->folder);
}

/* ---- pictures of their own ---- */

/* Class names come from folders of a data set and may hold any byte. */
static void add_class_name(const rin_job *j, int64_t i, char *text, size_t size) {
    if (!j->classes || size < 2) return;
    const char *name = rin_model_class_name(j->model, j->classes[i]);
    size_t used = 0;
    text[used++] = '-';
    for (; name && *name && used + 1 < size; name++) {
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');
        text[used++] = plain || *name == '-' || *name == '.' ? *name : '_';
    }
    text[used] = '\0';
}

/* Where picture i goes. Shares of a large set can go into one folder. */
static void name_each(const rin_job *j, int64_t i, char path[LONGEST_PATH]) {
    char name[64] = "";
    long long number = (long long)(rin_cli_config_whole(j->config, "sample.first") + i);
    add_class_name(j, i, name, sizeof name);
    snprintf(path, LONGEST_PATH, "%s/%04lld%s%s", j->folder, number, name, j->suffix);
}

static int check_overlap(const rin_job *j, const char *option, const char *written) {
    char path[LONGEST_PATH];
    if ((j->picture_path && is_same_file(written, j->picture_path)) ||
        (j->mask_path && is_same_file(written, j->mask_path)))
        return rin_cli_refuse("--%s %s: the picture that was given would be lost; give another name", option, written);
    for (int64_t i = 0; j->folder && i < j->count; i++) {
        name_each(j, i, path);
        if (is_same_place(path, written))
            return rin_cli_refuse("--%s %s: --save-each writes a picture of that name; give another", option, written);
    }
    return RIN_EXIT_OK;
}

/* That nothing which is written takes the place of something else, or of what was given. */
int rin_job_check_overlaps(const rin_job *j) {
    if (j->film && is_same_place(j->film, j->out))
        return rin_cli_refuse("--film %s: --out is the same file; give another name", j->film);
    int code = check_overlap(j, "out", j->out);
    return code == RIN_EXIT_OK && j->film ? check_overlap(j, "film", j->film) : code;
}

static const char *things(const rin_job *j, int64_t n) {
    if (j->video) return n == 1 ? "video" : "videos";
    return n == 1 ? "picture" : "pictures";
}

/* One that cannot be written does not cost the others. */
void rin_job_write_made(rin_job *j, const rin_generator *generator) {
    char path[LONGEST_PATH];
    rin_error error = {0};
    for (; j->folder && j->n_made < j->count && rin_generator_pixels(generator, j->n_made); j->n_made++) {
        name_each(j, j->n_made, path);
        if (rin_generator_write(generator, j->n_made, path, &error) != RIN_OK && j->n_failed++ == 0)
            j->code = rin_cli_fail(&error);
    }
}

int rin_job_stop(const rin_job *j) {
    long long written = (long long)(j->n_made - j->n_failed);
    if (written)
        rin_cli_note("stopped; %s has %lld of %lld %s", j->folder, written, (long long)j->count, things(j, j->count));
    else rin_cli_note("stopped; no %s were written", things(j, 0));
    return RIN_EXIT_INTERRUPTED;
}

/* ---- what is of all of them ---- */

static int write_grid(const rin_job *j, const rin_generator *generator, rin_error *error) {
    rin_status status;
    if (j->only >= 0) status = rin_generator_write(generator, j->only, j->out, error);
    else if (j->between && !is_png(j->out)) status = rin_generator_write_way(generator, j->out, error);
    else status = rin_generator_write_grid(generator, j->columns, j->out, error);
    if (status != RIN_OK) return rin_cli_fail(error);
    long long n = j->only >= 0 ? 1 : (long long)j->count;
    if (j->video)
        printf("%s: %lld %s of %lld frames\n", j->out, n, things(j, n),
               (long long)rin_generator_frame_count(generator));
    else printf("%s: %lld %s\n", j->out, n, things(j, n));
    return RIN_EXIT_OK;
}

static int write_film(const rin_job *j, const rin_generator *generator, rin_error *error) {
    if (!j->film) return RIN_EXIT_OK;
    if (rin_generator_write_film(generator, j->columns, j->film, error) != RIN_OK) return rin_cli_fail(error);
    printf("%s: the way there\n", j->film);
    return RIN_EXIT_OK;
}

int rin_job_write(const rin_job *j, const rin_generator *generator, bool has_grid) {
    rin_error error = {0};
    int code = RIN_EXIT_OK;
    if (!has_grid) rin_cli_note("so many pictures of this size do not fit into one file: there is no grid");
    else code = write_grid(j, generator, &error);
    int film = write_film(j, generator, &error);
    int64_t written = j->n_made - j->n_failed;
    if (j->folder) printf("%s/: %lld %s\n", j->folder, (long long)written, things(j, written));
    if (j->n_failed > 1) rin_cli_note("%lld %s could not be written", (long long)j->n_failed, things(j, j->n_failed));
    return code != RIN_EXIT_OK ? code : film != RIN_EXIT_OK ? film : j->code;
}
