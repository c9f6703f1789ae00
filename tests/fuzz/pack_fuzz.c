/* SPDX-License-Identifier: MIT */
/* The bytes as a file of packed videos: everything in it, and the clips of the first ones. */
#include "fuzz/dataset.h"

enum { SIDE = 4, FRAMES = 3, MOST_VIDEOS = 4 };

static void load_clips(const rin_dataset *dataset, size_t index) {
    float pixels[FRAMES * SIDE * SIDE * 3];
    rin_error error = {0};
    int64_t n;
    bool counted = rin_dataset_count_clips(dataset, index, &n, &error) == RIN_OK;
    FUZZ_CHECK(counted ? n >= 1 : n == 0 && error.text[0]);
    for (int64_t i = 0; i < 2; i++) { /* the last one, then one behind it */
        rin_status status = rin_dataset_load_clip(dataset, index, (counted ? n - 1 : 0) + i, SIDE, SIDE, 3, pixels,
                                                  &error);
        FUZZ_CHECK(status == RIN_OK ? counted : error.text[0]);
        for (size_t k = 0; status == RIN_OK && k < sizeof pixels / sizeof *pixels; k++)
            FUZZ_CHECK(pixels[k] >= 0 && pixels[k] <= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char path[FUZZ_PATH];
    rin_dataset *dataset;
    rin_error error = {0};
    const rin_dataset_options options = {.clip = {.frames = FRAMES, .step = 2}, .memory_bytes = 8 << 20};
    rin_log log = {fuzz_dataset_log, NULL};
    fuzz_file("videos.safetensors", data, n);
    rin_status status = rin_dataset_open(fuzz_path("videos.safetensors", path), &options, log, &dataset, &error);
    if (status != RIN_OK) {
        FUZZ_CHECK(!dataset && error.code == status && error.text[0]);
        return 0;
    }
    fuzz_dataset_walk(dataset);
    for (size_t i = 0; i < rin_dataset_count(dataset) && i < MOST_VIDEOS; i++) load_clips(dataset, i);
    rin_dataset_close(dataset);
    return 0;
}
