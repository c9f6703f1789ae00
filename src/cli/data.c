/* SPDX-License-Identifier: MIT */
/* data: what a data set holds; videos packed into one file. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"

static const rin_cli_option options[] = {
    {"video", NULL, NULL, "Look for videos, even where there are more images", false},
    {"json", NULL, NULL, "Print one JSON object", false},
    {"out", "FILE.safetensors", NULL, "pack: the file to write", false},
    {"size", "N", NULL, "pack: height and width of the frames in pixels, or WxH", false},
    {"fps", "F", "data.fps", "pack: frames a second; each video's own rate unless given", false},
    {NULL, NULL, NULL, NULL, false},
};

static void print_help(void) {
    puts("\nrin data pack PATH --out FILE.safetensors --size N decodes all videos of PATH into one file, which rin\n"
         "train takes as --data: clips are then read from it, not decoded. The size and --fps should be those of\n"
         "the training.");
}

static int describe(const rin_cli_args *args) {
    char *text = NULL;
    rin_error error = {0};
    rin_cli_monitor monitor;
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_data_describe(args->operands[0], rin_cli_args_has(args, "video"),
                                          rin_cli_args_has(args, "json"), listener, &text, &error);
    rin_cli_monitor_end();
    if (status != RIN_OK) return rin_cli_fail(&error);
    rin_cli_print(text);
    rin_string_free(text);
    return RIN_EXIT_OK;
}

/* "64" or "96x64", width first. */
static int set_size(rin_config *config, const char *text) {
    char width[RIN_CLI_NUMBER];
    const char *by = text ? strchr(text, 'x') : NULL;
    rin_error error = {0};
    if (!text) return rin_cli_refuse("rin data pack needs --size N, the size of the model's frames");
    snprintf(width, sizeof width, "%.*s", (int)(by ? by - text : (ptrdiff_t)strlen(text)), text);
    rin_status status = rin_config_set(config, "model.image_width", width, &error);
    if (status == RIN_OK) status = rin_config_set(config, "model.image_height", by ? by + 1 : width, &error);
    return status == RIN_OK ? RIN_EXIT_OK : rin_cli_refuse("--size %s: %s", text, error.text);
}

static int pack(const rin_cli_args *args) {
    const char *out = rin_cli_args_get(args, "out");
    rin_config *config = NULL;
    rin_cli_monitor monitor;
    rin_error error = {0};
    int64_t videos = 0, frames = 0;
    if (args->n_operands < 2) return rin_cli_refuse("rin data pack needs the PATH of the videos");
    static const char suffix[] = ".safetensors";
    if (!out) return rin_cli_refuse("rin data pack needs --out FILE.safetensors");
    size_t length = strlen(out), end = sizeof suffix - 1;
    if (length <= end || strcasecmp(out + length - end, suffix) != 0)
        return rin_cli_refuse("--out %s: give a name that ends in %s", out, suffix);
    if (rin_config_create(&config, &error) != RIN_OK) return rin_cli_fail(&error);
    int code = set_size(config, rin_cli_args_get(args, "size"));
    if (code == RIN_EXIT_OK) code = rin_cli_config_apply(args, "data", config);
    if (code == RIN_EXIT_OK) {
        rin_listener listener = rin_cli_monitor_start(&monitor, 1);
        rin_status status = rin_data_pack(args->operands[1], config, out, listener, &videos, &frames, &error);
        rin_cli_monitor_end();
        if (status != RIN_OK) code = rin_cli_fail(&error);
    }
    rin_config_free(config);
    if (code == RIN_EXIT_OK) printf("%s: %lld videos, %lld frames\n", out, (long long)videos, (long long)frames);
    return code;
}

static int run(const rin_cli_args *args) {
    if (strcmp(args->operands[0], "pack") == 0) return pack(args);
    if (args->n_operands > 1)
        return rin_cli_refuse("'%s' is one too many; rin data takes one PATH, or pack and a PATH", args->operands[1]);
    return describe(args);
}

const rin_cli_verb rin_cli_data = {
    "data", "what a data set holds; finds broken files; packs videos", "[pack] PATH", 1, 2, options, run, print_help};
