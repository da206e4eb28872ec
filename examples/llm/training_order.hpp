// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "packing.hpp"

namespace examples::llm {

/// The steps of a training, one epoch after the other. A step is found by its number alone, so that
/// a resumed training goes on with the examples that are next.
class TrainingOrder {
 public:
  /// \throws lorapro::ConfigError as epoch_steps.
  TrainingOrder(std::vector<Index> rows, PackingOptions options)
      : rows_(std::move(rows)), options_(options), steps_(epoch_steps(rows_, options_, 0)) {}

  /// How many steps so many epochs have: they differ, as the examples meet in other orders.
  std::int64_t steps_of(std::int64_t epochs) const;

  /// \param step  from 0. The reference is good until the next call.
  const StepPacks& at(std::int64_t step);

  /// Of the step that was asked for last.
  std::int64_t epoch() const { return epoch_; }

 private:
  void go_to(std::int64_t epoch, std::int64_t first);

  std::vector<Index> rows_;
  PackingOptions options_;
  std::vector<StepPacks> steps_;  // of epoch_
  std::int64_t epoch_ = 0;
  std::int64_t first_ = 0;  // number of its first step
};

}  // namespace examples::llm
