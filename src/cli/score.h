/* SPDX-License-Identifier: MIT */
/* score: those parts of the verb eval that score samples. */
#ifndef RIN_CLI_SCORE_H
#define RIN_CLI_SCORE_H

#include "cli/cli.h"

/* "fid,kid" as a sum of RIN_SCORE_...; false when a word is none of them. */
bool rin_cli_score_parse(const char *text, unsigned *out);
/* Both return exit codes. */
int rin_cli_score(const rin_cli_args *args, unsigned wanted);
int rin_cli_statistics(const rin_cli_args *args);

#endif
