#!/bin/sh
# SPDX-License-Identifier: MIT
# Packs the first images of every class of an image folder into an archive, byte for byte the same every time.
set -eu

usage="usage: make-subset.sh FOLDER OUTPUT.tar.gz [IMAGES_PER_CLASS]
FOLDER holds one folder of images per class; IMAGES_PER_CLASS is 1000 unless given."
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "$usage" >&2
    exit 2
fi
folder=$1
output=$2
per_class=${3:-1000}
if [ ! -d "$folder" ]; then
    echo "make-subset.sh: '$folder' is not a folder; $usage" >&2
    exit 2
fi

export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(
    cd "$folder"
    for class in */; do
        find "$class" -maxdepth 1 -type f ! -name '.*' | sort | head -n "$per_class"
    done
) >"$work/names"
tar --create --format=ustar --directory="$folder" --no-recursion \
    --owner=0 --group=0 --numeric-owner --mode=0644 --mtime=@0 \
    --file="$work/subset.tar" --verbatim-files-from --files-from="$work/names"
gzip -9 -n <"$work/subset.tar" >"$work/subset.tar.gz"
mv "$work/subset.tar.gz" "$output"
echo "$output: $(wc -l <"$work/names") images, $(wc -c <"$output") bytes"
