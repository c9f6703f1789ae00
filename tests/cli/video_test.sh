#!/bin/sh
# SPDX-License-Identifier: MIT
# Videos from files to files: what a data set of them holds, packing, training, sampling, measuring, describing.
. tests/cli/lib.sh
if ! "$rin" sample 2>&1 | grep -qF .mp4; then
    echo "this build has no FFmpeg"
    exit 0
fi
fixtures=tests/fixtures/video
plain=$fixtures/plain.mp4
run=$work/run
mkdir "$work/videos" "$work/broken"
cp $plain $fixtures/long.mp4 $fixtures/fast.mp4 $fixtures/plain.webp "$work/videos"
cp $fixtures/text.mp4 $fixtures/headless.mp4 "$work/broken"
clips="--size 16 --batch 2 --seed 3 --threads 1 --set model.seq_len=4 --set model.seq_cond=2
    --set model.seq_stride=2 --set model.num_layers=1,1 --set model.latent_slots=8 --set model.latent_dim=32
    --set model.latent_num_heads=2 --set model.latent_mlp_ratio=2 --set model.tape_dim=32 --set model.rw_num_heads=2
    --set train.warmup_steps=2 --set train.checkpoint_every=3 --set train.sample_every=3 --set train.log_every=1
    --set train.ema_decay=0 --set train.lr_schedule=none --set sample.steps=2 --set data.workers=1"

train() { # data, folder, then more options
    data=$1
    folder=$2
    shift 2
    # shellcheck disable=SC2086  # a list of options
    "$rin" train --data "$data" --out "$work/$folder" $clips "$@"
}

sample() { # then options; a file out of two steps
    "$rin" sample --model "$run" --threads 1 --steps 2 "$@"
}

losses() { # a run's metrics without the times
    sed 's/, "images_per_second".*//' "$work/$1/metrics.jsonl"
}

lacks() { # text that was not to be printed
    if grep -qF -e "$1" "$work/stdout" "$work/stderr"; then fail "there is '$1'"; fi
}

# What there is.
expect 0 "4 videos, 4 good, 0 broken" "$rin" data "$work/videos"
for text in "1.12 to 2.80 seconds, 7.92 in all" "10 to 25 frames a second" "48 x 32"; do
    grep -qF "$text" "$work/stdout" || fail "no '$text'"
done
cp $fixtures/text.mp4 "$work/videos"
expect 0 '"videos":5,"good":4,"broken":1' "$rin" data "$work/videos" --json
for text in '"seconds":7.92' '"min_rate":10' '"max_rate":25' "'text.mp4': not a video"; do
    grep -qF "$text" "$work/stdout" || fail "no '$text'"
done
rm "$work/videos/text.mp4"
expect 0 "12 images" "$rin" data $fixtures/numbered
expect 0 "1 videos" "$rin" data $fixtures/numbered --video
expect 0 '"videos":1' "$rin" data $fixtures/numbered --video --json

# Training, on one file; pictures on the way.
expect 0 "6 steps done" train $plain run --steps 6
grep -qF "2 clips of 16x16 a step, 4 frames, 2 given" "$work/stderr" || fail "no word of frames"
for step in 3 6; do has "$run/samples/step-00000000$step.png"; done
expect 0 "4 frames, 2 of them given" "$rin" info "$run"
expect 0 '"seq_cond": 2' "$rin" info "$run" --json

# From a pack as from the files.
expect 2 "needs --size" "$rin" data pack "$work/videos" --out "$work/pack.safetensors"
expect 0 "4 videos, 96 frames" "$rin" data pack "$work/videos" --out "$work/pack.safetensors" --size 16
expect 0 "4 videos, 4 good" "$rin" data "$work/pack.safetensors"
expect 0 "6 steps done" train "$work/videos" files --steps 6
expect 0 "6 steps done" train "$work/pack.safetensors" packed --steps 6
losses files >"$work/losses"
losses packed | cmp -s - "$work/losses" || fail "a pack gives other losses: $(losses packed)"
same "$work/files/model.safetensors" "$work/packed/model.safetensors"
expect 0 "1 videos, 10 frames" "$rin" data pack $plain --out "$work/slow.safetensors" --size 16x8 --fps 5
expect 0 "16 x 8" "$rin" data "$work/slow.safetensors"

