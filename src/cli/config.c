/* SPDX-License-Identifier: MIT */
/* config: from a command line to a configuration. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum {
    LARGEST_SIDE = 65536,
    MOST_TOKENS_A_SIDE = 16,
    SMALL_SIDE = 32,
    SMALL_TOKENS_A_SIDE = 8,
    LEAST_TOKENS_A_SIDE = 4
};

int64_t rin_cli_config_whole(const rin_config *config, const char *key) {
    char *text = NULL;
    if (rin_config_get(config, key, &text, NULL) != RIN_OK) return 0;
    long long value = strtoll(text, NULL, 10);
    rin_string_free(text);
    return value;
}

double rin_cli_config_real(const rin_config *config, const char *key) {
    char *text = NULL;
    if (rin_config_get(config, key, &text, NULL) != RIN_OK) return 0;
    double value = strtod(text, NULL);
    rin_string_free(text);
    return value;
}

static int refuse_preset(const char *name) {
    const char *nearest = NULL, *known;
    int least = (int)strlen(name) / 2 + 2;
    for (size_t i = 0; (known = rin_preset_name(i)); i++) {
        int distance = rin_cli_distance(name, known);
        if (distance >= least) continue;
        least = distance;
        nearest = known;
    }
    if (nearest)
        return rin_cli_refuse("there is no preset '%s'; did you mean '%s'? rin help train lists them", name, nearest);
    return rin_cli_refuse("there is no preset '%s'; rin help train lists them", name);
}

static int load_preset(const char *name, rin_config *config) {
    const char *known;
    rin_error error = {0};
    for (size_t i = 0; (known = rin_preset_name(i)); i++) {
        if (strcmp(known, name) != 0) continue;
        return rin_config_load_preset(config, name, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
    }
    return refuse_preset(name);
}

/* ---- image sizes ---- */

static int set_whole(rin_config *config, const char *key, int64_t value) {
    char text[RIN_CLI_NUMBER];
    rin_error error = {0};
    snprintf(text, sizeof text, "%lld", (long long)value);
    return rin_config_set(config, key, text, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

/* Side of the smallest patch that keeps the tape short; 0 when every patch leaves hardly a token. */
static int64_t fit_patch(int64_t side) {
    int64_t most = side <= SMALL_SIDE ? SMALL_TOKENS_A_SIDE : MOST_TOKENS_A_SIDE;
    for (int64_t patch = 1; patch <= side; patch++) {
        if (side % patch || side / patch > most) continue;
        return patch == 1 || side / patch >= LEAST_TOKENS_A_SIDE ? patch : 0;
    }
    return 0;
}

static int choose_patch(int64_t side, rin_config *config) {
    int64_t patch = fit_patch(side), other = side;
    while (!fit_patch(other)) other++;
    if (!patch) {
        return rin_cli_refuse(
            "--size %lld cannot be cut into a sensible number of square patches; try --size %lld, or choose "
            "with --preset and --set model.patch_size=P",
            (long long)side, (long long)other);
    }
    return set_whole(config, "model.patch_size", patch);
}

static int apply_size(const rin_cli_args *args, bool fit, rin_config *config) {
    int64_t side = 0;
    int code = rin_cli_args_whole(args, "size", 1, LARGEST_SIDE, &side);
    if (code == RIN_EXIT_OK && side) code = set_whole(config, "model.image_height", side);
    if (code == RIN_EXIT_OK && side) code = set_whole(config, "model.image_width", side);
    if (code == RIN_EXIT_OK && side && fit) code = choose_patch(side, config);
    return code;
}

/* ---- options ---- */

/* Whether a key is of one of these sections, which have blanks between them. */
static bool is_of(const char *key, const char *sections) {
    size_t n = strcspn(key, ".");
    for (const char *rest = sections; *rest; rest += *rest == ' ') {
        size_t length = strcspn(rest, " ");
        if (length == n && strncmp(rest, key, n) == 0) return true;
        rest += length;
    }
    return false;
}

/* One --set section.key=value. */
static int apply_set(const char *text, const char *sections, rin_config *config) {
    enum { LONGEST_KEY = 96 };
    char key[LONGEST_KEY];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return rin_cli_refuse("--set %s: write it as section.key=value, such as train.batch=64", text);
    size_t length = (size_t)(equals - text);
    if (length >= sizeof key) return rin_cli_refuse("--set %.*s...: no option has so long a name", LONGEST_KEY, text);
    memcpy(key, text, length);
    key[length] = '\0';
    if (sections && !is_of(key, sections)) {
        return rin_cli_refuse("--set %s: only options of %s can be set here; a model brings the others", text,
                              sections);
    }
    rin_error error = {0};
    if (rin_config_set(config, key, equals + 1, &error) == RIN_OK) return RIN_EXIT_OK;
    return rin_cli_refuse("--set %s: %s", text, error.text);
}

static int apply_keys(const rin_cli_args *args, rin_config *config) {
    for (int i = 0; i < args->n_given; i++) {
        const rin_cli_option *option = args->given[i].option;
        rin_error error = {0};
        if (!option->key || rin_config_set(config, option->key, args->given[i].value, &error) == RIN_OK) continue;
        return rin_cli_refuse("--%s %s: %s", option->name, args->given[i].value, error.text);
    }
    return RIN_EXIT_OK;
}

static int apply_sets(const rin_cli_args *args, const char *sections, rin_config *config) {
    int code = RIN_EXIT_OK;
    for (int i = 0; i < args->n_given && code == RIN_EXIT_OK; i++) {
        if (strcmp(args->given[i].option->name, "set") == 0) code = apply_set(args->given[i].value, sections, config);
    }
    return code;
}

int rin_cli_config_apply(const rin_cli_args *args, const char *sections, rin_config *config) {
    int code = apply_keys(args, config);
    return code == RIN_EXIT_OK ? apply_sets(args, sections, config) : code;
}

static void explain_choice(const rin_config *config) {
    int64_t height = rin_cli_config_whole(config, "model.image_height"),
            width = rin_cli_config_whole(config, "model.image_width");
    int64_t patch = rin_cli_config_whole(config, "model.patch_size");
    rin_cli_note(
        "no --preset or --config: the network of 'small' on %lldx%lld pixels, in patches of %lldx%lld (%lld tokens)",
        (long long)width, (long long)height, (long long)patch, (long long)patch,
        patch > 0 ? (long long)((height / patch) * (width / patch)) : 0LL);
}

int rin_cli_config_build(const rin_cli_args *args, bool explain, rin_config **out) {
    const char *preset = rin_cli_args_get(args, "preset"), *file = rin_cli_args_get(args, "config");
    rin_config *config = NULL;
    rin_error error = {0};
    *out = NULL;
    if (rin_config_create(&config, &error) != RIN_OK) return rin_cli_fail(&error);
    int code = preset || !file ? load_preset(preset ? preset : "small", config) : RIN_EXIT_OK;
    if (code == RIN_EXIT_OK && file && rin_config_load_file(config, file, &error) != RIN_OK)
        code = rin_cli_fail(&error);
    if (code == RIN_EXIT_OK) code = apply_size(args, !preset && !file, config);
    if (code == RIN_EXIT_OK) code = rin_cli_config_apply(args, NULL, config);
    if (code != RIN_EXIT_OK) {
        rin_config_free(config);
        return code;
    }
    if (explain && !preset && !file) explain_choice(config);
    *out = config;
    return RIN_EXIT_OK;
}
