/* SPDX-License-Identifier: MIT */
/* The folder of a run: its lock, config.ini, run.json, samples. */
#include <cjson/cJSON.h>
#include <string.h>

#include "image/image.h"
#include "train/train.h"

enum { MOST_JSON_BYTES = 32 << 20 };

char *rin_run_path(const rin_trainer *trainer, const char *name, rin_error *error) {
    return rin_path_join(trainer->run, name, error);
}

/* The process may change its working directory. */
rin_status rin_run_settle(rin_trainer *trainer, rin_error *error) {
    char *path;
    rin_status status = rin_path_absolute(trainer->run, &path, error);
    if (status != RIN_OK) return status;
    rin_free(trainer->run);
    trainer->run = path;
    return RIN_OK;
}

static rin_status write_text(const rin_trainer *trainer, const char *name, const char *text, rin_error *error) {
    char *path = rin_run_path(trainer, name, error);
    rin_status status = path ? rin_file_write(path, text, strlen(text), error) : RIN_ERR_MEMORY;
    rin_free(path);
    return status;
}

/* ---- creating and reading ---- */

static const char lock_name[] = "lock", data_name[] = RIN_RUN_DATA, config_name[] = RIN_RUN_CONFIG;

/* config.ini is written last: without it, these are what is left of a start that failed. */
static bool is_left_over(const char *name) {
    return strcmp(name, lock_name) == 0 || strcmp(name, data_name) == 0 || rin_atomic_is_left_over(name) ||
           strcmp(name, ".DS_Store") == 0 || strcmp(name, "lost+found") == 0; /* systems put these everywhere */
}

rin_status rin_run_refuse_used(const char *run, rin_error *error) {
    rin_dir *folder;
    if (!rin_path_exists(run)) return RIN_OK;
    rin_status status = rin_dir_open(run, &folder, error);
    for (const char *name; status == RIN_OK && (status = rin_dir_next(folder, &name, error)) == RIN_OK && name;) {
        if (is_left_over(name)) continue;
        status = rin_error_set(
            error, RIN_ERR_ARG,
            "run folder '%s' is not empty (it holds '%.200s'): continue that run with --resume, or name another folder",
            run, name);
    }
    rin_dir_close(folder);
    return status;
}

static rin_status remove_temporaries(const char *folder, rin_error *error) {
    rin_dir *dir;
    rin_status status = rin_dir_open(folder, &dir, error);
    for (const char *name; status == RIN_OK && (status = rin_dir_next(dir, &name, error)) == RIN_OK && name;) {
        if (!rin_atomic_is_left_over(name)) continue;
        char *path = rin_path_join(folder, name, error);
        if (!path) status = RIN_ERR_MEMORY;
        else if (!rin_path_is_dir(path)) status = rin_file_remove(path, error);
        rin_free(path);
    }
    rin_dir_close(dir);
    return status;
}

rin_status rin_run_lock_folder(rin_trainer *trainer, rin_error *error) {
    rin_log log = rin_trainer_log(trainer);
    char left_by[RIN_LOCK_OWNER], *samples = rin_run_path(trainer, "samples", error);
    char *path = rin_run_path(trainer, lock_name, error);
    rin_error failure = {0};
    rin_status status = path && samples ? rin_lock_take(&trainer->lock, path, left_by, &failure) : RIN_ERR_MEMORY;
    if (status == RIN_ERR_UNSUPPORTED) {
        rin_log_write(log, RIN_LOG_WARNING, "%s; see to it that no other program trains in '%s'", failure.text,
                      trainer->run);
        status = RIN_OK;
    } else if (status == RIN_ERR_BUSY) {
        status = rin_error_set(error, status, "run folder '%s' is in use (%s): wait for that program, or stop it first",
                               trainer->run, failure.text);
    } else if (status != RIN_OK && path && samples && error) {
        *error = failure;
    }
    if (status == RIN_OK && left_by[0])
        rin_log_write(log, RIN_LOG_INFO, "the run was left by %s without an orderly end; its lock is taken over",
                      left_by);
    if (status == RIN_OK && trainer->lock.held && !trainer->lock.named)
        rin_log_write(log, RIN_LOG_WARNING,
                      "the lock of '%s' is held, but does not say by whom: nothing can be written", trainer->run);
    if (status == RIN_OK) status = remove_temporaries(trainer->run, error);
    if (status == RIN_OK && rin_path_is_dir(samples) && !rin_path_is_link(samples))
        status = remove_temporaries(samples, error);
    rin_free(samples);
    rin_free(path);
    return status;
}

