/* SPDX-License-Identifier: MIT */
/* Sets that a model makes: sampled in parts from fixed seeds, whose features are kept, so that a stopped call goes on.
 */
#include <math.h>
#include <string.h>

#include "score/score.h"

/* Pictures made at a time. Every picture depends on its number alone, so that this may change. */
enum { PART = 512 };

typedef struct sampling {
    rin_set *set;
    rin_gauge *gauge;
    const rin_sampled *what;
    const rin_config_model *model;    /* of the network */
    char *features, *logits, *record; /* paths of what is kept, NULL where nothing is */
    rin_lock lock;                    /* of what is kept */
    char *identity;                   /* everything that the features depend on */
    rin_pictures *given;              /* clips that videos go on from */
    int64_t part, begun;              /* first sample of the current part; samples that were there before this call */
    float *inputs;                    /* (batch, per_input) */
    rin_frames frames;
    uint8_t *clip;
} sampling;

/* ---- what is kept ---- */

static rin_status add_source(sampling *s, rin_error *error) {
    char hash[RIN_HASH_TEXT], *options = NULL;
    static const char *const of_files[] = {"count", "fps", "zoom", "frames"}; /* no matter of samples */
    rin_status status = rin_weights_hash(s->what->model->weights, RIN_ARENA_EMA, hash, error);
    if (status == RIN_OK) status = rin_config_format_json(s->what->config, "sample", &options, error);
    cJSON *json = s->set->source = cJSON_CreateObject(), *parsed = options ? cJSON_Parse(options) : NULL;
    for (size_t i = 0; i < RIN_COUNT(of_files); i++) cJSON_DeleteItemFromObject(parsed, of_files[i]);
    bool good = status == RIN_OK && json && parsed && cJSON_AddStringToObject(json, "kind", "model") &&
                cJSON_AddStringToObject(json, "model", hash) &&
                cJSON_AddNumberToObject(json, "steps_trained", (double)rin_model_steps(s->what->model)) &&
                cJSON_AddNumberToObject(json, "seed", (double)s->gauge->options.seed) &&
                cJSON_AddStringToObject(json, "quantise", rin_words_quantise[s->gauge->options.quantise]);
    if (good && rin_model_class_count(s->what->model)) good = cJSON_AddStringToObject(json, "classes", "in turn");
    if (good && s->given) good = rin_protocol_add_path(json, "given", s->what->given);
    if (good && cJSON_AddItemToObject(json, "sample", parsed)) parsed = NULL;
    else if (status == RIN_OK) status = rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    cJSON_Delete(parsed);
    rin_free(options);
    return status;
}

static char *kept_path(const sampling *s, const char *hash, const char *suffix, rin_error *error) {
    char name[64];
    snprintf(name, sizeof name, "%.16s%s", hash, suffix);
    return rin_path_join(s->what->folder, name, error);
}

/* One call at a time works on what is kept. Where files cannot be locked that is for the caller to see to. */
static rin_status lock(sampling *s, const char *hash, rin_error *error) {
    char left_by[RIN_LOCK_OWNER], *path = kept_path(s, hash, ".lock", error);
    rin_status status = path ? rin_lock_take(&s->lock, path, left_by, error) : RIN_ERR_MEMORY;
    rin_free(path);
    return status == RIN_ERR_UNSUPPORTED ? RIN_OK : status;
}

static rin_status name_files(sampling *s, rin_error *error) {
    char hash[RIN_HASH_TEXT];
    if (!s->what->folder) return RIN_OK;
    rin_hash digest;
    rin_hash_begin(&digest);
    rin_hash_add(&digest, s->identity, strlen(s->identity));
    rin_status status = rin_hash_end(&digest, hash, error);
    if (status == RIN_OK) status = rin_dir_create(s->what->folder, error);
    if (status == RIN_OK) status = lock(s, hash, error);
    if (status != RIN_OK) return status;
    bool pictures = s->gauge->network == RIN_NETWORK_INCEPTION;
    s->features = kept_path(s, hash, "-features.npy", error);
    s->record = kept_path(s, hash, ".json", error);
    if (pictures) s->logits = kept_path(s, hash, "-logits.npy", error);
    return s->features && s->record && (s->logits || !pictures) ? RIN_OK : RIN_ERR_MEMORY;
}

