#!/bin/sh
# SPDX-License-Identifier: MIT
# Training and sampling once under valgrind: no invalid access, no value used before it was set, no leak.
. tests/cli/lib.sh
make_images

checked() {
    valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible --errors-for-leak-kinds=definite,possible \
        --suppressions=tests/valgrind.supp "$rin" "$@"
}

# shellcheck disable=SC2086  # a list of options
expect 0 "4 steps done" checked train --data "$work/images" --out "$work/run" --steps 4 $tiny
expect 0 "5 steps done" checked train --out "$work/run" --resume --steps 5
expect 0 "2 pictures" checked sample --model "$work/run" --out "$work/a.png" --seed 1 --count 2 --threads 2
expect 0 "steps trained" checked info "$work/run"
