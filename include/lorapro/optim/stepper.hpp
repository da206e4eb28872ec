// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/attachments.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The two halves of a step, and which threads and pairs work together in them. An interface, since
/// what is behind it may be compiled elsewhere, for the machine's instruction set
/// (compiled_rules.hpp).
template <typename Scalar>
class Stepper {
 public:
  using PairSlot = detail::PairSlot<Scalar>;
  using DenseSlot = detail::DenseSlot<Scalar>;
  using Attachments = detail::Attachments<Scalar>;

  Stepper() = default;
  virtual ~Stepper() = default;
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  /// Makes room for one more pair; of `count` in all. \cost O(1) on average.
  virtual void expect(const PairSlot& slot, std::size_t count) = 0;
  virtual void expect(const DenseSlot& slot) = 0;
  /// A pair has gone.
  virtual void forget_pair() = 0;

  /// Checks and measures all that take part: their context and preparation are those of this step
  /// then. Writes no parameter and no moment.
  /// \param grad_scale  1 / (loss scale x accumulated batches).
  virtual void measure(const Attachments& attached, const OptimizerConfig& config,
                       const Groups& groups, double grad_scale, double lr_factor) = 0;

  /// Updates what measure found usable, with the groups' clip factors.
  virtual void update(const Attachments& attached, const Groups& groups, double lr_factor) = 0;
};

}  // namespace detail

LORAPRO_NAMESPACE_END
