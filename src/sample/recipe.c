/* SPDX-License-Identifier: MIT */
/* How pictures were made, so that they can be made again: as JSON, in PNG files, and read back from those. */
#include <cjson/cJSON.h>
#include <string.h>

#include "sample/canvas.h"

enum { VERSION = 1, HIGHEST_FIRST = 1000000000 /* of sample.first */ };

/* ---- as JSON ---- */

static bool add_number(cJSON *json, const char *key, int64_t number) {
    return cJSON_AddNumberToObject(json, key, (double)number) != NULL;
}

/* All 64 bits, which a number of JSON has not. */
static bool add_seed(cJSON *json, const char *key, uint64_t seed) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    return cJSON_AddStringToObject(json, key, text) != NULL;
}

static bool add_name(cJSON *json, const char *key, const char *name) {
    char *text = name ? rin_strdup(name, NULL) : NULL;
    if (text) rin_text_make_utf8(text);
    bool good = !name || (text && cJSON_AddStringToObject(json, key, text));
    rin_free(text);
    return good;
}

static bool add_classes(cJSON *json, const rin_generator *g, int64_t first, int64_t count) {
    if (!rin_model_class_count(g->model)) return true;
    cJSON *classes = cJSON_AddArrayToObject(json, "classes");
    bool good = classes != NULL;
    for (int64_t i = 0; i < count && good; i++) {
        cJSON *number = cJSON_CreateNumber((double)g->classes[first + i]);
        good = number && cJSON_AddItemToArray(classes, number);
    }
    return good;
}

static int64_t evaluations_of(const rin_generator *g) {
    return g->passes * g->sampling->n_total;
}

/* Each is asked for once: they take reading all weights. */
static rin_status find_hashes(const rin_generator *g, rin_error *error) {
    const rin_model *const models[] = {[RIN_NAME_MODEL] = g->model, [RIN_NAME_GUIDE] = g->guide};
    rin_status status = RIN_OK;
    for (size_t i = 0; i < RIN_COUNT(models) && status == RIN_OK; i++) {
        if (models[i] && !*g->hashes[i])
            status = rin_weights_hash(models[i]->weights, RIN_ARENA_EMA, g->hashes[i], error);
    }
    return status;
}

/* What was given: its name, and by the hash of its numbers whether a file of that name is still the same. */
static bool add_given(cJSON *json, const rin_generator *g) {
    static const char *const keys[RIN_N_NAMES][2] = {[RIN_NAME_MODEL] = {"model", "weights"},
                                                     [RIN_NAME_GUIDE] = {"guide", "guide_weights"},
                                                     [RIN_NAME_PICTURE] = {"picture_file", "picture_pixels"},
                                                     [RIN_NAME_MASK] = {"mask_file", "mask_pixels"}};
    bool good = add_number(json, "model_steps", rin_model_steps(g->model));
    for (int i = 0; i < RIN_N_NAMES && good; i++) {
        good = add_name(json, keys[i][0], g->names[i]) &&
               (!*g->hashes[i] || cJSON_AddStringToObject(json, keys[i][1], g->hashes[i]));
    }
    return good;
}

/* The pictures that have to be made: all, or one that can be made alone. */
typedef struct part {
    int64_t first, count;
    bool alone;
} part;

static part part_of(const rin_generator *g, int64_t i) {
    bool alone = i >= 0 && !g->between && g->own.sample.first + i <= HIGHEST_FIRST;
    return alone ? (part){i, 1, true} : (part){0, g->count, false};
}

static bool compose(cJSON *json, const rin_generator *g, int64_t i, int columns, const char *options) {
    part made = part_of(g, i);
    return json && add_number(json, "rin", VERSION) && add_seed(json, "seed", g->seed) &&
           add_number(json, "first", g->own.sample.first + made.first) && add_number(json, "count", made.count) &&
           (i >= 0 || add_number(json, "columns", columns)) &&
           (i < 0 || made.alone || add_number(json, "picture", i)) && add_classes(json, g, made.first, made.count) &&
           cJSON_AddRawToObject(json, "options", options) &&
           (!g->between || add_seed(json, "other_seed", g->other_seed)) && add_given(json, g) &&
           add_number(json, "evaluations", evaluations_of(g));
}

/* Of picture i, or with i = -1 of a grid of so many columns. */
static rin_status make_recipe(const rin_generator *g, int64_t i, int columns, char **out, rin_error *error) {
    char *options = NULL;
    rin_config own = g->own;
    part made = part_of(g, i);
    own.sample.first += made.first;
    own.sample.count = made.count;
    /* What a sampler takes by itself may be another number one day. */
    own.sample.steps = g->sampling->route->options.steps;
    own.sample.spacing = g->sampling->route->options.spacing;
    rin_status status = find_hashes(g, error);
    if (status == RIN_OK) status = rin_config_format_json(&own, "sample", &options, error);
    if (status != RIN_OK) return status;
    cJSON *json = cJSON_CreateObject();
    char *text = compose(json, g, i, columns, options) ? cJSON_PrintUnformatted(json) : NULL;
    *out = text ? rin_strdup(text, NULL) : NULL;
    cJSON_free(text);
    cJSON_Delete(json);
    rin_free(options);
    return *out ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "out of memory for the recipe");
}

rin_status rin_generator_recipe(const rin_generator *g, int64_t i, char **json, rin_error *error) {
    if (!json) return rin_error_null(error, __func__, "json");
    *json = NULL;
    if (!g) return rin_error_null(error, __func__, "generator");
    if (i < -1 || i >= g->count)
        return rin_error_set(error, RIN_ERR_ARG, "%s: i = %lld; allowed: -1 for all, up to %lld", __func__,
                             (long long)i, (long long)g->count - 1);
    return make_recipe(g, i, 0, json, error);
}