# Stopped by its number of steps, or killed on the way, and resumed.
expect 0 "3 steps done" train $plain parts --steps 3
expect 0 "6 steps done" "$rin" train --out "$work/parts" --resume --steps 6
same "$run/model.safetensors" "$work/parts/model.safetensors"
same "$run/samples/step-000000006.png" "$work/parts/samples/step-000000006.png"
many="--steps 150 --set train.sample_every=60"
# shellcheck disable=SC2086
expect 0 "150 steps done" train $plain long $many
code=0
tries=0
while [ $code -ne 137 ]; do # until it is killed at work
    tries=$((tries + 1))
    [ $tries -le 20 ] || fail "exit code $code instead of 137"
    rm -rf "$work/stderr" "$work/killed"
    # shellcheck disable=SC2086
    "$rin" train --data $plain --out "$work/killed" $clips $many >"$work/stdout" 2>"$work/stderr" &
    pid=$!
    waited=0
    while ! grep -qs "saved" "$work/stderr"; do
        sleep 0.02
        waited=$((waited + 1))
        [ $waited -lt 3000 ] || fail "no checkpoint within a minute"
    done
    kill -9 $pid 2>/dev/null || true
    code=0
    wait $pid 2>/dev/null || code=$?
done
expect 0 "150 steps done" "$rin" train --out "$work/killed" --resume
same "$work/long/model.safetensors" "$work/killed/model.safetensors"
same "$work/long/state.safetensors" "$work/killed/state.safetensors"

# The same seed gives the same bytes in every format, another one does not.
for format in mp4 gif webp png; do
    expect 0 "1 video of 4 frames" sample --cond $plain --out "$work/a.$format" --seed 7
    expect 0 "seed 7" sample --cond $plain --out "$work/b.$format" --seed 7
    has "$work/a.$format"
    same "$work/a.$format" "$work/b.$format"
done
expect 0 "seed 8" sample --cond $plain --out "$work/b.webp" --seed 8
if cmp -s "$work/a.webp" "$work/b.webp"; then fail "seeds 7 and 8 give the same video"; fi

# Longer than the model; from elsewhere in the video, whose rate it keeps unless told otherwise.
expect 0 "1 video of 9 frames" sample --cond $plain --out "$work/b.webp" --seed 7 --frames 9
expect 0 "0.90 to 0.90 seconds" "$rin" data "$work/b.webp"
expect 0 "1 video of 3 frames" sample --cond $plain --out "$work/b.webp" --seed 7 --frames 3 --fps 5
expect 0 "0.60 to 0.60 seconds" "$rin" data "$work/b.webp"
expect 0 "4 frames" sample --cond $plain --out "$work/b.webp" --seed 7 --start 0.5
expect 0 "4 frames" sample --cond $plain --out "$work/c.webp" --seed 7 --start end
for file in b c; do
    if cmp -s "$work/a.webp" "$work/$file.webp"; then fail "--start changed nothing"; fi
done
expect 0 "4 frames" sample --cond $plain --out "$work/b.webp" --seed 7 --start 1.8
same "$work/b.webp" "$work/c.webp"
expect 0 "4 frames" sample --cond $fixtures/numbered --out "$work/b.mp4"
expect 0 "4 frames" sample --cond "$work/slow.safetensors" --out "$work/b.mp4"

# Several, and each for itself: the first is what it is alone.
expect 0 "3 videos of 4 frames" sample --cond $plain --out "$work/b.webp" --seed 7 --count 3 --save-each "$work/each"
for i in 0 1 2; do has "$work/each/000$i.webp"; done
same "$work/a.webp" "$work/each/0000.webp"
expect 0 "38 x 38" "$rin" data "$work/b.webp"
expect 0 "1 video" sample --cond $plain --out "$work/b.mp4" --seed 7 --zoom 3
expect 0 "48 x 48" "$rin" data "$work/b.mp4"

