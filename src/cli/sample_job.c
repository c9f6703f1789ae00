/* SPDX-License-Identifier: MIT */
/* What rin sample is to make: model, guide, options, seeds and classes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/sample.h"

/* ---- classes ---- */

static int refuse_class(const rin_model *model, const char *name) {
    enum { MOST_NAMES = 24 };
    int64_t n = rin_model_class_count(model);
    const char *nearest = NULL;
    char names[512] = "";
    int least = (int)strlen(name) / 3 + 2;
    for (int64_t i = 0; i < n; i++) {
        const char *known = rin_model_class_name(model, i);
        int distance = rin_cli_distance(name, known);
        size_t used = strlen(names);
        if (n <= MOST_NAMES) snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", known);
        if (distance >= least) continue;
        least = distance;
        nearest = known;
    }
    if (n <= MOST_NAMES) return rin_cli_refuse("--class %s: there is no such class; there are: %s", name, names);
    return rin_cli_refuse("--class %s: there is no such class among %lld%s%s%s; rin info shows their names", name,
                          (long long)n, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'" : "");
}

/* Takes the next name of a list apart by commas; the whole text is one name when a class is called so. */
static int list_classes(rin_job *j, const char *text) {
    enum { LONGEST_NAME = 256 };
    size_t most = 1;
    for (const char *c = text; *c; c++) most += *c == ',';
    j->listed = calloc(most, sizeof *j->listed);
    if (!j->listed) return rin_cli_fail_memory();
    int64_t whole = rin_model_find_class(j->model, text);
    if (whole >= 0) {
        j->listed[j->n_listed++] = whole;
        return RIN_EXIT_OK;
    }
    for (const char *rest = text;; rest++) {
        char name[LONGEST_NAME];
        size_t length = strcspn(rest, ",");
        snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : LONGEST_NAME - 1, rest);
        int64_t found = rin_model_find_class(j->model, name);
        if (found < 0) return refuse_class(j->model, name);
        j->listed[j->n_listed++] = found;
        rest += length;
        if (!*rest) return RIN_EXIT_OK;
    }
}

static int choose_classes(rin_job *j, const rin_cli_args *args) {
    const char *text = rin_cli_args_get(args, "class");
    int64_t n = rin_model_class_count(j->model);
    if (text && n == 0)
        return rin_cli_refuse("--class %s: this model was trained without classes; leave --class out", text);
    if (text) return list_classes(j, text);
    if (j->listed) return RIN_EXIT_OK; /* those of the recipe's ends */
    j->listed = calloc((size_t)n + 1, sizeof *j->listed);
    if (!j->listed) return rin_cli_fail_memory();
    for (int64_t i = 0; i < n; i++) j->listed[i] = i;
    j->n_listed = j->between && n > 1 ? 1 : n;
    return RIN_EXIT_OK;
}

/* A row a class when every class has as many pictures; else a column a class, whose last row is not full. */
static int spread_classes(rin_job *j) {
    enum { EACH = 8, MOST_ROWS = 10, MANY = 64 };
    if (!j->count && j->video) j->count = 1;
    if (!j->count) j->count = j->n_listed && j->n_listed <= MOST_ROWS ? EACH * j->n_listed : MANY;
    if (!j->n_listed) return RIN_EXIT_OK;
    j->classes = calloc((size_t)j->count, sizeof *j->classes);
    if (!j->classes) return rin_cli_fail_memory();
    bool rows = j->count % j->n_listed == 0, few = j->count < j->n_listed;
    int64_t each = j->count / j->n_listed;
    for (int64_t i = 0; i < j->count; i++) {
        int64_t place = rows  ? i / each
                        : few ? (int64_t)((double)i * (double)j->n_listed / (double)j->count)
                              : i % j->n_listed;
        j->classes[i] = j->listed[place];
    }
    j->columns = rows ? (int)each : few ? 0 : (int)j->n_listed;
    if (!rows && !few)
        rin_cli_note("%lld pictures of %lld classes: a column a class", (long long)j->count, (long long)j->n_listed);
    return RIN_EXIT_OK;
}

/* ---- seeds ---- */

/* A seed at *text, which is moved behind it. */
static bool parse_seed(const char **text, uint64_t *seed) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(*text, &end, 10);
    bool good = **text >= '0' && **text <= '9' && !errno;
    *text = end;
    *seed = value;
    return good;
}

