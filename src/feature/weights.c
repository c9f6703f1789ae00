/* SPDX-License-Identifier: MIT */
/* Weights from the public files, converted to safetensors; which tensors must be there is what the network says. */
#include <math.h>
#include <string.h>

#include "checkpoint/safetensors.h"
#include "feature/feature.h"

const char *rin_feature_network_name(rin_feature_network network) {
    return network == RIN_NETWORK_INCEPTION ? "inception" : "i3d";
}

int64_t rin_feature_count(rin_feature_network network) {
    return network == RIN_NETWORK_INCEPTION ? RIN_INCEPTION_FEATURES : RIN_I3D_FEATURES;
}

/* What a user without the file has to do. */
static const char *advice(rin_feature_network network) {
#define CONVERT(file, to)                                                                             \
    ", once, and convert it by: python -c \"import torch,safetensors.torch as s; d=torch.load('" file \
    "',map_location='cpu',weights_only=True); s.save_file({k:v.float().contiguous() for k,v in "      \
    "d.items() if not k.endswith('num_batches_tracked')},'" to "')\""
    if (network == RIN_NETWORK_INCEPTION) {
        return "get pt_inception-2015-12-05-6726825d.pth from the release fid_weights of mseitzer/pytorch-fid" CONVERT(
            "pt_inception-2015-12-05-6726825d.pth", "inception_fid.safetensors");
    }
    return "get i3d_pretrained_400.pt from the repository songweige/TATS, tats/fvd" CONVERT("i3d_pretrained_400.pt",
                                                                                            "i3d.safetensors");
#undef CONVERT
}

/* ---- other names of I3D's tensors ---- */

/* Beginnings of a unit's name, or parts of one, in the order in which they are replaced. */
static const struct {
    const char *ours, *theirs;
} other_names[] = {
    {"Conv3d_", "conv3d_"},    {"Mixed_", "mixed_"},          {".b0.", ".branch_0."},    {".b1a.", ".branch_1.0."},
    {".b1b.", ".branch_1.1."}, {".b2a.", ".branch_2.0."},     {".b2b.", ".branch_2.1."}, {".b3b.", ".branch_3.1."},
    {".bn.", ".batch3d."},     {"logits.", "conv3d_0c_1x1."},
};

enum { LONGEST = 128 };

/* The name that hassony2's port gives a tensor. */
static void rename_i3d(const char *name, char out[LONGEST]) {
    snprintf(out, LONGEST, "%s", name);
    for (size_t i = 0; i < RIN_COUNT(other_names); i++) {
        char *at = strstr(out, other_names[i].ours), rest[LONGEST];
        if (!at) continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(other_names[i].ours));
        snprintf(at, LONGEST - (size_t)(at - out), "%s%s", other_names[i].theirs, rest);
    }
}

/* ---- reading ---- */

typedef struct reader {
    rin_feature_network network;
    const char *path;
    rin_safetensors *file;
    bool *used; /* [tensors of file] */
} reader;

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

static const rin_stored_tensor *find(reader *r, const char *name) {
    char other[LONGEST];
    const rin_stored_tensor *tensor = rin_safetensors_find(r->file, name);
    if (!tensor && r->network == RIN_NETWORK_I3D) {
        rename_i3d(name, other);
        tensor = rin_safetensors_find(r->file, other);
    }
    for (size_t i = 0; tensor && i < rin_safetensors_count(r->file); i++) {
        if (rin_safetensors_get(r->file, i) == tensor) r->used[i] = true;
    }
    return tensor;
}

static rin_status fill(void *user, const rin_tensor *wanted, float *values, rin_error *error) {
    reader *r = user;
    char text[96];
    const rin_stored_tensor *tensor = find(r, wanted->name);
    /* The network was trained without batch norm's scale, which some files leave out. */
    if (!tensor && r->network == RIN_NETWORK_I3D && has_suffix(wanted->name, ".bn.weight")) {
        for (int64_t i = 0; i < wanted->count; i++) values[i] = 1;
        return RIN_OK;
    }
    if (!tensor) {
        return rin_error_set(error, RIN_ERR_FORMAT, "'%s' has no tensor '%s'; are these the weights of %s? If not, %s",
                             r->path, wanted->name, rin_feature_network_name(r->network), advice(r->network));
    }
    bool same = tensor->rank == wanted->shape.rank;
    for (int i = 0; same && i < tensor->rank; i++) same = tensor->shape[i] == wanted->shape.dim[i];
    if (!same) {
        return rin_error_set(error, RIN_ERR_SHAPE, "'%s': tensor '%s' is not %s as it should be", r->path, tensor->name,
                             rin_shape_text(&wanted->shape, text));
    }
    rin_status status = rin_safetensors_read(r->file, tensor, values, (size_t)wanted->count, error);
    bool variance = has_suffix(wanted->name, ".running_var");
    for (int64_t i = 0; i < wanted->count && status == RIN_OK; i++) {
        if (!isfinite(values[i]) || (variance && values[i] < 0))
            status = rin_error_set(error, RIN_ERR_NUMERIC, "'%s': number %lld of tensor '%s' is %s", r->path,
                                   (long long)i, tensor->name,
                                   variance ? "no variance: they are finite and at least 0" : "not finite");
    }
    return status;
}

/* Tensors that the network has no use for mean another network. */
static rin_status check_rest(const reader *r, rin_error *error) {
    for (size_t i = 0; i < rin_safetensors_count(r->file); i++) {
        const char *name = rin_safetensors_get(r->file, i)->name;
        if (r->used[i] || has_suffix(name, "num_batches_tracked")) continue;
        return rin_error_set(error, RIN_ERR_FORMAT,
                             "'%s' has a tensor '%.200s' that %s does not have: it is another network's file", r->path,
                             name, rin_feature_network_name(r->network));
    }
    return RIN_OK;
}

rin_status rin_extractor_open(const rin_extractor_options *options, const char *path, rin_extractor **out,
                              rin_error *error) {
    *out = NULL;
    const char *name = rin_feature_network_name(options->network);
    if (!path || !*path) {
        return rin_error_set(error, RIN_ERR_ARG, "no weights of %s are given; %s", name, advice(options->network));
    }
    if (rin_path_is_absent(path)) {
        return rin_error_set(error, RIN_ERR_IO, "there is no file '%.200s' with the weights of %s; %s", path, name,
                             advice(options->network));
    }
    reader r = {.network = options->network, .path = path};
    rin_status status = rin_safetensors_open(path, &r.file, error);
    if (status == RIN_OK) {
        r.used = rin_calloc(rin_safetensors_count(r.file) + 1, sizeof *r.used, error);
        status = r.used ? rin_extractor_create(options, (rin_weights_source){fill, &r}, out, error) : RIN_ERR_MEMORY;
    }
    if (status == RIN_OK) status = check_rest(&r, error);
    if (status != RIN_OK) {
        rin_extractor_free(*out);
        *out = NULL;
    }
    rin_safetensors_close(r.file);
    rin_free(r.used);
    return status;
}