# What cannot be.
expect 2 "--cond" sample --out "$work/c.mp4"
expect 2 ".mp4, .gif, .webp" sample --cond $plain --out "$work/c.avi"
expect 2 "there are 1 frames after --start" sample --cond $plain --out "$work/c.mp4" --start 1.9
expect 2 "or 'end'" sample --cond $plain --out "$work/c.mp4" --start soon
expect 1 "holds 4 videos" sample --cond "$work/videos" --out "$work/c.mp4"
expect 1 "text.mp4" sample --cond $fixtures/text.mp4 --out "$work/c.mp4"
expect 1 "No such file" sample --cond "$work/nothing.mp4" --out "$work/c.mp4"
expect 1 "none of the data set's 2 videos can be used" train "$work/broken" none --steps 6
expect 1 "none of the 2 videos can be opened" "$rin" data pack "$work/broken" --out "$work/c.safetensors" --size 16
expect 1 "none of the videos" "$rin" eval predict --model "$run" --data "$work/broken" --steps 1 --threads 1
expect 0 "0 good, 2 broken" "$rin" data "$work/broken"
for file in c.mp4 c.safetensors; do
    if [ -e "$work/$file" ]; then fail "$file was written in spite of it all"; fi
done
make_images
# shellcheck disable=SC2086
expect 0 "2 steps done" "$rin" train --data "$work/images" --out "$work/pictures" $tiny --steps 2
expect 2 "continues no frames" "$rin" sample --model "$work/pictures" --cond $plain --out "$work/c.png"
expect 2 ".png" "$rin" sample --model "$work/pictures" --out "$work/c.mp4"
expect 1 "continues no given frames" "$rin" eval predict --model "$work/pictures" --data $plain

# Measuring.
measure() {
    "$rin" eval "$@" --model "$run" --data "$work/videos" --threads 1
}
expect 0 "over 24 " measure loss --t 0.5
cp "$work/stdout" "$work/first"
expect 0 "0.5 " measure loss --t 0.5
same "$work/first" "$work/stdout"
expect 0 '"0.5":' measure loss --t 0.5 --json --limit 3
expect 0 "over 24 clips" measure predict --steps 2 --samples 2
for frame in 3 4 all; do grep -q "^$frame " "$work/stdout" || fail "no line of $frame"; done
expect 0 '"clips":' measure predict --steps 2 --samples 1 --limit 3 --json
for key in samples mse_sample mse_mean mse_repeat; do grep -q "\"$key\":" "$work/stdout" || fail "no key $key"; done
cp "$work/stdout" "$work/first"
expect 0 "" measure predict --steps 2 --samples 1 --limit 3 --json
same "$work/first" "$work/stdout"
expect 2 "allowed" measure predict --samples 0

# A forward pass of the paper's model, in operations, is what the fixture says.
expect 0 "395461216" "$rin" plan --preset kinetics600 --batch 1 --memory 1T --json
awk '
/^ "/ { name = $1 }
FILENAME == ARGV[1] && name == "\"kinetics600\":" && /gflops_forward/ { expected = $2 + 0 }
FILENAME == ARGV[2] && match($0, /"flops_forward": *[0-9]+/) {
    got = substr($0, RSTART, RLENGTH)
    sub(/.*[: ]/, "", got)
    got /= 1e9
}
END { exit !(expected > 0 && got > 0.99 * expected && got < 1.01 * expected) }
' tests/fixtures/presets.json "$work/stdout" || fail "another number of operations than the fixture's"

# Help names what there is.
for option in --cond --start --frames --fps --zoom; do expect 0 "$option" "$rin" help sample; done
for option in "loss|predict" --samples --sampler; do expect 0 "$option" "$rin" help eval; done
for option in "[pack] PATH" --video --out --size --fps; do expect 0 "$option" "$rin" help data; done
for option in data.frame_step data.fps small-video kinetics600; do expect 0 "$option" "$rin" help train; done

# Mistakes in the command line, and what is allowed instead.
expect 2 ".safetensors" "$rin" data pack "$work/videos" --out "$work/pack.bin" --size 16
expect 2 "or 'end'" sample --cond $plain --out "$work/c.mp4" --start -1
expect 2 "sample.frames = 1" sample --cond $plain --out "$work/c.mp4" --frames 1
expect 2 "sample.fps = 0.05" sample --cond $plain --out "$work/c.mp4" --fps 0.05

# What does not fit into one file is refused before it is made.
expect 2 "--save-each" sample --cond $plain --out "$work/c.png" --seed 1 --count 64 --zoom 64
lacks "seed 1"
