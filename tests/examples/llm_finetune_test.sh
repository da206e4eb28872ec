#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Kills a training again and again, interrupts it once, resumes it each time, and compares all that
# it has written with what one that was left alone wrote.
#   llm_finetune_test.sh SCRATCH LLM_FINETUNE MODEL
set -euo pipefail
scratch=$1
program=$2
model=$3
fail() {
  printf 'llm_finetune_test.sh: %s\n' "$*" >&2
  exit 1
}
# What a computer's speed decides is left out.
results_of() {
  grep -Ev '"(seconds|tokens_per_second|peak_memory_bytes)":' "$1/results.json"
}

rm -rf "$scratch"
mkdir -p "$scratch/data"
for i in $(seq 60); do
  printf '{"prompt": "The cat number %d", "completion": " saw %d birds and %d dogs."}\n' \
    "$i" $((i * 7 % 10)) $((i * 3 % 10))
done >"$scratch/data/train.jsonl"
head -n 10 "$scratch/data/train.jsonl" | sed 's/cat/fox/' >"$scratch/data/valid.jsonl"
# In place of the shell that calls it, so that a signal finds the program.
train() {
  exec "$program" --model "$model" --data "$scratch/data" --steps 24 --rank 4 --lr 1e-3 --dropout 0.1 \
    --max-length 64 --micro-tokens 64 --tokens-per-step 256 --eval-every 8 --sample "The cat" \
    --sample-tokens 8 --csv "$scratch/$1.csv" --threads 1 --output "$scratch/$1" "${@:2}"
}
(train whole) >"$scratch/whole.log" 2>&1 || fail "the program failed: $(tail -n 1 "$scratch/whole.log")"

checkpoint=$scratch/parts/run.checkpoint
stamp_of_checkpoint() { stat -c '%i %y' "$checkpoint" 2>/dev/null || true; }
kills=0
while :; do
  train parts --resume --checkpoint-every 1 >>"$scratch/parts.log" 2>&1 &
  job=$!
  # Each time after some more checkpoints.
  seen=0
  stamp=$(stamp_of_checkpoint)
  while [ "$kills" -lt 4 ] && kill -0 "$job" 2>/dev/null; do
    if [ "$(stamp_of_checkpoint)" != "$stamp" ]; then
      stamp=$(stamp_of_checkpoint)
      seen=$((seen + 1))
    fi
    if [ "$seen" -gt "$kills" ]; then
      signal=KILL
      [ "$kills" -ne 2 ] || signal=TERM
      kill -"$signal" "$job" && kills=$((kills + 1))
      break
    fi
    sleep 0.01
  done
  if wait "$job" 2>/dev/null; then break; fi
  [ "$kills" -gt 0 ] || fail "the program failed: $(tail -n 1 "$scratch/parts.log")"
done
[ "$kills" -ge 3 ] || fail "the program was stopped $kills times only"
taken_up=$(grep -c 'goes on after step' "$scratch/parts.log") || fail "nothing was taken up"
grep -q 'stopped after step' "$scratch/parts.log" || fail "a request to stop left no word"
[ ! -e "$checkpoint" ] || fail "the checkpoint is still there"
diff <(results_of "$scratch/whole") <(results_of "$scratch/parts") >/dev/null ||
  fail "the results differ after $kills stops, $taken_up of them in the middle"
for file in adapter_model.safetensors adapter_config.json adapter.gguf; do
  cmp "$scratch/whole/$file" "$scratch/parts/$file" || fail "$file differs"
done
# All but the milliseconds.
diff <(cut -d, -f1,2,8- "$scratch/whole.csv") <(cut -d, -f1,2,8- "$scratch/parts.csv") >/dev/null ||
  fail "the logs of the steps differ"
"$program" --model "$model" --adapter "$scratch/parts" --sample "The cat" --sample-tokens 8 \
  --max-length 64 --test "$scratch/data/valid.jsonl" >"$scratch/use.log" ||
  fail "the adapter cannot be used"
grep -q 'perplexity' "$scratch/use.log" || fail "nothing was measured"
printf 'the same bytes after %s stops; %s trainings were taken up in the middle\n' "$kills" \
  "$taken_up"
