#!/bin/sh
# SPDX-License-Identifier: MIT
# A run that was interrupted, by its number of steps or by a signal, ends with the bytes of one that was not.
. tests/cli/lib.sh
make_images

expect 0 "6 steps done" train whole --steps 6
expect 0 "3 steps done" train parts --steps 3
expect 0 "6 steps done" "$rin" train --out "$work/parts" --resume --steps 6
same "$work/whole/model.safetensors" "$work/parts/model.safetensors"
same "$work/whole/state.safetensors" "$work/parts/state.safetensors"

# Options that contradict the run are refused, those that agree are not.
expect 2 "train.batch = 4" "$rin" train --out "$work/parts" --resume --batch 8 --steps 9
expect 2 "model.tape_dim = 16" "$rin" train --out "$work/parts" --resume --set model.tape_dim=8
expect 0 "is finished" train parts --resume
expect 2 "the run has train.steps = 6; to end it earlier, say --steps 5" train parts --resume --set train.steps=5
cp -R "$work/parts" "$work/more"
expect 0 "8 steps done" train more --resume --set train.steps=8
expect 1 "no run to resume" "$rin" train --out "$work/images" --resume

# Ctrl-C in the middle of a run.
many="--steps 2000 --set train.checkpoint_every=100"
# shellcheck disable=SC2086
expect 0 "2000 steps done" train long $many
code=0
tries=0
while [ $code -ne 130 ]; do # until the signal finds it at work
    tries=$((tries + 1))
    [ $tries -le 20 ] || fail "exit code $code instead of 130 after SIGINT"
    rm -rf "$work/stderr" "$work/stopped" # lest those of the last one be read
    # shellcheck disable=SC2086
    "$rin" train --data "$work/images" --out "$work/stopped" $tiny --set train.lr_schedule=none $many 2>"$work/stderr" &
    pid=$!
    waited=0
    while ! grep -qs "saved" "$work/stderr"; do
        sleep 0.05
        waited=$((waited + 1))
        [ $waited -lt 1200 ] || fail "no checkpoint within a minute"
    done
    kill -INT $pid 2>/dev/null || true
    code=0
    wait $pid || code=$?
done
grep -q "stopped and saved after step" "$work/stderr" || fail "no word of where it stopped"
expect 0 "2000 steps done" "$rin" train --out "$work/stopped" --resume
same "$work/long/model.safetensors" "$work/stopped/model.safetensors"
same "$work/long/state.safetensors" "$work/stopped/state.safetensors"

# The same command once more, with --resume at its end: what followed from the data and the length is no contradiction.
again="--data $work/images --out $work/short --preset small --batch 1 --steps 2 --threads 1"
# shellcheck disable=SC2086
expect 0 "train.warmup_steps = 0" "$rin" train $again
# shellcheck disable=SC2086
expect 0 "is finished" "$rin" train $again --resume
expect 2 "the run has model." "$rin" train --out "$work/short" --preset cifar10 --resume
