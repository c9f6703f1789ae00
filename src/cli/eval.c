/* SPDX-License-Identifier: MIT */
/* eval: scores of samples, how well a model predicts the noise in images, and a video model the frames that follow. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/score.h"

enum { MOST_TIMES = 64, LONGEST_TIME = 32 };

static const rin_cli_option options[] = {
    {"model", "PATH", NULL, "A training run's folder or a .safetensors file", false},
    {"data", "PATH", NULL,
     "Images or videos: what rin train takes; scores: also a .npz of pictures or a .npy of features", false},
    {"reference", "PATH", "eval.reference",
     "scores: what it is compared with: a data set, or a .npz of statistics or pictures", false},
    {"weights", "FILE", "eval.weights",
     "scores: the network's weights as .safetensors; without them the way to get them", false},
    {"count", "N", "eval.count", "scores: samples of a model", false},
    {"preprocess", "NAME", "eval.preprocess", "scores: tf, half_pixel or clean; of fvd tf or crop", false},
    {"quantise", "NAME", "eval.quantise", "scores: how samples become bytes: round, floor or none", false},
    {"size", "N", "eval.size", "scores: crop and shrink pictures of data sets to N x N first", false},
    {"frames", "N", "eval.frames", "fvd: frames of a clip", false},
    {"video", NULL, NULL, "stats: of videos, for fvd", false},
    {"out", "FILE", NULL, "stats: the .npz; scores: a file that gets a line of JSON more", false},
    {"keep", "DIR", NULL,
     "scores of a model: where features are kept and gone on from; in or beside the model unless given", false},
    {"mix", NULL, NULL, "scores: also compare sets that were made by different protocols", false},
    {"t", "0.1,0.2,...", NULL, "loss: times in (0, 1], 1 being pure noise; 0.1 to 0.9 unless given", false},
    {"samples", "K", NULL, "predict: samples of each clip; 4 unless given", false},
    {"steps", "N", "sample.steps", "Denoising steps; unless given as many as suit the sampler", false},
    {"sampler", "NAME", "sample.sampler", "Update rule; rin help sample describes them", false},
    {"guidance", "W", "sample.guidance", "Guidance by the label; 0 for none", false},
    {"limit", "N", NULL, "Images or clips of a data set at most, evenly; all unless given", false},
    {"seed", "S", NULL, "Start of the noise; 0 unless given", false},
    {"threads", "N", NULL, "Threads that compute; 0 for one a core", false},
    {"device", "NAME", NULL, "Where to compute: cpu (unless given), or cuda[:i]; see rin help bench", false},
    {"json", NULL, NULL, "Print one JSON object", false},
    {"set", "eval.key=value", NULL, "Any option below, or sample.*; may be given many times", true},
    {NULL, NULL, NULL, NULL, false},
};

static void print_help(void) {
    puts("\nWhat can be measured:\n"
         "  fid, is, kid, pr     scores of pictures; several at once: fid,kid\n"
         "  fvd                  the score of videos\n"
         "  stats                statistics of a data set, as --reference for fid and fvd\n"
         "  loss                 the noise loss over time\n"
         "  predict              how well a video model predicts frames\n"
         "\nOptions for --set:");
    rin_cli_options_help("eval");
}

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

static int print_json(const times *t, int64_t n, const char *unit) {
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddObjectToObject(json, "t");
    bool good = list;
    for (int i = 0; i < t->count && good; i++) good = cJSON_AddNumberToObject(list, t->names[i], t->losses[i]);
    good = good && cJSON_AddNumberToObject(json, "mean", mean_loss(t)) &&
           cJSON_AddNumberToObject(json, unit, (double)n);
    if (good) return rin_cli_print_json(json);
    cJSON_Delete(json);
    return rin_cli_fail_memory();
}

static void print_lines(const times *t, int64_t n, const char *unit) {
    printf("%-8s loss\n", "t");
    for (int i = 0; i < t->count; i++) printf("%-8s %.6g\n", t->names[i], t->losses[i]);
    printf("%-8s %.6g over %lld %s\n", "mean", mean_loss(t), (long long)n, unit);
}

/* --limit, or eval.limit. */
static int take_limit(const rin_cli_args *args, const rin_config *config, int64_t *limit) {
    *limit = rin_cli_config_whole(config, "eval.limit");
    return rin_cli_args_whole(args, "limit", 1, INT64_MAX, limit);
}

/* ---- predict ---- */

enum { MOST_FRAMES = 65536 };

static double psnr(double squared_error) {
    return -10 * log10(squared_error);
}

