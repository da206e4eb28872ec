#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT

# Installs what is missing, builds the main example and runs it. Without arguments it compares LoRA
# and LoRA-Pro over a range of alpha, with full fine-tuning beside them; else all arguments go to the
# program, which has defaults of its own: ./examples/quickstart.sh --help lists them.
# LORAPRO_PRESET=smoke compiles it in a third of the time, to run several times as slowly.
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

require_build_tools
require_examples
require_data
install_missing
preset=${LORAPRO_PRESET:-release}
build "$preset" image_classification
if [ $# -eq 0 ]; then
  # On two cores less than three minutes, the pretraining of the base included.
  set -- --methods lora_adamw,lora_pro_spectral,full_adamw --alpha 1:4:16:64:256 --seeds 2 \
    --epochs 7
  say "image_classification $*"
fi
exec "$root/build/$preset/examples/image_classification" "$@"
