/* SPDX-License-Identifier: MIT */
/* The bytes as a trained model: a hostile configuration, class names, tensors that do not fit. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "rin.h"

static void walk_classes(const rin_model *model) {
    int64_t n = rin_model_class_count(model);
    FUZZ_CHECK(n >= 0 && !rin_model_class_name(model, n) && !rin_model_class_name(model, -1));
    for (int64_t i = 0; i < n; i++) {
        const char *name = rin_model_class_name(model, i);
        FUZZ_CHECK(name);
        int64_t found = rin_model_find_class(model, name);
        FUZZ_CHECK(found >= -1 && found < n && (!*name || found >= 0));
    }
}

static void open_model(const char *path, const char *device) {
    rin_model *model;
    rin_error error = {0};
    if (rin_model_open(path, device, 1, &model, &error) != RIN_OK) {
        FUZZ_CHECK(!model && error.code != RIN_OK && error.text[0]);
        return;
    }
    FUZZ_CHECK(rin_config_validate(rin_model_config(model), &error) == RIN_OK && rin_model_steps(model) >= 0);
    walk_classes(model);
    rin_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char path[FUZZ_PATH];
    rin_error error = {0};
    fuzz_file("model.safetensors", data, n);
    (void)fuzz_path("model.safetensors", path);
    for (int json = 0; json < 2; json++) {
        char *text;
        bool described = rin_model_describe(path, json, &text, &error) == RIN_OK;
        FUZZ_CHECK(described == (text != NULL));
        if (described) fuzz_touch(text, strlen(text));
        rin_string_free(text);
    }
    open_model(path, "cpu");
    open_model(path, "ref");
    return 0;
}
