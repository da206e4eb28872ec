// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/softmax_cross_entropy.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::kNoLabel;
using support::Matrix;
using support::random_matrix;

TEST_CASE("cross-entropy against finite differences", "[nn][softmax_cross_entropy]") {
  LORAPRO_TEST_RANDOM(random, 1);
  Matrix logits = random_matrix(random, 4, 3, 2), grad, unused;
  const std::vector<int> labels{2, kNoLabel, 0, 2};
  const double loss = examples::nn::softmax_cross_entropy(logits, labels, grad);
  double expected = 0;
  for (const Eigen::Index i : {0, 2, 3}) {
    expected += std::log(logits.row(i).array().exp().sum()) -
                logits(i, labels[static_cast<std::size_t>(i)]);
  }
  CHECK(loss == Approx(expected / 3));
  support::check_gradient("logits", logits, grad, [&] {
    return examples::nn::softmax_cross_entropy(logits, labels, unused);
  });
  CHECK(grad.row(1).norm() == 0);

  const auto each = examples::nn::log_probabilities(logits, labels);
  CHECK(each[1] == 0);
  CHECK(-(each[0] + each[2] + each[3]) / 3 == Approx(loss));
}

TEST_CASE("cross-entropy of huge logits is finite", "[nn][softmax_cross_entropy]") {
  lorapro::RowMatrix<float> logits(1, 2), grad;
  logits << 1e4F, -1e4F;
  CHECK(examples::nn::softmax_cross_entropy(logits, {1}, grad) == Approx(2e4));
  CHECK(grad(0, 0) == 1);
  CHECK(grad(0, 1) == -1);
}

TEST_CASE("cross-entropy refuses labels without a logit", "[nn][softmax_cross_entropy]") {
  const Matrix logits = Matrix::Zero(1, 3);
  Matrix grad;
  CHECK_THROWS_AS(examples::nn::softmax_cross_entropy(logits, {3}, grad), std::out_of_range);
  CHECK_THROWS_AS(examples::nn::softmax_cross_entropy(logits, {-2}, grad), std::out_of_range);
}

}  // namespace
