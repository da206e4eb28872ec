// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/naive_adam.hpp"

namespace bench::naive {

/// Plain SGD on both factors.
class LoraSgd {
 public:
  explicit LoraSgd(const Shape&) {}
  void step(PairData& pair, float lr) {
    pair.lora_A -= lr * pair.grad_A;
    pair.lora_B -= lr * pair.grad_B;
  }
};

/// Plain AdamW on both factors.
class LoraAdamW {
 public:
  explicit LoraAdamW(const Shape& shape)
      : adam_A_(shape.rank, shape.in), adam_B_(shape.out, shape.rank) {}
  void step(PairData& pair, float lr) {
    pair.lora_A -= lr * adam_A_.direction(pair.grad_A);
    pair.lora_B -= lr * adam_B_.direction(pair.grad_B);
  }

 private:
  Adam adam_A_, adam_B_;
};

}  // namespace bench::naive
