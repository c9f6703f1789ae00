/* SPDX-License-Identifier: MIT */
/*
 * Cases of Inception and I3D: from pictures or clips through their resize to the stages and features of the networks.
 * What is checked is called <picture>/<kind>/<what>: a row with sums, a tensor, or tensors .../points and .../channel.
 */
#include <math.h>
#include <string.h>

#include "check/evaluation.h"

/* From the case.json of both. Of max|b|, in double: from an input that is equal in every bit, and from a picture. */
static const double tolerance_equal = 1e-11, tolerance_picture = 1e-6;
/* In float, for kinds other than tf, and for numbers of another program that computed in float. */
static const double tolerance_float = 1e-5;
/* Inputs, absolute: of Inception (the case of resizes), of I3D. */
static const double tolerance_picture_input = 2e-6, tolerance_clip_input = 4e-6;
/* "channel" is stored in float: half a unit in its last place. */
static const double rounding_float = 6e-8;
/* Sums over inputs that are equal in every bit differ by the order of the additions, of sqrt(size sum_sq). */
static const double rounding_sum = 1e-14;

/* Something to check. */
typedef struct item {
    char name[RIN_CASE_NAME];
    size_t picture, run; /* lengths of what in name is the picture, and the run: picture and kind */
    rin_preprocess kind; /* RIN_N_PREPROCESS: the name has none */
    char stage[RIN_CASE_NAME];
    bool single; /* a tensor of a program that computed in float */
    bool known;  /* the network has the stage */
    const cJSON *row;
    const rin_stored_tensor *whole, *points, *channel;
} item;

typedef struct network_case {
    rin_case *of;
    rin_feature_network network;
    item *items; /* [n_items] */
    int n_items;
    const char **stages; /* [n_stages] that are wanted */
    int n_stages;
    rin_extractor *extractor;
    int64_t frames; /* of the extractor */
    int64_t side;
} network_case;

bool rin_check_is_network(const cJSON *json) {
    const cJSON *row = rin_first_row(json, "rows");
    return cJSON_HasObjectItem(row, "shape") || rin_first_row(json, "inputs") || cJSON_HasObjectItem(json, "tensors");
}

/* ---- what there is to check ---- */

/* The kind is the last part of a name that is the name of one, with a picture before it and something after it. */
static void split_name(item *it) {
    it->kind = RIN_N_PREPROCESS;
    size_t start = 0;
    for (const char *at = strchr(it->name, '/'); at; at = strchr(it->name + start, '/')) {
        size_t end = (size_t)(at - it->name);
        rin_preprocess kind = rin_preprocess_find(it->name + start, end - start);
        if (kind != RIN_N_PREPROCESS && start >= 2) {
            it->kind = kind;
            it->picture = start - 1;
            it->run = end;
        }
        start = end + 1;
    }
    if (it->kind == RIN_N_PREPROCESS) return;
    static const char single[] = "_f32";
    snprintf(it->stage, sizeof it->stage, "%s", it->name + it->run + 1);
    size_t length = strlen(it->stage);
    it->single = rin_has_suffix(it->stage, single);
    if (it->single) it->stage[length - strlen(single)] = '\0';
    if (strcmp(it->stage, "spatial") == 0) snprintf(it->stage, sizeof it->stage, "Mixed_6d"); /* its first branch */
}

/* The item of that name, appended when it is a new one; NULL when there are too many. */
static item *item_of(network_case *n, const char *name, size_t length) {
    if (length >= RIN_CASE_NAME) return NULL;
    for (int i = 0; i < n->n_items; i++) {
        if (strlen(n->items[i].name) == length && strncmp(n->items[i].name, name, length) == 0) return &n->items[i];
    }
    if (n->n_items == RIN_MOST_ROWS) return NULL;
    item *it = &n->items[n->n_items++];
    *it = (item){0};
    memcpy(it->name, name, length);
    split_name(it);
    return it;
}

