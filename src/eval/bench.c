/* SPDX-License-Identifier: MIT */
/* How fast: a whole training step, one forward, and the peak of matrix products on this machine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "feature/feature.h"
#include "model/model.h"
#include "op/op.h"
#include "sample/sample.h"
#include "train/step.h"
#include "exec/exec.h"

typedef struct bench {
    const rin_config *config;
    const rin_bench_options *options;
    rin_bench_result *result;
    rin_backend *backend;
    rin_weights *weights;
    double *seconds; /* [steps] */
    rin_text profile;
} bench;

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 2];
}

static int64_t peak_memory(void) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

static void time_runs(bench *b, rin_program *program, int n, double *min, double *median) {
    rin_step step = {.gradient_scale = 1, .learning_rate = 1e-3, .ema_decay = 0.9999};
    for (int i = -2; i < n; i++) {
        step.step = (uint64_t)(i + 2);
        double from = rin_clock_seconds();
        rin_program_run(program, &step, RIN_SECTION_ALL);
        rin_backend_wait(b->backend);
        if (i >= 0) b->seconds[i] = rin_clock_seconds() - from;
    }
    *median = median_of(b->seconds, n);
    *min = b->seconds[0];
}

/* Random numbers into an input; labels are one-hot. */
static rin_status fill(rin_program *program, const char *name, bool one_hot, rin_error *error) {
    if (!rin_program_has(program, name)) return RIN_OK;
    const rin_graph *graph = rin_program_graph(program);
    const rin_shape *shape = rin_graph_shape(graph, rin_graph_find(graph, name));
    int64_t n = rin_shape_count(shape), last = rin_shape_last(shape);
    float *values = rin_calloc((size_t)n, sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        values[i] = one_hot ? (float)(i % last == i / last % last)
                            : rin_random_uniform((rin_random_key){0}, (uint64_t)i);
    }
    rin_status status = rin_program_write(program, name, values, n, error);
    rin_free(values);
    return status;
}

enum { PROFILE_RUNS = 10 };

/* The ops by the time they take, one node after the other. */
static rin_status profile(rin_program *program, const char *title, rin_text *t, rin_error *error) {
    const rin_graph *graph = rin_program_graph(program);
    struct row {
        double seconds, flops;
        int op, count;
    } rows[RIN_N_OPS] = {{0, 0, 0, 0}}, swap;
    double *seconds = rin_calloc((size_t)graph->n_nodes, sizeof *seconds, error), sum = 0;
    if (!seconds) return RIN_ERR_MEMORY;
    rin_program_profile(program, &(rin_step){.gradient_scale = 1, .learning_rate = 1e-3}, PROFILE_RUNS, seconds);
    int runs = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (seconds[i] <= 0) continue; /* made once, not in every run */
        runs++;
        struct row *row = &rows[graph->nodes[i].op];
        row->op = graph->nodes[i].op;
        row->count++;
        row->seconds += seconds[i];
        row->flops += rin_op(row->op)->flops(graph, &graph->nodes[i]);
        sum += seconds[i];
    }
    rin_free(seconds);
    for (int i = 0; i < RIN_N_OPS; i++) {
        for (int j = i + 1; j < RIN_N_OPS; j++) {
            if (rows[j].seconds <= rows[i].seconds) continue;
            swap = rows[i];
            rows[i] = rows[j];
            rows[j] = swap;
        }
    }
    rin_text_add(t, "%-18s %6s %10s %7s %10s\n", title, "nodes", "ms", "share", "GFLOP/s");
    for (int i = 0; i < RIN_N_OPS && rows[i].count; i++) {
        rin_text_add(t, "%-18s %6d %10.3f %6.1f%% %10.1f\n", rin_op(rows[i].op)->name, rows[i].count,
                     1e3 * rows[i].seconds, 100 * rows[i].seconds / sum, rows[i].flops / rows[i].seconds * 1e-9);
    }
    rin_text_add(t, "%-18s %6d %10.3f\n", "all", runs, 1e3 * sum);
    return RIN_OK;
}

