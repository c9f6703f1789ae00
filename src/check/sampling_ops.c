/* SPDX-License-Identifier: MIT */
/* The numbers of clipping by a quantile, of rescaled guidance, and of ways between noises. */
#include <string.h>

#include "check/sampler_case.h"
#include "op/op.h"

static const double tolerance_exact = 1e-6;

/* Runs the op that `build` makes of inputs of the shape of a stored tensor, and compares its output. */
typedef struct op_case {
    const char *folder, *inputs[2], *output;
    float level[RIN_N_LEVEL];
    rin_value (*build)(rin_graph *graph, const rin_value *in, rin_value level, const struct op_case *c);
    double percentile, b_scale;
} op_case;

static rin_value build_estimate(rin_graph *graph, const rin_value *in, rin_value level, const op_case *c) {
    rin_estimate_attr attr = {RIN_PRED_X, c->b_scale, c->percentile};
    return rin_op_estimate(graph, in[0], in[0], level, 0, 0, attr);
}

static rin_value build_guide(rin_graph *graph, const rin_value *in, rin_value level, const op_case *c) {
    (void)c;
    return rin_op_guide(graph, in[0], in[1], level);
}

/* With w = -1 the guided output is the reference itself: what is left is the rescaling. */
static const op_case op_cases[] = {
    {"threshold", {"in"}, "out", {1, 0, 0, 0}, build_estimate, 0.9, 1},
    {"threshold", {"in"}, "out_half", {1, 0, 0, 0}, build_estimate, 0.9, 0.5},
    {"rescale", {"labelled", "guided"}, "out", {1, 0, -1, 0.7f}, build_guide, 0, 1},
};

static rin_status bind_op(rin_case *c, const op_case *o, const rin_stored_tensor *like, rin_weights **weights,
                          rin_program **program, rin_error *error) {
    rin_shape shape = {.rank = (int)like->rank};
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = (int64_t)like->shape[i];
    rin_graph *graph = rin_graph_create(error);
    if (!graph) return RIN_ERR_MEMORY;
    rin_value in[2] = {0}, level = rin_graph_input(graph, "level", RIN_SHAPE(RIN_N_LEVEL));
    for (int i = 0; i < 2 && o->inputs[i]; i++) in[i] = rin_graph_input(graph, o->inputs[i], shape);
    rin_graph_output(graph, o->output, o->build(graph, in, level, o));
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK) status = rin_weights_create(graph, c->backend, false, weights, error);
    if (status != RIN_OK) {
        rin_graph_free(graph);
        return status;
    }
    return rin_program_create(graph, *weights, &(rin_program_options){0}, program, error);
}

static rin_status run_op(rin_check *check, const op_case *o, rin_program *program, int64_t n, rin_error *error) {
    rin_status status = rin_program_write(program, "level", o->level, RIN_N_LEVEL, error);
    for (int i = 0; i < 2 && o->inputs[i] && status == RIN_OK; i++) {
        float *values = NULL;
        status = rin_check_values(check, o->inputs[i], false, n, &values, error);
        if (status == RIN_OK) status = rin_program_write(program, o->inputs[i], values, n, error);
        rin_free(values);
    }
    if (status != RIN_OK) return status;
    rin_program_run(program, &(rin_step){0}, RIN_SECTION_ALL);
    rin_parts expected = {0};
    float *made = rin_calloc((size_t)n, sizeof *made, error);
    status = made ? rin_program_read(program, o->output, made, n, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_parts_read(check, o->output, n, &expected, error);
    if (status == RIN_OK) rin_parts_compare(check, &expected, 0, made, tolerance_exact);
    rin_free(expected.values);
    rin_free(made);
    return status;
}

static void check_op(rin_case *c, const op_case *o) {
    enum { MOST_RANK = 4 };
    const rin_stored_tensor *like = rin_case_find(c, "%s/%s", o->folder, o->inputs[0]);
    if (!like || !rin_case_find(c, "%s/%s", o->folder, o->output)) return;
    rin_error failure = {0};
    rin_weights *weights = NULL;
    rin_program *program = NULL;
    rin_check check = rin_check_begin(c, NULL, o->folder);
    rin_status status = like->rank >= 1 && like->rank <= MOST_RANK && like->n_elements > 0
                            ? bind_op(c, o, like, &weights, &program, &failure)
                            : rin_error_set(&failure, RIN_ERR_SHAPE, "'%s' is not of 1 to 4 dimensions", like->name);
    if (status == RIN_OK) status = run_op(&check, o, program, (int64_t)like->n_elements, &failure);
    rin_check_end(&check, status, &failure);
    rin_program_free(program);
    rin_weights_free(weights);
}

static rin_status run_slerp(rin_check *check, const rin_stored_tensor *p, rin_error *error) {
    int64_t n = (int64_t)p->n_elements, examples = p->rank ? (int64_t)p->shape[0] : 0, each = n / RIN_MAX(examples, 1);
    float *from = NULL, *to = NULL, *made = rin_calloc((size_t)n, sizeof *made, error);
    rin_status status = made ? rin_check_values(check, "a", false, n, &from, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_check_values(check, "b", false, n, &to, error);
    for (size_t i = 0; i < rin_safetensors_count(check->of->io) && status == RIN_OK; i++) {
        static const char folder[] = "slerp/";
        const char *full = rin_safetensors_get(check->of->io, i)->name;
        double u;
        if (strncmp(full, folder, strlen(folder)) != 0) continue;
        const char *name = full + strlen(folder);
        if (!rin_number_parse_real(name, &u)) continue;
        rin_parts expected = {0};
        for (int64_t k = 0; k < examples; k++) rin_slerp(from + k * each, to + k * each, u, made + k * each, each);
        status = rin_parts_read(check, name, RIN_MAX(n, 1), &expected, error);
        if (status == RIN_OK) rin_parts_compare(check, &expected, 0, made, tolerance_exact);
        rin_free(expected.values);
    }
    rin_free(from);
    rin_free(to);
    rin_free(made);
    return status;
}

static void check_slerp(rin_case *c) {
    const rin_stored_tensor *p = rin_case_find(c, "slerp/a");
    rin_error failure = {0};
    rin_check check = rin_check_begin(c, NULL, "slerp");
    if (p) rin_check_end(&check, run_slerp(&check, p, &failure), &failure);
}

void rin_check_sampling_ops(rin_case *c) {
    for (size_t i = 0; i < RIN_COUNT(op_cases); i++) check_op(c, &op_cases[i]);
    check_slerp(c);
}
