/* SPDX-License-Identifier: MIT */
/* The kinds of checks: a forward, a loss with all its gradients, a sampling run, whole training steps. */
#include <math.h>
#include <string.h>

#include "check/check.h"
#include "check/sampler_case.h"
#include "model/model.h"
#include "sample/sample.h"
#include "train/step.h"

/* Section 6: relative to the largest number of a tensor; gradients to the largest gradient of the case. */
static const double forward_tolerance = 2e-5, gradient_tolerance = 2e-4, run_tolerance = 2e-3;

/* Part `part` of tensor "<check>/<stored>" becomes a program's input; where it may be absent, zeros. */
static rin_status feed(rin_check *check, rin_program *program, const char *input, const char *stored, int64_t part,
                       bool optional, rin_error *error) {
    if (!rin_program_has(program, input)) return RIN_OK;
    const rin_graph *graph = rin_program_graph(program);
    int64_t wanted = rin_shape_count(rin_graph_shape(graph, rin_graph_find(graph, input))), n;
    float *values;
    rin_status status = rin_check_read(check, stored, optional, &values, &n, error);
    if (status == RIN_OK && !values) {
        n = (part + 1) * wanted;
        values = rin_calloc((size_t)n, sizeof *values, error);
        if (!values) status = RIN_ERR_MEMORY;
    }
    if (status != RIN_OK) return status;
    if (n < (part + 1) * wanted) {
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s/%s' has %lld numbers, the model wants %lld", check->name,
                               stored, (long long)n, (long long)((part + 1) * wanted));
    } else {
        status = rin_program_write(program, input, values + part * wanted, wanted, error);
    }
    rin_free(values);
    return status;
}

static rin_status feed_labels(rin_check *check, rin_program *program, rin_error *error) {
    float *one_hot;
    rin_status status = rin_check_read_labels(check, check->of->config.model.num_classes, &one_hot, error);
    if (status == RIN_OK && one_hot) {
        status = rin_program_write(program, "labels", one_hot, check->batch * check->of->config.model.num_classes,
                                   error);
    }
    rin_free(one_hot);
    return status;
}

