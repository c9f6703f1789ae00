/* SPDX-License-Identifier: MIT */
/* Writes weights of a formula: make_weights inception|i3d FILE.safetensors. */
#include <string.h>

#include "support/formula.h"

int main(int n, char **arguments) {
    rin_error error = {0};
    if (n != 3) return 2;
    bool i3d = strcmp(arguments[1], "i3d") == 0;
    if (formula_write(i3d ? RIN_NETWORK_I3D : RIN_NETWORK_INCEPTION, arguments[2], NULL, &error) == RIN_OK) return 0;
    fprintf(stderr, "%s\n", error.text);
    return 1;
}
