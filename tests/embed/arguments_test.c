/* SPDX-License-Identifier: MIT */
/* NULL, zero, negative and huge arguments of every public function: a status or something harmless, never a crash. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "support/arguments.h"

static arguments shared;

static int open_all(void **state) {
    if (embed_start(state) != 0) return -1;
    arguments *a = &shared;
    rin_error error = {0};
    a->e = *state;
    static char folder[EMBED_PATH], run[EMBED_PATH], pipe_path[EMBED_PATH];
    snprintf(folder, sizeof folder, "%s", embed_path(a->e, "folder"));
    snprintf(run, sizeof run, "%s", embed_path(a->e, "run"));
    snprintf(pipe_path, sizeof pipe_path, "%s", embed_path(a->e, "folder/pipe"));
    if (mkdir(folder, 0777) != 0 || mkfifo(pipe_path, 0600) != 0) return -1;
    memset(a->text, 'x', ARGUMENTS_LONG);
    a->run = run;
    a->folder = folder;
    a->pipe = pipe_path;
    const char *paths[ARGUMENTS_PATHS] = {"", a->text, folder, pipe_path, "/dev/zero"};
    memcpy(a->paths, paths, sizeof paths);
    rin_status status = embed_config(1, &a->config, &error);
    if (status == RIN_OK)
        status = rin_trainer_create(a->config, a->e->data, run, (rin_listener){0}, &a->trainer, &error);
    if (status == RIN_OK) status = rin_trainer_run(a->trainer, &error);
    if (status == RIN_OK) status = rin_model_open(run, NULL, 1, &a->model, &error);
    if (status == RIN_OK)
        status = rin_generator_create(a->model, a->config, EMBED_PICTURES, NULL, 0, &a->generator, &error);
    if (status == RIN_OK) status = rin_generator_run(a->generator, (rin_listener){0}, &error);
    if (status == RIN_OK) status = arguments_open_video(a, &error);
    if (status != RIN_OK) print_error("%s\n", error.text);
    return status == RIN_OK ? 0 : -1;
}

static int close_all(void **state) {
    rin_generator_free(shared.generator);
    rin_model_free(shared.model);
    rin_trainer_free(shared.trainer);
    rin_config_free(shared.config);
    rin_model_free(shared.video_model);
    rin_config_free(shared.video_config);
    return embed_end(state);
}

/* ---- the tests ---- */

static void check_rows(const arguments_row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) rows[i].check(&shared);
}

static void of_config(void **state) {
    (void)state;
    check_rows(arguments_of_config, n_arguments_of_config);
}

static void of_model(void **state) {
    (void)state;
    check_rows(arguments_of_model, n_arguments_of_model);
}

static void of_run(void **state) {
    (void)state;
    check_rows(arguments_of_run, n_arguments_of_run);
}

static void of_video(void **state) {
    (void)state;
    check_rows(arguments_of_video, n_arguments_of_video);
}

static bool is_listed(const char *function, const arguments_row *rows, size_t n) {
    size_t i = 0;
    while (i < n && strcmp(rows[i].function, function) != 0) i++;
    return i < n;
}

/* The name before the first parenthesis of a declaration. */
static void take_name(const char *line, char *name, size_t size) {
    const char *end = strchr(line, '('), *start = end;
    if (!end) fail_msg("a declaration without a parenthesis: %s", line);
    while (start > line && (isalnum((unsigned char)start[-1]) || start[-1] == '_')) start--;
    snprintf(name, size, "%.*s", (int)(end - start), start);
}

static void every_function_is_checked(void **state) {
    (void)state;
    FILE *header = fopen("include/rin.h", "r");
    char line[256], name[128];
    size_t declared = 0;
    assert_non_null(header);
    while (fgets(line, sizeof line, header)) {
        if (strncmp(line, "RIN_API ", 8) != 0) continue;
        take_name(line, name, sizeof name);
        declared++;
        if (!is_listed(name, arguments_of_config, n_arguments_of_config) &&
            !is_listed(name, arguments_of_model, n_arguments_of_model) &&
            !is_listed(name, arguments_of_run, n_arguments_of_run) &&
            !is_listed(name, arguments_of_video, n_arguments_of_video)) {
            fail_msg("%s is public, but nothing checks its arguments", name);
        }
    }
    fclose(header);
    assert_int_equal(declared,
                     n_arguments_of_config + n_arguments_of_model + n_arguments_of_run + n_arguments_of_video);
}

int main(void) {
    const struct CMUnitTest tests[] = {EMBED_TEST(of_config), EMBED_TEST(of_model), EMBED_TEST(of_run),
                                       EMBED_TEST(of_video), EMBED_TEST(every_function_is_checked)};
    return cmocka_run_group_tests_name("embed/arguments", tests, open_all, close_all);
}
