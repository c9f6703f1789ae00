/* SPDX-License-Identifier: MIT */
/* sample: pictures from a trained model. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

static const rin_cli_option options[] = {
    {"model", "PATH", NULL, "A training run's folder or a .safetensors file", false},
    {"out", "FILE.png", NULL, "The grid of pictures, a row a class", false},
    {"count", "N", "sample.count",
     "Pictures in all, spread evenly over the classes; unless given 8 a class, or 64 with no or over 10 classes",
     false},
    {"class", "NAME[,...]", NULL, "Classes by name or number; all of them unless given", false},
    {"steps", "N", "sample.steps", "Denoising steps", false},
    {"sampler", "NAME", "sample.sampler", "Update rule: ddim, ddpm or ddpm@small", false},
    {"schedule", "NAME", "sample.schedule", "Signal level over time, such as cosine", false},
    {"guidance", "W", "sample.guidance", "Classifier-free guidance; 0 for none", false},
    {"seed", "S", NULL, "The same seed gives the same pictures; drawn and printed unless given", false},
    {"save-each", "DIR", NULL, "Also write every picture to a file of its own", false},
    {"threads", "N", NULL, "Threads that compute; 0 for one a core", false},
    {"device", "NAME", NULL, "Where to compute: cpu (unless given), or cuda[:i]; see rin help bench", false},
    {"set", "sample.key=value", NULL, "Any option below; may be given many times", true},
    {NULL, NULL, NULL, NULL, false},
};

/* What is to be made. */
typedef struct job {
    rin_model *model;
    int64_t *listed, n_listed; /* [n_listed] classes asked for; 0 for a model without */
    int64_t *classes, count;   /* [count] of the pictures, NULL without classes */
    int columns;               /* of the grid; 0: nearly square */
    uint64_t seed;
} job;

static void print_help(void) {
    puts("\nOptions for --set:");
    rin_cli_options_help("sample");
}

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
static int list_classes(job *j, const char *text) {
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

static int choose_classes(job *j, const rin_cli_args *args) {
    const char *text = rin_cli_args_get(args, "class");
    int64_t n = rin_model_class_count(j->model);
    if (text && n == 0)
        return rin_cli_refuse("--class %s: this model was trained without classes; leave --class out", text);
    if (text) return list_classes(j, text);
    j->listed = calloc((size_t)n + 1, sizeof *j->listed);
    if (!j->listed) return rin_cli_fail_memory();
    for (int64_t i = 0; i < n; i++) j->listed[i] = i;
    j->n_listed = n;
    return RIN_EXIT_OK;
}

/* A row a class when every class has as many pictures; else a column a class, whose last row is not full. */
static int spread_classes(job *j) {
    enum { EACH = 8, MOST_ROWS = 10, MANY = 64 };
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

/* ---- seed and files ---- */

static int choose_seed(job *j, const rin_cli_args *args) {
    const char *text = rin_cli_args_get(args, "seed");
    uint32_t drawn;
    if (!text) {
        /* 32 bits, so that people can copy it. */
        bool random = getentropy(&drawn, sizeof drawn) == 0;
        j->seed = random ? drawn : (uint64_t)time(NULL);
        return RIN_EXIT_OK;
    }
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno) {
        return rin_cli_refuse("--seed %s: allowed is a whole number from 0 to %llu", text,
                              (unsigned long long)UINT64_MAX);
    }
    j->seed = value;
    return RIN_EXIT_OK;
}

static int check_folder(const char *folder) {
    struct stat info;
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode)) errno = ENOTDIR;
    else if (access(folder, W_OK | X_OK) == 0) return RIN_EXIT_OK;
    return rin_cli_fail_system(folder);
}

/* Before hours of work: whether there will be a place for its result. */
static int check_out(const char *out) {
    if (!out) return rin_cli_refuse("rin sample needs --out FILE.png");
    enum { LONGEST_NAME = 220 }; /* what is being written has a longer one */
    size_t length = strlen(out);
    if (length < 5 || strcasecmp(out + length - 4, ".png") != 0) {
        return rin_cli_refuse("--out %s: pictures are written as PNG; give a name that ends in .png", out);
    }
    const char *slash = strrchr(out, '/');
    if (strlen(slash ? slash + 1 : out) > LONGEST_NAME)
        return rin_cli_refuse("--out %s: the name of the file is longer than %d bytes", out, LONGEST_NAME);
    char *folder = strdup(out);
    if (!folder) return rin_cli_fail_memory();
    folder[slash ? slash - out + (slash == out) : 0] = '\0';
    int code = check_folder(*folder ? folder : ".");
    free(folder);
    struct stat info;
    if (code == RIN_EXIT_OK && stat(out, &info) == 0 && !S_ISREG(info.st_mode))
        return rin_cli_refuse("--out %s: it is there, and not a regular file", out);
    return code;
}

static int make_folder(const char *folder) {
    if (!folder || mkdir(folder, 0777) == 0) return RIN_EXIT_OK;
    return errno == EEXIST ? check_folder(folder) : rin_cli_fail_system(folder);
}

