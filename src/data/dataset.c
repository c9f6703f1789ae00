/* SPDX-License-Identifier: MIT */
/* dataset: finds the kind of a source, opens it and reads its items. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "data/clip.h"
#include "data/pack.h"
#include "data/threads.h"

/* The first that recognises the path is taken. */
static const rin_source_kind *const kinds[] = {&rin_source_cifar, &rin_source_archive, &rin_source_pack,
                                               &rin_source_file, &rin_source_folder};

/* ---- opening ---- */

/* What is accepted; NULL when this kind holds nothing of what is wanted. */
static const char *accepts(const rin_source_kind *kind, bool videos) {
    return videos ? kind->accepts_video : kind->accepts;
}

static rin_status refuse(rin_status code, const char *what, bool videos, rin_error *error) {
    rin_text accepted = {0};
    for (size_t i = RIN_COUNT(kinds); i-- > 0;) {
        const char *text = accepts(kinds[i], videos);
        if (text) rin_text_add(&accepted, "%s%s", accepted.length ? "; " : "", text);
    }
    (void)rin_error_set(error, code, "%s. Accepted are: %s", what, accepted.chars ? accepted.chars : "data sets");
    rin_text_clear(&accepted);
    return code;
}

static const char for_foreign[] = "convert HEIC, AVIF, TIFF, BMP and the like to JPEG or PNG";
static const char for_videos[] = " (videos are for a video model, such as --preset small-video)";

static rin_status find_kind(const char *path, bool videos, const rin_source_kind **kind, rin_error *error) {
    struct stat info;
    char what[512];
    if (stat(path, &info) != 0) {
        snprintf(what, sizeof what, "cannot open '%.300s': %s", path, strerror(errno));
        return refuse(RIN_ERR_IO, what, videos, error);
    }
    bool usable = S_ISDIR(info.st_mode) || S_ISREG(info.st_mode);
    for (size_t i = 0; i < RIN_COUNT(kinds) && usable; i++) {
        bool fits = false;
        if (!accepts(kinds[i], videos)) continue;
        rin_status status = kinds[i]->probe(path, &fits, error);
        if (fits) *kind = kinds[i];
        if (status != RIN_OK || fits) return status;
    }
    const char *hint = usable && !videos && rin_name_is_video(path) ? for_videos
                       : usable && rin_name_is_picture(path)        ? " (give the folder that it lies in)"
                                                                    : "";
    snprintf(what, sizeof what, "'%.300s' is %s, not a data set%s", path,
             usable ? "a file of another kind" : "neither a file nor a folder", hint);
    return refuse(RIN_ERR_FORMAT, what, videos, error);
}

static rin_status check_not_empty(const rin_dataset *dataset, const char *path, rin_error *error) {
    const rin_items *items = &dataset->items;
    if (items->n) return RIN_OK;
    char what[768];
    int n = snprintf(what, sizeof what, "the %s '%.300s' holds no %s, only %zu hidden and %zu other files",
                     dataset->kind->name, path, rin_items_noun(items), items->n_hidden, items->n_other);
    if (items->first_other)
        snprintf(what + n, sizeof what - (size_t)n, " such as '%.200s'%s%s", items->first_other,
                 items->n_videos    ? for_videos
                 : items->n_foreign ? ": "
                                    : "",
                 items->n_foreign && !items->n_videos ? for_foreign : "");
    return refuse(RIN_ERR_FORMAT, what, items->videos, error);
}

static void report_left_out(const rin_items *items, rin_log log) {
    if (items->n_other) {
        rin_log_write(log, RIN_LOG_INFO, "left out %zu files that are not %s to be used, such as '%.200s'",
                      items->n_other, rin_items_noun(items), items->first_other ? items->first_other : "?");
    }
    if (items->n_foreign && !items->videos)
        rin_log_write(log, RIN_LOG_WARNING, "%zu of them are pictures of kinds that are not read: %s", items->n_foreign,
                      for_foreign);
    if (items->n_hidden) rin_log_write(log, RIN_LOG_INFO, "left out %zu hidden files", items->n_hidden);
}

