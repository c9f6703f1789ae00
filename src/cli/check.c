/* SPDX-License-Identifier: MIT */
/* check: golden cases, folders of numbers that the model must reproduce. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

static const rin_cli_option options[] = {
    {"device", "NAME", NULL, "Where to compute: cpu (unless given), cuda[:i], or another row below", false},
    {"threads", "N", NULL, "Threads that compute; 0 for one a core", false},
    {"json", NULL, NULL, "Print one JSON object", false},
    {NULL, NULL, NULL, NULL, false},
};

/* The whole call: options, and what came out so far. */
typedef struct session {
    const char *device;
    int threads;
    cJSON *cases;  /* list for --json, NULL without */
    cJSON *checks; /* list of the current case */
    int n_passed, n_failed;
    bool out_of_memory;
} session;

static void add_json(session *s, const rin_check_result *r) {
    cJSON *item = cJSON_CreateObject();
    bool good = cJSON_AddStringToObject(item, "name", r->name) && cJSON_AddBoolToObject(item, "passed", r->passed) &&
                cJSON_AddNumberToObject(item, "error", r->error) &&
                cJSON_AddNumberToObject(item, "tolerance", r->tolerance) &&
                cJSON_AddStringToObject(item, "tensor", r->tensor ? r->tensor : "") &&
                cJSON_AddNumberToObject(item, "index", (double)r->index) &&
                cJSON_AddStringToObject(item, "message", r->message ? r->message : "");
    if (good && cJSON_AddItemToArray(s->checks, item)) return;
    cJSON_Delete(item);
    s->out_of_memory = true;
}

static void on_result(void *user, const rin_check_result *r) {
    session *s = user;
    *(r->passed ? &s->n_passed : &s->n_failed) += 1;
    if (s->cases) {
        add_json(s, r);
        return;
    }
    enum { LONGEST = 4096 };
    char line[LONGEST];
    int n = snprintf(line, sizeof line, "  %-7s %-12.200s", r->passed ? "ok" : "FAILED", r->name);
    if (r->index >= 0)
        n += snprintf(line + n, sizeof line - (size_t)n, " error %.2e of %.0e at %.600s[%lld]", r->error, r->tolerance,
                      r->tensor, (long long)r->index);
    if (r->message && *r->message)
        snprintf(line + n, sizeof line - (size_t)n, "%s%.600s %s", r->index >= 0 ? ":" : "",
                 r->index < 0 && r->tensor ? r->tensor : "", r->message);
    rin_cli_print(line); /* names come from the case's files */
}

/* A case that cannot be run counts as a failed check. */
static int check_case(session *s, const char *folder) {
    rin_error error = {0};
    if (s->cases) {
        cJSON *item = cJSON_CreateObject();
        bool good = cJSON_AddStringToObject(item, "folder", folder) &&
                    (s->checks = cJSON_AddArrayToObject(item, "checks"));
        if (!good || !cJSON_AddItemToArray(s->cases, item)) {
            cJSON_Delete(item);
            return rin_cli_fail_memory();
        }
    } else {
        rin_cli_print(folder);
    }
    if (rin_check_case(folder, s->device, s->threads, on_result, s, NULL, &error) != RIN_OK) {
        if (error.code == RIN_ERR_UNSUPPORTED || error.code == RIN_ERR_ARG || error.code == RIN_ERR_MEMORY)
            return rin_cli_fail(&error);
        on_result(s, &(rin_check_result){.name = "case", .tensor = "", .index = -1, .message = error.text});
    }
    return s->out_of_memory ? rin_cli_fail_memory() : RIN_EXIT_OK;
}

/* ---- folders ---- */

