#!/bin/sh
# SPDX-License-Identifier: MIT
# Likely mistakes lose nothing and are not passed over: runs among the images, states that are gone, links in archives,
# options that mean nothing.
. tests/cli/lib.sh
make_images

# A run in the folder of its images is no class, and no image; neither is what it drew.
cd "$work/images"
inside="$tiny --set train.lr_schedule=none --set train.sample_every=2"
# shellcheck disable=SC2086
{
    expect 0 "4 steps done" "$rin" train --data . --out run $inside --steps 4
    has run/samples/step-000000004.png
    expect 0 "the folder 'run' is left out" "$rin" train --out run --resume --steps 6
    expect 0 "4 classes" "$rin" train --data . --out second $inside --steps 2
}
cd - >/dev/null
rm -r "$work/images/run" "$work/images/second"

# Without its state a run of many steps is not begun anew over what it made.
expect 0 "6 steps done" train run --steps 6
cp "$work/run/model.safetensors" "$work/kept.safetensors"
rm "$work/run/state.safetensors" "$work"/run/state-*.safetensors
expect 1 "has a model of 6 steps, but no state.safetensors" "$rin" train --out "$work/run" --resume --steps 8
same "$work/run/model.safetensors" "$work/kept.safetensors"

# What a resumed run computes does not depend on these.
expect 0 "2 steps done" train other --steps 2
expect 0 "4 steps done" "$rin" train --out "$work/other" --resume --steps 4 --set train.keep=1 --set data.workers=2
grep -q "^keep = 1" "$work/other/config.ini" || fail "train.keep is not that of the resumed run"

# A second name in an archive is a second image; a symbolic link is told of.
mkdir -p "$work/linked/a" "$work/linked/b"
cp "$work/images/cat/0000.jpg" "$work/linked/a/1.jpg"
ln "$work/linked/a/1.jpg" "$work/linked/b/2.jpg"
ln -s ../a/1.jpg "$work/linked/b/3.jpg"
tar -cf "$work/linked.tar" -C "$work/linked" .
expect 0 "left out 1 symbolic links" "$rin" data "$work/linked.tar"
expect 0 '"classes":[{"name":"a","images":1},{"name":"b","images":1}]' "$rin" data "$work/linked.tar" --json

# Parts of a set are no classes; loose pictures and those of other kinds are counted.
mkdir -p "$work/parts"
cp -r "$work/images" "$work/parts/train"
cp -r "$work/images" "$work/parts/val"
expect 0 "if these are parts of one set" "$rin" data "$work/parts"
cp "$work/images/cat/0000.jpg" "$work/linked/loose.jpg"
echo no >"$work/linked/phone.heic"
expect 0 "1 of 4 images are left out" "$rin" data "$work/linked"
expect 0 "1 of them are pictures of kinds that are not read" "$rin" data "$work/linked"

# Options of other measurements, and values that are none.
for option in "--out x.json" "--samples 2" "--guidance 1" "--size 8" "--mix" "--keep here"; do
    # shellcheck disable=SC2086
    expect 2 "means nothing to rin eval loss" "$rin" eval loss --model "$work/other" --data "$work/images" $option
done
expect 2 "means nothing to rin eval predict" "$rin" eval predict --model "$work/other" --data "$work/images" --t 0.5
expect 2 "eval.bogus" "$rin" eval loss --model "$work/other" --data "$work/images" --set eval.bogus=3
expect 0 "over 3 images" "$rin" eval loss --model "$work/other" --data "$work/images" --t 0.5 --set eval.limit=3

# A pack takes no other file's place.
cp "$work/other/model.safetensors" "$work/model.safetensors"
expect 1 "is there and no pack" "$rin" data pack assets/clips/train/middle/cyclist.mp4 --out "$work/model.safetensors" --size 8
same "$work/other/model.safetensors" "$work/model.safetensors"