/* FNV-1a, 64 bits, over a text and its NUL. */
static uint64_t add_to_hash(uint64_t hash, const char *text) {
    const uint64_t prime = 0x100000001B3u;
    do hash = (hash ^ (unsigned char)*text) * prime;
    while (*text++);
    return hash;
}

rin_run_data rin_run_identify(const rin_dataset *dataset) {
    rin_run_data data = {.n_items = (int64_t)rin_dataset_count(dataset)};
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < rin_dataset_n_classes(dataset); i++)
        hash = add_to_hash(hash, rin_dataset_class_name(dataset, i));
    for (size_t i = 0; i < rin_dataset_count(dataset); i++) hash = add_to_hash(hash, rin_dataset_item_name(dataset, i));
    snprintf(data.names, sizeof data.names, "%016llx", (unsigned long long)hash);
    return data;
}

rin_status rin_run_write_config(const rin_trainer *trainer, rin_error *error) {
    char *ini = NULL;
    rin_status status = rin_config_format(&trainer->config, &ini, error);
    if (status == RIN_OK) status = write_text(trainer, config_name, ini, error);
    rin_string_free(ini);
    return status;
}

rin_status rin_run_write_data(const rin_trainer *trainer, rin_error *error) {
    cJSON *root = cJSON_CreateObject(), *classes = cJSON_AddArrayToObject(root, "classes");
    bool ok = classes && cJSON_AddStringToObject(root, "data", trainer->data) &&
              cJSON_AddNumberToObject(root, "items", (double)trainer->was.n_items) &&
              cJSON_AddStringToObject(root, "names", trainer->was.names) &&
              cJSON_AddStringToObject(root, "version", rin_version());
    for (int64_t i = 0; i < trainer->description.n_classes && ok; i++) {
        ok = cJSON_AddItemToArray(classes, cJSON_CreateString(trainer->description.classes[i]));
    }
    char *text = ok ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) return rin_error_set(error, RIN_ERR_MEMORY, "out of memory while writing run.json");
    rin_status status = write_text(trainer, data_name, text, error);
    cJSON_free(text);
    return status;
}

rin_status rin_run_create_folder(rin_trainer *trainer, rin_error *error) {
    rin_status status = rin_dir_create(trainer->run, error);
    if (status == RIN_OK) status = rin_run_settle(trainer, error);
    if (status == RIN_OK) status = rin_run_lock_folder(trainer, error);
    if (status == RIN_OK) status = rin_run_refuse_used(trainer->run, error);
    if (status == RIN_OK) status = rin_run_write_data(trainer, error);
    if (status == RIN_OK) status = rin_run_write_config(trainer, error);
    return status;
}

rin_status rin_run_check_place(const rin_trainer *trainer, rin_error *error) {
    char *path = rin_run_path(trainer, lock_name, error);
    if (!path) return RIN_ERR_MEMORY;
    bool there = rin_lock_is_at(&trainer->lock, path);
    rin_free(path);
    if (there) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_IO,
        "run folder '%s' was moved, removed or replaced while it was trained: nothing is written there; "
        "move it back",
        trainer->run);
}

