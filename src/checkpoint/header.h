/* SPDX-License-Identifier: MIT */
/* header, inside the room: the JSON header of a safetensors file. */
#ifndef RIN_CHECKPOINT_HEADER_H
#define RIN_CHECKPOINT_HEADER_H

#include "checkpoint/safetensors.h"

typedef struct rin_metadata_pair {
    const char *key, *value;
} rin_metadata_pair;

/* A header's content. Texts point into the characters it was parsed from. */
typedef struct rin_header {
    rin_stored_tensor *tensors; /* by begin */
    const rin_stored_tensor **by_name;
    rin_metadata_pair *metadata; /* by key */
    size_t n_tensors, n_metadata;
} rin_header;

/*
 * Parses and checks a header. text has length + 1 bytes, the last of them 0; it is changed (strings are decoded in
 * place) and must outlive the header. data_bytes: bytes of the file behind the header. On failure *out is empty.
 */
rin_status rin_header_parse(char *text, size_t length, uint64_t data_bytes, rin_header *out,
                            rin_error *error) RIN_CHECKED;
void rin_header_clear(rin_header *header);

/* Elements and bytes of a shape; false when a dimension is negative or a product overflows int64. */
bool rin_stored_size(rin_stored_type type, int rank, const int64_t *shape, uint64_t *n_elements, uint64_t *n_bytes);

#endif
