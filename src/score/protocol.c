/* SPDX-License-Identifier: MIT */
/* What a score depends on besides the pictures, as text; and whether two sets agree in it. */
#include <openssl/evp.h>
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
    if (good && gauge->height) {
        char size[48];
        snprintf(size, sizeof size, "%dx%d", gauge->width, gauge->height);
        good = cJSON_AddStringToObject(json, "fitted", size);
    }
    if (good) return json;
    cJSON_Delete(json);
    return NULL;
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

/* ---- hashes ---- */

static rin_status finish_hash(EVP_MD_CTX *digest, bool good, char out[RIN_WEIGHTS_HASH], rin_error *error) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    good = good && EVP_DigestFinal_ex(digest, bytes, &n);
    for (unsigned i = 0; i < n && 2 * i + 2 < RIN_WEIGHTS_HASH; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", (unsigned)bytes[i]);
    EVP_MD_CTX_free(digest);
    return good ? RIN_OK : rin_error_set(error, RIN_ERR_MEMORY, "no memory for a SHA-256");
}

rin_status rin_hash_text(const char *text, char out[RIN_WEIGHTS_HASH], rin_error *error) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) && EVP_DigestUpdate(digest, text, strlen(text));
    return finish_hash(digest, good, out, error);
}

rin_status rin_hash_model(const rin_model *model, char out[RIN_WEIGHTS_HASH], rin_error *error) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    for (int i = 0; i < model->weights->n_tensors && good; i++) {
        const rin_tensor *tensor = &model->weights->tensors[i];
        float *values = rin_calloc((size_t)tensor->count, sizeof *values, error);
        good = values != NULL;
        if (good) {
            rin_weights_download(model->weights, RIN_ARENA_EMA, tensor, values);
            good = EVP_DigestUpdate(digest, tensor->name, strlen(tensor->name) + 1) &&
                   EVP_DigestUpdate(digest, values, (size_t)tensor->count * sizeof *values);
        }
        rin_free(values);
    }
    return finish_hash(digest, good, out, error);
}
