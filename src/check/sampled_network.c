/* SPDX-License-Identifier: MIT */
/* Samplers with networks: the weights of models' cases, every way of guiding, masks, pictures to begin with. */
#include <math.h>
#include <string.h>

#include "check/sampler_case.h"
#include "model/model.h"

/* Section 8: of max|b|. */
static const double tolerance_network = 1e-3;

/* A model of another case, open on this case's backend. */
typedef struct other {
    rin_case of;
    rin_config config;
    rin_weights *weights;
} other;

/* ---- networks ---- */

static rin_status load_other(other *o, const rin_case *c, const char *pred, rin_error *error) {
    rin_case *of = &o->of;
    rin_status status = rin_case_read_json(of, "case.json", &of->json, error);
    if (status == RIN_OK) status = rin_case_load_config(of->json, &o->config, error);
    if (status == RIN_OK && *pred) status = rin_config_set(&o->config, "diffusion.pred_type", pred, error);
    if (status == RIN_OK) status = rin_case_open_file(of, "weights.safetensors", &of->weights_file, error);
    if (status == RIN_OK)
        status = rin_model_create_weights(&o->config, of->weights_file, c->backend, false, &o->weights, error);
    if (status == RIN_OK) status = rin_arena_read(o->weights, RIN_ARENA_WEIGHTS, "", of->weights_file, error);
    return status;
}

static rin_status open_other(other *o, const rin_case *c, const char *name, const char *pred, rin_error *error) {
    char folder[RIN_CASE_NAME];
    /* A name, not a path. */
    if (!*name || strchr(name, '/') || strlen(name) > RIN_CASE_NAME / 2 || name[0] == '.')
        return rin_error_set(error, RIN_ERR_FORMAT, "'%.100s' is not the name of a case", name);
    snprintf(folder, sizeof folder, "../golden/%s", name);
    char *path = rin_path_join(c->folder, folder, error);
    o->of = (rin_case){.folder = path, .own_folder = path};
    return path ? load_other(o, c, pred, error) : RIN_ERR_MEMORY;
}

static void close_other(other *o) {
    rin_weights_free(o->weights);
    cJSON_Delete(o->of.json);
    rin_safetensors_close(o->of.weights_file);
    rin_free(o->of.own_folder);
}

/* ---- a run ---- */

typedef struct run {
    rin_check *check;
    rin_sampling *sampling;
    float *noise, *labels, *frames, *known, *mask, *made;
    rin_parts step_noise, estimates;
} run;

static rin_status read_interval(const cJSON *row, rin_sampling_options *out, rin_error *error) {
    const cJSON *interval = cJSON_GetObjectItemCaseSensitive(row, "interval");
    if (!interval || cJSON_IsNull(interval)) return RIN_OK;
    const cJSON *low = cJSON_GetArrayItem(interval, 0), *high = cJSON_GetArrayItem(interval, 1);
    if (!cJSON_IsNumber(low) || !cJSON_IsNumber(high))
        return rin_error_set(error, RIN_ERR_FORMAT, "an interval is two numbers");
    out->low = low->valuedouble;
    out->high = high->valuedouble;
    return RIN_OK;
}

static rin_status read_options(const cJSON *row, const rin_config *config, rin_sampling_options *out, double **nodes,
                               rin_error *error) {
    rin_shape video = rin_model_video_shape(&config->model, 1);
    *out = (rin_sampling_options){.low = -1, .high = INFINITY};
    rin_status status = rin_row_route_options(row, 0, &out->route, nodes, error);
    if (status == RIN_OK) status = read_interval(row, out, error);
    if (status == RIN_OK && !cJSON_HasObjectItem(row, "schedule"))
        status = rin_schedule_parse(config->diffusion.infer_schedule, &out->route.schedule, error);
    out->route.b_scale = config->diffusion.b_scale;
    out->route.n_pixels = rin_shape_count(&video);
    /* What is stored are nodes; below strength 1, whatever it is, a run begins with the picture. */
    if (cJSON_HasObjectItem(row, "strength")) out->route.strength = 0.5;
    out->nodes = *nodes;
    out->guidance = rin_row_number(row, "guidance", 0);
    out->own_hiddens = strcmp(rin_row_word(row, "hiddens", "shared"), "own") == 0;
    out->rescale = rin_row_number(row, "phi", 0);
    out->percentile = rin_row_number(row, "percentile", 0);
    out->masked = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "inpaint"));
    out->warm = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "warm"));
    return status;
}

/* Where a run begins with a picture, its first level is sigma_max; a row without says nothing about its spacing. */
static rin_status compare_grid(rin_check *check, const rin_sampling_options *options, rin_error *error) {
    rin_route_options route = options->route;
    if (route.strength < 1 && route.sigma_max == 0) return RIN_OK;
    route.strength = 1;
    return rin_row_compare_grid(check, &route, options->nodes, error);
}

static rin_status read_inputs(run *r, rin_error *error) {
    rin_check *check = r->check;
    const rin_stream *s = &r->sampling->main;
    rin_shape frames = rin_model_frames_shape(&s->config.model, s->batch);
    int64_t n = s->n_pixels, points = n / s->config.model.image_channels;
    bool masked = r->sampling->options.masked, begun = r->sampling->route->options.strength < 1;
    rin_status status = rin_check_values(check, "noise0", false, n, &r->noise, error);
    check->batch = s->batch;
    if (status == RIN_OK && s->n_labels)
        status = rin_check_read_labels(check, s->config.model.num_classes, &r->labels, error);
    if (status == RIN_OK && s->config.model.seq_cond)
        status = rin_check_values(check, "cond_frames", false, rin_shape_count(&frames), &r->frames, error);
    if (status == RIN_OK) status = rin_check_values(check, "known", !masked && !begun, n, &r->known, error);
    if (status == RIN_OK) status = rin_check_values(check, "mask", !masked, points, &r->mask, error);
    if (status == RIN_OK) status = rin_parts_read(check, "step_noise", n, &r->step_noise, error);
    if (status == RIN_OK) status = rin_parts_read(check, "estimates", n, &r->estimates, error);
    if (status == RIN_OK) status = rin_parts_fit(&r->step_noise, r->sampling->route, error);
    return status;
}

