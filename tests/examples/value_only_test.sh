#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Runs a comparison with --value-only and without: its values and losses are the same bits, and the
# metric's curve is shorter.
#   value_only_test.sh SCRATCH PROGRAM ARGUMENTS...
set -euo pipefail
scratch=$1
shift
fail() {
  printf 'value_only_test.sh: %s\n' "$*" >&2
  exit 1
}
values_of() { grep -oE '"(value|final_loss)": *[^,}]*' "$scratch/$1/results.json"; }
# Of "exact match_curve" and the like; the curve of the loss has no metric's name.
points_of() { grep -oE '"[a-z ]+_curve":[^"]*' "$scratch/$1/results.json" | grep -o ',' | wc -l; }

rm -rf "$scratch"
mkdir -p "$scratch"
for name in whole value; do
  option=
  if [ "$name" = value ]; then option=--value-only; fi
  "$@" $option --fresh --cache "$scratch/cache" --output "$scratch/$name" \
    >"$scratch/$name.log" 2>&1 || {
    code=$?
    cat "$scratch/$name.log" >&2
    exit $code
  }
done
diff <(values_of whole) <(values_of value) || fail "the values differ"
[ "$(points_of value)" -lt "$(points_of whole)" ] || fail "the curve is not shorter"
