#!/bin/sh
# SPDX-License-Identifier: MIT
# House rules that a compiler does not see: who includes whom, what the library may call, sizes of files, lines and
# functions. Prints every offence as file:line: what, and ends with 1 when there is one. Looks at this project, or at ROOT.
set -eu
cd "${1:-$(dirname "$0")/..}"

# Room: the rooms whose headers it may include, besides its own and base.
rooms="
base
config
diffusion   config
graph
op          config graph
compile     config graph op
backend     config graph op diffusion
exec        config graph op compile backend
model       config graph op
checkpoint  config graph op exec
image
npz
metric      config npz
video       image
data        config image video checkpoint/safetensors.h
feature     config image graph op compile backend exec checkpoint
sample      config graph op compile backend exec model diffusion checkpoint image video data
train       config graph op compile backend exec model diffusion checkpoint image video data sample score
score       config graph op compile backend exec model diffusion checkpoint image video data sample feature metric npz
eval        config graph op compile backend exec model diffusion checkpoint image data sample feature train/step.h train/needs.h
check       config graph op compile backend exec model diffusion checkpoint sample train feature metric npz
cli
"

sources=$(find src include tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cc' -o -path 'src/*' -name '*.def' |
    LC_ALL=C sort)
texts=$(find . \( -path './build*' -o -path ./.git -o -path ./demo -o -path ./runs \) -prune -o -type f \( -name '*.sh' -o -name '*.md' \
    -o -name '*.txt' -o -name '*.cmake' -o -name '*.in' -o -name '*.ini' -o -name Makefile \) ! -name 'lint*.sh' -print | LC_ALL=C sort)

# shellcheck disable=SC2086  # lists of names without spaces
awk -v rooms="$rooms" '
function offence(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    offences++
}

BEGIN {
    n_rooms = split(rooms, lines, "\n")
    for (i = 1; i <= n_rooms; i++) {
        n = split(lines[i], words, " ")
        if (!n) continue
        known[words[1]] = 1
        for (k = 1; k <= n; k++) may[words[1], words[k]] = 1
        if (words[1] != "cli") may[words[1], "base"] = 1
    }
}

FNR == 1 {
    code = FILENAME ~ /\.(c|h|cu|cuh|cc|def)$/
    split(FILENAME, parts, "/")
    room = parts[1] == "src" ? parts[2] : ""
    library = room != "" && room != "cli"
    kernel = FILENAME ~ /\/kernels\//
    within = 0
    if (room != "" && !(room in known)) offence("room " room " is not in the list of dev/lint.sh")
    if (code && $0 !~ /SPDX-License-Identifier: MIT/) offence("the first line names no license")
}

code && FNR == 600 { offence("600 lines or more") }
code && length($0) > 120 { offence("longer than 120 columns") }
/TODO|FIXME/ { offence("left-over marker") }
/[ \t]$/ && code { offence("space at the end of the line") }
/\t/ && code { offence("tab") }

room != "" && /^ *# *include "/ {
    header = $0
    sub(/^[^"]*"/, "", header)
    sub(/".*/, "", header)
    target = header
    sub(/\/.*/, "", target)
    if (header != "rin.h" && !((room, target) in may) && !((room, header) in may)) {
        offence("room " room " may not include " header)
    }
    if (room != "backend" && header ~ /^backend\// && header != "backend/backend.h") offence("backends are seen through backend.h only")
}

# Text in quotes and comments is none of a compiler'"'"'s calls.
library {
    bare = $0
    gsub(/"([^"\\]|\\.)*"/, "", bare)
    gsub(/\/\*.*\*\//, "", bare)
    if (bare ~ /(^|[^_a-zA-Z0-9.>])(exit|_exit|_Exit|abort|printf|vprintf|puts|putchar|perror|assert) *\(/) {
        offence("the library neither prints nor exits")
    }
    if (bare ~ /(^|[^_a-zA-Z0-9])(stdout|stderr) *[,)]/) offence("the library neither prints nor exits")
}

# Functions: from a line that opens a brace in the first column on to the brace that closes there.
room != "" && /^[a-z].*\) \{$/ { within = FNR }
room != "" && /^}/ {
    if (within && FNR - within >= 60 && !kernel) offence("a function of " (FNR - within + 1) " lines; allowed: 60")
    within = 0
}

END {
    if (offences) printf "lint: %d offences\n", offences
    exit offences > 0
}
' $sources $texts
echo "lint: nothing found"
