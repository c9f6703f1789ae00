#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs into a new folder, moves it, and builds programs against it: C and C++, shared and static, pkg-config and CMake.
# One of them is the example of the README.
. tests/cli/lib.sh
root=$PWD
cc=${CC:-cc}

expect 0 "rin.h" cmake --install "$RIN_BUILD" --prefix "$work/first"
mv "$work/first" "$work/installed"
prefix=$work/installed
libdir=$(dirname "$(find "$prefix" -name librin.a)")
export PKG_CONFIG_PATH="$libdir/pkgconfig" LD_LIBRARY_PATH="$libdir"
expect 0 "rin 0." "$prefix/bin/rin" --version

cat >"$work/main.c" <<'END'
#include <rin.h>
#include <stdio.h>

int main(void) {
    rin_error error = {0};
    rin_config *config = NULL;
    rin_status status = rin_config_create(&config, &error);
    if (status == RIN_OK) status = rin_config_set(config, "train.batch", "8", &error);
    printf("%s %s\n", rin_version(), status == RIN_OK ? "works" : error.text);
    rin_config_free(config);
    return status != RIN_OK;
}
END
cp "$work/main.c" "$work/main.cpp"
sed -i 's/= {0}/= {}/' "$work/main.cpp"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >"$work/readme.c"

cd "$work"
flags="-Wall -Wextra -Werror"
# shellcheck disable=SC2046,SC2086  # lists of flags
{
    expect 0 "" "$cc" -std=c11 $flags main.c -o shared $(pkg-config --cflags --libs rin)
    expect 0 "" "$cc" -std=c11 $flags main.c -o static $(pkg-config --cflags rin) "$libdir/librin.a" \
        $(pkg-config --static --libs rin | sed 's/-lrin //')
    expect 0 "" "$cc" -std=c11 $flags readme.c -o readme $(pkg-config --cflags --libs rin)
    if command -v c++ >/dev/null 2>&1; then
        expect 0 "" c++ $flags main.cpp -o cpp $(pkg-config --cflags --libs rin)
        expect 0 "works" ./cpp
    fi
}
expect 0 "works" ./shared
expect 0 "works" env -u LD_LIBRARY_PATH ./static
expect 1 "runs/first" ./readme

mkdir cmake
cp main.c cmake
cat >cmake/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(rin 0.1 REQUIRED)
add_executable(shared main.c)
target_link_libraries(shared PRIVATE rin::rin)
add_executable(static main.c)
target_link_libraries(static PRIVATE rin::static)
END
expect 0 "" cmake -S cmake -B cmake/build -DCMAKE_PREFIX_PATH="$prefix"
expect 0 "" cmake --build cmake/build
expect 0 "works" cmake/build/shared
expect 0 "works" env -u LD_LIBRARY_PATH cmake/build/static

# The shared library shows what the header declares: all of it, and nothing else.
sed -n 's/^RIN_API .*[ *]\(rin_[a-z0-9_]*\)(.*/\1/p' "$root/include/rin.h" | sort >declared
nm -D --defined-only "$libdir/librin.so" | awk '{ print $3 }' | sort >shown
cmp -s declared shown || fail "librin.so and rin.h differ: $(diff declared shown)"
