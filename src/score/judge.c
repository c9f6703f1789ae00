/* SPDX-License-Identifier: MIT */
#include "score/judge.h"

#include "score/score.h"

struct rin_judge {
    rin_config config;
    rin_loading loading;
    rin_gauge gauge;
    rin_set reference;
    char device[RIN_DEVICE_NAME];
    char *protocol;
    bool fid;
};

static rin_status describe(rin_judge *j, rin_error *error) {
    if (!cJSON_AddNumberToObject(j->reference.source, "n", (double)j->reference.n))
        return rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    return rin_protocol_text(&j->gauge, "reference", j->reference.source, &j->protocol, error);
}

static rin_status prepare(rin_judge *j, rin_error *error) {
    const rin_config_model *m = &j->config.model;
    rin_status status = rin_gauge_init(&j->gauge, &j->config, false, j->device, (int)j->config.train.threads,
                                       &j->loading, error);
    if (status != RIN_OK) return status;
    j->gauge.height = (int)m->image_height;
    j->gauge.width = (int)m->image_width;
    j->gauge.grey = m->image_channels == 1;
    /* Features of many more pictures than samples would take long and change little. */
    if (!j->fid && !j->config.eval.limit) j->gauge.options.limit = j->config.train.eval_count;
    status = rin_gauge_open(&j->gauge, error);
    if (status == RIN_OK) status = rin_set_load(&j->reference, &j->gauge, j->config.eval.reference, error);
    if (status == RIN_OK && j->reference.protocol)
        status = rin_protocol_check(&j->gauge, j->reference.protocol, j->config.eval.reference, error);
    if (status == RIN_OK && rin_set_is_unnamed(&j->reference))
        rin_log_write((rin_log){j->loading.listener.on_log, j->loading.listener.user}, RIN_LOG_WARNING,
                      "eval.reference = %.300s names no protocol: whether it was made by these weights is for you to "
                      "know",
                      j->config.eval.reference);
    if (status == RIN_OK && j->reference.dim != RIN_INCEPTION_FEATURES)
        status = rin_error_set(error, RIN_ERR_SHAPE, "eval.reference = %s: features of %lld numbers; allowed: %d",
                               j->config.eval.reference, (long long)j->reference.dim, RIN_INCEPTION_FEATURES);
    return status == RIN_OK ? describe(j, error) : status;
}

rin_status rin_judge_create(const rin_config *config, rin_listener listener, rin_judge **out, rin_error *error) {
    *out = NULL;
    rin_judge *j = rin_calloc(1, sizeof *j, error);
    if (!j) return RIN_ERR_MEMORY;
    j->config = *config;
    j->loading = (rin_loading){.listener = listener, .begun = rin_clock_seconds()};
    j->fid = config->train.eval_metric == RIN_TRAIN_METRIC_FID;
    rin_config_device(&config->train, j->device);
    rin_set_init(&j->reference, j->fid ? RIN_NEED_GAUSSIAN : RIN_NEED_ROWS);
    rin_status status = prepare(j, error);
    if (status == RIN_OK) *out = j;
    else rin_judge_free(j);
    return status;
}

rin_status rin_judge_measure(const rin_config *config, rin_backend *backend, uint64_t *bytes, rin_error *error) {
    static const char *const outputs[] = {"pool3"};
    const rin_extractor_options options = {
        .network = RIN_NETWORK_INCEPTION, .batch = config->eval.batch, .outputs = outputs, .n_outputs = 1};
    return rin_extractor_measure(&options, backend, bytes, error);
}

void rin_judge_free(rin_judge *judge) {
    if (!judge) return;
    rin_set_clear(&judge->reference);
    rin_gauge_clear(&judge->gauge);
    rin_free(judge->protocol);
    rin_free(judge);
}

static rin_status compare(rin_judge *j, rin_set *samples, double *score, double *deviation, rin_error *error) {
    if (j->fid) {
        rin_frechet result;
        rin_status status = rin_frechet_distance(&samples->gaussian, &j->reference.gaussian, &result, error);
        *score = result.distance;
        return status;
    }
    const rin_config_eval *o = &j->config.eval;
    const rin_kid_options options = {o->kid_subsets, o->kid_size, (uint64_t)o->seed};
    rin_rows a = rin_row_file_rows(&samples->features, samples->n);
    rin_rows b = rin_row_file_rows(&j->reference.features, j->reference.n);
    rin_spread spread;
    int64_t size;
    rin_status status = rin_kid(&a, &b, &options, (rin_ticker){rin_score_tick, &j->loading}, NULL, &size, &spread,
                                error);
    *score = spread.mean;
    *deviation = spread.deviation;
    return status;
}

rin_status rin_judge_score(rin_judge *judge, rin_model *model, rin_listener listener, double *score, double *deviation,
                           rin_error *error) {
    rin_set samples;
    rin_set_init(&samples, judge->reference.needs);
    judge->loading.listener = listener;
    judge->loading.begun = rin_clock_seconds();
    atomic_store(&judge->loading.cancel, false);
    *score = *deviation = 0;
    const rin_sampled what = {.model = model, .config = &judge->config, .count = judge->config.train.eval_count};
    rin_status status = rin_set_sample(&samples, &judge->gauge, &what, error);
    if (status == RIN_OK) status = compare(judge, &samples, score, deviation, error);
    rin_set_clear(&samples);
    return status;
}

const char *rin_judge_protocol(const rin_judge *judge) {
    return judge->protocol;
}
