/* SPDX-License-Identifier: MIT */
/* Model files that are not what they say: told by name, and before there is memory for what they claim. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/run.h"
#include "support/tiny.h"

#include "model/model.h"
#include "sample/sample.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* One tensor that is stored otherwise than it should be. */
typedef struct change {
    const char *name;
    const char *stored_as; /* another name; "": not at all */
    const char *type;      /* such as "I32"; F32 when NULL */
    int rank;              /* dimensions of 1 are put before the shape up to this rank */
    int64_t longer;        /* so much is added to the last dimension */
    float value;           /* of element 5; the others are 0 */
} change;

typedef struct file_options {
    const char *prefix, *classes, *steps; /* "", "[]", "7" when NULL */
    const char *extra;                    /* a tensor beside those of the network */
    change change;                        /* none when it has no name */
} file_options;

static rin_stored_type type_called(const char *name) {
    for (int i = 0; name && i <= RIN_STORED_BOOL; i++) {
        if (strcmp(rin_stored_type_name((rin_stored_type)i), name) == 0) return (rin_stored_type)i;
    }
    return RIN_STORED_F32;
}

typedef struct stored {
    char name[256];
    rin_stored_type type;
    int rank;
    int64_t shape[RIN_STORED_MAX_RANK], n;
    float value;
} stored;

/* How a parameter is stored; false for one that is left out. */
static bool store(const rin_value_info *info, const file_options *o, stored *out) {
    bool changed = o->change.name && strcmp(o->change.name, info->name) == 0;
    const change c = changed ? o->change : (change){0};
    *out = (stored){.type = type_called(c.type), .n = 1, .value = c.value};
    snprintf(out->name, sizeof out->name, "%s%s", o->prefix ? o->prefix : "", c.stored_as ? c.stored_as : info->name);
    while (out->rank < c.rank - info->shape.rank) out->shape[out->rank++] = 1;
    for (int i = 0; i < info->shape.rank; i++) out->shape[out->rank++] = info->shape.dim[i];
    out->shape[out->rank - 1] += c.longer;
    for (int i = 0; i < out->rank; i++) out->n *= out->shape[i];
    return !c.stored_as || *c.stored_as;
}

static void write_data(rin_safetensors_writer *writer, const stored *s, rin_error *error) {
    size_t size = rin_stored_type_bytes(s->type), bytes = (size_t)s->n * size;
    char *data = test_calloc(bytes, 1);
    if (s->value != 0) memcpy(data + 5 * size, &s->value, sizeof s->value);
    assert_ok(rin_safetensors_writer_write(writer, data, bytes, error), error);
    test_free(data);
}

/* A file with the tensors of `held`, which says that it is `claimed`. */
static void put_model(const char *path, const rin_config *held, const rin_config *claimed, const file_options *o) {
    rin_error error = {0};
    rin_safetensors_writer *writer;
    rin_graph *graph;
    char *model, *diffusion;
    const int64_t one = 1;
    const float zero = 0;
    stored s;
    assert_ok(rin_config_format_json(claimed, "model", &model, &error), &error);
    assert_ok(rin_config_format_json(claimed, "diffusion", &diffusion, &error), &error);
    assert_ok(rin_model_forward_graph(held, 1, &graph, &error), &error);
    assert_ok(rin_safetensors_writer_create(&writer, &error), &error);
    const char *const pairs[][2] = {{"format", "rin-1"},
                                    {"model", model},
                                    {"diffusion", diffusion},
                                    {"classes", o->classes ? o->classes : "[]"},
                                    {"steps", o->steps ? o->steps : "7"}};
    for (size_t i = 0; i < RIN_COUNT(pairs); i++)
        assert_ok(rin_safetensors_writer_add_metadata(writer, pairs[i][0], pairs[i][1], &error), &error);
    for (int i = 1; i < graph->n_values; i++) {
        if (graph->values[i].kind != RIN_VALUE_PARAM || !store(&graph->values[i], o, &s)) continue;
        assert_ok(rin_safetensors_writer_add(writer, s.name, s.type, s.rank, s.shape, &error), &error);
    }
    if (o->extra) assert_ok(rin_safetensors_writer_add(writer, o->extra, RIN_STORED_F32, 1, &one, &error), &error);
    assert_ok(rin_safetensors_writer_begin(writer, path, &error), &error);
    for (int i = 1; i < graph->n_values; i++) {
        if (graph->values[i].kind == RIN_VALUE_PARAM && store(&graph->values[i], o, &s)) write_data(writer, &s, &error);
    }
    if (o->extra) assert_ok(rin_safetensors_writer_write(writer, &zero, sizeof zero, &error), &error);
    assert_ok(rin_safetensors_writer_commit(writer, &error), &error);
    rin_safetensors_writer_free(writer);
    rin_graph_free(graph);
    rin_free(model);
    rin_free(diffusion);
}

