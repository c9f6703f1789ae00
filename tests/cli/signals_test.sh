#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad moments: signals, readers that are gone, streams that are closed, files that may not grow, names that are no text.
. tests/cli/lib.sh
make_images
endless="--steps 1000000 --set train.checkpoint_every=1000000 --set train.log_every=10"

# until_true COMMAND...: waits for it, a minute at most.
until_true() {
    tries=0
    until "$@" 2>/dev/null; do
        sleep 0.05
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "not within a minute: $*"
    done
}

wait_for() { # text, file
    until_true grep -qF -e "$1" "$2"
}

# start COMMAND...: in the background; its output is where expect has it.
start() {
    rm -f "$work/stdout" "$work/stderr" # lest those of the last one be read
    "$@" >"$work/stdout" 2>"$work/stderr" </dev/null &
    pid=$!
}

# ends CODE TEXT: what was started ends with this code, and the text is in what it printed.
ends() {
    code=0
    wait $pid || code=$?
    [ $code -eq "$1" ] || fail "exit code $code instead of $1"
    [ -z "$2" ] || grep -qF -e "$2" "$work/stdout" "$work/stderr" || fail "no '$2'"
}

# sh train FOLDER OPTIONS...; a script, so that a signal to it is one to the program.
one_line=$(echo "$tiny" | tr '\n' ' ')
cat >"$work/train" <<END
folder=\$1
shift
exec "$rin" train --data "$work/images" --out "$work/\$folder" $one_line --set train.lr_schedule=none "\$@"
END

# Each signal in the middle of training: what it does is said, the run is saved, and the exit code is 130.
for signal in INT TERM HUP; do
    # shellcheck disable=SC2086  # a list of options
    start sh "$work/train" $signal $endless
    wait_for "step 1/" "$work/stderr"
    kill -"$signal" $pid
    ends 130 "stopped and saved after step"
    grep -q "stopping after this step" "$work/stderr" || fail "no word of what SIG$signal does"
    has "$work/$signal/state.safetensors"
done

# The run goes on to the bytes of one that was never stopped; for SIGINT resume_test.sh has this. On a machine that stalls
# the run may end before the signal comes: then once more.
few="--steps 400 --set train.checkpoint_every=100 --set train.log_every=10"
# shellcheck disable=SC2086
expect 0 "400 steps done" sh "$work/train" whole $few
code=0
tries=0
while [ $code -ne 130 ]; do
    tries=$((tries + 1))
    [ $tries -le 20 ] || fail "exit code $code instead of 130 after SIGTERM"
    rm -rf "$work/parts"
    # shellcheck disable=SC2086
    start sh "$work/train" parts $few
    wait_for "step 10/" "$work/stderr"
    kill -TERM $pid 2>/dev/null || true
    code=0
    wait $pid || code=$?
done
expect 0 "400 steps done" "$rin" train --out "$work/parts" --resume
same "$work/whole/model.safetensors" "$work/parts/model.safetensors"
same "$work/whole/state.safetensors" "$work/parts/state.safetensors"

# A run that does little else than write checkpoints: the one at work is finished. Two hangups are no more than one.
start sh "$work/train" saving --steps 1000000 --set train.checkpoint_every=1
wait_for "saved" "$work/stderr"
kill -HUP $pid
sleep 0.01
kill -HUP $pid 2>/dev/null || true
ends 130 "stopped and saved after step"
find "$work/saving" -name '*tmp*' | grep . && fail "a file was left half written"
start "$rin" train --out "$work/saving" --resume
wait_for "saved" "$work/stderr"
kill -TERM $pid
ends 130 "stopped and saved after step"

# A step that takes minutes: the first SIGINT waits for it, the second does not. Waiting for data in its middle ends at the
# first, which a machine that stalls may come upon: then once more.
tries=0
while :; do
    tries=$((tries + 1))
    [ $tries -le 5 ] || fail "the first SIGINT did not wait for the step"
    rm -rf "$work/slow"
    start sh "$work/train" slow --steps 3 --set train.batch=400000 --set train.accumulate=100000
    wait_for "step 0 of 3" "$work/stderr"
    sleep 0.2
    kill -INT $pid
    wait_for "once more to stop at once" "$work/stderr"
    sleep 1
    kill -INT $pid 2>/dev/null || true
    ends 130 ""
    grep -q "saved" "$work/stderr" || break
done

# Hangups that were ignored at the start stay so, as under nohup; SIGTERM is caught also where it was ignored.
# shellcheck disable=SC2086,SC2016
start sh -c 'trap "" HUP TERM; exec sh "$@"' sh "$work/train" nohup $endless
wait_for "step 1/" "$work/stderr"
kill -HUP $pid
lines=$(($(wc -l <"$work/stderr") + 2))
until_true awk "END { exit NR <= $lines }" "$work/stderr"
grep -q "stopping" "$work/stderr" && fail "a hangup was not ignored"
kill -TERM $pid
ends 130 "stopping after this step; once more to stop at once"

# Sampling, and writing a file a picture.
start "$rin" sample --model "$work/parts" --out "$work/a.png" --count 8 --steps 1000000 --threads 1
wait_for "seed" "$work/stdout"
kill -TERM $pid
ends 130 "no pictures were written"
[ ! -e "$work/a.png" ] || fail "a stopped call wrote its pictures"
start "$rin" sample --model "$work/parts" --out "$work/a.png" --count 8000 --steps 1 --threads 1 \
    --save-each "$work/each"
