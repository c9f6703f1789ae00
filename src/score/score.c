/* SPDX-License-Identifier: MIT */
/* The scores: both sets are measured as far as the wanted scores need them, then compared. */
#include "score/score.h"

#include <string.h>

enum { FRECHET = RIN_SCORE_FID | RIN_SCORE_FVD, ALL = FRECHET | RIN_SCORE_IS | RIN_SCORE_KID | RIN_SCORE_PR };

typedef struct scoring {
    const rin_score_request *request;
    rin_config config;
    rin_loading loading;
    const char *reference; /* path, NULL: none is needed */
    rin_gauge gauge;
    rin_set judged, against;
    rin_scores *out;
} scoring;

static rin_log log_of(const scoring *s) {
    return (rin_log){s->loading.listener.on_log, s->loading.listener.user};
}

/* ---- what is asked for ---- */

static rin_status check(scoring *s, rin_error *error) {
    const rin_score_request *r = s->request;
    bool video = r->scores & RIN_SCORE_FVD;
    if (!r->scores || r->scores & ~(unsigned)ALL)
        return rin_error_set(error, RIN_ERR_ARG, "scores = %#x: allowed are sums of RIN_SCORE_FID and so on",
                             r->scores);
    if (video && r->scores != RIN_SCORE_FVD)
        return rin_error_set(error, RIN_ERR_ARG,
                             "fvd is of videos, the other scores are of pictures: ask for it alone");
    if (!r->model == !r->data)
        return rin_error_set(error, RIN_ERR_ARG, "what is scored is a model or data: give one of them");
    s->reference = r->reference && *r->reference ? r->reference : s->config.eval.reference;
    if (r->scores == RIN_SCORE_IS) s->reference = NULL;
    if (s->reference && !*s->reference)
        return rin_error_set(error, RIN_ERR_ARG,
                             "nothing to compare with: give a reference (eval.reference), a data set or "
                             "a .npz of its statistics");
    if (!r->model) return RIN_OK;
    const rin_config_model *m = &rin_model_config(r->model)->model;
    if ((m->seq_len > 1) != video)
        return rin_error_set(error, RIN_ERR_ARG,
                             video ? "fvd is of videos, this model makes pictures"
                                   : "this model makes videos; they are scored by fvd");
    if (video && m->seq_len < RIN_I3D_LEAST_FRAMES)
        return rin_error_set(error, RIN_ERR_ARG, "fvd needs clips of at least %d frames, this model's have %lld",
                             RIN_I3D_LEAST_FRAMES, (long long)m->seq_len);
    if (m->image_channels == 1 || m->image_channels == 3) return RIN_OK;
    return rin_error_set(error, RIN_ERR_ARG, "the model's pictures have %lld channels; pictures of 1 or 3 are scored",
                         (long long)m->image_channels);
}

/* Data are seen as the model sees them. */
static void follow_model(scoring *s) {
    const rin_config *of = rin_model_config(s->request->model);
    const rin_config_model *m = &of->model;
    s->config.model = *m;
    s->config.sample.frames = 0;
    if (m->seq_len > 1) {
        s->gauge.clip = rin_model_clip(of);
        s->gauge.clip.frames = m->seq_len;
    }
    if (s->config.eval.size) return;
    s->gauge.height = (int)m->image_height;
    s->gauge.width = (int)m->image_width;
    s->gauge.grey = m->image_channels == 1;
}

static unsigned needs_of(unsigned scores, bool judged) {
    unsigned needs = 0;
    if (scores & FRECHET) needs |= RIN_NEED_GAUSSIAN;
    if (scores & (RIN_SCORE_KID | RIN_SCORE_PR)) needs |= RIN_NEED_ROWS;
    if (judged && scores & RIN_SCORE_IS) needs |= RIN_NEED_LOGITS;
    return needs;
}

/* ---- two sets ---- */

