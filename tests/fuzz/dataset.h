/* SPDX-License-Identifier: MIT */
/* dataset: opens a data set of a target's folder and walks everything in it. */
#ifndef RIN_TESTS_FUZZ_DATASET_H
#define RIN_TESTS_FUZZ_DATASET_H

#include "fuzz/fuzz.h"

#include <string.h>

#include "data/data.h"

enum { FUZZ_MOST_ITEMS = 16 };

static inline void fuzz_dataset_log(void *user, rin_log_level level, const char *text) {
    (void)user, (void)level;
    fuzz_touch(text, strlen(text));
}

static inline void fuzz_dataset_decode(const rin_dataset *dataset, size_t index) {
    rin_image image;
    rin_error error = {0};
    if (rin_dataset_decode(dataset, index, &image, &error) == RIN_OK) FUZZ_CHECK(image.samples && image.width >= 1);
    else FUZZ_CHECK(!image.samples && error.text[0]);
    rin_image_clear(&image);
}

static inline void fuzz_dataset_walk(const rin_dataset *dataset) {
    size_t n = rin_dataset_count(dataset), n_classes = rin_dataset_n_classes(dataset), counted = 0;
    FUZZ_CHECK(n >= 1);
    for (size_t i = 0; i < n_classes; i++) {
        FUZZ_CHECK(rin_dataset_class_name(dataset, i));
        counted += rin_dataset_class_count(dataset, i);
    }
    FUZZ_CHECK(!n_classes || counted == n);
    for (size_t i = 0; i < n; i++) {
        int32_t label = rin_dataset_item_label(dataset, i);
        FUZZ_CHECK(n_classes ? label >= 0 && (size_t)label < n_classes : label == -1);
        FUZZ_CHECK(*rin_dataset_item_name(dataset, i));
        if (i < FUZZ_MOST_ITEMS) fuzz_dataset_decode(dataset, i);
    }
}

/* name: in the target's folder. */
static inline void fuzz_dataset_open(const char *name) {
    char path[FUZZ_PATH];
    rin_dataset *dataset;
    rin_error error = {0};
    rin_dataset_options options = {.memory_bytes = 8 << 20};
    rin_log log = {fuzz_dataset_log, NULL};
    if (rin_dataset_open(fuzz_path(name, path), &options, log, &dataset, &error) == RIN_OK) fuzz_dataset_walk(dataset);
    else FUZZ_CHECK(!dataset && error.code != RIN_OK && error.text[0]);
    rin_dataset_close(dataset);
}

#endif
