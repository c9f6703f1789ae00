/* SPDX-License-Identifier: MIT */
/* The device of a training run; what the run allocates there, part by part; what to change where that is too much. */
#include "train/needs.h"

#include "data/data.h"
#include "exec/exec.h"
#include "model/model.h"
#include "score/judge.h"
#include "train/step.h"

static const struct {
    const char *key, *name;
} names[RIN_N_NEEDS] = {
    [RIN_NEED_WEIGHTS] = {"weights", "weights"},
    [RIN_NEED_GRADIENTS] = {"gradients", "gradients"},
    [RIN_NEED_OPTIMISER] = {"optimiser", "optimiser"},
    [RIN_NEED_AVERAGE] = {"ema", "moving average"},
    [RIN_NEED_ACTIVATIONS] = {"activations", "activations"},
    [RIN_NEED_CONSTANTS] = {"constants", "constants"},
    [RIN_NEED_SCRATCH] = {"scratch", "scratch"},
    [RIN_NEED_BATCHES] = {"batches", "batches of data"},
    [RIN_NEED_JUDGE] = {"scores", "scores of samples"},
};

const char *rin_need_key(rin_need need) {
    return names[need].key;
}

const char *rin_need_name(rin_need need) {
    return names[need].name;
}

/* ---- devices ---- */

rin_status rin_needs_open(const rin_config *config, int threads, rin_backend **out, rin_error *error) {
    char name[RIN_DEVICE_NAME];
    rin_backend_options options = {.threads = threads};
    rin_config_device(&config->train, name);
    rin_status status = rin_backend_create(name, &options, out, error);
    if (status == RIN_OK || status == RIN_ERR_MEMORY) return status;
    return rin_error_prefix(error, status == RIN_ERR_ARG ? RIN_ERR_CONFIG : status, "train.device = %s",
                            config->train.device);
}

/* ---- sums that cannot wrap ---- */

