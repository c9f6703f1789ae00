/* SPDX-License-Identifier: MIT */
/* validate: combinations of options that cannot work. Each option's own range is checked when it is set. */
#include <math.h>
#include <string.h>

#include "config/internal.h"

/* Bounds that keep every product of sizes far inside int64 and a network inside a machine. */
static const double MAX_TOKENS = 0x1p24, MAX_PATCH_VALUES = 0x1p20, MAX_TENSOR = 0x1p48;
enum { MAX_LAYERS = 1024 };

int64_t rin_model_rows(const rin_config_model *model) {
    return model->image_height / model->patch_size;
}

int64_t rin_model_cols(const rin_config_model *model) {
    return model->image_width / model->patch_size;
}

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

int64_t rin_model_times(const rin_config_model *model) {
    int64_t made = model->seq_len - model->seq_cond;
    return divide_up(made, model->seq_stride) + divide_up(model->seq_cond, model->seq_stride);
}

int64_t rin_model_cond_width(const rin_config_model *model) {
    return model->cond_dim ? model->cond_dim : model->tape_dim;
}

int64_t rin_model_latent_tokens(const rin_config_model *model) {
    return (model->time_on_latent ? 1 : 0) + (model->num_classes && model->cond_on_latent ? 1 : 0);
}

int64_t rin_model_tape_tokens(const rin_config_model *model) {
    return 1 + (model->num_classes ? 1 : 0) - rin_model_latent_tokens(model);
}

void rin_config_device(const rin_config_train *train, char name[RIN_DEVICE_NAME]) {
    static const char *const words[] = {
        [RIN_PRECISION_BF16] = "bf16", [RIN_PRECISION_TF32] = "tf32", [RIN_PRECISION_FP32] = "fp32"};
    static const char gpu[] = "cuda";
    const char *rest = train->device + sizeof gpu - 1; /* ":1" or nothing */
    bool open = strncmp(train->device, gpu, sizeof gpu - 1) == 0 && (*rest == '\0' || *rest == ':');
    if (open) snprintf(name, RIN_DEVICE_NAME, "%s-%s%s", gpu, words[train->precision], rest);
    else snprintf(name, RIN_DEVICE_NAME, "%s", train->device);
}

#define REFUSE(...) rin_error_set(error, RIN_ERR_CONFIG, __VA_ARGS__)
#define LL(value) ((long long)(value))

/* The largest patch up to `most` that divides the image. */
static int64_t fitting_patch(const rin_config_model *m, int64_t most) {
    while (most > 1 && (m->image_height % most || m->image_width % most)) most--;
    return most;
}

static rin_status check_frames(const rin_config_model *m, rin_error *error) {
    int64_t p = m->patch_size, s = m->seq_stride, made = m->seq_len - m->seq_cond;
    if (m->image_height % p || m->image_width % p) {
        return REFUSE(
            "model.patch_size = %lld does not divide the image of %lld x %lld; allowed: a divisor of both sides. Try "
            "model.patch_size=%lld",
            LL(p), LL(m->image_height), LL(m->image_width), LL(fitting_patch(m, p)));
    }
    if (made < 1) {
        return REFUSE("model.seq_cond = %lld leaves no frame to generate; allowed: less than model.seq_len = %lld",
                      LL(m->seq_cond), LL(m->seq_len));
    }
    if (m->seq_len == 1 && s != 1) {
        return REFUSE("model.seq_stride = %lld with model.seq_len = 1; allowed: 1 for images", LL(s));
    }
    if ((m->seq_len + made % s + m->seq_cond % s) / s != rin_model_times(m)) {
        return REFUSE(
            "model.seq_stride = %lld does not pack %lld generated and %lld given frames into whole patches; try "
            "2, or a divisor of both numbers",
            LL(s), LL(made), LL(m->seq_cond));
    }
    if (m->seq_len > 1 && m->num_classes) {
        return REFUSE("model.num_classes = %lld with model.seq_len = %lld; allowed: 0, as videos have no labels",
                      LL(m->num_classes), LL(m->seq_len));
    }
    return RIN_OK;
}

