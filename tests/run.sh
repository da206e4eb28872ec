#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Installs what is missing, builds and tests. The last lines are ctest's count of all tests.
#   ./tests/run.sh              the core tests, with g++
#   ./tests/run.sh --all        also the sanitizers with clang++, AArch64 in qemu, fuzzers, packaging,
#                               documentation, examples, benchmarks
#   ./tests/run.sh --platforms  other compilers, language versions and systems (tests/platforms.sh)
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

case ${1-} in
  "") all=false ;;
  --all) all=true ;;
  --platforms) exec "$root/tests/platforms.sh" "${@:2}" ;;
  *) fail "usage: tests/run.sh [--all | --platforms]" ;;
esac

# The packages of the cross compiler exist on some architectures only.
cross=false
if $all; then
  if [ "$(uname -m)" = x86_64 ] && has file:/etc/debian_version; then
    cross=true
  else
    say "not testing AArch64: its cross compiler is installed on x86-64 Debian only"
  fi
fi

require_build_tools
require "Catch2" "file:/usr/*/catch2/catch*.hpp" catch2
require_json
if $all; then
  require_ccache
  require_examples
  require_data
  require "clang++" command:clang++ clang
  require "clang's OpenMP" "file:/usr/lib/llvm-*/lib/libomp.so" libomp-dev
  require "libFuzzer" "file:/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a" libclang-rt-dev
  require "clang-format" command:clang-format clang-format
  require "Google Benchmark" header:benchmark/benchmark.h libbenchmark-dev
  require "Doxygen" command:doxygen doxygen
  require "Python" command:python3 python3
  require "pkg-config" command:pkg-config pkg-config
  require "Armadillo" header:armadillo libarmadillo-dev
  require "libtorch" header:torch/csrc/api/include/torch/torch.h libtorch-dev
  require "Open MPI" "file:/usr/lib/*/openmpi/include/mpi.h" libopenmpi-dev
  require "Open MPI's launcher" command:mpiexec openmpi-bin
fi
if $cross; then
  require "g++ for AArch64" command:aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
  require "qemu for AArch64" command:qemu-aarch64 qemu-user
fi
install_missing

# Translation units of more files take less processor time in all, and up to 2.5 GB each.
batches=()
memory=$(awk '/^MemTotal:/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null || echo 0)
if [ "$memory" -ge $((4 * $(nproc))) ]; then batches=(-DLORAPRO_TEST_BATCH=24); fi

# Threads that spin take the time of other tests.
export OMP_WAIT_POLICY=passive
run_ctest() {
  exec ctest --output-on-failure --no-label-summary --no-tests=error --parallel "$(nproc)" "$@"
}

if ! $all; then
  build dev "${batches[@]}" -DLORAPRO_BUILD_EXAMPLES=OFF -DLORAPRO_TORCH=OFF -DLORAPRO_TEST_MPI=OFF core_tests
  run_ctest --test-dir "$root/build/dev" --label-regex '^core$'
fi

# Each preset tests an instruction set of its own: dev the baseline (SSE2 on x86-64), asan AVX-512 or
# AVX2 where the machine has it, native all that the machine has, aarch64 NEON.
presets=(dev asan native fuzz bench_smoke)
if $cross; then presets+=(aarch64); fi
cpu_has() {
  local flag
  for flag in "$@"; do grep -qsw "$flag" /proc/cpuinfo || return 1; done
}
march=()
if cpu_has avx512f avx512bw avx512cd avx512dq avx512vl; then
  march=(-DLORAPRO_MARCH=x86-64-v4)
elif cpu_has avx2 fma; then
  march=(-DLORAPRO_MARCH=x86-64-v3)
fi

# The tests of language models take a pretrained one from a folder that the environment names.
stories=(-DLORAPRO_STORIES_DIR="${LORAPRO_STORIES_DIR-}")

# One ctest run over the tests of all build trees, so that its last lines count every test.
mkdir -p "$root/build/all"
for preset in "${presets[@]}"; do
  case $preset in
    dev) build dev "${batches[@]}" "${stories[@]}" ;;
    asan) build asan "${batches[@]}" "${march[@]}" "${stories[@]}" ;;
    *) build "$preset" "${batches[@]}" ;;
  esac
  printf 'subdirs("%s")\n' "$root/build/$preset"
done >"$root/build/all/CTestTestfile.cmake"
run_ctest --test-dir "$root/build/all"
