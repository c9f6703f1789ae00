/* SPDX-License-Identifier: MIT */
/*
 * A batch on its way along a route. The graph is the network, behind it guidance, the estimate and what the step mixes:
 * nothing but a few numbers goes to and fro between evaluations. States are inputs of the program, which it carries.
 */
#include <math.h>
#include <string.h>

#include "model/model.h"
#include "op/op.h"
#include "sample/sample.h"

rin_status rin_sampling_options_from(const rin_config *config, rin_sampling_options *out, rin_error *error) {
    const rin_config_sample *s = &config->sample;
    rin_shape video = rin_model_video_shape(&config->model, 1);
    *out = (rin_sampling_options){.route = {.sampler = s->sampler,
                                            .spacing = s->spacing,
                                            .steps = s->steps,
                                            .b_scale = config->diffusion.b_scale,
                                            .n_pixels = rin_shape_count(&video),
                                            .sigma_max = s->sigma_max,
                                            .sigma_min = s->sigma_min,
                                            .rho = s->rho,
                                            .strength = s->strength,
                                            .eta = s->eta,
                                            .td = s->td,
                                            .churn = s->churn,
                                            .churn_min = s->churn_min,
                                            .churn_max = s->churn_max,
                                            .churn_noise = s->churn_noise,
                                            .jump = s->jump,
                                            .repeats = s->repeats},
                                  .guidance = s->guidance,
                                  .low = s->guidance_low,
                                  .high = s->guidance_high,
                                  .own_hiddens = s->guidance_hiddens == RIN_GUIDANCE_HIDDENS_OWN,
                                  .rescale = s->guidance_rescale,
                                  .percentile = s->percentile,
                                  .warm = s->warm,
                                  .self_cond_decay = s->self_cond_decay};
    if (s->guidance != 0 && !(s->guidance_low < s->guidance_high))
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sample.guidance_low = %g, sample.guidance_high = %g: no noise level is above the first "
                             "and at most the second; give the lower one first",
                             s->guidance_low, s->guidance_high);
    const char *schedule = *s->schedule ? s->schedule : config->diffusion.infer_schedule;
    return rin_schedule_parse(schedule, &out->route.schedule, error);
}

void rin_sample_plainly(rin_config_sample *sample, rin_sampler sampler, int64_t steps) {
    sample->sampler = sampler;
    sample->steps = steps;
    sample->spacing = RIN_SPACING_AUTO;
    sample->eta = sample->churn = sample->td = sample->guidance = 0;
    sample->strength = 1;
    sample->repeats = 1;
}

/* ---- the program ---- */

static const char *const state_names[RIN_N_SOURCES] = {
    [RIN_SOURCE_X] = "x",           [RIN_SOURCE_BASE] = "base",         [RIN_SOURCE_ESTIMATE] = NULL,
    [RIN_SOURCE_BEFORE] = "before", [RIN_SOURCE_BEFORE_2] = "before_2", [RIN_SOURCE_NOISE] = "noise",
};

static bool has_state(const rin_sampling *s, int source) {
    const rin_sampler_row *sampler = s->route->sampler;
    switch (source) {
    case RIN_SOURCE_BASE: return sampler->corrects;
    case RIN_SOURCE_BEFORE: return sampler->keeps > 0;
    case RIN_SOURCE_BEFORE_2: return sampler->keeps > 1;
    case RIN_SOURCE_NOISE: return sampler->noisy || s->route->options.eta > 0;
    default: return true;
    }
}

static rin_value add_estimate(const rin_sampling *s, rin_graph *graph, rin_shape video, rin_value level) {
    const rin_sampling_options *o = &s->options;
    const rin_config_diffusion *d = &s->main.config.diffusion;
    rin_value out = rin_graph_find(graph, "out"), known = 0, mask = 0;
    if (o->guidance != 0) out = rin_op_guide(graph, out, rin_graph_input(graph, "reference", video), level);
    if (o->masked) {
        rin_shape one = video;
        one.dim[one.rank - 1] = 1;
        known = rin_op_rescale(graph, rin_graph_input(graph, "known", video), 2 * d->b_scale, -d->b_scale);
        mask = rin_graph_input(graph, "mask", one);
    }
    rin_estimate_attr attr = {d->pred_type, d->b_scale, o->percentile};
    return rin_op_estimate(graph, rin_graph_find(graph, "x"), out, level, known, mask, attr);
}

