/* SPDX-License-Identifier: MIT */
/* loading: loaders of small pictures for tests. Include after cmocka.h. */
#ifndef RIN_TEST_LOADING_H
#define RIN_TEST_LOADING_H

#include "data/corpus.h"

enum { SIDE = 4, ELEMENTS = SIDE * SIDE * 3 };

static inline rin_loader_options usual(int batch) {
    return (rin_loader_options){.height = SIDE, .width = SIDE, .channels = 3, .batch = batch, .seed = 11, .workers = 1};
}

static inline rin_loader *make(const rin_dataset *dataset, rin_loader_options options) {
    rin_loader *loader;
    rin_error error = {0};
    if (rin_loader_create(dataset, &options, &loader, &error) != RIN_OK) fail_msg("%s", error.text);
    return loader;
}

static inline rin_batch next(rin_loader *loader) {
    rin_batch batch;
    rin_error error = {0};
    if (rin_loader_next(loader, &batch, &error) != RIN_OK) fail_msg("%s", error.text);
    return batch;
}

/* Items and images of n batches in a row: items (n * B), images (n * B, ELEMENTS). */
static inline void collect(const rin_dataset *dataset, rin_loader_options o, int n, size_t *items, float *images) {
    rin_loader *loader = make(dataset, o);
    size_t b = (size_t)o.batch;
    for (int k = 0; k < n; k++) {
        rin_batch batch = next(loader);
        assert_int_equal(batch.number, o.start_batch + (uint64_t)k);
        memcpy(items + (size_t)k * b, batch.items, b * sizeof *items);
        memcpy(images + (size_t)k * b * ELEMENTS, batch.images, b * ELEMENTS * sizeof *images);
    }
    rin_loader_free(loader);
}

#endif
