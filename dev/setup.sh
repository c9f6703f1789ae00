#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes sure that everything the build needs is there, and with the word "tests" also what the tests need. Instant, and
# without the network, when nothing is missing.
set -eu

missing=""
need_command() { # command, package of Debian and Ubuntu
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need_module() { # module of pkg-config, package
    pkg-config --exists "$1" 2>/dev/null || missing="$missing $2"
}

need_command cc gcc
need_command cmake cmake
need_command pkg-config pkg-config
need_module libjpeg libjpeg-dev
need_module libpng libpng-dev
need_module libwebpdemux libwebp-dev
need_module libarchive libarchive-dev
need_module libexif libexif-dev
need_module libcjson libcjson-dev
need_module inih libinih-dev
need_module openblas libopenblas-serial-dev
need_module libcrypto libssl-dev
need_module libavformat libavformat-dev
need_module libavcodec libavcodec-dev
need_module libavfilter libavfilter-dev
need_module libswscale libswscale-dev
if [ "${1:-}" = tests ]; then
    need_module cmocka libcmocka-dev
    need_command valgrind valgrind
    need_command c++ g++
fi
[ -n "$missing" ] || exit 0

run=""
if [ "$(id -u)" -ne 0 ]; then
    run="sudo "
fi
if command -v apt-get >/dev/null 2>&1 && { [ -z "$run" ] || sudo -n true 2>/dev/null; }; then
    echo "installing$missing"
    # shellcheck disable=SC2086  # a list of words
    ${run}apt-get update -q && ${run}env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
    exit
fi
cat >&2 <<END
Some packages are missing. On Debian and Ubuntu this command installs them; elsewhere they go by similar names:

    ${run:-}apt-get install$missing
END
exit 1