static uint64_t plus(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b) {
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

uint64_t rin_needs_there(const rin_needs *needs, rin_need need) {
    return needs->apart && need == RIN_NEED_BATCHES ? 0 : needs->bytes[need];
}

uint64_t rin_needs_total(const rin_needs *needs) {
    uint64_t sum = 0;
    for (int i = 0; i < RIN_N_NEEDS; i++) sum = plus(sum, rin_needs_there(needs, (rin_need)i));
    return sum;
}

uint64_t rin_needs_of_host(const rin_needs *needs) {
    return needs->apart ? needs->bytes[RIN_NEED_BATCHES] : rin_needs_total(needs);
}

uint64_t rin_needs_disk(int64_t parameters, int64_t states, int64_t models) {
    enum { OF_A_STATE = 4, OF_A_MODEL = 1 }; /* numbers for each parameter */
    uint64_t numbers = plus(times(OF_A_STATE, (uint64_t)states), times(OF_A_MODEL, (uint64_t)models));
    return times(times(numbers, (uint64_t)parameters), sizeof(float));
}

uint64_t rin_needs_disk_of_run(const rin_config *config, int64_t parameters) {
    return rin_needs_disk(parameters, config->train.keep + 1, 2);
}

/* ---- measuring ---- */

/* The loader has a batch in the caller's hands, one waiting, and one in those of each worker. */
static uint64_t bytes_of_batches(const rin_config *config) {
    const rin_config_model *m = &config->model;
    int64_t n = config->train.batch / config->train.accumulate;
    int64_t workers = config->data.workers ? config->data.workers
                                           : RIN_MAX(rin_processor_count(RIN_LOADER_MAX_WORKERS) - 1, 1);
    uint64_t example = sizeof(float);
    const int64_t sides[] = {m->seq_len, m->image_height, m->image_width, m->image_channels};
    for (size_t i = 0; i < RIN_COUNT(sides); i++) example = times(example, (uint64_t)sides[i]);
    uint64_t batch = times(example, (uint64_t)n + (m->seq_cond > 0)); /* and a clip that is being divided */
    batch = plus(batch, (uint64_t)n * (sizeof(int32_t) + sizeof(size_t)));
    uint64_t one_hot = times((uint64_t)n, (uint64_t)m->num_classes * sizeof(float));
    return plus(times(batch, (uint64_t)workers + 2), one_hot);
}

rin_status rin_needs_plan(const rin_config *config, const rin_backend *backend, rin_graph **graph, rin_plan **plan,
                          rin_error *error) {
    const rin_config_train *t = &config->train;
    rin_step_options options = {.batch = t->batch / t->accumulate, .parts = t->accumulate, .update = true};
    *graph = NULL;
    *plan = NULL;
    rin_status status = rin_step_graph(config, &options, graph, error);
    if (status != RIN_OK) return status;
    if (backend->table->narrows) rin_narrow(*graph);
    return rin_plan_create(*graph, false, plan, error);
}

rin_status rin_needs_measure_graph(const rin_config *config, const rin_backend *backend, const rin_graph *graph,
                                   const rin_plan *plan, rin_needs *needs, rin_error *error) {
    enum { MOST_THREADS = 1024 };
    *needs = (rin_needs){0};
    /* Scratch depends on the number of threads, none of which has to be started for asking. */
    rin_backend asked = *backend;
    asked.threads = (int)(config->train.threads ? config->train.threads : rin_processor_count(MOST_THREADS));
    rin_weights *layout = NULL;
    rin_program_bytes bytes = {0};
    rin_status status = rin_weights_lay_out(graph, &asked, &layout, error);
    if (status == RIN_OK) status = rin_program_measure(graph, plan, layout, &bytes, error);
    if (status == RIN_OK) {
        uint64_t arena = (uint64_t)layout->count * asked.table->element_size;
        uint64_t narrow = asked.table->narrows ? (uint64_t)layout->count * sizeof(uint16_t) : 0;
        uint64_t packed = asked.table->packs && config->train.sample_every ? arena : 0;
        *needs = (rin_needs){.parameters = layout->parameters,
                             .bytes = {[RIN_NEED_WEIGHTS] = arena + narrow,
                                       [RIN_NEED_GRADIENTS] = arena,
                                       [RIN_NEED_OPTIMISER] = 2 * arena,
                                       [RIN_NEED_AVERAGE] = arena + (config->train.sample_every ? narrow : 0),
                                       [RIN_NEED_ACTIVATIONS] = bytes.arena,
                                       [RIN_NEED_CONSTANTS] = bytes.constants + packed,
                                       [RIN_NEED_SCRATCH] = bytes.scratch,
                                       [RIN_NEED_BATCHES] = bytes_of_batches(config)},
                             .apart = !asked.table->kernels};
    }
    rin_weights_free(layout);
    if (status == RIN_OK && config->train.eval_every)
        status = rin_judge_measure(config, &asked, &needs->bytes[RIN_NEED_JUDGE], error);
    return status;
}

rin_status rin_needs_measure(const rin_config *config, const rin_backend *backend, rin_needs *needs, rin_error *error) {
    rin_graph *graph;
    rin_plan *plan;
    *needs = (rin_needs){0};
    rin_status status = rin_needs_plan(config, backend, &graph, &plan, error);
    if (status == RIN_OK) status = rin_needs_measure_graph(config, backend, graph, plan, needs, error);
    rin_plan_free(plan);
    rin_graph_free(graph);
    return status;
}

/* ---- what would help ---- */

/* What may grow with the examples that are worked on at once; the rest is there whatever the batch. */
static uint64_t growing_bytes(const rin_needs *needs) {
    return plus(plus(needs->bytes[RIN_NEED_ACTIVATIONS], needs->bytes[RIN_NEED_SCRATCH]),
                rin_needs_there(needs, RIN_NEED_BATCHES));
}

/* The least number of parts in which the batch fits, or 0; *total: what is needed then. More parts never need more. */
static int64_t find_parts(const rin_config *config, const rin_backend *backend, uint64_t memory, uint64_t *total) {
    enum { MOST_DIVISORS = 240 }; /* of any number up to 2^20 */
    int64_t divisors[MOST_DIVISORS];
    int n = 0, low = 0;
    for (int64_t parts = config->train.accumulate + 1; parts <= config->train.batch && n < MOST_DIVISORS; parts++) {
        if (config->train.batch % parts == 0) divisors[n++] = parts;
    }
    int high = n;
    while (low < high) {
        int middle = (low + high) / 2;
        rin_config tried = *config;
        rin_needs needed;
        tried.train.accumulate = divisors[middle];
        if (rin_needs_measure(&tried, backend, &needed, NULL) == RIN_OK && rin_needs_total(&needed) <= memory) {
            *total = rin_needs_total(&needed);
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low < n ? divisors[low] : 0;
}

static void advise(const rin_config *config, const rin_backend *backend, const rin_needs *needs, uint64_t memory,
                   char *text, size_t size) {
    uint64_t total = rin_needs_total(needs), growing = growing_bytes(needs), with_parts = 0;
    int64_t parts = total - growing < memory ? find_parts(config, backend, memory, &with_parts) : 0;
    if (parts) {
        snprintf(text, size, "train.accumulate = %lld, which needs %.3f GiB", (long long)parts,
                 (double)with_parts * 0x1p-30);
    } else if (total - growing < memory) {
        snprintf(text, size,
                 "a smaller model.image_height and model.image_width, a larger model.patch_size, or fewer "
                 "model.latent_slots");
    } else {
        snprintf(text, size,
                 "a smaller model.latent_dim or model.tape_dim, or fewer model.num_layers; the %.3f GiB for the "
                 "network itself stay whatever train.batch is",
                 (double)(total - growing) * 0x1p-30);
    }
}

static void list_largest(const rin_needs *needs, char *text, size_t size) {
    enum { LISTED = 3 };
    bool listed[RIN_N_NEEDS] = {false};
    size_t used = 0;
    for (int k = 0; k < LISTED && used < size; k++) {
        int most = -1;
        for (int i = 0; i < RIN_N_NEEDS; i++) {
            if (!listed[i] &&
                (most < 0 || rin_needs_there(needs, (rin_need)i) > rin_needs_there(needs, (rin_need)most)))
                most = i;
        }
        listed[most] = true;
        used += (size_t)snprintf(text + used, size - used, "%s%s %.3f GiB", k ? ", " : "",
                                 rin_need_name((rin_need)most),
                                 (double)rin_needs_there(needs, (rin_need)most) * 0x1p-30);
    }
}

rin_status rin_needs_check(const rin_config *config, const rin_backend *backend, const rin_needs *needs,
                           uint64_t memory, rin_error *error) {
    uint64_t total = rin_needs_total(needs);
    if (total <= memory) return RIN_OK;
    char largest[160], advice[320];
    list_largest(needs, largest, sizeof largest);
    advise(config, backend, needs, memory, advice, sizeof advice);
    return rin_error_set(error, RIN_ERR_MEMORY,
                         "training needs %llu bytes of memory (%.3f GiB), there are %llu (%.3f GiB); the largest parts "
                         "are %s. Try %s",
                         (unsigned long long)total, (double)total * 0x1p-30, (unsigned long long)memory,
                         (double)memory * 0x1p-30, largest, advice);
}
