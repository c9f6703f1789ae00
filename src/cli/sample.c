/* SPDX-License-Identifier: MIT */
/* sample: pictures or videos from a trained model. */
#include "cli/sample.h"

static const rin_cli_option options[] = {
    {"model", "PATH", NULL, "A training run's folder or a .safetensors file", false},
    {"out", "FILE", NULL,
     "Pictures in a grid as .png, of --interpolate also moving; videos as .mp4, .gif, .webp, or as .png a sheet",
     false},
    {"count", "N", "sample.count",
     "Pictures in all, spread evenly over the classes; unless given 8 a class, or 64 with none or over 10; 1 video",
     false},
    {"class", "NAME[,...]", NULL, "Classes by name or number; all of them unless given", false},
    {"sampler", "NAME", "sample.sampler", "Update rule: one of those below", false},
    {"steps", "N", "sample.steps", "Denoising steps; unless given as many as suit the sampler", false},
    {"spacing", "NAME", "sample.spacing", "Where noise levels lie: uniform, quadratic, logsnr or karras", false},
    {"schedule", "NAME", "sample.schedule", "Signal level over time, such as cosine; of uniform and quadratic", false},
    {"churn", "S", "sample.churn", "Noise that heun adds on its way; 0 for none", false},
    {"guidance", "W", "sample.guidance", "How far to lead away from pictures of no class, or of --guide; 0: not",
     false},
    {"guidance-interval", "A,B", NULL, "Guide only at noise levels from A to B, such as 0.2,2", false},
    {"guide", "PATH", NULL, "A weaker model to lead away from: a smaller one, or an earlier checkpoint", false},
    {"seed", "S", NULL, "The same seed gives the same pictures; drawn and printed unless given", false},
    {"init", "IMAGE", NULL, "Begin with this picture instead of noise", false},
    {"strength", "S", "sample.strength",
     "How much of it is made anew, from 0.001 to 1; unless given 0.6, and 1 with --mask", false},
    {"mask", "IMAGE", NULL, "Make anew only what is white in this picture, and keep --init where it is black", false},
    {"interpolate", "SEED,SEED", NULL, "Pictures on the way from one seed to the other, --frames of them", false},
    {"film", "FILE", NULL, "Also write how the pictures came about: up to 96 steps as .gif, .webp, .mp4, or 16 as .png",
     false},
    {"like", "FILE", NULL, "Make what is in this PNG file again; other options change what they name", false},
    {"cond", "FILE", NULL, "Of a video model: the video that it continues; also a folder of numbered pictures", false},
    {"start", "SECONDS", NULL, "Where in it the given frames begin: 0 unless given; or 'end' for its last frames",
     false},
    {"frames", "N", "sample.frames", "Frames of the video, the given ones included; pictures of --interpolate", false},
    {"fps", "F", "sample.fps", "Frames a second of the video that is written", false},
    {"zoom", "N", "sample.zoom", "Make every pixel N x N in what is written", false},
    {"save-each", "DIR", NULL, "Also write every picture or video to a file of its own", false},
    {"threads", "N", NULL, "Threads that compute; 0 for one a core", false},
    {"device", "NAME", NULL, "Where to compute: cpu (unless given), or cuda[:i]; see rin help bench", false},
    {"set", "sample.key=value", NULL, "Any option below; may be given many times", true},
    {NULL, NULL, NULL, NULL, false},
};

static void print_help(void) {
    rin_sampler_about about;
    puts("\nSamplers (steps unless given, spacing, evaluations of the network a step; twice as many where guided):");
    for (size_t i = 0; rin_sampler_get(i, &about); i++)
        printf("  %-11s %4lld  %-8s %d  %s\n", about.name, (long long)about.steps, about.spacing, about.evaluations,
               about.about);
    puts("\nOptions for --set:");
    rin_cli_options_help("sample");
}

/* ---- the verb ---- */

static rin_status create(const rin_job *j, rin_generator **generator, rin_error *error) {
    const rin_sample_request request = {.model = j->model,
                                        .config = j->config,
                                        .count = j->count,
                                        .classes = j->classes,
                                        .seed = j->seed,
                                        .guide = j->guide,
                                        .picture = j->picture,
                                        .mask = j->mask,
                                        .other_seed = j->between ? &j->other_seed : NULL,
                                        .film = j->film != NULL,
                                        .picture_name = j->picture_path,
                                        .mask_name = j->mask_path};
    rin_status status = rin_generator_create_as(&request, generator, error);
    if (status == RIN_OK && j->given.n) status = rin_generator_give(*generator, -1, j->given.pixels, j->given.n, error);
    return status;
}

typedef struct making {
    rin_job *job;
    rin_generator *generator;
    rin_listener shown;
} making;

/* What has a file of its own is written as soon as it is made; a stop after the last step comes too late. */
static bool on_progress(void *user, const rin_progress *progress) {
    making *m = user;
    rin_job_write_made(m->job, m->generator);
    return m->shown.on_progress(m->shown.user, progress) || rin_generator_is_done(m->generator);
}

static int generate(rin_job *j, const rin_cli_args *args) {
    rin_cli_monitor monitor;
    rin_generator *generator = NULL;
    rin_error error = {0};
    rin_listener listener = rin_cli_monitor_start(&monitor, 1);
    rin_status status = create(j, &generator, &error);
    bool has_grid = j->only >= 0 || j->between || rin_generator_has_grid(generator, j->out);
    int code = status == RIN_OK ? rin_job_compare_recipe(j, args, generator) : RIN_EXIT_OK;
    if (status == RIN_OK && code == RIN_EXIT_OK && !has_grid && !j->folder)
        code = rin_cli_refuse(
            "--count %lld: so many pictures of this size do not fit into one file; add --save-each DIR",
            (long long)j->count);
    if (status == RIN_OK && code == RIN_EXIT_OK) {
        if (j->between) printf("seeds %llu, %llu\n", (unsigned long long)j->seed, (unsigned long long)j->other_seed);
        else printf("seed %llu\n", (unsigned long long)j->seed);
        fflush(stdout);
        making m = {j, generator, listener};
        status = rin_generator_run(generator, (rin_listener){.on_progress = on_progress, .user = &m}, &error);
    }
    rin_cli_monitor_end();
    if (status == RIN_ERR_CANCELLED) {
        code = rin_job_stop(j);
    } else if (status != RIN_OK) {
        code = rin_cli_fail(&error);
    } else if (code == RIN_EXIT_OK) {
        code = rin_job_write(j, generator, has_grid);
    }
    rin_generator_free(generator);
    return code;
}

static int run(const rin_cli_args *args) {
    rin_job j = {0};
    int code = rin_job_check_files(&j, args);
    if (code == RIN_EXIT_OK) code = rin_job_fill(&j, args);
    if (code == RIN_EXIT_OK) code = rin_job_check_overlaps(&j);
    if (code == RIN_EXIT_OK) code = rin_job_make_folder(&j);
    if (code == RIN_EXIT_OK) code = generate(&j, args);
    rin_job_clear(&j);
    return code;
}

const rin_cli_verb rin_cli_sample = {"sample",  "make pictures or videos with a trained model", "", 0, 0, options, run,
                                     print_help};
