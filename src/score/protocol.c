/* SPDX-License-Identifier: MIT */
/* What a score depends on besides the pictures, as text; and whether two sets agree in it. */
#include <string.h>

#include "score/score.h"

/* Properties of features that must be the same in both sets. */
static const char *const compared[] = {"network", "weights", "preprocess", "frames"};

cJSON *rin_protocol_of_gauge(const rin_gauge *gauge) {
    cJSON *json = cJSON_CreateObject();
    bool good = json && cJSON_AddStringToObject(json, "network", rin_feature_network_name(gauge->network)) &&
                cJSON_AddStringToObject(json, "weights",
                                        gauge->extractor ? rin_extractor_weights_hash(gauge->extractor) : "") &&
                cJSON_AddStringToObject(json, "preprocess", rin_preprocess_name(gauge->options.preprocess));
    if (good && gauge->clip.frames) good = cJSON_AddNumberToObject(json, "frames", (double)gauge->clip.frames);
    if (good) return json;
    cJSON_Delete(json);
    return NULL;
}

bool rin_protocol_add_path(cJSON *json, const char *key, const char *path) {
    char *text = rin_strdup(path, NULL);
    if (text) rin_text_make_utf8(text);
    bool good = text && cJSON_AddStringToObject(json, key, text);
    rin_free(text);
    return good;
}

rin_status rin_protocol_text(const rin_gauge *gauge, const char *key, const cJSON *part, char **out, rin_error *error) {
    cJSON *json = rin_protocol_of_gauge(gauge), *copy = json ? cJSON_Duplicate(part, true) : NULL;
    bool good = copy && cJSON_AddItemToObject(json, key, copy);
    if (!good) cJSON_Delete(copy);
    char *text = good ? cJSON_PrintUnformatted(json) : NULL;
    *out = text ? rin_strdup(text, error) : NULL;
    cJSON_free(text);
    cJSON_Delete(json);
    return *out ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
}

static rin_status differ(const char *path, const char *key, const char *theirs, const char *ours, rin_error *error) {
    return rin_error_set(
        error, RIN_ERR_ARG,
        "'%.300s' was made with %s %.80s, the other set with %.80s: such scores mean nothing; make the statistics "
        "anew (rin eval stats) or allow it (--mix)",
        path, key, theirs, ours);
}

static rin_status compare(const cJSON *theirs, const cJSON *ours, const char *path, rin_error *error) {
    rin_status status = RIN_OK;
    if (!cJSON_IsObject(theirs) || !cJSON_IsObject(ours))
        return rin_error_set(error, RIN_ERR_FORMAT, "'%.300s': its protocol is none of this program's", path);
    for (size_t i = 0; i < RIN_COUNT(compared) && status == RIN_OK; i++) {
        const cJSON *a = cJSON_GetObjectItemCaseSensitive(theirs, compared[i]);
        const cJSON *b = cJSON_GetObjectItemCaseSensitive(ours, compared[i]);
        if (cJSON_Compare(a, b, true) || (!a && !b)) continue;
        char *before = a ? cJSON_PrintUnformatted(a) : NULL, *now = b ? cJSON_PrintUnformatted(b) : NULL;
        status = differ(path, compared[i], before ? before : "unknown", now ? now : "unknown", error);
        cJSON_free(before);
        cJSON_free(now);
    }
    return status;
}

rin_status rin_protocol_check(const rin_gauge *gauge, const char *protocol, const char *path, rin_error *error) {
    cJSON *theirs = cJSON_Parse(protocol), *ours = rin_protocol_of_gauge(gauge);
    rin_status status = ours ? compare(theirs, ours, path, error)
                             : rin_error_set(error, RIN_ERR_MEMORY, "no memory for the protocol");
    cJSON_Delete(theirs);
    cJSON_Delete(ours);
    return status;
}

rin_status rin_protocols_compare(const char *protocol, const char *other, const char *path, rin_error *error) {
    cJSON *theirs = cJSON_Parse(protocol), *ours = cJSON_Parse(other);
    rin_status status = compare(theirs, ours, path, error);
    cJSON_Delete(theirs);
    cJSON_Delete(ours);
    return status;
}