/* The bytes of a device that a program and its weights hold. */
static rin_status count_device_memory(bench *b, rin_program *program, rin_error *error) {
    rin_program_bytes bytes;
    if (!b->backend->table->wait) return RIN_OK;
    rin_status status = rin_program_measure(rin_program_graph(program), rin_program_plan(program), b->weights, &bytes,
                                            error);
    b->result->peak_device_bytes = (int64_t)(rin_weights_bytes(b->weights) + bytes.arena + bytes.constants +
                                             bytes.scratch);
    return status;
}

static rin_status bench_train(bench *b, rin_error *error) {
    rin_step_options options = {.batch = b->options->batch, .parts = 1, .update = true};
    rin_program_options bound = {.parameters = RIN_ARENA_WEIGHTS};
    rin_graph *graph;
    rin_program *program = NULL;
    rin_status status = rin_step_graph(b->config, &options, &graph, error);
    if (status != RIN_OK) return status;
    double flops = rin_graph_flops(graph);
    status = rin_weights_create(graph, b->backend, true, &b->weights, error);
    if (status != RIN_OK) {
        rin_graph_free(graph);
        return status;
    }
    status = rin_weights_init(b->weights, 0, error);
    if (status != RIN_OK) rin_graph_free(graph);
    else status = rin_program_create(graph, b->weights, &bound, &program, error);
    if (status == RIN_OK) status = fill(program, "images", false, error);
    if (status == RIN_OK) status = fill(program, "frames", false, error);
    if (status == RIN_OK) status = fill(program, "labels", true, error);
    if (status == RIN_OK) {
        time_runs(b, program, b->options->steps, &b->result->train_step_min, &b->result->train_step_median);
        b->result->gflops_per_s = flops / b->result->train_step_min * 1e-9;
        b->result->peak_rss_bytes = peak_memory(); /* of the step, not of what is measured after it */
        status = count_device_memory(b, program, error);
        if (status == RIN_OK && b->options->profile) status = profile(program, "training step", &b->profile, error);
    }
    rin_program_free(program);
    return status;
}

static rin_status bench_forward(bench *b, rin_error *error) {
    static const char *const inputs[] = {"x", "gamma", "frames", "latent_prev", "tape_prev"};
    rin_program_options bound = {.parameters = RIN_ARENA_WEIGHTS};
    rin_graph *graph;
    rin_program *program = NULL;
    rin_status status = rin_model_forward_graph(b->config, b->options->batch, &graph, error);
    if (status == RIN_OK && (status = rin_remove_dead(graph, error)) != RIN_OK) rin_graph_free(graph);
    if (status == RIN_OK) b->result->flops_forward = rin_graph_flops(graph);
    if (status == RIN_OK) status = rin_program_create(graph, b->weights, &bound, &program, error);
    for (size_t i = 0; i < RIN_COUNT(inputs) && status == RIN_OK; i++) status = fill(program, inputs[i], false, error);
    if (status == RIN_OK) status = fill(program, "labels", true, error);
    if (status == RIN_OK)
        time_runs(b, program, 2 * b->options->steps, &b->result->forward_min, &b->result->forward_median);
    if (status == RIN_OK && b->options->profile) status = profile(program, "forward", &b->profile, error);
    rin_program_free(program);
    return status;
}