/* Whether what is known of a set's protocol, path being its name, goes with the other set. */
static rin_status check_protocol(const scoring *s, const rin_set *set, const rin_set *other, const char *path,
                                 rin_error *error) {
    rin_status status = RIN_OK;
    if (rin_set_is_unnamed(set))
        rin_log_write(log_of(s), RIN_LOG_WARNING,
                      "'%.300s' names no protocol: whether it was made like the other set is for you to know", path);
    if (!set->protocol) return RIN_OK;
    if (other->measured) status = rin_protocol_check(&s->gauge, set->protocol, path, error);
    else if (other->protocol) status = rin_protocols_compare(set->protocol, other->protocol, path, error);
    if ((status == RIN_ERR_ARG || status == RIN_ERR_FORMAT) && s->request->mix) {
        rin_log_write(log_of(s), RIN_LOG_WARNING, "two protocols are mixed: the score is comparable with nothing");
        return RIN_OK;
    }
    return status;
}

/* A model's samples are compared with pictures of their own size, which statistics may not be of. */
static void compare_sizes(const scoring *s) {
    if (!s->request->model) return;
    char size[RIN_SIZES_TEXT];
    const rin_config_model *m = &s->config.model;
    snprintf(size, sizeof size, "%lldx%lld", (long long)m->image_width, (long long)m->image_height);
    cJSON *json = s->against.protocol ? cJSON_Parse(s->against.protocol) : NULL;
    const cJSON *source = json ? cJSON_GetObjectItemCaseSensitive(json, "source") : s->against.source;
    const char *theirs = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(source, "size"));
    if (theirs && strcmp(theirs, size) != 0)
        rin_log_write(log_of(s), RIN_LOG_WARNING,
                      "the reference was made of pictures of %.40s, the samples are %s: make it by rin eval stats "
                      "--size",
                      theirs, size);
    cJSON_Delete(json);
}

/* The reference, and whether its protocol is the one that the other set will have: that takes long to find out later.
 */
static rin_status measure_reference(scoring *s, rin_error *error) {
    const rin_score_request *r = s->request;
    rin_status status = rin_set_load(&s->against, &s->gauge, s->reference, error);
    s->judged.measured = r->model || !rin_pictures_is_numpy(r->data);
    if (status == RIN_OK && s->judged.measured) status = rin_gauge_open(&s->gauge, error);
    if (status == RIN_OK && s->judged.measured)
        status = check_protocol(s, &s->against, &s->judged, s->reference, error);
    return status;
}

static rin_status measure_sets(scoring *s, rin_error *error) {
    const rin_score_request *r = s->request;
    rin_status status = s->reference ? measure_reference(s, error) : RIN_OK;
    bool checked = s->judged.measured;
    const rin_sampled what = {r->model, &s->config, s->config.eval.count, s->reference, r->folder};
    if (status == RIN_OK)
        status = r->model ? rin_set_sample(&s->judged, &s->gauge, &what, error)
                          : rin_set_load(&s->judged, &s->gauge, r->data, error);
    if (status != RIN_OK || !s->reference) return status;
    if (s->judged.dim != s->against.dim)
        return rin_error_set(error, RIN_ERR_SHAPE, "features of %lld and of %lld numbers cannot be compared",
                             (long long)s->judged.dim, (long long)s->against.dim);
    compare_sizes(s);
    status = check_protocol(s, &s->judged, &s->against, r->data ? r->data : "the model", error);
    if (status == RIN_OK && !checked) status = check_protocol(s, &s->against, &s->judged, s->reference, error);
    return status;
}

/* ---- scores ---- */

static rin_score_spread spread_of(rin_spread spread) {
    return (rin_score_spread){spread.mean, spread.deviation};
}

