#!/bin/sh
# SPDX-License-Identifier: MIT
# Does rin work on this machine's GPU, and how fast? Tests the kernels against the CPU, runs the golden cases, checks memory
# accesses and races, and measures. The report is REPORT; the exit code is 1 when something failed.
#   BUILD   folder of the build (build/gpu)       REPORT  the report (BUILD/report.md)
#   CASES   folders of golden cases               PARTS   of: tests golden sanitizer bench
#   PEER    command that prints one JSON object of a PyTorch peer when given --preset and --batch
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build/gpu}
REPORT=${REPORT:-$BUILD/report.md}
PARTS=${PARTS:-tests golden sanitizer bench}
CASES=${CASES:-tests/golden $(ls -d ../shared/golden 2>/dev/null)}
log=$(mktemp)
trap 'rm -f "$log" "$log.now"' EXIT
failed=0

say() {
    echo "$*"
    echo "$*" >>"$REPORT"
}

# A line of the report, and the end of the output where the command failed.
check() { # what, command...
    what=$1
    shift
    from=$(date +%s)
    if "$@" >"$log.now" 2>&1; then
        say "- ok: $what ($(($(date +%s) - from)) s)"
    else
        failed=1
        say "- FAILED: $what"
        say '```'
        say "$(tail -n 25 "$log.now")"
        say '```'
    fi
}

has() {
    case " $PARTS " in *" $1 "*) return 0 ;; esac
    return 1
}

mkdir -p "$(dirname "$REPORT")"
: >"$REPORT"
say "# rin on a GPU"
say ""
say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo 'no nvidia-smi')"
say "$("$BUILD/rin" --version | head -n 1)"
say ""
export RIN_LAB_ONLY=cuda

if has tests; then
    for name in backend_kernel backend_update exec_step feature_device; do
        check "$name" "$BUILD/${name}_test"
    done
fi
if has golden; then
    for folder in $CASES; do
        check "golden cases of $folder in fp32" "$BUILD/rin" check --device cuda-fp32 "$folder"
        # What bf16 can reach, here as with PyTorch, is in docs/performance.md.
        "$BUILD/rin" check --device cuda-bf16 "$folder" >"$log" 2>&1
        say "- bf16, $folder: $(tail -n 1 "$log"), within 0.02"
        check "forwards of $folder in bf16, within 0.02" sh -c "! grep -E 'FAILED +(forward|case)' '$log' && grep -q forward '$log'"
    done
fi
if has sanitizer && command -v compute-sanitizer >/dev/null 2>&1; then
    for tool in memcheck racecheck; do
        for device in cuda-fp32 cuda-bf16; do
            compute-sanitizer --tool "$tool" --error-exitcode 9 --print-limit 5 \
                "$BUILD/rin" check --device "$device" tests/golden/image_latent_cond >"$log" 2>&1
            code=$?
            check "$tool of $device" sh -c "cat '$log'; [ $code -ne 9 ] && grep -q 'ERROR SUMMARY: 0 errors\|RACECHECK SUMMARY: 0 hazards' '$log'"
        done
    done
fi
if has bench; then
    for row in cifar10,256 imagenet64,128 imagenet128,32; do
        preset=${row%,*} batch=${row#*,}
        say ""
        say "## $preset, batch $batch"
        say '```'
        say "$("$BUILD/rin" bench --device cuda --preset "$preset" --batch "$batch" --steps 20 --profile 2>&1)"
        if [ -n "${PEER:-}" ]; then say "$($PEER --preset "$preset" --batch "$batch" 2>&1 | tail -n 1)"; fi
        say '```'
    done
fi
say ""
say "$([ $failed -eq 0 ] && echo 'Everything passed.' || echo 'Something FAILED.')"
exit $failed
