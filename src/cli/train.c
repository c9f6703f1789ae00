/* SPDX-License-Identifier: MIT */
/* train: starts and continues training runs. */
#include <limits.h>
#include <string.h>

#include "cli/cli.h"

static const rin_cli_option options[] = {
    {"data", "PATH", NULL,
     "Folder or archive of images, a sub-folder a class, or of videos; CIFAR-10 in binary form; a video; a pack; with "
     "--resume where it has moved to",
     false},
    {"out", "RUN", NULL, "Folder of the run: new or empty, or one to resume", false},
    {"preset", "NAME", NULL, "Starting point of all options; 'small' unless given", false},
    {"config", "FILE.ini", NULL, "Options from a file, over the preset's", false},
    {"size", "N", NULL, "Height and width of the images in pixels", false},
    {"steps", "N", "train.steps", "Optimiser steps of the whole run; with --resume it may grow", false},
    {"batch", "B", "train.batch", "Images in a step", false},
    {"seed", "S", "train.seed", "Start of all randomness", false},
    {"device", "NAME", "train.device", "Where to compute: cpu, or cuda[:i] for an NVIDIA GPU", false},
    {"precision", "P", "train.precision", "Of products on a GPU: bf16, tf32 or fp32", false},
    {"threads", "N", "train.threads", "Threads that compute; 0 for one a core", false},
    {"set", "section.key=value", NULL, "Any option below; may be given many times", true},
    {"resume", NULL, NULL, "Continue the run of --out from its last checkpoint, on another device if one is given",
     false},
    {NULL, NULL, NULL, NULL, false},
};

static void print_help(void) {
    puts("\nThe preset is overruled by the file, the file by the options above, and those by --set.\n"
         "Ctrl-C saves and ends with exit code 130; a second one ends at once.");
    rin_cli_presets_help();
    puts("\nOptions for --set and for files:");
    rin_cli_options_help(NULL);
}

static bool is_among(const char *key, const char *const *keys) {
    while (*keys && strcmp(key, *keys) != 0) keys++;
    return *keys;
}

static int compare_option(const char *key, const rin_config *wanted, const rin_config *config) {
    char *asked = NULL, *has = NULL;
    rin_error error = {0};
    int code = RIN_EXIT_OK;
    if (rin_config_get(wanted, key, &asked, &error) != RIN_OK || rin_config_get(config, key, &has, &error) != RIN_OK) {
        code = rin_cli_fail(&error);
    } else if (strcmp(asked, has) != 0) {
        code = rin_cli_refuse(
            "the run has %s = %s and cannot go on with %s; leave it out, start a new run, or edit its config.ini", key,
            has, asked);
    }
    rin_string_free(asked);
    rin_string_free(has);
    return code;
}

/* More steps may come by any way that options come by; fewer only by the name that is meant for it. */
static int compare_steps(const rin_cli_args *args, const rin_config *wanted, const rin_config *config, int64_t *steps) {
    static const char key[] = "train.steps";
    int64_t asked = rin_cli_config_whole(wanted, key), has = rin_cli_config_whole(config, key);
    if (!rin_config_is_set(wanted, key)) return RIN_EXIT_OK;
    if (asked < has && !rin_cli_args_has(args, "steps"))
        return rin_cli_refuse("the run has %s = %lld; to end it earlier, say --steps %lld", key, (long long)has,
                              (long long)asked);
    *steps = asked;
    return RIN_EXIT_OK;
}

/* A resumed run keeps its options: given ones must agree with the file of the run, before anything is touched. *steps:
 * its new length, untouched where none is given. */
static int compare_options(const rin_cli_args *args, const char *run, const rin_config *wanted, int64_t *steps) {
    /* What a run may have from its data or its length rather than from its preset, and what may change. */
    static const char *const derived[] = {"model.num_classes", "model.image_channels", "train.steps",
                                          "train.warmup_steps", NULL};
    char path[PATH_MAX];
    rin_config *config = NULL;
    const rin_option *option;
    bool all = rin_cli_args_has(args, "preset");
    int length = snprintf(path, sizeof path, "%s/config.ini", run);
    int code = RIN_EXIT_OK;
    /* Where there is no run to resume, resuming says so. */
    bool comparable = length > 0 && length < PATH_MAX && rin_config_create(&config, NULL) == RIN_OK &&
                      rin_config_load_file(config, path, NULL) == RIN_OK;
    for (size_t i = 0; comparable && code == RIN_EXIT_OK && (option = rin_option_get(i)); i++) {
        bool asked = rin_config_is_set(wanted, option->name) ? strcmp(option->name, "train.steps") != 0
                                                             : all && !is_among(option->name, derived);
        if (asked && !rin_trainer_may_change(option->name)) code = compare_option(option->name, wanted, config);
    }
    if (comparable && code == RIN_EXIT_OK) code = compare_steps(args, wanted, config, steps);
    rin_config_free(config);
    return code;
}

