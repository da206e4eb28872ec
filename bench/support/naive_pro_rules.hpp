// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/naive_adam.hpp"
#include "support/naive_adjust.hpp"

namespace bench::naive {

/// Algorithm 1.
class ProSgd {
 public:
  explicit ProSgd(const Shape&) {}
  void step(PairData& pair, float lr) {
    const Steps steps = adjust(pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling);
    pair.lora_A -= lr * steps.A;
    pair.lora_B -= lr * steps.B;
  }
};

/// The efficient variant of algorithm 2.
class Efficient {
 public:
  explicit Efficient(const Shape& shape)
      : adam_A_(shape.rank, shape.in), adam_B_(shape.out, shape.rank) {}
  void step(PairData& pair, float lr) {
    const Steps steps = adjust(pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling);
    pair.lora_A -= lr * adam_A_.direction(steps.A);
    pair.lora_B -= lr * adam_B_.direction(steps.B);
  }

 private:
  Adam adam_A_, adam_B_;
};

/// Algorithm 2: E, both moments and H are (m, n) matrices.
class Full {
 public:
  explicit Full(const Shape& shape) : adam_(shape.out, shape.in) {}
  void step(PairData& pair, float lr) {
    const auto s = static_cast<float>(pair.scaling);
    const Steps first = adjust(pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling);
    const Matrix E = equivalent_gradient(pair.lora_A, pair.lora_B, first, pair.scaling);
    const Matrix H = adam_.direction(E);
    const Steps second = adjust(pair.lora_A, pair.lora_B, s * pair.lora_B.transpose() * H,
                                s * H * pair.lora_A.transpose(), pair.scaling);
    pair.lora_A -= lr * second.A;
    pair.lora_B -= lr * second.B;
  }

 private:
  Adam adam_;
};

}  // namespace bench::naive