static bool add_errors(cJSON *list, const char *name, const rin_prediction_error *errors, int64_t n, int which) {
    cJSON *row = cJSON_AddArrayToObject(list, name);
    bool good = row;
    for (int64_t f = 0; f < n && good; f++) {
        const double values[] = {errors[f].sample, errors[f].mean, errors[f].repeat};
        good = cJSON_AddItemToArray(row, cJSON_CreateNumber(values[which]));
    }
    return good;
}

static rin_prediction_error average(const rin_prediction_error *errors, int64_t n) {
    rin_prediction_error all = {0, 0, 0};
    for (int64_t f = 0; f < n; f++) {
        all.sample += errors[f].sample / (double)n;
        all.mean += errors[f].mean / (double)n;
        all.repeat += errors[f].repeat / (double)n;
    }
    return all;
}

static int print_prediction_json(const rin_prediction_error *errors, int64_t n, int64_t samples, int64_t n_clips) {
    cJSON *json = cJSON_CreateObject();
    rin_prediction_error all = average(errors, n);
    bool good = json && cJSON_AddNumberToObject(json, "clips", (double)n_clips) &&
                cJSON_AddNumberToObject(json, "samples", (double)samples) &&
                add_errors(json, "mse_sample", errors, n, 0) && add_errors(json, "mse_mean", errors, n, 1) &&
                add_errors(json, "mse_repeat", errors, n, 2);
    cJSON *sums = good ? cJSON_AddObjectToObject(json, "mse") : NULL;
    good = sums && cJSON_AddNumberToObject(sums, "sample", all.sample) &&
           cJSON_AddNumberToObject(sums, "mean", all.mean) && cJSON_AddNumberToObject(sums, "repeat", all.repeat);
    if (good) return rin_cli_print_json(json);
    cJSON_Delete(json);
    return rin_cli_fail_memory();
}

static void print_prediction(const char *name, const rin_prediction_error *e) {
    printf("%-6s %10.3g %6.2f   %10.3g %6.2f   %10.3g %6.2f\n", name, e->sample, psnr(e->sample), e->mean,
           psnr(e->mean), e->repeat, psnr(e->repeat));
}

static void print_predictions(const rin_prediction_error *errors, int64_t given, int64_t n, int64_t samples,
                              int64_t n_clips) {
    char name[RIN_CLI_NUMBER];
    rin_prediction_error all = average(errors, n);
    printf("%-6s %17s   %12s %-4lld   %17s\n", "", "one sample", "mean of", (long long)samples, "last given frame");
    printf("%-6s %10s %6s   %10s %6s   %10s %6s\n", "frame", "error", "PSNR", "error", "PSNR", "error", "PSNR");
    for (int64_t f = 0; f < n; f++) {
        snprintf(name, sizeof name, "%lld", (long long)(given + f + 1));
        print_prediction(name, &errors[f]);
    }
    print_prediction("all", &all);
    printf("mean squared errors, pixels being 0 to 1, over %lld clips\n", (long long)n_clips);
}

static int predict(const rin_cli_args *args, rin_model *model) {
    enum { SAMPLES = 4, MOST_SAMPLES = 10000 };
    const char *data = rin_cli_args_get(args, "data");
    int64_t samples = SAMPLES, limit = 0, seed = 0, n_clips = 0;
    rin_config *config = NULL;
    rin_cli_monitor monitor;
    rin_error error = {0};
    int code = rin_cli_args_whole(args, "seed", 0, INT64_MAX, &seed);
    if (code == RIN_EXIT_OK) code = rin_cli_args_whole(args, "samples", 1, MOST_SAMPLES, &samples);
    if (code != RIN_EXIT_OK) return code;
    if (rin_config_copy(rin_model_config(model), &config, &error) != RIN_OK) return rin_cli_fail(&error);
    int64_t given = rin_cli_config_whole(config, "model.seq_cond"),
            n = rin_cli_config_whole(config, "model.seq_len") - given;
    rin_prediction_error *errors = n <= MOST_FRAMES ? calloc((size_t)n, sizeof *errors) : NULL;
    code = errors ? rin_cli_config_apply(args, "eval sample", config) : rin_cli_fail_memory();
    if (code == RIN_EXIT_OK) code = take_limit(args, config, &limit);
    if (code == RIN_EXIT_OK) {
        rin_listener listener = rin_cli_monitor_start(&monitor, 1);
        rin_status status = rin_eval_predict(model, config, data, samples, limit, (uint64_t)seed, listener, errors,
                                             &n_clips, &error);
        rin_cli_monitor_end();
        if (status != RIN_OK) code = rin_cli_fail(&error);
    }
    if (code == RIN_EXIT_OK && rin_cli_args_has(args, "json"))
        code = print_prediction_json(errors, n, samples, n_clips);
    else if (code == RIN_EXIT_OK) print_predictions(errors, given, n, samples, n_clips);
    free(errors);
    rin_config_free(config);
    return code;
}

