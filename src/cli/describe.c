/* SPDX-License-Identifier: MIT */
/* describe: the verbs that tell what a configuration or a model is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const rin_cli_option plan_options[] = {
    {"preset", "NAME", NULL, "What to plan; 'small' unless given", false},
    {"config", "FILE.ini", NULL, "Options from a file, over the preset's", false},
    {"size", "N", NULL, "Height and width of the images in pixels", false},
    {"batch", "B", "train.batch", "Images in a step", false},
    {"device", "NAME", "train.device", "Where to train: cpu, or cuda[:i] for an NVIDIA GPU", false},
    {"precision", "P", "train.precision", "Of products on a GPU: bf16, tf32 or fp32", false},
    {"set", "section.key=value", NULL, "Any option that rin help train lists; may be given many times", true},
    {"memory", "SIZE", NULL, "Plan for a machine with so many bytes: 8000000000, or 80G (also K, M, T)", false},
    {"print", NULL, NULL, "Also list the operations in their order", false},
    {"json", NULL, NULL, "Print one JSON object", false},
    {NULL, NULL, NULL, NULL, false},
};

static const rin_cli_option json_option[] = {
    {"json", NULL, NULL, "Print one JSON object", false},
    {NULL, NULL, NULL, NULL, false},
};

/* Prints what a description came to, and frees it. */
static int finish(rin_status status, char *text, const rin_error *error) {
    if (status != RIN_OK) return rin_cli_fail(error);
    rin_cli_print(text);
    rin_string_free(text);
    return RIN_EXIT_OK;
}

/* --memory: a whole number of bytes, or of K, M, G or T (powers of 1024). Left alone when not given. */
static int read_memory(const rin_cli_args *args, uint64_t *bytes) {
    static const char units[] = "KMGT";
    const char *text = rin_cli_args_get(args, "memory"), *unit = NULL;
    if (!text) return RIN_EXIT_OK;
    char *end = NULL;
    errno = 0;
    unsigned long long number = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    int shift = 0;
    if (end && *end && (unit = strchr(units, *end))) {
        shift = 10 * (int)(unit - units + 1);
        end++;
    }
    if (!number || *end || errno || number > UINT64_MAX >> shift) {
        return rin_cli_refuse(
            "--memory %s: allowed is a whole number of bytes above 0, or one with K, M, G or T at its "
            "end, such as 80G",
            text);
    }
    *bytes = (uint64_t)number << shift;
    return RIN_EXIT_OK;
}

static int run_plan(const rin_cli_args *args) {
    rin_config *config = NULL;
    char *text = NULL;
    rin_error error = {0};
    uint64_t memory = 0;
    int code = read_memory(args, &memory);
    if (code == RIN_EXIT_OK) code = rin_cli_config_build(args, false, &config);
    if (code != RIN_EXIT_OK) return code;
    rin_status status = rin_plan_describe(config, rin_cli_args_has(args, "json"), rin_cli_args_has(args, "print"),
                                          memory, &text, &error);
    rin_config_free(config);
    /* What does not fit is described, too. */
    if (text) rin_cli_print(text);
    rin_string_free(text);
    return status == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

static int run_info(const rin_cli_args *args) {
    char *text = NULL;
    rin_error error = {0};
    rin_status status = rin_model_describe(args->operands[0], rin_cli_args_has(args, "json"), &text, &error);
    int code = finish(status, text, &error);
    /* What a file holds is no mistake in the command line. */
    return code == RIN_EXIT_OK ? code : RIN_EXIT_FAILED;
}

const rin_cli_verb rin_cli_plan = {
    "plan", "parameters, operations and memory of a configuration", "", 0, 0, plan_options, run_plan, NULL};
const rin_cli_verb rin_cli_info = {"info", "what a model file or run is", "MODEL", 1, 1, json_option, run_info, NULL};
