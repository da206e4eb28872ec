#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Trains adapters and has llama.cpp foretell a text with them.
#   LORAPRO_STORIES_DIR=... llm_finetune_llamacpp_test.sh SCRATCH LLM_FINETUNE NODE NODE_MODULES
# with the folder of the pretrained model stories260K, and a folder with node-llama-cpp.
set -euo pipefail
scratch=$1
program=$2
node=$3
modules=$4
check=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/llm_finetune_llamacpp_check.mjs
for needed in "${LORAPRO_STORIES_DIR-}" "$modules/node-llama-cpp"; do
  [ -n "$needed" ] && [ -d "$needed" ] && continue
  printf 'skipped: no folder "%s"\n' "$needed"
  exit 77
done
model=$LORAPRO_STORIES_DIR/stories260K.gguf
base=(--model "$model" --tokenizer "$LORAPRO_STORIES_DIR/stories260K_hf" --base float)
rm -rf "$scratch"
mkdir -p "$scratch"
printf 'Once upon a time, there was a dog. He liked to run in the park. One day, a big cat saw him.' \
  >"$scratch/text.txt"
# What the program says of the text, with the options given.
measured() {
  "$program" "${base[@]}" --test "$scratch/text.txt" "$@" |
    sed -nE 's/^test: cross-entropy ([0-9.]+) .*/\1/p'
}
compare() {
  "$node" "$check" "$modules" "$model" "$1" "$scratch/text.txt" "$2"
}
compare none "$(measured)"
for options in "--method lora_pro_spectral" "--method rslora_adamw" \
  "--rank-pattern q_proj=3,v_proj=16,down_proj=5" \
  "--method rslora_adamw --rank-pattern q_proj=3,v_proj=16,down_proj=5"; do
  # shellcheck disable=SC2086
  "$program" "${base[@]}" --data "$scratch/text.txt" --steps 20 --rank 8 --lr 2e-3 \
    --output "$scratch/out" --fresh $options >"$scratch/train.log" 2>&1
  compare "$scratch/out/adapter.gguf" "$(measured --adapter "$scratch/out")"
done
