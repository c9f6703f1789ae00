#!/bin/sh
# SPDX-License-Identifier: MIT
# rin sample: samplers, guidance, pictures to begin with, masks, ways between seeds, films, and making a file again.
. tests/cli/lib.sh
make_images
run=$work/run
train run --steps 4 --set diffusion.cond_dropout=0.1 >/dev/null 2>&1
cp "$run/model.safetensors" "$work/early.safetensors"
"$rin" train --out "$run" --resume --steps 6 >/dev/null 2>&1
photo=$work/images/cat/0000.jpg

sample() { # CODE TEXT options...: of that model
    code=$1
    text=$2
    shift 2
    expect "$code" "$text" "$rin" sample --model "$run" --threads 1 "$@"
}
differ() {
    if cmp -s "$1" "$2"; then fail "$1 and $2 are the same"; fi
}
# again FILE [options...]: the same bytes from what the file says
again() {
    from=$1
    shift
    expect 0 "" "$rin" sample --like "$from" --out "$work/again.png" --threads 1 "$@"
    same "$from" "$work/again.png"
}

# Every sampler that the help lists makes pictures, the same ones twice, and its files say how.
expect 0 "dpmpp2m" "$rin" help sample
samplers=$(sed -n '/^Samplers/,/^$/p' "$work/stdout" | sed -n 's/^  \([^ ]*\) .*/\1/p')
[ "$(echo "$samplers" | wc -w)" -ge 7 ] || fail "the help lists $samplers"
for sampler in $samplers; do
    sample 0 "seed 5" --out "$work/$sampler.png" --sampler "$sampler" --steps 4 --seed 5 --count 4
    again "$work/$sampler.png"
done
differ "$work/dpmpp2m.png" "$work/unipc.png"
sample 0 "" --out "$work/usual.png" --seed 5 --count 4
again "$work/usual.png"
sample 0 "" --out "$work/spaced.png" --seed 5 --count 4 --spacing karras
differ "$work/usual.png" "$work/spaced.png"
sample 0 "" --out "$work/churned.png" --seed 5 --count 4 --sampler heun --steps 4 --churn 3
differ "$work/heun.png" "$work/churned.png"
again "$work/churned.png"
sample 2 "sample.churn = 3: the sampler ddim" --out "$work/a.png" --churn 3
sample 2 "sample.sampler" --out "$work/a.png" --sampler plms

# Guidance everywhere, in an interval, and by an earlier model. An empty interval is refused.
sample 0 "" --out "$work/guided.png" --seed 5 --count 4 --guidance 2
differ "$work/usual.png" "$work/guided.png"
again "$work/guided.png"
sample 0 "" --out "$work/interval.png" --seed 5 --count 4 --guidance 2 --guidance-interval 0.2,2
differ "$work/interval.png" "$work/guided.png"
again "$work/interval.png"
sample 2 "two noise levels" --out "$work/a.png" --guidance 2 --guidance-interval 3
sample 2 "no noise level" --out "$work/a.png" --guidance 2 --guidance-interval 2,0.2
sample 2 "add --guidance" --out "$work/a.png" --guidance-interval 0.2,2
sample 0 "0.7 is taken" --out "$work/led.png" --seed 5 --count 4 --guide "$work/early.safetensors"
differ "$work/usual.png" "$work/led.png"
again "$work/led.png"
sample 2 "sample.guidance = 0" --out "$work/a.png" --guide "$work/early.safetensors" --guidance 0
sample 1 "$work/nothing" --out "$work/a.png" --guide "$work/nothing"
sample 1 "the state of a training" --out "$work/a.png" --guide "$run/state.safetensors"

# Long runs keep two early models to guide by, unless told not to.
train long --steps 1000 --set train.checkpoint_every=1000 >/dev/null 2>&1
for step in 062 125; do
    has "$work/long/guide-000000$step.safetensors"
    expect 0 "1 picture" "$rin" sample --model "$work/long" --guide "$work/long/guide-000000$step.safetensors" --count 1 \
        --out "$work/a.png" --threads 1
