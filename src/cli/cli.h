/* SPDX-License-Identifier: MIT */
/* cli: the program `rin`. Of the project it includes rin.h alone: command lines, messages, progress and the verbs. */
#ifndef RIN_CLI_H
#define RIN_CLI_H

#include <stdio.h>

#include <cjson/cJSON.h>

#include "rin.h"

#if defined(__GNUC__)
#define RIN_CLI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define RIN_CLI_PRINTF(fmt, args)
#endif

enum {
    RIN_EXIT_OK = 0,
    RIN_EXIT_FAILED = 1,
    RIN_EXIT_USAGE = 2,
    RIN_EXIT_CHECK = 3,
    RIN_EXIT_INTERRUPTED = 130 /* what a shell reports for SIGINT; a training run has been saved */
};

/* ---- command lines ---- */

/* An option of a verb. A table of them ends with a row without a name; it feeds both parsing and help. */
typedef struct rin_cli_option {
    const char *name;     /* without the dashes */
    const char *argument; /* what its value is called in the help; NULL for a switch */
    const char *key;      /* the option of the configuration that it sets, or NULL */
    const char *help;     /* one line */
    bool many;            /* may be given more than once */
} rin_cli_option;

typedef struct rin_cli_args rin_cli_args;

typedef struct rin_cli_verb {
    const char *name, *summary;
    const char *operands; /* what they are called in the help, or "" */
    int least_operands, most_operands;
    const rin_cli_option *options;
    int (*run)(const rin_cli_args *args); /* returns the exit code */
    void (*print_help)(void);             /* what follows the options in the help; may be NULL */
} rin_cli_verb;

/* A parsed command line; texts are borrowed from argv. */
struct rin_cli_args {
    const rin_cli_verb *verb;
    struct {
        const rin_cli_option *option;
        const char *value; /* NULL for a switch */
    } * given;
    const char **operands;
    int n_given, n_operands;
    bool help; /* --help was among them */
};

/* The verbs in the order of the help; NULL past the last. */
const rin_cli_verb *rin_cli_verb_get(size_t index);
const rin_cli_verb *rin_cli_verb_find(const char *name);
/* The known verb most like this text, or NULL. */
const char *rin_cli_verb_nearest(const char *name);

/*
 * Parses what follows the verb: --name value, --name=value, operands, and -- before operands that begin with a dash.
 * Returns an exit code; unless it is 0 the reason has been printed. args is cleared by rin_cli_args_clear always.
 */
int rin_cli_args_parse(const rin_cli_verb *verb, int argc, char **argv, rin_cli_args *args);
void rin_cli_args_clear(rin_cli_args *args);
bool rin_cli_args_has(const rin_cli_args *args, const char *name);
/* Value of an option, NULL when it was not given. */
const char *rin_cli_args_get(const rin_cli_args *args, const char *name);
/* Whole number of an option within lowest to highest, left alone when not given. Returns an exit code. */
int rin_cli_args_whole(const rin_cli_args *args, const char *name, int64_t lowest, int64_t highest, int64_t *value);

/* The help of one verb, on standard output. */
void rin_cli_verb_help(const rin_cli_verb *verb);

/* How many letters must change between two words; large for long or very different ones. */
int rin_cli_distance(const char *a, const char *b);

/* ---- configurations ---- */

/*
 * Configuration of a command line: --preset, then --config, then options with a key and --size, then --set. Without
 * preset and file it is that of 'small', its patches fitted to --size; what was chosen is noted when `explain`.
 * Returns an exit code; *out is freed by rin_config_free.
 */
int rin_cli_config_build(const rin_cli_args *args, bool explain, rin_config **out);
/* Applies options with a key and --set to config. With sections, such as "sample eval", --set may name options of these
 * only. */
int rin_cli_config_apply(const rin_cli_args *args, const char *sections, rin_config *config);
/* An option that holds a whole number; 0 for any other. */
int64_t rin_cli_config_whole(const rin_config *config, const char *key);
double rin_cli_config_real(const rin_config *config, const char *key);

/* ---- standard error: lines that never wait for a reader. Control characters in them are shown as '?' ---- */

