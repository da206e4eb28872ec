#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# The ```diff block of docs/adopting.md is what really differs between the two trainers in the style of
# hand-written engines, from their first #include on.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

code_of() { sed -n '/^#include/,$p' "$root/examples/$1"; }
real=$(diff -U0 <(code_of c_style_trainer.cpp) <(code_of embed_in_c_style_trainer.cpp) |
  grep -v -e '^---' -e '^+++' -e '^@@' || true)
shown=$(sed -n '/^```diff$/,/^```$/p' "$root/docs/adopting.md" | grep -v '^```' || true)
[ -n "$shown" ] || { echo "docs/adopting.md has no diff block" >&2; exit 1; }
diff <(printf '%s\n' "$shown") <(printf '%s\n' "$real") || {
  echo "docs/adopting.md shows another diff (<) than the trainers have (>)" >&2
  exit 1
}
