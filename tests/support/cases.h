/* SPDX-License-Identifier: MIT */
/* cases: small graphs around one op, from a row of sizes and attributes; shared by the tests of gradients and of
 * kernels. */
#ifndef RIN_TESTS_CASES_H
#define RIN_TESTS_CASES_H

#include "support/lab.h"

/* Letters of n are those of the op's builder; 0 for what is absent. */
typedef struct op_case {
    const char *name;
    int op;
    int64_t n[6];
    union {
        rin_linear_attr linear;
        rin_attention_attr attention;
        rin_rows_attr rows; /* add_table: start; slice: start and count */
        rin_patch_attr patch;
        rin_sin_cos_attr sin_cos;
        rin_random_attr random;
        rin_gamma_attr gamma;
        rin_rescale_attr rescale;
        rin_mask_attr mask;
        rin_drop_attr drop;
        rin_estimate_attr estimate;
        rin_mix_attr mix;
        rin_loss_attr loss;
        rin_fold_attr fold;
        rin_conv_attr conv;
        rin_pool_attr pool;
    } attr;
    bool no_bias, residual; /* linear */
    bool twice;             /* the op is used twice on the same inputs, so that their gradients are sums */
    double level[RIN_N_LEVEL], factors[2 * RIN_N_FACTORS]; /* of guide, estimate and mix: op_case_set */
} op_case;

/*
 * n of each op:  linear B N in out; attention B M N I; layer_norm B N D; add B N D; add_table B N D R; concat B D n1 n2
 * n3 n4; slice B N D; patch B; unpatch B extra (time steps); loss B N D; zeros, random B N D; sin_cos D; time_encode B
 * D; drop_labels B classes; gamma B; rescale, add_noise, standardise B N D; mask_hidden B N D and 1 for u given;
 * guide B N D; estimate B N D and 1 for known numbers; mix B N D and the set of its sources besides x, 2 to the kth
 * power standing for source k.
 * fold out in t r c, 0 for those that are absent but the first; conv B T H W C out; pool B T H W C; the last two into
 * others' channels where their join has any.
 * add_table with R < 0: without x, |R| rows.
 */

/*
 * The op alone: with `gradient` its inputs are parameters, or rows cut out of parameters where the op passes gradients
 * on unchanged, and the graph goes on to the op's loss and back to all parameters. The loss is the mean square of
 * output - "target": with a random target its gradient is a random cotangent. It is named "loss", the op's output "y".
 */
rin_graph *op_case_graph(const op_case *c, bool gradient);

/* Writes the numbers of the case into the inputs "level" and "factors" where the graph has them. */
void op_case_set(const op_case *c, lab *l);

#endif
