/* SPDX-License-Identifier: MIT */
/* params.json: that weights by formula are, bit by bit, those that the numbers of a case were made with. */
#include <string.h>

#include "check/evaluation.h"

/* CRC-32 as zlib has it, of the little-endian bytes of floats. */
static uint32_t checksum(const float *values, int64_t n) {
    enum { BYTES = 256, BITS = 8 };
    uint32_t table[BYTES], crc = UINT32_MAX;
    for (uint32_t i = 0; i < BYTES; i++) {
        table[i] = i;
        for (int k = 0; k < BITS; k++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (unsigned k = 0; k < sizeof bits; k++) crc = crc >> BITS ^ table[(crc ^ bits >> BITS * k) & (BYTES - 1)];
    }
    return ~crc;
}

static bool same_shape(const cJSON *row, const rin_shape *shape) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(row, "shape"), *item;
    int i = 0;
    if (!list) return true;
    if (cJSON_GetArraySize(list) != shape->rank) return false;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsNumber(item) || item->valuedouble != (double)shape->dim[i++]) return false;
    }
    return true;
}

/* What is wrong about a row, or NULL. */
static const char *fault_of(const cJSON *row, const rin_tensor *tensor, const float *values) {
    if (!same_shape(row, &tensor->shape)) return "the network has it in another shape";
    double first = (double)values[0], last = (double)values[tensor->count - 1];
    double crc = rin_row_number(row, "crc32", -1);
    if (crc >= 0 && crc != checksum(values, tensor->count)) return "another CRC-32";
    if (rin_row_number(row, "first", first) != first) return "another first number";
    if (rin_row_number(row, "last", last) != last) return "another last number";
    return NULL;
}

static rin_status check_row(rin_check *check, const cJSON *row, int64_t index, const rin_weights *weights,
                            rin_error *error) {
    const char *name = rin_row_word(row, "name", "");
    const rin_tensor *tensor = rin_weights_find(weights, name);
    if (!tensor) return rin_error_set(error, RIN_ERR_FORMAT, "the network has no parameter '%.200s'", name);
    float *values = rin_calloc((size_t)tensor->count, sizeof *values, error);
    rin_weights_source source = rin_formula_weights();
    rin_status status = values ? source.fill(source.user, tensor, values, error) : RIN_ERR_MEMORY;
    const char *fault = status == RIN_OK ? fault_of(row, tensor, values) : NULL;
    if (status == RIN_OK) rin_check_note(check, name, index, fault ? 1 : 0, 0);
    if (fault) status = rin_error_set(error, RIN_ERR_FORMAT, "%.200s: %s", name, fault);
    rin_free(values);
    return status;
}

static rin_status lay_out(const rin_case *c, rin_feature_network network, rin_weights **out, rin_error *error) {
    static const char *const outputs[] = {"logits"};
    rin_graph *graph = rin_graph_create(error);
    if (!graph) return RIN_ERR_MEMORY;
    if (network == RIN_NETWORK_INCEPTION) rin_inception_build(graph, 1, outputs, 1);
    else rin_i3d_build(graph, 1, RIN_I3D_LEAST_FRAMES, outputs, 1);
    rin_status status = rin_graph_status(graph, error);
    if (status == RIN_OK) status = rin_weights_lay_out(graph, c->backend, out, error);
    rin_graph_free(graph);
    return status;
}

rin_status rin_check_parameters(rin_case *c, rin_feature_network network, rin_error *error) {
    static const char file[] = "params.json";
    cJSON *json = NULL;
    const cJSON *row;
    rin_weights *weights = NULL;
    rin_error failure = {0};
    char *path = rin_path_join(c->folder, file, error);
    if (!path) return RIN_ERR_MEMORY;
    bool absent = rin_path_is_absent(path);
    rin_free(path);
    if (absent) return RIN_OK;
    rin_check check = rin_check_begin(c, NULL, file);
    rin_status status = rin_case_read_json(c, file, &json, &failure);
    if (status == RIN_OK && (!cJSON_IsArray(json) || cJSON_GetArraySize(json) > RIN_MOST_ROWS))
        status = rin_error_set(&failure, RIN_ERR_FORMAT, "params.json is no list of parameters");
    if (status == RIN_OK) status = lay_out(c, network, &weights, &failure);
    int64_t index = 0;
    cJSON_ArrayForEach(row, json) {
        if (status == RIN_OK) status = check_row(&check, row, index++, weights, &failure);
    }
    rin_check_end(&check, status, &failure);
    rin_weights_free(weights);
    cJSON_Delete(json);
    return RIN_OK;
}
