/* SPDX-License-Identifier: MIT */
/*
 * pack: videos at one size, decoded, in one file that is read by position: a safetensors file with the tensors
 * frames U8 (all, height, width, channels) of all videos one after the other; first, counts I64 (n): where in it those
 * of each are; rates F64 (n): frames a second, 0 for none; and the metadata names, a JSON array of n texts. Inside the
 * data room only.
 */
#ifndef RIN_DATA_PACK_H
#define RIN_DATA_PACK_H

#include "checkpoint/safetensors.h"
#include "data/source.h"

#define RIN_PACK_SUFFIX ".safetensors"

/* Whether a pack may be written there: no tensors are, or an older pack. */
bool rin_pack_may_be_at(const char *path);
/* Of an open source of this kind. */
void rin_pack_size(const void *source, int *width, int *height);

#endif
