/* SPDX-License-Identifier: MIT */
/* bench: how fast this machine trains and samples. */
#include "cli/cli.h"

static const rin_cli_option options[] = {
    {"preset", "NAME", NULL, "What to measure; 'small' unless given", false},
    {"config", "FILE.ini", NULL, "Options from a file, over the preset's", false},
    {"size", "N", NULL, "Height and width of the images in pixels", false},
    {"batch", "B", "train.batch", "Images in a step", false},
    {"steps", "N", NULL, "Measured runs of each; 10 unless given", false},
    {"sample-steps", "N", NULL, "Also time sampling a batch in N steps of DDIM", false},
    {"gemm", NULL, NULL, "Only the peak speed of matrix products", false},
    {"features", NULL, NULL, "Only that and Inception-v3, by which samples are scored, on eval.batch pictures", false},
    {"profile", NULL, NULL, "Also the slowest operations", false},
    {"threads", "N", "train.threads", "Threads that compute; 0 for one a core", false},
    {"device", "NAME", NULL, "Where to compute: cpu (unless given), cuda[:i], or another row below", false},
    {"set", "section.key=value", NULL, "Any option that rin help train lists; may be given many times", true},
    {"json", NULL, NULL, "Print one JSON object", false},
    {NULL, NULL, NULL, NULL, false},
};

static bool add_range(cJSON *json, const char *name, double least, double median) {
    cJSON *range = cJSON_AddObjectToObject(json, name);
    return range && cJSON_AddNumberToObject(range, "min", least) && cJSON_AddNumberToObject(range, "median", median);
}

static int print_json(const rin_bench_result *r, const char *preset, const rin_bench_options *bench) {
    cJSON *json = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(json, "gemm_peak_gflops_per_s", r->gemm_peak_gflops_per_s) &&
                cJSON_AddNumberToObject(json, "threads", r->threads) &&
                cJSON_AddNumberToObject(json, "peak_rss_bytes", (double)r->peak_rss_bytes);
    if (good && bench->features) {
        good = add_range(json, "features_s", r->features_min, r->features_median) &&
               cJSON_AddNumberToObject(json, "flops_features", r->flops_features) &&
               cJSON_AddNumberToObject(json, "features_share", r->features_share);
    } else if (good && !bench->gemm_only) {
        good = add_range(json, "train_step_s", r->train_step_min, r->train_step_median) &&
               add_range(json, "forward_s", r->forward_min, r->forward_median) &&
               cJSON_AddNumberToObject(json, "sample_s", r->sample_seconds) &&
               cJSON_AddNumberToObject(json, "peak_device_bytes", (double)r->peak_device_bytes) &&
               cJSON_AddNumberToObject(json, "flops_forward", r->flops_forward) &&
               cJSON_AddNumberToObject(json, "gflops_per_s", r->gflops_per_s) &&
               cJSON_AddStringToObject(json, "preset", preset) &&
               cJSON_AddNumberToObject(json, "batch", (double)bench->batch);
    }
    if (good && r->profile) good = cJSON_AddStringToObject(json, "profile", r->profile);
    if (good) return rin_cli_print_json(json);
    cJSON_Delete(json);
    return rin_cli_fail_memory();
}

static void print_lines(const rin_bench_result *r, const char *preset, const rin_bench_options *bench) {
    char memory[RIN_CLI_NUMBER];
    double batch = (double)bench->batch;
    if (bench->features) {
        double speed = r->flops_features / r->features_min * 1e-9;
        printf("Inception-v3     %.4g s at best, %.4g s median, %.4g GFLOP: %.4g GFLOP/s, %.0f%% of the peak\n",
               r->features_min, r->features_median, r->flops_features * 1e-9, speed, 100 * r->features_share);
    } else if (!bench->gemm_only) {
        printf("%s, batch %lld, %d threads\n", preset, (long long)bench->batch, r->threads);
        printf("training step    %.4g s at best, %.4g s median: %.4g images/s\n", r->train_step_min,
               r->train_step_median, batch / r->train_step_median);
        printf("forward          %.4g s at best, %.4g s median: %.4g images/s\n", r->forward_min, r->forward_median,
               batch / r->forward_median);
        if (r->sample_seconds > 0)
            printf("sampling         %.4g s at best: %.4g images/s\n", r->sample_seconds, batch / r->sample_seconds);
        printf("forward          %.4g GFLOP a batch\n", r->flops_forward * 1e-9);
        printf("products         %.4g GFLOP/s in training steps\n", r->gflops_per_s);
    }
    printf("matrix products  %.4g GFLOP/s at their peak, %d threads\n", r->gemm_peak_gflops_per_s, r->threads);
    if (r->peak_rss_bytes > 0) printf("memory           %s at its peak\n", rin_cli_bytes(r->peak_rss_bytes, memory));
    if (r->peak_device_bytes > 0)
        printf("GPU memory       %s for the tensors of training\n", rin_cli_bytes(r->peak_device_bytes, memory));
    if (r->profile) rin_cli_print(r->profile);
}

static int run(const rin_cli_args *args) {
    enum { MOST_STEPS = 100000 };
    const char *preset = rin_cli_args_get(args, "preset"), *file = rin_cli_args_get(args, "config");
    int64_t steps = 10, sample_steps = 0;
    rin_config *config = NULL;
    rin_error error = {0};
    int code = rin_cli_args_whole(args, "steps", 1, MOST_STEPS, &steps);
    if (code == RIN_EXIT_OK) code = rin_cli_args_whole(args, "sample-steps", 1, MOST_STEPS, &sample_steps);
    if (code == RIN_EXIT_OK) code = rin_cli_config_build(args, false, &config);
    if (code != RIN_EXIT_OK) return code;
    rin_bench_options bench = {.batch = rin_cli_config_whole(config, "train.batch"),
                               .steps = (int)steps,
                               .sample_steps = (int)sample_steps,
                               .gemm_only = rin_cli_args_has(args, "gemm"),
                               .features = rin_cli_args_has(args, "features"),
                               .device = rin_cli_args_get(args, "device"),
                               .profile = rin_cli_args_has(args, "profile")};
    rin_bench_result result = {0};
    const char *name = preset ? preset : file ? file : "small";
    rin_status status = rin_bench(config, &bench, &result, &error);
    if (status == RIN_ERR_MEMORY) rin_cli_note("a smaller --batch takes less memory; rin plan says how much");
    if (status != RIN_OK) code = rin_cli_fail(&error);
    else if (rin_cli_args_has(args, "json")) code = print_json(&result, name, &bench);
    else print_lines(&result, name, &bench);
    rin_string_free(result.profile);
    rin_config_free(config);
    return code;
}

const rin_cli_verb rin_cli_bench = {
    "bench", "measure the speed of this machine", "", 0, 0, options, run, rin_cli_devices_help};
