#!/bin/sh
# SPDX-License-Identifier: MIT
# Scores by the program: of pictures, of statistics, of a model that is stopped and gone on with.
. tests/cli/lib.sh
make_images
weights=$work/inception.safetensors
"$(dirname "$rin")/make_weights" inception "$weights"
few="--limit 4 --threads 1 --set eval.batch=4 --set eval.kid_subsets=2 --set eval.kid_size=3"

score() { # what, then more options: of those images
    what=$1
    shift
    # shellcheck disable=SC2086  # a list of options
    "$rin" eval "$what" $few --weights "$weights" "$@"
}

prints() { # text in what was printed last
    grep -qF -e "$1" "$work/stdout" "$work/stderr" || fail "no '$1'"
}

# What is asked for wrongly.
expect 2 "cannot measure 'fid,iss'" "$rin" eval fid,iss --data "$work/images"
expect 2 "cannot measure 'fid,'" "$rin" eval fid, --data "$work/images"
expect 2 "give one of them" "$rin" eval fid --weights "$weights"
expect 2 "give one of them" "$rin" eval fid --weights "$weights" --data "$work/images" --model "$work"
expect 2 "--limit x" "$rin" eval is --data "$work/images" --limit x
expect 2 "--out FILE.npz" "$rin" eval stats --data "$work/images"
expect 2 "eval.preprocess" "$rin" eval is --data "$work/images" --preprocess tff
expect 1 "convert it by: python -c" "$rin" eval is --data "$work/images"
expect 1 "convert it by: python -c" "$rin" eval is --data "$work/images" --weights "$work/nothing.safetensors"
expect 1 "nothing to compare with" score fid --data "$work/images"
expect 1 "ask for it alone" score fvd,fid --data "$work/images" --reference "$work/images"
expect 1 "video" score fvd --data "$work/images" --reference "$work/images"
expect 1 "end in .npz" "$rin" eval stats --data "$work/images" --out "$work/a.txt" --weights "$weights"
expect 1 "2" "$rin" eval is --data "$work/images" --weights "$weights" --limit 1 --set eval.split_size=2

# One picture has no covariance, and its kernel no other.
mkdir "$work/one"
cp "$work/images/cat/0000.jpg" "$work/one"
expect 1 "2" score fid --data "$work/one" --reference "$work/images"
expect 1 "2" score kid --data "$work/one" --reference "$work/images"

# Against the images themselves, with all that the scores depend on.
expect 0 '"protocol":' score is,kid,pr --data "$work/images" --reference "$work/images" --set eval.split_size=2 --json \
    --out "$work/lines.jsonl"
flat() { tr -d ' \n\t' <"$work/stdout"; }
for field in '"inception_score":{"mean":' '"kid":{"mean":' '"precision":1,' '"recall":1,' \
    '"network":"inception"' '"preprocess":"tf"' '"kid_seed":0' '"kid_size":3' '"split_size":2' '"neighbours":3' \
    '"size":"32x32"' '"n":4' '"program":"rin'; do
    flat | grep -qF -e "$field" || fail "no $field"
done
[ "$(wc -l <"$work/lines.jsonl")" -eq 1 ] || fail "not one line for one call"
expect 0 "Inception Score  " score is --data "$work/images" --set eval.split_size=2 --out "$work/lines.jsonl"
prints "protocol         network inception, weights "
[ "$(wc -l <"$work/lines.jsonl")" -eq 2 ] || fail "not two lines for two calls"
expect 1 "$work/nowhere" score is --data "$work/images" --set eval.split_size=2 --out "$work/nowhere/lines.jsonl"

# Statistics as a reference, and what else they are not good for.
expect 0 "statistics of 4 pictures" score stats --data "$work/images" --out "$work/images.npz"
expect 0 '"frechet_raw":' score fid --data "$work/images" --reference "$work/images.npz" --json
prints '"fid":'
prints "n = 4 <= 2048: biased"
expect 1 "allow it (--mix)" score fid --data "$work/images" --reference "$work/images.npz" --preprocess clean
expect 1 "no pictures (arr_0)" score kid --data "$work/images" --reference "$work/images.npz"
expect 1 "$work/nowhere" score stats --data "$work/images" --out "$work/nowhere/images.npz"

# A model: stopped, and gone on with; so many tokens that two pictures are made at a time.
expect 0 "" train run --set model.image_height=72 --set model.image_width=80 --set model.patch_size=1 \
    --set model.image_channels=3 --set train.batch=1 --set train.warmup_steps=0 --set sample.steps=1 --steps 1
of_model() { # folder for features, then more options
    folder=$1
    shift
    exec "$rin" eval is --model "$work/run" --weights "$weights" --keep "$work/$folder" --count 4 --threads 1 \
        --set eval.split_size=2 "$@"
}
(of_model parts >"$work/stdout" 2>"$work/stderr" </dev/null) &
pid=$!
tries=0
until ls "$work"/parts/*.json >/dev/null 2>&1; do
    sleep 0.05
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || fail "nothing is kept within a minute"
done
kill -INT $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "exit code $code instead of 130 after SIGINT"
prints "the same command goes on from there"
rows=$(sed 's/.*"rows":\([0-9]*\).*/\1/' "$work"/parts/*.json)
[ "$rows" -ge 1 ] && [ "$rows" -lt 4 ] || fail "$rows rows of 4 are kept"
expect 0 "Inception Score  " "$rin" eval is --model "$work/run" --weights "$weights" --keep "$work/parts" \
    --count 4 --threads 1 --set eval.split_size=2
expect 0 "Inception Score  " "$rin" eval is --model "$work/run" --weights "$weights" --count 4 --threads 1 \
    --set eval.split_size=2
has "$work/run/eval/scores.jsonl" # where features of a run are kept unless said otherwise
same "$work/parts/scores.jsonl" "$work/run/eval/scores.jsonl"
for kind in features logits; do same "$work"/parts/*-$kind.npy "$work"/run/eval/*-$kind.npy; done

# A folder that cannot be made is known before anything is sampled.
expect 1 "$weights" "$rin" eval is --model "$work/run" --weights "$weights" --keep "$weights/inside" --count 4
expect 1 "this model makes pictures" "$rin" eval fvd --model "$work/run" --reference "$work/images" --weights "$weights"
long=$(printf '%04000d' 0)
expect 2 "too long" "$rin" eval is --model "$work/run" --weights "$weights" --keep "$work/$long" --count 4
