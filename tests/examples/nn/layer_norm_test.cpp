// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/layer_norm.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::LayerNorm;
using support::Matrix;
using support::random_matrix;

TEST_CASE("layer norm against finite differences", "[nn][layer_norm]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const Eigen::Index rows = GENERATE(3, 131);
  CAPTURE(rows);
  LayerNorm<double> norm(6);
  norm.gain().value = random_matrix(random, 1, 6);
  norm.bias().value = random_matrix(random, 1, 6);
  Matrix x = random_matrix(random, rows, 6, 2);
  const Matrix c = random_matrix(random, rows, 6);
  Matrix y, grad_x;
  const auto loss = [&] {
    norm.forward(x, y);
    return support::weighted_sum(c, y);
  };
  loss();
  norm.backward(x, c, grad_x);
  support::check_parameter_gradients(norm, loss);
  support::check_gradient("x", x, grad_x, loss);
}

TEST_CASE("layer norm gives rows of mean 0 and variance 1", "[nn][layer_norm]") {
  LORAPRO_TEST_RANDOM(random, 2);
  LayerNorm<double> norm(64, 1e-12);
  const Matrix x = random_matrix(random, 2, 64, 3).array() + 5;
  Matrix y;
  norm.forward(x, y);
  for (Eigen::Index i = 0; i < 2; ++i) {
    CHECK(y.row(i).mean() == Approx(0).margin(1e-12));
    CHECK(y.row(i).squaredNorm() / 64 == Approx(1));
  }
}

TEST_CASE("a frozen layer norm passes the same gradient on", "[nn][layer_norm]") {
  LORAPRO_TEST_RANDOM(random, 3);
  LayerNorm<double> norm(6);
  const Matrix x = random_matrix(random, 4, 6), c = random_matrix(random, 4, 6);
  Matrix y, trained, frozen;
  norm.forward(x, y);
  norm.backward(x, c, trained);
  norm.gain().freeze();
  norm.bias().freeze();
  norm.backward(x, c, frozen);
  CHECK(frozen == trained);
}

}  // namespace
