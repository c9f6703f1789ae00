#!/bin/sh
# SPDX-License-Identifier: MIT
# rin check: the golden cases pass, one by one and as a folder; wrong or missing numbers are found.
. tests/cli/lib.sh

one=tests/golden/image_latent_cond

expect 0 " 0 failed" "$rin" check tests/golden --threads 1
expect 0 '"failed":	0' "$rin" check "$one" --json --threads 1
# Cases in files of their own, found in their folder and by name.
expect 0 "73 checks passed, 0 failed" "$rin" check tests/golden_samplers --threads 1
expect 0 "27 checks passed, 0 failed" "$rin" check tests/golden_samplers/network.json --threads 1
expect 3 "case.json" "$rin" check tests/golden/optimizers

# One number becomes wrong: the last one of the last tensor, by its highest byte.
cp -R "$one" "$work/wrong"
chmod -R u+w "$work/wrong"
size=$(wc -c <"$work/wrong/io.safetensors")
printf '\120' | dd of="$work/wrong/io.safetensors" bs=1 seek=$((size - 1)) conv=notrunc 2>/dev/null
expect 3 "FAILED" "$rin" check "$work/wrong" --threads 1
expect 3 '"passed":	false' "$rin" check "$work/wrong" --json --threads 1

# Files that are cut short or absent fail the case, and the cases beside it still run.
mkdir "$work/cases"
cp -R "$one" "$work/cases/a"
chmod -R u+w "$work/cases"
rm "$work/cases/a/weights.safetensors"
mkdir "$work/cases/c"
echo '{"runs": []}' >"$work/cases/c/case.json"
cp -R "$one" "$work/cases/b"
expect 3 "weights.safetensors" "$rin" check "$work/cases" --threads 1
grep -q "left out" "$work/stderr" || fail "no word of the folder that is no case"
grep -q "  ok " "$work/stdout" || fail "the second case did not run"
