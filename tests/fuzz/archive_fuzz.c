/* SPDX-License-Identifier: MIT */
/* The bytes as an archive of pictures: tar, compressed or not, or zip; the reader tells them by their content. */
#include "fuzz/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    fuzz_file("pictures.tar", data, n);
    fuzz_dataset_open("pictures.tar");
    return 0;
}
