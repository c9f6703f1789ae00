/* SPDX-License-Identifier: MIT */
/* main: finds the verb and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const rin_cli_verb *const verbs[] = {&rin_cli_train, &rin_cli_sample, &rin_cli_eval,
                                            &rin_cli_bench, &rin_cli_check,  &rin_cli_plan,
                                            &rin_cli_info,  &rin_cli_data,   &rin_cli_help};

const rin_cli_verb *rin_cli_verb_get(size_t index) {
    return index < sizeof verbs / sizeof *verbs ? verbs[index] : NULL;
}

const rin_cli_verb *rin_cli_verb_find(const char *name) {
    const rin_cli_verb *verb;
    for (size_t i = 0; (verb = rin_cli_verb_get(i)); i++) {
        if (strcmp(verb->name, name) == 0) return verb;
    }
    return NULL;
}

const char *rin_cli_verb_nearest(const char *name) {
    const rin_cli_verb *verb;
    const char *nearest = NULL;
    int least = 3;
    for (size_t i = 0; (verb = rin_cli_verb_get(i)); i++) {
        int distance = rin_cli_distance(name, verb->name);
        if (distance >= least) continue;
        least = distance;
        nearest = verb->name;
    }
    return nearest;
}

static void print_version(void) {
    printf("rin %s\nbuilt with %s\n", rin_version(), rin_build_flags());
    rin_cli_devices_help();
}

static int run_verb(const rin_cli_verb *verb, int argc, char **argv) {
    rin_cli_args args;
    int code = rin_cli_args_parse(verb, argc, argv, &args);
    if (code == RIN_EXIT_OK && args.help) rin_cli_verb_help(verb);
    else if (code == RIN_EXIT_OK) code = verb->run(&args);
    rin_cli_args_clear(&args);
    return code;
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        rin_cli_note("what shall it do? rin help lists the verbs");
        return RIN_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        print_version();
        return RIN_EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    const rin_cli_verb *verb = rin_cli_verb_find(name);
    const char *nearest = rin_cli_verb_nearest(name);
    if (verb) return run_verb(verb, argc - 2, argv + 2);
    if (nearest) return rin_cli_refuse("there is no verb '%s'; did you mean '%s'? rin help lists them", name, nearest);
    return rin_cli_refuse("there is no verb '%s'; rin help lists them", name);
}

/* A standard stream that is closed would give its number to a file, and messages would be written into that. The null
 * device takes its place the wrong way round, so that using it still fails. */
static bool fill_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
    }
    return true;
}

/* Results that cannot be written are a failure. */
static int finish_output(int code) {
    rin_cli_screen_wait();
    errno = 0;
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (written || code != RIN_EXIT_OK) return code;
    if (errno == EPIPE) return RIN_EXIT_FAILED; /* whoever reads has had enough */
    if (!errno) errno = EIO;                    /* it failed earlier */
    code = rin_cli_fail_system("cannot write standard output");
    rin_cli_screen_wait();
    return code;
}

int main(int argc, char **argv) {
    if (!fill_standard_streams()) return RIN_EXIT_FAILED;
    /* A closed pipe and a file beyond the allowed size then show as errors of writing. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    rin_cli_screen_open();
    return finish_output(run(argc, argv));
}
