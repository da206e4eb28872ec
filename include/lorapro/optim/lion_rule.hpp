// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/elementwise.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Lion on every element: the sign of an average of momentum and gradient,
///
///     w <- decay w - lr sign(beta1 m + (1 - beta1) g)        m <- beta2 m + (1 - beta2) g
///
/// State: exp_avg of every element. Recommended: beta2 = 0.99, and a rate of a third to a tenth of
/// AdamW's. For pairs the step depends on how W is factorised.
/// \ref Chen et al., Symbolic discovery of optimization algorithms, arXiv:2302.06675v4, algorithm 2.
struct LionRule : ElementwiseRule {
  static constexpr const char* kName = "lion";
  static constexpr std::array<const char*, 1> kState{"exp_avg"};

  template <typename Scalar>
  struct Update {
    explicit Update(const ElementStep& step)
        : beta1(static_cast<Scalar>(*step.config.beta1)),
          beta2(static_cast<Scalar>(step.config.beta2)),
          scale(static_cast<Scalar>(step.grad_scale * step.clip)),
          keep(static_cast<Scalar>(step.decay)),
          lr(static_cast<Scalar>(step.lr)) {}
    void operator()(const ElementRow<Scalar, 1>& row) const {
      for (Index i = 0; i < row.count; ++i) {
        const Scalar g = scale * row.grad[i];
        Scalar& m = row.state[0][i];
        const Scalar direction = beta1 * m + (1 - beta1) * g;
        row.value[i] =
            keep * row.value[i] - lr * static_cast<Scalar>((direction > 0) - (direction < 0));
        m = beta2 * m + (1 - beta2) * g;
      }
    }

    Scalar beta1, beta2, scale, keep, lr;
  };

  template <typename Scalar>
  static double largest_gradient(double /*lr*/) {
    return detail::step_limit<Scalar>(0);
  }
};

LORAPRO_NAMESPACE_END
