/* SPDX-License-Identifier: MIT */
/* Whole training steps of every kind of model: memory reuse, threads, repeats and accumulation do not change numbers.
 */
#include "support/lab.h"
#include "support/tiny.h"

static const char *const backends[] = {"ref", LAB_FAST_BACKENDS};
static const rin_step_options whole = {.batch = 4, .parts = 1, .update = true};

static tiny_step run_two_steps(const rin_config *config, const char *backend, int threads, rin_program_options bound) {
    tiny_step s = tiny_step_create(config, backend, threads, &whole, &bound);
    for (uint64_t i = 0; i < 2; i++) {
        rin_step step = {.seed = 21, .step = i, .gradient_scale = 1, .learning_rate = 0.01, .ema_decay = 0.5};
        rin_program_run(s.program, &step, RIN_SECTION_ALL);
    }
    return s;
}

static void compare_variants(const char *name, const rin_config *config, const char *backend) {
    char what[96];
    tiny_step planned = run_two_steps(config, backend, 1, (rin_program_options){.parameters = RIN_ARENA_WEIGHTS});
    static const struct {
        const char *name;
        int threads;
        rin_program_options bound;
    } variants[] = {
        {"again", 1, {0}},
        {"without reuse", 1, {.no_reuse = true}},
        {"poisoned", 1, {.poison = true}},
        {"poisoned without reuse", 2, {.no_reuse = true, .poison = true}},
        {"two threads", 2, {0}},
        {"three threads", 3, {0}},
    };
    for (size_t i = 0; i < RIN_COUNT(variants); i++) {
        tiny_step other = run_two_steps(config, backend, variants[i].threads, variants[i].bound);
        snprintf(what, sizeof what, "%s on %s, %s", name, backend, variants[i].name);
        tiny_step_assert_same(&planned, &other, what);
        tiny_step_free(&other);
    }
    tiny_step_free(&planned);
}

static void test_variants_agree(void **state) {
    (void)state;
    for (int i = 0; i < n_tiny_models; i++) {
        rin_config *config = tiny_config(tiny_models[i].options);
        for (size_t b = 0; b < RIN_COUNT(backends); b++) {
            bool is_slow = b == 0 && i % 3 != 0; /* the reference shares the compiler's work with the others */
            if (lab_available(backends[b]) && !is_slow) compare_variants(tiny_models[i].name, config, backends[b]);
        }
        rin_config_free(config);
    }
}

/* What a step does follows the seed and the number of the step. */
static void test_randomness_follows_seed_and_step(void **state) {
    (void)state;
    rin_config *config = tiny_config("model.drop_units=0.3");
    tiny_step s = tiny_step_create(config, "cpu", 1, &whole, NULL);
    rin_step step = {.seed = 1, .step = 1, .gradient_scale = 1};
    float losses[4];
    for (int i = 0; i < 4; i++) {
        if (i == 1) step.step = 2;
        if (i == 2) step = (rin_step){.seed = 2, .step = 1, .gradient_scale = 1};
        if (i == 3) step = (rin_step){.seed = 1, .step = 1, .gradient_scale = 1};
        rin_program_run(s.program, &step, RIN_SECTION_GRADIENTS);
        losses[i] = tiny_step_read(&s, "loss");
    }
    assert_true(losses[0] != losses[1]);
    assert_true(losses[0] != losses[2]);
    assert_true(losses[0] == losses[3]);
    tiny_step_free(&s);
    rin_config_free(config);
}

/* ---- values made again in backward ---- */

