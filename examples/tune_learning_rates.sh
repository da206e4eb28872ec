#!/bin/bash
# SPDX-FileCopyrightText: 2026 the lorapro authors
# SPDX-License-Identifier: MIT
#
# Finds the learning rates and the damping that image_classification has as its defaults, on
# validation images. Every method gets the same seeds and rates around its best, in steps of about
# 10^(1/4) (10^(1/2) for SGD); the lora_pro methods get them with each damping.
#
# usage: tune_learning_rates.sh PROGRAM [DIR [OPTIONS OF THE PROGRAM]]
#        PROGRAM: the built image_classification; DIR: for its results
# environment: DAMPINGS, the dampings to try; empty for the program's defaults, rates alone
set -euo pipefail

program=${1:?"usage: tune_learning_rates.sh PROGRAM [DIR [OPTIONS OF THE PROGRAM]]"}
dir=${2:-image_classification_tuning}
options=("${@:3}")
dampings=${DAMPINGS-"0.01 0.1"}

adapter=3e-3:5.6e-3:1e-2
full=1.8e-3:3e-3:5.6e-3
sgd=1e-1:3e-1
pro_sgd=1:3

tune() {
  "$program" --validation --seeds 3 --output "$dir" "${options[@]}" "$@"
}

tune --methods lora_adamw,rslora_adamw,full_adamw,lora_sgd \
  --lr "lora_adamw=$adapter,rslora_adamw=$adapter,full_adamw=$full,lora_sgd=$sgd"
tune_pro() {
  tune --methods lora_pro_adapter,lora_pro_full,lora_pro_spectral,lora_pro_sgd "$@" \
    --lr "lora_pro_adapter=$adapter,lora_pro_full=$adapter,lora_pro_spectral=$adapter:1.8e-2,lora_pro_sgd=$pro_sgd"
}
if [ -z "$dampings" ]; then
  tune_pro
fi
for damping in $dampings; do
  tune_pro --damping "$damping"
done

# The best rate of each method, and for the lora_pro methods of each damping.
awk -F, '
  NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
  {
    setting = $column["method"]
    if (setting ~ /^lora_pro/) setting = setting " damping " $column["damping"]
    run = setting SUBSEP $column["learning_rate"]
    sum[run] += $column["value"]
    ++count[run]
  }
  END {
    for (run in sum) {
      split(run, part, SUBSEP)
      mean = sum[run] / count[run]
      if (!(part[1] in best) || mean > best[part[1]]) {
        best[part[1]] = mean
        rate[part[1]] = part[2]
      }
    }
    for (setting in best) printf "%-36s lr %-8s %.4f\n", setting, rate[setting], best[setting]
  }' "$dir/results.csv" | sort
