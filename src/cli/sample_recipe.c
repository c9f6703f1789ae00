/* SPDX-License-Identifier: MIT */
/* --like: what a file says about how it was made. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/sample.h"

enum { MOST_PICTURES = 1000000 };

static const cJSON *member(const rin_job *j, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(j->recipe, key);
}

const char *rin_job_recipe_text(const rin_job *j, const char *key) {
    return cJSON_GetStringValue(member(j, key));
}

/* A whole number of the recipe, within bounds; otherwise what is to be taken. */
static int64_t whole(const rin_job *j, const char *key, int64_t least, int64_t most, int64_t otherwise) {
    const cJSON *item = member(j, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)least && item->valuedouble <= (double)most))
        return otherwise;
    return (int64_t)item->valuedouble;
}

/* What every recipe has, and of the kind it is of. */
static int check_recipe(const rin_job *j, const char *path) {
    const struct {
        const char *key, *kind;
        bool good;
    } parts[] = {{"seed", "a text", rin_job_recipe_text(j, "seed") != NULL},
                 {"options", "an object", cJSON_IsObject(member(j, "options"))},
                 {"count", "a number of pictures", whole(j, "count", 1, MOST_PICTURES, 0) > 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].good)
            return rin_cli_refuse("--like %s: what it says about how it was made is damaged: \"%s\" is not %s", path,
                                  parts[i].key, parts[i].kind);
    }
    return RIN_EXIT_OK;
}

int rin_job_read_recipe(rin_job *j, const rin_cli_args *args) {
    const char *path = rin_cli_args_get(args, "like");
    rin_error error = {0};
    char *text = NULL;
    j->only = -1;
    if (!path) return RIN_EXIT_OK;
    if (rin_recipe_read(path, &text, &error) != RIN_OK) return rin_cli_fail(&error);
    j->recipe = cJSON_Parse(text);
    rin_string_free(text);
    if (!j->recipe) return rin_cli_refuse("--like %s: what it says about how it was made cannot be read", path);
    if (rin_cli_args_has(args, "model") || rin_job_recipe_text(j, "model")) return check_recipe(j, path);
    return rin_cli_refuse("--like %s: it does not say by which model it was made: add --model", path);
}

const char *rin_job_path(const rin_job *j, const rin_cli_args *args, const char *option, const char *key) {
    const char *path = rin_cli_args_get(args, option);
    if (path || !rin_job_recipe_text(j, key)) return path;
    path = rin_job_recipe_text(j, key);
    if (access(path, F_OK) != 0)
        rin_cli_note("--like %s: its %s '%s' is not here: name it by --%s", rin_cli_args_get(args, "like"), option,
                     path, option);
    return path;
}

/* ---- options ---- */

/* Whether the command line names a sampler, by its option or by --set. */
static int asks_sampler(const rin_cli_args *args, bool *asks) {
    rin_config *asked = NULL;
    rin_error error = {0};
    if (rin_config_create(&asked, &error) != RIN_OK) return rin_cli_fail(&error);
    int code = rin_cli_config_apply(args, "sample", asked);
    *asks = rin_config_is_set(asked, "sample.sampler");
    rin_config_free(asked);
    return code;
}

/* Options that go with another one, which the command line gives anew: their own defaults suit that better. */
typedef struct replaced {
    bool sampler, picture, guide;
} replaced;

static bool is_replaced(const replaced *r, const char *key) {
    static const char *const of_sampler[] = {"steps", "spacing",   "eta",       "td",
                                             "churn", "churn_min", "churn_max", "churn_noise"};
    for (size_t i = 0; i < sizeof of_sampler / sizeof *of_sampler; i++) {
        if (strcmp(key, of_sampler[i]) == 0) return r->sampler;
    }
    return (r->picture && strcmp(key, "strength") == 0) || (r->guide && strcmp(key, "guidance") == 0);
}

