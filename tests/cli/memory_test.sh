#!/bin/sh
# SPDX-License-Identifier: MIT
# What does not fit into memory is refused before anything of it is allocated, with what it needs and what would help.
. tests/cli/lib.sh

# member KEY: a number or word of the JSON object in the last command's output.
member() {
    sed -n "s/.*\"$1\": \([a-z0-9]*\).*/\1/p" "$work/stdout"
}

# A plan for another machine: the table as ever, the refusal on standard error, the exit code of a failure.
expect 0 "together" "$rin" plan --preset small --memory 80G
expect 1 "train.accumulate = " "$rin" plan --preset small --memory 100M
grep -q "^together " "$work/stdout" || fail "no table where training does not fit"
grep -q "there are 104857600 (0.098 GiB)" "$work/stderr" || fail "no bytes of what there is"
parts=$(sed -n 's/.*Try train.accumulate = \([0-9]*\), .*/\1/p' "$work/stderr")
needed=$(sed -n 's/.*needs \([0-9]*\) bytes.*/\1/p' "$work/stderr")
expect 0 "in $parts parts" "$rin" plan --preset small --memory 100M --set "train.accumulate=$parts"
expect 1 "model.latent_dim" "$rin" plan --preset small --memory 1M

# As JSON; the bytes are those of the message, and one of them more or less decides.
expect 1 '"fits": false' "$rin" plan --preset small --memory 100M --json
[ "$(member bytes_available)" = 104857600 ] || fail "other bytes than those asked for"
[ "$(member bytes_total)" = "$needed" ] || fail "other bytes than those of the message, $needed"
expect 0 '"fits": true' "$rin" plan --preset small --memory "$needed" --json
expect 1 '"fits": false' "$rin" plan --preset small --memory $((needed - 1)) --json
expect 0 '"fits": true' "$rin" plan --preset small --json
[ "$(member bytes_available)" -gt "$needed" ] || fail "this machine has no memory"

for size in 1T 1024G 1048576M 1073741824K 1099511627776; do
    expect 0 '"bytes_available": 1099511627776' "$rin" plan --preset small --memory $size --json
done
for size in "" 0 0G -1 +1 1.5G 80GB 80g G 1e9 99999999999999999999 17179869184G; do
    expect 2 "--memory" "$rin" plan --preset small --memory "$size"
done

# The largest network that options allow is planned in a moment.
expect 1 "GiB" "$rin" plan --set model.num_layers=1024 --set model.latent_dim=65536 --set model.latent_mlp_ratio=64 \
    --memory 80G

# A process that may not have so much: sanitizers reserve more addresses than any limit leaves.
if ! "$rin" --version | grep -q fsanitize; then
    make_images
    limited() {
        # shellcheck disable=SC3045  # where there is no such limit, there is nothing to test
        (ulimit -v 400000 2>/dev/null || exit 1; "$@")
    }
    if limited true; then
        expect 1 "train.accumulate = " limited "$rin" train --data "$work/images" --out "$work/run" --preset small \
            --batch 512 --threads 1
        grep -q "of memory (.* GiB), there are 409600000 (" "$work/stderr" || fail "no bytes of the limit"
        [ ! -e "$work/run" ] || fail "a run that cannot start has left a folder"
        expect 1 "there are 409600000 (" limited "$rin" plan --preset small --batch 512
    fi
fi
