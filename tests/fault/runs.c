/* SPDX-License-Identifier: MIT */
/* Training runs that meet failures, and what must be true of their folders afterwards. */
#include "fault/scenarios.h"

#include <stdio.h>

/* ---- folders ---- */

static void copy_folder(const char *from, const char *to) {
    assert_int_equal(mkdir(to, 0777), 0);
    DIR *folder = opendir(from);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char source[512], target[512];
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
        assert_int_equal(stat(source, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            copy_folder(source, target);
            continue;
        }
        size_t n;
        char *bytes = run_read(source, &n);
        FILE *stream = fopen(target, "wb");
        assert_non_null(stream);
        assert_int_equal(fwrite(bytes, 1, n, stream), n);
        assert_int_equal(fclose(stream), 0);
        test_free(bytes);
    }
    closedir(folder);
}

void fault_assert_no_temporaries(const char *path) {
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strstr(entry->d_name, RIN_TEMPORARY)) fail_msg("'%s' is left in %s", entry->d_name, path);
    }
    if (folder) closedir(folder);
}

/* ---- running ---- */

void fault_prepare_train(fault_lab *l) {
    if (rin_path_exists(l->lab.run)) remove_tree(l->lab.run);
    l->data = l->lab.data;
}

void fault_prepare_train_pictures(fault_lab *l) {
    fault_prepare_train(l);
    l->data = l->pictures;
}

void fault_prepare_resume(fault_lab *l) {
    fault_prepare_train(l);
    copy_folder(l->half, l->lab.run);
}

static rin_status run_to_the_end(rin_status status, rin_trainer *trainer, rin_error *error) {
    if (status != RIN_OK) assert_null(trainer);
    if (status == RIN_OK) status = rin_trainer_run(trainer, error);
    if (status == RIN_OK) assert_true(rin_trainer_is_done(trainer));
    rin_trainer_free(trainer);
    return status;
}

rin_status fault_run_train(fault_lab *l, rin_error *error) {
    rin_trainer *trainer = (rin_trainer *)l; /* not NULL */
    rin_listener listener = run_lab_listener(&l->lab);
    rin_status status = rin_trainer_create(l->config, l->data, l->lab.run, listener, &trainer, error);
    return run_to_the_end(status, trainer, error);
}

rin_status fault_run_resume(fault_lab *l, rin_error *error) {
    rin_trainer *trainer = (rin_trainer *)l;
    rin_status status = rin_trainer_resume(l->lab.run, NULL, 0, NULL, run_lab_listener(&l->lab), &trainer, error);
    return run_to_the_end(status, trainer, error);
}

/* ---- afterwards ---- */

void fault_verify_run(fault_lab *l, rin_status before) {
    rin_error error = {0};
    char path[256];
    fault_assert_no_temporaries(l->lab.run);
    snprintf(path, sizeof path, "%s/samples", l->lab.run);
    fault_assert_no_temporaries(path);
    snprintf(path, sizeof path, "%s/model.safetensors", l->lab.run);
    if (rin_path_exists(path)) {
        rin_model *model;
        assert_ok(rin_model_open(l->lab.run, NULL, 1, &model, &error), &error);
        rin_model_free(model);
    }
    snprintf(path, sizeof path, "%s/config.ini", l->lab.run);
    bool begun = rin_path_exists(path);
    if (before == RIN_OK) assert_true(begun);
    else assert_ok(begun ? fault_run_resume(l, &error) : fault_run_train(l, &error), &error);
    run_assert_same(l->data == l->pictures ? l->whole_pictures : l->whole, l->lab.run);
}