/* ---- in a PNG file ---- */

enum { MOST_BYTES = 1000 /* of such a text */ };

/* Names may hold any byte; a file's texts for people hold printable characters, and not too many. */
static void make_plain(char *text) {
    rin_text_make_utf8(text);
    if (strlen(text) > MOST_BYTES) {
        size_t n = MOST_BYTES;
        while ((text[n] & 0xC0) == 0x80) n--;
        text[n] = '\0';
    }
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7F) *text = '?';
    }
}

static void add_class(const rin_generator *g, int64_t class, bool *named, rin_text *text) {
    if (class < 0 || named[class]) return;
    const char *name = rin_model_class_name(g->model, class);
    named[class] = true;
    if (text->length) rin_text_add(text, ", ");
    if (name && *name) rin_text_add(text, "%s", name);
    else rin_text_add(text, "%lld", (long long)class);
}

/* Classes of a picture or of all, by name, each once; *out is NULL where there are none. */
static rin_status name_classes(const rin_generator *g, int64_t i, char **out, rin_error *error) {
    rin_text text = {0};
    bool *named = rin_calloc((size_t)rin_model_class_count(g->model), sizeof *named, error);
    if (!named) return RIN_ERR_MEMORY;
    for (int64_t k = 0; k < g->count && text.length <= MOST_BYTES && !text.failed; k++) {
        /* A picture between two has something of the classes of both. */
        if (i < 0 || k == i || g->between) add_class(g, g->classes[k], named, &text);
    }
    rin_free(named);
    if (!text.length && !text.failed) return RIN_OK;
    rin_status status = rin_text_take(&text, out, error);
    if (status != RIN_OK) return status;
    make_plain(*out);
    return RIN_OK;
}

enum { MOST_TEXTS = 9 };

typedef struct remarks {
    rin_png_text texts[MOST_TEXTS];
    size_t n;
    char seed[32], steps[32], evaluations[32], guidance[RIN_NUMBER_TEXT];
    char *class, *model, *recipe;
} remarks;

static void add(remarks *r, const char *key, const char *value) {
    if (value) r->texts[r->n++] = (rin_png_text){key, value};
}

static rin_status fill_remarks(remarks *r, const rin_generator *g, int64_t i, int columns, rin_error *error) {
    const rin_route *route = g->sampling->route;
    const char *model = g->names[RIN_NAME_MODEL];
    snprintf(r->seed, sizeof r->seed, "%llu", (unsigned long long)g->seed);
    snprintf(r->steps, sizeof r->steps, "%lld", (long long)route->options.steps);
    snprintf(r->evaluations, sizeof r->evaluations, "%lld", (long long)evaluations_of(g));
    rin_number_format(g->own.sample.guidance, 0, r->guidance);
    rin_status status = name_classes(g, i, &r->class, error);
    if (status == RIN_OK) status = make_recipe(g, i, columns, &r->recipe, error);
    if (status != RIN_OK) return status;
    if (model && !(r->model = rin_strdup(model, error))) return RIN_ERR_MEMORY;
    if (r->model) make_plain(r->model);
    add(r, "seed", r->seed);
    add(r, "sampler", route->sampler->name);
    add(r, "steps", r->steps);
    add(r, "spacing", rin_words_spacing[route->options.spacing]);
    add(r, "guidance", r->guidance);
    add(r, "evaluations", r->evaluations);
    add(r, "class", r->class);
    add(r, "model", r->model);
    if (strlen(r->recipe) <= RIN_PNG_MOST_TEXT) add(r, "rin", r->recipe);
    return RIN_OK;
}

rin_status rin_canvas_write_png(const rin_generator *g, int64_t i, int columns, const rin_canvas *c, const char *path,
                                rin_error *error) {
    remarks r = {0};
    rin_status status = fill_remarks(&r, g, i, columns, error);
    if (status == RIN_OK)
        status = rin_image_write_png(path, c->pixels, (int)c->width, (int)c->height, c->channels, r.texts, r.n, error);
    rin_free(r.class);
    rin_free(r.model);
    rin_free(r.recipe);
    return status;
}

/* ---- read back ---- */

static rin_status check_recipe(const char *path, const char *text, rin_error *error) {
    cJSON *json = rin_text_is_utf8(text) ? cJSON_ParseWithOpts(text, NULL, true) : NULL;
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "rin");
    bool object = cJSON_IsObject(json), known = object && cJSON_IsNumber(version) && version->valuedouble == VERSION;
    cJSON_Delete(json);
    if (known) return RIN_OK;
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "the recipe in '%.300s' is %s: allowed is a JSON object with \"rin\": %d", path,
                         object ? "of another version" : "damaged", VERSION);
}

rin_status rin_recipe_read(const char *path, char **json, rin_error *error) {
    char *bytes, *text = NULL;
    size_t n;
    if (!json) return rin_error_null(error, __func__, "json");
    *json = NULL;
    if (!path) return rin_error_null(error, __func__, "path");
    rin_status status = rin_file_read(path, RIN_MOST_PICTURE_BYTES, &bytes, &n, error);
    if (status != RIN_OK) return status;
    status = rin_image_png_text(bytes, n, "rin", &text, error);
    rin_free(bytes);
    if (status != RIN_OK) return rin_error_prefix(error, status, "'%.300s'", path);
    if (!text)
        return rin_error_set(error, RIN_ERR_ARG,
                             "'%.300s' has no recipe: it was not made by rin, or another program has written it again",
                             path);
    status = check_recipe(path, text, error);
    if (status == RIN_OK) *json = text;
    else rin_free(text);
    return status;
}
