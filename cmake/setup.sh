# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
# shellcheck shell=bash

# Sourced by examples/quickstart.sh and tests/run.sh: installs what is missing and builds a preset.
# Nothing is installed when everything is there already, on Debian or elsewhere.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
missing=()

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# has CHECK: is it here? CHECK is `command:NAME`, `header:NAME` (as in #include <NAME>) or
# `file:PATTERN` (one existing file is enough). Without a compiler no header counts as found.
has() {
  local name=${1#*:} compiler
  case $1 in
    command:*) command -v "$name" >/dev/null 2>&1 ;;
    file:*) compgen -G "$name" >/dev/null ;;
    header:*)
      compiler=$(command -v "${CXX:-c++}" || command -v g++ || command -v clang++) || return 1
      printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$name" |
        "$compiler" -x c++ -E -I /usr/include/eigen3 -I /usr/local/include/eigen3 - >/dev/null 2>&1
      ;;
    *) fail "has: unknown check $1" ;;
  esac
}

# require NAME CHECK PACKAGE: NAME is needed; where CHECK fails, the Debian PACKAGE brings it.
require() {
  has "$2" || missing+=("$3")
}

# Runs a command as root; without a terminal sudo must not ask for a password.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# Installs everything that `require` found missing, or says which command would.
install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  local log=$root/build/setup.log package
  local -a install=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet
    --no-install-recommends "${missing[@]}")
  mkdir -p "$root/build"
  : >"$log"
  cannot() {
    tail -n 20 "$log" >&2
    fail "missing: ${missing[*]}
$1. To install by hand, run as root:
  apt-get update && apt-get install --no-install-recommends ${missing[*]}
(on other systems than Debian: the packages of the same software)"
  }

  has command:apt-get || cannot "There is no apt-get here"
  [ "$(id -u)" -eq 0 ] || has command:sudo || cannot "This user is not root and there is no sudo"
  say "installing: ${missing[*]}"
  for package in "${missing[@]}"; do
    if ! apt-cache show "$package" >/dev/null 2>&1; then
      as_root apt-get update --quiet >>"$log" 2>&1 || cannot "apt-get update failed"
      break
    fi
  done
  if ! as_root "${install[@]}" >>"$log" 2>&1 </dev/null; then
    # The package lists may be older than the packages on the server.
    as_root apt-get update --quiet >>"$log" 2>&1 || cannot "apt-get update failed"
    as_root "${install[@]}" >>"$log" 2>&1 </dev/null || cannot "apt-get install failed"
  fi
  missing=()
}

require_build_tools() {
  require "the C++ compiler" command:g++ g++
  require "CMake" command:cmake cmake
  require "Ninja" command:ninja ninja-build
  require "Eigen" header:Eigen/Core libeigen3-dev
}

# A second build, in this tree or a copy of it, then takes what did not change from the first.
require_ccache() {
  require "ccache" command:ccache ccache
}

require_json() {
  require "nlohmann json" header:nlohmann/json.hpp nlohmann-json3-dev
}

require_examples() {
  require_json
  require "CLI11" header:CLI/CLI.hpp libcli11-dev
  require "fmt" header:fmt/core.h libfmt-dev
  require "zlib" header:zlib.h zlib1g-dev
  require "utf8proc" header:utf8proc.h libutf8proc-dev
}

require_data() {
  require "gnuplot" command:gnuplot gnuplot-nox
  require "Fashion-MNIST" "file:/usr/share/datasets/fashion-mnist/train-images-*" \
    dataset-fashion-mnist
}

# build PRESET [-DNAME=VALUE...] [TARGET...]: configures and builds quietly; shows the log when that
# fails.
build() {
  local preset=$1 log=$root/build/$1.log
  local -a settings=()
  shift
  while [[ ${1-} == -D* ]]; do
    settings+=("$1")
    shift
  done
  mkdir -p "$root/build"
  say "building the preset $preset (log: build/$preset.log)"
  if ! (
    cd "$root"
    cmake --preset "$preset" "${settings[@]}"
    cmake --build --preset "$preset" --parallel "$(nproc)" ${1:+--target "$@"}
  ) >"$log" 2>&1 </dev/null; then
    if grep -q '^FAILED:' "$log"; then
      sed -n '/^FAILED:/,$p' "$log" | head -n 100 >&2
    else
      tail -n 60 "$log" >&2
    fi
    fail "the preset $preset does not build; the whole log is in $log"
  fi
}
