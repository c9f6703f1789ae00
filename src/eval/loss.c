/* SPDX-License-Identifier: MIT */
/* The denoising loss of a trained model on a data set, at given times. */
#include <math.h>
#include <string.h>

#include "data/data.h"
#include "model/model.h"
#include "sample/sample.h"
#include "train/step.h"

/* Images a run: fixed, so that a figure does not depend on the machine. Each time costs a pass over all images. */
enum { BATCH = 32, MOST_TIMES = 10000 };

typedef struct evaluation {
    rin_model *model;
    rin_config config;
    rin_dataset *dataset;
    rin_program *program;
    rin_listener listener;
    size_t *items;   /* [n] evenly over the classes */
    int64_t *labels; /* of the data's classes, as the model numbers them */
    int64_t n;
    float *images, *one_hot, *times; /* of a batch */
    int64_t per_image, classes;
    int64_t done, n_times;
    double started;
    atomic_bool cancel; /* the listener has said stop */
} evaluation;

/* The most items that a class gives, so that all give as many as wanted together, or the most they can. */
static size_t choose_quota(const rin_dataset *dataset, size_t wanted) {
    size_t classes = rin_dataset_n_classes(dataset), low = 1, high = wanted;
    while (classes && low < high) {
        size_t middle = low + (high - low) / 2, sum = 0;
        for (size_t c = 0; c < classes && sum < wanted; c++)
            sum += RIN_MIN(rin_dataset_class_count(dataset, c), middle);
        if (sum >= wanted) high = middle;
        else low = middle + 1;
    }
    return classes ? low : wanted;
}

/* The first k items of each class, so that every class has as many as can be. */
static rin_status choose_items(evaluation *e, int64_t limit, rin_error *error) {
    size_t count = rin_dataset_count(e->dataset), classes = RIN_MAX(rin_dataset_n_classes(e->dataset), 1);
    size_t wanted = limit > 0 ? RIN_MIN((size_t)limit, count) : count;
    size_t *taken = rin_calloc(classes, sizeof *taken, error);
    e->items = rin_calloc(wanted, sizeof *e->items, error);
    if (!taken || !e->items) {
        rin_free(taken);
        return RIN_ERR_MEMORY;
    }
    size_t quota = choose_quota(e->dataset, wanted); /* classes with fewer leave their share to the others */
    for (size_t i = 0; i < count && (size_t)e->n < wanted; i++) {
        int32_t label = rin_dataset_item_label(e->dataset, i);
        size_t c = label < 0 ? 0 : (size_t)label;
        if (taken[c] < quota) {
            taken[c]++;
            e->items[e->n++] = i;
        }
    }
    rin_free(taken);
    return RIN_OK;
}

/* Of listing the data, and of images passed over. */
static void show_loading(void *user, size_t done, size_t total) {
    evaluation *e = user;
    rin_loading_tell(&e->listener, "load", done, total, e->started, &e->cancel);
}

/* Classes are told by their names; those of a model that has none by their order. */
static rin_status match_classes(evaluation *e, const char *data, rin_error *error) {
    size_t n = rin_dataset_n_classes(e->dataset);
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
        char *name = rin_strdup(rin_dataset_class_name(e->dataset, c), error);
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

static rin_status prepare(evaluation *e, const char *data, int64_t limit, rin_error *error) {
    rin_log log = {e->listener.on_log, e->listener.user};
    const rin_dataset_options listing = {.cancel = &e->cancel, .progress = show_loading, .progress_user = e};
    const rin_config_model *m = &e->config.model;
    rin_shape shape = rin_model_video_shape(m, 1);
    e->per_image = rin_shape_count(&shape);
    e->classes = m->num_classes;
    if (m->seq_len > 1)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "eval loss reads images, this model makes video");
    rin_status status = rin_dataset_open(data, &listing, log, &e->dataset, error);
    if (status == RIN_OK) status = match_classes(e, data, error);
    if (status == RIN_OK) status = choose_items(e, limit, error);
    if (status == RIN_OK) {
        uint64_t numbers = BATCH * ((uint64_t)e->per_image + (uint64_t)e->classes + 1);
        status = rin_memory_expect(numbers * sizeof(float), rin_memory_total(), "a batch of images", error);
    }
    /* Refuses what does not fit before images take memory. */
    if (status == RIN_OK) status = create_program(e, RIN_MIN((int64_t)BATCH, e->n), error);
    if (status != RIN_OK) return status;
    e->images = rin_calloc((size_t)(BATCH * e->per_image), sizeof *e->images, error);
    e->one_hot = rin_calloc((size_t)(BATCH * e->classes), sizeof *e->one_hot, error);
    e->times = rin_calloc(BATCH, sizeof *e->times, error);
    return e->images && e->one_hot && e->times ? RIN_OK : RIN_ERR_MEMORY;
}