until_true test -s "$work/each/0000-airplane.png"
kill -TERM $pid
ends 130 "of 8000 pictures"
[ ! -e "$work/a.png" ] || fail "a grid of pictures that are not all made"

# Loading and measuring: a wide picture by two thousand names, and a file whose mention tells that loading begins.
"$rin" sample --model "$work/parts" --out "$work/wide.png" --count 8000 --steps 1 >/dev/null
mkdir "$work/large" "$work/large/0"
touch "$work/large/.hidden"
for i in $(seq 500); do ln "$work/wide.png" "$work/large/0/$i.png"; done
for i in 1 2 3; do cp -Rl "$work/large/0" "$work/large/$i"; done
interrupt_loading() { # signal, text, command...
    signal=$1
    text=$2
    shift 2
    tries=0
    code=0
    while [ $code -ne 130 ]; do # until the signal finds it at work
        tries=$((tries + 1))
        [ $tries -le 20 ] || fail "exit code $code instead of 130 after SIG$signal"
        start "$@"
        wait_for "hidden" "$work/stderr"
        kill -"$signal" $pid 2>/dev/null || true
        code=0
        wait $pid || code=$?
        [ $code -eq 130 ] || rm -rf "$work/unloaded"
    done
    grep -qF -e "$text" "$work/stdout" "$work/stderr" || fail "no '$text'"
}
interrupt_loading INT "of 2000 images" "$rin" data "$work/large"
# shellcheck disable=SC2086
interrupt_loading HUP "of 2000 images" "$rin" train --data "$work/large" --out "$work/unloaded" $tiny --steps 3 \
    --set model.image_channels=3
interrupt_loading TERM "of 18000 images" "$rin" eval loss --model "$work/parts" --data "$work/large" --threads 1

# A reader that is gone: training goes on, and ends as it should.
{
    code=0
    sh "$work/train" piped --steps 300 --set train.log_every=1 --set train.checkpoint_every=300 \
        2>&1 >"$work/stdout" || code=$?
    echo $code >"$work/code"
} | head -n 1 >"$work/stderr"
[ "$(cat "$work/code")" -eq 0 ] || fail "exit code $(cat "$work/code") with nobody to read the messages"
grep -q "300 steps done" "$work/stdout" || fail "a closed pipe ended training"

# A reader that comes late: of more remarks than can be kept it gets the first ones, and is told of the others.
mkfifo "$work/pipe"
# Of a run that diverges every step is a remark.
# shellcheck disable=SC2086
"$rin" train --data "$work/images" --out "$work/unread" $tiny $endless --set train.learning_rate=10 \
    --set train.max_bad_steps=1000000000 >"$work/stdout" 2>"$work/pipe" </dev/null &
pid=$!
exec 3<"$work/pipe"
lines_beyond() { [ -f "$2" ] && [ "$(wc -l <"$2")" -gt "$1" ]; }
until_true lines_beyond 2000 "$work/unread/metrics.jsonl"
cat <&3 >"$work/stderr" &
reader=$!
wait_for "more remarks were left out" "$work/stderr"
wait_for "loss" "$work/stderr"
kill -TERM $pid
ends 130 ""
exec 3<&-
wait $reader
grep -v -e "^rin: " -e "^step " "$work/stderr" && fail "torn lines"

# Streams that are closed from the start: no file takes their place.
expect 0 "3 steps done" sh "$work/train" open --steps 3
code=0
sh "$work/train" mute --steps 3 2>&- >"$work/stdout" || code=$?
[ $code -eq 0 ] || fail "exit code $code without standard error"
code=0
sh "$work/train" closed --steps 3 <&- >&- 2>&- || code=$?
[ $code -eq 1 ] || fail "exit code $code instead of 1 without standard output"
for folder in mute closed; do
    same "$work/open/model.safetensors" "$work/$folder/model.safetensors"
    same "$work/open/state.safetensors" "$work/$folder/state.safetensors"
done
code=0
"$rin" help 2>"$work/stderr" >&- || code=$?
[ $code -eq 1 ] || fail "exit code $code instead of 1 without standard output"
grep -q "standard output" "$work/stderr" || fail "no word of standard output"

# A file that may not grow is an error like a full disk, no death by a signal.
(
    ulimit -f 40
    expect 1 "$work/limited" sh "$work/train" limited --steps 3
)

# Names hold any bytes; a terminal gets no control characters of them.
escape=$(printf '\033')
title="$escape]0;title"
mkdir -p "$work/odd/$title" "$work/odd/né"
echo "no image" >"$work/odd/$title/${escape}[2Jbroken.png"
for class in "$title" né; do cp "$work/images/cat/0000.jpg" "$work/odd/$class"; done
plain() { # as expect
    expect "$@"
    cat "$work/stdout" "$work/stderr" | grep -q "$escape" && fail "control characters from: $*"
    return 0
}
plain 0 "né" "$rin" data "$work/odd"
plain 0 "?[2Jbroken.png" "$rin" data "$work/odd"
# shellcheck disable=SC2086
plain 0 "?[2Jbroken.png" "$rin" train --data "$work/odd" --out "$work/named" $tiny --steps 3
plain 2 "?]0;title, né" "$rin" sample --model "$work/named" --out "$work/c.png" --class horse
plain 0 "?]0;title" "$rin" info "$work/named"
plain 2 "there is no verb '?[2J'" "$rin" "${escape}[2J"
