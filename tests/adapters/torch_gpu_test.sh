#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# tests/adapters/torch_gpu.sh with a Python and a compiler that only pretend: what it skips, and how it
# would build.
set -euo pipefail
script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/torch_gpu.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/bin" "$scratch/torch/lib" "$scratch/prefix/lib"
export PATH="$scratch/bin:$PATH" LORAPRO_TORCH_WORK="$scratch/work" CXX="$scratch/bin/compiler"
unset LORAPRO_TORCH_PREFIX LORAPRO_TORCH_DEVICE

fail() {
  printf 'error: %s\n' "$*" >&2
  cat "$scratch/output" >&2
  exit 1
}
# pretend NAME LINE...: a program of these lines.
pretend() {
  local name=$1
  shift
  printf '%s\n' '#!/bin/sh' "$@" >"$scratch/bin/$name"
  chmod +x "$scratch/bin/$name"
}
# expect STATUS TEXT: what the script returns and says.
expect() {
  local status=0
  "$script" >"$scratch/output" 2>&1 || status=$?
  [ "$status" = "$1" ] || fail "expected status $1, got $status"
  grep -qF -- "$2" "$scratch/output" || fail "expected: $2"
}
python_says() {
  pretend python3 "cat >/dev/null" "printf '%s\\n' '$scratch/torch' 0 2.11.0+cu130 c++20 '$1' '$scratch/cublas'"
}

pretend python3 "exit 1"
expect 77 "skipped: python3 has no torch"
python_says False
expect 77 "skipped: torch 2.11.0+cu130 of python3 finds no CUDA device"
: >"$scratch/prefix/lib/libtorch.so"
LORAPRO_TORCH_PREFIX=$scratch/prefix expect 77 "has no CUDA"
LORAPRO_TORCH_PREFIX=$scratch expect 1 "LORAPRO_TORCH_PREFIX: expected lib/libtorch.so in $scratch"

# Builds with what Python says of its torch, and returns what the program returns.
python_says "Some GPU"
: >"$scratch/torch/lib/libtorch_cuda.so"
# shellcheck disable=SC2016
pretend compiler "echo \"\$*\" >>'$scratch/lines'" 'while [ "$1" != -o ]; do shift; done' \
  'printf "#!/bin/sh\necho ran with \$* and \$LD_LIBRARY_PATH\nexit \${TEST_STATUS:-0}\n" >"$2"' 'chmod +x "$2"'
expect 0 "ran with cuda:0 and $scratch/cublas"
for flag in -std=c++20 -D_GLIBCXX_USE_CXX11_ABI=0 "-isystem $scratch/torch/include/torch/csrc/api/include" \
  "-L$scratch/torch/lib" "-Wl,-rpath,$scratch/torch/lib" -ltorch_cuda; do
  grep -qF -- " $flag" <(sed 's/^/ /' "$scratch/lines") || fail "expected the compiler to get $flag, got $(cat "$scratch/lines")"
done
TEST_STATUS=1 expect 1 "ran with"
pretend compiler "exit 1"
expect 1 "not build"
