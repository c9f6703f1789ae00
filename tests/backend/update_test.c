/* SPDX-License-Identifier: MIT */
/* The norm of the gradients and the optimisers: reference numbers, every backend against the reference in double. */
#include "support/json.h"
#include "support/lab.h"
#include "support/tiny.h"

#include "checkpoint/safetensors.h"
#include "exec/exec.h"

static const char *const backends[] = {"ref64", "ref", LAB_FAST_BACKENDS};

/* Weights of some shapes, and the program that updates them. */
typedef struct rig {
    rin_backend *backend;
    rin_weights *weights;
    rin_program *program;
} rig;

typedef struct named_shape {
    const char *name;
    rin_shape shape;
} named_shape;

static rig create(const char *backend, int threads, const named_shape *tensors, size_t n, const rin_update_attr *attr) {
    rig r = {0};
    rin_error error = {0};
    rin_backend_options options = {.threads = threads};
    rin_graph *graph = rin_graph_create(&error);
    assert_non_null(graph);
    for (size_t i = 0; i < n; i++) {
        (void)rin_graph_param(graph, tensors[i].name, tensors[i].shape, (rin_init){RIN_INIT_UNIFORM, 1});
    }
    rin_op_update(graph, rin_graph_output(graph, "grad_norm", rin_op_grad_norm(graph)), 0, *attr);
    assert_ok(rin_backend_create(backend, &options, &r.backend, &error), &error);
    assert_ok(rin_weights_create(graph, r.backend, true, &r.weights, &error), &error);
    assert_ok(rin_program_create(graph, r.weights, NULL, &r.program, &error), &error);
    return r;
}

static void destroy(rig *r) {
    rin_program_free(r->program);
    rin_weights_free(r->weights);
    rin_backend_free(r->backend);
}

/* ---- reference numbers ---- */

static void upload(rig *r, rin_arena arena, const rin_safetensors *file, const char *prefix) {
    rin_error error = {0};
    for (int i = 0; i < r->weights->n_tensors; i++) {
        const rin_tensor *tensor = &r->weights->tensors[i];
        char name[160];
        float values[64];
        snprintf(name, sizeof name, "%s/%s", prefix, tensor->name);
        const rin_stored_tensor *stored = rin_safetensors_find(file, name);
        assert_non_null(stored);
        assert_true(tensor->count <= 64);
        assert_ok(rin_safetensors_read(file, stored, values, (size_t)tensor->count, &error), &error);
        rin_weights_upload(r->weights, arena, tensor, values);
    }
}

/* Six steps of float updates: each rounds a weight by 6e-8 of itself, so 1e-6 of the largest is tight. */
static void compare(const rig *r, const rin_safetensors *file, const char *prefix) {
    rin_error error = {0};
    for (int i = 0; i < r->weights->n_tensors; i++) {
        const rin_tensor *tensor = &r->weights->tensors[i];
        char name[160];
        double expected[64], *got = tiny_tensor(r->weights, RIN_ARENA_WEIGHTS, tensor);
        snprintf(name, sizeof name, "%s/%s", prefix, tensor->name);
        const rin_stored_tensor *stored = rin_safetensors_find(file, name);
        assert_non_null(stored);
        assert_ok(rin_safetensors_read_double(file, stored, expected, (size_t)tensor->count, &error), &error);
        assert_close(name, got, expected, tensor->count, 1e-6 * largest(expected, tensor->count));
        test_free(got);
    }
}

static rin_update_attr attr_of(const cJSON *run) {
    const cJSON *clip = cJSON_GetObjectItemCaseSensitive(run, "global_clipnorm");
    bool lamb = strcmp(json_text(run, "optimizer"), "lamb") == 0;
    return (rin_update_attr){.optimizer = lamb ? RIN_OPTIMIZER_LAMB : RIN_OPTIMIZER_ADAMW,
                             .beta1 = json_number(run, "beta1"),
                             .beta2 = json_number(run, "beta2"),
                             .eps = json_number(run, "eps"),
                             .weight_decay = json_number(run, "weight_decay"),
                             .grad_clip = clip ? clip->valuedouble : 0};
}

static void check_run(const cJSON *json, const cJSON *run, const rin_safetensors *file, const char *backend) {
    const named_shape tensors[] = {{"a.weight", RIN_SHAPE(7, 5)},
                                   {"a.bias", RIN_SHAPE(7)},
                                   {"n.weight", RIN_SHAPE(5)},
                                   {"pos_emb", RIN_SHAPE(6, 5)}};
    rin_update_attr attr = attr_of(run);
    rig r = create(backend, 2, tensors, RIN_COUNT(tensors), &attr);
    upload(&r, RIN_ARENA_WEIGHTS, file, "init");
    const cJSON *rates = json_member(json, "lr");
    int steps = (int)json_number(json, "steps");
    assert_int_equal(cJSON_GetArraySize(rates), steps);
    for (int i = 0; i < steps; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "grad/%d", i);
        upload(&r, RIN_ARENA_GRADIENTS, file, prefix);
        rin_step step = {
            .step = (uint64_t)i, .learning_rate = cJSON_GetArrayItem(rates, i)->valuedouble, .ema_decay = 0.9};
        rin_program_run(r.program, &step, RIN_SECTION_ALL);
        snprintf(prefix, sizeof prefix, "%s/%d", json_text(run, "name"), i);
        compare(&r, file, prefix);
    }
    destroy(&r);
}

