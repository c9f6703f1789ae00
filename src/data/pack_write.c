/* SPDX-License-Identifier: MIT */
/* pack_write: decodes all videos of a data set into one file. */
#include <cjson/cJSON.h>
#include <string.h>

#include "data/clip.h"
#include "data/pack.h"

typedef struct packing {
    const rin_dataset *dataset;
    const rin_pack_options *options;
    size_t n;               /* videos that can be opened */
    size_t *items;          /* (n) */
    int64_t *first, *count; /* (n) places kept for frames, then frames there are */
    double *rates;          /* (n) */
    int64_t total, done;    /* frames */
} packing;

static rin_status go_on(const packing *p, size_t done, size_t total, rin_error *error) {
    const rin_pack_options *o = p->options;
    if (o->progress) o->progress(o->progress_user, done, total);
    if (!o->cancel || !atomic_load(o->cancel)) return RIN_OK;
    return rin_error_set(error, RIN_ERR_CANCELLED, "stopped; nothing was written");
}

static rin_status open_track(const packing *p, size_t item, rin_track *track, rin_error *error) {
    const rin_pack_options *o = p->options;
    return rin_track_open(p->dataset, item, o->height, o->width, o->channels, track, error);
}

static bool leave_out(const packing *p, size_t item, const rin_error *reason) {
    if (!rin_dataset_is_broken(reason->code)) return false;
    rin_log_write(p->options->log, RIN_LOG_WARNING, "left out '%.300s': %s", rin_dataset_item_name(p->dataset, item),
                  reason->text);
    return true;
}

/* Frames that it claims, of which the last is looked for: a file may claim to last for years. */
static rin_status count_frames(const packing *p, size_t item, rin_track *track, uint8_t *frame, rin_error *error) {
    bool there = true;
    rin_status status = open_track(p, item, track, error);
    if (status == RIN_OK && track->claimed) status = rin_track_read(track, track->claimed - 1, frame, &there, error);
    if (status == RIN_OK && !there) track->claimed = track->known;
    return status;
}

/* How many frames there are in each file: so many places are kept. */
static rin_status survey(packing *p, uint8_t *frame, rin_error *error) {
    size_t n = rin_dataset_count(p->dataset);
    p->items = rin_calloc(n, sizeof *p->items, error);
    p->first = rin_calloc(n, sizeof *p->first, error);
    p->count = rin_calloc(n, sizeof *p->count, error);
    p->rates = rin_calloc(n, sizeof *p->rates, error);
    if (!p->items || !p->first || !p->count || !p->rates) return RIN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        rin_track track;
        rin_error reason = {0};
        rin_status status = go_on(p, i, 0, error);
        if (status != RIN_OK) return status;
        status = count_frames(p, i, &track, frame, &reason);
        if (status == RIN_OK) {
            bool clocked = rin_video_get_info(track.video)->rate > 0;
            p->items[p->n] = i;
            p->first[p->n] = p->total;
            p->count[p->n] = track.claimed;
            p->rates[p->n++] = clocked ? track.rate : 0;
            p->total += track.claimed;
        }
        rin_track_close(&track);
        if (status == RIN_OK || leave_out(p, i, &reason)) continue;
        if (error) *error = reason;
        return status;
    }
    return p->n ? RIN_OK : rin_error_set(error, RIN_ERR_FORMAT, "none of the %zu videos can be opened", n);
}

/* As JSON is: any bytes, as the nearest thing that it can hold. */
static rin_status add_names(const packing *p, rin_safetensors_writer *writer, rin_error *error) {
    cJSON *names = cJSON_CreateArray();
    bool ok = names;
    for (size_t i = 0; i < p->n && ok; i++) {
        cJSON *name = cJSON_CreateString(rin_dataset_item_name(p->dataset, p->items[i]));
        if (name) rin_text_make_utf8(name->valuestring);
        ok = cJSON_AddItemToArray(names, name);
    }
    char *text = ok ? cJSON_PrintUnformatted(names) : NULL;
    rin_status status = text ? rin_safetensors_writer_add_metadata(writer, "names", text, error)
                             : rin_error_set(error, RIN_ERR_MEMORY, "out of memory for names");
    cJSON_free(text);
    cJSON_Delete(names);
    return status;
}

