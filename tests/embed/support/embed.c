/* SPDX-License-Identifier: MIT */
/* embed: the fixtures and the work that programs around the library share. */
#include "embed.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- folders ---- */

const char *embed_path(const embed *e, const char *name) {
    static char paths[8][EMBED_PATH];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, EMBED_PATH, "%s/%s", e->root, name);
    return path;
}

void embed_remove(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return;
    DIR *stream = S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    for (const struct dirent *entry; stream && (entry = readdir(stream));) {
        char inner[2 * EMBED_PATH];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        embed_remove(inner);
    }
    if (stream) closedir(stream);
    (void)remove(path);
}

/* CIFAR-10's binary form, the simplest that there is: a label and three planes of 32 x 32 bytes a record. */
static bool write_data(const char *folder) {
    enum { RECORDS = 12, RECORD = 1 + 3 * 32 * 32 };
    char path[EMBED_PATH];
    snprintf(path, sizeof path, "%.200s/data_batch_1.bin", folder);
    if (mkdir(folder, 0777) != 0) return false;
    FILE *file = fopen(path, "wb");
    if (!file) return false;
    for (int i = 0; i < RECORDS * RECORD; i++) {
        int record = i / RECORD, at = i % RECORD;
        (void)fputc(at == 0 ? record % 10 : (at * (record + 3) + at / 32) % 256, file);
    }
    return fclose(file) == 0;
}

/* ---- fixtures ---- */

int embed_start(void **state) {
    enum { MOST_SECONDS = 300 };
    static embed shared;
    embed *e = *state = &shared;
    /* In memory where there is such a folder: waiting for a disk is no part of these tests. */
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(e->root, sizeof e->root, "%s/rin-embed-XXXXXX", parent && strlen(parent) < 40 ? parent : "/tmp");
    if (!mkdtemp(e->root)) return -1;
    snprintf(e->data, sizeof e->data, "%.63s/data", e->root);
    alarm(MOST_SECONDS);
    return write_data(e->data) ? 0 : -1;
}

int embed_end(void **state) {
    const embed *e = *state;
    embed_remove(e->root);
    return 0;
}

int embed_silence(void **state) {
    embed *e = *state;
    fflush(NULL);
    e->output = open(embed_path(e, "output"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        e->terminal_out[fd - 1] = dup(fd);
        if (e->output < 0 || e->terminal_out[fd - 1] < 0 || dup2(e->output, fd) < 0) return -1;
    }
    return 0;
}

int embed_listen(void **state) {
    embed *e = *state;
    char heard[512];
    fflush(NULL);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        (void)dup2(e->terminal_out[fd - 1], fd);
        close(e->terminal_out[fd - 1]);
    }
    ssize_t n = pread(e->output, heard, sizeof heard, 0);
    close(e->output);
    if (n == 0) return 0;
    print_error("written to the terminal: %.*s\n", n > 0 ? (int)n : 0, heard);
    return -1;
}

/* ---- work ---- */

rin_status embed_config(int seed, rin_config **out, rin_error *error) {
    static const char tiny[] =
        "[model]\nimage_height = 8\nimage_width = 8\nnum_layers = 1,1\nlatent_slots = 6\nlatent_dim = 16\n"
        "latent_num_heads = 2\nlatent_mlp_ratio = 2\ntape_dim = 16\nrw_num_heads = 2\n"
        "[train]\nsteps = 2\nbatch = 4\nthreads = 1\nwarmup_steps = 1\nsample_every = 0\n"
        "[data]\nworkers = 1\n[sample]\nsteps = 2\n";
    char text[16];
    snprintf(text, sizeof text, "%d", seed);
    rin_status status = rin_config_create(out, error);
    if (status == RIN_OK) status = rin_config_load_text(*out, tiny, "tiny", error);
    if (status == RIN_OK) status = rin_config_set(*out, "train.seed", text, error);
    return status;
}

rin_status embed_train(const char *data, const char *run, int seed, rin_error *error) {
    rin_config *config = NULL;
    rin_trainer *trainer = NULL;
    rin_status status = embed_config(seed, &config, error);
    if (status == RIN_OK) status = rin_trainer_create(config, data, run, (rin_listener){0}, &trainer, error);
    if (status == RIN_OK) status = rin_trainer_run(trainer, error);
    rin_trainer_free(trainer);
    rin_config_free(config);
    return status;
}

rin_status embed_sample(const char *run, uint64_t seed, uint8_t pixels[EMBED_BYTES], rin_error *error) {
    rin_config *config = NULL;
    rin_model *model = NULL;
    rin_generator *generator = NULL;
    rin_status status = embed_config(0, &config, error);
    if (status == RIN_OK) status = rin_model_open(run, NULL, 1, &model, error);
    if (status == RIN_OK) status = rin_generator_create(model, config, EMBED_PICTURES, NULL, seed, &generator, error);
    if (status == RIN_OK) status = rin_generator_run(generator, (rin_listener){0}, error);
    for (int i = 0; i < EMBED_PICTURES && status == RIN_OK; i++) {
        enum { EACH = EMBED_BYTES / EMBED_PICTURES };
        memcpy(pixels + i * EACH, rin_generator_pixels(generator, i), EACH);
    }
    rin_generator_free(generator);
    rin_model_free(model);
    rin_config_free(config);
    return status;
}

/* ---- failures ---- */

void embed_failed(rin_status status, rin_status expected, const rin_error *error, const char *part) {
    const char *text = error ? error->text : "";
    if (status == RIN_OK || (expected != RIN_OK && status != expected)) {
        fail_msg("status %s instead of %s for '%s': %s", rin_status_name(status),
                 expected == RIN_OK ? "a failure" : rin_status_name(expected), part, text);
    }
    if (!error) return;
    if (error->code != status) fail_msg("the error says %s: %s", rin_status_name(error->code), text);
    if (!memchr(text, '\0', sizeof error->text)) fail_msg("the message for '%s' has no end", part);
    if (!*text || strstr(text, "stale")) fail_msg("no message of its own for '%s': '%s'", part, text);
    if (!strstr(text, part)) fail_msg("no '%s' in '%s'", part, text);
}

void embed_ok(rin_status status, const rin_error *error) {
    if (status != RIN_OK) fail_msg("%s: %s", rin_status_name(status), error ? error->text : "");
}
