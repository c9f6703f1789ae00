/* SPDX-License-Identifier: MIT */
/* args: command lines against a verb's table of options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

int rin_cli_distance(const char *a, const char *b) {
    enum { LONGEST = 64, FAR = 1000 };
    size_t n = strlen(a), m = strlen(b);
    int row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return FAR;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

/* ---- mistakes ---- */

static const rin_cli_option *find_option(const rin_cli_verb *verb, const char *name, size_t length) {
    for (const rin_cli_option *option = verb->options; option->name; option++) {
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return option;
    }
    return NULL;
}

static int refuse_unknown(const rin_cli_verb *verb, const char *name, size_t length) {
    char word[64], others[128] = "";
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), name);
    const char *nearest = NULL;
    int least = (int)strlen(word) / 3 + 2; /* a third of the letters may be wrong, or one */
    for (const rin_cli_option *option = verb->options; option->name; option++) {
        int distance = rin_cli_distance(word, option->name);
        if (distance >= least) continue;
        least = distance;
        nearest = option->name;
    }
    const rin_cli_verb *other;
    for (size_t i = 0; (other = rin_cli_verb_get(i)); i++) {
        if (!find_option(other, name, length)) continue;
        size_t used = strlen(others);
        snprintf(others + used, sizeof others - used, "%srin %s", used ? ", " : "", other->name);
    }
    if (others[0]) {
        return rin_cli_refuse("rin %s has no option --%s, which belongs to %s; see rin help %s", verb->name, word,
                              others, verb->name);
    }
    if (nearest) {
        return rin_cli_refuse("rin %s has no option --%s; did you mean --%s? See rin help %s", verb->name, word,
                              nearest, verb->name);
    }
    return rin_cli_refuse("rin %s has no option --%s; see rin help %s", verb->name, word, verb->name);
}

static int check_operands(const rin_cli_args *args) {
    const rin_cli_verb *verb = args->verb;
    if (args->n_operands < verb->least_operands) {
        return rin_cli_refuse("rin %s needs %s; see rin help %s", verb->name, verb->operands, verb->name);
    }
    if (args->n_operands > verb->most_operands) {
        return rin_cli_refuse(
            "rin %s cannot use '%s'%s; see rin help %s", verb->name, args->operands[verb->most_operands],
            verb->most_operands ? ", which is one too many" : ": its values follow options such as --help", verb->name);
    }
    return RIN_EXIT_OK;
}

/* ---- parsing ---- */

/* One --name, --name=value or --name value; *i moves on over a value that is an argument of its own. */
static int take_option(rin_cli_args *args, int argc, char **argv, int *i) {
    const char *name = argv[*i] + 2, *equals = strchr(name, '='), *value = equals ? equals + 1 : NULL;
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const rin_cli_option *option = find_option(args->verb, name, length);
    if (!option) return refuse_unknown(args->verb, name, length);
    if (!option->argument && value) {
        return rin_cli_refuse("--%s is a switch and takes no value, but was given '%s'", option->name, value);
    }
    if (option->argument && !value) {
        if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
            return rin_cli_refuse("--%s needs a value: --%s %s", option->name, option->name, option->argument);
        }
        value = argv[++*i];
    }
    for (int k = 0; k < args->n_given && !option->many; k++) {
        if (args->given[k].option == option) return rin_cli_refuse("--%s is given twice; keep one", option->name);
    }
    args->given[args->n_given].option = option;
    args->given[args->n_given++].value = value;
    return RIN_EXIT_OK;
}

int rin_cli_args_parse(const rin_cli_verb *verb, int argc, char **argv, rin_cli_args *args) {
    *args = (rin_cli_args){.verb = verb};
    size_t most = (size_t)argc + 1;
    args->given = calloc(most, sizeof *args->given);
    args->operands = calloc(most, sizeof *args->operands);
    if (!args->given || !args->operands) return rin_cli_fail_memory();
    bool only_operands = false;
    int code = RIN_EXIT_OK;
    for (int i = 0; i < argc && code == RIN_EXIT_OK; i++) {
        if (only_operands || argv[i][0] != '-' || !argv[i][1]) {
            args->operands[args->n_operands++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            args->help = true;
            return RIN_EXIT_OK;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            code = take_option(args, argc, argv, &i);
        } else {
            code = rin_cli_refuse("'%s' is no option; options begin with two dashes; see rin help %s", argv[i],
                                  verb->name);
        }
    }
    return code == RIN_EXIT_OK ? check_operands(args) : code;
}

void rin_cli_args_clear(rin_cli_args *args) {
    free(args->given);
    free(args->operands);
    *args = (rin_cli_args){0};
}

/* ---- values ---- */

bool rin_cli_args_has(const rin_cli_args *args, const char *name) {
    for (int i = 0; i < args->n_given; i++) {
        if (strcmp(args->given[i].option->name, name) == 0) return true;
    }
    return false;
}

const char *rin_cli_args_get(const rin_cli_args *args, const char *name) {
    for (int i = 0; i < args->n_given; i++) {
        if (strcmp(args->given[i].option->name, name) == 0) return args->given[i].value;
    }
    return NULL;
}

int rin_cli_args_whole(const rin_cli_args *args, const char *name, int64_t lowest, int64_t highest, int64_t *value) {
    const char *text = rin_cli_args_get(args, name);
    if (!text) return RIN_EXIT_OK;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool digits = *text && text[strspn(text, "+-0123456789")] == '\0';
    if (!digits || *end || errno || number < lowest || number > highest) {
        return rin_cli_refuse("--%s %s: allowed is a whole number from %lld to %lld", name, text, (long long)lowest,
                              (long long)highest);
    }
    *value = number;
    return RIN_EXIT_OK;
}