static rin_status check_heads(const rin_config_model *m, rin_error *error) {
    const struct {
        bool used;
        const char *key, *width_name;
        int64_t heads, width;
    } rules[] = {
        {true, "latent_num_heads", "latent_dim", m->latent_num_heads, m->latent_dim},
        {true, "rw_num_heads", "the smaller of tape_dim and latent_dim", m->rw_num_heads,
         RIN_MIN(m->tape_dim, m->latent_dim)},
        {m->cond_decoupled_read, "rw_num_heads", "the smaller of cond_dim (or tape_dim) and latent_dim",
         m->rw_num_heads, RIN_MIN(rin_model_cond_width(m), m->latent_dim)},
    };
    for (size_t i = 0; i < RIN_COUNT(rules); i++) {
        if (rules[i].used && rules[i].width % rules[i].heads) {
            return REFUSE("model.%s = %lld does not divide %lld, %s; try 1, 2, 4, 8 or 16 heads and widths that are "
                          "multiples of 16",
                          rules[i].key, LL(rules[i].heads), LL(rules[i].width), rules[i].width_name);
        }
    }
    return RIN_OK;
}

static rin_status check_layers(const rin_config_model *m, rin_error *error) {
    int64_t total = 0;
    for (int64_t i = 0; i < m->n_num_layers; i++) total += m->num_layers[i];
    if (total < 1 || total > MAX_LAYERS) {
        return REFUSE("model.num_layers has %lld latent layers in all; allowed: 1 to %d", LL(total), MAX_LAYERS);
    }
    if ((m->self_cond & RIN_SELF_COND_TAPE) && !m->tape_mlp_ratio) {
        return REFUSE("model.tape_mlp_ratio = 0 with a model.self_cond that carries the tape; allowed: 1 to 64, as the "
                      "carried tape passes an MLP");
    }
    return RIN_OK;
}

static rin_status check_conditioning(const rin_config_model *m, rin_error *error) {
    int64_t on_tape = rin_model_tape_tokens(m);
    if (m->latent_slots <= rin_model_latent_tokens(m)) {
        return REFUSE("model.latent_slots = %lld is used up by the time and label tokens; allowed: more than %lld",
                      LL(m->latent_slots), LL(rin_model_latent_tokens(m)));
    }
    int64_t width = m->time_on_latent ? m->latent_dim : rin_model_cond_width(m);
    if (width % 4 || width < 8) {
        const char *key = m->time_on_latent ? "latent_dim" : m->cond_dim ? "cond_dim" : "tape_dim";
        return REFUSE("model.%s = %lld is the width of the time token; allowed: multiples of 4 from 8 on", key,
                      LL(width));
    }
    if (m->cond_decoupled_read && !on_tape) {
        return REFUSE("model.cond_decoupled_read = true, but no time or label token is on the tape; set "
                      "model.time_on_latent or model.cond_on_latent to false, or this to false");
    }
    if (m->cond_decoupled_read && m->cond_tape_writable) {
        return REFUSE(
            "model.cond_tape_writable = true with model.cond_decoupled_read = true; choose one: tokens that are "
            "part of the tape cannot be read apart from it");
    }
    if (on_tape && !m->cond_decoupled_read && rin_model_cond_width(m) != m->tape_dim) {
        return REFUSE("model.cond_dim = %lld differs from model.tape_dim = %lld; allowed: 0 or %lld, or any width with "
                      "model.cond_decoupled_read = true",
                      LL(m->cond_dim), LL(m->tape_dim), LL(m->tape_dim));
    }
    return RIN_OK;
}

/* Sines and cosines: of one index, or of row and column where there are several of both. */
static rin_status check_positions(const rin_config_model *m, rin_error *error) {
    int64_t latents = m->latent_slots - rin_model_latent_tokens(m);
    int64_t rows = rin_model_rows(m), cols = rin_model_cols(m), times = rin_model_times(m);
    const struct {
        rin_pos_encoding encoding;
        const char *name;
        int64_t places, width, multiple;
    } rules[] = {
        {m->latent_pos_encoding, "latent", latents, m->latent_dim, 1},
        {m->tape_pos_encoding, "tape", rows * cols, m->tape_dim, rows > 1 && cols > 1 ? 2 : 1},
    };
    for (size_t i = 0; i < RIN_COUNT(rules); i++) {
        if (rules[i].encoding == RIN_POS_LEARNED) continue;
        if (rules[i].places == 1) {
            return REFUSE("model.%s_pos_encoding has a single position to encode; allowed: learned", rules[i].name);
        }
        if (rules[i].width % rules[i].multiple) {
            return REFUSE("model.%s_dim = %lld is the width of sine and cosine positions; allowed: multiples of %lld",
                          rules[i].name, LL(rules[i].width), LL(rules[i].multiple));
        }
    }
    if (m->tape_pos_encoding == RIN_POS_SIN_COS && times > 1) {
        return REFUSE(
            "model.tape_pos_encoding = sin_cos cannot tell the %lld patches along time apart; allowed: learned or "
            "sin_cos_plus_learned",
            LL(times));
    }
    return RIN_OK;
}

