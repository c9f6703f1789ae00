#!/bin/sh
# SPDX-License-Identifier: MIT
# Real file systems that are full or read-only: what was saved stays, nothing half-written is left, and a run that could
# not be saved goes on as if nothing had been. Wants to mount a tmpfs, in a name space of its own.
if [ -z "${RIN_DISK_INSIDE:-}" ] && unshare -m true 2>/dev/null; then
    RIN_DISK_INSIDE=1 exec unshare -m sh "$0" "$@"
fi
. tests/cli/lib.sh
make_images

if [ -c /dev/full ]; then
    for verb in "plan --preset small" "help" "help options"; do
        code=0
        # shellcheck disable=SC2086  # a verb and its options
        "$rin" $verb >/dev/full 2>"$work/stderr" || code=$?
        [ $code -eq 1 ] || fail "exit code $code instead of 1 for: $verb"
        grep -q "No space left on device" "$work/stderr" || fail "no word of the full device from: $verb"
    done
fi

disk=$work/disk
mkdir "$disk"
if [ -z "${RIN_DISK_INSIDE:-}" ] || ! mount -t tmpfs -o size=1m rin-test "$disk" 2>/dev/null; then
    echo "no tmpfs can be mounted here: full and read-only file systems were not tried"
    exit 0
fi
trap 'umount "$disk"; rm -rf "$work"' EXIT

train() { # folder, then more options
    folder=$1
    shift
    # shellcheck disable=SC2086
    "$rin" train --data "$work/images" --out "$folder" $tiny --steps 6 --set train.keep=1 --set train.log_every=1 "$@"
}

no_temporaries() {
    if find "$disk" "$work" -name '*.tmp-*' | grep -q .; then fail "temporary files are left"; fi
}

kib() {
    du -k --apparent-size "$1" | cut -f1
}

metrics() {
    sed 's/, "images_per_second".*//' "$1/metrics.jsonl"
}

# fill LEAVE: all but so many KiB.
fill() {
    rm -f "$disk/filler"
    free=$(df -k "$disk" | awk 'NR == 2 { print $4 }')
    dd if=/dev/zero of="$disk/filler" bs=1024 count=$((free - $1)) 2>/dev/null
}

# the_same_as_whole FOLDER
the_same_as_whole() {
    same "$work/whole/model.safetensors" "$1/model.safetensors"
    same "$work/whole/state.safetensors" "$1/state.safetensors"
    metrics "$work/whole" >"$work/expected"
    metrics "$1" >"$work/got"
    same "$work/expected" "$work/got"
}

expect 0 "6 steps done" train "$work/whole"
if grep -q "checkpoints need" "$work/stderr"; then fail "a warning of little room where there is enough"; fi
model=$(kib "$work/whole/model.safetensors")
state=$(kib "$work/whole/state.safetensors")
[ $((2 * model + 2 * state + 40)) -lt 1024 ] || fail "a checkpoint of $model + $state KiB is too large for this test"

# Room for one checkpoint: the second one cannot be written, nor the last.
fill $((model + state + model / 2 + 24))
expect 1 "No space left on device" train "$disk/run"
grep -q "checkpoints need" "$work/stderr" || fail "no warning of little room at the beginning"
grep -q "model.safetensors.*No space left" "$work/stderr" || fail "the file is not named"
grep -q "training goes on" "$work/stderr" || fail "no warning of the first failure"
no_temporaries
expect 0 "2 steps trained" "$rin" info "$disk/run"
expect 0 "seed 1" "$rin" sample --model "$disk/run" --out "$work/picture.png" --count 1 --steps 1 --seed 1 --threads 1
expect 1 "No space left on device" "$rin" train --out "$disk/run" --resume
no_temporaries
rm "$disk/filler"
expect 0 "6 steps done" "$rin" train --out "$disk/run" --resume
the_same_as_whole "$disk/run"

# Room for two checkpoints, not for three: the one that is kept makes room for the next.
rm -r "$disk/run"
fill $((2 * model + 2 * state + 30))
expect 0 "6 steps done" train "$disk/run" --set train.keep=2 --set train.checkpoint_every=1
grep -q "the checkpoint of step 1 makes room for that of step 3" "$work/stderr" || fail "no word of the room that is made"
same "$work/whole/state.safetensors" "$disk/run/state.safetensors"
no_temporaries
rm "$disk/filler"

# The checkpoint that a run went back to is not removed for room: there is no other.
rm -r "$disk/run"
expect 0 "6 steps done" train "$disk/run" --set train.keep=2
printf 'damaged' >"$disk/run/state.safetensors"
fill 40
expect 1 "No space left on device" "$rin" train --out "$disk/run" --resume --steps 8
grep -q "The run can be resumed from step 4" "$work/stderr" || fail "no word of where the run can be resumed"
[ -f "$disk/run/state-000000004.safetensors" ] || fail "the last good checkpoint was removed"
rm "$disk/filler"
expect 0 "8 steps done" "$rin" train --out "$disk/run" --resume --steps 8

# The disk that rin plan asks for is enough, without a warning and without a checkpoint less. A larger network, whose files
# are not mostly headers.
if mount -o remount,size=32m "$disk" 2>/dev/null; then
    rm -r "$disk/run"
    larger="--set model.latent_dim=128 --set train.keep=2 --set model.num_classes=4"
    # shellcheck disable=SC2086
    plan=$("$rin" plan ${tiny#*--threads 1} --size 8 --batch 4 $larger --json | tr ',{}' '\n\n\n' |
        sed -n 's/.*"bytes_disk": *//p')
    fill $((plan / 1024 + 200))
    # shellcheck disable=SC2086
    expect 0 "6 steps done" train "$disk/run" --set train.checkpoint_every=1 $larger
    if grep -E "makes room|checkpoints need" "$work/stderr"; then fail "the disk that was asked for is not enough"; fi
    has "$disk/run/state-000000005.safetensors"
    rm -r "$disk/run" "$disk/filler"
    mount -o remount,size=1m "$disk"
    mkdir "$disk/run"
fi

# No room at all: not even a beginning, and none is left.
rm -r "$disk/run"
fill 0
expect 1 "No space left on device" train "$disk/run"
no_temporaries
expect 1 "No space left on device" "$rin" sample --model "$work/whole" --out "$disk/picture.png" --count 1 --steps 1 --threads 1
grep -q "picture.png" "$work/stderr" || fail "the picture is not named"
[ ! -e "$disk/picture.png" ] || fail "a half-written picture is there"
no_temporaries
rm "$disk/filler"
expect 0 "6 steps done" train "$disk/run"
the_same_as_whole "$disk/run"

# A file system that may only be read.
if mount -o remount,ro "$disk" 2>/dev/null; then
    expect 0 "6 steps trained" "$rin" info "$disk/run"
    expect 1 "Read-only file system" "$rin" train --out "$disk/run" --resume --steps 8
    expect 1 "Read-only file system" "$rin" sample --model "$disk/run" --out "$disk/picture.png" --count 1 --steps 1
    expect 1 "Read-only file system" train "$disk/other"
    mount -o remount,rw "$disk"
    expect 0 "8 steps done" "$rin" train --out "$disk/run" --resume --steps 8
    no_temporaries
fi
