#!/bin/sh
# SPDX-License-Identifier: MIT
# The program while one access to memory or files fails (RIN_FAULT, in builds with RIN_FAULTS): it ends in order, with a
# message, and never with a crash. RIN_FAULTS_ALL=1 in the environment takes more of them.
. tests/cli/lib.sh
mkdir "$work/images"
for i in 0 1; do
    for class in cat dog; do echo "$class/000$i.jpg"; done
done >"$work/names"
tar -xzf assets/cifar10-subset.tar.gz -C "$work/images" -T "$work/names"
tiny="--size 8 --batch 2 --seed 3 --threads 1 --steps 2 --set model.num_layers=1 --set model.latent_slots=4
    --set model.latent_dim=8 --set model.latent_num_heads=1 --set model.tape_dim=8 --set model.rw_num_heads=1
    --set train.warmup_steps=1 --set train.checkpoint_every=1 --set train.sample_every=0 --set data.workers=1"
# shellcheck disable=SC2086  # a list of options
expect 0 "2 steps done" "$rin" train --data "$work/images" --out "$work/run" $tiny
few="1 2 3 5 8 13 21"
many="1 2 4 7 12 20 34 58 99 168 285 484 823 1400"
if [ -n "${RIN_FAULTS_ALL:-}" ]; then
    few=$(seq 1 40)
    many=$(seq 1 7 1800)
fi
runs=0
failed=0

reading="alloc read open"
writing="$reading write sync rename"

# try CODES KINDS COMMAND...: fails at chosen accesses of these kinds; CODES are those that it may end with.
try() {
    codes=" $1 "
    kinds=$2
    shift 2
    for kind in $kinds; do
        case $kind in
        alloc | read | write) points=$many ;;
        *) points=$few ;;
        esac
        for n in $points; do
            rm -rf "$work/new" "$work/new.png"
            code=0
            RIN_FAULT=$kind:$n "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || code=$?
            runs=$((runs + 1))
            case $codes in
            *" $code "*) ;;
            *) fail "exit code $code with RIN_FAULT=$kind:$n: $*" ;;
            esac
            if grep -qE "Sanitizer|runtime error|\(null\)" "$work/stderr"; then fail "RIN_FAULT=$kind:$n: $*"; fi
            [ $code -eq 0 ] && continue
            failed=$((failed + 1))
            # A check that cannot be run is a line of the list of checks.
            if [ $code -eq 3 ] && grep -q "FAILED .*\(out of memory\|cannot\)" "$work/stdout"; then continue; fi
            [ -s "$work/stderr" ] || fail "no message with RIN_FAULT=$kind:$n: $*"
        done
    done
    if find "$work" -name '*.tmp-*' | grep -q .; then fail "temporary files are left by: $*"; fi
}

# shellcheck disable=SC2086
try "0 1" "$writing" "$rin" train --data "$work/images" --out "$work/new" $tiny
try "0 1" "$writing" "$rin" sample --model "$work/run" --out "$work/new.png" --count 1 --steps 1 --seed 1 --threads 1
try "0 1" "$reading" "$rin" info "$work/run" --json
try "0 1 3" "$reading" "$rin" check tests/golden/image_x_unconditional --threads 1
try "0 1" "$reading" "$rin" data "$work/images"

# It says which access to which file failed.
RIN_FAULT=write:3+ expect 1 "No space left on device" "$rin" sample --model "$work/run" --out "$work/new.png" --count 1 --threads 1
RIN_FAULT=open:1+ expect 1 "Too many open files" "$rin" info "$work/run"
[ $failed -gt 80 ] || fail "only $failed of $runs runs met a failure"
echo "$failed of $runs runs met a failure and said so"
