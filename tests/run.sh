#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Installs what is missing, builds and tests. The last lines are ctest's count of all tests.
#   ./tests/run.sh         the core tests, with g++
#   ./tests/run.sh --all   also clang++, the sanitizers, packaging, documentation, examples, benchmarks
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

case ${1-} in
  "") all=false ;;
  --all) all=true ;;
  *) fail "usage: tests/run.sh [--all]" ;;
esac

require_build_tools
require "Catch2" "file:/usr/*/catch2/catch*.hpp" catch2
require_examples
if $all; then
  require_data
  require "clang++" command:clang++ clang
  require "clang's OpenMP" "file:/usr/lib/llvm-*/lib/libomp.so" libomp-dev
  require "clang-format" command:clang-format clang-format
  require "Google Benchmark" header:benchmark/benchmark.h libbenchmark-dev
  require "Doxygen" command:doxygen doxygen
fi
install_missing

run_ctest() {
  exec ctest --output-on-failure --no-label-summary --no-tests=error --parallel "$(nproc)" "$@"
}

if ! $all; then
  build dev core_tests
  run_ctest --test-dir "$root/build/dev" --label-regex '^core$'
fi

# One ctest run over the tests of all build trees, so that its last lines count every test.
presets=(dev clang asan bench)
mkdir -p "$root/build/all"
for preset in "${presets[@]}"; do
  build "$preset"
  printf 'subdirs("%s")\n' "$root/build/$preset"
done >"$root/build/all/CTestTestfile.cmake"
run_ctest --test-dir "$root/build/all"