static rin_status add_rows(network_case *n, const char *key, rin_error *error) {
    const cJSON *rows, *row;
    rin_status status = rin_rows_of_json(n->of->json, key, &rows, error);
    if (status != RIN_OK) return status;
    cJSON_ArrayForEach(row, rows) {
        const char *name = rin_row_word(row, "name", "");
        item *it = item_of(n, name, strlen(name));
        if (!it) return rin_error_set(error, RIN_ERR_FORMAT, "a name too long, or too many rows in case.json");
        it->row = row;
    }
    return RIN_OK;
}

/* Pictures and clips are no items, nor is what has no kind in its name. */
static void add_tensors(network_case *n) {
    const rin_safetensors *io = n->of->io;
    for (size_t i = 0; i < rin_safetensors_count(io); i++) {
        const rin_stored_tensor *tensor = rin_safetensors_get(io, i);
        size_t length = strlen(tensor->name);
        bool points = rin_has_suffix(tensor->name, "/points"), channel = rin_has_suffix(tensor->name, "/channel");
        if (points) length -= strlen("/points");
        if (channel) length -= strlen("/channel");
        item *it = item_of(n, tensor->name, length);
        if (!it) continue;
        if (it->kind == RIN_N_PREPROCESS && !it->row) n->n_items--;
        else *(points ? &it->points : channel ? &it->channel : &it->whole) = tensor;
    }
}

static bool ends_in_clip(const rin_safetensors *io) {
    for (size_t i = 0; i < rin_safetensors_count(io); i++) {
        if (rin_has_suffix(rin_safetensors_get(io, i)->name, "/clip")) return true;
    }
    return false;
}

static void build(const network_case *n, rin_graph *graph, const char *const *stages, int n_stages) {
    if (n->network == RIN_NETWORK_INCEPTION) rin_inception_build(graph, 1, stages, n_stages);
    else rin_i3d_build(graph, 1, RIN_I3D_LEAST_FRAMES, stages, n_stages);
}

static bool is_listed(const network_case *n, const char *stage) {
    for (int i = 0; i < n->n_stages; i++) {
        if (strcmp(n->stages[i], stage) == 0) return true;
    }
    return false;
}

/* Which of the stages that are named the network has: the others are their rows' and tensors' fault alone. */
static rin_status find_stages(network_case *n, rin_error *error) {
    n->stages = rin_calloc((size_t)n->n_items, sizeof *n->stages, error);
    rin_graph *graph = n->stages ? rin_graph_create(error) : NULL;
    if (!graph) return RIN_ERR_MEMORY;
    for (int i = 0; i < n->n_items; i++) {
        const item *it = &n->items[i];
        if (it->kind != RIN_N_PREPROCESS && !is_listed(n, it->stage)) n->stages[n->n_stages++] = it->stage;
    }
    build(n, graph, n->stages, n->n_stages);
    rin_status status = rin_graph_status(graph, error);
    n->n_stages = 0;
    for (int i = 0; i < n->n_items && status == RIN_OK; i++) {
        item *it = &n->items[i];
        rin_value value = it->kind == RIN_N_PREPROCESS ? 0 : rin_graph_find(graph, it->stage);
        it->known = value && graph->values[value].is_output;
        if (it->known && !is_listed(n, it->stage)) n->stages[n->n_stages++] = it->stage;
    }
    rin_graph_free(graph);
    return status;
}

static rin_status list_items(network_case *n, rin_error *error) {
    n->items = rin_calloc(RIN_MOST_ROWS, sizeof *n->items, error);
    if (!n->items) return RIN_ERR_MEMORY;
    rin_status status = add_rows(n, "rows", error);
    if (status == RIN_OK) status = add_rows(n, "inputs", error);
    if (status != RIN_OK) return status;
    add_tensors(n);
    return find_stages(n, error);
}

/* ---- one picture or clip in one kind ---- */

typedef struct run {
    network_case *in;
    const item *first; /* any of the run: its name begins with that of the run */
    float *pixels;     /* NULL: there is no picture */
    int64_t frames, height, width;
    float *input;  /* (frames, side, side, 3) made of the pixels */
    float *stored; /* the same, where all of it is stored; else NULL */
    bool equal;    /* what is stored of the input, sums too, is that of the pixels in every bit */
} run;

