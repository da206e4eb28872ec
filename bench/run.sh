#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

usage="usage: bench/run.sh [--json FILE] [--filter REGEX] [--compiled] [--torch] [--smoke]

Installs what is missing, builds the preset bench, runs the benchmarks and prints one table with
floors and ratios, all from this run. bench/README.md says what the columns mean.

  --json FILE     also write the table to FILE
  --filter REGEX  only benchmarks with a matching name; a ratio whose baseline did not run is '-'
  --compiled      also time steps and layers in baseline programs that link lorapro::compiled
  --torch         also time PyTorch: its AdamW, and a block of Llama written with its modules
                  (installs python3-torch, which is large, and OpenBLAS)
  --smoke         one small shape, once: seconds, to see that everything runs"

source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

json=
filter=.
smoke=false
compiled=false
torch=false
while [ $# -gt 0 ]; do
  case $1 in
    --json | --filter)
      [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value
$usage"
      [ "$1" = --json ] && json=$2 || filter=$2
      shift
      ;;
    --smoke) smoke=true ;;
    --compiled) compiled=true ;;
    --torch) torch=true ;;
    -h | --help)
      printf '%s\n' "$usage"
      exit
      ;;
    *) fail "unknown argument: $1
$usage" ;;
  esac
  shift
done
if [ -n "$json" ] && [ ! -d "$(dirname "$json")" ]; then
  fail "$json: there is no directory $(dirname "$json")"
fi
if $smoke && { [ "$filter" != . ] || $compiled || $torch; }; then
  fail "--smoke goes with neither --filter nor --compiled nor --torch"
fi

require_build_tools
require "Google Benchmark" header:benchmark/benchmark.h libbenchmark-dev
require "nlohmann json" header:nlohmann/json.hpp nlohmann-json3-dev
require "fmt" header:fmt/core.h libfmt-dev
if $torch; then
  require "Python" command:python3 python3
  require "PyTorch" "file:/usr/lib/python3/dist-packages/torch/__init__.py" python3-torch
  # PyTorch takes the machine's BLAS, and the reference one would flatter us.
  require "OpenBLAS" "file:/usr/lib/*/openblas-pthread/libblas.so.3" libopenblas0-pthread
fi
install_missing
preset=bench
if $smoke; then preset=bench_smoke; fi
build $preset
if $compiled; then
  programs=()
  for source in "$root"/bench/{layer,optim}/bench_*.cpp; do
    programs+=("$(basename "$source" .cpp)")
  done
  build bench_compiled "${programs[@]}"
fi

# Threads that spin between parallel regions would take the other ones' time.
export OMP_WAIT_POLICY=passive
options=(--benchmark_min_time=0.1 --benchmark_repetitions=3)
if $smoke; then
  # The large shapes have a number of four digits, or 72 pairs.
  filter='-[0-9][0-9][0-9][0-9]|/72x'
  options=(--benchmark_min_time=0.001 --benchmark_repetitions=1)
fi

binaries=$root/build/$preset/bench
results=$root/build/$preset/results
rm -rf "$results"
mkdir -p "$results"
reports=()
compiled_reports=()

# measure NAME FILTER [compiled]: runs one executable, unless it has no such benchmark.
measure() {
  local program=$binaries/$1 log=$results/$1.log report=$results/$1.json names
  if [ "${3-}" = compiled ]; then
    program=$root/build/bench_compiled/bench/$1
    log=$results/$1.compiled.log
    report=$results/$1.compiled.json
  fi
  names=$("$program" --benchmark_list_tests --benchmark_filter="$2" 2>&1) || fail "$1: $names"
  case $names in
    *"Failed to match any benchmarks"*) return 0 ;;
    *"Could not compile benchmark re"*) fail "--filter: not a regular expression: $2" ;;
  esac
  say "$1${3:+, $3}"
  if ! "$program" "${options[@]}" --benchmark_filter="$2" --benchmark_out="$report" \
    --benchmark_out_format=json >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "$1 failed; the whole log is in $log"
  fi
  if [ "${3-}" = compiled ]; then compiled_reports+=("$report"); else reports+=("$report"); fi
}

# The limits first, and whatever the filter: the floors come from them.
measure bench_limits .
for layer in linalg adjust layer optim training; do
  for source in "$root/bench/$layer"/bench_*.cpp; do
    name=$(basename "$source" .cpp)
    measure "$name" "$filter"
    # Right after its twin, for a machine whose speed drifts.
    if $compiled && [[ $layer == layer || $layer == optim ]]; then
      measure "$name" "$filter" compiled
    fi
  done
done
for program in "$binaries"/bench_torch_*; do
  # Where libtorch was found.
  if [ -x "$program" ]; then measure "$(basename "$program")" "$filter"; fi
done
if $torch; then
  say "PyTorch"
  # Debian's own Python, whatever comes first in the PATH.
  /usr/bin/python3 "$root/bench/compare_torch.py" --filter "$filter" "$results/torch.json" >&2 ||
    fail "compare_torch.py failed"
  reports+=("$results/torch.json")
fi
[ ${#reports[@]} -gt 1 ] || fail "--filter: no benchmark matches $filter"
if $compiled; then compiled_reports=(--compiled "${compiled_reports[@]}"); fi
"$binaries/report_table" ${json:+--json "$json"} "${reports[@]}" "${compiled_reports[@]}"