static const cJSON *guided_list(const run *r) {
    return cJSON_GetObjectItemCaseSensitive(r->check->options, "guided");
}

static rin_status compare_guided(const run *r, int64_t i, int64_t forwards, rin_error *error) {
    const cJSON *guided = cJSON_GetArrayItem(guided_list(r), (int)i);
    if (!guided || (cJSON_IsTrue(guided) || guided->valuedouble != 0) == (forwards > 1)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_NUMERIC, "evaluation %lld is%s guided", (long long)i,
                         forwards > 1 ? "" : " not");
}

static rin_status follow(run *r, rin_error *error) {
    rin_sampling *s = r->sampling;
    int64_t n = s->main.n_pixels, done = 0;
    rin_sampling_start start = {.noise = r->noise,
                                .labels = r->labels,
                                .frames = r->frames,
                                .picture = r->known,
                                .mask = r->mask,
                                .draw = rin_parts_draw,
                                .user = &r->step_noise};
    r->made = rin_calloc((size_t)n, sizeof *r->made, error);
    rin_status status = r->made ? rin_sampling_begin(s, &start, error) : RIN_ERR_MEMORY;
    while (status == RIN_OK && !rin_sampling_is_done(s)) {
        int64_t before = s->n_forwards;
        status = rin_sampling_step(s, error);
        if (status == RIN_OK) status = rin_program_read(s->main.program, "x0", r->made, n, error);
        if (status == RIN_OK) rin_parts_compare(r->check, &r->estimates, done, r->made, tolerance_network);
        if (status == RIN_OK) status = compare_guided(r, done++, s->n_forwards - before, error);
    }
    if (status == RIN_OK) status = rin_parts_end(&r->estimates, done, error);
    if (status == RIN_OK && cJSON_IsArray(guided_list(r)) && cJSON_GetArraySize(guided_list(r)) != done)
        status = rin_error_set(error, RIN_ERR_SHAPE, "%d evaluations are listed as guided or not, %lld were made",
                               cJSON_GetArraySize(guided_list(r)), (long long)done);
    if (status == RIN_OK) rin_check_number_of(r->check, r->check->options, "evaluations", (double)done, 0, 1);
    if (status == RIN_OK) status = rin_sampling_pixels(s, r->made, error);
    rin_parts samples = {0};
    if (status == RIN_OK) status = rin_parts_read(r->check, "samples", n, &samples, error);
    if (status == RIN_OK && !samples.values) status = rin_error_set(error, RIN_ERR_FORMAT, "no samples are stored");
    if (status == RIN_OK) rin_parts_compare(r->check, &samples, 0, r->made, tolerance_network);
    rin_free(samples.values);
    return status;
}

static rin_status run_row(rin_check *check, const other *model, const other *guide, rin_error *error) {
    rin_network network = {&model->config, model->weights, RIN_ARENA_WEIGHTS},
                led_from = {&guide->config, guide->weights, RIN_ARENA_WEIGHTS};
    const rin_stored_tensor *noise = rin_case_find(check->of, "%s/noise0", check->name);
    rin_sampling_options options;
    double *nodes = NULL;
    run r = {.check = check};
    rin_status status = rin_case_expect(noise, error, "%s/noise0", check->name);
    if (status == RIN_OK && (noise->rank < 1 || noise->shape[0] < 1 || noise->shape[0] > 1024))
        status = rin_error_set(error, RIN_ERR_SHAPE, "'%s' is no batch", noise->name);
    if (status == RIN_OK) status = read_options(check->options, &model->config, &options, &nodes, error);
    if (status == RIN_OK)
        status = rin_sampling_create(&network, guide->weights ? &led_from : NULL, (int64_t)noise->shape[0], &options,
                                     &r.sampling, error);
    if (status == RIN_OK) status = compare_grid(check, &options, error);
    if (status == RIN_OK) status = read_inputs(&r, error);
    if (status == RIN_OK) status = follow(&r, error);
    float *const memory[] = {r.noise,           r.labels, r.frames, r.known, r.mask, r.made, r.step_noise.values,
                             r.estimates.values};
    for (size_t i = 0; i < RIN_COUNT(memory); i++) rin_free(memory[i]);
    rin_free(nodes);
    rin_sampling_free(r.sampling);
    return status;
}

static rin_status check_row(rin_check *check, rin_error *error) {
    other model = {0}, guide = {0};
    const char *pred = rin_row_word(check->options, "pred", ""), *name = rin_row_word(check->options, "guide", "");
    rin_status status = open_other(&model, check->of, rin_row_word(check->options, "weights", ""), pred, error);
    if (status == RIN_OK && *name) status = open_other(&guide, check->of, name, pred, error);
    if (status == RIN_OK) status = run_row(check, &model, &guide, error);
    close_other(&model);
    close_other(&guide);
    return status;
}

bool rin_check_is_sampled_network(const cJSON *json) {
    return cJSON_HasObjectItem(rin_first_row(json, "cases"), "weights");
}

rin_status rin_check_sampled_network(rin_case *c, rin_error *error) {
    rin_status status = rin_case_open_numbers(c, error);
    return status == RIN_OK ? rin_check_each(c, "cases", check_row, error) : status;
}
