// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "bench/naive/adam.hpp"

/// Optimizers of a pair, which is anything with lora_A, lora_B, grad_A, grad_B and scaling.
namespace naive {

/// Plain SGD on both factors.
template <typename Scalar>
class LoraSgd {
 public:
  LoraSgd(Index /*out*/, Index /*in*/, Index /*rank*/, const AdamOptions& options)
      : options_(options) {}
  template <typename Pair>
  void step(Pair& pair) {
    descend(options_, pair.grad_A, pair.lora_A);
    descend(options_, pair.grad_B, pair.lora_B);
  }

 private:
  AdamOptions options_;
};

/// Plain AdamW on both factors.
template <typename Scalar>
class LoraAdamW {
 public:
  LoraAdamW(Index out, Index in, Index rank, const AdamOptions& options)
      : options_(options), adam_A_(rank, in, options), adam_B_(out, rank, options) {}
  template <typename Pair>
  void step(Pair& pair) {
    descend(options_, adam_A_.direction(pair.grad_A), pair.lora_A);
    descend(options_, adam_B_.direction(pair.grad_B), pair.lora_B);
  }

 private:
  AdamOptions options_;
  Adam<Scalar> adam_A_, adam_B_;
};

}  // namespace naive
