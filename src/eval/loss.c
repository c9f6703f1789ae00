/* SPDX-License-Identifier: MIT */
/* The denoising loss of a trained model on a data set, at given times. */
#include <math.h>
#include <string.h>

#include "eval/examples.h"
#include "model/model.h"
#include "sample/sample.h"
#include "train/step.h"

/* Images a run: fixed, so that a figure does not depend on the machine. Each time costs a pass over all images. */
enum { BATCH = 32, MOST_TIMES = 10000 };

typedef struct evaluation {
    rin_model *model;
    rin_config config;
    rin_examples examples;
    rin_program *program;
    int64_t *labels;                         /* of the data's classes, as the model numbers them */
    float *images, *given, *one_hot, *times; /* of a batch */
    int64_t per_image, per_given, classes;
    int64_t done, n_times;
} evaluation;

/* Classes are told by their names; those of a model that has none by their order. */
static rin_status match_classes(evaluation *e, const char *data, rin_error *error) {
    size_t n = rin_dataset_n_classes(e->examples.dataset);
    if (!e->classes || !n) return RIN_OK;
    const rin_description *model = &e->model->description;
    if (!model->n_classes && (int64_t)n > e->classes)
        return rin_error_set(error, RIN_ERR_ARG, "'%.300s' has %zu classes, the model %lld", data, n,
                             (long long)e->classes);
    e->labels = rin_calloc(n, sizeof *e->labels, error);
    if (!e->labels) return RIN_ERR_MEMORY;
    for (size_t c = 0; c < n; c++) {
        e->labels[c] = (int64_t)c;
        if (!model->n_classes) continue;
        char *name = rin_strdup(rin_dataset_class_name(e->examples.dataset, c), error);
        if (!name) return RIN_ERR_MEMORY;
        rin_text_make_utf8(name); /* as the model has it */
        bool same_place = (int64_t)c < model->n_classes && strcmp(model->classes[c], name) == 0;
        if (!same_place) e->labels[c] = rin_description_find_class(model, name);
        rin_status status = RIN_OK;
        if (e->labels[c] < 0)
            status = rin_error_set(error, RIN_ERR_ARG,
                                   "'%.300s' has a class '%.200s', which the model does not know; rin info lists its "
                                   "classes",
                                   data, name);
        rin_free(name);
        if (status != RIN_OK) return status;
    }
    return RIN_OK;
}

static rin_status create_program(evaluation *e, int64_t batch, rin_error *error) {
    rin_step_options options = {.batch = batch, .parts = 1, .times_given = true, .inference = true, .eps_error = true};
    rin_program_options bound = {.parameters = RIN_ARENA_EMA};
    rin_graph *graph;
    rin_program_free(e->program);
    e->program = NULL;
    rin_status status = rin_step_graph(&e->config, &options, &graph, error);
    return status == RIN_OK ? rin_program_create(graph, e->model->weights, &bound, &e->program, error) : status;
}

static rin_status prepare(evaluation *e, const char *data, int64_t limit, rin_listener listener, rin_error *error) {
    const rin_config_model *m = &e->config.model;
    rin_shape shape = rin_model_video_shape(m, 1), given = rin_model_frames_shape(m, 1);
    e->per_image = rin_shape_count(&shape);
    e->per_given = m->seq_cond ? rin_shape_count(&given) : 0;
    e->classes = m->num_classes;
    rin_status status = rin_examples_open(&e->config, data, limit, listener, &e->examples, error);
    if (status == RIN_OK) status = match_classes(e, data, error);
    if (status == RIN_OK) {
        uint64_t numbers = BATCH * ((uint64_t)(e->per_image + e->per_given) + (uint64_t)e->classes + 1);
        status = rin_memory_expect(numbers * sizeof(float), rin_memory_total(), "a batch of images", error);
    }
    /* Refuses what does not fit before images take memory. */
    if (status == RIN_OK && e->examples.n) status = create_program(e, RIN_MIN((int64_t)BATCH, e->examples.n), error);
    if (status != RIN_OK) return status;
    e->images = rin_calloc((size_t)(BATCH * e->per_image), sizeof *e->images, error);
    e->given = rin_calloc((size_t)(BATCH * e->per_given), sizeof *e->given, error);
    e->one_hot = rin_calloc((size_t)(BATCH * e->classes), sizeof *e->one_hot, error);
    e->times = rin_calloc(BATCH, sizeof *e->times, error);
    return e->images && e->given && e->one_hot && e->times ? RIN_OK : RIN_ERR_MEMORY;
}

/* Loads the examples from `first` of the list on, BATCH of them at most. */
static rin_status load_images(evaluation *e, int64_t first, int64_t *n, rin_error *error) {
    bool there = true;
    memset(e->one_hot, 0, (size_t)(BATCH * e->classes) * sizeof *e->one_hot);
    for (*n = 0; *n < BATCH; ++*n) {
        rin_status status = rin_examples_load(&e->examples, first + *n, e->given + *n * e->per_given,
                                              e->images + *n * e->per_image, &there, error);
        if (status != RIN_OK || !there) return status;
        int32_t label = rin_dataset_item_label(e->examples.dataset, e->examples.list[first + *n].item);
        if (label >= 0 && e->labels) e->one_hot[*n * e->classes + e->labels[label]] = 1;
    }
    return RIN_OK;
}