static int choose_seed(rin_job *j, const rin_cli_args *args) {
    const char *text = rin_cli_args_get(args, "seed"), *recipe = rin_job_recipe_text(j, "seed"), *rest;
    uint32_t drawn;
    if (!text && recipe) {
        rest = recipe;
        if (parse_seed(&rest, &j->seed) && !*rest) return RIN_EXIT_OK;
        return rin_cli_refuse("--like: its seed is '%s', which is none", recipe);
    }
    if (!text) {
        /* 32 bits, so that people can copy it. */
        bool random = getentropy(&drawn, sizeof drawn) == 0;
        j->seed = random ? drawn : (uint64_t)time(NULL);
        return RIN_EXIT_OK;
    }
    rest = text;
    if (parse_seed(&rest, &j->seed) && !*rest) return RIN_EXIT_OK;
    return rin_cli_refuse("--seed %s: allowed is a whole number from 0 to %llu", text, (unsigned long long)UINT64_MAX);
}

static int count_way(rin_job *j, const rin_cli_args *args) {
    enum { USUAL = 16 };
    if (rin_cli_args_has(args, "count"))
        return rin_cli_refuse("--count: of pictures between two seeds --frames says how many there are");
    if (j->count && !rin_cli_args_has(args, "frames")) return RIN_EXIT_OK; /* as the recipe says */
    j->count = rin_cli_config_whole(j->config, "sample.frames");
    if (!j->count) j->count = USUAL;
    if (j->count >= 2) return RIN_EXIT_OK;
    return rin_cli_refuse("--frames %lld: between two seeds there are at least 2 pictures", (long long)j->count);
}

/* --interpolate SEED1,SEED2, and of --frames how many pictures there are. */
static int choose_way(rin_job *j, const rin_cli_args *args) {
    const char *text = rin_cli_args_get(args, "interpolate"), *rest = text;
    const char *other = rin_job_recipe_text(j, "other_seed");
    if (!text && other) {
        j->between = parse_seed(&other, &j->other_seed) && !*other;
        return j->between ? count_way(j, args) : rin_cli_refuse("--like: its other seed is not one");
    }
    if (!text && rin_cli_args_has(args, "frames") && !j->video)
        return rin_cli_refuse("--frames: this model makes single pictures; --frames says how many there are between "
                              "the seeds of --interpolate, and --count how many there are otherwise");
    if (!text) return RIN_EXIT_OK;
    if (rin_cli_args_has(args, "seed"))
        return rin_cli_refuse("--seed and --interpolate: --interpolate names both seeds; leave --seed out");
    bool good = parse_seed(&rest, &j->seed) && *rest == ',';
    if (good) rest++;
    good = good && parse_seed(&rest, &j->other_seed) && !*rest;
    if (!good) return rin_cli_refuse("--interpolate %s: allowed are two whole numbers, as in 1,2", text);
    j->between = true;
    return count_way(j, args);
}

/* The classes at both ends; the pictures between them have shares of both. */
static int label_way(rin_job *j) {
    if (j->n_listed > 2) return rin_cli_refuse("--class: between two seeds there are at most two classes");
    j->columns = 0;
    if (!j->n_listed) return RIN_EXIT_OK;
    j->classes = calloc((size_t)j->count, sizeof *j->classes);
    if (!j->classes) return rin_cli_fail_memory();
    for (int64_t i = 0; i < j->count; i++) j->classes[i] = j->listed[0];
    j->classes[j->count - 1] = j->listed[j->n_listed - 1];
    return RIN_EXIT_OK;
}

/* ---- options that are more than a value ---- */