typedef enum rin_cli_line {
    RIN_CLI_REMARK,   /* kept while there is no room, 64 KiB of them; then counted */
    RIN_CLI_PROGRESS, /* left out where there is no room */
    RIN_CLI_UPDATE    /* the same, and replaced by the next line; where rin_cli_screen_updates() */
} rin_cli_line;

/* Once, before there are threads. */
void rin_cli_screen_open(void);
/* Whether it is a terminal whose line can be updated, and how many columns that has. */
bool rin_cli_screen_updates(void);
size_t rin_cli_screen_width(void);
/* A line, without its newline. May be called from any thread. */
void rin_cli_screen_put(rin_cli_line kind, const char *text);
/* Clears the updating line. */
void rin_cli_screen_clear(void);
/* Writes what was kept as far as there is room; whether that is all. */
bool rin_cli_screen_flush(void);
/* The same at the end of the program, which waits a second for a reader. */
void rin_cli_screen_wait(void);
/* Bytes of the UTF-8 character that the text begins with; 0 for control characters and for what is no UTF-8. */
size_t rin_cli_character(const char *text);
/* A line from a signal handler. */
void rin_cli_screen_interrupt(const char *text);

/* ---- messages: on standard error, so that standard output holds results alone ---- */

void rin_cli_note(const char *format, ...) RIN_CLI_PRINTF(1, 2);
/* Prints a mistake in the command line; returns RIN_EXIT_USAGE. */
int rin_cli_refuse(const char *format, ...) RIN_CLI_PRINTF(1, 2);
/* Prints the error. Returns RIN_EXIT_USAGE for options that are not allowed, else RIN_EXIT_INTERRUPTED or _FAILED. */
int rin_cli_fail(const rin_error *error);
int rin_cli_fail_memory(void);
/* Prints an error of the operating system about what, from errno; returns RIN_EXIT_FAILED. */
int rin_cli_fail_system(const char *what);

/* Prints text on standard output, with a newline at its end; control characters but newline and tab as '?'. */
void rin_cli_print(const char *text);
/* Prints and deletes json. Returns an exit code; NULL means that memory was out. */
int rin_cli_print_json(cJSON *json);

/* A word for a command line that people may copy: the text itself, or in quotes where a shell would take it apart. */
enum { RIN_CLI_QUOTED = 4096 };
const char *rin_cli_quoted(const char *text, char out[RIN_CLI_QUOTED]);

/* Numbers for people: "1m 05s", "512 MiB", "12.3". */
enum { RIN_CLI_NUMBER = 32 };
const char *rin_cli_seconds(double seconds, char text[RIN_CLI_NUMBER]);
const char *rin_cli_bytes(int64_t bytes, char text[RIN_CLI_NUMBER]);
const char *rin_cli_short(double value, char text[RIN_CLI_NUMBER]);

/* ---- progress ---- */

/* What a listener remembers between calls. */
typedef struct rin_cli_monitor {
    int64_t every;     /* steps between lines of a log */
    double shown;      /* clock when a line was shown last */
    const char *doing; /* what goes on; NULL before the first */
    double begun;      /* clock when that began */
    int64_t lines;     /* how many of it were shown */
    int64_t done;      /* what the last of them counted */
} rin_cli_monitor;

/*
 * A listener that shows progress and remarks, and says stop after SIGINT, SIGTERM and SIGHUP, which it makes the
 * process catch; a hangup that was ignored stays so. A second SIGINT or SIGTERM ends the process at once. monitor must
 * outlive it.
 */
rin_listener rin_cli_monitor_start(rin_cli_monitor *monitor, int64_t every);
/* Whether such a signal came. */
bool rin_cli_monitor_stopped(void);
/* Clears the updating line. */
void rin_cli_monitor_end(void);

/* ---- the verbs, and what several of them share ---- */

extern const rin_cli_verb rin_cli_train, rin_cli_sample, rin_cli_eval, rin_cli_bench, rin_cli_check, rin_cli_plan,
    rin_cli_info, rin_cli_data, rin_cli_help;

/* Opens the model of --model with --device and --threads. Returns an exit code. */
int rin_cli_model_open(const rin_cli_args *args, rin_model **model);
/* The same of another path. */
int rin_cli_model_open_at(const rin_cli_args *args, const char *path, rin_model **model);
void rin_cli_presets_help(void);
void rin_cli_devices_help(void);
void rin_cli_options_help(const char *section);

#endif
