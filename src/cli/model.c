/* SPDX-License-Identifier: MIT */
/* model: opening the models that a verb works with. */
#include "cli/cli.h"

int rin_cli_model_open(const rin_cli_args *args, rin_model **model) {
    return rin_cli_model_open_at(args, rin_cli_args_get(args, "model"), model);
}

int rin_cli_model_open_at(const rin_cli_args *args, const char *path, rin_model **model) {
    enum { MOST_THREADS = 1024 };
    int64_t threads = 0;
    rin_error error = {0};
    if (!path) return rin_cli_refuse("rin %s needs --model, a training run or a .safetensors file", args->verb->name);
    int code = rin_cli_args_whole(args, "threads", 0, MOST_THREADS, &threads);
    if (code != RIN_EXIT_OK) return code;
    if (rin_model_open(path, rin_cli_args_get(args, "device"), (int)threads, model, &error) == RIN_OK)
        return RIN_EXIT_OK;
    /* What a file holds is no mistake in the command line. */
    rin_cli_fail(&error);
    return RIN_EXIT_FAILED;
}
