/* SPDX-License-Identifier: MIT */
/* ref: plain loops on one thread, in float and double: what every op means, and the oracle of the other backends. */
#ifndef RIN_BACKEND_REF_H
#define RIN_BACKEND_REF_H

#include "backend/backend.h"

extern const rin_backend_table rin_backend_ref32, rin_backend_ref64;

#endif