static rin_status write_batch(evaluation *e, int64_t n, rin_error *error) {
    rin_status status = rin_program_write(e->program, "images", e->images, n * e->per_image, error);
    if (status == RIN_OK && e->per_given)
        status = rin_program_write(e->program, "frames", e->given, n * e->per_given, error);
    if (status == RIN_OK && e->classes)
        status = rin_program_write(e->program, "labels", e->one_hot, n * e->classes, error);
    return status;
}

/* The same images and the same noise at every time: differences between times are not noise. */
static rin_status run_batch(evaluation *e, int64_t first, int64_t n, uint64_t seed, double time, double *sum,
                            rin_error *error) {
    float loss = 0;
    for (int64_t i = 0; i < n; i++) e->times[i] = (float)time;
    rin_status status = rin_program_write(e->program, "t", e->times, n, error);
    if (status != RIN_OK) return status;
    rin_program_run(e->program, &(rin_step){.seed = seed, .first_example = (uint64_t)first}, RIN_SECTION_ALL);
    status = rin_program_read(e->program, "loss", &loss, 1, error);
    if (status == RIN_OK && !isfinite(loss))
        status = rin_error_set(error, RIN_ERR_NUMERIC,
                               "the loss at time %g is not finite: the training of the model went astray", time);
    *sum += (double)loss * (double)n;
    e->done += n;
    const rin_listener *listener = &e->examples.loading.listener;
    int64_t total = e->examples.n * e->n_times;
    double seconds = rin_clock_seconds() - e->examples.loading.begun;
    rin_progress progress = {.doing = "evaluate",
                             .done = e->done,
                             .total = total,
                             .seconds = seconds,
                             .eta = seconds / (double)e->done * (double)(total - e->done),
                             .images_per_second = (double)e->done / RIN_MAX(seconds, 1e-9),
                             .unit = e->config.model.seq_len > 1 ? "clips" : "images"};
    if (status == RIN_OK && listener->on_progress && !listener->on_progress(listener->user, &progress)) {
        return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld images", (long long)e->done,
                             (long long)total);
    }
    return status;
}

static rin_status run(evaluation *e, const double *times, int n_times, uint64_t seed, double *losses,
                      rin_error *error) {
    rin_status status = RIN_OK;
    int64_t bound = RIN_MIN((int64_t)BATCH, e->examples.n);
    for (int64_t first = 0, n; first < e->examples.n && status == RIN_OK; first += BATCH) {
        status = load_images(e, first, &n, error);
        if (status != RIN_OK || !n) break;
        if (n != bound) status = create_program(e, n, error);
        bound = n;
        if (status == RIN_OK) status = write_batch(e, n, error);
        for (int t = 0; t < n_times && status == RIN_OK; t++)
            status = run_batch(e, first, n, seed, times[t], &losses[t], error);
    }
    if (status == RIN_OK && !e->examples.n)
        return rin_error_set(error, RIN_ERR_FORMAT, "none of the chosen images or videos can be used");
    for (int t = 0; t < n_times; t++) losses[t] /= (double)RIN_MAX(e->examples.n, 1);
    return status;
}

static rin_status check_numbers(const double *times, int n_times, int64_t limit, rin_error *error) {
    if (n_times < 1 || n_times > MOST_TIMES) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_eval_loss: n_times = %d; allowed: 1 to %d", n_times, MOST_TIMES);
    }
    if (limit < 0) {
        return rin_error_set(error, RIN_ERR_ARG, "rin_eval_loss: limit = %lld; allowed: 0 (all images) or more",
                             (long long)limit);
    }
    for (int i = 0; i < n_times; i++) {
        if (times[i] > 0 && times[i] <= 1) continue;
        return rin_error_set(error, RIN_ERR_ARG, "rin_eval_loss: times[%d] = %g; allowed: above 0 and up to 1", i,
                             times[i]);
    }
    return RIN_OK;
}

rin_status rin_eval_loss(rin_model *model, const char *data, const double *times, int n_times, int64_t limit,
                         uint64_t seed, rin_listener listener, double *losses, int64_t *n_images, rin_error *error) {
    if (n_images) *n_images = 0;
    if (!model) return rin_error_null(error, __func__, "model");
    if (!data) return rin_error_null(error, __func__, "data");
    if (!times) return rin_error_null(error, __func__, "times");
    if (!losses) return rin_error_null(error, __func__, "losses");
    rin_status status = check_numbers(times, n_times, limit, error);
    if (status != RIN_OK) return status;
    for (int i = 0; i < n_times; i++) losses[i] = 0;
    evaluation e = {.model = model, .config = *rin_model_config(model)};
    status = prepare(&e, data, limit, listener, error);
    e.n_times = n_times;
    if (status == RIN_OK) status = run(&e, times, n_times, seed, losses, error);
    if (n_images && status == RIN_OK) *n_images = e.examples.n;
    rin_program_free(e.program);
    rin_examples_close(&e.examples);
    rin_free(e.labels);
    rin_free(e.images);
    rin_free(e.given);
    rin_free(e.one_hot);
    rin_free(e.times);
    return status;
}