/* Samples that an earlier call has made; 0 where it is not the same or cannot be read. */
static int64_t kept_rows(const sampling *s) {
    enum { MOST_BYTES = 1 << 20 };
    char *text = NULL;
    size_t n;
    if (!s->record || rin_file_read(s->record, MOST_BYTES, &text, &n, NULL) != RIN_OK) return 0;
    cJSON *json = cJSON_ParseWithLength(text, n);
    const char *identity = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "identity"));
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, "rows");
    bool same = identity && strcmp(identity, s->identity) == 0 && cJSON_IsNumber(rows) && rows->valuedouble >= 0 &&
                rows->valuedouble <= 1e9;
    int64_t kept = same ? (int64_t)rows->valuedouble : 0;
    cJSON_Delete(json);
    rin_free(text);
    return kept;
}

/* What has been made so far can be gone on from. */
static rin_status keep(sampling *s, rin_error *error) {
    if (!s->record) return RIN_OK;
    rin_status status = rin_row_file_sync(&s->set->features, error);
    if (status == RIN_OK && s->logits) status = rin_row_file_sync(&s->set->logits, error);
    cJSON *json = cJSON_CreateObject();
    bool good = json && cJSON_AddStringToObject(json, "identity", s->identity) &&
                cJSON_AddNumberToObject(json, "rows", (double)s->set->features.n);
    char *text = good ? cJSON_PrintUnformatted(json) : NULL;
    if (status == RIN_OK && !text) status = rin_error_set(error, RIN_ERR_MEMORY, "no memory for the record");
    if (status == RIN_OK) status = rin_file_write(s->record, text, strlen(text), error);
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

static rin_status open_files(sampling *s, int64_t kept, rin_error *error) {
    int64_t dim = rin_feature_count(s->gauge->network);
    rin_status status = rin_set_open_rows(s->set, dim, s->features, s->logits, kept, error);
    if (status != RIN_ERR_FORMAT || !kept) return status;
    /* The record promises more than there is: all over again. */
    rin_set_close_rows(s->set);
    return open_files(s, 0, error);
}

/* Opens the files of rows; those that were kept count for the statistics, in the order in which they were made. */
static rin_status open_rows(sampling *s, rin_error *error) {
    enum { ROWS = 256 };
    rin_set *set = s->set;
    rin_status status = open_files(s, kept_rows(s), error);
    if (status != RIN_OK) return status;
    float *rows = rin_calloc((size_t)(ROWS * set->dim), sizeof *rows, error);
    if (!rows) return RIN_ERR_MEMORY;
    s->begun = s->record ? RIN_MIN(set->features.n, s->what->count) : 0;
    for (int64_t i = 0; i < s->begun && set->needs & RIN_NEED_GAUSSIAN && status == RIN_OK; i += ROWS) {
        int64_t some = RIN_MIN(ROWS, s->begun - i);
        status = rin_row_file_read(&set->features, i, some, rows, error);
        if (status == RIN_OK) status = rin_moments_add(&set->moments, rows, some, error);
    }
    rin_free(rows);
    set->n = s->begun;
    return status;
}

/* ---- pictures ---- */

static float quantised(float v, rin_quantise how) {
    v = 255 * fminf(fmaxf(v, 0), 1);
    if (how == RIN_QUANTISE_NONE) return v;
    return floorf(how == RIN_QUANTISE_ROUND ? v + 0.5f : v);
}

/* Sample i of a generator as colour of 0 .. 255. */
static rin_status take_frames(sampling *s, const rin_generator *generator, int64_t i, rin_error *error) {
    const float *values = rin_generator_reals(generator, i);
    int height, width, channels;
    rin_generator_size(generator, &width, &height, &channels);
    int64_t frames = rin_generator_frame_count(generator);
    size_t n = (size_t)frames * (size_t)height * (size_t)width * 3;
    rin_status status = rin_frames_resize(&s->frames, frames, height, width, error);
    if (status != RIN_OK) return status;
    for (size_t k = 0; k < n; k++)
        s->frames.values[k] = quantised(values[channels == 3 ? k : k / 3], s->gauge->options.quantise);
    return RIN_OK;
}

/* Samples first .. end - 1 of a generator, into the set. */
static rin_status measure(sampling *s, const rin_generator *generator, int64_t first, int64_t end, rin_error *error) {
    rin_intake intake = rin_gauge_intake(s->gauge);
    rin_status status = RIN_OK;
    for (int64_t i = first; i < end && status == RIN_OK; i += s->gauge->batch) {
        int64_t some = RIN_MIN(s->gauge->batch, end - i);
        for (int64_t k = 0; k < some && status == RIN_OK; k++) {
            status = take_frames(s, generator, i + k, error);
            if (status == RIN_OK)
                status = rin_intake_fill(&intake, &s->frames, s->inputs + k * intake.per_input, error);
        }
        if (status == RIN_OK) status = rin_gauge_take(s->gauge, s->set, s->inputs, some, error);
    }
    return status;
}

/* ---- frames that videos go on from ---- */

/* Clip i, or the next one that can be read, as bytes of the model's frames. */
static rin_status load_clip(sampling *s, int64_t i, rin_error *error) {
    int64_t n = rin_pictures_count(s->given), channels = s->model->image_channels;
    rin_status status = RIN_ERR_FORMAT;
    for (int64_t tried = 0; tried < n && rin_dataset_is_broken(status); tried++)
        status = rin_pictures_load(s->given, (i + tried) % n, &s->frames, error);
    if (status != RIN_OK) return status;
    size_t pixels = (size_t)(s->model->seq_len * s->model->image_height * s->model->image_width);
    for (size_t k = 0; k < pixels * (size_t)channels; k++)
        s->clip[k] = (uint8_t)s->frames.values[channels == 3 ? k : 3 * k];
    return RIN_OK;
}

static rin_status give_clips(sampling *s, rin_generator *generator, int64_t n, rin_error *error) {
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < n && s->given && status == RIN_OK; i++) {
        status = load_clip(s, s->part + i, error);
        if (status == RIN_OK) status = rin_generator_give(generator, i, s->clip, s->model->seq_len, error);
    }
    return status;
}

