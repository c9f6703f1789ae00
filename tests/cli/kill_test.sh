#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 at random moments of a training run, which is resumed each time: it ends with the bytes of a run that was left
# alone. RIN_KILLS says how often (15 unless set), RIN_KILL_SEED when; a seed that failed is printed.
. tests/cli/lib.sh
make_images
kills=${RIN_KILLS:-15}
seed=${RIN_KILL_SEED:-$(date +%s)}
steps=$((kills * 20))
[ $steps -le 4000 ] || steps=4000
options="$tiny --steps $steps --set train.lr_schedule=none --set train.checkpoint_every=3 --set train.sample_every=100
    --set train.log_every=2 --set train.keep=3 --set data.workers=1"

milliseconds() {
    date +%s%3N
}

# What must be the same: all files but the lock and the times in the metrics.
fingerprint() {
    (
        cd "$1"
        sed 's/, "images_per_second".*//' metrics.jsonl | cksum
        find . -type f ! -name metrics.jsonl ! -name lock ! -name run.json ! -name config.ini | LC_ALL=C sort | xargs cksum
    )
}

train() { # folder: begins or goes on; "exec" so that the shell's child is the program itself
    if [ -f "$1/config.ini" ]; then
        exec "$rin" train --out "$1" --resume
    else
        # shellcheck disable=SC2086  # a list of options
        exec "$rin" train --data "$work/images" --out "$1" $options
    fi
}

begin=$(milliseconds)
(train "$work/whole") >"$work/stdout" 2>"$work/stderr" || fail "the undisturbed run"
took=$(($(milliseconds) - begin))
fingerprint "$work/whole" >"$work/expected"

# Delays between 0 and what lets a run live through about as many kills as there are.
awk -v seed="$seed" -v n=$((2 * kills)) -v most="$((8 * took / (5 * kills) + 30))" 'BEGIN {
    srand(seed)
    for (i = 0; i < n; i++) printf "%.3f\n", rand() * most / 1000
}' >"$work/delays"

done=0
runs=0
while [ $done -lt "$kills" ]; do
    read -r delay || fail "seed $seed: only $done kills"
    (train "$work/run") >"$work/stdout" 2>"$work/stderr" &
    pid=$!
    sleep "$delay"
    if kill -9 $pid 2>/dev/null; then
        wait $pid 2>/dev/null && code=0 || code=$?
        # With 0 it had just ended.
        [ $code -eq 137 ] || [ $code -eq 0 ] || fail "seed $seed: exit code $code before kill $done"
        [ $code -eq 0 ] || done=$((done + 1))
        if [ -f "$work/run/model.safetensors" ]; then expect 0 "steps trained" "$rin" info "$work/run"; fi
    else
        wait $pid || fail "seed $seed: after $done kills"
    fi
    if grep -q -e "steps done" -e "is finished" "$work/stdout" || [ $done -eq "$kills" ]; then
        (train "$work/run") >"$work/stdout" 2>"$work/stderr" || fail "seed $seed: after $done kills"
        fingerprint "$work/run" >"$work/got"
        cmp -s "$work/expected" "$work/got" || fail "seed $seed: $done kills changed the result: $(diff "$work/expected" "$work/got")"
        runs=$((runs + 1))
        mv "$work/run" "$work/run-$runs"
    fi
done <"$work/delays"
echo "$done kills over $runs runs of $steps steps, all with the bytes of an undisturbed one (seed $seed)"
