/* SPDX-License-Identifier: MIT */
/* The ops of sampling by hand and with numbers that are not finite, on every backend; kernel_test.c compares them. */
#include "support/cases.h"

#define LEVEL(w, phi) .level = {0.6, 0.8, w, phi}

static const char *const backends[] = {"ref64", "ref", LAB_FAST_BACKENDS};

static lab *create_sampling(const op_case *c, const rin_graph *graph, const char *backend) {
    lab *l = lab_create(graph, backend, 2);
    lab_fill(l, 5);
    op_case_set(c, l);
    return l;
}

/* ---- by hand ---- */

typedef struct by_hand {
    op_case c;
    const char *names[2];
    double in[2][5], out[5];
} by_hand;

/* Level 0.36: x = 0.6 x0 + 0.8 eps, v = 0.6 eps - 0.8 x0; the second row has x0 = 2 and eps = 0.5. */
static const by_hand hands[] = {
    {{"eps", RIN_OP_estimate, .n = {1, 2, 1}, .attr.estimate = {RIN_PRED_EPS, 1, 0}, LEVEL(0, 0)},
     {"x", "output"},
     {{0.1, 1.6}, {-0.25, 0.5}},
     {0.5, 1}},
    {{"x", RIN_OP_estimate, .n = {1, 2, 1}, .attr.estimate = {RIN_PRED_X, 1, 0}, LEVEL(0, 0)},
     {"x", "output"},
     {{0.1, 1.6}, {0.5, 2}},
     {0.5, 1}},
    {{"v", RIN_OP_estimate, .n = {1, 2, 1}, .attr.estimate = {RIN_PRED_V, 1, 0}, LEVEL(0, 0)},
     {"x", "output"},
     {{0.1, 1.6}, {-0.55, -1.3}},
     {0.5, 1}},
    /* The quantile of 1, 2, 3, 4, 8 at 7/8 is half-way between 4 and 8. */
    {{"quantile", RIN_OP_estimate, .n = {1, 5, 1}, .attr.estimate = {RIN_PRED_X, 0.6, 0.875}, LEVEL(0, 0)},
     {"x", "output"},
     {{0}, {-8, 1, 3, -2, 4}},
     {-0.6, 0.1, 0.3, -0.2, 0.4}},
    {{"quantile within", RIN_OP_estimate, .n = {1, 5, 1}, .attr.estimate = {RIN_PRED_X, 7, 0.875}, LEVEL(0, 0)},
     {"x", "output"},
     {{0}, {-8, 1, 3, -2, 4}},
     {-7, 1, 3, -2, 4}},
    {{"guided", RIN_OP_guide, .n = {1, 3, 1}, LEVEL(2, 0)},
     {"labelled", "reference"},
     {{1, 2, 3}, {2, 2, 0}},
     {-1, 2, 9}},
    /* Guided to (3, 2, 1), which has the spread of (1, 2, 3); and to twice (1, 2, 3), half of which is brought back. */
    {{"rescaled", RIN_OP_guide, .n = {1, 3, 1}, LEVEL(1, 0.5)},
     {"labelled", "reference"},
     {{1, 2, 3}, {-1, 2, 5}},
     {3, 2, 1}},
    {{"rescaled by half", RIN_OP_guide, .n = {1, 3, 1}, LEVEL(1, 0.5)},
     {"labelled", "reference"},
     {{1, 2, 3}, {0, 0, 0}},
     {1.5, 3, 4.5}},
};

static void check_by_hand(const by_hand *h, const rin_graph *graph, const char *backend) {
    lab *l = create_sampling(&h->c, graph, backend);
    for (int k = 0; k < 2; k++) lab_write(l, lab_find(l, h->names[k]), h->in[k]);
    lab_run_all(l);
    rin_value y = lab_find(l, "y");
    double *got = lab_read(l, y);
    assert_close(h->c.name, got, h->out, lab_count(l, y), 1e-6 * fmax(1, largest(h->out, lab_count(l, y))));
    test_free(got);
    lab_free(l);
}

