/* SPDX-License-Identifier: MIT */
/* The bytes as a file of CIFAR-10 records in a folder, their beginning also as its list of class names. */
#include "fuzz/dataset.h"

enum { NAMES = 80 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    size_t n_names = n < NAMES ? n : NAMES;
    fuzz_folder("cifar");
    /* Names first, records behind them: each can change without the other. */
    fuzz_file("cifar/batches.meta.txt", data, n_names);
    fuzz_file("cifar/data_batch_1.bin", data + n_names, n - n_names);
    fuzz_dataset_open("cifar");
    fuzz_dataset_open("cifar/data_batch_1.bin");
    return 0;
}
