/* SPDX-License-Identifier: MIT */
/* eval: how well a model predicts the noise in images. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { MOST_TIMES = 64, LONGEST_TIME = 32 };

static const rin_cli_option options[] = {
    {"model", "PATH", NULL, "A training run's folder or a .safetensors file", false},
    {"data", "PATH", NULL, "Images: what rin train takes", false},
    {"t", "0.1,0.2,...", NULL, "Times in (0, 1], 1 being pure noise; 0.1 to 0.9 unless given", false},
    {"limit", "N", NULL, "Images at most, evenly over the classes; all unless given", false},
    {"seed", "S", NULL, "Start of the noise; 0 unless given", false},
    {"threads", "N", NULL, "Threads that compute; 0 for one a core", false},
    {"device", "NAME", NULL, "Where to compute: cpu (unless given), or cuda[:i]; see rin help bench", false},
    {"json", NULL, NULL, "Print one JSON object", false},
    {NULL, NULL, NULL, NULL, false},
};

typedef struct times {
    char names[MOST_TIMES][LONGEST_TIME]; /* as the user wrote them */
    double values[MOST_TIMES], losses[MOST_TIMES];
    int count;
} times;

static int add_time(times *t, const char *text, size_t length) {
    char *name = t->names[t->count], *end;
    if (length >= LONGEST_TIME)
        return rin_cli_refuse("--t: '%.*s' is longer than the %d characters a time may have", (int)length, text,
                              LONGEST_TIME - 1);
    snprintf(name, LONGEST_TIME, "%.*s", (int)length, text);
    double value = strtod(name, &end);
    if (!*name || *end || strspn(name, "0123456789.eE+-") != strlen(name) || !(value > 0 && value <= 1)) {
        return rin_cli_refuse("--t: '%s' is not a time; allowed are numbers above 0 and up to 1, with commas between",
                              name);
    }
    for (int i = 0; i < t->count; i++) {
        if (strcmp(t->names[i], name) == 0) return rin_cli_refuse("--t: %s is given twice; keep one", name);
    }
    t->values[t->count++] = value;
    return RIN_EXIT_OK;
}

static int parse_times(times *t, const char *text) {
    int code = RIN_EXIT_OK;
    for (const char *rest = text; code == RIN_EXIT_OK; rest++) {
        size_t length = strcspn(rest, ",");
        if (t->count == MOST_TIMES) return rin_cli_refuse("--t: more than %d times; use several calls", MOST_TIMES);
        code = add_time(t, rest, length);
        rest += length;
        if (!*rest) break;
    }
    return code;
}

static double mean_loss(const times *t) {
    double sum = 0;
    for (int i = 0; i < t->count; i++) sum += t->losses[i];
    return sum / t->count;
}

static int print_json(const times *t, int64_t n_images) {
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddObjectToObject(json, "t");
    bool good = list;
    for (int i = 0; i < t->count && good; i++) good = cJSON_AddNumberToObject(list, t->names[i], t->losses[i]);
    good = good && cJSON_AddNumberToObject(json, "mean", mean_loss(t)) &&
           cJSON_AddNumberToObject(json, "images", (double)n_images);
    if (good) return rin_cli_print_json(json);
    cJSON_Delete(json);
    return rin_cli_fail_memory();
}

static void print_lines(const times *t, int64_t n_images) {
    printf("%-8s loss\n", "t");
    for (int i = 0; i < t->count; i++) printf("%-8s %.6g\n", t->names[i], t->losses[i]);
    printf("%-8s %.6g over %lld images\n", "mean", mean_loss(t), (long long)n_images);
}

static int measure(const rin_cli_args *args, rin_model *model, times *t) {
    const char *data = rin_cli_args_get(args, "data");
    int64_t limit = 0, seed = 0, n_images = 0;
    rin_cli_monitor monitor;
    rin_error error = {0};
    int code = rin_cli_args_whole(args, "limit", 1, INT64_MAX, &limit);
    if (code == RIN_EXIT_OK) code = rin_cli_args_whole(args, "seed", 0, INT64_MAX, &seed);
    if (code != RIN_EXIT_OK) return code;
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_eval_loss(model, data, t->values, t->count, limit, (uint64_t)seed, listener, t->losses,
                                      &n_images, &error);
    rin_cli_monitor_end();
    if (status != RIN_OK) return rin_cli_fail(&error);
    if (rin_cli_args_has(args, "json")) return print_json(t, n_images);
    print_lines(t, n_images);
    return RIN_EXIT_OK;
}

static int run(const rin_cli_args *args) {
    const char *text = rin_cli_args_get(args, "t");
    rin_model *model = NULL;
    times t = {0};
    if (strcmp(args->operands[0], "loss") != 0) {
        return rin_cli_refuse("rin eval cannot measure '%s'; allowed: loss", args->operands[0]);
    }
    if (!rin_cli_args_has(args, "data")) return rin_cli_refuse("rin eval needs --data PATH, the images to measure on");
    int code = parse_times(&t, text ? text : "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9");
    if (code == RIN_EXIT_OK) code = rin_cli_model_open(args, &model);
    if (code == RIN_EXIT_OK) code = measure(args, model, &t);
    rin_model_free(model);
    return code;
}

const rin_cli_verb rin_cli_eval = {"eval", "measure a model: the noise loss over time", "loss", 1, 1, options, run,
                                   NULL};