static bool is_case(const char *folder, const char *name, char path[PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s/%s%scase.json", folder, name, *name ? "/" : "");
    if (length < 0 || length >= PATH_MAX || access(path, F_OK) != 0) return false;
    path[length - (int)strlen("/case.json")] = '\0';
    return true;
}

/* Whether a case.json has a member that rin_check_case knows a kind of case by. */
static bool has_known_member(const cJSON *json) {
    static const char *const known[] = {"model", "checks", "rows",   "inputs",          "tensors",         "statistics",
                                        "fid",   "kid",    "recall", "inception_score", "precision_recall"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (cJSON_HasObjectItem(json, known[i])) return true;
    }
    return false;
}

/* Whether a case.json is a sound one of another kind: numbers of an optimiser, say, which no model is to reproduce. */
static bool is_other_kind(const char *folder) {
    enum { MOST_BYTES = 1 << 20 };
    char path[PATH_MAX];
    bool other = false;
    struct stat info;
    int length = snprintf(path, sizeof path, "%s/case.json", folder);
    bool regular = length > 0 && length < PATH_MAX && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    FILE *stream = regular ? fopen(path, "rb") : NULL;
    char *text = stream ? malloc(MOST_BYTES) : NULL;
    if (text) {
        size_t n = fread(text, 1, MOST_BYTES, stream);
        cJSON *json = cJSON_ParseWithLength(text, n);
        other = cJSON_IsObject(json) && !has_known_member(json);
        cJSON_Delete(json);
    }
    free(text);
    if (stream) fclose(stream);
    return other;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A case in a file of its own: NAME.json beside NAME.safetensors. */
static bool is_case_file(const char *folder, const char *name, char path[PATH_MAX]) {
    static const char end[] = ".json";
    size_t length = strlen(name), stem = length > strlen(end) ? length - strlen(end) : 0;
    if (!stem || strcmp(name + stem, end) != 0) return false;
    int n = snprintf(path, PATH_MAX, "%s/%.*s.safetensors", folder, (int)stem, name);
    if (n < 0 || n >= PATH_MAX || access(path, F_OK) != 0) return false;
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return true;
}

/* Paths of the cases in folder, sorted. Returns an exit code; what was listed so far is the caller's in any case. */
static int list_cases(const char *folder, char ***paths, size_t *n_paths) {
    char path[PATH_MAX];
    int code = RIN_EXIT_OK;
    DIR *stream = opendir(folder);
    if (!stream) return rin_cli_fail_system(folder);
    for (const struct dirent *entry; code == RIN_EXIT_OK && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.') continue;
        if (!is_case(folder, entry->d_name, path) && !is_case_file(folder, entry->d_name, path)) continue;
        char **grown = realloc(*paths, (*n_paths + 1) * sizeof **paths), *copy = grown ? strdup(path) : NULL;
        if (grown) *paths = grown;
        if (copy) grown[(*n_paths)++] = copy;
        else code = rin_cli_fail_memory();
    }
    closedir(stream);
    if (*n_paths) qsort(*paths, *n_paths, sizeof **paths, compare_names);
    return code;
}

static int check_folder(session *s, const char *folder) {
    char path[PATH_MAX], **paths = NULL;
    size_t n_paths = 0;
    struct stat info;
    if (is_case(folder, "", path)) return check_case(s, path);
    if (stat(folder, &info) == 0 && S_ISREG(info.st_mode)) return check_case(s, folder);
    int code = list_cases(folder, &paths, &n_paths);
    if (code == RIN_EXIT_OK && !n_paths) {
        rin_cli_note(
            "%s: neither it nor a folder in it has a case.json, and there is no NAME.json beside a NAME.safetensors",
            folder);
        code = RIN_EXIT_FAILED;
    }
    for (size_t i = 0; i < n_paths; i++) {
        if (is_other_kind(paths[i]))
            rin_cli_note("%s: left out, its case.json is of no kind that can be checked", paths[i]);
        else if (code == RIN_EXIT_OK) code = check_case(s, paths[i]);
        free(paths[i]);
    }
    free(paths);
    return code;
}

static int print_total(session *s, cJSON *json) {
    if (!json) {
        printf("%d checks passed, %d failed\n", s->n_passed, s->n_failed);
        return RIN_EXIT_OK;
    }
    if (cJSON_AddNumberToObject(json, "passed", s->n_passed) && cJSON_AddNumberToObject(json, "failed", s->n_failed)) {
        return rin_cli_print_json(json);
    }
    cJSON_Delete(json);
    return rin_cli_fail_memory();
}

static int run(const rin_cli_args *args) {
    enum { MOST_THREADS = 1024 };
    session s = {.device = rin_cli_args_get(args, "device")};
    cJSON *json = NULL;
    int64_t threads = 0;
    int code = rin_cli_args_whole(args, "threads", 0, MOST_THREADS, &threads);
    if (code != RIN_EXIT_OK) return code;
    s.threads = (int)threads;
    if (rin_cli_args_has(args, "json")) {
        json = cJSON_CreateObject();
        s.cases = cJSON_AddArrayToObject(json, "cases");
        if (!s.cases) code = rin_cli_fail_memory();
    }
    for (int i = 0; i < args->n_operands && code == RIN_EXIT_OK; i++) code = check_folder(&s, args->operands[i]);
    if (code == RIN_EXIT_OK) code = print_total(&s, json);
    else cJSON_Delete(json);
    return code == RIN_EXIT_OK && s.n_failed ? RIN_EXIT_CHECK : code;
}

const rin_cli_verb rin_cli_check = {
    "check", "compare with reference numbers", "DIR|FILE...", 1, INT_MAX, options, run, rin_cli_devices_help};