static void test_reference_numbers(void **state) {
    (void)state;
    rin_error error = {0};
    rin_safetensors *file;
    cJSON *json = json_read("tests/golden/optimizers/case.json");
    const cJSON *run;
    int n = 0;
    assert_ok(rin_safetensors_open("tests/golden/optimizers/io.safetensors", &file, &error), &error);
    cJSON_ArrayForEach(run, json_member(json, "runs")) {
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            if (lab_available(backends[b])) check_run(json, run, file, backends[b]);
        }
        n++;
    }
    assert_int_equal(n, 3);
    rin_safetensors_close(file);
    cJSON_Delete(json);
}

/* ---- all arenas, many sizes ---- */

static const named_shape sizes[] = {
    {"one", RIN_SHAPE(1, 1)},      {"seven", RIN_SHAPE(7)},          {"eight", RIN_SHAPE(2, 4)},
    {"nine", RIN_SHAPE(9)},        {"odd", RIN_SHAPE(3, 5, 7)},      {"sixteen", RIN_SHAPE(16)},
    {"large", RIN_SHAPE(67, 130)}, {"zero", RIN_SHAPE(5, 5)},        {"larger", RIN_SHAPE(130, 257)},
    {"still", RIN_SHAPE(3, 3)},    {"largest", RIN_SHAPE(131, 521)},
};

/* Weights, gradients, moments and average in float's numbers; the tensor "zero" is zero, "still" has no gradient. */
static void fill(rig *r) {
    static float values[131 * 521];
    for (int a = 0; a < RIN_N_ARENAS; a++) {
        for (int i = 0; i < r->weights->n_tensors; i++) {
            const rin_tensor *tensor = &r->weights->tensors[i];
            bool zero = (strcmp(tensor->name, "zero") == 0 && a == RIN_ARENA_WEIGHTS) ||
                        (strcmp(tensor->name, "still") == 0 && a != RIN_ARENA_WEIGHTS && a != RIN_ARENA_EMA);
            rin_random_key key = {11, (uint64_t)a, (uint32_t)i};
            for (int64_t k = 0; k < tensor->count; k++) {
                float value = zero ? 0 : rin_random_normal(key, (uint64_t)k);
                values[k] = a == RIN_ARENA_V ? value * value : value;
            }
            rin_weights_upload(r->weights, (rin_arena)a, tensor, values);
        }
    }
}

static void run_once(rig *r) {
    fill(r);
    rin_step step = {.step = 4, .learning_rate = 0.01, .ema_decay = 0.75};
    rin_program_run(r->program, &step, RIN_SECTION_ALL);
}

/* All that an update leaves: gradients are used up. */
static void compare_rigs(const char *backend, const rig *a, const rig *b, double tolerance) {
    char what[64];
    for (int arena = 0; arena < RIN_N_ARENAS; arena++) {
        if (arena == RIN_ARENA_GRADIENTS) continue;
        for (int i = 0; i < a->weights->n_tensors; i++) {
            const rin_tensor *tensor = &a->weights->tensors[i];
            double *got = tiny_tensor(a->weights, (rin_arena)arena, tensor),
                   *want = tiny_tensor(b->weights, (rin_arena)arena, tensor);
            snprintf(what, sizeof what, "%s: arena %d of %s", backend, arena, tensor->name);
            assert_close(what, got, want, tensor->count, tolerance * fmax(1, largest(want, tensor->count)));
            test_free(got);
            test_free(want);
        }
    }
}

static void check_backends(const rin_update_attr *attr) {
    rig oracle = create("ref64", 1, sizes, RIN_COUNT(sizes), attr);
    run_once(&oracle);
    for (size_t b = 1; b < RIN_COUNT(backends); b++) {
        if (!lab_available(backends[b])) continue;
        rig one = create(backends[b], 1, sizes, RIN_COUNT(sizes), attr);
        run_once(&one);
        float norm, expected;
        rin_error error = {0};
        assert_ok(rin_program_read(one.program, "grad_norm", &norm, 1, &error), &error);
        assert_ok(rin_program_read(oracle.program, "grad_norm", &expected, 1, &error), &error);
        assert_float_equal(norm, expected, 1e-6 * (double)expected);
        compare_rigs(backends[b], &one, &oracle, 2e-6);
        for (int threads = 2; threads <= 3; threads++) {
            rig more = create(backends[b], threads, sizes, RIN_COUNT(sizes), attr);
            run_once(&more);
            compare_rigs("threads", &more, &one, 0);
            destroy(&more);
        }
        destroy(&one);
    }
    destroy(&oracle);
}