static void add_step(const rin_sampling *s, rin_graph *graph) {
    rin_shape video = rin_model_video_shape(&s->main.config.model, s->main.batch);
    rin_value level = rin_graph_input(graph, "level", RIN_SHAPE(RIN_N_LEVEL)), sources[RIN_N_SOURCES] = {0};
    rin_value factors = rin_graph_input(graph, "factors", RIN_SHAPE(2 * RIN_N_FACTORS));
    for (int k = 0; k < RIN_N_SOURCES; k++) {
        if (k == RIN_SOURCE_X) sources[k] = rin_graph_find(graph, "x");
        else if (state_names[k] && has_state(s, k)) sources[k] = rin_graph_input(graph, state_names[k], video);
    }
    sources[RIN_SOURCE_ESTIMATE] = add_estimate(s, graph, video, level);
    rin_graph_output(graph, "x0", sources[RIN_SOURCE_ESTIMATE]);
    rin_graph_output(graph, "x_next", rin_op_mix(graph, factors, level, sources, (rin_mix_attr){0}));
    if (s->route->sampler->corrects)
        rin_graph_output(graph, "base_next", rin_op_mix(graph, factors, level, sources, (rin_mix_attr){RIN_N_FACTORS}));
    if (s->route->sampler->has_second) rin_stream_add_kept(graph);
}

static rin_status create_main(rin_sampling *s, const rin_network *network, int64_t batch, rin_error *error) {
    rin_graph *graph = NULL;
    s->main.config = *network->config;
    s->main.batch = batch;
    rin_status status = rin_model_forward_graph(network->config, batch, &graph, error);
    if (status != RIN_OK) return status;
    add_step(s, graph);
    return rin_stream_init(&s->main, network, graph, batch, error);
}

static rin_status create_reference(rin_sampling *s, const rin_network *network, int64_t batch, rin_error *error) {
    rin_graph *graph = NULL;
    rin_status status = rin_model_forward_graph(network->config, batch, &graph, error);
    if (status != RIN_OK) return status;
    if (s->route->sampler->has_second) rin_stream_add_kept(graph);
    return rin_stream_init(&s->reference, network, graph, batch, error);
}

/* ---- what it will cost ---- */

static bool is_guided(const rin_sampling *s, double gamma) {
    double sigma = rin_sigma_of_gamma(gamma) / s->main.config.diffusion.b_scale;
    return s->options.guidance != 0 && sigma > s->options.low && sigma <= s->options.high;
}

/* Whether a forward for the hiddens alone comes first. */
static bool warms_up(const rin_sampling *s) {
    return s->options.warm && s->route->options.strength < 1;
}

static int64_t count_forwards(const rin_sampling *s) {
    rin_cursor cursor = {0};
    rin_move move;
    int64_t n = warms_up(s);
    while (rin_route_next(s->route, &cursor, &move)) {
        if (move.kind != RIN_MOVE_RENOISE) n += 1 + is_guided(s, move.gamma);
    }
    return n;
}

/* ---- making one ---- */

static rin_status compare_option(const rin_config *model, const rin_config *guide, const char *key, rin_error *error) {
    char *own = NULL, *other = NULL;
    rin_status status = rin_config_get(model, key, &own, error);
    if (status == RIN_OK) status = rin_config_get(guide, key, &other, error);
    if (status == RIN_OK && strcmp(own, other) != 0)
        status = rin_error_set(error, RIN_ERR_CONFIG,
                               "%s is %s for the model and %s for the guide: allowed is a guide that was trained for "
                               "the same pictures, classes and diffusion.pred_type, such as an earlier checkpoint",
                               key, own, other);
    rin_free(own);
    rin_free(other);
    return status;
}