/* Once to warm up, then twice; the better one counts. */
static rin_status bench_sample(bench *b, rin_error *error) {
    enum { RUNS = 3 };
    rin_network network = {b->config, b->weights, RIN_ARENA_WEIGHTS};
    rin_config config = *b->config;
    rin_sampling_options options;
    rin_sampling *s = NULL;
    rin_sample_plainly(&config.sample, RIN_SAMPLER_DDIM, b->options->sample_steps);
    rin_status status = rin_sampling_options_from(&config, &options, error);
    if (status == RIN_OK) status = rin_sampling_create(&network, NULL, b->options->batch, &options, &s, error);
    float *noise = s ? rin_calloc((size_t)s->main.n_pixels, sizeof *noise, error) : NULL;
    if (status == RIN_OK && !noise) status = RIN_ERR_MEMORY;
    for (int64_t i = 0; status == RIN_OK && i < s->main.n_pixels; i++)
        noise[i] = rin_random_normal((rin_random_key){0}, (uint64_t)i);
    for (int r = 0; r < RUNS && status == RIN_OK; r++) {
        double from = rin_clock_seconds();
        status = rin_sampling_begin(s, &(rin_sampling_start){.noise = noise}, error);
        while (status == RIN_OK && !rin_sampling_is_done(s)) status = rin_sampling_step(s, error);
        rin_backend_wait(b->backend);
        double taken = rin_clock_seconds() - from;
        b->result->sample_seconds = r > 1 ? RIN_MIN(b->result->sample_seconds, taken) : taken;
    }
    rin_free(noise);
    rin_sampling_free(s);
    return status;
}

/* One product large enough that nothing but arithmetic counts, of the type that the backend's products have. */
static rin_status bench_product(bench *b, rin_error *error) {
    enum { RUNS = 20, MOST_NODES = 4 };
    int64_t side = b->backend->table->wait ? 8192 : 2048;
    double seconds[MOST_NODES] = {0};
    rin_graph *graph = rin_graph_create(error);
    if (!graph) return RIN_ERR_MEMORY;
    rin_value x = rin_op_rescale(graph, rin_graph_input(graph, "x", RIN_SHAPE(1, side, side)), 1, 0),
              w = rin_graph_param(graph, "weight", RIN_SHAPE(side, side), (rin_init){RIN_INIT_UNIFORM, 1});
    rin_graph_output(graph, "y", rin_op_linear(graph, x, w, 0, 0, (rin_linear_attr){0}));
    rin_weights *weights = NULL;
    rin_program *program = NULL;
    double flops = rin_graph_flops(graph);
    rin_status status = rin_weights_create(graph, b->backend, false, &weights, error);
    if (status == RIN_OK) status = rin_weights_init(weights, 0, error);
    if (status == RIN_OK) status = rin_program_create(graph, weights, NULL, &program, error);
    else rin_graph_free(graph);
    if (status == RIN_OK) status = fill(program, "x", false, error);
    if (status == RIN_OK) {
        rin_program_profile(program, &(rin_step){0}, RUNS, seconds);
        b->result->gemm_peak_gflops_per_s = flops / seconds[rin_program_graph(program)->n_nodes - 1] * 1e-9;
    }
    rin_program_free(program);
    rin_weights_free(weights);
    return status;
}

/* Rounds of both, as the speed of a machine changes between one minute and the next: the peak, then the network. */
static rin_status run_features(bench *b, rin_extractor *e, const float *inputs, double *shares, rin_error *error) {
    rin_bench_result *r = b->result;
    float *features = rin_calloc((size_t)b->config->eval.batch * RIN_INCEPTION_FEATURES, sizeof *features, error);
    double peak = 0;
    rin_status status = features ? RIN_OK : RIN_ERR_MEMORY;
    for (int i = -1; i < b->options->steps && status == RIN_OK; i++) {
        status = bench_product(b, error);
        double from = rin_clock_seconds();
        if (status == RIN_OK) status = rin_extractor_run(e, inputs, b->config->eval.batch, error);
        if (status == RIN_OK) status = rin_extractor_read(e, "pool3", features, error);
        if (i < 0) continue;
        b->seconds[i] = rin_clock_seconds() - from;
        shares[i] = r->flops_features / b->seconds[i] * 1e-9 / r->gemm_peak_gflops_per_s;
        r->gemm_peak_gflops_per_s = peak = RIN_MAX(peak, r->gemm_peak_gflops_per_s);
    }
    rin_free(features);
    return status;
}

