// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "bench/naive/adam.hpp"
#include "bench/naive/adjust.hpp"

/// LoRA-Pro optimizers of a pair, which is anything with lora_A, lora_B, grad_A, grad_B and
/// scaling.
namespace naive {

/// Algorithm 1.
template <typename Scalar>
class ProSgd {
 public:
  ProSgd(Index /*out*/, Index /*in*/, Index /*rank*/, const AdamOptions& options)
      : options_(options) {}
  template <typename Pair>
  void step(Pair& pair) {
    const Steps<Scalar> steps =
        adjust<Scalar>(pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling);
    descend(options_, steps.A, pair.lora_A);
    descend(options_, steps.B, pair.lora_B);
  }

 private:
  AdamOptions options_;
};

/// The efficient variant of algorithm 2.
template <typename Scalar>
class ProAdapter {
 public:
  ProAdapter(Index out, Index in, Index rank, const AdamOptions& options)
      : options_(options), adam_A_(rank, in, options), adam_B_(out, rank, options) {}
  template <typename Pair>
  void step(Pair& pair) {
    const Steps<Scalar> steps =
        adjust<Scalar>(pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling);
    descend(options_, adam_A_.direction(steps.A), pair.lora_A);
    descend(options_, adam_B_.direction(steps.B), pair.lora_B);
  }

 private:
  AdamOptions options_;
  Adam<Scalar> adam_A_, adam_B_;
};

/// Algorithm 2: E, both moments and H are (m, n) matrices.
template <typename Scalar>
class ProFull {
 public:
  ProFull(Index out, Index in, Index /*rank*/, const AdamOptions& options)
      : options_(options), adam_(out, in, options) {}
  template <typename Pair>
  void step(Pair& pair) {
    const auto s = static_cast<Scalar>(pair.scaling);
    const Steps<Scalar> first =
        adjust<Scalar>(pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling);
    const Matrix<Scalar> H =
        adam_.direction(equivalent_gradient<Scalar>(pair.lora_A, pair.lora_B, first, pair.scaling));
    const Steps<Scalar> second =
        adjust<Scalar>(pair.lora_A, pair.lora_B, s * pair.lora_B.transpose() * H,
                       s * H * pair.lora_A.transpose(), pair.scaling);
    descend(options_, second.A, pair.lora_A);
    descend(options_, second.B, pair.lora_B);
  }

 private:
  AdamOptions options_;
  Adam<Scalar> adam_;
};

}  // namespace naive
