#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Kills a comparison again and again, resumes it each time, and compares its results with those of
# one that was left alone.
#   resume_test.sh SCRATCH PROGRAM ARGUMENTS...
set -euo pipefail
scratch=$1
shift
fail() {
  printf 'resume_test.sh: %s\n' "$*" >&2
  exit 1
}
# What a computer's speed decides is left out.
results_of() {
  sed -E 's/"(optimizer_ms_per_step|seconds)":[^,}]*,?//g' "$1/results.json"
}

rm -rf "$scratch"
mkdir -p "$scratch"
"$@" --fresh --cache "$scratch/cache_whole" --output "$scratch/whole" >"$scratch/whole.log" 2>&1

checkpoint=$scratch/parts/run.checkpoint
stamp_of_checkpoint() { stat -c '%i %y' "$checkpoint" 2>/dev/null || true; }
kills=0
while :; do
  "$@" --resume --checkpoint-every 1 --cache "$scratch/cache_parts" --output "$scratch/parts" \
    >>"$scratch/parts.log" 2>&1 &
  program=$!
  # Each time after some more checkpoints, or at the end of a run, which removes its own.
  seen=0
  stamp=$(stamp_of_checkpoint)
  while [ "$kills" -lt 7 ] && kill -0 "$program" 2>/dev/null; do
    if [ "$(stamp_of_checkpoint)" != "$stamp" ]; then
      stamp=$(stamp_of_checkpoint)
      seen=$((seen + 1))
    fi
    if [ "$seen" -gt $((2 * kills)) ]; then
      kill -KILL "$program" && kills=$((kills + 1))
      break
    fi
    sleep 0.01
  done
  if wait "$program" 2>/dev/null; then break; fi
  [ "$kills" -gt 0 ] || fail "the program failed: $(tail -n 1 "$scratch/parts.log")"
done
[ "$kills" -ge 3 ] || fail "the program was killed $kills times only"
taken_up=$(grep -c 'goes on after step' "$scratch/parts.log") || fail "nothing was taken up"
[ ! -e "$scratch/parts/run.checkpoint" ] || fail "the checkpoint is still there"
diff <(results_of "$scratch/whole") <(results_of "$scratch/parts") >/dev/null ||
  fail "the results differ after $kills kills, $taken_up of them in the middle of a training"
printf 'the same results after %s kills; %s trainings were taken up in the middle\n' "$kills" \
  "$taken_up"