static void test_backends_agree(void **state) {
    (void)state;
    check_backends(&(rin_update_attr){RIN_OPTIMIZER_LAMB, 0.9, 0.999, 1e-8, 0.01, 0});
    check_backends(&(rin_update_attr){RIN_OPTIMIZER_LAMB, 0.8, 0.9, 1e-3, 0.1, 0.5});
    check_backends(&(rin_update_attr){RIN_OPTIMIZER_ADAMW, 0.9, 0.99, 1e-8, 0.01, 0});
    check_backends(&(rin_update_attr){RIN_OPTIMIZER_ADAMW, 0.9, 0.99, 1e-6, 0, 1});
}

/* A step whose gradients are not finite, or whose squares will not be, leaves everything as it was. */
static void test_not_finite_is_skipped(void **state) {
    (void)state;
    const rin_update_attr attr = {RIN_OPTIMIZER_LAMB, 0.9, 0.999, 1e-8, 0.01, 0};
    const float bad[] = {NAN, INFINITY, 2e19f, -3e38f};
    for (size_t b = 0; b < RIN_COUNT(backends); b++) {
        if (!lab_available(backends[b])) continue;
        for (size_t k = 0; k < RIN_COUNT(bad); k++) {
            rig r = create(backends[b], 2, sizes, RIN_COUNT(sizes), &attr);
            fill(&r);
            rin_weights_upload(r.weights, RIN_ARENA_GRADIENTS, rin_weights_find(r.weights, "one"), &bad[k]);
            rin_step step = {.learning_rate = 0.01, .ema_decay = 0.75};
            rin_program_run(r.program, &step, RIN_SECTION_ALL);
            float norm;
            assert_int_equal(rin_program_read(r.program, "grad_norm", &norm, 1, NULL), RIN_OK);
            assert_int_equal(isfinite(norm), isfinite(bad[k]));
            rig untouched = create(backends[b], 1, sizes, RIN_COUNT(sizes), &attr);
            fill(&untouched);
            rin_weights_upload(r.weights, RIN_ARENA_GRADIENTS, rin_weights_find(r.weights, "one"), &(float){0});
            rin_weights_upload(untouched.weights, RIN_ARENA_GRADIENTS, rin_weights_find(untouched.weights, "one"),
                               &(float){0});
            compare_rigs(backends[b], &r, &untouched, 0);
            destroy(&r);
            destroy(&untouched);
        }
    }
}

/* The largest gradients that are applied keep the moments finite; larger ones do when they are clipped. */
static void test_large_gradients(void **state) {
    (void)state;
    static const struct {
        float gradient;
        double clip;
    } cases[] = {{9.9e18f, 0}, {3e38f, 1}, {3e38f, 9.9e18}};
    static const rin_optimizer optimizers[] = {RIN_OPTIMIZER_LAMB, RIN_OPTIMIZER_ADAMW};
    for (size_t b = 0; b < RIN_COUNT(backends) * RIN_COUNT(cases) * RIN_COUNT(optimizers); b++) {
        const char *backend = backends[b % RIN_COUNT(backends)];
        size_t k = b / RIN_COUNT(backends) % RIN_COUNT(cases);
        rin_update_attr attr = {
            optimizers[b / RIN_COUNT(backends) / RIN_COUNT(cases)], 0.9, 0.5, 1e-8, 0.01, cases[k].clip};
        if (!lab_available(backend)) continue;
        rig r = create(backend, 1, sizes, RIN_COUNT(sizes), &attr);
        fill(&r);
        const rin_tensor *one = rin_weights_find(r.weights, "one");
        for (int step = 0; step < 50; step++) {
            rin_weights_upload(r.weights, RIN_ARENA_GRADIENTS, one, &cases[k].gradient);
            rin_program_run(r.program, &(rin_step){.step = (uint64_t)step, .learning_rate = 0.01, .ema_decay = 0.75},
                            RIN_SECTION_ALL);
        }
        static const rin_arena arenas[] = {RIN_ARENA_WEIGHTS, RIN_ARENA_EMA, RIN_ARENA_M, RIN_ARENA_V};
        float value[RIN_COUNT(arenas)];
        for (size_t a = 0; a < RIN_COUNT(arenas); a++) {
            rin_weights_download(r.weights, arenas[a], one, &value[a]);
            assert_true(isfinite(value[a]));
        }
        assert_true(value[2] > 0.5f); /* applied */
        destroy(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_numbers),
        cmocka_unit_test(test_backends_agree),
        cmocka_unit_test(test_not_finite_is_skipped),
        cmocka_unit_test(test_large_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