static int set(rin_job *j, const char *key, const char *value) {
    rin_error error = {0};
    return rin_config_set(j->config, key, value, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

/* --guidance-interval A,B. */
static int set_interval(rin_job *j, const rin_cli_args *args) {
    enum { LONGEST = 64 };
    const char *text = rin_cli_args_get(args, "guidance-interval"), *comma = text ? strchr(text, ',') : NULL;
    char low[LONGEST];
    if (!text) return RIN_EXIT_OK;
    if (!comma || comma - text >= LONGEST)
        return rin_cli_refuse("--guidance-interval %s: allowed are two noise levels, as in 0.2,2", text);
    snprintf(low, sizeof low, "%.*s", (int)(comma - text), text);
    int code = set(j, "sample.guidance_low", low);
    return code == RIN_EXIT_OK ? set(j, "sample.guidance_high", comma + 1) : code;
}

static bool is_guided(const rin_job *j) {
    return rin_cli_config_real(j->config, "sample.guidance") != 0;
}

/* What is taken, but cannot do what it is for. */
static void note_vain(const rin_job *j) {
    bool hidden = rin_cli_config_real(j->config, "diffusion.cond_dropout") > 0;
    int64_t steps = rin_cli_config_whole(j->config, "sample.steps"),
            jump = rin_cli_config_whole(j->config, "sample.jump");
    if (is_guided(j) && !j->guide && !hidden && rin_model_class_count(j->model))
        rin_cli_note(
            "--guidance: labels were never hidden from this model in training (diffusion.cond_dropout = 0), so "
            "that it has not learned what to lead away from; --guide MODEL does without");
    if (rin_cli_config_whole(j->config, "sample.repeats") > 1 && steps && jump >= steps)
        rin_cli_note(
            "sample.repeats: with sample.jump = %lld, which is not below the steps, %lld, no step is made again",
            (long long)jump, (long long)steps);
}

/* What people mean who give a guide, or a picture, and nothing else. */
static int set_usual(rin_job *j, const rin_cli_args *args) {
    int code = RIN_EXIT_OK;
    if (j->guide && !rin_config_is_set(j->config, "sample.guidance")) {
        rin_cli_note("--guide without --guidance: 0.7 is taken");
        code = set(j, "sample.guidance", "0.7");
    }
    if (rin_cli_args_has(args, "guidance-interval") && !is_guided(j))
        return rin_cli_refuse("--guidance-interval: add --guidance W, how far to lead there");
    bool picture = rin_cli_args_has(args, "init") && !rin_cli_args_has(args, "mask");
    if (code == RIN_EXIT_OK && picture && !rin_config_is_set(j->config, "sample.strength")) {
        rin_cli_note("--init without --strength: 0.6 is taken; 1 keeps nothing of the picture");
        code = set(j, "sample.strength", "0.6");
    }
    return code;
}

/* ---- models ---- */

static int open_model(rin_job *j, const rin_cli_args *args) {
    rin_error error = {0};
    j->model_path = rin_job_path(j, args, "model", "model");
    int code = rin_cli_model_open_at(args, j->model_path, &j->model);
    if (code != RIN_EXIT_OK || rin_config_copy(rin_model_config(j->model), &j->config, &error) == RIN_OK) return code;
    return rin_cli_fail(&error);
}

/* A recipe's guide only where it still leads: --guidance 0 leaves it out. */
static int open_guide(rin_job *j, const rin_cli_args *args) {
    if (!rin_cli_args_has(args, "guide") && !is_guided(j)) return RIN_EXIT_OK;
    j->guide_path = rin_job_path(j, args, "guide", "guide");
    return j->guide_path ? rin_cli_model_open_at(args, j->guide_path, &j->guide) : RIN_EXIT_OK;
}

int rin_job_fill(rin_job *j, const rin_cli_args *args) {
    int code = rin_job_read_recipe(j, args);
    if (code == RIN_EXIT_OK) code = choose_seed(j, args);
    if (code == RIN_EXIT_OK) code = open_model(j, args);
    if (code == RIN_EXIT_OK) code = rin_job_apply_recipe(j, args);
    if (code == RIN_EXIT_OK) code = rin_cli_config_apply(args, "sample", j->config);
    if (code == RIN_EXIT_OK) code = open_guide(j, args);
    if (code == RIN_EXIT_OK) code = set_interval(j, args);
    if (code == RIN_EXIT_OK) code = set_usual(j, args);
    if (code != RIN_EXIT_OK) return code;
    note_vain(j);
    j->video = rin_cli_config_whole(j->config, "model.seq_len") > 1;
    code = choose_way(j, args);
    if (code == RIN_EXIT_OK) code = rin_job_check_names(j);
    if (code == RIN_EXIT_OK) code = rin_job_read_given(j, args);
    if (code != RIN_EXIT_OK || j->classes) return code;
    code = choose_classes(j, args);
    if (code == RIN_EXIT_OK && !j->count) j->count = rin_cli_config_whole(j->config, "sample.count");
    if (code != RIN_EXIT_OK) return code;
    return j->between ? label_way(j) : spread_classes(j);
}

void rin_job_clear(rin_job *j) {
    free(j->listed);
    free(j->classes);
    rin_pixels_free(j->picture);
    rin_pixels_free(j->mask);
    rin_video_frames_clear(&j->given);
    rin_config_free(j->config);
    rin_model_free(j->model);
    rin_model_free(j->guide);
    cJSON_Delete(j->recipe);
}