done
train plain --steps 1000 --set train.checkpoint_every=1000 --set train.guides=false >/dev/null 2>&1
[ ! -e "$work/plain/guide-000000062.safetensors" ] || fail "a guide that nobody wanted"
expect 0 "never hidden" "$rin" info "$work/plain"
expect 0 "--guidance W" "$rin" info "$run"
expect 0 "never hidden" "$rin" sample --model "$work/plain" --guidance 1 --count 1 --out "$work/a.png" --threads 1

# Pictures to begin with, and masks of what stays.
sample 0 "0.6 is taken" --out "$work/begun.png" --seed 5 --count 4 --init "$photo"
again "$work/begun.png"
sample 0 "" --out "$work/nearly.png" --seed 5 --count 4 --init "$photo" --strength 0.01
differ "$work/begun.png" "$work/nearly.png"
sample 0 "" --out "$work/masked.png" --seed 5 --count 4 --init "$photo" --mask "$photo"
again "$work/masked.png"
sample 0 "" --out "$work/walked.png" --seed 5 --count 4 --init "$photo" --mask "$photo" --steps 6 --set sample.jump=2 \
    --set sample.repeats=3
again "$work/walked.png"
sample 2 "add --init" --out "$work/a.png" --mask "$photo"
sample 2 "add --init" --out "$work/a.png" --strength 0.5
sample 1 "nothing.png" --out "$work/a.png" --init "$work/nothing.png"
sample 2 "around a mask only" --out "$work/a.png" --set sample.repeats=2
sample 0 "no step is made again" --out "$work/a.png" --init "$photo" --mask "$photo" --steps 4 --set sample.jump=4 \
    --set sample.repeats=2

# Ways between seeds: the ends are the pictures of the seeds.
sample 0 "seeds 1, 2" --out "$work/way.png" --interpolate 1,2 --frames 5 --class cat --save-each "$work/way"
[ "$(ls "$work/way" | wc -l)" = 5 ] || fail "not five pictures on the way"
again "$work/way.png"
again "$work/way/0003-cat.png"
sample 0 "" --out "$work/end.png" --seed 2 --class cat --count 1 --save-each "$work/end"
sample 0 "5 pictures" --out "$work/way.gif" --interpolate 1,2 --frames 5 --class cat,dog
sample 0 "5 pictures" --out "$work/way.gif.png" --interpolate 1,2 --frames 5 --class cat,dog
has "$work/way.gif"
sample 2 "two whole numbers" --out "$work/a.png" --interpolate 1
expect 0 "3 pictures" "$rin" sample --like "$work/way.gif.png" --out "$work/fewer.png" --frames 3 --threads 1
sample 0 "" --out "$work/three.png" --interpolate 1,2 --frames 3 --class cat,dog
same "$work/three.png" "$work/fewer.png"
sample 2 "at least 2" --out "$work/a.png" --interpolate 1,2 --frames 1
sample 2 "--frames says how many" --out "$work/a.png" --interpolate 1,2 --count 3
sample 2 "--frames" --out "$work/a.png" --frames 3
sample 2 "--fps" --out "$work/a.png" --fps 3
sample 2 "add --cond" --out "$work/a.png" --start 3
sample 2 "leave --seed out" --out "$work/a.png" --interpolate 1,2 --seed 3
sample 2 "at most two classes" --out "$work/a.png" --interpolate 1,2 --class cat,dog,bird
sample 2 "adds no fresh noise" --out "$work/a.png" --interpolate 1,2 --sampler ddpm
sample 2 ".gif" --out "$work/a.jpg" --interpolate 1,2

# Films.
for end in gif webp png; do
    sample 0 "film.$end" --out "$work/a.png" --film "$work/film.$end" --count 4
    has "$work/film.$end"
