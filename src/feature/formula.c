/* SPDX-License-Identifier: MIT */
/* Weights by formula: section 12 of the evaluation document. */
#include "feature/feature.h"

#include <math.h>
#include <string.h>

static uint64_t seed_of(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

/* Of (-1, 1), exact. */
static double uniform(uint64_t seed, uint64_t index) {
    uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(2 * (int64_t)(z >> 40) + 1 - (1 << 24)) / (1 << 24);
}

double rin_formula_projection(const char *name, const double *values, int64_t n) {
    char full[256];
    snprintf(full, sizeof full, "projection/%s", name);
    uint64_t seed = seed_of(full);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += values[i] * uniform(seed, (uint64_t)i);
    return sum;
}

static rin_status fill(void *user, const rin_tensor *tensor, float *values, rin_error *error) {
    (void)user;
    (void)error;
    double shift = 0, scale = 0;
    if (rin_has_suffix(tensor->name, "bn.running_mean")) scale = 0.1;
    else if (rin_has_suffix(tensor->name, "bn.running_var") || rin_has_suffix(tensor->name, "bn.weight"))
        shift = 1, scale = 0.5;
    else if (rin_has_suffix(tensor->name, "bn.bias")) scale = 0.25;
    else if (rin_has_suffix(tensor->name, "bias")) scale = 0.5;
    else if (strcmp(tensor->name, "fc.weight") == 0) scale = sqrt(3.0 / 2048);
    else scale = sqrt(6.0 / (double)(tensor->count / tensor->shape.dim[0]));
    uint64_t seed = seed_of(tensor->name);
    for (int64_t i = 0; i < tensor->count; i++) {
        double u = uniform(seed, (uint64_t)i);
        values[i] = (float)(shift ? shift + scale * u : u * scale);
    }
    return RIN_OK;
}

rin_weights_source rin_formula_weights(void) {
    return (rin_weights_source){fill, NULL};
}
