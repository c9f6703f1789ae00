/* SPDX-License-Identifier: MIT */
/* The bytes as case.json: of a folder without any numbers, and of one that has all that a tiny model needs. */
#include "fuzz/fuzz.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "checkpoint/model_file.h"
#include "model/model.h"

/* What one input may cost: the program itself does as many checks, rows and steps as it is told to. */
enum { MOST_CHECKS = 8, MOST_STEPS = 4 };

enum { SIDE = 4, TOKENS = 4, SLOTS = 4, WIDTH = 8, BATCH = 2 };

/* The model of corpus/case_json/tiny.json. */
static const char *const tiny[][2] = {
    {"model.image_height", "4"}, {"model.image_width", "4"},      {"model.image_channels", "1"},
    {"model.patch_size", "2"},   {"model.num_layers", "1"},       {"model.latent_slots", "4"},
    {"model.latent_dim", "8"},   {"model.latent_mlp_ratio", "1"}, {"model.latent_num_heads", "2"},
    {"model.tape_dim", "8"},     {"model.tape_mlp_ratio", "1"},   {"model.rw_num_heads", "2"},
    {"model.num_classes", "2"}};

/* Tensors that the checks named f (forward), l (loss), s (sample) and t (train) read, besides those of weights. */
static const struct {
    const char *name;
    int rank;
    int64_t shape[4];
} numbers[] = {
    {"f/x", 2, {BATCH, SIDE *SIDE}},
    {"f/gamma", 1, {BATCH}},
    {"f/labels", 1, {BATCH}},
    {"f/latent_prev", 2, {BATCH, SLOTS *WIDTH}},
    {"f/out", 2, {BATCH, SIDE *SIDE}},
    {"f/latent", 2, {BATCH, SLOTS *WIDTH}},
    {"f/tape", 2, {BATCH, TOKENS *WIDTH}},
    {"l/images", 2, {BATCH, SIDE *SIDE}},
    {"l/t", 1, {BATCH}},
    {"l/noise", 2, {BATCH, SIDE *SIDE}},
    {"l/self_cond_uniform", 1, {BATCH}},
    {"l/labels", 1, {BATCH}},
    {"l/x_noised", 2, {BATCH, SIDE *SIDE}},
    {"l/loss", 1, {1}},
    {"s/noise0", 2, {BATCH, SIDE *SIDE}},
    {"s/step_noise", 3, {2, BATCH, SIDE *SIDE}},
    {"s/labels", 1, {BATCH}},
    {"s/samples", 2, {BATCH, SIDE *SIDE}},
    {"t/images", 3, {2, BATCH, SIDE *SIDE}},
    {"t/t", 2, {2, BATCH}},
    {"t/noise", 3, {2, BATCH, SIDE *SIDE}},
    {"t/self_cond_uniform", 2, {2, BATCH}},
    {"t/labels", 1, {BATCH}},
    {"t/loss", 1, {2}},
    {"p/tf", 3, {3, 3, 3}},
    {"features/a", 2, {3, 2}},
    {"features/b", 2, {4, 2}},
    {"mu/a", 1, {2}},
    {"sigma/a", 2, {2, 2}},
    {"kid/subset_a", 2, {2, 2}},
    {"kid/subset_b", 2, {2, 2}},
    {"kid/mmd2", 1, {2}},
    {"is/permutation", 1, {3}},
    {"pr/k/radius_real", 1, {3}},
};

/* A picture of zeros under the name that only resizes look for: a whole network would take too long. */
static const int64_t picture[] = {2, 2, 3};
enum { PICTURE_BYTES = 12 };

/* ---- the folder of numbers ---- */

static void declare_numbers(rin_safetensors_writer *writer, const rin_weights *weights) {
    static const char *const prefixes[] = {"l/grad/", "t/weights/", "t/ema/"};
    rin_error error = {0};
    for (size_t i = 0; i < RIN_COUNT(numbers); i++) {
        FUZZ_CHECK(rin_safetensors_writer_add(writer, numbers[i].name, RIN_STORED_F32, numbers[i].rank,
                                              numbers[i].shape, &error) == RIN_OK);
    }
    FUZZ_CHECK(rin_safetensors_writer_add(writer, "p/image_2x2", RIN_STORED_U8, 3, picture, &error) == RIN_OK);
    for (size_t i = 0; i < RIN_COUNT(prefixes); i++)
        FUZZ_CHECK(rin_arena_declare(weights, prefixes[i], writer, &error) == RIN_OK);
}