typedef struct lab_file {
    run_lab lab;
    char path[256];
    rin_config *config;
} lab_file;

static lab_file open_lab(void) {
    lab_file f = {.config = tiny_config("")};
    run_lab_create(&f.lab);
    snprintf(f.path, sizeof f.path, "%s", run_lab_path(&f.lab, "model.safetensors"));
    return f;
}

static void close_lab(lab_file *f) {
    rin_config_free(f->config);
    run_lab_free(&f->lab);
}

static void assert_opens(lab_file *f, const file_options *o, rin_status expected, const char *part) {
    rin_error error = {0};
    rin_model *model;
    put_model(f->path, f->config, f->config, o);
    rin_status status = rin_model_open(f->path, "ref", 1, &model, &error);
    if (expected == RIN_OK) assert_ok(status, &error);
    else assert_refused(status, expected, &error, part);
    assert_int_equal(status == RIN_OK, model != NULL);
    if (model && o->steps) assert_int_equal(rin_model_steps(model), strtoll(o->steps, NULL, 10));
    rin_model_free(model);
}

static void test_tensors_are_compared_by_name(void **state) {
    (void)state;
    static const char query[] = "blocks.0.read.attn.query.weight"; /* (8, 16) */
    const struct {
        file_options options;
        rin_status status;
        const char *part;
    } rows[] = {
        {{0}, RIN_OK, NULL},
        {{.change = {query, .type = "F64"}}, RIN_OK, NULL},
        {{.change = {query, .type = "BF16"}}, RIN_OK, NULL},
        {{.change = {query, .stored_as = ""}}, RIN_ERR_FORMAT, "'blocks.0.read.attn.query.weight' is missing"},
        {{.change = {query, .stored_as = "blocks.0.read.attn.query.wait"}},
         RIN_ERR_FORMAT,
         "'blocks.0.read.attn.query.weight' is missing; the model wants it with shape (8, 16)"},
        {{.extra = "blocks.9.read.attn.query.weight"}, RIN_ERR_FORMAT, "'blocks.9.read.attn.query.weight' is not part"},
        {{.extra = "x"}, RIN_ERR_FORMAT, "'x' is not part"}, /* the name of an input */
        {{.change = {query, .longer = 1}}, RIN_ERR_FORMAT, "query.weight' has shape (8, 17), the model wants (8, 16)"},
        {{.change = {query, .longer = -16}}, RIN_ERR_FORMAT, "has shape (8, 0), the model wants (8, 16)"},
        {{.change = {query, .rank = 3}}, RIN_ERR_FORMAT, "has shape (1, 8, 16), the model wants (8, 16)"},
        {{.change = {query, .rank = 8}}, RIN_ERR_FORMAT, "has shape (1, 1, 1, 1, 1, 1) and more, the model wants"},
        {{.change = {query, .type = "I32"}}, RIN_ERR_FORMAT, "query.weight' has elements of type I32; allowed: F64"},
        {{.change = {query, .type = "U8"}}, RIN_ERR_FORMAT, "type U8"},
        {{.change = {query, .type = "BOOL"}}, RIN_ERR_FORMAT, "type BOOL"},
        {{.change = {query, .value = NAN}}, RIN_ERR_NUMERIC, "query.weight' has nan at element 5"},
        {{.change = {query, .value = INFINITY}}, RIN_ERR_NUMERIC, "query.weight' has inf at element 5"},
        {{.change = {query, .value = -INFINITY}}, RIN_ERR_NUMERIC, "query.weight' has -inf at element 5"},
    };
    lab_file f = open_lab();
    for (size_t i = 0; i < RIN_COUNT(rows); i++) assert_opens(&f, &rows[i].options, rows[i].status, rows[i].part);
    close_lab(&f);
}

static void test_steps_are_a_number_of_steps(void **state) {
    (void)state;
    static const char *const good[] = {"0", "123", "999999999999999"};
    static const char *const bad[] = {"", "-5", "+5", " 7", "7 ", "1e3", "0x10", "99999999999999999999", "seven"};
    lab_file f = open_lab();
    for (size_t i = 0; i < RIN_COUNT(good); i++) assert_opens(&f, &(file_options){.steps = good[i]}, RIN_OK, NULL);
    for (size_t i = 0; i < RIN_COUNT(bad); i++)
        assert_opens(&f, &(file_options){.steps = bad[i]}, RIN_ERR_FORMAT, "not a number of steps");
    close_lab(&f);
}

