/* SPDX-License-Identifier: MIT */
/* Section 4, "Sampling". */
#include <math.h>
#include <string.h>

#include "model/model.h"
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
    struct {
        float **memory;
        int64_t n;
    } parts[] = {
        {&s->x, s->n_pixels},      {&s->x0, s->n_pixels},
        {&s->output, s->n_pixels}, {&s->other, s->n_pixels},
        {&s->labels, s->n_labels}, {&s->no_labels, s->n_labels},
        {&s->gammas, s->batch},    {&s->latent, s->n_latent},
        {&s->tape, s->n_tape},     {&s->fresh, RIN_MAX(s->n_latent, s->n_tape)},
    };
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        *parts[i].memory = rin_calloc((size_t)parts[i].n, sizeof(float), error);
        if (!*parts[i].memory) return RIN_ERR_MEMORY;
    }
    return RIN_OK;
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
    rin_status status = rin_model_forward_graph(config, batch, &graph, error);
    if (status == RIN_OK && (status = rin_remove_dead(graph, error)) != RIN_OK) rin_graph_free(graph);
    if (status == RIN_OK) status = rin_program_create(graph, weights, &program, &s->program, error);
    if (status == RIN_OK) status = allocate(s, error);
    if (status == RIN_OK) *out = s;
    else rin_sampling_free(s);
    return status;
}

void rin_sampling_free(rin_sampling *s) {
    if (!s) return;
    float *parts[] = {s->x,         s->x0,     s->output, s->other, s->labels,
                      s->no_labels, s->gammas, s->latent, s->tape,  s->fresh};
    for (size_t i = 0; i < RIN_COUNT(parts); i++) rin_free(parts[i]);
    rin_program_free(s->program);
    rin_free(s);
}

rin_status rin_sampling_start(rin_sampling *s, const float *noise, const float *labels, const float *frames,
                              rin_error *error) {
    const rin_config_model *m = &s->config.model;
    s->step = 0;
    memcpy(s->x, noise, (size_t)s->n_pixels * sizeof *s->x);
    if (labels) memcpy(s->labels, labels, (size_t)s->n_labels * sizeof *s->labels);
    memset(s->latent, 0, (size_t)s->n_latent * sizeof *s->latent);
    memset(s->tape, 0, (size_t)s->n_tape * sizeof *s->tape);
    if (!m->seq_cond) return RIN_OK;
    if (!frames)
        return rin_error_set(error, RIN_ERR_ARG, "this model continues %lld given frames: give them",
                             (long long)m->seq_cond);
    rin_shape shape = rin_model_frames_shape(m, s->batch);
    return rin_program_write(s->program, "frames", frames, rin_shape_count(&shape), error);
}

/* output = f(x, gamma, labels, hiddens) */
static rin_status forward(rin_sampling *s, const float *labels, float *output, rin_error *error) {
    rin_step step = {0};
    rin_status status = RIN_OK;
    if (s->n_labels) status = rin_program_write(s->program, "labels", labels, s->n_labels, error);
    if (status != RIN_OK) return status;
    rin_program_run(s->program, &step, RIN_SECTION_ALL);
    return rin_program_read(s->program, "out", output, s->n_pixels, error);
}

static rin_status write_state(rin_sampling *s, rin_error *error) {
    rin_status status = rin_program_write(s->program, "x", s->x, s->n_pixels, error);
    if (status == RIN_OK) status = rin_program_write(s->program, "gamma", s->gammas, s->batch, error);
    if (status == RIN_OK && s->n_latent)
        status = rin_program_write(s->program, "latent_prev", s->latent, s->n_latent, error);
    if (status == RIN_OK && s->n_tape) status = rin_program_write(s->program, "tape_prev", s->tape, s->n_tape, error);
    return status;
}

static rin_status carry(rin_sampling *s, const char *name, float *hidden, int64_t n, rin_error *error) {
    if (!n) return RIN_OK;
    rin_status status = rin_program_read(s->program, name, s->fresh, n, error);
    float m = (float)s->options.self_cond_decay;
    for (int64_t i = 0; i < n && status == RIN_OK; i++) hidden[i] = m * hidden[i] + (1 - m) * s->fresh[i];
    return status;
}

/* Clipping would make a grey or black picture of numbers that are none. */
static rin_status check_finite(const rin_sampling *s, rin_error *error) {
    int64_t i = 0;
    while (i < s->n_pixels && isfinite(s->output[i]) && (s->options.guidance == 0 || isfinite(s->other[i]))) i++;
    if (i == s->n_pixels) return RIN_OK;
    return rin_error_set(error, RIN_ERR_NUMERIC,
                         "step %lld of sampling: the network's output is not finite; the model's training went astray",
                         (long long)s->step);
}

rin_status rin_sampling_step(rin_sampling *s, const float *noise, rin_error *error) {
    const rin_sampling_options *o = &s->options;
    double t, t_next, w = o->guidance;
    rin_sampling_times(s->step, o->steps, o->td, &t, &t_next);
    float g = rin_gamma(&o->schedule, t), g_next = rin_gamma(&o->schedule, t_next);
    for (int64_t i = 0; i < s->batch; i++) s->gammas[i] = g;
    rin_status status = write_state(s, error);
    if (status == RIN_OK) status = forward(s, s->labels, s->output, error);
    /* The carried hiddens are read before an unlabelled forward replaces the program's outputs. */
    if (status == RIN_OK) status = carry(s, "latent", s->latent, s->n_latent, error);
    if (status == RIN_OK) status = carry(s, "tape", s->tape, s->n_tape, error);
    if (status == RIN_OK && w != 0) status = forward(s, s->no_labels, s->other, error);
    if (status != RIN_OK) return status;
    status = check_finite(s, error);
    if (status != RIN_OK) return status;
    for (int64_t i = 0; i < s->n_pixels && w != 0; i++)
        s->output[i] = (float)((1 + w) * s->output[i] - w * s->other[i]);
    rin_estimate(s->config.diffusion.pred_type, s->config.diffusion.b_scale, g, s->x, s->output, s->x0, s->n_pixels);
    const rin_sampler_row *sampler = rin_sampler_find(o->sampler);
    sampler->step(g, g_next, s->x, s->x0, sampler->needs_noise ? noise : NULL, s->n_pixels);
    s->step++;
    return RIN_OK;
}

void rin_sampling_pixels(const rin_sampling *s, float *pixels) {
    float scale = (float)(0.5 / s->config.diffusion.b_scale);
    for (int64_t i = 0; i < s->n_pixels; i++) pixels[i] = s->x0[i] * scale + 0.5f;
}
