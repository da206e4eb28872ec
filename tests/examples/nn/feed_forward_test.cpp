// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/feed_forward.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::Activation;
using examples::nn::FeedForward;
using support::Matrix;
using support::random_matrix;

TEST_CASE("feed-forward against finite differences", "[nn][feed_forward]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const auto activation = GENERATE(Activation::gelu, Activation::relu);
  FeedForward<double> layer(4, 7, 3, activation);
  for (auto* linear : {&layer.up(), &layer.down()}) {
    linear->weight().value = random_matrix(random, linear->out_features(), linear->in_features());
    linear->bias().value = random_matrix(random, 1, linear->out_features());
  }
  Matrix x = random_matrix(random, 5, 4);
  const Matrix c = random_matrix(random, 5, 3);
  Matrix y, grad_x;
  const auto loss = [&] {
    layer.forward(x, y);
    return support::weighted_sum(c, y);
  };
  loss();
  layer.backward(x, c, grad_x);
  support::check_parameter_gradients(layer.up(), loss);
  support::check_parameter_gradients(layer.down(), loss);
  support::check_gradient("x", x, grad_x, loss);
}

TEST_CASE("activations take known values", "[nn][feed_forward]") {
  Matrix x(1, 5), y;
  x << -10, -1, 0, 1, 10;
  examples::nn::activate(Activation::gelu, x, y);
  // GELU(1) by the approximation is 0.841192; by the normal distribution it is 0.841345.
  CHECK(y(0) == Approx(0).margin(1e-12));
  CHECK(y(1) == Approx(-0.158808).epsilon(1e-5));
  CHECK(y(2) == 0);
  CHECK(y(3) == Approx(0.841192).epsilon(1e-6));
  CHECK(y(4) == Approx(10));
  examples::nn::activate(Activation::relu, x, y);
  CHECK((y(1) == 0 && y(3) == 1 && y(4) == 10));
}

}  // namespace
