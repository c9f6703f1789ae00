#!/bin/sh
# SPDX-License-Identifier: MIT
# A run from images to pictures: training, what it leaves, sampling, and what the other verbs say about it.
. tests/cli/lib.sh
make_images
run=$work/run

# shellcheck disable=SC2086  # a list of options
expect 0 "6 steps done" "$rin" train --data "$work/images" --out "$run" --steps 6 $tiny
for file in model.safetensors state.safetensors config.ini run.json metrics.jsonl; do has "$run/$file"; done
grep -q "loss" "$work/stderr" || fail "no progress on standard error"
expect 1 "not empty" "$rin" train --data "$work/images" --out "$run" --steps 6
expect 0 "is finished" "$rin" train --out "$run" --resume

# The same seed gives the same bytes, whatever the way it is written; another one does not.
expect 0 "seed 7" "$rin" sample --model "$run" --out "$work/a.png" --seed 7 --threads 1
expect 0 "32 pictures" "$rin" sample --model="$run/model.safetensors" --out="$work/b.png" --seed=7 --threads=1
same "$work/a.png" "$work/b.png"
expect 0 "seed 8" "$rin" sample --model "$run" --out "$work/b.png" --seed 8 --threads 1
cmp -s "$work/a.png" "$work/b.png" && fail "seeds 7 and 8 give the same pictures"
expect 0 "seed " "$rin" sample --model "$run" --out "$work/c.png" --count 1 --steps 2 --threads 1

# Classes, samplers, and a file a picture.
expect 0 "4 pictures" "$rin" sample --model "$run" --out "$work/c.png" --class cat,0 --count 4 --sampler ddpm --guidance 1 \
    --schedule sigmoid@-3,3,0.9 --set sample.td=1 --save-each "$work/each" --seed 1 --steps 2 --threads 1
for name in 0000-cat 0001-cat 0002-airplane 0003-airplane; do has "$work/each/$name.png"; done
expect 2 "there are: airplane, bird, cat, dog" "$rin" sample --model "$run" --out "$work/c.png" --class horse
expect 2 "only options of sample" "$rin" sample --model "$run" --out "$work/c.png" --set model.tape_dim=8
expect 2 ".png" "$rin" sample --model "$run" --out "$work/c.jpg"
expect 1 "No such file" "$rin" sample --model "$run" --out "$work/nowhere/c.png"
mkdir "$work/folder.png"
expect 2 "not a regular file" "$rin" sample --model "$run" --out "$work/folder.png"
# A row of 7000 pictures is longer than a file may be wide.
expect 0 "7000 pictures" "$rin" sample --model "$run" --out "$work/c.png" --class cat --count 7000 --steps 1 --seed 1
expect 1 "$work/nothing" "$rin" sample --model "$work/nothing" --out "$work/c.png"

# Places that cannot be written are found before there is work to lose; a picture that cannot be does not cost the others.
sample() {
    expect "$@" --count 4 --steps 1 --threads 1
}
touch "$work/file"
sample 1 "Not a directory" "$rin" sample --model "$run" --out "$work/file/a.png"
long=$(printf '%0240d' 0)
sample 2 "longer than" "$rin" sample --model "$run" --out "$work/$long.png"
mkdir -p "$work/each/0001-bird.png"
sample 1 "0001-bird.png" "$rin" sample --model "$run" --out "$work/c.png" --save-each "$work/each"
for name in 0000-airplane 0002-cat 0003-dog; do has "$work/each/$name.png"; done

# Measuring: keys as they were written.
expect 0 '"mean"' "$rin" eval loss --model "$run" --data "$work/images" --t 0.10,.5,1 --limit 8 --json --threads 1
for key in '"0.10"' '".5"' '"1"' '"images"'; do grep -q "$key" "$work/stdout" || fail "no key $key"; done
grep -q '"images":.*8' "$work/stdout" || fail "not 8 images"
expect 0 "0.9" "$rin" eval loss --model "$run" --data "$work/images" --threads 1
expect 2 "allowed" "$rin" eval loss --model "$run" --data "$work/images" --t 0.5,2
expect 2 "longer than" "$rin" eval loss --model "$run" --data "$work/images" --t 0.5000000000000000000000000000000000
expect 2 "twice" "$rin" eval loss --model "$run" --data "$work/images" --t 0.5,0.5

# Describing.
expect 0 "airplane" "$rin" info "$run"
expect 0 '"parameters"' "$rin" info "$run/model.safetensors" --json
expect 1 "" "$rin" info "$work/images"
expect 0 "20" "$rin" data "$work/images"
expect 0 '"cat"' "$rin" data "$work/images" --json
odd=$work/$(printf 'odd\377')
mkdir -p "$odd/$(printf '\377')" "$odd/$(printf '\376')" "$odd/$(printf 'a\nb')"
for class in "$odd"/*; do cp "$work/images/cat/0000.jpg" "$class"; done
expect 0 '"name":' "$rin" data "$odd" --json
if iconv -f UTF-8 -t UTF-8 "$work/stdout" 2>/dev/null | cmp -s - "$work/stdout"; then :; else fail "not UTF-8"; fi
[ "$(tr ',' '\n' <"$work/stdout" | grep -c '"images":')" -eq 4 ] || fail "not three classes"
expect 0 "a?b" "$rin" data "$odd"
expect 0 "parameters" "$rin" plan --preset small --batch 2
expect 0 '"activations"' "$rin" plan --preset small --batch 2 --json
expect 0 "linear" "$rin" plan --preset small --batch 2 --print
expect 0 '"train_step_s"' "$rin" bench --size 8 --batch 1 --steps 1 --threads 1 --json
for key in forward_s flops_forward gflops_per_s gemm_peak_gflops_per_s threads peak_rss_bytes preset batch; do
    grep -q "\"$key\"" "$work/stdout" || fail "no key $key"
done