static bool is_of(const run *r, const item *it) {
    return it->kind != RIN_N_PREPROCESS && it->run == r->first->run &&
           strncmp(it->name, r->first->name, r->first->run) == 0;
}

static int64_t input_count(const run *r) {
    return r->frames * r->in->side * r->in->side * 3;
}

static rin_status read_pixels(run *r, rin_error *error) {
    bool clip = r->in->network == RIN_NETWORK_I3D;
    const rin_stored_tensor *tensor = rin_case_find(r->in->of, "%.*s/%s", (int)r->first->picture, r->first->name,
                                                    clip ? "clip" : "image");
    if (!tensor) return RIN_OK;
    rin_status status = rin_case_read_pixels(r->in->of, tensor, clip ? 4 : 3, &r->pixels, error);
    if (status != RIN_OK) return status;
    r->frames = clip ? tensor->shape[0] : 1;
    r->height = tensor->shape[clip];
    r->width = tensor->shape[clip + 1];
    return RIN_OK;
}

static rin_status make_input(run *r, rin_error *error) {
    int64_t per_frame = r->in->side * r->in->side * 3;
    r->input = rin_calloc((size_t)input_count(r), sizeof *r->input, error);
    rin_status status = r->input ? RIN_OK : RIN_ERR_MEMORY;
    for (int64_t t = 0; t < r->frames && status == RIN_OK; t++) {
        const float *pixels = r->pixels + t * r->height * r->width * 3;
        float *out = r->input + t * per_frame;
        int height = (int)r->height, width = (int)r->width;
        if (r->in->network == RIN_NETWORK_I3D)
            status = rin_i3d_input(r->first->kind, pixels, height, width, out, error);
        else status = rin_inception_input(r->first->kind, pixels, height, width, out, error);
    }
    return status;
}

/* A stored input as a whole, (3, frames, side, side) or (3, side, side), becomes what the network takes. */
static rin_status read_stored(run *r, const item *it, rin_error *error) {
    const rin_stored_tensor *tensor = it->whole;
    int rank = r->in->network == RIN_NETWORK_I3D ? 4 : 3;
    int64_t side = r->in->side;
    bool all = tensor && tensor->rank == rank && tensor->shape[0] == 3 && tensor->shape[rank - 1] == side &&
               tensor->shape[rank - 2] == side;
    int64_t frames = all && rank == 4 ? tensor->shape[1] : 1;
    if (r->input && frames != r->frames) all = false;
    if (!all || frames < 1) return RIN_OK;
    float *values = NULL;
    rin_status status = rin_case_read_floats(r->in->of, tensor, &values, error);
    r->frames = frames;
    if (status == RIN_OK) r->stored = rin_calloc((size_t)input_count(r), sizeof *r->stored, error);
    if (status == RIN_OK && !r->stored) status = RIN_ERR_MEMORY;
    int64_t points = frames * side * side;
    for (int64_t i = 0; i < 3 * points && status == RIN_OK; i++) r->stored[i % points * 3 + i / points] = values[i];
    rin_free(values);
    return status;
}