static int apply_option(rin_job *j, const cJSON *option) {
    enum { LONGEST_KEY = 80 };
    char key[LONGEST_KEY], number[RIN_CLI_NUMBER];
    const char *value = cJSON_GetStringValue(option);
    rin_error error = {0};
    if (cJSON_IsBool(option)) value = cJSON_IsTrue(option) ? "true" : "false";
    if (cJSON_IsNumber(option)) {
        snprintf(number, sizeof number, "%.17g", option->valuedouble);
        value = number;
    }
    snprintf(key, sizeof key, "sample.%s", option->string);
    if (!value) return rin_cli_refuse("--like: its option %s has no value", key);
    return rin_config_set(j->config, key, value, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

static int apply_options(rin_job *j, const rin_cli_args *args) {
    const cJSON *option, *list = member(j, "options");
    const cJSON *guidance = cJSON_GetObjectItemCaseSensitive(list, "guidance");
    replaced r = {.picture = rin_cli_args_has(args, "init") && !rin_job_recipe_text(j, "picture_file"),
                  .guide = rin_cli_args_has(args, "guide") && cJSON_IsNumber(guidance) && guidance->valuedouble == 0};
    int code = asks_sampler(args, &r.sampler);
    cJSON_ArrayForEach(option, list) {
        if (code == RIN_EXIT_OK && !is_replaced(&r, option->string)) code = apply_option(j, option);
    }
    return code;
}

static int read_class(const rin_job *j, const cJSON *item, int64_t *out) {
    int64_t n = rin_model_class_count(j->model);
    double number = cJSON_IsNumber(item) ? item->valuedouble : -2;
    if (!(number >= -1 && number < (double)n))
        return rin_cli_refuse("--like: it has a class that is no number from 0 to %lld, nor -1 for none",
                              (long long)n - 1);
    *out = (int64_t)number;
    return RIN_EXIT_OK;
}

static int apply_classes(rin_job *j) {
    const cJSON *list = member(j, "classes"), *item;
    int64_t *next;
    int code = RIN_EXIT_OK;
    if (!list && !rin_model_class_count(j->model)) return code;
    if (cJSON_GetArraySize(list) != j->count)
        return rin_cli_refuse("--like: it names %d classes of %lld pictures", cJSON_GetArraySize(list),
                              (long long)j->count);
    next = j->classes = calloc((size_t)j->count, sizeof *j->classes);
    if (!next) return rin_cli_fail_memory();
    cJSON_ArrayForEach(item, list) {
        if (code == RIN_EXIT_OK) code = read_class(j, item, next++);
    }
    return code;
}

/* Of pictures between two seeds: another number of them still lies between the same classes. */
static int apply_ends(rin_job *j) {
    const cJSON *list = member(j, "classes");
    int last = cJSON_GetArraySize(list) - 1;
    if (!rin_model_class_count(j->model)) return RIN_EXIT_OK;
    j->listed = calloc(2, sizeof *j->listed);
    if (!j->listed) return rin_cli_fail_memory();
    j->n_listed = 2;
    int code = read_class(j, cJSON_GetArrayItem(list, 0), &j->listed[0]);
    return code == RIN_EXIT_OK ? read_class(j, cJSON_GetArrayItem(list, last), &j->listed[1]) : code;
}

int rin_job_apply_recipe(rin_job *j, const rin_cli_args *args) {
    if (!j->recipe) return RIN_EXIT_OK;
    int code = apply_options(j, args);
    /* Other classes, another count: then these are spread as they always are. */
    bool spread = rin_cli_args_has(args, "class") || rin_cli_args_has(args, "count") ||
                  rin_cli_args_has(args, "interpolate");
    if (code != RIN_EXIT_OK || spread) return code;
    if (rin_cli_args_has(args, "frames") && rin_job_recipe_text(j, "other_seed")) return apply_ends(j);
    j->count = whole(j, "count", 1, MOST_PICTURES, 1);
    j->columns = (int)whole(j, "columns", 0, MOST_PICTURES, 0);
    /* Without columns it is of one picture. */
    j->only = member(j, "columns") ? -1 : whole(j, "picture", 0, j->count - 1, 0);
    return apply_classes(j);
}

/* ---- whether what was given is still the same ---- */

/* One thing that was given: by what option, and the key of its hash. */
typedef struct given {
    const char *option, *name, *hash, *numbers;
} given;

static int compare_given(const rin_job *j, const rin_cli_args *args, const cJSON *now, const given *g) {
    const char *before = rin_job_recipe_text(j, g->hash), *like = rin_cli_args_get(args, "like");
    const char *after = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(now, g->hash));
    if (!before || !after || strcmp(before, after) == 0) return RIN_EXIT_OK;
    if (rin_cli_args_has(args, g->option)) {
        rin_cli_note("--%s: its %s are others than those %s was made with: the pictures will differ", g->option,
                     g->numbers, like);
        return RIN_EXIT_OK;
    }
    return rin_cli_refuse("--like %s: %s '%s' has other %s now (it was changed, or is another one); name what is to be "
                          "taken by --%s",
                          like, g->option, rin_job_recipe_text(j, g->name), g->numbers, g->option);
}

int rin_job_compare_recipe(const rin_job *j, const rin_cli_args *args, const rin_generator *generator) {
    static const given all[] = {{"model", "model", "weights", "weights"},
                                {"guide", "guide", "guide_weights", "weights"},
                                {"init", "picture_file", "picture_pixels", "pixels"},
                                {"mask", "mask_file", "mask_pixels", "pixels"}};
    rin_error error = {0};
    char *text = NULL;
    int code = RIN_EXIT_OK;
    if (!j->recipe) return RIN_EXIT_OK;
    if (rin_generator_recipe(generator, -1, &text, &error) != RIN_OK) return rin_cli_fail(&error);
    cJSON *now = cJSON_Parse(text);
    for (size_t i = 0; i < sizeof all / sizeof *all && code == RIN_EXIT_OK; i++)
        code = compare_given(j, args, now, &all[i]);
    cJSON_Delete(now);
    rin_string_free(text);
    return code;
}
