// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/training_order.hpp"

#include "support/catch.hpp"

namespace {

namespace llm = examples::llm;

std::vector<llm::Index> order_rows() {
  std::vector<llm::Index> rows;
  for (llm::Index i = 0; i < 60; ++i) rows.push_back(1 + (i * 17) % 40);
  return rows;
}

llm::PackingOptions order_options() {
  llm::PackingOptions options;
  options.tokens_per_step = 200;
  options.micro_tokens = 100;
  return options;
}

TEST_CASE("steps are those of the epochs, one after the other", "[training_order]") {
  llm::TrainingOrder order(order_rows(), order_options());
  std::vector<llm::StepPacks> expected;
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (const auto& step : llm::epoch_steps(order_rows(), order_options(), epoch)) {
      expected.push_back(step);
    }
  }
  CHECK(order.steps_of(3) == static_cast<std::int64_t>(expected.size()));
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CHECK(order.at(static_cast<std::int64_t>(step)) == expected[step]);
  }
  CHECK(order.epoch() == 2);
}

TEST_CASE("a step is found by its number alone", "[training_order]") {
  llm::TrainingOrder order(order_rows(), order_options());
  llm::TrainingOrder resumed(order_rows(), order_options());
  for (std::int64_t step = 0; step < 17; ++step) order.at(step);
  CHECK(resumed.at(17) == order.at(17));
  CHECK(resumed.at(3) == order.at(3));  // back as well
}

}  // namespace
