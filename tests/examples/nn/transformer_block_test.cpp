// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/transformer_block.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::Sequences;
using examples::nn::TransformerBlock;
using support::Matrix;
using support::random_matrix;

TEST_CASE("a transformer block against finite differences", "[nn][transformer_block]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const bool causal = GENERATE(false, true);
  CAPTURE(causal);
  const Sequences sequences{2, 3, {}};
  TransformerBlock<double> block(6, 2, causal);
  block.for_each_layer("block", [&](const std::string& name, auto& layer) {
    layer.for_each_parameter(name, [&](const std::string&, auto& parameter) {
      parameter.value = random_matrix(random, parameter.value.rows(), parameter.value.cols(), 0.5);
    });
  });
  Matrix x = random_matrix(random, 6, 6);
  const Matrix c = random_matrix(random, 6, 6);
  Matrix y, grad_x;
  const auto loss = [&] {
    block.forward(x, sequences, y);
    return support::weighted_sum(c, y);
  };
  loss();
  block.backward(x, sequences, c, grad_x);
  int layers = 0;
  block.for_each_layer("block", [&](const std::string& name, auto& layer) {
    INFO(name);
    ++layers;
    support::check_parameter_gradients(layer, loss);
  });
  CHECK(layers == 6);
  support::check_gradient("x", x, grad_x, loss);
}

}  // namespace