static rin_status open_given(sampling *s, rin_error *error) {
    const rin_config_model *m = s->model;
    if (!m->seq_cond) return RIN_OK;
    if (!s->what->given || rin_pictures_is_numpy(s->what->given))
        return rin_error_set(error, RIN_ERR_ARG,
                             "this model continues %lld given frames: the reference must be a data set of videos",
                             (long long)m->seq_cond);
    /* As large as the model's, whatever size the reference is looked at. */
    const rin_pictures_options options = {.clip = s->gauge->clip,
                                          .height = (int)m->image_height,
                                          .width = (int)m->image_width,
                                          .grey = m->image_channels == 1,
                                          .loading = s->gauge->loading};
    s->clip = rin_calloc((size_t)m->seq_len, (size_t)(m->image_height * m->image_width * m->image_channels), error);
    return s->clip ? rin_pictures_open(s->what->given, &options, &s->given, error) : RIN_ERR_MEMORY;
}

/* ---- the samples ---- */

/* How far the whole is when a part of n is as far as progress says. */
static rin_status show(const sampling *s, int64_t n, const rin_progress *progress, rin_error *error) {
    const rin_listener *listener = &s->gauge->loading->listener;
    double share = (double)progress->done / (double)RIN_MAX(progress->total, 1);
    double made = (double)(s->part - s->begun) + share * (double)n, left = (double)(s->what->count - s->begun) - made;
    double seconds = rin_clock_seconds() - s->gauge->loading->begun;
    rin_progress whole = {.doing = "sample",
                          .done = s->part + (int64_t)(share * (double)n),
                          .total = s->what->count,
                          .seconds = seconds,
                          .eta = seconds / fmax(made, 1e-9) * left,
                          .images_per_second = made / fmax(seconds, 1e-9),
                          .unit = progress->unit};
    if (!listener->on_progress || listener->on_progress(listener->user, &whole)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld samples", (long long)s->set->n,
                         (long long)s->what->count);
}