void rin_loading_tell(const rin_listener *listener, const char *doing, size_t done, size_t total, double since,
                      atomic_bool *cancel) {
    rin_progress progress = {
        .doing = doing, .done = (int64_t)done, .total = (int64_t)total, .seconds = rin_clock_seconds() - since};
    if (listener->on_progress && !listener->on_progress(listener->user, &progress)) atomic_store(cancel, true);
}

void rin_loading_show(void *loading, size_t done, size_t total) {
    rin_loading *l = loading;
    rin_loading_tell(&l->listener, "load", done, total, l->begun, &l->cancel);
}

rin_status rin_source_go_on(rin_source_request *request, const rin_items *items, rin_error *error) {
    enum { EVERY = 64 };
    const double interval = 0.2;
    if (request->progress && request->calls++ % EVERY == 0 && rin_clock_seconds() - request->shown > interval) {
        request->shown = rin_clock_seconds();
        request->progress(request->progress_user, items->n, 0);
    }
    if (!request->cancel || !atomic_load(request->cancel)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_CANCELLED, "stopped while listing '%s'", request->path);
}

static rin_status check_clip(const rin_clip *c, rin_error *error) {
    if (!c->frames) return RIN_OK;
    bool allowed = c->frames >= 1 && c->frames <= RIN_CLIP_MOST && c->step >= 1 && c->step <= RIN_CLIP_MOST &&
                   c->fps >= 0 && c->fps <= 1000;
    if (allowed) return RIN_OK;
    return rin_error_set(
        error, RIN_ERR_ARG,
        "clips of %lld frames, every %lldth at %g a second; allowed are 1 to %d, 1 to %d and 0 to 1000",
        (long long)c->frames, (long long)c->step, c->fps, RIN_CLIP_MOST, RIN_CLIP_MOST);
}

rin_status rin_dataset_open(const char *path, const rin_dataset_options *options, rin_log log, rin_dataset **out,
                            rin_error *error) {
    *out = NULL;
    uint64_t bytes = options && options->memory_bytes ? options->memory_bytes : rin_memory_total() / 4;
    rin_source_request request = {.path = path, .memory_bytes = (size_t)RIN_MIN(bytes, SIZE_MAX), .log = log};
    if (options) {
        request.cancel = options->cancel;
        request.progress = options->progress;
        request.progress_user = options->progress_user;
    }
    request.shown = rin_clock_seconds();
    rin_dataset *dataset = rin_calloc(1, sizeof *dataset, error);
    if (!dataset) return RIN_ERR_MEMORY;
    dataset->items.most_bytes = request.memory_bytes;
    if (options) dataset->clip = options->clip;
    dataset->items.videos = dataset->clip.frames > 0;
    rin_status status = check_clip(&dataset->clip, error);
    if (status == RIN_OK) status = find_kind(path, dataset->items.videos, &dataset->kind, error);
    if (status == RIN_OK) status = dataset->kind->open(&request, &dataset->items, &dataset->source, error);
    if (status == RIN_OK) status = check_not_empty(dataset, path, error);
    if (status != RIN_OK) {
        rin_dataset_close(dataset);
        return status;
    }
    report_left_out(&dataset->items, log);
    *out = dataset;
    return RIN_OK;
}

void rin_dataset_warn_of_size(const rin_dataset *dataset, int width, int height, rin_log log) {
    int own_width, own_height;
    if (dataset->kind != &rin_source_pack) return;
    rin_pack_size(dataset->source, &own_width, &own_height);
    if (own_width == width && own_height == height) return;
    rin_log_write(
        log, RIN_LOG_WARNING,
        "the frames of the pack have %d x %d pixels and are resized to the %d x %d of the model: a pack of the "
        "model's size (rin data pack --size %dx%d) has them as they are",
        own_width, own_height, width, height, width, height);
}

void rin_dataset_close(rin_dataset *dataset) {
    if (!dataset) return;
    if (dataset->kind) dataset->kind->close(dataset->source);
    rin_items_clear(&dataset->items);
    rin_free(dataset);
}

/* ---- what is in it ---- */

const char *rin_dataset_kind(const rin_dataset *dataset) {
    return dataset->kind->name;
}

