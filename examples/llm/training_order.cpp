// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "training_order.hpp"

namespace examples::llm {

std::int64_t TrainingOrder::steps_of(std::int64_t epochs) const {
  std::int64_t steps = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    steps += static_cast<std::int64_t>(epoch_steps(rows_, options_, epoch).size());
  }
  return steps;
}

const StepPacks& TrainingOrder::at(std::int64_t step) {
  if (step < first_) go_to(0, 0);
  while (step >= first_ + static_cast<std::int64_t>(steps_.size())) {
    go_to(epoch_ + 1, first_ + static_cast<std::int64_t>(steps_.size()));
  }
  return steps_[static_cast<std::size_t>(step - first_)];
}

void TrainingOrder::go_to(std::int64_t epoch, std::int64_t first) {
  steps_ = epoch_steps(rows_, options_, epoch);
  epoch_ = epoch;
  first_ = first;
}

}  // namespace examples::llm
