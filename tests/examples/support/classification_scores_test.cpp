// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/classification_scores.hpp"

#include <lorapro/lorapro.hpp>

#include "support/catch.hpp"

#include <Eigen/Core>

namespace {

TEST_CASE("the predictions are the largest logits of the rows", "[classification_scores]") {
  Eigen::MatrixXf logits(2, 3);
  logits << 1, 3, 2, -1, -3, -2;
  std::vector<int> predictions{7};
  examples::append_predictions(logits, predictions);
  CHECK(predictions == std::vector<int>{7, 1, 0});
}

TEST_CASE("accuracy is the share of hits", "[scores]") {
  CHECK(examples::accuracy({0, 1, 2, 2}, {0, 1, 1, 2}) == 0.75);
}

TEST_CASE("macro F1 weighs every class alike", "[scores]") {
  // Class 0: 2 hits of 3 named, 2 present; class 1: none of 0 named, 1 present; class 2: 1 of 1.
  const double expected = (2.0 * 2 / (3 + 2) + 0.0 + 1.0) / 3;
  CHECK(examples::macro_f1({0, 0, 0, 2}, {0, 0, 1, 2}, 3) == Approx(expected));
  // A class that nobody names does not count.
  CHECK(examples::macro_f1({0, 0, 0, 2}, {0, 0, 1, 2}, 5) == Approx(expected));
  CHECK(examples::macro_f1({1, 0}, {1, 0}, 2) == 1.0);
  CHECK(examples::macro_f1({1, 1}, {0, 0}, 2) == 0.0);
}

TEST_CASE("the majority class is the most frequent label", "[scores]") {
  const auto majority = examples::majority_class({2, 0, 2, 1}, 4);
  CHECK(majority.label == 2);
  CHECK(majority.share == 0.5);
}

}  // namespace