/* In doubles: exact enough for bounds, and without overflow. */
static rin_status check_sizes(const rin_config_model *m, double batch, rin_error *error) {
    double per_frame = (double)rin_model_rows(m) * (double)rin_model_cols(m);
    double tokens = per_frame * (double)rin_model_times(m) + (double)rin_model_tape_tokens(m);
    double patch = (double)m->seq_stride * (double)m->patch_size * (double)m->patch_size * (double)m->image_channels;
    if (tokens > MAX_TOKENS) {
        return REFUSE("the tape would have %.0f tokens; allowed: %.0f. Try a larger model.patch_size", tokens,
                      MAX_TOKENS);
    }
    if (patch > MAX_PATCH_VALUES) {
        return REFUSE("a patch would have %.0f values; allowed: %.0f. Try a smaller model.patch_size", patch,
                      MAX_PATCH_VALUES);
    }
    double slots = (double)m->latent_slots;
    double hidden = (double)m->latent_dim * (double)m->latent_mlp_ratio;
    double tape_hidden = (double)m->tape_dim * (double)RIN_MAX(m->tape_mlp_ratio, 1);
    double widest = RIN_MAX((double)m->latent_dim, (double)m->tape_dim);
    double largest = tokens * RIN_MAX(RIN_MAX(tape_hidden, patch), widest);
    largest = RIN_MAX(largest, slots * RIN_MAX(hidden, widest));
    largest = RIN_MAX(largest, slots * tokens * (double)m->rw_num_heads);
    largest = RIN_MAX(largest, slots * slots * (double)m->latent_num_heads);
    largest = RIN_MAX(largest, (double)m->num_classes);
    if (batch * largest > MAX_TENSOR) {
        return REFUSE(
            "the largest tensor of a step would have %.3g values; allowed: %.3g. Try a smaller train.batch, or "
            "fewer tokens, latents or heads",
            batch * largest, MAX_TENSOR);
    }
    return RIN_OK;
}

static rin_status check_scores(const rin_config *config, rin_error *error) {
    if (!config->train.eval_every) return RIN_OK;
    const char *missing = !*config->eval.weights ? "weights" : !*config->eval.reference ? "reference" : NULL;
    if (missing) {
        return REFUSE("train.eval_every = %lld needs eval.%s; rin help eval says what that is",
                      LL(config->train.eval_every), missing);
    }
    if (config->model.seq_len > 1 || (config->model.image_channels != 1 && config->model.image_channels != 3)) {
        return REFUSE("train.eval_every = %lld: only models of pictures with 1 or 3 channels are scored while they "
                      "are trained; allowed: 0",
                      LL(config->train.eval_every));
    }
    return RIN_OK;
}

static rin_status check_run(const rin_config *config, rin_error *error) {
    const rin_config_train *t = &config->train;
    if (t->warmup_steps > t->steps || t->tail_steps > t->steps - t->warmup_steps) {
        return REFUSE(
            "train.warmup_steps = %lld and train.tail_steps = %lld exceed train.steps = %lld; allowed: their sum "
            "at most the steps. Try train.warmup_steps=%lld",
            LL(t->warmup_steps), LL(t->tail_steps), LL(t->steps), LL(t->steps / 10));
    }
    if (t->batch % t->accumulate) {
        return REFUSE("train.accumulate = %lld does not divide train.batch = %lld; allowed: a divisor",
                      LL(t->accumulate), LL(t->batch));
    }
    if (config->data.frames && config->data.frames != config->model.seq_len) {
        return REFUSE("data.frames = %lld, but model.seq_len = %lld; allowed: the same number, or 0 for it",
                      LL(config->data.frames), LL(config->model.seq_len));
    }
    if (config->sample.guidance > 0 && !config->model.num_classes) {
        return REFUSE("sample.guidance = %g with model.num_classes = 0; allowed: 0, as there is no label to guide by",
                      config->sample.guidance);
    }
    return RIN_OK;
}

rin_status rin_config_validate(const rin_config *config, rin_error *error) {
    if (!config) return rin_error_null(error, __func__, "config");
    static rin_status (*const checks[])(const rin_config_model *, rin_error *) = {
        check_frames, check_heads, check_layers, check_conditioning, check_positions};
    rin_status status = RIN_OK;
    for (size_t i = 0; i < RIN_COUNT(checks) && status == RIN_OK; i++) status = checks[i](&config->model, error);
    if (status == RIN_OK) status = check_sizes(&config->model, (double)config->train.batch, error);
    if (status == RIN_OK) status = check_run(config, error);
    if (status == RIN_OK) status = check_scores(config, error);
    return status;
}