static rin_status declare(const packing *p, rin_safetensors_writer *writer, rin_error *error) {
    const rin_pack_options *o = p->options;
    int64_t n = (int64_t)p->n, shape[4] = {p->total, o->height, o->width, o->channels};
    rin_status status = rin_safetensors_writer_add(writer, "frames", RIN_STORED_U8, 4, shape, error);
    if (status == RIN_OK) status = rin_safetensors_writer_add(writer, "first", RIN_STORED_I64, 1, &n, error);
    if (status == RIN_OK) status = rin_safetensors_writer_add(writer, "counts", RIN_STORED_I64, 1, &n, error);
    if (status == RIN_OK) status = rin_safetensors_writer_add(writer, "rates", RIN_STORED_F64, 1, &n, error);
    return status == RIN_OK ? add_names(p, writer, error) : status;
}

/* Frames up to the claimed end; the places of those that are missing are filled with black. */
static rin_status write_video(packing *p, size_t i, rin_safetensors_writer *writer, uint8_t *frame, rin_error *error) {
    int64_t places = p->count[i], n = 0;
    rin_track track;
    rin_error reason = {0};
    bool there = true;
    rin_status status = open_track(p, p->items[i], &track, &reason), written = RIN_OK;
    for (int64_t k = 0; k < places && written == RIN_OK; k++) {
        if (there && status == RIN_OK) status = rin_track_read(&track, k, frame, &there, &reason);
        if (there && status == RIN_OK) n++;
        else memset(frame, 0, track.n_bytes);
        written = rin_safetensors_writer_write(writer, frame, track.n_bytes, error);
        if (written == RIN_OK) written = go_on(p, (size_t)++p->done, (size_t)p->total, error);
    }
    rin_track_close(&track);
    p->count[i] = n;
    if (written != RIN_OK || status == RIN_OK || leave_out(p, p->items[i], &reason)) return written;
    if (error) *error = reason;
    return status;
}

static rin_status write_all(packing *p, const char *path, rin_safetensors_writer *writer, uint8_t *frame,
                            rin_error *error) {
    rin_status status = declare(p, writer, error);
    if (status == RIN_OK) status = rin_safetensors_writer_begin(writer, path, error);
    for (size_t i = 0; i < p->n && status == RIN_OK; i++) status = write_video(p, i, writer, frame, error);
    const void *rows[] = {p->first, p->count, p->rates};
    for (size_t i = 0; i < RIN_COUNT(rows) && status == RIN_OK; i++)
        status = rin_safetensors_writer_write(writer, rows[i], p->n * sizeof(int64_t), error);
    return status == RIN_OK ? rin_safetensors_writer_commit(writer, error) : status;
}

rin_status rin_dataset_pack(const rin_dataset *dataset, const char *path, const rin_pack_options *options,
                            size_t *n_videos, int64_t *n_frames, rin_error *error) {
    packing p = {.dataset = dataset, .options = options};
    rin_safetensors_writer *writer = NULL;
    *n_videos = 0;
    *n_frames = 0;
    if (!rin_has_suffix(path, RIN_PACK_SUFFIX))
        return rin_error_set(error, RIN_ERR_ARG, "'%.300s': the name of a pack ends in " RIN_PACK_SUFFIX, path);
    if (!rin_pack_may_be_at(path))
        return rin_error_set(error, RIN_ERR_ARG, "'%.300s' is there and no pack: name another file", path);
    uint8_t *frame = rin_calloc((size_t)options->height * (size_t)options->width, (size_t)options->channels, error);
    rin_status status = frame ? survey(&p, frame, error) : RIN_ERR_MEMORY;
    if (status == RIN_OK) status = rin_safetensors_writer_create(&writer, error);
    if (status == RIN_OK) status = write_all(&p, path, writer, frame, error);
    if (status == RIN_OK) *n_videos = p.n;
    for (size_t i = 0; i < p.n && status == RIN_OK; i++) *n_frames += p.count[i];
    rin_safetensors_writer_free(writer);
    rin_free(frame);
    rin_free(p.items);
    rin_free(p.first);
    rin_free(p.count);
    rin_free(p.rates);
    return status;
}