static rin_status compare_output(rin_check *check, rin_program *program, const char *name, double tolerance,
                                 rin_error *error) {
    const rin_graph *graph = rin_program_graph(program);
    int64_t n = rin_shape_count(rin_graph_shape(graph, rin_graph_find(graph, name)));
    float *values = rin_calloc((size_t)n, sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    rin_status status = rin_program_read(program, name, values, n, error);
    if (status == RIN_OK) status = rin_check_compare(check, name, values, n, tolerance, 0, error);
    rin_free(values);
    return status;
}

rin_status rin_check_forward(rin_check *check, rin_error *error) {
    /* The network's input is given as it enters, and so are hiddens; the standardising of training is not part of it.
     */
    rin_config config = check->of->config;
    config.diffusion.normalize_noisy_input = false;
    rin_graph *graph;
    rin_program *program = NULL;
    rin_program_options options = {.parameters = RIN_ARENA_WEIGHTS};
    rin_status status = rin_model_forward_graph(&config, check->batch, &graph, error);
    if (status == RIN_OK && (status = rin_remove_dead(graph, error)) != RIN_OK) rin_graph_free(graph);
    if (status == RIN_OK) status = rin_program_create(graph, check->weights, &options, &program, error);
    static const struct {
        const char *name, *stored;
        bool optional;
    } inputs[] = {{"x", "x", false},
                  {"gamma", "gamma", false},
                  {"frames", "cond_frames", false},
                  {"latent_prev", "latent_prev", true},
                  {"tape_prev", "tape_prev", true}};
    for (size_t i = 0; i < RIN_COUNT(inputs) && status == RIN_OK; i++) {
        status = feed(check, program, inputs[i].name, inputs[i].stored, 0, inputs[i].optional, error);
    }
    if (status == RIN_OK) status = feed_labels(check, program, error);
    if (status == RIN_OK) rin_program_run(program, &(rin_step){0}, RIN_SECTION_ALL);
    if (status == RIN_OK) status = compare_output(check, program, "out", forward_tolerance, error);
    if (status == RIN_OK) status = compare_output(check, program, "latent", forward_tolerance, error);
    if (status == RIN_OK) status = compare_output(check, program, "tape", forward_tolerance, error);
    rin_program_free(program);
    return status;
}

static rin_status create_step(rin_check *check, bool update, rin_program **program, rin_error *error) {
    rin_step_options options = {.batch = check->batch, .parts = 1, .given = true, .update = update};
    rin_program_options bound = {.parameters = RIN_ARENA_WEIGHTS};
    rin_graph *graph;
    rin_status status = rin_step_graph(&check->of->config, &options, &graph, error);
    if (status == RIN_OK) status = rin_program_create(graph, check->weights, &bound, program, error);
    return status;
}

/* Images, times, noise and masks of step `part`; labels and frames are the same for all. */
static rin_status feed_step(rin_check *check, rin_program *program, int64_t part, rin_error *error) {
    static const char *const names[] = {"images", "t", "noise", "self_cond_uniform"};
    rin_status status = feed_labels(check, program, error);
    for (size_t i = 0; i < RIN_COUNT(names) && status == RIN_OK; i++)
        status = feed(check, program, names[i], names[i], part, false, error);
    rin_check_ignore(check, "self_cond_uniform"); /* there for models that do not mask, too */
    if (status == RIN_OK) status = feed(check, program, "frames", "cond_frames", 0, false, error);
    return status;
}

/* Largest expected gradient of the case: what errors of all gradients are relative to. */
static rin_status gradient_scale(rin_check *check, double *scale, rin_error *error) {
    const rin_weights *weights = check->weights;
    rin_status status = RIN_OK;
    *scale = 0;
    for (int i = 0; i < weights->n_tensors && status == RIN_OK; i++) {
        char name[400];
        float *values;
        int64_t n;
        snprintf(name, sizeof name, "grad/%s", weights->tensors[i].name);
        status = rin_check_read(check, name, false, &values, &n, error);
        for (int64_t j = 0; j < n && status == RIN_OK; j++) *scale = fmax(*scale, fabs((double)values[j]));
        rin_free(values);
    }
    return status;
}

static rin_status compare_arena(rin_check *check, rin_arena arena, const char *prefix, double tolerance, double scale,
                                rin_error *error) {
    const rin_weights *weights = check->weights;
    rin_status status = RIN_OK;
    for (int i = 0; i < weights->n_tensors && status == RIN_OK; i++) {
        const rin_tensor *tensor = &weights->tensors[i];
        const char *end = strrchr(tensor->name, 'k');
        /* Key biases do not change the softmax: after training steps they are rounding noise, and are left out. */
        if (arena != RIN_ARENA_GRADIENTS && end && strcmp(end, "key.bias") == 0) continue;
        char name[400];
        snprintf(name, sizeof name, "%s/%s", prefix, tensor->name);
        float *values = rin_calloc((size_t)tensor->count, sizeof *values, error);
        if (!values) return RIN_ERR_MEMORY;
        rin_weights_download(weights, arena, tensor, values);
        status = rin_check_compare(check, name, values, tensor->count, tolerance, scale, error);
        rin_free(values);
    }
    return status;
}

rin_status rin_check_loss(rin_check *check, rin_error *error) {
    rin_program *program = NULL;
    double scale = 0;
    rin_status status = create_step(check, false, &program, error);
    if (status == RIN_OK) status = feed_step(check, program, 0, error);
    if (status == RIN_OK) rin_program_run(program, &(rin_step){.gradient_scale = 1}, RIN_SECTION_ALL);
    if (status == RIN_OK) status = compare_output(check, program, "x_noised", forward_tolerance, error);
    if (status == RIN_OK) status = compare_output(check, program, "loss", forward_tolerance, error);
    if (status == RIN_OK) status = gradient_scale(check, &scale, error);
    if (status == RIN_OK) status = compare_arena(check, RIN_ARENA_GRADIENTS, "grad", gradient_tolerance, scale, error);
    rin_program_free(program);
    return status;
}

/* "steps" of a check, which may claim any number. */
static rin_status read_steps(const rin_check *check, double most, int64_t *steps, rin_error *error) {
    double number = rin_check_number(check, "steps", 0);
    *steps = 0;
    if (!(number >= 1 && number <= most))
        return rin_error_set(error, RIN_ERR_FORMAT, "steps = %g; allowed are 1 to %g", number, most);
    *steps = (int64_t)number;
    return RIN_OK;
}

static rin_status sampling_options(const rin_check *check, rin_sampling_options *options, rin_error *error) {
    rin_config config = check->of->config;
    rin_status status = rin_config_set(&config, "sample.sampler", rin_check_word(check, "sampler", "ddim"), error);
    if (status == RIN_OK)
        status = rin_config_set(&config, "sample.schedule", rin_check_word(check, "schedule", ""), error);
    config.sample.spacing = RIN_SPACING_UNIFORM;
    if (status == RIN_OK) status = rin_sampling_options_from(&config, options, error);
    if (status == RIN_OK) status = read_steps(check, RIN_CASE_STEPS, &options->route.steps, error);
    options->guidance = rin_check_number(check, "guidance", 0);
    options->route.td = rin_check_number(check, "td", 0);
    options->self_cond_decay = rin_check_number(check, "self_cond_decay", 0);
    return status;
}

static rin_status run_sampling(rin_check *check, rin_sampling *sampling, rin_error *error) {
    float *noise = NULL, *fresh = NULL, *labels = NULL, *frames = NULL;
    int64_t n = sampling->main.n_pixels, n_noise, n_fresh, n_frames = 0, wanted = sampling->route->n_noises;
    rin_shape frames_shape = rin_model_frames_shape(&check->of->config.model, check->batch);
    rin_status status = rin_check_read(check, "noise0", false, &noise, &n_noise, error);
    if (status == RIN_OK) status = rin_check_read(check, "step_noise", !wanted, &fresh, &n_fresh, error);
    if (status == RIN_OK)
        status = rin_check_read(check, "cond_frames", !check->of->config.model.seq_cond, &frames, &n_frames, error);
    if (status == RIN_OK) status = rin_check_read_labels(check, check->of->config.model.num_classes, &labels, error);
    if (status == RIN_OK && (n_noise != n || (wanted && n_fresh != n * wanted)))
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s': noise of another shape than the model's", check->name);
    if (status == RIN_OK && frames && n_frames != rin_shape_count(&frames_shape))
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s': frames of another shape than the model's", check->name);
    rin_parts steps = {.values = fresh, .n_parts = wanted, .each = n};
    rin_sampling_start start = {
        .noise = noise, .labels = labels, .frames = frames, .draw = rin_parts_draw, .user = &steps};
    if (status == RIN_OK) status = rin_sampling_begin(sampling, &start, error);
    while (status == RIN_OK && !rin_sampling_is_done(sampling)) status = rin_sampling_step(sampling, error);
    if (status == RIN_OK) status = rin_sampling_pixels(sampling, noise, error);
    if (status == RIN_OK) status = rin_check_compare(check, "samples", noise, n, run_tolerance, 0, error);
    rin_free(noise);
    rin_free(fresh);
    rin_free(labels);
    rin_free(frames);
    return status;
}

rin_status rin_check_sample(rin_check *check, rin_error *error) {
    rin_network network = {&check->of->config, check->weights, RIN_ARENA_WEIGHTS};
    rin_sampling_options options = {0};
    rin_sampling *sampling = NULL;
    rin_status status = sampling_options(check, &options, error);
    if (status == RIN_OK) status = rin_sampling_create(&network, NULL, check->batch, &options, &sampling, error);
    if (status == RIN_OK) status = run_sampling(check, sampling, error);
    rin_sampling_free(sampling);
    return status;
}

rin_status rin_check_train(rin_check *check, rin_error *error) {
    rin_config_train *train = &check->of->config.train;
    rin_config before = check->of->config;
    int64_t steps;
    rin_status status = read_steps(check, 1000, &steps, error); /* each reads the tensors of all */
    if (status != RIN_OK) return status;
    status = rin_config_set(&check->of->config, "train.optimizer", rin_check_word(check, "optimizer", "lamb"), error);
    train->beta1 = rin_check_number(check, "beta1", train->beta1);
    train->beta2 = rin_check_number(check, "beta2", train->beta2);
    train->eps = rin_check_number(check, "eps", train->eps);
    train->weight_decay = rin_check_number(check, "weight_decay", train->weight_decay);
    train->grad_clip = rin_check_number(check, "global_clipnorm", 0);
    rin_program *program = NULL;
    float *losses = rin_calloc((size_t)steps, sizeof *losses, error);
    if (status == RIN_OK && !losses) status = RIN_ERR_MEMORY;
    if (status == RIN_OK) status = create_step(check, true, &program, error);
    rin_step step = {.gradient_scale = 1,
                     .learning_rate = rin_check_number(check, "lr", 0),
                     .ema_decay = rin_check_number(check, "ema_decay", 0)};
    for (int64_t i = 0; i < steps && status == RIN_OK; i++) {
        step.step = (uint64_t)i;
        status = feed_step(check, program, i, error);
        if (status == RIN_OK) rin_program_run(program, &step, RIN_SECTION_ALL);
        if (status == RIN_OK) status = rin_program_read(program, "loss", &losses[i], 1, error);
    }
    if (status == RIN_OK) status = rin_check_compare(check, "loss", losses, steps, run_tolerance, 0, error);
    if (status == RIN_OK) status = compare_arena(check, RIN_ARENA_WEIGHTS, "weights", run_tolerance, 0, error);
    if (status == RIN_OK) status = compare_arena(check, RIN_ARENA_EMA, "ema", run_tolerance, 0, error);
    rin_program_free(program);
    rin_free(losses);
    check->of->config = before;
    return status;
}
