/* SPDX-License-Identifier: MIT */
/* Training runs for tests. */
#include "support/run.h"
#include "support/options.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_images(const char *path) {
    enum { PIXELS = 3 * 32 * 32 };
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    for (unsigned i = 0; i < RUN_IMAGES; i++) {
        fputc((int)(i % 2), stream);
        for (unsigned p = 0; p < PIXELS; p++) fputc((int)((p * (i + 3) / 7 + 31 * i) % 256), stream);
    }
    assert_int_equal(fclose(stream), 0);
}

void run_lab_create(run_lab *lab) {
    *lab = (run_lab){0};
    const char *base = getenv("TMPDIR");
    snprintf(lab->folder, sizeof lab->folder, "%.40s/rin-test-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    assert_non_null(mkdtemp(lab->folder));
    snprintf(lab->data, sizeof lab->data, "%s/images.bin", lab->folder);
    snprintf(lab->run, sizeof lab->run, "%s/run", lab->folder);
    snprintf(lab->picture, sizeof lab->picture, "%s/picture.png", lab->folder);
    write_images(lab->data);
}

static void remove_all(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return;
    if (S_ISDIR(info.st_mode)) {
        DIR *folder = opendir(path);
        for (const struct dirent *entry; folder && (entry = readdir(folder));) {
            char inner[1024];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            remove_all(inner);
        }
        if (folder) closedir(folder);
        (void)rmdir(path);
    } else {
        (void)unlink(path);
    }
}

void run_lab_free(run_lab *lab) {
    remove_all(lab->folder);
}

const char *run_lab_path(run_lab *lab, const char *name) {
    static char paths[2][256];
    static int which;
    which = !which;
    snprintf(paths[which], sizeof paths[which], "%s/%s", lab->folder, name);
    return paths[which];
}

static bool on_progress(void *user, const rin_progress *progress) {
    const run_lab *lab = user;
    return !lab->stop_at || strcmp(progress->doing, "train") != 0 || progress->done < lab->stop_at;
}

static void on_log(void *user, rin_log_level level, const char *text) {
    run_lab *lab = user;
    size_t room = sizeof lab->log - lab->n_log;
    int n = snprintf(lab->log + lab->n_log, room, "%s%s\n", level == RIN_LOG_WARNING ? "warning: " : "", text);
    lab->n_log += RIN_MIN((size_t)n, room - 1);
}

rin_listener run_lab_listener(run_lab *lab) {
    return (rin_listener){.on_progress = on_progress, .on_log = on_log, .user = lab};
}

rin_config *run_config(const char *options) {
    rin_error error = {0};
    rin_config *config;
    assert_ok(rin_config_create(&config, &error), &error);
    options_set(config,
                "model.image_height=8 model.image_width=8 model.num_layers=1 model.latent_slots=4 "
                "model.latent_dim=8 model.latent_num_heads=2 model.latent_mlp_ratio=1 model.tape_dim=8 "
                "model.tape_mlp_ratio=1 model.rw_num_heads=2 "
                "train.steps=6 train.batch=4 train.seed=3 train.threads=1 train.warmup_steps=2 "
                "train.checkpoint_every=2 train.sample_every=0 train.log_every=1 data.workers=1 data.patience=0 "
                "sample.steps=2");
    options_set(config, options);
    return config;
}

void run_train(run_lab *lab, const char *run, const char *options) {
    rin_error error = {0};
    rin_trainer *trainer = NULL;
    rin_config *config = run_config(options);
    assert_ok(rin_trainer_create(config, lab->data, run, run_lab_listener(lab), &trainer, &error), &error);
    assert_ok(rin_trainer_run(trainer, &error), &error);
    rin_trainer_free(trainer);
    rin_config_free(config);
}

char *run_read(const char *path, size_t *n) {
    struct stat info;
    FILE *stream = fopen(path, "rb");
    if (!stream || fstat(fileno(stream), &info) != 0) fail_msg("no file %s", path);
    char *bytes = test_malloc((size_t)info.st_size + 1);
    *n = fread(bytes, 1, (size_t)info.st_size, stream);
    bytes[*n] = '\0';
    fclose(stream);
    return bytes;
}

char *run_read_metrics(const char *run) {
    char path[256];
    size_t n;
    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    char *text = run_read(path, &n), *out = text;
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        const char *times = strstr(line, ", \"images_per_second\"");
        size_t kept = times && times < line + length ? (size_t)(times - line) : length;
        memmove(out, line, kept);
        out += kept;
        *out++ = '\n';
        line += length + (line[length] == '\n');
    }
    *out = '\0';
    return text;
}

void run_assert_same(const char *run, const char *other) {
    static const char *const names[] = {"model.safetensors", "state.safetensors"};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        char a[256], b[256];
        size_t n_a, n_b;
        snprintf(a, sizeof a, "%s/%s", run, names[i]);
        snprintf(b, sizeof b, "%s/%s", other, names[i]);
        char *first = run_read(a, &n_a), *second = run_read(b, &n_b);
        if (n_a != n_b || memcmp(first, second, n_a) != 0) fail_msg("%s and %s differ", a, b);
        test_free(first);
        test_free(second);
    }
    char *first = run_read_metrics(run), *second = run_read_metrics(other);
    assert_string_equal(first, second);
    test_free(first);
    test_free(second);
}