static rin_status check_guide(const rin_config *model, const rin_config *guide, rin_error *error) {
    static const char *const keys[] = {"model.image_height", "model.image_width",  "model.image_channels",
                                       "model.seq_len",      "model.seq_cond",     "model.num_classes",
                                       "diffusion.b_scale",  "diffusion.pred_type"};
    rin_status status = RIN_OK;
    for (size_t i = 0; i < RIN_COUNT(keys) && status == RIN_OK; i++)
        status = compare_option(model, guide, keys[i], error);
    return status;
}

static rin_status check(const rin_network *network, const rin_network *guide, int64_t batch,
                        const rin_sampling_options *o, rin_error *error) {
    if (batch < 1)
        return rin_error_set(error, RIN_ERR_ARG, "sampling wants a batch of at least 1, not %lld", (long long)batch);
    if (guide) return check_guide(network->config, guide->config, error);
    if (o->guidance != 0 && !network->config->model.num_classes)
        return rin_error_set(error, RIN_ERR_CONFIG,
                             "sample.guidance = %g: this model has no classes to guide by; use 0, or another model as "
                             "guide",
                             o->guidance);
    return RIN_OK;
}

static rin_status allocate(rin_sampling *s, rin_error *error) {
    const rin_stream *r = &s->reference;
    struct {
        float **memory;
        int64_t n;
    } parts[] = {{&s->labels, s->main.n_labels},
                 {&s->noise, s->route->n_noises ? s->main.n_pixels : 0},
                 {&s->state, s->main.n_pixels},
                 {&s->between, r->program ? RIN_MAX(r->n_pixels, RIN_MAX(r->n_latent, r->n_tape)) : 0}};
    for (size_t i = 0; i < RIN_COUNT(parts); i++) {
        *parts[i].memory = rin_calloc((size_t)parts[i].n, sizeof(float), error);
        if (!*parts[i].memory) return RIN_ERR_MEMORY;
    }
    return RIN_OK;
}

rin_status rin_sampling_create(const rin_network *network, const rin_network *guide, int64_t batch,
                               const rin_sampling_options *options, rin_sampling **out, rin_error *error) {
    *out = NULL;
    rin_status status = check(network, guide, batch, options, error);
    if (status != RIN_OK) return status;
    rin_sampling *s = rin_calloc(1, sizeof *s, error);
    if (!s) return RIN_ERR_MEMORY;
    s->options = *options;
    s->guide = guide != NULL;
    status = rin_route_create_along(&options->route, options->nodes, &s->route, error);
    if (status == RIN_OK) status = create_main(s, network, batch, error);
    if (status == RIN_OK && options->guidance != 0 && (guide || options->own_hiddens))
        status = create_reference(s, guide ? guide : network, batch, error);
    if (status == RIN_OK) status = allocate(s, error);
    if (status == RIN_OK) s->n_total = count_forwards(s);
    if (status == RIN_OK) *out = s;
    else rin_sampling_free(s);
    return status;
}

void rin_sampling_free(rin_sampling *s) {
    if (!s) return;
    rin_stream_clear(&s->main);
    rin_stream_clear(&s->reference);
    rin_route_free(s->route);
    rin_free(s->labels);
    rin_free(s->noise);
    rin_free(s->state);
    rin_free(s->between);
    rin_free(s);
}

/* ---- one evaluation ---- */

/* The output that guidance leads away from. It starts from the hiddens of the labelled one, unless it has its own. */
static rin_status run_reference(rin_sampling *s, double gamma, rin_error *error) {
    if (!s->reference.program) {
        rin_status status = rin_stream_run(&s->main, gamma, NULL, error);
        return status == RIN_OK ? rin_program_carry(s->main.program, "out", "reference", 0, error) : status;
    }
    rin_status status = rin_stream_copy(&s->main, "x", &s->reference, "x", s->main.n_pixels, s->between, error);
    if (status == RIN_OK) status = rin_stream_run(&s->reference, gamma, s->guide ? s->labels : NULL, error);
    if (status == RIN_OK)
        status = rin_stream_copy(&s->reference, "out", &s->main, "reference", s->main.n_pixels, s->between, error);
    return status;
}

