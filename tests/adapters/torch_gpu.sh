#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# The adapter of libtorch on a GPU: builds tests/adapters/torch_gpu.cpp against the torch of `python3`,
# whose wheel has headers and libraries, and compares the first CUDA device with the CPU. Where Catch2
# and nlohmann-json are at hand, the adapter's tests are built against the same torch and run on the
# CPU. Returns 77 where there is no torch or no device. Only a host compiler is needed, no nvcc.
#   tests/adapters/torch_gpu.sh             the comparison
#   tests/adapters/torch_gpu.sh --collect   copies Eigen, Catch2 and nlohmann-json into build/torch_gpu,
#                                           to take there where none of them is installed
# CXX                    the compiler (g++)
# LORAPRO_TORCH_PREFIX   a libtorch in this folder, with include/ and lib/, in place of python3's torch
# LORAPRO_TORCH_DEVICE   cuda:0; with cpu the two paths are compared on the CPU
# LORAPRO_TORCH_WORK     the folder of what is built, build/torch_gpu
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=${LORAPRO_TORCH_WORK:-$root/build/torch_gpu}
compiler=${CXX:-g++}
device=${LORAPRO_TORCH_DEVICE:-cuda:0}

say() { printf '== %s\n' "$*"; }
skip() {
  say "skipped: $*"
  exit 77
}
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# folder_of HEADER: the first folder that has it.
folder_of() {
  local folder
  for folder in "$work/include" "$work/include/eigen3" /usr/local/include /usr/local/include/eigen3 \
    /usr/include /usr/include/eigen3; do
    if [ -e "$folder/$1" ]; then
      printf '%s\n' "$folder"
      return
    fi
  done
  return 1
}

if [ "${1-}" = --collect ]; then
  mkdir -p "$work/include"
  for name in Eigen catch2 nlohmann; do
    folder=$(folder_of "$name") || fail "no headers of $name to collect"
    [ "$folder" = "$work/include" ] || cp -rL "$folder/$name" "$work/include/"
  done
  du -sh "$work/include"
  exit 0
fi
[ $# -eq 0 ] || fail "usage: tests/adapters/torch_gpu.sh [--collect]"

# What torch is there: folders of headers and libraries, the ABI of its std::string, its version.
includes=()
libraries=()
standard=c++17
abi=1
if [ -n "${LORAPRO_TORCH_PREFIX-}" ]; then
  includes=("$LORAPRO_TORCH_PREFIX/include" "$LORAPRO_TORCH_PREFIX/include/torch/csrc/api/include")
  for folder in "$LORAPRO_TORCH_PREFIX"/lib "$LORAPRO_TORCH_PREFIX"/lib/*-linux-gnu; do
    if [ -e "$folder/libtorch.so" ]; then libraries+=("$folder"); fi
  done
  [ ${#libraries[@]} -gt 0 ] || fail "LORAPRO_TORCH_PREFIX: expected lib/libtorch.so in $LORAPRO_TORCH_PREFIX"
  if [[ $device == cuda* ]] && [ ! -e "${libraries[0]}/libtorch_cuda.so" ]; then
    skip "the libtorch in $LORAPRO_TORCH_PREFIX has no CUDA"
  fi
else
  command -v python3 >/dev/null || skip "there is no python3, whose torch would be used"
  # shellcheck disable=SC2016
  facts=$(python3 - "$device" 2>/dev/null <<'PYTHON'
import glob, os, sys
import torch

folder = os.path.dirname(torch.__file__)
print(folder)
print(int(torch.compiled_with_cxx11_abi()))
print(torch.__version__)
# The newer headers are written for C++20.
numbers = [int(part) for part in torch.__version__.split("+")[0].split(".")[:2]]
print("c++20" if numbers >= [2, 5] else "c++17")
available = not sys.argv[1].startswith("cuda") or torch.cuda.is_available()
print(torch.cuda.get_device_name(0) if available and torch.cuda.is_available() else available)
# CUDA's own libraries are wheels beside torch's.
print(":".join(glob.glob(os.path.join(os.path.dirname(folder), "nvidia", "*", "lib"))))
PYTHON
  ) || skip "python3 has no torch"
  mapfile -t fact <<<"$facts"
  [ "${fact[4]}" != False ] || skip "torch ${fact[2]} of python3 finds no CUDA device"
  say "torch ${fact[2]} in ${fact[0]}, device: ${fact[4]}"
  includes=("${fact[0]}/include" "${fact[0]}/include/torch/csrc/api/include")
  libraries=("${fact[0]}/lib")
  abi=${fact[1]}
  standard=${fact[3]}
  export LD_LIBRARY_PATH="${fact[5]-}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi

flags=(-std="$standard" -O2 -fopenmp -D_GLIBCXX_USE_CXX11_ABI="$abi" -I"$root/include" -I"$root/tests" -I"$root")
for header in Eigen/Core nlohmann/json.hpp catch2; do
  if folder=$(folder_of $header); then includes+=("$folder"); fi
done
folder_of Eigen/Core >/dev/null ||
  fail "no Eigen: install it, or run $0 --collect where it is and bring build/torch_gpu"
for folder in "${includes[@]}"; do
  # The compiler has this one in its own order.
  if [ "$folder" != /usr/include ]; then flags+=(-isystem "$folder"); fi
done
links=("-Wl,--no-as-needed" "-L${libraries[0]}" "-Wl,-rpath,${libraries[0]}" "-Wl,--allow-shlib-undefined"
  -ltorch -ltorch_cpu -lc10)
if [ -e "${libraries[0]}/libtorch_cuda.so" ]; then links+=(-ltorch_cuda -lc10_cuda); fi

mkdir -p "$work"
say "building with $compiler, $standard"
"$compiler" "${flags[@]}" "$root/tests/adapters/torch_gpu.cpp" -o "$work/torch_gpu" "${links[@]}" &
building=$!
tests=false
if folder_of nlohmann/json.hpp >/dev/null && folder_of catch2/catch.hpp >/dev/null; then
  tests=true
  # One translation unit: most of the time goes into libtorch's headers.
  for file in "$root"/tests/adapters/torch_*_test.cpp; do
    printf '#include "%s"\n' "$file"
  done >"$work/tests.cpp"
  "$compiler" "${flags[@]}" "$root/tests/support/main.cpp" "$work/tests.cpp" -o "$work/tests" \
    "${links[@]}" || fail "the tests of the adapter do not build"
else
  say "without the adapter's tests: they need Catch2 2 and nlohmann-json"
fi
wait "$building" || fail "torch_gpu.cpp does not build"

if $tests; then
  say "the adapter's tests, on the CPU"
  "$work/tests" || fail "the tests of the adapter fail"
fi
say "the tensor path on $device beside the CPU"
"$work/torch_gpu" "$device"
