/* SPDX-License-Identifier: MIT */
/* checkpoint: tensors and their description on disk. */
#ifndef RIN_CHECKPOINT_H
#define RIN_CHECKPOINT_H

#include "checkpoint/safetensors.h"

#endif