/* As the op mix reads them. */
static void write_factors(const rin_mixture *mixture, float *factors) {
    _Static_assert(RIN_N_FACTORS == RIN_N_SOURCES + 2, "the op mix reads all of a mixture's numbers");
    for (int k = 0; k < RIN_N_SOURCES; k++) factors[k] = (float)mixture->of[k];
    factors[RIN_N_SOURCES] = (float)mixture->of_eps;
    factors[RIN_N_SOURCES + 1] = (float)mixture->divisor;
}

static rin_status write_numbers(rin_sampling *s, const rin_move *move, bool guided, rin_error *error) {
    const rin_sampling_options *o = &s->options;
    const float level[RIN_N_LEVEL] = {(float)sqrt(move->gamma), (float)sqrt(1 - move->gamma),
                                      guided ? (float)o->guidance : 0, guided ? (float)o->rescale : 0};
    float factors[2 * RIN_N_FACTORS];
    write_factors(&move->x, factors);
    write_factors(&move->base, factors + RIN_N_FACTORS);
    rin_status status = rin_program_write(s->main.program, "level", level, RIN_COUNT(level), error);
    if (status == RIN_OK) status = rin_program_write(s->main.program, "factors", factors, RIN_COUNT(factors), error);
    return status;
}

/* Hiddens are state of the step, not of the evaluation: a second one starts from the same. */
static rin_status carry_hiddens(rin_sampling *s, const rin_move *move, rin_error *error) {
    float decay = (float)s->options.self_cond_decay;
    rin_carry how = move->kind == RIN_MOVE_SECOND ? RIN_CARRY_KEPT : move->has_second ? RIN_CARRY_LATER : RIN_CARRY_NOW;
    rin_status status = rin_stream_carry(&s->main, how, decay, error);
    if (status != RIN_OK || !s->reference.program) return status;
    if (s->step_guided) return rin_stream_carry(&s->reference, how, decay, error);
    if (how == RIN_CARRY_LATER) return RIN_OK;
    return s->guide ? rin_stream_forget(&s->reference, error)
                    : rin_stream_follow(&s->reference, &s->main, s->between, error);
}

static rin_status evaluate(rin_sampling *s, const rin_move *move, bool guided, rin_error *error) {
    if (move->kind == RIN_MOVE_STEP) s->step_guided = guided;
    rin_status status = guided ? run_reference(s, move->gamma, error) : RIN_OK;
    if (status == RIN_OK) status = write_numbers(s, move, guided, error);
    if (status == RIN_OK) status = rin_stream_run(&s->main, move->gamma, s->labels, error);
    s->n_forwards += guided ? 2 : 1;
    return status == RIN_OK ? carry_hiddens(s, move, error) : status;
}

/* ---- moves ---- */

static rin_status advance(rin_sampling *s, const rin_move *move, rin_error *error) {
    rin_program *program = s->main.program;
    rin_status status = rin_program_carry(program, "x_next", "x", 0, error);
    if (move->kind == RIN_MOVE_SECOND) return status;
    if (has_state(s, RIN_SOURCE_BASE) && status == RIN_OK)
        status = rin_program_carry(program, "base_next", "base", 0, error);
    if (has_state(s, RIN_SOURCE_BEFORE_2) && status == RIN_OK)
        status = rin_program_carry(program, "before", "before_2", 0, error);
    if (has_state(s, RIN_SOURCE_BEFORE) && status == RIN_OK)
        status = rin_program_carry(program, "x0", "before", 0, error);
    return status;
}

static rin_status renoise(rin_sampling *s, const rin_move *move, rin_error *error) {
    const float *sources[RIN_N_SOURCES] = {[RIN_SOURCE_X] = s->state, [RIN_SOURCE_NOISE] = s->noise};
    rin_status status = rin_program_read(s->main.program, "x", s->state, s->main.n_pixels, error);
    if (status != RIN_OK) return status;
    rin_mix(&move->x, move->gamma, sources, s->state, s->main.n_pixels);
    return rin_program_write(s->main.program, "x", s->state, s->main.n_pixels, error);
}