static void test_class_names_are_as_many_as_classes(void **state) {
    (void)state;
    static const char *const good[] = {"[]", "[\"a\",\"b\",\"c\"]"};
    static const char *const bad[] = {"",       "[\"a\",\"b\"]", "[\"a\",\"b\",\"c\",\"d\"]", "[\"a\",\"b\",3]",
                                      "{}",     "\"abc\"",       "[\"a\",\"b\",\"c\"",        "[\"a\",\"b\",\"c\"] []",
                                      "[null]", "[[],[],[]]"};
    lab_file f = open_lab();
    for (size_t i = 0; i < RIN_COUNT(good); i++) assert_opens(&f, &(file_options){.classes = good[i]}, RIN_OK, NULL);
    for (size_t i = 0; i < RIN_COUNT(bad); i++)
        assert_opens(&f, &(file_options){.classes = bad[i]}, RIN_ERR_FORMAT, "class name");
    close_lab(&f);
}

/* Numbers that are not finite are refused in whatever part of a training state they are. */
static void test_every_arena_is_finite(void **state) {
    (void)state;
    static const struct {
        rin_arena arena;
        const char *prefix;
    } parts[] = {{RIN_ARENA_WEIGHTS, "weights/"}, {RIN_ARENA_EMA, "ema/"}, {RIN_ARENA_M, "m/"}, {RIN_ARENA_V, "v/"}};
    lab_file f = open_lab();
    rin_error error = {0};
    rin_backend *backend;
    rin_weights *weights;
    rin_graph *graph;
    assert_ok(rin_backend_create("ref", &(rin_backend_options){.threads = 1}, &backend, &error), &error);
    assert_ok(rin_model_forward_graph(f.config, 1, &graph, &error), &error);
    assert_ok(rin_weights_create(graph, backend, true, &weights, &error), &error);
    for (size_t i = 0; i < 2 * RIN_COUNT(parts); i++) {
        const char *prefix = parts[i / 2].prefix;
        char part[128];
        rin_safetensors *file;
        file_options o = {.prefix = prefix, .change = {"output_ln.weight", .value = i % 2 ? NAN : 1}};
        put_model(f.path, f.config, f.config, &o);
        assert_ok(rin_safetensors_open(f.path, &file, &error), &error);
        rin_status status = rin_arena_read(weights, parts[i / 2].arena, prefix, file, &error);
        snprintf(part, sizeof part, "'%soutput_ln.weight' has nan at element 5", prefix);
        if (i % 2) assert_refused(status, RIN_ERR_NUMERIC, &error, part);
        else assert_ok(status, &error);
        rin_safetensors_close(file);
    }
    rin_weights_free(weights);
    rin_backend_free(backend);
    rin_graph_free(graph);
    close_lab(&f);
}

/* ---- claims ---- */

static const char blocks_of_32[] = "model.num_layers=32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,32,"
                                   "32,32,32,32,32,32,32,32,32,32";

static const struct {
    const char *options, *part;
} claims[] = {
    {"model.latent_dim=65536", "has shape"},
    {"model.tape_dim=65536", "has shape"},
    {"model.latent_slots=65536", "has shape"},
    {"model.num_classes=1048576", "has shape"},
    {"model.latent_mlp_ratio=64", "has shape"},
    {"model.num_layers=1024", "a network of 1025 layers"},
    {blocks_of_32, "a network of 1056 layers"},
    {"model.image_height=65536 model.image_width=65536 model.patch_size=16", "has shape"},
    {"model.self_cond=none", "is not part of the model"},
    {"model.self_cond=latent+tape", "is missing"},
};

static void note_first(void *user, const rin_check_result *result) {
    char *message = user;
    if (!*message) snprintf(message, 512, "%s", result->message);
}

/* Whatever is wrong is said on standard error, and the result is not 0: this runs in a process of its own. */
static int refuses(const char *path, bool is_case, const char *part) {
    enum { MOST_KIB = 200 << 10 };
    rin_error error = {0};
    char message[512] = "";
    struct rusage usage;
    if (is_case) {
        int failed = 0;
        rin_status status = rin_check_case(path, "ref", 1, note_first, message, &failed, &error);
        if (status != RIN_OK || failed != 1) snprintf(message, sizeof message, "status %d: %.400s", status, error.text);
    } else {
        rin_model *model;
        rin_status status = rin_model_open(path, "ref", 1, &model, &error);
        snprintf(message, sizeof message, "%.400s", status == RIN_ERR_FORMAT ? error.text : "not refused for its form");
    }
    (void)getrusage(RUSAGE_SELF, &usage);
    bool small = SANITIZED || usage.ru_maxrss < MOST_KIB;
    if (strstr(message, part) && small) return 0;
    fprintf(stderr, "'%s' instead of '%s'; %ld KiB at the peak\n", message, part, usage.ru_maxrss);
    return 1;
}