static rin_status parse_run_json(rin_trainer *trainer, const char *text, size_t n, rin_error *error) {
    cJSON *root = cJSON_ParseWithLength(text, n);
    const char *names = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "names"));
    const char *data = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "data"));
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(root, "items");
    char *classes = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(root, "classes"));
    rin_status status = RIN_OK;
    if (!data || !cJSON_IsNumber(items) || !(items->valuedouble >= 1 && items->valuedouble <= INT32_MAX) || !classes) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "run.json lacks data, items or classes");
    } else {
        trainer->was.n_items = (int64_t)items->valuedouble;
        snprintf(trainer->was.names, sizeof trainer->was.names, "%s", names ? names : "");
        trainer->data = rin_strdup(data, error);
        status = trainer->data ? rin_description_parse_classes(&trainer->description, classes, error) : RIN_ERR_MEMORY;
    }
    cJSON_free(classes);
    cJSON_Delete(root);
    return status;
}

rin_status rin_run_read_folder(rin_trainer *trainer, rin_error *error) {
    char *json = rin_run_path(trainer, data_name, error), *ini = rin_run_path(trainer, config_name, error),
         *text = NULL;
    size_t n = 0;
    rin_status status = json && ini ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK && (!rin_path_exists(json) || !rin_path_exists(ini))) {
        status = rin_error_set(error, RIN_ERR_IO, "'%s' is no run to resume: it has no %s", trainer->run,
                               rin_path_exists(json) ? config_name : data_name);
    }
    if (status == RIN_OK) status = rin_config_load_file(&trainer->config, ini, error);
    if (status == RIN_OK) status = rin_file_read(json, MOST_JSON_BYTES, &text, &n, error);
    trainer->description.config = trainer->config;
    if (status == RIN_OK) status = parse_run_json(trainer, text, n, error);
    rin_free(text);
    rin_free(json);
    rin_free(ini);
    return status;
}

/* ---- sample pictures ---- */

bool rin_run_show(void *user, const rin_progress *progress) {
    rin_trainer *trainer = user;
    const rin_listener *listener = &trainer->listener;
    if (!listener->on_progress || listener->on_progress(listener->user, progress)) return true;
    atomic_store(&trainer->cancelled, true);
    return false;
}

/* Gives video i of a sheet the first frames of a video of the data, as many as the sheet has; the next good one where
 * it is broken. *item: where to look, then where to go on. */
static rin_status give_frames(rin_trainer *trainer, rin_generator *generator, int64_t i, size_t *item,
                              rin_error *error) {
    const rin_config_model *m = &trainer->config.model;
    size_t n = rin_dataset_count(trainer->dataset);
    int64_t there = 0;
    double rate;
    uint8_t *frames = rin_calloc((size_t)m->seq_len, (size_t)(m->image_height * m->image_width * m->image_channels),
                                 error);
    bool broken = true;
    rin_status status = frames ? RIN_OK : RIN_ERR_MEMORY;
    for (size_t tried = 0; tried < n && frames && broken; tried++, *item = (*item + 1) % n) {
        status = rin_dataset_read_frames(trainer->dataset, *item, 0, m->seq_len, (int)m->image_height,
                                         (int)m->image_width, (int)m->image_channels, frames, &there, &rate, error);
        if (status == RIN_OK && there < m->seq_len)
            status = rin_error_set(error, RIN_ERR_FORMAT, "no video is long enough");
        broken = rin_dataset_is_broken(status);
    }
    if (status == RIN_OK) status = rin_generator_give(generator, i, frames, there, error);
    rin_free(frames);
    return status;
}

/* What videos go on from: videos spread over the data. */
static rin_status give_all(rin_trainer *trainer, rin_generator *generator, int64_t count, rin_error *error) {
    if (!trainer->config.model.seq_cond) return RIN_OK;
    if (!trainer->dataset)
        return rin_error_set(error, RIN_ERR_UNSUPPORTED, "the run is finished, its data is not open any more");
    size_t n = rin_dataset_count(trainer->dataset), step = RIN_MAX(n / (size_t)count, 1), item = 0;
    rin_status status = RIN_OK;
    for (int64_t i = 0; i < count && status == RIN_OK; i++, item = (item + step - 1) % n)
        status = give_frames(trainer, generator, i, &item, error);
    return status;
}

