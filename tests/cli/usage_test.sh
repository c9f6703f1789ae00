#!/bin/sh
# SPDX-License-Identifier: MIT
# Command lines: what they may hold, what mistakes are answered with, and what takes precedence.
. tests/cli/lib.sh

# Help, from the tables.
expect 2 "rin help" "$rin"
expect 0 "Verbs:" "$rin" help
expect 0 "Verbs:" "$rin" --help
expect 0 "--resume" "$rin" help train
expect 0 "imagenet64" "$rin" help train
expect 0 "model.tape_dim" "$rin" train --help
expect 0 "sample.guidance" "$rin" sample --count 3 --help
expect 0 "## [model]" "$rin" help options
expect 0 "rin 0." "$rin" --version
grep -q "Devices:" "$work/stdout" || fail "no devices"
for verb in train sample eval bench check plan info data help; do expect 0 "rin $verb" "$rin" help $verb; done

# Mistakes: exit code 2 and the nearest thing that there is.
expect 2 "did you mean 'train'" "$rin" trian
expect 2 "there is no verb" "$rin" help nonsense
expect 2 "did you mean --batch" "$rin" train --bath 3
expect 2 "belongs to rin train" "$rin" sample --batch 3
expect 2 "no option --nonsense" "$rin" data --nonsense
expect 2 "two dashes" "$rin" data -json
expect 2 "PATH" "$rin" data
expect 2 "one too many" "$rin" data here there
expect 2 "needs a value" "$rin" train --out
expect 2 "needs a value" "$rin" train --out --resume
expect 2 "takes no value" "$rin" data here --json=yes
expect 2 "given twice" "$rin" data here --json --json
expect 2 "--out" "$rin" train
expect 2 "--data" "$rin" train --out "$work/run"
expect 2 "did you mean 'demo'" "$rin" plan --preset demmo
expect 2 "train.batch" "$rin" plan --batch many
expect 2 "did you mean 'model.patch_size'" "$rin" plan --set model.patch_siz=3
expect 2 "section.key=value" "$rin" plan --set model.patch_size
expect 2 "model.patch_size" "$rin" plan --set model.patch_size=5
expect 2 "whole number" "$rin" plan --size 3x
expect 2 "try --size 32" "$rin" plan --size 31
expect 2 "allowed: fid, is, kid, pr" "$rin" eval fidd
expect 2 "--model" "$rin" eval loss --data here
expect 2 "--seed" "$rin" sample --model here --out "$work/a.png" --seed -1
expect 1 "No such file" "$rin" train --data "$work/nothing" --out "$work/run"
expect 1 "No such file" "$rin" plan --config "$work/nothing.ini"
expect 1 "case.json" "$rin" check "$work"
expect 1 "No such file" "$rin" check "$work/nothing"
expect 1 "$work/-x" "$rin" data -- "$work/-x"

# Preset, then file, then options, then --set.
printf '[model]\ntape_dim = 32\n[train]\nbatch = 7\n' >"$work/a.ini"
expect 0 "batch 64" "$rin" plan --preset small
expect 0 "batch 7 " "$rin" plan --preset small --config "$work/a.ini"
expect 0 "batch 5 " "$rin" plan --preset small --config "$work/a.ini" --batch 5
expect 0 "batch 3 " "$rin" plan --set train.batch=3 --preset small --batch 5 --config "$work/a.ini"
printf '[model]\ntape_dmi = 32\n' >"$work/b.ini"
expect 2 "model.tape_dim" "$rin" plan --config "$work/b.ini"

# Results that cannot be written are a failure, never silence.
if [ -w /dev/full ]; then
    code=0
    "$rin" help >/dev/full 2>"$work/stderr" || code=$?
    [ $code -eq 1 ] || fail "exit code $code instead of 1 when standard output is full"
    grep -q "standard output" "$work/stderr" || fail "no word of standard output"
fi
