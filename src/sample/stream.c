/* SPDX-License-Identifier: MIT */
/* A forward program and the hiddens that it carries from step to step, which stay in its memory. */
#include "model/model.h"
#include "sample/sample.h"

typedef struct hidden {
    const char *output, *carried, *kept;
    int64_t n;
} hidden;

enum { N_HIDDENS = 2 };

static void hiddens_of(const rin_stream *s, hidden out[N_HIDDENS]) {
    out[0] = (hidden){"latent", "latent_prev", "latent_kept", s->n_latent};
    out[1] = (hidden){"tape", "tape_prev", "tape_kept", s->n_tape};
}

rin_status rin_stream_init(rin_stream *s, const rin_network *network, rin_graph *graph, int64_t batch,
                           rin_error *error) {
    s->config = *network->config;
    const rin_config_model *m = &s->config.model;
    rin_shape video = rin_model_video_shape(m, batch), latent = rin_model_latent_shape(m, batch),
              tape = rin_model_tape_shape(m, batch);
    s->batch = batch;
    s->n_pixels = rin_shape_count(&video);
    s->n_latent = m->self_cond & RIN_SELF_COND_LATENT ? rin_shape_count(&latent) : 0;
    s->n_tape = m->self_cond & RIN_SELF_COND_TAPE ? rin_shape_count(&tape) : 0;
    s->n_labels = batch * m->num_classes;
    rin_program_options options = {.parameters = network->arena};
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK) status = rin_remove_dead(graph, error);
    if (status != RIN_OK) rin_graph_free(graph);
    if (status == RIN_OK) status = rin_program_create(graph, network->weights, &options, &s->program, error);
    if (status == RIN_OK) s->levels = rin_calloc((size_t)batch, sizeof *s->levels, error);
    int64_t most = RIN_MAX(RIN_MAX(s->n_latent, s->n_tape), s->n_labels);
    if (s->levels) s->zeros = rin_calloc((size_t)most, sizeof *s->zeros, error);
    return status == RIN_OK && !s->zeros ? RIN_ERR_MEMORY : status;
}

void rin_stream_clear(rin_stream *s) {
    rin_program_free(s->program);
    rin_free(s->levels);
    rin_free(s->zeros);
    *s = (rin_stream){0};
}

void rin_stream_add_kept(rin_graph *graph) {
    static const char *const names[][2] = {{"latent_prev", "latent_kept"}, {"tape_prev", "tape_kept"}};
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        rin_value carried = rin_graph_find(graph, names[i][0]);
        if (carried) (void)rin_graph_input(graph, names[i][1], *rin_graph_shape(graph, carried));
    }
}

rin_status rin_stream_forget(rin_stream *s, rin_error *error) {
    hidden all[N_HIDDENS];
    rin_status status = RIN_OK;
    hiddens_of(s, all);
    for (int i = 0; i < N_HIDDENS && status == RIN_OK; i++) {
        if (all[i].n) status = rin_program_write(s->program, all[i].carried, s->zeros, all[i].n, error);
    }
    return status;
}

rin_status rin_stream_begin(rin_stream *s, const float *frames, rin_error *error) {
    const rin_config_model *m = &s->config.model;
    rin_status status = rin_stream_forget(s, error);
    s->labelled_by = NULL;
    if (status != RIN_OK || !m->seq_cond) return status;
    if (!frames)
        return rin_error_set(error, RIN_ERR_ARG, "this model continues %lld given frames: give them",
                             (long long)m->seq_cond);
    rin_shape shape = rin_model_frames_shape(m, s->batch);
    return rin_program_write(s->program, "frames", frames, rin_shape_count(&shape), error);
}

rin_status rin_stream_run(rin_stream *s, double gamma, const float *labels, rin_error *error) {
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < s->batch; i++) s->levels[i] = (float)gamma;
    status = rin_program_write(s->program, "gamma", s->levels, s->batch, error);
    if (!labels) labels = s->zeros;
    if (s->n_labels && s->labelled_by != labels && status == RIN_OK) {
        status = rin_program_write(s->program, "labels", labels, s->n_labels, error);
        s->labelled_by = labels;
    }
    if (status == RIN_OK) rin_program_run(s->program, &(rin_step){0}, RIN_SECTION_ALL);
    return status;
}

rin_status rin_stream_carry(rin_stream *s, rin_carry how, float decay, rin_error *error) {
    hidden all[N_HIDDENS];
    rin_status status = RIN_OK;
    hiddens_of(s, all);
    for (int i = 0; i < N_HIDDENS && status == RIN_OK; i++) {
        const char *from = how == RIN_CARRY_KEPT ? all[i].kept : all[i].output;
        const char *to = how == RIN_CARRY_LATER ? all[i].kept : all[i].carried;
        if (all[i].n) status = rin_program_carry(s->program, from, to, how == RIN_CARRY_LATER ? 0 : decay, error);
    }
    return status;
}

rin_status rin_stream_copy(const rin_stream *from, const char *name, rin_stream *to, const char *as, int64_t n,
                           float *between, rin_error *error) {
    rin_status status = rin_program_read(from->program, name, between, n, error);
    return status == RIN_OK ? rin_program_write(to->program, as, between, n, error) : status;
}

rin_status rin_stream_follow(rin_stream *s, const rin_stream *other, float *between, rin_error *error) {
    hidden all[N_HIDDENS];
    rin_status status = RIN_OK;
    hiddens_of(s, all);
    for (int i = 0; i < N_HIDDENS && status == RIN_OK; i++) {
        if (all[i].n) status = rin_stream_copy(other, all[i].carried, s, all[i].carried, all[i].n, between, error);
    }
    return status;
}
