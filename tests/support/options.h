/* SPDX-License-Identifier: MIT */
/* options: many options of a configuration at once. */
#ifndef RIN_TESTS_OPTIONS_H
#define RIN_TESTS_OPTIONS_H

#include "support/check.h"

/* Sets "key=value key=value ..."; fails the test at one that is refused. */
void options_set(rin_config *config, const char *options);

#endif