static void test_by_hand(void **state) {
    (void)state;
    for (size_t i = 0; i < RIN_COUNT(hands); i++) {
        rin_graph *graph = op_case_graph(&hands[i].c, false);
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (lab_available(backends[b])) check_by_hand(&hands[i], graph, backends[b]);
        }
        rin_graph_free(graph);
    }
}

/* ---- not finite ---- */

/* Clipping would hide an output that is not a number, and a mask that it is not wanted. Other examples keep theirs. */
static void check_estimate_not_finite(const op_case *c, const rin_graph *graph, const char *backend) {
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    lab *l = create_sampling(c, graph, backend);
    rin_value y = lab_find(l, "y"), output = lab_find(l, "output");
    for (int64_t i = 0; i < 3; i++) lab_set(l, output, 4 * i, bad[i]);
    for (int64_t i = 0; c->n[3] && i < 3; i++) lab_set(l, lab_find(l, "mask"), i, 1);
    lab_run_all(l);
    int64_t n = lab_count(l, y);
    for (int64_t i = 0; i < n; i++) {
        bool expected = i == 0 || i == 4 || i == 8;
        if ((expected || i >= n / 2) && expected == (bool)isfinite(lab_get(l, y, i)))
            fail_msg("%s on %s: element %lld is %g", c->name, backend, (long long)i, lab_get(l, y, i));
    }
    lab_free(l);
}

static void test_estimates_stay_not_finite(void **state) {
    (void)state;
    for (int which = 0; which < 12; which++) {
        op_case c = {"estimate", RIN_OP_estimate, .n = {2, 5, 3, which / 6}, LEVEL(0, 0)};
        c.attr.estimate = (rin_estimate_attr){which % 3, 0.7, which / 3 % 2 ? 0.9 : 0};
        rin_graph *graph = op_case_graph(&c, false);
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (lab_available(backends[b])) check_estimate_not_finite(&c, graph, backends[b]);
        }
        rin_graph_free(graph);
    }
}

/* Of a source that has no part in a step nothing may come through: its memory may hold anything. */
static void check_unread(const op_case *c, const rin_graph *graph, const char *backend, const char *const *unread) {
    lab *l = create_sampling(c, graph, backend);
    for (; *unread; unread++) {
        for (int64_t i = 0; i < lab_count(l, lab_find(l, *unread)); i++) lab_set(l, lab_find(l, *unread), i, NAN);
    }
    lab_run_all(l);
    rin_value y = lab_find(l, "y");
    for (int64_t i = 0; i < lab_count(l, y); i++) {
        if (!isfinite(lab_get(l, y, i))) fail_msg("%s on %s: looked at", c->name, backend);
    }
    lab_free(l);
}

static void test_no_part_is_not_looked_at(void **state) {
    (void)state;
    static const struct {
        op_case c;
        const char *unread[5];
    } rows[] = {
        {{"guide, w 0", RIN_OP_guide, .n = {2, 5, 9}, LEVEL(0, 0)}, {"reference"}},
        {{"guide, w 0, rescaled", RIN_OP_guide, .n = {2, 5, 9}, LEVEL(0, 0.7)}, {"reference"}},
        {{"mix", RIN_OP_mix, .n = {2, 5, 9, 62}, LEVEL(0, 0), .factors = {0.9, 0, -1.5}},
         {"base", "before", "before_2", "noise"}},
        {{"mix, x unread", RIN_OP_mix, .n = {2, 5, 9, 62}, LEVEL(0, 0), .factors = {0, 1, 0, 1, 1, 1}},
         {"x", "estimate"}},
        {{"mix, published", RIN_OP_mix, .n = {2, 5, 9, 62}, LEVEL(0, 0), .factors = {1, 1, 0, 1, 1, 0, -0.6, 0.8}},
         {"base", "before", "before_2", "noise"}},
    };
    for (size_t r = 0; r < RIN_COUNT(rows); r++) {
        rin_graph *graph = op_case_graph(&rows[r].c, false);
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (lab_available(backends[b])) check_unread(&rows[r].c, graph, backends[b], rows[r].unread);
        }
        rin_graph_free(graph);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_estimates_stay_not_finite),
        cmocka_unit_test(test_no_part_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
