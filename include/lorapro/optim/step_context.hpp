// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/optimizer_config.hpp>

#include <algorithm>  // std::max

LORAPRO_NAMESPACE_BEGIN

/// What is the same for every element of one parameter in one step; rates and decay are in its
/// Factor.
struct StepContext {
  const OptimizerConfig* config = nullptr;  ///< with what the rule has decided
  double grad_scale = 1;                    ///< 1 / (loss scale x accumulated batches)
  double clip = 1;        ///< factor of the gradient from clipping; 1 during prepare
  std::int64_t step = 1;  ///< of this parameter, from 1
  std::uint64_t rounding_key = 0;
  ClipNorm clip_norm = ClipNorm::none;
  Side free_factor = Side::B;  ///< of a pair: AdjustOptions
};

namespace detail {

/// What norms of a step must stay below for value - lr step to fit the scalar, where the values are
/// below step_limit(0) as well.
template <typename Scalar>
double step_limit(double lr) {
  return static_cast<double>((std::numeric_limits<Scalar>::max)()) / 2 / (std::max)(1.0, lr);
}

/// Largest gradient whose square still fits a second moment.
template <typename Scalar>
double largest_adam_gradient() {
  return std::sqrt(static_cast<double>((std::numeric_limits<Scalar>::max)()));
}

}  // namespace detail

LORAPRO_NAMESPACE_END
