/* SPDX-License-Identifier: MIT */
/* store: the items at one size, kept in memory or decoded when asked for. Inside the data room only. */
#ifndef RIN_DATA_STORE_H
#define RIN_DATA_STORE_H

#include "data/data.h"

typedef struct rin_store rin_store;

/*
 * Takes size, strictness, cache, threads (workers, not 0), cancel, log and progress from the loader's options and fills
 * the cache when the whole set is expected to fit. Items that turn out not to fit are decoded when asked for.
 * Ownership: *out is freed by rin_store_free, which accepts NULL; the data set and options are borrowed.
 * Errors: those of rin_loader_create.
 */
rin_status rin_store_create(const rin_dataset *dataset, const rin_loader_options *options, rin_store **out,
                            rin_error *error) RIN_CHECKED;
void rin_store_free(rin_store *store);

/*
 * Item index or, when that is broken, the next good one; *used says which. Of a video a clip, which bits draw.
 * Shapes: out (height, width, channels) or (frames, height, width, channels).
 * One that cannot be read is tried again, for a fifth of a second, and then replaced for this time only; when ten in a
 * row cannot be read all of them are tried until patience is at its end.
 * Errors: with strict those of a broken item; FORMAT when no item is good; IO when ten in a row cannot be read; MEMORY.
 * Threads: safe.
 */
rin_status rin_store_load(rin_store *store, size_t index, const uint32_t bits[2], float *out, size_t *used,
                          rin_error *error) RIN_CHECKED;

/* From now on there is waiting, by the options' patience; stop ends it early. */
void rin_store_allow_waiting(rin_store *store, const atomic_bool *stop);

size_t rin_store_n_cached(const rin_store *store);
size_t rin_store_n_broken(const rin_store *store);

#endif
