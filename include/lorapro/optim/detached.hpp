// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/attachments.hpp>

#include <utility>  // std::move

LORAPRO_NAMESPACE_BEGIN

template <typename Scalar>
class OptimizerParameters;

/// A pair with its state, between detach and attach of optimizers of one rule.
template <typename Scalar>
class DetachedPair {
 public:
  Index out_features() const { return slot_->shape().out_features; }
  Index in_features() const { return slot_->shape().in_features; }
  Index rank() const { return slot_->shape().rank; }

 private:
  friend class OptimizerParameters<Scalar>;
  using Slot = detail::PairSlot<Scalar>;
  explicit DetachedPair(std::unique_ptr<Slot> slot) : slot_(std::move(slot)) {}
  std::unique_ptr<Slot> slot_;
};

/// A dense parameter with its state, between detach and attach of optimizers of one rule.
template <typename Scalar>
class DetachedDense {
 public:
  Index size() const { return slot_->size(); }

 private:
  friend class OptimizerParameters<Scalar>;
  using Slot = detail::DenseSlot<Scalar>;
  explicit DetachedDense(std::unique_ptr<Slot> slot) : slot_(std::move(slot)) {}
  std::unique_ptr<Slot> slot_;
};

LORAPRO_NAMESPACE_END
