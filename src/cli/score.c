/* SPDX-License-Identifier: MIT */
/* score: FID and other scores of samples, and statistics of what they are compared with. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/score.h"

static const struct {
    const char *name;
    unsigned score;
} scores[] = {
    {"fid", RIN_SCORE_FID}, {"is", RIN_SCORE_IS}, {"kid", RIN_SCORE_KID}, {"pr", RIN_SCORE_PR}, {"fvd", RIN_SCORE_FVD}};

enum { N_SCORES = sizeof scores / sizeof scores[0] };

bool rin_cli_score_parse(const char *text, unsigned *out) {
    *out = 0;
    for (const char *rest = text;; rest++) {
        size_t length = strcspn(rest, ","), i = 0;
        while (i < N_SCORES && (strlen(scores[i].name) != length || strncmp(scores[i].name, rest, length) != 0)) i++;
        if (i == N_SCORES) return false;
        *out |= scores[i].score;
        rest += length;
        if (!*rest) return true;
    }
}

/* ---- output ---- */

static bool add_spread(cJSON *json, const char *name, rin_score_spread spread) {
    cJSON *object = cJSON_AddObjectToObject(json, name);
    return object && cJSON_AddNumberToObject(object, "mean", spread.mean) &&
           cJSON_AddNumberToObject(object, "deviation", spread.deviation);
}

/* The scores with their protocol; NULL when memory is out. */
static cJSON *to_json(const rin_scores *s) {
    cJSON *json = cJSON_CreateObject(), *protocol = cJSON_Parse(s->protocol);
    bool good = json && protocol;
    if (good && s->scores & (RIN_SCORE_FID | RIN_SCORE_FVD)) {
        good = cJSON_AddNumberToObject(json, s->scores & RIN_SCORE_FVD ? "fvd" : "fid", s->frechet) &&
               cJSON_AddNumberToObject(json, "frechet_raw", s->frechet_raw);
    }
    if (good && s->scores & RIN_SCORE_IS) good = add_spread(json, "inception_score", s->inception);
    if (good && s->scores & RIN_SCORE_KID) good = add_spread(json, "kid", s->kid);
    if (good && s->scores & RIN_SCORE_PR)
        good = cJSON_AddNumberToObject(json, "precision", s->precision) &&
               cJSON_AddNumberToObject(json, "recall", s->recall);
    if (good && cJSON_AddItemToObject(json, "protocol", protocol)) return json;
    cJSON_Delete(protocol);
    cJSON_Delete(json);
    return NULL;
}

/* "name value, name value": what an object says, objects in it in brackets. */
static void describe(const cJSON *object, char *text, size_t size) {
    enum { HASH = 64, SHOWN = 12 };
    const cJSON *item;
    bool first = true;
    cJSON_ArrayForEach(item, object) {
        char part[512] = "";
        const char *string = cJSON_GetStringValue(item);
        if (string) snprintf(part, sizeof part, "%.*s", strlen(string) == HASH ? SHOWN : 400, string);
        else if (cJSON_IsNumber(item)) snprintf(part, sizeof part, "%.10g", item->valuedouble);
        else if (cJSON_IsObject(item)) describe(item, part, sizeof part);
        else continue;
        size_t used = strlen(text);
        bool nested = cJSON_IsObject(item);
        snprintf(text + used, size - used, "%s%s %s%s%s", first ? "" : ", ", item->string, nested ? "(" : "", part,
                 nested ? ")" : "");
        first = false;
    }
}

static void print_protocol(const char *protocol) {
    cJSON *json = cJSON_Parse(protocol);
    static const char *const sets[] = {"scored", "reference"};
    for (int i = 0; i < 2; i++) {
        char line[4096] = "";
        cJSON *set = cJSON_DetachItemFromObjectCaseSensitive(json, sets[i]);
        if (!set) continue;
        snprintf(line, sizeof line, "%-16s ", sets[i]);
        describe(set, line, sizeof line);
        rin_cli_print(line);
        cJSON_Delete(set);
    }
    char line[4096] = "protocol         ";
    describe(json, line, sizeof line);
    rin_cli_print(line);
    cJSON_Delete(json);
}

static void print_scores(const rin_scores *s) {
    if (s->scores & RIN_SCORE_FID) printf("FID              %.6g\n", s->frechet);
    if (s->scores & RIN_SCORE_FVD) printf("FVD              %.6g\n", s->frechet);
    if (s->scores & RIN_SCORE_IS) printf("Inception Score  %.6g +- %.3g\n", s->inception.mean, s->inception.deviation);
    if (s->scores & RIN_SCORE_KID)
        printf("KID              %.6g +- %.3g (times 1000: %.4g)\n", s->kid.mean, s->kid.deviation, 1000 * s->kid.mean);
    if (s->scores & RIN_SCORE_PR) {
        printf("precision        %.6g\n", s->precision);
        printf("recall           %.6g\n", s->recall);
    }
    print_protocol(s->protocol);
}

/* Adds the scores, with their protocol, to a file that has a line for each. */
static int store(const rin_scores *s, const char *path) {
    cJSON *json = to_json(s);
    char *line = json ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (!line) return rin_cli_fail_memory();
    FILE *stream = fopen(path, "a");
    bool good = stream && fprintf(stream, "%s\n", line) > 0;
    if (stream) good = fclose(stream) == 0 && good;
    cJSON_free(line);
    return good ? RIN_EXIT_OK : rin_cli_fail_system(path);
}

/* ---- what is asked for ---- */

