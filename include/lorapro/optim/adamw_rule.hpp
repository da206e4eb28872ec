// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/elementwise.hpp>

LORAPRO_NAMESPACE_BEGIN

/// AdamW on every element. For pairs it is plain LoRA, the baseline, whose moments live in the
/// coordinates of A and B, so that the step depends on how W is factorised; with dense parameters
/// attached only it is full fine-tuning. State: exp_avg and exp_avg_sq of every element.
/// \ref Hu et al., arXiv:2106.09685v2; Loshchilov & Hutter, arXiv:1711.05101v3, algorithm 2.
/// In plain Eigen: bench/naive/lora_rules.hpp.
struct AdamWRule : ElementwiseRule {
  static constexpr const char* kName = "adamw";
  static constexpr std::array<const char*, 2> kState{"exp_avg", "exp_avg_sq"};

  template <typename Scalar>
  struct Update {
    explicit Update(const ElementStep& step)
        : constants(AdamStep{*step.config.beta1, step.config.beta2, step.config.eps, step.step,
                             step.lr, step.grad_scale * step.clip, step.decay}) {}
    void operator()(const ElementRow<Scalar, 2>& row) const {
      adamw_row<Scalar>(constants, {row.grad, row.state[0], row.state[1], row.value, row.count});
    }

    AdamConstants<Scalar> constants;
  };

  template <typename Scalar>
  static double largest_gradient(double /*lr*/) {
    return detail::largest_adam_gradient<Scalar>();
  }
};

LORAPRO_NAMESPACE_END
