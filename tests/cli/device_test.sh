#!/bin/sh
# SPDX-License-Identifier: MIT
# Where to compute: devices by name, those that are not there, and a run that goes on with another one.
. tests/cli/lib.sh
make_images

# line RUN TEXT: a line of the run's options.
line() {
    grep -qxF -e "$2" "$work/$1/config.ini" || fail "no '$2' in the options of $1"
}

for verb in train sample eval bench check plan; do expect 0 "cuda[:i]" "$rin" help $verb; done
expect 0 "--precision" "$rin" help train

# Every verb takes a row of rin help bench.
expect 0 "3 steps done" train run --steps 3 --device ref
line run "device = ref"
expect 0 "2 pictures" "$rin" sample --model "$work/run" --out "$work/a.png" --count 2 --device ref
expect 0 "mean" "$rin" eval loss --model "$work/run" --data "$work/images" --t 0.5 --limit 2 --device ref
expect 0 "training step" "$rin" bench --size 8 --batch 1 --steps 1 --threads 1 --device cpu
expect 0 " 0 failed" "$rin" check tests/golden/image_latent_cond --device cpu-plain
expect 0 "device                      ref64" "$rin" plan --preset small --device ref64

# Names that there are not, and that there cannot be.
expect 2 "train.device = abacus: unknown device 'abacus'" train new --device abacus
expect 2 "train.device = 'GPU' is not allowed" train new --device GPU
expect 2 "bf16 | tf32 | fp32" train new --precision fp16
expect 2 "unknown device 'abacus'" "$rin" plan --device abacus
expect 1 "unknown device 'abacus'" "$rin" sample --model "$work/run" --out "$work/a.png" --device abacus
expect 1 "unknown device 'abacus'" "$rin" eval loss --model "$work/run" --data "$work/images" --device abacus
expect 1 "unknown device 'abacus'" "$rin" bench --device abacus
expect 1 "unknown device 'abacus'" "$rin" check tests/golden/image_latent_cond --device abacus
[ ! -e "$work/new" ] || fail "a run without a device has left a folder"

# A run goes on with another device, and more threads, and stays there; a preset is no word about either.
expect 0 "4 steps done" "$rin" train --out "$work/run" --resume --steps 4
line run "device = ref"
expect 0 "5 steps done" train run --resume --steps 5 --device cpu --set train.threads=2 --precision fp32
line run "device = cpu"
line run "precision = fp32"
line run "threads = 2"
expect 2 "unknown device 'abacus'" train run --resume --steps 6 --device abacus
line run "device = cpu"
expect 0 "6 steps done" "$rin" train --out "$work/run" --resume --steps 6 --device cpu-plain
again="--data $work/images --out $work/short --preset small --batch 1 --set train.sample_every=0"
# shellcheck disable=SC2086
expect 0 "2 steps done" "$rin" train $again --steps 2 --device cpu-plain --threads 1
# shellcheck disable=SC2086
expect 0 "3 steps done" "$rin" train $again --steps 3 --resume
line short "device = cpu-plain"

# Without a GPU, or in a build that knows of none, everything says so, and sizes are those of the CPU.
"$rin" help bench >"$work/devices"
if ! grep "^  cuda" "$work/devices" | grep -qv "not on this machine"; then
    expect 1 "train.device = cuda: device 'cuda-bf16'" train new --device cuda
    expect 1 "device 'cuda-fp32:1'" train new --device cuda:1 --precision fp32
    [ ! -e "$work/new" ] || fail "a run without a device has left a folder"
    expect 1 "device 'cuda'" "$rin" sample --model "$work/run" --out "$work/a.png" --device cuda
    expect 1 "device 'cuda:1'" "$rin" eval loss --model "$work/run" --data "$work/images" --device cuda:1
    expect 1 "device 'cuda'" "$rin" bench --device cuda
    expect 1 "device 'cuda'" "$rin" check tests/golden/image_latent_cond --device cuda
    expect 0 "in place of cuda" "$rin" plan --preset small --device cuda
    expect 1 "train.device = cuda" "$rin" train --out "$work/run" --resume --steps 7 --device cuda
    line run "device = cpu-plain"
    # As if the run came from a machine that has one.
    sed 's/^device = .*/device = cuda/' "$work/run/config.ini" >"$work/config.ini"
    cp "$work/config.ini" "$work/run/config.ini"
    expect 1 "the run's device (to go on with another, say --device, such as --device cpu)" \
        "$rin" train --out "$work/run" --resume --steps 7
    expect 0 "7 steps done" "$rin" train --out "$work/run" --resume --steps 7 --device cpu
    line run "device = cpu"
fi
