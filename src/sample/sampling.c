/* SPDX-License-Identifier: MIT */
/* Section 4, "Sampling". */
#include <math.h>
#include <string.h>

#include "model/model.h"
#include "op/op.h"
#include "sample/sample.h"

rin_status rin_sampling_options_from(const rin_config *config, rin_sampling_options *out, rin_error *error) {
    const rin_config_sample *s = &config->sample;
    *out = (rin_sampling_options){.steps = s->steps,
                                  .sampler = s->sampler,
                                  .guidance = s->guidance,
                                  .td = s->td,
                                  .self_cond_decay = s->self_cond_decay};
    return rin_schedule_parse(*s->schedule ? s->schedule : config->diffusion.infer_schedule, &out->schedule, error);
}

static rin_status allocate(rin_sampling *s, rin_error *error) {
    const rin_config_model *m = &s->config.model;
    rin_shape video = rin_model_video_shape(m, s->batch), latent = rin_model_latent_shape(m, s->batch),
              tape = rin_model_tape_shape(m, s->batch);
    s->n_pixels = rin_shape_count(&video);
    s->n_latent = m->self_cond & RIN_SELF_COND_LATENT ? rin_shape_count(&latent) : 0;
    s->n_tape = m->self_cond & RIN_SELF_COND_TAPE ? rin_shape_count(&tape) : 0;
    s->n_labels = s->batch * m->num_classes;
    int64_t most = RIN_MAX(RIN_MAX(s->n_latent, s->n_tape), s->n_labels);
    struct {
        float **memory;
        int64_t n;
    } parts[] = {{&s->labels, s->n_labels}, {&s->gammas, s->batch}, {&s->zeros, most}};
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        *parts[i].memory = rin_calloc((size_t)parts[i].n, sizeof(float), error);
        if (!*parts[i].memory) return RIN_ERR_MEMORY;
    }
    return RIN_OK;
}

/* The network, and behind it the step: nothing but a few numbers goes to and fro between steps. */
static rin_status build(const rin_sampling *s, rin_graph **out, rin_error *error) {
    rin_shape shape = rin_model_video_shape(&s->config.model, s->batch);
    rin_status status = rin_model_forward_graph(&s->config, s->batch, out, error);
    if (status != RIN_OK) return status;
    rin_graph *graph = *out;
    rin_value numbers = rin_graph_input(graph, "numbers", RIN_SHAPE(sizeof(rin_denoising) / sizeof(float)));
    rin_value unlabelled = s->options.guidance != 0 ? rin_graph_input(graph, "unlabelled", shape) : 0;
    rin_value noise = rin_sampler_find(s->options.sampler)->needs_noise ? rin_graph_input(graph, "noise", shape) : 0;
    rin_denoise_attr attr = {s->config.diffusion.pred_type, s->config.diffusion.b_scale};
    rin_value next = rin_op_denoise(graph, rin_graph_find(graph, "x"), rin_graph_find(graph, "out"), numbers,
                                    unlabelled, noise, attr);
    rin_graph_output(graph, "x_next", next);
    rin_graph_output(graph, "x0", next ? graph->nodes[graph->n_nodes - 1].outputs[1] : 0);
    status = rin_graph_status(graph, error);
    if (status == RIN_OK) status = rin_remove_dead(graph, error);
    if (status != RIN_OK) rin_graph_free(graph);
    return status;
}

rin_status rin_sampling_create(const rin_config *config, rin_weights *weights, rin_arena parameters, int64_t batch,
                               const rin_sampling_options *options, rin_sampling **out, rin_error *error) {
    *out = NULL;
    if (batch < 1 || options->steps < 1) {
        return rin_error_set(error, RIN_ERR_ARG, "sampling wants a batch and steps of at least 1, not %lld and %lld",
                             (long long)batch, (long long)options->steps);
    }
    if (options->guidance != 0 && !config->model.num_classes) {
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sample.guidance = %g: this model has no classes to guide by; use 0", options->guidance);
    }
    rin_sampling *s = rin_calloc(1, sizeof *s, error);
    if (!s) return RIN_ERR_MEMORY;
    s->options = *options;
    s->config = *config;
    s->batch = batch;
    rin_graph *graph;
    rin_program_options program = {.parameters = parameters};
    rin_status status = build(s, &graph, error);
    if (status == RIN_OK) status = rin_program_create(graph, weights, &program, &s->program, error);
    if (status == RIN_OK) status = allocate(s, error);
    if (status == RIN_OK) *out = s;
    else rin_sampling_free(s);
    return status;
}

