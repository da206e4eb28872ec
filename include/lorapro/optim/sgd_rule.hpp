// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/elementwise.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Stochastic gradient descent on every element, w <- decay w - lr g: for pairs plain LoRA. No
/// state.
/// In plain Eigen: bench/naive/lora_rules.hpp.
struct SgdRule : ElementwiseRule {
  static constexpr const char* kName = "sgd";
  static constexpr std::array<const char*, 0> kState{};

  template <typename Scalar>
  struct Update {
    explicit Update(const ElementStep& step)
        : keep(static_cast<Scalar>(step.decay)),
          rate(static_cast<Scalar>(step.lr * step.grad_scale * step.clip)) {}
    void operator()(const ElementRow<Scalar, 0>& row) const {
      descend_row(keep, rate, row.grad, row.value, row.count);
    }

    Scalar keep, rate;
  };
};

LORAPRO_NAMESPACE_END
