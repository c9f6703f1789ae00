/* SPDX-License-Identifier: MIT */
/* judge: scores samples of a model that is being trained, now and then, always from the same seeds. */
#ifndef RIN_SCORE_JUDGE_H
#define RIN_SCORE_JUDGE_H

#include "sample/sample.h"

typedef struct rin_judge rin_judge;

/*
 * Makes ready whatever train.eval_metric needs: the network of eval.weights, the features of eval.reference. May take
 * long; the listener is told. Errors: those of rin_eval_score.
 */
rin_status rin_judge_create(const rin_config *config, rin_listener listener, rin_judge **out,
                            rin_error *error) RIN_CHECKED;
/* Bytes that one takes on a backend. */
rin_status rin_judge_measure(const rin_config *config, rin_backend *backend, uint64_t *bytes,
                             rin_error *error) RIN_CHECKED;
void rin_judge_free(rin_judge *judge);
/* The score of train.eval_count samples. deviation: over subsets, 0 of fid. Errors: NUMERIC; MEMORY; CANCELLED. */
rin_status rin_judge_score(rin_judge *judge, rin_model *model, rin_listener listener, double *score, double *deviation,
                           rin_error *error) RIN_CHECKED;
/* What the scores depend on, as JSON; borrowed. */
const char *rin_judge_protocol(const rin_judge *judge);

#endif