size_t rin_dataset_count(const rin_dataset *dataset) {
    return dataset->items.n;
}

size_t rin_dataset_n_classes(const rin_dataset *dataset) {
    return dataset->items.n_classes;
}

size_t rin_dataset_n_ignored(const rin_dataset *dataset) {
    return dataset->items.n_hidden + dataset->items.n_other;
}

size_t rin_dataset_n_videos_ignored(const rin_dataset *dataset) {
    return dataset->items.n_videos;
}

const char *rin_dataset_class_name(const rin_dataset *dataset, size_t class_index) {
    return dataset->items.classes[class_index];
}

size_t rin_dataset_class_count(const rin_dataset *dataset, size_t class_index) {
    return dataset->items.class_counts[class_index];
}

const char *rin_dataset_item_name(const rin_dataset *dataset, size_t index) {
    return dataset->items.items[index].name;
}

int32_t rin_dataset_item_label(const rin_dataset *dataset, size_t index) {
    return dataset->items.items[index].label;
}

bool rin_dataset_is_video(const rin_dataset *dataset) {
    return dataset->items.videos;
}

bool rin_dataset_is_broken(rin_status status) {
    return status == RIN_ERR_FORMAT || status == RIN_ERR_UNSUPPORTED;
}

rin_status rin_dataset_decode_file(const rin_dataset *dataset, const rin_item *item, rin_alpha alpha, rin_image *out,
                                   rin_error *error) {
    rin_input file;
    void *bytes = NULL;
    rin_status status = dataset->kind->file(dataset->source, item, &file, error);
    if (status != RIN_OK) return status;
    if (file.memory) {
        status = rin_image_decode_as(file.memory, (size_t)file.bytes, alpha, out, error);
    } else if (file.bytes > RIN_MAX_ITEM_BYTES) {
        status = rin_error_set(error, RIN_ERR_FORMAT, "it has %llu bytes, more than the %zu allowed",
                               (unsigned long long)file.bytes, RIN_MAX_ITEM_BYTES);
    } else {
        bytes = rin_calloc((size_t)file.bytes, 1, error);
        status = bytes ? rin_input_read(&file, 0, bytes, (size_t)file.bytes, error) : RIN_ERR_MEMORY;
        if (status == RIN_OK) status = rin_image_decode_as(bytes, (size_t)file.bytes, alpha, out, error);
    }
    rin_free(bytes);
    rin_input_close(&file);
    return status;
}

/* The first frame of a video stands for it. */
static rin_status decode_item(const rin_dataset *dataset, size_t index, rin_alpha alpha, rin_image *out,
                              rin_error *error) {
    const rin_source_kind *kind = dataset->kind;
    const rin_item *item = &dataset->items.items[index];
    if (dataset->items.videos) return rin_track_first(dataset, index, out, error);
    return kind->image ? kind->image(dataset->source, item, out, error)
                       : rin_dataset_decode_file(dataset, item, alpha, out, error);
}

rin_status rin_dataset_decode(const rin_dataset *dataset, size_t index, rin_image *out, rin_error *error) {
    return rin_dataset_decode_as(dataset, index, RIN_ALPHA_OVER_WHITE, out, error);
}

rin_status rin_dataset_decode_as(const rin_dataset *dataset, size_t index, rin_alpha alpha, rin_image *out,
                                 rin_error *error) {
    *out = (rin_image){0};
    if (index >= dataset->items.n) {
        return rin_error_set(error, RIN_ERR_ARG, "there is no item %zu; the data set has %zu", index, dataset->items.n);
    }
    rin_status status = decode_item(dataset, index, alpha, out, error);
    return status == RIN_OK ? status
                            : rin_error_prefix(error, status, "'%.300s'", rin_dataset_item_name(dataset, index));
}

rin_status rin_dataset_load(const rin_dataset *dataset, size_t index, int height, int width, int channels, float *out,
                            rin_error *error) {
    rin_image image;
    rin_status status = rin_dataset_decode(dataset, index, &image, error);
    if (status == RIN_OK) status = rin_image_fit(&image, height, width, channels, out, error);
    rin_image_clear(&image);
    return status;
}
