#!/bin/sh
# SPDX-License-Identifier: MIT
# dev/lint.sh finds one offence of every kind in a made-up project, and none in a clean one.
. tests/cli/lib.sh
root=$work/project
mkdir -p "$root/src/op" "$root/src/cli" "$root/include" "$root/tests"
good='/* SPDX-License-Identifier: MIT */'

try() { # expected code, expected text, file, its second line
    printf '%s\n%s\n' "$good" "$4" >"$root/$3"
    expect "$1" "$2" sh dev/lint.sh "$root"
    rm "$root/$3"
}

try 0 "nothing found" src/op/a.c '#include "config/config.h"'
try 1 "a.c:2: room op may not include exec/exec.h" src/op/a.c '#include "exec/exec.h"'
try 1 "may not include base/base.h" src/cli/a.c '#include "base/base.h"'
try 1 "prints nor exits" src/op/a.c '    abort();'
try 1 "prints nor exits" src/op/a.c '    fprintf(stderr, "x");'
try 0 "nothing found" src/op/a.c '    snprintf(text, sizeof text, "abort()"); /* no exit(1) */'
try 0 "nothing found" src/cli/a.c '    printf("x");'
try 1 "left-over marker" tests/a.c "/* TO""DO */"
try 1 "120 columns" include/a.h "/* $(printf '%0120d' 0) */"
try 1 "600 lines" src/op/a.c "$(seq 600)"
try 1 "function of" src/op/a.c "$(echo 'int f(void) {'; seq 60; echo '}')"
printf 'int x;\n' >"$root/src/op/a.c"
expect 1 "names no license" sh dev/lint.sh "$root"
mkdir "$root/src/attic"
mv "$root/src/op/a.c" "$root/src/attic"
expect 1 "not in the list" sh dev/lint.sh "$root"
