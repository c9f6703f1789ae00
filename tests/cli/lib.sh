#!/bin/sh
# SPDX-License-Identifier: MIT
# What the tests of the program share: sourced with the path of rin as $1, from the root of the sources.
set -eu
rin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
# Threads of OpenBLAS, where it has any, keep a program with little memory from ending.
export OPENBLAS_NUM_THREADS=1

fail() {
    echo "FAILED: $*" >&2
    if [ -f "$work/stdout" ]; then sed 's/^/stdout: /' "$work/stdout" >&2; fi
    if [ -f "$work/stderr" ]; then sed 's/^/stderr: /' "$work/stderr" >&2; fi
    exit 1
}

# expect CODE TEXT COMMAND...: the command ends with this code, and the text, if any, is in what it prints.
expect() {
    code=$1
    text=$2
    shift 2
    got=0
    "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code: $*"
    [ -z "$text" ] || grep -qF -e "$text" "$work/stdout" "$work/stderr" || fail "no '$text' from: $*"
}

# same FILE FILE
same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

has() {
    [ -s "$1" ] || fail "$1 is missing or empty"
}

# Four classes of a few images each, out of the data set that comes with the sources, and a network that trains in no time.
make_images() {
    for class in airplane bird cat dog; do
        for i in 0 1 2 3 4; do echo "$class/000$i.jpg"; done
    done >"$work/names"
    mkdir "$work/images"
    tar -xzf assets/cifar10-subset.tar.gz -C "$work/images" -T "$work/names"
}
tiny="--size 8 --batch 4 --seed 3 --threads 1
    --set model.num_layers=1,1 --set model.latent_slots=6 --set model.latent_dim=16 --set model.latent_num_heads=2
    --set model.tape_dim=16 --set model.rw_num_heads=2 --set model.latent_mlp_ratio=2
    --set train.warmup_steps=2 --set train.checkpoint_every=2 --set train.sample_every=0 --set sample.steps=3"

train() { # folder, then more options: a run of that network on those images
    folder=$1
    shift
    # shellcheck disable=SC2086  # a list of options
    "$rin" train --data "$work/images" --out "$work/$folder" $tiny --set train.lr_schedule=none "$@"
}
