// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/side.hpp>
#include <lorapro/core/view.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The sizes of a pair: W is (out_features, in_features), A (rank, in_features), B (out_features,
/// rank).
struct PairShape {
  Index out_features = 0;
  Index in_features = 0;
  Index rank = 0;

  /// Of a factor with the rank first, (rank, length).
  Index length(Side side) const { return side == Side::A ? in_features : out_features; }
  /// The largest rank of a step of W.
  Index step_rank() const { return (std::min)({2 * rank, out_features, in_features}); }
};

/// One factor of a pair in one step, the rank first: lora_A as it is, lora_B transposed, so that
/// whatever treats the factors alike is written once, for (rank, length).
struct Factor {
  FactorView value;   ///< the caller's, that the gradient belongs to
  FactorView grad;    ///< dL/dvalue as backpropagation returns it
  FactorView master;  ///< copy in the compute scalar; no data unless the value stores less
  double lr = 0;      ///< of the coming step, with the schedule's factor
  double decay = 1;   ///< factor of the value before the update

  /// What an update is applied to.
  const FactorView& target() const { return master.data != nullptr ? master : value; }
  /// Epsilon of the coarser type of value and gradient.
  double storage_eps() const {
    return (std::max)(storage_epsilon(value.type), storage_epsilon(grad.type));
  }
};

/// A pair as rules see it: W = W0 + scaling B A.
struct Pair : PerSide<Factor> {
  double scaling = 1;

  PairShape shape() const { return {B.value.length, A.value.length, A.value.rank}; }
  /// Epsilon of the coarsest type among factors and gradients, which the cutoffs follow.
  double storage_eps() const { return (std::max)(A.storage_eps(), B.storage_eps()); }
  double largest_lr() const { return (std::max)(A.lr, B.lr); }
};

LORAPRO_NAMESPACE_END
