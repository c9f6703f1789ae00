/* SPDX-License-Identifier: MIT */
/* --like: what a file says about how it was made. */
#include <stdlib.h>
#include <string.h>

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
    if (rin_cli_args_has(args, "model") || rin_job_recipe_text(j, "model")) return RIN_EXIT_OK;
    return rin_cli_refuse("--like %s: it does not say by which model it was made: add --model", path);
}

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

/* Steps and their spacing suit the sampler: another one brings its own. */
static bool is_of_sampler(const char *key) {
    return strcmp(key, "sample.steps") == 0 || strcmp(key, "sample.spacing") == 0;
}

static int apply_options(rin_job *j, const rin_cli_args *args) {
    const cJSON *option;
    rin_error error = {0};
    bool other = false;
    int code = asks_sampler(args, &other);
    if (code != RIN_EXIT_OK) return code;
    cJSON_ArrayForEach(option, member(j, "options")) {
        enum { LONGEST_KEY = 80 };
        char key[LONGEST_KEY], number[RIN_CLI_NUMBER];
        const char *value = cJSON_GetStringValue(option);
        if (cJSON_IsBool(option)) value = cJSON_IsTrue(option) ? "true" : "false";
        if (cJSON_IsNumber(option)) {
            snprintf(number, sizeof number, "%.17g", option->valuedouble);
            value = number;
        }
        snprintf(key, sizeof key, "sample.%s", option->string ? option->string : "");
        if (other && is_of_sampler(key)) continue;
        if (!value || rin_config_set(j->config, key, value, &error) != RIN_OK)
            return value ? rin_cli_fail(&error) : rin_cli_refuse("--like: its option %s has no value", key);
    }
    return RIN_EXIT_OK;
}

static int apply_classes(rin_job *j) {
    const cJSON *list = member(j, "classes"), *item;
    int64_t n = rin_model_class_count(j->model), i = 0;
    if (!cJSON_IsArray(list)) return RIN_EXIT_OK;
    if (cJSON_GetArraySize(list) != j->count)
        return rin_cli_refuse("--like: it names %d classes of %lld pictures", cJSON_GetArraySize(list),
                              (long long)j->count);
    j->classes = calloc((size_t)j->count, sizeof *j->classes);
    if (!j->classes) return rin_cli_fail_memory();
    cJSON_ArrayForEach(item, list) {
        double number = cJSON_IsNumber(item) ? item->valuedouble : -2;
        if (!(number >= -1 && number < (double)n))
            return rin_cli_refuse("--like: it has a class %g; this model has %lld", number, (long long)n);
        j->classes[i++] = (int64_t)number;
    }
    return RIN_EXIT_OK;
}

int rin_job_apply_recipe(rin_job *j, const rin_cli_args *args) {
    if (!j->recipe) return RIN_EXIT_OK;
    int code = apply_options(j, args);
    /* Other classes, another count: then these are spread as they always are. */
    bool spread = rin_cli_args_has(args, "class") || rin_cli_args_has(args, "count") ||
                  rin_cli_args_has(args, "interpolate");
    if (code != RIN_EXIT_OK || spread) return code;
    j->count = whole(j, "count", 1, MOST_PICTURES, 1);
    j->columns = (int)whole(j, "columns", 0, MOST_PICTURES, 0);
    /* Without columns it is of one picture. */
    j->only = member(j, "columns") ? -1 : whole(j, "picture", 0, j->count - 1, 0);
    return apply_classes(j);
}

/* Whether the weights are those that the file was made with. */
static int compare_weights(const rin_job *j, const rin_cli_args *args, const cJSON *now, const char *key,
                           const char *option) {
    const char *before = rin_job_recipe_text(j, key);
    const char *after = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(now, key));
    if (!before || !after || strcmp(before, after) == 0) return RIN_EXIT_OK;
    if (rin_cli_args_has(args, option)) {
        rin_cli_note("--%s: its weights are others than those %s was made with: the pictures will differ", option,
                     rin_cli_args_get(args, "like"));
        return RIN_EXIT_OK;
    }
    return rin_cli_refuse("--like %s: %s '%s' has other weights now (it was trained on, or is another one); name what "
                          "is to be taken by --%s",
                          rin_cli_args_get(args, "like"), option, rin_job_recipe_text(j, option), option);
}

int rin_job_compare_recipe(const rin_job *j, const rin_cli_args *args, const rin_generator *generator) {
    rin_error error = {0};
    char *text = NULL;
    if (!j->recipe) return RIN_EXIT_OK;
    if (rin_generator_recipe(generator, -1, &text, &error) != RIN_OK) return rin_cli_fail(&error);
    cJSON *now = cJSON_Parse(text);
    int code = compare_weights(j, args, now, "weights", "model");
    if (code == RIN_EXIT_OK) code = compare_weights(j, args, now, "guide_weights", "guide");
    cJSON_Delete(now);
    rin_string_free(text);
    return code;
}