/* Making a layer's values again changes no bit of what a step leaves, dropout of every kind included. */
static void test_recompute_changes_nothing(void **state) {
    (void)state;
    for (int i = 0; i < n_tiny_models; i++) {
        static const char *const drops[] = {"", " model.drop_units=0.3 model.drop_path=0.2 model.drop_att=0.1"};
        for (size_t d = 0; d < RIN_COUNT(drops); d++) {
            char options[1024];
            snprintf(options, sizeof options, "%s%s", tiny_models[i].options, drops[d]);
            rin_config *config = tiny_config(options);
            rin_config *again = tiny_config(options);
            again->train.recompute = true;
            for (size_t b = 1; b < RIN_COUNT(backends); b++) {
                if (!lab_available(backends[b])) continue;
                tiny_step kept = run_two_steps(config, backends[b], 2, (rin_program_options){0});
                tiny_step made = run_two_steps(again, backends[b], 1, (rin_program_options){.poison = true});
                tiny_step_assert_same(&kept, &made, tiny_models[i].name);
                tiny_step_free(&kept);
                tiny_step_free(&made);
            }
            rin_config_free(config);
            rin_config_free(again);
        }
    }
}

static int64_t activations(const rin_config *config, double *flops) {
    rin_error error = {0};
    rin_graph *graph;
    rin_plan *plan;
    assert_ok(rin_step_graph(config, &(rin_step_options){.batch = 16, .parts = 1, .update = true}, &graph, &error),
              &error);
    assert_ok(rin_plan_create(graph, false, &plan, &error), &error);
    int64_t elements = plan->arena;
    *flops = rin_graph_flops(graph);
    rin_plan_free(plan);
    rin_graph_free(graph);
    return elements;
}

/* A third of the activations at most, for a fifth more products at most. */
static void test_recompute_saves_memory(void **state) {
    (void)state;
    static const char *const presets[] = {"small", "cifar10", "imagenet64_released"};
    for (size_t i = 0; i < RIN_COUNT(presets); i++) {
        rin_error error = {0};
        rin_config *config;
        double flops, more;
        assert_ok(rin_config_create(&config, &error), &error);
        assert_ok(rin_config_load_preset(config, presets[i], &error), &error);
        int64_t kept = activations(config, &flops);
        assert_ok(rin_config_set(config, "train.recompute", "true", &error), &error);
        int64_t made = activations(config, &more);
        if (3 * made > kept) fail_msg("%s: %lld elements, %lld without", presets[i], (long long)made, (long long)kept);
        assert_in_range((uint64_t)(100 * more / flops), 100, 120);
        rin_config_free(config);
    }
}

/* ---- gradient accumulation ---- */

static double largest_gradient(const tiny_step *s) {
    double most = 0;
    for (int i = 0; i < s->weights->n_tensors; i++) {
        const rin_tensor *t = &s->weights->tensors[i];
        double *gradient = tiny_tensor(s->weights, RIN_ARENA_GRADIENTS, t);
        for (int64_t k = 0; k < t->count; k++) most = fmax(most, fabs(gradient[k]));
        test_free(gradient);
    }
    return most;
}

static void check_parts(const char *name, const rin_config *config, const char *backend) {
    const rin_step_options halves = {.batch = 2, .parts = 2, .update = true};
    tiny_step one = tiny_step_create(config, backend, 1, &whole, NULL),
              two = tiny_step_create(config, backend, 1, &halves, NULL);
    rin_step step = {.seed = 4, .step = 6, .gradient_scale = 1};
    rin_program_run(one.program, &step, RIN_SECTION_GRADIENTS);
    float losses[2];
    for (uint32_t part = 0; part < 2; part++) {
        rin_step half = {.seed = 4, .step = 6, .first_example = 2 * part, .part = part, .gradient_scale = 0.5};
        tiny_step_write(&two, 2 * part);
        rin_program_run(two.program, &half, RIN_SECTION_GRADIENTS);
        losses[part] = tiny_step_read(&two, "loss");
    }
    double loss = (double)tiny_step_read(&one, "loss"), sum = 0.5 * ((double)losses[0] + (double)losses[1]);
    if (!(fabs(loss - sum) <= 1e-5 * loss))
        fail_msg("%s on %s: loss %.9g, of the parts %.9g", name, backend, loss, sum);
    double most = largest_gradient(&one);
    for (int i = 0; i < one.weights->n_tensors; i++) {
        const rin_tensor *t = &one.weights->tensors[i];
        double *a = tiny_tensor(one.weights, RIN_ARENA_GRADIENTS, t),
               *b = tiny_tensor(two.weights, RIN_ARENA_GRADIENTS, t);
        for (int64_t k = 0; k < t->count; k++) {
            if (!(fabs(a[k] - b[k]) <= 1e-5 * most))
                fail_msg("%s on %s: gradient of %s: %.9g, of the parts %.9g", name, backend, t->name, a[k], b[k]);
        }
        test_free(a);
        test_free(b);
    }
    tiny_step_free(&one);
    tiny_step_free(&two);
}

