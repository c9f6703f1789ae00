#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzing with clang's libFuzzer, address and undefined behaviour sanitizers. Builds into build/fuzz (RIN_FUZZ_BUILD).
#
#   tests/fuzz/run.sh SECONDS [NAME...]   each target, or these, for SECONDS of processor time; two at a time
#   tests/fuzz/run.sh --merge [NAME...]   adds what they found worth keeping to tests/fuzz/corpus
#
# Inputs, logs and findings gather in build/fuzz/work/NAME. Ends with 1 when there was a finding.
set -eu
cd "$(dirname "$0")/../.."
build=${RIN_FUZZ_BUILD:-build/fuzz}
timed_out=70     # libFuzzer's exit code
most_kept=40000  # bytes that --merge lets a target's corpus grow to

# Bytes of the longest input.
longest() {
    case $1 in
    set) echo 256 ;;
    config) echo 4096 ;;
    safetensors | pack) echo 8192 ;;
    cifar) echo 8192 ;;
    model) echo 32768 ;;
    *) echo 16384 ;;
    esac
}

# Pictures may claim up to 256 Mi pixels, which is what the limits of memory leave room for.
megabytes() {
    case $1 in
    image | archive | video) echo "-rss_limit_mb=6144 -malloc_limit_mb=2048" ;;
    *) echo "-rss_limit_mb=2048 -malloc_limit_mb=1024" ;;
    esac
}

dictionary() {
    [ ! -f "tests/fuzz/$1.dict" ] || echo "-dict=tests/fuzz/$1.dict"
}

# Whole seconds of processor time of this shell's children. No substitution around times: a subshell has no children.
cpu_seconds() {
    times >"$work/times"
    awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += 60 * t[1] + t[2] } print int(sum) }' "$work/times"
}

# On a machine that stalls any input may look slow: what is fast when tried again is no finding.
drop_stalls() {
    for input in "$work"/findings/timeout-*; do
        [ -e "$input" ] || continue
        # shellcheck disable=SC2046
        if "$build/fuzz_$name" $(megabytes "$name") -timeout=10 "$input" >>"$work/log" 2>&1; then rm "$input"; fi
    done
    [ -n "$(find "$work/findings" -type f -name 'timeout-*')" ] || status=0
}

# run_one SECONDS NAME
run_one() {
    seconds=$1 name=$2
    work=$build/work/$name
    mkdir -p "$work/inputs" "$work/findings"
    RIN_FUZZ_DIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" rin-fuzz-run-XXXXXX)
    export RIN_FUZZ_DIR
    trap 'rm -rf "$RIN_FUZZ_DIR"' EXIT
    : >"$work/log"
    spent=0 status=0
    while [ "$spent" -lt "$seconds" ] && [ "$status" -eq 0 ]; do
        # shellcheck disable=SC2046  # options without spaces
        "$build/fuzz_$name" "$work/inputs" "tests/fuzz/corpus/$name" -max_total_time="$((seconds - spent))" -timeout=10 \
            -max_len="$(longest "$name")" $(megabytes "$name") $(dictionary "$name") -artifact_prefix="$work/findings/" \
            -print_final_stats=1 >>"$work/log" 2>&1 || status=$?
        [ "$status" -ne "$timed_out" ] || drop_stalls
        cpu_seconds >"$work/spent"
        read -r spent <"$work/spent"
    done
    findings=$(find "$work/findings" -type f ! -name 'slow-unit-*' | wc -l)
    awk -v name="$name" -v spent="$spent" -v findings="$findings" -v status="$status" '
        /^stat::number_of_executed_units:/ { runs += $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cover = $(i + 1) }
        END { printf "%-12s %9d executions, %5d s of processor time, coverage %5d, findings %d%s\n", name, runs, spent,
              cover, findings, status ? ", see " FILENAME : "" }' "$work/log"
    [ "$status" -eq 0 ] && [ "$findings" -eq 0 ]
}

# merge_one NAME: the smallest inputs that reach what the corpus does not.
merge_one() {
    name=$1
    work=$build/work/$name
    corpus=tests/fuzz/corpus/$name
    [ -d "$work/inputs" ] || return 0
    rm -rf "$work/merged"
    cp -R "$corpus" "$work/merged"
    # shellcheck disable=SC2046
    "$build/fuzz_$name" -merge=1 $(megabytes "$name") -timeout=10 "$work/merged" "$work/inputs" >"$work/merge.log" 2>&1 ||
        { echo "$name: merging failed, see $work/merge.log" && return 1; }
    find "$corpus" -type f -exec wc -c {} + | awk '$2 == "total" { next } { sum += $1 } END { print sum + 0 }' >"$work/kept"
    read -r total <"$work/kept"
    before=$total
    find "$work/merged" -type f -exec wc -c {} + | awk '$2 != "total"' | sort -n >"$work/by_size"
    while read -r size path; do
        [ ! -e "$corpus/${path##*/}" ] || continue
        [ $((total + size)) -le "$most_kept" ] || break
        cp "$path" "$corpus/"
        total=$((total + size))
    done <"$work/by_size"
    echo "$name: the corpus grew from $before to $total bytes"
}

names() {
    [ $# -gt 0 ] || set -- tests/fuzz/*_fuzz.c
    for name; do
        name=${name##*/}
        echo "${name%_fuzz.c}"
    done
}

case ${1:-} in
--one)
    run_one "$2" "$3"
    exit
    ;;
--merge)
    shift
    for name in $(names "$@"); do merge_one "$name"; done
    exit
    ;;
[1-9]*) ;;
*)
    sed -n '3,8s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

seconds=$1
shift
command -v clang >/dev/null || { echo "fuzzing needs clang with libFuzzer: apt-get install clang" && exit 1; }
cmake -S . -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS_RELEASE="-O1 -g" -DRIN_TESTS=OFF -DRIN_FUZZ=ON \
    -DRIN_SANITIZE=address,undefined >/dev/null
targets=$(names "$@" | sed 's/^/fuzz_/')
# shellcheck disable=SC2086  # names without spaces
cmake --build "$build" -j 2 --target $targets
names "$@" | xargs -P 2 -I '{}' sh tests/fuzz/run.sh --one "$seconds" '{}' || {
    echo "there are findings: $build/work/*/findings"
    exit 1
}
