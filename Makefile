# SPDX-License-Identifier: MIT
# The usual targets, over CMake. Compilers and flags: make CC=clang, or cmake by hand.
PREFIX ?= /usr/local
JOBS := $(shell nproc 2>/dev/null || echo 2)
CMAKE_FLAGS := $(if $(filter-out default undefined,$(origin CC)),-DCMAKE_C_COMPILER=$(CC))
MAKEFLAGS += --no-print-directory

# $(call build,folder,flags of cmake): configures quietly and builds everything.
build = cmake -S . -B $(1) $(2) >/dev/null && cmake --build $(1) -j $(JOBS)

all: setup
	$(call build,build,$(CMAKE_FLAGS) -DRIN_TESTS=OFF)

setup:
	@sh dev/setup.sh

setup-tests:
	@sh dev/setup.sh tests

demo: all
	rm -rf demo
	mkdir demo
	build/rin train --data assets/cifar10-subset.tar.gz --preset demo --out demo/run
	build/rin sample --model demo/run --out demo/samples.png --sampler ddpm --steps 100 --seed 1
	@echo "The pictures are in demo/samples.png, a row a class."

demo-video: all
	rm -rf demo-video
	mkdir demo-video
	build/rin train --data assets/clips/train/middle --preset small-video --out demo-video/run
	build/rin sample --model demo-video/run --cond assets/clips/train/middle/cyclist.mp4 --start 0.5 --out demo-video/cyclist.mp4 --zoom 6 --seed 1
	build/rin sample --model demo-video/run --cond assets/clips/train/middle/cyclist.mp4 --start 0.5 --out demo-video/cyclist.png --zoom 2 --seed 1
	@echo "A clip, continued from half a second on, is in demo-video/cyclist.mp4, frame by frame in demo-video/cyclist.png."

# The tests; the same under sanitizers, with faults injected; those with threads under a thread sanitizer; and whether
# clang has something to say.
test: setup-tests lint
	$(call build,build,$(CMAKE_FLAGS) -DRIN_TESTS=ON)
	$(call build,build/asan,$(CMAKE_FLAGS) -DRIN_SANITIZE=address$(comma)undefined -DRIN_FAULTS=ON -DRIN_CUDA=EMULATE)
	$(call build,build/tsan,$(CMAKE_FLAGS) -DRIN_SANITIZE=thread -DRIN_CUDA=EMULATE)
	@if command -v clang >/dev/null; then $(call build,build/clang,-DCMAKE_C_COMPILER=clang -DRIN_CUDA=OFF); \
	else echo "no clang: its warnings were not looked at"; fi
	cd build/asan && ctest --output-on-failure -j $(JOBS)
	cd build/tsan && TSAN_OPTIONS=halt_on_error=1 ctest --output-on-failure -j $(JOBS)
	cd build && ctest --output-on-failure -j $(JOBS)

lint:
	@sh dev/lint.sh

# Whether this machine's GPU works, and how fast: build/gpu/report.md.
gpu-test: setup-tests
	$(call build,build/gpu,$(CMAKE_FLAGS) -DRIN_TESTS=ON -DRIN_CUDA=ON)
	sh dev/gpu/test.sh

# Every fuzz target for a minute; longer: tests/fuzz/run.sh SECONDS.
fuzz: setup
	sh tests/fuzz/run.sh 60

install: all
	cmake --install build --prefix "$(PREFIX)"

clean:
	rm -rf build demo demo-video

comma := ,
.PHONY: all setup setup-tests demo demo-video test lint gpu-test fuzz install clean