/* The options that are also configuration, of a model or of none. */
static int build_config(const rin_cli_args *args, const rin_model *model, rin_config **out) {
    static const char *const shared[][2] = {{"seed", "eval.seed"}, {"limit", "eval.limit"}};
    rin_error error = {0};
    rin_status status = model ? rin_config_copy(rin_model_config(model), out, &error) : rin_config_create(out, &error);
    if (status != RIN_OK) return rin_cli_fail(&error);
    for (int i = 0; i < 2; i++) {
        const char *value = rin_cli_args_get(args, shared[i][0]);
        if (value && rin_config_set(*out, shared[i][1], value, &error) != RIN_OK)
            return rin_cli_refuse("--%s %s: %s", shared[i][0], value, error.text);
    }
    return rin_cli_config_apply(args, "eval sample data", *out);
}

/* Where features of a model's samples are kept: in the run's folder, or beside the file. */
static int name_folder(const rin_cli_args *args, char *out, size_t size) {
    const char *given = rin_cli_args_get(args, "keep"), *model = rin_cli_args_get(args, "model");
    struct stat info;
    bool folder = model && stat(model, &info) == 0 && S_ISDIR(info.st_mode);
    int n = given ? snprintf(out, size, "%s", given)
                  : snprintf(out, size, "%s%s", model ? model : "", folder ? "/eval" : ".eval");
    if (n >= 0 && (size_t)n < size) return RIN_EXIT_OK;
    return rin_cli_refuse("--keep: the name of the folder for features is too long; name a shorter one");
}

/* Whether --out can be added to is known before measuring, which takes long. */
static int check_out(const rin_cli_args *args) {
    const char *out = rin_cli_args_get(args, "out");
    FILE *stream = out ? fopen(out, "a") : NULL;
    if (out && !stream) return rin_cli_fail_system(out);
    if (stream) fclose(stream);
    return RIN_EXIT_OK;
}

static int finish(const rin_cli_args *args, const rin_scores *result, const char *folder) {
    enum { LONGEST = 4096 };
    char path[LONGEST];
    const char *out = rin_cli_args_get(args, "out");
    int code = RIN_EXIT_OK;
    if (!out && folder) {
        snprintf(path, sizeof path, "%s/scores.jsonl", folder);
        out = path;
    }
    if (out) code = store(result, out);
    if (rin_cli_args_has(args, "json")) {
        int printed = rin_cli_print_json(to_json(result));
        return code == RIN_EXIT_OK ? printed : code;
    }
    print_scores(result);
    return code;
}

int rin_cli_score(const rin_cli_args *args, unsigned wanted) {
    enum { LONGEST = 4000, MOST_THREADS = 1024 };
    char folder[LONGEST];
    rin_model *model = NULL;
    rin_config *config = NULL;
    rin_scores result = {0};
    rin_error error = {0};
    int64_t threads = 0;
    const char *data = rin_cli_args_get(args, "data");
    bool sampled = rin_cli_args_has(args, "model");
    if (sampled == (data != NULL))
        return rin_cli_refuse("what is scored is either --model PATH or --data PATH; give one of them");
    int code = rin_cli_args_whole(args, "threads", 0, MOST_THREADS, &threads);
    if (code == RIN_EXIT_OK && sampled) code = rin_cli_model_open(args, &model);
    if (code == RIN_EXIT_OK) code = build_config(args, model, &config);
    if (code == RIN_EXIT_OK) code = name_folder(args, folder, sizeof folder);
    if (code == RIN_EXIT_OK) code = check_out(args);
    if (code == RIN_EXIT_OK) {
        const rin_score_request request = {.scores = wanted,
                                           .model = model,
                                           .data = data,
                                           .folder = sampled ? folder : NULL,
                                           .device = rin_cli_args_get(args, "device"),
                                           .threads = (int)threads,
                                           .mix = rin_cli_args_has(args, "mix")};
        rin_cli_monitor monitor;
        rin_listener listener = rin_cli_monitor_start(&monitor, 1);
        rin_status status = rin_eval_score(&request, config, listener, &result, &error);
        rin_cli_monitor_end();
        if (status == RIN_ERR_CANCELLED && sampled)
            rin_cli_note("what has been sampled is kept in '%s'; the same command goes on from there", folder);
        code = status == RIN_OK ? finish(args, &result, sampled ? folder : NULL) : rin_cli_fail(&error);
    }
    rin_scores_clear(&result);
    rin_config_free(config);
    rin_model_free(model);
    return code;
}

int rin_cli_statistics(const rin_cli_args *args) {
    enum { MOST_THREADS = 1024 };
    const char *data = rin_cli_args_get(args, "data"), *out = rin_cli_args_get(args, "out");
    rin_config *config = NULL;
    rin_error error = {0};
    int64_t threads = 0, n = 0;
    if (!data || !out) return rin_cli_refuse("rin eval stats needs --data PATH, what is measured, and --out FILE.npz");
    int code = rin_cli_args_whole(args, "threads", 0, MOST_THREADS, &threads);
    if (code == RIN_EXIT_OK) code = build_config(args, NULL, &config);
    if (code == RIN_EXIT_OK) {
        rin_cli_monitor monitor;
        rin_listener listener = rin_cli_monitor_start(&monitor, 1);
        bool video = rin_cli_args_has(args, "video");
        rin_status status = rin_eval_statistics(data, video, config, rin_cli_args_get(args, "device"), (int)threads,
                                                out, listener, &n, &error);
        rin_cli_monitor_end();
        if (status == RIN_OK && n) printf("statistics of %lld %s\n", (long long)n, video ? "clips" : "pictures");
        else if (status == RIN_OK)
            printf("statistics of a number of %s that nobody tells\n", video ? "clips" : "pictures");
        else code = rin_cli_fail(&error);
    }
    rin_config_free(config);
    return code;
}
