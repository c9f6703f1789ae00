/* SPDX-License-Identifier: MIT */
/* The bytes as --set of the command line, an option a line, through the program's own code; its messages go nowhere. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { MOST_OPTIONS = 8 };

/* main.c, which has them in the program, is not part of this one. */
const rin_cli_verb *rin_cli_verb_get(size_t index) {
    return index == 0 ? &rin_cli_train : NULL;
}

const rin_cli_verb *rin_cli_verb_find(const char *name) {
    return strcmp(name, rin_cli_train.name) == 0 ? &rin_cli_train : NULL;
}

const char *rin_cli_verb_nearest(const char *name) {
    (void)name;
    return NULL;
}

/* The linker gives us the program's calls of write: what is for standard error is looked at and dropped. */
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);

ssize_t __wrap_write(int fd, const void *bytes, size_t n) {
    if (fd != STDERR_FILENO) return __real_write(fd, bytes, n);
    fuzz_touch(bytes, n);
    return (ssize_t)n;
}

static void use(const rin_config *config) {
    rin_error error = {0};
    char *text;
    FUZZ_CHECK(rin_config_format(config, &text, &error) == RIN_OK);
    rin_string_free(text);
    (void)rin_config_validate(config, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static char set[] = "--set";
    char *text = fuzz_text(data, n), *argv[2 * MOST_OPTIONS], *rest = text, *line;
    int argc = 0;
    while (argc < 2 * MOST_OPTIONS && (line = strtok_r(rest, "\n", &rest))) {
        argv[argc++] = set;
        argv[argc++] = line;
    }
    rin_cli_args args;
    rin_config *config = NULL;
    if (rin_cli_args_parse(&rin_cli_train, argc, argv, &args) == RIN_EXIT_OK &&
        rin_cli_config_build(&args, true, &config) == RIN_EXIT_OK) {
        use(config);
        FUZZ_CHECK(rin_cli_config_apply(&args, NULL, config) == RIN_EXIT_OK);
        (void)rin_cli_config_apply(&args, "sample", config);
    }
    rin_config_free(config);
    rin_cli_args_clear(&args);
    free(text);
    return 0;
}
