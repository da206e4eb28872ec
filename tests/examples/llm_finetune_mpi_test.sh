#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Trains on several ranks of MPI and alone: the losses agree to rounding.
#   llm_finetune_mpi_test.sh SCRATCH LLM_FINETUNE MODEL LAUNCHER...
set -euo pipefail
scratch=$1
program=$2
model=$3
shift 3
fail() {
  printf 'llm_finetune_mpi_test.sh: %s\n' "$*" >&2
  exit 1
}
rm -rf "$scratch"
mkdir -p "$scratch"
for i in $(seq 40); do
  printf '{"text": "The cat number %d saw %d birds."}\n' "$i" $((i * 7 % 10))
done >"$scratch/train.jsonl"
head -n 7 "$scratch/train.jsonl" >"$scratch/valid.jsonl"
arguments=(--model "$model" --data "$scratch/train.jsonl" --valid
  "$scratch/valid.jsonl" --test "$scratch/valid.jsonl" --steps 8 --rank 4 --lr 1e-3 --base bf16
  --dropout 0.1 --max-length 64 --micro-tokens 64 --tokens-per-step 320 --threads 1)
"$program" "${arguments[@]}" --output "$scratch/alone" >"$scratch/alone.log" 2>&1 ||
  fail "alone: $(tail -n 1 "$scratch/alone.log")"
"$@" "$program" "${arguments[@]}" --output "$scratch/ranks" >"$scratch/ranks.log" 2>&1 ||
  fail "on ranks: $(tail -n 1 "$scratch/ranks.log")"
grep -q '"processes": [2-9]' "$scratch/ranks/results.json" || fail "there was one process"
value_of() { sed -nE "s/.*\"$2\": ([-+.0-9e]+).*/\1/p" "$scratch/$1/results.json"; }
for name in final_loss best_cross_entropy test_cross_entropy; do
  awk -v a="$(value_of alone $name)" -v b="$(value_of ranks $name)" -v name=$name '
    BEGIN {
      printf "%s: alone %s, on ranks %s\n", name, a, b
      exit !(a > 0 && (a - b) / a < 1e-4 && (b - a) / a < 1e-4)
    }' || fail "$name differs"
done