/* Loads the images from item `first` of the list on, BATCH of them at most; broken ones leave the list. */
static rin_status load_images(evaluation *e, int64_t first, int64_t *n, rin_error *error) {
    const rin_config_model *m = &e->config.model;
    rin_log log = {e->listener.on_log, e->listener.user};
    memset(e->one_hot, 0, (size_t)(BATCH * e->classes) * sizeof *e->one_hot);
    for (*n = 0; *n < BATCH && first + *n < e->n;) {
        rin_error reason = {0};
        size_t *item = &e->items[first + *n];
        rin_status status = rin_dataset_load(e->dataset, *item, (int)m->image_height, (int)m->image_width,
                                             (int)m->image_channels, e->images + *n * e->per_image, &reason);
        if (status == RIN_ERR_FORMAT || status == RIN_ERR_UNSUPPORTED) {
            rin_log_write(log, RIN_LOG_WARNING, "broken image, left out: %s", reason.text);
            e->n--;
            memmove(item, item + 1, (size_t)(e->n - first - *n) * sizeof *item);
            show_loading(e, (size_t)(first + *n), (size_t)e->n);
            if (atomic_load(&e->cancel)) return rin_error_set(error, RIN_ERR_CANCELLED, "stopped while loading images");
            continue;
        }
        if (status != RIN_OK) {
            if (error) *error = reason;
            return status;
        }
        int32_t label = rin_dataset_item_label(e->dataset, *item);
        if (label >= 0 && e->labels) e->one_hot[*n * e->classes + e->labels[label]] = 1;
        ++*n;
    }
    return RIN_OK;
}

static rin_status write_batch(evaluation *e, int64_t n, rin_error *error) {
    rin_status status = rin_program_write(e->program, "images", e->images, n * e->per_image, error);
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
        status = rin_error_set(error, RIN_ERR_NUMERIC, "the loss at time %g is %g", time, (double)loss);
    *sum += (double)loss * (double)n;
    e->done += n;
    int64_t total = e->n * e->n_times;
    double seconds = rin_clock_seconds() - e->started;
    rin_progress progress = {.doing = "evaluate",
                             .done = e->done,
                             .total = total,
                             .seconds = seconds,
                             .eta = seconds / (double)e->done * (double)(total - e->done),
                             .images_per_second = (double)e->done / RIN_MAX(seconds, 1e-9)};
    if (status == RIN_OK && e->listener.on_progress && !e->listener.on_progress(e->listener.user, &progress)) {
        return rin_error_set(error, RIN_ERR_CANCELLED, "stopped after %lld of %lld images", (long long)e->done,
                             (long long)total);
    }
    return status;
}

static rin_status run(evaluation *e, const double *times, int n_times, uint64_t seed, double *losses,
                      rin_error *error) {
    rin_status status = RIN_OK;
    int64_t bound = RIN_MIN((int64_t)BATCH, e->n);
    for (int64_t first = 0, n; first < e->n && status == RIN_OK; first += BATCH) {
        status = load_images(e, first, &n, error);
        if (status != RIN_OK || !n) break;
        if (n != bound) status = create_program(e, n, error);
        bound = n;
        if (status == RIN_OK) status = write_batch(e, n, error);
        for (int t = 0; t < n_times && status == RIN_OK; t++)
            status = run_batch(e, first, n, seed, times[t], &losses[t], error);
    }
    if (status == RIN_OK && !e->n)
        return rin_error_set(error, RIN_ERR_FORMAT, "none of the chosen images can be decoded");
    for (int t = 0; t < n_times; t++) losses[t] /= (double)RIN_MAX(e->n, 1);
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
    evaluation e = {
        .model = model, .config = *rin_model_config(model), .listener = listener, .started = rin_clock_seconds()};
    status = prepare(&e, data, limit, error);
    e.n_times = n_times;
    if (status == RIN_OK) status = run(&e, times, n_times, seed, losses, error);
    if (n_images && status == RIN_OK) *n_images = e.n;
    rin_program_free(e.program);
    rin_dataset_close(e.dataset);
    rin_free(e.items);
    rin_free(e.labels);
    rin_free(e.images);
    rin_free(e.one_hot);
    rin_free(e.times);
    return status;
}