static rin_status compare_input(run *r, rin_check *check, const item *it, rin_error *error) {
    bool clip = r->in->network == RIN_NETWORK_I3D;
    int64_t side = r->in->side, n = input_count(r), points = n / 3;
    double tolerance = clip ? tolerance_clip_input : tolerance_picture_input;
    const int64_t shape[] = {3, r->frames, side, side}, flat[] = {3, side, side};
    double *values = rin_calloc((size_t)n, sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    rin_channels_first(r->input, points, 3, values);
    rin_status status = RIN_OK;
    if (it->whole)
        status = rin_check_part(check, it->whole, it->row, values, clip ? 4 : 3, clip ? shape : flat, tolerance, 1,
                                error);
    r->equal = status == RIN_OK && it->whole && check->worst.error == 0;
    if (status == RIN_OK) status = rin_check_sums(check, it->row, it->name, values, n, tolerance, error);
    if (r->equal && !r->stored) {
        rin_check sums = rin_check_begin(check->of, it->row, it->name);
        if (status == RIN_OK) status = rin_check_sums(&sums, it->row, it->name, values, n, rounding_sum, error);
        r->equal = sums.worst.index >= 0 && sums.worst.error <= sums.worst.tolerance;
    }
    rin_free(values);
    return status;
}

static rin_status check_input(run *r, rin_error *error) {
    for (int i = 0; i < r->in->n_items; i++) {
        item *it = &r->in->items[i];
        if (!is_of(r, it) || strcmp(it->stage, "input") != 0) continue;
        if (it->whole) (void)rin_case_find(r->in->of, "%s", it->whole->name);
        rin_status status = read_stored(r, it, error);
        if (status != RIN_OK) return status;
        if (!r->input) continue;
        rin_error failure = {0};
        rin_check check = rin_check_begin(r->in->of, it->row, it->name);
        status = compare_input(r, &check, it, &failure);
        rin_check_end(&check, status, &failure);
    }
    return RIN_OK;
}

/* ---- what the network makes of it ---- */

/* A stage, channels first. */
typedef struct stage {
    double *values;
    int64_t channels, frames, height, width;
} stage;

static rin_status read_stage(network_case *n, const char *name, stage *out, rin_error *error) {
    const rin_program *program = rin_extractor_program(n->extractor);
    const rin_graph *graph = rin_program_graph(program);
    const rin_shape *shape = rin_graph_shape(graph, rin_graph_find(graph, name));
    int64_t count = rin_shape_count(shape), points = count / rin_shape_last(shape);
    bool map = shape->rank == 5;
    *out = (stage){NULL, rin_shape_last(shape), map ? shape->dim[1] : 1, map ? shape->dim[2] : 1,
                   map ? shape->dim[3] : 1};
    double *values = rin_calloc((size_t)count, sizeof *values, error);
    out->values = rin_calloc((size_t)count, sizeof *values, error);
    rin_status status = values && out->values ? rin_program_read_double(program, name, values, count, error)
                                              : RIN_ERR_MEMORY;
    for (int64_t i = 0; i < count && status == RIN_OK; i++)
        out->values[i % out->channels * points + i / out->channels] = values[i];
    rin_free(values);
    return status;
}

static int64_t at(const stage *s, int64_t channel, int64_t y, int64_t x) {
    return ((channel * s->frames + s->frames / 2) * s->height + y) * s->width + x;
}

/* max|b| of the whole stage, as some channels are next to nothing; without a row, that of what was computed. */
static double scale_of(const item *it, const stage *s) {
    int64_t n = s->channels * s->frames * s->height * s->width;
    double most = 0, stated = fabs(rin_row_number(it->row, "max", 0));
    for (int64_t i = 0; stated == 0 && i < n; i++) most = fmax(most, fabs(s->values[i]));
    return fmax(stated, most);
}

/* All channels at four points of the frame in the middle. */
static rin_status check_points(rin_check *check, const stage *s, const item *it, double tolerance, rin_error *error) {
    enum { POINTS = 4 };
    const int64_t points[POINTS][2] = {
        {0, 0}, {0, s->width - 1}, {s->height / 2, s->width / 3}, {s->height - 1, s->width - 1}};
    double *values = rin_calloc((size_t)(POINTS * s->channels), sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    for (int i = 0; i < POINTS; i++) {
        for (int64_t k = 0; k < s->channels; k++)
            values[i * s->channels + k] = s->values[at(s, k, points[i][0], points[i][1])];
    }
    rin_status status = rin_check_tensor(check, it->points, values, POINTS * s->channels, tolerance, scale_of(it, s),
                                         error);
    rin_free(values);
    return status;
}

/* ADM's spatial features: the first channels of a map, (row, column, channel). */
static rin_status check_spatial(rin_check *check, const stage *s, const item *it, double tolerance, rin_error *error) {
    int64_t points = s->height * s->width, n = (int64_t)it->whole->n_elements, channels = n / points;
    if (channels < 1 || channels > s->channels || n % points != 0)
        return rin_error_set(error, RIN_ERR_SHAPE, "'%s': no channels of a map", it->whole->name);
    double *values = rin_calloc((size_t)n, sizeof *values, error);
    if (!values) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < n; i++) values[i] = s->values[i % channels * points + i / channels];
    rin_status status = rin_check_tensor(check, it->whole, values, n, tolerance, 0, error);
    rin_free(values);
    return status;
}

static rin_status check_shape(const cJSON *row, const stage *s, int rank, rin_error *error) {
    const int64_t shape[] = {s->channels, s->frames, s->height, s->width};
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(row, "shape"), *dim;
    int i = 0;
    bool good = !list || cJSON_GetArraySize(list) == rank;
    cJSON_ArrayForEach(dim, list) {
        if (i == 1 && rank == 3) i++;
        if (good) good = cJSON_IsNumber(dim) && dim->valuedouble == (double)shape[i++];
    }
    if (good) return RIN_OK;
    return rin_error_set(error, RIN_ERR_SHAPE, "not the shape of case.json: %lld channels, %lld frames, %lld x %lld",
                         (long long)shape[0], (long long)shape[1], (long long)shape[2], (long long)shape[3]);
}

static rin_status check_item(rin_check *check, const item *it, const stage *s, int rank, double tolerance,
                             rin_error *error) {
    int64_t n = s->channels * s->frames * s->height * s->width, plane = s->height * s->width;
    rin_status status = RIN_OK;
    bool spatial = rin_has_suffix(it->name, "/spatial") || rin_has_suffix(it->name, "/spatial_f32");
    if (it->row) status = check_shape(it->row, s, rank, error);
    if (it->row && status == RIN_OK) status = rin_check_sums(check, it->row, it->name, s->values, n, tolerance, error);
    if (it->points && status == RIN_OK) status = check_points(check, s, it, tolerance, error);
    if (it->channel && status == RIN_OK)
        status = rin_check_tensor(check, it->channel, s->values + at(s, s->channels / 2, 0, 0), plane,
                                  fmax(tolerance, rounding_float), scale_of(it, s), error);
    if (it->whole && status == RIN_OK) {
        status = spatial ? check_spatial(check, s, it, tolerance, error)
                         : rin_check_tensor(check, it->whole, s->values, n, tolerance, 0, error);
    }
    return status;
}

/* Marks its tensors as read, and compares. */
static void check_stage(run *r, const item *it, bool equal, const char *remark) {
    network_case *n = r->in;
    const rin_stored_tensor *const tensors[] = {it->whole, it->points, it->channel};
    bool exact = rin_case_is_double(n->of) && it->kind == RIN_PREPROCESS_TF && !it->single;
    double tolerance = !exact ? tolerance_float : equal ? tolerance_equal : tolerance_picture;
    char name[RIN_CASE_NAME + 32];
    rin_error failure = {0};
    stage s = {0};
    snprintf(name, sizeof name, "%s%s", it->name, remark);
    for (size_t i = 0; i < RIN_COUNT(tensors); i++) {
        if (tensors[i]) (void)rin_case_find(n->of, "%s", tensors[i]->name);
    }
    rin_check check = rin_check_begin(n->of, it->row, name);
    rin_status status = read_stage(n, it->stage, &s, &failure);
    if (status == RIN_OK)
        status = check_item(&check, it, &s, n->network == RIN_NETWORK_I3D ? 4 : 3, tolerance, &failure);
    rin_check_end(&check, status, &failure);
    rin_free(s.values);
}

/* One network serves all runs with as many frames, one after the other. */
static rin_status prepare(network_case *n, int64_t frames, rin_error *error) {
    if (n->extractor && n->frames == frames) return RIN_OK;
    rin_extractor_free(n->extractor);
    n->extractor = NULL;
    n->frames = frames;
    rin_extractor_options options = {.network = n->network,
                                     .batch = 1,
                                     .frames = frames,
                                     .outputs = n->stages,
                                     .n_outputs = n->n_stages,
                                     .device = n->of->device,
                                     .threads = n->of->threads};
    return rin_extractor_create(&options, rin_formula_weights(), &n->extractor, error);
}

static rin_status run_network(run *r, const float *input, bool equal, const char *remark, rin_error *error) {
    rin_status status = rin_extractor_run(r->in->extractor, input, 1, error);
    for (int i = 0; i < r->in->n_items && status == RIN_OK; i++) {
        const item *it = &r->in->items[i];
        if (is_of(r, it) && it->known) check_stage(r, it, equal, remark);
    }
    return status;
}

static bool wants_network(const run *r) {
    for (int i = 0; i < r->in->n_items; i++) {
        if (is_of(r, &r->in->items[i]) && r->in->items[i].known) return true;
    }
    return false;
}

/* From the input that is stored, where all of it is, and from the picture unless that is the same. */
static rin_status check_run(run *r, rin_error *error) {
    rin_status status = read_pixels(r, error);
    if (status == RIN_OK && r->pixels) status = make_input(r, error);
    if (status == RIN_OK) status = check_input(r, error);
    if (status == RIN_OK && !r->input && !r->stored)
        status = rin_error_set(error, RIN_ERR_FORMAT, "neither a picture nor an input as a whole is stored");
    if (status != RIN_OK || !wants_network(r)) return status;
    status = prepare(r->in, r->frames, error);
    if (status == RIN_OK && r->stored) status = run_network(r, r->stored, true, "", error);
    if (status == RIN_OK && r->input && !(r->stored && r->equal))
        status = run_network(r, r->input, r->equal, r->stored ? " from the picture" : "", error);
    return status;
}

/* ---- the case ---- */

static void check_runs(network_case *n) {
    for (int i = 0; i < n->n_items; i++) {
        const item *first = &n->items[i];
        char name[RIN_CASE_NAME];
        bool met = first->kind == RIN_N_PREPROCESS;
        run r = {.in = n, .first = first};
        rin_error error = {0};
        for (int k = 0; k < i && !met; k++) met = is_of(&r, &n->items[k]);
        if (met) continue;
        rin_status status = check_run(&r, &error);
        snprintf(name, sizeof name, "%.*s", (int)first->run, first->name);
        rin_check check = rin_check_begin(n->of, NULL, name);
        if (status != RIN_OK) rin_check_end(&check, status, &error);
        rin_free(r.pixels);
        rin_free(r.input);
        rin_free(r.stored);
    }
}

/* Rows of stages that the network has not. */
static void report_unknown(network_case *n) {
    for (int i = 0; i < n->n_items; i++) {
        const item *it = &n->items[i];
        rin_error error = {0};
        if (it->known || !it->row || strcmp(it->stage, "input") == 0) continue;
        rin_check check = rin_check_begin(n->of, it->row, it->name);
        rin_check_end(&check, rin_error_set(&error, RIN_ERR_FORMAT, "the network has no such stage"), &error);
    }
}

rin_status rin_check_network(rin_case *c, rin_error *error) {
    network_case n = {.of = c};
    rin_status status = rin_case_open_numbers(c, error);
    if (status == RIN_OK) {
        const cJSON *row = rin_first_row(c->json, "rows");
        bool clips = rin_first_row(c->json, "inputs") || cJSON_HasObjectItem(row, "clip") || ends_in_clip(c->io);
        n.network = clips ? RIN_NETWORK_I3D : RIN_NETWORK_INCEPTION;
        n.side = clips ? RIN_I3D_SIDE : RIN_INCEPTION_SIDE;
        status = list_items(&n, error);
    }
    if (status == RIN_OK) status = rin_check_parameters(c, n.network, error);
    if (status == RIN_OK) {
        check_runs(&n);
        report_unknown(&n);
    }
    rin_extractor_free(n.extractor);
    rin_free(n.items);
    rin_free(n.stages);
    return status;
}