/* Makes and measures a part; what is finished is kept as it comes. */
static rin_status run_part(sampling *s, rin_generator *generator, int64_t n, rin_error *error) {
    int64_t measured = 0;
    rin_progress progress;
    rin_status status = RIN_OK;
    while (status == RIN_OK && measured < n) {
        int64_t ready = measured;
        status = rin_generator_step(generator, &progress, error);
        if (status == RIN_OK) status = show(s, n, &progress, error);
        while (ready < n && rin_generator_reals(generator, ready)) ready++;
        if (status != RIN_OK || ready == measured) continue;
        status = measure(s, generator, measured, ready, error);
        if (status == RIN_OK) status = keep(s, error);
        measured = ready;
    }
    return status;
}

static rin_status make_part(sampling *s, rin_error *error) {
    int64_t n = RIN_MIN(PART, s->what->count - s->part), classes = rin_model_class_count(s->what->model);
    int64_t *labels = rin_calloc((size_t)n, sizeof *labels, error);
    if (!labels) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n; i++) labels[i] = classes ? (s->part + i) % classes : -1;
    rin_generator *generator = NULL;
    rin_status status = rin_generator_create_from(s->what->model, s->what->config, s->part, n, labels,
                                                  (uint64_t)s->gauge->options.seed, &generator, error);
    rin_free(labels);
    if (status == RIN_OK) status = rin_generator_keep_reals(generator, error);
    if (status == RIN_OK) status = give_clips(s, generator, n, error);
    if (status == RIN_OK) status = run_part(s, generator, n, error);
    rin_generator_free(generator);
    return status;
}

static rin_status run(sampling *s, rin_error *error) {
    rin_status status = rin_gauge_open(s->gauge, error);
    if (status == RIN_OK) status = open_given(s, error);
    if (status == RIN_OK) status = add_source(s, error);
    if (status == RIN_OK) status = rin_protocol_text(s->gauge, "source", s->set->source, &s->identity, error);
    if (status == RIN_OK) status = name_files(s, error);
    if (status == RIN_OK) status = open_rows(s, error);
    if (status != RIN_OK) return status;
    s->inputs = rin_calloc((size_t)s->gauge->batch, (size_t)rin_gauge_intake(s->gauge).per_input * sizeof(float),
                           error);
    if (!s->inputs) return RIN_ERR_MEMORY;
    s->gauge->loading->begun = rin_clock_seconds();
    for (s->part = s->begun; s->part < s->what->count && status == RIN_OK; s->part += PART)
        status = make_part(s, error);
    return status == RIN_OK ? rin_set_finish(s->set, error) : status;
}

rin_status rin_set_sample(rin_set *set, rin_gauge *gauge, const rin_sampled *what, rin_error *error) {
    sampling s = {.set = set, .gauge = gauge, .what = what, .model = &rin_model_config(what->model)->model};
    rin_status status = run(&s, error);
    set->measured = true;
    rin_lock_release(&s.lock);
    char *texts[] = {s.features, s.logits, s.record, s.identity};
    for (size_t i = 0; i < RIN_COUNT(texts); i++) rin_free(texts[i]);
    rin_pictures_close(s.given);
    rin_frames_clear(&s.frames);
    rin_free(s.inputs);
    rin_free(s.clip);
    return status;
}