/* Class names come from folders of a data set and may hold any byte. */
static void add_class_name(const job *j, int64_t i, char *text, size_t size) {
    if (!j->classes || size < 2) return;
    const char *name = rin_model_class_name(j->model, j->classes[i]);
    size_t used = 0;
    text[used++] = '-';
    for (; name && *name && used + 1 < size; name++) {
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');
        text[used++] = plain || *name == '-' || *name == '.' ? *name : '_';
    }
    text[used] = '\0';
}

static int write_each(const job *j, const rin_generator *generator, const char *folder) {
    enum { LONGEST = 4096 };
    char path[LONGEST], name[64] = "";
    int code = RIN_EXIT_OK;
    rin_error error = {0};
    int64_t n_failed = 0;
    for (int64_t i = 0; i < j->count; i++) {
        add_class_name(j, i, name, sizeof name);
        int length = snprintf(path, sizeof path, "%s/%04lld%s.png", folder, (long long)i, name);
        if (length < 0 || length >= LONGEST) return rin_cli_refuse("--save-each: the name of the folder is too long");
        if (rin_generator_write(generator, i, path, &error) != RIN_OK && n_failed++ == 0) code = rin_cli_fail(&error);
        if (rin_cli_monitor_stopped() && i + 1 < j->count) {
            rin_cli_note("stopped; %s has %lld of %lld pictures", folder, (long long)(i + 1 - n_failed),
                         (long long)j->count);
            return RIN_EXIT_INTERRUPTED;
        }
    }
    printf("%s/: %lld pictures\n", folder, (long long)(j->count - n_failed));
    if (n_failed > 1) rin_cli_note("%lld pictures could not be written", (long long)n_failed);
    return code;
}

/* One that cannot be written does not cost the others. out and folder may be NULL. */
static int write_pictures(const job *j, const rin_generator *generator, const char *out, const char *folder) {
    rin_error error = {0};
    int code = RIN_EXIT_OK;
    if (!out) rin_cli_note("so many pictures of this size do not fit into one file: there is no grid");
    else if (rin_generator_write_grid(generator, j->columns, out, &error) != RIN_OK) code = rin_cli_fail(&error);
    else printf("%s: %lld pictures\n", out, (long long)j->count);
    int each = folder ? write_each(j, generator, folder) : RIN_EXIT_OK;
    return code == RIN_EXIT_OK ? each : code;
}

/* ---- the verb ---- */

static int generate(const job *j, const rin_config *config, const char *out, const char *folder) {
    rin_cli_monitor monitor;
    rin_generator *generator = NULL;
    rin_error error = {0};
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_generator_create(j->model, config, j->count, j->classes, j->seed, &generator, &error);
    bool has_grid = rin_generator_has_grid(generator);
    int code = RIN_EXIT_OK;
    if (status == RIN_OK && !has_grid && !folder) {
        code = rin_cli_refuse(
            "--count %lld: so many pictures of this size do not fit into one file; add --save-each DIR",
            (long long)j->count);
    } else if (status == RIN_OK) {
        printf("seed %llu\n", (unsigned long long)j->seed);
        fflush(stdout);
        status = rin_generator_run(generator, listener, &error);
    }
    rin_cli_monitor_end();
    if (status == RIN_ERR_CANCELLED) {
        rin_cli_note("stopped; no pictures were written");
        code = RIN_EXIT_INTERRUPTED;
    } else if (status != RIN_OK) {
        code = rin_cli_fail(&error);
    } else if (code == RIN_EXIT_OK) {
        code = write_pictures(j, generator, has_grid ? out : NULL, folder);
    }
    rin_generator_free(generator);
    return code;
}

static int run(const rin_cli_args *args) {
    const char *out = rin_cli_args_get(args, "out"), *folder = rin_cli_args_get(args, "save-each");
    job j = {0};
    rin_config *config = NULL;
    rin_error error = {0};
    int code = check_out(out);
    if (code == RIN_EXIT_OK) code = choose_seed(&j, args);
    if (code == RIN_EXIT_OK) code = rin_cli_model_open(args, &j.model);
    if (code == RIN_EXIT_OK && rin_config_copy(rin_model_config(j.model), &config, &error) != RIN_OK)
        code = rin_cli_fail(&error);
    if (code == RIN_EXIT_OK) code = rin_cli_config_apply(args, "sample", config);
    if (code == RIN_EXIT_OK) code = choose_classes(&j, args);
    if (code == RIN_EXIT_OK) j.count = rin_cli_config_whole(config, "sample.count");
    if (code == RIN_EXIT_OK) code = spread_classes(&j);
    if (code == RIN_EXIT_OK) code = make_folder(folder);
    if (code == RIN_EXIT_OK) code = generate(&j, config, out, folder);
    free(j.listed);
    free(j.classes);
    rin_config_free(config);
    rin_model_free(j.model);
    return code;
}

const rin_cli_verb rin_cli_sample = {"sample",  "make pictures with a trained model", "", 0, 0, options, run,
                                     print_help};
