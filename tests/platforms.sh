#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

usage="usage: tests/run.sh --platforms [--eigen DIR]... [compilers] [debian-13]

Tries other platforms than this one, which takes an hour or two; all of them where none is named.

  compilers    programs of users (tests/platforms/consumer.cpp and the test of fast-math builds) with
               each compiler, standard library and version of C++, with warnings as errors
  debian-13    a minimal Debian 13 in a folder (as root): the README's two commands in a fresh clone
               of the last commit, then tests/run.sh --all, as far as its packages allow
  --eigen DIR  also with this Eigen, a folder that holds Eigen/Core"

source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

eigens=()
parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --eigen)
      [ $# -ge 2 ] && [ -f "$2/Eigen/Core" ] || fail "--eigen: expected a folder with Eigen/Core
$usage"
      eigens+=("$2")
      shift
      ;;
    compilers | debian-13) parts+=("$1") ;;
    --help)
      printf '%s\n' "$usage"
      exit 0
      ;;
    *) fail "$usage" ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=(compilers debian-13)

work=$root/build/platforms
mkdir -p "$work"
passed=() failed=() skipped=()

# try NAME COMMAND...: runs it, its output in a file of that name, and notes how it ended.
try() {
  local name=$1 log
  log=$work/${1//[^a-zA-Z0-9+.]/_}.log
  shift
  say "$name"
  if "$@" >"$log" 2>&1 </dev/null; then
    passed+=("$name")
  else
    failed+=("$name (log: ${log#"$root/"})")
    tail -n 5 "$log" >&2
  fi
}

skip() {
  say "skipped: $1: $2"
  skipped+=("$1: $2")
}

# Installs PACKAGES if COMMAND is not here; returns 1 where that fails.
provide() {
  local command=$1
  shift
  command -v "$command" >/dev/null 2>&1 && return 0
  (missing=("$@") && install_missing) >/dev/null 2>&1 || return 1
  command -v "$command" >/dev/null 2>&1
}

version_of() { "$1" --version | head -n 1; }

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Werror)

# run_consumer EIGEN COMPILER FLAGS...: a user's program with the headers by -I.
run_consumer() {
  local eigen=$1
  shift
  "$@" "${warnings[@]}" -I "$root/include" -isystem "$eigen" \
    "$root/tests/platforms/consumer.cpp" -o "$work/consumer" && "$work/consumer" "$work"
}

# run_fast_math EIGEN COMPILER FLAGS...: one program with and without -ffast-math, whose guards must
# hold and whose results must agree.
run_fast_math() {
  local eigen=$1 kind
  shift
  for kind in usual fast; do
    "$@" -std=c++17 -I "$root/include" -isystem "$eigen" \
      $([ $kind = fast ] && printf -- '-O2 -ffast-math') \
      "$root/tests/fast_math/main.cpp" -o "$work/fast_math_$kind" || return
  done
  "$work/fast_math_usual" write "$work/fast_math.txt" &&
    "$work/fast_math_fast" compare "$work/fast_math.txt"
}

# From 5 on the first of four numbers stands for nothing.
eigen_version() {
  local file=$1/Eigen/Version
  [ -f "$file" ] || file=$1/Eigen/src/Core/util/Macros.h
  sed -n 's/^#define EIGEN_\(WORLD\|MAJOR\|MINOR\|PATCH\)_VERSION *\([0-9]*\).*/\2/p' "$file" |
    paste -sd. | sed 's/^3\.\([0-9]*\.[0-9]*\.[0-9]*\)$/\1/'
}