/* A run shorter than the warm-up of its preset gets one of a tenth of its steps. */
static int fit_warmup(rin_config *config) {
    int64_t steps = rin_cli_config_whole(config, "train.steps"),
            warmup = rin_cli_config_whole(config, "train.warmup_steps");
    if (rin_config_is_set(config, "train.warmup_steps") || warmup <= steps) return RIN_EXIT_OK;
    char text[RIN_CLI_NUMBER];
    rin_error error = {0};
    snprintf(text, sizeof text, "%lld", (long long)(steps / 10));
    rin_cli_note("train.warmup_steps = %s, as the preset's %lld exceed the %lld steps", text, (long long)warmup,
                 (long long)steps);
    return rin_config_set(config, "train.warmup_steps", text, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

static int create(const rin_cli_args *args, rin_cli_monitor *monitor, rin_trainer **trainer) {
    const char *data = rin_cli_args_get(args, "data"), *run = rin_cli_args_get(args, "out");
    rin_config *config = NULL;
    rin_error error = {0};
    if (!data) return rin_cli_refuse("rin train needs --data PATH, or --resume to continue the run of --out");
    int code = rin_cli_config_build(args, true, &config);
    if (code == RIN_EXIT_OK) code = fit_warmup(config);
    if (code == RIN_EXIT_OK) {
        rin_listener listener = rin_cli_monitor_start(monitor, rin_cli_config_whole(config, "train.log_every"));
        rin_status status = rin_trainer_create(config, data, run, listener, trainer, &error);
        rin_cli_monitor_end();
        if (status != RIN_OK) code = rin_cli_fail(&error);
    }
    rin_config_free(config);
    return code;
}

static int resume(const rin_cli_args *args, rin_cli_monitor *monitor, rin_trainer **trainer) {
    enum { MOST_STEPS = 1000000000 };
    const char *run = rin_cli_args_get(args, "out");
    int64_t steps = 0;
    rin_config *wanted = NULL;
    rin_error error = {0};
    int code = rin_cli_args_whole(args, "steps", 1, MOST_STEPS, &steps);
    if (code == RIN_EXIT_OK) code = rin_cli_config_build(args, false, &wanted);
    if (code == RIN_EXIT_OK) code = compare_options(args, run, wanted, &steps);
    if (code == RIN_EXIT_OK) {
        rin_listener listener = rin_cli_monitor_start(monitor, 1);
        rin_status status = rin_trainer_resume(run, rin_cli_args_get(args, "data"), steps, wanted, listener, trainer,
                                               &error);
        rin_cli_monitor_end();
        if (status != RIN_OK) code = rin_cli_fail(&error);
    }
    rin_config_free(wanted);
    if (code != RIN_EXIT_OK) return code;
    monitor->every = rin_cli_config_whole(rin_trainer_config(*trainer), "train.log_every");
    return RIN_EXIT_OK;
}

static bool is_video(const rin_trainer *trainer) {
    return rin_cli_config_whole(rin_trainer_config(trainer), "model.seq_len") > 1;
}

static void note_start(const rin_trainer *trainer, const char *run) {
    const rin_config *config = rin_trainer_config(trainer);
    char what[64];
    if (is_video(trainer))
        snprintf(what, sizeof what, "%lld frames, %lld given", (long long)rin_cli_config_whole(config, "model.seq_len"),
                 (long long)rin_cli_config_whole(config, "model.seq_cond"));
    else snprintf(what, sizeof what, "%lld classes", (long long)rin_cli_config_whole(config, "model.num_classes"));
    rin_cli_note("%s: step %lld of %lld, %lld %s of %lldx%lld a step, %s", run,
                 (long long)rin_trainer_steps_done(trainer), (long long)rin_cli_config_whole(config, "train.steps"),
                 (long long)rin_cli_config_whole(config, "train.batch"), is_video(trainer) ? "clips" : "images",
                 (long long)rin_cli_config_whole(config, "model.image_width"),
                 (long long)rin_cli_config_whole(config, "model.image_height"), what);
}

static int train(rin_trainer *trainer, const char *run) {
    char quoted[RIN_CLI_QUOTED];
    rin_error error = {0};
    bool finished = rin_trainer_is_done(trainer);
    if (!finished) note_start(trainer, run);
    /* Of a finished run a picture may be missing. */
    rin_status status = rin_trainer_run(trainer, &error);
    long long steps = rin_trainer_steps_done(trainer);
    rin_cli_monitor_end();
    if (status == RIN_ERR_CANCELLED) {
        rin_cli_note("%s; continue: rin train --out %s --resume", error.text, rin_cli_quoted(run, quoted));
        return RIN_EXIT_INTERRUPTED;
    }
    if (status != RIN_OK) return rin_cli_fail(&error);
    if (finished) {
        printf("%s is finished: all its %lld steps are done. Add --steps N above %lld to train on.\n", run, steps,
               steps);
    } else {
        bool given = rin_cli_config_whole(rin_trainer_config(trainer), "model.seq_cond") > 0;
        printf("%s: %lld steps done. %s: rin sample --model %s%s --out samples.%s\n", run, steps,
               is_video(trainer) ? "Videos" : "Pictures", rin_cli_quoted(run, quoted), given ? " --cond FILE" : "",
               is_video(trainer) ? "mp4" : "png");
    }
    return RIN_EXIT_OK;
}

static int run(const rin_cli_args *args) {
    rin_cli_monitor monitor = {0};
    rin_trainer *trainer = NULL;
    const char *out = rin_cli_args_get(args, "out");
    if (!out) return rin_cli_refuse("rin train needs --out RUN, the folder of the training run");
    int code = rin_cli_args_has(args, "resume") ? resume(args, &monitor, &trainer) : create(args, &monitor, &trainer);
    if (code == RIN_EXIT_OK) code = train(trainer, out);
    rin_trainer_free(trainer);
    return code;
}

const rin_cli_verb rin_cli_train = {"train",   "train a model on your images or videos", "", 0, 0, options, run,
                                    print_help};