static void assert_refuses(const char *path, bool is_case, const char *options, const char *part) {
    int result = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(refuses(path, is_case, part));
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFEXITED(result) || WEXITSTATUS(result)) fail_msg("a %s of %.60s", is_case ? "case" : "model", options);
}

static void test_claims_cost_nothing(void **state) {
    (void)state;
    lab_file f = open_lab();
    for (size_t i = 0; i < RIN_COUNT(claims); i++) {
        rin_config *claimed = tiny_config(claims[i].options);
        put_model(f.path, f.config, claimed, &(file_options){0});
        assert_refuses(f.path, false, claims[i].options, claims[i].part);
        rin_config_free(claimed);
    }
    close_lab(&f);
}

/* A case folder whose one check has a picture to run a network on. */
static void put_case(lab_file *f, const rin_config *claimed) {
    rin_error error = {0};
    rin_safetensors_writer *writer;
    char *model, *diffusion, json[8192];
    const int64_t shape[] = {1, 1, 8, 8, 2};
    const float pixels[8 * 8 * 2] = {0};
    char path[256];
    assert_ok(rin_config_format_json(claimed, "model", &model, &error), &error);
    assert_ok(rin_config_format_json(claimed, "diffusion", &diffusion, &error), &error);
    int n = snprintf(json, sizeof json,
                     "{\"model\": %s, \"diffusion\": %s, \"checks\": [{\"name\": \"a\", \"kind\": \"forward\"}]}",
                     model, diffusion);
    snprintf(path, sizeof path, "%s", run_lab_path(&f->lab, "case.json"));
    assert_ok(rin_file_write(path, json, (size_t)n, &error), &error);
    snprintf(path, sizeof path, "%s", run_lab_path(&f->lab, "weights.safetensors"));
    put_model(path, f->config, claimed, &(file_options){0});
    snprintf(path, sizeof path, "%s", run_lab_path(&f->lab, "io.safetensors"));
    assert_ok(rin_safetensors_writer_create(&writer, &error), &error);
    assert_ok(rin_safetensors_writer_add(writer, "a/x", RIN_STORED_F32, 5, shape, &error), &error);
    assert_ok(rin_safetensors_writer_begin(writer, path, &error), &error);
    assert_ok(rin_safetensors_writer_write(writer, pixels, sizeof pixels, &error), &error);
    assert_ok(rin_safetensors_writer_commit(writer, &error), &error);
    rin_safetensors_writer_free(writer);
    rin_free(model);
    rin_free(diffusion);
}

static void test_claims_of_cases_cost_nothing(void **state) {
    (void)state;
    lab_file f = open_lab();
    for (size_t i = 0; i < RIN_COUNT(claims); i++) {
        rin_config *claimed = tiny_config(claims[i].options);
        put_case(&f, claimed);
        assert_refuses(f.lab.folder, true, claims[i].options, claims[i].part);
        rin_config_free(claimed);
    }
    close_lab(&f);
}

/* Weights do not tell how large the pictures are: such a model opens, and drawing them is refused. */
static void test_pictures_of_a_terabyte(void **state) {
    (void)state;
    lab_file f = open_lab();
    rin_error error = {0};
    rin_model *model;
    rin_generator *generator;
    rin_sampling *sampling;
    rin_sampling_options options;
    rin_config_free(f.config);
    f.config = tiny_config("model.image_channels=64 model.patch_size=16 model.image_height=65536 "
                           "model.image_width=65536 model.tape_pos_encoding=sin_cos");
    put_model(f.path, f.config, f.config, &(file_options){0});
    assert_ok(rin_model_open(f.path, "ref", 1, &model, &error), &error);
    assert_refused(rin_generator_create(model, f.config, 1, NULL, 0, &generator, &error), RIN_ERR_MEMORY, &error, "");
    assert_null(generator);
    assert_ok(rin_sampling_options_from(f.config, &options, &error), &error);
    rin_network network = {f.config, model->weights, RIN_ARENA_EMA};
    assert_refused(rin_sampling_create(&network, NULL, 1, &options, &sampling, &error), RIN_ERR_MEMORY, &error,
                   "bytes");
    assert_null(sampling);
    rin_model_free(model);
    close_lab(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_are_compared_by_name),
        cmocka_unit_test(test_steps_are_a_number_of_steps),
        cmocka_unit_test(test_class_names_are_as_many_as_classes),
        cmocka_unit_test(test_every_arena_is_finite),
        cmocka_unit_test(test_claims_cost_nothing),
        cmocka_unit_test(test_claims_of_cases_cost_nothing),
        cmocka_unit_test(test_pictures_of_a_terabyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