void rin_sampling_free(rin_sampling *s) {
    if (!s) return;
    rin_free(s->labels);
    rin_free(s->gammas);
    rin_free(s->zeros);
    rin_program_free(s->program);
    rin_free(s);
}

rin_status rin_sampling_start(rin_sampling *s, const float *noise, const float *labels, const float *frames,
                              rin_error *error) {
    const rin_config_model *m = &s->config.model;
    s->step = 0;
    if (labels) memcpy(s->labels, labels, (size_t)s->n_labels * sizeof *s->labels);
    rin_status status = rin_program_write(s->program, "x", noise, s->n_pixels, error);
    if (s->n_labels && status == RIN_OK)
        status = rin_program_write(s->program, "labels", s->labels, s->n_labels, error);
    if (s->n_latent && status == RIN_OK)
        status = rin_program_write(s->program, "latent_prev", s->zeros, s->n_latent, error);
    if (s->n_tape && status == RIN_OK) status = rin_program_write(s->program, "tape_prev", s->zeros, s->n_tape, error);
    if (status != RIN_OK || !m->seq_cond) return status;
    if (!frames)
        return rin_error_set(error, RIN_ERR_ARG, "this model continues %lld given frames: give them",
                             (long long)m->seq_cond);
    rin_shape shape = rin_model_frames_shape(m, s->batch);
    return rin_program_write(s->program, "frames", frames, rin_shape_count(&shape), error);
}

/* The output without labels, kept for the labelled forward, which starts from the same hiddens. */
static rin_status forward_unlabelled(rin_sampling *s, rin_error *error) {
    rin_status status = rin_program_write(s->program, "labels", s->zeros, s->n_labels, error);
    if (status == RIN_OK) rin_program_run(s->program, &(rin_step){0}, RIN_SECTION_ALL);
    if (status == RIN_OK) status = rin_program_carry(s->program, "out", "unlabelled", 0, error);
    if (status == RIN_OK) status = rin_program_write(s->program, "labels", s->labels, s->n_labels, error);
    return status;
}

/* What the next step starts from. */
static rin_status carry(rin_sampling *s, rin_error *error) {
    float keep = (float)s->options.self_cond_decay;
    rin_status status = rin_program_carry(s->program, "x_next", "x", 0, error);
    if (s->n_latent && status == RIN_OK) status = rin_program_carry(s->program, "latent", "latent_prev", keep, error);
    if (s->n_tape && status == RIN_OK) status = rin_program_carry(s->program, "tape", "tape_prev", keep, error);
    return status;
}

rin_status rin_sampling_step(rin_sampling *s, const float *noise, rin_error *error) {
    const rin_sampling_options *o = &s->options;
    const rin_sampler_row *sampler = rin_sampler_find(o->sampler);
    double t, t_next;
    rin_sampling_times(s->step, o->steps, o->td, &t, &t_next);
    union {
        rin_denoising denoising;
        float values[sizeof(rin_denoising) / sizeof(float)];
    } numbers = {{.gamma = rin_gamma(&o->schedule, t), .guidance = (float)o->guidance}};
    sampler->step(numbers.denoising.gamma, rin_gamma(&o->schedule, t_next), &numbers.denoising);
    for (int64_t i = 0; i < s->batch; i++) s->gammas[i] = numbers.denoising.gamma;
    rin_status status = rin_program_write(s->program, "gamma", s->gammas, s->batch, error);
    if (status == RIN_OK)
        status = rin_program_write(s->program, "numbers", numbers.values, RIN_COUNT(numbers.values), error);
    if (sampler->needs_noise && status == RIN_OK)
        status = rin_program_write(s->program, "noise", noise, s->n_pixels, error);
    if (o->guidance != 0 && status == RIN_OK) status = forward_unlabelled(s, error);
    if (status == RIN_OK) rin_program_run(s->program, &(rin_step){0}, RIN_SECTION_ALL);
    if (status == RIN_OK) status = carry(s, error);
    s->step++;
    return status;
}

rin_status rin_sampling_pixels(const rin_sampling *s, float *pixels, rin_error *error) {
    float scale = (float)(0.5 / s->config.diffusion.b_scale);
    rin_status status = rin_program_read(s->program, "x0", pixels, s->n_pixels, error);
    for (int64_t i = 0; i < s->n_pixels && status == RIN_OK; i++) {
        /* Clipping would make a grey or black picture of numbers that are none. */
        if (!isfinite(pixels[i]))
            status = rin_error_set(error, RIN_ERR_NUMERIC,
                                   "sampling: the network's output is not finite; the model's training went astray");
        pixels[i] = pixels[i] * scale + 0.5f;
    }
    return status;
}
