/* SPDX-License-Identifier: MIT */
/* The loss's value against the formulas of the diffusion process, and its gradient where the clip begins. */
#include "support/cases.h"
#include "support/lab.h"

/* By way of the estimates of data and noise, each from its definition x_t = sqrt(g) x0 + sqrt(1 - g) eps. */
static double square_error(const rin_loss_attr *a, double output, double x_t, double target, double gamma) {
    double signal = sqrt(gamma), spread = sqrt(1 - gamma), b = a->b_scale, x0 = 0, eps = 0;
    if (a->pred == RIN_PRED_X) {
        x0 = fmax(-b, fmin(b, output));
        eps = (x_t - signal * x0) / spread;
    } else if (a->pred == RIN_PRED_EPS) {
        eps = output;
        x0 = fmax(-b, fmin(b, (x_t - spread * output) / signal));
    } else {
        eps = spread * x_t + signal * output;
        x0 = fmax(-b, fmin(b, signal * x_t - spread * output));
    }
    double error = a->loss == RIN_LOSS_EPS ? target - eps : (target - x0) / b;
    return error * error;
}

static void test_values(void **state) {
    (void)state;
    for (int pred = 0; pred < 3; pred++) {
        for (int loss = 0; loss < 2; loss++) {
            const op_case c = {"loss", RIN_OP_loss, .n = {3, 5, 7}, .attr.loss = {pred, loss, loss ? 0.6 : 0.9}};
            rin_graph *graph = op_case_graph(&c, false);
            lab *l = lab_create(graph, "ref64", 1);
            lab_fill(l, (uint64_t)(2 * pred + loss));
            lab_run_all(l);
            const rin_value *in = graph->nodes[0].inputs;
            double sum = 0;
            for (int64_t i = 0; i < 105; i++) {
                sum += square_error(&c.attr.loss, lab_get(l, in[0], i), lab_get(l, in[1], i), lab_get(l, in[2], i),
                                    lab_get(l, in[3], i / 35));
            }
            double got = lab_get(l, lab_find(l, "y"), 0);
            if (!(fabs(got - sum / 105) <= 1e-12 * got))
                fail_msg("prediction %d, loss %d: %.15g, expected %.15g", pred, loss, got, sum / 105);
            lab_free(l);
            rin_graph_free(graph);
        }
    }
}

/* A value of exactly -b or b still passes its gradient on every backend; one beyond does not. */
static void test_clip_is_inclusive(void **state) {
    (void)state;
    static const char *const backends[] = {"ref64", "ref", LAB_FAST_BACKENDS};
    static const struct {
        double output;
        bool passes;
    } rows[] = {{-0.5, true}, {0.5, true}, {0.4375, true}, {-0.5625, false}, {0.5625, false}};
    const op_case c = {"loss", RIN_OP_loss, .n = {1, 1, 1}, .attr.loss = {RIN_PRED_X, RIN_LOSS_X, 0.5}};
    for (size_t b = 0; b < RIN_COUNT(backends); b++) {
        if (!lab_available(backends[b])) continue;
        rin_graph *graph = op_case_graph(&c, true);
        lab *l = lab_create(graph, backends[b], 1);
        for (size_t i = 0; i < RIN_COUNT(rows); i++) {
            lab_fill(l, 1);
            lab_set(l, lab_find(l, "p0"), 1, rows[i].output); /* the middle row of three is the one that is used */
            lab_run_all(l);
            rin_value gradient = 0;
            for (int v = 1; v < graph->n_values; v++) {
                if (graph->values[v].kind == RIN_VALUE_GRAD) gradient = (rin_value)v;
            }
            if ((lab_get(l, gradient, 1) != 0) != rows[i].passes)
                fail_msg("%s: clip at 0.5, value %g", backends[b], rows[i].output);
        }
        lab_free(l);
        rin_graph_free(graph);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_clip_is_inclusive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