static void write_numbers(const rin_weights *weights) {
    static const char zeros[1 << 16];
    char path[FUZZ_PATH];
    rin_error error = {0};
    rin_safetensors_writer *writer;
    FUZZ_CHECK(rin_safetensors_writer_create(&writer, &error) == RIN_OK);
    declare_numbers(writer, weights);
    FUZZ_CHECK(rin_safetensors_writer_begin(writer, fuzz_path("full/io.safetensors", path), &error) == RIN_OK);
    uint64_t n = PICTURE_BYTES;
    for (size_t i = 0; i < RIN_COUNT(numbers); i++) {
        uint64_t count = 1;
        for (int k = 0; k < numbers[i].rank; k++) count *= (uint64_t)numbers[i].shape[k];
        n += count * sizeof(float);
    }
    n += 3 * (uint64_t)weights->parameters * sizeof(float);
    while (n) {
        size_t part = (size_t)RIN_MIN(n, sizeof zeros);
        FUZZ_CHECK(rin_safetensors_writer_write(writer, zeros, part, &error) == RIN_OK);
        n -= part;
    }
    FUZZ_CHECK(rin_safetensors_writer_commit(writer, &error) == RIN_OK);
    rin_safetensors_writer_free(writer);
}

static void make_folders(void) {
    static bool made;
    if (made) return;
    made = true;
    char path[FUZZ_PATH];
    rin_error error = {0};
    rin_config *config;
    rin_graph *graph;
    rin_backend *backend;
    rin_weights *weights;
    fuzz_folder("bare");
    fuzz_folder("full");
    FUZZ_CHECK(rin_config_create(&config, &error) == RIN_OK);
    for (size_t i = 0; i < RIN_COUNT(tiny); i++)
        FUZZ_CHECK(rin_config_set(config, tiny[i][0], tiny[i][1], &error) == RIN_OK);
    FUZZ_CHECK(rin_config_validate(config, &error) == RIN_OK);
    FUZZ_CHECK(rin_model_forward_graph(config, 1, &graph, &error) == RIN_OK);
    FUZZ_CHECK(rin_backend_create("cpu", &(rin_backend_options){.threads = 1}, &backend, &error) == RIN_OK);
    FUZZ_CHECK(rin_weights_create(graph, backend, false, &weights, &error) == RIN_OK);
    FUZZ_CHECK(rin_weights_init(weights, 1, &error) == RIN_OK);
    rin_description description = {.config = *config};
    FUZZ_CHECK(rin_model_file_save(fuzz_path("full/weights.safetensors", path), &description, weights,
                                   RIN_ARENA_WEIGHTS, &error) == RIN_OK);
    write_numbers(weights);
    rin_weights_free(weights);
    rin_backend_free(backend);
    rin_graph_free(graph);
    rin_config_free(config);
}

/* ---- the input ---- */

static bool is_cheap(const char *data, size_t n) {
    cJSON *json = cJSON_ParseWithLength(data, n);
    const cJSON *checks = cJSON_GetObjectItemCaseSensitive(json, "checks"), *item;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, "rows");
    bool cheap = cJSON_GetArraySize(checks) <= MOST_CHECKS && cJSON_GetArraySize(rows) <= MOST_CHECKS;
    cJSON_ArrayForEach(item, checks) {
        const cJSON *steps = cJSON_GetObjectItemCaseSensitive(item, "steps");
        /* Absurd numbers must be refused at once; those between are honest work. */
        double number = cJSON_IsNumber(steps) ? steps->valuedouble : 0;
        cheap = cheap && !(number > MOST_STEPS && number < 1e9);
    }
    cJSON_Delete(json);
    return cheap;
}

static void on_result(void *user, const rin_check_result *result) {
    (void)user;
    FUZZ_CHECK(result->name && result->message);
    fuzz_touch(result->name, strlen(result->name));
    fuzz_touch(result->message, strlen(result->message));
    if (result->tensor) fuzz_touch(result->tensor, strlen(result->tensor));
}

static void check_folder(const char *name) {
    char path[FUZZ_PATH];
    rin_error error = {0};
    int failed = 0;
    rin_status status = rin_check_case(fuzz_path(name, path), "cpu", 1, on_result, NULL, &failed, &error);
    FUZZ_CHECK(failed >= 0 && (status == RIN_OK || error.text[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    make_folders();
    fuzz_file("bare/case.json", data, n);
    check_folder("bare");
    if (!is_cheap((const char *)data, n)) return 0;
    fuzz_file("full/case.json", data, n);
    check_folder("full");
    return 0;
}
