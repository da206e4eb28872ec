#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Installs what is missing, fetches the data, builds the programs and runs what results.jsonl lacks
# of the comparison: hours on a few cores. Stop it at any time; the next call goes on. All arguments
# go to run.py, whose --help lists them.
source "$(dirname "${BASH_SOURCE[0]}")/../../cmake/setup.sh"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/lorapro/convergence
require_build_tools
require_examples
require_data
require "Python" command:python3 python3
require "npm" command:npm npm
install_missing
mkdir -p "$cache"
for data in digits wordnet sentence_encoder dialogue code; do
  "$root/examples/data/$data.sh" "$cache" >&2
done
# Pretrained anew the bases differ from one kind of processor to the next.
cp "$root"/bench/convergence/bases/*.safetensors "$cache/"
build release image_classification math_reasoning code_generation language_understanding dialogue
exec python3 "$root/bench/convergence/run.py" --programs "$root/build/release/examples" \
  --cache "$cache" --work "$root/build/convergence" "$@"
