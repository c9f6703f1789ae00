/* SPDX-License-Identifier: MIT */
/* pack: reading of packed videos. */
#include "data/pack.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

struct pack;

typedef struct packed {
    const struct pack *pack;
    int64_t first, count; /* frames */
    double rate;
} packed;

/* Item keys are indices of videos. */
typedef struct pack {
    rin_safetensors *file;
    const rin_stored_tensor *frames;
    size_t n_bytes; /* of a frame */
    packed *videos; /* (n) */
    size_t n;
} pack;

static rin_status pack_probe(const char *path, bool *fits, rin_error *error) {
    (void)error;
    *fits = !rin_path_is_dir(path) && rin_has_suffix(path, RIN_PACK_SUFFIX);
    return RIN_OK;
}

static void pack_close(void *source) {
    pack *p = source;
    if (!p) return;
    rin_safetensors_close(p->file);
    rin_free(p->videos);
    rin_free(p);
}

static rin_status refuse(const char *path, const char *what, rin_error *error) {
    return rin_error_set(error, RIN_ERR_FORMAT,
                         "'%.300s' is no file of packed videos (%s): make one with rin data pack", path, what);
}

static rin_status check_frames(pack *p, const char *path, rin_error *error) {
    const rin_stored_tensor *f = p->frames = rin_safetensors_find(p->file, "frames");
    if (!f || f->type != RIN_STORED_U8 || f->rank != 4) return refuse(path, "it has no frames of bytes", error);
    bool size = f->shape[1] >= 1 && f->shape[1] <= RIN_IMAGE_MAX_SIDE && f->shape[2] >= 1 &&
                f->shape[2] <= RIN_IMAGE_MAX_SIDE && (f->shape[3] == 1 || f->shape[3] == 3);
    if (!size) return refuse(path, "the size of its frames", error);
    p->n_bytes = (size_t)(f->shape[1] * f->shape[2] * f->shape[3]);
    return RIN_OK;
}

bool rin_pack_may_be_at(const char *path) {
    rin_safetensors *file = NULL;
    pack p = {0};
    if (rin_safetensors_open(path, &file, NULL) != RIN_OK) return true; /* nothing, or of no use to anybody */
    p.file = file;
    bool is_one = check_frames(&p, path, NULL) == RIN_OK;
    rin_safetensors_close(file);
    return is_one;
}

void rin_pack_size(const void *source, int *width, int *height) {
    const pack *p = source;
    *width = (int)p->frames->shape[2];
    *height = (int)p->frames->shape[1];
}

/* One number a video; NULL when it is not there or of another type. */
static const rin_stored_tensor *find_row(const pack *p, const char *name, rin_stored_type type) {
    const rin_stored_tensor *t = rin_safetensors_find(p->file, name);
    return t && t->type == type && t->rank == 1 && t->n_elements == p->n ? t : NULL;
}

static rin_status read_rows(pack *p, const char *path, rin_error *error) {
    const rin_stored_tensor *first = rin_safetensors_find(p->file, "first");
    if (!first || first->rank != 1) return refuse(path, "it does not say where its videos begin", error);
    p->n = (size_t)first->n_elements;
    const rin_stored_tensor *rows[] = {find_row(p, "first", RIN_STORED_I64), find_row(p, "counts", RIN_STORED_I64),
                                       find_row(p, "rates", RIN_STORED_F64)};
    if (!rows[0] || !rows[1] || !rows[2]) return refuse(path, "its videos' places and rates", error);
    int64_t *numbers = rin_calloc(2 * p->n, sizeof *numbers, error);
    double *rates = rin_calloc(p->n, sizeof *rates, error);
    p->videos = rin_calloc(p->n, sizeof *p->videos, error);
    rin_status status = numbers && rates && p->videos ? RIN_OK : RIN_ERR_MEMORY;
    for (size_t i = 0; i < 2 && status == RIN_OK; i++)
        status = rin_safetensors_read_bytes(p->file, rows[i], numbers + i * p->n, p->n * sizeof *numbers, error);
    if (status == RIN_OK) status = rin_safetensors_read_double(p->file, rows[2], rates, p->n, error);
    const double least = 1e-6, most = 1e6; /* so that lengths are numbers */
    for (size_t i = 0; i < p->n && status == RIN_OK; i++) {
        int64_t begin = numbers[i], count = numbers[p->n + i], all = p->frames->shape[0];
        bool good = begin >= 0 && begin <= all && count >= 0 && count <= all - begin &&
                    (rates[i] == 0 || (rates[i] >= least && rates[i] <= most));
        if (!good) status = refuse(path, "a video's place or rate", error);
        p->videos[i] = (packed){p, begin, count, rates[i]};
    }
    rin_free(numbers);
    rin_free(rates);
    return status;
}

static rin_status add_names(const pack *p, const char *path, rin_source_request *request, rin_items *items,
                            rin_error *error) {
    const char *text = rin_safetensors_metadata(p->file, "names");
    cJSON *names = text ? cJSON_Parse(text) : NULL, *name = NULL;
    rin_status status = cJSON_IsArray(names) && (size_t)cJSON_GetArraySize(names) == p->n
                            ? RIN_OK
                            : refuse(path, "its videos' names", error);
    size_t i = 0;
    cJSON_ArrayForEach(name, names) {
        if (status == RIN_OK && (!cJSON_IsString(name) || !*name->valuestring))
            status = refuse(path, "a video's name", error);
        if (status == RIN_OK) status = rin_source_go_on(request, items, error);
        if (status == RIN_OK) status = rin_items_add(items, name->valuestring, i++, -1, error);
        if (status != RIN_OK) break;
    }
    cJSON_Delete(names);
    return status;
}

static rin_status pack_open(rin_source_request *request, rin_items *items, void **source, rin_error *error) {
    pack *p = rin_calloc(1, sizeof *p, error);
    *source = NULL;
    if (!p) return RIN_ERR_MEMORY;
    rin_status status = rin_safetensors_open(request->path, &p->file, error);
    if (status == RIN_OK) status = check_frames(p, request->path, error);
    if (status == RIN_OK) status = read_rows(p, request->path, error);
    if (status == RIN_OK) status = add_names(p, request->path, request, items, error);
    if (status == RIN_OK) *source = p;
    else pack_close(p);
    return status;
}

static rin_status read_frame(void *user, int64_t i, rin_image *out, rin_error *error) {
    const packed *v = user;
    const pack *p = v->pack;
    const int64_t *shape = p->frames->shape;
    rin_status status = rin_image_create(out, (int)shape[2], (int)shape[1], (int)shape[3], 1, error);
    if (status != RIN_OK) return status;
    uint64_t offset = (uint64_t)(v->first + i) * p->n_bytes;
    status = rin_safetensors_read_part(p->file, p->frames, offset, out->samples, p->n_bytes, error);
    if (status != RIN_OK) rin_image_clear(out);
    return status;
}

static rin_status pack_video(const void *source, const rin_item *item, rin_video **out, rin_error *error) {
    const pack *p = source;
    packed *v = &p->videos[item->key];
    *out = NULL;
    if (!v->count) return rin_error_set(error, RIN_ERR_FORMAT, "there are no frames of it in the pack");
    return rin_video_open_pictures(v->count, v->rate, read_frame, v, out, error);
}

const rin_source_kind rin_source_pack = {
    .name = "pack",
    .accepts_video = "a " RIN_PACK_SUFFIX " file that rin data pack wrote",
    .probe = pack_probe,
    .open = pack_open,
    .video = pack_video,
    .close = pack_close,
};
