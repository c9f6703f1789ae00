/* SPDX-License-Identifier: MIT */
/* sample: pictures or videos from a trained model. */
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
    {"out", "FILE", NULL, "The grid of pictures as .png; videos as .mp4, .gif, .webp, or a contact sheet as .png",
     false},
    {"count", "N", "sample.count",
     "Pictures in all, spread evenly over the classes; unless given 8 a class, or 64 with none or over 10; 1 video",
     false},
    {"class", "NAME[,...]", NULL, "Classes by name or number; all of them unless given", false},
    {"steps", "N", "sample.steps", "Denoising steps", false},
    {"sampler", "NAME", "sample.sampler", "Update rule: ddim, ddpm or ddpm@small", false},
    {"schedule", "NAME", "sample.schedule", "Signal level over time, such as cosine", false},
    {"guidance", "W", "sample.guidance", "Classifier-free guidance; 0 for none", false},
    {"seed", "S", NULL, "The same seed gives the same pictures; drawn and printed unless given", false},
    {"cond", "FILE", NULL, "Of a video model: the video that it continues; also a folder of numbered pictures", false},
    {"start", "SECONDS", NULL, "Where in it the given frames begin: 0 unless given; or 'end' for its last frames",
     false},
    {"frames", "N", "sample.frames", "Frames of the video, the given ones included", false},
    {"fps", "F", "sample.fps", "Frames a second of the video that is written", false},
    {"zoom", "N", "sample.zoom", "Make every pixel N x N in what is written", false},
    {"save-each", "DIR", NULL, "Also write every picture or video to a file of its own", false},
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
    bool video;
    const char *suffix;     /* of files of their own */
    rin_video_frames given; /* what videos go on from */
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
    if (!out)
        return rin_cli_refuse("rin sample needs --out FILE, a name that ends in .png or, of videos, in %s",
                              rin_video_suffixes());
    enum { LONGEST_NAME = 220 }; /* what is being written has a longer one */
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