/* Inception-v3 on eval.batch pictures; its speed does not depend on what the weights are. */
static rin_status bench_features(bench *b, const char *device, rin_error *error) {
    static const char *const outputs[] = {"pool3"};
    const rin_extractor_options options = {.network = RIN_NETWORK_INCEPTION,
                                           .batch = b->config->eval.batch,
                                           .outputs = outputs,
                                           .n_outputs = 1,
                                           .device = device,
                                           .threads = (int)b->config->train.threads};
    rin_extractor *e = NULL;
    rin_status status = rin_extractor_create(&options, rin_formula_weights(), &e, error);
    if (status != RIN_OK) return status;
    rin_bench_result *r = b->result;
    float *inputs = rin_calloc((size_t)(options.batch * rin_extractor_input_count(e)), sizeof *inputs, error);
    double *shares = rin_calloc((size_t)b->options->steps, sizeof *shares, error);
    r->flops_features = rin_graph_flops(rin_program_graph(rin_extractor_program(e)));
    status = inputs && shares ? run_features(b, e, inputs, shares, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) {
        r->features_median = median_of(b->seconds, b->options->steps);
        r->features_min = b->seconds[0];
        r->features_share = median_of(shares, b->options->steps);
        if (b->options->profile) status = profile(rin_extractor_program(e), "Inception-v3", &b->profile, error);
    }
    rin_free(inputs);
    rin_free(shares);
    rin_extractor_free(e);
    return status;
}

rin_status rin_bench(const rin_config *config, const rin_bench_options *options, rin_bench_result *result,
                     rin_error *error) {
    enum { MOST_STEPS = 100000 };
    if (!result) return rin_error_null(error, __func__, "result");
    *result = (rin_bench_result){0};
    if (!config) return rin_error_null(error, __func__, "config");
    if (!options) return rin_error_null(error, __func__, "options");
    if (options->batch < 1 || options->steps < 1 || options->steps > MOST_STEPS || options->sample_steps < 0 ||
        options->sample_steps > MOST_STEPS) {
        return rin_error_set(
            error, RIN_ERR_ARG,
            "rin_bench: batch = %lld, steps = %d and sample_steps = %d; allowed: a batch of at least 1, "
            "1 to %d steps, 0 to %d steps of sampling",
            (long long)options->batch, options->steps, options->sample_steps, MOST_STEPS, MOST_STEPS);
    }
    /* The batch is that of the options, whatever the configuration says. */
    rin_config own = *config;
    own.train.batch = options->batch;
    own.train.accumulate = 1;
    bench b = {.config = &own, .options = options, .result = result};
    rin_backend_options backend = {.threads = (int)own.train.threads};
    rin_status status = rin_config_validate(&own, error);
    char configured[RIN_DEVICE_NAME];
    rin_config_device(&own.train, configured);
    const char *device = options->device ? options->device : configured;
    bool trains = !options->gemm_only && !options->features;
    if (status == RIN_OK) status = rin_backend_create(device, &backend, &b.backend, error);
    if (status == RIN_OK) result->threads = b.backend->threads;
    if (status == RIN_OK && !(b.seconds = rin_calloc((size_t)RIN_MAX(2 * options->steps, 5), sizeof *b.seconds, error)))
        status = RIN_ERR_MEMORY;
    if (status == RIN_OK && trains) status = bench_train(&b, error);
    if (status == RIN_OK && trains) status = bench_forward(&b, error);
    if (status == RIN_OK && trains && options->sample_steps) status = bench_sample(&b, error);
    if (status == RIN_OK && options->features) status = bench_features(&b, device, error);
    if (status == RIN_OK && !options->features) status = bench_product(&b, error);
    if (status == RIN_OK && options->profile) status = rin_text_take(&b.profile, &result->profile, error);
    rin_text_clear(&b.profile);
    if (!trains) result->peak_rss_bytes = peak_memory();
    if (status != RIN_OK) {
        rin_string_free(result->profile);
        *result = (rin_bench_result){0};
    }
    rin_weights_free(b.weights);
    rin_backend_free(b.backend);
    rin_free(b.seconds);
    return status;
}
