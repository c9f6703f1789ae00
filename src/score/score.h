/* SPDX-License-Identifier: MIT */
/* score: how much a set of pictures or videos is like another: features of both, and the scores made of them. */
#ifndef RIN_SCORE_H
#define RIN_SCORE_H

#include <cjson/cJSON.h>

#include "feature/feature.h"
#include "metric/statistics.h"
#include "sample/sample.h"
#include "score/feeder.h"
#include "score/row_file.h"

/* What must be known of a set for the scores that are wanted. */
enum {
    RIN_NEED_GAUSSIAN = 1, /* mean and covariance of features */
    RIN_NEED_ROWS = 2,     /* the features themselves */
    RIN_NEED_LOGITS = 4    /* of Inception's classes */
};

/* The network and what it is fed: the same for all sets that are compared. */
typedef struct rin_gauge {
    rin_config_eval options;
    rin_feature_network network;
    rin_extractor *extractor; /* NULL before the first picture */
    const char *device;       /* borrowed; NULL: cpu */
    int threads;
    rin_clip clip;     /* frames 0: pictures */
    int64_t batch;     /* that go through the network at a time */
    int height, width; /* what pictures of data sets are fitted to; 0: nothing */
    bool grey;
    float *features, *logits; /* of a batch */
    rin_loading *loading;     /* borrowed */
} rin_gauge;

/* A set, as far as it is needed. */
typedef struct rin_set {
    unsigned needs;
    int64_t n, dim; /* samples; width of their features */
    bool has_gaussian;
    rin_gaussian gaussian;
    rin_moments moments;
    rin_row_file features, logits; /* open where needed */
    cJSON *source;                 /* where it came from: object of the protocol */
    char *protocol;                /* the text that its statistics name; NULL: none */
    bool measured;                 /* its features were made here, by the gauge's network */
    bool stated;                   /* its gaussian is one that a file states */
} rin_set;

/* Tells the listener, since loading->begun, with what is left; CANCELLED when it says stop. unit may be NULL. */
rin_status rin_score_tell(rin_loading *loading, const char *doing, const char *unit, int64_t done, int64_t total,
                          rin_error *error) RIN_CHECKED;
/* The same as a ticker of metric.h, of comparing: user is a rin_loading. */
bool rin_score_tick(void *loading, int64_t done, int64_t total);

void rin_set_init(rin_set *set, unsigned needs);
void rin_set_clear(rin_set *set);
/* Whether nobody knows how its features were made: they, or their statistics, are a file's that names no protocol. */
bool rin_set_is_unnamed(const rin_set *set);

rin_status rin_gauge_init(rin_gauge *gauge, const rin_config *config, bool video, const char *device, int threads,
                          rin_loading *loading, rin_error *error) RIN_CHECKED;
void rin_gauge_clear(rin_gauge *gauge);
/* Makes the network ready, if it is not. */
rin_status rin_gauge_open(rin_gauge *gauge, rin_error *error) RIN_CHECKED;
/* Features of n inputs (n, per_input), at most a batch, into the set. */
rin_status rin_gauge_take(rin_gauge *gauge, rin_set *set, const float *inputs, int64_t n, rin_error *error) RIN_CHECKED;
rin_intake rin_gauge_intake(const rin_gauge *gauge);

/* Opens the set's files of rows where it needs them: path NULL: temporary ones. */
rin_status rin_set_open_rows(rin_set *set, int64_t dim, const char *features, const char *logits, int64_t kept,
                             rin_error *error) RIN_CHECKED;
void rin_set_close_rows(rin_set *set);
/* Rows of features, and of logits where the set needs them. */
rin_status rin_set_add(rin_set *set, const float *features, const float *logits, int64_t n,
                       rin_error *error) RIN_CHECKED;
/* When all has been added: the gaussian, where it is needed. */
rin_status rin_set_finish(rin_set *set, rin_error *error) RIN_CHECKED;

/* A set from a path: a data set, a .npz or a .npy. Errors: those of opening; FORMAT when it does not have what is
 * needed. */
rin_status rin_set_load(rin_set *set, rin_gauge *gauge, const char *path, rin_error *error) RIN_CHECKED;

/* Samples of a model: options sample.* of config; classes in turn; videos go on from clips of `given`, a data set.
 * folder: where features are kept and gone on from; NULL: nowhere. */
typedef struct rin_sampled {
    rin_model *model;
    const rin_config *config;
    int64_t count;
    const char *given, *folder;
} rin_sampled;

rin_status rin_set_sample(rin_set *set, rin_gauge *gauge, const rin_sampled *what, rin_error *error) RIN_CHECKED;

/* ---- protocols ---- */

/* {"network": .., "weights": .., "preprocess": ..}, and what was done to pictures before; the caller's. */
cJSON *rin_protocol_of_gauge(const rin_gauge *gauge);
/* Adds a path, which may hold any bytes, as text; false when memory is out. */
bool rin_protocol_add_path(cJSON *json, const char *key, const char *path);
/* That of the gauge with one part more, as text: *out is freed by rin_free. */
rin_status rin_protocol_text(const rin_gauge *gauge, const char *key, const cJSON *part, char **out,
                             rin_error *error) RIN_CHECKED;
/* Whether features of a set that names this protocol may be compared with the gauge's. Errors: ARG says what differs.
 */
rin_status rin_protocol_check(const rin_gauge *gauge, const char *protocol, const char *path,
                              rin_error *error) RIN_CHECKED;
/* The same of two sets that name theirs; path: of the first. */
rin_status rin_protocols_compare(const char *protocol, const char *other, const char *path,
                                 rin_error *error) RIN_CHECKED;

#endif