static int check_name(job *j, const char *out) {
    if (!rin_model_can_write(j->model, out)) {
        return j->video ? rin_cli_refuse("--out %s: give a name that ends in %s, or in .png for a contact sheet", out,
                                         rin_video_suffixes())
                        : rin_cli_refuse("--out %s: pictures are written as PNG; give a name that ends in .png", out);
    }
    j->suffix = strrchr(out, '.');
    return RIN_EXIT_OK;
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

static const char *things(const job *j) {
    return !j->video ? "pictures" : j->count == 1 ? "video" : "videos";
}

static int write_each(const job *j, const rin_generator *generator, const char *folder) {
    enum { LONGEST = 4096 };
    char path[LONGEST], name[64] = "";
    int code = RIN_EXIT_OK;
    rin_error error = {0};
    int64_t n_failed = 0;
    for (int64_t i = 0; i < j->count; i++) {
        add_class_name(j, i, name, sizeof name);
        int length = snprintf(path, sizeof path, "%s/%04lld%s%s", folder, (long long)i, name, j->suffix);
        if (length < 0 || length >= LONGEST) return rin_cli_refuse("--save-each: the name of the folder is too long");
        if (rin_generator_write(generator, i, path, &error) != RIN_OK && n_failed++ == 0) code = rin_cli_fail(&error);
        if (rin_cli_monitor_stopped() && i + 1 < j->count) {
            rin_cli_note("stopped; %s has %lld of %lld %s", folder, (long long)(i + 1 - n_failed), (long long)j->count,
                         things(j));
            return RIN_EXIT_INTERRUPTED;
        }
    }
    printf("%s/: %lld %s\n", folder, (long long)(j->count - n_failed), things(j));
    if (n_failed > 1) rin_cli_note("%lld %s could not be written", (long long)n_failed, things(j));
    return code;
}

/* One that cannot be written does not cost the others. out and folder may be NULL. */
static int write_pictures(const job *j, const rin_generator *generator, const char *out, const char *folder) {
    rin_error error = {0};
    int code = RIN_EXIT_OK;
    if (!out) rin_cli_note("so many pictures of this size do not fit into one file: there is no grid");
    else if (rin_generator_write_grid(generator, j->columns, out, &error) != RIN_OK) code = rin_cli_fail(&error);
    else if (j->video)
        printf("%s: %lld %s of %lld frames\n", out, (long long)j->count, things(j),
               (long long)rin_generator_frame_count(generator));
    else printf("%s: %lld %s\n", out, (long long)j->count, things(j));
    int each = folder ? write_each(j, generator, folder) : RIN_EXIT_OK;
    return code == RIN_EXIT_OK ? each : code;
}

/* ---- what videos go on from ---- */

/* Seconds; below 0: the end. */
static int parse_start(const rin_cli_args *args, double *start) {
    const char *text = rin_cli_args_get(args, "start");
    char *end;
    *start = 0;
    if (!text) return RIN_EXIT_OK;
    bool last = strcmp(text, "end") == 0;
    *start = last ? -1 : strtod(text, &end);
    if (last || (*start <= 1e9 && *text >= '0' && *text <= '9' && !*end)) return RIN_EXIT_OK;
    return rin_cli_refuse("--start %s: allowed are seconds from 0 on, or 'end' for the last frames", text);
}

/* As many frames as the model goes on from; those after them, where there are any, to compare with. */
static int read_given(job *j, const rin_cli_args *args, rin_config *config) {
    const char *path = rin_cli_args_get(args, "cond");
    int64_t needed = rin_cli_config_whole(config, "model.seq_cond"),
            most = rin_cli_config_whole(config, "sample.frames");
    rin_cli_monitor monitor;
    rin_error error = {0};
    double start;
    if (path && !needed) return rin_cli_refuse("--cond %s: this model continues no frames; leave --cond out", path);
    if (!needed) return RIN_EXIT_OK;
    if (!path)
        return rin_cli_refuse("this model continues %lld given frames: add --cond FILE, the video they are in",
                              (long long)needed);
    int code = parse_start(args, &start);
    if (code != RIN_EXIT_OK) return code;
    if (!most) most = rin_cli_config_whole(config, "model.seq_len");
    most = most > needed ? most : needed; /* too short a video is refused with its own words */
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_video_frames_read(config, path, start, start < 0 ? needed : most, listener, &j->given,
                                              &error);
    rin_cli_monitor_end();
    if (status != RIN_OK) return rin_cli_fail(&error);
    if (j->given.n < needed)
        return rin_cli_refuse("--cond %s: there are %lld frames%s, this model goes on from %lld", path,
                              (long long)j->given.n, start > 0 ? " after --start" : "", (long long)needed);
    bool usable = j->given.rate >= 0.1 && j->given.rate <= 1000;
    if (rin_config_is_set(config, "sample.fps") || !usable) return RIN_EXIT_OK;
    char text[RIN_CLI_NUMBER];
    snprintf(text, sizeof text, "%.9g", j->given.rate);
    return rin_config_set(config, "sample.fps", text, &error) == RIN_OK ? RIN_EXIT_OK : rin_cli_fail(&error);
}

/* ---- the verb ---- */

static int generate(const job *j, const rin_config *config, const char *out, const char *folder) {
    rin_cli_monitor monitor;
    rin_generator *generator = NULL;
    rin_error error = {0};
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = rin_generator_create(j->model, config, j->count, j->classes, j->seed, &generator, &error);
    if (status == RIN_OK && j->given.n) status = rin_generator_give(generator, -1, j->given.pixels, j->given.n, &error);
    bool has_grid = rin_generator_has_grid(generator, out);
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
        rin_cli_note("stopped; no %s were written", j->video ? "videos" : "pictures");
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
    j.video = rin_cli_config_whole(config, "model.seq_len") > 1;
    if (code == RIN_EXIT_OK) code = check_name(&j, out);
    if (code == RIN_EXIT_OK) code = read_given(&j, args, config);
    if (code == RIN_EXIT_OK) code = choose_classes(&j, args);
    if (code == RIN_EXIT_OK) j.count = rin_cli_config_whole(config, "sample.count");
    if (code == RIN_EXIT_OK) code = spread_classes(&j);
    if (code == RIN_EXIT_OK) code = make_folder(folder);
    if (code == RIN_EXIT_OK) code = generate(&j, config, out, folder);
    free(j.listed);
    free(j.classes);
    rin_video_frames_clear(&j.given);
    rin_config_free(config);
    rin_model_free(j.model);
    return code;
}

const rin_cli_verb rin_cli_sample = {"sample",  "make pictures or videos with a trained model", "", 0, 0, options, run,
                                     print_help};