static void test_parts_of_a_batch(void **state) {
    (void)state;
    static const char *const masking[] = {"diffusion.self_cond_by_masking=true",
                                          "diffusion.self_cond_by_masking=false"};
    for (int i = 0; i < n_tiny_models; i++) {
        for (size_t k = 0; k < RIN_COUNT(masking); k++) {
            char options[1024];
            snprintf(options, sizeof options, "%s diffusion.self_cond_rate=0.7 %s", tiny_models[i].options, masking[k]);
            rin_config *config = tiny_config(options);
            for (size_t b = 0; b < RIN_COUNT(backends); b++) {
                if (lab_available(backends[b])) check_parts(tiny_models[i].name, config, backends[b]);
            }
            rin_config_free(config);
        }
    }
}

/* Each half of a step does its part: gradients alone leave the weights, the update alone reads the gradients. */
static void test_sections(void **state) {
    (void)state;
    rin_config *config = tiny_config("");
    tiny_step all = tiny_step_create(config, "cpu", 2, &whole, NULL),
              split = tiny_step_create(config, "cpu", 2, &whole, NULL);
    tiny_step before = tiny_step_create(config, "cpu", 2, &whole, NULL);
    rin_step step = {.seed = 21, .gradient_scale = 1, .learning_rate = 0.01, .ema_decay = 0.5};
    rin_program_run(all.program, &step, RIN_SECTION_ALL);
    rin_program_run(split.program, &step, RIN_SECTION_GRADIENTS);
    for (int i = 0; i < split.weights->n_tensors; i++) {
        const rin_tensor *t = &split.weights->tensors[i];
        double *is = tiny_tensor(split.weights, RIN_ARENA_WEIGHTS, t),
               *was = tiny_tensor(before.weights, RIN_ARENA_WEIGHTS, t);
        assert_memory_equal(is, was, (size_t)t->count * sizeof *is);
        test_free(is);
        test_free(was);
    }
    rin_program_run(split.program, &step, RIN_SECTION_UPDATE);
    tiny_step_assert_same(&all, &split, "sections");
    tiny_step_free(&all);
    tiny_step_free(&split);
    tiny_step_free(&before);
    rin_config_free(config);
}

/* Names and sizes of what is read and written are checked. */
static void test_wrong_names_and_sizes(void **state) {
    (void)state;
    rin_config *config = tiny_config("");
    tiny_step s = tiny_step_create(config, "cpu", 1, &whole, NULL);
    rin_error error = {0};
    float value[2] = {0};
    assert_refused(rin_program_write(s.program, "pictures", value, 1, &error), RIN_ERR_ARG, &error, "pictures");
    assert_refused(rin_program_write(s.program, "images", value, 2, &error), RIN_ERR_SHAPE, &error, "images");
    assert_refused(rin_program_read(s.program, "loss", value, 2, &error), RIN_ERR_SHAPE, &error, "loss");
    assert_true(rin_program_has(s.program, "images"));
    assert_false(rin_program_has(s.program, "frames"));
    tiny_step_free(&s);
    rin_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants_agree),
        cmocka_unit_test(test_randomness_follows_seed_and_step),
        cmocka_unit_test(test_parts_of_a_batch),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_recompute_changes_nothing),
        cmocka_unit_test(test_recompute_saves_memory),
        cmocka_unit_test(test_wrong_names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