static rin_status draw(rin_trainer *trainer, rin_model *model, rin_generator **generator, int64_t rows, int64_t columns,
                       rin_error *error) {
    rin_config config = trainer->config;
    enum { MOST_STEPS = 50 };
    int64_t usual = rin_sampler_find(config.sample.sampler)->steps;
    /* What takes hundreds of steps is no use in a few. */
    if ((config.sample.steps ? config.sample.steps : usual) > MOST_STEPS)
        rin_sample_plainly(&config.sample, RIN_SAMPLER_DDIM, 0);
    config.sample.frames = 0;
    config.sample.strength = 1; /* there is no picture to begin with */
    config.sample.repeats = 1;
    int64_t *classes = rin_calloc((size_t)(rows * columns), sizeof *classes, error);
    if (!classes) return RIN_ERR_MEMORY;
    for (int64_t i = 0; i < rows * columns; i++) classes[i] = config.model.num_classes ? i / columns : -1;
    rin_status status = rin_generator_create(model, &config, rows * columns, classes, (uint64_t)config.train.seed,
                                             generator, error);
    rin_free(classes);
    rin_listener listener = {.on_progress = rin_run_show, .user = trainer};
    if (status == RIN_OK) status = give_all(trainer, *generator, rows * columns, error);
    if (status == RIN_OK) status = rin_generator_run(*generator, listener, error);
    return status;
}

static void name_samples(const rin_trainer *trainer, char *name, size_t size) {
    snprintf(name, size, "samples/step-%09lld.png", (long long)trainer->step);
}

bool rin_run_lacks_samples(const rin_trainer *trainer) {
    const rin_config_train *t = &trainer->config.train;
    char name[sizeof trainer->sample_path];
    if (!trainer->step || !rin_is_due(trainer->step, t->sample_every, t->steps)) return false;
    name_samples(trainer, name, sizeof name);
    char *path = rin_run_path(trainer, name, NULL);
    bool lacks = path && !rin_path_exists(path);
    rin_free(path);
    return lacks;
}

rin_model rin_run_model(const rin_trainer *trainer) {
    rin_model model = {.description = trainer->description, .backend = trainer->backend, .weights = trainer->weights};
    model.description.config = trainer->config;
    model.description.steps = trainer->step;
    return model;
}

rin_status rin_run_write_samples(rin_trainer *trainer, rin_error *error) {
    enum { MOST_CLASSES = 10, A_CLASS = 4 };
    rin_model model = rin_run_model(trainer);
    const rin_config_model *m = &trainer->config.model;
    int64_t rows = m->num_classes ? RIN_MIN(m->num_classes, MOST_CLASSES) : A_CLASS;
    int64_t columns = m->seq_len > 1 ? 1 : A_CLASS; /* of a video a row or two of its frames */
    char *folder = rin_run_path(trainer, "samples", error), *path = NULL;
    rin_generator *generator = NULL;
    name_samples(trainer, trainer->sample_path, sizeof trainer->sample_path);
    rin_status status = folder && (path = rin_run_path(trainer, trainer->sample_path, error)) ? RIN_OK : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_run_check_place(trainer, error);
    if (status == RIN_OK) status = rin_dir_create(folder, error);
    if (status == RIN_OK) status = draw(trainer, &model, &generator, rows, columns, error);
    if (status == RIN_OK) status = rin_run_check_place(trainer, error); /* drawing takes long */
    if (status == RIN_OK) status = rin_generator_write_grid(generator, (int)columns, path, error);
    rin_generator_free(generator);
    rin_free(folder);
    rin_free(path);
    return status;
}