static rin_status make_move(rin_sampling *s, const rin_move *move, rin_error *error) {
    rin_status status = RIN_OK;
    if (move->noise >= 0) s->from.draw(s->from.user, move->noise, s->noise);
    if (move->kind == RIN_MOVE_RENOISE) return renoise(s, move, error);
    if (move->noise >= 0) status = rin_program_write(s->main.program, "noise", s->noise, s->main.n_pixels, error);
    if (status == RIN_OK) status = evaluate(s, move, is_guided(s, move->gamma), error);
    return status == RIN_OK ? advance(s, move, error) : status;
}

rin_status rin_sampling_step(rin_sampling *s, rin_error *error) {
    while (rin_route_next(s->route, &s->cursor, &s->move)) {
        rin_status status = make_move(s, &s->move, error);
        if (status != RIN_OK || s->move.kind != RIN_MOVE_RENOISE) return status;
    }
    return rin_error_set(error, RIN_ERR_INTERNAL, "sampling: a step after the last");
}

bool rin_sampling_is_done(const rin_sampling *s) {
    return rin_route_is_done(s->route, &s->cursor);
}

/* ---- the start ---- */

/* Noise, or below strength 1 the picture with as much noise as the first level has. */
static rin_status write_start(rin_sampling *s, rin_error *error) {
    const rin_sampling_start *from = &s->from;
    const double b = s->main.config.diffusion.b_scale, gamma = s->route->nodes[0];
    if (s->route->options.strength < 1 && !from->picture)
        return rin_error_set(error, RIN_ERR_ARG, "sample.strength = %g: there is no picture to begin with; give one",
                             s->route->options.strength);
    memcpy(s->state, from->noise, (size_t)s->main.n_pixels * sizeof *s->state);
    for (int64_t i = 0; s->route->options.strength < 1 && i < s->main.n_pixels; i++)
        s->state[i] = (float)(sqrt(gamma) * b * (2 * (double)from->picture[i] - 1)) +
                      (float)sqrt(1 - gamma) * from->noise[i];
    return rin_program_write(s->main.program, "x", s->state, s->main.n_pixels, error);
}

static rin_status write_known(rin_sampling *s, rin_error *error) {
    const rin_sampling_start *from = &s->from;
    if (!s->options.masked) return RIN_OK;
    if (!from->picture || !from->mask) return rin_error_null(error, "sampling", from->mask ? "picture" : "mask");
    rin_status status = rin_program_write(s->main.program, "known", from->picture, s->main.n_pixels, error);
    if (status != RIN_OK) return status;
    return rin_program_write(s->main.program, "mask", from->mask,
                             s->main.n_pixels / s->main.config.model.image_channels, error);
}

rin_status rin_sampling_begin(rin_sampling *s, const rin_sampling_start *start, rin_error *error) {
    s->from = *start;
    s->cursor = (rin_cursor){0};
    s->n_forwards = 0;
    if (start->labels) memcpy(s->labels, start->labels, (size_t)s->main.n_labels * sizeof *s->labels);
    rin_status status = rin_stream_begin(&s->main, start->frames, error);
    if (status == RIN_OK && s->reference.program) status = rin_stream_begin(&s->reference, start->frames, error);
    if (status == RIN_OK) status = write_known(s, error);
    if (status == RIN_OK) status = write_start(s, error);
    if (status != RIN_OK || !warms_up(s)) return status;
    return evaluate(s, &(rin_move){.kind = RIN_MOVE_STEP, .gamma = s->route->nodes[0], .x.of = {1}}, false, error);
}

rin_status rin_sampling_pixels(const rin_sampling *s, float *pixels, rin_error *error) {
    float scale = (float)(0.5 / s->main.config.diffusion.b_scale);
    rin_status status = rin_program_read(s->main.program, "x0", pixels, s->main.n_pixels, error);
    for (int64_t i = 0; i < s->main.n_pixels && status == RIN_OK; i++) {
        /* Clipping would make a grey or black picture of numbers that are none. */
        if (!isfinite(pixels[i]))
            status = rin_error_set(
                error, RIN_ERR_NUMERIC,
                "sampling: the network's output is not finite; the training of the model%s went astray",
                s->guide ? " or of the guide" : "");
        pixels[i] = pixels[i] * scale + 0.5f;
    }
    return status;
}