static rin_status frechet(scoring *s, rin_error *error) {
    int64_t a = s->judged.gaussian.n, b = s->against.gaussian.n, least = a && b ? RIN_MIN(a, b) : a + b;
    if (least && least <= s->judged.dim)
        rin_log_write(log_of(s), RIN_LOG_WARNING, "n = %lld <= %lld: biased, compare only with the same n%s",
                      (long long)least, (long long)s->judged.dim,
                      s->gauge.clip.frames ? "" : "; kid is made for few samples");
    rin_frechet result;
    rin_status status = rin_frechet_distance(&s->judged.gaussian, &s->against.gaussian, &result, error);
    if (status != RIN_OK) return status;
    s->out->frechet = result.distance;
    s->out->frechet_raw = result.raw;
    return RIN_OK;
}

static rin_status compare(scoring *s, rin_error *error) {
    const rin_config_eval *o = &s->config.eval;
    unsigned scores = s->request->scores;
    rin_rows judged = rin_row_file_rows(&s->judged.features, s->judged.n);
    rin_rows against = rin_row_file_rows(&s->against.features, s->against.features.n);
    rin_rows logits = rin_row_file_rows(&s->judged.logits, s->judged.n);
    rin_ticker ticker = {rin_score_tick, &s->loading};
    rin_spread spread;
    rin_status status = RIN_OK;
    s->loading.begun = rin_clock_seconds();
    if (scores & FRECHET) status = frechet(s, error);
    if (status == RIN_OK && scores & RIN_SCORE_IS) {
        rin_splits splits = {o->splits, o->split_size};
        status = rin_inception_score(&logits, splits, ticker, NULL, &spread, error);
        s->out->inception = spread_of(spread);
    }
    if (status == RIN_OK && scores & RIN_SCORE_KID) {
        const rin_kid_options options = {o->kid_subsets, o->kid_size, (uint64_t)o->seed};
        int64_t size;
        status = rin_kid(&judged, &against, &options, ticker, NULL, &size, &spread, error);
        s->out->kid = spread_of(spread);
        s->out->kid_size = size;
    }
    if (status == RIN_OK && scores & RIN_SCORE_PR) {
        rin_precision_recall result;
        status = rin_precision_recall_of(&against, &judged, o->neighbours, ticker, NULL, NULL, &result, error);
        s->out->precision = result.precision;
        s->out->recall = result.recall;
    }
    return status;
}

/* ---- the record ---- */

static bool add_set(cJSON *json, const char *name, const rin_set *set) {
    cJSON *source = set->source ? cJSON_Duplicate(set->source, true) : NULL;
    if (!source || !cJSON_AddItemToObject(json, name, source)) {
        cJSON_Delete(source);
        return false;
    }
    if (set->n && !cJSON_AddNumberToObject(source, "n", (double)set->n)) return false;
    if (!set->protocol && !rin_set_is_unnamed(set)) return true;
    cJSON *named = set->protocol ? cJSON_Parse(set->protocol) : NULL;
    if (named && cJSON_AddItemToObject(source, "protocol", named)) return true;
    cJSON_Delete(named);
    return cJSON_AddStringToObject(source, "protocol", set->protocol ? set->protocol : "not named");
}

static bool add_options(cJSON *json, const scoring *s) {
    const rin_config_eval *o = &s->config.eval;
    unsigned scores = s->request->scores;
    bool good = true;
    if (scores & RIN_SCORE_IS)
        good = cJSON_AddStringToObject(json, "splits", rin_words_splits_kind[o->splits]) &&
               cJSON_AddNumberToObject(json, "split_size", (double)o->split_size);
    if (good && scores & RIN_SCORE_KID)
        good = cJSON_AddNumberToObject(json, "kid_subsets", (double)o->kid_subsets) &&
               cJSON_AddNumberToObject(json, "kid_size", (double)s->out->kid_size) &&
               cJSON_AddNumberToObject(json, "kid_seed", (double)o->seed);
    if (good && scores & RIN_SCORE_PR) good = cJSON_AddNumberToObject(json, "neighbours", (double)o->neighbours);
    return good;
}