/* ---- loss ---- */

static int measure(const rin_cli_args *args, rin_model *model, times *t) {
    const char *data = rin_cli_args_get(args, "data");
    int64_t limit = 0, seed = 0, n_images = 0;
    rin_config *config = NULL;
    rin_cli_monitor monitor;
    rin_error error = {0};
    int code = rin_cli_args_whole(args, "seed", 0, INT64_MAX, &seed);
    if (code == RIN_EXIT_OK && rin_config_copy(rin_model_config(model), &config, &error) != RIN_OK)
        code = rin_cli_fail(&error);
    if (code == RIN_EXIT_OK) code = rin_cli_config_apply(args, "eval", config);
    if (code == RIN_EXIT_OK) code = take_limit(args, config, &limit);
    rin_config_free(config);
    if (code != RIN_EXIT_OK) return code;
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_eval_loss(model, data, t->values, t->count, limit, (uint64_t)seed, listener, t->losses,
                                      &n_images, &error);
    rin_cli_monitor_end();
    if (status != RIN_OK) return rin_cli_fail(&error);
    const char *unit = rin_cli_config_whole(rin_model_config(model), "model.seq_len") > 1 ? "clips" : "images";
    if (rin_cli_args_has(args, "json")) return print_json(t, n_images, unit);
    print_lines(t, n_images, unit);
    return RIN_EXIT_OK;
}

/* What is measured with a model and data alone. */
static int measure_model(const rin_cli_args *args, bool loss) {
    const char *text = rin_cli_args_get(args, "t");
    rin_model *model = NULL;
    times t = {0};
    if (!rin_cli_args_has(args, "data"))
        return rin_cli_refuse("rin eval needs --data PATH, the images or videos to measure on");
    int code = parse_times(&t, text ? text : "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9");
    if (code == RIN_EXIT_OK) code = rin_cli_model_open(args, &model);
    if (code == RIN_EXIT_OK) code = loss ? measure(args, model, &t) : predict(args, model);
    rin_model_free(model);
    return code;
}

/* Each kind of measuring takes some of the options. */
static int refuse_others(const rin_cli_args *args, const char *what, const char *const *taken) {
    for (const rin_cli_option *o = options; o->name; o++) {
        bool takes = false;
        for (size_t i = 0; taken[i]; i++) takes = takes || strcmp(o->name, taken[i]) == 0;
        if (!takes && rin_cli_args_has(args, o->name))
            return rin_cli_refuse("--%s means nothing to rin eval %s; leave it out", o->name, what);
    }
    return RIN_EXIT_OK;
}

static int check_options(const rin_cli_args *args, const char *what) {
    static const char *const loss[] = {"model", "data", "t", "limit", "seed", "threads", "device", "json", "set", NULL};
    static const char *const prediction[] = {"model", "data",    "samples", "steps", "sampler", "guidance", "limit",
                                             "seed",  "threads", "device",  "json",  "set",     NULL};
    static const char *const statistics[] = {"data",  "weights", "preprocess", "size",   "frames", "video", "out",
                                             "limit", "seed",    "threads",    "device", "set",    NULL};
    static const char *const scores[] = {"model",    "data",    "reference", "weights",  "count", "preprocess",
                                         "quantise", "size",    "frames",    "out",      "keep",  "mix",
                                         "steps",    "sampler", "limit",     "guidance", "seed",  "threads",
                                         "device",   "json",    "set",       NULL};
    if (strcmp(what, "loss") == 0) return refuse_others(args, what, loss);
    if (strcmp(what, "predict") == 0) return refuse_others(args, what, prediction);
    if (strcmp(what, "stats") == 0) return refuse_others(args, what, statistics);
    return refuse_others(args, what, scores);
}

static int run(const rin_cli_args *args) {
    const char *what = args->operands[0];
    unsigned scores;
    int code = check_options(args, what);
    if (code != RIN_EXIT_OK) return code;
    if (strcmp(what, "loss") == 0) return measure_model(args, true);
    if (strcmp(what, "predict") == 0) return measure_model(args, false);
    if (strcmp(what, "stats") == 0) return rin_cli_statistics(args);
    if (rin_cli_score_parse(what, &scores)) return rin_cli_score(args, scores);
    return rin_cli_refuse(
        "rin eval cannot measure '%s'; allowed: fid, is, kid, pr and lists of these, fvd, stats, loss, "
        "predict",
        what);
}

const rin_cli_verb rin_cli_eval = {"eval",
                                   "measure a model or its samples: FID and other scores, loss, predicted frames",
                                   "fid|is|kid|pr|fvd|stats|loss|predict",
                                   1,
                                   1,
                                   options,
                                   run,
                                   print_help};