try_compilers() {
  local compiler packages standard eigen library
  local own_eigen
  own_eigen=$(dirname "$(dirname "$(printf '#include <Eigen/Core>\n' |
    g++ -x c++ -M -I /usr/include/eigen3 -I /usr/local/include/eigen3 - | tr ' ' '\n' |
    grep -m 1 '/Eigen/Core$')")")
  for compiler in g++ g++-11 clang++ clang++-16 clang++-19; do
    packages=${compiler/clang++/clang}
    if ! provide "$compiler" "$packages"; then
      skip "$compiler" "neither here nor to be installed"
      continue
    fi
    say "$(version_of "$compiler")"
    for standard in 17 20 23; do
      if ! "$compiler" -std=c++$standard -x c++ -fsyntax-only /dev/null 2>/dev/null; then
        skip "$compiler, C++$standard" "the compiler does not know it"
        continue
      fi
      # Optimised once: the other two are about the language.
      try "$compiler, C++$standard" run_consumer "$own_eigen" "$compiler" -std=c++$standard \
        "$([ $standard = 17 ] && printf -- -O1 || printf -- -O0)"
    done
    try "$compiler, -ffast-math" run_fast_math "$own_eigen" "$compiler"
    if [ "$compiler" = clang++-19 ]; then
      if [ -d /usr/lib/llvm-19/include/c++ ] ||
        (missing=(libc++-19-dev libc++abi-19-dev) && install_missing) >/dev/null 2>&1; then
        for standard in 17 20 23; do
          try "$compiler, C++$standard, libc++" run_consumer "$own_eigen" \
            "$compiler" -std=c++$standard -stdlib=libc++ -O0
        done
      else
        skip "$compiler with libc++" "libc++-19-dev cannot be installed"
      fi
    fi
    if [ ${#eigens[@]} -gt 0 ]; then
      for eigen in "${eigens[@]}"; do
        try "$compiler, C++17, Eigen $(eigen_version "$eigen")" run_consumer "$eigen" \
          "$compiler" -std=c++17 -O0
      done
    fi
  done
  [ ${#eigens[@]} -gt 0 ] || skip "other versions of Eigen" "no folder was named by --eigen"
}

# in_debian COMMAND...: as root of the minimal Debian, with the file systems that programs expect.
in_debian() {
  unshare --mount --pid --fork bash -c '
    set -e
    system=$1
    shift
    mount --bind "$system" "$system"
    mount -t proc proc "$system/proc"
    mount -t tmpfs tmpfs "$system/dev"
    for name in null zero full random urandom tty; do
      touch "$system/dev/$name"
      mount --bind "/dev/$name" "$system/dev/$name"
    done
    mkdir "$system/dev/pts" "$system/dev/shm"
    mount -t tmpfs tmpfs "$system/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$system/dev/pts"
    ln -s pts/ptmx "$system/dev/ptmx"
    ln -s /proc/self/fd "$system/dev/fd"
    exec chroot "$system" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 "$@"
  ' in_debian "$work/debian-13" "$@"
}

try_debian_13() {
  if [ "$(id -u)" -ne 0 ]; then
    skip "Debian 13" "only root can make a system in a folder"
    return
  fi
  if ! has file:/etc/debian_version || ! provide mmdebstrap mmdebstrap; then
    skip "Debian 13" "there is no mmdebstrap"
    return
  fi
  local system=$work/debian-13
  if [ ! -f "$system/made" ]; then
    rm -rf "$system"
    say "making a minimal Debian 13 in build/platforms/debian-13"
    if ! mmdebstrap --variant=apt --include=git,ca-certificates trixie "$system" \
      >"$work/mmdebstrap.log" 2>&1; then
      skip "Debian 13" "mmdebstrap failed (log: build/platforms/mmdebstrap.log)"
      return
    fi
    touch "$system/made"
  fi
  rm -rf "$system/root/lorapro" "$system/root/source"
  git clone --quiet --no-hardlinks "$root" "$system/root/source"
  try "Debian 13: git clone" in_debian git clone --quiet /root/source /root/lorapro
  try "Debian 13: examples/quickstart.sh" in_debian /root/lorapro/examples/quickstart.sh
  try "Debian 13: tests/run.sh" in_debian /root/lorapro/tests/run.sh
  try "Debian 13: tests/run.sh --all" in_debian /root/lorapro/tests/run.sh --all
}

for part in "${parts[@]}"; do
  case $part in
    compilers) try_compilers ;;
    debian-13) try_debian_13 ;;
  esac
done

printf '%s\n' "${passed[@]/#/passed: }"
[ ${#skipped[@]} -eq 0 ] || printf '%s\n' "${skipped[@]/#/skipped: }"
[ ${#failed[@]} -eq 0 ] || printf '%s\n' "${failed[@]/#/FAILED: }"
printf '%d passed, %d failed, %d skipped\n' "${#passed[@]}" "${#failed[@]}" "${#skipped[@]}"
[ ${#failed[@]} -eq 0 ]
