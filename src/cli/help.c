/* SPDX-License-Identifier: MIT */
/* help: made of the tables of verbs and of the library's options, presets and devices. */
#include <string.h>

#include "cli/cli.h"

static const rin_cli_option no_options[] = {{NULL, NULL, NULL, NULL, false}};

void rin_cli_presets_help(void) {
    puts("\nPresets:");
    for (size_t i = 0; rin_preset_name(i); i++) printf("  %-20s %s\n", rin_preset_name(i), rin_preset_summary(i));
}

void rin_cli_devices_help(void) {
    const char *name, *about;
    bool available;
    puts("\nDevices:");
    for (int i = 0; rin_device_get(i, &name, &about, &available); i++) {
        printf("  %-20s %s%s\n", name, about, available ? "" : " (not on this machine)");
    }
}

void rin_cli_options_help(const char *section) {
    const rin_option *option;
    const char *last = "";
    for (size_t i = 0; (option = rin_option_get(i)); i++) {
        if (section && strcmp(option->section, section) != 0) continue;
        if (strcmp(option->section, last) != 0) putchar('\n');
        last = option->section;
        printf("  %-30s %s\n  %-30s %s; default %s\n", option->name, option->help, "", option->allowed,
               *option->preset_value ? option->preset_value : "empty");
    }
}

void rin_cli_verb_help(const rin_cli_verb *verb) {
    printf("rin %s%s%s%s: %s\n", verb->name, *verb->operands ? " " : "", verb->operands,
           verb->options->name ? " [options]" : "", verb->summary);
    if (verb->options->name) puts("\nOptions:");
    for (const rin_cli_option *option = verb->options; option->name; option++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        printf("  %-26s %s\n", left, option->help);
    }
    if (verb->print_help) verb->print_help();
}

static void print_overview(void) {
    const rin_cli_verb *verb;
    puts("rin: trains and samples Recurrent Interface Networks, diffusion models on raw pixels\n\n"
         "  rin train --data IMAGES --out RUN\n"
         "  rin sample --model RUN --out samples.png\n\n"
         "Verbs:");
    for (size_t i = 0; (verb = rin_cli_verb_get(i)); i++) printf("  %-8s %s\n", verb->name, verb->summary);
    puts("\nrin help VERB shows the options of a verb, rin help options every option of the configuration, and\n"
         "rin --version what this program was built with.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a check failed, 130 interrupted after saving.");
}

static int print_reference(void) {
    char *text = NULL;
    rin_error error = {0};
    if (rin_config_describe(&text, &error) != RIN_OK) return rin_cli_fail(&error);
    rin_cli_print(text);
    rin_string_free(text);
    return RIN_EXIT_OK;
}

static int run(const rin_cli_args *args) {
    if (!args->n_operands) {
        print_overview();
        return RIN_EXIT_OK;
    }
    const char *name = args->operands[0];
    if (strcmp(name, "options") == 0) return print_reference();
    const rin_cli_verb *verb = rin_cli_verb_find(name);
    const char *nearest = rin_cli_verb_nearest(name);
    if (!verb && nearest) return rin_cli_refuse("there is no verb '%s'; did you mean '%s'?", name, nearest);
    if (!verb) return rin_cli_refuse("there is no verb '%s'; rin help lists them", name);
    rin_cli_verb_help(verb);
    return RIN_EXIT_OK;
}

const rin_cli_verb rin_cli_help = {"help", "this overview, or the options of a verb", "[VERB]", 0, 1, no_options, run,
                                   NULL};
