/* SPDX-License-Identifier: MIT */
/* Tiny configurations and their training steps. */
#include "support/tiny.h"
#include "support/options.h"

static const char shared[] =
    "model.image_height=8 model.image_width=8 model.image_channels=2 model.patch_size=4 model.num_layers=1,1 "
    "model.latent_slots=5 model.latent_dim=16 model.latent_num_heads=2 model.latent_mlp_ratio=2 model.tape_dim=8 "
    "model.rw_num_heads=2 model.num_classes=3 train.batch=4";

const tiny_model tiny_models[] = {
    {"latent", "model.self_cond=latent"},
    {"tape", "model.self_cond=latent+tape model.time_on_latent=false model.cond_on_latent=false "
             "model.tape_pos_encoding=sin_cos"},
    {"tape alone", "model.self_cond=tape model.cond_on_latent=false model.latent_pos_encoding=sin_cos"},
    {"decoupled read", "model.self_cond=none model.time_on_latent=false model.cond_on_latent=false model.cond_dim=16 "
                       "model.cond_decoupled_read=true model.xattn_enc_ln=true model.tape_mlp_ratio=0"},
    {"writable", "model.self_cond=latent+tape model.time_on_latent=false model.cond_on_latent=false "
                 "model.cond_tape_writable=true"},
    {"video", "model.num_classes=0 model.seq_len=6 model.seq_stride=2 model.seq_cond=2 model.self_cond=latent"},
    {"odd video", "model.num_classes=0 model.seq_len=3 model.seq_stride=2 model.seq_cond=0 model.self_cond=latent+tape "
                  "model.tape_pos_encoding=sin_cos_plus_learned"},
    {"velocity", "model.self_cond=latent model.num_layers=2,0,1 model.image_width=12 "
                 "model.latent_pos_encoding=sin_cos_plus_learned "
                 "model.tape_pos_encoding=sin_cos_plus_learned diffusion.pred_type=v diffusion.loss_type=x "
                 "diffusion.b_scale=0.6 diffusion.normalize_noisy_input=true diffusion.self_cond_rate=0.5 "
                 "diffusion.self_cond_by_masking=false"},
    {"data", "model.num_classes=0 diffusion.pred_type=x diffusion.loss_type=eps diffusion.train_schedule=cosine"},
    {"dropout",
     "model.self_cond=latent model.drop_path=0.3 model.drop_units=0.2 model.drop_att=0.2 diffusion.cond_dropout=0.4 "
     "train.optimizer=adamw train.grad_clip=1"},
};

const int n_tiny_models = (int)RIN_COUNT(tiny_models);

rin_config *tiny_config(const char *options) {
    rin_error error = {0};
    rin_config *config;
    assert_ok(rin_config_create(&config, &error), &error);
    options_set(config, shared);
    options_set(config, options);
    assert_ok(rin_config_validate(config, &error), &error);
    return config;
}

static void fill_weights(rin_weights *weights) {
    for (int i = 0; i < weights->n_tensors; i++) {
        const rin_tensor *tensor = &weights->tensors[i];
        bool is_scale = tensor->shape.rank == 1 && tensor->init.kind == RIN_INIT_CONSTANT &&
                        strstr(tensor->name, "ln.weight");
        float *values = test_malloc((size_t)tensor->count * sizeof *values);
        for (int64_t k = 0; k < tensor->count; k++) {
            float v = rin_random_normal((rin_random_key){5, 0, (uint32_t)i}, (uint64_t)k);
            values[k] = is_scale ? 1 + fminf(fmaxf(0.2f * v, -0.5f), 0.5f) : 0.2f * v;
        }
        rin_weights_upload(weights, RIN_ARENA_WEIGHTS, tensor, values);
        rin_weights_upload(weights, RIN_ARENA_EMA, tensor, values);
        for (int64_t k = 0; k < tensor->count; k++) values[k] = NAN;
        if (weights->arenas[RIN_ARENA_GRADIENTS]) rin_weights_upload(weights, RIN_ARENA_GRADIENTS, tensor, values);
        test_free(values);
    }
}