static rin_status record(scoring *s, rin_error *error) {
    bool network = s->gauge.extractor;
    cJSON *json = network ? rin_protocol_of_gauge(&s->gauge) : cJSON_CreateObject();
    bool good = json && add_set(json, "scored", &s->judged) &&
                (!s->reference || add_set(json, "reference", &s->against)) && add_options(json, s) &&
                cJSON_AddStringToObject(json, "program", "rin " RIN_VERSION);
    char *text = good ? cJSON_PrintUnformatted(json) : NULL;
    if (text) s->out->protocol = rin_strdup(text, error);
    cJSON_free(text);
    cJSON_Delete(json);
    return s->out->protocol ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
}

static void close_scoring(scoring *s) {
    rin_set_clear(&s->judged);
    rin_set_clear(&s->against);
    rin_gauge_clear(&s->gauge);
}

rin_status rin_eval_score(const rin_score_request *request, const rin_config *config, rin_listener listener,
                          rin_scores *out, rin_error *error) {
    if (out) *out = (rin_scores){0};
    if (!request) return rin_error_null(error, __func__, "request");
    if (!config) return rin_error_null(error, __func__, "config");
    if (!out) return rin_error_null(error, __func__, "out");
    scoring s = {.request = request, .config = *config, .loading = {.listener = listener}, .out = out};
    s.loading.begun = rin_clock_seconds();
    rin_set_init(&s.judged, needs_of(request->scores, true));
    rin_set_init(&s.against, needs_of(request->scores, false));
    rin_status status = check(&s, error);
    bool video = request->scores & RIN_SCORE_FVD;
    if (status == RIN_OK)
        status = rin_gauge_init(&s.gauge, &s.config, video, request->device, request->threads, &s.loading, error);
    if (status == RIN_OK && request->model) follow_model(&s);
    if (status == RIN_OK) status = measure_sets(&s, error);
    if (status == RIN_OK) status = compare(&s, error);
    if (status == RIN_OK) status = record(&s, error);
    out->scores = request->scores;
    out->n = s.judged.n;
    out->n_reference = s.against.n;
    if (status != RIN_OK) rin_scores_clear(out);
    close_scoring(&s);
    return status;
}

void rin_scores_clear(rin_scores *scores) {
    if (!scores) return;
    rin_free(scores->protocol);
    *scores = (rin_scores){0};
}

/* ---- statistics of a reference ---- */

rin_status rin_eval_statistics(const char *data, bool video, const rin_config *config, const char *device, int threads,
                               const char *out, rin_listener listener, int64_t *n, rin_error *error) {
    if (n) *n = 0;
    if (!data) return rin_error_null(error, __func__, "data");
    if (!config) return rin_error_null(error, __func__, "config");
    if (!out) return rin_error_null(error, __func__, "out");
    if (!rin_has_suffix(out, ".npz"))
        return rin_error_set(error, RIN_ERR_ARG, "'%.300s': statistics are written to files that end in .npz", out);
    rin_loading loading = {.listener = listener, .begun = rin_clock_seconds()};
    rin_gauge gauge = {.loading = &loading};
    rin_atomic_file place;
    rin_set set;
    rin_set_init(&set, RIN_NEED_GAUSSIAN);
    /* Whether it can be written is known before measuring, which takes long. */
    rin_status status = rin_atomic_open(&place, out, error);
    if (status == RIN_OK) rin_atomic_abort(&place);
    if (status == RIN_OK) status = rin_gauge_init(&gauge, config, video, device, threads, &loading, error);
    if (status == RIN_OK) status = rin_set_load(&set, &gauge, data, error);
    char *text = NULL;
    if (status == RIN_OK && set.measured) status = rin_protocol_text(&gauge, "source", set.source, &text, error);
    if (status == RIN_OK) status = rin_statistics_write(out, &set.gaussian, text ? text : set.protocol, error);
    if (status == RIN_OK && n) *n = set.n;
    rin_free(text);
    rin_set_clear(&set);
    rin_gauge_clear(&gauge);
    return status;
}