done
sample 2 "--film" --out "$work/a.png" --film "$work/film.txt"
sample 2 "the same file" --out "$work/a.png" --film "$work/a.png"
sample 2 "the same file" --out "$work/a.png" --film "$work/./a.png"
sample 2 "would be lost" --out "$work/usual.png" --init "$work/usual.png"
sample 2 "would be lost" --out "$work/a.png" --film "$work/film.png" --init "$work/film.png"
mkdir "$work/mixed"
sample 2 "--save-each writes" --out "$work/mixed/0001-cat.png" --save-each "$work/mixed" --class cat --count 2
sample 0 "" --out "$work/mixed/0002-cat.png" --save-each "$work/mixed" --class cat --count 2
sample 1 "No such file" --out "$work/a.png" --film "$work/nowhere/film.gif"

# Files of their own are made again alone; another option beside changes what it names.
sample 0 "" --out "$work/all.png" --seed 5 --count 4 --save-each "$work/each"
again "$work/each/0002-cat.png"
expect 0 "seed 6" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --seed 6 --threads 1
differ "$work/usual.png" "$work/b.png"
sample 0 "" --out "$work/other.png" --seed 5 --count 4 --sampler dpmpp2m
expect 0 "" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --sampler dpmpp2m --threads 1
same "$work/other.png" "$work/b.png"
expect 0 "" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --set sample.sampler=dpmpp2m --threads 1
same "$work/other.png" "$work/b.png"
expect 0 "2 pictures" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --count 2 --threads 1
expect 0 "8 pictures" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --class cat --count 8 --threads 1
expect 0 "" "$rin" sample --like "$work/churned.png" --out "$work/b.png" --sampler ddim --threads 1
same "$work/usual.png" "$work/b.png"
expect 0 "0.6 is taken" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --init "$photo" --threads 1
same "$work/begun.png" "$work/b.png"
expect 0 "0.7 is taken" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --guide "$work/early.safetensors" \
    --threads 1
same "$work/led.png" "$work/b.png"
expect 0 "" "$rin" sample --like "$work/led.png" --out "$work/b.png" --guidance 0 --threads 1
same "$work/usual.png" "$work/b.png"
expect 2 "add --guidance" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --guidance-interval 0.2,2

# A picture that was changed is noticed, as a model is; one that is gone is named.
cp "$photo" "$work/given.jpg"
sample 0 "" --out "$work/changed.png" --count 1 --init "$work/given.jpg" --mask "$work/given.jpg"
again "$work/changed.png"
cp "$work/images/dog/0000.jpg" "$work/given.jpg"
expect 2 "other pixels now" "$rin" sample --like "$work/changed.png" --out "$work/b.png" --threads 1
expect 0 "will differ" "$rin" sample --like "$work/changed.png" --out "$work/b.png" --threads 1 \
    --init "$work/given.jpg" --mask "$work/given.jpg"
rm "$work/given.jpg"
expect 1 "name it by --init" "$rin" sample --like "$work/changed.png" --out "$work/b.png" --threads 1

# What was made before Ctrl-C stays.
"$rin" sample --model "$run" --out "$work/b.png" --count 100000 --steps 2 --save-each "$work/many" --threads 1 \
    >/dev/null 2>"$work/stderr" &
pid=$!
while [ ! -e "$work/many/0063-airplane.png" ]; do sleep 0.1; done
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "exit code $code instead of 130 after SIGINT"
grep -q "stopped; $work/many has [0-9]* of 100000 pictures" "$work/stderr" || fail "what was made is not told"
[ "$(ls "$work/many" | wc -l)" -ge 64 ] || fail "less than what was made"

# Parts of what a seed stands for.
sample 0 "" --out "$work/b.png" --seed 5 --class cat --count 1 --set sample.first=2 --save-each "$work/part"
same "$work/part/0002-cat.png" "$work/each/0002-cat.png"

# A model that was trained on makes other pictures, which is not done unasked; nor without a model.
"$rin" train --out "$run" --resume --steps 8 >/dev/null 2>&1
expect 2 "other weights now" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --threads 1
expect 0 "will differ" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --model "$run" --threads 1
rm -r "$run"
expect 1 "no model at" "$rin" sample --like "$work/usual.png" --out "$work/b.png" --threads 1
expect 1 "no recipe" "$rin" sample --like docs/cifar10-2300-steps.png --out "$work/b.png"
expect 1 "photo.jpg" "$rin" sample --like "$work/photo.jpg" --out "$work/b.png"