tiny_step tiny_step_create(const rin_config *config, const char *backend, int threads, const rin_step_options *options,
                           const rin_program_options *bound) {
    tiny_step s = {0};
    rin_error error = {0};
    rin_graph *graph;
    rin_backend_options host = {.threads = threads};
    assert_ok(rin_backend_create(backend, &host, &s.backend, &error), &error);
    assert_ok(rin_step_graph(config, options, &graph, &error), &error);
    assert_ok(rin_weights_create(graph, s.backend, true, &s.weights, &error), &error);
    fill_weights(s.weights);
    assert_ok(rin_program_create(graph, s.weights, bound, &s.program, &error), &error);
    tiny_step_write(&s, 0);
    return s;
}

void tiny_step_free(tiny_step *s) {
    rin_program_free(s->program);
    rin_weights_free(s->weights);
    rin_backend_free(s->backend);
}

void tiny_step_write(tiny_step *s, int64_t first) {
    static const char *const names[] = {"images", "frames", "labels", "t", "noise", "self_cond_uniform"};
    const rin_graph *graph = rin_program_graph(s->program);
    for (size_t i = 0; i < RIN_COUNT(names); i++) {
        rin_value value = rin_graph_find(graph, names[i]);
        if (!value) continue;
        const rin_shape *shape = rin_graph_shape(graph, value);
        int64_t n = rin_shape_count(shape), each = n / shape->dim[0], classes = rin_shape_last(shape);
        float *values = test_malloc((size_t)n * sizeof *values);
        rin_random_key key = {9, 0, (uint32_t)i};
        for (int64_t k = 0; k < n; k++) {
            uint64_t element = (uint64_t)(first * each + k);
            if (i == 2)
                values[k] = (int64_t)(rin_random_u32(key, element / (uint64_t)classes) % (uint32_t)classes) ==
                            k % classes;
            else values[k] = i == 4 ? rin_random_normal(key, element) : rin_random_uniform(key, element);
        }
        rin_error error = {0};
        assert_ok(rin_program_write(s->program, names[i], values, n, &error), &error);
        test_free(values);
    }
}

float tiny_step_read(const tiny_step *s, const char *name) {
    float value = NAN;
    rin_error error = {0};
    assert_ok(rin_program_read(s->program, name, &value, 1, &error), &error);
    return value;
}

double *tiny_tensor(const rin_weights *weights, rin_arena arena, const rin_tensor *tensor) {
    double *values = test_calloc((size_t)tensor->count, sizeof *values);
    if (weights->backend->table->element_size == sizeof(double)) {
        memcpy(values, (const double *)weights->arenas[arena] + tensor->offset, (size_t)tensor->count * sizeof *values);
        return values;
    }
    float *floats = test_calloc((size_t)tensor->count, sizeof *floats);
    rin_weights_download(weights, arena, tensor, floats);
    for (int64_t i = 0; i < tensor->count; i++) values[i] = (double)floats[i];
    test_free(floats);
    return values;
}

void tiny_step_assert_same(const tiny_step *a, const tiny_step *b, const char *what) {
    float loss = tiny_step_read(a, "loss"), other = tiny_step_read(b, "loss");
    if (!isfinite(loss) || memcmp(&loss, &other, sizeof loss) != 0)
        fail_msg("%s: losses %.9g and %.9g", what, (double)loss, (double)other);
    for (int arena = 0; arena < RIN_N_ARENAS; arena++) {
        for (int i = 0; i < a->weights->n_tensors; i++) {
            const rin_tensor *t = &a->weights->tensors[i];
            double *x = tiny_tensor(a->weights, (rin_arena)arena, t), *y = tiny_tensor(b->weights, (rin_arena)arena, t);
            for (int64_t k = 0; k < t->count; k++) {
                if (!(x[k] == y[k]))
                    fail_msg("%s: arena %d, %s[%lld]: %.17g and %.17g", what, arena, t->name, (long long)k, x[k], y[k]);
            }
            test_free(x);
            test_free(y);
        }
    }
}
